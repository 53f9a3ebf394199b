"""A product test: its styles, audience, goal and budget, and its life from draft to archived."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from game.errors import GoalImpossible, TestFieldInvalid, TestIncomplete, TransitionRefused
from game.segments import Audience
from ranking.pairing import Goal

MIN_STYLES = 2
MAX_STYLES = 120
MAX_TITLE = 120
DEFAULT_QUESTION = "你更喜欢哪一款?"


class TestState(StrEnum):
    """The states of a test's life."""

    DRAFT = "draft"
    REVIEW = "review"
    RUNNING = "running"
    PAUSED = "paused"
    DECIDED = "decided"
    STOPPED = "stopped"
    ARCHIVED = "archived"


# verb -> (states it may start from, state it leads to, what to do instead)
TRANSITIONS: dict[str, tuple[frozenset[TestState], TestState, str]] = {
    "submit": (frozenset({TestState.DRAFT}), TestState.REVIEW, "only a draft goes to review."),
    "reject": (frozenset({TestState.REVIEW}), TestState.DRAFT, "only a test in review can be sent back."),
    "withdraw": (frozenset({TestState.REVIEW}), TestState.DRAFT, "only a test in review can be taken back."),
    "launch": (
        frozenset({TestState.DRAFT, TestState.REVIEW}),
        TestState.RUNNING,
        "copy it into a new draft to run it again.",
    ),
    "pause": (frozenset({TestState.RUNNING}), TestState.PAUSED, "only a running test can be paused."),
    "resume": (frozenset({TestState.PAUSED}), TestState.RUNNING, "only a paused test can be resumed."),
    "stop": (
        frozenset({TestState.RUNNING, TestState.PAUSED}),
        TestState.STOPPED,
        "only a running or paused test can be stopped.",
    ),
    "decide": (
        frozenset({TestState.RUNNING, TestState.PAUSED}),
        TestState.DECIDED,
        "only a running or paused test can be decided.",
    ),
    "archive": (
        frozenset({TestState.DRAFT, TestState.DECIDED, TestState.STOPPED}),
        TestState.ARCHIVED,
        "stop it first.",
    ),
}


@dataclass(frozen=True, slots=True)
class Style:
    """One candidate. `position` is its number in the test: ranked styles first (0..n-1), decoys after them.

    `decoy` marks the poor picture of gold pairs; it is shown, answered and paid like any other and never ranked.
    `reference_sales` are the units once sold of a ReferenceStyle (标杆款), None for a new one.
    """

    style_id: UUID
    position: int
    title: str
    title_en: str | None = None
    picture: str | None = None
    attributes: tuple[tuple[str, str | float], ...] = ()
    decoy: bool = False
    reference_sales: int | None = None
    cost_fen: int | None = None
    price_fen: int | None = None

    @property
    def attribute_map(self) -> dict[str, str | float]:
        return dict(self.attributes)


@dataclass(frozen=True, slots=True)
class StyleTest:
    """One product test as the rules see it. Money in fen; times aware UTC."""

    test_id: UUID
    merchant_id: UUID
    title: str
    goal: Goal
    audience: Audience
    budget_fen: int
    state: TestState = TestState.DRAFT
    question: str = DEFAULT_QUESTION
    title_en: str | None = None
    question_en: str | None = None
    ends_at: datetime | None = None
    min_days: int = 0
    created_at: datetime | None = None
    launched_at: datetime | None = None
    ended_at: datetime | None = None
    styles: tuple[Style, ...] = ()

    @property
    def ranked(self) -> tuple[Style, ...]:
        """The styles that are ranked, in order of position."""
        return tuple(style for style in self.styles if not style.decoy)

    @property
    def decoys(self) -> tuple[Style, ...]:
        return tuple(style for style in self.styles if style.decoy)


def after(test: StyleTest, verb: str, *, now: datetime) -> StyleTest:
    """The test after `verb`; raises TransitionRefused where its state does not allow it."""
    sources, target, advice = TRANSITIONS[verb]
    if test.state not in sources:
        raise TransitionRefused(state=test.state.value, verb=verb, advice=advice)
    changes: dict[str, Any] = {"state": target}
    if verb == "launch":
        changes["launched_at"] = now
    if target in (TestState.DECIDED, TestState.STOPPED):
        changes["ended_at"] = now
    return replace(test, **changes)


def missing_for_launch(test: StyleTest, *, now: datetime, smallest_budget_fen: int) -> tuple[str, ...]:
    """The check-list of a draft: what still keeps it from starting, one sentence each; empty when nothing does."""
    missing = []
    ranked = test.ranked
    if len(ranked) < MIN_STYLES:
        missing.append(f"it has {len(ranked)} style(s) and needs at least {MIN_STYLES}.")
    if len(ranked) > MAX_STYLES:
        missing.append(f"it has {len(ranked)} styles and may have at most {MAX_STYLES}; split it into two tests.")
    missing += [f'style "{style.title}" has no picture.' for style in test.styles if style.picture is None]
    titles = [style.title for style in test.styles]
    missing += [f'two styles are called "{title}".' for title in sorted({t for t in titles if titles.count(t) > 1})]
    pictures = [style.picture for style in ranked if style.picture]
    if len(set(pictures)) < len(pictures):
        twins = [style.title for style in ranked if style.picture and pictures.count(style.picture) > 1]
        missing.append(f"the styles {', '.join(twins)} have the very same picture.")
    if len(ranked) >= MIN_STYLES and not 1 <= test.goal.keep < len(ranked):
        missing.append(f"it keeps {test.goal.keep} of {len(ranked)}; keep fewer than there are.")
    if test.budget_fen < smallest_budget_fen:
        missing.append(
            f"its budget is ¥{test.budget_fen / 100:.2f} and the smallest useful one ¥{smallest_budget_fen / 100:.2f}."
        )
    if test.ends_at is not None and test.ends_at <= now:
        missing.append("its deadline lies in the past.")
    return tuple(missing)


def check_launch(test: StyleTest, *, now: datetime, smallest_budget_fen: int) -> None:
    """Raise TransitionRefused or TestIncomplete unless the test can start now."""
    after(test, "launch", now=now)
    missing = missing_for_launch(test, now=now, smallest_budget_fen=smallest_budget_fen)
    if missing:
        raise TestIncomplete(missing=" ".join(missing))


def check_draft(title: str, *, budget_fen: int, ends_at: datetime | None, question: str, now: datetime) -> None:
    """Refuse what no draft may hold (a draft may be unfinished, it may not be wrong)."""
    if not title.strip():
        raise TestFieldInvalid(field="title", problem="give the test a title.", problem_zh="请填写名称。")
    if len(title) > MAX_TITLE:
        raise TestFieldInvalid(
            field="title",
            problem=f"at most {MAX_TITLE} characters; this has {len(title)}.",
            problem_zh=f"最多 {MAX_TITLE} 个字,现在有 {len(title)} 个。",
        )
    if not question.strip() or len(question) > MAX_TITLE:
        raise TestFieldInvalid(
            field="question",
            problem=f"between 1 and {MAX_TITLE} characters, please.",
            problem_zh=f"请写 1 到 {MAX_TITLE} 个字。",
        )
    if budget_fen < 0:
        raise TestFieldInvalid(
            field="budget_fen",
            problem="a budget cannot be negative.",
            problem_zh="不能是负数。",
        )
    if budget_fen > 10_000_000_00:
        raise TestFieldInvalid(
            field="budget_fen", problem="at most ¥10 000 000 a test.", problem_zh="一次测款最多 ¥10 000 000。"
        )
    if ends_at is not None and ends_at <= now:
        raise TestFieldInvalid(
            field="ends_at",
            problem="the deadline lies in the past; choose a later one.",
            problem_zh="已经过了,请改晚。",
        )


def check_goal(goal: Goal, styles: int) -> None:
    """Raise GoalImpossible when `goal.keep` of `styles` cannot be kept."""
    if not 1 <= goal.keep < max(styles, 2):
        raise GoalImpossible(keep=goal.keep, styles=styles)


def numbered(styles: Sequence[Style]) -> tuple[Style, ...]:
    """The styles with positions given anew: ranked ones first, decoys after them, each in the order given."""
    ordered = [style for style in styles if not style.decoy] + [style for style in styles if style.decoy]
    return tuple(replace(style, position=position) for position, style in enumerate(ordered))
