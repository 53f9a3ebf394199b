"""Laws of the ledger: balanced, above every floor, each fact once, undone only by a new transfer."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import ledger
from rewards.errors import (
    BelowFloor,
    ConflictingTransfer,
    NotABusinessKey,
    NotAnAmount,
    NotReversible,
    RewardsRefusal,
    WrongAccounts,
)
from rewards.ledger import (
    ROUTES,
    Account,
    AccountKind,
    Book,
    Posting,
    Reason,
    Unit,
    canonical,
    fold,
    issued_g,
    reversal_of,
    total_of,
)
from tests.rewards.builders import MIA, NOON, a_transfer, an_id, law

BUDGET = ledger.programme_budget(an_id(9))


def funded(amount: int = 100) -> Book:
    book = Book()
    book.post(a_transfer(amount=amount))
    return book


def test_every_reason_moves_within_one_unit_and_has_a_route():
    assert set(ROUTES) == set(Reason) - {Reason.REVERSAL}
    for debits, credits in ROUTES.values():
        assert len({kind.unit for kind in debits | credits}) == 1


def test_only_the_outside_and_the_operator_may_go_below_zero():
    bottomless = {kind for kind in AccountKind if kind.floor is None}
    assert bottomless == {AccountKind.ISSUANCE, AccountKind.BANK, AccountKind.PLATFORM}


@pytest.mark.parametrize("amount", [0, -1, 1.5, True, "10", None, 2**62])
def test_an_amount_is_a_whole_number_above_zero(amount):
    with pytest.raises(NotAnAmount):
        a_transfer(amount=amount)


@pytest.mark.parametrize("out_biz_no", ["", "a" * 129, "a\nb", "a\x1fb"])
def test_a_business_key_is_short_and_printable(out_biz_no):
    with pytest.raises(NotABusinessKey):
        a_transfer(out_biz_no=out_biz_no)


def test_a_reason_moves_only_where_it_belongs():
    with pytest.raises(WrongAccounts):
        a_transfer(reason=Reason.TREE_HARVESTED)
    with pytest.raises(WrongAccounts):
        a_transfer(credit=ledger.merchant(an_id()))  # grams do not become fen


def test_an_account_never_falls_below_its_floor():
    book = funded(100)
    before = dict(book.balances)
    with pytest.raises(BelowFloor) as refusal:
        book.post(a_transfer(reason=Reason.PROGRAMME_AWARDED, debit=BUDGET, credit=ledger.player(MIA), amount=101))
    assert refusal.value.params == {"account": BUDGET, "balance": 100, "amount": 101, "floor": 0}
    assert book.balances == before


def test_the_same_fact_again_exists_and_moves_nothing():
    book = funded()
    fact = a_transfer(
        reason=Reason.PROGRAMME_AWARDED,
        out_biz_no="daily_claim:mia",
        debit=BUDGET,
        credit=ledger.player(MIA),
        amount=30,
    )
    assert book.post(fact) is Posting.NEW
    retry = a_transfer(
        reason=fact.reason, out_biz_no=fact.out_biz_no, debit=fact.debit, credit=fact.credit, amount=30,
        at=NOON + timedelta(hours=1),
    )  # fmt: skip
    assert book.post(retry) is Posting.EXISTS
    assert book.balance(ledger.player(MIA)) == 30


def test_another_fact_under_the_same_name_is_refused():
    book = funded()
    fact = {"reason": Reason.PROGRAMME_AWARDED, "out_biz_no": "x", "debit": BUDGET, "credit": ledger.player(MIA)}
    book.post(a_transfer(**fact, amount=30))
    with pytest.raises(ConflictingTransfer):
        book.post(a_transfer(**fact, amount=31))
    assert book.balance(ledger.player(MIA)) == 30


def test_a_reversal_restores_both_balances_and_is_made_once():
    book = funded()
    award = a_transfer(reason=Reason.PROGRAMME_AWARDED, debit=BUDGET, credit=ledger.player(MIA), amount=30)
    before = dict(book.balances)
    book.post(award)
    assert book.post(reversal_of(award, transfer_id=an_id(), now=NOON)) is Posting.NEW
    assert book.post(reversal_of(award, transfer_id=an_id(), now=NOON)) is Posting.EXISTS
    assert {account: balance for account, balance in book.balances.items() if balance} == before


def test_what_was_spent_meanwhile_cannot_be_taken_back():
    book = funded()
    award = a_transfer(reason=Reason.PROGRAMME_AWARDED, debit=BUDGET, credit=ledger.player(MIA), amount=30)
    book.post(award)
    book.post(
        a_transfer(reason=Reason.FERTILIZER_APPLIED, debit=ledger.player(MIA), credit=ledger.tree(an_id()), amount=20)
    )
    with pytest.raises(BelowFloor):
        book.post(reversal_of(award, transfer_id=an_id(), now=NOON))


@pytest.mark.parametrize("reason", [Reason.FERTILIZER_APPLIED, Reason.TREE_HARVESTED])
def test_what_reached_a_tree_is_never_taken_back(reason):
    here, there = ledger.player(MIA), ledger.tree(an_id())
    if reason is Reason.TREE_HARVESTED:
        here, there = there, ledger.REDEEMED
    with pytest.raises(NotReversible):
        reversal_of(a_transfer(reason=reason, debit=here, credit=there), transfer_id=an_id(), now=NOON)


def test_a_reversal_is_not_reversed():
    undone = reversal_of(a_transfer(), transfer_id=an_id(), now=NOON)
    with pytest.raises(NotReversible):
        reversal_of(undone, transfer_id=an_id(), now=NOON)


def test_the_canonical_bytes_of_two_transfers_differ_wherever_they_differ():
    one = a_transfer(id=an_id(1), out_biz_no="k")
    others = [
        a_transfer(id=an_id(2), out_biz_no="k"),
        a_transfer(id=an_id(1), out_biz_no="l"),
        a_transfer(id=an_id(1), out_biz_no="k", amount=101),
        a_transfer(id=an_id(1), out_biz_no="k", at=NOON + timedelta(microseconds=1)),
        a_transfer(id=an_id(1), out_biz_no="k", credit=ledger.programme_budget(an_id(8))),
        reversal_of(one, transfer_id=an_id(1), now=NOON),
    ]
    assert len({canonical(each) for each in [one, *others]}) == 7
    assert canonical(a_transfer(id=an_id(1), out_biz_no="k")) == canonical(one)


ACCOUNTS = [ledger.ISSUANCE, ledger.REDEEMED, ledger.EXPIRED] + [
    Account(kind, an_id(number))
    for number in range(2)
    for kind in AccountKind
    if kind.unit is Unit.GRAMS and not kind.single
]
MOVES = st.tuples(
    st.sampled_from(Reason),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(ACCOUNTS),
    st.integers(1, 50),
    st.integers(0, 30),
)


@law
@given(st.lists(MOVES, max_size=60))
def test_whatever_is_sent_the_book_stays_balanced_above_its_floors_and_equal_to_its_fold(moves):
    book = Book()
    for reason, debit, credit, amount, key in moves:
        try:
            book.post(a_transfer(reason=reason, debit=debit, credit=credit, amount=amount, out_biz_no=str(key)))
        except (RewardsRefusal, AssertionError):
            continue
    assert sum(book.balances.values()) == 0
    assert all(account.floor is None or balance >= account.floor for account, balance in book.balances.items())
    assert fold(book) == book.balances
    held = total_of(book.balances, *(kind for kind in AccountKind if kind is not AccountKind.ISSUANCE))
    assert issued_g(book.balances) == held
