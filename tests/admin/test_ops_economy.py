"""Laws of the figures: a change says what it means before it is saved, who comes second is told, and history keeps all."""

import asyncio

import pytest

from admin.figure_words import FIGURES, LISTS
from admin.roles import Role
from rewards.economy import DEFAULT, RANGES, as_figures
from server.stores import audit, farm
from tests.admin.doors import Door, Operator

AT = "/v1/ops/economy"
WHY = "苹果采购价涨了"
FEW = {"players": 20, "days": 60}


@pytest.fixture
async def treasurer(door: Door) -> Operator:
    return await door.signed_in(await door.operator(Role.TREASURER, login="qian"))


def test_every_figure_has_words():
    """A new figure without a name, a unit and a place on the page would be changed by nobody."""
    assert set(FIGURES) == set(RANGES)
    assert set(FIGURES) | set(LISTS) | {"varieties"} == set(as_figures(DEFAULT))


async def test_a_change_is_simulated_and_nothing_is_saved(door: Door, treasurer: Operator):
    """Dearer trees ripen later under the very same crowd; the figures stay as they were."""
    told = await treasurer.good(
        "POST", f"{AT}/simulations", {"changes": {"apple.requirement_g": "12000"}, "crowd": {**FEW, "days": 90}}
    )
    assert told["changed"]["days_to_ripe_p50"] > told["now"]["days_to_ripe_p50"]
    assert told["before"]["varieties"][0]["requirement_g"] == 9_000
    assert (await treasurer.good("GET", AT))["economy_id"] == 0


async def test_a_saved_change_is_for_all_from_then_on_and_on_record(door: Door, treasurer: Operator):
    """Whoever reads the figures reads the new ones; the audit line and the history hold what differs, and why."""
    saved = await treasurer.good("PUT", AT, {"changes": {"apple.box_cost_fen": 1_500, "choice_g": "12"}, "based_on": 0,
                                             "reason": WHY})  # fmt: skip
    assert saved["economy_id"] == 1
    async with door.engine.connect() as conn:
        economy = await farm.current_economy(conn)
        (line,) = [one for one in await audit.lines(conn) if one.what == "economy.change"]
    assert (economy.choice_g, economy.varieties[0].box_cost_fen) == (12, 1_500)
    assert (line.before["choice_g"], line.after["choice_g"], line.why) == (10, 12, WHY)
    (change,) = (await treasurer.good("GET", f"{AT}/changes"))["changes"]
    assert (change["before"]["choice_g"], change["after"]["choice_g"]) == (10, 12)
    assert change["saved_by"] == "qian"


async def test_of_two_treasurers_the_second_is_told(door: Door, treasurer: Operator):
    """Both saw version 0: one saves, one is told who was first, and nothing of his is saved."""
    other = await door.signed_in(await door.operator(Role.TREASURER, login="sun"))
    answers = await asyncio.gather(
        *(who.call("PUT", AT, {"changes": {"streak_g": value}, "based_on": 0, "reason": WHY})
          for who, value in ((treasurer, 90), (other, 80)))
    )  # fmt: skip
    (good,) = [body for status, body in answers if status == 200]
    (late,) = [body for status, body in answers if status == 409]
    assert late["code"] == "changed_meanwhile"
    assert good["saved_by"] in late["detail"]
    assert len((await treasurer.good("GET", f"{AT}/changes"))["changes"]) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"choice_g": 0}, "figure_out_of_range"),
        ({"choice_g": -5}, "figure_out_of_range"),
        ({"choice_g": "10.5"}, "figure_out_of_range"),
        ({"vote_price_fen": 10**15}, "figure_out_of_range"),
        ({"stage_permille": "0,20,10,300,600,1000"}, "figure_out_of_range"),
        ({"varieties": []}, "figure_out_of_range"),
        ({"<script>": 1}, "unknown_figure"),
        ({"mango.requirement_g": 5}, "unknown_figure"),
        ({}, "field_invalid"),
        ({"choice_g": 10}, "nothing_changed"),
    ],
)
async def test_a_wrong_figure_is_named_and_nothing_is_saved(treasurer: Operator, changes: dict, code: str):
    status, told = await treasurer.refused("PUT", AT, {"changes": changes, "based_on": 0, "reason": WHY})
    assert (status in (409, 422), told) == (True, code)
    assert (await treasurer.good("GET", AT))["economy_id"] == 0


async def test_a_simulation_that_takes_too_long_is_stopped(door: Door, treasurer: Operator, monkeypatch):
    """It ends by itself, is told by name, and the next one runs."""
    monkeypatch.setattr("admin.api.ops_economy.LIMIT_S", 0.0)
    status, code = await treasurer.refused("POST", f"{AT}/simulations", {"crowd": FEW})
    assert (status, code) == (422, "simulation_too_long")
    monkeypatch.undo()
    assert (await treasurer.good("POST", f"{AT}/simulations", {"crowd": FEW}))["now"]["days"] == 60


async def test_a_crowd_that_cannot_be_is_a_wrong_field(treasurer: Operator):
    for crowd in ({"choices_low": 9, "choices_high": 3}, {"players": 0}, {"days": 10**6}, {"variety": "mango"}):
        status, _ = await treasurer.refused("POST", f"{AT}/simulations", {"crowd": crowd})
        assert status == 422
