"""Void held grants, with a reason, and give their grams back to the budgets that they were promised from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from rewards import grants as rules
from rewards.grants import Grant, GrantState, VoidReason
from server.ids import uuid7
from server.stores import budgets, grants, ledger
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True)
class Voided:
    """What was voided: the grants, and their grams together."""

    grants: tuple[Grant, ...]

    @property
    def amount_g(self) -> int:
        return sum(grant.amount_g for grant in self.grants)


async def void_grants(
    conn: AsyncConnection,
    *,
    player_id: UUID | None = None,
    test_id: UUID | None = None,
    matchup_ids: Sequence[UUID] | None = None,
    reason: VoidReason,
    now: datetime,
) -> Voided:
    """Void what is still held of a player, of a test, or of these matchups (all that are named must fit).

    What is settled stays settled. Writes no audit line: who voids says so in the same transaction.
    """
    ended = await grants.void(
        conn, player_id=player_id, test_id=test_id, matchup_ids=matchup_ids, reason=reason, now=now
    )
    sources = await budgets.accounts_of_blocks(conn, {grant.block_id for grant in ended})
    transfers = [
        rules.void(
            replace(grant, state=GrantState.HELD, final_at=None, void_reason=None),
            budget=sources[grant.block_id],
            void_reason=reason,
            transfer_id=uuid7(),
            now=now,
        )[1]
        for grant in ended
    ]
    await ledger.post(conn, transfers)
    return Voided(tuple(ended))
