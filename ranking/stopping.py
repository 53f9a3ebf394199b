"""When the answer is certain enough, at whatever moment one looks; and how many votes are still needed.

Two levels of "sure", both asked after every batch of votes:

*likely* (rule B) is a betting statement. From the shrunken posterior, p_ab = Phi(-(d_ab + delta) / sd_ab) is the chance
that style b, left out, is better by more than delta than style a, chosen. The probability shown is prod (1 - p_ab) over
all such pairs: never less than the sum bound 1 - sum p_ab, and by Slepian's inequality (1962) a lower bound as well,
since contrasts that share a style are positively correlated. It is right on average over tests like the prior.

*proven* (rule P) is a guarantee. From the estimates under the weak prior, with information I = 1/variance and
x = (d + delta) I, the one-sided normal-mixture e-process against "b is better than a by delta or more" is

    E = 2 Phi(x / sqrt(I + kappa)) sqrt(kappa / (I + kappa)) exp(x^2 / (2 (I + kappa)))

(Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021, Annals of Statistics 49, one-sided mixture boundaries; E = 0 for
x < 0). By Ville's inequality 1/E is a p-value at every look at once. The test stops at sum 1/E <= 0.8 (1 - confidence).
What is proved is this bound with the number of pairs in front; that the plain sum keeps its promise is known from
simulation only (docs/statistics-decisions.md), and E itself is asymptotic in the votes.

Variances of contrasts are voter-clustered throughout: a shopper's ten choices are not ten shoppers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import erfc, sqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.errors import RankingError
from ranking.pairing import Goal, Planner
from ranking.scores import Flag

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

KAPPA: Final = 12.0
"""Information at which the mixture is sharpest; votes to stop are flat in it from 4 to 60."""

PROVEN_MARGIN: Final = 0.8
"""Rule P stops at this share of the error that was allowed: headroom for what is asymptotic in it."""

VOTES_PER_STYLE: Final = 20
FEW_VOTERS: Final = 30
DESIGN_EFFECT_OF_FEW: Final = 1.3
LOGIT_PER_BOUGHT_PERCENT: Final = 0.016
"""How far one per cent of all voters moves a style that they always choose; measured in simulation."""

PROBE_VOTES: Final = 2000
PROBE_THRESHOLD: Final = 3.0
PROBE_STYLES: Final = 3

FAN_SD: Final = 0.7
"""Honest voters differ in how much they like the leader: standard deviation in logits."""

LOGISTIC_BLUR: Final = 0.346
"""E logistic(g + N(0, s^2)) is about logistic(g / sqrt(1 + 0.346 s^2)) (Zeger, Liang & Albert 1988, Biometrics 44)."""

# Flags of a fit under which no answer is given, and the reason that is told instead.
BLOCKING: Final[dict[str, str]] = {
    "not_converged": "not_converged",
    "disconnected": "disconnected",
    "too_few_voters": "too_few_voters",
    "segment_unheard": "segment_unheard",
}

REASONS: Final[dict[str, tuple[str, str]]] = {
    "too_few_votes": ("票数还太少,先不下结论", "too few votes so far; no conclusion yet"),
    "too_few_voters": ("投票的人太少,先不下结论", "too few different voters; no conclusion yet"),
    "segment_unheard": (
        "有的目标人群还几乎没有投票,先不下结论",
        "one of the audiences has hardly voted yet; no conclusion yet",
    ),
    "disconnected": (
        "有的款式从没和其他款式比过,无法排名",
        "some styles were never compared with the others, so they cannot be ranked together",
    ),
    "not_converged": ("计算没有收敛,结果不可信", "the fit did not converge; its numbers are not to be used"),
    "flagged": (
        "规则已满足,但有太多人只捧入选的款式,请人工判断",
        "the rule has fired, but too many voters only ever chose what leads; judge for yourself",
    ),
    "collecting": ("还在收集,差距还不够清楚", "still collecting; the difference is not clear enough yet"),
    "likely": ("很有把握", "likely: right that often over tests like this one"),
    "proven": ("已经证实", "proven: wrong at most that often in any case, whenever one looks"),
}


class StoppingRefused(RankingError):
    """This cannot be decided: {reason}."""

    code = "stopping_refused"


class ScoresLike(Protocol):
    """What the rules read of `ranking.scores.Scores`."""

    @property
    def strength(self) -> Floats: ...
    @property
    def posterior_covariance(self) -> Floats: ...
    @property
    def weak_strength(self) -> Floats: ...
    @property
    def weak_covariance(self) -> Floats: ...
    @property
    def flags(self) -> tuple[Flag, ...]: ...
    @property
    def n_votes(self) -> int: ...
    @property
    def n_voters(self) -> int: ...
    def pair_design_effect(self) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be said now.

    `chosen`: the best `keep` styles, strongest first. `likely`, `proven`: whether each rule agrees; `done` whether the
    one does that the goal asks for. `probability`: that no style left out is better than a chosen one by more than the
    indifference. `error_bound`: rule P's sum of 1/E, at most 1. `dropped`: styles that surely do not belong to the best
    `keep`, by the goal's rule. `in_race`: styles that may still. `equivalent`: styles left out that are shown to differ
    from the last chosen one by no more than the indifference either way. `margin_percent`: the choice holds unless more
    than so many per cent of the voters were bought. `reason`: a code of `REASONS`; `insufficient` when it is one that
    forbids any answer.
    """

    chosen: tuple[int, ...]
    likely: bool
    proven: bool
    done: bool
    probability: float
    error_bound: float
    dropped: tuple[int, ...]
    in_race: tuple[int, ...]
    equivalent: tuple[int, ...]
    margin_percent: float
    reason: str
    n_votes: float

    @property
    def insufficient(self) -> bool:
        """No answer at all: too little, or too doubtful, to say anything."""
        return self.reason not in ("collecting", "likely", "proven")

    def sentence(self, language: str = "zh") -> str:
        """The reason in words, Chinese unless `language` is "en"."""
        chinese, english = REASONS[self.reason]
        return english if language == "en" else chinese

    def margin_sentence(self, language: str = "zh") -> str:
        """How much bought voting the choice would survive."""
        percent = f"{self.margin_percent:.1f}"
        if language == "en":
            return f"holds unless more than {percent} % of the voters were bought"
        return f"除非有超过 {percent}% 的投票人被收买,否则结论不变"


def decide(scores: ScoresLike, goal: Goal, n_votes: float | None = None) -> Decision:
    """Ask both rules, at any moment.

    `scores` is a fit (`ranking.scores.Scores`); `n_votes` the votes behind it (weights summed, where votes are
    weighted), by default its own count. Raises `GoalRefused` when `keep` is not below the number of styles and
    `StoppingRefused` when the fit holds numbers that are not finite.
    """
    n = len(scores.strength)
    goal.check(n)
    votes = float(scores.n_votes if n_votes is None else n_votes)
    if not np.isfinite(votes) or votes < 0.0:
        raise StoppingRefused(reason=f"the number of votes is {votes!r}")
    if not all(
        np.isfinite(part).all()
        for part in (scores.strength, scores.posterior_covariance, scores.weak_strength, scores.weak_covariance)
    ):
        raise StoppingRefused(reason="the fit holds a number that is not finite")
    effect = _effect(scores)
    order = np.argsort(-np.round(scores.strength, 9), kind="stable")
    inside, outside = order[: goal.keep], order[goal.keep :]
    alpha = 1.0 - goal.confidence

    found = evidence(scores, goal.keep, goal.indifference)
    blocked = _blocked(scores, votes)
    likely = blocked is None and found.settles(replace(goal, certainty="likely"))
    proven = blocked is None and found.settles(replace(goal, certainty="proven"))
    reason = blocked or ("proven" if proven else "likely" if likely else "collecting")

    everything = np.ix_(np.arange(n), np.arange(n))
    proven_gap, proven_sd = _contrasts(scores.weak_strength, scores.weak_covariance, effect, everything)
    refuted = always_valid_p(proven_gap, proven_sd, goal.indifference)
    in_race = tuple(int(j) for j in order if j in inside or np.sort(refuted[:, j])[goal.keep - 1] > alpha)
    if goal.certainty == "proven":
        strict = always_valid_p(proven_gap, proven_sd, 0.0)
        within = refuted
    else:
        likely_gap, likely_sd = _contrasts(scores.strength, scores.posterior_covariance, effect, everything)
        strict = _tail(likely_gap / likely_sd)
        within = _tail((likely_gap + goal.indifference) / likely_sd)
    # `strict[a, j]` doubts that a is better than j: j is dropped when k styles are, each beyond doubt.
    np.fill_diagonal(strict, 1.0)
    sure = np.sort(strict, axis=0)[goal.keep - 1] <= alpha / n
    last = int(inside[-1])
    level = PROVEN_MARGIN * alpha
    alike = (within[last] <= level) & (within[:, last] <= level)
    rival = int(outside[0])
    margin = max(0.0, float(scores.strength[last] - scores.strength[rival])) / LOGIT_PER_BOUGHT_PERCENT
    return Decision(
        chosen=tuple(int(i) for i in inside),
        likely=likely,
        proven=proven,
        done=proven if goal.certainty == "proven" else likely,
        probability=found.probability,
        error_bound=found.error_bound,
        dropped=() if blocked else tuple(int(j) for j in order if sure[j] and j not in inside),
        in_race=tuple(int(j) for j in order) if blocked else in_race,
        equivalent=() if blocked else tuple(int(j) for j in outside if alike[j]),
        margin_percent=min(100.0, margin),
        reason=reason,
        n_votes=votes,
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """The two numbers that the rules look at: rule B's `probability`, rule P's `error_bound`; see `Decision`."""

    probability: float
    error_bound: float

    def settles(self, goal: Goal) -> bool:
        """Whether the goal's own rule fires on these (apart from the fewest votes, which `decide` asks for)."""
        if goal.certainty == "proven":
            return self.error_bound <= PROVEN_MARGIN * (1.0 - goal.confidence)
        return self.probability >= goal.confidence


def evidence(scores: ScoresLike, keep: int, indifference: float) -> Evidence:
    """How sure both rules are that the strongest `keep` styles may be kept; nothing is checked."""
    effect = _effect(scores)
    order = np.argsort(-np.round(scores.strength, 9), kind="stable")
    grid = np.ix_(order[:keep], order[keep:])
    gap, error = _contrasts(scores.strength, scores.posterior_covariance, effect, grid)
    doubt = _tail((gap + indifference) / error)
    probability = float(np.exp(np.log1p(-np.minimum(doubt, 1.0 - 1e-12)).sum()))
    gap, error = _contrasts(scores.weak_strength, scores.weak_covariance, effect, grid)
    return Evidence(probability, float(min(1.0, always_valid_p(gap, error, indifference).sum())))


def always_valid_p(gap: Floats, standard_error: Floats, indifference: float) -> Floats:
    """min(1, 1/E) of rule P for contrasts `gap` (any shape, logits) with clustered standard errors; see the module."""
    information = 1.0 / np.maximum(standard_error * standard_error, 1e-12)
    x = (gap + indifference) * information
    total = information + KAPPA
    tail = np.maximum(_tail(-x / np.sqrt(total)), 0.5)
    log_e = np.log(2.0 * tail) + 0.5 * np.log(KAPPA / total) + x * x / (2.0 * total)
    return np.where(x > 0.0, np.exp(-np.clip(log_e, 0.0, 700.0)), 1.0)


def _contrasts(
    strength: Floats, covariance: Floats, effect: Floats, grid: tuple[Integers, ...]
) -> tuple[Floats, Floats]:
    """Row minus column on a grid of styles, and its clustered standard error (1 where a style meets itself)."""
    rows, columns = (part.ravel() for part in grid)
    diagonal = np.diagonal(covariance)
    variance = diagonal[rows][:, None] + diagonal[columns][None, :] - 2.0 * covariance[grid]
    variance = np.maximum(variance, 1e-12) * effect[grid]
    variance[rows[:, None] == columns[None, :]] = 1.0
    return strength[rows][:, None] - strength[columns][None, :], np.sqrt(variance)


def _effect(scores: ScoresLike) -> Floats:
    """(n, n) design effect of each contrast."""
    effect = scores.pair_design_effect()
    if 0 < scores.n_voters < FEW_VOTERS:
        return np.maximum(effect, DESIGN_EFFECT_OF_FEW)
    return effect


def _tail(z: Floats) -> Floats:
    """P(N(0, 1) > z), exact to the last digits, for arrays of any shape."""
    flat = np.asarray(z, dtype=np.float64).ravel() / sqrt(2.0)
    return np.array([0.5 * erfc(value) for value in flat.tolist()]).reshape(np.shape(z))


def _blocked(scores: ScoresLike, votes: float) -> str | None:
    for flag in scores.flags:
        if flag.code in BLOCKING:
            return BLOCKING[flag.code]
    if 0 < scores.n_voters < FEW_VOTERS:
        return "too_few_voters"
    return "too_few_votes" if votes < VOTES_PER_STYLE * len(scores.strength) else None


# ---- what is still needed --------------------------------------------------------------------------------------

HORIZON: Final = tuple(round(50 * 2 ** (step / 2)) for step in range(18))  # 50 … 18 102 votes
STEPS_OF_A_LOOK: Final = 12


@dataclass(frozen=True, slots=True)
class Forecast:
    """Votes still needed, as the posterior sees it: `votes` (draws,) sorted, infinite where the horizon is not enough.

    `horizon` is the farthest that was looked; `price_fen` what one vote costs the merchant.
    """

    votes: Floats
    horizon: int
    price_fen: int

    def quantile(self, q: float) -> float | None:
        """Votes that suffice with probability `q`; None when that is beyond the horizon."""
        value = self.votes[min(len(self.votes) - 1, int(q * len(self.votes)))]
        return float(value) if np.isfinite(value) else None

    @property
    def low(self) -> float | None:
        """The 10 % quantile."""
        return self.quantile(0.1)

    @property
    def median(self) -> float | None:
        """As likely enough as not."""
        return self.quantile(0.5)

    @property
    def high(self) -> float | None:
        """The 90 % quantile."""
        return self.quantile(0.9)

    def chance_by(self, votes: float) -> float:
        """The probability that so many more votes end the test: what another ¥100 would buy."""
        return float(np.mean(self.votes <= votes))

    def then(self, votes: int) -> "Forecast":
        """The same with so many votes more after the rule has fired: what the confirmation of a winner asks."""
        return replace(self, votes=self.votes + votes)

    def money_fen(self, q: float) -> int | None:
        """The money for `quantile(q)`."""
        votes = self.quantile(q)
        return None if votes is None else round(votes) * self.price_fen


@dataclass(frozen=True, slots=True)
class _Belief:
    """A mean and covariance, as the planner reads a fit."""

    strength: Floats
    posterior_covariance: Floats

    def after(self, information: Floats, pull: Floats) -> "_Belief":
        """The posterior after votes that brought `information` (n, n) and a score of `information @ mean + pull`."""
        prior = self.posterior_covariance
        solved = np.linalg.solve(np.eye(len(prior)) + prior @ information, prior)
        later = np.asarray(0.5 * (solved + solved.T), dtype=np.float64)
        mean = np.asarray(self.strength + later @ (pull - information @ self.strength), dtype=np.float64)
        return _Belief(mean, later)


def forecast(
    scores: ScoresLike,
    goal: Goal,
    rng: np.random.Generator,
    *,
    n_votes: float | None = None,
    price_fen: int = 3,
    n_draws: int = 60,
    horizon: Sequence[int] = HORIZON,
) -> Forecast:
    """How many more votes until the goal's rule fires: futures of this very test, drawn from what is known of it.

    In each future a truth theta* is drawn from the (clustered) posterior; the planner deals virtually from where the
    test stands; the posterior follows by m' = m + S' (L (theta* - m) + u) with L the information of the deals, S' =
    (S^-1 + L)^-1 and u normal with covariance L times the design effect; and the planner goes on from m'. Some ten
    milliseconds a future at twelve styles, three times that at sixty.
    """
    n = len(scores.strength)
    goal.check(n)
    votes_now = float(scores.n_votes if n_votes is None else n_votes)
    if decide(scores, goal, votes_now).done:
        return Forecast(np.zeros(n_draws), int(horizon[-1]), price_fen)
    effect = _effect(scores)
    order = np.argsort(-scores.strength, kind="stable")
    usual_effect = float(effect[order[: goal.keep]][:, order[goal.keep :]].mean())
    root = _root(scores.posterior_covariance * usual_effect)
    planner = Planner(n, goal, rng)
    least = max(0.0, VOTES_PER_STYLE * n - votes_now)
    needed = np.array(
        [
            _future(scores, goal, planner, scores.strength + root @ rng.standard_normal(n), effect, usual_effect,
                    least, horizon, rng)
            for _ in range(n_draws)
        ]
    )  # fmt: skip
    return Forecast(np.sort(needed), int(horizon[-1]), price_fen)


def _future(
    scores: ScoresLike,
    goal: Goal,
    planner: Planner,
    truth: Floats,
    effect: Floats,
    usual_effect: float,
    least: float,
    horizon: Sequence[int],
    rng: np.random.Generator,
) -> float:
    """Votes until the rule fires if `truth` is so; infinite where the horizon does not show it."""
    proven = goal.certainty == "proven"
    allowed = PROVEN_MARGIN * (1.0 - goal.confidence) if proven else 1.0 - goal.confidence
    belief = _Belief(scores.strength, scores.posterior_covariance)
    judged = _Belief(scores.weak_strength, scores.weak_covariance) if proven else belief
    before, doubt_before = 0, _doubt(judged.strength, judged.posterior_covariance, effect, goal, proven)
    for votes in horizon:
        planner.update(belief)
        step = votes - before
        information = planner.imagine(step, stride=max(1, step // STEPS_OF_A_LOOK))
        luck = _root(information * usual_effect) @ rng.standard_normal(len(truth))
        pull = information @ truth + luck
        belief = belief.after(information, pull)
        judged = judged.after(information, pull) if proven else belief
        doubt = _doubt(judged.strength, judged.posterior_covariance, effect, goal, proven)
        if doubt <= allowed and votes >= least:
            # Between two looks the logarithm of the doubt falls about evenly in the votes.
            fall = np.log(max(doubt_before, 1e-12)) - np.log(max(doubt, 1e-12))
            share = (np.log(max(doubt_before, 1e-12)) - np.log(allowed)) / max(float(fall), 1e-12)
            return max(least, before + float(np.clip(share, 0.0, 1.0)) * step)
        before, doubt_before = votes, doubt
    return float("inf")


def _doubt(strength: Floats, covariance: Floats, effect: Floats, goal: Goal, proven: bool) -> float:
    """The number that must fall below the error allowed."""
    order = np.argsort(-strength, kind="stable")
    grid = np.ix_(order[: goal.keep], order[goal.keep :])
    gap, error = _contrasts(strength, covariance, effect, grid)
    if proven:
        return float(always_valid_p(gap, error, goal.indifference).sum())
    doubt = _tail((gap + goal.indifference) / error)
    return float(-np.expm1(np.log1p(-np.minimum(doubt, 1.0 - 1e-12)).sum()))


def _root(matrix: Floats) -> Floats:
    """R with R R' = matrix, for a positive semi-definite one."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


# ---- the confirmation probe ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """A short session for fresh voters that would expose a bought leader: mostly pairs with the leader in them.

    Who is paid to push a style chooses it always; an honest admirer of it loses interest against one rival or another.
    `pairs` a voter plays, `with_leader` of them with the leader against different rivals, `n_voters` voters.
    """

    leader: int
    n_items: int
    pairs: int
    with_leader: int
    n_voters: int

    @property
    def votes(self) -> int:
        """Votes of all sessions together."""
        return self.pairs * self.n_voters

    def session(self, rng: np.random.Generator) -> list[tuple[int, int]]:
        """One voter's pairs (left, right), in random order and sides, none twice."""
        others = [i for i in range(self.n_items) if i != self.leader]
        rivals = rng.permutation(others)[: self.with_leader]
        pairs = [(self.leader, int(rival)) for rival in rivals]
        rest = [(a, b) for at, a in enumerate(others) for b in others[at + 1 :]]
        extra = rng.permutation(len(rest))[: self.pairs - len(pairs)]
        pairs += [rest[int(i)] for i in extra]
        sided = [(b, a) if rng.random() < 0.5 else (a, b) for a, b in pairs]
        return [sided[int(i)] for i in rng.permutation(len(sided))]


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """What the probe says: `all_win` of `n_voters` chose the leader every time where `expected` honest ones would have.

    `z` is the excess in standard errors; `flagged` above 3: show it, review it, never delete silently, since a truly
    loved niche style can trip it too.
    """

    z: float
    flagged: bool
    all_win: int
    expected: float
    n_voters: int


def confirmation_votes(goal: Goal, n_items: int) -> int:
    """Votes that a goal asks after its rule has fired: the probe of a proven winner; 0 for likely, and for two styles.

    Of two styles every voter sees one pair, and whoever was bought looks like anybody.
    """
    return probe_plan(0, n_items).votes if goal.certainty == "proven" and n_items >= PROBE_STYLES else 0


def probe_plan(leader: int, n_items: int, *, votes: int = PROBE_VOTES) -> ProbePlan:
    """The probe for a proven winner: ten pairs a voter, eight with the leader (fewer where there are fewer rivals)."""
    if n_items < PROBE_STYLES or not 0 <= leader < n_items:
        raise StoppingRefused(
            reason=f"a probe needs a leader among three styles or more (leader {leader} of {n_items})"
        )
    if votes < 1:
        raise StoppingRefused(reason=f"a probe of {votes} votes is none")
    with_leader = min(8, n_items - 1)
    pairs = with_leader + min(2, (n_items - 1) * (n_items - 2) // 2)
    return ProbePlan(leader, n_items, pairs, with_leader, -(-votes // pairs))


def probe_test(
    strength: ArrayLike,
    leader: int,
    left: ArrayLike,
    right: ArrayLike,
    choice: ArrayLike,
    voter: ArrayLike,
    *,
    side_effect: float = 0.0,
    fan_sd: float = FAN_SD,
    threshold: float = PROBE_THRESHOLD,
) -> ProbeVerdict:
    """Do more voters than honest liking explains choose the leader every single time?

    `strength` (n,) logits; the votes of the probe as arrays of one length (choice 1 left, 0 right). For each voter with
    two or more pairs with the leader, the chance of winning them all is integrated over an honest liking N(0, fan_sd^2)
    for it (Gauss-Hermite, 7 nodes), around a gap that is blurred to the population's by it.
    """
    theta = np.asarray(strength, dtype=np.float64)
    lefts, rights = np.asarray(left, dtype=np.intp), np.asarray(right, dtype=np.intp)
    chosen, voters = np.asarray(choice, dtype=np.float64), np.asarray(voter)
    if not len(lefts) == len(rights) == len(chosen) == len(voters):
        raise StoppingRefused(reason="left, right, choice and voter differ in length")
    met = (lefts == leader) | (rights == leader)
    lefts, rights, chosen, voters = lefts[met], rights[met], chosen[met], voters[met]
    names, row = np.unique(voters, return_inverse=True)
    on_left = lefts == leader
    rival = np.where(on_left, rights, lefts)
    won = np.where(on_left, chosen, 1.0 - chosen)
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    weights = weights / weights.sum()
    # Strengths are of the population, in which tastes have blurred the gaps: one voter's own gap is wider on average.
    blur = sqrt(1.0 + LOGISTIC_BLUR * fan_sd * fan_sd)
    base = blur * (theta[leader] - theta[rival]) + np.where(on_left, side_effect, -side_effect)
    log_chance = -np.logaddexp(0.0, -(base[:, None] + fan_sd * nodes[None, :]))
    total = np.zeros((len(names), len(nodes)))
    np.add.at(total, row, log_chance)
    expected = np.exp(total) @ weights
    meetings = np.bincount(row, minlength=len(names))
    all_won = np.bincount(row, weights=won, minlength=len(names)) >= meetings - 1e-9
    kept = meetings >= 2
    e = expected[kept]
    excess = float(all_won[kept].sum() - e.sum())
    spread = sqrt(max(float((e * (1.0 - e)).sum()), 1e-12))
    z = excess / spread if kept.any() else 0.0
    return ProbeVerdict(z, z > threshold, int(all_won[kept].sum()), float(e.sum()), int(kept.sum()))
