"""Laws of the audit: whole books pass, and whatever is wrong is found and named, be it one gram."""

import asyncio

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rewards import ledger as books
from rewards.grants import VoidReason
from server.cli import cli
from server.flows.return_budget import return_budget
from server.flows.void_grants import void_grants
from server.ids import uuid7
from server.jobs.check_invariants import CheckInvariants
from server.jobs.seal_books import SealBooks
from server.jobs.settle_grants import SettleGrants
from server.stores import audit, ledger
from server.stores.db import transaction
from server.stores.invariants import check
from tests.server.books import LAWS_OF_THE_BOOKS, Bookkeeping, as_attacker


async def filled(engine) -> Bookkeeping:
    """Books with something of everything in them: bought, reserved, held, settled, voided, returned, sealed."""
    keeping = Bookkeeping(engine)
    ended, running = await keeping.a_test(votes=50), await keeping.a_test(votes=50)
    quick, patient = await keeping.a_player(), await keeping.a_player(hold_s=900)
    for test_id in (ended, running):
        block = await keeping.a_block(test_id, wanted_g=120)
        await keeping.votes(6, test_id=test_id, block_id=block.id, player_ids=[quick, patient])
    await SettleGrants(engine).run(keeping.clock.now)
    async with transaction(engine) as conn:
        await void_grants(conn, player_id=patient, test_id=ended, reason=VoidReason.OPERATOR, now=keeping.clock.now)
        await return_budget(conn, ended, now=keeping.clock.now)
        await audit.write(conn, who="operator", what="test.stop", object_id=ended, now=keeping.clock.now)
    await SealBooks(engine).seal_all(keeping.clock.now)
    return keeping


@pytest.fixture
async def keeping(engine) -> Bookkeeping:
    return await filled(engine)


@pytest.fixture(scope="module")
async def scene_of_crime(module_engine) -> Bookkeeping:
    """Books in which every crime is undone before the next."""
    return await filled(module_engine)


async def test_whole_books_break_no_law(keeping):
    assert await keeping.broken_laws(seals_too=True) == {}
    job = CheckInvariants(keeping.engine)
    await job.run(keeping.clock.now)
    assert job.findings
    assert all(finding.holds for finding in job.findings)


async def test_an_empty_database_breaks_no_law(engine):
    assert await Bookkeeping(engine).broken_laws(seals_too=True) == {}


async def test_a_drift_of_one_gram_is_found_and_named(keeping):
    async with keeping.engine.connect() as conn:
        player_id = await conn.scalar(sa.text("select owner_id from accounts where kind = 'player' limit 1"))
    before = await keeping.balance(books.player(player_id))
    await as_attacker(
        keeping.engine,
        "update accounts set balance = balance + 1 where account_id = :id",
        id=ledger.account_id(books.player(player_id)),
    )
    found = await keeping.broken_laws()
    (row,) = found["balance_is_fold_of_transfers"]
    assert (row["kind"], row["owner_id"], row["stored"], row["recomputed"]) == (
        "player", player_id, before + 1, before,
    )  # fmt: skip
    assert found["units_balance"][0]["total"] == 1


# What somebody with all rights might do to the books, and which law says so.
CRIMES = {
    "a transfer is doubled in its amount": (
        "update transfers set amount = amount + 10 where reason = 'grant_settled' and seq = "
        "(select min(seq) from transfers where reason = 'grant_settled')",
        {"balance_is_fold_of_transfers", "settled_grant_has_one_transfer", "transfers_are_as_sealed"},
    ),
    "a transfer is removed": (
        "delete from transfers where seq = (select max(seq) from transfers where reason = 'grant_settled')",
        {"balance_is_fold_of_transfers", "settled_grant_has_one_transfer", "transfers_are_as_sealed"},
    ),
    "a balance and its counterpart are both moved": (
        "update accounts set balance = balance + case kind when 'player' then 10 else -10 end "
        "where kind = 'issuance' or account_id = (select account_id from accounts where kind = 'player' limit 1)",
        {"balance_is_fold_of_transfers"},
    ),
    "a floor is lowered": (
        "update accounts set floor = -1000 where kind = 'merchant'",
        {"account_is_of_its_kind"},
    ),
    "a wallet is given another owner": (
        "update accounts set owner_id = gen_random_uuid() where account_id = "
        "(select account_id from accounts where kind = 'player' and balance > 0 limit 1)",
        {"account_is_of_its_kind", "settled_grant_moves_from_block_to_player"},
    ),
    "a vote is removed": (
        "delete from votes where matchup_id = (select matchup_id from grants where state = 'settled' limit 1)",
        {"paid_vote_has_one_grant"},
    ),
    "a vote is given a better offer": (
        "update votes set offer_g = 20 where matchup_id = (select matchup_id from votes limit 1)",
        {"paid_vote_has_one_grant"},
    ),
    "a grant is removed": (
        "delete from grants where matchup_id = (select matchup_id from grants where state = 'held' limit 1)",
        {"paid_vote_has_one_grant"},
    ),
    "a grant is invented": (
        "insert into grants (player_id, matchup_id, test_id, block_id, created_at, held_until, amount_g) "
        "select player_id, gen_random_uuid(), test_id, block_id, created_at, held_until, 10 from grants limit 1",
        {"paid_vote_has_one_grant"},
    ),
    "a held grant is marked as paid": (
        "update grants set state = 'settled', final_at = now() where state = 'held'",
        {"settled_grant_has_one_transfer"},
    ),
    "a voided grant is paid after all, in its row": (
        "update grants set state = 'settled', void_reason = null where state = 'voided'",
        {"settled_grant_has_one_transfer", "voided_grant_went_back"},
    ),
    "a grant is moved to a block of another test": (
        "update grants g set block_id = (select block_id from reservations r where r.budget_id <> g.test_id limit 1) "
        "where matchup_id = (select matchup_id from grants where state = 'held' limit 1)",
        {"grant_has_its_block", "paid_vote_has_one_grant"},
    ),
    "a block is forgotten": (
        "delete from reservations where block_id = (select block_id from grants where state = 'held' limit 1)",
        {"grant_has_its_block", "reservation_has_an_owner", "caps_count_what_is_reserved"},
    ),
    "a block that still holds grams is called released": (
        "update reservations set released_at = now() "
        "where block_id = (select block_id from grants where state = 'held' limit 1)",
        {"block_covers_its_promises"},
    ),
    "a budget's row claims more than was bought": (
        "update budgets set bought_g = bought_g + 10 where closed_at is null",
        {"budget_is_what_was_bought"},
    ),
    "a merchant is charged for more than was settled": (
        "update budgets set charged_g = charged_g + 10 where closed_at is null",
        {"budget_is_what_was_bought"},
    ),
    "a day's count under the caps is set back": (
        "update reserved_days set reserved_g = 0",
        {"caps_count_what_is_reserved"},
    ),
    "a reversal is called something else": (
        "update transfers set reason = 'reversal' where reason = 'grant_voided'",
        {"reversal_mirrors_its_transfer", "voided_grant_went_back", "transfers_are_as_sealed"},
    ),
    "an audit line is rewritten": (
        "update audit_lines set who = 'nobody'",
        {"audit_lines_are_as_sealed"},
    ),
}


@pytest.mark.parametrize("crime", CRIMES)
async def test_a_crime_against_the_books_breaks_the_law_that_is_about_it(scene_of_crime, crime):
    statement, expected = CRIMES[crime]
    async with scene_of_crime.engine.connect() as conn:
        await conn.execute(sa.text("set local session_replication_role = replica"))
        assert (await conn.execute(sa.text(statement))).rowcount >= 1
        found = [await check(conn, law) for law in LAWS_OF_THE_BOOKS]
        await conn.rollback()
    assert expected <= {finding.code for finding in found if finding.rows}


async def test_money_that_left_an_escrow_by_a_well_formed_transfer_is_missed(keeping):
    """Balanced, named, above every floor, and wrong: what was promised to players is no longer paid for."""
    async with transaction(keeping.engine) as conn:
        await conn.execute(
            sa.text(
                "insert into transfers (transfer_id, debit_account, credit_account, amount, at, unit, reason, out_biz_no) "
                "select gen_random_uuid(), e.account_id, m.account_id, e.balance, now(), 'fen', 'by_hand', 'one' "
                "from accounts e, accounts m where e.kind = 'test_escrow' and m.kind = 'merchant' "
                "order by e.balance desc limit 1"
            )
        )
    assert set(await keeping.broken_laws()) == {"escrow_pays_for_promises"}


async def test_every_law_of_the_books_is_broken_by_some_crime_here():
    """A law that nothing can break says nothing."""
    tried = set().union(*(expected for _, expected in CRIMES.values())) | {"units_balance", "escrow_pays_for_promises"}
    assert {law.code for law in LAWS_OF_THE_BOOKS} <= tried


async def test_more_offenders_than_can_be_read_are_counted_as_more(keeping):
    await keeping.players(1)
    await as_attacker(
        keeping.engine,
        "insert into accounts (account_id, kind, owner_id, unit, floor, balance) "
        "select gen_random_uuid(), 'player', gen_random_uuid(), 'g', 0, 5 from generate_series(1, 50)",
    )
    job = CheckInvariants(keeping.engine)
    await job.run(keeping.clock.now)
    (finding,) = [each for each in job.findings if each.code == "balance_is_fold_of_transfers"]
    assert len(finding.rows) == 20
    assert finding.more


async def test_an_audit_of_a_database_under_load_sees_one_moment_and_raises_no_false_alarm(keeping):
    test_id = await keeping.a_test(votes=2_000)
    player_ids = await keeping.players(20)
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            block = await keeping.a_block(test_id, wanted_g=100)
            await keeping.votes(block.reserved_g // 10, test_id=test_id, block_id=block.id, player_ids=player_ids)
            await SettleGrants(keeping.engine, batch=5).run(keeping.clock.now)

    loading = asyncio.create_task(load())
    for _ in range(5):
        assert await keeping.broken_laws(connections=2) == {}
    stop.set()
    await loading


async def run_audit(database: str) -> tuple[int, str]:
    """The command as the shell calls it, in a thread because it runs a loop of its own."""
    said = await asyncio.to_thread(CliRunner().invoke, cli, ["audit"], env={"DATABASE_URL": database})
    return said.exit_code, said.output


async def test_the_command_exits_with_0_on_whole_books_and_with_1_and_the_row_on_others(keeping, database):
    status, said = await run_audit(database)
    assert (status, "laws hold" in said) == (0, True)
    owner = uuid7()
    await as_attacker(
        keeping.engine,
        "insert into accounts (account_id, kind, owner_id, unit, floor, balance) "
        "values (account_id('player', :owner), 'player', :owner, 'g', 0, 1)",
        owner=owner,
    )
    status, said = await run_audit(database)
    assert status == 1
    assert "balance_is_fold_of_transfers" in said
    assert str(owner) in said


async def test_the_command_says_in_one_sentence_that_there_is_no_database():
    status, said = await run_audit("postgresql://nobody@127.0.0.1:1/nothing")
    assert status == 1
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) <= 2
