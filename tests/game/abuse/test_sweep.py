"""All signals together on simulated crowds with a known truth: who is caught, and above all who is not."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from game.abuse.crowd import ATTACKS, Crowd, World, gather
from game.abuse.evidence import WAYS, PlayerTable, VoteTable
from game.abuse.review import Review, review
from game.abuse.sweep import Sweep
from game.abuse.verdict import REASONS, STANDINGS

TRUSTED, WATCHED, MUTED = (STANDINGS.index(name) for name in ("trusted", "watched", "muted"))
MANY = 600


@cache
def a_crowd(seed: int, votes: int = 40, world: World | None = None, **attackers: float) -> Crowd:
    return gather(np.random.default_rng(seed), n_players=MANY, votes_each=votes, attackers=attackers, world=world)


@cache
def judged(seed: int, votes: int = 40, world: World | None = None, **attackers: float) -> Review:
    crowd = a_crowd(seed, votes, world, **attackers)
    return review(crowd.votes, crowd.players, party=crowd.merchant)


def caught(seed: int, votes: int, kind: str, at: float = 0.99, share: float = 0.05) -> float:
    """Share of attackers beyond the given quantile of the honest players of the same crowd."""
    crowd, found = a_crowd(seed, votes, **{kind: share}), judged(seed, votes, **{kind: share}).verdicts.log_odds
    return float(np.mean(found[~crowd.honest] > np.quantile(found[crowd.honest], at)))


# ---- honest players --------------------------------------------------------------------------------------

WORLDS = {
    "standard": World(),
    "minorities": World(segment_shares=(0.25, 0.25, 0.25, 0.25), undeclared_share=0.3),
    "without gold": World(gold=False),
    "strong": World(strength_sd=1.5, n_styles=12, n_merchants=12),
}


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("votes", [20, 60])
def test_of_honest_players_hardly_anybody_is_muted_and_few_are_watched(name: str, votes: int) -> None:
    crowd, standing = a_crowd(1, votes, WORLDS[name]), judged(1, votes, WORLDS[name]).verdicts.standing
    assert np.mean(standing == MUTED) <= 0.005
    for segment in np.unique(crowd.players.segment):
        mine = crowd.players.segment == segment
        assert np.mean(standing[mine] == MUTED) <= 0.01
    assert np.mean(standing != TRUSTED) <= 0.01
    assert np.mean(standing[crowd.undeclared] != TRUSTED) <= 0.04


def test_the_probabilities_of_honest_players_are_small() -> None:
    assert judged(1).verdicts.p_abusive.mean() < 0.04


def test_a_household_is_not_punished_for_its_cheat() -> None:
    """Families share device, address and payee with a member who taps one side only."""
    crowd = a_crowd(2)
    votes = crowd.votes
    cheats = np.arange(0, MANY, 3)
    device = votes.player // 3
    spoiled = np.where(np.isin(votes.player, cheats), 1.0, votes.choice)
    table = VoteTable.of(
        votes.player, votes.left, votes.right, spoiled, took_ms=votes.took_ms, at=votes.at, gold=votes.gold,
        device=device, address=device,
    )  # fmt: skip
    standing = review(table, PlayerTable.of(MANY, payee=np.arange(MANY) // 3)).verdicts.standing
    assert np.mean(standing[cheats] != TRUSTED) > 0.95
    families = np.setdiff1d(np.arange(MANY), cheats)
    assert np.mean(standing[families] == MUTED) <= 0.005
    assert np.mean(standing[families] != TRUSTED) <= 0.03


def test_reasons_are_given_to_whoever_is_not_trusted_and_to_nobody_else() -> None:
    found = judged(3, left=0.05, random=0.05, pusher=0.05).verdicts
    for row in range(MANY):
        reasons = found.reasons(row)
        assert set(reasons) <= set(REASONS)
        assert bool(reasons) == (found.standing[row] != TRUSTED)


# ---- attackers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "votes", "share"),
    [
        ("left", 20, 0.95), ("alternating", 20, 0.95), ("fast_random", 20, 0.95), ("contrary", 20, 0.8),
        ("robot", 20, 0.95), ("random", 100, 0.85), ("pusher", 100, 0.9), ("farm", 40, 0.95),
    ],
)  # fmt: skip
def test_attackers_are_found(kind: str, votes: int, share: float) -> None:
    """Thirty attackers of a kind: the bounds lie two standard errors below what `python -m bench.abuse` measures."""
    assert caught(4, votes, kind) >= share


def test_ten_linked_pushers_are_found_by_what_they_do_together() -> None:
    assert caught(5, 20, "ring") >= 0.95
    assert caught(5, 20, "pusher") < 0.3


def test_clicking_by_chance_at_a_human_pace_is_watched_and_not_muted_without_gold() -> None:
    world = World(gold=False)
    standing = judged(6, 100, world, random=0.1).verdicts.standing
    assert not (standing == MUTED).any()


def test_contrarians_are_weighed_and_not_muted() -> None:
    crowd, found = a_crowd(7, 100, World(gold=False), contrary=0.05), judged(7, 100, World(gold=False), contrary=0.05)
    bad = ~crowd.honest
    assert np.mean(found.verdicts.standing[bad] == WATCHED) > 0.9
    assert found.verdicts.reliability[bad].mean() < 0.2


def test_lonely_pushers_lose_weight_where_they_push_and_are_not_muted() -> None:
    """On their party's styles their votes weigh nothing; what honest people say of the same styles keeps its weight."""
    crowd, found = a_crowd(7, 100, World(gold=False), pusher=0.05), judged(7, 100, World(gold=False), pusher=0.05)
    bad = ~crowd.honest
    assert np.mean(found.verdicts.standing[bad] == MUTED) < 0.1
    assert np.mean(found.verdicts.standing[bad] != TRUSTED) > 0.5
    stake = (crowd.merchant[found.votes.left] == crowd.target) ^ (crowd.merchant[found.votes.right] == crowd.target)
    assert found.vote_weight[stake & bad[found.votes.player]].mean() < 0.1
    assert found.vote_weight[stake & ~bad[found.votes.player]].mean() > 0.85


def test_lovers_of_what_is_pushed_are_not_watched_for_it() -> None:
    """Among twenty pushers in a hundred, who loves the style looks much like them, and is left in peace."""
    crowd, found = (
        a_crowd(12, 30, World(n_styles=12, n_merchants=12), pusher=0.2),
        judged(12, 30, World(n_styles=12, n_merchants=12), pusher=0.2),
    )
    standing = found.verdicts.standing[crowd.honest]
    assert np.mean(standing != TRUSTED) <= 0.02
    assert np.mean(standing == MUTED) <= 0.005


def test_farms_and_rings_are_shown_as_clusters_and_families_are_not() -> None:
    crowd, found = a_crowd(8, farm=0.1, ring=0.05), judged(8, farm=0.1, ring=0.05)
    farms = [c for c in found.clusters if "sequence" in c.by]
    assert {frozenset(crowd.group[c.members].tolist()) for c in farms} == {frozenset([g]) for g in np.unique(
        crowd.group[crowd.kind == crowd.kinds.index("farm")])}  # fmt: skip
    assert all(c.members.size >= 15 for c in farms)
    for cluster in found.clusters:
        assert np.mean(~crowd.honest[cluster.members]) > 0.5
        assert cluster.p_abusive > 0.5


def test_review_takes_back_what_pushers_gained() -> None:
    crowd, found = a_crowd(9, 100, pusher=0.1), judged(9, 100, pusher=0.1)
    pushing = ~crowd.honest[found.votes.player]
    assert found.vote_weight[pushing].mean() < 0.15
    assert found.vote_weight[~pushing].mean() > 0.9


@pytest.mark.parametrize("kind", ATTACKS)
def test_every_kind_of_attacker_can_be_gathered_and_judged(kind: str) -> None:
    crowd = gather(np.random.default_rng(0), n_players=80, votes_each=12, attackers={kind: 0.25})
    found = review(crowd.votes, crowd.players).verdicts
    assert np.isfinite(found.log_odds).all()
    assert (found.ways.sum(axis=1) <= 1 + 1e-9).all()
    assert found.ways.shape == (80, len(WAYS))


# ---- running ---------------------------------------------------------------------------------------------


def in_days(crowd: Crowd, expected: np.ndarray) -> list[VoteTable]:
    votes = replace(crowd.votes, expected=expected, lean=expected[:, 0])
    day = (votes.at // 86_400).astype(int)
    return [votes.take(np.flatnonzero(day == d)) for d in np.unique(day)]


def test_a_sweep_day_by_day_comes_to_nearly_the_same_verdicts() -> None:
    kinds = {"left": 0.03, "fast_random": 0.03, "ring": 0.05, "farm": 0.07}
    crowd, whole = a_crowd(10, **kinds), judged(10, **kinds)
    sweep = Sweep()
    for votes in in_days(crowd, whole.votes.expected):
        touched = sweep.add(votes)
        assert touched.tolist() == np.unique(votes.player).tolist()
        sweep.verdicts(crowd.players, touched)
    found = sweep.verdicts(crowd.players)
    assert found.votes.tolist() == whole.verdicts.votes.tolist()
    assert np.corrcoef(found.log_odds, whole.verdicts.log_odds)[0, 1] > 0.97
    assert np.mean(found.standing == whole.verdicts.standing) > 0.97


def test_verdicts_on_some_players_are_those_on_all() -> None:
    found = judged(11, ring=0.05)
    some = np.arange(0, MANY, 7)
    part = found.sweep.verdicts(a_crowd(11, ring=0.05).players, some)
    assert part.player.tolist() == some.tolist()
    assert part.log_odds == pytest.approx(found.verdicts.log_odds[some])


def test_an_empty_sweep_trusts_everybody() -> None:
    sweep = Sweep()
    found = sweep.verdicts(PlayerTable.of(4))
    assert found.standing.tolist() == [TRUSTED] * 4
    assert sweep.clusters(PlayerTable.of(4), found) == ()
    assert set(sweep.measures(2)) == {signal.name for signal in sweep.signals}


def test_every_player_has_figures_for_the_operator() -> None:
    found = judged(12, left=0.05)
    cheat = int(np.flatnonzero(found.verdicts.standing == MUTED)[0])
    figures = found.sweep.measures(cheat)["sides"]
    assert figures["decided"] >= 38
    assert min(figures["left"], figures["decided"] - figures["left"]) <= 3
