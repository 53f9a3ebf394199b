"""The planner's laws: what may be dealt to whom, what a deal in flight is worth, and which pair is worth most."""

import os
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.errors import RankingError
from ranking.pairing import AllPairsPlayed, Goal, GoalRefused, Planner, PlannerRefused, companion

DEEP = bool(os.environ.get("XUANKUAN_DEEP"))
few = settings(max_examples=300 if DEEP else 25, deadline=None)


@dataclass(frozen=True)
class Belief:
    """A fit, as far as the planner reads it."""

    strength: np.ndarray
    posterior_covariance: np.ndarray
    n_votes: int = 0


def a_belief(n: int, seed: int = 0, *, sd: float = 0.3, n_votes: int = 0) -> Belief:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n))
    covariance = 0.5 * sd**2 * np.eye(n) + 0.5 * sd**2 * root @ root.T / n
    return Belief(rng.normal(0.0, 0.6, n), covariance, n_votes)


def a_planner(n: int = 12, keep: int = 1, seed: int = 0, **options: object) -> Planner:
    asks = options.pop("asks", None)
    return Planner(n, Goal(keep=keep, asks=asks), seed, **options)  # type: ignore[arg-type]


def weights(mu: np.ndarray) -> np.ndarray:
    p = 1.0 / (1.0 + np.exp(-(mu[:, None] - mu[None, :])))
    return p * (1.0 - p)


def after_vote(covariance: np.ndarray, mu: np.ndarray, i: int, j: int) -> np.ndarray:
    """The slow and obvious way to one vote more: information added, matrix inverted."""
    x = np.zeros(len(mu))
    x[i], x[j] = 1.0, -1.0
    return np.linalg.inv(np.linalg.inv(covariance) + weights(mu)[i, j] * np.outer(x, x))


# ---- goals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"keep": 0}, "keep"),
        ({"keep": 2.5}, "keep"),
        ({"keep": True}, "keep"),
        ({"certainty": "sure"}, "certainty"),
        ({"confidence": 0.5}, "confidence"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"indifference": -0.1}, "indifference"),
        ({"indifference": float("inf")}, "indifference"),
        ({"asks": "everything"}, "asks"),
    ],
)
def test_a_goal_outside_its_range_is_refused_by_name(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(GoalRefused, match=named) as refusal:
        Goal(**wrong)  # type: ignore[arg-type]
    assert isinstance(refusal.value, RankingError)
    assert refusal.value.code == "goal_refused"


def test_keeping_all_styles_is_no_choice() -> None:
    with pytest.raises(GoalRefused, match="leaves nothing to choose"):
        Planner(3, Goal(keep=3), 0)


@pytest.mark.parametrize("n", [0, 1, -4])
def test_fewer_than_two_styles_cannot_be_dealt(n: int) -> None:
    with pytest.raises(PlannerRefused, match="two styles"):
        Planner(n, Goal(), 0)


# ---- what may be dealt -------------------------------------------------------------------------------------


@few
@given(
    n=st.integers(2, 9),
    seed=st.integers(0, 10**6),
    method=st.sampled_from(["gw", "thompson", "uniform"]),
    planned=st.booleans(),
)
def test_nobody_gets_a_pair_twice_and_who_has_had_all_is_refused(n: int, seed: int, method: str, planned: bool) -> None:
    planner = a_planner(n, seed=seed, method=method)
    planner.update(a_belief(n, seed))
    if planned:
        planner.plan(40)
    n_pairs = n * (n - 1) // 2
    dealt = [frozenset(planner.deal("one voter")) for _ in range(n_pairs)]
    assert len(set(dealt)) == n_pairs
    assert all(len(pair) == 2 and min(pair) >= 0 and max(pair) < n for pair in dealt)
    with pytest.raises(AllPairsPlayed, match="nothing left to ask"):
        planner.deal("one voter")
    planner.deal("another voter")


@few
@given(n=st.integers(8, 30), seed=st.integers(0, 10**6), method=st.sampled_from(["gw", "thompson", "uniform"]))
def test_no_style_is_shown_more_than_four_times_in_a_session_of_ten(n: int, seed: int, method: str) -> None:
    planner = a_planner(n, seed=seed, method=method)
    planner.update(a_belief(n, seed))
    for voter in range(6):
        shown = Counter(item for _ in range(10) for item in planner.deal(voter))
        assert max(shown.values()) <= 4


def test_a_new_session_may_show_the_leader_again() -> None:
    planner = a_planner(20, epsilon=0.0)
    belief = a_belief(20, 3, sd=0.2)
    planner.update(belief)
    leader = int(np.argmax(belief.strength))
    sessions = [Counter(item for _ in range(10) for item in planner.deal(7))[leader] for _ in range(3)]
    assert sum(sessions) > 4
    assert max(sessions) <= 4


def test_the_cap_gives_way_before_a_player_is_refused() -> None:
    """With three styles there are three pairs, and each style is in two: a cap of one would end play too early."""
    planner = a_planner(3, item_cap=1)
    assert len({frozenset(planner.deal(1)) for _ in range(3)}) == 3


@few
@given(n=st.integers(3, 12), seed=st.integers(0, 10**6), data=st.data())
def test_a_history_that_is_supplied_is_kept_to(n: int, seed: int, data: st.DataObject) -> None:
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    played = data.draw(st.sets(st.sampled_from(pairs), max_size=len(pairs) - 1))
    either_way = [
        pair if flip else pair[::-1] for pair, flip in zip(sorted(played), np.arange(len(played)) % 2, strict=True)
    ]
    planner = a_planner(n, seed=seed)
    planner.update(a_belief(n, seed))
    low, high = sorted(planner.deal("anyone", played=either_way))
    assert (low, high) not in played


def test_a_supplied_history_of_everything_is_refused() -> None:
    with pytest.raises(AllPairsPlayed):
        a_planner(3).deal(5, played={(0, 1), (2, 1), (0, 2)})


def test_supplied_counts_of_a_session_are_kept_to() -> None:
    planner = a_planner(12)
    planner.update(a_belief(12))
    for voter in range(50):
        assert 3 not in planner.deal(voter, played=(), shown_counts={3: 4})


def test_what_a_restarted_planner_is_told_it_remembers() -> None:
    planner = a_planner(4)
    planner.remember("v", [(0, 1), (3, 2), (1, 2), (0, 3), (3, 1)])
    assert set(planner.deal("v")) == {0, 2}


def test_memory_of_voters_is_bounded_and_forgets_the_longest_unseen() -> None:
    planner = a_planner(2, memory=3)
    for voter in range(3):
        planner.deal(voter)
    planner.deal(99)  # pushes voter 0 out
    planner.deal(0)
    with pytest.raises(AllPairsPlayed):
        planner.deal(99)


def test_a_thousand_deals_keep_sides_even_and_never_foretell_them() -> None:
    for seed, n in enumerate([4, 12, 30, 60]):
        planner = a_planner(n, seed=seed)
        planner.update(a_belief(n, seed))
        deals = [planner.deal_logged(f"{voter}") for voter in range(340) for _ in range(3)][:1000]
        lower_left = np.array([deal.left < deal.right for deal in deals])
        assert abs(lower_left.mean() - 0.5) <= 0.015
        assert all(0.0999 <= deal.left_probability <= 0.9001 for deal in deals)
        # Any style that was shown often stood on both sides about as often.
        left, right = Counter(deal.left for deal in deals), Counter(deal.right for deal in deals)
        for item in range(n):
            assert abs(left[item] - right[item]) <= 14


def test_the_logged_chance_of_a_side_is_the_chance() -> None:
    """Over many deals the sides that came up come up as often as was logged."""
    planner = a_planner(6, seed=5)
    chances, came = [], []
    for voter in range(4000):
        deal = planner.deal_logged(voter)
        lower_left = deal.left < deal.right
        chances.append(deal.left_probability if lower_left else 1.0 - deal.left_probability)
        came.append(lower_left)
    chance, happened = np.array(chances), np.array(came, dtype=float)
    for value in np.unique(np.round(chance, 3)):
        at = np.round(chance, 3) == value
        if at.sum() > 100:
            assert abs(happened[at].mean() - value) < 4.0 * np.sqrt(value * (1 - value) / at.sum())


def test_one_deal_in_twenty_is_uniform_and_says_so() -> None:
    planner = a_planner(12, seed=1)
    planner.update(a_belief(12, 1, sd=0.1))
    deals = [planner.deal_logged(voter) for voter in range(3000)]
    explored = [deal for deal in deals if deal.explored]
    assert 0.035 < len(explored) / len(deals) < 0.065
    assert len({frozenset(deal.pair) for deal in explored}) > 55  # of 66: everywhere
    assert {round(deal.probability, 9) for deal in explored} == {round(0.05 / 66, 9)}
    assert {round(deal.probability, 9) for deal in deals if not deal.explored} == {round(0.95 + 0.05 / 66, 9)}


def test_the_same_seed_deals_the_same_pairs() -> None:
    def dealt(seed: int) -> list[tuple[int, int]]:
        planner = a_planner(12, keep=3, seed=seed)
        planner.update(a_belief(12))
        return [planner.deal(voter) for voter in range(60)]

    assert dealt(4) == dealt(4)
    assert dealt(4) != dealt(5)


def test_styles_that_were_dropped_are_dealt_no_more() -> None:
    for method in ("gw", "thompson", "uniform"):
        planner = a_planner(10, method=method)
        planner.update(a_belief(10))
        planner.plan(30)
        planner.restrict([0, 2, 4, 5])
        planner.plan(30)
        for voter in range(120):
            assert set(planner.deal(voter)) <= {0, 2, 4, 5}
    with pytest.raises(PlannerRefused, match="at least two"):
        planner.restrict([3])


def test_no_style_stays_below_its_floor_however_weak_it_is() -> None:
    belief = Belief(np.array([1.0, 0.9] + [-3.0] * 10), 1e-4 * np.eye(12))
    for floor, enough in ((0, False), (15, True)):
        planner = a_planner(12, floor=floor, epsilon=0.0)
        planner.update(belief)
        for voter in range(200):
            planner.deal(voter)
        assert bool(planner.shown.min() >= 15) is enough


# ---- deals in flight ---------------------------------------------------------------------------------------


@few
@given(n=st.integers(2, 14), seed=st.integers(0, 10**6), deals=st.integers(1, 35), keep=st.integers(1, 5))
def test_deals_in_flight_count_as_if_they_were_answered(n: int, seed: int, deals: int, keep: int) -> None:
    """The quick rank-one updates are the slow inversion of the information matrix."""
    planner = a_planner(n, keep=min(keep, n - 1), seed=seed)
    belief = a_belief(n, seed)
    planner.update(belief)
    expected = belief.posterior_covariance
    for voter in range(deals):
        left, right = planner.deal(voter)
        expected = after_vote(expected, belief.strength, left, right)
    assert np.allclose(planner.working_covariance, expected, rtol=1e-5, atol=1e-9)


@few
@given(n=st.integers(3, 12), seed=st.integers(0, 10**6), ahead=st.integers(0, 25))
def test_the_pair_dealt_is_the_one_that_shrinks_the_goal_most(n: int, seed: int, ahead: int) -> None:
    """The gain of each pair, kept by updates, is the decrease of tr(M S) found by doing it."""
    planner = a_planner(n, seed=seed, epsilon=0.0)
    belief = a_belief(n, seed)
    planner.update(belief)
    for voter in range(ahead):
        planner.deal(voter)
    planner._refresh()
    matrix, working = planner._matrix.copy(), planner.working_covariance
    left, right = planner.deal("judge", played=())
    decrease = {}
    for i in range(n):
        for j in range(i + 1, n):
            decrease[i, j] = np.sum(matrix * working) - np.sum(matrix * after_vote(working, belief.strength, i, j))
    assert decrease[min(left, right), max(left, right)] >= max(decrease.values()) * (1.0 - 1e-4)


@few
@given(n=st.integers(4, 10), seed=st.integers(0, 10**6))
def test_a_refit_starts_from_the_posterior_with_what_is_still_open(n: int, seed: int) -> None:
    planner = a_planner(n, seed=seed)
    pairs = [planner.deal(voter) for voter in range(12)]
    for left, right in pairs[5:8]:
        assert planner.expire(left, right)
    belief = a_belief(n, seed, n_votes=5)  # the first five were answered, three expired, four are open
    planner.update(belief)
    assert planner.in_flight == 4
    expected = belief.posterior_covariance
    still_open = Counter(frozenset(pair) for pair in pairs)
    still_open.subtract(frozenset(pair) for pair in pairs[5:8])
    # An expiry closes the oldest deal of its pair, an answer the oldest of all; what stays open is what was dealt last.
    told = a_planner(n, seed=seed)
    told.update(belief, in_flight=_open_pairs(planner))
    for left, right in _open_pairs(planner):
        expected = after_vote(expected, belief.strength, left, right)
    assert np.allclose(planner.working_covariance, expected, rtol=1e-6)
    assert np.allclose(told.working_covariance, expected, rtol=1e-6)


def _open_pairs(planner: Planner) -> list[tuple[int, int]]:
    return [divmod(code, planner.n_items) for code in planner._open.values()]


def test_an_expiry_is_counted_once() -> None:
    planner = a_planner(5)
    left, right = planner.deal(1)
    assert planner.in_flight == 1
    assert planner.expire(right, left)
    assert not planner.expire(left, right)
    assert planner.in_flight == 0


def test_two_hundred_voters_of_one_posterior_are_not_all_asked_the_same() -> None:
    planner = a_planner(12, epsilon=0.0)
    planner.update(a_belief(12, 2))
    first = [frozenset(planner.deal(voter)) for voter in range(200)]
    assert len(set(first)) >= 8


def test_a_first_batch_knows_nothing_and_is_balanced() -> None:
    planner = a_planner(12, seed=9)
    for voter in range(20):
        for _ in range(10):
            planner.deal(voter)
    shown = planner.shown
    assert shown.min() >= 20
    assert shown.max() <= 50


def test_an_unfitting_or_unfinished_fit_is_refused_and_changes_nothing() -> None:
    planner = a_planner(5)
    belief = a_belief(5)
    planner.update(belief)
    before = planner.working_covariance
    broken = belief.posterior_covariance.copy()
    broken[1, 1] = np.nan
    for wrong in (
        a_belief(6),
        Belief(belief.strength, broken),
        Belief(belief.strength * np.inf, belief.posterior_covariance),
    ):
        with pytest.raises(PlannerRefused):
            planner.update(wrong)
    assert np.array_equal(planner.working_covariance, before)
    with pytest.raises(PlannerRefused, match="no style 7"):
        planner.expire(7, 1)
    with pytest.raises(PlannerRefused, match="no style 9"):
        planner.update(belief, in_flight=[(0, 9)])


# ---- which goal asks what ----------------------------------------------------------------------------------


def _asked(planner: Planner, deals: int = 300) -> Counter[int]:
    return Counter(item for voter in range(deals) for item in planner.deal(voter))


def test_a_winner_goal_asks_about_the_contenders_and_a_score_goal_about_everybody() -> None:
    mu = np.linspace(1.2, -1.2, 12)
    belief = Belief(mu, 0.02 * np.eye(12))
    best, scores = a_planner(12), a_planner(12, asks="scores")
    best.update(belief)
    scores.update(belief)
    asked_best, asked_scores = _asked(best), _asked(scores)
    assert sum(asked_best[i] for i in range(4)) > 0.6 * 600
    assert min(asked_scores.values()) > 0.5 * 50


def test_a_top_goal_asks_at_the_boundary() -> None:
    mu = np.linspace(2.4, -2.4, 13)
    planner = a_planner(13, keep=4, mixture=(0.0, 1.0, 0.0))
    planner.update(Belief(mu, 0.05 * np.eye(13)))
    asked = _asked(planner)
    assert {item for item, _ in asked.most_common(2)} == {3, 4}


def test_a_share_goal_asks_about_the_large_shares() -> None:
    mu = np.linspace(1.5, -1.5, 12)
    planner = a_planner(12, asks="shares")
    planner.update(Belief(mu, 0.05 * np.eye(12)))
    asked = _asked(planner)
    assert sum(asked[i] for i in range(3)) > 2 * sum(asked[i] for i in range(9, 12))


def test_a_part_worth_goal_prefers_pairs_that_differ_in_the_attribute() -> None:
    colour = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    planner = a_planner(8, asks="part_worths", attributes=np.eye(2)[colour], epsilon=0.0)
    planner.update(Belief(np.zeros(8), 0.1 * np.eye(8)))
    across = sum(colour[i] != colour[j] for i, j in (planner.deal(voter) for voter in range(200)))
    assert across == 200
    with pytest.raises(PlannerRefused, match="attributes"):
        a_planner(8, asks="part_worths")
    with pytest.raises(PlannerRefused, match="do not vary"):
        a_planner(8, asks="part_worths", attributes=np.ones(8))


def test_a_goal_of_differing_audiences_asks_what_is_open_between_them() -> None:
    """Styles 0 and 1 are known in both audiences, 2 and 3 in neither."""
    n = 4
    known = np.diag([1e-4, 1e-4, 0.3, 0.3])
    belief = Belief(np.zeros(2 * n), np.kron(np.eye(2), known))
    planner = a_planner(n, asks="segments_differ", segments=2, epsilon=0.0)
    planner.update(belief)
    asked: Counter[int] = Counter()
    for voter in range(100):
        deal = planner.deal_logged(voter, segment=voter % 2)
        assert deal.segment == voter % 2
        asked.update(deal.pair)
    assert asked[2] + asked[3] > 0.6 * 200
    with pytest.raises(PlannerRefused, match="no audience 2"):
        planner.deal(1, segment=2)
    with pytest.raises(PlannerRefused, match="two segments"):
        a_planner(n, asks="segments_differ")


def test_an_audience_that_is_nearly_decided_is_worth_less() -> None:
    open_planner, decided = a_planner(6), a_planner(6)
    mu = np.linspace(1.0, -1.0, 6)
    open_planner.update(Belief(mu * 0.1, 0.1 * np.eye(6)))
    decided.update(Belief(mu * 2.0, 0.002 * np.eye(6)))
    assert open_planner.worth > 10.0 * decided.worth > 0.0


def test_the_queue_serves_everybody_and_is_forgotten_at_the_next_fit() -> None:
    planner = a_planner(12)
    planner.update(a_belief(12))
    assert planner.plan(256) == 256
    assert planner.in_flight == 0
    for voter in range(20):
        pairs = [planner.deal_logged(voter) for _ in range(10)]
        assert {deal.version for deal in pairs} == {1}
        assert len({frozenset(deal.pair) for deal in pairs}) == 10
        assert max(Counter(item for deal in pairs for item in deal.pair).values()) <= 4
    planner.update(a_belief(12, 1, n_votes=200))
    assert planner.in_flight == 0
    assert planner.deal_logged(1000).version == 2


def test_looking_ahead_finds_more_information_the_farther_it_looks() -> None:
    planner = a_planner(6)
    planner.update(a_belief(6))
    near = planner.imagine(100)
    planner.update(a_belief(6))
    far = planner.imagine(1600, stride=20)
    # A vote brings at most a quarter, and with p between .1 and .9 at least .09.
    for votes, information in ((100, near), (1600, far)):
        assert 0.09 * votes < np.trace(information) / 2 <= 0.2501 * votes
        assert np.allclose(information.sum(axis=0), 0.0)
        assert np.linalg.eigvalsh(information).min() > -1e-9
    # Nobody plays a pair twice, so that no pair can be all that is looked at.
    closest = -np.triu(far, 1).min()
    assert closest < 0.45 * np.trace(far) / 2


def test_the_companion_of_the_winner_is_a_real_question() -> None:
    assert [companion(n) for n in (2, 3, 4, 12, 30, 60)] == [1, 1, 2, 3, 5, 7]


# ---- decided elsewhere, chosen elsewhere -------------------------------------------------------------------------


def known(strength: list[float], sd: float = 0.2) -> SimpleNamespace:
    """A fit with these strengths, each as uncertain as the others."""
    return SimpleNamespace(strength=np.array(strength), posterior_covariance=sd**2 * np.eye(len(strength)))


def test_what_is_open_is_read_where_the_decision_is_made() -> None:
    """This audience knows its leader; the clientele wavers between two others, and is asked about those."""
    own = known([2.0, 0.0, 0.1, -0.5, -0.6, -0.7])
    clientele = known([-0.5, 0.6, 0.55, -0.8, -0.9, -1.0])
    asked = {}
    for name, aim in (("own", None), ("clientele", clientele)):
        planner = Planner(6, Goal(), 1, epsilon=0.0, mixture=(1.0, 0.0, 0.0))
        planner.update(own, decided_on=aim)
        asked[name] = {tuple(sorted(planner.deal(voter))) for voter in range(4)}
    assert (1, 2) in asked["clientele"]
    assert all(0 in pair for pair in asked["own"])


def test_what_is_decided_on_must_be_of_the_same_styles() -> None:
    planner = Planner(3, Goal(), 1)
    with pytest.raises(PlannerRefused, match="decided on"):
        planner.update(known([0.0, 0.1, 0.2]), decided_on=known([0.0, 0.1]))
    with pytest.raises(PlannerRefused, match="not finite"):
        planner.update(known([0.0, 0.1, 0.2]), decided_on=known([0.0, np.nan, 0.2]))
    assert planner.version == 0


def test_a_pair_that_others_chose_is_in_flight_with_its_probability_and_even_sides() -> None:
    """As with the planner's own deals: noted, expired by name, sides leaning back to even."""
    planner = Planner(4, Goal(), 1)
    shown = [planner.show(3, 1, voter, probability=0.25) for voter in range(400)]
    assert planner.in_flight == 400
    assert {deal.probability for deal in shown} == {0.25}
    assert abs(sum(deal.left == 3 for deal in shown) / 400 - 0.5) < 0.01
    assert planner.expire(1, 3)
    assert planner.in_flight == 399
    for pair in ((0, 0), (0, 4), (-1, 2)):
        with pytest.raises(PlannerRefused):
            planner.show(*pair, 1, probability=0.5)
