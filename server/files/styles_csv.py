"""STYLES.csv: a line per style with its attributes, categories as text and numbers as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ranking.partworths import MOST_LEVELS, Attributes
from server.files.csv_text import BadFile, header_of, read_utf8, rows_of


@dataclass(frozen=True, slots=True)
class StylesFile:
    """Attributes by style, as they stand in the file: text, and numbers where a whole column is numbers."""

    path: Path
    attributes: tuple[str, ...]
    values: dict[str, dict[str, str | float]]

    def of(self, styles: Sequence[str]) -> tuple[Attributes, tuple[str, ...]]:
        """The attributes of these styles in their order, and the names of those that cannot explain anything.

        An attribute that is the same for all of them explains nothing, nor does one of too many levels. Raises BadFile
        when a style is not in the file or no attribute is left.
        """
        missing = [style for style in styles if style not in self.values]
        if missing:
            others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
            raise BadFile(self.path, f"the style {missing[0]!r}{others} of the votes has no line here")
        columns = {name: [self.values[style][name] for style in styles] for name in self.attributes}
        useless = tuple(name for name, values in columns.items() if not _explains(values))
        left = {name: values for name, values in columns.items() if name not in useless}
        if not left:
            raise BadFile(self.path, "no attribute differs between the styles in a way that could explain votes")
        return Attributes.from_columns(left), useless

    def untested(self, styles: Sequence[str]) -> tuple[str, ...]:
        """Styles of this file that are not among `styles`, in the order of the file."""
        tested = set(styles)
        return tuple(style for style in self.values if style not in tested)


def read_styles(path: Path) -> StylesFile:
    """Reads a file of styles. Raises BadFile with the line of the first fault."""
    data = read_utf8(path)
    names = header_of(path, data)
    if "style" not in names:
        raise BadFile(path, "the header must have a column style", line=1)
    attributes = tuple(name for name in names if name != "style")
    if not attributes:
        raise BadFile(path, "there is no attribute beside style", line=1)
    if "" in attributes:
        raise BadFile(path, "a column of the header has no name", line=1)
    rows: dict[str, dict[str, str | float]] = {}
    for line, fields in rows_of(path, data, len(names)):
        row: dict[str, str | float] = dict(zip(names, fields, strict=True))
        style = str(row.pop("style"))
        empty = [name for name, value in row.items() if value == ""]
        if style == "" or empty:
            raise BadFile(path, "it is empty", line=line, field="style" if style == "" else empty[0])
        if style in rows:
            raise BadFile(path, f"the style {style!r} is there twice", line=line, field="style")
        rows[style] = row
    if not rows:
        raise BadFile(path, "there is a header, but no style")
    for name in attributes:
        numbers = [_number(str(row[name])) for row in rows.values()]
        if all(number is not None for number in numbers):
            for row, number in zip(rows.values(), numbers, strict=True):
                assert number is not None
                row[name] = number
    return StylesFile(path, attributes, rows)


def _explains(values: Sequence[str | float]) -> bool:
    different = len(set(values))
    return different > 1 and (different <= MOST_LEVELS or not isinstance(values[0], str))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # "nan" and "inf" are words here: float() takes them, but a merchant who writes them means no number.
    return number if number - number == 0.0 else None
