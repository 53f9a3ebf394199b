"""Accept an invitation: a new player says who brought them; the bonus waits until they have played themselves."""

from datetime import datetime
from uuid import UUID

from rewards import budgets as budget_rules
from rewards.economy import Economy
from rewards.errors import InvitedBefore
from rewards.kinds.invite import INVITE, Invitation
from server.stores import budgets, farm, players
from server.stores.db import AsyncConnection


async def accept_invitation(
    conn: AsyncConnection, *, player_id: UUID, inviter_id: UUID, economy: Economy, now: datetime
) -> Invitation | None:
    """The invitation on record; None when there is no such inviter.

    Raises `OwnInvitation`, `InvitedBefore`, `TooManyInvitations`, `RewardsSwitchedOff`.
    """
    budget_rules.must_be_on(await budgets.switches_now(conn), kind=INVITE.code)
    # Held still, so that friends who come at the same moment are counted one after the other.
    await players.lock(conn, inviter_id)
    if await players.find(conn, inviter_id) is None:
        return None
    invitation = INVITE.invitation(
        inviter_id=inviter_id,
        invitee_id=player_id,
        invitee_is_new=await farm.vetted_votes(conn, player_id) == 0,
        rewarded_so_far=await farm.rewarded_invitations(conn, inviter_id),
        now=now,
        economy=economy,
    )
    if not await farm.record_invitation(conn, invitation):
        raise InvitedBefore()
    return invitation
