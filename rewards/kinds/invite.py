"""The invitation: the inviter's bonus vests when the friend has fifty vetted votes of their own, within thirty days."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from rewards.economy import Economy
from rewards.errors import InvitedBefore, OwnInvitation, TooManyInvitations
from rewards.kinds.awards import Award, Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Who brought whom, with the figures as they were on that day."""

    inviter_id: UUID
    invitee_id: UUID
    invited_at: datetime
    amount_g: int
    vetted_votes_wanted: int
    vests_until: datetime


class Vesting(StrEnum):
    WAITING = "waiting"
    VESTED = "vested"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Invite:
    code: str = "invite"
    name_zh: str = "邀请好友"
    name_en: str = "Inviting a friend"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return (
            Figure("invite", economy.invite_g, "g"),
            Figure("invite_vetted_votes", economy.invite_vetted_votes, "votes"),
            Figure("invite_vests_within", economy.invite_vests_within_days, "days"),
            Figure("invites_per_player", economy.invites_per_player, "times"),
        )

    def invitation(
        self,
        *,
        inviter_id: UUID,
        invitee_id: UUID,
        invitee_is_new: bool,
        rewarded_so_far: int,
        now: datetime,
        economy: Economy,
    ) -> Invitation:
        """An invitation on record. `rewarded_so_far` counts the inviter's invitations that vested or still can.

        Raises `OwnInvitation`, `InvitedBefore`, `TooManyInvitations`.
        """
        if inviter_id == invitee_id:
            raise OwnInvitation()
        if not invitee_is_new:
            raise InvitedBefore()
        if rewarded_so_far >= economy.invites_per_player:
            raise TooManyInvitations(limit=economy.invites_per_player)
        return Invitation(
            inviter_id=inviter_id,
            invitee_id=invitee_id,
            invited_at=now,
            amount_g=economy.invite_g,
            vetted_votes_wanted=economy.invite_vetted_votes,
            vests_until=now + timedelta(days=economy.invite_vests_within_days),
        )

    def vesting(self, invitation: Invitation, *, vetted_in_time: int, now: datetime) -> Vesting:
        """Where the invitation stands. `vetted_in_time` counts the friend's vetted votes cast until `vests_until`.

        Votes may be vetted after that day; it is the day of the vote that counts, so a slow review harms nobody, and
        an invitation lapses only when the review of such votes must be over.
        """
        if vetted_in_time >= invitation.vetted_votes_wanted:
            return Vesting.VESTED
        return Vesting.LAPSED if now > invitation.vests_until + timedelta(days=7) else Vesting.WAITING

    def award(self, invitation: Invitation) -> Award:
        """The inviter's bonus for one friend."""
        return Award(
            kind=self.code,
            player_id=invitation.inviter_id,
            amount_g=invitation.amount_g,
            fact=str(invitation.invitee_id),
        )


INVITE = Invite()
