"""Comma-separated files as people have them: UTF-8 or GBK, with a mark or none, and every fault named by its line."""

import codecs
import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

LARGEST_FIELD = 1_000_000


class BadFile(Exception):
    """A file cannot be used: which, where in it, and why, in one sentence."""

    def __init__(self, path: Path | str, why: str, *, line: int | None = None, field: str | None = None) -> None:
        self.path, self.why, self.line, self.field = str(path), why, line, field
        place = [Path(path).name]
        if line is not None:
            place.append(f"line {line}")
        if field is not None:
            place.append(f"column {field}")
        super().__init__(f"{', '.join(place)}: {why}.")


def read_utf8(path: Path) -> bytes:
    """The file's text as UTF-8 without a byte order mark, whatever it was; raises BadFile."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadFile(path, "there is no such file") from None
    except IsADirectoryError:
        raise BadFile(path, "this is a folder, not a file") from None
    except OSError as error:
        raise BadFile(path, f"it cannot be read ({error.strerror})") from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError:
            raise BadFile(path, "it begins like UTF-16 text, but is none") from None
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        raise BadFile(path, "the file is empty")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise BadFile(path, "there is a zero byte here, so that this is no text file", line=line)
    if not data.isascii():
        data = _utf8_or_gbk(path, data)
    return data


def _utf8_or_gbk(path: Path, data: bytes) -> bytes:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # Piece by piece, so that a large file is not held twice only to be looked at.
        for start in range(0, len(data), 1 << 20):
            decoder.decode(data[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as not_utf8:
        try:
            return data.decode("gb18030").encode()
        except UnicodeDecodeError as not_gbk:
            line = data.count(b"\n", 0, not_gbk.start) + 1
            raise BadFile(path, "the text is neither UTF-8 nor GBK", line=line) from not_utf8
    return data


def header_of(path: Path, data: bytes) -> list[str]:
    """The names in the first line, stripped, in lower case only where they are ASCII; raises BadFile."""
    first = data.split(b"\n", 1)[0].decode().rstrip("\r")
    try:
        names = [name.strip() for name in next(csv.reader([first], strict=True), [])]
    except csv.Error as error:
        raise BadFile(path, f"the header is no comma-separated text ({error})", line=1) from None
    if len(names) == 1 and any(mark in first for mark in (";", "\t")):
        raise BadFile(path, "the columns must be separated by commas", line=1)
    for k, name in enumerate(names):
        if name in names[:k]:
            raise BadFile(path, f"the column {name!r} is there twice", line=1)
    return names


def rows_of(path: Path, data: bytes, n_columns: int) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of each row after the header, blank lines left out; raises BadFile where a length differs."""
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader(StringIO(data.decode(), newline=""), strict=True)
    try:
        next(reader)
        ended = reader.line_num
        for fields in reader:
            # A quoted field may span lines; a row is called by the line in which it begins.
            line, ended = ended + 1, reader.line_num
            if not fields or (len(fields) == 1 and not fields[0].strip()):
                continue
            if len(fields) != n_columns:
                raise BadFile(path, f"it has {len(fields)} fields where the header has {n_columns}", line=line)
            yield line, [field.strip() for field in fields]
    except csv.Error as error:
        raise BadFile(path, f"this is no comma-separated text ({error})", line=reader.line_num) from None
