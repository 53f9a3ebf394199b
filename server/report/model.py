"""The one model of the closing report: what every format shows, with its numbers already rounded as they are shown.

Made of the test, its newest snapshot, its money and the merchant's plan; nothing is fitted here. Sentences are in the
language of the report; numbers are the same in both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from game.attributes import VOCABULARY
from game.conclusions import STATUS_WORDS, VERDICT_WORDS, DecisionStatus, Verdict, shown_percent
from game.style_test import Style, StyleTest
from ranking.errors import RankingError
from ranking.order_advice import Calibration, OrderAdvice, advise, colour_split, size_split, whole_pieces
from ranking.stopping import REASONS
from server.edge.wire import rfc3339
from server.report.plan import DEFAULT_UNITS, Plan

DRAWS_SEED = 20_221_101
Say = Callable[[str, str], str]
NO_SIZE = "—"

CANNOT_TELL = (
    (
        "是否合身、上身效果、手感:玩家看到的只是图片。",
        "Fit, drape and hand-feel: players have seen pictures, not garments.",
    ),
    (
        "没有展示的价格:没看到价格的人,也许不会按这个价格买。",
        "Prices that were not shown: who sees no price may not pay it.",
    ),
    ("颜色:每块屏幕的颜色都不一样。", "Colours: no two screens show the same."),
    (
        "不买的人:玩家不全是买家,喜欢不等于下单。",
        "Those who do not buy: not every player is a customer; liking is not ordering.",
    ),
    (
        "尺码:图片测不出尺码比例,这里的尺码只来自您填写的尺码表。",
        "Sizes: pictures say nothing of them; sizes here come from your own size curve.",
    ),
    ("没有参加测试的款式、竞品和天气。", "Styles that were not tested, competitors, and the weather."),
)


@dataclass(frozen=True, slots=True)
class StyleLine:
    """One style: its place, how sure it is, and the verdict with its reason. Strengths in logits, shares of 1."""

    style_id: str
    position: int
    title: str
    picture: str | None
    attributes: tuple[tuple[str, str], ...]
    rank: int
    rank_low: int
    rank_high: int
    strength: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float
    p_best: float
    p_top: float
    votes: int
    neither_votes: int
    verdict: str
    verdict_words: str
    reason: str
    reference_sales: int | None
    order_units: int | None = None


@dataclass(frozen=True, slots=True)
class OrderLineModel:
    """One style of the first order. Money in fen."""

    style_id: str
    title: str
    units: int
    demand: int
    demand_low: int
    demand_high: int
    critical_ratio: float
    cost_fen: int
    leftover_units: int
    leftover_fen: int
    leftover_worst_fen: int
    missed_units: int
    missed_fen: int
    reorder_units: int


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of the order sheet: so many pieces of a style in a colour and size for a shop."""

    title: str
    colour: str
    size: str
    store: str
    units: int


@dataclass(frozen=True, slots=True)
class Order:
    """The first order; `kind` is "advice" only where past sales calibrate it, else "illustration"."""

    kind: str
    kind_words: str
    assumptions: tuple[str, ...]
    season_units: int
    n_references: int
    lines: tuple[OrderLineModel, ...]
    sheet: tuple[SheetRow, ...]
    fabric_metres: tuple[tuple[str, float], ...]
    units: int
    money_fen: int
    leftover_fen: int
    leftover_worst_fen: int
    missed_fen: int
    profit_fen: int
    profit_low_fen: int


@dataclass(frozen=True, slots=True)
class Money:
    """What the test cost, in fen. `held_fen`: votes that were given and whose grants are not settled yet."""

    budget_fen: int
    spent_fen: int
    held_fen: int
    returned_fen: int
    vote_price_fen: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the closing report says."""

    test_id: str
    lang: str
    title: str
    question: str
    merchant: str
    made_at: str
    state: str
    launched_at: str | None
    ended_at: str | None
    status: str
    status_words: str
    headline: str
    keep: int
    confidence: float
    certainty: str
    probability: float | None
    votes: int
    voters: int
    money: Money
    styles: tuple[StyleLine, ...]
    order: Order | None
    order_missing: str | None
    warnings: tuple[str, ...]
    health: tuple[tuple[str, str], ...]
    head_to_head: tuple[tuple[int, ...], ...]
    attributes: tuple[dict[str, Any], ...]
    segments: tuple[dict[str, Any], ...]
    segments_words: str | None
    method: str
    cannot_tell: tuple[str, ...]

    @property
    def english(self) -> bool:
        return self.lang == "en"

    def as_json(self) -> dict[str, Any]:
        """The model as plain data."""
        return asdict(self)

    def with_verdict(self, verdict: Verdict) -> tuple[StyleLine, ...]:
        """The styles of one verdict, best first."""
        return tuple(line for line in self.styles if line.verdict == verdict.value)


def build(
    test: StyleTest,
    *,
    document: Mapping[str, Any] | None,
    state: Mapping[str, Any] | None,
    money: Money,
    merchant: str,
    plan: Plan,
    calibration: Calibration,
    now: datetime,
    english: bool,
) -> Report:
    """The report of a test as it stands; before the first votes it says so and nothing more."""
    document = document or {}

    def t(zh: str, en: str) -> str:
        return en if english else zh

    status = DecisionStatus(document.get("status", "no_data"))
    items = document.get("items") or []
    lines = tuple(
        sorted(
            (_line(test, i, item, english) for i, item in enumerate(items)), key=lambda one: (one.rank, one.position)
        )
    )
    decision = document.get("decision") or {}
    probability = None if not decision else round(float(decision["probability"]), 4)
    worths = {
        str(one["level"]): float(one["worth"])
        for one in document.get("attributes") or []
        if one["attribute"] == "colour" and one["level"] is not None
    }
    order, order_missing = _order(test, lines, status, state, plan, calibration, worths, t, english)
    if order is not None:
        ordered = {line.style_id: line.units for line in order.lines}
        lines = tuple(replace(line, order_units=ordered.get(line.style_id, 0)) for line in lines)
    return Report(
        test_id=str(test.test_id),
        lang="en" if english else "zh",
        title=(english and test.title_en) or test.title,
        question=(english and test.question_en) or test.question,
        merchant=merchant,
        made_at=rfc3339(now),
        state=test.state.value,
        launched_at=rfc3339(test.launched_at) if test.launched_at else None,
        ended_at=rfc3339(test.ended_at) if test.ended_at else None,
        status=status.value,
        status_words=STATUS_WORDS[status][english],
        headline=_headline(lines, status, probability, decision, test.goal.keep, t),
        keep=test.goal.keep,
        confidence=test.goal.confidence,
        certainty=test.goal.certainty,
        probability=probability,
        votes=int(document.get("votes", 0)),
        voters=int(document.get("voters", 0)),
        money=money,
        styles=lines,
        order=order,
        order_missing=order_missing,
        warnings=_warnings(document, t),
        health=_health(document, t),
        head_to_head=tuple(tuple(int(cell) for cell in row) for row in document.get("wins", [])) if items else (),
        attributes=_attributes(document, english),
        segments=_segments(document, test),
        segments_words=_segments_words(document, t),
        method=str(document.get("method", "")),
        cannot_tell=tuple(t(*pair) for pair in CANNOT_TELL),
    )


def _line(test: StyleTest, position: int, item: Mapping[str, Any], english: bool) -> StyleLine:
    style = test.ranked[position]
    return StyleLine(
        style_id=str(style.style_id),
        position=position,
        title=title_of(style, english),
        picture=style.picture,
        attributes=shown_attributes(style.attribute_map, english),
        rank=item["rank"],
        rank_low=item["rank_low"],
        rank_high=item["rank_high"],
        strength=round(item["strength"], 3),
        low=round(item["low"], 3),
        high=round(item["high"], 3),
        share=round(item["share"], 4),
        share_low=round(item["share_low"], 4),
        share_high=round(item["share_high"], 4),
        p_best=round(item["p_best"], 4),
        p_top=round(item["p_top"], 4),
        votes=item["votes"],
        neither_votes=item["neither"],
        verdict=item["verdict"],
        verdict_words=VERDICT_WORDS[Verdict(item["verdict"])][english],
        reason=item["reason"]["en" if english else "zh"],
        reference_sales=style.reference_sales,
    )


def title_of(style: Style, english: bool) -> str:
    """A style's title in the language of the reader, where it has one."""
    return (english and style.title_en) or style.title


def shown_attributes(values: Mapping[str, str | float], english: bool) -> tuple[tuple[str, str], ...]:
    """(attribute, value) in words; what the vocabulary does not know is shown as it was written."""
    language = "en" if english else "zh"
    known = {attribute.code: attribute for attribute in VOCABULARY}
    return tuple(
        (known[code].label(language), known[code].level_label(value, language)) if code in known else (code, str(value))
        for code, value in values.items()
    )


def _headline(
    lines: Sequence[StyleLine],
    status: DecisionStatus,
    probability: float | None,
    decision: Mapping[str, Any],
    keep: int,
    t: Say,
) -> str:
    if status is DecisionStatus.READY:
        names = [line.title for line in lines if line.verdict == Verdict.HIT.value]
        sure = shown_percent(probability or 0.0)
        return t(
            f"建议先做:{'、'.join(names)}。把握 {sure}。", f"Make these first: {', '.join(names)}. Sure to {sure}."
        )
    if status is DecisionStatus.UNHEALTHY:
        return t(
            "数据异常,暂不下结论;请先看下面的原因。", "The data are not healthy, so there is no verdict; see why below."
        )
    if status is DecisionStatus.NO_DATA:
        return t("还没有投票,无法下结论。", "There are no votes yet, so nothing can be said.")
    if decision.get("reason") == "flagged":
        return t(f"{REASONS['flagged'][0]}。", f"{REASONS['flagged'][1].capitalize()}.")
    reason = REASONS.get(str(decision.get("reason", "collecting")), REASONS["collecting"])
    leaders = [line.title for line in lines[:keep]]
    return t(
        f"样本不足,还不能下结论({reason[0]})。目前领先:{'、'.join(leaders)},把握 {shown_percent(probability or 0.0)}。",
        f"Not enough to conclude ({reason[1]}). Ahead so far: {', '.join(leaders)}, "
        f"sure to {shown_percent(probability or 0.0)}.",
    )


# ---- the first order -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Some:
    """The scores of some of the styles, as the newsvendor reads them."""

    strength: np.ndarray
    covariance: np.ndarray


def _order(
    test: StyleTest,
    lines: Sequence[StyleLine],
    status: DecisionStatus,
    state: Mapping[str, Any] | None,
    plan: Plan,
    calibration: Calibration,
    worths: Mapping[str, float],
    t: Say,
    english: bool,
) -> tuple[Order | None, str | None]:
    """The order of the styles that are to be made, or why there is none."""
    if not lines or state is None or "covariance" not in state:
        return None, t("有了投票才能计算首单。", "The first order needs votes.")
    if status is DecisionStatus.UNHEALTHY:
        return None, t("数据异常时不计算首单。", "No order is worked out from data that are not healthy.")
    made = [line for line in lines if line.verdict == Verdict.HIT.value] or list(lines[: test.goal.keep])
    without = [line.title for line in made if _money_of(test.ranked[line.position]) is None]
    if without:
        return None, t(
            f"请填写成本和售价后再计算首单:{'、'.join(without)}。",
            f"Enter cost and price to work out the first order: {', '.join(without)}.",
        )
    index = np.array([line.position for line in made])
    some = _Some(np.array(state["strength"])[index], np.array(state["covariance"])[np.ix_(index, index)])
    costs = []
    for line in made:
        style = test.ranked[line.position]
        cost_fen, price_fen = _money_of(style) or (1, 2)
        costs.append(
            plan.costs(cost_fen=cost_fen, price_fen=price_fen, fabric=str(style.attribute_map.get("fabric", "")))
        )
    try:
        # Seeded: the same test gives the same order however often, and in whatever format, it is read.
        advice = advise(some, costs, plan.season(), np.random.default_rng(DRAWS_SEED), calibration)
    except RankingError as refused:
        return None, t("按现在的计划算不出首单:", "No order can be worked out from this plan: ") + str(refused)
    return _order_model(test, made, advice, plan, calibration, worths, status, t, english), None


def _money_of(style: Style) -> tuple[int, int] | None:
    if not style.cost_fen or not style.price_fen or style.price_fen <= style.cost_fen:
        return None
    return style.cost_fen, style.price_fen


def _order_model(
    test: StyleTest,
    made: Sequence[StyleLine],
    advice: OrderAdvice,
    plan: Plan,
    calibration: Calibration,
    worths: Mapping[str, float],
    status: DecisionStatus,
    t: Say,
    english: bool,
) -> Order:
    lines = tuple(
        OrderLineModel(
            style_id=made[line.style].style_id,
            title=made[line.style].title,
            units=line.units,
            demand=line.demand,
            demand_low=line.demand_low,
            demand_high=line.demand_high,
            critical_ratio=round(line.critical_ratio, 3),
            cost_fen=line.cost_fen,
            leftover_units=line.leftover_units,
            leftover_fen=line.leftover_fen,
            leftover_worst_fen=line.leftover_worst_fen,
            missed_units=line.missed_units,
            missed_fen=line.missed_fen,
            reorder_units=line.reorder_units,
        )
        for line in advice.lines
    )
    is_advice = advice.kind == "advice" and status is DecisionStatus.READY
    return Order(
        kind="advice" if is_advice else "illustration",
        kind_words=t("建议", "Advice") if is_advice else t("演示,不是建议", "Illustration, not advice"),
        assumptions=_assumptions(plan, calibration, status, t),
        season_units=plan.units or DEFAULT_UNITS,
        n_references=calibration.n_references,
        lines=lines,
        sheet=_sheet(test, made, lines, plan, calibration, worths, english),
        fabric_metres=tuple(
            (shown_attributes({"fabric": name}, english)[0][1], round(metres, 1))
            for name, metres in sorted(advice.metres.items())
        ),
        units=advice.units,
        money_fen=advice.money_fen,
        leftover_fen=advice.leftover_fen,
        leftover_worst_fen=advice.leftover_worst_fen,
        missed_fen=advice.missed_fen,
        profit_fen=advice.profit_fen,
        profit_low_fen=advice.profit_low_fen,
    )


def _assumptions(plan: Plan, calibration: Calibration, status: DecisionStatus, t: Say) -> tuple[str, ...]:
    said = []
    if status is not DecisionStatus.READY:
        said.append(
            t(
                "测试还没有结论,这里按目前领先的款式演示。",
                "The test has not concluded; the styles that lead so far stand in here.",
            )
        )
    if not calibration.is_advice:
        said.append(
            t(
                f"还没有足够的实际销量来校准(有 {calibration.n_references} 款,至少要 3 款),所以只是演示。",
                f"Too few actual sales to calibrate by ({calibration.n_references} styles, 3 are needed), "
                "so this only illustrates.",
            )
        )
    if plan.units is None:
        said.append(
            t(
                "您没有填写整季销量,按做出来的款式一共卖 1000 件演示。",
                "No season plan was given; 1 000 pieces in all stand in for it.",
            )
        )
    said.append(
        t(
            f"卖不完的按成本的 {plan.salvage_permille / 10:g}% 处理。",
            f"Pieces left over still bring {plan.salvage_permille / 10:g} % of their cost.",
        )
    )
    if not plan.sizes:
        said.append(t("没有尺码表,不分尺码。", "There is no size curve, so sizes are not split."))
    return tuple(said)


def _sheet(
    test: StyleTest,
    made: Sequence[StyleLine],
    lines: Sequence[OrderLineModel],
    plan: Plan,
    calibration: Calibration,
    worths: Mapping[str, float],
    english: bool,
) -> tuple[SheetRow, ...]:
    """Style x colour x size x shop, in whole pieces that add up to the order."""
    rows = []
    for line, order in zip(made, lines, strict=True):
        style = test.ranked[line.position]
        own = dict(shown_attributes({k: v for k, v in style.attribute_map.items() if k == "colour"}, english))
        colour = next(iter(own.values()), NO_SIZE)
        colours = (
            colour_split(
                order.units,
                {name: _worth_of(name, worths) for name in plan.colours},
                min_units=plan.dye_lot_units,
                slope=calibration.slope,
            )
            if plan.colours
            else {colour: order.units}
        )
        for each, of_colour in colours.items():
            sizes = size_split(of_colour, plan.sizes) if plan.sizes else {NO_SIZE: of_colour}
            for size, of_size in sizes.items():
                stores = whole_pieces(of_size, plan.stores) if plan.stores else {NO_SIZE: of_size}
                rows += [SheetRow(order.title, each, size, store, pieces) for store, pieces in stores.items() if pieces]
    return tuple(rows)


def _worth_of(colour: str, worths: Mapping[str, float]) -> float:
    """The part-worth of a colour that the plan names; a colour that was not tested is taken for an average one."""
    attribute = next(one for one in VOCABULARY if one.code == "colour")
    return worths.get(str(attribute.read(colour)), 0.0)


# ---- the evidence ----------------------------------------------------------------------------------------------


def _warnings(document: Mapping[str, Any], t: Say) -> tuple[str, ...]:
    said = [t(ill["zh"], ill["en"]) for ill in document.get("ailments", [])]
    said += [t(one["zh"], one["en"]) for one in document.get("notes", [])]
    return tuple(said)


def _health(document: Mapping[str, Any], t: Say) -> tuple[tuple[str, str], ...]:
    if not document:
        return ()
    gold = document.get("gold", {"asked": 0, "passed": 0})
    side = document.get("side_effect")
    rows = [
        (t("检验题答对", "Check pairs answered well"), f"{gold['passed']} / {gold['asked']}"),
        (t("因异常不计入的票", "Votes without weight"), str(document.get("weightless_votes", 0))),
    ]
    if side:
        rows.append(
            (
                t("左右位置的影响(logit)", "Effect of the side (logit)"),
                f"{side['estimate']:+.3f} ± {1.96 * side['standard_error']:.3f}",
            )
        )
    margin = (document.get("decision") or {}).get("margin")
    if margin:
        rows.append((t("抗刷票", "Against bought votes"), t(margin["zh"], margin["en"])))
    rows += [(flag["code"], flag["sentence"]) for flag in document.get("flags", [])]
    return tuple(rows)


def _attributes(document: Mapping[str, Any], english: bool) -> tuple[dict[str, Any], ...]:
    found = []
    for one in document.get("attributes") or []:
        ((name, level),) = shown_attributes({one["attribute"]: one["level"] or ""}, english)
        found.append(
            {
                "attribute": name,
                "level": level,
                "worth": round(one["worth"], 3),
                "low": round(one["low"], 3),
                "high": round(one["high"], 3),
            }
        )
    return tuple(found)


def _segments(document: Mapping[str, Any], test: StyleTest) -> tuple[dict[str, Any], ...]:
    found = []
    for name, part in (document.get("segments") or {}).items():
        leaders = sorted(part["items"], key=lambda item: item["rank"])[: test.goal.keep]
        found.append(
            {
                "segment": name,
                "votes": part["votes"],
                "leaders": [item["name"] for item in leaders],
                "shares": [round(item["share"], 4) for item in part["items"]] if not part.get("hidden") else None,
            }
        )
    return tuple(found)


def _segments_words(document: Mapping[str, Any], t: Say) -> str | None:
    differ = document.get("segments_differ")
    if not differ:
        return None
    if differ["p_value"] < 0.01:
        return t("不同人群的喜好确实不同,请分人群看。", "The audiences differ in taste; look at each.")
    return t("目前看不出不同人群喜好有差别。", "These votes do not show that the audiences differ.")
