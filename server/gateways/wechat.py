"""The WeChat mini-program server API: log-in codes, text and picture checks, risk rank, and the events WeChat pushes.

Source: the vendor's server API reference (code2Session, stable_token, msgSecCheck 2.0, imgSecCheck, mediaCheckAsync
2.0, getUserRiskRank, message push). Every call but the log-in needs an access token, of which an app has one at a time:
it is fetched by the first who needs it, shared by all, renewed before it expires and again when WeChat calls it stale.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

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
    UserNotRecentlySeen,
    ask,
    read_object,
)

ADDRESS = "https://api.weixin.qq.com"
MAX_TEXT_CHARS = 2_500
MAX_PICTURE_BYTES = 1_048_576  # imgSecCheck; anything larger goes through check_media_later
STALE_TOKEN_CODES = frozenset({40001, 40014, 42001})

# Where a text stands: WeChat judges a nickname more strictly than a diary.
SCENES: Mapping[str, int] = {"profile": 1, "comment": 2, "forum": 3, "social": 4}
MEDIA_TYPES: Mapping[str, int] = {"audio": 1, "picture": 2}
RISK_SCENES: Mapping[str, int] = {"sign_up": 0, "reward_abuse": 1}

MEANINGS: Mapping[int, Meaning] = {
    -1: Meaning(PlatformBusy, "微信系统繁忙,请稍候再试", "the system is busy"),
    -1008: Meaning(ContentUnreadable, "媒体下载失败,请检查链接", "the media could not be fetched from its address"),
    40001: Meaning(PlatformSetUpWrong, "access_token 无效或不是最新", "the access token is not the latest"),
    40003: Meaning(LoginCodeRefused, "openid 无效", "the openid is not valid"),
    40006: Meaning(ContentUnreadable, "文件大小不合法", "the file is too large or empty"),
    40013: Meaning(PlatformSetUpWrong, "appid 不合法", "the app id is not valid"),
    40014: Meaning(PlatformSetUpWrong, "access_token 不合法", "the access token is malformed"),
    40029: Meaning(LoginCodeRefused, "登录 code 无效", "the log-in code is not valid"),
    40125: Meaning(PlatformSetUpWrong, "appsecret 不正确", "the app secret is wrong"),
    40129: Meaning(PlatformSetUpWrong, "场景值错误", "the scene is not one of the documented ones"),
    40163: Meaning(LoginCodeRefused, "登录 code 已被使用", "the log-in code has been used"),
    40164: Meaning(PlatformSetUpWrong, "服务器 IP 不在白名单", "this server's address is not on the app's list"),
    40226: Meaning(UserBlockedByPlatform, "高风险用户,登录被微信拦截", "a user of high risk"),
    41002: Meaning(PlatformSetUpWrong, "缺少 appid", "the app id is missing"),
    41004: Meaning(PlatformSetUpWrong, "缺少 secret", "the app secret is missing"),
    41005: Meaning(ContentUnreadable, "缺少多媒体文件数据", "there is no file in the request"),
    41008: Meaning(LoginCodeRefused, "缺少登录 code", "the log-in code is missing"),
    42001: Meaning(PlatformSetUpWrong, "access_token 已过期", "the access token has expired"),
    43104: Meaning(PlatformSetUpWrong, "appid 与 openid 不匹配", "the openid belongs to another app"),
    43302: Meaning(PlatformSetUpWrong, "请求方法错误,请用 POST", "the call must be a POST"),
    44002: Meaning(ContentUnreadable, "传递的参数为空", "the body is empty"),
    44991: Meaning(PlatformQuotaUsed, "超出接口调用频率限制", "the call is made too often"),
    45002: Meaning(ContentUnreadable, "内容超过长度限制", "the text is too long"),
    45009: Meaning(PlatformQuotaUsed, "接口调用超过当日限额", "the day's quota is used up"),
    45011: Meaning(PlatformQuotaUsed, "调用太频繁,请稍候再试", "too many calls in this minute"),
    47001: Meaning(ContentUnreadable, "传递的参数格式不对", "the body is malformed"),
    48001: Meaning(PlatformSetUpWrong, "小程序没有该接口的权限", "the app has no right to this call"),
    48004: Meaning(PlatformSetUpWrong, "接口已被封禁", "the call is barred for this app"),
    50002: Meaning(UserBlockedByPlatform, "用户受限,可能已被冻结或注销", "the user is frozen or has left"),
    61010: Meaning(UserNotRecentlySeen, "用户近两小时未访问小程序", "the user has not opened the app within two hours"),
    9410009: Meaning(PlatformQuotaUsed, "测试额度已耗尽", "the test quota is used up"),
}
RISKY_CONTENT_CODE = 87014  # not an error but the verdict of the older picture check

LABELS: Mapping[int, str] = {
    100: "normal", 10001: "advertising", 20001: "politics", 20002: "pornography", 20003: "abuse", 20006: "crime",
    20008: "fraud", 20012: "vulgar", 20013: "copyright", 21000: "other",
}  # fmt: skip
_SUGGESTIONS: Mapping[str, Suggestion] = {"pass": "pass", "review": "review", "risky": "block"}
_RISK_LEVELS: tuple[RiskLevel, ...] = ("low", "low", "medium", "medium", "high")


@dataclass(frozen=True, slots=True)
class MediaEvent:
    """The verdict on a picture or sound that was handed in with `check_media_later`, pushed within half an hour."""

    trace_id: str
    verdict: ContentVerdict


class Wechat:
    """One mini-program's line to WeChat. Raises subclasses of GatewayError and nothing else."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        app_id: str,
        secret: str,
        push_token: str | None = None,
        address: str = ADDRESS,
        timeout_s: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._app_id = app_id
        self._secret = secret
        self._push_token = push_token
        self._address = address.rstrip("/")
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._token: str | None = None
        self._token_good_until = 0.0
        self._token_lock = asyncio.Lock()

    async def exchange_code(self, code: str) -> PlatformUser:
        """Who logged in with `code`. Good once: never retried here, because a second exchange is refused as used.

        Raises LoginCodeRefused, UserBlockedByPlatform, PlatformBusy, PlatformQuotaUsed, PlatformUnreachable, ….
        """
        answer = await self._send(
            "GET",
            "/sns/jscode2session",
            params={
                "appid": self._app_id,
                "secret": self._secret,
                "js_code": code,
                "grant_type": "authorization_code",
            },
        )
        self._raise_for(answer)
        open_id = answer.get("openid")
        if not isinstance(open_id, str) or not open_id:
            raise self._unreadable("no openid in the answer to a log-in")
        return PlatformUser(
            platform="wechat",
            open_id=open_id,
            union_id=answer.get("unionid") or None,
            session_key=answer.get("session_key") or None,
        )

    async def check_text(
        self, text: str, *, open_id: str, scene: Literal["profile", "comment", "forum", "social"]
    ) -> ContentVerdict:
        """What WeChat thinks of at most 2 500 characters written by a user who was here within two hours."""
        if not text.strip():
            raise ContentUnreadable(platform="wechat", platform_code="", words="the text is empty")
        if len(text) > MAX_TEXT_CHARS:
            raise ContentUnreadable(
                platform="wechat",
                platform_code="",
                words=f"{len(text)} characters; at most {MAX_TEXT_CHARS} are checked",
            )
        answer = await self._call(
            "/wxa/msg_sec_check", {"content": text, "version": 2, "scene": SCENES[scene], "openid": open_id}
        )
        return self._verdict(answer)

    async def check_picture(self, picture: bytes, *, media_type: str = "image/jpeg") -> ContentVerdict:
        """What WeChat thinks of a picture of at most 1 MiB, at once."""
        if not 0 < len(picture) <= MAX_PICTURE_BYTES:
            raise ContentUnreadable(
                platform="wechat", platform_code="", words=f"{len(picture)} bytes; 1 to {MAX_PICTURE_BYTES} are checked"
            )
        answer = await self._call(
            "/wxa/img_sec_check", files={"media": (picture, media_type)}, verdict_codes=(RISKY_CONTENT_CODE,)
        )
        risky = answer.get("errcode") == RISKY_CONTENT_CODE
        return ContentVerdict(
            suggestion="block" if risky else "pass",
            labels=("risky",) if risky else (),
            trace_id=str(answer.get("trace_id", "")),
        )

    async def check_media_later(
        self,
        url: str,
        *,
        open_id: str,
        scene: Literal["profile", "comment", "forum", "social"],
        kind: Literal["audio", "picture"] = "picture",
    ) -> str:
        """Hand in a public address; the verdict is pushed within half an hour under the trace id that this returns."""
        answer = await self._call(
            "/wxa/media_check_async",
            {
                "media_url": url,
                "media_type": MEDIA_TYPES[kind],
                "version": 2,
                "scene": SCENES[scene],
                "openid": open_id,
            },
        )
        trace_id = answer.get("trace_id")
        if not isinstance(trace_id, str) or not trace_id:
            raise self._unreadable("no trace_id for a media check")
        return trace_id

    async def risk_rank(
        self, *, open_id: str, client_ip: str, scene: Literal["sign_up", "reward_abuse"] = "reward_abuse"
    ) -> RiskVerdict:
        """WeChat's rank of this user, 0 (no risk known) to 4 (high)."""
        answer = await self._call(
            "/wxa/getuserriskrank",
            {"appid": self._app_id, "openid": open_id, "scene": RISK_SCENES[scene], "client_ip": client_ip},
        )
        rank = answer.get("risk_rank")
        if not isinstance(rank, int) or not 0 <= rank < len(_RISK_LEVELS):
            raise self._unreadable("risk_rank is not 0 to 4")
        # the misspelt name is the vendor's
        return RiskVerdict(level=_RISK_LEVELS[rank], rank=rank, reason=f"unoin_id={answer.get('unoin_id', '')}")

    def greet(self, *, signature: str, timestamp: str, nonce: str, echo: str) -> str:
        """The answer to WeChat's question whether the message address is ours: `echo`, if the signature is right."""
        self._check_push_signature(signature=signature, timestamp=timestamp, nonce=nonce)
        return echo

    def read_media_event(self, body: bytes, *, signature: str, timestamp: str, nonce: str) -> MediaEvent | None:
        """The verdict in a pushed message (JSON, plain mode), or None where it is about something else.

        Raises PlatformSignatureWrong before anything in the body is looked at.
        """
        self._check_push_signature(signature=signature, timestamp=timestamp, nonce=nonce)
        event = read_object(body, platform="wechat")
        if event.get("Event") != "wxa_media_check" or event.get("appid", self._app_id) != self._app_id:
            return None
        self._raise_for(event)
        return MediaEvent(trace_id=str(event.get("trace_id", "")), verdict=self._verdict(event))

    def _check_push_signature(self, *, signature: str, timestamp: str, nonce: str) -> None:
        assert self._push_token is not None, "a message address needs its push token"
        # SHA-1 is not our choice: it is the documented signature of the message push
        expected = hashlib.sha1("".join(sorted((self._push_token, timestamp, nonce))).encode()).hexdigest()  # noqa: S324
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise PlatformSignatureWrong(platform="wechat", platform_code="", words="")

    async def _call(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        files: Mapping[str, tuple[bytes, str]] | None = None,
        verdict_codes: tuple[int, ...] = (),
    ) -> dict[str, Any]:
        """A POST with the access token; a stale one is renewed once, since another process may have renewed it."""
        for last_try in (False, True):
            token = await self._access_token()
            answer = await self._send("POST", path, params={"access_token": token}, body=body, files=files)
            if answer.get("errcode", 0) in STALE_TOKEN_CODES and not last_try:
                if self._token == token:
                    self._token = None
                continue
            break
        if answer.get("errcode", 0) not in verdict_codes:
            self._raise_for(answer)
        return answer

    async def _access_token(self) -> str:
        async with self._token_lock:
            if self._token is None or self._monotonic() >= self._token_good_until:
                answer = await self._send(
                    "POST",
                    "/cgi-bin/stable_token",
                    body={"grant_type": "client_credential", "appid": self._app_id, "secret": self._secret},
                )
                self._raise_for(answer)
                token, expires_in_s = answer.get("access_token"), answer.get("expires_in")
                if not isinstance(token, str) or not isinstance(expires_in_s, int):
                    raise self._unreadable("no access_token")
                self._token = token
                self._token_good_until = self._monotonic() + expires_in_s * 0.9
            return self._token

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        files: Mapping[str, tuple[bytes, str]] | None = None,
    ) -> dict[str, Any]:
        data: aiohttp.FormData | bytes | None = None
        headers = {}
        if files is not None:
            data = aiohttp.FormData()
            for name, (content, media_type) in files.items():
                data.add_field(name, content, filename=name, content_type=media_type)
        elif body is not None:
            # not escaped: WeChat counts and judges the characters that it is sent, and \uXXXX is six of them
            data = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json; charset=utf-8"
        raw = await ask(
            self._http,
            method,
            self._address + path,
            platform="wechat",
            timeout_s=self._timeout_s,
            params=params,
            data=data,
            headers=headers,
        )
        return read_object(raw, platform="wechat")

    def _verdict(self, answer: Mapping[str, Any]) -> ContentVerdict:
        result = answer.get("result")
        if not isinstance(result, dict):
            raise self._unreadable("no result in a content check")
        suggestion = _SUGGESTIONS.get(result.get("suggest", ""))
        if suggestion is None:
            # an unknown word must not pass for "pass"
            raise self._unreadable("no suggestion in a content check")
        label = result.get("label")
        labels = (
            () if suggestion == "pass" else (LABELS.get(label, str(label)) if isinstance(label, int) else str(label),)
        )
        return ContentVerdict(suggestion=suggestion, labels=labels, trace_id=str(answer.get("trace_id", "")))

    def _raise_for(self, answer: Mapping[str, Any]) -> None:
        errcode = answer.get("errcode", 0)
        if errcode == 0:
            return
        raise _error(errcode, str(answer.get("errmsg", "")))

    def _unreadable(self, words: str) -> PlatformAnswerUnreadable:
        return PlatformAnswerUnreadable(platform="wechat", platform_code="", words=words)


def _error(errcode: object, errmsg: str) -> GatewayError:
    meaning = MEANINGS.get(errcode) if isinstance(errcode, int) else None
    if meaning is None:
        return PlatformAnswerUnreadable(
            platform="wechat", platform_code=str(errcode), words=f"errcode {errcode}: {errmsg[:120]}"
        )
    return meaning.error(platform="wechat", platform_code=str(errcode), words=meaning.en, words_zh=meaning.zh)
