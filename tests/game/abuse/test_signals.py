"""Each signal by itself: what it counts for guilt, what for innocence, and that it does not matter in how many
batches votes come.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from game.abuse import SIGNALS, Calibrated, Signal
from game.abuse.agreement import Agreement
from game.abuse.evidence import WAY, WAYS, PlayerTable, VoteTable
from game.abuse.gold import Gold
from game.abuse.links import Links
from game.abuse.obvious import Obvious, is_obvious
from game.abuse.patterns import Patterns
from game.abuse.push import Push
from game.abuse.response_time import ResponseTime
from game.abuse.same_sequence import SameSequence
from game.abuse.session_shape import SessionShape
from game.abuse.sides import Sides
from game.abuse.verdict import PRIOR

Array = NDArray[np.float64]

DAY_S = 86_400.0


def votes_of(choices: list[list[float]], **columns: object) -> VoteTable:
    """One list of choices a player, between styles 0 and 1 unless told otherwise; other columns as one flat list."""
    player = np.repeat(np.arange(len(choices)), [len(c) for c in choices])
    flat = np.concatenate([np.asarray(c, dtype=float) for c in choices])
    left = columns.pop("left", np.zeros(flat.size, dtype=int))
    right = columns.pop("right", np.ones(flat.size, dtype=int))
    return VoteTable.of(player, left, right, flat, **columns)


def nats(signal: Signal, votes: VoteTable, way: str, **players: object) -> Array:
    """What the signal says of each player for one way, after these votes."""
    table = PlayerTable.of(int(votes.player.max()) + 1, **players)
    signal.add(votes)
    if isinstance(signal, Calibrated):
        signal.calibrate(np.arange(len(table)), table)
    found = signal.weigh(np.arange(len(table)), table)
    assert found.shape == (len(table), len(WAYS))
    return found[:, WAY[way]]


def coins(seed: int, players: int, each: int, p: float = 0.5) -> list[list[float]]:
    return (np.random.default_rng(seed).random((players, each)) < p).astype(float).tolist()


def a_mixed_table(seed: int, players: int = 6, each: int = 30) -> VoteTable:
    """Votes with every column filled."""
    rng = np.random.default_rng(seed)
    n = players * each
    left = rng.integers(0, 8, n)
    expected = rng.uniform(0.1, 0.9, (n, 3))
    return VoteTable.of(
        np.repeat(np.arange(players), each), left, (left + rng.integers(1, 8, n)) % 8,
        rng.choice([1.0, 0.0, 0.5, -1.0], n, p=[0.45, 0.45, 0.05, 0.05]),
        took_ms=np.exp(rng.normal(7.6, 0.4, n)), at=np.tile(np.arange(each) * 4000.0, players),
        gold=np.where(rng.random(n) < 0.1, rng.integers(0, 2, n), -1), device=rng.integers(-1, 4, n),
        address=rng.integers(-1, 4, n), expected=expected,
    )  # fmt: skip


# ---- all of them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", SIGNALS)
def test_no_votes_are_no_evidence(make: type[Signal]) -> None:
    players = PlayerTable.of(3)
    signal = make()
    assert (np.abs(signal.weigh(np.arange(3), players)) < 1e-12).all()
    signal.add(votes_of([[], [], []]))
    assert (np.abs(signal.weigh(np.arange(3), players)) < 1e-12).all()
    assert all(np.isfinite(list(signal.measures(2).values())))


@pytest.mark.parametrize("make", SIGNALS)
def test_every_signal_answers_in_finite_nats_and_figures(make: type[Signal]) -> None:
    signal, table = make(), PlayerTable.of(6, segment=[0, 0, 1, 1, -1, 0])
    signal.add(a_mixed_table(1))
    if isinstance(signal, Calibrated):
        signal.calibrate(np.arange(6), table)
    assert np.isfinite(signal.weigh(np.arange(6), table)).all()
    assert all(np.isfinite(list(signal.measures(0).values())))
    assert signal.name


@pytest.mark.parametrize("make", [Sides, Patterns, Gold, SessionShape, Obvious, Agreement, Links])
@settings(max_examples=12, deadline=None)
@given(cut=st.lists(st.floats(0, 120_000), min_size=1, max_size=3), seed=st.integers(0, 5))
def test_votes_may_come_in_any_number_of_batches(make: type[Signal], cut: list[float], seed: int) -> None:
    votes, table = a_mixed_table(seed), PlayerTable.of(6)
    whole, parts = make(), make()
    whole.add(votes)
    edges = [-1.0, *sorted(cut), np.inf]
    for low, high in itertools.pairwise(edges):
        parts.add(votes.take(np.flatnonzero((votes.at > low) & (votes.at <= high))))
    everyone = np.arange(6)
    assert parts.weigh(everyone, table) == pytest.approx(whole.weigh(everyone, table), abs=1e-9)
    assert parts.measures(3) == pytest.approx(whole.measures(3))


# ---- sides and patterns ----------------------------------------------------------------------------------


def test_always_one_side_is_guilt_and_leaning_is_not() -> None:
    one, other, mostly, leaning, even = (
        [1.0] * 20,
        [0.0] * 20,
        [1.0] * 19 + [0.0],
        [1.0] * 13 + [0.0] * 7,
        [1.0, 0.0] * 10,
    )
    found = nats(Sides(), votes_of([one, other, mostly, leaning, even] + coins(1, 40, 20)), "one_sided")
    assert found[0] > 6
    assert found[1] > 6
    assert 3 < found[2] < found[0]
    assert found[3] < 0
    assert found[4] < -4


def test_a_lasting_lean_of_seventy_to_thirty_is_honest() -> None:
    assert nats(Sides(), votes_of([[1.0] * 700 + [0.0] * 300, *coins(2, 30, 50)]), "one_sided")[0] < -5


@pytest.mark.parametrize("pattern", ["10", "1100", "110", "11010", "111000"])
def test_patterns_of_any_period_up_to_six_are_found(pattern: str) -> None:
    repeated = [float(x) for x in (pattern * 30)[:60]]
    found = nats(Patterns(), votes_of([repeated, *coins(3, 30, 60)]), "patterned")
    assert found[0] > 10
    assert found[1:].max() < 2


def test_an_alternator_who_slips_once_is_still_one() -> None:
    slipped = [1.0, 0.0] * 15
    slipped[7] = 1.0
    assert nats(Patterns(), votes_of([slipped]), "patterned")[0] > 5


def test_always_one_side_is_no_pattern() -> None:
    assert nats(Patterns(), votes_of([[1.0] * 40]), "patterned")[0] < 2


def test_ties_and_neither_are_no_sides() -> None:
    assert nats(Sides(), votes_of([[0.5] * 30 + [-1.0] * 30]), "one_sided")[0] == pytest.approx(0)


# ---- gold and obvious pairs ------------------------------------------------------------------------------


def test_gold_clears_who_looks_and_accuses_who_does_not() -> None:
    gold = np.tile(np.r_[1, 0], 10)
    right, wrong, half = gold[:10].astype(float).tolist(), (1.0 - gold[:10]).tolist(), [1.0] * 10
    found = nats(Gold(), votes_of([right, wrong, half], gold=np.tile(gold[:10], 3)), "random")
    assert found[0] < -5
    assert found[1] > 8
    assert found[2] > 3


def test_two_misses_in_five_gold_pairs_are_forgiven() -> None:
    found = nats(Gold(), votes_of([[1.0, 1.0, 1.0, 0.0, 0.0]], gold=[1, 1, 1, 1, 1]), "random")
    assert found[0] + np.log(PRIOR["random"]) < -1


def test_a_pair_is_obvious_only_where_all_tastes_agree() -> None:
    expected = np.array([[0.95, 0.93], [0.05, 0.04], [0.95, 0.5], [0.95, 0.05], [np.nan, np.nan]])
    assert is_obvious(expected).tolist() == [True, True, False, False, False]
    assert not is_obvious(expected[:, :1]).any()


def test_obvious_pairs_count_like_gold_and_not_twice() -> None:
    expected = np.tile([0.94, 0.92], (40, 1))
    choices = [[1.0] * 20, [1.0, 0.0] * 10]
    found = nats(Obvious(), votes_of(choices, expected=expected), "random")
    assert found[0] < -5
    assert found[1] > 3
    assert (nats(Agreement(), votes_of(choices, expected=expected), "random") == 0).all()


# ---- agreement -------------------------------------------------------------------------------------------


def a_taste_test(seed: int, players: int, each: int, *, own: Array | None = None, n: int = 12) -> VoteTable:
    """Players who choose by a taste of their own (n,), or by the consensus; expected under the consensus and another
    taste.
    """
    rng = np.random.default_rng(seed)
    consensus, other = rng.normal(0, 0.8, (2, n))
    taste = consensus if own is None else own
    left = rng.integers(0, n, players * each)
    right = (left + rng.integers(1, n, left.size)) % n
    chose = rng.random(left.size) < 1 / (1 + np.exp(taste[right] - taste[left]))
    expected = 1 / (1 + np.exp(np.stack([t[right] - t[left] for t in (consensus, consensus, other)], axis=1)))
    return VoteTable.of(np.repeat(np.arange(players), each), left, right, chose.astype(float), expected=expected)


def test_agreement_clears_followers_of_any_known_taste() -> None:
    assert np.median(nats(Agreement(), a_taste_test(1, 40, 100), "random")) < -4
    other = np.random.default_rng(1).normal(0, 0.8, (2, 12))[1]
    assert np.median(nats(Agreement(), a_taste_test(1, 40, 100, own=other), "random")) < -3


def test_clicking_by_chance_is_found_and_told_from_a_taste_of_ones_own() -> None:
    chance = nats(Agreement(), a_taste_test(2, 60, 120, own=np.zeros(12)), "random")
    assert np.median(chance) > 1.5
    strange = np.random.default_rng(99).normal(0, 1.2, 12)
    assert np.median(nats(Agreement(), a_taste_test(2, 60, 120, own=strange), "random")) < -2


def test_the_opposite_taste_hesitates_where_all_do_and_contrarians_do_not() -> None:
    consensus = np.random.default_rng(3).normal(0, 0.8, (2, 12))[0]
    opposite = nats(Agreement(), a_taste_test(3, 40, 40, own=-consensus), "contrary")
    assert np.quantile(opposite, 0.9) + np.log(PRIOR["contrary"]) < 0
    contrarian = nats(Agreement(), a_taste_test(3, 40, 40, own=-40 * consensus), "contrary")
    assert contrarian.min() > 5


def test_the_chance_that_an_honest_player_is_ever_strongly_accused_is_small() -> None:
    """The ratio is an e-process: looked at after every fifth vote, it reaches 20 in at most one of twenty honest
    players.
    """
    votes = a_taste_test(4, 400, 60)
    signal, table = Agreement(), PlayerTable.of(400)
    nth = np.tile(np.arange(60), 400)
    highest = np.full(400, -np.inf)
    for begin in range(0, 60, 5):
        signal.add(votes.take(np.flatnonzero((nth >= begin) & (nth < begin + 5))))
        highest = np.maximum(highest, signal.weigh(np.arange(400), table)[:, WAY["random"]])
    assert np.mean(highest > np.log(20)) <= 0.05


# ---- time ------------------------------------------------------------------------------------------------


def a_timed_crowd(seed: int, medians_ms: list[float], each: int = 20) -> VoteTable:
    rng = np.random.default_rng(seed)
    took = np.exp(np.log(medians_ms)[:, None] + rng.normal(0, 0.4, (len(medians_ms), each)))
    return votes_of(coins(seed, len(medians_ms), each), took_ms=took.ravel())


def test_haste_is_found_against_the_crowd_and_not_against_a_fixed_limit() -> None:
    rng = np.random.default_rng(5)
    slow = (2000 * np.exp(rng.normal(0, 0.25, 200))).tolist()
    found = nats(ResponseTime(), a_timed_crowd(5, [500.0, *slow]), "random")
    assert found[0] > 3
    assert np.mean(found[1:] > 1) < 0.03
    quick = (500 * np.exp(rng.normal(0, 0.25, 200))).tolist()
    assert nats(ResponseTime(), a_timed_crowd(6, [500.0, *quick]), "random")[0] < 0


def test_a_quick_segment_is_no_segment_of_cheats() -> None:
    medians = [2600.0] * 150 + [1500.0] * 50
    found = nats(ResponseTime(), a_timed_crowd(7, medians), "random", segment=[0] * 150 + [1] * 50)
    assert np.mean(found[150:] > 0.5) < 0.05


def test_a_third_of_bots_does_not_become_the_standard() -> None:
    rng = np.random.default_rng(8)
    medians = [450.0] * 60 + (2000 * np.exp(rng.normal(0, 0.25, 140))).tolist()
    found = nats(ResponseTime(), a_timed_crowd(8, medians), "random")
    assert np.mean(found[:60] > 3) > 0.9
    assert np.mean(found[60:] > 1) < 0.05


def test_pairs_that_take_long_excuse_nobody_and_accuse_nobody() -> None:
    hard = np.tile([False] * 10 + [True] * 10, 50)
    took = np.where(hard, 4000.0, 1000.0) * np.exp(np.random.default_rng(9).normal(0, 0.3, 1000))
    easy_only = np.concatenate([took, np.full(20, 1000.0)])
    left = np.concatenate([np.where(hard, 2, 0), np.zeros(20, dtype=int)])
    votes = votes_of(coins(9, 51, 20), left=left, right=left + 1, took_ms=easy_only)
    assert nats(ResponseTime(), votes, "random")[50] < 1


def test_an_even_rhythm_and_unseen_pictures_are_mechanical() -> None:
    rng = np.random.default_rng(10)
    people = 2000 * np.exp(rng.normal(0, 0.4, (40, 20)))
    even, unseen = 1500 + rng.normal(0, 10, 20), rng.uniform(80, 250, 20)
    took = np.concatenate([[even], [unseen], people])
    found = nats(SessionShape(), votes_of(coins(10, 42, 20), took_ms=took.ravel()), "mechanical")
    assert found[0] > 5
    assert found[1] > 5
    assert found[2:].max() < 2


def test_a_crowd_with_a_coarse_clock_is_not_mechanical() -> None:
    assert nats(SessionShape(), votes_of(coins(11, 40, 20), took_ms=np.full(800, 1000.0)), "mechanical").max() < 0


def test_play_around_the_clock_is_mechanical_and_three_evenings_are_not() -> None:
    sleepless = np.arange(24) * 3600.0
    evenings = np.concatenate([day * DAY_S + 3600 * np.linspace(18, 23, 8) for day in range(3)])
    found = nats(SessionShape(), votes_of(coins(12, 2, 24), at=np.concatenate([sleepless, evenings])), "mechanical")
    assert found[0] > 5
    assert found[1] < 0


# ---- equal sequences -------------------------------------------------------------------------------------


def a_farm(seed: int, *, telephones: int, honest: int, each: int = 24, jitter_s: float = 60.0) -> VoteTable:
    rng = np.random.default_rng(seed)
    script = (rng.random(each) < 0.5).astype(float)
    choices = np.concatenate([np.tile(script, (telephones, 1)), (rng.random((honest, each)) < 0.5).astype(float)])
    late = np.concatenate([rng.uniform(0, jitter_s, telephones), rng.uniform(0, 3600, honest)])
    at = 1e6 + late[:, None] + 3.0 * np.arange(each)
    return votes_of(choices.tolist(), at=at.ravel())


def test_a_farm_with_a_minute_of_jitter_is_one_farm() -> None:
    signal = SameSequence()
    found = nats(signal, a_farm(13, telephones=20, honest=200), "farmed")
    assert found[:20].min() > 8
    assert found[20:].max() + np.log(PRIOR["farmed"]) < 0
    farms = signal.farms(220)
    assert set(farms[:20]) == {0}
    assert set(farms[20:]) == {-1}


def test_the_same_taps_on_different_days_are_chance() -> None:
    votes = a_farm(14, telephones=2, honest=50)
    apart = VoteTable.of(votes.player, votes.left, votes.right, votes.choice, at=votes.at + votes.player * DAY_S)
    assert nats(SameSequence(), apart, "farmed").max() < 0


def test_two_honest_lefties_or_alternators_are_no_farm() -> None:
    at = np.tile(1e6 + 3.0 * np.arange(40), 6)
    choices = [[1.0] * 40] * 3 + [[1.0, 0.0] * 20] * 3
    assert nats(SameSequence(), votes_of(choices, at=at), "farmed").max() <= 0


def test_a_sequence_that_comes_in_pieces_is_still_seen() -> None:
    votes = a_farm(15, telephones=12, honest=60)
    signal, table = SameSequence(), PlayerTable.of(72)
    nth = np.tile(np.arange(24), 72)
    for begin in (0, 5, 17):
        signal.add(votes.take(np.flatnonzero((nth >= begin) & (nth < {0: 5, 5: 17, 17: 24}[begin]))))
    assert signal.weigh(np.arange(12), table)[:, WAY["farmed"]].min() > 4


def test_without_times_the_place_in_the_sequence_is_compared() -> None:
    votes = a_farm(16, telephones=12, honest=60, each=40)
    untimed = VoteTable.of(votes.player, votes.left, votes.right, votes.choice)
    found = nats(SameSequence(), untimed, "farmed")
    assert found[:12].min() > 5
    assert found[12:].max() < 0


# ---- pushing ---------------------------------------------------------------------------------------------


def meetings(won: list[int], lost: list[int], lean: float = 0.5, others: int = 20) -> VoteTable:
    """Players who met party 0 that often, each time against another of nine parties; and elsewhere agree with
    expectation.
    """
    player, left, right, choice = [], [], [], []
    for who, (w, not_w) in enumerate(zip(won, lost, strict=True)):
        for k in range(w + not_w):
            player.append(who)
            left.append(k % 3)
            right.append(3 + k % 9 + 10 * (k // 9))
            choice.append(1.0 if k < w else 0.0)
        for k in range(others):
            player.append(who)
            left.append(100 + k)
            right.append(200 + k)
            choice.append(float(k % 10 < 7))
    a, b = np.array(left), np.array(right)
    party = np.where(np.arange(300) < 3, 0, np.arange(300) % 9 + 1)
    expected = np.where(a < 3, lean, 0.7)[:, None].repeat(3, axis=1)
    return VoteTable.of(
        player, a, b, choice, party_left=party[a], party_right=party[b], expected=np.clip(expected, 0.01, 0.99)
    )


def test_choosing_one_party_every_time_is_more_than_liking_it() -> None:
    found = nats(Push(), meetings([20, 16, 10, 4], [0, 4, 10, 0]), "pushing")
    assert found[0] > 1
    assert found[0] > found[3] + 1.5
    assert found[1] < 0
    assert found[2] < -1


def test_choosing_a_party_that_all_choose_is_no_evidence() -> None:
    assert nats(Push(), meetings([20], [0], lean=0.93), "pushing")[0] < 1


def test_never_choosing_one_party_is_demoting() -> None:
    table = meetings([0, 10], [20, 10])
    demoting = nats(Push(), table, "demoting")
    assert demoting[0] > 1
    assert demoting[1] < 0


def test_the_same_pair_again_is_no_new_evidence() -> None:
    once = meetings([6], [0])
    again = VoteTable.of(
        np.tile(once.player, 5), np.tile(once.left, 5), np.tile(once.right, 5), np.tile(once.choice, 5),
        party_left=np.tile(once.party_left, 5), party_right=np.tile(once.party_right, 5),
        expected=np.tile(once.expected, (5, 1)),
    )  # fmt: skip
    assert nats(Push(), again, "pushing") == pytest.approx(nats(Push(), once, "pushing"))


def test_a_group_tells_of_each_only_what_the_others_did() -> None:
    signal = Push()
    table = PlayerTable.of(6)
    signal.add(meetings([5, 5, 5, 2, 20, 2], [0, 0, 0, 3, 0, 3]))
    everyone = np.arange(6)
    alone = signal.weigh(everyone, table)[:, WAY["pushing"]]
    pooled = signal.pooled(everyone, np.array([0, 0, 0, 0, 1, 1]))[:, WAY["pushing"]]
    # Three who push in a little way each make the others of their group suspect of the same ...
    assert (pooled[:3] > alone[:3] + 0.5).all()
    # ... a single one makes only the companions a little so, and is no more suspect for having companions.
    assert pooled[4] == pytest.approx(alone[4], abs=0.3)
    assert pooled[5] < 0


def test_whose_taste_is_unknown_is_not_measured_by_the_known_ones() -> None:
    known, unknown = Push(), Push()
    unknown.unlike = lambda players: np.ones(players.size)
    table = meetings([9], [0], lean=0.15)
    assert nats(known, table, "pushing")[0] > nats(unknown, table, "pushing")[0] + 2


# ---- links -----------------------------------------------------------------------------------------------


def seen(player: list[int], **columns: object) -> VoteTable:
    return VoteTable.of(player, np.zeros(len(player), int), np.ones(len(player), int), np.ones(len(player)), **columns)


def test_devices_payees_and_rare_addresses_link() -> None:
    links = Links()
    links.add(seen([0, 1, 2, 3, 4, 5, 6], device=[7, 7, 8, 9, 10, 11, -1], address=[1, 2, 3, 3, 4, 5, -1]))
    groups = links.groups(PlayerTable.of(7, payee=[0, 1, 2, 3, 9, 9, -1]))
    assert groups.of[0] == groups.of[1] >= 0
    assert groups.of[2] == groups.of[3] >= 0
    assert groups.of[4] == groups.of[5] >= 0
    assert groups.of[6] == -1
    assert [groups.by[groups.of[k]] for k in (0, 2, 4)] == [("device",), ("address",), ("payee",)]
    assert groups.members(int(groups.of[0])).tolist() == [0, 1]


def test_a_carrier_address_links_nobody() -> None:
    links = Links()
    links.add(seen(list(range(500)), address=[1] * 500, at=np.arange(500) * 40.0))
    assert (links.groups(PlayerTable.of(500)).of == -1).all()


def test_the_same_few_on_an_address_in_the_same_hours_again_and_again_are_linked() -> None:
    # Forty players pass through one address; two of them always together.
    player, at = [], []
    for k in range(40):
        player += [k] * 4
        at += [3600.0 * (4 * (k // 2 * 2) + j) if k < 2 else 3600.0 * (1000 + 10 * k + j) for j in range(4)]
    links = Links()
    links.add(seen(player, address=[1] * len(player), at=at))
    groups = links.groups(PlayerTable.of(40))
    assert groups.of[0] == groups.of[1] >= 0
    assert (groups.of[2:] == -1).all()
    assert groups.by == (("hours",),)


def test_a_family_on_one_telephone_is_nothing_and_a_dozen_accounts_are_one_hand() -> None:
    device = [0] * 4 + [1] * 12
    found = nats(Links(), seen(list(range(16)), device=device), "multiplied")
    assert (found[:4] == 0).all()
    assert (found[4:] > 5).all()


def test_a_device_number_that_hundreds_share_is_a_faulty_number() -> None:
    assert (nats(Links(), seen(list(range(400)), device=[5] * 400), "multiplied") == 0).all()
