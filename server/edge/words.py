"""The catalogue of refusals: stable code -> HTTP status, the Chinese sentence, the English one where no rule has it.

Sentences are filled with the refusal's own parameters. English sentences of a room's errors stand in the room, as the
docstring of the error's class; only what the edge itself refuses has its English here.
"""

from typing import NamedTuple


class Words(NamedTuple):
    """What the world is told for one code."""

    status: int
    zh: str
    en: str | None = None


CATALOGUE: dict[str, Words] = {
    # the edge itself
    "not_found": Words(404, "没有找到,它可能不存在或不属于你。", "There is nothing here, or it is not yours."),
    "method_not_allowed": Words(405, "这个地址不支持这种请求。", "This address does not answer that method."),
    "not_json": Words(
        415, "请发送 JSON(Content-Type: application/json)。", "Send JSON (Content-Type: application/json)."
    ),
    "not_multipart": Words(415, "请以 multipart/form-data 上传。", "Send multipart/form-data."),
    "body_too_large": Words(413, "内容太大,最多 {limit_kb} KB。", "The body is too large; at most {limit_kb} KB."),
    "field_invalid": Words(422, "字段 {field_name} 不正确:{problem}", "{field_name}: {problem}"),
    "unauthenticated": Words(401, "请先登录。", "Log in first: send the bearer token of POST /v1/sessions."),
    "token_expired": Words(401, "登录已过期,请重新登录。", "Your session has expired; log in again."),
    "forbidden": Words(403, "你的角色不能做这件事。", "Your role may not do this."),
    "too_many": Words(
        429, "操作太快了,请 {retry_after_s} 秒后再试。", "Too many calls; try again in {retry_after_s} s."
    ),
    "database_away": Words(
        503, "服务正在恢复,请稍后重试,你的答案不会丢。", "The service is recovering; send this again in a moment."
    ),
    "overloaded": Words(503, "现在人太多,请稍后重试。", "Too busy just now; send this again in a moment."),
    "internal": Words(500, "我们这边出了问题,已经记录。", "Something is wrong on our side; it has been recorded."),
    "guests_not_allowed": Words(403, "这里不接受游客登录。", "Guests may not log in here; use alipay or wechat."),
    "platform_not_set_up": Words(
        401, "这里没有开通这个平台的登录。", "Log-in by {platform} is not set up here; use another way to log in."
    ),
    "platform_error": Words(
        503, "{platform_zh}暂时无法登录,请稍后再试。", "{platform} could not be asked; try again in a moment."
    ),
    "login_code_refused": Words(
        401,
        "{platform_zh}的登录凭证已失效,请重新打开小程序。",
        "{platform} does not know this log-in code any more; open the app again.",
    ),
    "user_blocked_by_platform": Words(
        403,
        "{platform_zh}限制了这个账号登录,请在{platform_zh}中处理后再来。",
        "{platform} does not let this account log in; settle it there first.",
    ),
    "user_not_recently_seen": Words(
        401, "请重新打开小程序,再试一次。", "Open the app again and retry: {platform} has not seen you lately."
    ),
    "content_unreadable": Words(
        422, "{platform_zh}无法检查这段内容。", "{platform} could not read what was to be checked."
    ),
    "platform_busy": Words(
        503, "{platform_zh}正忙,请 {retry_after_s} 秒后再试。", "{platform} is busy; try again in {retry_after_s} s."
    ),
    "platform_quota_used": Words(
        503,
        "登录的人太多,请 {retry_after_s} 秒后再试。",
        "Too many log-ins by {platform} just now; try again in {retry_after_s} s.",
    ),
    "platform_unreachable": Words(
        503,
        "{platform_zh}没有回应,请 {retry_after_s} 秒后再试。",
        "{platform} does not answer; try again in {retry_after_s} s.",
    ),
    "platform_answer_unreadable": Words(
        503,
        "{platform_zh}的回应无法识别,请 {retry_after_s} 秒后再试。",
        "{platform} answered something unknown; try again in {retry_after_s} s.",
    ),
    "platform_signature_wrong": Words(
        503,
        "{platform_zh}的回应无法核实,请稍后再试。",
        "{platform}'s answer could not be verified; try again in a moment.",
    ),
    "platform_set_up_wrong": Words(
        503,
        "这里的{platform_zh}登录设置有误,运营人员已收到提醒,请稍后再试。",
        "Log-in by {platform} is set up wrongly here; the operators are told. Try again later.",
    ),
    "text_refused": Words(
        422,
        "这段文字没有通过平台的内容检查,请换一个说法。",
        "The platform's content check does not accept this text; say it in other words.",
    ),
    "sign_in_failed": Words(401, "账号或密码不对。", "The login or the password is wrong."),
    "second_factor_wanted": Words(401, "请输入动态验证码。", "Enter the six-digit code of your authenticator."),
    "second_factor_lost": Words(
        401,
        "动态验证码已无法核对(保存它的密钥已停用),请管理员先为你解除,再重新设置。",
        "Your authenticator cannot be checked: the key that kept it is gone. Ask an administrator to lift your second "
        "factor, then set it up anew.",
    ),
    "locked_out": Words(
        429, "尝试次数过多,请 {retry_after_s} 秒后再试。", "Too many attempts; try again in {retry_after_s} s."
    ),
    "csrf_missing": Words(403, "页面已过期,请刷新后重试。", "This page is out of date; reload it and try again."),
    "role_lacks_permission": Words(403, "你的角色不能做这件事。", "Your role may not do this."),
    "password_is_initial": Words(
        403, "请先设置自己的密码(我的账号)。", "Choose a password of your own first (My account)."
    ),
    "second_factor_needed": Words(
        403, "请先设置动态验证码(我的账号)。", "Set up the authenticator first (My account)."
    ),
    "second_factor_not_offered": Words(409, "请先扫描新的二维码。", "Ask for a new QR code first."),
    "code_wrong": Words(
        422,
        "验证码不对,请看手机上的时间是否准确,再输入最新的六位数字。",
        "The code is wrong; check the phone's clock and enter the newest six digits.",
    ),
    "password_wrong": Words(422, "现在的密码不对。", "The present password is wrong."),
    "password_same": Words(422, "新密码和现在的一样。", "The new password is the present one."),
    "password_weak": Words(422, "这个密码不能用:{why_zh}。", "This password will not do: {why}."),
    "login_taken": Words(409, "账号“{login}”已被使用。", 'The login "{login}" is taken.'),
    "confirm_differs": Words(
        422, "请输入编号最后八位 {wanted} 以确认。", "Enter the last eight digits of the id, {wanted}, to confirm."
    ),
    "last_administrator": Words(
        409, "至少要留一位管理员;请先让别人成为管理员。", "One administrator must remain; make somebody else one first."
    ),
    "idempotency_mismatch": Words(
        422,
        "同一个 Idempotency-Key 已用于另一份内容。",
        "This Idempotency-Key was used with another body; use a new key.",
    ),
    "upload_incomplete": Words(422, "上传缺少 {part}。", "The upload lacks its part {part}."),
    # play
    "ticket_malformed": Words(422, "题目凭证无法识别,请换一轮。"),
    "ticket_forged": Words(422, "题目凭证无效,请换一轮。"),
    "ticket_expired": Words(409, "这道题已在 {expires_at} 过期,请换一轮。"),
    "ticket_foreign": Words(403, "这道题是发给另一位玩家的。"),
    "ticket_other_device": Words(403, "这道题是发给另一台设备的,请在这台设备上换一轮。"),
    "answered_differently": Words(409, "这道题已经答过“{recorded}”,以第一次为准。"),
    "picture_unclear": Words(409, "看不清的题不计入,也不会再出现。"),
    "player_gone": Words(401, "这个账号已注销,请重新登录。"),
    "choice_unknown": Words(422, "选项“{choice}”不存在,请发送 left、right、neither 或 unclear。"),
    # fair votes
    "case_exists": Words(
        409, "已有一个关于这些玩家的未结案件。", "There is an open case about these players; add to that one."
    ),
    "case_closed": Words(409, "这个案件已经处理过({state});有新证据请另开一案。"),
    "four_eyes_needed": Words(403, "动钱需要两个人:一人提出,另一人登录控制台批准。"),
    "nothing_to_appeal": Words(409, "你的账号信誉良好,没有需要申诉的处理。"),
    "appeal_open": Words(409, "你在 {at} 提交的申诉正在由人工查看,请先等待答复。"),
    "appeal_answered": Words(409, "这条申诉已经答复过({state})。"),
    "reversal_done": Words(409, "这笔发放已经被撤回过。"),
    "evidence_invalid": Words(422, "证据数据不可用。", None),
    # tests
    "test_incomplete": Words(409, "测款任务还不能开始:{missing}"),
    "content_refused": Words(409, "内容审核没有通过{what}:{why}请修改后再开始。"),
    "content_judged": Words(409, "这条内容已经审核过({state}),请刷新列表。"),
    "test_state": Words(409, "当前状态({state})不能执行 {verb}:{advice}"),
    "goal_impossible": Words(422, "从 {styles} 款中选 {keep} 款不可行;至少选 1 款,并少于款式总数。"),
    "test_field_invalid": Words(422, "{field}:{problem}"),
    "segment_invalid": Words(422, "人群“{segment}”:{problem}"),
    "segment_name_taken": Words(409, "已经有叫“{segment}”的人群;请换个名字,或修改那一个。"),
    # the watch
    "alarm_taken": Words(409, "{who} 已在 {at} 接手这条告警。", "{who} has acknowledged this alarm already, at {at}."),
    "alarm_over": Words(409, "这条告警已解除。", "This alarm has cleared already."),
    "threshold_refused": Words(422, "{field}:{problem}"),
    "switch_stands": Words(
        409, "{who} 已在 {at} 这样设置:{why}", "It stands so already: {who} set it at {at}, because: {why}"
    ),
    "switch_unknown": Words(422, "没有这个开关目标:{target}", "There is no such thing to switch: {target}"),
    # the merchant's side
    "idempotency_in_progress": Words(
        409, "同一个请求正在处理,请稍后再试。", "The same call is under way; ask again in a moment."
    ),
    "idempotency_key_invalid": Words(
        422, "Idempotency-Key 应为 1 到 200 个可见字符。", "An Idempotency-Key has 1 to 200 visible ASCII characters."
    ),
    "picture_refused": Words(422, "“{name}”不能使用。"),
    "picture_empty": Words(422, "“{name}”是空文件,请重新选择图片。"),
    "picture_too_heavy": Words(413, "“{name}”有 {megabytes} MB,最大 {limit_mb} MB。"),
    "picture_format": Words(422, "“{name}”不是 JPEG、PNG 或 WebP 图片。"),
    "picture_too_large": Words(422, "“{name}”像素太多。"),
    "picture_too_small": Words(422, "“{name}”像素太少。"),
    "picture_too_long": Words(422, "“{name}”是长条图,请裁成 3:4。"),
    "picture_truncated": Words(422, "“{name}”不完整或已损坏。"),
    "picture_animated": Words(422, "“{name}”是动图,请选一张静态图片。"),
    "picture_polyglot": Words(422, "“{name}”里还藏有别的文件。"),
    "folder_refused": Words(422, "文件夹或 zip 不能使用。"),
    "goal_refused": Words(422, "目标不可行:{reason}"),
    "quote_refused": Words(422, "算不出报价:{reason}"),
    "order_refused": Words(422, "算不出首单:{reason}"),
    "sales_refused": Words(422, "销量表{place}:{why_zh}", "Sales{place_en}: {why}"),
    "webhook_url_refused": Words(
        422, "回调地址应为公网 https 地址。", "A webhook's address is a public https address."
    ),
    "keys_need_a_person": Words(
        403, "密钥只能登录控制台后由本人管理。", "Keys are managed by a person in the console, not by a key."
    ),
    "too_many_webhooks": Words(409, "最多 {limit} 个回调地址。", "At most {limit} webhooks."),
    "too_many_keys": Words(409, "最多 {limit} 个有效密钥。", "At most {limit} live keys."),
}

# What the fields of bodies are called on the pages; a field that has no name there is called by its own.
FIELDS_ZH: dict[str, str] = {
    "title": "名称", "question": "问玩家的话", "goal": "目标", "goal.keep": "选出几款", "goal.certainty": "哪种把握",
    "goal.confidence": "把握", "goal.indifference": "不在乎的差别", "audience": "人群", "budget_fen": "最多花多少",
    "ends_at": "截止时间", "min_days": "至少跑几天", "styles": "款式", "picture": "图片", "attributes": "属性",
    "cost_fen": "成本", "price_fen": "售价", "reference_sales": "标杆销量", "sales": "销量", "name": "名称",
    "url": "地址", "scopes": "权限", "login": "账号", "password": "密码", "code": "验证码", "note": "理由",
}  # fmt: skip

# What is wrong with a value, by the kind of pydantic's error; {…} are its context.
KINDS_ZH: dict[str, str] = {
    "missing": "没有填。", "extra_forbidden": "没有这一项。", "string_too_short": "至少要 {min_length} 个字。",
    "string_too_long": "最多 {max_length} 个字。", "string_type": "应为文字。", "int_type": "应为整数。",
    "int_parsing": "应为整数。", "int_from_float": "应为整数。", "float_type": "应为数字。", "float_parsing": "应为数字。",
    "bool_type": "应为是或否。", "greater_than": "应大于 {gt}。", "greater_than_equal": "不能小于 {ge}。",
    "less_than": "应小于 {lt}。", "less_than_equal": "不能大于 {le}。", "literal_error": "只能是 {expected}。",
    "too_short": "至少要 {min_length} 项。", "too_long": "最多 {max_length} 项。", "uuid_parsing": "不是有效的编号。",
    "uuid_type": "不是有效的编号。", "datetime_from_date_parsing": "不是有效的时间。",
    "datetime_parsing": "不是有效的时间。",
    "timezone_aware": "时间要带时区。", "json_invalid": "不是有效的 JSON。", "dict_type": "格式不对。",
    "list_type": "应为一个列表。", "model_type": "格式不对。", "finite_number": "应为有限的数字。",
}  # fmt: skip
