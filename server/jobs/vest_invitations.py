"""Vest invitations whose friends have played enough of their own, and end those whose time is over."""

from datetime import datetime
from uuid import UUID

from rewards.kinds.invite import INVITE, Vesting
from server.figures import EconomyNow
from server.flows.pay_awards import pay_awards
from server.stores import budgets, farm
from server.stores.db import AsyncEngine, transaction

BATCH = 100


class VestInvitations:
    """The job. Votes are counted as vetted when their grants are settled: that is after review."""

    name = "vest_invitations"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow) -> None:
        self._engine = engine
        self._economy = economy

    async def run(self, now: datetime) -> int:
        """Look at every invitation that waits; returns how many ended."""
        ended, after = 0, UUID(int=0)
        while True:
            async with transaction(self._engine) as conn:
                if INVITE.code in (await budgets.switches_now(conn)).kinds:
                    return ended
                waiting = await farm.lock_waiting_invitations(conn, after=after, limit=BATCH)
                earned = []
                for invitation in waiting:
                    vetted = await farm.vetted_votes(conn, invitation.invitee_id, cast_until=invitation.vests_until)
                    state = INVITE.vesting(invitation, vetted_in_time=vetted, now=now)
                    if state is not Vesting.WAITING:
                        await farm.record_vesting(conn, invitation.invitee_id, state)
                        ended += 1
                    if state is Vesting.VESTED:
                        earned.append(INVITE.award(invitation))
                await pay_awards(conn, earned, economy=self._economy(), now=now)
            if len(waiting) < BATCH:
                return ended
            after = waiting[-1].invitee_id
