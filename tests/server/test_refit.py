"""Laws of the refit: what a snapshot tells, when the test ends by itself, and what is not said too early."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from game.conclusions import sides_are_uneven
from game.confirmation import Probe
from game.judging import Vote
from game.matchup import Choice, Matchup
from server.closer_look import CELL_FLOOR
from server.dealer import Dealer
from server.ids import uuid7
from server.jobs.refit_rankings import CONFIRM_PATIENCE, RefitRankings
from server.stores import players, snapshots, votes
from server.stores.db import transaction
from tests.admin.doors import Door, a_door
from tests.server.books import TICKET_LIFE, raw


@pytest.fixture
async def door(database: str, tmp_path: Path):
    async with a_door(database, tmp_path) as running:
        yield running


async def newest(door: Door, test_id: str) -> dict:
    test = await door.test(test_id)
    async with door.engine.connect() as conn:
        snapshot = await snapshots.latest(conn, test.test_id)
    assert snapshot is not None
    return snapshot.document


async def cast(door: Door, test_id: str, answers: Iterable[tuple[UUID, int, int, Choice, int]], *, probe: bool) -> None:
    """Put answers (player, left, right, choice, segment) on record, then refit."""
    batch = [
        Vote(
            Matchup(
                matchup_id=uuid7(), player_id=player, test_id=UUID(test_id), block_id=UUID(int=1), left=left, right=right,
                offer_g=10, dealt_at=door.clock.now, expires_at=door.clock.now + TICKET_LIFE, segment=segment, probe=probe,
            ),
            choice, 1500, door.clock.now,
        )
        for player, left, right, choice, segment in answers
    ]  # fmt: skip
    async with transaction(door.engine) as conn:
        rows = [
            {"player_id": player, "created_at": door.clock.now} for player in {one.matchup.player_id for one in batch}
        ]
        await conn.execute(players.players.insert(), rows)
    async with transaction(door.engine) as conn:
        await votes.append(await raw(conn), batch)
    await door.refit.run(door.clock.now)


def answer(
    player: UUID, pair: tuple[int, int], liking: np.ndarray, rng: np.random.Generator, *, segment: int = 0, pushed=None
):
    """What a voter of this liking says to a pair, sides by lot; who is paid for it takes what he pushes."""
    left, right = pair if rng.random() < 0.5 else pair[::-1]
    wins = rng.random() < 1 / (1 + np.exp(liking[right] - liking[left]))
    if pushed is not None and pushed in pair:
        wins = left == pushed
    return player, left, right, Choice.LEFT if wins else Choice.RIGHT, segment


def crowd(n: int, liking: np.ndarray, *, voters: int, each: int, segment: int = 0, seed: int = 1, bought: float = 0.0):
    """Answers of voters to random pairs; the first part of them always takes style 0."""
    rng = np.random.default_rng(seed)
    for number in range(voters):
        player, pushed = uuid7(), 0 if number < bought * voters else None
        for _ in range(each):
            left, right = (int(i) for i in rng.choice(n, 2, replace=False))
            yield answer(player, (left, right), liking, rng, segment=segment, pushed=pushed)


def sessions(n: int, leader: int, liking: np.ndarray, *, voters: int, bought: float = 0.0, seed: int = 1):
    """Answers to whole sessions of a confirmation; the first part of the voters always takes the leader."""
    rng = np.random.default_rng(seed)
    for number in range(voters):
        player, met, probed = uuid7(), set(), set()
        while (found := Probe((leader,), n).next_pair(player, met, probed, rng)) is not None:
            met.add(found[0])
            probed.add(found[0])
            yield answer(player, found[0], liking, rng, pushed=leader if number < bought * voters else None)


async def test_a_small_audience_counts_by_its_quota_and_the_snapshot_says_so(door: Door):
    """A tenth of the votes and half of the quota: what half of the customers like leads, and pages can tell why."""
    merchant = await door.merchant()
    audience = [
        {"name": "女", "gender": "female", "share_permille": 500},
        {"name": "男", "gender": "male", "share_permille": 500},
    ]
    test = await merchant.running(styles=4, keep=1, audience=audience, goal={"certainty": "proven"})
    many = crowd(4, np.array([0.5, 0.3, 0.0, -0.8]), voters=90, each=6, segment=0)
    few = crowd(4, np.array([-1.5, 1.5, 0.0, 0.5]), voters=12, each=5, segment=1, seed=2)
    await cast(door, test["test_id"], [*many, *few], probe=False)
    document = await newest(door, test["test_id"])
    best = min(document["items"], key=lambda item: item["rank"])
    assert best["name"] == "款式2"
    assert [(part["segment"], part["weight"], part["weighted_by"]) for part in document["mix"]] == [
        ("女", 0.5, "quota"), ("男", 0.5, "quota"),
    ]  # fmt: skip
    assert document["mix"][1]["votes_share"] == pytest.approx(0.1, abs=0.01)
    note = next(note for note in document["notes"] if note["code"] == "weighted_by_quota")
    assert "女 50%(投票占 90%)" in note["zh"]
    assert "segments weighted" in document["method"]
    # Dealing is told the same: a fit for each audience, and that the large one may wait.
    async with door.engine.connect() as conn:
        snapshot = await snapshots.latest(conn, UUID(test["test_id"]))
    assert snapshot is not None
    assert len(snapshot.state["segments"]) == 2
    assert snapshot.state["appetites"][1] == 1.0 > snapshot.state["appetites"][0]
    dealer = Dealer(door.engine, seed=1)
    await dealer.refresh()
    (table,) = dealer.tables
    assert (len(table.planners), table.appetites) == (2, tuple(snapshot.state["appetites"]))
    np.testing.assert_allclose(
        table.planners[1].working_covariance, snapshot.state["segments"][1]["posterior_covariance"]
    )


async def test_audiences_without_quotas_weigh_by_their_voters(door: Door):
    """Nobody said whose answer it is to be, so it is that of whoever came; nobody is made to wait."""
    merchant = await door.merchant()
    test = await merchant.running(
        styles=4, audience=[{"name": "女", "gender": "female"}, {"name": "男", "gender": "male"}]
    )
    many = crowd(4, np.array([0.2, 0.1, 0.0, -0.3]), voters=30, each=4, segment=0)
    few = crowd(4, np.array([-0.2, 0.1, 0.0, 0.3]), voters=10, each=4, segment=1, seed=2)
    await cast(door, test["test_id"], [*many, *few], probe=False)
    document = await newest(door, test["test_id"])
    assert [(part["weight"], part["weighted_by"]) for part in document["mix"]] == [(0.75, "voters"), (0.25, "voters")]
    assert not [note for note in document["notes"] if note["code"] == "weighted_by_quota"]


LIKING = np.array([1.6, 0.2, 0.0, -0.2, -0.4])


async def a_proven_test(door: Door, *, liking: np.ndarray = LIKING, bought: float = 0.0) -> str:
    """A test whose rule has just fired, so that its winner is being confirmed."""
    merchant = await door.merchant()
    test = await merchant.running(styles=5, keep=1, goal={"certainty": "proven"}, budget_fen=100_000)
    await cast(door, test["test_id"], crowd(5, liking, voters=150, each=8, bought=bought), probe=False)
    return str(test["test_id"])


async def test_a_proven_winner_is_confirmed_before_it_is_announced(door: Door):
    """The rule fires, the test goes on with sessions about the leader, and is decided when they are done."""
    test_id = await a_proven_test(door)
    document = await newest(door, test_id)
    assert document["decision"]["proven"]
    assert (document["status"], document["confirmation"]["state"]) == ("collecting", "running")
    assert document["confirmation"]["leaders"] == [0]
    assert [note["code"] for note in document["notes"]].count("confirmation_running") == 1
    assert (await door.test(test_id)).state.value == "running"
    dealer = Dealer(door.engine, seed=1)
    await dealer.refresh()
    (table,) = dealer.tables
    assert table.probe == Probe((0,), 5)
    await cast(door, test_id, sessions(5, 0, LIKING, voters=100), probe=True)
    half = await newest(door, test_id)
    assert (half["confirmation"]["state"], half["confirmation"]["votes"]) == ("running", 600)
    # A worker that starts anew knows of it from the votes, and ends it like the one before.
    door.refit = RefitRankings(door.engine)
    await cast(door, test_id, sessions(5, 0, LIKING, voters=240, seed=2), probe=True)
    whole = await newest(door, test_id)
    assert (whole["status"], whole["confirmation"]["state"]) == ("ready", "passed")
    assert whole["confirmation"]["votes"] == 340 * 6 >= whole["confirmation"]["wanted_votes"]
    assert (await door.test(test_id)).state.value == "decided"


async def test_a_leader_that_some_always_choose_is_not_announced_but_shown(door: Door):
    """A third of the voters took it every time: the test stops, the status is review, and the reason has numbers."""
    liking = np.array([0.4, 0.0, 0.0, -0.2, -0.2])
    test_id = await a_proven_test(door, liking=liking, bought=0.35)
    assert (await newest(door, test_id))["confirmation"]["state"] == "running"
    await cast(door, test_id, sessions(5, 0, liking, voters=340, bought=0.35), probe=True)
    document = await newest(door, test_id)
    assert (document["status"], document["confirmation"]["state"]) == ("review", "flagged")
    assert document["decision"]["reason"] == "flagged"
    (style,) = document["confirmation"]["styles"]
    assert style["chose_it_every_time"] > style["explained"] + 20
    note = next(note for note in document["notes"] if note["code"] == "confirmation_flagged")
    assert f"{style['chose_it_every_time']} 人每次都选" in note["zh"]
    assert not [item for item in document["items"] if item["verdict"] == "hit"]
    assert (await door.test(test_id)).state.value == "stopped"


async def test_a_confirmation_for_which_nobody_is_left_ends_with_what_it_has(door: Door):
    """No vote for hours: fresh players have run out, and the test is decided on what was confirmed so far."""
    test_id = await a_proven_test(door)
    await cast(door, test_id, sessions(5, 0, LIKING, voters=50), probe=True)
    assert (await door.test(test_id)).state.value == "running"
    await door.refit.run(door.clock.now + CONFIRM_PATIENCE - timedelta(minutes=1))
    assert (await door.test(test_id)).state.value == "running"
    await door.refit.run(door.clock.now + CONFIRM_PATIENCE + timedelta(minutes=1))
    document = await newest(door, test_id)
    assert (document["status"], document["confirmation"]["votes"]) == ("ready", 300)
    assert (await door.test(test_id)).state.value == "decided"


async def test_a_test_in_which_nobody_likes_anything_has_no_ranking_and_goes_on(door: Door):
    """Only "neither" on record: nothing to fit, nothing said, and other tests are refitted all the same."""
    merchant = await door.merchant()
    for audience in (None, [{"name": "女", "gender": "female"}, {"name": "男", "gender": "male"}]):
        fields = {} if audience is None else {"audience": audience}
        test = await merchant.running(styles=4, **fields)
        answers = [(uuid7(), 0, 1, Choice.NEITHER, 0), (uuid7(), 2, 3, Choice.NEITHER, 0)]
        await cast(door, test["test_id"], answers, probe=False)
        document = await newest(door, test["test_id"])
        assert (document["votes"], document["items"]) == (2, [])


async def test_a_snapshot_tells_audiences_attributes_and_what_is_still_needed(door: Door):
    """Each audience has its own ranking, thin cells are marked, and the forecast is a range."""
    merchant = await door.merchant()
    audience = [{"name": "女"}, {"name": "男", "gender": "male"}]
    test = await merchant.running(styles=6, keep=2, audience=audience, goal={"certainty": "proven"})
    await door.vote(test["test_id"], voters=60, each=4, spread=0.3, segments=2)
    document = await newest(door, test["test_id"])
    assert document["status"] == "collecting"
    assert set(document["segments"]) == {"女", "男"}
    for part in document["segments"].values():
        assert sum(item["share"] for item in part["items"]) == pytest.approx(1.0)
        assert all(item["hidden"] == (item["votes"] < CELL_FLOOR) for item in part["items"])
    assert {one["attribute"] for one in document["attributes"]} == {"colour", "sleeve"}
    forecast = document["forecast"]
    told = [forecast[name] for name in ("votes_low", "votes_median", "votes_high") if forecast[name] is not None]
    assert told == sorted(told)
    assert 0 <= forecast["chance_with_100_yuan"] <= 1
    assert all(item["verdict"] in ("insufficient", "cut") for item in document["items"])


async def test_a_worker_that_starts_anew_says_the_same(door: Door):
    """Counts in memory can be thrown away: another worker reads the votes again and reaches the same numbers."""
    merchant = await door.merchant()
    test = await merchant.running(styles=4, goal={"certainty": "proven"})
    await door.vote(test["test_id"], voters=40, each=4, spread=0.1)
    first = await newest(door, test["test_id"])
    await RefitRankings(door.engine).run(door.clock.now)
    second = await newest(door, test["test_id"])
    assert second["version"] == first["version"] + 1
    for a, b in zip(first["items"], second["items"], strict=True):
        assert a["strength"] == pytest.approx(b["strength"], abs=1e-6)
    assert first["wins"] == second["wins"]


async def test_a_test_whose_goal_is_reached_ends_by_itself_and_gives_the_rest_back(door: Door):
    """The autopilot decides, one hit is named for each style that is kept, and the money at work falls."""
    merchant = await door.merchant()
    test = await merchant.running(styles=4, keep=1)
    await door.vote(test["test_id"], voters=60, each=10)
    document = await newest(door, test["test_id"])
    assert (await door.test(test["test_id"])).state.value == "decided"
    assert document["status"] == "ready"
    assert [item["name"] for item in document["items"] if item["verdict"] == "hit"] == ["款式1"]
    (bill,) = (await merchant.good("GET", "/v1/merchant/billing"))["bills"]
    assert bill["returned_fen"] > 0


def test_a_deal_that_favours_a_side_is_noticed_and_an_even_one_is_not():
    """Coins are never accused; three to one always is."""
    assert not sides_are_uneven(())
    assert not sides_are_uneven([(520, 480), (490, 510), (1010, 990)])
    assert sides_are_uneven([(300, 100), (100, 300), (250, 150)])
