"""Grants: promises of fertilizer. Held first, then settled into the wallet or voided with a reason; both are final.

A held grant moves nothing: its grams already lie in the reservation from which the offer was made, so holding writes
one row and touches no balance. Settling and voiding are one transfer each, named by the grant.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from rewards import ledger
from rewards.economy import Economy
from rewards.errors import GrantIsFinal, GrantNotDue
from rewards.ledger import Account, Reason, Transfer


class GrantState(StrEnum):
    HELD = "held"
    SETTLED = "settled"
    VOIDED = "voided"


class HoldClass(StrEnum):
    """How long a player's grants are held: what abuse review concludes, and new players apart from trusted ones."""

    TRUSTED = "trusted"
    NEW = "new"
    WATCHED = "watched"
    MUTED = "muted"


class VoidReason(StrEnum):
    """Why a grant was voided. Players see the code, with its sentence, beside the grams that they did not get."""

    ABUSE = "abuse"  # review concluded that the vote was not an honest choice
    NOT_VESTED = "not_vested"  # the invited friend did not play enough in time
    OPERATOR = "operator"  # by hand, with a note in the audit log


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A promise of `amount_g` to one player, backed by the reservation of `block_id`.

    `id` is the matchup id for a vote, else what the reward kind makes of its business fact. `kind` is the code of a
    reward kind (`rewards.kinds`). `transfer_id` is that of the settling or voiding transfer.
    """

    id: UUID
    player_id: UUID
    kind: str
    amount_g: int
    block_id: UUID
    held_at: datetime
    settle_after: datetime
    state: GrantState = GrantState.HELD
    final_at: datetime | None = None
    transfer_id: UUID | None = None
    void_reason: VoidReason | None = None


def hold_class(standing: str, vetted_votes: int, economy: Economy) -> HoldClass:
    """The hold class of a player with this standing (`trusted`, `watched`, `muted`) and so many vetted votes."""
    concluded = HoldClass(standing)
    if concluded is HoldClass.TRUSTED and vetted_votes < economy.new_until_votes:
        return HoldClass.NEW
    return concluded


def hold_duration(held_as: HoldClass, economy: Economy) -> timedelta:
    """How long a grant waits for review before it is due."""
    seconds = {
        HoldClass.TRUSTED: economy.hold_trusted_s,
        HoldClass.NEW: economy.hold_new_s,
        HoldClass.WATCHED: economy.hold_watched_s,
        HoldClass.MUTED: economy.hold_muted_s,
    }[held_as]
    return timedelta(seconds=seconds)


def hold(
    *,
    grant_id: UUID,
    player_id: UUID,
    kind: str,
    amount_g: int,
    block_id: UUID,
    held_as: HoldClass,
    now: datetime,
    economy: Economy,
) -> Grant:
    """A new grant, due after the hold of its player's class."""
    assert amount_g > 0, "an offer of nothing is no promise"
    return Grant(
        id=grant_id,
        player_id=player_id,
        kind=kind,
        amount_g=amount_g,
        block_id=block_id,
        held_at=now,
        settle_after=now + hold_duration(held_as, economy),
    )


def rehold(grant: Grant, *, held_as: HoldClass, economy: Economy) -> Grant:
    """The same grant after its player's standing changed: its wait is counted anew from the day it was earned."""
    if grant.state is not GrantState.HELD:
        raise GrantIsFinal(grant_id=grant.id, state=grant.state)
    return replace(grant, settle_after=grant.held_at + hold_duration(held_as, economy))


def settle(grant: Grant, *, transfer_id: UUID, now: datetime) -> tuple[Grant, Transfer]:
    """The grant settled, and the transfer that pays it.

    Raises `GrantIsFinal` and `GrantNotDue`.
    """
    if grant.state is not GrantState.HELD:
        raise GrantIsFinal(grant_id=grant.id, state=grant.state)
    if now < grant.settle_after:
        raise GrantNotDue(grant_id=grant.id, settle_after=grant.settle_after)
    transfer = Transfer(
        id=transfer_id,
        reason=Reason.GRANT_SETTLED,
        out_biz_no=str(grant.id),
        debit=ledger.reservation(grant.block_id),
        credit=ledger.player(grant.player_id),
        amount=grant.amount_g,
        at=now,
    )
    return replace(grant, state=GrantState.SETTLED, final_at=now, transfer_id=transfer_id), transfer


def void(
    grant: Grant, *, budget: Account, void_reason: VoidReason, transfer_id: UUID, now: datetime
) -> tuple[Grant, Transfer]:
    """The grant voided, and the transfer that gives its grams back to the budget that its block was reserved from.

    Raises `GrantIsFinal`: what was settled is not voided any more, only reversed.
    """
    if grant.state is not GrantState.HELD:
        raise GrantIsFinal(grant_id=grant.id, state=grant.state)
    transfer = Transfer(
        id=transfer_id,
        reason=Reason.GRANT_VOIDED,
        out_biz_no=str(grant.id),
        debit=ledger.reservation(grant.block_id),
        credit=budget,
        amount=grant.amount_g,
        at=now,
    )
    voided = replace(grant, state=GrantState.VOIDED, final_at=now, transfer_id=transfer_id, void_reason=void_reason)
    return voided, transfer
