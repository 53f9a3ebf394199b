"""Laws of the collusion gate in the service: a pushed style is shown with and without its pushers, and nobody is deleted."""

import pytest
import sqlalchemy as sa

from game.gates import gate_note
from ranking.reliability import Gate
from server.jobs.check_results import CheckResults
from server.jobs.refit_rankings import RefitRankings
from server.jobs.sweep_abuse import SweepAbuse
from server.stores import players, snapshots, standings
from server.stores.db import transaction
from tests.server.builders import SteppingClock, a_running_test
from tests.server.voters import Ballot

PUSHED = 6


@pytest.fixture
async def ballot(engine) -> Ballot:
    test = await a_running_test(engine, styles=8, decoys=2, min_days=30)
    return await Ballot(engine, test, SteppingClock().now).open()


async def document(ballot: Ballot) -> dict:
    await RefitRankings(ballot.engine).run(ballot.now)
    async with ballot.engine.connect() as conn:
        latest = await snapshots.latest(conn, ballot.test.test_id)
    assert latest is not None
    return latest.document


async def gates(ballot: Ballot) -> standings.StyleGates:
    async with ballot.engine.connect() as conn:
        return await standings.gates_in(conn, ballot.test.test_id)


async def test_a_style_that_strangers_push_is_shown_as_such_and_loses_their_votes_only(ballot: Ballot) -> None:
    """The note names its place with and without them; their other votes, and what others say of the style, stand."""
    honest = await ballot.people(90)
    pushers = await ballot.people(22, how="push", pushed=PUSHED)
    before = (await document(ballot))["items"]
    await SweepAbuse(ballot.engine).run(ballot.now)
    found = await gates(ballot)
    assert [gate.item for gate in found.gates] == [PUSHED]
    assert {position for _, position in found.factors} == {PUSHED}
    of_pushers = [found.factors[player, PUSHED] for player in pushers if (player, PUSHED) in found.factors]
    assert len(of_pushers) >= 18
    assert sum(of_pushers) / len(of_pushers) < 0.4
    of_honest = [found.factors.get((player, PUSHED), 1.0) for player in honest]
    assert sum(of_honest) / len(of_honest) > 0.9
    after = await document(ballot)
    assert after["items"][PUSHED]["strength"] < before[PUSHED]["strength"] - 0.3
    assert after["votes"] == len(honest + pushers) * 24 - after["gold"]["asked"], "nothing is deleted"
    note = next(note for note in after["notes"] if note["code"] == "pushed_style")
    assert "款式7" in note["zh"]
    assert f"排第 {after['items'][PUSHED]['rank']}" in note["zh"]
    assert f"rank {before[PUSHED]['rank']}" in note["en"]
    async with ballot.engine.connect() as conn:
        standing = [(await players.find(conn, each)).standing for each in honest]
    assert standing.count("muted") == 0
    assert standing.count("watched") <= 1


async def test_honest_tests_have_no_gate(ballot: Ballot) -> None:
    await ballot.people(90)
    await SweepAbuse(ballot.engine).run(ballot.now)
    assert await gates(ballot) == standings.StyleGates()
    assert [note for note in (await document(ballot))["notes"] if note["code"] == "pushed_style"] == []


async def test_a_gate_is_an_opinion_that_comes_and_goes(ballot: Ballot) -> None:
    """A worker that starts anew finds the same; where it finds none any more, every vote counts in full again."""
    await ballot.people(90)
    await ballot.people(22, how="push", pushed=PUSHED)
    before = (await document(ballot))["items"][PUSHED]["strength"]
    await SweepAbuse(ballot.engine).run(ballot.now)
    first = await gates(ballot)
    async with transaction(ballot.engine) as conn:
        await standings.set_gates(conn, ballot.test.test_id, standings.StyleGates())
        await conn.execute(sa.text("update players set weight = 1"))
    assert (await document(ballot))["items"][PUSHED]["strength"] == pytest.approx(before)
    await SweepAbuse(ballot.engine).run(ballot.now)
    assert await gates(ballot) == first


async def test_a_decided_test_is_checked_with_what_gates_have_taken(ballot: Ballot) -> None:
    """Whether a result holds is asked of the same votes, with the same weights, that the ranking is made of."""
    await ballot.people(90)
    await ballot.people(22, how="push", pushed=PUSHED)
    await SweepAbuse(ballot.engine).run(ballot.now)
    async with transaction(ballot.engine) as conn:
        await conn.execute(sa.text("update style_tests set state = 'decided', ended_at = :now"), {"now": ballot.now})
    assert await CheckResults(ballot.engine).run(ballot.now) == 1
    async with ballot.engine.connect() as conn:
        check = await standings.latest_check(conn, ballot.test.test_id)
    assert check is not None
    assert check.holds is not None
    assert PUSHED not in check.chosen


def test_the_note_says_what_was_seen_and_accuses_nobody() -> None:
    note = gate_note("云朵裙", Gate(2, 5.1, 36, 21.0, 300), rank_without=3, rank_in_full=1)
    assert note.zh.startswith("“云朵裙”:遇到它两次以上的玩家中,12% 每次都选它,正常的喜欢只能解释 7%。")
    assert "不计他们对它的票,它排第 3;全部计入则排第 1。" in note.zh
    assert "Without them it is rank 3, with them rank 1." in note.en
    same = gate_note("云朵裙", Gate(2, 5.1, 36, 21.0, 300), rank_without=1, rank_in_full=1)
    assert same.en.endswith("With or without them it is rank 1.")
