"""VOTES.csv: who chose which of two styles, as arrays; every line that cannot be used is named.

Columns in any order: left, right, choice (left, right, tie or neither), and optionally voter, segment, took_ms, at,
weight, session, device, address and any others. Names are text. A file of a million lines takes about a second: it is
read by polars, and only where something is wrong (or a line is blank) once more, line by line, to say where.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranking.comparisons import NEITHER, Comparisons
from server.files.csv_text import BadFile, header_of, read_utf8, rows_of

if TYPE_CHECKING:
    import polars

CHOICES = {"left": 1.0, "right": 0.0, "tie": 0.5, "neither": NEITHER}
REQUIRED = ("left", "right", "choice")
NUMBERS = ("weight", "took_ms")
NAMES = ("voter", "segment", "session", "device", "address")
MAY_BE_EMPTY = ("session", "device", "address", "took_ms", "at")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Named:
    """A column of names: `codes` (m,) number them, `names` says what is meant; an empty name is one name too."""

    codes: Ints
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VotesFile:
    """The votes of a file in its order, one entry per vote (m,).

    left, right: numbers into `styles`, which are sorted; choice: 1 left, 0 right, 0.5 tie, -1 neither; weight: zero or
    more; took_ms: milliseconds, NaN where empty; at: seconds since 1970 in UTC, NaN where empty; groups: voter,
    segment, session, device, address and whatever other column was asked for, where the file has it.
    """

    path: Path
    styles: tuple[str, ...]
    left: Ints
    right: Ints
    choice: Floats
    weight: Floats | None = None
    took_ms: Floats | None = None
    at: Floats | None = None
    groups: dict[str, Named] = field(default_factory=dict)
    duplicates_removed: int = 0

    def __len__(self) -> int:
        return len(self.left)

    @property
    def voter(self) -> Named | None:
        return self.groups.get("voter")

    def comparisons(self, *, by: str | None = None, styles: Sequence[str] | None = None) -> Comparisons:
        """For the statistics; `by` names the column of segments. styles: number the items as in this longer list."""
        segments = self.groups[by] if by is not None else None
        left, right, n_items = self.left, self.right, len(self.styles)
        if styles is not None:
            number = {name: k for k, name in enumerate(styles)}
            places = np.array([number[name] for name in self.styles])
            left, right, n_items = places[left], places[right], len(styles)
        found = Comparisons.from_arrays(
            left,
            right,
            self.choice,
            voter=None if self.voter is None else self.voter.codes,
            segment=None if segments is None else segments.codes,
            weight=self.weight,
            n_items=n_items,
            n_segments=None if segments is None else len(segments.names),
        )
        return found.with_duplicates(self.duplicates_removed)


def read_votes(path: Path, *, also: Sequence[str] = ("voter", "segment", "weight")) -> VotesFile:
    """Reads a file of votes. `also`: which columns to read besides left, right and choice, where the file has them.

    Votes that are there twice (the same in every column, voter and time included) are counted once. Raises BadFile.
    """
    data = read_utf8(path)
    names = header_of(path, data)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise BadFile(path, f"the header must name left, right and choice; {', '.join(missing)} is not there", line=1)
    wanted = [name for name in names if name in REQUIRED or name in also]
    whole = "voter" in names and "at" in names
    table = _read_fast(data, names if whole else wanted)
    duplicates = 0
    if table is not None and whole:
        # Hashes first: a table that is all different need not be copied to find that out.
        if table.hash_rows().n_unique() < len(table):
            once = table.unique(maintain_order=True)
            duplicates = len(table) - len(once)
            table = once
        table = table.select(wanted)
    found = None if table is None else _columns_fast(table)
    if found is None:
        texts, duplicates = _read_slowly(path, data, names, wanted, whole)
        found = _columns_slowly(texts)
    styles, columns = found
    if len(columns["left"]) == 0:
        raise BadFile(path, "there is a header, but no vote")
    if len(styles) == 1:
        raise BadFile(path, f"there is only one style ({styles[0]!r}); a ranking needs at least two")
    return VotesFile(
        path=path,
        styles=styles,
        left=columns["left"],
        right=columns["right"],
        choice=columns["choice"],
        weight=columns.get("weight"),
        took_ms=columns.get("took_ms"),
        at=columns.get("at"),
        groups={name: columns[name] for name in wanted if isinstance(columns[name], Named)},
        duplicates_removed=duplicates,
    )


def _read_fast(data: bytes, wanted: list[str]) -> "polars.DataFrame | None":
    """The wanted columns, or None where the file is not plain enough to be sure of every line."""
    # Imported here, since it takes half a second that nothing else in this program needs.
    import polars as pl

    # Names come as numbers with a list of what they mean, so that all that follows looks at each name once.
    kinds = {name: pl.String if name in NUMBERS or name == "at" else pl.Categorical for name in wanted}
    try:
        return pl.read_csv(data, columns=wanted, schema_overrides=kinds, raise_if_empty=False)
    except pl.exceptions.PolarsError:
        return None


def _columns_fast(table: "polars.DataFrame") -> tuple[tuple[str, ...], dict[str, Any]] | None:
    """Styles and columns, or None where any value is not what it should be."""
    table = table.rename({name: name.strip() for name in table.columns})
    if _gaps(table):
        return None
    columns: dict[str, Any] = {}
    left, right = _named(table["left"]), _named(table["right"])
    styles = tuple(sorted(set(left.names) | set(right.names)))
    if styles and styles[0] == "":
        return None
    number = {name: k for k, name in enumerate(styles)}
    for side, named in (("left", left), ("right", right)):
        columns[side] = np.array([number[name] for name in named.names], np.int64)[named.codes]
    if (columns["left"] == columns["right"]).any():
        return None
    choice = _named(table["choice"])
    if any(name.lower() not in CHOICES for name in choice.names):
        return None
    columns["choice"] = np.array([CHOICES[name.lower()] for name in choice.names])[choice.codes]
    for name in table.columns:
        if name in REQUIRED:
            continue
        if name in NUMBERS:
            columns[name] = _numbers(table[name], may_be_empty=name in MAY_BE_EMPTY)
        elif name == "at":
            columns[name] = _times(table[name].to_list())
        else:
            columns[name] = _named(table[name])
            if name not in MAY_BE_EMPTY and "" in columns[name].names:
                return None
        if columns[name] is None:
            return None
    return styles, columns


def _named(column: "polars.Series") -> Named:
    """Codes and names, the names stripped and sorted, so that neither blanks nor the order of lines count."""
    import polars as pl

    filled = column.fill_null("") if column.null_count() else column
    present = filled.unique()
    stripped = [name.strip() for name in present.cast(pl.String).to_list()]
    names = sorted(set(stripped))
    number = {name: k for k, name in enumerate(names)}
    physical = present.to_physical().to_numpy()
    meaning = np.zeros(int(physical.max(initial=0)) + 1, np.int64)
    meaning[physical] = [number[name] for name in stripped]
    return Named(meaning[filled.to_physical().to_numpy()], tuple(names))


def _numbers(column: "polars.Series", *, may_be_empty: bool) -> Floats | None:
    import polars as pl

    text = column.fill_null("").str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    bad = numbers.is_null() | numbers.is_nan() | numbers.is_infinite() | (numbers < 0.0)
    if may_be_empty:
        bad &= text != ""
    return None if bad.any() else numbers.fill_null(math.nan).to_numpy()


def _times(texts: list[str | None]) -> Floats | None:
    seconds = [_seconds((text or "").strip()) for text in texts]
    return None if None in seconds else np.array(seconds, float)


def _gaps(table: "polars.DataFrame") -> bool:
    """Is anything empty that must not be?"""
    return any(table[name].null_count() for name in table.columns if name not in MAY_BE_EMPTY)


def _read_slowly(
    path: Path, data: bytes, names: list[str], wanted: list[str], whole: bool
) -> tuple[dict[str, list[str]], int]:
    """The wanted columns, checked row by row; raises BadFile with the line of the first fault."""
    places = [(name, names.index(name)) for name in wanted]
    left, right = names.index("left"), names.index("right")
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    known: dict[str, str] = {}
    seen: set[tuple[str, ...]] = set()
    duplicates = 0
    for line, fields in rows_of(path, data, len(names)):
        if whole:
            if tuple(fields) in seen:
                duplicates += 1
                continue
            seen.add(tuple(fields))
        for name, place in places:
            value = fields[place]
            fault = _fault(name, value)
            if fault is not None:
                raise BadFile(path, fault, line=line, field=name)
            # The same names come again and again: each is kept once.
            columns[name].append(known.setdefault(value, value))
        if fields[left] == fields[right]:
            raise BadFile(path, f"{fields[left]!r} is compared with itself", line=line)
    return columns, duplicates


def _fault(name: str, value: str) -> str | None:
    """What is wrong with one value, if anything."""
    if name == "choice":
        return None if value.lower() in CHOICES else f"{value!r} is none of left, right, tie and neither"
    if value == "":
        return None if name in MAY_BE_EMPTY else "it is empty"
    if name in NUMBERS:
        try:
            number = float(value)
        except ValueError:
            return f"{value!r} is not a number"
        if not math.isfinite(number):
            return f"{value!r} is not a finite number"
        return f"{value} is below zero" if number < 0.0 else None
    if name == "at" and _seconds(value) is None:
        return f"{value!r} is no time like 2026-03-01T08:30:00Z"
    return None


def _columns_slowly(texts: dict[str, list[str]]) -> tuple[tuple[str, ...], dict[str, Any]]:
    styles = tuple(sorted(set(texts["left"]) | set(texts["right"])))
    columns: dict[str, Any] = {}
    for name, values in texts.items():
        if name in ("left", "right"):
            columns[name] = _numbered(values, styles)
        elif name == "choice":
            columns[name] = np.array([CHOICES[value.lower()] for value in values])
        elif name in NUMBERS:
            columns[name] = np.array([math.nan if value == "" else float(value) for value in values])
        elif name == "at":
            columns[name] = np.array([_seconds(value) for value in values], float)
        else:
            known = tuple(sorted(set(values)))
            columns[name] = Named(_numbered(values, known), known)
    return styles, columns


def _numbered(values: list[str], names: tuple[str, ...]) -> Ints:
    number = {name: k for k, name in enumerate(names)}
    return np.array([number[value] for value in values], np.int64)


def _seconds(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 time (UTC where it names no zone), NaN of nothing, None of anything else."""
    if text == "":
        return math.nan
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
