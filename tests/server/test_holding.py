"""Laws of what a merchant sees: a running ranking in steps, a decision with how firmly it stands, news when it changes."""

import pytest
import sqlalchemy as sa

from game.showing import shown_from
from game.standing import Opinion
from game.style_test import TestState
from server.flows.show_ranking import show_ranking
from server.ids import uuid7
from server.jobs.check_results import CheckResults
from server.jobs.refit_rankings import RefitRankings
from server.stores import snapshots, standings, tests, webhooks
from server.stores.db import transaction
from tests.server.builders import SteppingClock, a_running_test
from tests.server.voters import Ballot


@pytest.fixture
async def ballot(engine) -> Ballot:
    test = await a_running_test(engine, styles=8, min_days=30)
    return await Ballot(engine, test, SteppingClock().now).open()


async def shown(ballot: Ballot, state: TestState = TestState.RUNNING) -> dict:
    async with ballot.engine.connect() as conn:
        document = await show_ranking(conn, ballot.test, state)
    assert document is not None
    return document


async def test_single_votes_do_not_move_what_the_merchant_of_a_running_test_sees(ballot: Ballot) -> None:
    """A prober who looks after each of his votes sees the count grow and nothing else, until others voted, too."""
    refit = RefitRankings(ballot.engine)
    await ballot.people(5, each=20)
    await refit.run(ballot.now)
    before = await shown(ballot)
    assert (before["votes"], before["estimated_votes"]) == (100, 100)
    for number in range(1, 20):
        await ballot.people(1, how="push", pushed=7, each=1)
        await refit.run(ballot.now)
        now = await shown(ballot)
        assert now["votes"] == 100 + number
        assert now["items"] == before["items"]
        assert now["decision"] == before["decision"]
        assert now["wins"] == before["wins"]
    await ballot.people(1, each=1)
    await refit.run(ballot.now)
    after = await shown(ballot)
    assert (after["votes"], after["estimated_votes"]) == (120, shown_from(120))
    assert after["items"] != before["items"]
    async with ballot.engine.connect() as conn:
        latest = await snapshots.latest(conn, ballot.test.test_id)
    ended = await shown(ballot, TestState.DECIDED)
    assert ended["items"] == latest.document["items"], "a test that has ended is shown as it is"
    for item in after["items"]:
        assert item["strength"] == round(item["strength"], 2)


async def test_a_merchant_reads_whether_a_decision_holds_and_hears_when_it_changes(ballot: Ballot) -> None:
    """In the document, in a note, and by webhook: when verdicts change the result, and when they are taken back."""
    await ballot.people(12)
    pushers = await ballot.people(40, how="push", pushed=7, each=20)
    await RefitRankings(ballot.engine).run(ballot.now)
    async with transaction(ballot.engine) as conn:
        await conn.execute(sa.text("update style_tests set state = 'decided', ended_at = :now"), {"now": ballot.now})
        await webhooks.add(
            conn,
            webhooks.Webhook(
                uuid7(), ballot.test.merchant_id, "https://example.com/hook", ("test.result_changed",), ballot.now
            ),
            sealed_secret=b"sealed",
        )
    job = CheckResults(ballot.engine)
    await job.run(ballot.now)
    first = await shown(ballot, TestState.DECIDED)
    assert first["holding"]["without_share"] == 0.05
    assert first["holding"]["voters_removed"] >= 1
    codes = [note["code"] for note in first["notes"]]
    assert {"holds_without_some", "turns_without_some"} & set(codes)
    assert "result_changed" not in first
    for opinion, changed in ((Opinion("muted", ("pushing",), 0.0, 0.99), True), (Opinion("trusted"), False)):
        async with transaction(ballot.engine) as conn:
            for player_id in pushers:
                await standings.record(conn, player_id, opinion, who="review", hold_s=5, now=ballot.now)
        await job.run(ballot.now)
        now = await shown(ballot, TestState.DECIDED)
        assert now["result_changed"]["now"] is changed
        note = next(note for note in now["notes"] if note["code"] in ("result_changed", "result_restored"))
        assert ("款式8" in note["zh"] and "款式1" in note["zh"]) == changed
    async with ballot.engine.connect() as conn:
        bodies = list(await conn.scalars(sa.text("select body from webhook_deliveries order by delivery_id")))
        acts = list(
            await conn.scalars(sa.text("select what from audit_lines where what like 'test.result%' order by 1"))
        )
        test = await tests.find(conn, ballot.test.test_id)
    assert [(body["event"], body["data"]["changed"]) for body in bodies] == [
        ("test.result_changed", True), ("test.result_changed", False),
    ]  # fmt: skip
    assert bodies[0]["data"]["chosen_before"] == [str(test.styles[7].style_id)]
    assert bodies[0]["data"]["chosen_after"] == [str(test.styles[0].style_id)]
    assert acts == ["test.result_changed", "test.result_restored"]
