"""POST /v1/rounds: a handful of matchups for this player, each with its signed ticket."""

from datetime import timedelta
from typing import Any

import pydantic

from game.dealing import MAX_ROUND
from game.style_test import StyleTest
from server.edge.callers import address_of
from server.edge.limits import Limit, retry_after_s
from server.edge.problems import Problem
from server.edge.wire import Reply, Route, Wire, rfc3339, wants_english
from server.flows.deal_round import deal_round

ROUNDS = Limit("rounds", rate_per_s=1.0, burst=30)
# Several of a family may play on one telephone in turn, not a farm at once.
DEVICE_ROUNDS = Limit("device-rounds", rate_per_s=2.0, burst=60)

REASONS = {
    "no_test_open": (
        "现在没有适合你的选款,先去照看果树吧。",
        "No test is open for you just now; your tree is glad of a visit.",
    ),
    "all_pairs_met": (
        "这些款式你都看过了,明天再来看新款。",
        "You have seen all there is; come back tomorrow for more.",
    ),
    "daily_cap_reached": (
        "今天的有奖选款已做满,明天再来。",
        "You have made all of today's paid choices; come back tomorrow.",
    ),
    "budget_exhausted": (
        "这次选款的肥料已经发完,谢谢你。",
        "The fertilizer of this test has all been given; thank you.",
    ),
    "wallet_full": (
        "你的肥料袋满了,先给果树施肥再来。",
        "Your fertilizer bag is full; apply some to your tree, then come back.",
    ),
    "paused": ("选款暂停中,请稍后再来。", "Play is paused; come back a little later."),
    "player_gone": ("这个账号已注销,请重新登录。", "This account was deleted; log in again."),
}


class RoundBody(Wire):
    """How many matchups are wanted."""

    size: int = pydantic.Field(default=5, ge=1, le=MAX_ROUND)


class ShownStyle(Reply):
    """A style as a player sees it."""

    style_id: str
    title: str
    image_url: str
    image_urls: dict[str, str]


class MatchupReply(Reply):
    """Two styles, a question, and what an answer earns."""

    matchup_id: str
    ticket: str
    question: str
    left: ShownStyle
    right: ShownStyle
    offer_g: int
    expires_at: str


class RoundReply(Reply):
    """A round; when it is empty, `reason` and `detail` say why."""

    round_id: str
    matchups: list[MatchupReply]
    reason: str | None = None
    detail: str | None = None


async def post_rounds(call: Any) -> dict[str, Any]:
    """Deal a round to this player."""
    shell, who = call.shell, call.who
    for limit, key in ((ROUNDS, who.player_id.hex), (DEVICE_ROUNDS, who.device.hex())):
        wait_s = await shell.limiter.wait_s(limit, key, call.now.timestamp())
        if wait_s > 0:
            raise Problem("too_many", params={"retry_after_s": retry_after_s(wait_s)})
    dealt = await deal_round(
        shell.engine,
        shell.dealer,
        shell.budget_desk,
        keys=shell.config.ticket_keys,
        player_id=who.player_id,
        device=who.device,
        size=call.body.size,
        economy=shell.economy,
        ticket_life=timedelta(seconds=shell.config.ticket_ttl_s),
        now=call.now,
    )
    # What he earns now is settled later; until then the platform may say what it thinks of him.
    shell.risk_desk.ask_soon(who.player_id, address_of(call.request, shell.config.proxies), call.now)
    shell.metrics.matchups.inc(len(dealt.matchups))
    english = wants_english(call.request)
    body: dict[str, Any] = {
        "round_id": str(dealt.round_id),
        "matchups": [
            {
                "matchup_id": str(entry.matchup.matchup_id),
                "ticket": entry.ticket,
                "question": (english and entry.test.question_en) or entry.test.question,
                "left": shown(entry.test, entry.matchup.left, english=english),
                "right": shown(entry.test, entry.matchup.right, english=english),
                "offer_g": entry.matchup.offer_g,
                "expires_at": rfc3339(entry.matchup.expires_at),
            }
            for entry in dealt.matchups
        ],
    }
    if dealt.reason is not None:
        body["reason"] = dealt.reason
        body["detail"] = REASONS[dealt.reason][1 if english else 0]
    return body


def shown(test: StyleTest, position: int, *, english: bool) -> dict[str, Any]:
    """A style as a player sees it: nothing tells a decoy or a reference from a candidate."""
    style = test.styles[position]
    urls = {size: f"/media/{style.picture}-{size}.webp" for size in ("small", "medium", "large")}
    return {
        "style_id": str(style.style_id),
        "title": (english and style.title_en) or style.title,
        "image_url": urls["medium"],
        "image_urls": urls,
    }


ROUTES = (
    Route(
        method="POST",
        path="/v1/rounds",
        handler=post_rounds,
        summary="Deal a round of matchups",
        body=RoundBody,
        reply=RoundReply,
        problems=(401, 413, 415, 422, 429, 503),
    ),
)
