"""The farm over HTTP: the orchard as it stands, planting, claiming, applying, harvesting, family and friends."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import pydantic

from rewards import farm as rules
from rewards.economy import Economy
from rewards.farm import STAGES, Forecast, Terms, Tree, stage_starts_at_g
from rewards.kinds import KINDS, Award
from rewards.kinds.awards import Figure
from server.api import reward_words  # noqa: F401 - its words join the catalogue
from server.api.appeals import ReasonReply, reason_words
from server.edge.problems import Problem
from server.edge.wire import Reply, Route, Wire
from server.flows.accept_invitation import accept_invitation
from server.flows.apply_fertilizer import apply_fertilizer
from server.flows.claim_fertilizer import claim_fertilizer
from server.flows.harvest_tree import harvest_tree
from server.flows.join_family import join_family
from server.flows.plant_tree import plant_tree
from server.flows.view_farm import FarmView, view_farm
from server.stores import players
from server.stores.db import reading, transaction

STAGE_NAMES = {
    "seed": ("种子", "Seed"),
    "sprout": ("发芽", "Sprout"),
    "sapling": ("树苗", "Sapling"),
    "blossom": ("开花", "Blossom"),
    "fruiting": ("结果", "Fruiting"),
    "ripe": ("成熟", "Ripe"),
}


class PlantBody(Wire):
    """Which variety to plant."""

    variety: str = pydantic.Field(min_length=1, max_length=40)


class ClaimBody(Wire):
    """What to claim. There is one claim so far."""

    kind: Literal["daily_claim"] = "daily_claim"


class ApplicationBody(Wire):
    """How often to apply fertilizer. Caps are checked on the sum, so fewer may be made than were wished."""

    times: int = pydantic.Field(ge=-(2**31), le=2**31)


class HarvestBody(Wire):
    """Whether the box is given to those who need it rather than sent to one's own door."""

    donate: bool = False


class FamilyBody(Wire):
    """The tree to grow together, as its planter shared it."""

    tree_id: UUID


class InvitationBody(Wire):
    """Who brought this player here."""

    inviter_id: UUID


class NameReply(Reply):
    """A name in both languages."""

    zh: str
    en: str


class StageReply(Reply):
    """One stage of the tree: from how many grams, what reaching it brings, and when it was reached."""

    stage: str
    name: NameReply
    at_g: int
    award_g: int
    reached: bool
    reached_at: datetime | None


class MemberReply(Reply):
    """One who grows the tree. Who they are stays with the family: only one's own place is marked."""

    me: bool
    planter: bool
    joined_at: datetime
    harvested: bool


class TreeReply(Reply):
    """The tree, to the gram."""

    tree_id: UUID
    variety: str
    variety_name: NameReply
    stage: str
    stage_name: NameReply
    stage_index: int
    applied_g: int
    requirement_g: int
    missing_g: int
    next_stage: str | None
    next_stage_at_g: int | None
    next_stage_missing_g: int | None
    next_stage_award_g: int
    ripe: bool
    planted_at: datetime
    boxes: int
    stages: list[StageReply]
    members: list[MemberReply]
    family_open: bool
    prize_set_aside: bool


class FertilizerReply(Reply):
    """Grams that can be used, that are promised and under review, and that are on their way from the programme."""

    available_g: int
    held_g: int
    owed_g: int
    cap_g: int


class ClaimReply(Reply):
    """Today's claim."""

    claimed: bool
    amount_g: int
    next_at: datetime


class CountReply(Reply):
    """Something that is counted by day: how much of today's cap is used, and what one of it is worth."""

    made: int
    cap: int
    left: int
    each_g: int


class TodayReply(Reply):
    """The programme's day: it ends at midnight in Beijing, by the server's clock."""

    day: date
    ends_at: datetime
    claim: ClaimReply
    applications: CountReply
    choices: CountReply


class StreakReply(Reply):
    """Days in a row: at `target_days` there is a bonus. A make-up card bridges a missed day by itself."""

    days: int
    target_days: int
    bonus_g: int
    cards: int


class ForecastReply(Reply):
    """When the tree will be ripe at one's own pace; `days` is null while there is no pace to go by."""

    missing_g: int
    days: int | None
    pace_g_per_week: int
    sentence: NameReply


class TaskReply(Reply):
    """A way to earn: its exact amount, how far one is, and whether it can be done now."""

    code: str
    name: NameReply
    amount_g: int
    progress: int
    target: int
    state: Literal["open", "done"]


class ExpiryReply(Reply):
    """Grams that will expire at the end of a day, unless they are used."""

    expires_on: date
    amount_g: int


class VarietyReply(Reply):
    """What can be planted."""

    code: str
    name: NameReply
    requirement_g: int


class FigureReply(Reply):
    """One figure of the rules."""

    name: str
    value: int
    unit: str


class KindReply(Reply):
    """One way of earning, with its figures for what is planted and dealt now."""

    code: str
    name: NameReply
    figures: list[FigureReply]


class TermsReply(Reply):
    """What was frozen when the tree was planted (or would be, if one were planted now)."""

    frozen: bool
    requirement_g: int
    application_g: int
    applications_per_day: int
    paid_choices_per_day: int
    daily_claim_g: int
    streak_days: int
    streak_g: int
    makeup_cards_per_streak: int
    family_members: int
    stages: list[FigureReply]
    stage_awards: list[FigureReply]


class RulesReply(Reply):
    """The rules page."""

    terms: TermsReply
    kinds: list[KindReply]
    expiry_days: int
    expiry_notice_days: list[int]
    wallet_cap_g: int


class StandingReply(Reply):
    """How review sees this player, with reason codes; see POST /v1/appeals."""

    standing: str
    reasons: list[str]
    words: list[ReasonReply]


class FarmReply(Reply):
    """The orchard: everything that its page shows."""

    tree: TreeReply | None
    available_g: int
    held_g: int
    fertilizer: FertilizerReply
    today: TodayReply
    streak: StreakReply
    forecast: ForecastReply | None
    tasks: list[TaskReply]
    expiring: list[ExpiryReply]
    varieties: list[VarietyReply]
    rules: RulesReply
    standing: StandingReply


class AwardReply(Reply):
    """What was earned."""

    kind: str
    name: NameReply
    amount_g: int


class ClaimedReply(Reply):
    """What a claim brought, and the farm after it."""

    awards: list[AwardReply]
    card_used: bool
    farm: FarmReply


class AppliedReply(Reply):
    """How many applications were made of those wished, the grams of them, the stages reached, and the farm after it."""

    times: int
    amount_g: int
    stages: list[str]
    awards: list[AwardReply]
    farm: FarmReply


class HarvestedReply(Reply):
    """The redemption that the box became (null for a donation), and the farm after it."""

    redemption_id: UUID | None
    donated: bool
    farm: FarmReply


class InvitedReply(Reply):
    """When the friend who invited gets the bonus."""

    vetted_votes_wanted: int
    vests_until: datetime


# --- handlers -------------------------------------------------------------------------------------


async def get_farm(call: Any) -> FarmReply:
    """The orchard: tree, grams, what is left of today, streak, forecast, tasks and rules."""
    async with reading(call.shell.engine) as conn:
        return await _farm(conn, call)


async def post_trees(call: Any) -> FarmReply:
    """Plant a tree. Its requirement and caps are frozen from now on."""
    _, seen = await _done(call, plant_tree, variety=call.body.variety, economy=call.shell.economy)
    return seen


async def post_claims(call: Any) -> ClaimedReply:
    """Claim today's fertilizer."""
    claimed, seen = await _done(call, claim_fertilizer, economy=call.shell.economy)
    return ClaimedReply(awards=_awards(claimed.awards), card_used=claimed.card_used, farm=seen)


async def post_applications(call: Any) -> AppliedReply:
    """Apply fertilizer to the tree, several times at once if wished."""
    applied, seen = await _done(call, apply_fertilizer, times=call.body.times, economy=call.shell.economy)
    return AppliedReply(
        times=applied.application.times,
        amount_g=applied.application.amount_g,
        stages=[stage.value for stage in applied.application.stages],
        awards=_awards(tuple(award for award in applied.awards if award.player_id == call.who.player_id)),
        farm=seen,
    )


async def post_harvests(call: Any) -> HarvestedReply:
    """Harvest the ripe tree: a box for one's own door, or a donation."""
    harvested, seen = await _done(call, harvest_tree, donate=call.body.donate)
    return HarvestedReply(
        redemption_id=harvested.order.id if harvested.order is not None else None,
        donated=call.body.donate,
        farm=seen,
    )


async def post_family(call: Any) -> FarmReply:
    """Grow somebody's tree together: one more box, one more requirement, while it is a seed."""
    _, seen = await _done(call, join_family, tree_id=call.body.tree_id)
    return seen


async def post_invitations(call: Any) -> InvitedReply:
    """Say who brought this player here; that friend's bonus vests with this player's own vetted votes."""
    invitation, _ = await _done(call, accept_invitation, inviter_id=call.body.inviter_id, economy=call.shell.economy)
    if invitation is None:
        raise Problem("not_found")
    return InvitedReply(vetted_votes_wanted=invitation.vetted_votes_wanted, vests_until=invitation.vests_until)


async def _done(call: Any, act: Callable[..., Awaitable[Any]], **given: Any) -> tuple[Any, FarmReply]:
    """What a flow came to for this player, and the farm after it, in one transaction."""
    async with transaction(call.shell.engine) as conn:
        if await players.find(conn, call.who.player_id) is None:
            raise Problem("player_gone")
        result = await act(conn, player_id=call.who.player_id, now=call.now, **given)
        return result, await _farm(conn, call)


async def _farm(conn: Any, call: Any) -> FarmReply:
    view = await view_farm(conn, player_id=call.who.player_id, economy=call.shell.economy, now=call.now)
    if view is None:
        raise Problem("player_gone")
    return farm_reply(view, call.who.player_id, call.shell.economy)


# --- replies --------------------------------------------------------------------------------------


def farm_reply(view: FarmView, player_id: UUID, economy: Economy) -> FarmReply:
    """The orchard as the client gets it."""
    terms = view.terms
    return FarmReply(
        tree=_tree(view.tree, view, player_id, economy) if view.tree is not None else None,
        available_g=view.available_g,
        held_g=view.held_g,
        fertilizer=FertilizerReply(
            available_g=view.available_g, held_g=view.held_g, owed_g=view.owed_g, cap_g=view.wallet_cap_g
        ),
        today=TodayReply(
            day=view.today,
            ends_at=view.day_ends_at,
            claim=ClaimReply(claimed=view.claimed_today, amount_g=terms.daily_claim_g, next_at=view.day_ends_at),
            applications=CountReply(
                made=view.applications_made,
                cap=terms.applications_per_day,
                left=max(0, terms.applications_per_day - view.applications_made),
                each_g=terms.application_g,
            ),
            choices=CountReply(
                made=view.choices_paid,
                cap=terms.paid_choices_per_day,
                left=view.choices_left,
                each_g=view.choice_g,
            ),
        ),
        streak=StreakReply(
            days=view.streak_days, target_days=terms.streak_days, bonus_g=terms.streak_g, cards=view.streak_cards
        ),
        forecast=_forecast(view.forecast) if view.forecast is not None else None,
        tasks=_tasks(view, economy),
        expiring=[ExpiryReply(expires_on=one.expires_on, amount_g=one.amount_g) for one in view.notices],
        varieties=[
            VarietyReply(code=one.code, name=NameReply(zh=one.name_zh, en=one.name_en), requirement_g=one.requirement_g)
            for one in economy.varieties
        ],
        rules=_rules(view, economy),
        standing=StandingReply(
            standing=view.standing,
            reasons=list(view.standing_reasons),
            words=[ReasonReply(**words) for words in reason_words(view.standing_reasons)],
        ),
    )


def _tree(tree: Tree, view: FarmView, player_id: UUID, economy: Economy) -> TreeReply:
    index = STAGES.index(tree.stage)
    next_at_g = tree.next_stage_at_g
    return TreeReply(
        tree_id=tree.id,
        variety=tree.terms.variety,
        variety_name=variety_name(tree.terms.variety, economy),
        stage=tree.stage.value,
        stage_name=_stage_name(tree.stage.value),
        stage_index=index,
        applied_g=tree.applied_g,
        requirement_g=tree.requirement_g,
        missing_g=tree.missing_g,
        next_stage=STAGES[index + 1].value if next_at_g is not None else None,
        next_stage_at_g=next_at_g,
        next_stage_missing_g=next_at_g - tree.applied_g if next_at_g is not None else None,
        next_stage_award_g=tree.terms.stage_award_g[index + 1] if next_at_g is not None else 0,
        ripe=tree.ripe,
        planted_at=tree.planted_at,
        boxes=len(tree.members),
        stages=[
            StageReply(
                stage=stage.value,
                name=_stage_name(stage.value),
                at_g=stage_starts_at_g(number, tree.requirement_g, tree.terms.stage_permille),
                award_g=tree.terms.stage_award_g[number],
                reached=number <= index,
                reached_at=tree.planted_at if number == 0 else view.reached.get(stage),
            )
            for number, stage in enumerate(STAGES)
        ],
        members=[
            MemberReply(
                me=member.player_id == player_id,
                planter=number == 0,
                joined_at=member.joined_at,
                harvested=member.harvested_at is not None,
            )
            for number, member in enumerate(tree.members)
        ],
        family_open=rules.may_join(tree),
        prize_set_aside=view.prize_set_aside,
    )


def _forecast(forecast: Forecast) -> ForecastReply:
    missing = spaced(forecast.missing_g)
    if forecast.missing_g == 0:
        sentence = NameReply(zh="成熟了,可以收获。", en="Ripe: ready to harvest.")
    elif forecast.days is None:
        sentence = NameReply(zh=f"还差 {missing} 克", en=f"{missing} g to go")
    elif forecast.days == 0:
        sentence = NameReply(zh=f"还差 {missing} 克,肥料已经够了", en=f"{missing} g to go, and you have them")
    else:
        days = "1 day" if forecast.days == 1 else f"{forecast.days} days"
        sentence = NameReply(
            zh=f"还差 {missing} 克,按你的节奏 {forecast.days} 天", en=f"{missing} g to go, {days} at your pace"
        )
    return ForecastReply(
        missing_g=forecast.missing_g,
        days=forecast.days,
        pace_g_per_week=forecast.pace_g_per_week,
        sentence=sentence,
    )


def _tasks(view: FarmView, economy: Economy) -> list[TaskReply]:
    terms = view.terms
    hundreds = economy.consistency_votes
    tasks = [
        ("per_vote", view.choice_g, view.choices_paid, terms.paid_choices_per_day, view.choices_left == 0),
        ("daily_claim", terms.daily_claim_g, int(view.claimed_today), 1, view.claimed_today),
        ("streak", terms.streak_g, view.streak_days, terms.streak_days, False),
        ("consistency", economy.consistency_g, view.vetted_votes % hundreds, hundreds, False),
        (
            "invite",
            economy.invite_g,
            view.invitations,
            economy.invites_per_player,
            view.invitations >= economy.invites_per_player,
        ),
    ]
    return [
        TaskReply(
            code=code,
            name=kind_name(code),
            amount_g=amount_g,
            progress=progress,
            target=target,
            state="done" if done else "open",
        )
        for code, amount_g, progress, target, done in tasks
    ]


def _rules(view: FarmView, economy: Economy) -> RulesReply:
    return RulesReply(
        terms=terms_reply(view.terms, frozen=view.tree is not None),
        kinds=[
            KindReply(code=kind.code, name=kind_name(kind.code), figures=_figures(kind.figures(economy)))
            for kind in KINDS.values()
        ],
        expiry_days=economy.expiry_days,
        expiry_notice_days=list(economy.expiry_notice_days),
        wallet_cap_g=economy.wallet_cap_g,
    )


def terms_reply(terms: Terms, *, frozen: bool) -> TermsReply:
    """What is frozen at planting."""
    return TermsReply(
        frozen=frozen,
        requirement_g=terms.box_g,
        application_g=terms.application_g,
        applications_per_day=terms.applications_per_day,
        paid_choices_per_day=terms.paid_choices_per_day,
        daily_claim_g=terms.daily_claim_g,
        streak_days=terms.streak_days,
        streak_g=terms.streak_g,
        makeup_cards_per_streak=terms.makeup_cards_per_streak,
        family_members=terms.family_members,
        stages=[
            FigureReply(name=stage.value, value=stage_starts_at_g(number, terms.box_g, terms.stage_permille), unit="g")
            for number, stage in enumerate(STAGES)
        ],
        stage_awards=[
            FigureReply(name=stage.value, value=terms.stage_award_g[number], unit="g")
            for number, stage in enumerate(STAGES)
        ],
    )


def _figures(figures: tuple[Figure, ...]) -> list[FigureReply]:
    return [FigureReply(name=one.name, value=one.value, unit=one.unit) for one in figures]


def _awards(awards: tuple[Award, ...]) -> list[AwardReply]:
    return [AwardReply(kind=one.kind, name=kind_name(one.kind), amount_g=one.amount_g) for one in awards]


def kind_name(code: str) -> NameReply:
    """The name of a reward kind."""
    kind = KINDS[code]
    return NameReply(zh=kind.name_zh, en=kind.name_en)


def variety_name(code: str, economy: Economy) -> NameReply:
    """The name of a variety; one that is planted no more keeps its code."""
    for one in economy.varieties:
        if one.code == code:
            return NameReply(zh=one.name_zh, en=one.name_en)
    return NameReply(zh=code, en=code)


def _stage_name(stage: str) -> NameReply:
    zh, en = STAGE_NAMES[stage]
    return NameReply(zh=zh, en=en)


def spaced(number: int) -> str:
    """1240 as 1 240: read at a glance in both languages."""
    return f"{number:,}".replace(",", " ")


def _verb(
    path: str,
    handler: Callable[..., Awaitable[Any]],
    summary: str,
    body: type[Wire],
    reply: type[Reply],
    *,
    status: int = 200,
) -> Route:
    return Route(
        method="POST",
        path=path,
        handler=handler,
        summary=summary,
        body=body,
        reply=reply,
        status=status,
        problems=(401, 403, 404, 409, 413, 415, 422, 429, 503),
        idempotent=True,
    )


ROUTES = (
    Route(method="GET", path="/v1/farm", handler=get_farm, summary="The orchard", reply=FarmReply, problems=(401, 503)),
    _verb("/v1/farm/trees", post_trees, "Plant a tree", PlantBody, FarmReply, status=201),
    _verb("/v1/farm/claims", post_claims, "Claim today's fertilizer", ClaimBody, ClaimedReply),
    _verb("/v1/farm/applications", post_applications, "Apply fertilizer", ApplicationBody, AppliedReply),
    _verb("/v1/farm/harvests", post_harvests, "Harvest the ripe tree", HarvestBody, HarvestedReply),
    _verb("/v1/farm/family", post_family, "Grow a tree together", FamilyBody, FarmReply, status=201),
    _verb(
        "/v1/farm/invitations", post_invitations, "Say who brought one here", InvitationBody, InvitedReply, status=201
    ),
)
