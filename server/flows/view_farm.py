"""View the farm: everything that a player's orchard shows, from one consistent look at the database."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from rewards import farm as rules
from rewards import ledger as books
from rewards.budgets import PlayerDay, paid_choices_left
from rewards.days import day_ends_at, day_of, day_starts_at
from rewards.economy import Economy
from rewards.farm import ExpiryNotice, Forecast, GrowthStage, Terms, Tree
from rewards.kinds.streak import STREAK
from server.flows.unused_fertilizer import lives_of, unused_fertilizer
from server.stores import farm, ledger, players, prizes, votes
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmView:
    """What the orchard shows. Grams are whole; everything that is counted by day is of the programme's day."""

    today: date
    day_ends_at: datetime
    tree: Tree | None
    reached: dict[GrowthStage, datetime]
    prize_set_aside: bool
    terms: Terms
    available_g: int
    held_g: int
    owed_g: int
    wallet_cap_g: int
    claimed_today: bool
    streak_days: int
    streak_cards: int
    applications_made: int
    choices_paid: int
    choices_left: int
    choice_g: int
    forecast: Forecast | None
    notices: tuple[ExpiryNotice, ...]
    vetted_votes: int
    invitations: int
    standing: str
    standing_reasons: tuple[str, ...]


async def view_farm(conn: AsyncConnection, *, player_id: UUID, economy: Economy, now: datetime) -> FarmView | None:
    """The farm as it is; None for a player who is gone. Writes nothing."""
    player = await players.find(conn, player_id)
    if player is None:
        return None
    today = day_of(now)
    tree = await farm.growing_tree(conn, player_id)
    terms = tree.terms if tree is not None else rules.terms_of(economy.varieties[0].code, economy)
    available_g = await ledger.balance(conn, books.player(player_id))
    held_g = await farm.held_g(conn, player_id)
    owed_g = await farm.owed_g(conn, player_id)
    streak = await farm.streak_of(conn, player_id)
    made = await farm.applied_on(conn, player_id, today)
    paid = await votes.paid_since(conn, player_id, day_starts_at(today))
    notices = await farm.notices_of(conn, player_id, from_day=today)
    return FarmView(
        today=today,
        day_ends_at=day_ends_at(today),
        tree=tree,
        reached=await farm.stages_reached(conn, tree.id) if tree is not None else {},
        prize_set_aside=tree is not None and await prizes.box_of(conn, tree.id, player_id) is not None,
        terms=terms,
        available_g=available_g,
        held_g=held_g,
        owed_g=owed_g,
        wallet_cap_g=economy.wallet_cap_g,
        claimed_today=streak.claimed_on is not None and streak.claimed_on >= today,
        streak_days=STREAK.still_running(streak, today=today),
        streak_cards=streak.cards if streak.claimed_on is not None else terms.makeup_cards_per_streak,
        applications_made=made,
        choices_paid=paid,
        choices_left=0
        if player.standing == "muted"
        else paid_choices_left(
            PlayerDay(player_id=player_id, day=today, choices=paid),
            wallet_g=available_g,
            held_g=held_g,
            cap=terms.paid_choices_per_day,
            economy=economy,
        ),
        choice_g=economy.choice_g,
        forecast=await _forecast(conn, tree, player_id, made=made, now=now) if tree is not None else None,
        notices=await _still_expiring(conn, player_id, [notice for notice, _ in notices], economy=economy),
        vetted_votes=await farm.vetted_votes(conn, player_id),
        invitations=await farm.rewarded_invitations(conn, player_id),
        standing=player.standing,
        standing_reasons=player.standing_reasons,
    )


async def _still_expiring(
    conn: AsyncConnection, player_id: UUID, sent: list[ExpiryNotice], *, economy: Economy
) -> tuple[ExpiryNotice, ...]:
    """Of each day that was announced the grams that are still unused; nothing of a day whose grams were used meanwhile."""
    if not sent:
        return ()
    left: dict[date, int] = {}
    for lot in unused_fertilizer(await farm.wallet_by_day(conn, player_id), await lives_of(conn, economy)):
        left[lot.expires_on] = left.get(lot.expires_on, 0) + lot.amount_g
    # The last word on a day is enough: 3 days before says all that 14 days before said.
    latest = {notice.expires_on: notice for notice in reversed(sent)}
    return tuple(replace(notice, amount_g=left[day]) for day, notice in latest.items() if day in left)


async def _forecast(conn: AsyncConnection, tree: Tree, player_id: UUID, *, made: int, now: datetime) -> Forecast:
    """By what all who grow the tree earned in their last week, or since the tree was planted where that is less."""
    growers = [member.player_id for member in tree.members]
    since = max(now - timedelta(days=7), min(tree.planted_at, now))
    observed_days = min(7, max(1, -(-(now - since) // timedelta(days=1))))
    wallets = await ledger.balances(conn, [books.player(grower) for grower in growers])
    return rules.forecast(
        tree,
        earned_last_week_g=sum([await farm.earned_since(conn, grower, since) for grower in growers]),
        observed_days=observed_days,
        available_g=sum(wallets.values()),
        applications_left_today=max(0, tree.terms.applications_per_day - made) * len(growers),
    )
