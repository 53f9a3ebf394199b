"""Refusals of the reward rules: each has a stable code, and its docstring is the sentence that the person is told."""

from typing import ClassVar


class RewardsRefusal(Exception):
    """The reward rules refuse this."""

    code: ClassVar[str] = "rewards_refusal"

    def __init__(self, **params: object) -> None:
        self.params = params
        template = " ".join((type(self).__doc__ or type(self).__name__).split())
        super().__init__(template.format(**params))


# --- the ledger ---------------------------------------------------------------------------------


class BelowFloor(RewardsRefusal):
    """{account} holds {balance}; taking {amount} would leave it below its floor of {floor}."""

    code = "below_floor"


class WrongAccounts(RewardsRefusal):
    """A transfer for {reason} cannot go from {debit} to {credit}."""

    code = "wrong_accounts"


class NotAnAmount(RewardsRefusal):
    """A transfer moves a whole number above zero, not {amount}."""

    code = "not_an_amount"


class NotABusinessKey(RewardsRefusal):
    """A business key is 1 to 128 printable characters, not {out_biz_no!r}."""

    code = "not_a_business_key"


class ConflictingTransfer(RewardsRefusal):
    """{reason} {out_biz_no} was already posted with other contents."""

    code = "conflicting_transfer"


class NotReversible(RewardsRefusal):
    """A transfer for {reason} is never reversed."""

    code = "not_reversible"


# --- grants and budgets -------------------------------------------------------------------------


class GrantIsFinal(RewardsRefusal):
    """The grant {grant_id} is {state} already."""

    code = "grant_is_final"


class GrantNotDue(RewardsRefusal):
    """The grant {grant_id} is held until {settle_after}."""

    code = "grant_not_due"


class BudgetExhausted(RewardsRefusal):
    """The budget has {left_g} g left; {wanted_g} g were asked for."""

    code = "budget_exhausted"


class BudgetTooSmall(RewardsRefusal):
    """A budget of {budget_fen} fen does not pay for a single vote at {price_fen} fen."""

    code = "budget_too_small"


class BlockLapsed(RewardsRefusal):
    """The block {block_id} lapsed at {lapses_at}; nothing is offered from it any more."""

    code = "block_lapsed"


class RewardsSwitchedOff(RewardsRefusal):
    """New rewards of this kind are switched off ({switch}); what was promised before is still paid."""

    code = "rewards_switched_off"
