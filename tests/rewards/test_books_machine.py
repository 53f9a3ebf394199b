"""Every operation of the programme in any order, with clocks that jump, messages that repeat, and crashes anywhere.

The world below is the service in miniature: facts that survive, processes that do not. Each operation is a flow over
the very rules of `rewards`, and writes its facts one statement at a time in a transaction; a crash before any of its
statements undoes the transaction, a crash after its commit loses only the reply, so that the caller sends it again.
After every step each law of the books is checked against what was really promised, answered and planted.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rewards import budgets, farm, grants, ledger
from rewards.budgets import Block, Purchase, Purse, Rate
from rewards.days import day_of
from rewards.economy import DEFAULT, changed
from rewards.errors import RewardsRefusal
from rewards.farm import DayCredit, GrowthStage, Tree
from rewards.grants import Grant, GrantState, HoldClass, VoidReason
from rewards.kinds.awards import Award, award_transfer
from rewards.kinds.daily_claim import DAILY_CLAIM
from rewards.kinds.stage_award import STAGE_AWARD
from rewards.kinds.streak import STREAK, Streak
from rewards.ledger import AccountKind, Book, Posting, Reason, Transfer, Unit, fold, issued_g, total_of
from rewards.prizes import FulfilmentOrder, Mover, OrderState, move
from tests.rewards.builders import DEEP, NOON, an_id, law

# Small figures, so that in a few dozen steps budgets run dry, trees ripen and fertilizer expires.
ECONOMY = replace(
    changed(
        DEFAULT,
        {
            "apple.requirement_g": 120,
            "application_g": 25,
            "applications_per_day": 3,
            "stage_award_g": "0,5,10,0,0,0",
            "block_g": 60,
            "wallet_cap_g": 200,
        },
    ),
    expiry_days=6,
    expiry_notice_days=(4, 2),
)
RATE = Rate(3, 10)
TESTS = [an_id(100 + number) for number in range(2)]
PLAYERS = [an_id(200 + number) for number in range(3)]
MERCHANT, PROGRAMME = an_id(300), an_id(301)
PROCESSES = range(3)

players = st.sampled_from(PLAYERS)
tests = st.sampled_from(TESTS)
processes = st.sampled_from(PROCESSES)
crashes = st.none() | st.integers(0, 6)


class Crash(Exception):
    """The process died here."""


@dataclass(frozen=True)
class Ticket:
    """An offer as the player's phone holds it."""

    matchup_id: UUID
    player_id: UUID
    test_id: UUID
    block_id: UUID
    offer_g: int
    expires_at: datetime


@dataclass
class Facts:
    """What is on record and survives every crash."""

    book: Book = field(default_factory=Book)
    purchases: dict[UUID, tuple[Purchase, ...]] = field(default_factory=dict)
    ended: set[UUID] = field(default_factory=set)
    refunds: dict[UUID, int] = field(default_factory=dict)
    charged_g: dict[UUID, int] = field(default_factory=dict)
    blocks: dict[UUID, Block] = field(default_factory=dict)
    releases: dict[UUID, int] = field(default_factory=dict)
    grants: dict[UUID, Grant] = field(default_factory=dict)
    trees: dict[UUID, Tree] = field(default_factory=dict)
    applied: dict[tuple[UUID, date], int] = field(default_factory=dict)
    streaks: dict[UUID, Streak] = field(default_factory=dict)
    awards: dict[str, Award] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)
    orders: dict[UUID, FulfilmentOrder] = field(default_factory=dict)
    last_notice: dict[tuple[UUID, date], date] = field(default_factory=dict)
    notices: set[tuple[UUID, date, int]] = field(default_factory=set)


class Transaction:
    """Statements on a copy of the facts; the n-th of them crashes the process, if a crash is due."""

    def __init__(self, facts: Facts, crash_at: int | None) -> None:
        # Every value within is frozen, so copies of the containers are a copy of it all.
        self.facts = Facts(**{each.name: copy.copy(getattr(facts, each.name)) for each in fields(Facts)})
        self.facts.book = _copied(facts.book)
        self._left = crash_at

    def statement(self, write: Callable[[Facts], object]) -> object:
        if self._left == 0:
            raise Crash
        if self._left is not None:
            self._left -= 1
        return write(self.facts)

    def post(self, *transfers: Transfer) -> list[Posting]:
        def write(facts: Facts) -> list[Posting]:
            book = _copied(facts.book)
            results = [book.post(transfer) for transfer in transfers]
            facts.book = book
            return results

        return self.statement(write)  # type: ignore[return-value]


def _copied(book: Book) -> Book:
    return Book(balances=dict(book.balances), posted=dict(book.posted))


class TheProgramme(RuleBasedStateMachine):
    """All operations; see the head of this file."""

    @initialize()
    def begin(self) -> None:
        self.facts = Facts()
        self.now = self.latest = NOON
        self.purses: dict[tuple[int, UUID], Purse] = {}
        self.phone: list[Ticket] = []
        self.answered: dict[UUID, int] = {}  # what was acknowledged to a player, by matchup
        self.grown: dict[UUID, tuple[int, GrowthStage]] = {}
        self._run(self._deposit(1))
        self.fund_programme(crash_at=None, grams=150, number=1)
        for test_id in TESTS:
            self.fund(test_id, fen=90, crash_at=None)
        for player_id in PLAYERS[:2]:
            self.plant(player_id, crash_at=None)

    # --- how anything happens ---------------------------------------------------------------------

    def _run(self, flow: Callable[[Transaction], Callable[[], None] | None], crash_at: int | None = None) -> bool:
        """Run one flow in one transaction. True when it committed; its return value is what the caller then learns."""
        transaction = Transaction(self.facts, crash_at)
        try:
            learn = flow(transaction)
        except (Crash, RewardsRefusal):
            return False
        self.facts = transaction.facts
        if crash_at is not None and crash_at >= 5:
            return False  # committed, but the reply was lost
        if learn is not None:
            learn()
        return True

    def _now_and_again(self, flow: Callable[[Transaction], None], crash_at: int | None) -> None:
        """The caller who got no reply, or an unwelcome one, sends it again."""
        self._run(flow, crash_at)
        self._run(flow)

    # --- money ------------------------------------------------------------------------------------

    def _deposit(self, number: int) -> Callable[[Transaction], None]:
        def flow(transaction: Transaction) -> None:
            transaction.post(
                Transfer(
                    id=an_id(), reason=Reason.MERCHANT_DEPOSIT, out_biz_no=f"pay {number}", debit=ledger.BANK,
                    credit=ledger.merchant(MERCHANT), amount=200, at=NOON,
                )
            )  # fmt: skip

        return flow

    @rule(number=st.integers(1, 4), crash_at=crashes)
    def deposit(self, number: int, crash_at: int | None) -> None:
        self._run(self._deposit(number), crash_at)

    @rule(test_id=tests, fen=st.integers(0, 120), crash_at=crashes)
    def fund(self, test_id: UUID, fen: int, crash_at: int | None) -> None:
        """Launch or top-up: money into escrow and grams into the budget, together or not at all."""

        def flow(transaction: Transaction) -> None:
            facts = transaction.facts
            if test_id in facts.ended:
                return
            purchase = budgets.buy(fen, ECONOMY)
            parts = facts.purchases.get(test_id, ())
            transfers = budgets.funding(
                purchase, test_id=test_id, merchant_id=MERCHANT, part=len(parts), fen_transfer_id=an_id(),
                grams_transfer_id=an_id(), now=self.now,
            )  # fmt: skip
            transaction.post(*transfers)
            transaction.statement(lambda facts: facts.purchases.update({test_id: (*parts, purchase)}))

        self._run(flow, crash_at)

    @rule(crash_at=crashes, grams=st.integers(1, 300), number=st.integers(1, 5))
    def fund_programme(self, crash_at: int | None, grams: int, number: int) -> None:
        def flow(transaction: Transaction) -> None:
            transaction.post(
                Transfer(
                    id=an_id(), reason=Reason.PROGRAMME_FUNDED, out_biz_no=f"{PROGRAMME}:{number}",
                    debit=ledger.ISSUANCE, credit=ledger.programme_budget(PROGRAMME), amount=grams, at=self.now,
                )
            )  # fmt: skip

        self._run(flow, crash_at)

    # --- dealing and answering --------------------------------------------------------------------

    @rule(process=processes, test_id=tests, crash_at=crashes)
    def reserve(self, process: int, test_id: UUID, crash_at: int | None) -> None:
        def flow(transaction: Transaction) -> Callable[[], None] | None:
            facts = transaction.facts
            if test_id in facts.ended:
                return None
            left_g = facts.book.balance(ledger.test_budget(test_id))
            wanted_g = budgets.block_size_g(left_g, ECONOMY)
            if wanted_g == 0:
                return None
            block, transfer = budgets.reserve(
                block_id=an_id(), budget=ledger.test_budget(test_id), wanted_g=wanted_g, left_g=left_g,
                transfer_id=an_id(), now=self.now, economy=ECONOMY,
            )  # fmt: skip
            transaction.post(transfer)
            transaction.statement(lambda facts: facts.blocks.update({block.id: block}))

            def learn() -> None:
                self.purses[process, test_id] = Purse(block=block, unoffered_g=block.reserved_g)

            return learn

        self._run(flow, crash_at)

    @rule(process=processes, test_id=tests, player_id=players, wanted=st.integers(1, 5))
    def deal(self, process: int, test_id: UUID, player_id: UUID, wanted: int) -> None:
        """Nothing is written: a ticket carries all there is to know."""
        for _ in range(wanted):
            purse = self.purses.get((process, test_id))
            if purse is None:
                return
            try:
                self.purses[process, test_id] = purse.offer(ECONOMY.choice_g, self.now)
            except RewardsRefusal:
                return
            self.phone.append(
                Ticket(an_id(), player_id, test_id, purse.block.id, ECONOMY.choice_g, self.now + ECONOMY.ticket_life)
            )

    @rule(
        process=processes,
        test_id=tests,
        player_id=players,
        wanted=st.integers(1, 6),
        held_as=st.sampled_from(HoldClass),
    )
    def play(self, process: int, test_id: UUID, player_id: UUID, wanted: int, held_as: HoldClass) -> None:
        """A round as it usually goes: reserved, dealt, answered, and paid some time later."""
        if (process, test_id) not in self.purses:
            self.reserve(process, test_id, crash_at=None)
        before = len(self.phone)
        self.deal(process, test_id, player_id, wanted)
        for ticket in self.phone[before:]:
            self._answer(ticket, held_as, None)

    @precondition(lambda self: self.phone)
    @rule(data=st.data(), held_as=st.sampled_from(HoldClass), crash_at=crashes, copies=st.integers(1, 3))
    def answer(self, data: st.DataObject, held_as: HoldClass, crash_at: int | None, copies: int) -> None:
        """Any ticket of the phone, late or again, several times over, in any order."""
        ticket = data.draw(st.sampled_from(self.phone))
        for _ in range(copies):
            self._answer(ticket, held_as, crash_at)

    def _answer(self, ticket: Ticket, held_as: HoldClass, crash_at: int | None) -> None:
        def flow(transaction: Transaction) -> Callable[[], None] | None:
            facts = transaction.facts
            if ticket.matchup_id not in facts.grants:
                # A block that gave something back has no live ticket: should a clock be set back, it still has none.
                if self.now >= ticket.expires_at or facts.releases.get(ticket.block_id):
                    return None  # refused by name; nothing written
                grant = grants.hold(
                    grant_id=ticket.matchup_id, player_id=ticket.player_id, kind="per_vote", amount_g=ticket.offer_g,
                    block_id=ticket.block_id, held_as=held_as, now=self.now, economy=ECONOMY,
                )  # fmt: skip
                transaction.statement(lambda facts: facts.grants.update({grant.id: grant}))

            def learn() -> None:
                self.answered[ticket.matchup_id] = ticket.offer_g

            return learn

        self._run(flow, crash_at)

    # --- settling, voiding, releasing, returning --------------------------------------------------

    def _held(self) -> list[UUID]:
        return sorted(grant.id for grant in self.facts.grants.values() if grant.state is GrantState.HELD)

    @precondition(lambda self: self._held())
    @rule(crash_at=crashes, most=st.integers(1, 20))
    def settle(self, crash_at: int | None, most: int) -> None:
        """A batch of what is due: all of it or nothing."""

        def flow(transaction: Transaction) -> None:
            for grant_id in self._held()[:most]:
                grant = transaction.facts.grants[grant_id]
                if grant.settle_after > self.now:
                    continue
                settled, transfer = grants.settle(grant, transfer_id=an_id(), now=self.now)
                transaction.post(transfer)
                transaction.statement(lambda facts, settled=settled: facts.grants.update({settled.id: settled}))

        self._run(flow, crash_at)

    @precondition(lambda self: self._held())
    @rule(data=st.data(), crash_at=crashes)
    def void(self, data: st.DataObject, crash_at: int | None) -> None:
        grant_id = data.draw(st.sampled_from(self._held()))

        def flow(transaction: Transaction) -> None:
            grant = transaction.facts.grants[grant_id]
            voided, transfer = grants.void(
                grant, budget=transaction.facts.blocks[grant.block_id].budget, void_reason=VoidReason.ABUSE,
                transfer_id=an_id(), now=self.now,
            )  # fmt: skip
            transaction.post(transfer)
            transaction.statement(lambda facts: facts.grants.update({grant_id: voided}))

        self._now_and_again(flow, crash_at)

    @precondition(lambda self: self.facts.blocks)
    @rule(data=st.data(), crash_at=crashes)
    def release(self, data: st.DataObject, crash_at: int | None) -> None:
        """Anyone gives back what a block holds and nobody can claim any more; also the block of a dead process."""
        block_id = data.draw(st.sampled_from(sorted(self.facts.blocks)))

        def flow(transaction: Transaction) -> None:
            facts = transaction.facts
            block = facts.blocks[block_id]
            held_g = sum(
                grant.amount_g
                for grant in facts.grants.values()
                if grant.block_id == block_id and grant.state is GrantState.HELD
            )
            transfer = budgets.release(
                block, balance_g=facts.book.balance(ledger.reservation(block_id)), held_g=held_g,
                part=facts.releases.get(block_id, 0), transfer_id=an_id(), now=self.now,
            )  # fmt: skip
            if transfer is not None:
                transaction.post(transfer)
                transaction.statement(
                    lambda facts: facts.releases.update({block_id: facts.releases.get(block_id, 0) + 1})
                )

        self._run(flow, crash_at)

    def _settled_g(self, facts: Facts, test_id: UUID) -> int:
        budget = ledger.test_budget(test_id)
        return sum(
            grant.amount_g
            for grant in facts.grants.values()
            if grant.state is GrantState.SETTLED and facts.blocks[grant.block_id].budget == budget
        )

    def _charge(self, transaction: Transaction, test_id: UUID) -> int:
        before_g = transaction.facts.charged_g.get(test_id, 0)
        after_g = self._settled_g(transaction.facts, test_id)
        transfer = budgets.charge(
            test_id=test_id,
            settled_before_g=before_g,
            settled_after_g=after_g,
            rate=RATE,
            transfer_id=an_id(),
            now=self.now,
        )
        if transfer is not None:
            transaction.post(transfer)
        transaction.statement(lambda facts: facts.charged_g.update({test_id: after_g}))
        return after_g

    @rule(test_id=tests, crash_at=crashes)
    def charge(self, test_id: UUID, crash_at: int | None) -> None:
        def flow(transaction: Transaction) -> None:
            self._charge(transaction, test_id)

        self._run(flow, crash_at)

    @rule(test_id=tests, crash_at=crashes)
    def end(self, test_id: UUID, crash_at: int | None) -> None:
        """The decision, and every later look: what is not promised returns at once, the rest when it is freed."""

        def flow(transaction: Transaction) -> None:
            facts = transaction.facts
            if test_id not in facts.purchases:
                return
            transaction.statement(lambda facts: facts.ended.add(test_id))
            settled_g = self._charge(transaction, test_id)
            promised_g = sum(
                facts.book.balance(ledger.reservation(block.id))
                for block in facts.blocks.values()
                if block.budget == ledger.test_budget(test_id)
            )
            transfers = budgets.refund(
                test_id=test_id, merchant_id=MERCHANT, part=facts.refunds.get(test_id, 0),
                escrow_fen=facts.book.balance(ledger.test_escrow(test_id)),
                budget_g=facts.book.balance(ledger.test_budget(test_id)), settled_g=settled_g, promised_g=promised_g,
                rate=RATE, fen_transfer_id=an_id(), grams_transfer_id=an_id(), now=self.now,
            )  # fmt: skip
            if transfers:
                transaction.post(*transfers)
                transaction.statement(lambda facts: facts.refunds.update({test_id: facts.refunds.get(test_id, 0) + 1}))

        self._run(flow, crash_at)

    # --- the farm ---------------------------------------------------------------------------------

    def _growing(self, facts: Facts, player_id: UUID) -> Tree | None:
        for tree in facts.trees.values():
            member = tree.member(player_id)
            if member is not None and member.harvested_at is None:
                return tree
        return None

    @rule(player_id=players, crash_at=crashes)
    def plant(self, player_id: UUID, crash_at: int | None) -> None:
        def flow(transaction: Transaction) -> None:
            tree = farm.plant(
                tree_id=an_id(), player_id=player_id, variety="apple",
                growing=self._growing(transaction.facts, player_id), now=self.now, economy=ECONOMY,
            )  # fmt: skip
            transaction.statement(lambda facts: facts.trees.update({tree.id: tree}))

        self._now_and_again(flow, crash_at)

    @precondition(lambda self: self.facts.trees)
    @rule(player_id=players, data=st.data(), crash_at=crashes)
    def join(self, player_id: UUID, data: st.DataObject, crash_at: int | None) -> None:
        tree_id = data.draw(st.sampled_from(sorted(self.facts.trees)))

        def flow(transaction: Transaction) -> None:
            joined = farm.join(
                transaction.facts.trees[tree_id], player_id=player_id,
                growing=self._growing(transaction.facts, player_id), now=self.now,
            )  # fmt: skip
            transaction.statement(lambda facts: facts.trees.update({tree_id: joined}))

        self._run(flow, crash_at)

    def _pay(self, transaction: Transaction, earned: list[Award], *together: Transfer) -> None:
        for award in earned:
            transaction.statement(lambda facts, award=award: facts.awards.setdefault(award.out_biz_no, award))
        payments = [
            award_transfer(award, budget=ledger.programme_budget(PROGRAMME), transfer_id=an_id(), now=self.now)
            for award in earned
        ]
        try:
            transaction.post(*together, *payments)
        except RewardsRefusal:
            transaction.post(*together)
            return
        transaction.statement(lambda facts: facts.paid.update(award.out_biz_no for award in earned))

    @rule(player_id=players, crash_at=crashes)
    def claim(self, player_id: UUID, crash_at: int | None) -> None:
        def flow(transaction: Transaction) -> None:
            facts = transaction.facts
            streak = facts.streaks.get(player_id, Streak())
            award = DAILY_CLAIM.award(
                player_id=player_id, amount_g=ECONOMY.daily_claim_g, claimed_on=streak.claimed_on,
                wallet_g=facts.book.balance(ledger.player(player_id)), wallet_cap_g=ECONOMY.wallet_cap_g, now=self.now,
            )  # fmt: skip
            done = STREAK.claim(
                streak, player_id=player_id, today=day_of(self.now), streak_days=7, streak_g=100, cards=1
            )
            transaction.statement(lambda facts: facts.streaks.update({player_id: done.streak}))
            self._pay(transaction, [award, done.award] if done.award else [award])

        self._now_and_again(flow, crash_at)

    @precondition(lambda self: len(self.facts.paid) < len(self.facts.awards))
    @rule(crash_at=crashes)
    def pay_owed(self, crash_at: int | None) -> None:
        def flow(transaction: Transaction) -> None:
            facts = transaction.facts
            owed = [award for name, award in sorted(facts.awards.items()) if name not in facts.paid]
            self._pay(transaction, owed[:1])

        self._run(flow, crash_at)

    @rule(player_id=players, times=st.integers(-1, 5), crash_at=crashes)
    def apply(self, player_id: UUID, times: int, crash_at: int | None) -> None:
        def flow(transaction: Transaction) -> None:
            facts, day = transaction.facts, day_of(self.now)
            tree = self._growing(facts, player_id)
            if tree is None:
                return
            done = farm.apply(
                tree, player_id=player_id, times=times, applied_today=facts.applied.get((player_id, day), 0),
                wallet_g=facts.book.balance(ledger.player(player_id)), now=self.now,
            )  # fmt: skip
            made = facts.applied.get((player_id, day), 0) + done.times
            transaction.statement(lambda facts: facts.applied.update({(player_id, day): made}))
            transaction.statement(lambda facts: facts.trees.update({tree.id: done.tree}))
            transfer = farm.application_transfer(done, application_id=an_id(), transfer_id=an_id(), now=self.now)
            self._pay(transaction, list(STAGE_AWARD.awards(done.awards)), transfer)

        self._run(flow, crash_at)

    @rule(player_id=players, donate=st.booleans(), crash_at=crashes)
    def harvest(self, player_id: UUID, donate: bool, crash_at: int | None) -> None:
        def flow(transaction: Transaction) -> None:
            tree = self._growing(transaction.facts, player_id)
            if tree is None:
                return
            after, transfer = farm.harvest(tree, player_id=player_id, donate=donate, transfer_id=an_id(), now=self.now)
            transaction.statement(lambda facts: facts.trees.update({tree.id: after}))
            transaction.post(transfer)
            if not donate:
                order = FulfilmentOrder(
                    id=an_id(), player_id=player_id, tree_id=tree.id, variety="apple", box_g=tree.terms.box_g,
                    box_cost_fen=1_300, state=OrderState.ADDRESS_NEEDED, made_at=self.now, moved_at=self.now,
                )  # fmt: skip
                transaction.statement(lambda facts: facts.orders.update({order.id: order}))

        self._now_and_again(flow, crash_at)

    @precondition(lambda self: self.facts.orders)
    @rule(data=st.data(), state=st.sampled_from(OrderState), mover=st.sampled_from(Mover), crash_at=crashes)
    def move_order(self, data: st.DataObject, state: OrderState, mover: Mover, crash_at: int | None) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.facts.orders)))

        def flow(transaction: Transaction) -> None:
            moved = move(transaction.facts.orders[order_id], target=state, mover=mover, now=self.now)
            transaction.statement(lambda facts: facts.orders.update({order_id: moved}))

        self._run(flow, crash_at)

    @rule(player_id=players, crash_at=crashes)
    def expire(self, player_id: UUID, crash_at: int | None) -> None:
        """The nightly job for one wallet: notices first, then what is past its day and was announced."""

        def flow(transaction: Transaction) -> None:
            facts, today, own = transaction.facts, day_of(self.now), ledger.player(player_id)
            credits: dict[date, int] = {}
            debited_g = 0
            for transfer in facts.book:
                if transfer.credit == own:
                    credits[day_of(transfer.at)] = credits.get(day_of(transfer.at), 0) + transfer.amount
                elif transfer.debit == own:
                    debited_g += transfer.amount
            unused = farm.lots(
                tuple(DayCredit(day, amount_g, ECONOMY.expiry_days) for day, amount_g in sorted(credits.items())),
                debited_g=debited_g,
            )
            sent = frozenset((on, before) for who, on, before in facts.notices if who == player_id)
            last = {on: day for (who, on), day in facts.last_notice.items() if who == player_id}
            for notice in farm.notices_due(unused, sent=sent, today=today, notice_days=ECONOMY.expiry_notice_days):
                transaction.statement(
                    lambda facts, notice=notice: facts.notices.add((player_id, notice.expires_on, notice.days_before))
                )
                if notice.days_before == min(ECONOMY.expiry_notice_days):
                    transaction.statement(
                        lambda facts, notice=notice: facts.last_notice.update({(player_id, notice.expires_on): today})
                    )
            amount_g = farm.expired_g(unused, last_notice_on=last, today=today, notice_days=ECONOMY.expiry_notice_days)
            if amount_g:
                old_g = sum(each for day, each in credits.items() if (today - day).days > ECONOMY.expiry_days)
                assert amount_g <= old_g - debited_g
                transaction.post(
                    farm.expiry_transfer(
                        player_id=player_id, amount_g=amount_g, today=today, transfer_id=an_id(), now=self.now
                    )
                )

        self._run(flow, crash_at)

    @rule(player_id=players, test_id=tests, days=st.integers(1, 3), crash_at=crashes)
    def live(self, player_id: UUID, test_id: UUID, days: int, crash_at: int | None) -> None:
        """Some days as a player has them: claim, play, be paid, look after the tree, harvest when it is ripe."""
        for _ in range(days):
            self.claim(player_id, crash_at)
            self.play(0, test_id, player_id, 6, HoldClass.TRUSTED)
            self.jump(6)
            self.settle(None, most=20)
            self.apply(player_id, 3, crash_at)
            self.expire(player_id, crash_at)
            self.harvest(player_id, False, crash_at)
            self.plant(player_id, crash_at)
            self.jump(86_400)

    # --- bad days ---------------------------------------------------------------------------------

    @rule(process=processes)
    def kill(self, process: int) -> None:
        """The process and all that it knew are gone; its tickets are still on the phones."""
        self.purses = {key: purse for key, purse in self.purses.items() if key[0] != process}

    @rule(seconds=st.sampled_from([6, 400, 700, 3_600, 40_000, 86_400, 3 * 86_400, 5 * 86_400, -3_600, -86_400]))
    def jump(self, seconds: int) -> None:
        """Time passes, or a server's clock is set wrong for a while."""
        self.now += timedelta(seconds=seconds)
        self.latest = max(self.latest, self.now)

    # --- the laws ---------------------------------------------------------------------------------

    @invariant()
    def every_transfer_is_balanced_and_no_account_below_its_floor(self) -> None:
        book = self.facts.book
        for unit in Unit:
            assert sum(balance for account, balance in book.balances.items() if account.unit is unit) == 0
        for account, balance in book.balances.items():
            assert account.floor is None or balance >= account.floor, f"{account} holds {balance}"
        assert fold(book) == book.balances

    @invariant()
    def all_that_exists_was_issued_and_not_redeemed_or_expired(self) -> None:
        balances = self.facts.book.balances
        alive = total_of(
            balances,
            AccountKind.TEST_BUDGET,
            AccountKind.PROGRAMME_BUDGET,
            AccountKind.RESERVATION,
            AccountKind.PLAYER,
            AccountKind.TREE,
        )
        gone = balances.get(ledger.REDEEMED, 0) + balances.get(ledger.EXPIRED, 0)
        assert alive == issued_g(balances) - gone

    @invariant()
    def what_is_promised_is_reserved(self) -> None:
        """Each block holds at least its held grants, and its live tickets if they are honoured."""
        held: dict[UUID, int] = {}
        for grant in self.facts.grants.values():
            if grant.state is GrantState.HELD:
                held[grant.block_id] = held.get(grant.block_id, 0) + grant.amount_g
        for ticket in self.phone:
            # By the latest that any clock has said: one that was set back brings no dead ticket to life.
            if ticket.matchup_id not in self.facts.grants and self.latest < ticket.expires_at:
                held[ticket.block_id] = held.get(ticket.block_id, 0) + ticket.offer_g
        for block_id, amount_g in held.items():
            assert self.facts.book.balance(ledger.reservation(block_id)) >= amount_g

    @invariant()
    def every_acknowledged_answer_is_one_grant_and_every_settled_grant_one_transfer(self) -> None:
        for matchup_id, offer_g in self.answered.items():
            assert self.facts.grants[matchup_id].amount_g == offer_g
        posted = {key for reason, key in self.facts.book.posted if reason is Reason.GRANT_SETTLED}
        assert posted == {str(grant.id) for grant in self.facts.grants.values() if grant.state is GrantState.SETTLED}

    @invariant()
    def the_merchant_pays_for_settled_votes_and_nothing_else(self) -> None:
        book = self.facts.book
        deposited = -book.balance(ledger.BANK)
        here = book.balance(ledger.merchant(MERCHANT)) + total_of(book.balances, AccountKind.TEST_ESCROW)
        charged = sum(RATE.charge_fen(grams) for grams in self.facts.charged_g.values())
        assert deposited == here + charged
        for test_id in self.facts.ended:
            budget = ledger.test_budget(test_id)
            blocked = any(
                book.balance(ledger.reservation(block.id))
                for block in self.facts.blocks.values()
                if block.budget == budget
            )
            nothing_new = self._settled_g(self.facts, test_id) == self.facts.charged_g.get(test_id)
            if not blocked and nothing_new and not book.balance(budget):
                paid = sum(purchase.budget_fen for purchase in self.facts.purchases[test_id])
                price = RATE.charge_fen(self.facts.charged_g[test_id])
                returned = sum(
                    transfer.amount
                    for transfer in book
                    if transfer.reason is Reason.TEST_REFUNDED and transfer.debit == ledger.test_escrow(test_id)
                )
                assert book.balance(ledger.test_escrow(test_id)) == paid - price - returned

    @invariant()
    def a_tree_holds_its_grams_and_its_growth_is_never_taken_back(self) -> None:
        for tree in self.facts.trees.values():
            harvested = sum(member.harvested_at is not None for member in tree.members)
            held_g = self.facts.book.balance(ledger.tree(tree.id))
            assert held_g == tree.applied_g - harvested * tree.terms.box_g
            assert tree.applied_g <= tree.requirement_g
            applied_g, stage = self.grown.get(tree.id, (0, GrowthStage.SEED))
            assert tree.applied_g >= applied_g
            assert farm.STAGES.index(tree.stage) >= farm.STAGES.index(stage)
            self.grown[tree.id] = (tree.applied_g, tree.stage)

    @invariant()
    def caps_of_the_day_hold_and_each_player_grows_one_tree(self) -> None:
        assert all(made <= ECONOMY.applications_per_day for made in self.facts.applied.values())
        for player_id in PLAYERS:
            growing = [
                tree
                for tree in self.facts.trees.values()
                if (member := tree.member(player_id)) is not None and member.harvested_at is None
            ]
            assert len(growing) <= 1

    @invariant()
    def every_award_is_paid_once_or_owed(self) -> None:
        posted = {key for reason, key in self.facts.book.posted if reason is Reason.PROGRAMME_AWARDED}
        assert posted == self.facts.paid
        assert posted <= set(self.facts.awards)
        stages = [name for name in self.facts.awards if name.startswith("stage_award")]
        for tree in self.facts.trees.values():
            reached = farm.STAGES.index(tree.stage)
            due = sum(1 for award_g in tree.terms.stage_award_g[1 : reached + 1] if award_g) * len(tree.members)
            assert sum(str(tree.id) in name for name in stages) == due

    @invariant()
    def a_harvested_share_is_one_order_or_a_donation(self) -> None:
        shares = [
            (tree.id, member.player_id)
            for tree in self.facts.trees.values()
            for member in tree.members
            if member.harvested_at is not None and not member.donated
        ]
        assert sorted((order.tree_id, order.player_id) for order in self.facts.orders.values()) == sorted(shares)


# Hypothesis remembers all that it has tried, so ten thousand runs go in parts.
@pytest.mark.parametrize("part", range(20 if DEEP else 1))
def test_any_order_of_all_operations_keeps_every_law_of_the_books(part):
    run_state_machine_as_test(
        TheProgramme,
        settings=settings(
            law,
            max_examples=500 if DEEP else 50,
            stateful_step_count=50 if DEEP else 30,
            suppress_health_check=list(HealthCheck),
        ),
    )
