"""The ways of earning, one file each. A kind says by which facts it is earned and how much, beforehand and exactly.

A vote's reward is a `Grant` out of a test's budget: dealt as an offer, held, then settled (`rewards.grants`). All
others are `Award`s out of the programme's budget, each named by its fact, so that no fact is ever paid twice. A new
kind is one file with an object that fits `RewardKind`, one line in `KINDS`, and its test.
"""

from collections.abc import Mapping
from types import MappingProxyType

from rewards.kinds.awards import Award, Figure, RewardKind
from rewards.kinds.compensation import COMPENSATION
from rewards.kinds.consistency import CONSISTENCY
from rewards.kinds.daily_claim import DAILY_CLAIM
from rewards.kinds.invite import INVITE
from rewards.kinds.per_vote import PER_VOTE
from rewards.kinds.produced import PRODUCED
from rewards.kinds.restored import RESTORED
from rewards.kinds.stage_award import STAGE_AWARD
from rewards.kinds.streak import STREAK

KINDS: Mapping[str, RewardKind] = MappingProxyType(
    {
        kind.code: kind
        for kind in (
            PER_VOTE,
            DAILY_CLAIM,
            STREAK,
            STAGE_AWARD,
            CONSISTENCY,
            PRODUCED,
            INVITE,
            COMPENSATION,
            RESTORED,
        )
    }
)
"""Every kind by its code, in the order of the rules page."""

SWITCHABLE = (PER_VOTE.code, DAILY_CLAIM.code, CONSISTENCY.code, PRODUCED.code, INVITE.code)
"""Kinds that a kill switch of their own stops. The others were promised with a tree, or are owed to somebody already."""

__all__ = ["KINDS", "SWITCHABLE", "Award", "Figure", "RewardKind"]
