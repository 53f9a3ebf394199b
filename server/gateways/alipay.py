"""The Alipay open platform: log-in codes, text and picture checks, and its query for reward farming, signed with RSA2.

Source: the vendor's gateway protocol (public parameters, RSA2 = SHA256withRSA over the sorted parameters, the answer's
signature over the exact bytes of its node) and the reference pages of alipay.system.oauth.token,
alipay.security.risk.content.detect (text), alipay.security.risk.content.sync.detect (pictures) and
alipay.security.risk.industry.farming.query. Keys in the plain-key mode; certificates are not used here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import aiohttp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from server.gateways import (
    ContentUnreadable,
    ContentVerdict,
    GatewayError,
    LoginCodeRefused,
    Meaning,
    PlatformAnswerUnreadable,
    PlatformBusy,
    PlatformQuotaUsed,
    PlatformSetUpWrong,
    PlatformSignatureWrong,
    PlatformUser,
    RiskLevel,
    RiskVerdict,
    Suggestion,
    UserBlockedByPlatform,
    ask,
    read_object,
)

ADDRESS = "https://openapi.alipay.com/gateway.do"
USER_ID = re.compile(r"2088\d{12}")
BEIJING = timezone(timedelta(hours=8))  # the gateway reads `timestamp` as Beijing time, wherever the server stands
SUCCESS_CODE = "10000"
PICTURE_PRODUCTS = "TJ_POLITICS_MC;TJ_PORN_MC;TJ_ILLEGAL_MC;TJ_TERRORISM_MC;TJ_ABUSES_MC"

# By `sub_code` first; a gateway `code` is the coarser answer where the sub-code is new to us.
MEANINGS: Mapping[str, Meaning] = {
    "isv.code-invalid": Meaning(
        LoginCodeRefused, "授权码错误、已使用或已过期", "the log-in code is wrong, used or expired"
    ),
    "isv.grant-type-invalid": Meaning(PlatformSetUpWrong, "grant_type 不正确", "the grant type is not one of two"),
    "isv.refresh-token-invalid": Meaning(LoginCodeRefused, "刷新令牌无效", "the refresh token is not valid"),
    "isv.refresh-token-time-out": Meaning(LoginCodeRefused, "刷新令牌已过期", "the refresh token has expired"),
    "isv.refreshed-token-invalid": Meaning(LoginCodeRefused, "刷新出来的令牌无效", "the refreshed token is not valid"),
    "isv.unmatched-app-id": Meaning(
        PlatformSetUpWrong, "授权码属于另一个应用", "the log-in code belongs to another app"
    ),
    "isp.unknow-error": Meaning(PlatformBusy, "支付宝服务暂不可用", "the service is not available"),
    "aop.unknow-error": Meaning(PlatformBusy, "支付宝网关暂不可用", "the gateway is not available"),
    "aop.ACQ.SYSTEM_ERROR": Meaning(PlatformBusy, "支付宝系统错误", "system error"),
    "ACQ.SYSTEM_ERROR": Meaning(PlatformBusy, "支付宝系统错误", "system error"),
    "SYSTEM_ERROR": Meaning(PlatformBusy, "支付宝系统错误", "system error"),
    "aop.invalid-auth-token": Meaning(LoginCodeRefused, "访问令牌无效", "the access token is not valid"),
    "aop.auth-token-time-out": Meaning(LoginCodeRefused, "访问令牌已过期", "the access token has expired"),
    "isv.app-call-limited": Meaning(PlatformQuotaUsed, "应用调用次数超限", "this app calls too often"),
    "isv.method-call-limited": Meaning(PlatformQuotaUsed, "接口调用次数超限", "this call is made too often"),
    "isv.invalid-signature": Meaning(
        PlatformSetUpWrong, "验签失败,请检查应用私钥", "our signature is not accepted: check the private key"
    ),
    "isv.missing-signature": Meaning(PlatformSetUpWrong, "缺少签名", "the signature is missing"),
    "isv.invalid-signature-type": Meaning(PlatformSetUpWrong, "签名类型无效", "the type of signature is not valid"),
    "isv.missing-signature-key": Meaning(
        PlatformSetUpWrong, "未在开放平台配置公钥", "the platform has no public key of ours"
    ),
    "isv.invalid-app-id": Meaning(PlatformSetUpWrong, "无效的 app_id", "the app id is not valid"),
    "isv.missing-app-id": Meaning(PlatformSetUpWrong, "缺少 app_id", "the app id is missing"),
    "isv.invalid-timestamp": Meaning(
        PlatformSetUpWrong, "时间戳无效,请检查服务器时间", "the timestamp is off: check this server's clock"
    ),
    "isv.invalid-method": Meaning(PlatformSetUpWrong, "接口名无效", "there is no such method"),
    "isv.insufficient-isv-permissions": Meaning(
        PlatformSetUpWrong, "应用没有该接口的权限", "the app has no right to this method"
    ),
    "isv.insufficient-user-permissions": Meaning(UserBlockedByPlatform, "用户没有权限", "the user may not do this"),
    "isv.invalid-parameter": Meaning(ContentUnreadable, "参数无效", "a parameter is not valid"),
    "INVALID_PARAMETER": Meaning(ContentUnreadable, "参数无效", "a parameter is not valid"),
    "USER_NOT_EXIST": Meaning(UserBlockedByPlatform, "用户不存在", "there is no such user"),
    "20000": Meaning(PlatformBusy, "服务不可用", "the service is not available"),
    "20001": Meaning(LoginCodeRefused, "授权权限不足", "the authorisation is not sufficient"),
    "40001": Meaning(PlatformSetUpWrong, "缺少必选参数", "a required parameter is missing"),
    "40002": Meaning(PlatformSetUpWrong, "非法的参数", "a parameter is not allowed"),
    "40003": Meaning(PlatformSetUpWrong, "条件异常", "a precondition is not met"),
    "40004": Meaning(PlatformAnswerUnreadable, "业务处理失败", "the call failed for a reason of its own"),
    "40005": Meaning(PlatformQuotaUsed, "调用频次超限", "too many calls"),
    "40006": Meaning(PlatformSetUpWrong, "权限不足", "insufficient permissions"),
}

_TEXT_ACTIONS: Mapping[str, Suggestion] = {"PASSED": "pass", "CC": "review", "REJECTED": "block"}
_PICTURE_SUGGESTIONS: Mapping[str, Suggestion] = {"pass": "pass", "review": "review", "block": "block"}
_RANKS: tuple[RiskLevel, ...] = ("unknown", "low", "medium", "high")


def read_private_key(text: str) -> rsa.RSAPrivateKey:
    """An RSA private key as the key tool writes it: PEM, or bare base64 of PKCS#1 or PKCS#8. ValueError otherwise."""
    key = _read_key(text, ("RSA PRIVATE KEY", "PRIVATE KEY"), lambda pem: serialization.load_pem_private_key(pem, None))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the private key is not an RSA key")
    return key


def read_public_key(text: str) -> rsa.RSAPublicKey:
    """An RSA public key in PEM or as bare base64. ValueError otherwise."""
    key = _read_key(text, ("PUBLIC KEY", "RSA PUBLIC KEY"), serialization.load_pem_public_key)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the public key is not an RSA key")
    return key


def _read_key(text: str, headings: tuple[str, ...], load: Callable[[bytes], object]) -> object:
    text = text.strip()
    if text.startswith("-----"):
        return load(text.encode())
    body = re.sub(r"\s+", "", text)
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    for heading in headings:
        try:
            return load(f"-----BEGIN {heading}-----\n{lines}\n-----END {heading}-----\n".encode())
        except ValueError:
            continue
    raise ValueError("the key is neither PEM nor the base64 of an RSA key")


def text_to_sign(params: Mapping[str, str], *, without: tuple[str, ...] = ("sign",)) -> str:
    """`k=v` of all non-empty parameters, sorted by name, joined by &; values as they are before URL encoding.

    Requests leave out `sign` alone; notifications leave out `sign_type` as well.
    """
    return "&".join(f"{name}={value}" for name, value in sorted(params.items()) if value and name not in without)


def sign(text: str, key: rsa.RSAPrivateKey) -> str:
    """RSA2: base64 of RSASSA-PKCS1-v1_5 with SHA-256."""
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed(text: str, signature: str, key: rsa.RSAPublicKey) -> bool:
    """Whether `signature` is Alipay's over exactly this text."""
    try:
        key.verify(base64.b64decode(signature, validate=True), text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


class Alipay:
    """One mini-program's line to Alipay. Raises subclasses of GatewayError and nothing else."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        app_id: str,
        private_key: str,
        alipay_public_key: str,
        address: str = ADDRESS,
        timeout_s: float = 5.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`private_key` is ours, `alipay_public_key` the platform's, not our own. ValueError if unreadable."""
        self._http = http
        self._app_id = app_id
        self._private_key = read_private_key(private_key)
        self._alipay_public_key = read_public_key(alipay_public_key)
        self._address = address
        self._timeout_s = timeout_s
        self._now = now

    async def exchange_code(self, code: str) -> PlatformUser:
        """Who logged in with `code`; good once.

        Newer apps are told an `open_id`, older ones a `user_id`; either is stable for this app.
        """
        answer = await self._call(
            "alipay.system.oauth.token", {"grant_type": "authorization_code", "code": code}, has_code=False
        )
        open_id = answer.get("open_id") or answer.get("user_id")
        if not isinstance(open_id, str):
            raise self._unreadable("neither open_id nor user_id in the answer to a log-in")
        return PlatformUser(platform="alipay", open_id=open_id, union_id=answer.get("union_id") or None)

    async def check_text(self, text: str) -> ContentVerdict:
        """What Alipay thinks of a text."""
        if not text.strip():
            raise ContentUnreadable(platform="alipay", platform_code="", words="the text is empty")
        answer = await self._call("alipay.security.risk.content.detect", biz={"content": text})
        suggestion = _TEXT_ACTIONS.get(answer.get("action", ""))
        if suggestion is None:
            raise self._unreadable("no action in a content check")
        keywords = answer.get("keywords")
        return ContentVerdict(
            suggestion=suggestion,
            labels=tuple(str(word) for word in keywords) if isinstance(keywords, list) else (),
            trace_id=str(answer.get("unique_id", "")),
        )

    async def check_picture(self, url: str, *, request_id: str, channel: str = "tinyapp-eco-open") -> ContentVerdict:
        """What Alipay thinks of the picture at a public address, at once; `request_id` is one per picture."""
        answer = await self._call(
            "alipay.security.risk.content.sync.detect",
            biz={
                "channel": channel,
                "content_type": "PICTURE",
                "data_list": [url],
                "products": PICTURE_PRODUCTS,
                "request_id": request_id,
            },
        )
        suggestion = _PICTURE_SUGGESTIONS.get(str(answer.get("suggestion", "")).lower())
        if suggestion is None:
            raise self._unreadable("no suggestion in a picture check")
        found = answer.get("detect_check_labels")
        label = found.get("label") if isinstance(found, dict) else None
        return ContentVerdict(
            suggestion=suggestion,
            labels=(str(label),) if label and suggestion != "pass" else (),
            trace_id=str(answer.get("request_id", request_id)),
        )

    async def farming_risk(self, *, open_id: str, client_ip: str, scene: str = "marketing") -> RiskVerdict:
        """Alipay's opinion whether this user farms rewards: rank0 unknown, rank1 low, rank2 medium, rank3 high."""
        answer = await self._call(
            "alipay.security.risk.industry.farming.query",
            biz={
                # an app from before `open_id` knows its users by 16 digits, which the query takes by another name
                "user_id" if USER_ID.fullmatch(open_id) else "open_id": open_id,
                "ip": client_ip,
                "mobile_no": "null",  # the reference asks for the word where a number is not given
                "merchant_scene": "01",
                "scene": scene,
            },
        )
        results = answer.get("risk_result")
        if not isinstance(results, list):
            raise self._unreadable("no risk_result")
        worst, reason = 0, ""
        for result in results:
            found = re.fullmatch(
                r"(?:rank)?([0-3])", str(result.get("risk_value", "")) if isinstance(result, dict) else ""
            )
            if found is None:
                raise self._unreadable("a risk_value is not rank0 to rank3")
            if int(found[1]) >= worst:
                worst = int(found[1])
                reason = f"{result.get('risk_type', '')} {result.get('info_code', '')}".strip()
        return RiskVerdict(level=_RANKS[worst], rank=worst, reason=reason)

    def read_notice(self, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters of a notification that carries Alipay's signature; PlatformSignatureWrong otherwise."""
        text = text_to_sign(params, without=("sign", "sign_type"))
        if not is_signed(text, params.get("sign", ""), self._alipay_public_key):
            raise PlatformSignatureWrong(platform="alipay", platform_code="", words="")
        return {name: value for name, value in params.items() if name not in ("sign", "sign_type")}

    async def _call(
        self,
        method: str,
        params: Mapping[str, str] | None = None,
        *,
        biz: Mapping[str, object] | None = None,
        has_code: bool = True,
    ) -> dict[str, Any]:
        form = {
            "app_id": self._app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": self._now().astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S"),
            "version": "1.0",
            **(params or {}),
        }
        if biz is not None:
            form["biz_content"] = json.dumps(biz, ensure_ascii=False, separators=(",", ":"))
        form["sign"] = sign(text_to_sign(form), self._private_key)
        raw = await ask(
            self._http,
            "POST",
            self._address,
            platform="alipay",
            timeout_s=self._timeout_s,
            params={"charset": "utf-8"},
            data=form,
        )
        return self._read_answer(raw, method=method, has_code=has_code)

    def _read_answer(self, raw: bytes, *, method: str, has_code: bool) -> dict[str, Any]:
        """The answer's node, believed only if its own bytes carry Alipay's signature.

        Parsing and printing again would not do: the signature is over the node as it was sent, spaces and all.
        """
        text = raw.decode("utf-8", errors="replace")
        whole = read_object(text, platform="alipay")
        name = method.replace(".", "_") + "_response"
        if name not in whole:
            name = "error_response"
        if not isinstance(whole.get(name), dict):
            raise self._unreadable("neither an answer nor an error")
        # read again out of the signed text: a document that names its node twice would be checked in one place and
        # believed in the other
        signed_text = _node_text(text, name)
        node = json.loads(signed_text)
        if not isinstance(node, dict):
            raise self._unreadable("neither an answer nor an error")
        failed = name == "error_response" or (has_code and node.get("code") != SUCCESS_CODE)
        signature = whole.get("sign")
        # A request that the gateway could not attribute to an app is answered without a signature, since it does not
        # know whose key to use. Such an answer can only make a call fail, never succeed, so it may be read.
        if not (failed and signature is None) and (
            not isinstance(signature, str) or not is_signed(signed_text, signature, self._alipay_public_key)
        ):
            raise PlatformSignatureWrong(platform="alipay", platform_code="", words="")
        if failed:
            raise _error(node)
        return cast(dict[str, Any], node)

    def _unreadable(self, words: str) -> PlatformAnswerUnreadable:
        return PlatformAnswerUnreadable(platform="alipay", platform_code="", words=words)


def _node_text(text: str, name: str) -> str:
    """The text of the value of a top-level member, exactly as it stands in the document."""
    decoder = json.JSONDecoder()
    position = text.index("{") + 1
    while True:
        position = re.compile(r"[\s,]*").match(text, position).end()  # type: ignore[union-attr]
        key, position = decoder.raw_decode(text, position)
        position = re.compile(r"\s*:\s*").match(text, position).end()  # type: ignore[union-attr]
        start = position
        _, position = decoder.raw_decode(text, position)
        if key == name:
            return text[start:position]


def _error(node: Mapping[str, Any]) -> GatewayError:
    code, sub_code = str(node.get("code", "")), str(node.get("sub_code", ""))
    meaning = MEANINGS.get(sub_code) or MEANINGS.get(code)
    platform_code = sub_code or code
    if meaning is None or meaning.error is PlatformAnswerUnreadable:
        words = f"{platform_code}: {node.get('sub_msg') or node.get('msg') or ''}"[:160]
        return PlatformAnswerUnreadable(platform="alipay", platform_code=platform_code, words=words)
    return meaning.error(platform="alipay", platform_code=platform_code, words=meaning.en, words_zh=meaning.zh)
