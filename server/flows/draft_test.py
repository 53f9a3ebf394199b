"""Write drafts: a new test, its fields, its styles; a draft may be unfinished, it may not be wrong."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from game.attributes import VOCABULARY, AttributeRefused, find_attribute, known_attributes, nearest, read_attributes
from game.errors import TestFieldInvalid, TransitionRefused
from game.segments import audience_from
from game.style_test import (
    DEFAULT_QUESTION,
    MAX_STYLES,
    Style,
    StyleTest,
    TestState,
    check_draft,
    numbered,
)
from ranking.pairing import Goal
from server.ids import uuid7
from server.stores import audit, tests
from server.stores.db import AsyncConnection


def _with(test: StyleTest, fields: Mapping[str, Any], now: datetime) -> StyleTest:
    changes = dict(fields)
    if "goal" in changes:
        changes["goal"] = Goal(**{**tests.goal_data(test.goal), **(changes["goal"] or {})})
    if "audience" in changes:
        changes["audience"] = audience_from(changes["audience"])
    changed = replace(test, **changes)
    check_draft(
        changed.title, budget_fen=changed.budget_fen, ends_at=changed.ends_at, question=changed.question, now=now
    )
    return changed


async def create_draft(
    conn: AsyncConnection,
    *,
    merchant_id: UUID,
    fields: Mapping[str, Any],
    who: str,
    now: datetime,
    request_id: str = "",
) -> StyleTest:
    """A new draft. Raises TestFieldInvalid, SegmentInvalid, or GoalRefused for a goal out of range."""
    blank = StyleTest(
        test_id=uuid7(),
        merchant_id=merchant_id,
        title="",
        question=DEFAULT_QUESTION,
        goal=Goal(),
        audience=audience_from(None),
        budget_fen=0,
        created_at=now,
    )
    test = _with(blank, fields, now)
    await tests.add(conn, test)
    await audit.write(
        conn,
        who=who,
        what="test.draft",
        object_id=test.test_id,
        after={"title": test.title},
        now=now,
        request_id=request_id,
    )
    return test


async def _draft(conn: AsyncConnection, test_id: UUID, merchant_id: UUID, verb: str) -> StyleTest | None:
    test = await tests.find(conn, test_id, merchant_id=merchant_id, lock=True)
    if test is not None and test.state is not TestState.DRAFT:
        raise TransitionRefused(state=test.state.value, verb=verb, advice="only a draft can be changed.")
    return test


async def edit_draft(
    conn: AsyncConnection, test_id: UUID, *, merchant_id: UUID, fields: Mapping[str, Any], now: datetime
) -> StyleTest | None:
    """Change fields of a draft; None when there is no such test of this merchant. Raises as `create_draft`."""
    test = await _draft(conn, test_id, merchant_id, "edit")
    if test is None:
        return None
    changed = _with(test, fields, now)
    await tests.rewrite_draft(conn, changed)
    return changed


async def add_style(conn: AsyncConnection, test_id: UUID, *, merchant_id: UUID, style: Style) -> StyleTest | None:
    """Add a style to a draft; None when there is no such test. Raises TestFieldInvalid for a twin or one too many."""
    test = await _draft(conn, test_id, merchant_id, "get another style")
    if test is None:
        return None
    if len(test.styles) >= MAX_STYLES:
        raise TestFieldInvalid(
            field="styles",
            problem=f"a test has at most {MAX_STYLES} styles; split it into two.",
            problem_zh=f"一次最多 {MAX_STYLES} 款,请分成两个测款任务。",
        )
    if not style.title.strip():
        raise TestFieldInvalid(field="title", problem="give the style a title.", problem_zh="请给款式起个名字。")
    _refuse_twin(test, style.title)
    for other in test.styles:
        if other.picture == style.picture and style.picture is not None:
            raise TestFieldInvalid(
                field="picture",
                problem=f'this is the very picture of "{other.title}".',
                problem_zh=f"这张图和“{other.title}”的图一模一样。",
            )
    changed = replace(test, styles=numbered([*test.styles, style]))
    await tests.rewrite_draft(conn, changed)
    return changed


async def edit_style(
    conn: AsyncConnection, test_id: UUID, style_id: UUID, *, merchant_id: UUID, fields: Mapping[str, Any]
) -> StyleTest | None:
    """Change what is told of a style of a draft; None when there is no such test or style."""
    test = await _draft(conn, test_id, merchant_id, "change a style")
    if test is None or all(style.style_id != style_id for style in test.styles):
        return None
    changes = dict(fields)
    if "title" in changes:
        changes["title"] = changes["title"].strip()
        if not changes["title"]:
            raise TestFieldInvalid(field="title", problem="give the style a title.", problem_zh="请给款式起个名字。")
        _refuse_twin(test, changes["title"], apart_from=style_id)
    changed = replace(
        test,
        styles=numbered([replace(one, **changes) if one.style_id == style_id else one for one in test.styles]),
    )
    await tests.rewrite_draft(conn, changed)
    return changed


def _refuse_twin(test: StyleTest, title: str, *, apart_from: UUID | None = None) -> None:
    if any(one.title == title and one.style_id != apart_from for one in test.styles):
        raise TestFieldInvalid(
            field="title",
            problem=f'there is a style called "{title}" already.',
            problem_zh=f"已经有一款叫“{title}”。",
        )


def own_attributes(given: Mapping[str, Any]) -> tuple[tuple[str, str | float], ...]:
    """What a merchant tells of a style: names of the vocabulary in either language, and names of his own.

    Raises AttributeRefused for a name that is nearly one of the vocabulary (a typing error, most likely), and for a
    value that the vocabulary does not have.
    """
    declared: dict[str, dict[str, Any]] = {}
    for name in given:
        try:
            find_attribute(name)
        except AttributeRefused:
            labels = [label for one in VOCABULARY for label in (one.zh, one.en, one.code)]
            if nearest(name, labels) is not None:
                raise
            declared[name] = {}
    return read_attributes(given, known_attributes(declared))


async def remove_style(conn: AsyncConnection, test_id: UUID, style_id: UUID, *, merchant_id: UUID) -> StyleTest | None:
    """Take a style out of a draft; None when there is no such test or style."""
    test = await _draft(conn, test_id, merchant_id, "lose a style")
    if test is None or all(style.style_id != style_id for style in test.styles):
        return None
    changed = replace(test, styles=numbered([style for style in test.styles if style.style_id != style_id]))
    await tests.rewrite_draft(conn, changed)
    return changed
