"""A simulated crowd with a known truth: honest players of several tastes, their households and networks, and every
kind of attacker.

The world is the one of docs/fair-votes.md: strengths N(0, 0.6²) logits, personal taste 0.5 around the taste of the
segment, left shown helps by 0.08 logit (and by more or less for each player), pairs dealt at random with random
sides, one pair in twenty a gold pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.random import Generator

from game.abuse.evidence import UNKNOWN, Bools, Floats, Ints, PlayerTable, VoteTable

DAY_S: Final = 86_400.0
HONEST: Final = "honest"
ATTACKS: Final = (
    "left",  # the same side, one slip in a hundred
    "alternating",  # left, right, left, right, one slip in a hundred
    "fast_random",  # by chance, in half a second
    "hurried_random",  # by chance, in 0.8 seconds, three answers in ten at a human pace
    "random",  # by chance, at a human pace
    "contrary",  # against what most prefer, one slip in a hundred
    "pusher",  # for one merchant's styles, honest elsewhere
    "random_pusher",  # for one merchant's styles, by chance elsewhere
    "half_pusher",  # for one merchant's styles, every second time
    "demoter",  # against one merchant's styles, honest elsewhere
    "ring",  # pushers in groups of ten that share devices, addresses or a payee
    "farm",  # twenty telephones that repeat one random sequence of taps within a minute
    "robot",  # by chance, at perfectly even intervals
)
_GOLD_EVERY: Final = 20
_SPEED_MEDIAN_MS: Final = 2000.0


@dataclass(frozen=True, slots=True)
class World:
    """What may be chosen about a crowd; the defaults are the world that the thresholds were calibrated in."""

    n_styles: int = 30
    n_merchants: int = 10
    strength_sd: float = 0.6
    personal_sd: float = 0.5
    segment_sd: float = 0.35
    segment_shares: tuple[float, ...] = (0.40, 0.25, 0.15, 0.12, 0.08)
    # The last segment has a taste of its own, and so has this share of every segment, undeclared.
    undeclared_share: float = 0.10
    side_effect: float = 0.08
    side_effect_sd: float = 0.25
    gold: bool = True
    honest_gold: float = 0.95


@dataclass(frozen=True, slots=True)
class Crowd:
    """Votes and players, and the truth about them. `kind` indexes `kinds` (0 is honest); `group` numbers rings and
    farms.
    """

    votes: VoteTable
    players: PlayerTable
    kinds: tuple[str, ...]
    kind: Ints
    group: Ints
    undeclared: Bools
    strength: Floats
    merchant: Ints
    target: int
    worlds: World = field(repr=False)

    @property
    def honest(self) -> Bools:
        return np.asarray(self.kind == 0)

    def first(self, n_votes: int) -> VoteTable:
        """The table with each player's first n_votes only."""
        player = self.votes.player
        starts = np.searchsorted(player, player)
        return self.votes.take(np.flatnonzero(np.arange(player.size) - starts < n_votes))


def gather(
    rng: Generator,
    *,
    n_players: int,
    votes_each: int,
    attackers: Mapping[str, float] | None = None,
    world: World | None = None,
) -> Crowd:
    """A crowd of n_players, of whom the named shares are attackers of the named kinds, each with votes_each votes on
    one catalogue.

    The pushed merchant is the one whose best style has rank n/4 + 1: pushing a winner or a hopeless style would say
    little.
    """
    world = world or World()
    attackers = dict(attackers or {})
    unknown = set(attackers) - set(ATTACKS)
    assert not unknown, f"unknown attacks: {sorted(unknown)}"
    kinds = (HONEST, *attackers)
    kind = np.zeros(n_players, dtype=np.int64)
    order = rng.permutation(n_players)
    begin = 0
    for number, share in enumerate(attackers.values(), start=1):
        end = begin + round(share * n_players)
        kind[order[begin:end]] = number
        begin = end
    named = np.array(kinds)[kind]

    strength, taste, segment, undeclared = _tastes(rng, world, n_players)
    merchant = np.arange(world.n_styles) % world.n_merchants
    by_rank = np.argsort(-strength)
    target = int(merchant[by_rank[world.n_styles // 4]])

    player = np.repeat(np.arange(n_players), votes_each)
    nth = np.tile(np.arange(votes_each), n_players)
    left, right = _pairs(rng, world.n_styles, n_players, votes_each)
    gold = np.full(player.size, UNKNOWN, dtype=np.int64)
    if world.gold:
        asked = rng.random(player.size) < 1 / _GOLD_EVERY
        gold[asked] = rng.integers(0, 2, int(asked.sum()))

    # Honest answers first; attackers overwrite their own.
    bias = world.side_effect + world.side_effect_sd * rng.standard_normal(n_players)
    gap = taste[player, left] - taste[player, right] + bias[player]
    honest_left = rng.random(player.size) < 1 / (1 + np.exp(-gap))
    right_of_gold = rng.random(player.size) < world.honest_gold
    honest_left = np.where(gold >= 0, (gold == 1) == right_of_gold, honest_left)
    took_ms = _paces(rng, n_players, player, segment, gap)

    group = np.full(n_players, UNKNOWN, dtype=np.int64)
    for name, size in (("ring", 10), ("farm", 20)):
        members = np.flatnonzero(named == name)
        group[members] = np.arange(members.size) // size + (group.max() + 1)
    answers, took_ms = _attacks(
        rng, world, named, group, player, nth, left, right, gold, honest_left, strength, merchant, target, took_ms
    )
    at, session = _clock(rng, named, group, player, nth, took_ms, n_players, votes_each)
    device, address, payee, inviter = _whereabouts(rng, named, group, player, session, n_players)

    votes = VoteTable.of(
        player,
        left,
        right,
        answers.astype(np.float64),
        took_ms=np.round(took_ms),
        at=at,
        session=session,
        gold=gold,
        party_left=merchant[left],
        party_right=merchant[right],
        device=device,
        address=address,
    )
    return Crowd(
        votes=votes,
        players=PlayerTable.of(n_players, segment=segment, payee=payee, inviter=inviter),
        kinds=kinds,
        kind=kind,
        group=group,
        undeclared=undeclared,
        strength=strength,
        merchant=merchant,
        target=target,
        worlds=world,
    )


def _tastes(rng: Generator, world: World, n_players: int) -> tuple[Floats, Floats, Ints, Bools]:
    n = world.n_styles
    strength = world.strength_sd * rng.standard_normal(n)
    n_segments = len(world.segment_shares)
    of_segment = strength + world.segment_sd * rng.standard_normal((n_segments, n))
    if n_segments > 1:
        of_segment[-1] = world.strength_sd * rng.standard_normal(n)
    hidden = world.strength_sd * rng.standard_normal(n)
    segment = rng.choice(n_segments, n_players, p=np.asarray(world.segment_shares) / sum(world.segment_shares))
    undeclared = rng.random(n_players) < world.undeclared_share
    mean = np.where(undeclared[:, None], hidden, of_segment[segment])
    return strength, mean + world.personal_sd * rng.standard_normal((n_players, n)), segment, undeclared


def _pairs(rng: Generator, n_styles: int, n_players: int, votes_each: int) -> tuple[Ints, Ints]:
    first, second = np.triu_indices(n_styles, 1)
    dealt = []
    for begin in range(0, votes_each, first.size):  # nobody meets a pair twice before all pairs are through
        keys = rng.random((n_players, first.size)).argsort(axis=1)
        dealt.append(keys[:, : min(first.size, votes_each - begin)])
    pair = np.concatenate(dealt, axis=1).ravel()
    swap = rng.random(pair.size) < 0.5
    return np.where(swap, second[pair], first[pair]), np.where(swap, first[pair], second[pair])


def _paces(rng: Generator, n_players: int, player: Ints, segment: Ints, gap: Floats) -> Floats:
    """Honest answers take about two seconds, longer near a tie; segments and players differ; some are thrice as slow
    by distraction.
    """
    of_segment = np.linspace(-0.25, 0.25, int(segment.max()) + 1)
    own = of_segment[segment] + 0.25 * rng.standard_normal(n_players)
    near = 0.25 * np.exp(-np.abs(gap))
    noise = 0.4 * rng.standard_normal(player.size) + np.where(rng.random(player.size) < 0.03, 1.1, 0.0)
    return np.asarray(_SPEED_MEDIAN_MS * np.exp(own[player] + near - 0.15 + noise))


def _attacks(
    rng: Generator,
    world: World,
    named: np.ndarray,
    group: Ints,
    player: Ints,
    nth: Ints,
    left: Ints,
    right: Ints,
    gold: Ints,
    honest_left: Bools,
    strength: Floats,
    merchant: Ints,
    target: int,
    took_ms: Floats,
) -> tuple[Bools, Floats]:
    n = player.size
    who = named[player]
    coin = rng.random(n) < 0.5
    slip = rng.random(n) < 1 / 100
    noise = np.exp(0.4 * rng.standard_normal(n))
    answers = honest_left.copy()

    def put(mask: Bools, values: Bools) -> None:
        answers[mask] = values[mask]

    side = (rng.random(named.size) < 0.5)[player]
    put(who == "left", side ^ slip)
    put(who == "alternating", ((nth % 2) == side) ^ slip)
    for name in ("fast_random", "hurried_random", "random", "random_pusher", "robot"):
        put(who == name, coin)
    put(who == "contrary", ((strength[left] < strength[right]) ^ slip) & (gold < 0) | (gold == 0))
    helps_left, helps_right = merchant[left] == target, merchant[right] == target
    stake = (helps_left ^ helps_right) & (gold < 0)
    tries = (who == "pusher") | (who == "random_pusher") | (who == "ring")
    half = (who == "half_pusher") & (rng.random(n) < 0.5)
    put((tries | half) & stake, helps_left)
    put((who == "demoter") & stake, helps_right)
    script = rng.random((max(1, int(group.max()) + 1), int(nth.max()) + 1)) < 0.5
    put(who == "farm", script[group[player], nth] ^ (slip & coin))

    quick = (who == "fast_random") | (who == "farm")
    took_ms = np.where(quick, 500.0 * noise, took_ms)
    careless = np.isin(who, ("left", "alternating", "hurried_random")) & (rng.random(n) < 0.7)
    took_ms = np.where(careless, 800.0 * noise, took_ms)
    took_ms = np.where(who == "robot", 1500.0 * np.exp(0.02 * rng.standard_normal(n)), took_ms)
    return answers, took_ms


def _clock(
    rng: Generator,
    named: np.ndarray,
    group: Ints,
    player: Ints,
    nth: Ints,
    took_ms: Floats,
    n_players: int,
    votes_each: int,
) -> tuple[Floats, Ints]:
    """Two sessions of ten a day, mostly in the evening; farms start together up to a minute apart; robots never
    sleep.
    """
    per_session = 10
    n_sessions = -(-votes_each // per_session)
    days = np.arange(n_sessions) // 2
    # Days differ per player: nobody joins on the same day, and a test runs for weeks.
    joined = rng.integers(0, 7, n_players)
    hour = np.where(
        rng.random((n_players, n_sessions)) < 0.5,
        rng.normal(20.5, 1.5, (n_players, n_sessions)),
        rng.uniform(7, 23, (n_players, n_sessions)),
    )
    start = (
        (joined[:, None] + days[None, :]) * DAY_S
        + np.sort(hour.reshape(n_players, -1), axis=1)[:, :1] * 0
        + hour * 3600.0
    )
    for number in np.unique(group[named == "farm"]):
        members = np.flatnonzero(group == number)
        start[members] = start[members[0]] + rng.uniform(0, 60, members.size)[:, None]
    start = np.sort(start, axis=1)
    pause = 0.6 + 0.4 * rng.random(player.size)
    robots = named == "robot"
    pause[robots[player]] = 0.8
    step = took_ms / 1000.0 + pause
    table = step.reshape(n_players, votes_each)
    session = nth // per_session
    within = np.zeros_like(table)
    for begin in range(0, votes_each, per_session):
        within[:, begin : begin + per_session] = np.cumsum(table[:, begin : begin + per_session], axis=1)
    at = start[player, session] + within.ravel()
    for robot in np.flatnonzero(robots):
        at[robot * votes_each : (robot + 1) * votes_each] = start[robot, 0] + np.cumsum(table[robot])
    return at, player * n_sessions + session


def _whereabouts(
    rng: Generator, named: np.ndarray, group: Ints, player: Ints, session: Ints, n_players: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """Devices and addresses per vote, payees and inviters per player; numbers, not names.

    A third of the honest live in households of two to four that share an address, a payee, and now and then a device.
    Half of all sessions go through one of forty carrier addresses that thousands share. A quarter was invited by
    another honest player.
    """
    device_of = np.arange(n_players)
    home = np.arange(n_players) + 1_000_000
    payee = np.arange(n_players)
    honest = rng.permutation(np.flatnonzero(~np.isin(named, ("ring", "farm"))))
    housed = honest[: honest.size // 3]
    begin = 0
    while begin < housed.size:
        members = housed[begin : begin + int(rng.integers(2, 5))]
        home[members] = home[members[0]]
        payee[members] = payee[members[0]]
        if rng.random() < 0.3:
            device_of[members] = device_of[members[0]]
        begin += members.size
    inviter = np.where(rng.random(n_players) < 0.25, rng.integers(0, n_players, n_players), UNKNOWN)
    for number in np.unique(group[group >= 0]):
        members = np.flatnonzero(group == number)
        if named[members[0]] == "farm":
            home[members] = home[members[0]]
            continue
        # A ring shares three devices and two payees, and was invited by its first member: linked, but by no single
        # thread.
        device_of[members] = members[np.arange(members.size) % 3]
        payee[members] = members[np.arange(members.size) % 2]
        inviter[members[1:]] = members[0]
    n_sessions = int(session.max()) + 1
    carrier = rng.integers(0, 40, n_sessions) + 5_000_000
    roams = rng.random(n_sessions) < 0.5
    address = np.where(roams[session], carrier[session], home[player])
    return device_of[player], address, payee, inviter
