"""Laws of the refit: what a snapshot tells, when the test ends by itself, and what is not said too early."""

from pathlib import Path

import pytest

from game.conclusions import sides_are_uneven
from server.closer_look import CELL_FLOOR
from server.jobs.refit_rankings import RefitRankings
from server.stores import snapshots
from tests.admin.doors import Door, a_door


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
