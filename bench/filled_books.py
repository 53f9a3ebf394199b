"""Books of any size, made by the database itself: players, tests with blocks, votes, and their grants, held or settled."""

import os
from pathlib import Path

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.embedded import EmbeddedPostgres
from server.migrations import upgrade

GRANTS_A_BLOCK = 100
STEP = 1_000_000

# An id is a hash of a number, so that ids lie about as those of real players do; matchup ids begin with the time, as theirs.
_HELPERS = """
create function pg_temp.numbered(kind text, number bigint) returns uuid language sql immutable parallel safe as
    $$ select account_id(kind, lpad(to_hex(number), 32, '0')::uuid) $$;
create function pg_temp.matchup(number bigint) returns uuid language sql immutable parallel safe as
    $$ select (lpad(to_hex(1700000000000 + number / 20), 12, '0') || '7' || substr(md5('r' || number), 1, 3)
               || '8' || substr(md5('m' || number), 1, 15))::uuid $$;
create function pg_temp.nobody() returns uuid language sql immutable parallel safe as
    $$ select '00000000-0000-0000-0000-000000000000'::uuid $$;
"""

_BUDGETS = """
insert into players (player_id, created_at)
select pg_temp.numbered('player', p), now() from generate_series(0, {n_players} - 1) p;

insert into budgets (budget_id, kind, merchant_id, rate_fen, rate_g, paid_fen, bought_g, purchases, opened_at)
select pg_temp.numbered('test', t), 'test', gen_random_uuid(), 3, 10, {test_g} * 3 / 10, {test_g}, 1, now()
from generate_series(0, {n_tests} - 1) t;

insert into reservations (block_id, budget_id, process_id, reserved_g, day, reserved_at, lapses_at, releasable_at, look_at)
select pg_temp.numbered('block', b), pg_temp.numbered('test', b % {n_tests}), gen_random_uuid(), {block_g}, current_date,
       now(), now(), now(), now()
from generate_series(0, {n_blocks} - 1) b;

insert into reserved_days (scope_id, day, reserved_g)
select budget_id, day, sum(reserved_g) from reservations group by budget_id, day
union all
select pg_temp.nobody(), day, sum(reserved_g) from reservations group by day;

insert into accounts (account_id, kind, owner_id, unit, floor)
select account_id(kind, owner_id), kind, owner_id, unit, floor
from (
    values ('issuance', pg_temp.nobody(), 'g', null::bigint), ('bank', pg_temp.nobody(), 'fen', null),
           ('platform', pg_temp.nobody(), 'fen', null)
    union all select 'reservation', block_id, 'g', 0 from reservations
    union all select 'test_budget', budget_id, 'g', 0 from budgets
    union all select 'test_escrow', budget_id, 'fen', 0 from budgets
    union all select 'merchant', merchant_id, 'fen', 0 from budgets
) a(kind, owner_id, unit, floor);

insert into transfers (transfer_id, debit_account, credit_account, amount, at, unit, reason, out_biz_no)
select gen_random_uuid(), account_id(debit, debit_owner), account_id(credit, credit_owner), amount, now(), unit, reason,
       credit_owner::text
from (
    select 1, 'bank', pg_temp.nobody(), 'merchant', merchant_id, paid_fen, 'fen', 'merchant_deposit' from budgets
    union all select 2, 'merchant', merchant_id, 'test_escrow', budget_id, paid_fen, 'fen', 'test_funded' from budgets
    union all select 3, 'issuance', pg_temp.nobody(), 'test_budget', budget_id, bought_g, 'g', 'grams_bought' from budgets
    union all select 4, 'test_budget', budget_id, 'reservation', block_id, reserved_g, 'g', 'block_reserved'
              from reservations
) t(place, debit, debit_owner, credit, credit_owner, amount, unit, reason)
order by place;
"""

_FACTS = """
create temp table facts on commit drop as
select pg_temp.numbered('player', (hashint4(n)::bigint + 2147483648) % {n_players}) as player_id,
       pg_temp.matchup(n) as matchup_id, pg_temp.numbered('test', n / {per_block} % {n_tests}) as test_id,
       pg_temp.numbered('block', n / {per_block}) as block_id,
       now() - interval '1 hour' + n * interval '1 microsecond' as at
from generate_series({first}, {last} - 1) n;

insert into votes (player_id, matchup_id, test_id, dealt_at, answered_at, block_id, took_ms, snapshot, probability,
                   left_position, right_position, choice, segment, offer_g, flags, device)
select player_id, matchup_id, test_id, at, at, block_id, 1500, 1, 0.5, 0, 1, 1, 0, 10, 0, '' from facts;

insert into grants (player_id, matchup_id, test_id, block_id, amount_g, created_at, held_until, state, final_at)
select player_id, matchup_id, test_id, block_id, 10, at, at, '{state}', {final_at} from facts;
"""

_SETTLED = """
insert into accounts (account_id, kind, owner_id, unit, floor)
select account_id('player', player_id), 'player', player_id, 'g', 0 from (select distinct player_id from facts) p
on conflict do nothing;

insert into transfers (transfer_id, debit_account, credit_account, amount, at, player_id, unit, reason, out_biz_no)
select matchup_id, account_id('reservation', block_id), account_id('player', player_id), 10, now(), player_id, 'g',
       'grant_settled', matchup_id::text
from facts;
"""

_CHARGED = """
insert into transfers (transfer_id, debit_account, credit_account, amount, at, unit, reason, out_biz_no)
select gen_random_uuid(), account_id('test_escrow', test_id), account_id('platform', pg_temp.nobody()),
       (grams * 3 + 9) / 10, now(), 'fen', 'votes_charged', test_id || ':' || grams
from (select test_id, sum(amount_g) as grams from grants group by test_id) g;

update budgets b set charged_g = g.grams
from (select test_id, sum(amount_g) as grams from grants group by test_id) g where g.test_id = b.budget_id;
"""


async def new_database(postgres: EmbeddedPostgres, name: str) -> str:
    """The address of a migrated database with nothing in it."""
    connection = await asyncpg.connect(postgres.url_of("postgres"))
    await connection.execute(f"create database {name}")
    await connection.close()
    await upgrade(postgres.url_of(name))
    return postgres.url_of(name)


async def fill(engine: AsyncEngine, *, n_grants: int, n_players: int, n_tests: int, settled: bool) -> None:
    """Fill an empty, migrated database. Settled grants have their transfers, held ones are due."""
    n_blocks = max(n_tests, -(-n_grants // GRANTS_A_BLOCK))
    block_g = GRANTS_A_BLOCK * 10
    sizes = {"n_players": n_players, "n_tests": n_tests, "per_block": GRANTS_A_BLOCK}
    async with engine.connect() as conn:
        await _run(conn, _HELPERS)
        await _run(
            conn, _BUDGETS.format(n_blocks=n_blocks, block_g=block_g, test_g=-(-n_blocks // n_tests) * block_g, **sizes)
        )
        await conn.commit()
        for first in range(0, n_grants, STEP):
            last = min(first + STEP, n_grants)
            state = {"state": "settled", "final_at": "now()"} if settled else {"state": "held", "final_at": "null"}
            await _run(conn, _FACTS.format(first=first, last=last, **sizes, **state))
            if settled:
                await _run(conn, _SETTLED)
            await conn.commit()
        if settled:
            await _run(conn, _CHARGED)
            await conn.commit()
    async with engine.connect() as conn:
        quiet = await conn.execution_options(isolation_level="AUTOCOMMIT")
        await quiet.execute(sa.text("vacuum analyze"))


async def _run(conn: AsyncConnection, script: str) -> None:
    """Run a script of several statements, in the transaction that is open."""
    await conn.execute(sa.text("select"))
    await (await conn.get_raw_connection()).driver_connection.execute(script)


def cpu_s_below(server_pid: int | None) -> float:
    """CPU seconds that the processes of one PostgreSQL server have used so far; 0 where there is no /proc."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            # It ended meanwhile.
            continue
        if int(fields[1]) == server_pid:
            ticks += int(fields[11]) + int(fields[12])
        elif int(stat.parent.name) == server_pid:
            # Of those that have ended: workers of one query, say.
            ticks += int(fields[13]) + int(fields[14])
    return ticks / os.sysconf("SC_CLK_TCK")
