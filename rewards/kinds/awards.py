"""What every kind of reward has in common: a code, figures for the rules page, and awards named by their facts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from rewards.economy import Economy
from rewards.ledger import Account, Reason, Transfer, player


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """A reward of the platform itself, owed from the moment it is earned. `fact` names what it is for."""

    kind: str
    player_id: UUID
    amount_g: int
    fact: str

    @property
    def out_biz_no(self) -> str:
        return f"{self.kind}:{self.fact}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the rules page: a name, a whole number, its unit (`g`, `times`, `days`, `votes`)."""

    name: str
    value: int
    unit: str


class RewardKind(Protocol):
    """A way of earning. Besides these, each kind has an `awards(…)` of its own, since each goes by other facts."""

    @property
    def code(self) -> str:
        """Stable, snake_case; also the name of its kill switch."""

    @property
    def name_zh(self) -> str: ...

    @property
    def name_en(self) -> str: ...

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        """What the rules page says of it: every amount is known beforehand."""


def award_transfer(award: Award, *, budget: Account, transfer_id: UUID, now: datetime) -> Transfer:
    """The transfer that pays an award out of a programme budget."""
    return Transfer(
        id=transfer_id,
        reason=Reason.PROGRAMME_AWARDED,
        out_biz_no=award.out_biz_no,
        debit=budget,
        credit=player(award.player_id),
        amount=award.amount_g,
        at=now,
    )
