"""Laws of the ledger: balanced, immutable, once, and never below a floor, whoever writes and however many at once."""

import asyncio
from uuid import UUID

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from rewards import ledger as books
from rewards.errors import BelowFloor, ConflictingTransfer, NotReversible
from rewards.ledger import Account, AccountKind, Book, Posting, Reason
from server.commands.rights import command as rights
from server.flows.return_budget import return_budget
from server.flows.reverse_transfer import reverse_transfer
from server.ids import uuid7
from server.jobs.release_blocks import ReleaseBlocks
from server.jobs.seal_books import SealBooks
from server.jobs.settle_grants import SettleGrants
from server.stores import ledger
from server.stores.db import engine_from, transaction
from server.stores.rights import FACTS, statements
from tests.server.books import DEEP, Bookkeeping, a_transfer, in_a_loop_of_its_own


async def post(engine, *transfers):
    async with transaction(engine) as conn:
        return await ledger.post(conn, transfers)


async def test_a_transfer_takes_from_one_account_what_it_gives_to_the_other(engine):
    deposit = a_transfer(700)
    assert await post(engine, deposit) == [Posting.NEW]
    async with engine.connect() as conn:
        assert await ledger.balances(conn, [books.BANK, deposit.credit]) == {books.BANK: -700, deposit.credit: 700}
        assert await ledger.find(conn, deposit.id) == deposit
        assert await ledger.find_fact(conn, deposit.reason, deposit.out_biz_no) == deposit


async def test_the_same_fact_sent_thirty_times_at_once_is_posted_once(engine):
    deposit = a_transfer(700)
    outcomes = await asyncio.gather(
        *(post(engine, a_transfer(700, credit=deposit.credit, out_biz_no=deposit.out_biz_no)) for _ in range(30))
    )
    assert sorted(outcomes) == [[Posting.EXISTS]] * 29 + [[Posting.NEW]]
    async with engine.connect() as conn:
        assert await ledger.balance(conn, deposit.credit) == 700


async def test_other_contents_under_the_same_name_are_refused_and_move_nothing(engine):
    deposit = a_transfer(700)
    await post(engine, deposit)
    for other in (
        a_transfer(701, credit=deposit.credit, out_biz_no=deposit.out_biz_no),
        a_transfer(700, out_biz_no=deposit.out_biz_no),
        a_transfer(5, id=deposit.id),
    ):
        with pytest.raises(ConflictingTransfer):
            await post(engine, other, a_transfer(1, credit=deposit.credit))
    async with engine.connect() as conn:
        assert await ledger.balance(conn, deposit.credit) == 700


async def test_a_refusal_names_the_account_and_leaves_the_transaction_usable(engine):
    merchant, test_id = uuid7(), uuid7()
    await post(engine, a_transfer(100, credit=books.merchant(merchant)))
    funded = {"debit": books.merchant(merchant), "credit": books.test_escrow(test_id), "reason": Reason.TEST_FUNDED}
    async with transaction(engine) as conn:
        with pytest.raises(BelowFloor) as refusal:
            await ledger.post(conn, [a_transfer(60, **funded), a_transfer(41, **funded)])
        assert refusal.value.params == {
            "account": books.merchant(merchant), "balance": 100, "amount": 101, "floor": 0
        }  # fmt: skip
        await ledger.post(conn, [a_transfer(100, **funded)])
    async with engine.connect() as conn:
        assert await ledger.balance(conn, books.test_escrow(test_id)) == 100


async def test_fifty_racing_debits_of_an_account_for_ten_are_ten(engine):
    merchant = books.merchant(uuid7())
    await post(engine, a_transfer(10, credit=merchant))

    async def take() -> bool:
        try:
            escrow = books.test_escrow(uuid7())
            await post(engine, a_transfer(1, debit=merchant, credit=escrow, reason=Reason.TEST_FUNDED))
        except BelowFloor:
            return False
        return True

    assert sum(await asyncio.gather(*(take() for _ in range(50)))) == 10
    async with engine.connect() as conn:
        assert await ledger.balance(conn, merchant) == 0


async def test_writers_that_cross_each_other_wait_but_never_in_a_circle(engine):
    escrows = [books.test_escrow(uuid7()) for _ in range(8)]
    merchant = books.merchant(uuid7())
    await post(engine, a_transfer(100_000, credit=merchant))

    async def write(seed: int) -> None:
        for turn in range(10):
            order = sorted(escrows, key=lambda escrow: hash((escrow.owner.int, seed, turn)))
            await post(
                engine,
                *(a_transfer(3, debit=merchant, credit=escrow, reason=Reason.TEST_FUNDED) for escrow in order),
                *(a_transfer(1, debit=escrow, credit=merchant, reason=Reason.TEST_REFUNDED) for escrow in order),
            )

    await asyncio.gather(*(write(seed) for seed in range(5)))
    async with engine.connect() as conn:
        assert set((await ledger.balances(conn, escrows)).values()) == {5 * 10 * 2}


FORBIDDEN = (
    "update transfers set amount = amount + 1",
    "delete from transfers",
    "truncate transfers",
    "update accounts set balance = balance + 1",
    "delete from accounts",
    "truncate accounts",
    "insert into accounts (account_id, kind, owner_id, unit, balance) values (gen_random_uuid(), 'player', "
    "gen_random_uuid(), 'g', 5)",
    "delete from grants",
    "delete from reservations",
    "update audit_lines set why = ''",
    "delete from seals",
    "update switches set stops = false",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_database_itself_refuses_to_rewrite_the_books(module_engine, statement):
    await post(module_engine, a_transfer())
    with pytest.raises(DBAPIError, match="append-only"):
        async with transaction(module_engine) as conn:
            await conn.execute(sa.text(statement))


@pytest.fixture
async def service_engine(engine, database):
    """An engine whose connections have the service's own role, with the rights of the script and no others."""
    role = f"service_{uuid7().hex}"
    async with transaction(engine) as conn:
        await conn.execute(sa.text(f'create role "{role}"'))
        for statement in statements(role):
            await conn.execute(sa.text(statement))
        await conn.execute(sa.text(f"alter database {make_url(database).database} set role = '{role}'"))
    service_engine = engine_from(database, pool_size=3)
    yield service_engine
    await service_engine.dispose()
    async with transaction(engine) as conn:
        await conn.execute(sa.text("reset role"))
        await conn.execute(sa.text(f'drop owned by "{role}"'))
        await conn.execute(sa.text(f'drop role "{role}"'))


async def test_the_services_own_role_can_do_all_its_work_and_rewrite_nothing(service_engine):
    keeping = Bookkeeping(service_engine)
    test_id, player = await keeping.a_test(votes=50), await keeping.a_player()
    block = await keeping.a_block(test_id, wanted_g=100)
    await keeping.votes(5, test_id=test_id, block_id=block.id, player_ids=[player])
    assert await SettleGrants(service_engine).run(keeping.clock.now) == 5
    keeping.clock.now = block.releasable_at
    async with transaction(service_engine) as conn:
        await return_budget(conn, test_id, now=keeping.clock.now)
    assert await ReleaseBlocks(service_engine).run(keeping.clock.now) == 1
    assert await SealBooks(service_engine).seal_all(keeping.clock.now) == 1
    assert await keeping.broken_laws(seals_too=True) == {}
    for table in (*FACTS, "accounts"):
        for attempt in (
            f"delete from {table}",
            f"truncate {table}",
            f"alter table {table} disable trigger all",
            "set session_replication_role = replica",
        ):
            with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                async with transaction(service_engine) as conn:
                    await conn.execute(sa.text(attempt))


async def test_the_script_of_rights_is_for_a_role_and_for_nothing_that_only_looks_like_one():
    said = CliRunner().invoke(rights, ["xuankuan_service"])
    assert (said.exit_code, 'grant select, insert on transfers to "xuankuan_service";' in said.output) == (0, True)
    for name in ('x"; drop table votes; --', "", "角色"):
        said = CliRunner().invoke(rights, [name])
        assert (said.exit_code, "cannot be the name of a role" in said.output) == (2, True)


RAW = """
insert into transfers (transfer_id, debit_account, credit_account, amount, at, unit, reason, out_biz_no)
values (gen_random_uuid(), :debit, :credit, 5, now(), :unit, 'by_hand', gen_random_uuid()::text)
"""


@pytest.mark.parametrize(
    ("debit", "credit", "unit"),
    [
        (books.ISSUANCE, books.SUPPLIERS, "g"),
        (books.ISSUANCE, books.SUPPLIERS, "fen"),
        (books.ISSUANCE, books.EXPIRED, "fen"),
        (books.ISSUANCE, books.player(UUID(int=7)), "g"),
        (books.ISSUANCE, books.ISSUANCE, "g"),
    ],
)
async def test_no_transfer_crosses_units_or_names_an_account_that_is_none(module_engine, debit, credit, unit):
    async with transaction(module_engine) as conn:
        await ledger.open_accounts(conn, [books.ISSUANCE, books.EXPIRED, books.SUPPLIERS])
    with pytest.raises(DBAPIError, match=r"does not exist or counts in another unit|two_accounts"):
        async with transaction(module_engine) as conn:
            await conn.execute(
                sa.text(RAW),
                {"debit": ledger.account_id(debit), "credit": ledger.account_id(credit), "unit": unit},
            )


async def test_the_id_of_an_account_is_the_same_in_python_and_in_sql(module_engine):
    accounts = [Account(kind) if kind.single else Account(kind, uuid7()) for kind in AccountKind]
    async with module_engine.connect() as conn:
        for account in accounts:
            made = await conn.scalar(
                sa.text("select account_id(:kind, :owner)"), {"kind": account.kind.value, "owner": account.owner}
            )
            assert made == ledger.account_id(account)
            assert made.version == 8


async def test_a_transfer_is_undone_once_by_another_that_stays_on_record(engine):
    deposit = a_transfer(70)
    await post(engine, deposit)
    for _ in range(2):
        async with transaction(engine) as conn:
            await reverse_transfer(conn, transfer=deposit, now=deposit.at)
    async with engine.connect() as conn:
        assert await ledger.balances(conn, [books.BANK, deposit.credit]) == {books.BANK: 0, deposit.credit: 0}
        assert await ledger.find(conn, deposit.id) == deposit
    assert await Bookkeeping(engine).broken_laws() == {}


async def test_what_a_player_has_put_on_a_tree_is_not_taken_back(engine):
    player, tree = books.player(uuid7()), books.tree(uuid7())
    programme = books.programme_budget(uuid7())
    given = a_transfer(100, debit=programme, credit=player, reason=Reason.PROGRAMME_AWARDED)
    applied = a_transfer(60, debit=player, credit=tree, reason=Reason.FERTILIZER_APPLIED)
    await post(engine, a_transfer(100, debit=books.ISSUANCE, credit=programme, reason=Reason.PROGRAMME_FUNDED))
    await post(engine, given)
    await post(engine, applied)
    for transfer, refusal in ((given, BelowFloor), (applied, NotReversible)):
        with pytest.raises(refusal):
            async with transaction(engine) as conn:
                await reverse_transfer(conn, transfer=transfer, now=given.at)


async def test_a_wallet_is_read_page_by_page_newest_first_and_shows_what_left_it(engine):
    player, programme = uuid7(), books.programme_budget(uuid7())
    await post(engine, a_transfer(500, debit=books.ISSUANCE, credit=programme, reason=Reason.PROGRAMME_FUNDED))
    for amount in (10, 20, 30, 40):
        await post(
            engine, a_transfer(amount, debit=programme, credit=books.player(player), reason=Reason.PROGRAMME_AWARDED)
        )
    await post(
        engine,
        a_transfer(50, debit=books.player(player), credit=books.tree(uuid7()), reason=Reason.FERTILIZER_APPLIED),
    )
    async with engine.connect() as conn:
        first = await ledger.wallet(conn, player, before=None, limit=3)
        rest = await ledger.wallet(conn, player, before=first[-1].seq, limit=3)
    assert [line.amount_g for line in first + rest] == [-50, 40, 30, 20, 10]


@pytest.fixture(scope="module")
def own_loop(module_database):
    with in_a_loop_of_its_own(module_database) as loop:
        yield loop


MERCHANTS = [books.merchant(UUID(int=number)) for number in (1, 2)]
ESCROWS = [books.test_escrow(UUID(int=number)) for number in (3, 4)]
movements = st.one_of(
    st.tuples(st.just(Reason.MERCHANT_DEPOSIT), st.just(books.BANK), st.sampled_from(MERCHANTS)),
    st.tuples(st.just(Reason.MERCHANT_WITHDRAWAL), st.sampled_from(MERCHANTS), st.just(books.BANK)),
    st.tuples(st.just(Reason.TEST_FUNDED), st.sampled_from(MERCHANTS), st.sampled_from(ESCROWS)),
    st.tuples(st.just(Reason.TEST_REFUNDED), st.sampled_from(ESCROWS), st.sampled_from(MERCHANTS)),
)


@given(steps=st.lists(st.tuples(movements, st.integers(1, 50), st.integers(0, 5)), max_size=20))
@settings(deadline=None, max_examples=500 if DEEP else 25)
def test_the_ledger_says_what_its_obvious_twin_says(own_loop, steps):
    """Whatever is posted in whatever order, repeats and conflicts included: the database and `Book` never differ."""
    run, engine = own_loop
    run(_compare(engine, steps))


async def _compare(engine, steps):
    run, book, known = uuid7(), Book(), [books.BANK, *MERCHANTS, *ESCROWS]
    async with engine.connect() as conn:
        before = await ledger.balances(conn, known)
        book.balances.update(before)
        for (reason, debit, credit), amount, number in steps:
            transfer = a_transfer(amount, debit=debit, credit=credit, reason=reason, out_biz_no=f"{run}:{number}")
            said = []
            for ask in (lambda each=transfer: _post_to(conn, each), lambda each=transfer: _post_in(book, each)):
                try:
                    said.append(await ask())
                except (BelowFloor, ConflictingTransfer) as refusal:
                    said.append((type(refusal), refusal.params))
            assert said[0] == said[1]
        assert await ledger.balances(conn, known) == {account: book.balance(account) for account in known}
        await conn.rollback()


async def _post_to(conn, transfer):
    return (await ledger.post(conn, [transfer]))[0]


async def _post_in(book, transfer):
    return book.post(transfer)
