"""Submit a draft: hand in what players would see of it, and start it at once where all of that may be shown."""

from datetime import datetime
from uuid import UUID

from game.content import ContentState, pieces_of, refuse_risky, standing
from game.errors import TransitionRefused
from game.style_test import StyleTest, TestState, after, check_launch
from rewards import ledger as books
from rewards.economy import Economy
from rewards.errors import MoneyShort
from server.config import ContentReview
from server.flows.launch_test import launch_test, smallest_budget_fen
from server.stores import audit, contents, ledger, tests, webhooks
from server.stores.db import AsyncConnection

# How a piece that nobody has seen yet begins, by who looks at it.
FIRST: dict[ContentReview, ContentState] = {
    "automatic": ContentState.PASS,
    "people": ContentState.REVIEW,
    "platform": ContentState.PENDING,
}


async def submit_test(
    conn: AsyncConnection,
    test_id: UUID,
    *,
    merchant_id: UUID,
    review: ContentReview,
    economy: Economy,
    who: str,
    now: datetime,
    request_id: str = "",
) -> StyleTest | None:
    """Start a merchant's test, or let it wait in review until its content is judged; None when there is none of his.

    A test that waits is answered as it stands. Raises what `launch_test` raises, MoneyShort, and ContentRefused for what
    was refused before. Nothing is changed then.
    """
    test = await tests.find(conn, test_id, merchant_id=merchant_id, lock=True)
    if test is None or test.state is TestState.REVIEW:
        return test
    check_launch(test, now=now, smallest_budget_fen=smallest_budget_fen(len(test.ranked), economy))
    balance_fen = await ledger.balance(conn, books.merchant(merchant_id))
    if balance_fen < test.budget_fen:
        raise MoneyShort(balance=f"{balance_fen / 100:,.2f}", budget=f"{test.budget_fen / 100:,.2f}")
    pieces = pieces_of(test)
    await contents.hand_in(
        conn, pieces, merchant_id=merchant_id, test_id=test_id, state=FIRST[review],
        judged_by="automatic" if review == "automatic" else None, now=now,
    )  # fmt: skip
    known = await contents.known_of_test(conn, test)
    refuse_risky(pieces, known)
    if standing(pieces, known) is ContentState.PASS:
        return await launch_test(
            conn, test_id, merchant_id=merchant_id, economy=economy, who=who, now=now, request_id=request_id
        )
    waiting = after(test, "submit", now=now)
    if not await tests.move(conn, test, waiting):
        raise TransitionRefused(state=test.state.value, verb="submit", advice="somebody else moved it; load it again.")
    await webhooks.announce(
        conn, merchant_id, "test.review", {"test_id": str(test_id), "title": test.title, "state": "review"}, now
    )
    await audit.write(
        conn, who=who, what="test.submit", object_id=test_id, before={"state": test.state.value},
        after={"state": waiting.state.value}, now=now, request_id=request_id,
    )  # fmt: skip
    return waiting
