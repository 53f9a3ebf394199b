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


class MoneyShort(RewardsRefusal):
    """Your balance is ¥{balance} and the ceiling of this test ¥{budget}: pay in, or lower the ceiling."""

    code = "money_short"


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


# --- earning --------------------------------------------------------------------------------------


class AlreadyClaimed(RewardsRefusal):
    """Today's claim was made already; the next one opens at {next_at}."""

    code = "already_claimed"


class WalletFull(RewardsRefusal):
    """The wallet holds {wallet_g} g of at most {cap_g} g; apply some fertilizer first."""

    code = "wallet_full"


class OwnInvitation(RewardsRefusal):
    """One cannot invite oneself."""

    code = "own_invitation"


class InvitedBefore(RewardsRefusal):
    """This player came by an invitation already, or has played before it."""

    code = "invited_before"


class TooManyInvitations(RewardsRefusal):
    """{limit} invitations are rewarded at most."""

    code = "too_many_invitations"


# --- the farm -------------------------------------------------------------------------------------


class UnknownVariety(RewardsRefusal):
    """There is no variety {variety}; there are {known}."""

    code = "unknown_variety"


class SecondTree(RewardsRefusal):
    """One tree at a time: the one that was planted on {planted_on} is still growing."""

    code = "second_tree"


class NoTree(RewardsRefusal):
    """There is no tree yet; plant one first."""

    code = "no_tree"


class NotSoManyTimes(RewardsRefusal):
    """Fertilizer is applied 1 to {most} times at once, not {times} times."""

    code = "not_so_many_times"


class DailyCapReached(RewardsRefusal):
    """All {cap} applications of today are made; the next ones open at {next_at}."""

    code = "daily_cap_reached"


class NotEnoughFertilizer(RewardsRefusal):
    """An application takes {wanted_g} g and the wallet holds {wallet_g} g."""

    code = "not_enough_fertilizer"


class TreeIsRipe(RewardsRefusal):
    """The tree is ripe: harvest it."""

    code = "tree_is_ripe"


class NotRipe(RewardsRefusal):
    """The tree still needs {missing_g} g before it can be harvested."""

    code = "not_ripe"


class HarvestedBefore(RewardsRefusal):
    """This share of the tree was harvested already."""

    code = "harvested_before"


class FamilyIsFull(RewardsRefusal):
    """The planter and up to {limit} family members grow a tree together."""

    code = "family_is_full"


class InFamilyAlready(RewardsRefusal):
    """This player grows this tree already."""

    code = "in_family_already"


class TooLateToJoin(RewardsRefusal):
    """Family members join while the tree is a seed; it has sprouted."""

    code = "too_late_to_join"


# --- prizes ---------------------------------------------------------------------------------------


class OutOfStock(RewardsRefusal):
    """No box of {variety} is left for {region} in the weeks from {week}."""

    code = "out_of_stock"


class NotASubstitute(RewardsRefusal):
    """{variety} is not offered instead."""

    code = "not_a_substitute"


class NotThisMove(RewardsRefusal):
    """An order that is {state} does not become {target}."""

    code = "not_this_move"


class NotYourMove(RewardsRefusal):
    """{mover} does not move an order from {state} to {target}."""

    code = "not_your_move"


class AddressIncomplete(RewardsRefusal):
    """The address lacks its {field}."""

    code = "address_incomplete"


class AddressTooLong(RewardsRefusal):
    """{field} has {length} characters; at most {limit} fit on a label."""

    code = "address_too_long"


class PhoneUnreadable(RewardsRefusal):
    """The phone number is not one that a carrier in mainland China can call."""

    code = "phone_unreadable"


class AddressIsFixed(RewardsRefusal):
    """The box is {state}; its address cannot be changed any more."""

    code = "address_is_fixed"


class CarrierFileUnreadable(RewardsRefusal):
    """The carrier's file cannot be read: {problem}."""

    code = "carrier_file_unreadable"


class NothingToReport(RewardsRefusal):
    """Damage is reported for a delivered box, within {days} days of its delivery."""

    code = "nothing_to_report"


class DamageTextTooLong(RewardsRefusal):
    """Say it in at most {limit} characters; this has {length}."""

    code = "damage_text_too_long"


class ReportedBefore(RewardsRefusal):
    """Damage to this box was reported already."""

    code = "reported_before"


# --- the figures ----------------------------------------------------------------------------------


class UnknownFigure(RewardsRefusal):
    """The economy has no figure named {figure}."""

    code = "unknown_figure"


class FigureOutOfRange(RewardsRefusal):
    """{figure} must be {rule}, not {value}."""

    code = "figure_out_of_range"


# --- what operators do --------------------------------------------------------------------------


class NotThatMuch(RewardsRefusal):
    """There are {there} {unit} to move; {wanted} {unit} were asked for, and nothing was moved."""

    code = "not_that_much"


class PaymentKnown(RewardsRefusal):
    """The reference {reference} stands for another booking already; look at that one first."""

    code = "payment_known"


class MoneyMoveDecided(RewardsRefusal):
    """This move is {state} already: {who} decided it at {at}."""

    code = "money_move_decided"


class BudgetIsClosed(RewardsRefusal):
    """This test has no open budget; what it had is returned by itself."""

    code = "budget_is_closed"


class NotTheSameMerchant(RewardsRefusal):
    """Money moves between two tests of one merchant only."""

    code = "not_the_same_merchant"


class ChangedMeanwhile(RewardsRefusal):
    """{who} changed this at {at}, after you looked; look again before you change it."""

    code = "changed_meanwhile"


class NothingChanged(RewardsRefusal):
    """That is what it is already; nothing was changed."""

    code = "nothing_changed"


class StockPromised(RewardsRefusal):
    """{taken} of {boxes} boxes are promised to players; at most {free} can be withdrawn."""

    code = "stock_promised"


class OrderMoved(RewardsRefusal):
    """This order is {state} now, no longer {seen}: somebody else moved it at {at}."""

    code = "order_moved"


class SimulationTooLong(RewardsRefusal):
    """The simulation took longer than {limit_s} s and was stopped; take fewer players or days."""

    code = "simulation_too_long"
