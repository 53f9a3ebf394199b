"""POST /v1/sessions: log in with a platform's code, or as a guest where that is allowed."""

import hashlib
import hmac
import ipaddress
from typing import Any, Literal

import pydantic

from game.matchup import device_tag
from server.edge.auth import PlayerSession, issue_token
from server.edge.limits import Limit, retry_after_s
from server.edge.problems import Problem
from server.edge.wire import Reply, Route, Wire, rfc3339
from server.flows.check_platform_risk import check_platform_risk
from server.flows.open_session import open_session

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


def address_block(address: str | None) -> str:
    """The block that an address lies in (/24 or /48): as much of it as a household shares, and no more is ever kept."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{parsed}/{24 if parsed.version == 4 else 48}", strict=False))


def keyed_hash(key: bytes, text: str) -> bytes:
    """Sixteen bytes that stand for a text and cannot be turned back without the key."""
    return hmac.digest(key, text.encode(), hashlib.sha256)[:16]


async def post_sessions(call: Any) -> dict[str, Any]:
    """Log a player in, who is made on first sight."""
    shell, body = call.shell, call.body
    block = address_block(call.request.remote)
    for limit, key in ((LOG_INS, block), (DEVICE_LOG_INS, device_tag(body.device).hex())):
        wait_s = await shell.limiter.wait_s(limit, key, call.now.timestamp())
        if wait_s > 0:
            raise Problem("too_many", params={"retry_after_s": retry_after_s(wait_s)})
    subject = await _subject(shell, body)
    key = shell.config.vault_keys[min(shell.config.vault_keys)]
    opened = await open_session(
        shell.engine,
        platform=body.platform,
        subject=keyed_hash(key, f"{body.platform}:{subject}"),
        device=keyed_hash(key, f"device:{body.device}"),
        address_block=keyed_hash(key, f"address:{block}"),
        economy=shell.economy,
        now=call.now,
    )
    ask = shell.risk_checks.get(body.platform)
    if ask is not None:
        await check_platform_risk(
            shell.engine,
            ask,
            player_id=opened.player.player_id,
            platform=body.platform,
            open_id=subject,
            client_ip=call.request.remote or "",
            now=call.now,
        )
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
    gateway = shell.gateways.get(body.platform)
    if gateway is None:
        raise Problem("platform_refused", params={"problem": f"{body.platform} is not configured here."})
    return str(await gateway(body.code))


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
