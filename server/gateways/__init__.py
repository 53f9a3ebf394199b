"""What every platform gateway gives back, and the named ways in which asking a platform can fail.

A gateway is a thin asynchronous client of somebody else's server. It is given its keys and its HTTP session as
arguments, keeps no state but a cached access token, never retries what the platform counts as a use (a log-in code is
good once), and turns the platform's documented error codes into one of the few classes below, because the callers have
only a few things to do: ask the player to open the app again, wait, or wake an operator.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import aiohttp

Platform = Literal["alipay", "wechat"]
Suggestion = Literal["pass", "review", "block"]
RiskLevel = Literal["unknown", "low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class PlatformUser:
    """Who the platform says is holding the phone."""

    platform: Platform
    open_id: str
    union_id: str | None = None
    # opens the platform's encrypted data, so it never leaves the server nor shows in a log
    session_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ContentVerdict:
    """What a platform's content check says of a text or a picture: `labels` are the platform's own words or numbers."""

    suggestion: Suggestion
    labels: tuple[str, ...]
    trace_id: str


@dataclass(frozen=True, slots=True)
class RiskVerdict:
    """How likely the platform thinks it is that this user farms rewards; `rank` is the platform's own figure."""

    level: RiskLevel
    rank: int | None
    reason: str


class LoginGateway(Protocol):
    """Anything that can turn a log-in code into a user."""

    async def exchange_code(self, code: str) -> PlatformUser: ...


class _Lenient(string.Formatter):
    """Leaves a placeholder standing when its value was not given, so that making an error can never fail."""

    def get_value(self, key: int | str, args: object, kwargs: Mapping[str, object]) -> object:
        return kwargs.get(str(key), "{" + str(key) + "}")


class GatewayError(Exception):
    """{platform} could not be asked: {words}"""

    code: ClassVar[str] = "platform_error"
    retry_after_s: ClassVar[int | None] = None  # set where waiting helps

    def __init__(self, **params: object) -> None:
        self.params = params
        super().__init__(_Lenient().vformat(type(self).__doc__ or "", (), params))

    @property
    def platform_code(self) -> str:
        """The platform's own code, as it was sent, for the log."""
        return str(self.params.get("platform_code", ""))


class LoginCodeRefused(GatewayError):
    """{platform} does not know this log-in code any more ({words}); open the app again."""

    code = "login_code_refused"


class UserBlockedByPlatform(GatewayError):
    """{platform} has blocked this user: {words}"""

    code = "user_blocked_by_platform"


class UserNotRecentlySeen(GatewayError):
    """{platform} only answers about users who opened the app within the last two hours."""

    code = "user_not_recently_seen"


class ContentUnreadable(GatewayError):
    """{platform} could not read what was to be checked: {words}"""

    code = "content_unreadable"


class PlatformBusy(GatewayError):
    """{platform} is busy ({words}); ask again in a moment."""

    code = "platform_busy"
    retry_after_s = 2


class PlatformQuotaUsed(GatewayError):
    """The quota of calls to {platform} is used up: {words}"""

    code = "platform_quota_used"
    retry_after_s = 60


class PlatformUnreachable(GatewayError):
    """{platform} did not answer within {timeout_s} s: {words}"""

    code = "platform_unreachable"
    retry_after_s = 5


class PlatformAnswerUnreadable(GatewayError):
    """{platform} answered something that its documentation does not describe: {words}"""

    code = "platform_answer_unreadable"
    retry_after_s = 5


class PlatformSignatureWrong(GatewayError):
    """What came in the name of {platform} does not carry its signature; nothing in it is believed."""

    code = "platform_signature_wrong"


class PlatformSetUpWrong(GatewayError):
    """{platform} refuses our set-up, which only an operator can change: {words}"""

    code = "platform_set_up_wrong"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one platform code means: the class that callers act on, and words for people who read it."""

    error: type[GatewayError]
    zh: str
    en: str


async def ask(
    http: aiohttp.ClientSession, method: str, url: str, *, platform: Platform, timeout_s: float, **options: Any
) -> bytes:
    """The body of a platform's answer. Raises PlatformUnreachable, and PlatformBusy for any HTTP status from 500 on."""
    try:
        async with http.request(method, url, timeout=aiohttp.ClientTimeout(total=timeout_s), **options) as response:
            raw = await response.read()
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        # the class only: a client error's text carries the address, and WeChat's address carries the secret
        raise PlatformUnreachable(
            platform=platform, platform_code="", words=type(error).__name__, timeout_s=timeout_s
        ) from None
    if status >= 500:
        raise PlatformBusy(platform=platform, platform_code=str(status), words=f"HTTP {status}")
    return raw


def read_object(text: bytes | str, *, platform: Platform) -> dict[str, Any]:
    """The JSON object in an answer, whatever its content type says: WeChat's is text/plain, Alipay's text/html."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise PlatformAnswerUnreadable(platform=platform, platform_code="", words="not a JSON object")
    return answer
