"""Laws of the drawings: each says in words what it shows, needs no colour, and holds nothing that could be script."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from admin.console.ops.drawings import linked_accounts, longest_run, response_times, side_runs, timeline, usual_run
from game.matchup import Choice
from server.stores.evidence import Answer, Link, Pace

NOW = datetime(2026, 5, 1, 17, 30, tzinfo=UTC)  # half past one in the night of 2 May in China
ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def answers(sides: str, *, took_ms: int = 400) -> list[Answer]:
    """An answer a minute; L, R, or - for neither."""
    choices = {"L": Choice.LEFT, "R": Choice.RIGHT, "-": Choice.NEITHER}
    return [
        Answer(ONE, TWO, NOW + timedelta(minutes=number), choices[side], took_ms) for number, side in enumerate(sides)
    ]


def test_nothing_is_drawn_of_nothing():
    """Without answers, sides, times or shared things there is no drawing, and no error."""
    assert timeline([], english=True) is None
    assert side_runs(answers("---"), english=True) is None
    assert response_times(answers("LR", took_ms=0), None, english=True) is None
    assert linked_accounts([ONE, TWO], [Link(ONE, "device", b"a"), Link(TWO, "device", b"b")], english=True) is None


def test_days_and_hours_are_those_of_china():
    """An answer at 17:30 UTC stands in the next day's night."""
    drawing = timeline(answers("LRLR"), english=True)
    assert drawing is not None
    assert ">05-02<" in drawing.svg
    assert drawing.en == "4 answers in 1 hour of 1 day; 4 in the busiest hour."


def test_the_longest_run_is_told_beside_what_is_usual():
    """Counted on the sides that were taken; what is usual agrees with many fair tosses."""
    drawing = side_runs(answers("LLR-RRRL"), english=True)
    assert drawing is not None
    assert "longest run of one side is 4" in drawing.en
    assert "Left in 43%" in drawing.en
    rng = np.random.default_rng(1)
    for n in (16, 100, 400):
        mean = np.mean([longest_run([Choice(int(side)) for side in rng.integers(0, 2, n)]) for _ in range(400)])
        assert usual_run(n) == pytest.approx(mean, abs=0.8)


def test_times_beyond_the_scale_stand_at_its_ends():
    """A millisecond and an hour are drawn at the edges, and the median is told as it is."""
    drawing = response_times(answers("L", took_ms=1) + answers("R", took_ms=3_600_000), Pace(1, 2, 3, 9), english=False)
    assert drawing is not None
    assert drawing.svg.count('class="bar"') == 2
    assert "3600.00 秒" in drawing.zh


def test_a_thing_that_two_accounts_share_ties_them():
    """An inviter is an account, too; who is not of the case is drawn otherwise; the sentence counts both."""
    links = [Link(ONE, "device", b"a"), Link(THREE, "device", b"a"), Link(TWO, "inviter", ONE.bytes)]
    drawing = linked_accounts([ONE, TWO], links, english=True)
    assert drawing is not None
    assert (drawing.svg.count('class="member"'), drawing.svg.count('class="other"')) == (2, 1)
    assert drawing.en.startswith("2 accounts of the case and 1 other share: 1 device, 1 inviter.")
    assert drawing.svg.count('class="link') == 4
    assert 'role="img"' in drawing.svg
