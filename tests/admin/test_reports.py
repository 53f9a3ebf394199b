"""Laws of the closing report: one model, the same numbers in every format, and no more said than is known."""

import csv
import html
import io
import json

from openpyxl import load_workbook

from tests.admin.doors import Door, Merchant


async def decided(door: Door, merchant: Merchant, **fields: object) -> str:
    test = await merchant.running(styles=4, keep=1, **fields)
    await door.vote(test["test_id"], voters=60, each=10)
    assert (await door.test(test["test_id"])).state.value == "decided"
    return test["test_id"]


async def test_every_format_shows_the_same_numbers(door: Door, merchant: Merchant):
    """JSON, CSV, XLSX and HTML are four renderings of one model."""
    test_id = await decided(door, merchant)
    base = f"/v1/merchant/tests/{test_id}/report"
    model = json.loads(json.dumps(await merchant.good("GET", f"{base}.json?lang=en")))
    table = list(csv.DictReader(io.StringIO((await merchant.good("GET", f"{base}.csv?lang=en")).decode("utf-8-sig"))))
    book = load_workbook(io.BytesIO(await merchant.good("GET", f"{base}.xlsx?lang=en")))
    page = html.unescape((await merchant.good("GET", f"{base}.html?lang=en")).decode())
    rows = list(book["Ranking"].iter_rows(values_only=True))
    for style, line, row in zip(model["styles"], table, rows[1:], strict=True):
        assert (style["rank"], style["title"], style["share"], style["p_top"]) == (row[0], row[1], row[4], row[7])
        assert float(line["share"]) == style["share"]
        assert float(line["strength"]) == style["strength"]
        assert line["verdict"] == style["verdict_words"] == row[2]
        assert f"{100 * style['share']:.1f}%" in page
        assert style["reason"] in page
    assert model["headline"] in page
    sheet = list(book["Order sheet"].iter_rows(values_only=True))
    assert sum(row["units"] for row in model["order"]["sheet"]) == model["order"]["units"]
    assert ("Total", None, None, None, model["order"]["units"]) in sheet


async def test_a_report_is_chinese_unless_english_is_asked_for(door: Door, merchant: Merchant):
    """Words change with the language, numbers do not."""
    test_id = await decided(door, merchant)
    base = f"/v1/merchant/tests/{test_id}/report.json"
    zh = await merchant.good("GET", base, headers={"Accept-Language": "zh"})
    en = await merchant.good("GET", f"{base}?lang=en")
    assert "建议先做" in zh["headline"]
    assert "Make these first" in en["headline"]
    assert [one["strength"] for one in zh["styles"]] == [one["strength"] for one in en["styles"]]
    assert zh["order"]["money_fen"] == en["order"]["money_fen"]
    assert len(zh["cannot_tell"]) == len(en["cannot_tell"]) > 3


async def test_an_order_is_advice_only_where_sales_calibrate_it(door: Door, merchant: Merchant):
    """Without three styles of known sales it is an illustration, and says so."""
    first = await decided(door, merchant)
    report = await merchant.good("GET", f"/v1/merchant/tests/{first}/report.json")
    assert report["order"]["kind"] == "illustration"
    test = await door.test(first)
    sold = [{"style": style.title, "units": 400 - 90 * style.position} for style in test.ranked]
    await merchant.good("PUT", f"/v1/merchant/tests/{first}/sales", {"sales": sold})
    second = await decided(door, merchant)
    report = await merchant.good("GET", f"/v1/merchant/tests/{second}/report.json")
    assert report["order"]["kind"] == "advice"
    assert report["order"]["n_references"] == 4


async def test_a_season_plan_changes_the_order_and_nothing_of_the_ranking(door: Door, merchant: Merchant):
    """Sizes come from the merchant's curve in whole pieces; another plan can be tried without storing it."""
    test_id = await decided(door, merchant)
    base = f"/v1/merchant/tests/{test_id}"
    before = await merchant.good("GET", f"{base}/report.json")
    plan = {"units": 500, "sizes": {"S": 2, "M": 5, "L": 3}, "stores": {"杭州": 1, "上海": 1}, "salvage_permille": 200}
    tried = await merchant.good("POST", f"{base}/order", plan)
    assert (await merchant.good("GET", f"{base}/report.json"))["order"] == before["order"]
    stored = await merchant.good("PUT", f"{base}/plan", plan)
    assert stored["order"] == tried["order"]
    after = await merchant.good("GET", f"{base}/report.json")
    assert after["styles"][0]["strength"] == before["styles"][0]["strength"]
    assert {row["size"] for row in after["order"]["sheet"]} == {"S", "M", "L"}
    assert sum(row["units"] for row in after["order"]["sheet"]) == after["order"]["units"]


async def test_before_the_first_vote_a_report_says_that_there_is_none(door: Door, merchant: Merchant):
    """Nothing is guessed: no verdicts, no order, one sentence."""
    test = await merchant.running()
    report = await merchant.good("GET", f"/v1/merchant/tests/{test['test_id']}/report.json")
    assert report["styles"] == []
    assert report["order"] is None
    assert "no votes" in report["headline"]
    for kind in ("html", "csv", "xlsx"):
        assert await merchant.good("GET", f"/v1/merchant/tests/{test['test_id']}/report.{kind}")


async def test_a_title_that_begins_like_a_formula_is_never_run(door: Door, merchant: Merchant):
    """Spreadsheets run what begins with an equals sign; a merchant's title is text."""
    draft = await merchant.draft(styles=3)
    styles = draft["styles"]
    evil = "=HYPERLINK(1)"
    path = f"/v1/merchant/tests/{draft['test_id']}/styles/{styles[0]['style_id']}"
    await merchant.good("PATCH", path, {"title": evil})
    await merchant.good("POST", f"/v1/merchant/tests/{draft['test_id']}/launch")
    await door.vote(draft["test_id"], voters=40, each=8)
    base = f"/v1/merchant/tests/{draft['test_id']}/report"
    table = (await merchant.good("GET", f"{base}.csv?lang=en")).decode("utf-8-sig")
    assert f"'{evil}" in table
    book = load_workbook(io.BytesIO(await merchant.good("GET", f"{base}.xlsx?lang=en")))
    cells = [cell for row in book["Ranking"].iter_rows() for cell in row if cell.value == evil]
    assert [cell.data_type for cell in cells] == ["s"]
