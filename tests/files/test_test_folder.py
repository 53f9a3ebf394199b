"""A folder of pictures becomes a draft test, or one sentence says what is wrong with it and where."""

import contextlib
import io
import os
import string
import struct
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from game.segments import EVERYONE
from server.files.test_folder import PROBLEMS, DraftTest, FolderRefused, read_test_folder, read_test_zip
from server.pictures import PictureRefused

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SAMPLE = Path(__file__).parents[2] / "samples" / "summer-dresses"


def a_picture(colour: str = "crimson") -> bytes:
    picture = Image.new("RGB", (240, 320), "white")
    ImageDraw.Draw(picture).polygon([(100, 40), (140, 40), (200, 290), (40, 290)], fill=colour, outline="black")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


COLOURS = ("crimson", "navy", "seagreen", "gold", "orchid")
PICTURES = {f"{colour}.png": a_picture(colour) for colour in COLOURS}


def a_style(colour: str = "crimson", more: str = "") -> str:
    return f'[[styles]]\nname = "{colour}"\npicture = "{colour}.png"\n{more}\n'


def a_toml(top: str = "", styles: str | None = None, rest: str = "") -> str:
    """A whole test.toml; say only what matters to the case."""
    title = "" if "title" in top else 'title = "夏装"\n'
    three = a_style("crimson") + a_style("navy") + a_style("gold")
    return f"{title}{top}\n{three if styles is None else styles}\n{rest}\n"


def a_folder(tmp_path: Path, toml: str | None = None, files: dict[str, bytes] | None = None) -> Path:
    folder = tmp_path / "summer"
    folder.mkdir()
    for name, data in {**PICTURES, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    if toml is not None:
        (folder / "test.toml").write_text(toml, encoding="utf-8")
    return folder


def a_zip(files: dict[str, bytes], *, under: str = "", compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(under + name, data)
    return out.getvalue()


def read(path: Path) -> DraftTest:
    return read_test_folder(path, now=NOW)


def read_zip(data: bytes) -> DraftTest:
    return read_test_zip(io.BytesIO(data), name="summer.zip", now=NOW)


def refusal_of(tmp_path: Path, toml: str | None = None, files: dict[str, bytes] | None = None) -> FolderRefused:
    with pytest.raises(FolderRefused) as refusal:
        read(a_folder(tmp_path, toml, files))
    return refusal.value


# --- what is read ---------------------------------------------------------------------------------


def test_the_sample_is_twelve_dresses_in_all_combinations():
    draft = read(SAMPLE)
    assert len(draft.ranked) == 12
    assert len(draft.decoys) == 2
    assert draft.notes == ()
    assert (draft.goal.keep, draft.goal.confidence) == (3, 0.95)
    assert [quota.segment.gender for quota in draft.audience.quotas] == ["female", "female"]
    combinations = {style.attributes for style in draft.ranked}
    assert len(combinations) == 12
    for position, levels in enumerate((3, 2, 2)):
        assert len({attributes[position] for attributes in combinations}) == levels
    assert all(style.title_en and style.cost_fen and style.price_fen for style in draft.ranked)
    assert draft.title_en
    assert draft.question_en


def test_what_is_left_out_has_a_plain_default(tmp_path: Path):
    draft = read(a_folder(tmp_path, a_toml()))
    assert draft.title == "夏装"
    assert draft.goal.keep == 1
    assert draft.audience.names == (EVERYONE,)
    assert draft.budget_fen == 0
    assert draft.ends_at is None
    assert [style.title for style in draft.styles] == ["crimson", "navy", "gold"]


def test_every_field_is_read(tmp_path: Path):
    toml = a_toml(
        'title = "夏装"\ntitle_en = "Summer"\nquestion = "哪一件?"\nbudget_fen = 5000\n'
        "ends_at = 2026-06-05T18:00:00+08:00\nmin_days = 2",
        a_style("crimson", 'attributes = { "颜色" = "红", "价格" = "¥159.90", "腰带" = "有" }\n'
                           "cost_fen = 100\nreference_sales = 812")
        + a_style("navy", 'attributes = { colour = "Navy", price = 99, "腰带" = "无" }\nprice_fen = 9500')
        + a_style("gold", 'decoy = true\ntitle = "金"'),
        '[attributes]\n"腰带" = { en = "Belt", levels = ["有", "无"] }\n'
        '[goal]\nkeep = 1\ncertainty = "proven"\nconfidence = 0.9\nindifference = 0\n'
        '[[audience]]\nname = "北方"\nregion = "north"\ninterests = ["dresses"]\nshare_permille = 400',
    )  # fmt: skip
    draft = read(a_folder(tmp_path, toml))
    assert draft.ends_at == datetime(2026, 6, 5, 10, tzinfo=UTC)
    assert (draft.budget_fen, draft.min_days, draft.goal.certainty) == (5000, 2, "proven")
    assert draft.audience.quotas[0].segment.region == "north"
    crimson, navy, gold = draft.styles
    assert dict(crimson.attributes) == {"colour": "red", "price": 159.9, "腰带": "有"}
    assert dict(navy.attributes) == {"colour": "navy", "price": 99.0, "腰带": "无"}
    assert (crimson.reference_sales, crimson.cost_fen, crimson.price_fen, navy.price_fen) == (812, 100, 15990, 9500)
    assert gold.decoy
    assert next(one for one in draft.vocabulary if one.code == "腰带").en == "Belt"


def test_a_day_as_deadline_includes_that_day(tmp_path: Path):
    assert read(a_folder(tmp_path, a_toml("ends_at = 2026-06-05"))).ends_at == datetime(2026, 6, 6, tzinfo=UTC)


def test_days_are_counted_from_now(tmp_path: Path):
    assert read(a_folder(tmp_path, a_toml("days = 5"))).ends_at == NOW + timedelta(days=5)


CSV = "名称,图片,颜色,袖长,价格\n红裙,crimson.png,红色,短袖,\uffe5159.90\n蓝裙,navy.png,藏青,长袖,99\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
def test_a_csv_is_read_in_the_encodings_that_spreadsheets_write(tmp_path: Path, encoding: str):
    draft = read(a_folder(tmp_path, files={"styles.csv": CSV.encode(encoding)}))
    assert draft.title == "summer"
    assert [(style.title, style.price_fen) for style in draft.styles] == [("红裙", 15990), ("蓝裙", 9900)]
    assert dict(draft.styles[0].attributes) == {"colour": "red", "sleeve": "short", "price": 159.9}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_stand_beside_a_toml(tmp_path: Path, delimiter: str):
    table = "\r\n".join(delimiter.join(row) for row in (
        ("style", "picture", "attribute: 扣子", "成本", "销量", "decoy"),
        ("a", "crimson.png", "木", "12.5", "1", "否"),
        ("b", "navy.png", "贝", "", "", ""),
        ("c", "gold.png", "", "", "", "是"),
    ))  # fmt: skip
    folder = a_folder(tmp_path, 'title = "夏装"\nbudget_fen = 700', {"styles.csv": table.encode()})
    draft = read(folder)
    assert (draft.title, draft.budget_fen) == ("夏装", 700)
    assert [(style.cost_fen, style.reference_sales, style.decoy) for style in draft.styles] == [
        (1250, 1, False), (None, None, False), (None, None, True),
    ]  # fmt: skip
    assert dict(draft.styles[1].attributes) == {"扣子": "贝"}


@pytest.mark.parametrize("under", ["", "summer/", "夏装/"])
def test_a_zip_of_the_folder_is_the_folder(tmp_path: Path, under: str):
    files = {**PICTURES, "test.toml": a_toml().encode()}
    from_zip = read_zip(a_zip(files, under=under))
    assert from_zip == read(a_folder(tmp_path, a_toml()))
    on_disk = tmp_path / "summer.zip"
    on_disk.write_bytes(a_zip(files, under=under))
    assert read(on_disk) == from_zip


def test_a_zip_from_chinese_windows_is_read(tmp_path: Path):
    """Explorer there writes names in GBK and does not say so."""
    toml = a_toml(styles='[[styles]]\ntitle = "红"\npicture = "红裙.png"\n' + a_style("navy"))
    data = a_zip({"AAAA.png": a_picture(), "navy.png": a_picture("navy"), "test.toml": toml.encode()})
    draft = read_zip(data.replace(b"AAAA.png", "红裙.png".encode("gbk")))
    assert draft.styles[0].picture.name == "红裙.png"


def test_what_computers_leave_in_zips_is_passed_over():
    litter = {"__MACOSX/._test.toml": b"\0", ".DS_Store": b"\0", "Thumbs.db": b"\0"}
    assert len(read_zip(a_zip({**PICTURES, "test.toml": a_toml().encode(), **litter})).styles) == 3


def test_progress_is_told_picture_by_picture(tmp_path: Path):
    told = []
    read_test_folder(a_folder(tmp_path, a_toml()), now=NOW, on_picture=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_is_allowed_but_unwise_is_noted_in_both_languages(tmp_path: Path):
    toml = a_toml(styles=a_style("crimson", 'attributes = { sleeve = "短袖" }') + a_style("navy"))
    draft = read(a_folder(tmp_path, toml))
    notes = " ".join(note.en for note in draft.notes)
    assert "1 styles do not say their sleeve" in notes
    assert "crimson.png: The picture is less than 720 pixels wide" in notes
    assert all("。" in note.zh for note in draft.notes)


def test_two_pictures_that_look_alike_are_noted(tmp_path: Path):
    again = io.BytesIO()
    Image.open(io.BytesIO(PICTURES["crimson.png"])).save(again, "JPEG", quality=50)
    toml = a_toml(styles=a_style("crimson") + '[[styles]]\nname = "again"\npicture = "again.jpg"\n' + a_style("navy"))
    notes = read(a_folder(tmp_path, toml, {"again.jpg": again.getvalue()})).notes
    assert any('"crimson.png" and "again.jpg" look nearly the same' in note.en for note in notes)


# --- what is refused, and how it is said ----------------------------------------------------------

REFUSED: dict[str, tuple[str, str]] = {
    # what: (test.toml, the sentence)
    "broken TOML": (a_toml(rest="budget = = 3"), "test.toml, line 16: this is not TOML: Invalid value"),
    "a name without quotes": (
        a_toml(styles=a_style("crimson", 'attributes = { 颜色 = "红" }') + a_style("navy")),
        'test.toml, line 6: names that are not plain ASCII stand in quotes, like "颜色" = "红色".',
    ),
    "no title": ("budget_fen = 3", "test.toml, title: this field is missing."),
    "an empty title": (a_toml('title = "  "'), "test.toml, line 1, title: this must not be empty."),
    "a long title": (
        a_toml(f'title = "{"裙" * 121}"'),
        "test.toml, line 1, title: at most 120 characters; this has 121.",
    ),
    "a title that is a number": (a_toml("title = 3"), "test.toml, line 1, title: this must be a text, and is 3."),
    "an unknown key": (
        a_toml("buget_fen = 3"),
        "test.toml, line 2, buget_fen: there is no such field; did you mean budget_fen?",
    ),
    "an unknown key of a style": (
        a_toml(styles=a_style("crimson") + a_style("navy", 'pictur = "x.png"')),
        'test.toml, line 10, style "navy" pictur: there is no such field; did you mean picture?',
    ),
    "a budget in yuan": (
        a_toml("budget_fen = 30.5"),
        "test.toml, line 2, budget_fen: this must be a whole number, and is 30.5.",
    ),
    "a negative budget": (
        a_toml("budget_fen = -1"),
        "test.toml, line 2, budget_fen: this must lie between 0 and 1000000000, and is -1.",
    ),
    "one style": (a_toml(styles=a_style()), "test.toml: styles to rank: 1; a test needs at least 2."),
    "only decoys beside one": (
        a_toml(styles=a_style() + a_style("navy", "decoy = true")),
        "styles to rank: 1; a test needs at least 2.",
    ),
    "500 styles": (
        a_toml(styles="".join(f'[[styles]]\nname = "{i}"\npicture = "{i}.png"\n' for i in range(500))),
        "test.toml: there are 500 styles; a test has at most 120, so make several tests of them.",
    ),
    "styles that are no list": (
        'title = "x"\nstyles = 3',
        "test.toml, line 2, styles: this must be a list of tables ([[styles]]), and is 3.",
    ),
    "a duplicate style": (
        a_toml(styles=a_style("crimson") + a_style("crimson")),
        'test.toml, line 8, style "crimson" name: the style "crimson" stands twice (first in line 4).',
    ),
    "a duplicate title": (
        a_toml(styles=a_style("crimson", 'title = "裙"') + a_style("navy", 'title = "裙"')),
        'test.toml, line 10, style "navy" title: the style "裙" stands twice (first in line 6).',
    ),
    "a style without a picture": (
        a_toml(styles='[[styles]]\nname = "a"\n' + a_style("navy")),
        'test.toml, line 3, style "a" picture: this field is missing.',
    ),
    "a style without a name": (
        a_toml(styles='[[styles]]\npicture = "crimson.png"\n' + a_style("navy")),
        "test.toml, line 3, style 1 title: this field is missing.",
    ),
    "a missing picture": (
        a_toml(styles=a_style("crimson") + '[[styles]]\nname = "b"\npicture = "nvy.png"'),
        'test.toml, line 9, style "b" picture: there is no picture nvy.png; did you mean navy.png?',
    ),
    "a folder for a picture": (
        a_toml(styles=a_style() + '[[styles]]\nname = "b"\npicture = "."'),
        ". is not a plain file.",
    ),
    "a picture above the folder": (
        a_toml(styles=a_style() + '[[styles]]\nname = "b"\npicture = "../../etc/passwd"'),
        "the picture ../../etc/passwd lies outside the folder.",
    ),
    "a picture of the machine": (
        a_toml(styles=a_style() + '[[styles]]\nname = "b"\npicture = "/etc/passwd"'),
        "the picture /etc/passwd lies outside the folder.",
    ),
    "a picture with a NUL in its name": (
        a_toml(styles=a_style() + '[[styles]]\nname = "b"\npicture = "a\\u0000.png"'),
        'style "b" picture: there is no picture',
    ),
    "the same picture twice": (
        a_toml(styles=a_style("crimson") + '[[styles]]\nname = "b"\npicture = "crimson.png"'),
        'test.toml, line 9, style "b" picture: the styles "crimson" and "b" have the very same picture.',
    ),
    "an unknown attribute": (
        a_toml(styles=a_style("crimson", 'attributes = { "袖常" = "短袖" }') + a_style("navy")),
        'test.toml, line 6, style "crimson" 袖常: unknown attribute; did you mean "袖长"?',
    ),
    "an attribute like no other": (
        a_toml(styles=a_style("crimson", 'attributes = { zipper = "yes" }') + a_style("navy")),
        'style "crimson" zipper: unknown attribute; declare it under [attributes] to use it.',
    ),
    "an unknown level": (
        a_toml(styles=a_style("crimson", 'attributes = { sleeve = "短秀" }') + a_style("navy")),
        'test.toml, line 6, style "crimson" sleeve: "短秀" is unknown; did you mean "短袖"?',
    ),
    "an attribute in both languages": (
        a_toml(styles=a_style("crimson", 'attributes = { sleeve = "短袖", "袖长" = "长袖" }') + a_style("navy")),
        'test.toml, line 6, style "crimson" attributes: Sleeve stands twice.',
    ),
    "a price that is no number": (
        a_toml(styles=a_style("crimson", 'attributes = { price = "cheap" }') + a_style("navy")),
        '"cheap" is not a number.',
    ),
    "attributes that are no table": (
        a_toml(styles=a_style("crimson", "attributes = 3") + a_style("navy")),
        'test.toml, line 6, style "crimson" attributes: this must be a table ([attributes]), and is 3.',
    ),
    "negative sales": (
        a_toml(styles=a_style("crimson", "reference_sales = -4") + a_style("navy")),
        'test.toml, line 6, style "crimson" reference_sales: this must lie between 0 and 100000000, and is -4.',
    ),
    "keep as many as there are": (
        a_toml(rest="[goal]\nkeep = 3"),
        "test.toml, line 17, goal.keep: it keeps 3 of 3 styles; keep fewer than there are.",
    ),
    "keep none": (a_toml(rest="[goal]\nkeep = 0"), "goal.keep: this must lie between 1 and 120, and is 0."),
    "a certainty of its own": (
        a_toml(rest='[goal]\ncertainty = "sure"'),
        "test.toml, line 17, goal.certainty: The goal cannot be planned for: certainty must be likely or proven",
    ),
    "a confidence in per cent": (a_toml(rest="[goal]\nconfidence = 95"), "test.toml, line 17, goal.confidence:"),
    "a deadline in the past": (
        a_toml("ends_at = 2026-05-31T00:00:00Z"),
        "test.toml, line 2, ends_at: the deadline 2026-05-31 00:00 UTC lies in the past.",
    ),
    "a deadline in words": (
        a_toml('ends_at = "Friday"'),
        'test.toml, line 2, ends_at: this must be a time like 2026-12-31T18:00:00Z, and is "Friday".',
    ),
    "two deadlines": (
        a_toml("ends_at = 2026-07-01\ndays = 3"),
        "test.toml, line 3, days: give either this or ends_at, not both.",
    ),
    "an audience of an unknown gender": (
        a_toml(rest='[[audience]]\nname = "她们"\ngender = "woman"'),
        'test.toml, line 18, audience 1 gender: gender "woman" is unknown',
    ),
    "ages the wrong way round": (
        a_toml(rest='[[audience]]\nname = "她们"\nage_min = 40\nage_max = 20'),
        "its youngest age lies above its oldest.",
    ),
    "an audience without a name": (
        a_toml(rest='[[audience]]\ngender = "female"'),
        "test.toml, line 16, audience 1 name: this field is missing.",
    ),
    "quotas above the whole": (
        a_toml(rest='[[audience]]\nname = "a"\nshare_permille = 600\n[[audience]]\nname = "b"\nshare_permille = 600'),
        "the quotas add up to more than the whole",
    ),
    "an unknown key of a declaration": (
        a_toml(rest='[attributes]\nbelt = { levls = ["有"] }'),
        'attributes: "levls" is unknown; did you mean "levels"?',
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_one_sentence_says_what_is_wrong_and_where(tmp_path: Path, what: str):
    toml, sentence = REFUSED[what]
    refusal = refusal_of(tmp_path, toml)
    assert sentence in str(refusal)
    assert str(refusal).count("\n") == 0
    assert "test.toml" in refusal.sentence_zh


REFUSED_CSV: dict[str, tuple[str, str]] = {
    "an empty file": ("", "styles.csv, line 1: the first line must name the columns, for example name,picture,colour."),
    "no names": ("图片\nx.png\n", "styles.csv, line 1: there is no column name (名称)."),
    "no pictures": ("名称,颜色\na,红\n", "styles.csv, line 1: there is no column picture (图片)."),
    "a column with a typing error": (
        "名称,图片,袖常\na,crimson.png,短袖\n",
        "styles.csv, line 1, 袖常: there is no such field; did you mean 袖长?",
    ),
    "an unknown column": (
        "名称,图片,zipper\na,crimson.png,yes\n",
        'styles.csv, line 1, zipper: there is no such field; head a free attribute "attribute: zipper".',
    ),
    "a column twice": ("名称,名称,图片\na,b,crimson.png\n", "styles.csv, line 1: the column title stands twice."),
    "a broken line": (
        "名称,图片\na,crimson.png\nb\nc,navy.png\n",
        "styles.csv, line 3: this line has 1 cells, and there are 2 columns.",
    ),
    "an open quote": ('名称,图片\na,crimson.png\n"b,navy.png\n', "styles.csv, line 3: this is not CSV:"),
    "one style": ("名称,图片\na,crimson.png\n", "styles.csv: styles to rank: 1; a test needs at least 2."),
    "a duplicate style": (
        "名称,图片\na,crimson.png\nb,gold.png\na,navy.png\n",
        'styles.csv, line 4, title: the style "a" stands twice (first in line 2).',
    ),
    "a missing picture": (
        "名称,图片\na,crimson.png\nb,shoe.png\n",
        "styles.csv, line 3, picture: there is no picture shoe.png.",
    ),
    "no name in a line": ("名称,图片\na,crimson.png\n,navy.png\n", "styles.csv, line 3, name: this must not be empty."),
    "an unknown level": (
        "名称,图片,袖长\na,crimson.png,短秀\nb,navy.png,长袖\n",
        'styles.csv, line 2, 袖长: "短秀" is unknown; did you mean "短袖"?',
    ),
    "negative sales": (
        "名称,图片,销量\na,crimson.png,-3\nb,navy.png,1\n",
        "styles.csv, line 2, reference_sales: this must lie between 0 and 100000000, and is -3.",
    ),
    "a cost that is no money": (
        "名称,图片,成本\na,crimson.png,12.345\nb,navy.png,1\n",
        'cost_fen: this must be an amount in yuan, and is "12.345".',
    ),
    "a decoy that is neither": (
        "名称,图片,decoy\na,crimson.png,maybe\nb,navy.png,1\n",
        'decoy: this must be yes or no, and is "maybe".',
    ),
}


@pytest.mark.parametrize("what", REFUSED_CSV)
def test_one_sentence_names_the_line_of_a_csv(tmp_path: Path, what: str):
    table, sentence = REFUSED_CSV[what]
    refusal = refusal_of(tmp_path, files={"styles.csv": table.encode()})
    assert sentence in str(refusal)
    assert "styles.csv" in refusal.sentence_zh


def test_the_picture_that_is_wrong_is_named(tmp_path: Path):
    with pytest.raises(PictureRefused, match=r'"navy\.png" is a Windows program'):
        read(a_folder(tmp_path, a_toml(), {"navy.png": b"MZ" + b"\0" * 900}))


def test_a_picture_of_too_many_bytes_is_not_read_whole(tmp_path: Path):
    with pytest.raises(PictureRefused, match=r'"navy.png" has 8.1 MB; at most 8 MB'):
        read(a_folder(tmp_path, a_toml(), {"navy.png": PICTURES["navy.png"] + b"\0" * 30_000_000}))


def test_there_must_be_something_to_read(tmp_path: Path):
    assert "there is neither a test.toml nor a styles.csv in it" in str(refusal_of(tmp_path))
    with pytest.raises(FolderRefused, match="there is no such folder or zip file"):
        read(tmp_path / "nowhere")


def test_text_in_an_unknown_encoding_is_refused_with_its_line(tmp_path: Path):
    refusal = refusal_of(tmp_path, files={"test.toml": "title = 'x'\nquestion = '夏装'".encode("gbk")})
    assert str(refusal) == "test.toml, line 2: this is not UTF-8 text."


def test_styles_stand_in_one_place(tmp_path: Path):
    refusal = refusal_of(tmp_path, a_toml(), {"styles.csv": CSV.encode()})
    assert "the styles stand in styles.csv; leave [[styles]] out of test.toml." in str(refusal)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path):
    folder = a_folder(tmp_path, a_toml())
    (tmp_path / "secret.png").write_bytes(a_picture("black"))
    (folder / "navy.png").unlink()
    (folder / "navy.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(FolderRefused, match=r"the picture navy.png lies outside the folder"):
        read(folder)


def test_a_pipe_in_place_of_a_picture_does_not_hang(tmp_path: Path):
    folder = a_folder(tmp_path, a_toml())
    (folder / "navy.png").unlink()
    os.mkfifo(folder / "navy.png")
    with pytest.raises(FolderRefused, match=r"navy.png is not a plain file"):
        read(folder)


def test_nothing_is_written(tmp_path: Path):
    folder = a_folder(tmp_path, a_toml())
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    read(folder)
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


# --- zips -----------------------------------------------------------------------------------------


def zip_refusal_of(data: bytes) -> FolderRefused:
    with pytest.raises(FolderRefused) as refusal:
        read_zip(data)
    return refusal.value


def test_a_zip_bomb_is_cut_off():
    """A hundred styles, each 30 MB of zeros in 30 kB: refused at the first, whatever sizes the zip declares."""
    styles = "".join(f'[[styles]]\nname = "{i}"\npicture = "{i}.png"\n' for i in range(100))
    bomb = a_zip({"test.toml": a_toml(styles=styles).encode(), **{f"{i}.png": b"\0" * 30_000_000 for i in range(3)}})
    assert len(bomb) < 200_000
    with pytest.raises(PictureRefused, match=r'"0.png" has 8.1 MB'):
        read_zip(bomb)


def test_a_toml_bomb_in_a_zip_is_cut_off():
    assert "the file has more than 1024 KB" in str(zip_refusal_of(a_zip({"test.toml": b"#" * 50_000_000})))


def test_a_zip_of_too_many_files_is_refused():
    assert "the zip has 1001 files" in str(zip_refusal_of(a_zip({f"{i}": b"" for i in range(1001)})))


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png", "C:\\evil.png", "..\\evil.png"])
def test_a_zip_entry_that_points_outside_is_refused(name: str):
    refusal = zip_refusal_of(a_zip({"test.toml": a_toml().encode(), name: a_picture()}))
    assert "points outside the folder" in str(refusal)


def test_a_link_in_a_zip_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("navy.png")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("test.toml", a_toml())
    assert "the zip entry navy.png points outside the folder" in str(zip_refusal_of(out.getvalue()))


def test_a_locked_zip_is_refused():
    data = bytearray(a_zip({"test.toml": a_toml().encode()}))
    at = data.find(b"PK\x01\x02")
    data[at + 8 : at + 10] = struct.pack("<H", 1)
    assert "the zip has a password" in str(zip_refusal_of(bytes(data)))


WHOLE_ZIP = a_zip({**PICTURES, "test.toml": a_toml().encode()})


@settings(max_examples=150 if os.environ.get("XUANKUAN_DEEP") else 25, deadline=None)
@given(
    cut=st.integers(0, len(WHOLE_ZIP) - 1),
    flips=st.lists(st.tuples(st.integers(0, len(WHOLE_ZIP) - 1), st.integers(1, 255)), max_size=6),
)
def test_a_damaged_zip_is_refused_by_name_or_read_whole(cut: int, flips: list[tuple[int, int]]):
    damaged = bytearray(WHOLE_ZIP)
    for at, by in flips:
        damaged[at] ^= by
    for data in (bytes(damaged), WHOLE_ZIP[:cut]):
        with contextlib.suppress(FolderRefused, PictureRefused):
            assert len(read_zip(data).styles) == 3


# --- the words ------------------------------------------------------------------------------------


def test_every_problem_is_said_in_both_languages():
    for code, words in PROBLEMS.items():
        zh, en = (
            {field for _, field, _, _ in string.Formatter().parse(text) if field} for text in (words.zh, words.en)
        )
        assert {field.removesuffix("_zh") for field in zh} <= {field.removesuffix("_en") for field in en}, code


TOML_WORDS = (
    "styles",
    "[[styles]]\n",
    "title = ",
    "picture = ",
    "name = ",
    "[goal]\n",
    "attributes",
    "days = ",
    "true",
    "3",
)


@settings(max_examples=300 if os.environ.get("XUANKUAN_DEEP") else 60, deadline=None)
@given(parts=st.lists(st.sampled_from([*"[]{}=\"'\n#.,0aé款 ", *TOML_WORDS]), max_size=60))
def test_no_toml_does_worse_than_a_refusal(tmp_path_factory: pytest.TempPathFactory, parts: list[str]):
    with pytest.raises(FolderRefused):
        read(a_folder(tmp_path_factory.mktemp("any"), "".join(parts)))
