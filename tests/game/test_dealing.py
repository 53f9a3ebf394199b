"""Laws of dealing: only what is for this player, never a pair twice, check pairs one in twenty and unrecognisable."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
import pytest

from game.confirmation import Probe
from game.dealing import GOLD_SHARE, LEAST_APPETITE, Seat, Table, appetites, deal, eligible, is_gold, passed
from game.segments import Audience, PlayerFacts, Quota, Segment
from game.style_test import Style, StyleTest, numbered
from ranking.pairing import Goal, Planner

WOMEN = Segment("women 18-29", gender="female", age_min=18, age_max=29)


def a_test(*, styles: int = 6, decoys: int = 0, audience: Audience | None = None) -> StyleTest:
    return StyleTest(
        test_id=uuid4(),
        merchant_id=uuid4(),
        title="dresses",
        goal=Goal(keep=1),
        audience=audience or Audience(),
        budget_fen=1000,
        created_at=datetime(2026, 6, 1, tzinfo=UTC),
        styles=numbered([Style(uuid4(), 0, f"{n}", decoy=n >= styles) for n in range(styles + decoys)]),
    )


def a_table(test: StyleTest, seed: int = 0) -> Table:
    return Table(test, (Planner(len(test.ranked), test.goal, seed),))


def a_seat(**facts: object) -> Seat:
    return Seat(uuid4(), PlayerFacts(**facts))  # type: ignore[arg-type]


def test_a_test_is_dealt_to_its_audience_only() -> None:
    """Facts that a player did not tell never match a predicate that asks for them."""
    table = a_table(a_test(audience=Audience((Quota(WOMEN),))))
    assert eligible([table], a_seat(gender="female", age=29))
    assert not eligible([table], a_seat(gender="female", age=30))
    assert not eligible([table], a_seat(gender="male", age=25))
    assert not eligible([table], a_seat())


def test_nobody_judges_his_own_merchants_tests() -> None:
    """A merchant's staff are never dealt its tests."""
    table = a_table(a_test())
    seat = Seat(uuid4(), PlayerFacts(), barred_merchants=frozenset({table.test.merchant_id}))
    assert deal([table], seat, size=5, rng=np.random.default_rng(1)) == []


def test_a_pair_that_was_met_is_not_dealt_again_in_either_order() -> None:
    """All fifteen pairs of six styles come once, whatever was met before."""
    test = a_test(styles=6)
    met = [(4, 1), (0, 5)]
    seat = Seat(UUID(int=7), PlayerFacts(), met={test.test_id: met})
    dealt = deal([a_table(test)], seat, size=100, rng=np.random.default_rng(3))
    pairs = [frozenset((entry.left, entry.right)) for entry in dealt]
    assert len(pairs) == len(set(pairs)) == 13
    assert not {frozenset(pair) for pair in met} & set(pairs)


def test_one_pair_in_twenty_is_a_check_pair_with_even_sides() -> None:
    """Over many players the share of gold pairs and the side of the good picture are what they should be."""
    test = a_test(styles=8, decoys=3)
    table, rng = a_table(test), np.random.default_rng(5)
    gold, left = 0, 0
    for number in range(1500):
        seat = Seat(UUID(int=number), PlayerFacts())
        for entry in deal([table], seat, size=10, rng=rng):
            assert entry.gold == is_gold(test, entry.left, entry.right)
            gold += entry.gold
            left += entry.gold and entry.left < 8
    share = gold / 15_000
    assert abs(share - GOLD_SHARE) < 4 * (GOLD_SHARE * (1 - GOLD_SHARE) / 15_000) ** 0.5
    assert abs(left / gold - 0.5) < 4 * 0.5 / gold**0.5


def test_a_check_pair_is_passed_by_preferring_the_good_picture() -> None:
    """On either side."""
    test = a_test(styles=4, decoys=1)
    assert passed(test, left=2, choice_is_left=True)
    assert passed(test, left=4, choice_is_left=False)
    assert not passed(test, left=2, choice_is_left=False)
    assert not passed(test, left=4, choice_is_left=True)


def test_a_round_goes_on_with_another_test_when_one_is_used_up() -> None:
    """A player who has met all of one test is not sent home while another is open."""
    small, large = a_test(styles=2), a_test(styles=8)
    dealt = deal([a_table(small), a_table(large)], a_seat(), size=12, rng=np.random.default_rng(2))
    assert len(dealt) == 12


def test_a_segment_that_has_given_its_part_waits_and_none_falls_silent() -> None:
    """Who is below the floor or worth about the most is always dealt; others in proportion to what they bring."""
    assert appetites([1.0, 1.0], [500, 500], least_votes=20) == (1.0, 1.0)
    assert appetites([1.0, 0.2], [100, 900], least_votes=20) == (1.0, pytest.approx(0.3))
    assert appetites([1.0, 0.001], [100, 9000], least_votes=20) == (1.0, LEAST_APPETITE)
    assert appetites([1.0, 0.001], [100, 19], least_votes=20) == (1.0, 1.0)
    assert appetites([0.0, 0.0], [9, 9], least_votes=2) == (1.0, 1.0)


def test_who_waits_is_the_same_player_however_often_he_asks() -> None:
    """The appetite picks players by their number: three in ten of the waiting segment, all of the other."""
    women, men = Quota(WOMEN, 500), Quota(Segment("men", gender="male"), 500)
    table = replace(a_table(a_test(audience=Audience((women, men)))), appetites=(1.0, 0.3))
    players = [Seat(UUID(int=number), PlayerFacts(gender="male")) for number in range(2000)]
    dealt = [bool(eligible([table], seat)) for seat in players]
    assert dealt == [bool(eligible([table], seat)) for seat in players]
    assert abs(sum(dealt) / 2000 - 0.3) < 0.05
    assert all(eligible([table], Seat(UUID(int=n), PlayerFacts(gender="female", age=20))) for n in range(50))


def test_a_confirmation_is_dealt_instead_of_what_the_planner_would_ask() -> None:
    """Its pairs are marked, carry their chance, hold no check pairs, and a player who is through gets nothing more."""
    test = a_test(styles=12, decoys=2)
    table = replace(a_table(test), probe=Probe((3,), 12))
    seat = a_seat()
    dealt = deal([table], seat, size=20, rng=np.random.default_rng(1))
    assert len(dealt) == 10
    assert all(entry.probe and not entry.gold and 0 < entry.probability <= 1 for entry in dealt)
    assert sum(3 in (entry.left, entry.right) for entry in dealt) == 8
    pairs = frozenset((entry.left, entry.right) for entry in dealt)
    after = replace(seat, met={test.test_id: pairs}, probed={test.test_id: pairs})
    assert deal([table], after, size=5, rng=np.random.default_rng(2)) == []


def test_each_segment_is_planned_for_by_itself() -> None:
    """With a planner per segment a player is dealt from his own."""
    men = Segment("men", gender="male")
    test = a_test(audience=Audience((Quota(WOMEN, 500), Quota(men, 500))))
    planners = tuple(Planner(6, test.goal, seed) for seed in range(2))
    table = Table(test, planners)
    assert {entry.segment for entry in deal([table], a_seat(gender="male"), size=5, rng=np.random.default_rng(1))} == {
        1
    }
    assert planners[0].in_flight == 0
    assert planners[1].in_flight >= 4
