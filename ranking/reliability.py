"""How far each voter can be believed, judged within the tastes that the crowd really has.

A mixture of kinds of voters is fitted to one test by expectation maximisation: some have the taste of their segment,
some another taste that is found in the votes, some click by chance, take one side, or follow a pattern. With one
taste only, every minority would be "unreliable" (Crowd-BT, Chen et al. 2013, turns it around altogether); with two,
0.0-0.7 % of an honest minority is. The weights are soft: a voter's votes count by the probability that the voter is
honest. On top stands the collusion gate: a style for which more voters choose it *every* time than even strong liking
explains has its own class, and only the votes on that style lose weight.

Sources: Raykar & Yu 2012 (SpEM) for the mixture, Bugakova et al. 2019 (factorBT) for answers by position; the gate is
our own (docs/fair-votes.md).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from ranking._blas import one_thread
from ranking.comparisons import LEFT, NO_LIKING, RIGHT, Comparisons
from ranking.voter_kinds import Pace, lag_matches, log_gold, log_pattern_ratio, log_side, numbered, totals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CARELESS: Final = ("random", "one_sided", "patterned", "contrary")
"""The kinds of voters who do not look, in the order of the last columns of `Reliability.responsibility`."""

FAN_NODES: Final = np.array([-3.7504397, -2.3667594, -1.1544054, 0.0, 1.1544054, 2.3667594, 3.7504397])
FAN_WEIGHTS: Final = np.array([0.00054827, 0.03075712, 0.24012318, 0.45714286, 0.24012318, 0.03075712, 0.00054827])
"""Seven-point Gauss-Hermite rule for a standard normal: how much an honest voter may like one style better than
others do.
"""

FAN_SD: Final = 0.7
_LIKING_SDS: Final = (0.7, 1.1, 1.6)
ALWAYS: Final = 0.97
"""How often a colluder does what colluders do."""

_SEGMENT_SD: Final = 0.35
_CONTRARY_SLOPE: Final = 7.0  # the logistic whose spread is a standard deviation of 0.25 logit
_CONTRARY_VOTES: Final = 6
_SECOND_THOUGHTS: Final = 3  # how often tastes that are none are taken out and the rest settles again
_GATE_Z: Final = 3.5
_LOO_CELLS: Final = 30_000_000
# Up to so many votes every step leaves each voter's own votes out; beyond, only the last one does, for no voter
# weighs much among so many.
_EXACT_VOTES: Final = 60_000
_ENOUGH_VOTES: Final = 250_000


@dataclass(frozen=True, slots=True)
class Gate:
    """More voters than liking explains chose this item every time. `share` of its voters did; `z` says how far beyond
    chance.
    """

    item: int
    z: float
    always: int
    expected: float
    voters: int

    @property
    def share(self) -> float:
        return self.always / self.voters


@dataclass(frozen=True, slots=True)
class Excuses:
    """Arrays of equal length: a voter's number in the comparisons, an item, and the factor (0 to 1) by which the votes of
    this voter on this item count.
    """

    voter: Ints
    item: Ints
    factor: Floats


@dataclass(frozen=True, slots=True)
class Reliability:
    """What is concluded of the voters of one test. V voters, m votes, G tastes, n items.

    `voter` (V,) their numbers in the comparisons; `weight` (V,) 1 - P(careless); `responsibility` (V, G + 4)
    probabilities of the G tastes and of CARELESS; `strength` (G, S, n) of each taste and segment (S = 1 unless
    segments were given; only the first taste differs between segments); `taste_share` (G,). `expected` (m, G + 1):
    probability that left is chosen under the taste of the voter's segment, that of everybody, and each taste found
    beside them, side effect aside, without the voter's own votes; NaN for gold pairs and "neither". `vote_weight`
    (m,): weight of the voter, less what a gate takes from votes on its item. `excuses`: what the votes of single voters
    on gated items still weigh, where that is less than all.
    """

    voter: Ints
    weight: Floats
    responsibility: Floats
    strength: Floats
    taste_share: Floats
    expected: Floats
    vote_weight: Floats
    gates: tuple[Gate, ...]
    converged: bool
    excuses: "Excuses"

    @property
    def p_careless(self) -> Floats:
        return 1.0 - self.weight


@one_thread
def judge(
    comparisons: Comparisons,
    *,
    took_ms: ArrayLike | None = None,
    gold: ArrayLike | None = None,
    party: ArrayLike | None = None,
    tastes: int = 4,
    iterations: int = 14,
    gates: bool = True,
) -> Reliability:
    """Judge every voter of one test by all of its votes.

    took_ms (m,): response times, NaN where unknown. gold (m,): the answer known to be right (1 left, 0 right), -1 for
    ordinary pairs; gold pairs are evidence of care and no part of the ranking. party (n_items,): whose interest each
    item is, from 0 (its own, unless given). Votes of one voter must stand in the order in which they were given.
    tastes: how many tastes are looked for beside those of declared segments; at least 2. Votes without voters are all
    believed (every vote its own voter).
    """
    assert tastes >= 2, "with one taste only, every minority is called unreliable"
    world = _World(comparisons, took_ms, gold, party)
    # A taste needs people who have it: a few dozen voters cannot be told apart into four.
    mixture = _Mixture(world, min(tastes, 2 + world.n_voters // 60))
    share = _ENOUGH_VOTES / max(world.rows.size, 1)
    if share < 1:
        # The tastes of a very large crowd are found in a part of it, whole voters chosen by a hash of their place.
        drawn = (np.arange(world.n_voters) * 0x9E3779B1 % (1 << 32) < share * (1 << 32))[world.voter_of_vote]
        part = _World(
            comparisons.subset(drawn),
            None if took_ms is None else np.asarray(took_ms)[drawn],
            None if gold is None else np.asarray(gold)[drawn],
            party,
        )
        found = _Mixture(part, mixture.most)
        found.find(iterations)
        mixture.adopt(found)
    else:
        mixture.find(iterations)
    return mixture.report(gates=gates)


_NOBODY: Final = Excuses(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))


class _World:
    """The votes in the form in which the mixture needs them, and what the votes say without their content."""

    def __init__(
        self, comparisons: Comparisons, took_ms: ArrayLike | None, gold: ArrayLike | None, party: ArrayLike | None
    ) -> None:
        m = len(comparisons)
        self.m = m
        self.n = comparisons.n_items
        self.party = np.arange(self.n) if party is None else np.asarray(party, dtype=np.int64)
        named = np.arange(m) if comparisons.voter is None else comparisons.voter
        self.name, voter = np.unique(named, return_inverse=True)
        self.n_voters = self.name.size
        self.voter_of_vote = voter
        golden = np.full(m, -1) if gold is None else np.asarray(gold, dtype=np.int64)
        outcome = comparisons.outcome
        order = np.argsort(voter, kind="stable")
        decided = order[(outcome[order] == LEFT) | (outcome[order] == RIGHT)]
        chose_left = outcome == LEFT

        self.rows = np.flatnonzero((outcome != NO_LIKING) & (golden < 0))
        self.voter = voter[self.rows]
        self.outcome = outcome[self.rows].astype(np.int64)
        self.y = self.outcome / 2.0
        base = np.ones(m) if comparisons.weight is None else comparisons.weight
        self.base = base[self.rows]
        self.n_segments = 1 if comparisons.segment is None else comparisons.n_segments
        segment = np.zeros(m, dtype=np.int64) if comparisons.segment is None else comparisons.segment.astype(np.int64)
        self.segment = segment[self.rows]
        self.left = comparisons.left[self.rows].astype(np.int64)
        self.right = comparisons.right[self.rows].astype(np.int64)
        # So many voters that one of them moves nothing, or too many to keep sums for each voter and item.
        self.crowded = self.n_voters * self.n > _LOO_CELLS
        self.n_content = np.bincount(self.voter, minlength=self.n_voters).astype(float)

        n_left = totals(voter[decided], chose_left[decided], self.n_voters)
        n_decided = np.bincount(voter[decided], minlength=self.n_voters).astype(float)
        usual = float(np.clip((n_left.sum() + 5) / (n_decided.sum() + 10), 0.35, 0.65))
        honest_side, one_sided = log_side(n_left, n_decided, usual=usual)
        matches, n_lag, in_turn = lag_matches(voter[decided], chose_left[decided], self.n_voters)
        patterned = log_pattern_ratio(matches, n_lag, n_left=n_left, n_decided=n_decided, in_turn=in_turn)
        self.care = np.zeros(self.n_voters)
        if gold is not None:
            asked = (golden >= 0) & ((outcome == LEFT) | (outcome == RIGHT))
            n_gold = np.bincount(voter[asked], minlength=self.n_voters).astype(float)
            n_right = totals(voter[asked], (outcome[asked] == LEFT) == (golden[asked] == 1), self.n_voters)
            honest_gold, guessing = log_gold(n_right, n_gold)
            self.care = honest_gold - guessing
        speed = (
            np.zeros(self.n_voters) if took_ms is None else self._speed(np.asarray(took_ms, dtype=np.float64), segment)
        )
        # Every column is relative to a voter who clicks by chance at an honest pace.
        self.careless = np.stack([speed, one_sided - honest_side + speed, patterned + speed], axis=1)

    @cached_property
    def together(self) -> "_Pairs":
        return _Pairs(self.left, self.right, self.outcome, self.n)

    @cached_property
    def by_segment(self) -> "_Pairs":
        offset = self.segment * self.n
        return _Pairs(self.left + offset, self.right + offset, self.outcome, self.n * self.n_segments)

    def _speed(self, took_ms: Floats, segment: Ints) -> Floats:
        timed = took_ms > 0
        log_ms = np.log(took_ms[timed])
        who = self.voter_of_vote[timed]
        n = np.bincount(who, minlength=self.n_voters).astype(float)
        mean = totals(who, log_ms, self.n_voters) / np.maximum(n, 1)
        own = np.zeros(self.n_voters, dtype=np.int64)
        own[self.voter_of_vote] = segment
        return Pace.of(mean, n, own).log_ratio(mean, n, own)


class _Pairs:
    """The distinct pairs that were shown, and which of them, with which outcome, each vote is about."""

    def __init__(self, left: Ints, right: Ints, outcome: Ints, n: int) -> None:
        self.left, self.right = left, right
        distinct, self.pair = numbered(left * n + right, n * n)
        self.cell = self.pair * 3 + outcome
        self.pair_left, self.pair_right = np.divmod(distinct, n)


class _Taste:
    """One taste: its strengths by segment, and what every vote looks like to it."""

    def __init__(self, world: _World, *, by_segment: bool, prior_sd: float) -> None:
        self.world = world
        self.by_segment = by_segment and world.n_segments > 1
        self.n_segments = world.n_segments if self.by_segment else 1
        pairs = world.by_segment if self.by_segment else world.together
        self.left, self.right, self.pair, self.cell = pairs.left, pairs.right, pairs.pair, pairs.cell
        self.pair_left, self.pair_right = pairs.pair_left, pairs.pair_right
        self.precision = 1 / prior_sd**2
        self.strength = np.zeros(self.n_segments * world.n)
        self.side = 0.0
        self.curvature = np.full(self.strength.size, self.precision)

    def fit(self, weight: Floats, centre: Floats | float = 0.0) -> None:
        """Weighted Bradley-Terry with a side effect and a Gaussian prior around `centre`: Newton, its steps by
        conjugate gradients.
        """
        cells = totals(self.cell, weight, 3 * self.pair_left.size).reshape(-1, 3)
        w, y = cells.sum(axis=1), cells @ [0.0, 0.5, 1.0]
        n = self.strength.size
        left, right = self.pair_left, self.pair_right
        theta = np.append(self.strength, self.side)
        prior = np.append(np.full(n, self.precision), 4.0)
        mean = np.append(np.broadcast_to(centre, n), 0.0)

        def spread(values: Floats) -> Floats:
            items = totals(left, values, n) - totals(right, values, n)
            return np.append(items, values.sum())

        for _ in range(6):
            p = expit(theta[left] - theta[right] + theta[n])
            gradient = spread(y - w * p) - prior * (theta - mean)
            bend = w * p * (1 - p)
            diagonal = prior + np.append(totals(left, bend, n) + totals(right, bend, n), bend.sum())

            def times(v: Floats, bend: Floats = bend) -> Floats:
                return spread(bend * (v[left] - v[right] + v[n])) + prior * v

            step = _solve(times, gradient, diagonal)
            # A Newton step from a distant start may overshoot; two logits at a time are always safe.
            theta = theta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
            self.curvature = diagonal[:n]
            if np.abs(step).max() < 1e-6:
                break
        self.strength, self.side = theta[:n], float(theta[n])

    def over(self, world: _World) -> "_Taste":
        """The same taste, to be fitted to other votes."""
        taste = _Taste(world, by_segment=self.by_segment, prior_sd=float(self.precision**-0.5))
        taste.strength, taste.side, taste.curvature = self.strength.copy(), self.side, self.curvature
        return taste

    @property
    def pair_gap(self) -> Floats:
        """Strength of left less right for each pair that was shown."""
        return np.asarray(self.strength[self.pair_left] - self.strength[self.pair_right])

    def fits(self) -> Floats:
        """Log likelihood of each voter's choices under this taste, above clicking by chance; the voter's own votes
        included.
        """
        gap = self.pair_gap
        table = np.stack([_log_choice(gap, y) for y in (0.0, 0.5, 1.0)], axis=1) + np.log(2)
        return totals(self.world.voter, table.ravel()[self.cell], self.world.n_voters)

    def gap(self, weight: Floats) -> Floats:
        """Strength of left less right for every vote, as it would be without the voter's own votes (which had this
        weight).

        Leaving a voter out moves the strengths by H⁻¹ g, to first order; the diagonal of H is enough, for a voter
        meets each item but a few times.
        """
        gap: Floats = self.pair_gap[self.pair]
        world = self.world
        if world.crowded:
            return gap
        surprise = weight * (world.y - expit(gap + self.side))
        row = world.voter * world.n
        cells = world.n_voters * world.n
        own = totals(row + world.left, surprise, cells)
        own -= totals(row + world.right, surprise, cells)
        # A voter lives in one segment, so that the item numbers within it are enough to find the voter's own sums.
        bend = weight * expit(gap) * expit(-gap)
        own_bend = totals(row + world.left, bend, cells) + totals(row + world.right, bend, cells)
        rest_left = np.maximum(self.curvature[self.left] - own_bend[row + world.left], self.precision)
        rest_right = np.maximum(self.curvature[self.right] - own_bend[row + world.right], self.precision)
        return np.asarray(gap - own[row + world.left] / rest_left + own[row + world.right] / rest_right)


class _Mixture:
    def __init__(self, world: _World, tastes: int) -> None:
        self.world = world
        self.most = tastes
        self.tastes = [_Taste(world, by_segment=True, prior_sd=_SEGMENT_SD if world.n_segments > 1 else 1.5)]
        self.pooled = _Taste(world, by_segment=False, prior_sd=1.5)
        # Voters of whom a "taste" was made that is none: no other one shall start from them.
        self.set_aside = np.zeros(world.n_voters, dtype=bool)
        # Parties of which a "taste" differed from another one in nothing else: each is given two classes, always for
        # it and always against it.
        self.pushed: list[int] = []
        # "Tastes" that are the first one turned over, by people who never hesitate: kept, so that they have a place
        # to be, and not believed.
        self.opposed: list[_Taste] = []
        self.converged = False
        self._count_kinds()

    def _count_kinds(self) -> None:
        """Start the shares anew: tastes, two rules for each pushed party, opposed "tastes", the careless."""
        g, rules = len(self.tastes), self._n_rules + len(self.opposed)
        self.prior_counts = np.array([10.0] + [2.0] * (g - 1) + [0.3] * (rules + len(CARELESS)))
        self.share = np.array([0.86] + [0.08 / max(g - 1, 1)] * (g - 1) + [0.02] * (rules + len(CARELESS)))
        self.share /= self.share.sum()

    def find(self, iterations: int) -> None:
        """Tell the tastes and the kinds apart, from nothing."""
        world = self.world
        # What is known before any look at the content: who certainly does not look shall not shape the first consensus.
        free = np.concatenate([world.care[:, None], world.careless], axis=1) + np.log([0.94, 0.02, 0.02, 0.02])
        believed = _softmax(free)[:, 0]
        self.pooled.fit(world.base * believed[world.voter])
        self.tastes[0].fit(world.base * believed[world.voter], self._centre(self.tastes[0]))
        self.r = believed[:, None]
        exact = world.rows.size <= _EXACT_VOTES
        self.converged = self._settle(believed, iterations, exact=exact)
        # Only a settled taste may be called none: while it forms, it is made of whoever fits the first one worst, and
        # looks like its opposite.
        for _ in range(_SECOND_THOUGHTS):
            if not self._dissolve():
                break
            self.converged = self._settle(believed, iterations, exact=exact)

    def adopt(self, other: "_Mixture") -> None:
        """Take the tastes that were found in a part of the votes, and fit them to all."""
        self.most, self.pushed, self.converged = other.most, other.pushed, other.converged
        self.tastes = [taste.over(self.world) for taste in other.tastes]
        self.opposed = [taste.over(self.world) for taste in other.opposed]
        self.pooled = other.pooled.over(self.world)
        self.share, self.prior_counts = other.share, other.prior_counts
        self._step(exact=False)

    def report(self, *, gates: bool) -> Reliability:
        """What is known of every voter and every vote, each without the voter's own votes."""
        world = self.world
        g = len(self.tastes)
        every = self._expect(exact=True)
        # Whoever pushes one party is as good a judge of all others as anybody: those votes are looked at by the gate,
        # below, one by one.
        rules, opposed = np.s_[g : g + self._n_rules], np.s_[g + self._n_rules : g + self._n_rules + len(self.opposed)]
        r = np.concatenate([every[:, :g], every[:, g + self._n_rules + len(self.opposed) :]], axis=1)
        r[:, 0] += every[:, rules].sum(axis=1)
        r[:, -1] += every[:, opposed].sum(axis=1)
        weight = r[:, :g].sum(axis=1)
        everybody = self.pooled.gap(world.base * weight[world.voter]) if world.n_segments > 1 else self.gaps[0]
        expected = np.full((world.m, g + 1), np.nan)
        for column, gap in enumerate([self.gaps[0], everybody, *self.gaps[1:]]):
            expected[world.rows, column] = expit(gap)
        vote_weight = weight[world.voter_of_vote]
        found, excuse, excuses = self._gates(r) if gates else ((), np.ones(world.rows.size), _NOBODY)
        vote_weight[world.rows] *= excuse
        strength = np.stack(
            [np.broadcast_to(t.strength.reshape(-1, world.n), (world.n_segments, world.n)) for t in self.tastes]
        )
        return Reliability(
            voter=world.name,
            weight=weight,
            responsibility=r,
            strength=strength,
            taste_share=self.share[:g] / self.share[:g].sum(),
            expected=expected,
            vote_weight=vote_weight,
            gates=found,
            converged=self.converged,
            excuses=excuses,
        )

    def _settle(self, believed: Floats, iterations: int, *, exact: bool) -> bool:
        """Add tastes until there are as many as are looked for, and repeat both steps until nobody's part changes."""
        while len(self.tastes) < self.most:
            self._add_taste(believed * ~self.set_aside)
            for _ in range(4):
                self._step(exact=exact)
        r = self.r
        settled = False
        for _ in range(iterations):
            before = r
            r = self._step(exact=exact)[:, : len(self.tastes)]
            settled = bool(np.abs(r - before).max() < 0.02)
            if settled:
                break
        self._largest_first()
        return settled

    def _largest_first(self) -> None:
        """Where a decided few have taken the first place, before the others were told apart, the many take it back."""
        g = len(self.tastes)
        largest = int(np.argmax(self.share[:g]))
        if largest and not self.tastes[0].by_segment:
            order = np.arange(g)
            order[[0, largest]] = largest, 0
            self.tastes = [self.tastes[k] for k in order]
            self.tastes[0].precision, self.tastes[largest].precision = (
                self.tastes[largest].precision,
                self.tastes[0].precision,
            )
            self.r = self.r[:, order]
            self.share[:g] = self.share[:g][order]

    def _step(self, *, exact: bool) -> Floats:
        r = self._expect(exact=exact)
        self.share = self._shares(r)
        self._maximise(r)
        return r

    def _add_taste(self, believed: Floats) -> None:
        """One more taste, started from the fifth of believable voters whom the tastes so far explain worst."""
        world = self.world
        best = np.full(world.n_voters, -np.inf)
        for taste in self.tastes:
            best = np.maximum(best, self._surprise(taste.pair_gap[taste.pair]))
        contrary = self._contrary() - np.maximum(self.tastes[0].fits(), 0)
        candidate = believed * expit(-contrary)
        some = candidate > 0.5
        worst = (best <= np.quantile(best[some], 0.2)) & some if some.any() else np.ones(world.n_voters, dtype=bool)
        taste = _Taste(world, by_segment=False, prior_sd=0.75)
        taste.fit(world.base * worst[world.voter])
        self.tastes.append(taste)
        self.r = np.concatenate([self.r * ~worst[:, None], worst[:, None].astype(float)], axis=1)
        self._count_kinds()

    def _dissolve(self) -> bool:
        """Two things look like a taste and are none; both have classes of their own, and as a "taste" they would be
        believed.
        """
        changed = False
        for column in range(len(self.tastes) - 1, 0, -1):
            taste = self.tastes[column]
            party = self._lifted(
                taste.strength,
                [other.strength.reshape(-1, self.world.n).mean(axis=0) for other in self.tastes[:column]],
            )
            opposed = self._is_contrary(taste.strength)
            if party is None and not opposed:
                continue
            self.set_aside |= self.r[:, column] > 0.5
            del self.tastes[column]
            self.r = np.delete(self.r, column, axis=1)
            if opposed and not self.opposed:
                self.opposed.append(taste)
            elif party is not None and party not in self.pushed:
                self.pushed.append(party)
            changed = True
        if changed:
            self._count_kinds()
        return changed

    @property
    def _n_rules(self) -> int:
        return 2 * len(self.pushed)

    def _main(self) -> Floats:
        """(n,) the first taste, its segments averaged, mean zero."""
        main = self.tastes[0].strength.reshape(-1, self.world.n).mean(axis=0)
        return np.asarray(main - main.mean())

    def _is_contrary(self, strength: Floats) -> bool:
        """Whether it is the opposite of the first taste, and far more decided.

        People of the opposite taste hesitate where everybody hesitates, and so their strengths are spread about as
        far. Whoever is against the rest by rule never hesitates, and their strengths are spread as far as the prior
        lets them.
        """
        main, own = self._main(), strength - strength.mean()
        spread = float(np.sqrt(main @ main)) + 1e-9
        slope = float(own @ main) / spread**2
        alike = float(own @ main) / (spread * float(np.sqrt(own @ own)) + 1e-9)
        return slope < -1.35 and alike < -0.6

    def _lifted(self, strength: Floats, others: list[Floats]) -> int | None:
        """The party whose items are all that distinguishes a taste from another one, or from liking nothing in
        particular; None if there is none.

        A taste differs in many styles, pushers differ in those of one party.
        """
        party = self.world.party
        size = np.bincount(party)
        if strength.size < 5 or (size > 0).sum() < 4:
            return None
        for other in (*others, np.zeros(strength.size)):
            rest = strength - other
            lift = totals(party, rest - rest.mean(), size.size) / np.maximum(size, 1)
            most = int(np.argmax(lift**2 * size))
            away = rest[party != most]
            lifted = abs(float(rest[party == most].mean() - away.mean()))
            noise = float(away.std())
            # To take a real taste for this would silence its people; to miss it costs one party's votes some weight.
            if lifted > 1.2 and noise < 0.4 and lifted > 5 * noise:
                return most
        return None

    def _rule(self, party: int, gap: Floats) -> Floats:
        """(n_voters, 2): log likelihoods, above clicking by chance, of "always for this party" and "always against it".

        Elsewhere such a voter is honest, or clicks by chance; one half each.
        """
        world = self.world
        on_left, on_right = world.party[world.left] == party, world.party[world.right] == party
        stake = on_left ^ on_right
        honest = _log_choice(gap, world.y) + np.log(2)
        elsewhere = totals(world.voter, np.where(stake, 0.0, honest), world.n_voters)
        won = np.where(on_left, world.y, 1 - world.y)[stake]
        for_it = won * np.log(ALWAYS) + (1 - won) * np.log(1 - ALWAYS) + np.log(2)
        against = (1 - won) * np.log(ALWAYS) + won * np.log(1 - ALWAYS) + np.log(2)
        who = world.voter[stake]
        rules = [totals(who, rule, world.n_voters) for rule in (for_it, against)]
        return np.asarray(np.stack(rules, axis=1) + (np.logaddexp(elsewhere, 0.0) - np.log(2))[:, None])

    def _contrary(self, gap: Floats | None = None) -> Floats:
        """Log likelihood, above clicking by chance, of a voter who answers the opposite of the consensus whatever the
        margin.

        Whoever does so knows the consensus no better than we do: near a tie it is uncertain which answer is the
        opposite one. gap: of left less right for each vote, without the voter's own votes; the consensus as it is, if
        None.
        """
        world, consensus = self.world, self.tastes[0]
        if gap is None:
            table = np.stack([_log_contrary(consensus.pair_gap, y) for y in (0.0, 0.5, 1.0)], axis=1)
            weights = table.ravel()[consensus.cell]
        else:
            weights = _log_contrary(gap, world.y)
        # Of whoever has answered a few times against the rest nobody can say that it was a rule, and to weigh single
        # votes by whether they agree would stretch every difference.
        nats = totals(world.voter, weights, world.n_voters)
        return np.where(world.n_content >= _CONTRARY_VOTES, nats, -100.0)

    def _fits(self, gap: Floats) -> Floats:
        world = self.world
        fits = totals(world.voter, _log_choice(gap, world.y), world.n_voters)
        return np.asarray(fits + world.n_content * np.log(2))

    def _surprise(self, gap: Floats) -> Floats:
        """How much better or worse than expected the voter agrees with a taste, in standard deviations."""
        world = self.world
        p = expit(gap)
        got = totals(world.voter, (world.y - p) * gap, world.n_voters)
        spread = totals(world.voter, p * (1 - p) * gap * gap, world.n_voters)
        return np.asarray(got / np.sqrt(spread + 0.2))

    def _centre(self, taste: _Taste) -> Floats | float:
        return np.tile(self.pooled.strength, self.world.n_segments) if taste.by_segment else 0.0

    def _expect(self, *, exact: bool) -> Floats:
        world = self.world
        if exact:
            self.gaps = [
                taste.gap(world.base * self.r[world.voter, column]) for column, taste in enumerate(self.tastes)
            ]
            honest = [self._fits(gap) + world.care for gap in self.gaps]
            contrary = self._contrary(self.gaps[0])
        else:
            honest = [taste.fits() + world.care for taste in self.tastes]
            contrary = self._contrary()
        first = self.gaps[0] if exact else self.tastes[0].pair_gap[self.tastes[0].pair]
        rules = [self._rule(party, first) + world.care[:, None] for party in self.pushed]
        few = np.where(world.n_content >= _CONTRARY_VOTES, 0.0, -100.0)
        opposed = [(taste.fits() + few)[:, None] for taste in self.opposed]
        logs = np.concatenate([np.stack(honest, axis=1), *rules, *opposed, world.careless, contrary[:, None]], axis=1)
        r = _softmax(logs + np.log(self.share))
        self.r = r[:, : len(self.tastes)]
        return r

    def _shares(self, r: Floats) -> Floats:
        total = r.sum(axis=0) + self.prior_counts
        return np.asarray(total / total.sum())

    def _maximise(self, r: Floats) -> None:
        world = self.world
        g = len(self.tastes)
        self.pooled.fit(world.base * r[world.voter, :g].sum(axis=1))
        for column, taste in enumerate(self.tastes):
            taste.fit(world.base * r[world.voter, column], self._centre(taste))
        for column, taste in enumerate(self.opposed, start=g + self._n_rules):
            taste.fit(world.base * r[world.voter, column])

    def _gates(self, r: Floats) -> tuple[tuple[Gate, ...], Floats, Excuses]:
        """Items that too many voters choose every time, for each vote the probability that it is no part of that, and the
        same for each voter and item.
        """
        world = self.world
        g = len(self.tastes)
        excuse = np.ones(world.rows.size)
        belief = r[:, :g].sum(axis=1)
        heard = np.flatnonzero(belief[world.voter] > 0.5)
        inverse, wins, losses, voter, item = _meetings(world, heard)
        shown = wins + losses
        often = totals(item, shown, world.n) / np.maximum(np.bincount(item, minlength=world.n), 1)
        counted = shown >= np.where(often >= 3, 3, 2)[item]
        mine = r[world.voter[heard], :g] / belief[world.voter[heard], None]
        toward = np.sum([mine[:, column] * gap[heard] for column, gap in enumerate(self.gaps)], axis=0)
        toward, won = np.concatenate([toward, -toward]), np.concatenate([world.y[heard], 1 - world.y[heard]])
        _, every = fan_sums(toward, won, inverse, item.size)
        always = totals(item, counted & (losses == 0), world.n)
        expected = totals(item, counted * every, world.n)
        variance = totals(item, counted * every * (1 - every), world.n)
        voters = np.bincount(item[counted], minlength=world.n)
        z = (always - expected) / np.sqrt(np.maximum(variance, 1e-9))
        found, touched = [], [_NOBODY]
        for k in np.flatnonzero((z > _GATE_Z) & (voters >= 10)).tolist():
            found.append(Gate(k, float(z[k]), int(always[k]), float(expected[k]), int(voters[k])))
            # Each vote stands in two meetings, of its left and of its right item; the gate touches the one with k.
            here = np.flatnonzero(counted[inverse] & (item[inverse] == k))
            rows, place = np.unique(inverse[here], return_inverse=True)
            colluder = _colluders(wins[rows], losses[rows], toward[here], won[here], place)
            excuse[heard[here % heard.size]] *= 1 - colluder[place]
            touched.append(Excuses(world.name[voter[rows]], np.full(rows.size, k), 1 - colluder))
        columns = zip(*((each.voter, each.item, each.factor) for each in touched), strict=True)
        return tuple(found), excuse, Excuses(*(np.concatenate(column) for column in columns))


def _meetings(world: _World, heard: Ints) -> tuple[Ints, Floats, Floats, Ints, Ints]:
    """(index of each of the 2 m heard sides, wins, losses, voter, item) of every (voter, item) that met."""
    voter = np.tile(world.voter[heard], 2)
    items = np.concatenate([world.left[heard], world.right[heard]])
    keys, inverse = numbered(voter * world.n + items, world.n_voters * world.n)
    y = world.y[heard]
    wins = totals(inverse, np.concatenate([y, 1 - y]), keys.size)
    shown = np.bincount(inverse, minlength=keys.size)
    return inverse, wins, shown - wins, *np.divmod(keys, world.n)


def fan_sums(toward: Floats, won: Floats, index: Ints, size: int, *, sd: float = FAN_SD) -> tuple[Floats, Floats]:
    """Likelihoods (not logs) of what was chosen, and of "always chosen", by an honest voter who may like the item.

    toward (k,): logits by which the item is expected to win each comparison; won (k,) 1, 0 or .5; index (k,): the row
    0 … size - 1 of the (voter, item) that each belongs to. The liking is N(0, sd²), by seven-point Gauss-Hermite.
    """
    fits = np.zeros(size)
    always = np.zeros(size)
    for node, weight in zip(FAN_NODES, FAN_WEIGHTS, strict=True):
        shifted = toward + sd * node
        winning = -np.logaddexp(0, -shifted)
        fits += weight * np.exp(totals(index, winning - (1 - won) * shifted, size))
        always += weight * np.exp(totals(index, winning, size))
    return fits, always


def _colluders(wins: Floats, losses: Floats, toward: Floats, won: Floats, place: Ints) -> Floats:
    """P(always chooses it) of each voter who met a gated item often enough.

    Their share is found by EM on these voters only (with those who met it once in it, it drifts and takes the honest
    along), together with how far honest liking of this item spreads: an item that some love and others cannot stand
    has a wide spread and no colluders.
    """
    rule = wins * np.log(ALWAYS) + losses * np.log(1 - ALWAYS)
    best, answer = -np.inf, np.zeros(wins.size)
    for sd in _LIKING_SDS:
        fan = np.log(np.maximum(fan_sums(toward, won, place, wins.size, sd=sd)[0], 1e-300))
        share = 0.1
        p = answer
        for _ in range(30):
            p = expit(rule - fan + np.log(share / (1 - share)))
            share = float(np.clip((p.sum() + 0.5) / (p.size + 10), 1e-4, 0.6))
        likelihood = float(np.logaddexp(np.log(share) + rule, np.log1p(-share) + fan).sum())
        if likelihood > best:
            best, answer = likelihood, p
    return answer


def _log_choice(gap: Floats, y: Floats | float) -> Floats:
    return np.asarray(-np.logaddexp(0, -gap) - (1 - y) * gap)


def _log_contrary(gap: Floats, y: Floats | float) -> Floats:
    against = (1 - ALWAYS) + (2 * ALWAYS - 1) * expit(-gap * _CONTRARY_SLOPE)
    return np.asarray(y * np.log(against) + (1 - y) * np.log1p(-against) + np.log(2))


def _softmax(logs: Floats) -> Floats:
    shifted = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _solve(times, right: Floats, diagonal: Floats) -> Floats:  # type: ignore[no-untyped-def]
    """Conjugate gradients with the diagonal as preconditioner, to 1e-4 of the right side: a Newton step needs no
    more.
    """
    x = np.zeros_like(right)
    residual = right.copy()
    z = residual / diagonal
    direction = z.copy()
    rz = float(residual @ z)
    goal = 1e-8 * float(right @ right)
    for _ in range(min(right.size + 1, 60)):
        if float(residual @ residual) <= goal or rz <= 0:
            break
        product = times(direction)
        alpha = rz / float(direction @ product)
        x += alpha * direction
        residual -= alpha * product
        z = residual / diagonal
        rz, old = float(residual @ z), rz
        direction = z + (rz / old) * direction
    return x
