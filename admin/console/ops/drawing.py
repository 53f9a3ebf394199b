"""Curves of budgets, drawn on the server: points of a plan and of what was spent become the paths of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT = 640, 220


@dataclass(frozen=True, slots=True)
class Curve:
    """Paths in a box of WIDTH x HEIGHT, and how many grams its top stands for; `alert_y` is where the alert sounds."""

    plan: str
    settled: str
    promised: str
    now_x: float
    alert_y: float
    top_g: int


def drawn(
    plan: Sequence[tuple[datetime, int]],
    spent: Sequence[tuple[datetime, int, int]],
    *,
    starts_at: datetime,
    now: datetime,
    bought_g: int,
    alert_permille: int,
) -> Curve:
    """The plan, what was paid and what was promised besides, over the time from the start to the plan's end (or now)."""
    ends_at = max([now, *(at for at, _ in plan)])
    span_s = max((ends_at - starts_at).total_seconds(), 1.0)
    top_g = max([bought_g, 1, *(grams for _, grams in plan), *(paid + promised for _, paid, promised in spent)])

    def x(at: datetime) -> float:
        return round(min(max((at - starts_at).total_seconds() / span_s, 0.0), 1.0) * WIDTH, 1)

    def y(grams: int) -> float:
        return round(HEIGHT * (1 - grams / top_g), 1)

    def path(points: Sequence[tuple[datetime, int]]) -> str:
        return " ".join(f"{'L' if n else 'M'}{x(at)} {y(grams)}" for n, (at, grams) in enumerate(points))

    begin = [(starts_at, 0)] if spent else []
    return Curve(
        plan=path(plan),
        settled=path(begin + [(at, paid) for at, paid, _ in spent]),
        promised=path(begin + [(at, paid + promised) for at, paid, promised in spent]),
        now_x=x(now),
        alert_y=y(bought_g * alert_permille // 1000),
        top_g=top_g,
    )
