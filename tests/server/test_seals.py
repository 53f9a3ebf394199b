"""Laws of the seals: what was sealed cannot change, vanish or grow without the audit naming the row."""

import asyncio

import pytest
import sqlalchemy as sa

from rewards import ledger as books
from rewards.ledger import Reason
from server.ids import uuid7
from server.jobs.seal_books import SealBooks
from server.stores import audit, ledger, seals
from server.stores.db import transaction
from server.stores.seals import CHAINS
from tests.server.books import Bookkeeping, a_transfer, as_attacker

TRANSFERS, AUDIT_LINES = CHAINS


@pytest.fixture
def keeping(engine) -> Bookkeeping:
    return Bookkeeping(engine)


async def post(keeping, number: int = 1) -> None:
    for _ in range(number):
        async with transaction(keeping.engine) as conn:
            await ledger.post(conn, [a_transfer()])


async def write_lines(keeping, number: int) -> None:
    for each in range(number):
        async with transaction(keeping.engine) as conn:
            await audit.write(
                conn,
                who="operator 7",
                what="budget.cap",
                object_id=uuid7(),
                before={"day_g": each},
                after={"day_g": each + 1, "字": "预算"},
                why="a busy week",
                now=keeping.clock.now,
            )


async def seal(keeping, rows_a_seal: int = 5) -> int:
    return await SealBooks(keeping.engine, rows_a_seal=rows_a_seal).seal_all(keeping.clock.now)


async def broken(keeping, chain=TRANSFERS) -> list[seals.Broken]:
    async with keeping.engine.connect() as conn:
        return [each async for _, found in seals.verify(conn, chain) for each in found]


async def test_untouched_books_are_as_they_were_sealed(keeping):
    await post(keeping, 12)
    await write_lines(keeping, 7)
    assert await seal(keeping) == 3 + 2
    await post(keeping, 3)
    assert await seal(keeping) == 1
    assert await broken(keeping) == []
    assert await broken(keeping, AUDIT_LINES) == []


TRANSFER_COLUMNS = {
    "transfer_id": "gen_random_uuid()",
    "debit_account": "gen_random_uuid()",
    "credit_account": "gen_random_uuid()",
    "amount": "amount + 1",
    "at": "at + interval '1 microsecond'",
    "player_id": "gen_random_uuid()",
    "reverses": "gen_random_uuid()",
    "unit": "case unit when 'g' then 'fen' else 'g' end",
    "reason": "reason || 'x'",
    "out_biz_no": "out_biz_no || '1'",
    "note": "'{}'",
}


async def test_one_changed_byte_of_any_column_is_found_with_its_row(keeping):
    await post(keeping, 11)
    await seal(keeping)
    assert set(TRANSFER_COLUMNS) | {"seq"} == {column.name for column in ledger.transfers.columns}
    for column, value in TRANSFER_COLUMNS.items():
        async with keeping.engine.connect() as conn:
            await conn.execute(sa.text("set local session_replication_role = replica"))
            await conn.execute(sa.text(f"update transfers set {column} = {value} where seq = 7"))
            found = [each async for _, rows in seals.verify(conn, TRANSFERS) for each in rows]
            assert [(each.seq, each.what) for each in found] == [(7, "was changed after it was sealed")], column
            await conn.rollback()


async def test_a_changed_audit_line_is_found_with_its_row(keeping):
    await write_lines(keeping, 6)
    await seal(keeping)
    await as_attacker(keeping.engine, "update audit_lines set who = 'operator 8' where line_id = 3")
    assert [(each.number, each.seq) for each in await broken(keeping, AUDIT_LINES)] == [(1, 3)]


async def test_a_removed_row_and_one_that_was_slipped_in_are_found(keeping):
    await post(keeping, 4)
    await seal(keeping)
    await as_attacker(keeping.engine, "delete from transfers where seq = 2")
    assert [(each.seq, each.what) for each in await broken(keeping)] == [(2, "was removed after it was sealed")]
    await as_attacker(
        keeping.engine,
        "insert into transfers (transfer_id, seq, debit_account, credit_account, amount, at, unit, reason, out_biz_no) "
        "overriding system value "
        "select gen_random_uuid(), 2, debit_account, credit_account, 1, at, unit, reason, 'new' from transfers "
        "where seq = 3",
    )
    assert [(each.seq, each.what) for each in await broken(keeping)] == [(2, "was changed after it was sealed")]


async def test_rewriting_a_seal_breaks_the_one_after_it(keeping):
    await post(keeping, 15)
    await seal(keeping)
    await as_attacker(keeping.engine, "update seals set digest = sha256(digest) where number = 2")
    assert [each.number for each in await broken(keeping)] == [2, 3]


async def test_a_missing_seal_is_missed(keeping):
    await post(keeping, 15)
    await seal(keeping)
    await as_attacker(keeping.engine, "delete from seals where number = 2")
    assert (await broken(keeping))[0].number == 2


async def test_a_row_whose_transaction_is_still_open_is_waited_for_and_sealed_in_its_place(keeping):
    """A number is drawn before the commit: sealing past an open writer would make its row look slipped in later."""
    deposits = [a_transfer(100) for _ in range(4)]
    async with transaction(keeping.engine) as conn:
        await ledger.post(conn, deposits)
    # Each from a merchant of its own, so that none waits for another's account.
    slow_one, *others = (
        a_transfer(1, debit=each.credit, credit=books.test_escrow(uuid7()), reason=Reason.TEST_FUNDED)
        for each in deposits
    )
    slow = await keeping.engine.connect()
    await ledger.post(slow, [slow_one])
    async with transaction(keeping.engine) as conn:
        await ledger.post(conn, others[:2])
    sealing = asyncio.create_task(seal(keeping, 100))
    await asyncio.sleep(0.2)
    assert not sealing.done()
    # Others go on meanwhile: the sealer waits, but holds no lock.
    async with transaction(keeping.engine) as conn:
        await ledger.post(conn, others[2:])
    await slow.commit()
    await slow.close()
    assert await sealing == 1
    assert await broken(keeping) == []
    async with keeping.engine.connect() as conn:
        newest = await seals.latest(conn, TRANSFERS)
    assert len(newest.row_offsets) == newest.to_seq == 4 + 3


async def test_numbers_of_transactions_that_failed_are_gaps_and_no_crime(keeping):
    for _ in range(3):
        await post(keeping)
        async with keeping.engine.connect() as conn:
            await ledger.post(conn, [a_transfer()])
            await conn.rollback()
    await seal(keeping)
    assert await broken(keeping) == []


async def test_two_sealers_at_once_make_one_chain(keeping):
    await post(keeping, 20)
    await asyncio.gather(*(seal(keeping, 3) for _ in range(4)))
    async with keeping.engine.connect() as conn:
        assert await seals.count(conn, TRANSFERS) == 7
    assert await broken(keeping) == []


async def test_the_job_seals_full_blocks_at_once_and_the_rest_when_five_minutes_have_passed(keeping):
    job = SealBooks(keeping.engine, rows_a_seal=5)
    await post(keeping, 12)
    assert await job.run(keeping.clock.now) == 2
    assert await job.run(keeping.clock.now) == 0
    keeping.clock.forward(minutes=5)
    assert await job.run(keeping.clock.now) == 0
    async with keeping.engine.connect() as conn:
        assert (await seals.latest(conn, TRANSFERS)).to_seq == 12
