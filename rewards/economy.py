"""The figures of the programme: one frozen value, whose defaults are the published ones, changed by operators as data.

A tree keeps the figures under which it was planted (`rewards.farm.Terms`): a change is for trees planted afterwards.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from fractions import Fraction
from types import MappingProxyType

from rewards.errors import FigureOutOfRange, UnknownFigure


@dataclass(frozen=True, slots=True)
class Variety:
    """A kind of fruit that can be planted, and what one box of it asks and costs."""

    code: str
    name_zh: str
    name_en: str
    requirement_g: int
    box_cost_fen: int


APPLE = Variety("apple", "苹果", "Apple", 9_000, 1_300)
MANDARIN = Variety("mandarin", "蜜桔", "Mandarin", 9_000, 1_300)
PEAR = Variety("pear", "雪梨", "Pear", 10_000, 1_450)


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """Every figure of the programme. Grams and fen are whole numbers; shares are permille; times say their unit."""

    # earning
    choice_g: int = 10
    paid_choices_per_day: int = 20
    daily_claim_g: int = 30
    streak_days: int = 7
    streak_g: int = 100
    makeup_cards_per_streak: int = 1
    consistency_g: int = 20
    consistency_votes: int = 100
    produced_g: int = 20
    invite_g: int = 300
    invite_vetted_votes: int = 50
    invite_vests_within_days: int = 30
    invites_per_player: int = 10
    # trees
    varieties: tuple[Variety, ...] = (APPLE, MANDARIN, PEAR)
    application_g: int = 50
    applications_per_day: int = 10
    stage_permille: tuple[int, ...] = (0, 20, 100, 300, 600, 1000)
    stage_award_g: tuple[int, ...] = (0, 50, 100, 0, 0, 0)
    family_members: int = 3
    # wallets
    wallet_cap_g: int = 10_000
    expiry_days: int = 180
    expiry_notice_days: tuple[int, ...] = (14, 3)
    # money
    vote_price_fen: int = 3
    programme_day_g: int = 1_000_000
    # promises
    hold_trusted_s: int = 5
    hold_new_s: int = 600
    hold_watched_s: int = 86_400
    hold_muted_s: int = 7 * 86_400
    new_until_votes: int = 50
    ticket_life_s: int = 600  # not for operators: the configuration of a deployment says it
    block_life_s: int = 300
    block_grace_s: int = 120
    block_g: int = 1_000
    alert_permille: int = 800
    # prizes
    reserve_permille: int = 800
    address_kept_days: int = 90
    address_wanted_days: int = 30
    damage_report_days: int = 7

    @property
    def ticket_life(self) -> timedelta:
        return timedelta(seconds=self.ticket_life_s)

    @property
    def block_life(self) -> timedelta:
        return timedelta(seconds=self.block_life_s)

    @property
    def block_grace(self) -> timedelta:
        return timedelta(seconds=self.block_grace_s)

    @property
    def expiry(self) -> timedelta:
        return timedelta(days=self.expiry_days)


DEFAULT = Economy()


# --- changing figures -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Range:
    """What a figure may be: whole numbers from `low` to `high`."""

    low: int
    high: int


RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "choice_g": Range(1, 1_000),
        "paid_choices_per_day": Range(0, 1_000),
        "daily_claim_g": Range(1, 10_000),
        "streak_days": Range(2, 31),
        "streak_g": Range(1, 10_000),
        "makeup_cards_per_streak": Range(0, 7),
        "consistency_g": Range(1, 10_000),
        "consistency_votes": Range(10, 10_000),
        "produced_g": Range(1, 10_000),
        "invite_g": Range(1, 100_000),
        "invite_vetted_votes": Range(1, 10_000),
        "invite_vests_within_days": Range(1, 365),
        "invites_per_player": Range(0, 1_000),
        "application_g": Range(1, 10_000),
        "applications_per_day": Range(1, 1_000),
        "family_members": Range(0, 10),
        "wallet_cap_g": Range(100, 10_000_000),
        "expiry_days": Range(30, 3_650),
        "vote_price_fen": Range(1, 1_000),
        "programme_day_g": Range(0, 10_000_000_000),
        "hold_trusted_s": Range(0, 86_400),
        "hold_new_s": Range(0, 30 * 86_400),
        "hold_watched_s": Range(0, 30 * 86_400),
        "hold_muted_s": Range(0, 90 * 86_400),
        "new_until_votes": Range(0, 10_000),
        "block_life_s": Range(10, 86_400),
        "block_grace_s": Range(10, 86_400),
        "block_g": Range(10, 1_000_000),
        "alert_permille": Range(1, 1_000),
        "reserve_permille": Range(1, 1_000),
        "address_kept_days": Range(1, 365),
        "address_wanted_days": Range(1, 365),
        "damage_report_days": Range(1, 60),
    }
)
"""The figures that are one number, each with what it may be."""

_VARIETY_CODE = re.compile(r"[a-z][a-z0-9_]{0,29}")


def changed(economy: Economy, changes: Mapping[str, object]) -> Economy:
    """The economy with other figures; the old one stays as it was. Numbers may come as text.

    Besides the figures of RANGES: `stage_permille` and `stage_award_g` (six numbers), `expiry_notice_days`, `varieties`
    (a list of {code, name_zh, name_en, requirement_g, box_cost_fen}), and `<variety>.requirement_g`,
    `<variety>.box_cost_fen` for one of them. Raises `UnknownFigure` and `FigureOutOfRange`.
    """
    values: dict[str, object] = {}
    varieties = economy.varieties
    for figure, given in changes.items():
        code, _, part = figure.partition(".")
        if figure in RANGES:
            values[figure] = _whole(figure, given, RANGES[figure])
        elif figure == "stage_permille":
            values[figure] = _stages(figure, given)
        elif figure == "stage_award_g":
            values[figure] = _wholes(figure, given, Range(0, 10_000), count=6)
        elif figure == "expiry_notice_days":
            notices = _wholes(figure, given, Range(1, 180))
            if not notices or sorted(set(notices), reverse=True) != list(notices):
                raise FigureOutOfRange(figure=figure, rule="days before expiry, the earlier notice first", value=given)
            values[figure] = notices
        elif figure == "varieties":
            varieties = _varieties(given)
        elif part in ("requirement_g", "box_cost_fen") and any(one.code == code for one in varieties):
            number = _whole(figure, given, Range(1, 10_000_000))
            varieties = tuple(
                one
                if one.code != code
                else replace(one, requirement_g=number)
                if part == "requirement_g"
                else replace(one, box_cost_fen=number)
                for one in varieties
            )
        else:
            raise UnknownFigure(figure=figure[:60])
    return replace(economy, varieties=varieties, **values)  # type: ignore[arg-type]


def as_figures(economy: Economy) -> dict[str, object]:
    """All figures as plain data, for storing and for JSON; `changed(DEFAULT, as_figures(e))` is `e` again."""
    figures: dict[str, object] = {name: getattr(economy, name) for name in RANGES}
    figures["stage_permille"] = list(economy.stage_permille)
    figures["stage_award_g"] = list(economy.stage_award_g)
    figures["expiry_notice_days"] = list(economy.expiry_notice_days)
    figures["varieties"] = [asdict(one) for one in economy.varieties]
    return figures


def stored(figures: Mapping[str, object]) -> Economy:
    """The economy that was stored as `as_figures`, perhaps by an older or a newer version of this program.

    A figure that this version does not know is left out, and one that the other did not know has its default: else one
    saved change would stop every process that was not replaced yet.
    """
    known = as_figures(DEFAULT)
    return changed(DEFAULT, {name: value for name, value in figures.items() if name in known})


def _whole(figure: str, given: object, within: Range) -> int:
    number: int | None = None
    if type(given) is int:
        number = given
    elif isinstance(given, str) and re.fullmatch(r"[0-9]{1,12}", given.strip()):
        number = int(given)
    if number is None or not within.low <= number <= within.high:
        raise FigureOutOfRange(
            figure=figure, rule=f"a whole number from {within.low} to {within.high}", value=repr(given)[:60]
        )
    return number


def _wholes(figure: str, given: object, within: Range, *, count: int | None = None) -> tuple[int, ...]:
    parts: Sequence[object] = given.split(",") if isinstance(given, str) else ()
    if isinstance(given, list | tuple):
        parts = given
    if count is not None and len(parts) != count:
        raise FigureOutOfRange(figure=figure, rule=f"{count} whole numbers", value=repr(given)[:60])
    return tuple(_whole(figure, part, within) for part in parts)


def _stages(figure: str, given: object) -> tuple[int, ...]:
    stages = _wholes(figure, given, Range(0, 1000), count=6)
    if stages[0] != 0 or stages[-1] != 1000 or list(stages) != sorted(set(stages)):
        raise FigureOutOfRange(figure=figure, rule="six rising permille from 0 to 1000", value=repr(given)[:60])
    return stages


def _varieties(given: object) -> tuple[Variety, ...]:
    rule = "a list of varieties with code, name_zh, name_en, requirement_g and box_cost_fen"
    if not isinstance(given, list | tuple) or not given:
        raise FigureOutOfRange(figure="varieties", rule=rule, value=repr(given)[:60])
    read: list[Variety] = []
    for one in given:
        if not isinstance(one, Mapping) or set(one) != {"code", "name_zh", "name_en", "requirement_g", "box_cost_fen"}:
            raise FigureOutOfRange(figure="varieties", rule=rule, value=repr(one)[:60])
        code, name_zh, name_en = one["code"], one["name_zh"], one["name_en"]
        named = isinstance(name_zh, str) and isinstance(name_en, str) and 0 < len(name_zh) <= 40 and len(name_en) <= 40
        if not named or not isinstance(code, str) or not _VARIETY_CODE.fullmatch(code):
            raise FigureOutOfRange(figure="varieties", rule=rule, value=repr(one)[:60])
        requirement_g = _whole(f"{code}.requirement_g", one["requirement_g"], Range(1, 10_000_000))
        box_cost_fen = _whole(f"{code}.box_cost_fen", one["box_cost_fen"], Range(1, 10_000_000))
        read.append(Variety(code, name_zh, name_en, requirement_g, box_cost_fen))
    if len({one.code for one in read}) != len(read):
        raise FigureOutOfRange(figure="varieties", rule="a list in which each code stands once", value="a code twice")
    return tuple(read)


# --- numbers --------------------------------------------------------------------------------------


def liability_fen(grams_by_price: Iterable[tuple[int, int, int]]) -> int:
    """What fertilizer in players' hands will cost, rounded up: the sum of grams x box cost / requirement.

    Takes (grams, box_cost_fen, requirement_g): each tree at its own terms, wallets and held grants at a variety's.
    """
    total = sum(
        (Fraction(grams * cost_fen, requirement_g) for grams, cost_fen, requirement_g in grams_by_price), Fraction()
    )
    return -(-total.numerator // total.denominator)


def cost_per_vote_millifen(*, given_g: int, valid_votes: int, variety: Variety) -> int | None:
    """What all fertilizer given costs per valid vote, in thousandths of a fen, rounded up; None without a vote."""
    if valid_votes == 0:
        return None
    return -(-given_g * variety.box_cost_fen * 1000 // (variety.requirement_g * valid_votes))


def percentile(values: Sequence[int], permille: int) -> int:
    """The least value that this share of the values does not exceed (nearest rank); values need not be sorted."""
    assert len(values) > 0
    assert 0 < permille <= 1000
    ordered = sorted(values)
    return ordered[-(-len(ordered) * permille // 1000) - 1]
