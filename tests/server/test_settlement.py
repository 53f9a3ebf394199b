"""Laws of settlement: every held grant is paid once, by however many workers, whatever falls over in between."""

import asyncio
import random

import asyncpg
import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rewards import ledger as books
from rewards.budgets import Caps
from rewards.errors import BelowFloor, BudgetExhausted, RewardsSwitchedOff
from rewards.grants import VoidReason
from rewards.ledger import Reason
from server.budget_desk import BudgetDesk
from server.flows.charge_votes import charge_votes
from server.flows.return_budget import return_budget
from server.flows.reverse_transfer import reverse_transfer
from server.flows.void_grants import void_grants
from server.jobs.release_blocks import ReleaseBlocks
from server.jobs.seal_books import SealBooks
from server.jobs.settle_grants import SettleGrants
from server.stores import budgets, grants, ledger, votes
from server.stores.db import plain, transaction
from tests.server.books import DEEP, TICKET_LIFE, Bookkeeping, in_a_loop_of_its_own


@pytest.fixture
def keeping(engine) -> Bookkeeping:
    return Bookkeeping(engine)


async def wallets(keeping, player_ids) -> int:
    async with keeping.engine.connect() as conn:
        return sum((await ledger.balances(conn, [books.player(each) for each in player_ids])).values())


async def test_four_workers_settle_everything_once_and_none_waits_in_a_circle(keeping):
    tests = [await keeping.a_test(votes=2_000) for _ in range(3)]
    player_ids = await keeping.players(60)
    for test_id in tests:
        for _ in range(4):
            block = await keeping.a_block(test_id, wanted_g=1_000)
            await keeping.votes(
                100, test_id=test_id, block_id=block.id, player_ids=random.sample(player_ids, len(player_ids))
            )
    settled = await asyncio.gather(*(SettleGrants(keeping.engine, batch=37).run(keeping.clock.now) for _ in range(4)))
    assert sum(settled) == 1_200
    assert await wallets(keeping, player_ids) == 12_000
    assert await keeping.balance(books.PLATFORM) == 3_600
    assert await keeping.broken_laws() == {}


async def test_votes_sent_up_to_five_times_over_connections_that_are_cut_are_paid_once(keeping, database):
    n_votes, n_connections = (100_000, 64) if DEEP else (1_500, 12)
    test_id = await keeping.a_test(votes=n_votes)
    player_ids = await keeping.players(50)
    made = []
    while len(made) < n_votes:
        block = await keeping.a_block(test_id, wanted_g=20_000)
        made += [keeping.a_vote(player_ids[number % 50], test_id, block.id) for number in range(block.reserved_g // 10)]
    sends = [vote for vote in made for _ in range(random.randint(1, 5))]
    random.shuffle(sends)
    waiting = [sends[start : start + 50] for start in range(0, len(sends), 50)]

    async def send() -> None:
        connection = None
        while waiting:
            batch = waiting.pop()
            connection = connection or await asyncpg.connect(plain(database))
            sending = asyncio.create_task(votes.append(connection, batch))
            if random.random() < 0.2:
                # Cut somewhere in the middle: before, during or after the commit. Nobody knows, so all of it is sent
                # again.
                await asyncio.sleep(random.random() * 0.01)
                connection.terminate()
                await asyncio.gather(sending, return_exceptions=True)
                connection = None
                waiting.append(batch)
            else:
                await sending
        if connection is not None:
            await connection.close()

    await asyncio.gather(*(send() for _ in range(n_connections)))
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == n_votes
    assert await wallets(keeping, player_ids) == 10 * n_votes
    assert await keeping.broken_laws() == {}


async def test_a_worker_whose_connection_is_cut_leaves_nothing_half_done(keeping):
    test_id = await keeping.a_test(votes=100)
    player = await keeping.a_player()
    block = await keeping.a_block(test_id, wanted_g=250)
    await keeping.votes(25, test_id=test_id, block_id=block.id, player_ids=[player])
    conn = await keeping.engine.connect()
    await conn.begin()
    assert (await grants.settle_due(conn, now=keeping.clock.now, limit=10)).n_grants == 10
    (await conn.get_raw_connection()).driver_connection.terminate()
    await conn.invalidate()
    await conn.close()
    assert await wallets(keeping, [player]) == 0
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 25
    assert await keeping.broken_laws() == {}


async def test_merchants_are_charged_the_same_to_the_fen_however_votes_are_cut_into_batches(keeping):
    player = await keeping.a_player()
    for batch in (1, 3, 7):
        test_id = await keeping.a_test(votes=100)
        block = await keeping.a_block(test_id, wanted_g=250)
        for _ in range(21 // batch):
            await keeping.votes(batch, test_id=test_id, block_id=block.id, player_ids=[player])
            await SettleGrants(keeping.engine).run(keeping.clock.now)
        assert await keeping.balance(books.test_escrow(test_id)) == 300 - 63
    assert await keeping.balance(books.PLATFORM) == 3 * 63


async def test_racing_charges_charge_once(keeping):
    test_id = await keeping.a_test(votes=100)
    player = await keeping.a_player()
    block = await keeping.a_block(test_id, wanted_g=250)
    await keeping.votes(20, test_id=test_id, block_id=block.id, player_ids=[player])
    async with transaction(keeping.engine) as conn:
        await grants.settle_due(conn, now=keeping.clock.now, limit=100)

    async def charge() -> int:
        async with transaction(keeping.engine) as conn:
            return await charge_votes(conn, test_id, now=keeping.clock.now)

    assert sorted(await asyncio.gather(*(charge() for _ in range(5)))) == [0, 0, 0, 0, 60]


async def test_a_paid_grant_that_is_taken_back_returns_to_its_budget_and_pays_for_another_vote(keeping):
    test_id = await keeping.a_test(votes=10)
    cheat, honest = await keeping.players(2)
    block = await keeping.a_block(test_id, wanted_g=20)
    (vote,) = await keeping.votes(1, test_id=test_id, block_id=block.id, player_ids=[cheat])
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    keeping.clock.now = block.releasable_at
    await ReleaseBlocks(keeping.engine).run(keeping.clock.now)
    async with transaction(keeping.engine) as conn:
        paid = await ledger.find(conn, vote.matchup.matchup_id)
        await reverse_transfer(conn, transfer=paid, now=keeping.clock.now)
    await ReleaseBlocks(keeping.engine).run(keeping.clock.now)
    assert await keeping.balance(books.test_budget(test_id)) == 100
    assert await keeping.broken_laws() == {}
    # The merchant has paid for one vote, and the next one is that vote.
    block = await keeping.a_block(test_id, wanted_g=20)
    await keeping.votes(2, test_id=test_id, block_id=block.id, player_ids=[honest])
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    assert await wallets(keeping, [cheat, honest]) == 20
    assert await keeping.balance(books.PLATFORM) == 2 * 3
    assert await keeping.broken_laws() == {}


async def test_a_grant_that_is_taken_back_after_the_decision_changes_no_ones_due(keeping):
    test_id = await keeping.a_test(votes=10)
    player = await keeping.a_player()
    block = await keeping.a_block(test_id, wanted_g=20)
    (vote,) = await keeping.votes(1, test_id=test_id, block_id=block.id, player_ids=[player])
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    async with transaction(keeping.engine) as conn:
        await return_budget(conn, test_id, now=keeping.clock.now)
        paid = await ledger.find(conn, vote.matchup.matchup_id)
        await reverse_transfer(conn, transfer=paid, now=keeping.clock.now)
        await return_budget(conn, test_id, now=keeping.clock.now)
    # One more ticket of this block is answered: the merchant paid for one vote, and one is what he got.
    await keeping.votes(1, test_id=test_id, block_id=block.id, player_ids=[player])
    keeping.clock.now = block.releasable_at
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    await ReleaseBlocks(keeping.engine).run(keeping.clock.now)
    assert await wallets(keeping, [player]) == 10
    assert await keeping.balance(books.PLATFORM) == 3
    assert await keeping.balance(books.merchant(keeping.merchant_id)) == 27
    assert await keeping.broken_laws() == {}


async def test_a_block_that_promised_too_much_is_named_and_keeps_nobody_else_waiting(keeping):
    test_id = await keeping.a_test(votes=100)
    sound, broken = [await keeping.a_block(test_id, wanted_g=100) for _ in range(2)]
    player = await keeping.a_player()
    # More votes than the block holds: what a process would do that offers without reserving.
    await keeping.votes(11, test_id=test_id, block_id=broken.id, player_ids=[player])
    await keeping.votes(5, test_id=test_id, block_id=sound.id, player_ids=[player])
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 5
    assert await wallets(keeping, [player]) == 50
    found = await keeping.broken_laws()
    assert [row["block_id"] for row in found.pop("block_covers_its_promises")] == [broken.id]
    assert found == {}
    # Nor does its release keep those waiting that are due after it.
    assert await ReleaseBlocks(keeping.engine).run(max(sound.releasable_at, broken.releasable_at)) == 2
    assert await keeping.balance(books.reservation(sound.id)) == 0
    assert await keeping.balance(books.reservation(broken.id)) == 100


# --- everything at once, by chance -------------------------------------------------------------------


class Programme(RuleBasedStateMachine):
    """Every operation on the books in any order, with repeats, jumps of the clock, and crashes at every commit."""

    run = None
    engine = None
    histories = 0

    @initialize()
    def start(self) -> None:
        # Every history has days of its own: what is counted under the caps of a day is not to depend on earlier ones.
        type(self).histories += 1
        self.keeping = Bookkeeping(self.engine)
        self.keeping.clock.forward(days=30 * self.histories)
        self.do(self.in_transaction(False, lambda conn: budgets.set_caps(conn, budgets.EVERYTHING, Caps())))
        self.tests: dict = {}
        self.ended: set = set()
        self.offered: list = []
        self.sent: list = []
        self.desks: list[BudgetDesk] = []
        self.player_ids = self.run(self.keeping.players(2)) + self.run(self.keeping.players(2, hold_s=900))

    def do(self, step):
        return self.run(step)

    async def in_transaction(self, crash: bool, work):
        """Work in one transaction; with `crash` it is cut off just before its commit."""
        try:
            async with transaction(self.keeping.engine) as conn:
                await work(conn)
                if crash:
                    raise Crash
        except (Crash, BudgetExhausted, RewardsSwitchedOff, BelowFloor):
            pass

    def launch(self, n_votes):
        self.tests[self.do(self.keeping.a_test(votes=n_votes))] = n_votes

    @rule(
        place=st.integers(0, 2),
        desk=st.integers(0, 2),
        n_votes=st.integers(5, 60),
        places=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    )
    def deal(self, place, desk, n_votes, places):
        """Some process deals a round of some test; it is started, and a test launched, where there is none."""
        while len(self.tests) - len(self.ended) <= place:
            self.launch(n_votes)
        while len(self.desks) <= desk:
            self.desks.append(a_desk(self.keeping))
        test_id = sorted(self.tests.keys() - self.ended)[place]

        async def step():
            await self.desks[desk].ready([test_id])
            for each in places:
                if (block_id := self.desks[desk].offer(test_id, 10)) is not None:
                    self.offered.append(self.keeping.a_vote(self.player_ids[each], test_id, block_id))

        self.do(step())

    @precondition(lambda self: self.desks)
    @rule(place=st.integers(0, 2), killed=st.booleans())
    def end_a_process(self, place, killed):
        desk = self.desks.pop(place % len(self.desks))
        if not killed:
            self.do(desk.close())

    @precondition(lambda self: self.offered)
    @rule(places=st.lists(st.integers(0, 60), min_size=1, max_size=20), crash=st.booleans())
    def answer(self, places, crash):
        """Some tickets come back, in any order, some of them again; late ones are refused as the rules of play do."""
        now = self.keeping.clock.now
        tickets = self.offered + self.sent[-3:]
        batch = [tickets[place % len(tickets)] for place in places]
        batch = [vote for vote in batch if vote.matchup.expires_at >= now]

        async def work(conn):
            await votes.append((await conn.get_raw_connection()).driver_connection, batch)

        self.do(self.in_transaction(crash, work))
        if not crash:
            self.sent += [vote for vote in self.offered if vote in batch]
        self.offered = [vote for vote in self.offered if vote.matchup.expires_at >= now and vote not in self.sent]

    @rule(minutes=st.sampled_from([0, 1, 2, 4, 9, 20, 180]))
    def time_passes(self, minutes):
        self.keeping.clock.forward(minutes=minutes)

    @rule(batch=st.integers(1, 20), crash=st.booleans())
    def settle(self, batch, crash):
        if crash:
            now = self.keeping.clock.now
            self.do(self.in_transaction(True, lambda conn: grants.settle_due(conn, now=now, limit=batch)))
        else:
            self.do(SettleGrants(self.keeping.engine, batch=batch).run(self.keeping.clock.now))

    @rule(place=st.integers(0, 3), crash=st.booleans())
    def void(self, place, crash):
        player, now = self.player_ids[place], self.keeping.clock.now
        self.do(
            self.in_transaction(
                crash, lambda conn: void_grants(conn, player_id=player, reason=VoidReason.ABUSE, now=now)
            )
        )

    @rule()
    def release(self):
        self.do(ReleaseBlocks(self.keeping.engine).run(self.keeping.clock.now))

    @precondition(lambda self: self.tests)
    @rule(place=st.integers(0, 9), crash=st.booleans())
    def end_a_test(self, place, crash):
        test_id = sorted(self.tests)[place % len(self.tests)]
        self.do(self.end_of(test_id, crash=crash))
        if not crash:
            self.ended.add(test_id)

    async def end_of(self, test_id, *, crash=False):
        now = self.keeping.clock.now
        await self.in_transaction(crash, lambda conn: return_budget(conn, test_id, now=now))

    @precondition(lambda self: self.sent)
    @rule(place=st.integers(0, 99), crash=st.booleans())
    def reverse(self, place, crash):
        """A paid grant is taken back, if it was paid."""
        vote = self.sent[place % len(self.sent)]

        async def work(conn):
            paid = await ledger.find_fact(conn, Reason.GRANT_SETTLED, str(vote.matchup.matchup_id))
            if paid is not None:
                await reverse_transfer(conn, transfer=paid, now=self.keeping.clock.now)

        self.do(self.in_transaction(crash, work))

    @rule(place=st.integers(0, 3), day_g=st.one_of(st.none(), st.integers(0, 300)))
    def cap(self, place, day_g):
        scope = [*sorted(self.tests), budgets.EVERYTHING][place % (len(self.tests) + 1)]
        self.do(self.in_transaction(False, lambda conn: budgets.set_caps(conn, scope, Caps(day_g=day_g))))

    @rule()
    def seal(self):
        self.do(SealBooks(self.keeping.engine, rows_a_seal=7).seal_all(self.keeping.clock.now))

    @invariant()
    def every_law_holds(self):
        assert self.do(self.keeping.broken_laws(seals_too=True)) == {}

    def teardown(self):
        """When all is settled and lapsed, every test has either paid players or returned its money, to the gram."""
        if not hasattr(self, "keeping"):
            return
        self.keeping.clock.forward(days=1)
        for _ in range(2):
            self.settle(100, False)
            self.release()
            for test_id in self.tests:
                self.do(self.end_of(test_id))
        self.keeping.clock.forward(hours=1)
        self.release()
        assert self.do(self.keeping.broken_laws(seals_too=True)) == {}
        self.do(self.all_is_over())

    async def all_is_over(self):
        async with self.keeping.engine.connect() as conn:
            for test_id, n_votes in self.tests.items():
                budget = await budgets.find(conn, test_id)
                assert (budget.left_g, budget.reserved_g) == (0, 0)
                assert budget.settled_g == budget.bought_g - budget.returned_g <= n_votes * 10
                assert await ledger.balance(conn, books.test_escrow(test_id)) == 0
            where = await ledger.figures(conn)
            assert where.wallets_g == where.issued_g


class Crash(Exception):
    """The process died here."""


async def _reasons(engine) -> set[Reason]:
    async with engine.connect() as conn:
        return set(map(Reason, await conn.scalars(sa.select(ledger.transfers.c.reason).distinct())))


def a_desk(keeping) -> BudgetDesk:
    return BudgetDesk(
        keeping.engine, economy=lambda: keeping.economy, ticket_life=TICKET_LIFE, clock=keeping.clock, dry_s=0.0
    )


def test_whatever_happens_in_whatever_order_no_law_is_broken(database):
    with in_a_loop_of_its_own(database) as (run, engine):
        Programme.run, Programme.engine = staticmethod(run), engine
        machine = Programme.TestCase
        machine.settings = settings(
            deadline=None, max_examples=300 if DEEP else 10, stateful_step_count=50 if DEEP else 25, print_blob=True
        )
        machine().runTest()
        # A machine that never gets anywhere breaks nothing: all that can happen must have happened.
        if DEEP:
            assert run(_reasons(engine)) >= {
                Reason.BLOCK_RELEASED, Reason.GRANT_SETTLED, Reason.GRANT_VOIDED, Reason.REVERSAL, Reason.VOTES_CHARGED,
            }  # fmt: skip
