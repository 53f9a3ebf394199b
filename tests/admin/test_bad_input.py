"""Laws of what merchants send by mistake: one clear sentence names what is wrong, and nothing is half-saved."""

import io
import re
import zipfile
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.admin.doors import Door, Merchant, a_picture

TESTS = "/v1/merchant/tests"
TABLE = "名称,图片,颜色\n白裙,0.png,白色\n红裙,1.png,红色\n蓝裙,2.png,蓝色\n"
PICTURES = {f"{number}.png": a_picture(number) for number in range(3)}


def a_zip(files: dict[str, Any], *, bomb: str | None = None) -> bytes:
    """A zip of these files, and of one that unpacks to 80 MB of nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if bomb:
            with archive.open(bomb, "w", force_zip64=True) as entry:
                for _ in range(80):
                    entry.write(bytes(2**20))
    return out.getvalue()


class _WindowsInfo(zipfile.ZipInfo):
    """An entry whose name is GBK and whose flag does not claim UTF-8."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def a_windows_zip(files: dict[str, bytes]) -> bytes:
    """As Chinese Windows packs it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(_WindowsInfo(name), data)
    return out.getvalue()


async def sent(merchant: Merchant, data: bytes, name: str = "夏装.zip", **options: Any) -> tuple[int, Any]:
    """(status, answer) of a zip that becomes a draft, or does not."""
    form = aiohttp.FormData()
    form.add_field("folder", data, filename=name, content_type="application/zip")
    return await merchant.call("POST", f"{TESTS}/import", data=form, **options)


async def test_a_zip_as_people_really_pack_it_becomes_a_draft(door: Door, merchant: Merchant):
    """Names in GBK, a folder around everything, and what a Mac leaves behind change nothing."""
    table = TABLE.replace("0.png", "白.png").replace("1.png", "红.png").replace("2.png", "蓝.png").encode("gbk")
    named = dict(zip(("白.png", "红.png", "蓝.png"), PICTURES.values(), strict=True))
    packed = {
        "windows": a_windows_zip({"styles.csv": table, **named}),
        "nested": a_zip({f"夏装/{name}": data for name, data in {"styles.csv": TABLE, **PICTURES}.items()}),
        "mac": a_zip(
            {
                "styles.csv": TABLE,
                **PICTURES,
                "__MACOSX/._0.png": b"\0\5\26\7",
                "__MACOSX/._styles.csv": b"x",
                ".DS_Store": b"\0",
            }
        ),
    }
    for how, data in packed.items():
        status, reply = await sent(merchant, data, f"{how}.zip")
        assert status == 201, (how, reply)
        assert [style["title"] for style in reply["styles"]] == ["白裙", "红裙", "蓝裙"], how


BAD_ZIPS: dict[str, bytes] = {
    "a bomb": a_zip({"styles.csv": TABLE, "0.png": PICTURES["0.png"]}, bomb="1.png"),
    "a way out": a_zip({"styles.csv": TABLE.replace("0.png", "../../etc/passwd"), **PICTURES}),
    "an entry outside": a_zip({"styles.csv": TABLE, **PICTURES, "../0.png": PICTURES["0.png"]}),
    "five hundred styles": a_zip(
        {"styles.csv": "名称,图片\n" + "".join(f"款{number},{number % 3}.png\n" for number in range(500)), **PICTURES}
    ),
    "one style": a_zip({"styles.csv": "名称,图片\n白裙,0.png\n", "0.png": PICTURES["0.png"]}),
    "a picture that is not there": a_zip({"styles.csv": TABLE, "0.png": PICTURES["0.png"]}),
    "two of one name": a_zip({"styles.csv": TABLE.replace("红裙", "白裙"), **PICTURES}),
    "the same picture twice": a_zip({"styles.csv": TABLE.replace("1.png", "0.png"), **PICTURES}),
    "a broken line": a_zip({"styles.csv": TABLE.replace("红裙,1.png,红色", "红裙,1.png"), **PICTURES}),
    "nothing": a_zip({}),
    "no zip": b"PK\x03\x04 not at all",
}
ALLOWED_AS_DRAFT = {"one style", "the same picture twice"}


@pytest.mark.parametrize("what", BAD_ZIPS)
async def test_a_zip_that_cannot_be_used_says_why_and_leaves_nothing(door: Door, merchant: Merchant, what: str):
    """Refused in one sentence in either language, or kept as a draft that says what keeps it from starting."""
    status, reply = await sent(merchant, BAD_ZIPS[what])
    if status == 201 and what in ALLOWED_AS_DRAFT:
        assert reply["missing"], "a draft may be unfinished, and says so"
        return
    expected = (413, "picture_too_heavy") if what == "a bomb" else (422, "folder_refused")
    assert (status, reply["code"]) == expected, reply
    detail = reply["detail"].strip()
    # A hint at the near name is a question; everything else is told.
    hint = any(words in detail for words in ("did you mean", "是不是"))
    assert detail.endswith(("?", "？") if hint else (".", "。"))
    in_chinese = await sent(merchant, BAD_ZIPS[what], headers={"Accept-Language": "zh"})
    assert any("\u4e00" <= letter <= "\u9fff" for letter in in_chinese[1]["detail"])
    assert (await merchant.good("GET", TESTS))["tests"] == []


async def test_one_style_too_many_is_refused_and_the_others_stay(door: Door, merchant: Merchant):
    """A test has at most 120 styles; by uploads as by a zip."""
    table = "名称,图片\n" + "".join(f"款{number},{number}.png\n" for number in range(120))
    pictures = {f"{number}.png": _numbered(number) for number in range(121)}
    status, reply = await sent(merchant, a_zip({"styles.csv": table, **pictures}))
    assert status == 201, reply
    status, refused = await merchant.upload(reply["test_id"], a_picture(2), title="第 121 款")
    assert (status, refused["code"], refused["field"]) == (422, "test_field_invalid", "styles")
    assert "120" in refused["detail"]
    assert len((await merchant.good("GET", f"{TESTS}/{reply['test_id']}"))["styles"]) == 120


def _numbered(number: int) -> bytes:
    """Small pictures, no two alike."""
    return a_picture(number, width=240 + number, height=320)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "tomorrow"}, "ends_at"),
        ({"budget_fen": 12.5}, "budget_fen"),
        ({"goal": {"keep": 2, "confidence": 95}}, "goal.confidence"),
        ({"goal": {"keep": 2, "certainty": "surely"}}, "goal.certainty"),
        ({"min_days": -1}, "min_days"),
        ({"question": " "}, "question"),
        ({"title": None, "titel": "x"}, "titel"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_field_changes_nothing_of_a_draft(door: Door, merchant: Merchant, fields: dict, field: str):
    """The wrong one is named, and what stood beside it is not saved either."""
    draft = await merchant.good("POST", TESTS, {"title": "夏装", "goal": {"keep": 2}, "budget_fen": 5000})
    status, reply = await merchant.call("PATCH", f"{TESTS}/{draft['test_id']}", {"title": "改过", **fields} | fields)
    assert (status, reply["field"]) == (422, field), reply
    assert await merchant.good("GET", f"{TESTS}/{draft['test_id']}") == draft


async def test_a_deadline_that_passes_while_drafting_keeps_the_test_from_starting(door: Door, merchant: Merchant):
    """It was right when it was typed; the check-list names it now, and so does the refusal."""
    ends_at = (door.clock.now + timedelta(hours=1)).isoformat()
    draft = await merchant.draft(styles=2, ends_at=ends_at)
    assert draft["missing"] == []
    door.clock.now += timedelta(hours=2)
    late = await merchant.good("GET", f"{TESTS}/{draft['test_id']}")
    assert any("deadline" in point for point in late["missing"])
    status, code, detail = await merchant.refused("POST", f"{TESTS}/{draft['test_id']}/launch")
    assert (status, code) == (409, "test_incomplete")
    assert "deadline" in detail


async def test_money_that_is_not_there_is_named_with_both_sums(door: Door):
    """Not the name of an account: what is there, what is wanted, and what to do."""
    poor = await door.merchant("没钱", fen=1234)
    draft = await poor.draft(styles=2)
    status, code, detail = await poor.refused("POST", f"{TESTS}/{draft['test_id']}/launch")
    assert (status, code) == (409, "money_short")
    assert "¥12.34" in detail
    assert "¥300.00" in detail


async def test_a_ceiling_below_any_decision_is_told_with_the_smallest_one(door: Door, merchant: Merchant):
    """¥1 for four styles reaches nothing; the list says what the least is, and the quote that it is not enough."""
    draft = await merchant.draft(styles=4, budget_fen=100)
    assert ["¥2.40" in point for point in draft["missing"]] == [True]
    quote = await merchant.good("POST", f"{TESTS}/{draft['test_id']}/quote")
    assert quote["enough"] is False
    assert quote["chance_within_budget"] < 0.05


async def test_sales_that_make_no_sense_are_named_and_none_is_kept(door: Door, merchant: Merchant):
    """A style of another test, pieces below nothing, a style told twice, a table that is none."""
    test = await merchant.running(styles=3)
    await door.vote(test["test_id"], voters=60, each=10)
    path = f"{TESTS}/{test['test_id']}"
    for table, said in [
        ("款式,销量\n款式1,10\n别的款,5\n", "别的款"),
        ("款式,销量\n款式1,10\n款式2,-5\n", "line 3"),
        ("款式,销量\n款式1,10\n款式1,5\n", "line 3"),
        ("款式,销量\n款式1,10\n款式2\n", "line 3"),
        ("款式,销量\n款式1,1e3\n", "line 2"),
        ("款式,卖了\n款式1,10\n", "line 1"),
        ("", "line 1"),
        ("款式,销量\n", "no line"),
    ]:
        status, _, detail = await merchant.refused("PUT", f"{path}/sales.csv", data=table.encode("gbk"))
        assert status == 422, table
        assert said in detail, (table, detail)
    assert (await merchant.refused("PUT", f"{path}/sales.csv", data=b"\xff\xfe\x00\x01"))[0] == 422
    assert (await merchant.refused("PUT", f"{path}/sales.csv", data=io.BytesIO(bytes(2 * 2**20))))[0] == 413
    assert (await merchant.good("GET", f"{path}/sales"))["sales"] == []


async def test_a_chinese_sentence_is_chinese_throughout(door: Door, merchant: Merchant):
    """No English word of a rule, and no name of a field, stands in what a shop owner reads."""
    draft = await merchant.draft(styles=2)
    path, chinese = f"{TESTS}/{draft['test_id']}", {"Accept-Language": "zh-CN"}
    young = [{"name": "年轻", "age_min": 40, "age_max": 20}]
    for method, where, body in [
        ("PATCH", path, {"ends_at": "2020-01-01T00:00:00Z"}), ("PATCH", path, {"ends_at": "明天"}),
        ("PATCH", path, {"title": " "}), ("PATCH", path, {"title": ""}), ("PATCH", path, {"question": " "}),
        ("PATCH", path, {"audience": young}), ("PATCH", path, {"audience": [{"name": "女"}, {"name": "女"}]}),
        ("PATCH", path, {"goal": {"keep": 0}}), ("PATCH", path, {"goal": {"keep": 1.5}}),
        ("PATCH", path, {"goal": {"confidence": 2}}), ("PATCH", path, {"budget_fen": -1}), ("PATCH", path, {"min_days": 99}),
        ("POST", f"{path}/pause", None), ("POST", f"{path}/stop", None), ("PUT", f"{path}/sales", {"sales": []}),
    ]:  # fmt: skip
        status, reply = await merchant.call(method, where, body, headers=chinese)
        assert status in (409, 422), reply
        words = re.sub(r"[“][^”]*[”]", "", reply["detail"])
        assert not re.search(r"[A-Za-z]{3,}", words), reply["detail"]
    form = aiohttp.FormData()
    form.add_field("style", '{"title": "新款"}', content_type="application/json")
    form.add_field("picture", io.BytesIO(b"hello"), filename="p.png", content_type="image/png")
    _, reply = await merchant.call("POST", f"{path}/styles", data=form, headers=chinese)
    assert "无法识别的文件" in reply["detail"]
