"""Which pair of styles is worth asking next: the goal-weighted planner (GW) and its simpler stand-ins.

A vote about a pair is worth what it takes off the merchant's doubt. The planner keeps the posterior of the strengths
(mean `mu`, covariance `S`), writes the merchant's question as one positive semi-definite matrix `M` (a weighted sum of
squared contrasts that are still open), and asks the pair whose answer shrinks `tr(M S)` most:

    gain_ij = w_ij (G_ii + G_jj - 2 G_ij) / (1 + w_ij (S_ii + S_jj - 2 S_ij)),   G = S M S,   w = p(1-p)

which is the exact decrease of `tr(M S)` under the rank-one update of one more vote (Sherman-Morrison). A deal in flight
is applied at once as if it were answered, because its variance does not depend on the answer; this is the
"hallucinated" feedback of GP-BUCB (Desautels, Krause & Burdick 2014, JMLR 15), and it is why two hundred shoppers who
play from one posterior are not all shown the same pair. The weight of a contrast, exp(-z^2/2)/s, is the derivative of
the expected loss of choosing wrongly (Frazier, Powell & Dayanik 2008, knowledge gradient).

The planner never looks at an answer, so what it deals is ignorable given the votes that it has been shown: the
likelihood of the votes stays the ordinary one. Every deal says with what probability it was chosen, for whoever wants
to re-weight the votes nevertheless.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import islice
from math import exp, isfinite, isqrt, sqrt
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.errors import RankingError

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Asks = Literal["best", "top", "drop", "shares", "scores", "part_worths", "segments_differ"]
Certainty = Literal["likely", "proven"]
Method = Literal["gw", "thompson", "uniform"]

ASKS: tuple[Asks, ...] = ("best", "top", "drop", "shares", "scores", "part_worths", "segments_differ")
CERTAINTIES: tuple[Certainty, ...] = ("likely", "proven")
METHODS: tuple[Method, ...] = ("gw", "thompson", "uniform")

# What each question mixes: (winner, top-k set, preference shares). A pure winner goal forgets the neighbours of the
# winner, and starts again whenever the winner changes; the companions keep the field warm. Measured in
# docs/statistics-decisions.md.
MIXTURES: dict[str, tuple[float, float, float]] = {
    "best": (2.0, 1.0, 0.5),
    "top": (0.0, 1.0, 0.1),
    "drop": (0.0, 1.0, 0.1),
    "shares": (0.0, 0.0, 1.0),
}

DEALS_PER_MATRIX = 10  # the goal matrix is renewed after so many deals; each deal between updates it exactly
QUEUE = 256
QUEUE_SEARCHED = 64  # who has played all of these is better served by a choice of his own


class GoalRefused(RankingError):
    """The goal cannot be planned for: {reason}."""

    code = "goal_refused"


class PlannerRefused(RankingError):
    """The planner cannot work with this: {reason}."""

    code = "planner_refused"


class AllPairsPlayed(RankingError):
    """Voter {voter} has been dealt every pair of the {n_items} styles that are open; there is nothing left to ask."""

    code = "all_pairs_played"


class ScoresLike(Protocol):
    """What the planner reads of `ranking.scores.Scores`."""

    @property
    def strength(self) -> Floats: ...
    @property
    def posterior_covariance(self) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Goal:
    """The merchant's destination: the best `keep` styles, sure to `confidence`, where `indifference` does not matter.

    `indifference` is in logits: 0.1 is a preference of 52.5 : 47.5. `certainty` is the rule that must agree before the
    test may stop (see `ranking.stopping`). `asks` is the question behind; left out, it is "best" for keep = 1 and "top"
    otherwise. Raises `GoalRefused` for values outside their range; whether `keep` fits the number of styles is asked by
    `check`, because a goal is written before the styles are counted.
    """

    keep: int = 1
    certainty: Certainty = "likely"
    confidence: float = 0.95
    indifference: float = 0.1
    asks: Asks | None = None

    def __post_init__(self) -> None:
        if isinstance(self.keep, bool) or not isinstance(self.keep, int | np.integer) or self.keep < 1:
            raise GoalRefused(reason=f"keep must be a whole number of styles, at least 1, and is {self.keep!r}")
        if self.certainty not in CERTAINTIES:
            raise GoalRefused(reason=f"certainty must be likely or proven, and is {self.certainty!r}")
        if not _is_number(self.confidence) or not 0.5 < self.confidence <= 0.9999:
            raise GoalRefused(reason=f"confidence must lie above 0.5 and at most at 0.9999, and is {self.confidence!r}")
        if not _is_number(self.indifference) or not 0.0 <= self.indifference <= 2.0:
            raise GoalRefused(reason=f"indifference must lie between 0 and 2 logits, and is {self.indifference!r}")
        if self.asks is not None and self.asks not in ASKS:
            raise GoalRefused(reason=f"asks must be one of {', '.join(ASKS)}, and is {self.asks!r}")

    @property
    def question(self) -> Asks:
        """What is asked, "best" or "top" where the goal does not say."""
        return self.asks if self.asks is not None else ("best" if self.keep == 1 else "top")

    def check(self, n_items: int) -> None:
        """Raise `GoalRefused` unless `keep` of `n_items` styles is a choice at all."""
        if self.keep >= n_items:
            raise GoalRefused(reason=f"keeping {self.keep} of {n_items} styles leaves nothing to choose")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and isfinite(float(value))


@dataclass(frozen=True, slots=True)
class Deal:
    """One pair as dealt, with what a log needs to re-weight it.

    `probability` is the chance with which the planner chose this pair of items given its state at that moment
    (`explored` says whether the uniform coin chose it), `left_probability` the chance that these sides came up, and
    `version` the number of refits that the planner had seen.
    """

    left: int
    right: int
    voter: int | str
    probability: float
    left_probability: float
    explored: bool
    version: int
    segment: int = 0

    @property
    def pair(self) -> tuple[int, int]:
        """(left, right)."""
        return self.left, self.right


@dataclass(slots=True)
class _Memory:
    """What the planner remembers of one voter: codes of pairs played, and the items of the present session."""

    played: set[int]
    shown: dict[int, int]
    dealt: int = 0

    def note(self, code: int, low: int, high: int, base: int) -> None:
        """This pair was dealt; items are counted from `base`."""
        self.played.add(code)
        self.dealt += 1
        self.shown[low - base] = self.shown.get(low - base, 0) + 1
        self.shown[high - base] = self.shown.get(high - base, 0) + 1


@dataclass(frozen=True, slots=True)
class _History:
    """A voter's pairs as somebody else keeps them, read as the planner's codes without copying them for one deal."""

    pairs: Set[tuple[int, int]]
    base: int
    rows: int

    def __contains__(self, code: object) -> bool:
        assert isinstance(code, int), "codes of pairs are whole numbers"
        low, high = divmod(code, self.rows)
        low, high = low - self.base, high - self.base
        return (low, high) in self.pairs or (high, low) in self.pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[int]:
        return iter({(self.base + min(i, j)) * self.rows + self.base + max(i, j) for i, j in self.pairs})


@dataclass(frozen=True, slots=True)
class _Planned:
    pair: int
    probability: float
    explored: bool


class Planner:
    """Deals pairs for one goal, one test, one audience (or several: `segments`).

    The loop of a study is: fit, `decide`, `update`, `deal` as often as shoppers ask, vote. One planner is not
    thread-safe: it belongs to one process and one thread.

    Parameters: `n_items` styles; `goal`; `seed` an integer or a numpy Generator. By name: `prior_sd` (logits) or
    `prior_covariance` (n, n), the belief before the first refit; `attributes` (n, m), one-hot or numeric columns, for
    the part-worth goal; `segments`, the number of audiences whose posterior is stacked (items of audience s are rows
    s*n .. s*n+n-1 of what `update` is given, and pairs are dealt within one audience); `epsilon`, the share of uniform
    deals; `item_cap` showings of one style in a `session` of deals to one voter; `floor` deals for each style before
    anything else is asked; `method` "gw", "thompson" (the degraded mode, constant cost, 15-45 % more votes) or
    "uniform"; `memory`, how many voters are remembered (the least recently seen is forgotten first; who must never see
    a pair twice after that, is dealt with `played=`).

    Raises `PlannerRefused` for sizes and matrices that do not fit, `GoalRefused` when `keep` does not.
    """

    def __init__(
        self,
        n_items: int,
        goal: Goal,
        seed: int | np.random.Generator = 0,
        *,
        prior_sd: float = 0.6,
        prior_covariance: ArrayLike | None = None,
        attributes: ArrayLike | None = None,
        segments: int = 1,
        epsilon: float = 0.05,
        item_cap: int = 4,
        session: int = 10,
        floor: int = 0,
        method: Method = "gw",
        memory: int = 50_000,
        mixture: tuple[float, float, float] | None = None,
    ) -> None:
        if not isinstance(n_items, int | np.integer) or n_items < 2:
            raise PlannerRefused(reason=f"a choice needs at least two styles, and there are {n_items!r}")
        if segments < 1:
            raise PlannerRefused(reason=f"a test has at least one audience, and segments is {segments!r}")
        if method not in METHODS:
            raise PlannerRefused(reason=f"method must be one of {', '.join(METHODS)}, and is {method!r}")
        if not 0.0 <= epsilon <= 1.0 or item_cap < 1 or session < 1 or floor < 0 or memory < 1:
            raise PlannerRefused(reason="epsilon lies in 0..1, caps and memory are positive, floor is not negative")
        goal.check(n_items)
        if goal.question == "part_worths" and attributes is None:
            raise PlannerRefused(reason="a goal of part-worths needs the attributes of the styles")
        if goal.question == "segments_differ" and segments < 2:
            raise PlannerRefused(reason="a goal of differing audiences needs at least two segments")
        self.n_items = int(n_items)
        self.goal = goal
        self.method: Method = method
        self.segments = segments
        self.version = 0
        self._random = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
        self._epsilon = epsilon
        self._item_cap = item_cap
        self._session = session
        self._floor = floor
        self._memory_size = memory
        self._mixture = mixture if mixture is not None else MIXTURES.get(goal.question, (1.0, 1.0, 1.0))
        self._rows = self.n_items * segments
        self._partworth_matrix = _partworth_goal(attributes, self.n_items) if attributes is not None else None
        self._prior = self._prior_matrix(prior_sd, prior_covariance)
        self._memory: OrderedDict[tuple[int, int | str], _Memory] = OrderedDict()
        self._shown = np.zeros(self._rows, dtype=np.int64)
        self._open: dict[int, int] = {}
        self._open_by_code: dict[int, deque[int]] = {}
        self._dealt = 0
        self._votes_seen = 0.0
        self._queue: dict[int, deque[_Planned]] = {}
        self._nobody: dict[int, _Memory] = {}
        self._pair_sides: dict[int, int] = {}
        self._item_sides = [0] * self._rows
        self._all_sides = 0
        self._mu = np.zeros(self._rows)
        self._posterior = self._prior.copy()
        self._posterior_version = -1
        self._aim: tuple[Floats, Floats] | None = None
        self._open_pairs(range(self.n_items))
        self._renew()

    # ---- what others tell the planner ------------------------------------------------------------------------

    def update(
        self,
        scores: ScoresLike,
        *,
        in_flight: Iterable[tuple[int, int]] | None = None,
        decided_on: ScoresLike | None = None,
    ) -> None:
        """Take a new fit; what was planned from the old one is forgotten, what is still in flight is kept.

        `scores.strength` (n,) and `scores.posterior_covariance` (n, n) are read, stacked over audiences when there are
        several. Which deals are still unanswered is either told (`in_flight`, pairs of items in any order; rows of the
        stacked numbering when there are several audiences) or inferred: as many of the oldest open deals are taken for
        answered as `scores.n_votes` has grown. A service of several processes should tell.
        `decided_on`: the strengths that the decision is made on where they are not those of this audience (a clientele
        of several); which contrasts are open is then read there, and what a vote is worth to them from `scores`.
        Raises `PlannerRefused` when sizes do not fit or a number is not finite; the planner then stays as it was.
        """
        mu = np.asarray(scores.strength, dtype=np.float64).ravel()
        covariance = np.asarray(scores.posterior_covariance, dtype=np.float64)
        if mu.shape != (self._rows,) or covariance.shape != (self._rows, self._rows):
            raise PlannerRefused(
                reason=f"the fit has {mu.size} strengths, covariance {covariance.shape}; the planner {self._rows} rows"
            )
        if not (np.isfinite(mu).all() and np.isfinite(covariance).all()):
            raise PlannerRefused(reason="the fit holds a strength or covariance that is not finite")
        aim = None if decided_on is None else self._aim_of(decided_on)
        if in_flight is not None:
            self._open.clear()
            self._open_by_code.clear()
            for left, right in in_flight:
                self._check_row(left)
                self._check_row(right)
                self._note_open(min(left, right) * self._rows + max(left, right))
        votes = getattr(scores, "n_votes", None)
        if votes is not None:
            if in_flight is None:
                for _ in range(min(len(self._open), max(0, round(float(votes) - self._votes_seen)))):
                    self._close(next(iter(self._open)))
            self._votes_seen = float(votes)
        self._mu = mu.copy()
        self._posterior = covariance.copy()
        self._aim = aim
        self.version += 1
        self._queue.clear()
        self._renew()

    def expire(self, left: int, right: int) -> bool:
        """An open deal of these two will not be answered any more; the next refit counts without it.

        Returns whether such a deal was open. A second notice of the same expiry is harmless.
        """
        self._check_row(left)
        self._check_row(right)
        numbers = self._open_by_code.get(min(left, right) * self._rows + max(left, right))
        if not numbers:
            return False
        self._close(numbers[0])
        return True

    def restrict(self, items: Collection[int]) -> None:
        """From now on deal only these styles (the rest was dropped). Raises `PlannerRefused` for fewer than two."""
        kept = sorted(set(items))
        if len(kept) < 2 or kept[0] < 0 or kept[-1] >= self.n_items:
            raise PlannerRefused(reason=f"at least two of the {self.n_items} styles must stay, and these are {kept}")
        self._queue.clear()
        self._nobody.clear()
        self._open_pairs(kept)
        self._renew()

    def remember(self, voter: int | str, pairs: Iterable[tuple[int, int]], *, segment: int = 0) -> None:
        """These pairs were dealt to this voter before (the planner was started anew)."""
        memory = self._memory_of(voter, segment)
        memory.played.update(self._code(segment, i, j) for i, j in pairs)

    # ---- what others ask of it -------------------------------------------------------------------------------

    def deal(
        self,
        voter: int | str,
        played: Collection[tuple[int, int]] | None = None,
        shown_counts: Mapping[int, int] | None = None,
        *,
        segment: int = 0,
    ) -> tuple[int, int]:
        """(left, right): the next pair for this voter. The same as `deal_logged(...).pair`."""
        return self.deal_logged(voter, played, shown_counts, segment=segment).pair

    def deal_logged(
        self,
        voter: int | str,
        played: Collection[tuple[int, int]] | None = None,
        shown_counts: Mapping[int, int] | None = None,
        *,
        segment: int = 0,
    ) -> Deal:
        """The next pair for this voter, with its probabilities.

        `played` is the voter's history as pairs in either order (best a set), for a service that keeps it elsewhere;
        `shown_counts` how often each style was shown to him in this session. Left out, the planner's own memory is
        used and kept. A style that was shown `item_cap` times in the session is avoided as long as another unplayed
        pair exists. Raises `AllPairsPlayed` when none exists.
        """
        if not 0 <= segment < self.segments:
            raise PlannerRefused(reason=f"there is no audience {segment}; there are {self.segments}")
        memory = self._memory_of(voter, segment) if played is None else None
        if memory is not None:
            if memory.dealt >= self._session:
                memory.dealt = 0
                memory.shown.clear()
            codes: Collection[int] = memory.played
            shown: Mapping[int, int] = memory.shown if shown_counts is None else shown_counts
        else:
            assert played is not None
            base = segment * self.n_items
            codes = _History(played if isinstance(played, Set) else frozenset(played), base, self._rows)
            shown = shown_counts if shown_counts is not None else {}
        chosen = self._from_queue(segment, codes, shown)
        if chosen is None:
            chosen = self._choose(segment, codes, shown)
            if chosen is None:
                raise AllPairsPlayed(voter=voter, n_items=len(self._items))
            self._apply(chosen.pair)
        low, high = self._low[chosen.pair], self._high[chosen.pair]
        code = low * self._rows + high
        self._note_open(code)
        self._shown[low] += 1
        self._shown[high] += 1
        base = segment * self.n_items
        low_left, chance = self._toss(low, high, code)
        if memory is not None:
            memory.note(code, low, high, base)
        left, right = (low - base, high - base) if low_left else (high - base, low - base)
        return Deal(left, right, voter, chosen.probability, chance, chosen.explored, self.version, segment)

    def show(self, first: int, second: int, voter: int | str, *, probability: float, segment: int = 0) -> Deal:
        """Deal this very pair, which somebody else has chosen with this probability; sides and shows are kept even.

        Raises `PlannerRefused` for styles that are not two of the test.
        """
        base = segment * self.n_items
        self._check_row(base + first)
        self._check_row(base + second)
        if first == second or not 0 <= segment < self.segments:
            raise PlannerRefused(reason=f"styles {first} and {second} in audience {segment} are no pair")
        low, high = base + min(first, second), base + max(first, second)
        code = low * self._rows + high
        self._note_open(code)
        self._shown[low] += 1
        self._shown[high] += 1
        low_left, chance = self._toss(low, high, code)
        left, right = (low - base, high - base) if low_left else (high - base, low - base)
        return Deal(left, right, voter, probability, chance, False, self.version, segment)

    def plan(self, n: int = QUEUE, *, segment: int = 0) -> int:
        """Choose the next `n` deals of an audience in advance; `deal` then takes the first that suits the voter.

        The queue is planned as if anonymous shoppers played sessions one after another, so caps and repeats hold in it
        already. It is thrown away at the next `update`. Returns the length of the queue.
        """
        queue = self._queue.setdefault(segment, deque())
        while len(queue) < n:
            chosen = self._next_of_nobody(segment)
            self._apply(chosen.pair)
            queue.append(chosen)
        return len(queue)

    def imagine(self, votes: int, *, stride: int = 1) -> Floats:
        """The information (n, n) that so many further votes would bring if they were dealt from here.

        One choice of a pair stands for `stride` votes, so that looking far ahead costs little. Pairs are chosen session
        by session: that nobody plays a pair twice halves what can be learnt of the closest one. The working posterior
        is spent by it until the next `update`: ask a planner that was made for the purpose.
        """
        information = np.zeros((self._rows, self._rows))
        left = votes
        while left > 0:
            times = min(left, stride)
            chosen = self._next_of_nobody(0)
            self._apply(chosen.pair, float(times))
            i, j = self._low[chosen.pair], self._high[chosen.pair]
            w = times * float(self._weight[chosen.pair])
            information[i, i] += w
            information[j, j] += w
            information[i, j] -= w
            information[j, i] -= w
            left -= times
        return information

    @property
    def in_flight(self) -> int:
        """Deals handed out and neither answered (as far as the last fit knows) nor expired."""
        return len(self._open)

    @property
    def shown(self) -> Floats:
        """(n,) or (segments * n,): how often each style was dealt by this planner."""
        return self._shown.astype(np.float64)

    @property
    def working_covariance(self) -> Floats:
        """(n, n): the posterior covariance with all deals in flight (and queued) applied."""
        used = self._updates[:, : self._n_updates]
        return self._working - used @ used.T

    @property
    def worth(self) -> float:
        """What the best next vote takes off the chance of choosing wrongly, for comparing audiences; no unit."""
        self._refresh()
        matrix = self._goal_matrix(self._working, _contrasts(self._working), normalised=False)
        doubt = _contrasts(self._working @ matrix @ self._working).take(self._code_array)
        return float((self._weight * doubt / (1.0 + self._weight * self._variance)).max())

    # ---- choosing --------------------------------------------------------------------------------------------

    def _choose(self, segment: int, codes: Collection[int], shown: Mapping[int, int]) -> _Planned | None:
        """The pair for someone who played `codes` and saw `shown`; None when nothing is left. Only dice are thrown."""
        base = segment * self.n_items
        capped = [base + item for item, times in shown.items() if times >= self._item_cap] if shown else []
        if self.method == "uniform":
            pair = self._uniform(segment, codes, capped)
            return None if pair is None else _Planned(pair, 1.0 / max(1, self._session_pairs - len(codes)), True)
        n_allowed = max(1, self._session_pairs - len(codes))
        explore = self._random.random() < self._epsilon
        if explore:
            pair = self._uniform(segment, codes, capped)
            if pair is None:
                return None
            return _Planned(pair, self._epsilon / n_allowed, True)
        pair = self._thompson(segment, codes, capped) if self.method == "thompson" else None
        if pair is None:
            pair = self._greedy(segment, codes, capped)
            if pair is None:
                return None
        return _Planned(pair, 1.0 - self._epsilon + self._epsilon / n_allowed, False)

    def _next_of_nobody(self, segment: int) -> _Planned:
        """The next pair for an anonymous shopper who plays whole sessions, half of all pairs where they are few."""
        session = self._nobody.get(segment)
        if session is None or session.dealt >= min(self._session, max(1, self._session_pairs // 2)):
            session = self._nobody[segment] = _Memory(set(), {})
        chosen = self._choose(segment, session.played, session.shown)
        assert chosen is not None, "a session is shorter than all pairs"
        session.note(self._codes[chosen.pair], self._low[chosen.pair], self._high[chosen.pair], segment * self.n_items)
        return chosen

    def _greedy(self, segment: int, codes: Collection[int], capped: list[int]) -> int | None:
        self._refresh()
        gain = self._gain_buffer
        np.multiply(self._weight, self._variance, out=gain)
        gain += 1.0
        np.divide(self._weighted_doubt, gain, out=gain)
        if self.segments > 1:
            gain[self._pair_segment != segment] = -1.0
        if self._floor:
            under = self._under_floor()
            if under is not None:
                # Pairs without a style below its floor wait; they stay above the refused ones.
                gain[~under & (gain > 0.0)] *= 1e-9
        for row in capped:
            gain[self._touching[row]] = -1.0
        n_tries = 6
        for _ in range(n_tries):
            pair = int(gain.argmax())
            if gain[pair] < 0.0:
                break
            if self._codes[pair] not in codes:
                return pair
            gain[pair] = -1.0
        if codes:
            gain[self._positions(codes)] = -1.0
        pair = int(gain.argmax())
        if gain[pair] >= 0.0:
            return pair
        return self._greedy(segment, codes, []) if capped else None

    def _uniform(self, segment: int, codes: Collection[int], capped: list[int]) -> int | None:
        start, stop = segment * self._session_pairs, (segment + 1) * self._session_pairs
        for _ in range(20):
            pair = int(self._random.integers(start, stop))
            if self._codes[pair] not in codes and self._low[pair] not in capped and self._high[pair] not in capped:
                return pair
        allowed = np.zeros(len(self._codes), dtype=bool)
        allowed[start:stop] = True
        if codes:
            allowed[self._positions(codes)] = False
        if not allowed.any():
            return None
        uncapped = allowed.copy()
        for row in capped:
            uncapped[self._touching[row]] = False
        return int(self._random.choice(np.flatnonzero(uncapped if uncapped.any() else allowed)))

    def _thompson(self, segment: int, codes: Collection[int], capped: list[int]) -> int | None:
        """Half top-two Thompson (Russo 2016), half a draw's own boundary between rank k and k + 1."""
        if self._posterior_version != self.version:
            values, vectors = np.linalg.eigh(self._posterior)
            self._root = vectors * np.sqrt(np.clip(values, 0.0, None))
            self._posterior_version = self.version
        rows = segment * self.n_items + self._items
        for _ in range(8):
            draws = self._mu[rows][:, None] + self._root[rows] @ self._random.standard_normal((self._rows, 4))
            if self._random.random() < 0.5:
                tops = draws.argmax(axis=0)
                others = tops[tops != tops[0]]
                if not others.size:
                    draws[tops[0]] = -np.inf
                    others = draws[:, 1:2].argmax(axis=0)
                a, b = int(rows[tops[0]]), int(rows[others[0]])
            else:
                order = np.argsort(-draws[:, 0], kind="stable")
                k = min(self.goal.keep, len(rows) - 1)
                a, b = int(rows[order[k - 1]]), int(rows[order[k]])
            low, high = min(a, b), max(a, b)
            if low * self._rows + high not in codes and low not in capped and high not in capped:
                return int(self._where[low, high])
        return self._uniform(segment, codes, capped)

    def _from_queue(self, segment: int, codes: Collection[int], shown: Mapping[int, int]) -> _Planned | None:
        queue = self._queue.get(segment)
        if not queue:
            return None
        base = segment * self.n_items
        for position, planned in enumerate(islice(queue, QUEUE_SEARCHED)):
            if self._codes[planned.pair] in codes:
                continue
            low, high = self._low[planned.pair] - base, self._high[planned.pair] - base
            if shown and (shown.get(low, 0) >= self._item_cap or shown.get(high, 0) >= self._item_cap):
                continue
            del queue[position]
            return planned
        return None

    def _toss(self, low: int, high: int, code: int) -> tuple[bool, float]:
        """Whether the lower-numbered style goes left, and the chance of what came up.

        A fair coin strays by 1.6 % in a thousand deals. This coin leans (Efron 1971, biased coin design) against what
        the pair, its two styles and all deals have had so far, and never so far that a side could be foretold.
        """
        pair = self._pair_sides.get(code, 0)
        surplus = 2 * pair + self._item_sides[low] - self._item_sides[high]
        total = self._all_sides
        lean = max(-2, min(2, surplus)) + max(-2, min(2, total))
        chance = 0.5 - 0.1 * lean if -4 < lean < 4 else (0.1 if lean > 0 else 0.9)
        low_left = bool(self._random.random() < chance)
        step = 1 if low_left else -1
        self._pair_sides[code] = pair + step
        self._item_sides[low] += step
        self._item_sides[high] -= step
        self._all_sides = total + step
        return low_left, chance if low_left else 1.0 - chance

    # ---- the working posterior -------------------------------------------------------------------------------

    def _open_pairs(self, items: Iterable[int]) -> None:
        """Lay out the pairs that may be dealt, in blocks of one audience after another."""
        self._items = np.array(sorted(items), dtype=np.intp)
        upper = np.triu_indices(len(self._items), 1)
        low, high = self._items[upper[0]], self._items[upper[1]]
        bases = self.n_items * np.arange(self.segments)[:, None]
        self._low_array = (low + bases).ravel()
        self._high_array = (high + bases).ravel()
        self._session_pairs = len(low)
        self._pair_segment = np.repeat(np.arange(self.segments), len(low))
        self._low: list[int] = self._low_array.tolist()
        self._high: list[int] = self._high_array.tolist()
        self._code_array = self._low_array * self._rows + self._high_array
        self._codes: list[int] = self._code_array.tolist()
        self._where = np.full((self._rows, self._rows), -1, dtype=np.intp)
        self._where[self._low_array, self._high_array] = np.arange(len(self._low))
        self._touching = {
            row: np.flatnonzero((self._low_array == row) | (self._high_array == row))
            for row in (self._items + bases).ravel().tolist()
        }
        n_pairs = len(self._low)
        self._gain_buffer = np.empty(n_pairs)
        self._difference, self._slope = np.empty(n_pairs), np.empty(n_pairs)

    def _renew(self) -> None:
        """The working covariance is the posterior with all open deals applied (Woodbury, once)."""
        gap = self._mu[self._low_array] - self._mu[self._high_array]
        p = 1.0 / (1.0 + np.exp(-gap))
        # The jitter breaks ties between pairs of equal worth at random: the first batch knows nothing of any style.
        self._weight = p * (1.0 - p) * (1.0 + 1e-9 * self._random.random(len(gap)))
        self._prepare_questions()
        working: Floats = self._posterior
        if self._open:
            laplacian = np.zeros((self._rows, self._rows))
            for code in self._open.values():
                i, j = divmod(code, self._rows)
                chance = 1.0 / (1.0 + exp(-(self._mu[i] - self._mu[j])))
                w = chance * (1.0 - chance)
                laplacian[i, i] += w
                laplacian[j, j] += w
                laplacian[i, j] -= w
                laplacian[j, i] -= w
            working = np.asarray(np.linalg.solve(np.eye(self._rows) + working @ laplacian, working), dtype=np.float64)
            working = np.asarray(0.5 * (working + working.T), dtype=np.float64)
        self._working = working.copy()
        # Several audiences make a matrix so large that renewing it each ten deals would be all the work.
        self._block = max(DEALS_PER_MATRIX, self._rows * self._rows // 400) if self.segments > 1 else DEALS_PER_MATRIX
        self._updates = np.zeros((self._rows, self._block))
        self._n_updates = 0
        self._stale = True

    def _refresh(self) -> None:
        """Fold the finished block of virtual updates in, and renew goal matrix and gains."""
        if not self._stale and self._n_updates < self._block:
            return
        if self._n_updates:
            self._working = self._working - self._updates @ self._updates.T
            self._n_updates = 0
        working = self._working
        variance = _contrasts(working)
        self._matrix = self._goal_matrix(working, variance, normalised=True)
        doubt = _contrasts(working @ self._matrix @ working)
        self._variance = variance.take(self._code_array)
        self._weighted_doubt = self._weight * doubt.take(self._code_array)
        self._stale = False

    def _apply(self, pair: int, votes: float = 1.0) -> None:
        """One deal in flight (or several of one pair): the exact rank-one update of variance and gain of every pair.

        With S the working covariance, x = e_i - e_j, s = S x, c = w / (1 + w x's): S -= c s s', and because G = S M S
        with M fixed within the block, G x = S M s needs no stored G.
        """
        self._refresh()
        if self.method != "gw":
            return
        a, b = self._low[pair], self._high[pair]
        used = self._updates[:, : self._n_updates]
        s = self._working[a] - self._working[b]
        if self._n_updates:
            s -= used @ (used[a] - used[b])
        w = votes * float(self._weight[pair])
        c = w / (1.0 + w * float(s[a] - s[b]))
        m = self._matrix @ s
        g = self._working @ m
        if self._n_updates:
            g -= used @ (m @ used)
        q = float(s @ m)
        difference, slope = self._difference, self._slope
        np.subtract(s.take(self._low_array), s.take(self._high_array), out=difference)
        np.subtract(g.take(self._low_array), g.take(self._high_array), out=slope)
        # Change of x'Gx: -2 c d h + c^2 q d^2, and of x'Sx: -c d^2.
        slope *= -2.0 * c
        slope += (c * c * q) * difference
        slope *= difference
        slope *= self._weight
        self._weighted_doubt += slope
        difference *= difference
        difference *= c
        self._variance -= difference
        self._updates[:, self._n_updates] = sqrt(c) * s
        self._n_updates += 1

    def _prepare_questions(self) -> None:
        """What of the goal matrix depends on the means alone, and so stays until the next refit."""
        question = self.goal.question
        n = self.n_items
        self._boundaries: list[tuple[float, slice, tuple[Integers, ...], Floats]] = []
        self._fixed: list[tuple[float, slice, Floats]] = []
        if question == "segments_differ":
            centre = np.eye(n) - 1.0 / n
            between = np.eye(self.segments) - 1.0 / self.segments
            self._fixed.append((1.0, slice(0, self._rows), np.asarray(np.kron(between, centre), dtype=np.float64)))
            return
        for segment in range(self.segments):
            block = slice(segment * n, (segment + 1) * n)
            mu = self._mu[block] if self._aim is None else self._aim[0]
            if question == "part_worths":
                assert self._partworth_matrix is not None
                self._fixed.append((1.0, block, self._partworth_matrix))
                continue
            if question == "scores" or float(np.ptp(mu[self._items])) < 1e-9:
                # Before anything is known there is no leader, and whoever was taken for one would be asked about most.
                self._fixed.append((1.0, block, np.asarray(np.eye(n) - 1.0 / n, dtype=np.float64)))
                continue
            best, top, shares = self._mixture
            order = self._items[np.argsort(-mu[self._items], kind="stable")]
            companion_k = companion(n) if question == "best" else self.goal.keep
            for weight, k in ((best, 1), (top, min(companion_k, len(order) - 1))):
                if weight:
                    inside, outside = order[:k], order[k:]
                    gap = mu[inside][:, None] - mu[outside][None, :] + self.goal.indifference
                    self._boundaries.append((weight, block, np.ix_(inside, outside), gap))
            if shares:
                self._fixed.append((shares, block, _share_goal(mu, self._items)))

    def _goal_matrix(self, covariance: Floats, variance: Floats, *, normalised: bool) -> Floats:
        """M, (rows, rows): the Laplacian of all open contrasts, and the shares.

        `variance` holds the variance of each contrast; where the decision is made on other strengths than these, theirs
        is known from the last fit. Normalised, each question of the mixture starts with tr(M S) equal to its weight.
        """
        if self._aim is not None:
            variance = self._aim[1]
        total = np.zeros((self._rows, self._rows))
        for weight, block, grid, gap in self._boundaries:
            spread = variance[block, block][grid]
            np.maximum(spread, 1e-12, out=spread)
            z = np.minimum(gap * gap / spread, 80.0)
            # A question that is as good as settled keeps a whiff of weight: dividing by zero would end the planning.
            z *= -0.5
            omega = np.exp(z)
            scale = np.sqrt(spread)
            omega /= scale
            if normalised:
                scale *= omega
                scale *= np.sqrt(spread)
                omega *= weight / float(scale.sum())
            else:
                omega *= weight
            local = total[block, block]
            local[grid] -= omega
        total += total.T
        total.flat[:: self._rows + 1] -= total.sum(axis=1)
        for weight, block, matrix in self._fixed:
            if normalised:
                size = float(np.vdot(matrix, covariance[block, block]))
                if size > 1e-300:
                    total[block, block] += matrix * (weight / size)
            elif not self._boundaries:
                total[block, block] += weight * matrix
        return total

    # ---- small helpers ---------------------------------------------------------------------------------------

    def _under_floor(self) -> NDArray[np.bool_] | None:
        low = self._shown < self._floor
        pairs: NDArray[np.bool_] = low[self._low_array] | low[self._high_array]
        return pairs if pairs.any() else None

    def _positions(self, codes: Collection[int]) -> Integers:
        array = np.fromiter(codes, dtype=np.intp)
        found: Integers = self._where[array // self._rows, array % self._rows]
        return found[found >= 0]

    def _code(self, segment: int, i: int, j: int) -> int:
        base = segment * self.n_items
        return (base + (i if i < j else j)) * self._rows + base + (j if i < j else i)

    def _memory_of(self, voter: int | str, segment: int) -> _Memory:
        memory = self._memory.get((segment, voter))
        if memory is None:
            memory = self._memory[segment, voter] = _Memory(set(), {})
            if len(self._memory) > self._memory_size:
                self._memory.popitem(last=False)
        else:
            self._memory.move_to_end((segment, voter))
        return memory

    def _note_open(self, code: int) -> None:
        self._open[self._dealt] = code
        self._open_by_code.setdefault(code, deque()).append(self._dealt)
        self._dealt += 1

    def _close(self, number: int) -> None:
        code = self._open.pop(number)
        numbers = self._open_by_code[code]
        assert numbers[0] == number, "open deals of a pair are closed in the order in which they were dealt"
        numbers.popleft()
        if not numbers:
            del self._open_by_code[code]

    def _check_row(self, row: int) -> None:
        if not 0 <= row < self._rows:
            raise PlannerRefused(reason=f"there is no style {row}; there are {self._rows}")

    def _aim_of(self, scores: ScoresLike) -> tuple[Floats, Floats]:
        """(strengths, variances of contrasts) that the decision is made on."""
        mu = np.array(scores.strength, dtype=np.float64).ravel()
        covariance = np.asarray(scores.posterior_covariance, dtype=np.float64)
        if self.segments != 1 or mu.shape != (self.n_items,) or covariance.shape != (self.n_items, self.n_items):
            raise PlannerRefused(reason=f"what is decided on must be {self.n_items} strengths, for one audience")
        if not (np.isfinite(mu).all() and np.isfinite(covariance).all()):
            raise PlannerRefused(reason="the fit holds a strength or covariance that is not finite")
        return mu, _contrasts(covariance)

    def _prior_matrix(self, prior_sd: float, prior_covariance: ArrayLike | None) -> Floats:
        if prior_covariance is None:
            if not _is_number(prior_sd) or prior_sd <= 0.0:
                raise PlannerRefused(reason=f"prior_sd is a positive number of logits, and is {prior_sd!r}")
            return prior_sd**2 * np.eye(self._rows)
        matrix = np.array(prior_covariance, dtype=np.float64)
        if matrix.shape != (self._rows, self._rows) or not np.isfinite(matrix).all():
            raise PlannerRefused(reason=f"the prior covariance must be finite and {self._rows} x {self._rows}")
        return matrix


def companion(n_items: int) -> int:
    """How many styles the planner keeps an eye on while it looks for the best one: about the square root of all."""
    return max(1, min(n_items - 1, isqrt(n_items)))


def _contrasts(covariance: Floats) -> Floats:
    """The variance of every difference: C_ii + C_jj - 2 C_ij."""
    diagonal = covariance.diagonal()
    out = covariance * -2.0
    out += diagonal
    out += diagonal[:, None]
    return out


def _share_goal(mu: Floats, items: Integers) -> Floats:
    """J'J with J the Jacobian of the preference shares (softmax)."""
    p = np.zeros_like(mu)
    p[items] = np.exp(mu[items] - mu[items].max())
    p /= p.sum()
    jacobian = np.diag(p) - np.outer(p, p)
    return np.asarray(jacobian @ jacobian)


def _partworth_goal(attributes: ArrayLike, n_items: int) -> Floats:
    """Z (Z'Z)^-2 Z' on centred columns: the squared errors of all part-worths (least squares on the strengths)."""
    design: Any = np.array(attributes, dtype=np.float64)
    if design.ndim == 1:
        design = design[:, None]
    if design.ndim != 2 or design.shape[0] != n_items or not np.isfinite(design).all():
        raise PlannerRefused(reason=f"attributes must be finite with one row for each of the {n_items} styles")
    centred = design - design.mean(axis=0)
    inverse = np.linalg.pinv(centred, rcond=1e-9)
    if not np.abs(inverse).max(initial=0.0) > 0.0:
        raise PlannerRefused(reason="the attributes do not vary between the styles")
    return np.asarray(inverse.T @ inverse)
