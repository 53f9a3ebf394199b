"""Small worlds with a known truth, in which a whole test can be played: for tests, benchmarks and quotes.

A world has styles with mean utilities (per audience), voters whose own taste strays from the mean of their audience, a
small advantage of the left side, and, if asked for, voters who do not mean what they tap. A voter plays a session of
ten distinct pairs (three when there are four styles), and some twenty voters play from one posterior, as in the
service, where refits come in batches. The answers are drawn here; nothing here is told to the planner.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ranking import bradley_terry
from ranking.bradley_terry import Fit
from ranking.comparisons import LEFT, RIGHT, Clusters, Comparisons
from ranking.errors import RankingError
from ranking.pairing import Goal, Planner
from ranking.scores import Flag
from ranking.stopping import decide

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

SIDE_EFFECT = 0.08  # logits in favour of the left side: 52 %
TASTE_SD = 0.5
SPREAD = 0.6
HARD_SPREAD = 0.3
BATCH = 200
SESSION = 10

Kind = Literal["honest", "minority", "random", "left", "colluder", "camouflaged"]
KINDS: tuple[Kind, ...] = ("honest", "minority", "random", "left", "colluder", "camouflaged")


class WorldRefused(RankingError):
    """No such world can be made: {reason}."""

    code = "world_refused"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Which shares of the voters are not of the common taste, or not honest.

    `minority`: honest, with a taste of their own; `random`: clickers; `left`: always left (97 %); `colluder`: always
    the target, random elsewhere; `camouflaged`: always the target, honest elsewhere.
    """

    minority: float = 0.0
    random: float = 0.0
    left: float = 0.0
    colluder: float = 0.0
    camouflaged: float = 0.0

    def __post_init__(self) -> None:
        shares = self.shares
        if not np.isfinite(shares).all() or (shares < 0.0).any():
            raise WorldRefused(reason="shares of voters are not negative and sum to at most one")

    @property
    def shares(self) -> Floats:
        """In the order of `KINDS`, the honest first."""
        others = np.array([self.minority, self.random, self.left, self.colluder, self.camouflaged])
        return np.concatenate([[1.0 - others.sum()], others])


@dataclass(frozen=True, slots=True)
class Voters:
    """Some voters: `kind` (index into KINDS), `segment`, `taste` (voters, items) utilities in logits."""

    kind: Integers
    segment: Integers
    taste: Floats


@dataclass(frozen=True, slots=True)
class World:
    """What is true: `strength` (segments, items) mean utilities in logits, and who votes.

    `attributes` (items, columns) one-hot, where styles were built from attributes. `target` is what colluders push.
    """

    strength: Floats
    segment_share: Floats = field(default_factory=lambda: np.ones(1))
    taste_sd: float = TASTE_SD
    side: float = SIDE_EFFECT
    crowd: Crowd = field(default_factory=Crowd)
    target: int = 0
    minority_taste: Floats | None = None
    attributes: Floats | None = None

    @property
    def n_items(self) -> int:
        """Number of styles."""
        return int(self.strength.shape[1])

    @property
    def mean_strength(self) -> Floats:
        """(n,): utilities averaged over audiences by share."""
        return np.asarray(self.segment_share @ self.strength)

    def voters(self, n: int, rng: np.random.Generator, *, segment: int | None = None) -> Voters:
        """Draw `n` voters, of all audiences or of one."""
        kind = np.zeros(n, dtype=np.intp)
        if self.crowd.shares[0] < 1.0:
            kind = rng.choice(len(KINDS), size=n, p=self.crowd.shares)
        if segment is not None:
            segments = np.full(n, segment, dtype=np.intp)
        elif len(self.segment_share) > 1:
            segments = rng.choice(len(self.segment_share), size=n, p=self.segment_share)
        else:
            segments = np.zeros(n, dtype=np.intp)
        centre = self.strength[segments]
        if self.minority_taste is not None:
            centre = np.where((kind == KINDS.index("minority"))[:, None], self.minority_taste, centre)
        return Voters(kind, segments, centre + self.taste_sd * rng.standard_normal(centre.shape))

    def answer(
        self, voters: Voters, who: Integers, left: Integers, right: Integers, rng: np.random.Generator
    ) -> NDArray[np.int8]:
        """Choices (1 left, 0 right) of voters `who` (indices into `voters`) shown `left` and `right`."""
        gap = voters.taste[who, left] - voters.taste[who, right] + self.side
        chance = 1.0 / (1.0 + np.exp(-gap))
        if self.crowd.shares[0] < 1.0:
            kind = voters.kind[who]
            chance = np.where((kind == KINDS.index("random")) | (kind == KINDS.index("colluder")), 0.5, chance)
            chance = np.where(kind == KINDS.index("left"), 0.97, chance)
            pushing = (kind == KINDS.index("colluder")) | (kind == KINDS.index("camouflaged"))
            chance = np.where(pushing & (left == self.target), 1.0, chance)
            chance = np.where(pushing & (right == self.target), 0.0, chance)
        return (rng.random(len(who)) < chance).astype(np.int8)

    def regret(self, chosen: Integers | tuple[int, ...], *, segment: int | None = None) -> float:
        """Mean utility (logits) lost: the best style left out above the worst style chosen; 0 if none is above."""
        strength = self.mean_strength if segment is None else self.strength[segment]
        kept = np.zeros(self.n_items, dtype=bool)
        kept[list(chosen)] = True
        return max(0.0, float(strength[~kept].max() - strength[kept].min()))

    def scores(self, *, segment: int | None = None) -> Floats:
        """(n,), mean zero: what a Bradley-Terry fit of endless honest votes on all pairs alike converges to.

        Tastes that differ between voters shrink the strengths of the population; intervals are about these.
        """
        strength, share = self.strength, self.segment_share
        if segment is not None:
            strength, share = strength[[segment]], np.ones(1)
        nodes, weights = np.polynomial.hermite_e.hermegauss(21)
        weights = weights / weights.sum()
        gap = strength[:, :, None] - strength[:, None, :]
        spread = np.sqrt(2.0) * self.taste_sd
        chance = np.zeros((self.n_items, self.n_items))
        for s, part in enumerate(share):
            for node, weight in zip(nodes, weights, strict=True):
                for side in (self.side, -self.side):
                    chance += 0.5 * part * weight / (1.0 + np.exp(-(gap[s] + spread * node + side)))
        return _project(chance)

    def shares(self) -> Floats:
        """(n,): the mean over voters of the multinomial-logit share, by quadrature over 20 000 fixed voters."""
        honest = replace(self, crowd=Crowd())
        taste = honest.voters(20_000, np.random.default_rng(20_000)).taste.copy()
        taste -= taste.max(axis=1, keepdims=True)
        odds = np.exp(taste)
        return np.asarray((odds / odds.sum(axis=1, keepdims=True)).mean(axis=0))


def _project(chance: Floats) -> Floats:
    """The Bradley-Terry strengths nearest (in likelihood) to a table of win chances, each pair weighing alike."""
    n = len(chance)
    theta = np.zeros(n)
    for _ in range(60):
        p = 1.0 / (1.0 + np.exp(-(theta[:, None] - theta[None, :])))
        gradient = (chance - p).sum(axis=1)
        w = p * (1.0 - p)
        np.fill_diagonal(w, 0.0)
        hessian = np.diag(w.sum(axis=1)) - w + 1.0 / n
        step = np.linalg.solve(hessian, gradient)
        theta += step
        if np.abs(step).max() < 1e-12:
            break
    return np.asarray(theta - theta.mean())


# ---- worlds ----------------------------------------------------------------------------------------------------


def realistic(n_items: int, rng: np.random.Generator, *, spread: float = SPREAD, taste_sd: float = TASTE_SD) -> World:
    """Utilities N(0, spread^2); `spread` 0.6 is the common case, 0.3 a hard one. The target ranks about n/4 + 1."""
    _check_size(n_items)
    strength = spread * rng.standard_normal(n_items)
    order = np.argsort(-strength)
    return World(strength[None, :], taste_sd=taste_sd, target=int(order[min(n_items - 1, round(n_items / 4))]))


def gap_of_preference(logit: float, taste_sd: float = TASTE_SD) -> float:
    """The difference of mean utilities at which the population prefers by `logit`; larger, since tastes blur it.

    Indifference is bought as a preference (0.1 logit is 52.5 : 47.5 among shoppers), so worlds built to sit exactly on
    the edge are built with this.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()
    low, high = 0.0, 10.0 * logit + 1e-9
    target = 1.0 / (1.0 + np.exp(-logit))
    for _ in range(60):
        middle = 0.5 * (low + high)
        chance = float(weights @ (1.0 / (1.0 + np.exp(-(middle + np.sqrt(2.0) * taste_sd * nodes)))))
        low, high = (middle, high) if chance < target else (low, middle)
    return high


def duel(n_items: int, rng: np.random.Generator, *, indifference: float = 0.1, taste_sd: float = TASTE_SD) -> World:
    """Two rivals exactly the indifference apart, the others clearly behind: made to fool a stopping rule."""
    _check_size(n_items)
    strength = -0.8 - 0.3 * np.abs(rng.standard_normal(n_items))
    a, b = rng.permutation(n_items)[:2]
    strength[a], strength[b] = gap_of_preference(indifference, taste_sd), 0.0
    return World(strength[None, :], taste_sd=taste_sd, target=int(b))


def slip(n_items: int, rng: np.random.Generator, *, indifference: float = 0.1, taste_sd: float = TASTE_SD) -> World:
    """All alike but one, which is better by exactly the indifference: the slippage configuration."""
    _check_size(n_items)
    strength = np.zeros(n_items)
    strength[rng.integers(n_items)] = gap_of_preference(indifference, taste_sd)
    return World(strength[None, :], taste_sd=taste_sd)


def forced_gap(
    n_items: int, rng: np.random.Generator, *, indifference: float = 0.1, taste_sd: float = TASTE_SD
) -> World:
    """A realistic world whose second style is moved to exactly the indifference below the first."""
    world = realistic(n_items, rng, taste_sd=taste_sd)
    strength = world.strength[0].copy()
    order = np.argsort(-strength)
    strength[order[1]] = strength[order[0]] - gap_of_preference(indifference, taste_sd)
    if n_items > 2:
        # Whoever was between the two would make the second less of a rival than meant.
        below = order[2:]
        strength[below] = np.minimum(strength[below], strength[order[1]] - 1e-3)
    return replace(world, strength=strength[None, :], target=int(order[1]))


def tie(n_items: int, rng: np.random.Generator, *, taste_sd: float = TASTE_SD) -> World:
    """Two leaders exactly alike, the others clearly behind: a strict winner would be an invention."""
    return duel(n_items, rng, indifference=0.0, taste_sd=taste_sd)


SCENARIOS: dict[str, Callable[[int, np.random.Generator], World]] = {
    "realistic": realistic,
    "duel": duel,
    "slip": slip,
    "forced_gap": forced_gap,
    "tie": tie,
}


def with_segments(
    n_items: int,
    shares: tuple[float, ...],
    rng: np.random.Generator,
    *,
    common_sd: float = 0.5,
    deviation_sd: float = 0.35,
    taste_sd: float = TASTE_SD,
) -> World:
    """Audiences with a taste in common and deviations of their own."""
    _check_size(n_items)
    share = np.asarray(shares, dtype=np.float64)
    if share.size < 1 or not np.isfinite(share).all() or (share <= 0.0).any():
        raise WorldRefused(reason="every audience has a positive share")
    common = common_sd * rng.standard_normal(n_items)
    strength = common + deviation_sd * rng.standard_normal((share.size, n_items))
    return World(strength, segment_share=share / share.sum(), taste_sd=taste_sd)


def with_attributes(
    levels: tuple[int, ...],
    rng: np.random.Generator,
    *,
    residual: float = 0.2,
    spread: float = SPREAD,
    taste_sd: float = TASTE_SD,
) -> World:
    """Every combination of attribute levels is a style; `residual` is the share of variance no attribute explains."""
    if not levels or min(levels) < 2:
        raise WorldRefused(reason="every attribute has at least two levels")
    grid = np.stack(np.meshgrid(*[np.arange(m) for m in levels], indexing="ij"), axis=-1).reshape(-1, len(levels))
    columns, worth = [], np.zeros(len(grid))
    for position, m in enumerate(levels):
        one_hot = np.eye(m)[grid[:, position]]
        columns.append(one_hot)
        worth += one_hot @ (spread * np.sqrt((1.0 - residual) / len(levels)) * rng.standard_normal(m))
    strength = worth + spread * np.sqrt(residual) * rng.standard_normal(len(grid))
    return World(strength[None, :], taste_sd=taste_sd, attributes=np.concatenate(columns, axis=1))


def _check_size(n_items: int) -> None:
    if n_items < 2:
        raise WorldRefused(reason=f"a world has at least two styles, and not {n_items}")


# ---- playing ---------------------------------------------------------------------------------------------------


class Dealer(Protocol):
    """Whoever deals pairs: `ranking.pairing.Planner`, or a stand-in."""

    def deal(self, voter: int, /) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Votes:
    """A batch of votes as arrays of one length: `left`, `right`, `choice` (1 left), `voter`, `segment`."""

    left: Integers
    right: Integers
    choice: NDArray[np.int8]
    voter: Integers
    segment: Integers


def session_length(n_items: int) -> int:
    """Pairs that a voter plays in a row: ten, or half of all pairs where there are fewer than twenty."""
    return max(1, min(SESSION, n_items * (n_items - 1) // 4))


def play(
    world: World,
    dealer: Dealer,
    rng: np.random.Generator,
    *,
    votes: int,
    first_voter: int = 0,
    chunk: int = 50,
    segment: int | None = None,
) -> Iterator[Votes]:
    """Let fresh voters play whole sessions until `votes` votes are cast; yields them in chunks of about `chunk`.

    Each voter plays a session; the dealer is asked deal by deal. All that is asked of the dealer between two updates
    is stale, so an update after each yield makes a prompt service, an update after every fourth one a lazy one.
    `segment`: only voters of this audience.
    """
    length = session_length(world.n_items)
    cast = 0
    voter = first_voter
    while cast < votes:
        n_voters = max(1, min(round(chunk / length), -(-(votes - cast) // length)))
        people = world.voters(n_voters, rng, segment=segment)
        pairs = np.array([dealer.deal(voter + v) for v in range(n_voters) for _ in range(length)], dtype=np.intp)
        who = np.repeat(np.arange(n_voters), length)
        choice = world.answer(people, who, pairs[:, 0], pairs[:, 1], rng)
        yield Votes(pairs[:, 0], pairs[:, 1], choice, voter + who, people.segment[who])
        voter += n_voters
        cast += len(who)


def uniform_votes(world: World, votes: int, rng: np.random.Generator, *, first_voter: int = 0) -> Votes:
    """Votes under the uniform deal, all at once: each voter plays a session of distinct random pairs."""
    length = session_length(world.n_items)
    n_voters = -(-votes // length)
    low, high = np.triu_indices(world.n_items, 1)
    if len(low) <= 400:
        pairs = np.argpartition(rng.random((n_voters, len(low))), length - 1, axis=1)[:, :length].ravel()
    else:
        # A repeat within ten of so many pairs is rare; it is drawn again until there is none.
        drawn = rng.integers(len(low), size=(n_voters, length))
        while True:
            ordered = np.sort(drawn, axis=1)
            bad = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
            if not bad.any():
                break
            drawn[bad] = rng.integers(len(low), size=(int(bad.sum()), length))
        pairs = drawn.ravel()
    flip = rng.random(len(pairs)) < 0.5
    left, right = np.where(flip, high[pairs], low[pairs]), np.where(flip, low[pairs], high[pairs])
    people = world.voters(n_voters, rng)
    who = np.repeat(np.arange(n_voters), length)
    choice = world.answer(people, who, left, right, rng)
    cut = slice(0, votes)
    return Votes(left[cut], right[cut], choice[cut], first_voter + who[cut], people.segment[who][cut])


# ---- whole tests -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QuickScores:
    """A fit as the loop of a study needs it, without the trimmings of `ranking.scores.Scores`; the same numbers.

    `effect` (n, n) is the design effect of each contrast, which is renewed every `EFFECT_VOTES` votes only.
    """

    strength: Floats
    posterior_covariance: Floats
    weak_strength: Floats
    weak_covariance: Floats
    effect: Floats
    n_votes: int
    n_voters: int
    flags: tuple[Flag, ...] = ()

    def pair_design_effect(self) -> Floats:
        """(n, n), as in `Scores`."""
        return self.effect


EFFECT_VOTES = 500


class Record:
    """All votes of one study so far, and quick fits of them, each from where the last one ended."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items
        self.n_votes = 0
        self.n_voters = 0
        self._table = np.zeros((n_items, n_items, 4))
        self._batches: list[Votes] = []
        self._effect = np.ones((n_items, n_items))
        self._effect_at = 0
        self._main: Fit | None = None
        self._weak: Fit | None = None

    def add(self, votes: Votes) -> None:
        """Count a chunk of votes; its voters are new."""
        np.add.at(self._table, (votes.left, votes.right, np.where(votes.choice == 1, LEFT, RIGHT)), 1.0)
        self._batches.append(votes)
        self.n_votes += len(votes.left)
        self.n_voters += len(np.unique(votes.voter))

    def votes(self) -> Votes:
        """Everything so far in one piece."""
        if len(self._batches) > 1:
            parts = self._batches
            whole = Votes(*(np.concatenate([getattr(p, name) for p in parts]) for name in Votes.__slots__))
            self._batches = [whole]
        return self._batches[0]

    def comparisons(self) -> Comparisons:
        """The same as the public table of arrays, for the full fit."""
        votes = self.votes()
        return Comparisons.from_arrays(
            votes.left, votes.right, votes.choice, voter=votes.voter, segment=votes.segment, n_items=self.n_items
        )

    def fit(self) -> QuickScores:
        """Posterior with its variance estimated, weak posterior, design effects of contrasts."""
        main, weak = self._main, self._weak
        main = bradley_terry.fit_table(
            self._table,
            start=None if main is None else main.x,
            variance_start=None if main is None else main.prior_variance,
            variance_steps=None if main is None else 1,
        )
        weak = bradley_terry.fit_table(
            self._table, prior_variance=bradley_terry.WEAK_SD**2, start=main.x if weak is None else weak.x
        )
        self._main, self._weak = main, weak
        weak_covariance = weak.strength_covariance
        # A study of a few hundred votes renews the effect at each look: it is young, and the work small.
        if self.n_votes >= self._effect_at + min(EFFECT_VOTES, self._effect_at // 4):
            self._effect = self._design_effect(weak, weak_covariance)
            self._effect_at = self.n_votes
        return QuickScores(
            main.strength - main.strength.mean(),
            main.strength_covariance,
            weak.strength - weak.strength.mean(),
            weak_covariance,
            self._effect,
            self.n_votes,
            self.n_voters,
        )

    def _design_effect(self, weak: Fit, weak_covariance: Floats) -> Floats:
        votes = self.votes()
        clusters = Clusters(
            votes.left,
            votes.right,
            np.where(votes.choice == 1, LEFT, RIGHT),
            votes.segment,
            votes.voter - votes.voter.min(),
            np.ones(len(votes.left)),
            self.n_voters,
            self.n_voters,
        )
        _, sandwich = bradley_terry.design_effects(weak, clusters)
        assert sandwich is not None, "a study has voters"
        return _effect_of_pairs(sandwich, weak_covariance)


def _effect_of_pairs(sandwich: Floats, covariance: Floats) -> Floats:
    a, b = np.diagonal(sandwich), np.diagonal(covariance)
    clustered = a[:, None] + a[None, :] - sandwich - sandwich.T
    model = b[:, None] + b[None, :] - covariance - covariance.T
    np.fill_diagonal(model, 1.0)
    return np.maximum(1.0, clustered / np.maximum(model, 1e-300))


def study(
    world: World,
    planner: Planner,
    rng: np.random.Generator,
    *,
    votes: int,
    look_every: int = 50,
    batch: int = BATCH,
    record: Record | None = None,
) -> Iterator[tuple[QuickScores, Record]]:
    """Play a whole test: deal, vote, fit; yields a fit after every `look_every` votes.

    The planner is given a new fit only every `batch` votes: a posterior as stale as in the service.
    """
    record = Record(world.n_items) if record is None else record
    updated_at = record.n_votes
    for chunk in play(world, planner, rng, votes=votes, first_voter=record.n_voters, chunk=look_every):
        record.add(chunk)
        scores = record.fit()
        if record.n_votes - updated_at >= batch:
            planner.update(scores)
            updated_at = record.n_votes
        yield scores, record


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a simulated test ended for one goal: `votes` used (infinite if it never did), what was `chosen`, `regret`."""

    votes: float
    chosen: tuple[int, ...]
    regret: float


def run_test(
    world: World,
    goals: Sequence[Goal],
    rng: np.random.Generator,
    *,
    max_votes: int,
    look_every: int = 50,
    first_look: int = 100,
    batch: int = BATCH,
    planner: Planner | None = None,
) -> list[Outcome]:
    """Play one test under the first goal's planner until each goal's own rule has stopped it, or `max_votes`.

    All goals look at the same votes, so that *likely* and *proven* or several confidences cost one simulation.
    """
    if planner is None:
        planner = Planner(world.n_items, goals[0], rng)
    open_goals = dict(enumerate(goals))
    found: dict[int, Outcome] = {}
    last: tuple[int, ...] = ()
    for scores, record in study(world, planner, rng, votes=max_votes, look_every=look_every, batch=batch):
        if record.n_votes < first_look:
            continue
        for number, goal in list(open_goals.items()):
            decision = decide(scores, goal)
            last = decision.chosen
            if decision.done:
                found[number] = Outcome(float(record.n_votes), decision.chosen, world.regret(decision.chosen))
                del open_goals[number]
        if not open_goals:
            break
    for number in open_goals:
        found[number] = Outcome(float("inf"), last, world.regret(last) if last else float("nan"))
    return [found[number] for number in range(len(goals))]
