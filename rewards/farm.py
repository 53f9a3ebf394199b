"""The farm: trees that grow gram by gram under terms frozen at planting, and what becomes of a ripe one.

Nothing here takes progress back. What a tree was promised (its requirement, the caps of a day, the awards of its
stages) is in its `Terms`, a copy of the economy of its planting day; later economies are for later trees.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from uuid import UUID

from rewards import ledger
from rewards.days import day_ends_at, day_of
from rewards.economy import Economy, Variety
from rewards.errors import (
    DailyCapReached,
    FamilyIsFull,
    HarvestedBefore,
    InFamilyAlready,
    NotEnoughFertilizer,
    NotRipe,
    NotSoManyTimes,
    SecondTree,
    TooLateToJoin,
    TreeIsRipe,
    UnknownVariety,
)
from rewards.ledger import Reason, Transfer


class GrowthStage(StrEnum):
    SEED = "seed"
    SPROUT = "sprout"
    SAPLING = "sapling"
    BLOSSOM = "blossom"
    FRUITING = "fruiting"
    RIPE = "ripe"


STAGES = tuple(GrowthStage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was promised when the tree was planted: the figures of the rules page of this tree, for all its life."""

    variety: str
    box_g: int
    box_cost_fen: int
    application_g: int
    applications_per_day: int
    paid_choices_per_day: int
    daily_claim_g: int
    streak_days: int
    streak_g: int
    makeup_cards_per_streak: int
    stage_permille: tuple[int, ...]
    stage_award_g: tuple[int, ...]
    family_members: int
    reserve_permille: int


def terms_of(variety: str, economy: Economy) -> Terms:
    """The terms of a tree planted under this economy.

    Raises `UnknownVariety`.
    """
    chosen = variety_of(variety, economy)
    return Terms(
        variety=chosen.code,
        box_g=chosen.requirement_g,
        box_cost_fen=chosen.box_cost_fen,
        application_g=economy.application_g,
        applications_per_day=economy.applications_per_day,
        paid_choices_per_day=economy.paid_choices_per_day,
        daily_claim_g=economy.daily_claim_g,
        streak_days=economy.streak_days,
        streak_g=economy.streak_g,
        makeup_cards_per_streak=economy.makeup_cards_per_streak,
        stage_permille=economy.stage_permille,
        stage_award_g=economy.stage_award_g,
        family_members=economy.family_members,
        reserve_permille=economy.reserve_permille,
    )


def variety_of(code: str, economy: Economy) -> Variety:
    """The variety with this code. Raises `UnknownVariety`."""
    for variety in economy.varieties:
        if variety.code == code:
            return variety
    raise UnknownVariety(variety=code[:40], known=", ".join(variety.code for variety in economy.varieties))


@dataclass(frozen=True, slots=True)
class Member:
    """One who grows the tree and gets a box of it. The planter is the first."""

    player_id: UUID
    joined_at: datetime
    harvested_at: datetime | None = None
    donated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A tree: its terms, those who grow it, and the grams that reached it. Its stage follows from these."""

    id: UUID
    terms: Terms
    members: tuple[Member, ...]
    planted_at: datetime
    applied_g: int = 0

    @property
    def requirement_g(self) -> int:
        """One box for each who grows the tree."""
        return self.terms.box_g * len(self.members)

    @property
    def missing_g(self) -> int:
        return self.requirement_g - self.applied_g

    @property
    def stage(self) -> GrowthStage:
        return STAGES[stage_index(self.applied_g, self.requirement_g, self.terms.stage_permille)]

    @property
    def ripe(self) -> bool:
        return self.applied_g >= self.requirement_g

    @property
    def next_stage_at_g(self) -> int | None:
        """The grams at which the next stage is reached, None when ripe."""
        index = stage_index(self.applied_g, self.requirement_g, self.terms.stage_permille)
        if index + 1 == len(STAGES):
            return None
        return stage_starts_at_g(index + 1, self.requirement_g, self.terms.stage_permille)

    @property
    def reserves_prize(self) -> bool:
        """Whether the boxes of this tree are set aside: from 80 % growth by default."""
        return self.applied_g * 1000 >= self.requirement_g * self.terms.reserve_permille

    def member(self, player_id: UUID) -> Member | None:
        return next((member for member in self.members if member.player_id == player_id), None)


def stage_starts_at_g(index: int, requirement_g: int, stage_permille: tuple[int, ...]) -> int:
    """The least whole grams that are at least the stage's share of the requirement."""
    return -(-requirement_g * stage_permille[index] // 1000)


def stage_index(applied_g: int, requirement_g: int, stage_permille: tuple[int, ...]) -> int:
    """The number, from 0, of the stage that so many grams have reached."""
    return max(index for index, permille in enumerate(stage_permille) if applied_g * 1000 >= requirement_g * permille)


# --- planting -------------------------------------------------------------------------------------


def plant(
    *, tree_id: UUID, player_id: UUID, variety: str, growing: Tree | None, now: datetime, economy: Economy
) -> Tree:
    """A new seed. `growing` is the tree of which this player still has a box to come, if any.

    Raises `UnknownVariety` and `SecondTree`.
    """
    terms = terms_of(variety, economy)
    if growing is not None:
        raise SecondTree(planted_on=day_of(growing.planted_at))
    return Tree(id=tree_id, terms=terms, members=(Member(player_id, now),), planted_at=now)


def may_join(tree: Tree) -> bool:
    """Whether there is room for one more of the family."""
    return tree.stage is GrowthStage.SEED and len(tree.members) <= tree.terms.family_members


def join(tree: Tree, *, player_id: UUID, growing: Tree | None, now: datetime) -> Tree:
    """The tree with one more of the family, and one more box in its requirement.

    Only while it is a seed: the requirement grows by a box, and a stage that was reached would be lost again.
    Raises `InFamilyAlready`, `SecondTree`, `FamilyIsFull`, `TooLateToJoin`.
    """
    if tree.member(player_id) is not None:
        raise InFamilyAlready()
    if growing is not None:
        raise SecondTree(planted_on=day_of(growing.planted_at))
    if len(tree.members) > tree.terms.family_members:
        raise FamilyIsFull(limit=tree.terms.family_members)
    if tree.stage is not GrowthStage.SEED:
        raise TooLateToJoin()
    return replace(tree, members=(*tree.members, Member(player_id, now)))


# --- applying -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAward:
    """What one of the growers gets for a stage that the tree reached."""

    tree_id: UUID
    stage: GrowthStage
    player_id: UUID
    amount_g: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Fertilizer that went from one wallet into the tree, in one or more applications."""

    tree: Tree
    player_id: UUID
    times: int
    amount_g: int
    stages: tuple[GrowthStage, ...]
    awards: tuple[StageAward, ...]


def apply(tree: Tree, *, player_id: UUID, times: int, applied_today: int, wallet_g: int, now: datetime) -> Application:
    """As many of the wished applications as the day's cap, the wallet and the tree have room for; at least one.

    Caps are checked on the sum: 5 wished with 9 of 10 made today are 1, not 5 and not none. The application that
    ripens the tree takes what is missing and not a gram more, so no fertilizer is ever lost in a full tree.
    Raises `NotSoManyTimes`, `TreeIsRipe`, `DailyCapReached`, `NotEnoughFertilizer`.
    """
    assert tree.member(player_id) is not None, "only those who grow the tree apply to it"
    terms = tree.terms
    if not 1 <= times <= terms.applications_per_day:
        raise NotSoManyTimes(most=terms.applications_per_day, times=times)
    if tree.ripe:
        raise TreeIsRipe()
    if applied_today >= terms.applications_per_day:
        raise DailyCapReached(cap=terms.applications_per_day, next_at=day_ends_at(day_of(now)))
    first_g = min(terms.application_g, tree.missing_g)
    if wallet_g < first_g:
        raise NotEnoughFertilizer(wanted_g=first_g, wallet_g=wallet_g)
    allowed = min(times, terms.applications_per_day - applied_today)
    made, amount_g = 0, 0
    while made < allowed:
        portion_g = min(terms.application_g, tree.missing_g - amount_g)
        if portion_g == 0 or wallet_g < amount_g + portion_g:
            break
        made, amount_g = made + 1, amount_g + portion_g
    grown = replace(tree, applied_g=tree.applied_g + amount_g)
    return Application(
        tree=grown,
        player_id=player_id,
        times=made,
        amount_g=amount_g,
        stages=_stages_between(tree, grown),
        awards=tuple(
            StageAward(tree_id=tree.id, stage=stage, player_id=member.player_id, amount_g=award_g)
            for stage in _stages_between(tree, grown)
            if (award_g := terms.stage_award_g[STAGES.index(stage)])
            for member in tree.members
        ),
    )


def _stages_between(before: Tree, after: Tree) -> tuple[GrowthStage, ...]:
    return STAGES[STAGES.index(before.stage) + 1 : STAGES.index(after.stage) + 1]


def application_transfer(
    application: Application, *, application_id: UUID, transfer_id: UUID, now: datetime
) -> Transfer:
    """The transfer of an application, from the wallet into the tree."""
    return Transfer(
        id=transfer_id,
        reason=Reason.FERTILIZER_APPLIED,
        out_biz_no=str(application_id),
        debit=ledger.player(application.player_id),
        credit=ledger.tree(application.tree.id),
        amount=application.amount_g,
        at=now,
    )


# --- harvest --------------------------------------------------------------------------------------


def harvest(tree: Tree, *, player_id: UUID, donate: bool, transfer_id: UUID, now: datetime) -> tuple[Tree, Transfer]:
    """One grower's box taken from the ripe tree, for the door or as a donation, and its transfer.

    Each of a family harvests for themselves, and can then plant again. Raises `NotRipe` and `HarvestedBefore`.
    """
    member = tree.member(player_id)
    assert member is not None, "only those who grow the tree harvest it"
    if member.harvested_at is not None:
        raise HarvestedBefore()
    if not tree.ripe:
        raise NotRipe(missing_g=tree.missing_g)
    done = replace(member, harvested_at=now, donated=donate)
    transfer = Transfer(
        id=transfer_id,
        reason=Reason.TREE_DONATED if donate else Reason.TREE_HARVESTED,
        out_biz_no=f"{tree.id}:{player_id}",
        debit=ledger.tree(tree.id),
        credit=ledger.REDEEMED,
        amount=tree.terms.box_g,
        at=now,
    )
    return replace(tree, members=tuple(done if one is member else one for one in tree.members)), transfer


# --- forecast -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forecast:
    """还差 `missing_g` 克,按你的节奏 `days` 天. No pace to go by gives no `days`; a wallet that suffices gives 0."""

    missing_g: int
    days: int | None
    pace_g_per_week: int


def forecast(
    tree: Tree, *, earned_last_week_g: int, observed_days: int, available_g: int, applications_left_today: int
) -> Forecast:
    """When the tree will be ripe at the pace of its growers' own last week. Never better than the caps allow.

    `earned_last_week_g` is what all of them earned in the last `observed_days` days (7, or fewer for those who came
    later); `available_g` what lies in their wallets. Days are rounded up: a promise is not to be beaten by rounding.
    """
    assert 1 <= observed_days <= 7
    missing_g = max(0, tree.missing_g)
    pace_g_per_week = earned_last_week_g * 7 // observed_days
    if missing_g == 0:
        return Forecast(0, 0, pace_g_per_week)
    to_earn_g = max(0, missing_g - available_g)
    if to_earn_g and earned_last_week_g <= 0:
        return Forecast(missing_g, None, pace_g_per_week)
    days_to_earn = -(-to_earn_g * observed_days // earned_last_week_g) if to_earn_g else 0
    per_day_g = tree.terms.application_g * tree.terms.applications_per_day * len(tree.members)
    left_after_today_g = max(0, missing_g - tree.terms.application_g * applications_left_today)
    days_to_apply = -(-left_after_today_g // per_day_g)
    return Forecast(missing_g, max(days_to_earn, days_to_apply), pace_g_per_week)


# --- expiry ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DayCredit:
    """What came into a wallet on one programme day, and how many days it can be used."""

    day: date
    amount_g: int
    expiry_days: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Grams of one day that are still unused; they can be used until the end of `expires_on`."""

    day: date
    amount_g: int
    expires_on: date


def expiry_days_of(day: date, history: Sequence[tuple[date, int]]) -> int:
    """How many days grams of this day can be used: the most that was ever promised since they came.

    `history` says from which day on how many days held, in order; the first entry holds from ever. A shorter life is
    for grams that come afterwards.
    """
    assert history
    held_then = max((entry for entry in history if entry[0] <= day), default=history[0])
    return max(held_then[1], *(days for since, days in history if since > day), 0)


def lots(credits: tuple[DayCredit, ...], *, debited_g: int) -> tuple[Lot, ...]:
    """What of each day's credits is unused, when all that ever left the wallet (`debited_g`) took the next to expire.

    That is the oldest, but where a change has given newer grams a shorter life. What expired has left the wallet, too.
    """
    assert all(one.day < other.day for one, other in pairwise(credits)), "one entry a day, in order"
    all_lots = [Lot(one.day, one.amount_g, one.day + timedelta(days=one.expiry_days)) for one in credits]
    unused: list[Lot] = []
    to_take_g = debited_g
    for lot in sorted(all_lots, key=lambda lot: (lot.expires_on, lot.day)):
        taken_g = min(to_take_g, lot.amount_g)
        to_take_g -= taken_g
        if lot.amount_g > taken_g:
            unused.append(replace(lot, amount_g=lot.amount_g - taken_g))
    assert to_take_g == 0, "more left the wallet than ever came in"
    return tuple(unused)


@dataclass(frozen=True, slots=True)
class ExpiryNotice:
    """A notice that is due: so many grams are unused and expire at the end of that day."""

    expires_on: date
    amount_g: int
    days_before: int


def notices_due(
    unused: tuple[Lot, ...], *, sent: frozenset[tuple[date, int]], today: date, notice_days: tuple[int, ...]
) -> tuple[ExpiryNotice, ...]:
    """The notices to send today: of each lot the one whose time has come, once. `sent` names (expires_on, days_before).

    A day on which the job did not run loses nothing: the notice is sent on the next, and the lot waits for it.
    """
    by_day: dict[date, int] = {}
    for lot in unused:
        by_day[lot.expires_on] = by_day.get(lot.expires_on, 0) + lot.amount_g
    due: list[ExpiryNotice] = []
    for expires_on, amount_g in by_day.items():
        reached = [days for days in notice_days if (expires_on - today).days <= days]
        if reached and (expires_on, min(reached)) not in sent:
            due.append(ExpiryNotice(expires_on, amount_g, min(reached)))
    return tuple(due)


def expired_g(
    unused: tuple[Lot, ...], *, last_notice_on: dict[date, date], today: date, notice_days: tuple[int, ...]
) -> int:
    """The grams that expire now: past their day, and last noticed at least the promised days ago.

    `last_notice_on` is by `expires_on` the day on which the last notice (3 days before, by default) was sent.
    """
    grace = timedelta(days=min(notice_days))
    return sum(
        lot.amount_g
        for lot in unused
        if lot.expires_on < today
        and lot.expires_on in last_notice_on
        and last_notice_on[lot.expires_on] + grace < today
    )


def expiry_transfer(*, player_id: UUID, amount_g: int, today: date, transfer_id: UUID, now: datetime) -> Transfer:
    """The transfer of what expires of one player's wallet today; at most one a day."""
    return Transfer(
        id=transfer_id,
        reason=Reason.FERTILIZER_EXPIRED,
        out_biz_no=f"{player_id}:{today}",
        debit=ledger.player(player_id),
        credit=ledger.EXPIRED,
        amount=amount_g,
        at=now,
    )
