"""Laws of the confirmation: whom a voter meets, when a session is over, and what is said of a leader that was pushed."""

from uuid import UUID, uuid4

import numpy as np
import pytest

from game.confirmation import Probe, ProbeVotes, confirm, plan
from ranking.pairing import Goal
from ranking.stopping import confirmation_votes

RNG = np.random.default_rng


def a_session(probe: Probe, player: UUID, *, met: set[tuple[int, int]] | None = None, seed: int = 0) -> list:
    """All pairs of one player's session with their chances, as dealing asks for them one by one."""
    met, probed, session, rng = set(met or ()), set(), [], RNG(seed)
    while (found := probe.next_pair(player, met, probed, rng)) is not None:
        pair, _ = found
        assert pair not in met
        met.add(pair)
        probed.add(pair)
        session.append(found)
    return session


def test_a_session_is_eight_of_ten_pairs_with_the_leader_against_different_rivals() -> None:
    """Whoever plays it to its end meets the leader in exactly as many pairs as planned, never a pair twice."""
    for seed in range(30):
        pairs = [pair for pair, _ in a_session(Probe((4,), 12), uuid4(), seed=seed)]
        assert len(pairs) == len(set(pairs)) == 10
        assert sum(4 in pair for pair in pairs) == 8


@pytest.mark.parametrize(("n", "length", "with_leader"), [(3, 3, 2), (4, 5, 3), (6, 7, 5), (9, 10, 8)])
def test_with_few_styles_the_leader_meets_all_others(n: int, length: int, with_leader: int) -> None:
    """A session is as long as there are pairs for it, and its length is the plan's."""
    pairs = [pair for pair, _ in a_session(Probe((0,), n), uuid4())]
    assert (len(pairs), sum(0 in pair for pair in pairs)) == (length, with_leader)
    assert plan(0, n).pairs == length
    assert plan(0, n).votes == confirmation_votes(Goal(certainty="proven"), n) >= 2000


def test_the_chances_of_all_pairs_that_could_come_sum_to_one() -> None:
    """The recorded chance of a pair is the chance with which it was dealt."""
    counted: dict[tuple[int, int], int] = {}
    told: dict[tuple[int, int], float] = {}
    for seed in range(4000):
        pair, chance = Probe((1,), 5).next_pair(UUID(int=1), set(), set(), RNG(seed)) or ((0, 0), 0.0)
        counted[pair] = counted.get(pair, 0) + 1
        told[pair] = chance
    assert sum(told.values()) == pytest.approx(1.0)
    for pair, chance in told.items():
        assert counted[pair] / 4000 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 4000) ** 0.5)


def test_nobody_begins_a_session_that_could_say_nothing() -> None:
    """Who has met the leader beside all others but one is not asked; who began, goes on to the last rival."""
    met = {(0, 1), (0, 2)}
    assert Probe((0,), 4).next_pair(UUID(int=1), met, set(), RNG(0)) is None
    found = Probe((0,), 4).next_pair(UUID(int=1), met | {(1, 2), (1, 3), (2, 3)}, met, RNG(0))
    assert found == ((0, 3), 1.0)


def test_several_chosen_styles_are_met_by_different_voters() -> None:
    """A voter meets one of them all session long, and each of them has about its part of the voters."""
    probe = Probe((0, 1, 2), 12)
    leaders = [probe.plan_of(UUID(int=number)).leader for number in range(600)]
    assert leaders == [probe.plan_of(UUID(int=number)).leader for number in range(600)]
    assert all(150 < leaders.count(leader) < 250 for leader in probe.leaders)


def test_only_a_proven_goal_of_three_styles_or_more_is_confirmed() -> None:
    """Likely is a bet and needs none; of two styles a voter sees one pair."""
    proven = Goal(certainty="proven")
    assert confirmation_votes(proven, 3) >= 2000
    assert confirmation_votes(proven, 2) == 0
    assert confirmation_votes(Goal(), 12) == 0


def votes_of(n: int, voters: int, *, bought: float, seed: int = 1) -> tuple[ProbeVotes, np.ndarray]:
    """Sessions in which a share of the voters always takes style 0, the others by honest and differing taste."""
    rng = RNG(seed)
    strength = np.linspace(0.5, -0.5, n)
    left, right, choice, who = [], [], [], []
    for voter in range(voters):
        taste = strength + 0.5 * rng.standard_normal(n)
        for (a, b), _ in a_session(Probe((0,), n), UUID(int=voter), seed=int(rng.integers(2**31))):
            if rng.random() < 0.5:
                a, b = b, a
            wins = rng.random() < 1 / (1 + np.exp(taste[b] - taste[a]))
            if voter < bought * voters and 0 in (a, b):
                wins = a == 0
            left.append(a), right.append(b), choice.append(float(wins)), who.append(voter)
    return ProbeVotes(np.array(left), np.array(right), np.array(choice), np.array(who)), strength - strength.mean()


def test_a_confirmation_runs_until_its_votes_are_there_and_then_says_what_it_found() -> None:
    """Running says nothing of anybody; an honest crowd passes, a bought one is told of in numbers."""
    titles = [f"款式{i}" for i in range(8)]
    honest, strength = votes_of(8, 60, bought=0.0)
    running = confirm((0,), honest, strength, side_effect=0.0, last=False)
    assert (running.state, running.flagged, running.over) == ("running", (), False)
    assert running.votes == len(honest.left)
    short = confirm((0,), honest, strength, side_effect=0.0, last=True)
    assert short.state == "passed"
    assert f"{short.votes}" in short.words(titles)[1]
    whole, strength = votes_of(8, 240, bought=0.0)
    assert confirm((0,), whole, strength, side_effect=0.0, last=False).state == "passed"
    bought, strength = votes_of(8, 240, bought=0.2)
    found = confirm((0,), bought, strength, side_effect=0.0, last=False)
    assert (found.state, found.flagged) == ("flagged", (0,))
    zh, en = found.words(titles)
    assert "款式0" in zh
    assert str(found.verdicts[0].all_win) in en


def test_votes_of_another_leader_do_not_count_towards_the_plan() -> None:
    """When the lead changes the confirmation begins anew for the new leader: from the votes, not from a memory."""
    cast, strength = votes_of(12, 100, bought=0.0)
    other = ProbeVotes(
        *(column[(cast.left != 7) & (cast.right != 7)] for column in (cast.left, cast.right, cast.choice, cast.voter))
    )
    assert confirm((7,), other, strength, side_effect=0.0, last=False).votes == 0
    assert confirm((0,), other, strength, side_effect=0.0, last=False).votes == len(other.left)


def test_a_confirmation_without_a_single_vote_passes_when_nothing_more_will_come() -> None:
    """Money that ends with the rule's own firing leaves the decision as it is, and says how little was confirmed."""
    nothing = ProbeVotes(*(np.zeros(0, dtype=int) for _ in range(4)))
    found = confirm((2,), nothing, np.zeros(5), side_effect=0.0, last=True)
    assert (found.state, found.votes) == ("passed", 0)
