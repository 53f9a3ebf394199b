"""Claim the day's fertilizer, with the streak that it goes on with and the bonuses that are due."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rewards import budgets as budget_rules
from rewards import ledger as books
from rewards.days import day_ends_at, day_of
from rewards.economy import Economy
from rewards.errors import AlreadyClaimed
from rewards.farm import terms_of
from rewards.kinds import Award
from rewards.kinds.consistency import CONSISTENCY
from rewards.kinds.daily_claim import DAILY_CLAIM
from rewards.kinds.streak import STREAK, Streak
from server.flows.pay_awards import pay_awards
from server.stores import budgets, farm, ledger, players
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim brought: its awards, the streak after it, and whether a make-up card bridged a missed day."""

    awards: tuple[Award, ...]
    streak: Streak
    card_used: bool


async def claim_fertilizer(conn: AsyncConnection, *, player_id: UUID, economy: Economy, now: datetime) -> Claimed:
    """Claim for the day that it is here. Raises `AlreadyClaimed`, `WalletFull`, `RewardsSwitchedOff`."""
    switches = await budgets.switches_now(conn)
    budget_rules.must_be_on(switches, kind=DAILY_CLAIM.code)
    tree = await farm.growing_tree(conn, player_id)
    terms = tree.terms if tree is not None else terms_of(economy.varieties[0].code, economy)
    streak = await farm.streak_of(conn, player_id)
    claim = DAILY_CLAIM.award(
        player_id=player_id,
        amount_g=terms.daily_claim_g,
        claimed_on=streak.claimed_on,
        wallet_g=await ledger.balance(conn, books.player(player_id)),
        wallet_cap_g=economy.wallet_cap_g,
        now=now,
    )
    run = STREAK.claim(
        streak,
        player_id=player_id,
        today=day_of(now),
        streak_days=terms.streak_days,
        streak_g=terms.streak_g,
        cards=terms.makeup_cards_per_streak,
    )
    recorded = await farm.record_claim(
        conn, player_id, amount_g=claim.amount_g, streak=run.streak, card_used=run.card_used, now=now
    )
    if not recorded:
        raise AlreadyClaimed(next_at=day_ends_at(day_of(now)))
    earned = [claim]
    if run.award is not None:
        earned.append(run.award)
    if CONSISTENCY.code not in switches.kinds:
        earned += await _consistency(conn, player_id, economy=economy)
    paid = await pay_awards(conn, earned, economy=economy, now=now)
    return Claimed(awards=tuple(paid), streak=run.streak, card_used=run.card_used)


async def _consistency(conn: AsyncConnection, player_id: UUID, *, economy: Economy) -> list[Award]:
    player = await players.find(conn, player_id)
    return list(
        CONSISTENCY.awards(
            player_id=player_id,
            vetted_votes=await farm.vetted_votes(conn, player_id),
            trusted=player is not None and player.standing == "trusted",
            awarded_hundreds=await farm.awarded_count(conn, player_id, CONSISTENCY.code),
            economy=economy,
        )
    )
