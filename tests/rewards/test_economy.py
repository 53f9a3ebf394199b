"""Laws of the figures: whole numbers within bounds, changed as data, and simulated before they are saved."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import economy
from rewards.economy import APPLE, DEFAULT, RANGES, as_figures, changed, liability_fen, percentile
from rewards.errors import FigureOutOfRange, UnknownFigure, UnknownVariety
from rewards.simulate import STEADY, Crowd, simulate
from tests.rewards.builders import law


def test_the_published_figures_are_the_defaults():
    assert (DEFAULT.choice_g, DEFAULT.paid_choices_per_day, DEFAULT.daily_claim_g) == (10, 20, 30)
    assert (DEFAULT.streak_days, DEFAULT.streak_g) == (7, 100)
    assert (DEFAULT.application_g, DEFAULT.applications_per_day) == (50, 10)
    assert (APPLE.requirement_g, APPLE.box_cost_fen) == (9_000, 1_300)
    assert DEFAULT.stage_permille == (0, 20, 100, 300, 600, 1_000)


def test_every_default_is_within_its_own_range():
    assert changed(DEFAULT, as_figures(DEFAULT)) == DEFAULT


def test_an_economy_survives_its_way_through_json():
    other = changed(DEFAULT, {"choice_g": 12, "apple.requirement_g": "8000", "stage_award_g": "0,60,100,0,0,0"})
    assert changed(DEFAULT, json.loads(json.dumps(as_figures(other)))) == other
    assert other.varieties[0].requirement_g == 8_000
    assert other != DEFAULT


@law
@given(st.sampled_from(sorted(RANGES)), st.integers(-(10**12), 10**12))
def test_a_figure_is_within_its_range_or_refused_by_name(figure, value):
    within = RANGES[figure]
    if within.low <= value <= within.high:
        assert getattr(changed(DEFAULT, {figure: value}), figure) == value
    else:
        with pytest.raises(FigureOutOfRange, match=figure):
            changed(DEFAULT, {figure: value})


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("choice_g", 1.5),
        ("choice_g", True),
        ("choice_g", "ten"),
        ("choice_g", None),
        ("stage_permille", [0, 20, 100, 300, 600]),
        ("stage_permille", [0, 20, 20, 300, 600, 1_000]),
        ("stage_permille", "1,20,100,300,600,1000"),
        ("stage_award_g", {"sprout": 3}),
        ("expiry_notice_days", [3, 14]),
        ("expiry_notice_days", []),
        ("varieties", []),
        ("varieties", [{"code": "apple"}]),
        ("varieties", [as_figures(DEFAULT)["varieties"][0]] * 2),  # type: ignore[index]
        ("apple.requirement_g", 0),
    ],
)
def test_a_figure_of_the_wrong_shape_is_refused_by_name(figure, value):
    with pytest.raises(FigureOutOfRange) as refusal:
        changed(DEFAULT, {figure: value})
    assert str(refusal.value).startswith(figure)


@pytest.mark.parametrize("figure", ["choices_g", "durian.requirement_g", "apple.name_zh", "__class__", ""])
def test_an_unknown_figure_is_refused_by_name(figure):
    with pytest.raises(UnknownFigure):
        changed(DEFAULT, {figure: 1})


def test_figures_of_another_version_are_read_as_far_as_they_are_known():
    """Of two versions that run side by side, neither is stopped by what the other saved."""
    figures = as_figures(changed(DEFAULT, {"choice_g": 14}))
    del figures["daily_claim_g"]
    assert economy.stored({**figures, "a_figure_of_tomorrow": 3}) == changed(DEFAULT, {"choice_g": 14})


def test_a_vote_has_a_price():
    """Free votes would make a budget of money endless."""
    with pytest.raises(FigureOutOfRange):
        changed(DEFAULT, {"vote_price_fen": 0})


def test_a_gram_is_worth_its_share_of_a_box():
    assert liability_fen([(9_000, 1_300, 9_000)]) == 1_300
    assert liability_fen([(1, 1_300, 9_000)]) == 1
    assert liability_fen([]) == 0


@law
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_a_liability_is_rounded_up_once_and_not_for_each_wallet(grams):
    assert liability_fen((each, 1_300, 9_000) for each in grams) == liability_fen([(sum(grams), 1_300, 9_000)])


def test_a_vote_costs_what_is_given_for_it():
    assert economy.cost_per_vote_millifen(given_g=10, valid_votes=1, variety=APPLE) == 1_445
    assert economy.cost_per_vote_millifen(given_g=10, valid_votes=0, variety=APPLE) is None


@law
@given(st.lists(st.integers(0, 1_000), min_size=1), st.integers(1, 1_000))
def test_a_percentile_is_a_value_that_enough_do_not_exceed(values, permille):
    found = percentile(values, permille)
    assert found in values
    assert sum(value <= found for value in values) * 1_000 >= permille * len(values)
    assert sum(value < found for value in values) * 1_000 < permille * len(values)


# --- the simulator --------------------------------------------------------------------------------


def outlook(change=None, crowd=None):
    crowd = crowd or Crowd(players=40, days=90)
    return simulate(changed(DEFAULT, change or {}), crowd, np.random.default_rng(7))


def test_twenty_choices_a_day_ripen_an_apple_tree_in_about_thirty_seven_days():
    steady = outlook(crowd=STEADY)
    assert 35 <= steady.days_to_ripe_p50 <= 38


def test_the_same_crowd_and_seed_give_the_same_outlook():
    assert outlook() == outlook()


def test_a_dearer_choice_ripens_sooner_and_costs_more():
    before, after = outlook(), outlook({"choice_g": 15})
    assert after.days_to_ripe_p50 < before.days_to_ripe_p50
    assert after.cost_per_vote_millifen > before.cost_per_vote_millifen


def test_a_greater_requirement_ripens_later():
    assert outlook({"apple.requirement_g": 12_000}).days_to_ripe_p50 > outlook().days_to_ripe_p50


def test_all_that_was_given_is_redeemed_or_owed():
    seen = outlook()
    redeemed_g = seen.harvests * 9_000
    assert liability_fen([(seen.given_g - redeemed_g, 1_300, 9_000)]) == seen.liability_fen
    assert sum(seen.boxes_a_week) == seen.harvests


def test_days_that_too_few_reach_are_not_made_up():
    early = outlook(crowd=replace(STEADY, days=20))
    assert (early.days_to_ripe_p10, early.harvests) == (None, 0)


def test_a_crowd_plants_what_there_is():
    with pytest.raises(UnknownVariety):
        outlook(crowd=Crowd(variety="durian"))
