"""A merchant's folder (or zip) of pictures with a test.toml or a styles.csv becomes a draft test, whole or not at all.

Everything is checked before anything is returned: the first thing that is wrong is told in one sentence that names the
file, the line where the file has lines, and the field. Nothing here writes anywhere.
"""

import codecs
import contextlib
import csv
import io
import re
import stat
import tomllib
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from game.attributes import Attribute, known_attributes, nearest, read_attributes
from game.errors import GameRefusal
from game.segments import Audience, audience_from
from game.style_test import DEFAULT_QUESTION, MAX_STYLES, MAX_TITLE, MIN_STYLES
from ranking.errors import RankingError
from ranking.pairing import Goal
from server.pictures import MAX_BYTES, CheckedPicture, check_picture, near_duplicates

TOML = "test.toml"
CSV = "styles.csv"
MAX_TEXT_BYTES = 1024 * 1024
MAX_ZIP_BYTES = 512 * 1024 * 1024
MAX_ZIP_ENTRIES = 1000
MAX_DAYS = 60


class Words(NamedTuple):
    """One thing that can be wrong, in Chinese and in English."""

    zh: str
    en: str


PROBLEMS: dict[str, Words] = {
    "no_folder": Words("没有这个文件夹或 zip 文件。", "there is no such folder or zip file."),
    "no_test_file": Words(
        "里面没有 test.toml，也没有 styles.csv。", "there is neither a test.toml nor a styles.csv in it."
    ),
    "text_too_long": Words("文件超过 {limit_kb} KB。", "the file has more than {limit_kb} KB."),
    "not_utf8": Words("不是 UTF-8 文本。", "this is not UTF-8 text."),
    "not_text": Words("既不是 UTF-8 也不是 GBK 文本。", "this is neither UTF-8 nor GBK text."),
    "not_toml": Words("TOML 写法不正确：{detail}", "this is not TOML: {detail}"),
    "key_unquoted": Words(
        '中文字段名要加引号，例如 "颜色" = "红色"。',
        'names that are not plain ASCII stand in quotes, like "颜色" = "红色".',
    ),
    "unknown_key": Words("没有这个字段{advice_zh}", "there is no such field{advice_en}"),
    "missing": Words("缺少这个字段。", "this field is missing."),
    "empty": Words("不能为空。", "this must not be empty."),
    "too_long": Words("最多 {limit} 个字，现在有 {length} 个。", "at most {limit} characters; this has {length}."),
    "not_a": Words("应为{kind_zh}，现在是 {found}。", "this must be {kind_en}, and is {found}."),
    "out_of_range": Words(
        "应在 {low} 与 {high} 之间，现在是 {found}。", "this must lie between {low} and {high}, and is {found}."
    ),
    "both": Words("与 {other} 二选一。", "give either this or {other}, not both."),
    "in_the_past": Words("截止时间 {found} 已过。", "the deadline {found} lies in the past."),
    "room": Words("{detail_zh}", "{detail_en}"),
    "keep_too_many": Words(
        "要从 {styles} 款中选出 {keep} 款；选出的款数必须少于款式总数。",
        "it keeps {keep} of {styles} styles; keep fewer than there are.",
    ),
    "too_few_styles": Words(
        "参加排名的款式有 {styles} 款；至少要 {least} 款。", "styles to rank: {styles}; a test needs at least {least}."
    ),
    "too_many_styles": Words(
        "有 {styles} 款；一次最多 {most} 款，请分成几个测款任务。",
        "there are {styles} styles; a test has at most {most}, so make several tests of them.",
    ),
    "duplicate_style": Words(
        "款式“{name}”出现了两次（先前在第 {first} 行）。", 'the style "{name}" stands twice (first in line {first}).'
    ),
    "same_picture": Words(
        "“{one}”和“{other}”用的是同一张图片。", 'the styles "{one}" and "{other}" have the very same picture.'
    ),
    "no_picture": Words("没有图片 {picture}{advice_zh}", "there is no picture {picture}{advice_en}"),
    "outside": Words("图片 {picture} 不在这个文件夹里。", "the picture {picture} lies outside the folder."),
    "not_a_file": Words("{picture} 不是普通文件。", "{picture} is not a plain file."),
    "no_header": Words(
        "第一行应为列名，例如 名称,图片,颜色。",
        "the first line must name the columns, for example name,picture,colour.",
    ),
    "column_missing": Words("缺少“{column_zh}”列。", "there is no column {column_en}."),
    "column_twice": Words("列“{column}”出现了两次。", "the column {column} stands twice."),
    "broken_line": Words(
        "这一行有 {cells} 格，列名有 {columns} 个。", "this line has {cells} cells, and there are {columns} columns."
    ),
    "not_csv": Words("CSV 写法不正确：{detail}", "this is not CSV: {detail}"),
    "two_lists": Words(
        "款式写在 styles.csv 里，test.toml 中不要再写 [[styles]]。",
        "the styles stand in styles.csv; leave [[styles]] out of test.toml.",
    ),
    "not_zip": Words("不是完整的 zip 文件。", "this is not a whole zip file."),
    "zip_entries": Words(
        "zip 里有 {entries} 个文件，最多 {limit} 个。", "the zip has {entries} files; at most {limit} are accepted."
    ),
    "zip_too_large": Words("zip 展开后超过 {limit_mb} MB。", "unpacked, the zip has more than {limit_mb} MB."),
    "zip_locked": Words("zip 有密码，请去掉密码。", "the zip has a password; remove it."),
    "zip_outside": Words("zip 里的 {entry} 指向文件夹之外。", "the zip entry {entry} points outside the folder."),
    "zip_twice": Words("zip 里有两个 {entry}。", "the zip has {entry} twice."),
}


# What zipfile is known to raise for damaged, encrypted or unheard-of archives; it has no one class for them.
_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    zlib.error,
)


class FolderRefused(Exception):
    """A folder that cannot become a test: which file, which line, which field, and what is wrong, in one sentence."""

    code: ClassVar[str] = "folder_refused"

    def __init__(
        self, problem: str, *, file: str, line: int | None = None, field: str | None = None, **params: Any
    ) -> None:
        self.problem = problem
        self.file = file
        self.line = line
        self.field = field
        self.params = params
        where = file + (f", line {line}" if line else "") + (f", {field}" if field else "")
        super().__init__(f"{where}: {PROBLEMS[problem].en.format(**params)}")

    @property
    def sentence_zh(self) -> str:
        where = self.file + (f" 第 {self.line} 行" if self.line else "") + (f" {self.field}" if self.field else "")
        return f"{where}：{PROBLEMS[self.problem].zh.format(**self.params)}"


@dataclass(frozen=True, slots=True)
class DraftStyle:
    """One style of a folder. `attributes` are (code, value) pairs of `DraftTest.vocabulary`."""

    name: str
    title: str
    title_en: str | None
    picture: CheckedPicture
    attributes: tuple[tuple[str, str | float], ...]
    decoy: bool
    reference_sales: int | None
    cost_fen: int | None
    price_fen: int | None


@dataclass(frozen=True, slots=True)
class DraftTest:
    """What a folder says of a test, checked. `notes` are (Chinese, English) sentences on what is allowed but unwise."""

    title: str
    title_en: str | None
    question: str
    question_en: str | None
    goal: Goal
    audience: Audience
    budget_fen: int
    ends_at: datetime | None
    min_days: int
    styles: tuple[DraftStyle, ...]
    vocabulary: tuple[Attribute, ...]
    notes: tuple[Words, ...]

    @property
    def ranked(self) -> tuple[DraftStyle, ...]:
        return tuple(style for style in self.styles if not style.decoy)

    @property
    def decoys(self) -> tuple[DraftStyle, ...]:
        return tuple(style for style in self.styles if style.decoy)


def read_test_folder(path: Path, *, now: datetime, on_picture: Callable[[int, int], None] | None = None) -> DraftTest:
    """Reads a folder, or a zip of one, into a draft.

    `now` (aware) is what deadlines are measured from. `on_picture(done, of)` is called as pictures are checked, which
    is what takes the time. Raises FolderRefused, or PictureRefused for what is wrong with a picture itself.
    """
    if path.is_dir():
        return _read(_DiskFolder(path), now=now, on_picture=on_picture)
    if path.is_file():
        with path.open("rb") as file:
            return read_test_zip(file, name=path.name, now=now, on_picture=on_picture)
    raise FolderRefused("no_folder", file=str(path))


def read_test_zip(
    file: Any, *, name: str, now: datetime, on_picture: Callable[[int, int], None] | None = None
) -> DraftTest:
    """The same for an open (seekable, binary) zip file; nothing is unpacked to disk, and sizes are limited."""
    try:
        archive = zipfile.ZipFile(file)
    except _ZIP_DAMAGE:
        raise FolderRefused("not_zip", file=name) from None
    with archive:
        return _read(_ZipFolder(archive, name), now=now, on_picture=on_picture)


# --- where files come from ------------------------------------------------------------------------


class _Source(Protocol):
    name: str

    def names(self) -> Iterable[str]: ...

    def has(self, name: str) -> bool: ...

    def read(self, name: str, *, limit: int, asked_by: Mapping[str, Any]) -> bytes:
        """At most limit + 1 bytes; raises FolderRefused(**asked_by) when the name is not a file of the folder."""
        ...


class _DiskFolder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.name = folder.name or str(folder)

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.folder.iterdir() if entry.is_file())

    def has(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def read(self, name: str, *, limit: int, asked_by: Mapping[str, Any]) -> bytes:
        # resolve() follows links, so a link that leads out of the folder is outside, whatever its own name is
        try:
            path = (self.folder / _slashed(name)).resolve()
            if "\0" in name or not path.is_relative_to(self.folder):
                raise FolderRefused("outside", picture=name, **asked_by)
            if not path.exists():
                raise _no_picture(name, self.names(), asked_by)
            if not path.is_file():
                raise FolderRefused("not_a_file", picture=name, **asked_by)
            with path.open("rb") as file:
                return file.read(limit + 1)
        except (OSError, ValueError):
            raise _no_picture(name, self.names(), asked_by) from None


class _ZipFolder:
    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.archive = archive
        self.name = name
        self.left_bytes = MAX_ZIP_BYTES
        entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_litter(_name_of(entry))]
        if len(entries) > MAX_ZIP_ENTRIES:
            raise FolderRefused("zip_entries", file=name, entries=len(entries), limit=MAX_ZIP_ENTRIES)
        self.entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            called = _name_of(entry)
            if entry.flag_bits & 1:
                raise FolderRefused("zip_locked", file=name)
            if (
                called.startswith("/")
                or ".." in called.split("/")
                or re.match(r"^[A-Za-z]:", called)
                or _is_link(entry)
            ):
                raise FolderRefused("zip_outside", file=name, entry=called)
            if called in self.entries:
                raise FolderRefused("zip_twice", file=name, entry=called)
            self.entries[called] = entry
        # "the folder, zipped" has everything under one folder
        tops = {called.split("/", 1)[0] for called in self.entries}
        if len(tops) == 1 and all("/" in called for called in self.entries):
            self.entries = {called.split("/", 1)[1]: entry for called, entry in self.entries.items()}

    def names(self) -> list[str]:
        return sorted(self.entries)

    def has(self, name: str) -> bool:
        return name in self.entries

    def read(self, name: str, *, limit: int, asked_by: Mapping[str, Any]) -> bytes:
        plain = unicodedata.normalize("NFC", _slashed(name))
        if plain.startswith("/") or ".." in plain.split("/"):
            raise FolderRefused("outside", picture=name, **asked_by)
        if plain not in self.entries:
            raise _no_picture(name, self.names(), asked_by)
        # the declared size is not believed: a bomb is cut off where it becomes too large
        try:
            with self.archive.open(self.entries[plain]) as file:
                data = file.read(limit + 1)
        except _ZIP_DAMAGE:
            raise FolderRefused("not_zip", file=self.name) from None
        self.left_bytes -= len(data)
        if self.left_bytes < 0:
            raise FolderRefused("zip_too_large", file=self.name, limit_mb=MAX_ZIP_BYTES // 2**20)
        return data


def _no_picture(name: str, there: Iterable[str], asked_by: Mapping[str, Any]) -> FolderRefused:
    return FolderRefused("no_picture", **asked_by, picture=name, **_advice(nearest(name, there)))


def _advice(near: str | None) -> dict[str, Any]:
    return {
        "advice_zh": f"；是不是 {near}？" if near else "。",
        "advice_en": f"; did you mean {near}?" if near else ".",
    }


def _name_of(entry: zipfile.ZipInfo) -> str:
    """Windows in China writes names in GBK without saying so; zipfile then reads them as cp437."""
    name = entry.filename
    if not entry.flag_bits & 0x800 and not name.isascii():
        with contextlib.suppress(UnicodeEncodeError, UnicodeDecodeError):
            name = name.encode("cp437").decode("gb18030")
    return unicodedata.normalize("NFC", _slashed(name))


def _slashed(name: str) -> str:
    """Paths are written with either slash; one is meant."""
    return name.replace("\\", "/").removeprefix("./")


def _is_litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16)


# --- fields and where they stand ------------------------------------------------------------------

Path_ = tuple[str | int, ...]


class _Toml:
    """A parsed TOML file that remembers in which line each field stands, which tomllib does not tell."""

    def __init__(self, text: str, *, file: str) -> None:
        self.file = file
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"\(at line (\d+), column \d+\)", str(error))
            detail = re.sub(r"\s*\(at .*\)", "", str(error))
            line = int(found.group(1)) if found else len(text.splitlines()) or 1
            written = text.splitlines()[line - 1 : line]
            unquoted = "key" in detail and not "".join(written).isascii()
            raise FolderRefused(
                "key_unquoted" if unquoted else "not_toml", file=file, line=line, detail=detail
            ) from None
        except RecursionError:
            raise FolderRefused("not_toml", file=file, detail="it is nested too deeply") from None
        self.lines = _lines_of(text)

    def line(self, path: Path_) -> int | None:
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[^\s."']+|"[^"]*"|'[^']*'""")


def _lines_of(text: str) -> dict[Path_, int]:
    """The line of each header and key of a TOML text; approximate, because it only serves messages."""
    lines: dict[Path_, int] = {}
    counts: dict[Path_, int] = {}
    here: Path_ = ()
    in_text = False
    for number, line in enumerate(text.splitlines(), start=1):
        quotes = line.count('"""') + line.count("'''")
        if not in_text:
            if header := _HEADER.match(line):
                here = _located(header.group(2), counts)
                if header.group(1) == "[[":
                    counts[here] = counts.get(here, -1) + 1
                    here = (*here, counts[here])
                lines.setdefault(here, number)
            elif key := _KEY.match(line):
                lines.setdefault((*here, *_parts(key.group(1))), number)
        in_text ^= quotes % 2 == 1
    return lines


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def _located(dotted: str, counts: Mapping[Path_, int]) -> Path_:
    """A header's path; within an array of tables it belongs to the last one."""
    path: Path_ = ()
    parts = _parts(dotted)
    for i, part in enumerate(parts):
        path = (*path, part)
        if i < len(parts) - 1 and path in counts:
            path = (*path, counts[path])
    return path


@dataclass(slots=True)
class _Fields:
    """The fields of one table, taken one by one; what is left over at the end is unknown."""

    values: Mapping[str, Any]
    file: str
    line_of: Callable[[str], int | None]
    prefix: str = ""

    def refuse(self, problem: str, field: str, **params: Any) -> FolderRefused:
        return FolderRefused(problem, **self.place(field), **params)

    def place(self, field: str) -> dict[str, Any]:
        return {"file": self.file, "line": self.line_of(field), "field": self.prefix + field}

    def only(self, *known: str) -> None:
        for key in self.values:
            if key not in known:
                raise self.refuse("unknown_key", key, **_advice(nearest(key, known)))

    def text(self, field: str, *, default: str | None = None, limit: int = MAX_TITLE) -> str | None:
        value = self.values.get(field)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.refuse("not_a", field, kind_zh="文字", kind_en="a text", found=_shown(value))
        value = value.strip()
        if not value:
            raise self.refuse("empty", field)
        if len(value) > limit:
            raise self.refuse("too_long", field, limit=limit, length=len(value))
        return value

    def whole(self, field: str, *, low: int, high: int, default: int | None = None) -> int | None:
        value = self.values.get(field)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse("not_a", field, kind_zh="整数", kind_en="a whole number", found=_shown(value))
        if not low <= value <= high:
            raise self.refuse("out_of_range", field, low=low, high=high, found=value)
        return value

    def yes(self, field: str) -> bool:
        value = self.values.get(field, False)
        if not isinstance(value, bool):
            raise self.refuse("not_a", field, kind_zh=" true 或 false", kind_en="true or false", found=_shown(value))
        return value

    def table(self, field: str) -> Mapping[str, Any]:
        value = self.values.get(field, {})
        if not isinstance(value, dict):
            raise self.refuse("not_a", field, kind_zh="表格", kind_en=f"a table ([{field}])", found=_shown(value))
        return value

    def tables(self, field: str) -> list[Mapping[str, Any]]:
        value = self.values.get(field, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.refuse(
                "not_a", field, kind_zh="一组表格", kind_en=f"a list of tables ([[{field}]])", found=_shown(value)
            )
        return value

    def room(self, field: str, error: Exception) -> FolderRefused:
        """What a room of rules refuses, at the place of this file where it was written."""
        return self.refuse("room", field, **_in_both(error))


def _in_both(error: Exception) -> dict[str, str]:
    """The sentence of a refusal in Chinese, where it has one, and in English."""
    params = getattr(error, "params", {})
    return {"detail_en": str(params.get("problem", error)), "detail_zh": str(params.get("problem_zh", error))}


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


# --- the test -------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """One style as it was written: its fields, and what it says of attributes."""

    fields: _Fields
    attributes: Mapping[str, Any]
    attribute_line: Callable[[str], int | None]


def _read(source: _Source, *, now: datetime, on_picture: Callable[[int, int], None] | None) -> DraftTest:
    if not source.has(TOML) and not source.has(CSV):
        raise FolderRefused("no_test_file", file=source.name)
    toml = _Toml(_text(source, TOML), file=TOML) if source.has(TOML) else _Toml("", file=TOML)
    top = _Fields(toml.data, TOML, _lines_under(toml))
    top.only("title", "title_en", "question", "question_en", "budget_fen", "ends_at", "days", "min_days", "goal",
             "audience", "attributes", "styles")  # fmt: skip
    title = top.text("title", default=None if source.has(TOML) else Path(source.name).stem[:MAX_TITLE])
    if title is None:
        raise top.refuse("missing", "title")
    try:
        vocabulary = known_attributes(top.table("attributes"))
    except GameRefusal as error:
        raise top.room("attributes", error) from None

    if source.has(CSV):
        if "styles" in toml.data:
            raise top.refuse("two_lists", "styles")
        rows, vocabulary = _csv_rows(_text(source, CSV, gbk=True), vocabulary)
    else:
        rows = [_toml_row(toml, i, entry) for i, entry in enumerate(top.tables("styles"))]
    list_file = CSV if source.has(CSV) else TOML
    _check_number(rows, list_file)
    _check_names(rows)

    goal = _goal(toml, top, n_styles=sum(not row.fields.yes("decoy") for row in rows), list_file=list_file)
    title_en = top.text("title_en")
    question, question_en = top.text("question") or DEFAULT_QUESTION, top.text("question_en")
    audience = _audience(toml, top)
    budget_fen = top.whole("budget_fen", low=0, high=10_000_000_00) or 0
    ends_at = _deadline(top, now)
    min_days = top.whole("min_days", low=0, high=MAX_DAYS) or 0
    # all that is quick is checked before the first picture is opened
    said = [_said(row, vocabulary) for row in rows]
    styles = []
    for row, words in zip(rows, said, strict=True):
        styles.append(DraftStyle(picture=_picture(source, row), **words._asdict()))
        if on_picture:
            on_picture(len(styles), len(rows))
    _check_pictures_differ(styles, rows)
    return DraftTest(
        title=title,
        title_en=title_en,
        question=question,
        question_en=question_en,
        goal=goal,
        audience=audience,
        budget_fen=budget_fen,
        ends_at=ends_at,
        min_days=min_days,
        styles=tuple(styles),
        vocabulary=vocabulary,
        notes=(*_notes_on_pictures(styles), *_notes_on_attributes(styles, vocabulary)),
    )


def _text(source: _Source, name: str, *, gbk: bool = False) -> str:
    data = source.read(name, limit=MAX_TEXT_BYTES, asked_by={"file": name})
    if len(data) > MAX_TEXT_BYTES:
        raise FolderRefused("text_too_long", file=name, limit_kb=MAX_TEXT_BYTES // 1024)
    if gbk and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("utf-16")  # what spreadsheets call "Unicode text"
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not gbk:
            raise FolderRefused("not_utf8", file=name, line=data[: error.start].count(b"\n") + 1) from None
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError as error:
        raise FolderRefused("not_text", file=name, line=data[: error.start].count(b"\n") + 1) from None


def _goal(toml: _Toml, top: _Fields, *, n_styles: int, list_file: str) -> Goal:
    fields = _Fields(top.table("goal"), TOML, _lines_under(toml, "goal"), prefix="goal.")
    fields.only("keep", "certainty", "confidence", "indifference")
    keep = fields.whole("keep", low=1, high=MAX_STYLES, default=min(3, max(1, n_styles // 4)))
    try:
        goal = Goal(**{**fields.values, "keep": keep})
    except RankingError as error:
        named = next((field for field in fields.values if field in str(error)), "certainty")
        raise fields.room(named, error) from None
    assert keep is not None
    if keep >= n_styles:
        raise fields.refuse("keep_too_many", "keep", keep=keep, styles=n_styles)
    return goal


def _audience(toml: _Toml, top: _Fields) -> Audience:
    for i, entry in enumerate(top.tables("audience")):
        fields = _Fields(entry, TOML, _lines_under(toml, "audience", i), prefix=f"audience {i + 1} ")
        fields.only("name", "gender", "age_min", "age_max", "interests", "region", "share_permille")
        for field in ("name", "gender", "region"):
            fields.text(field)
        if "name" not in entry:
            raise fields.refuse("missing", "name")
        for field in ("age_min", "age_max"):
            fields.whole(field, low=0, high=120)
        fields.whole("share_permille", low=0, high=1000)
        interests = entry.get("interests", [])
        if not isinstance(interests, list) or not all(isinstance(one, str) for one in interests):
            raise fields.refuse(
                "not_a", "interests", kind_zh="一组文字", kind_en="a list of texts", found=_shown(interests)
            )
        try:
            audience_from([entry])
        except GameRefusal as error:
            named = next(
                (field for field in ("gender", "age_min") if field[:3] in str(error.params["problem"])), "name"
            )
            raise fields.room(named, error) from None
    try:
        return audience_from(list(top.tables("audience")))
    except GameRefusal as error:
        raise top.room("audience", error) from None


def _lines_under(toml: _Toml, *path: str | int) -> Callable[[str], int | None]:
    return lambda field: toml.line((*path, field))


def _deadline(top: _Fields, now: datetime) -> datetime | None:
    if "days" in top.values and "ends_at" in top.values:
        raise top.refuse("both", "days", other="ends_at")
    days = top.whole("days", low=1, high=MAX_DAYS)
    if days is not None:
        return now + timedelta(days=days)
    value = top.values.get("ends_at")
    if value is None:
        return None
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        # "before Friday" means that Friday is over
        value = datetime(value.year, value.month, value.day, tzinfo=UTC) + timedelta(days=1)
    if not isinstance(value, datetime):
        example = "2026-12-31T18:00:00Z"
        raise top.refuse(
            "not_a", "ends_at", kind_zh=f"时间（{example}）", kind_en=f"a time like {example}", found=_shown(value)
        )
    ends_at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if ends_at <= now:
        raise top.refuse("in_the_past", "ends_at", found=f"{ends_at:%Y-%m-%d %H:%M} UTC")
    return ends_at


def _check_number(rows: Sequence[_Row], file: str) -> None:
    ranked = sum(not row.fields.yes("decoy") for row in rows)
    if ranked < MIN_STYLES:
        raise FolderRefused("too_few_styles", file=file, styles=ranked, least=MIN_STYLES)
    if len(rows) > MAX_STYLES:
        raise FolderRefused("too_many_styles", file=file, styles=len(rows), most=MAX_STYLES)


def _check_names(rows: Sequence[_Row]) -> None:
    """No name and no title stands for two styles: players and reports know a style by its title."""
    for field in ("name", "title"):
        first: dict[str, int | None] = {}
        for row in rows:
            called = row.fields.text(field)
            if called is None:
                continue
            if called in first:
                raise row.fields.refuse("duplicate_style", field, name=called, first=first[called] or "?")
            first[called] = row.fields.line_of(field)


_STYLE_KEYS = (
    "name",
    "title",
    "title_en",
    "picture",
    "attributes",
    "decoy",
    "reference_sales",
    "cost_fen",
    "price_fen",
)


def _toml_row(toml: _Toml, index: int, entry: Mapping[str, Any]) -> _Row:
    called = entry.get("name", entry.get("title"))
    named = f'style "{called}" ' if isinstance(called, str) and called.strip() else f"style {index + 1} "
    fields = _Fields(entry, TOML, _lines_under(toml, "styles", index), prefix=named)
    fields.only(*_STYLE_KEYS)
    if "title" not in entry and "name" not in entry:
        raise fields.refuse("missing", "title")
    if "picture" not in entry:
        raise fields.refuse("missing", "picture")
    attributes = fields.table("attributes")
    return _Row(fields, attributes, _lines_under(toml, "styles", index, "attributes"))


class _Said(NamedTuple):
    """A style as it is told in words: all of a DraftStyle but its picture."""

    name: str
    title: str
    title_en: str | None
    attributes: tuple[tuple[str, str | float], ...]
    decoy: bool
    reference_sales: int | None
    cost_fen: int | None
    price_fen: int | None


def _said(row: _Row, vocabulary: Sequence[Attribute]) -> _Said:
    fields = row.fields
    name = fields.text("name") or fields.text("title")
    assert name is not None  # rows without either are refused where they are read
    for given, value in row.attributes.items():
        try:
            read_attributes({given: value}, vocabulary)
        except GameRefusal as error:
            raise FolderRefused(
                "room",
                file=fields.file,
                line=row.attribute_line(given),
                field=f"{fields.prefix}{given}",
                **_in_both(error),
            ) from None
    try:
        attributes = read_attributes(row.attributes, vocabulary)
    except GameRefusal as error:
        raise fields.room("attributes", error) from None
    price_fen = fields.whole("price_fen", low=0, high=1_000_000_00)
    return _Said(
        name=name,
        title=fields.text("title") or name,
        title_en=fields.text("title_en"),
        attributes=attributes,
        decoy=fields.yes("decoy"),
        reference_sales=fields.whole("reference_sales", low=0, high=100_000_000),
        cost_fen=fields.whole("cost_fen", low=0, high=1_000_000_00),
        price_fen=_fen_shown(attributes) if price_fen is None else price_fen,
    )


def _fen_shown(attributes: Iterable[tuple[str, str | float]]) -> int | None:
    """The price in fen where a style has its price as an attribute: who wrote it once need not write it twice."""
    price = dict(attributes).get("price")
    return round(price * 100) if isinstance(price, float) and price >= 0 else None


def _picture(source: _Source, row: _Row) -> CheckedPicture:
    name = row.fields.text("picture", limit=255)
    assert name is not None
    data = source.read(name, limit=MAX_BYTES, asked_by=row.fields.place("picture"))
    return check_picture(data, name=name)


def _check_pictures_differ(styles: Sequence[DraftStyle], rows: Sequence[_Row]) -> None:
    first: dict[str, DraftStyle] = {}
    for style, row in zip(styles, rows, strict=True):
        if style.picture.key in first:
            raise row.fields.refuse("same_picture", "picture", one=first[style.picture.key].title, other=style.title)
        first[style.picture.key] = style


def _notes_on_pictures(styles: Sequence[DraftStyle]) -> list[Words]:
    pictures = [style.picture for style in styles if not style.decoy]  # a decoy is meant to be poor
    notes = [
        Words(
            f"“{twins.name}”和“{twins.other}”几乎一样，会互相分票。",
            f'"{twins.name}" and "{twins.other}" look nearly the same and will split their votes.',
        )
        for twins in near_duplicates(pictures)
    ]
    for picture in pictures:
        notes += [
            Words(f"{picture.name}：{words.zh}", f"{picture.name}: {words.en}") for words in picture.warning_words
        ]
    return notes


def _notes_on_attributes(styles: Sequence[DraftStyle], vocabulary: Sequence[Attribute]) -> list[Words]:
    notes = []
    ranked = [style for style in styles if not style.decoy]
    for attribute in vocabulary:
        silent = [style.title for style in ranked if attribute.code not in dict(style.attributes)]
        if silent and len(silent) < len(ranked):
            notes.append(
                Words(
                    f"{len(silent)} 款没有写{attribute.zh}（例如“{silent[0]}”），无法比较{attribute.zh}的影响。",
                    f'{len(silent)} styles do not say their {attribute.en.lower()} (such as "{silent[0]}"), '
                    "so its worth cannot be told.",
                )
            )
    return notes


# --- styles.csv -----------------------------------------------------------------------------------

_COLUMNS: dict[str, tuple[str, ...]] = {
    "name": ("name", "style", "款号", "编号", "款式"),
    "title": ("title", "名称", "标题", "款名"),
    "title_en": ("title_en", "英文名称", "英文名"),
    "picture": ("picture", "image", "图片", "图片文件", "照片"),
    "decoy": ("decoy", "检验题", "反例"),
    "reference_sales": ("reference_sales", "标杆销量", "往期销量", "销量"),
    "cost_fen": ("cost", "成本", "成本价"),
}
_DECLARED = re.compile(r"^(?:属性|attribute)\s*[:\uff1a]\s*(.+)$", re.IGNORECASE)
_YES = {"1", "yes", "true", "y", "是", "对", "✓", "√"}
_NO = {"", "0", "no", "false", "n", "否", "不是"}


def _csv_rows(text: str, vocabulary: tuple[Attribute, ...]) -> tuple[list[_Row], tuple[Attribute, ...]]:
    """The styles of a CSV, and the vocabulary with the attributes that its header declares.

    Comma, semicolon or tab; the header names columns in Chinese or English, in any order.
    """
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[_Row] = []
    columns: list[tuple[str, str]] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            line = reader.line_num
            if columns is None:
                columns = _columns([cell.strip() for cell in cells], vocabulary, line)
                continue
            if len(cells) != len(columns):
                raise FolderRefused("broken_line", file=CSV, line=line, cells=len(cells), columns=len(columns))
            rows.append(_csv_row(columns, cells, line))
            if len(rows) > 100 * MAX_STYLES:
                break
    except csv.Error as error:
        raise FolderRefused("not_csv", file=CSV, line=reader.line_num or 1, detail=str(error)) from None
    if columns is None:
        raise FolderRefused("no_header", file=CSV, line=1)
    free = [
        name for kind, name in columns if kind == "attribute" and not any(one.is_called(name) for one in vocabulary)
    ]
    return rows, vocabulary + tuple(Attribute(code=name, zh=name, en=name) for name in free)


def _columns(header: Sequence[str], vocabulary: Sequence[Attribute], line: int) -> list[tuple[str, str]]:
    """What each column is: ("field", its key) or ("attribute", its name)."""
    columns: list[tuple[str, str]] = []
    for cell in header:
        plain = cell.casefold()
        field = next((key for key, names in _COLUMNS.items() if plain in names), None)
        declared = _DECLARED.match(cell)
        if field:
            columns.append(("field", field))
        elif declared:
            columns.append(("attribute", declared.group(1).strip()))
        elif any(attribute.is_called(cell) for attribute in vocabulary):
            columns.append(("attribute", cell))
        else:
            names = [name for some in _COLUMNS.values() for name in some]
            near = (
                nearest(cell, [*names, *(label for one in vocabulary for label in (one.zh, one.en))]) if cell else None
            )
            declare = {
                "advice_zh": f"；自定义属性请写成“属性:{cell}”。",
                "advice_en": f'; head a free attribute "attribute: {cell}".',
            }
            advice = _advice(near) if near else declare
            raise FolderRefused("unknown_key", file=CSV, line=line, field=cell or "(empty)", **advice)
    for kind_and_name in columns:
        if columns.count(kind_and_name) > 1:
            raise FolderRefused("column_twice", file=CSV, line=line, column=kind_and_name[1])
    present = {name for kind, name in columns if kind == "field"}
    if not present & {"name", "title"}:
        raise FolderRefused("column_missing", file=CSV, line=line, column_zh="名称", column_en="name (名称)")
    if "picture" not in present:
        raise FolderRefused("column_missing", file=CSV, line=line, column_zh="图片", column_en="picture (图片)")
    return columns


def _csv_row(columns: Sequence[tuple[str, str]], cells: Sequence[str], line: int) -> _Row:
    given = {column: cell.strip() for column, cell in zip(columns, cells, strict=True) if cell.strip()}
    values: dict[str, Any] = {name: cell for (kind, name), cell in given.items() if kind == "field"}
    fields = _Fields(values, CSV, lambda _: line)
    if "name" not in values and "title" not in values:
        raise fields.refuse("empty", "name")
    if "picture" not in values:
        raise fields.refuse("empty", "picture")
    if "decoy" in values:
        word = values["decoy"].casefold()
        if word not in _YES | _NO:
            raise fields.refuse(
                "not_a", "decoy", kind_zh="“是”或“否”", kind_en="yes or no", found=_shown(values["decoy"])
            )
        values["decoy"] = word in _YES
    if "reference_sales" in values:
        values["reference_sales"] = _whole_of(values["reference_sales"], fields, "reference_sales")
    if "cost_fen" in values:
        values["cost_fen"] = _fen_of(values["cost_fen"], fields, "cost_fen")
    return _Row(fields, {name: cell for (kind, name), cell in given.items() if kind == "attribute"}, lambda _: line)


def _whole_of(cell: str, fields: _Fields, field: str) -> int:
    if not re.fullmatch(r"-?\d{1,12}", cell.replace(",", "")):
        raise fields.refuse("not_a", field, kind_zh="整数", kind_en="a whole number", found=_shown(cell))
    return int(cell.replace(",", ""))


def _fen_of(cell: str, fields: _Fields, field: str) -> int:
    """A price in yuan as merchants write it ("¥39.90") in fen, exactly."""
    found = re.fullmatch(r"[\u00a5\uffe5]?\s*(\d{1,9})(?:\.(\d{1,2}))?\s*元?", cell.replace(",", ""))
    if not found:
        raise fields.refuse("not_a", field, kind_zh="金额（元）", kind_en="an amount in yuan", found=_shown(cell))
    return int(found.group(1)) * 100 + int((found.group(2) or "0").ljust(2, "0"))
