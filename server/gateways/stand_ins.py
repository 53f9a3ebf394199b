"""Local servers that speak the wire format of WeChat and Alipay, for tests and for trying out log-in offline.

They implement what the vendors document and no more: the shapes of requests and answers, the error codes, one use per
log-in code, signatures. They refuse what the real ones refuse, so that a client that forgets a parameter fails here.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from server.gateways.alipay import BEIJING, is_signed, read_private_key, read_public_key, sign, text_to_sign
from server.gateways.wechat import MAX_PICTURE_BYTES, MAX_TEXT_CHARS

RISKY_WORD = "违禁词"  # what a text must contain to be stopped
DOUBTFUL_WORD = "存疑词"  # what sends a text to a person
RISKY_PICTURE = b"risky"  # what a picture must contain to be stopped


class WechatStandIn:
    """WeChat's server API for one app. `app` is the aiohttp application; the rest is for a test to set and read."""

    def __init__(self, *, app_id: str, secret: str, push_token: str) -> None:
        self.app_id = app_id
        self.secret = secret
        self.push_token = push_token
        self.users: dict[str, str] = {}  # code -> openid, unused ones
        self.blocked: set[str] = set()  # codes of users whom WeChat stops
        self.away: set[str] = set()  # openids not seen within two hours
        self.risk_ranks: dict[str, int] = {}
        self.calls: Counter[str] = Counter()
        self.next_errors: defaultdict[str, list[int]] = defaultdict(list)  # path -> codes to answer once each
        self.token_number = 0
        self.token_is_stale = False
        self.app = web.Application()
        self.app.add_routes(
            [
                web.get("/sns/jscode2session", self._code_to_session),
                web.post("/cgi-bin/stable_token", self._stable_token),
                web.post("/wxa/msg_sec_check", self._check_text),
                web.post("/wxa/img_sec_check", self._check_picture),
                web.post("/wxa/media_check_async", self._check_media),
                web.post("/wxa/getuserriskrank", self._risk_rank),
            ]
        )

    @property
    def token(self) -> str:
        return f"token-{self.token_number}"

    def pushed(self, message: Mapping[str, object]) -> tuple[bytes, dict[str, str]]:
        """A message as WeChat would push it: its body, and the signed parameters of its address."""
        timestamp, nonce = "1760000000", "42"
        signature = hashlib.sha1("".join(sorted((self.push_token, timestamp, nonce))).encode()).hexdigest()  # noqa: S324
        return json.dumps(message).encode(), {"signature": signature, "timestamp": timestamp, "nonce": nonce}

    def verdict_on(
        self, trace_id: str, *, suggest: str = "pass", label: int = 100, errcode: int = 0
    ) -> dict[str, object]:
        """The event that answers a media check."""
        return {
            "ToUserName": "gh_stand_in", "FromUserName": "o-platform", "CreateTime": 1760000000, "MsgType": "event",
            "Event": "wxa_media_check", "appid": self.app_id, "trace_id": trace_id, "version": 2,
            "detail": [{"strategy": "content_model", "errcode": 0, "suggest": suggest, "label": label, "prob": 90}],
            "errcode": errcode, "errmsg": "ok", "result": {"suggest": suggest, "label": label},
        }  # fmt: skip

    async def _code_to_session(self, request: web.Request) -> web.Response:
        if error := self._scripted(request):
            return error
        query = request.query
        if query.get("appid") != self.app_id:
            return _wechat(40013, "invalid appid")
        if query.get("secret") != self.secret:
            return _wechat(40125, "invalid appsecret")
        code = query.get("js_code")
        if not code:
            return _wechat(41008, "missing code")
        if code in self.blocked:
            return _wechat(40226, "code blocked")
        open_id = self.users.pop(code, None)
        if open_id is None:
            return _wechat(40029, "invalid code")
        return _text({"openid": open_id, "session_key": "c2Vzc2lvbi1rZXk=", "unionid": f"u-{open_id}"})

    async def _stable_token(self, request: web.Request) -> web.Response:
        if error := self._scripted(request):
            return error
        body = await request.json()
        if body.get("appid") != self.app_id:
            return _wechat(40013, "invalid appid")
        if body.get("secret") != self.secret:
            return _wechat(40125, "invalid appsecret")
        if self.token_number == 0 or self.token_is_stale:
            self.token_number += 1
            self.token_is_stale = False
        return _text({"access_token": self.token, "expires_in": 7200})

    async def _check_text(self, request: web.Request) -> web.Response:
        if error := self._scripted(request) or self._token_error(request):
            return error
        body = await request.json()
        if body.get("version") != 2:
            return _wechat(47001, "data format error")
        if body.get("scene") not in (1, 2, 3, 4):
            return _wechat(40129, "invalid scene")
        if error := self._user_error(body.get("openid")):
            return error
        content = body.get("content", "")
        if not content:
            return _wechat(44002, "empty post data")
        if len(content) > MAX_TEXT_CHARS:
            return _wechat(45002, "content size out of limit")
        suggest, label = ("risky", 20006) if RISKY_WORD in content else ("pass", 100)
        if DOUBTFUL_WORD in content:
            suggest, label = "review", 10001
        return _wechat(0, "ok", result={"suggest": suggest, "label": label}, detail=[], trace_id="trace-text")

    async def _check_picture(self, request: web.Request) -> web.Response:
        if error := self._scripted(request) or self._token_error(request):
            return error
        media = (await request.post()).get("media")
        if not isinstance(media, web.FileField):
            return _wechat(41005, "media data missing")
        content = media.file.read()
        if not 0 < len(content) <= MAX_PICTURE_BYTES:
            return _wechat(40006, "invalid media size")
        return _wechat(87014, "risky content") if RISKY_PICTURE in content else _wechat(0, "ok")

    async def _check_media(self, request: web.Request) -> web.Response:
        if error := self._scripted(request) or self._token_error(request):
            return error
        body = await request.json()
        if body.get("version") != 2 or body.get("media_type") not in (1, 2) or not body.get("media_url"):
            return _wechat(47001, "data format error")
        if body.get("scene") not in (1, 2, 3, 4):
            return _wechat(40129, "invalid scene")
        if error := self._user_error(body.get("openid")):
            return error
        return _wechat(0, "ok", trace_id=f"trace-{self.calls[request.path]}")

    async def _risk_rank(self, request: web.Request) -> web.Response:
        if error := self._scripted(request) or self._token_error(request):
            return error
        body = await request.json()
        if body.get("appid") != self.app_id:
            return _wechat(43104, "appid not match")
        if body.get("scene") not in (0, 1):
            return _wechat(40129, "invalid scene")
        if not body.get("client_ip"):
            return _wechat(44002, "empty post data")
        if error := self._user_error(body.get("openid")):
            return error
        return _wechat(0, "getuserriskrank succ", risk_rank=self.risk_ranks.get(body["openid"], 0), unoin_id=123456)

    def _scripted(self, request: web.Request) -> web.Response | None:
        self.calls[request.path] += 1
        codes = self.next_errors[request.path]
        return _wechat(codes.pop(0), "scripted") if codes else None

    def _token_error(self, request: web.Request) -> web.Response | None:
        token = request.query.get("access_token")
        if not token:
            return _wechat(41001, "access_token missing")
        if token != self.token or self.token_is_stale:
            return _wechat(40001, "invalid credential, access_token is invalid or not latest")
        return None

    def _user_error(self, open_id: str | None) -> web.Response | None:
        if not open_id:
            return _wechat(40003, "invalid openid")
        return _wechat(61010, "code is expired") if open_id in self.away else None


def _wechat(errcode: int, errmsg: str, **more: object) -> web.Response:
    return _text({"errcode": errcode, "errmsg": errmsg, **more})


def _text(body: Mapping[str, object]) -> web.Response:
    return web.Response(text=json.dumps(body, ensure_ascii=False), content_type="text/plain")


class AlipayStandIn:
    """Alipay's gateway for one app. It knows the app's public key and signs with its own, as the real one does."""

    METHODS = (
        "alipay.system.oauth.token",
        "alipay.security.risk.content.detect",
        "alipay.security.risk.content.sync.detect",
        "alipay.security.risk.industry.farming.query",
    )

    def __init__(
        self, *, app_public_key: str, private_key: str, app_id: str = "2021000000000001", now: datetime | None = None
    ) -> None:
        self.app_id = app_id
        self._app_key: rsa.RSAPublicKey = read_public_key(app_public_key)
        self._own_key: rsa.RSAPrivateKey = read_private_key(private_key)
        self._now = now
        self.users: dict[str, str] = {}  # code -> user, unused ones
        self.tells_user_id = False  # as for apps from before open_id
        self.farming_ranks: dict[str, int] = {}
        self.next_errors: list[tuple[str, str]] = []  # (code, sub_code) to answer once each, whatever is asked
        self.forge_next = False  # change one byte after signing
        self.calls: Counter[str] = Counter()
        self.app = web.Application()
        self.app.add_routes([web.post("/gateway.do", self._gateway)])

    def notice(self, params: Mapping[str, str]) -> dict[str, str]:
        """A notification as Alipay would post it to us."""
        return {**params, "sign_type": "RSA2", "sign": sign(text_to_sign(params), self._own_key)}

    async def _gateway(self, request: web.Request) -> web.Response:
        form = {str(name): str(value) for name, value in (await request.post()).items()}
        method = form.get("method", "")
        self.calls[method] += 1
        if self.next_errors:
            code, sub_code = self.next_errors.pop(0)
            return self._answer(method, _failed(code, sub_code))
        if form.get("app_id") != self.app_id:
            # unsigned: the gateway does not know whose key to use
            return _json({"error_response": _failed("40002", "isv.invalid-app-id")})
        if method not in self.METHODS:
            return self._error(_failed("40002", "isv.invalid-method"))
        if form.get("sign_type") != "RSA2" or form.get("version") != "1.0" or form.get("charset") != "utf-8":
            return self._error(_failed("40002", "isv.invalid-signature-type"))
        if not is_signed(text_to_sign(form), form.get("sign", ""), self._app_key):
            return self._error(_failed("40002", "isv.invalid-signature"))
        try:
            sent_at = datetime.strptime(form.get("timestamp", ""), "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
        except ValueError:
            return self._error(_failed("40002", "isv.invalid-timestamp"))
        if abs(sent_at - (self._now or datetime.now(UTC))) > timedelta(minutes=15):
            return self._error(_failed("40002", "isv.invalid-timestamp"))
        if method == "alipay.system.oauth.token":
            return self._token(form)
        return self._answer(method, self._risk(method, json.loads(form.get("biz_content", "{}"))))

    def _token(self, form: Mapping[str, str]) -> web.Response:
        if form.get("grant_type") != "authorization_code":
            return self._error(_failed("40002", "isv.grant-type-invalid"))
        user = self.users.pop(form.get("code", ""), None)
        if user is None:
            return self._error(_failed("40002", "isv.code-invalid"))
        node = {"access_token": "authusr-token", "expires_in": 1296000, "refresh_token": "r", "re_expires_in": 2592000}
        return self._answer("alipay.system.oauth.token", {**node, "user_id" if self.tells_user_id else "open_id": user})

    def _risk(self, method: str, biz: Mapping[str, object]) -> dict[str, object]:
        ok: dict[str, object] = {"code": "10000", "msg": "Success"}
        if method == "alipay.security.risk.content.detect":
            content = str(biz.get("content", ""))
            if not content:
                return _failed("40004", "INVALID_PARAMETER")
            if RISKY_WORD in content:
                return {**ok, "action": "REJECTED", "keywords": [RISKY_WORD], "unique_id": "unique-1"}
            action = "CC" if DOUBTFUL_WORD in content else "PASSED"
            return {**ok, "action": action, "unique_id": "unique-1"}
        if method == "alipay.security.risk.content.sync.detect":
            addresses = biz.get("data_list")
            known = biz.get("content_type") == "PICTURE" and biz.get("request_id") and biz.get("channel")
            if not known or not isinstance(addresses, list) or len(addresses) != 1:
                return _failed("40004", "INVALID_PARAMETER")
            risky = RISKY_PICTURE.decode() in addresses[0]
            return {
                **ok, "result_code": "OK", "result_msg": "ok", "is_sync": True, "request_id": biz["request_id"],
                "suggestion": "block" if risky else "pass",
                "detect_check_labels": {"label": "TJ_PORN_MC"} if risky else {},
            }  # fmt: skip
        user = biz.get("user_id", "") if self.tells_user_id else biz.get("open_id", "")
        if not user:
            return _failed("40004", "USER_NOT_EXIST")
        rank = self.farming_ranks.get(str(user), 1)
        result = {"risk_type": "riskinfo_farming", "risk_value": f"rank{rank}", "risk_desc": "", "info_code": "171"}
        return {**ok, "risk_result": [result]}

    def _error(self, node: Mapping[str, object]) -> web.Response:
        return self._signed("error_response", node)

    def _answer(self, method: str, node: Mapping[str, object]) -> web.Response:
        return self._signed(method.replace(".", "_") + "_response", node)

    def _signed(self, name: str, node: Mapping[str, object]) -> web.Response:
        # with a space after each colon and escaped slashes, as a client must not rely on any one way to print JSON
        text = json.dumps(node, ensure_ascii=False).replace("/", "\\/")
        signature = sign(text, self._own_key)
        if self.forge_next:
            self.forge_next = False
            text = text.replace("}", ',"forged":1}', 1)
        return web.Response(text=f'{{"{name}":{text},"sign":"{signature}"}}', content_type="text/html", charset="utf-8")


def _failed(code: str, sub_code: str) -> dict[str, object]:
    return {"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": sub_code}


def _json(body: Mapping[str, object]) -> web.Response:
    return web.Response(text=json.dumps(body), content_type="text/html", charset="utf-8")
