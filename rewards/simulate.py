"""A simulator of the economy: a crowd of players under the very rules of the programme, before a figure is changed.

It answers what an operator must know: how long trees take, what a valid vote costs, what is owed, how much fruit is
wanted. Chance is the caller's generator; the same seed and crowd make two economies comparable player by player.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import numpy as np

from rewards import economy as figures
from rewards import farm
from rewards.budgets import PlayerDay, paid_choices_left
from rewards.days import day_of
from rewards.economy import Economy
from rewards.errors import RewardsRefusal
from rewards.farm import Tree
from rewards.kinds.consistency import CONSISTENCY
from rewards.kinds.daily_claim import DAILY_CLAIM
from rewards.kinds.per_vote import PER_VOTE
from rewards.kinds.stage_award import STAGE_AWARD
from rewards.kinds.streak import STREAK, Streak

_FIRST_MORNING = datetime(2026, 1, 5, 1, tzinfo=UTC)  # a Monday, nine o'clock in Beijing


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who plays: how many, for how long, how often each comes and how much each would choose on a day.

    Each player's own habits are drawn once, evenly from these spans, and kept for all days.
    """

    players: int = 300
    days: int = 120
    comes_permille: tuple[int, int] = (500, 1000)
    choices_a_day: tuple[int, int] = (8, 30)
    valid_permille: int = 930
    variety: str = "apple"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What an economy means. Days are days of the calendar from planting; None where too few trees ripen to say."""

    players: int
    days: int
    harvests: int
    ripened_permille: int
    days_to_ripe_p10: int | None
    days_to_ripe_p50: int | None
    days_to_ripe_p90: int | None
    valid_votes: int
    given_g: int
    cost_per_vote_millifen: int | None
    income_per_vote_fen: int
    cost_per_harvest_fen: int
    liability_fen: int
    boxes_a_week_peak: int
    boxes_a_week: tuple[int, ...]


@dataclass(slots=True)
class _Life:
    """One simulated player: habits, wallet, tree, streak. Mutable, since it never leaves this file."""

    player_id: UUID
    comes_permille: int
    choices: int
    tree: Tree
    wallet_g: int = 0
    streak: Streak = field(default_factory=Streak)
    vetted_votes: int = 0
    hundreds: int = 0
    given_g: int = 0

    def earn(self, amount_g: int) -> None:
        self.wallet_g += amount_g
        self.given_g += amount_g


def simulate(
    economy: Economy, crowd: Crowd, rng: np.random.Generator, *, progress: Callable[[], None] | None = None
) -> Outlook:
    """Let the crowd play under this economy; `progress` is called after each simulated day.

    Raises `UnknownVariety` for a crowd that wants to plant what the economy does not have.
    """
    variety = farm.variety_of(crowd.variety, economy)
    lives = [_born(number, crowd, rng, economy) for number in range(crowd.players)]
    ripe_after: dict[UUID, int] = {}
    harvested: Counter[int] = Counter()
    for offset in range(crowd.days):
        now = _FIRST_MORNING + timedelta(days=offset)
        comes = rng.integers(0, 1000, crowd.players)
        valid = rng.integers(0, 1000, (crowd.players, crowd.choices_a_day[1])) < crowd.valid_permille
        for number, life in enumerate(lives):
            if comes[number] >= life.comes_permille:
                continue
            _play_a_day(life, int(valid[number, : life.choices].sum()), now, economy)
            if life.tree.ripe:
                ripe_after.setdefault(life.player_id, (day_of(now) - day_of(life.tree.planted_at)).days + 1)
                harvested[offset // 7] += 1
                life.tree = _planted(life.player_id, crowd.variety, now, economy)
        if progress is not None:
            progress()
    given_g = sum(life.given_g for life in lives)
    valid_votes = sum(life.vetted_votes for life in lives)
    harvests = sum(harvested.values())
    boxes = tuple(harvested[week] for week in range(-(-crowd.days // 7)))

    def ripe_by(permille: int) -> int | None:
        """The day by which this share of all players had their first tree ripe: those who never did count as later."""
        if len(ripe_after) * 1000 < crowd.players * permille:
            return None
        never = [crowd.days + 1] * (crowd.players - len(ripe_after))
        return figures.percentile([*ripe_after.values(), *never], permille)

    return Outlook(
        players=crowd.players,
        days=crowd.days,
        harvests=harvests,
        ripened_permille=len(ripe_after) * 1000 // crowd.players,
        days_to_ripe_p10=ripe_by(100),
        days_to_ripe_p50=ripe_by(500),
        days_to_ripe_p90=ripe_by(900),
        valid_votes=valid_votes,
        given_g=given_g,
        cost_per_vote_millifen=figures.cost_per_vote_millifen(
            given_g=given_g, valid_votes=valid_votes, variety=variety
        ),
        income_per_vote_fen=economy.vote_price_fen,
        cost_per_harvest_fen=variety.box_cost_fen,
        liability_fen=figures.liability_fen(
            (life.wallet_g + life.tree.applied_g, variety.box_cost_fen, variety.requirement_g) for life in lives
        ),
        boxes_a_week_peak=max(boxes),
        boxes_a_week=boxes,
    )


def _born(number: int, crowd: Crowd, rng: np.random.Generator, economy: Economy) -> _Life:
    player_id = UUID(int=number + 1)
    return _Life(
        player_id=player_id,
        comes_permille=int(rng.integers(crowd.comes_permille[0], crowd.comes_permille[1] + 1)),
        choices=int(rng.integers(crowd.choices_a_day[0], crowd.choices_a_day[1] + 1)),
        tree=_planted(player_id, crowd.variety, _FIRST_MORNING, economy),
    )


def _planted(player_id: UUID, variety: str, now: datetime, economy: Economy) -> Tree:
    return farm.plant(tree_id=player_id, player_id=player_id, variety=variety, growing=None, now=now, economy=economy)


def _play_a_day(life: _Life, valid_choices: int, now: datetime, economy: Economy) -> None:
    today, terms = day_of(now), life.tree.terms
    _claim(life, today, now, economy)
    room = paid_choices_left(
        PlayerDay(player_id=life.player_id, day=today),
        wallet_g=life.wallet_g,
        held_g=0,
        cap=terms.paid_choices_per_day,
        economy=economy,
    )
    votes = min(valid_choices, room)
    life.vetted_votes += votes
    life.earn(votes * PER_VOTE.offer_g(economy))
    for award in CONSISTENCY.awards(
        player_id=life.player_id,
        vetted_votes=life.vetted_votes,
        trusted=True,
        awarded_hundreds=life.hundreds,
        economy=economy,
    ):
        life.hundreds += 1
        life.earn(award.amount_g)
    try:
        application = farm.apply(
            life.tree,
            player_id=life.player_id,
            times=terms.applications_per_day,
            applied_today=0,
            wallet_g=life.wallet_g,
            now=now,
        )
    except RewardsRefusal:
        return
    life.wallet_g -= application.amount_g
    life.tree = application.tree
    for award in STAGE_AWARD.awards(application.awards):
        life.earn(award.amount_g)


def _claim(life: _Life, today: date, now: datetime, economy: Economy) -> None:
    terms = life.tree.terms
    try:
        claim = DAILY_CLAIM.award(
            player_id=life.player_id,
            amount_g=terms.daily_claim_g,
            claimed_on=life.streak.claimed_on,
            wallet_g=life.wallet_g,
            wallet_cap_g=economy.wallet_cap_g,
            now=now,
        )
    except RewardsRefusal:
        return
    life.earn(claim.amount_g)
    run = STREAK.claim(
        life.streak,
        player_id=life.player_id,
        today=today,
        streak_days=terms.streak_days,
        streak_g=terms.streak_g,
        cards=terms.makeup_cards_per_streak,
    )
    life.streak = run.streak
    if run.award is not None:
        life.earn(run.award.amount_g)


STEADY = Crowd(players=1, days=60, comes_permille=(1000, 1000), choices_a_day=(20, 20), valid_permille=1000)
"""One player who comes every day and makes twenty valid choices: the published figure of days to ripe."""
