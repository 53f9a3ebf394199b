"""Take in what a merchant tells of a test afterwards: what was made, and what it sold."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from game.errors import TestFieldInvalid, TransitionRefused
from game.style_test import StyleTest, TestState
from server.stores import sales
from server.stores.db import AsyncConnection

_ENDED = (TestState.DECIDED, TestState.STOPPED, TestState.ARCHIVED)
MOST_UNITS = 100_000_000


def _must_be_over(test: StyleTest, verb: str) -> None:
    if test.state not in _ENDED or test.launched_at is None:
        raise TransitionRefused(state=test.state.value, verb=verb, advice="wait until it has ended.")


async def tell_sales(
    conn: AsyncConnection, test: StyleTest, units: Mapping[str, int], *, now: datetime
) -> dict[UUID, int]:
    """Record sales by style id or title, all or none. Raises TestFieldInvalid, TransitionRefused."""
    _must_be_over(test, "take sales")
    by_name = {name: style.style_id for style in test.ranked for name in (style.title, str(style.style_id))}
    told: dict[UUID, int] = {}
    for name, sold in units.items():
        if name not in by_name:
            raise TestFieldInvalid(
                field="sales",
                problem=f'the style "{name}" is not in this test.',
                problem_zh=f"这个测款任务里没有“{name}”。",
            )
        if not 0 <= sold <= MOST_UNITS:
            raise TestFieldInvalid(
                field="sales",
                problem=f'"{name}" sold {sold}; units are between 0 and {MOST_UNITS}.',
                problem_zh=f"“{name}”的销量是 {sold},应在 0 到 {MOST_UNITS} 之间。",
            )
        told[by_name[name]] = sold
    await sales.set_sales(conn, test.test_id, told, now)
    return await sales.sales_of(conn, test.test_id)


async def tell_produced(conn: AsyncConnection, test: StyleTest, styles: Sequence[UUID], *, now: datetime) -> set[UUID]:
    """Record which styles were made; their choosers are told by a job. Raises as `tell_sales`."""
    _must_be_over(test, "have made styles")
    own = {style.style_id for style in test.ranked}
    for style in styles:
        if style not in own:
            raise TestFieldInvalid(
                field="styles",
                problem=f"the style {style} is not in this test.",
                problem_zh="这个测款任务里没有这一款。",
            )
    await sales.add_produced(conn, test.test_id, list(dict.fromkeys(styles)), now)
    return await sales.produced_of(conn, test.test_id)
