"""How long each list page of the operators' console takes, at any depth: `python -m bench.ops_pages [--scale 1.0]`.

At scale 1: 1 000 000 players, 10 000 000 ledger rows, 10 000 cases, 10 000 merchants, 20 000 budgets of tests, 200 000
orders, 1 000 000 audit lines, 100 000 moves of money. The rows are made by the database itself with its triggers off: they
are as many and as wide as real ones, but no audit would find that they add up. A page is asked for as a browser does, over
HTTP from the door's application in this process, at the start of its list, in its middle and near its end.
"""

import argparse
import asyncio
import base64
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from aiohttp.test_utils import TestClient, TestServer

from admin.app import admin_app
from admin.console.pages import COOKIE
from admin.flows.sign_in import cookie_digest
from admin.roles import Role
from admin.shell import admin_shell
from bench.filled_books import new_database
from rewards.economy import DEFAULT, as_figures
from rewards.farm import terms_of
from server.config import Config
from server.embedded import EmbeddedPostgres
from server.ids import uuid7
from server.jobs.measure_prizes import MeasurePrizes
from server.stores import staff
from server.stores.db import engine_from, transaction

LIMIT_MS = 150
COOKIE_VALUE, CSRF = "bench", "bench"

_HELPERS = """
-- Ids begin with the time, as real ones do; the rest says whose they are.
create function pg_temp.numbered(kind text, number bigint) returns uuid language sql immutable parallel safe as
    $$ select (lpad(to_hex(1700000000000 + number), 12, '0') || '70008000' || lpad(to_hex(ascii(kind)), 4, '0')
               || '00000000')::uuid $$;
create function pg_temp.moment(number bigint, of_all bigint) returns timestamptz language sql stable parallel safe as
    $$ select now() - interval '300 days' + interval '300 days' * number / of_all $$;
set session_replication_role = replica;
"""

_FILL: tuple[tuple[str, str], ...] = (
    ("players", """
insert into players (player_id, created_at, nickname, gender, birth_year, interests, region, consent, standing)
select pg_temp.numbered('p', n), pg_temp.moment(n, {players}), '玩家' || n,
       (array['female', 'male', 'other', null])[1 + n % 4], 1960 + n % 50,
       array[(array['dresses', 'casual', 'office', 'sport'])[1 + n % 4]],
       (array['上海', '四川', '广东'])[1 + n % 3], '{{"gender": true, "age": true, "interests": true, "region": true}}',
       (array['trusted', 'trusted', 'trusted', 'trusted', 'trusted', 'trusted', 'trusted', 'watched', 'muted'])[1 + n % 9]
from generate_series(1, {players}) n;
insert into accounts (account_id, kind, owner_id, unit, floor, balance)
select account_id('player', player_id), 'player', player_id, 'g', 0, 500 from players;
insert into accounts (account_id, kind, owner_id, unit, floor, balance)
select account_id('reservation', o), 'reservation', o, 'g', 0, 0
from (select pg_temp.numbered('b', n) as o from generate_series(1, 1000) n) b;
"""),
    ("ledger", """
alter table transfers drop constraint uq_transfers_business_key, drop constraint pk_transfers;
drop index ix_transfers_player_id_seq;
do $$ begin
    -- Round by round, so that a player's lines lie as far apart as those of real ones do.
    for round in 0..{transfers} / {players} - 1 loop
        insert into transfers (transfer_id, debit_account, credit_account, amount, at, player_id, unit, reason, out_biz_no)
        select pg_temp.numbered('t', round * {players} + row_number() over ()), b.account_id, p.account_id, 10,
               now() - interval '1 day' * (10 - round), p.owner_id, 'g', 'grant_settled',
               (round * {players} + row_number() over ())::text
        from accounts p, (select account_id from accounts where kind = 'reservation' limit 1) b
        where p.kind = 'player';
    end loop;
end $$;
alter table transfers add constraint pk_transfers primary key (transfer_id),
    add constraint uq_transfers_business_key unique (reason, out_biz_no);
create index ix_transfers_player_id_seq on transfers (player_id, seq) where player_id is not null;
"""),
    ("merchants and budgets", """
insert into merchants (merchant_id, name, created_at)
select pg_temp.numbered('m', n), '商家' || n, pg_temp.moment(n, {merchants}) from generate_series(1, {merchants}) n;
insert into accounts (account_id, kind, owner_id, unit, floor, balance)
select account_id('merchant', merchant_id), 'merchant', merchant_id, 'fen', 0, 100000 from merchants;
insert into style_tests (test_id, merchant_id, title, question, goal, audience, budget_fen, state, created_at)
select pg_temp.numbered('s', n), pg_temp.numbered('m', 1 + n % {merchants}), '测款' || n, '?',
       '{{"keep": 1, "certainty": "likely", "confidence": 0.95, "indifference": 0.1}}',
       '[{{"name": "女 18-29", "gender": "female", "age_min": 18, "age_max": 29, "share_permille": 0}}]', 30000,
       case when n % 20 = 0 then 'running' when n % 4 = 1 then 'stopped' else 'decided' end, pg_temp.moment(n, {tests})
from generate_series(1, {tests}) n;
insert into budgets (budget_id, kind, merchant_id, rate_fen, rate_g, paid_fen, bought_g, purchases, opened_at,
                     plan_ends_at, closed_at)
select test_id, 'test', merchant_id, 3, 10, 30000, 100000, 1, created_at, created_at + interval '5 days',
       case when state <> 'running' then created_at + interval '3 days' end
from style_tests;
insert into accounts (account_id, kind, owner_id, unit, floor, balance)
select account_id(k.kind, test_id), k.kind, test_id, k.unit, 0, k.balance
from style_tests, (values ('test_budget', 'g', 60000), ('test_escrow', 'fen', 18000)) k(kind, unit, balance);
insert into reservations (block_id, budget_id, process_id, reserved_g, day, reserved_at, lapses_at, releasable_at, look_at)
select pg_temp.numbered('r', n), pg_temp.numbered('s', 1 + n % {tests}), gen_random_uuid(), 1000, current_date, now(),
       now(), now(), now() from generate_series(1, {tests} * 2) n;
insert into accounts (account_id, kind, owner_id, unit, floor, balance)
select account_id('reservation', block_id), 'reservation', block_id, 'g', 0, 500 from reservations;
insert into spend_points (budget_id, hour, settled_g, promised_g)
select pg_temp.numbered('s', {tests}), now() - n * interval '1 hour', 40000 - n * 100, 1000 from generate_series(1, 120) n;
insert into money_moves (move_id, kind, merchant_id, test_id, amount, moved, reference, why, state, alone, proposed_who,
                         proposed_at, decided_who, decided_at)
select pg_temp.numbered('v', n), 'deposit', pg_temp.numbered('m', 1 + n % {merchants}), null, 5000, 5000, 'R' || n,
       '银行流水已核对', 'done', true, 'qian', pg_temp.moment(n, {moves}), 'qian', pg_temp.moment(n, {moves})
from generate_series(1, {moves}) n;
"""),
    ("trees and orders", """
insert into trees (tree_id, planter_id, terms, planted_at, applied_g)
select pg_temp.numbered('e', n), pg_temp.numbered('p', n),
       cast('{terms}' as jsonb) || jsonb_build_object('variety', (array['apple', 'mandarin', 'pear'])[1 + n % 3]),
       pg_temp.moment(n, {players}), n % 9000
from generate_series(1, {players}) n;
insert into tree_members (player_id, tree_id, place, joined_at) select planter_id, tree_id, 0, planted_at from trees;
insert into prize_stock (variety, region, week, boxes, taken)
select v, r, to_char(current_date + 7 * w, 'IYYY-"W"IW'), 1000, 0
from unnest(array['apple', 'mandarin', 'pear']) v,
     unnest(array['*', '上海', '四川', '广东', '北京', '浙江', '江苏', '湖南']) r,
     generate_series(0, {weeks}) w
on conflict do nothing;
insert into fulfilment_orders (order_id, player_id, tree_id, variety, box_g, box_cost_fen, state, made_at, moved_at,
                               stock_region, stock_week)
select pg_temp.numbered('o', n), pg_temp.numbered('p', n), pg_temp.numbered('e', n),
       (array['apple', 'mandarin', 'pear'])[1 + n % 3], 9000, 1300,
       (array['delivered', 'delivered', 'delivered', 'delivered', 'shipped', 'ordered', 'pending', 'back_ordered',
              'address_needed', 'compensated'])[1 + (n / 3) % 10],
       pg_temp.moment(n, {orders}), pg_temp.moment(n, {orders}), (array['*', '上海', '四川', '广东'])[1 + (n / 30) % 4],
       '2026-W40'
from generate_series(1, {orders}) n;
insert into order_moves (order_id, from_state, to_state, mover, who, note, at)
select order_id, 'address_needed', 'pending', 'player', player_id::text, '', made_at from fulfilment_orders;
insert into damage_reports (report_id, order_id, player_id, delivered_at, text, picture_id, reported_at, state, answer)
select pg_temp.numbered('d', n), pg_temp.numbered('o', n), pg_temp.numbered('p', n), now(), '烂了三个', gen_random_uuid(),
       pg_temp.moment(n, {orders} / 10), case when n % 5 = 0 then 'open' else 'declined' end, ''
from generate_series(1, {orders} / 10) n;
"""),
    ("cases, audit, segments, staff", """
insert into cases (case_id, kind, subject, state, opened_at, opened_by, reasons, suggestion, evidence, judged_at)
select pg_temp.numbered('c', n), 'player', pg_temp.numbered('p', n)::text || n,
       case when n % 4 = 0 then 'open' else 'upheld' end, pg_temp.moment(n, {cases}), 'sweep', array['one_sided'], 'uphold',
       '{{}}', case when n % 4 <> 0 then now() end
from generate_series(1, {cases}) n;
insert into case_players (case_id, player_id)
select pg_temp.numbered('c', n), pg_temp.numbered('p', n) from generate_series(1, {cases}) n;
insert into appeals (appeal_id, player_id, case_id, text, at, state, answer, answered_at)
select pg_temp.numbered('a', n), pg_temp.numbered('p', n), pg_temp.numbered('c', n), '我是认真选的',
       pg_temp.moment(n, {cases}), case when n % 4 = 0 then 'open' else 'upheld' end,
       case when n % 4 <> 0 then '已核对' end, case when n % 4 <> 0 then now() end
from generate_series(1, {cases}) n;
insert into audit_lines (at, who, what, object_id, before, after, why, request_id)
select pg_temp.moment(n, {lines}), 'staff' || n % 50,
       (array['money.deposit', 'order.move', 'case.judge', 'test.launch', 'economy.change'])[1 + n % 5],
       pg_temp.numbered('o', n)::text, '{{"state": "pending"}}', '{{"state": "ordered"}}', '核对过了', 'r' || n
from generate_series(1, {lines}) n;
insert into segments (segment_id, name, version, predicate, made_at)
select pg_temp.numbered('g', n), '人群' || lpad(n::text, 6, '0'), 1,
       jsonb_build_object('name', '人群' || lpad(n::text, 6, '0'), 'gender', 'female', 'age_min', 18), now()
from generate_series(1, {segments}) n;
insert into segment_versions (segment_id, version, predicate, who, why, at)
select segment_id, 1, predicate, 'guan', '商家常问的人群', made_at from segments;
insert into economies (figures, saved_at, who, why)
select cast('{figures}' as jsonb), pg_temp.moment(n, 1000), 'qian', '调整' from generate_series(1, 1000) n;
insert into staff (user_id, login, name, password_hash, roles, created_at)
select pg_temp.numbered('w', n), 'staff' || n, '员工' || n, '-', array['reviewer'], pg_temp.moment(n, {staff})
from generate_series(1, {staff}) n;
insert into switches (scope, target, stops, why, who, at)
select 'test', pg_temp.numbered('s', n)::text, n % 50 = 0, '演练', 'qian', pg_temp.moment(n, 2000)
from generate_series(1, 2000) n;
"""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """A list page, and the key of its rows in its order; `form` is how its cursor is written."""

    path: str
    key: str = ""
    form: str = "ours"


def _from(table: str, keys: str, where: str = "true", order: str = "1 desc, 2 desc") -> str:
    return f"select {keys} from {table} where {where} order by {order}"


_PEARS = "state = 'ordered' and variety = 'pear' and stock_region = '上海'"
LISTS = (
    Listed("/ops/budgets/merchants", _from("merchants", "merchant_id", order="1 desc")),
    Listed("/ops/budgets/merchants?name=商家1", _from("merchants", "merchant_id", "name like '商家1%'", "1 desc")),
    Listed("/ops/budgets/tests?state=all", _from("budgets", "opened_at, budget_id")),
    Listed("/ops/budgets/tests", _from("budgets", "opened_at, budget_id", "closed_at is null")),
    Listed("/ops/budgets/tests?state=alert"),
    Listed("/ops/budgets/moves", _from("money_moves", "move_id", order="1 desc")),
    Listed("/ops/budgets/moves?state=done", _from("money_moves", "move_id", "state = 'done'", "1 desc")),
    Listed("/ops/economy/changes", _from("economies", "economy_id", order="1 desc")),
    Listed("/ops/prizes", _from("prize_stock", "week, variety, region", order="1, 2, 3")),
    Listed("/ops/orders", _from("fulfilment_orders", "order_id", order="1")),
    Listed("/ops/orders?state=pending", _from("fulfilment_orders", "order_id", "state = 'pending'", "1")),
    Listed("/ops/orders?variety=pear", _from("fulfilment_orders", "order_id", "variety = 'pear'", "1")),
    Listed("/ops/orders?state=ordered&variety=pear&region=上海", _from("fulfilment_orders", "order_id", _PEARS, "1")),
    Listed("/ops/orders/damage?state=", _from("damage_reports", "report_id", order="1")),
    Listed("/ops/orders/damage", _from("damage_reports", "report_id", "state = 'open'", "1")),
    Listed("/ops/segments", _from("segments", "name, segment_id", order="1, 2")),
    Listed("/ops/cases", _from("cases", "opened_at, case_id"), "moment"),
    Listed("/ops/cases?state=open", _from("cases", "opened_at, case_id", "state = 'open'"), "moment"),
    Listed("/ops/cases?reason=one_sided", _from("cases", "opened_at, case_id", "'one_sided' = any(reasons)"), "moment"),
    Listed("/ops/appeals", _from("appeals", "at, appeal_id"), "moment"),
    Listed("/ops/players", _from("players", "player_id", order="1 desc")),
    Listed("/ops/players?text=玩家7777"),
    Listed("/ops/merchants?text=商家77"),
    Listed("/ops/merchants", _from("merchants", "merchant_id", order="1 desc")),
    Listed("/ops/audit", _from("audit_lines", "line_id", order="1 desc"), "plain"),
    Listed(
        "/ops/audit?what=money.deposit", _from("audit_lines", "line_id", "what = 'money.deposit'", "1 desc"), "plain"
    ),
    Listed("/ops/audit?who=staff7", _from("audit_lines", "line_id", "who = 'staff7'", "1 desc"), "plain"),
    Listed("/ops/audit?request_id=r777"),
    Listed("/ops/audit?since=2026-01-01T00:00:00Z&until=2026-06-01T00:00:00Z"),
    Listed("/ops/alarms"),
    Listed("/ops/switches", _from("switches", "switch_id", order="1 desc"), "plain"),
    Listed("/ops/staff", _from("staff", "created_at, user_id"), "moment"),
    Listed("/ops/content"),
    Listed("/ops"),
    Listed("/ops/budgets"),
    Listed("/ops/economy"),
)
ONE = (
    ("/ops/budgets/merchants/{}", "select merchant_id from merchants limit 1"),
    ("/ops/budgets/tests/{}", "select budget_id from spend_points limit 1"),
    ("/ops/orders/{}", "select order_id from fulfilment_orders limit 1"),
    ("/ops/segments/{}", "select segment_id from segments limit 1"),
    ("/ops/cases/{}", "select case_id from cases limit 1"),
    ("/ops/players/{}", "select player_id from players limit 1"),
    ("/ops/players/{}?limit=100", "select player_id from players order by player_id desc limit 1"),
    ("/ops/merchants/{}", "select merchant_id from merchants limit 1"),
)
DEPTHS = (("first", 0.0), ("middle", 0.5), ("last", 0.995))


def cursor(form: str, key: tuple[Any, ...]) -> str:
    """The cursor of the page after this key."""
    told = [part.isoformat() if isinstance(part, datetime) else str(part) for part in key]
    if form == "plain":
        return told[0]
    if form == "moment":
        return base64.urlsafe_b64encode("|".join(told).encode()).decode()
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


async def fill(connection: asyncpg.Connection, scale: float) -> None:
    """Fill an empty, migrated database."""
    sizes = {
        "players": 1_000_000, "transfers": 10_000_000, "merchants": 10_000, "tests": 20_000, "moves": 100_000,
        "orders": 200_000, "cases": 10_000, "lines": 1_000_000, "segments": 2_000, "staff": 500, "weeks": 200,
    }  # fmt: skip
    scaled = {name: max(50, int(size * scale)) for name, size in sizes.items()}
    texts = {
        "figures": json.dumps(as_figures(DEFAULT), ensure_ascii=False),
        "terms": json.dumps(asdict(terms_of("apple", DEFAULT))),
    }
    await connection.execute(_HELPERS)
    for name, script in _FILL:
        started = time.perf_counter()
        await connection.execute(script.format(**scaled, **texts))
        print(f"filled {name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    await connection.execute("set session_replication_role = default")
    await connection.execute("vacuum analyze")


async def measure(client: TestClient, path: str, repeats: int) -> tuple[int, float, float]:
    """(status, least, median) of a page in ms, the first time left out: by then its statements are prepared."""
    headers = {"Cookie": f"{COOKIE}={COOKIE_VALUE}"}
    took: list[float] = []
    status = 0
    for _ in range(repeats + 1):
        started = time.perf_counter()
        async with client.get(path, headers=headers, allow_redirects=False) as reply:
            await reply.read()
            status = reply.status
        took.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.06)  # the door asks callers not to hurry
    return status, min(took[1:]), statistics.median(took[1:])


async def run(folder: Path, scale: float, repeats: int) -> int:
    """Fill (unless the folder holds a filled database), measure and print; returns how many pages took too long."""
    with EmbeddedPostgres(folder / "pg", durable=False) as pg:
        if (folder / "filled").exists():
            url = pg.url_of("pages")
            connection = await asyncpg.connect(url)
        else:
            url = await new_database(pg, "pages")
            connection = await asyncpg.connect(url)
            await fill(connection, scale)
            await _sign_in(url)
            (folder / "filled").touch()
        config = Config.from_environment({}, mode="demo", database_url=url, data_dir=folder)
        slow = 0
        async with admin_shell(config) as shell:
            await MeasurePrizes(shell.engine).run(datetime.now(UTC))
            app = admin_app(shell)
            registered = {resource.canonical for resource in app.router.resources()}
            async with TestClient(TestServer(app)) as client:
                print(f"{'page':<54} {'depth':<7} {'least ms':>9} {'median ms':>10}")
                for name, depth, path in await _pages(connection, registered):
                    status, least, median = await measure(client, path, repeats)
                    late = median > LIMIT_MS
                    slow += late or status != 200
                    mark = " SLOW" if late else "" if status == 200 else f" STATUS {status}"
                    print(f"{name:<54} {depth:<7} {least:>9.1f} {median:>10.1f}{mark}", flush=True)
        await connection.close()
    return slow


async def _pages(connection: asyncpg.Connection, registered: set[str]) -> list[tuple[str, str, str]]:
    """(name, depth, address) of every page that is there."""
    found = []
    for one in LISTS:
        if one.path.split("?")[0] not in registered:
            continue
        found.append((one.path, "first", one.path))
        if not one.key:
            continue
        # The keys are the bench's own words.
        total = await connection.fetchval(f"select count(*) from ({one.key}) k")
        for depth, share in DEPTHS[1:]:
            key = await connection.fetchrow(f"{one.key} offset {int(total * share)} limit 1")
            if key is not None:
                sign = "&" if "?" in one.path else "?"
                found.append((one.path, depth, f"{one.path}{sign}cursor={cursor(one.form, tuple(key))}"))
    for path, query in ONE:
        if any(
            known.split("{")[0] == path.split("{")[0] and known.count("/") == path.count("/") for known in registered
        ):
            found.append((path.replace("{}", "…"), "one", path.format(await connection.fetchval(query))))
    return found


async def _sign_in(url: str) -> None:
    """A person of all roles with a session."""
    engine = engine_from(url, pool_size=1)
    now = datetime.now(UTC)
    user_id = uuid7()
    roles = [role.value for role in Role if role is not Role.MERCHANT]
    async with transaction(engine) as conn:
        await staff.add(
            conn,
            user_id=user_id,
            login="bench",
            name="bench",
            password_hash="-",
            roles=roles,
            merchant_id=None,
            now=now,
        )
        await staff.open_session(
            conn, digest=cookie_digest(COOKIE_VALUE), session_id=uuid7(), user_id=user_id, csrf=CSRF, second_factor=True,
            now=now, expires_at=now + timedelta(days=1),
        )  # fmt: skip
    await engine.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the operators' list pages on a full database.")
    parser.add_argument("--scale", type=float, default=1.0, help="how full: 1.0 is a million players")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--keep", type=Path, help="a folder for the database: filled once, and measured again as it is")
    parser.add_argument("--quick", action="store_true", help="a hundredth of that, three times")
    given = parser.parse_args()
    if given.quick:
        given.scale, given.repeats = min(given.scale, 0.01), min(given.repeats, 3)
    with tempfile.TemporaryDirectory(prefix="ops-pages-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return 1 if asyncio.run(run(folder, given.scale, given.repeats)) else 0


if __name__ == "__main__":
    sys.exit(main())
