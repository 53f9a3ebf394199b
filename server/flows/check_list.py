"""The check-list of a draft: what still keeps it from starting, in words, and what is allowed but unwise."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from game.content import Piece
from game.style_test import MAX_STYLES, MIN_STYLES, StyleTest
from rewards.economy import Economy
from server.flows.launch_test import smallest_budget_fen


@dataclass(frozen=True, slots=True)
class Point:
    """One line of the list: a stable code, the field it is about, and a sentence in each language."""

    code: str
    field: str
    zh: str
    en: str


def check_list(
    test: StyleTest, *, economy: Economy, now: datetime, refused: Iterable[tuple[Piece, str]] = ()
) -> tuple[Point, ...]:
    """What is missing or wrong; empty when the test can start. `refused`: what content review has refused, and why."""
    found = []
    ranked = test.ranked
    n = len(ranked)
    if n < MIN_STYLES:
        found.append(
            Point("too_few_styles", "styles", f"现在有 {n} 款,至少要 {MIN_STYLES} 款才能比较。",
                  f"There are {n} styles; a comparison needs at least {MIN_STYLES}.")
        )  # fmt: skip
    if n > MAX_STYLES:
        found.append(
            Point("too_many_styles", "styles", f"有 {n} 款,一次最多 {MAX_STYLES} 款,请分成几个任务。",
                  f"There are {n} styles; a test has at most {MAX_STYLES}, so make several of them.")
        )  # fmt: skip
    found += [
        Point("no_picture", "styles", f"“{style.title}”还没有图片。", f'"{style.title}" has no picture yet.')
        for style in test.styles
        if style.picture is None
    ]
    keys = [style.picture for style in ranked if style.picture]
    twins = [style.title for style in ranked if style.picture and keys.count(style.picture) > 1]
    if twins:
        found.append(
            Point("same_picture", "styles", f"这几款用的是同一张图:{'、'.join(twins)}。",
                  f"These styles have the very same picture: {', '.join(twins)}.")
        )  # fmt: skip
    if n >= MIN_STYLES and not 1 <= test.goal.keep < n:
        found.append(
            Point("keep_too_many", "goal", f"要从 {n} 款里选 {test.goal.keep} 款;选出的款数要少于总款数。",
                  f"The goal keeps {test.goal.keep} of {n}; keep fewer than there are.")
        )  # fmt: skip
    least_fen = smallest_budget_fen(max(n, MIN_STYLES), economy)
    if test.budget_fen < least_fen:
        found.append(
            Point("budget_too_small", "budget_fen",
                  f"最多花 ¥{test.budget_fen / 100:.2f} 不够得出任何结论,至少要 ¥{least_fen / 100:.2f}。",
                  f"A ceiling of ¥{test.budget_fen / 100:.2f} cannot reach any conclusion; at least ¥{least_fen / 100:.2f}.")
        )  # fmt: skip
    if test.ends_at is not None and test.ends_at <= now:
        found.append(
            Point(
                "deadline_past", "ends_at", "截止时间已经过了,请改晚。", "The deadline has passed; choose a later one."
            )
        )
    found += [
        Point("content_refused", "styles" if piece.style_id else "title",
              f"“{piece.title}”没有通过内容审核:{why or '请更换。'}",
              f'"{piece.title}" was refused by content review: {why or "change it."}')
        for piece, why in refused
    ]  # fmt: skip
    return tuple(found)
