"""Deal a round: tests open to this player, informative pairs, offers out of what this process has reserved, tickets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from game.dealing import Pair, Seat, eligible
from game.matchup import Matchup, sign
from game.style_test import StyleTest
from rewards import ledger as books
from rewards.budgets import room_left_g
from rewards.days import day_of, day_starts_at
from rewards.economy import Economy
from server.budget_desk import BudgetDesk
from server.dealer import Dealer
from server.ids import uuid7
from server.stores import farm, ledger, players, standings, votes
from server.stores.db import AsyncEngine, reading

NO_BLOCK = UUID(int=0)
"""The block of a matchup that offers nothing."""

TRIES = 3
"""How often a round that found its budget taken by others waits for the next block."""


@dataclass(frozen=True, slots=True)
class DealtMatchup:
    """A matchup with its ticket, and the test whose styles it shows."""

    matchup: Matchup
    ticket: str
    test: StyleTest


@dataclass(frozen=True, slots=True)
class DealtRound:
    """A round; `reason` says why it is empty."""

    round_id: UUID
    matchups: tuple[DealtMatchup, ...]
    reason: str | None = None


async def deal_round(
    engine: AsyncEngine,
    dealer: Dealer,
    budget_desk: BudgetDesk,
    *,
    keys: Mapping[int, bytes],
    player_id: UUID,
    device: bytes,
    size: int,
    economy: Economy,
    ticket_life: timedelta,
    now: datetime,
) -> DealtRound:
    """Deal up to `size` matchups. Nothing is written: a ticket carries all there is to know of a matchup.

    A muted player is still dealt pairs, with offers of 0 g: play goes on, and his page says why it earns nothing.
    """
    round_id = uuid7()
    tables = dealer.tables
    # Answers that come in while the database is asked leave the dealer's memory and are not in what was read.
    out_before = dealer.out_of(player_id, now)
    async with reading(engine) as conn:
        player = await players.find(conn, player_id)
        if player is None:
            return DealtRound(round_id, (), "player_gone")
        met = await votes.met_by(conn, player_id, [table.test.test_id for table in tables])
        # What was out when this round began counts as out, whether or not it is answered by now: never twice.
        began = {matchup.matchup_id for matchup in out_before}
        paid_today = await votes.paid_since(conn, player_id, day_starts_at(day_of(now)), besides=sorted(began))
        barred = await standings.barred_merchants(conn, player_id)
        promised_cap = await farm.paid_choices_cap(conn, player_id)
        # Held first: a grant that is settled in between is counted twice rather than not at all.
        held_g = await farm.held_g(conn, player_id)
        wallet_g = await ledger.balance(conn, books.player(player_id))
    facts = player.facts(now)
    # Who works for a merchant never judges that merchant's styles.
    open_to_player = eligible(tables, Seat(player_id, facts, barred_merchants=barred))
    if not open_to_player:
        return DealtRound(round_id, (), "no_test_open")
    # A tree keeps the cap of its planting; who has none plays under today's.
    cap = economy.paid_choices_per_day if promised_cap is None else promised_cap
    earns = player.standing != "muted"
    reason = "daily_cap_reached"
    dealt: list[DealtMatchup] = []
    for _ in range(TRIES):
        if earns and paid_today < cap:
            offers = min(size, cap - paid_today)
            await budget_desk.ready([table.test.test_id for table, _ in open_to_player], offers=offers)
        # From here to `remember` nothing waits: of two rounds of one player at once, the later knows what the earlier got.
        # Another process may have recorded what this one still believes to be out.
        held = {matchup.matchup_id: matchup for matchup in (*out_before, *dealer.out_of(player_id, now))}
        out = [matchup for matchup in held.values() if matchup.matchup_id not in met.matchup_ids]
        paid_out = [matchup.offer_g for matchup in out if matchup.offer_g > 0]
        unread = (each for each in held.values() if each.matchup_id in began or each.matchup_id not in met.matchup_ids)
        paid_left = cap - paid_today - sum(1 for matchup in unread if matchup.offer_g > 0)
        if paid_left <= 0:
            return DealtRound(round_id, (), "daily_cap_reached")
        seat = Seat(
            player_id,
            facts,
            barred_merchants=barred,
            met=_pairs(met.pairs, out),
            probed=_pairs(met.probed, [matchup for matchup in out if matchup.probe]),
        )
        room_g = room_left_g(wallet_g=wallet_g, promised_g=held_g + sum(paid_out), economy=economy)
        reason = "all_pairs_met"
        for pair in dealer.deal(seat, size=min(size, paid_left)):
            test_id = pair.test.test_id
            # What the test was launched at: its merchant bought votes at that price.
            offer_g = budget_desk.offer_g(test_id) if earns else 0
            block_id: UUID | None = NO_BLOCK
            if offer_g is None or offer_g > room_g:
                block_id = None
                reason = budget_desk.why_not(test_id) if offer_g is None else "wallet_full"
            elif earns and (block_id := budget_desk.offer(test_id, offer_g)) is None:
                reason = budget_desk.why_not(test_id)
            if block_id is None or offer_g is None:
                # Another test may have grams all the same, and pacing goes by all that was asked for.
                dealer.take_back(pair)
                continue
            room_g -= offer_g
            matchup = Matchup(
                matchup_id=uuid7(),
                player_id=player_id,
                test_id=test_id,
                block_id=block_id,
                left=pair.left,
                right=pair.right,
                offer_g=offer_g,
                dealt_at=now,
                expires_at=now + ticket_life,
                device=device,
                segment=pair.segment,
                explored=pair.explored,
                probe=pair.probe,
                snapshot=pair.snapshot,
                probability=pair.probability,
            )
            dealt.append(DealtMatchup(matchup, sign(matchup, keys), pair.test))
        dealer.remember(entry.matchup for entry in dealt)
        # Others may have taken what was made ready before this round had its turn.
        if dealt or reason != "budget_exhausted":
            break
    return DealtRound(round_id, tuple(dealt), None if dealt else reason)


def _pairs(recorded: Mapping[UUID, list[Pair]], out: list[Matchup]) -> dict[UUID, frozenset[Pair]]:
    """Pairs by test: those on record and those that are out."""
    found = {test_id: set(pairs) for test_id, pairs in recorded.items()}
    for matchup in out:
        found.setdefault(matchup.test_id, set()).add((matchup.left, matchup.right))
    return {test_id: frozenset(pairs) for test_id, pairs in found.items()}
