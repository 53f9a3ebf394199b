"""The report as CSV and XLSX: one row a style, and in the workbook the order sheet and the evidence on further sheets."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from server.report.model import Report, StyleLine

_COLUMNS = (
    ("名次", "rank"),
    ("款式", "style"),
    ("结论", "verdict"),
    ("理由", "reason"),
    ("偏好份额", "share"),
    ("份额下限", "share_low"),
    ("份额上限", "share_high"),
    ("进前k概率", "p_top"),
    ("最佳概率", "p_best"),
    ("强度", "strength"),
    ("强度下限", "low"),
    ("强度上限", "high"),
    ("名次下限", "rank_low"),
    ("名次上限", "rank_high"),
    ("票数", "votes"),
    ("都不喜欢", "neither_votes"),
    ("首单件数", "first_order_units"),
)
_TOP = Alignment(vertical="top")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _row(line: StyleLine) -> list[Any]:
    return [
        line.rank, line.title, line.verdict_words, line.reason, line.share, line.share_low, line.share_high, line.p_top,
        line.p_best, line.strength, line.low, line.high, line.rank_low, line.rank_high, line.votes, line.neither_votes,
        line.order_units,
    ]  # fmt: skip


def headings(report: Report) -> list[str]:
    """The columns of the table of styles."""
    return [en if report.english else zh for zh, en in _COLUMNS]


def as_csv(report: Report) -> bytes:
    """One row a style, best first; with a byte order mark, because that is how Excel knows UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(headings(report))
    for line in report.styles:
        writer.writerow([_harmless(value) for value in _row(line)])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _harmless(value: Any) -> Any:
    """A title that begins like a formula would be run by whoever opens the file."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value


def as_xlsx(report: Report) -> bytes:
    """A workbook: summary, ranking, order sheet, audiences, attributes, head to head, notes."""

    def t(zh: str, en: str) -> str:
        return en if report.english else zh

    book = Workbook()
    first = book.active
    assert isinstance(first, Worksheet)
    first.title = t("结论", "Verdict")
    _fill(first, None, _summary(report, t))
    _fill(book.create_sheet(t("排名", "Ranking")), headings(report), map(_row, report.styles))
    sheet = book.create_sheet(t("下单表", "Order sheet"))
    heads = [t("款式", "Style"), t("颜色", "Colour"), t("尺码", "Size"), t("门店", "Shop"), t("件数", "Units")]
    if report.order is None:
        _fill(sheet, None, [[report.order_missing]])
    else:
        rows: list[list[Any]] = [[row.title, row.colour, row.size, row.store, row.units] for row in report.order.sheet]
        rows.append([t("合计", "Total"), None, None, None, report.order.units])
        rows += [[report.order.kind_words], *[[said] for said in report.order.assumptions]]
        _fill(sheet, heads, rows)
    if report.segments:
        _fill(
            book.create_sheet(t("人群", "Audiences")),
            [t("人群", "Audience"), t("票数", "Votes"), t("领先款式", "Ahead")],
            [[one["segment"], one["votes"], "、".join(one["leaders"])] for one in report.segments],
        )
    if report.attributes:
        _fill(
            book.create_sheet(t("属性", "Attributes")),
            [t("属性", "Attribute"), t("取值", "Level"), t("贡献", "Worth"), t("下限", "Low"), t("上限", "High")],
            [[one["attribute"], one["level"], one["worth"], one["low"], one["high"]] for one in report.attributes],
        )
    if report.head_to_head:
        titles = {line.position: line.title for line in report.styles}
        names = [titles[i] for i in range(len(titles))]
        _fill(
            book.create_sheet(t("两两对决", "Head to head")),
            [t("行胜列", "Row beat column"), *names],
            [[name, *row] for name, row in zip(names, report.head_to_head, strict=True)],
        )
    _fill(book.create_sheet(t("说明", "Notes")), None, [[said] for said in (*report.warnings, *report.cannot_tell)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _summary(report: Report, t: Any) -> list[list[Any]]:
    rows: list[list[Any]] = [
        [report.title],
        [report.headline],
        [t("状态", "Status"), report.status_words],
        [t("票数", "Votes"), report.votes],
        [t("参与人数", "Voters"), report.voters],
        [t("把握", "Sure to"), report.probability],
        [t("花费(元)", "Spent (CNY)"), report.money.spent_fen / 100],
        [t("待结算(元)", "Not settled yet (CNY)"), report.money.held_fen / 100],
        [],
        [t("款式", "Style"), t("结论", "Verdict"), t("理由", "Reason"), t("首单件数", "First order")],
    ]
    rows += [[line.title, line.verdict_words, line.reason, line.order_units] for line in report.styles]
    if report.order is not None:
        rows += [
            [],
            [t("首单货款(元)", "First order (CNY)"), report.order.money_fen / 100],
            [t("预计积压损失(元)", "Expected loss on leftovers (CNY)"), report.order.leftover_fen / 100],
            [
                t("十次里最坏一次的积压(元)", "The same in the worst case of ten (CNY)"),
                report.order.leftover_worst_fen / 100,
            ],
            [t("预计错失毛利(元)", "Expected margin missed (CNY)"), report.order.missed_fen / 100],
            [report.order.kind_words],
        ]
    return rows


def _fill(sheet: Worksheet, heads: Sequence[str] | None, rows: Iterable[Sequence[Any]]) -> None:
    if heads:
        _put(sheet, heads)
        for cell in sheet[1]:
            cell.font = Font(bold=True)
            cell.fill = PatternFill("solid", fgColor="E3F1EA")
        sheet.freeze_panes = "A2"
    for row in rows:
        _put(sheet, row)
    longest: dict[int, int] = {}
    for row in sheet.iter_rows(values_only=True):
        for column, value in enumerate(row, 1):
            longest[column] = max(longest.get(column, 4), len(str(value or "")))
    for column, length in longest.items():
        sheet.column_dimensions[get_column_letter(column)].width = min(60, max(9, 1.8 * length))
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _put(sheet: Worksheet, row: Sequence[Any]) -> None:
    """Append a row whose texts stay texts: openpyxl would take "=1+1" for a formula."""
    sheet.append(["" if isinstance(value, str) else value for value in row] or [""])
    for column, value in enumerate(row, 1):
        if isinstance(value, str):
            cell = sheet.cell(sheet.max_row, column)
            cell.value = value
            cell.data_type = "s"
            cell.alignment = _TOP
