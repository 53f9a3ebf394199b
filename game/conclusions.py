"""What a test says to its merchant: a status for the whole, a verdict for each style, each with its reason in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from game.confirmation import Confirmation
from game.style_test import Style, StyleTest
from ranking.scores import Scores
from ranking.stopping import Decision


class DecisionStatus(StrEnum):
    """How far a test has come."""

    NO_DATA = "no_data"
    COLLECTING = "collecting"
    READY = "ready"
    REVIEW = "review"
    UNHEALTHY = "unhealthy"


class Verdict(StrEnum):
    """What to do with a style."""

    HIT = "hit"
    STEADY = "steady"
    REVISE = "revise"
    CUT = "cut"
    INSUFFICIENT = "insufficient"


STATUS_WORDS = {
    DecisionStatus.NO_DATA: ("还没有投票", "No votes yet"),
    DecisionStatus.COLLECTING: ("收集中,还不能下结论", "Collecting; too early to say"),
    DecisionStatus.READY: ("可以决定了", "Ready to decide"),
    DecisionStatus.REVIEW: ("已结束,请人工判断", "Ended; judge for yourself"),
    DecisionStatus.UNHEALTHY: ("数据异常,请先检查", "The data are not healthy; look into it first"),
}
VERDICT_WORDS = {
    Verdict.HIT: ("爆款潜力", "Make"),
    Verdict.STEADY: ("平销", "Steady"),
    Verdict.REVISE: ("改款", "Revise"),
    Verdict.CUT: ("淘汰", "Cut"),
    Verdict.INSUFFICIENT: ("样本不足", "Not enough votes"),
}

MIN_VOTES_PER_STYLE = 20
# Beyond this the side of the screen speaks louder than the styles: 0.4 logit is 60 : 40 for whatever stands left.
SIDE_EFFECT_LIMIT = 0.4
GOLD_FLOOR = 0.8
GOLD_MIN = 30
MUTED_SHARE_LIMIT = 0.3


@dataclass(frozen=True, slots=True)
class Health:
    """What the data look like, apart from what they say: votes, gold answers, weightless votes, sides."""

    votes: int
    gold_asked: int = 0
    gold_passed: int = 0
    weightless: int = 0
    # (times shown left, times shown right) of each ranked style
    sides: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class StyleConclusion:
    """The verdict on one style, with its reason in Chinese and English."""

    verdict: Verdict
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class Ailment:
    """Something that makes the data doubtful: a stable code and a sentence in each language."""

    code: str
    zh: str
    en: str


def ailments(scores: Scores | None, health: Health) -> tuple[Ailment, ...]:
    """What is wrong with the data of a test; nothing when they are healthy."""
    found = []
    if scores is not None and scores.side_effect is not None:
        side = scores.side_effect
        if abs(side.estimate) - 2 * side.standard_error > SIDE_EFFECT_LIMIT:
            found.append(
                Ailment(
                    "side_bias",
                    "左右位置的影响过大,玩家可能没有认真看图。",
                    "The side of the screen matters more than it should; players may not be looking.",
                )
            )
    if health.gold_asked >= GOLD_MIN and health.gold_passed < GOLD_FLOOR * health.gold_asked:
        found.append(
            Ailment(
                "gold_failed",
                f"检验题只答对 {health.gold_passed}/{health.gold_asked},投票质量可疑。",
                f"Only {health.gold_passed} of {health.gold_asked} check pairs were answered well.",
            )
        )
    if health.votes >= 100 and health.weightless > MUTED_SHARE_LIMIT * health.votes:
        found.append(
            Ailment(
                "too_many_invalid",
                f"{health.weightless}/{health.votes} 票因异常不计入。",
                f"{health.weightless} of {health.votes} votes carry no weight because they look abusive.",
            )
        )
    if sides_are_uneven(health.sides):
        found.append(
            Ailment(
                "sides_uneven",
                "有的款式明显总出现在同一边,出题不够随机。",
                "Some styles stood on one side far more often than chance allows; the deal was not even.",
            )
        )
    if scores is not None and any(flag.code == "disconnected" for flag in scores.flags) and health.votes >= 200:
        found.append(
            Ailment(
                "disconnected",
                "有的款式还没有互相比较过,无法排出统一名次。",
                "Some styles were never compared with the others, so they cannot share one ranking.",
            )
        )
    return tuple(found)


def sides_are_uneven(sides: Sequence[tuple[int, int]]) -> bool:
    """Sample-ratio mismatch: do styles stand left and right as evenly as coins would put them?

    Chi-square over the styles, told only beyond six standard deviations of it, and only where the imbalance is of a
    size that could matter: looked at after each batch, a smaller one would sound some day by chance.
    """
    shown = [(left, right) for left, right in sides if left + right >= 100]
    if not shown:
        return False
    statistic = sum((left - right) ** 2 / (left + right) for left, right in shown)
    worst = max(abs(left - right) / (left + right) for left, right in shown)
    return statistic > len(shown) + 6.0 * math.sqrt(2.0 * len(shown)) and worst > 0.1


def mix_note(names: Sequence[str], weights: Sequence[float], votes: Sequence[float]) -> Ailment:
    """Whom the ranking is for, where several audiences have quotas: their weights beside their part of the votes."""
    total = max(sum(votes), 1.0)
    told_zh, told_en = [], []
    for name, weight, given in zip(names, weights, votes, strict=True):
        told_zh.append(f"{name} {100 * weight:.0f}%(投票占 {100 * given / total:.0f}%)")
        told_en.append(f"{name} {100 * weight:.0f} % ({100 * given / total:.0f} % of the votes)")
    return Ailment(
        "weighted_by_quota",
        f"排名按您设定的人群比例加权:{'、'.join(told_zh)};人少的一方不会被淹没。",
        f"The ranking weighs audiences by your quotas: {', '.join(told_en)}. Whoever votes little is not outvoted.",
    )


def notes(test: StyleTest, decision: Decision, polarised: Sequence[int]) -> tuple[Ailment, ...]:
    """What is worth knowing beside the verdicts: styles that are as good as each other, that split, or that compete."""
    said = []
    titles = [style.title for style in test.ranked]
    if decision.equivalent and decision.chosen:
        names = [titles[item] for item in (decision.chosen[-1], *decision.equivalent)]
        said.append(
            Ailment(
                "equivalent",
                f"{'、'.join(names)} 难分高下(差别小于您说的“不在乎”),可按成本和面料任选。",
                f"{', '.join(names)} are as good as each other, within what does not matter to you: choose by cost.",
            )
        )
    said += [
        Ailment(
            "polarised",
            f"“{titles[item]}”两极分化:喜欢的人很喜欢,其余的人不要;平均分低也可能卖得动。",
            f'"{titles[item]}" divides opinion: loved by some, refused by others; it may sell in spite of its average.',
        )
        for item in polarised
    ]
    # Who leads after a few votes leads by chance: what competes is told once the choice stands.
    leading = (*decision.chosen, *decision.equivalent) if decision.done else ()
    for at, one in enumerate(leading):
        for other in leading[at + 1 :]:
            only = _only_difference(test.ranked[one], test.ranked[other])
            if only is not None:
                said.append(
                    Ailment(
                        "cannibalisation",
                        f"“{titles[one]}”和“{titles[other]}”只有一处不同,会互相抢生意;可合并成一款多色或错开上新。",
                        f'"{titles[one]}" and "{titles[other]}" differ in one attribute only and will take sales from each '
                        "other; make them one style, or launch them apart.",
                    )
                )
    return tuple(said)


def _only_difference(one: Style, other: Style) -> str | None:
    """The one attribute in which two styles differ; None where there are none, or several, or too few to say."""
    a, b = one.attribute_map, other.attribute_map
    names = set(a) | set(b)
    different = [name for name in names if a.get(name) != b.get(name)]
    return different[0] if len(names) >= 3 and len(different) == 1 else None


def status_of(
    decision: Decision | None,
    health: Health,
    ills: Sequence[Ailment],
    *,
    reached: bool,
    ended: bool,
    confirmation: Confirmation | None = None,
) -> DecisionStatus:
    """The status word of a test. `reached`: the goal's own rule fired; `ended`: nothing more will be asked.

    With a `confirmation` due, a test is ready when it has passed, and a matter for people when it was flagged.
    """
    if health.votes == 0 or decision is None:
        return DecisionStatus.NO_DATA
    if ills:
        return DecisionStatus.UNHEALTHY
    if reached and confirmation is not None and confirmation.flagged:
        return DecisionStatus.REVIEW
    if reached and (confirmation is None or confirmation.over):
        return DecisionStatus.READY
    return DecisionStatus.REVIEW if ended else DecisionStatus.COLLECTING


def conclude(
    scores: Scores, decision: Decision, *, keep: int, confidence: float, status: DecisionStatus
) -> tuple[StyleConclusion, ...]:
    """A verdict for each style of a test.

    Before the goal is reached only what is certain already is said of a style (it is out, or it was asked too little);
    a hit is named when, and only when, the test as a whole has reached its goal on healthy data.
    """
    p_top = scores.p_top(keep)
    low, high = scores.interval(0.95)
    chosen = set(decision.chosen) if status is DecisionStatus.READY else set()
    dropped = set(decision.dropped)
    return tuple(
        _one(
            item,
            chosen=item in chosen,
            dropped=item in dropped,
            p=float(p_top[item]),
            low=float(low[item]),
            high=float(high[item]),
            rank=int(scores.rank[item]),
            asked=float(scores.shown[item]),
            keep=keep,
            certain=1.0 - confidence,
            status=status,
        )
        for item in range(scores.n_items)
    )


def _one(
    item: int,
    *,
    chosen: bool,
    dropped: bool,
    p: float,
    low: float,
    high: float,
    rank: int,
    asked: float,
    keep: int,
    certain: float,
    status: DecisionStatus,
) -> StyleConclusion:
    percent = shown_percent(p)
    if status in (DecisionStatus.UNHEALTHY, DecisionStatus.NO_DATA):
        return StyleConclusion(Verdict.INSUFFICIENT, "数据异常,先不下结论。", "The data are doubtful; no verdict yet.")
    if chosen:
        return StyleConclusion(
            Verdict.HIT,
            f"第 {rank} 名,进入前 {keep} 的概率 {percent}。",
            f"Rank {rank}; in the top {keep} with probability {percent}.",
        )
    if asked < MIN_VOTES_PER_STYLE:
        return StyleConclusion(
            Verdict.INSUFFICIENT, f"只有 {asked:.0f} 票,看不出来。", f"Only {asked:.0f} votes; too few to tell."
        )
    if (dropped or p <= certain) and high < 0:
        return StyleConclusion(
            Verdict.CUT,
            f"明显低于平均,进入前 {keep} 的概率 {percent}。",
            f"Clearly below average; in the top {keep} with probability {percent}.",
        )
    if status is DecisionStatus.COLLECTING and not dropped:
        return StyleConclusion(
            Verdict.INSUFFICIENT,
            f"还在比较,进入前 {keep} 的概率目前 {percent}。",
            f"Still in the race; in the top {keep} with probability {percent} so far.",
        )
    if low > 0 or (low + high) / 2 >= 0:
        return StyleConclusion(
            Verdict.STEADY,
            f"不差于平均,但不在前 {keep}(概率 {percent})。",
            f"No worse than average, yet not in the top {keep} (probability {percent}).",
        )
    return StyleConclusion(
        Verdict.REVISE,
        f"略低于平均,进入前 {keep} 的概率 {percent},可改款再测。",
        f"Somewhat below average; in the top {keep} with probability {percent}. Revise and test again.",
    )


def shown_percent(p: float) -> str:
    """A probability as it is shown: never 0 % or 100 %, because nothing measured is that sure."""
    if p > 0.995:
        return ">99%"
    if p < 0.005:
        return "<1%"
    return f"{100 * p:.0f}%"


def open_items(decision: Decision, n_items: int, keep: int) -> tuple[int, ...]:
    """The styles still worth asking about: all but those that are out, and never fewer than keep + 1."""
    dropped = set(decision.dropped)
    kept = tuple(item for item in range(n_items) if item not in dropped)
    return kept if len(kept) > max(keep, 1) else tuple(int(item) for item in np.arange(n_items))
