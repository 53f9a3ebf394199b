"""Words for what the reward rules refuse: code -> HTTP status and Chinese sentence; the English is the rule's own."""

from server.edge.words import CATALOGUE, Words

REWARD_WORDS: dict[str, Words] = {
    # the ledger: players never meet these, operators do
    "below_floor": Words(409, "余额不足:{account} 只有 {balance},不够 {amount}。"),
    "money_short": Words(409, "余额 ¥{balance},不够这次测款的上限 ¥{budget}:请先充值,或把上限改小。"),
    "wrong_accounts": Words(422, "这种转账不能从 {debit} 到 {credit}。"),
    "not_an_amount": Words(422, "数量必须是大于 0 的整数,不能是 {amount}。"),
    "not_a_business_key": Words(422, "业务单号须为 1 到 128 个可见字符。"),
    "conflicting_transfer": Words(409, "业务单号 {out_biz_no} 已用于另一笔转账。"),
    "not_reversible": Words(409, "这种转账({reason})不能撤销。"),
    # grants and budgets
    "grant_is_final": Words(409, "这笔发放已经结束({state})。"),
    "grant_not_due": Words(409, "这笔发放在 {settle_after} 之前还在审核。"),
    "budget_exhausted": Words(409, "预算只剩 {left_g} 克,不够 {wanted_g} 克。"),
    "budget_too_small": Words(422, "{budget_fen} 分不够支付一票({price_fen} 分)。"),
    "block_lapsed": Words(409, "这份预留已在 {lapses_at} 到期。"),
    "rewards_switched_off": Words(409, "这类奖励暂停发放,已经答应的照常到账。"),
    # earning
    "already_claimed": Words(409, "今天已经领过了,明天再来。"),
    "wallet_full": Words(409, "肥料袋满了({wallet_g}/{cap_g} 克),先给果树施肥吧。"),
    "own_invitation": Words(422, "不能邀请自己。"),
    "invited_before": Words(409, "这位玩家已经接受过邀请,或在此之前已经玩过。"),
    "too_many_invitations": Words(409, "最多奖励 {limit} 次邀请。"),
    # the farm
    "unknown_variety": Words(422, "没有“{variety}”这个品种,可选:{known}。"),
    "second_tree": Words(409, "一次种一棵:{planted_on} 种下的树还在生长。"),
    "no_tree": Words(404, "还没有种树,先种一棵吧。"),
    "not_so_many_times": Words(422, "一次施肥 1 到 {most} 回,不能是 {times} 回。"),
    "daily_cap_reached": Words(409, "今天的 {cap} 次施肥已用完,明天再来。"),
    "not_enough_fertilizer": Words(409, "施一次肥需要 {wanted_g} 克,肥料袋里有 {wallet_g} 克。"),
    "tree_is_ripe": Words(409, "果树已经成熟,可以收获了。"),
    "not_ripe": Words(409, "还差 {missing_g} 克才能收获。"),
    "harvested_before": Words(409, "这份果实已经收获过了。"),
    "family_is_full": Words(409, "合种最多再邀请 {limit} 位家人,已经满了。"),
    "in_family_already": Words(409, "你已经在合种这棵树了。"),
    "too_late_to_join": Words(409, "种子发芽后不能再加入合种。"),
    # prizes
    "out_of_stock": Words(409, "{variety} 暂时缺货。"),
    "not_a_substitute": Words(422, "现在不能换成“{variety}”。"),
    "not_this_move": Words(409, "当前状态({state})不能变为 {target}。"),
    "not_your_move": Words(403, "{mover} 不能把订单从 {state} 改为 {target}。"),
    "address_incomplete": Words(422, "地址缺少:{field}。"),
    "address_too_long": Words(422, "{field} 有 {length} 个字,快递单最多 {limit} 个字。"),
    "phone_unreadable": Words(422, "请填写中国大陆的手机号或带区号的座机号。"),
    "address_is_fixed": Words(409, "这箱水果已经下单,地址不能再改。"),
    "carrier_file_unreadable": Words(422, "无法读取快递文件:{problem}"),
    "nothing_to_report": Words(409, "签收后 {days} 天内可以报告损坏。"),
    "damage_text_too_long": Words(422, "说明最多 {limit} 个字,现在有 {length} 个。"),
    "reported_before": Words(409, "这箱水果已经报告过损坏。"),
    # the figures
    "unknown_figure": Words(422, "没有名为 {figure} 的参数。"),
    "figure_out_of_range": Words(422, "{figure} 应为 {rule},不能是 {value}。"),
    # what operators do
    "not_that_much": Words(409, "可动用的只有 {there} {unit},不够 {wanted} {unit};什么也没有变。"),
    "payment_known": Words(409, "单号 {reference} 已经记过另一笔账,请先核对那一笔。"),
    "money_move_decided": Words(409, "这笔资金操作已有结果({state}):{who} 于 {at} 处理。"),
    "budget_is_closed": Words(409, "这个测款没有在用的预算;余款会自动退回。"),
    "not_the_same_merchant": Words(409, "只能在同一商家的两个测款之间调拨。"),
    "changed_meanwhile": Words(409, "{who} 已在 {at} 改过这一项,请看过最新内容再改。"),
    "nothing_changed": Words(409, "和现在的一样,没有改动。"),
    "stock_promised": Words(409, "{boxes} 箱中有 {taken} 箱已答应玩家,最多可撤 {free} 箱。"),
    "order_moved": Words(409, "这单现在是“{state}”,不再是“{seen}”:{at} 已被别人处理。"),
    "simulation_too_long": Words(422, "模拟超过 {limit_s} 秒,已停止;请减少人数或天数。"),
}

CATALOGUE.update(REWARD_WORDS)
