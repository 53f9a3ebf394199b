"""The laws of the books and votes, each as the statement that finds the rows which break it; recomputed from the facts.

A store of another group of tables adds its own laws by a constant `LAWS`. Every law is one pass over the tables, in
the database: nothing is loaded here but offending rows. All laws of one audit see one snapshot, so a service under
load can be audited; see `Audit`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import server.stores
from rewards.ledger import AccountKind
from server.stores import seals
from server.stores.seals import CHAINS, Chain

MOST_ROWS = 20
"""How many offending rows of one law are named; that there are more is said."""


@dataclass(frozen=True, slots=True)
class Law:
    """One invariant: a stable code, the sentence that holds, and the statement that finds where it does not.

    `certain`, where there is one, is a cheaper statement that says true only if the law holds; then nobody is looked
    for.
    """

    code: str
    sentence: str
    offenders: str
    certain: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the audit of one law came to: no rows when it holds. `more` when there are others than those named."""

    code: str
    sentence: str
    rows: tuple[dict[str, Any], ...]
    more: bool = False

    @property
    def holds(self) -> bool:
        return not self.rows


_KINDS = ", ".join(
    f"('{kind}', '{kind.unit}', {'null' if kind.floor is None else kind.floor}::bigint)" for kind in AccountKind
)

# Two tables that must say the same of millions of rows are first compared by fingerprint: a sum of hashes of all
# rows, with a salt drawn for this one comparison. One pass over each, no join; that two different tables agree has a
# chance of 2^-64.
LAWS = (
    Law(
        "balance_is_fold_of_transfers",
        "The stored balance of every account equals the fold of all its transfers, and none is below its floor.",
        """
        select coalesce(a.account_id, f.account_id) as account_id, a.kind, a.owner_id, a.balance as stored,
               f.balance as recomputed, a.floor
        from accounts a full join (
            select account_id, sum(delta)::bigint as balance
            from (
                select debit_account as account_id, -sum(amount) as delta from transfers group by debit_account
                union all
                select credit_account, sum(amount) from transfers group by credit_account
            ) legs group by account_id
        ) f on f.account_id = a.account_id
        where a.balance is distinct from coalesce(f.balance, 0) or coalesce(f.balance, 0) < a.floor
        """,
    ),
    Law(
        "account_is_of_its_kind",
        "Every account has the id, the unit and the floor of its kind and owner.",
        f"""
        select a.account_id, a.kind, a.owner_id, a.unit, a.floor
        from accounts a left join (values {_KINDS}) k(kind, unit, floor) on k.kind = a.kind
        where k.kind is null or a.unit <> k.unit or a.floor is distinct from k.floor
           or a.account_id <> account_id(a.kind, a.owner_id)
        """,  # noqa: S608 - made of the chart of accounts
    ),
    Law(
        "units_balance",
        "All balances of a unit sum to zero: all accounts hold together what was issued less redeemed and expired.",
        """
        select unit, sum(balance) as total,
               -sum(balance) filter (where kind in ('issuance', 'bank', 'platform')) as issued,
               sum(balance) filter (where kind in ('redeemed', 'expired', 'suppliers')) as redeemed_or_expired
        from accounts group by unit having sum(balance) <> 0
        """,
    ),
    Law(
        "reversal_mirrors_its_transfer",
        "Every reversal undoes one transfer: the same amount between the same accounts, the other way.",
        """
        select r.transfer_id, r.reverses, r.amount
        from transfers r left join transfers t on t.transfer_id = r.reverses
        where (r.reason = 'reversal') <> (r.reverses is not null)
           or r.reason = 'reversal' and (t.transfer_id is null or r.amount <> t.amount
                or r.debit_account <> t.credit_account or r.credit_account <> t.debit_account)
        """,
    ),
    Law(
        "settled_grant_has_one_transfer",
        "Each settled grant has exactly one transfer, of its amount, and each such transfer has its grant.",
        """
        select coalesce(g.matchup_id, t.transfer_id) as matchup_id, coalesce(g.player_id, t.player_id) as player_id,
               g.state, g.amount_g as promised_g, t.amount as paid_g
        from (select * from grants where state = 'settled') g
        full join (select * from transfers where reason = 'grant_settled') t on t.transfer_id = g.matchup_id
        where g.matchup_id is null or t.transfer_id is null or g.amount_g <> t.amount
           or g.player_id is distinct from t.player_id or t.out_biz_no <> g.matchup_id::text
        """,
        certain="""
        with salt as materialized (select (random() * 9e18)::bigint as salt)
        select g.n = t.n and g.fingerprint is not distinct from t.fingerprint and t.misnamed = 0
        from (
            select count(*) as n, sum(uuid_hash_extended(matchup_id, uuid_hash_extended(player_id,
                   (select salt from salt) + amount_g))) as fingerprint
            from grants where state = 'settled'
        ) g, (
            select count(*) as n, sum(uuid_hash_extended(transfer_id, uuid_hash_extended(player_id,
                   (select salt from salt) + amount))) as fingerprint,
                   count(*) filter (where player_id is null or out_biz_no <> transfer_id::text) as misnamed
            from transfers where reason = 'grant_settled'
        ) t
        """,
    ),
    Law(
        "settled_grant_moves_from_block_to_player",
        "The transfers of settled grants go from the reservation of their block into the wallet of their player.",
        """
        select t.account_id, a.kind, a.owner_id, t.player_id, null::uuid as block_id, t.amount as paid_g,
               null::bigint as promised_g
        from (
            select credit_account as account_id, player_id, sum(amount) as amount from transfers
            where reason = 'grant_settled' group by credit_account, player_id
        ) t
        left join accounts a on a.account_id = t.account_id
        where a.kind is distinct from 'player' or a.owner_id is distinct from t.player_id
        union all
        select coalesce(t.account_id, g.account_id), a.kind, a.owner_id, null, g.block_id, t.amount, g.amount_g
        from (
            select debit_account as account_id, sum(amount) as amount from transfers
            where reason = 'grant_settled' group by debit_account
        ) t
        full join (
            select account_id('reservation', block_id) as account_id, block_id, amount_g
            from (select block_id, sum(amount_g) as amount_g from grants where state = 'settled' group by block_id) b
        ) g on g.account_id = t.account_id
        left join accounts a on a.account_id = coalesce(t.account_id, g.account_id)
        where t.amount is distinct from g.amount_g
        """,
    ),
    Law(
        "voided_grant_went_back",
        "Each voided grant gave its grams back by exactly one transfer, and has a reason.",
        """
        select coalesce(g.matchup_id::text, t.out_biz_no) as matchup_id, g.player_id, g.amount_g as promised_g,
               t.amount as given_back_g, g.void_reason
        from (select * from grants where state = 'voided') g
        full join (select * from transfers where reason = 'grant_voided') t on t.out_biz_no = g.matchup_id::text
        where g.matchup_id is null or t.transfer_id is null or g.amount_g <> t.amount
        """,
    ),
    Law(
        "paid_vote_has_one_grant",
        "Each vote that was offered fertilizer has one grant of that amount, and each grant for a vote has its vote.",
        """
        select coalesce(g.matchup_id, v.matchup_id) as matchup_id, coalesce(g.player_id, v.player_id) as player_id,
               v.offer_g, g.amount_g, g.state
        from (select * from grants where kind = 'per_vote') g
        full join (select player_id, matchup_id, test_id, block_id, offer_g from votes where offer_g > 0) v
          on v.player_id = g.player_id and v.matchup_id = g.matchup_id
        where g.matchup_id is null or v.matchup_id is null or g.amount_g <> v.offer_g or g.block_id <> v.block_id
           or g.test_id <> v.test_id
        """,
        certain="""
        with salt as materialized (select (random() * 9e18)::bigint as salt)
        select g.n = v.n and g.fingerprint is not distinct from v.fingerprint
        from (
            select count(*) as n, sum(uuid_hash_extended(matchup_id, uuid_hash_extended(player_id,
                   uuid_hash_extended(block_id, uuid_hash_extended(test_id, (select salt from salt) + amount_g)))))
                   as fingerprint
            from grants where kind = 'per_vote'
        ) g, (
            select count(*) as n, sum(uuid_hash_extended(matchup_id, uuid_hash_extended(player_id,
                   uuid_hash_extended(block_id, uuid_hash_extended(test_id, (select salt from salt) + offer_g)))))
                   as fingerprint
            from votes where offer_g > 0
        ) v
        """,
    ),
    Law(
        "grant_has_its_block",
        "Each grant is promised from a block that was reserved from the budget of its test.",
        """
        select g.block_id, g.test_id, r.budget_id, count(*) as grants, sum(g.amount_g) as amount_g
        from (select block_id, test_id, count(*), sum(amount_g) as amount_g from grants group by block_id, test_id) g
        left join reservations r on r.block_id = g.block_id
        where r.block_id is null or r.budget_id <> g.test_id
        group by g.block_id, g.test_id, r.budget_id
        """,
    ),
    Law(
        "block_covers_its_promises",
        "Each block holds at least what its held grants promise; a released one holds and promises nothing.",
        """
        select r.block_id, r.budget_id, coalesce(a.balance, 0) as balance_g, coalesce(h.held_g, 0) as held_g,
               r.released_at
        from reservations r
        left join accounts a on a.kind = 'reservation' and a.owner_id = r.block_id
        left join (select block_id, sum(amount_g) as held_g from grants where state = 'held' group by block_id) h
          on h.block_id = r.block_id
        where a.account_id is null or coalesce(h.held_g, 0) > a.balance
           or r.released_at is not null and (a.balance <> 0 or coalesce(h.held_g, 0) <> 0)
        """,
    ),
    Law(
        "reservation_has_an_owner",
        "Each reservation account is a block on record, and was filled by exactly what was reserved.",
        """
        select a.owner_id as block_id, a.balance as balance_g, r.reserved_g, t.amount as moved_g
        from accounts a
        left join reservations r on r.block_id = a.owner_id
        left join transfers t on t.reason = 'block_reserved' and t.credit_account = a.account_id
        where a.kind = 'reservation'
          and (r.block_id is null or t.transfer_id is null or t.amount <> r.reserved_g)
        """,
    ),
    Law(
        "budget_is_what_was_bought",
        "Each budget's row says what its transfers say: paid, bought, returned and charged.",
        """
        with moved as (
            select account_id, reason, sum(amount)::bigint as amount from (
                select credit_account as account_id, reason, amount from transfers
                where reason in ('test_funded', 'grams_bought', 'programme_funded')
                union all
                select debit_account, reason, amount from transfers
                where reason in ('grams_returned', 'programme_closed', 'votes_charged', 'test_refunded')
            ) m group by account_id, reason
        ), said as (
            select b.*,
                   coalesce((select sum(amount) from moved where account_id = account_id(b.kind || '_budget',
                   b.budget_id)
                             and reason in ('grams_bought', 'programme_funded')), 0) as moved_in_g,
                   coalesce((select sum(amount) from moved where account_id = account_id(b.kind || '_budget',
                   b.budget_id)
                             and reason in ('grams_returned', 'programme_closed')), 0) as moved_out_g,
                   coalesce((select amount from moved where account_id = account_id('test_escrow', b.budget_id)
                             and reason = 'test_funded'), 0) as moved_fen,
                   coalesce((select amount from moved where account_id = account_id('test_escrow', b.budget_id)
                             and reason = 'votes_charged'), 0) as moved_charge_fen
            from budgets b
        )
        select budget_id, kind, paid_fen, moved_fen, bought_g, moved_in_g, returned_g, moved_out_g, charged_g,
               moved_charge_fen
        from said
        where bought_g <> moved_in_g or returned_g <> moved_out_g
           or kind = 'test' and (paid_fen <> moved_fen
                or (charged_g * rate_fen + rate_g - 1) / rate_g <> moved_charge_fen)
        """,
    ),
    Law(
        "escrow_pays_for_promises",
        "What was charged and what is in escrow pay for all grams of a test; each account of a budget has its row.",
        """
        select b.budget_id, e.balance as escrow_fen, b.rate_fen, b.rate_g, b.bought_g - b.returned_g as bought_g, b.charged_g
        from budgets b
        left join accounts e on e.kind = 'test_escrow' and e.owner_id = b.budget_id
        where b.kind = 'test'
          and coalesce(e.balance, 0) + (b.charged_g * b.rate_fen + b.rate_g - 1) / b.rate_g
              < ((b.bought_g - b.returned_g) * b.rate_fen + b.rate_g - 1) / b.rate_g
        union all
        select a.owner_id, a.balance, null, null, null, null
        from accounts a left join budgets b on b.budget_id = a.owner_id
        where a.kind in ('test_budget', 'programme_budget', 'test_escrow') and b.budget_id is null
        """,
    ),
    Law(
        "caps_count_what_is_reserved",
        "What is counted under the caps of a day is what was reserved on it less what was given back of it.",
        """
        with given_back as (
            select debit_account as account_id, sum(amount) as amount_g from transfers
            where reason = 'block_released' group by debit_account
        ), net as (
            select r.budget_id, r.day, r.reserved_g - coalesce(g.amount_g, 0) as reserved_g
            from reservations r left join given_back g on g.account_id = account_id('reservation', r.block_id)
        ), counted as (
            select budget_id as scope_id, day, sum(reserved_g) as reserved_g from net group by budget_id, day
            union all
            select '00000000-0000-0000-0000-000000000000', day, sum(reserved_g) from net group by day
        )
        select coalesce(d.scope_id, c.scope_id) as scope_id, coalesce(d.day, c.day) as day, d.reserved_g as counted_g,
               c.reserved_g as recomputed_g
        from reserved_days d full join counted c on c.scope_id = d.scope_id and c.day = d.day
        where d.reserved_g is distinct from c.reserved_g
        """,
    ),
)


def all_laws() -> tuple[Law, ...]:
    """The laws of this file, and those that other stores say of their own tables."""
    others = [
        law for store in server.stores.every_store() if store.__name__ != __name__ for law in getattr(store, "LAWS", ())
    ]
    return LAWS + tuple(others)


@dataclass(frozen=True, slots=True)
class SealLaw:
    """That a chain of seals is unbroken, as a law beside the others."""

    chain: Chain

    @property
    def code(self) -> str:
        return f"{self.chain.name}_are_as_sealed"

    @property
    def sentence(self) -> str:
        return f"No row of {self.chain.name} was changed, removed or slipped in since it was sealed."


AnyLaw = Law | SealLaw


def every_law() -> tuple[AnyLaw, ...]:
    """All that an audit goes over."""
    # The seals first: they take longest, and the other connections go through the rest meanwhile.
    return (*(SealLaw(chain) for chain in CHAINS), *all_laws())


async def audit(
    engine: AsyncEngine, laws: Sequence[AnyLaw] | None = None, *, connections: int = 2
) -> AsyncIterator[Finding]:
    """Check the laws on one snapshot, over several connections at once; yields findings as they come, in no order.

    Reads only, and waits for nobody.
    """
    waiting = list(reversed(every_law() if laws is None else laws))
    done: asyncio.Queue[Finding | BaseException] = asyncio.Queue()
    n_laws = len(waiting)

    async def go(conn: AsyncConnection) -> None:
        try:
            while waiting:
                done.put_nowait(await check(conn, waiting.pop()))
        except Exception as error:
            done.put_nowait(error)

    async with AsyncExitStack() as stack:
        snapshot = None
        tasks = []
        for _ in range(max(1, min(connections, n_laws))):
            conn = await stack.enter_async_context(engine.connect())
            conn = await conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            if snapshot is None:
                snapshot = await conn.scalar(sa.text("select pg_export_snapshot()"))
            else:
                await conn.exec_driver_sql(f"set transaction snapshot '{snapshot}'")
            for setting in ("work_mem = '256MB'", "max_parallel_workers_per_gather = 1", "jit = off"):
                await conn.exec_driver_sql(f"set local {setting}")
            tasks.append(asyncio.create_task(go(conn)))
        try:
            for _ in range(n_laws):
                finding = await done.get()
                if isinstance(finding, BaseException):
                    raise finding
                yield finding
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def check(conn: AsyncConnection, law: AnyLaw) -> Finding:
    """Check one law, in whatever transaction the caller has open."""
    if isinstance(law, SealLaw):
        return await _check_seals(conn, law)
    if law.certain is not None and await conn.scalar(sa.text(law.certain)):
        return Finding(law.code, law.sentence, ())
    rows = (await conn.execute(sa.text(f"select * from ({law.offenders}) offenders limit {MOST_ROWS + 1}"))).all()  # noqa: S608
    return Finding(law.code, law.sentence, tuple(row._asdict() for row in rows[:MOST_ROWS]), more=len(rows) > MOST_ROWS)


async def _check_seals(conn: AsyncConnection, law: SealLaw) -> Finding:
    rows: list[dict[str, Any]] = []
    async for _, broken in seals.verify(conn, law.chain):
        rows += [{"seal": each.number, law.chain.order: each.seq, "what": each.what} for each in broken]
        if len(rows) > MOST_ROWS:
            break
    return Finding(law.code, law.sentence, tuple(rows[:MOST_ROWS]), more=len(rows) > MOST_ROWS)
