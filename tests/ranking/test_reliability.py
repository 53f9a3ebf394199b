"""Who is believed, how far, and within which taste; and whether a result hangs on a few voters."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from ranking import bradley_terry
from ranking.comparisons import Comparisons
from ranking.errors import BadOption, NoVotes
from ranking.reliability import CARELESS, judge
from ranking.robustness import survives_removal

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """Votes, and what is true of them."""

    comparisons: Comparisons
    took_ms: Array
    kind: NDArray[np.str_]  # of each voter


def a_crowd(
    seed: int = 1,
    *,
    n: int = 12,
    voters: int = 300,
    votes_each: int = 25,
    sd: float = 0.8,
    minority: float = 0.0,
    opposite: bool = False,
    lovers: float = 0.0,
    **kinds: float,
) -> Told:
    """Voters around one taste, a share of them around another (or the opposite one), and others by kind: left,
    alternating, random, contrary, pusher.

    lovers: share of honest voters who like style 0 by 1.8 logits more, while all others like it by 0.8 less.
    """
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, sd, n)
    other = -strength if opposite else rng.normal(0, sd, n)
    kind = np.full(voters, "honest", dtype="U12")
    begin = 0
    for name, share in {"minority": minority, **kinds}.items():
        end = begin + round(share * voters)
        kind[begin:end] = name
        begin = end
    taste = np.where((kind == "minority")[:, None], other, strength) + rng.normal(0, 0.4, (voters, n))
    if lovers:
        loves = rng.random(voters) < lovers
        taste[:, 0] += np.where(loves, 1.8, -0.8)
        kind[loves & (kind == "honest")] = "lover"
    first, second = np.triu_indices(n, 1)
    votes_each = min(votes_each, first.size)
    dealt = rng.random((voters, first.size)).argsort(axis=1)[:, :votes_each]
    pair = dealt.ravel()
    voter = np.repeat(np.arange(voters), votes_each)
    swap = rng.random(pair.size) < 0.5
    left, right = np.where(swap, second[pair], first[pair]), np.where(swap, first[pair], second[pair])
    gap = taste[voter, left] - taste[voter, right] + 0.08
    chose = rng.random(pair.size) < 1 / (1 + np.exp(-gap))
    nth = np.tile(np.arange(votes_each), voters)
    who = kind[voter]
    chose = np.where(who == "left", True, chose)
    chose = np.where(who == "alternating", nth % 2 == 0, chose)
    chose = np.where((who == "random") | (who == "hasty"), rng.random(pair.size) < 0.5, chose)
    chose = np.where(who == "contrary", strength[left] < strength[right], chose)
    target = int(np.argsort(-strength)[n // 3])
    chose = np.where((who == "pusher") & (left == target), True, chose)
    chose = np.where((who == "pusher") & (right == target), False, chose)
    pace = np.exp(rng.normal(0, 0.25, voters))[voter] * np.exp(rng.normal(0, 0.4, pair.size))
    took_ms = np.where(who == "hasty", 450.0, 2000.0) * pace
    comparisons = Comparisons.from_arrays(left, right, chose.astype(float), voter=voter, n_items=n)
    return Told(comparisons, took_ms, kind)


def target_of(told: Told) -> int:
    """The style that pushers always choose."""
    pushed = np.isin(told.comparisons.voter, np.flatnonzero(told.kind == "pusher"))
    winner = np.where(told.comparisons.choice == 1, told.comparisons.left, told.comparisons.right)[pushed]
    return int(np.bincount(winner).argmax())


# ---- honest people ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sd", [0.6, 1.5])
def test_in_an_honest_crowd_hardly_anybody_loses_weight(sd: float) -> None:
    told = a_crowd(sd=sd, minority=0.15)
    careless = judge(told.comparisons).p_careless
    assert np.mean(careless > 0.9) <= 0.007
    assert np.mean(careless) < 0.1


@pytest.mark.parametrize("opposite", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_minority_is_believed_even_one_of_the_opposite_taste(share: float, opposite: bool) -> None:
    told = a_crowd(2, minority=share, opposite=opposite, sd=1.0, voters=400)
    weight = judge(told.comparisons).weight
    assert weight[told.kind == "minority"].mean() > 0.8
    assert np.mean(weight[told.kind == "minority"] < 0.1) <= 0.01


def test_a_minority_is_believed_beside_cheats() -> None:
    told = a_crowd(3, minority=0.2, left=0.05, random=0.05, contrary=0.05, voters=500, sd=1.0)
    weight = judge(told.comparisons).weight
    assert np.mean(weight[told.kind == "minority"] < 0.1) <= 0.01
    assert weight[told.kind == "minority"].mean() > 0.8


def test_the_taste_of_a_declared_segment_is_its_own() -> None:
    told = a_crowd(4, minority=0.3, sd=1.0)
    own = (told.kind == "minority").astype(int)
    plain = told.comparisons
    declared = Comparisons.from_arrays(
        plain.left, plain.right, plain.choice, voter=plain.voter, segment=own[plain.voter], n_items=plain.n_items
    )
    found = judge(declared)
    assert found.strength.shape[1] == 2
    assert found.weight[told.kind == "minority"].mean() > 0.9
    mine = bradley_terry.fit(plain.subset(own[plain.voter] == 1)).strength
    assert np.corrcoef(found.strength[0, 1], mine)[0, 1] > 0.95


def test_lovers_of_a_polarising_style_are_no_colluders() -> None:
    told = a_crowd(5, lovers=0.3, voters=500)
    found = judge(told.comparisons)
    about = (told.comparisons.left == 0) | (told.comparisons.right == 0)
    of_lovers = np.isin(told.comparisons.voter, np.flatnonzero(told.kind == "lover"))
    assert found.vote_weight[about & of_lovers].mean() > 0.75


def test_a_slow_crowd_and_a_quick_one_are_both_honest() -> None:
    told = a_crowd(6)
    for pace in (0.2, 5.0):
        careless = judge(told.comparisons, took_ms=pace * told.took_ms).p_careless
        assert np.mean(careless > 0.5) <= 0.02


# ---- careless people -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "most"), [("left", 0.05), ("alternating", 0.05), ("contrary", 0.1)])
def test_whoever_does_not_look_is_not_believed(kind: str, most: float) -> None:
    told = a_crowd(7, **{kind: 0.1})
    found = judge(told.comparisons)
    assert found.weight[told.kind == kind].mean() < most
    assert found.weight[told.kind == "honest"].mean() > 0.85


def test_the_kind_of_carelessness_is_named() -> None:
    told = a_crowd(8, left=0.1, alternating=0.1)
    found = judge(told.comparisons)
    kinds = found.responsibility[:, -len(CARELESS) :]
    assert set(kinds[told.kind == "left"].argmax(axis=1)) == {CARELESS.index("one_sided")}
    assert set(kinds[told.kind == "alternating"].argmax(axis=1)) == {CARELESS.index("patterned")}


def test_haste_makes_clicking_by_chance_certain() -> None:
    told = a_crowd(9, hasty=0.1)
    without, timed = judge(told.comparisons), judge(told.comparisons, took_ms=told.took_ms)
    hasty = told.kind == "hasty"
    assert timed.weight[hasty].mean() < 0.15 < without.weight[hasty].mean()
    assert timed.weight[~hasty].mean() > 0.9


def test_gold_pairs_clear_the_honest_and_are_no_votes() -> None:
    told = a_crowd(10, random=0.1)
    rng = np.random.default_rng(10)
    gold = np.where(rng.random(len(told.comparisons)) < 0.2, rng.integers(0, 2, len(told.comparisons)), -1)
    honest = told.kind[told.comparisons.voter] == "honest"
    choice = np.where((gold >= 0) & honest, gold, told.comparisons.choice)
    asked = Comparisons.from_arrays(told.comparisons.left, told.comparisons.right, choice, voter=told.comparisons.voter)
    found = judge(asked, gold=gold)
    assert found.weight[told.kind == "random"].mean() < 0.5
    assert found.weight[told.kind == "honest"].mean() > 0.97
    assert np.isnan(found.expected[gold >= 0]).all()
    assert not np.isnan(found.expected[gold < 0]).any()


# ---- colluders -------------------------------------------------------------------------------------------


def test_a_pushed_style_is_gated_and_only_its_votes_lose_weight() -> None:
    told = a_crowd(11, pusher=0.2, voters=500, votes_each=35)
    found, target = judge(told.comparisons), target_of(told)
    assert [gate.item for gate in found.gates] == [target]
    assert found.gates[0].always > found.gates[0].expected
    about = (told.comparisons.left == target) | (told.comparisons.right == target)
    pushing = np.isin(told.comparisons.voter, np.flatnonzero(told.kind == "pusher"))
    assert found.vote_weight[about & pushing].mean() < 0.4
    assert found.vote_weight[about & ~pushing].mean() > 0.75
    assert found.vote_weight[~about & pushing].mean() > 0.75


def test_in_an_honest_crowd_no_style_is_gated() -> None:
    for seed in range(3):
        assert judge(a_crowd(seed, minority=0.15, votes_each=30).comparisons).gates == ()


# ---- forms -----------------------------------------------------------------------------------------------


def test_what_is_expected_of_a_voter_does_not_come_from_the_voter() -> None:
    told = a_crowd(12, n=6, votes_each=12)
    c = told.comparisons
    # A new voter chooses, ten times, between two styles that nobody else has met.
    alone = np.full(10, 999)
    more = Comparisons.from_arrays(
        np.r_[c.left, np.full(10, 6)], np.r_[c.right, np.full(10, 7)], np.r_[c.choice, np.ones(10)],
        voter=np.r_[c.voter, alone], n_items=8,
    )  # fmt: skip
    expected = judge(more).expected[-10:, 0]
    assert np.abs(expected - 0.5).max() < 0.12


def test_the_names_and_the_order_of_voters_do_not_matter() -> None:
    told = a_crowd(13, left=0.1, random=0.1, voters=150)
    c = told.comparisons
    order = np.argsort(-c.voter, kind="stable")
    turned = Comparisons.from_arrays(
        c.left[order], c.right[order], c.choice[order], voter=1000 - 3 * c.voter[order], n_items=c.n_items
    )
    here, there = judge(c), judge(turned)
    assert there.voter.tolist() == (1000 - 3 * here.voter[::-1]).tolist()
    assert there.weight[::-1] == pytest.approx(here.weight, abs=1e-6)
    assert there.expected == pytest.approx(here.expected[order], abs=1e-6)


def test_a_single_vote_condemns_nobody() -> None:
    c = a_crowd(14, voters=60).comparisons
    weight = judge(Comparisons.from_arrays(c.left, c.right, c.choice)).weight
    assert weight.mean() > 0.9
    assert weight.min() > 0.5


def test_ties_neither_and_votes_without_weight_are_no_trouble() -> None:
    rng = np.random.default_rng(15)
    choice = rng.choice([1.0, 0.0, 0.5, -1.0], 400)
    left = rng.integers(0, 5, 400)
    votes = Comparisons.from_arrays(
        left, (left + 1) % 5, choice, voter=rng.integers(0, 20, 400), weight=rng.integers(0, 2, 400)
    )
    found = judge(votes)
    assert np.isfinite(found.weight).all()
    assert np.isnan(found.expected[choice == -1]).all()


@pytest.mark.parametrize("choice", [1.0, 0.5, -1.0])
def test_a_handful_of_votes_is_judged_mildly(choice: float) -> None:
    found = judge(Comparisons.from_arrays([0, 1], [1, 2], [choice, choice], voter=[7, 7]))
    assert found.voter.tolist() == [7]
    assert found.weight[0] > 0.8


def test_the_tastes_of_a_very_large_crowd_are_found_in_a_part_of_it() -> None:
    told = a_crowd(16, voters=11_000, votes_each=24, minority=0.2, left=0.02, sd=1.0)
    assert len(told.comparisons) > 250_000
    found = judge(told.comparisons)
    assert found.weight.shape == (11_000,)
    assert found.weight[told.kind == "left"].mean() < 0.05
    assert found.weight[told.kind == "minority"].mean() > 0.85


# ---- removal ---------------------------------------------------------------------------------------------


def test_a_result_that_hangs_on_one_voter_is_found_to_hang_on_it() -> None:
    """Against the slow and obvious way: leave out each voter in turn and fit again."""
    for seed in range(12):
        told = a_crowd(seed, n=4, voters=14, votes_each=6, sd=0.5)
        c = told.comparisons
        told_by_influence = survives_removal(c, keep=1, share=0.07)
        assert told_by_influence.n_removed == 1
        prior_sd = bradley_terry.fit(c).prior_sd
        best = int(np.argmax(bradley_terry.fit(c).strength))
        changes = any(
            np.argmax(bradley_terry.fit(c.subset(c.voter != k), prior_sd=prior_sd).strength) != best for k in range(14)
        )
        assert told_by_influence.holds is not changes


def test_a_clear_result_holds_and_a_narrow_one_does_not() -> None:
    clear, narrow = a_crowd(17, n=4, sd=2.0, voters=400), a_crowd(17, n=12, sd=0.05, voters=400)
    held = survives_removal(clear.comparisons, keep=1)
    assert held.holds
    assert held.share_to_flip > 0.05
    lost = survives_removal(narrow.comparisons, keep=3)
    assert not lost.holds
    assert lost.share_to_flip < 0.05
    assert lost.endangered[0] in lost.chosen
    assert lost.endangered[1] not in lost.chosen


def test_a_difference_that_does_not_matter_is_allowed_to_turn() -> None:
    narrow = a_crowd(18, n=12, sd=0.05, voters=300).comparisons
    assert not survives_removal(narrow, keep=1).holds
    assert survives_removal(narrow, keep=1, indifference=2.0).holds


def test_what_cannot_be_removed_is_refused() -> None:
    c = a_crowd(19, n=4, voters=40, votes_each=6).comparisons
    with pytest.raises(NoVotes):
        survives_removal(Comparisons.from_arrays(c.left, c.right, c.choice), keep=1)
    for wrong in ({"keep": 0}, {"keep": 4}, {"keep": 1, "share": 0.0}, {"keep": 1, "share": 1.0}):
        with pytest.raises(BadOption):
            survives_removal(c, **wrong)  # type: ignore[arg-type]
