"""The ledger: accounts with floors, and immutable transfers that move whole grams or fen between two of them.

An account's balance is its credits minus its debits; a transfer takes from the account that it debits and gives to the
one that it credits, so every transfer is balanced by construction and the balances of each unit always sum to zero.
What enters the programme leaves `issuance` or `bank`, the only accounts (with `platform`, the operator's own purse)
that may go below zero: minus the balance of `issuance` is what was ever issued and not taken back.

The two names that make a repeat harmless: `id` is made by the caller before sending, and (`reason`, `out_biz_no`) is
the name of the business fact. Both are unique; the same transfer again is "exists", other contents are refused.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from rewards.errors import BelowFloor, ConflictingTransfer, NotABusinessKey, NotAnAmount, NotReversible, WrongAccounts

NOBODY = UUID(int=0)
"""The owner of accounts of which there is one."""


class Unit(StrEnum):
    """What an account counts. Nothing is ever moved from one unit into the other: see `rewards.budgets.Rate`."""

    GRAMS = "g"
    FEN = "fen"


class AccountKind(StrEnum):
    """The chart of accounts."""

    # grams of fertilizer
    ISSUANCE = "issuance"  # where grams come from; its balance is minus what is in circulation, redeemed or expired
    TEST_BUDGET = "test_budget"  # owner: test; what the test may still promise
    PROGRAMME_BUDGET = "programme_budget"  # owner: budget; what the platform may promise itself
    RESERVATION = "reservation"  # owner: block (a process's, a tree's or an invitation's); promised or about to be
    PLAYER = "player"  # owner: player; the wallet
    TREE = "tree"  # owner: tree
    REDEEMED = "redeemed"  # harvested or donated
    EXPIRED = "expired"  # unused for 180 days
    # fen
    BANK = "bank"  # the world outside; its balance is minus what merchants have paid in and not taken out
    MERCHANT = "merchant"  # owner: merchant; paid in and not yet given to a test
    TEST_ESCROW = "test_escrow"  # owner: test; given to a test and not yet earned
    PLATFORM = "platform"  # earned with valid votes, spent on prizes; the operator may subsidise it
    SUPPLIERS = "suppliers"  # paid for boxes of fruit and their carriage

    @property
    def unit(self) -> Unit:
        return Unit.FEN if self in _FEN else Unit.GRAMS

    @property
    def floor(self) -> int | None:
        """The balance below which this account never falls, None for the three that may."""
        return None if self in _BOTTOMLESS else 0

    @property
    def single(self) -> bool:
        """Whether there is exactly one such account (its owner is NOBODY)."""
        return self in _SINGLE


_FEN = frozenset(
    {AccountKind.BANK, AccountKind.MERCHANT, AccountKind.TEST_ESCROW, AccountKind.PLATFORM, AccountKind.SUPPLIERS}
)
_BOTTOMLESS = frozenset({AccountKind.ISSUANCE, AccountKind.BANK, AccountKind.PLATFORM})
_SINGLE = frozenset(
    {
        AccountKind.ISSUANCE,
        AccountKind.REDEEMED,
        AccountKind.EXPIRED,
        AccountKind.BANK,
        AccountKind.PLATFORM,
        AccountKind.SUPPLIERS,
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """One account: what kind, and whose."""

    kind: AccountKind
    owner: UUID = NOBODY

    def __post_init__(self) -> None:
        assert self.kind.single == (self.owner == NOBODY), f"{self.kind} of {self.owner}"

    @property
    def unit(self) -> Unit:
        return self.kind.unit

    @property
    def floor(self) -> int | None:
        return self.kind.floor

    def __str__(self) -> str:
        return str(self.kind) if self.kind.single else f"{self.kind}:{self.owner}"


ISSUANCE = Account(AccountKind.ISSUANCE)
REDEEMED = Account(AccountKind.REDEEMED)
EXPIRED = Account(AccountKind.EXPIRED)
BANK = Account(AccountKind.BANK)
PLATFORM = Account(AccountKind.PLATFORM)
SUPPLIERS = Account(AccountKind.SUPPLIERS)


def test_budget(test_id: UUID) -> Account:
    return Account(AccountKind.TEST_BUDGET, test_id)


def programme_budget(budget_id: UUID) -> Account:
    return Account(AccountKind.PROGRAMME_BUDGET, budget_id)


def reservation(block_id: UUID) -> Account:
    return Account(AccountKind.RESERVATION, block_id)


def player(player_id: UUID) -> Account:
    return Account(AccountKind.PLAYER, player_id)


def tree(tree_id: UUID) -> Account:
    return Account(AccountKind.TREE, tree_id)


def merchant(merchant_id: UUID) -> Account:
    return Account(AccountKind.MERCHANT, merchant_id)


def test_escrow(test_id: UUID) -> Account:
    return Account(AccountKind.TEST_ESCROW, test_id)


test_budget.__test__ = False  # type: ignore[attr-defined]  # named for a StyleTest; pytest need not look
test_escrow.__test__ = False  # type: ignore[attr-defined]


class Reason(StrEnum):
    """Why a transfer was made. The comment says what its business key `out_biz_no` is."""

    # fen
    MERCHANT_DEPOSIT = "merchant_deposit"  # the payment's number
    MERCHANT_WITHDRAWAL = "merchant_withdrawal"  # the payout's number
    TEST_FUNDED = "test_funded"  # test id, or test id:n for the n-th top-up
    VOTES_CHARGED = "votes_charged"  # test id:settled grams so far after this charge
    TEST_REFUNDED = "test_refunded"  # test id:n, counting from 0: what is still promised returns later
    PRIZE_PAID = "prize_paid"  # fulfilment order id
    # grams
    GRAMS_BOUGHT = "grams_bought"  # as TEST_FUNDED: the two are made together
    GRAMS_RETURNED = "grams_returned"  # as TEST_REFUNDED
    PROGRAMME_FUNDED = "programme_funded"  # budget id:day, or budget id:n
    PROGRAMME_CLOSED = "programme_closed"  # budget id
    BLOCK_RESERVED = "block_reserved"  # block id
    BLOCK_RELEASED = "block_released"  # block id:n, counting from 0: a block can give back more than once
    GRANT_SETTLED = "grant_settled"  # grant id (for a vote: its matchup id)
    GRANT_VOIDED = "grant_voided"  # grant id
    PROGRAMME_AWARDED = "programme_awarded"  # what the reward kind says, e.g. daily_claim:player id:day
    FERTILIZER_APPLIED = "fertilizer_applied"  # application id
    TREE_HARVESTED = "tree_harvested"  # tree id:player id
    TREE_DONATED = "tree_donated"  # tree id:player id
    FERTILIZER_EXPIRED = "fertilizer_expired"  # player id:day
    # both
    REVERSAL = "reversal"  # id of the transfer that it undoes


_K = AccountKind
_BUDGETS = frozenset({_K.TEST_BUDGET, _K.PROGRAMME_BUDGET})

ROUTES: Mapping[Reason, tuple[frozenset[AccountKind], frozenset[AccountKind]]] = {
    Reason.MERCHANT_DEPOSIT: (frozenset({_K.BANK}), frozenset({_K.MERCHANT})),
    Reason.MERCHANT_WITHDRAWAL: (frozenset({_K.MERCHANT}), frozenset({_K.BANK})),
    Reason.TEST_FUNDED: (frozenset({_K.MERCHANT}), frozenset({_K.TEST_ESCROW})),
    Reason.VOTES_CHARGED: (frozenset({_K.TEST_ESCROW}), frozenset({_K.PLATFORM})),
    Reason.TEST_REFUNDED: (frozenset({_K.TEST_ESCROW}), frozenset({_K.MERCHANT})),
    Reason.PRIZE_PAID: (frozenset({_K.PLATFORM}), frozenset({_K.SUPPLIERS})),
    Reason.GRAMS_BOUGHT: (frozenset({_K.ISSUANCE}), frozenset({_K.TEST_BUDGET})),
    Reason.GRAMS_RETURNED: (frozenset({_K.TEST_BUDGET}), frozenset({_K.ISSUANCE})),
    Reason.PROGRAMME_FUNDED: (frozenset({_K.ISSUANCE}), frozenset({_K.PROGRAMME_BUDGET})),
    Reason.PROGRAMME_CLOSED: (frozenset({_K.PROGRAMME_BUDGET}), frozenset({_K.ISSUANCE})),
    Reason.BLOCK_RESERVED: (_BUDGETS, frozenset({_K.RESERVATION})),
    Reason.BLOCK_RELEASED: (frozenset({_K.RESERVATION}), _BUDGETS),
    Reason.GRANT_SETTLED: (frozenset({_K.RESERVATION}), frozenset({_K.PLAYER})),
    Reason.GRANT_VOIDED: (frozenset({_K.RESERVATION}), _BUDGETS),
    Reason.PROGRAMME_AWARDED: (frozenset({_K.PROGRAMME_BUDGET, _K.RESERVATION}), frozenset({_K.PLAYER})),
    Reason.FERTILIZER_APPLIED: (frozenset({_K.PLAYER}), frozenset({_K.TREE})),
    Reason.TREE_HARVESTED: (frozenset({_K.TREE}), frozenset({_K.REDEEMED})),
    Reason.TREE_DONATED: (frozenset({_K.TREE}), frozenset({_K.REDEEMED})),
    Reason.FERTILIZER_EXPIRED: (frozenset({_K.PLAYER}), frozenset({_K.EXPIRED})),
}
"""From which kinds of account to which each reason may move. A reversal goes the other way."""

IRREVERSIBLE = frozenset({Reason.FERTILIZER_APPLIED, Reason.TREE_HARVESTED, Reason.TREE_DONATED, Reason.REVERSAL})
"""Progress of a tree is never taken back, so what reached it stays; an order that goes wrong is compensated instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One immutable movement of `amount` whole grams or fen out of `debit` into `credit`.

    Raises `NotAnAmount`, `NotABusinessKey`, `WrongAccounts` when it is made, so that no other can exist.
    """

    id: UUID
    reason: Reason
    out_biz_no: str
    debit: Account
    credit: Account
    amount: int
    at: datetime
    reverses: UUID | None = None

    def __post_init__(self) -> None:
        assert self.at.tzinfo is not None, "moments are aware"
        if type(self.amount) is not int or not 0 < self.amount < 2**62:
            raise NotAnAmount(amount=self.amount)
        if not 1 <= len(self.out_biz_no) <= 128 or not self.out_biz_no.isprintable():
            raise NotABusinessKey(out_biz_no=self.out_biz_no)
        assert (self.reverses is not None) == (self.reason is Reason.REVERSAL)
        wrong = self.debit.unit is not self.credit.unit or self.debit == self.credit
        if self.reason is not Reason.REVERSAL:
            debits, credits = ROUTES[self.reason]
            wrong = wrong or self.debit.kind not in debits or self.credit.kind not in credits
        if wrong:
            raise WrongAccounts(reason=self.reason, debit=self.debit, credit=self.credit)

    @property
    def unit(self) -> Unit:
        return self.debit.unit

    @property
    def business_key(self) -> tuple[Reason, str]:
        return self.reason, self.out_biz_no

    def same_fact_as(self, other: "Transfer") -> bool:
        """Whether the other says the same (its id and moment may differ: a retry makes those anew)."""
        return replace(other, id=self.id, at=self.at) == self


def reversal_of(transfer: Transfer, *, transfer_id: UUID, now: datetime) -> Transfer:
    """The transfer that undoes another one. Its business key is the other's id, so nothing is undone twice.

    Raises `NotReversible` for what reached a tree and for reversals themselves (post the original again instead).
    """
    if transfer.reason in IRREVERSIBLE:
        raise NotReversible(reason=transfer.reason)
    return Transfer(
        id=transfer_id,
        reason=Reason.REVERSAL,
        out_biz_no=str(transfer.id),
        debit=transfer.credit,
        credit=transfer.debit,
        amount=transfer.amount,
        at=now,
        reverses=transfer.id,
    )


def canonical(transfer: Transfer) -> bytes:
    """The one byte string of a transfer, for sealing: fields in a fixed order, UTF-8, separated by U+001F."""
    at = transfer.at.astimezone(UTC).isoformat(timespec="microseconds")
    fields = (
        str(transfer.id),
        str(transfer.reason),
        transfer.out_biz_no,
        str(transfer.debit),
        str(transfer.credit),
        str(transfer.amount),
        at,
        str(transfer.reverses or ""),
    )
    return "\x1f".join(fields).encode()


class Posting(StrEnum):
    """What became of a transfer that was sent to the book."""

    NEW = "new"
    EXISTS = "exists"


@dataclass(slots=True)
class Book:
    """The ledger in memory: the slow, obvious twin of the one in the database, for simulation and for tests."""

    balances: dict[Account, int] = field(default_factory=dict)
    posted: dict[tuple[Reason, str], Transfer] = field(default_factory=dict)

    def post(self, transfer: Transfer) -> Posting:
        """Post a transfer once.

        Raises `BelowFloor` and `ConflictingTransfer`; the book is then as it was before.
        """
        earlier = self.posted.get(transfer.business_key)
        if earlier is not None:
            if not transfer.same_fact_as(earlier):
                raise ConflictingTransfer(reason=transfer.reason, out_biz_no=transfer.out_biz_no)
            return Posting.EXISTS
        after = self.balance(transfer.debit) - transfer.amount
        floor = transfer.debit.floor
        if floor is not None and after < floor:
            raise BelowFloor(
                account=transfer.debit, balance=self.balance(transfer.debit), amount=transfer.amount, floor=floor
            )
        self.balances[transfer.debit] = after
        self.balances[transfer.credit] = self.balance(transfer.credit) + transfer.amount
        self.posted[transfer.business_key] = transfer
        return Posting.NEW

    def balance(self, account: Account) -> int:
        return self.balances.get(account, 0)

    def __iter__(self) -> Iterator[Transfer]:
        return iter(self.posted.values())


def fold(transfers: Iterable[Transfer], opening: Mapping[Account, int] | None = None) -> dict[Account, int]:
    """Balances after a run of transfers that were posted already: plain sums, no floor asked, in any order."""
    balances = dict(opening or {})
    for transfer in transfers:
        balances[transfer.debit] = balances.get(transfer.debit, 0) - transfer.amount
        balances[transfer.credit] = balances.get(transfer.credit, 0) + transfer.amount
    return balances


def total_of(balances: Mapping[Account, int], *kinds: AccountKind) -> int:
    """The sum of all accounts of these kinds."""
    return sum(balance for account, balance in balances.items() if account.kind in kinds)


def issued_g(balances: Mapping[Account, int]) -> int:
    """Grams issued and not returned: what budgets, blocks, wallets and trees hold, plus redeemed and expired."""
    return -balances.get(ISSUANCE, 0)
