"""What a draft would cost: votes, price and days, and what the money buys at other promises."""

from typing import Any

from admin.api.tests import OWN, TEST_PATH, found
from ranking.quote import Quote
from server.edge.problems import Problem
from server.edge.wire import Call, Reply, Route
from server.flows.check_list import check_list
from server.flows.quote_test import quote_test
from server.stores.db import reading


class QuoteLine(Reply):
    """One promise: votes and money on average and four times in five; days at the present flow (null: unknown).

    `confirmation_votes` are contained: they confirm a proven winner before it is announced.
    """

    certainty: str
    confidence: float
    expected_votes: int
    low_votes: int
    median_votes: int
    high_votes: int
    confirmation_votes: int
    expected_fen: int
    low_fen: int
    high_fen: int
    expected_days: float | None
    high_days: float | None
    chance_within_budget: float
    extrapolated: bool


class QuoteReply(QuoteLine):
    """The quote for the draft as it stands; `beside` are the same test at other promises."""

    test_id: str
    styles: int
    keep: int
    budget_fen: int
    price_fen_per_vote: int
    votes_per_day: float | None
    enough: bool
    words: dict[str, str]
    beside: list[QuoteLine]


async def post_quote(call: Call) -> dict[str, Any]:
    """Expected votes, range, price and days for the draft as it stands. Simulated with the engine itself; cached."""
    test = await found(call)
    blocking = [
        point for point in check_list(test, economy=call.shell.economy, now=call.now)
        if point.code in ("too_few_styles", "too_many_styles", "keep_too_many")
    ]  # fmt: skip
    if blocking:
        first = blocking[0]
        raise Problem("quote_refused", sentence=first.en, sentence_zh=first.zh, field=first.field)
    async with reading(call.shell.engine) as conn:
        quoted = await quote_test(conn, test, economy=call.shell.economy, cache=call.shell.flows, now=call.now)
    asked, budget_fen = quoted.asked, test.budget_fen
    chance = asked.chance_within(budget_fen / asked.price_fen) if asked.price_fen else 1.0
    return {
        **_line(asked, budget_fen),
        "test_id": str(test.test_id),
        "styles": asked.n_styles,
        "keep": asked.goal.keep,
        "budget_fen": budget_fen,
        "price_fen_per_vote": asked.price_fen,
        "votes_per_day": asked.votes_per_day,
        "enough": budget_fen >= asked.high_fen,
        "words": _words(asked, budget_fen, chance),
        "beside": [_line(other, budget_fen) for other in quoted.others],
    }


def _line(one: Quote, budget_fen: int) -> dict[str, Any]:
    return {
        "certainty": one.goal.certainty,
        "confidence": one.goal.confidence,
        "expected_votes": one.expected,
        "low_votes": one.low,
        "median_votes": one.median,
        "high_votes": one.high,
        "confirmation_votes": one.confirmation,
        "expected_fen": one.expected_fen,
        "low_fen": one.low_fen,
        "high_fen": one.high_fen,
        "expected_days": one.expected_days,
        "high_days": one.high_days,
        "chance_within_budget": round(one.chance_within(budget_fen / one.price_fen), 3) if one.price_fen else 1.0,
        "extrapolated": one.extrapolated,
    }


def _words(asked: Quote, budget_fen: int, chance: float) -> dict[str, str]:
    low, high, ceiling = (f"¥{fen / 100:,.2f}" for fen in (asked.low_fen, asked.high_fen, budget_fen))
    zh = f"五次里有四次花 {low} 到 {high}。您设的上限 {ceiling},够用的可能约 {chance:.0%}。没用完的会退回。"
    en = (
        f"Four tests in five cost {low} to {high}. Your ceiling of {ceiling} is enough with a chance of about "
        f"{chance:.0%}; what is not used returns."
    )
    if asked.extrapolated:
        zh += "这个组合超出了模拟范围,只能粗估。"
        en += " This combination lies outside what was simulated: a rough guess."
    return {"zh": zh, "en": en}


ROUTES = (
    Route(method="POST", path=f"{TEST_PATH}/quote", handler=post_quote, summary="Quote", auth=OWN, reply=QuoteReply,
          problems=(401, 403, 404, 422, 503)),
)  # fmt: skip
