"""Laws of the sweep: who does not look is muted with reasons, honest people are not, votes and paid grams stay."""

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from game.standing import RULING_LIFE, Opinion, Ruling, binding, is_news, steadied
from rewards import ledger as books
from rewards.economy import Economy
from server.flows.conclude_player import conclude_player
from server.ids import uuid7
from server.jobs.check_results import CheckResults
from server.jobs.refit_rankings import RefitRankings
from server.jobs.settle_grants import SettleGrants
from server.jobs.sweep_abuse import SweepAbuse
from server.stores import cases, ledger, players, snapshots, standings
from server.stores.db import transaction
from server.stores.invariants import all_laws, audit
from tests.server.builders import SteppingClock, a_running_test
from tests.server.voters import Ballot


@pytest.fixture
async def ballot(engine) -> Ballot:
    """A running test of eight styles and two decoys, whose first style is liked best."""
    return await Ballot(engine, await a_running_test(engine, styles=8, decoys=2), SteppingClock().now).open()


async def standings_of(engine, ids) -> dict:
    async with engine.connect() as conn:
        return {player_id: await players.find(conn, player_id) for player_id in ids}


async def grants_by_state(engine, ids) -> dict[str, int]:
    async with engine.connect() as conn:
        rows = await conn.execute(
            sa.text("select state, count(*) as n from grants where player_id = any(:ids) group by state").bindparams(
                sa.bindparam("ids", list(ids), type_=sa.ARRAY(sa.Uuid))
            )
        )
        return {row.state: row.n for row in rows}


async def broken_laws(engine) -> dict:
    found = [finding async for finding in audit(engine, all_laws(), connections=1)]
    return {finding.code: finding.rows for finding in found if not finding.holds}


async def test_who_does_not_look_is_muted_and_honest_people_are_not(ballot: Ballot):
    honest = await ballot.people(50)
    lefties = await ballot.people(4, how="left")
    assert await SweepAbuse(ballot.engine).run(ballot.now) >= 4
    for player in (await standings_of(ballot.engine, lefties)).values():
        assert (player.standing, player.weight) == ("muted", 0)
        assert "one_sided" in player.standing_reasons
    assert [p for p in (await standings_of(ballot.engine, honest)).values() if p.standing == "muted"] == []
    async with ballot.engine.connect() as conn:
        verdict = (await standings.verdicts_on(conn, lefties[0]))[0]
        opened = await cases.of_player(conn, lefties[0])
        lines = await conn.scalar(sa.text("select count(*) from audit_lines where what = 'player.muted'"))
    assert verdict.who == "review"
    assert verdict.evidence["nats"]["sides"] > 3
    assert verdict.evidence["figures"]["gold"]["gold_pairs"] >= 2
    assert [case.state.value for case in opened if case.kind == "player"] == ["open"]
    assert lines >= 4


async def test_held_grants_of_the_muted_are_voided_and_nothing_else_moves(ballot: Ballot):
    """What was settled before the verdict stays in the wallet, votes stay on record, and the books balance."""
    honest = await ballot.people(40)
    paid = await ballot.people(2, how="left", hold_s=0)
    held = await ballot.people(2, how="left")
    await SettleGrants(ballot.engine).run(ballot.now - dt.timedelta(minutes=41))
    before = await grants_by_state(ballot.engine, paid)
    async with ballot.engine.connect() as conn:
        votes_before = (await conn.execute(sa.text("select count(*), sum(choice) from votes"))).one()
    await SweepAbuse(ballot.engine).run(ballot.now)
    assert set(await grants_by_state(ballot.engine, held)) == {"voided"}
    after = await grants_by_state(ballot.engine, paid)
    assert after.get("settled", 0) == before.get("settled", 0) > 0
    assert "held" not in after
    assert "voided" not in await grants_by_state(ballot.engine, honest)
    async with ballot.engine.connect() as conn:
        assert (await conn.execute(sa.text("select count(*), sum(choice) from votes"))).one() == votes_before
        reasons = set(await conn.scalars(sa.text("select distinct void_reason from grants where state = 'voided'")))
    assert reasons == {"abuse"}
    assert await broken_laws(ballot.engine) == {}


async def test_a_sweep_in_parts_comes_to_the_opinions_of_one_sweep(ballot: Ballot):
    """A worker that has swept all along and one that starts now think the same, and the second writes nothing."""
    sweep = SweepAbuse(ballot.engine)
    await ballot.people(40)
    await sweep.run(ballot.now)
    lefties = await ballot.people(3, how="left")
    await sweep.run(ballot.now)
    assert {p.standing for p in (await standings_of(ballot.engine, lefties)).values()} == {"muted"}
    async with ballot.engine.connect() as conn:
        number = await standings.latest_verdict_no(conn)
    await SweepAbuse(ballot.engine).run(ballot.now)
    async with ballot.engine.connect() as conn:
        fresh = await conn.execute(
            sa.text("select standing from verdicts where verdict_no > :n and standing = 'muted'"), {"n": number}
        )
    assert fresh.all() == []
    assert await sweep.run(ballot.now) == 0, "nothing new, nothing done"


async def test_answers_that_come_after_the_verdict_earn_nothing(ballot: Ballot):
    """Tickets that were out are answered still; their grants are voided at the next sweep."""
    sweep = SweepAbuse(ballot.engine)
    await ballot.people(40)
    lefties = await ballot.people(2, how="left")
    await sweep.run(ballot.now)
    await ballot.people(2, how="left", each=6, player_ids=lefties)
    await sweep.run(ballot.now)
    assert set(await grants_by_state(ballot.engine, lefties)) == {"voided"}


async def test_the_next_refit_counts_the_muted_for_nothing(ballot: Ballot):
    await ballot.people(40)
    pushers = await ballot.people(4, how="left")
    await SweepAbuse(ballot.engine).run(ballot.now)
    await RefitRankings(ballot.engine).run(ballot.now)
    async with ballot.engine.connect() as conn:
        document = (await snapshots.latest(conn, ballot.test.test_id)).document
        weights = await standings.weights_in(conn, ballot.test.test_id, pushers)
    assert weights == dict.fromkeys(pushers, 0.0)
    assert document["weightless_votes"] >= 4 * 20


async def test_no_device_moves_more_of_a_test_than_its_bound(ballot: Ballot):
    """Ten honest-looking accounts on one telephone count together as much as the bound lets them, whatever the verdict."""
    await ballot.people(20)
    linked = await ballot.people(10, device="one phone")
    await SweepAbuse(ballot.engine).run(ballot.now)
    async with ballot.engine.connect() as conn:
        weights = await standings.weights_in(conn, ballot.test.test_id, linked)
    assert sum(24 * weights.get(player_id, 1.0) for player_id in linked) <= 40 * 1.05


async def test_a_players_hold_shortens_once_enough_votes_were_vetted(ballot: Ballot):
    """The first fifty vetted votes wait ten minutes each; after them seconds."""
    await ballot.people(40)
    regular = await ballot.people(1, each=30, hold_s=0)
    sweep = SweepAbuse(ballot.engine)
    await sweep.run(ballot.now)
    assert (await standings_of(ballot.engine, regular))[regular[0]].hold_s == Economy().hold_new_s
    await ballot.people(1, each=30, player_ids=regular)
    await SettleGrants(ballot.engine).run(ballot.now + dt.timedelta(minutes=15))
    await ballot.people(1, each=2, player_ids=regular)
    await sweep.run(ballot.now)
    assert (await standings_of(ballot.engine, regular))[regular[0]].hold_s == Economy().hold_trusted_s


async def test_review_takes_a_mute_back_when_later_answers_speak_for_the_player(ballot: Ballot):
    """Nobody needs to ask: the standing is cleared, the case closed, and every voided gram comes back through the books."""
    honest = await ballot.people(40)
    wronged = honest[0]
    sweep = SweepAbuse(ballot.engine)
    async with transaction(ballot.engine) as conn:
        known = (await standings.known_of(conn, [wronged]))[wronged]
        await cases.open_case(
            conn, case_id=uuid7(), kind="player", player_ids=[wronged], opened_by="review", reasons=["random"],
            suggestion="look", evidence={}, now=ballot.now,
        )  # fmt: skip
        concluded = await conclude_player(
            conn, known, Opinion("muted", ("random",), 0.0, 0.98), who="review", economy=Economy(), now=ballot.now
        )
    assert concluded.voided_g > 0
    assert await sweep.run(ballot.now) >= 1
    player = (await standings_of(ballot.engine, [wronged]))[wronged]
    async with ballot.engine.connect() as conn:
        assert (player.standing, player.weight, player.standing_reasons) == ("trusted", 1, ())
        assert await ledger.balance(conn, books.player(wronged)) == concluded.voided_g
        assert [case.state.value for case in await cases.of_player(conn, wronged)] == ["lifted"]
    assert await broken_laws(ballot.engine) == {}


async def test_accounts_that_belong_together_are_one_case(ballot: Ballot):
    """A telephone with many careless accounts: one case about all of them, with what links them; not opened twice."""
    await ballot.people(40)
    farm = await ballot.people(8, how="left", device="farm phone")
    await SweepAbuse(ballot.engine).run(ballot.now)
    await SweepAbuse(ballot.engine).run(ballot.now)
    async with ballot.engine.connect() as conn:
        groups = [case for case in await cases.page(conn) if case.kind == "group"]
    assert [set(case.player_ids) for case in groups] == [set(farm)]
    assert "device" in groups[0].evidence["by"]
    assert groups[0].suggestion == "look_together"


async def test_two_workers_write_an_opinion_once(ballot: Ballot):
    """Whoever comes second finds the row as it wants it, and writes nothing."""
    await ballot.people(40)
    lefties = await ballot.people(3, how="left")
    workers = [SweepAbuse(ballot.engine) for _ in range(2)]
    await asyncio.gather(*(worker.run(ballot.now) for worker in workers))
    async with ballot.engine.connect() as conn:
        for player_id in lefties:
            assert len(await standings.verdicts_on(conn, player_id)) == 1
            assert len([case for case in await cases.of_player(conn, player_id) if case.kind == "player"]) == 1
    assert await broken_laws(ballot.engine) == {}


async def test_a_result_is_checked_when_decided_and_flagged_when_a_verdict_changes_it(ballot: Ballot):
    """Pushers win a test for the eighth style; when they are muted its merchant is told, and when they are cleared again."""
    await ballot.people(12)
    pushers = await ballot.people(40, how="push", pushed=7, each=20)
    async with transaction(ballot.engine) as conn:
        await conn.execute(sa.text("update style_tests set state = 'decided', ended_at = :now"), {"now": ballot.now})
    job = CheckResults(ballot.engine)
    assert await job.run(ballot.now) == 1
    assert await job.run(ballot.now) == 0, "a result is looked at once, until there is news of its voters"
    async with ballot.engine.connect() as conn:
        first = await standings.first_check(conn, ballot.test.test_id)
        assert await standings.result_flag(conn, ballot.test.test_id) is None
    assert first.chosen == (7,)
    assert first.holds is not None
    assert first.n_removed >= 1
    muted = Opinion("muted", ("pushing",), 0.0, 0.99)
    for opinion, cleared in ((muted, False), (Opinion("trusted"), True)):
        async with transaction(ballot.engine) as conn:
            for player_id in pushers:
                await standings.record(conn, player_id, opinion, who="review", hold_s=5, now=ballot.now)
        assert await job.run(ballot.now) == 1
        async with ballot.engine.connect() as conn:
            flag = await standings.result_flag(conn, ballot.test.test_id)
        assert flag.chosen_before == (7,)
        assert (flag.cleared_at is not None) == cleared
        assert flag.chosen_after == ((7,) if cleared else (0,))


def test_a_persons_word_binds_review_for_ninety_days():
    now = SteppingClock().now
    cleared = Ruling(Opinion("trusted"), now)
    muted = Opinion("muted", ("random",), 0.0, 0.99)
    assert binding(muted, cleared, now=now + RULING_LIFE - dt.timedelta(seconds=1)).standing == "trusted"
    assert binding(muted, cleared, now=now + RULING_LIFE).standing == "muted"
    assert binding(muted, None, now=now).standing == "muted"


def test_a_mute_does_not_flicker_and_small_moves_are_no_news():
    muted, watched, trusted = Opinion("muted", weight=0.0), Opinion("watched", weight=0.3), Opinion("trusted")
    assert steadied(muted, watched) == muted
    assert steadied(muted, trusted) == trusted
    assert steadied(watched, trusted) == trusted
    assert is_news(watched, muted)
    assert not is_news(watched, Opinion("watched", weight=0.32))
