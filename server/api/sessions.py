"""POST /v1/sessions: log in with a platform's code, or as a guest where that is allowed."""

from typing import Any, Literal

import pydantic
import structlog

from game.matchup import device_tag
from server.edge.auth import PlayerSession, issue_token
from server.edge.callers import address_block, address_of
from server.edge.limits import Limit, retry_after_s
from server.edge.problems import Problem
from server.edge.wire import Reply, Route, Wire, rfc3339
from server.flows.open_session import open_session
from server.gateways import GatewayError, PlatformSetUpWrong
from server.secrets import vault_of

log = structlog.get_logger()

# A log-in costs little, and thousands of a carrier's subscribers may share one address.
LOG_INS = Limit("log-ins", rate_per_s=20.0, burst=1000)
# A family shares a telephone; a hundred accounts do not.
DEVICE_LOG_INS = Limit("device-log-ins", rate_per_s=1 / 30, burst=40)


class SessionBody(Wire):
    """What a phone sends to log in. `code`: the platform's one-time code, for a guest a secret that the phone made."""

    platform: Literal["alipay", "wechat", "guest"]
    code: str = pydantic.Field(min_length=1, max_length=256)
    device: str = pydantic.Field(min_length=1, max_length=128)


class PlayerReply(Reply):
    """Who is logged in."""

    player_id: str
    nickname: str
    standing: str
    new: bool


class SessionReply(Reply):
    """A session: send `token` as `Authorization: Bearer …` until `expires_at`."""

    token: str
    expires_at: str
    player: PlayerReply


async def post_sessions(call: Any) -> dict[str, Any]:
    """Log a player in, who is made on first sight."""
    shell, body = call.shell, call.body
    address = address_of(call.request, shell.config.proxies)
    block = address_block(address)
    for limit, key in ((LOG_INS, block), (DEVICE_LOG_INS, device_tag(body.device).hex())):
        wait_s = await shell.limiter.wait_s(limit, key, call.now.timestamp())
        if wait_s > 0:
            raise Problem("too_many", params={"retry_after_s": retry_after_s(wait_s)})
    subject = await _subject(shell, body)
    vault = vault_of(shell.config)
    hashed, *known_as = vault.names_of(f"{body.platform}:{subject}")
    opened = await open_session(
        shell.engine,
        platform=body.platform,
        subject=hashed,
        known_as=known_as,
        sealed_subject=vault.seal(subject.encode(), about=hashed),
        device=vault.digest(f"device:{body.device}"),
        address_block=vault.digest(f"address:{block}"),
        economy=shell.economy,
        now=call.now,
    )
    shell.risk_desk.ask_soon(opened.player.player_id, address, call.now)
    session = PlayerSession(opened.player.player_id, opened.session_id, device_tag(body.device), opened.expires_at)
    return {
        "token": issue_token(session, shell.config.token_keys),
        "expires_at": rfc3339(opened.expires_at),
        "player": {
            "player_id": str(opened.player.player_id),
            "nickname": opened.player.nickname,
            "standing": opened.player.standing,
            "new": opened.new,
        },
    }


async def _subject(shell: Any, body: SessionBody) -> str:
    """The platform's name for the person behind the code."""
    if body.platform == "guest":
        if not shell.config.guests:
            raise Problem("guests_not_allowed")
        return body.code
    exchange = shell.platforms.log_ins.get(body.platform)
    if exchange is None:
        raise Problem("platform_not_set_up", params={"platform": body.platform})
    try:
        return str(await exchange(body.code))
    except GatewayError as error:
        # Never the code, nor what it was exchanged for: the platform's own number is what its support asks for.
        said = {"platform": body.platform, "code": error.code, "platform_code": error.platform_code}
        if isinstance(error, PlatformSetUpWrong):
            log.error("platform_set_up_wrong", words=str(error), **said)
        else:
            log.warning("platform_log_in_failed", **said)
        raise platform_problem(error) from None


def platform_problem(error: GatewayError) -> Problem:
    """What a player is told when his platform could not be asked, or would not vouch for him."""
    name = {"alipay": ("支付宝", "Alipay"), "wechat": ("微信", "WeChat")}.get(str(error.params.get("platform")))
    zh, en = name or ("平台", "The platform")
    params: dict[str, Any] = {"platform_zh": zh, "platform": en}
    if error.retry_after_s is not None:
        params["retry_after_s"] = error.retry_after_s
    return Problem(error.code, params=params)


ROUTES = (
    Route(
        method="POST",
        path="/v1/sessions",
        handler=post_sessions,
        summary="Log in",
        auth="none",
        body=SessionBody,
        reply=SessionReply,
        status=201,
        problems=(401, 403, 413, 415, 422, 429, 503),
    ),
)
