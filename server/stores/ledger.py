"""Accounts and the transfers between them: append-only, balanced, and never below a floor.

Races settled here. Any number of writers on any accounts: a trigger moves the balances of a whole statement at once,
after locking its accounts in the order of their ids, so two writers can wait for each other but never in a circle;
the check on `balance` refuses the statement that would go below a floor, whoever came first. The same business fact
twice: the unique key on (reason, out_biz_no) lets one insert win, and the loser is told "exists" when it says the
same.

Nobody updates a balance by hand: the trigger does, and a second trigger refuses everybody else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.errors import BelowFloor, ConflictingTransfer
from rewards.ledger import Account, AccountKind, Posting, Reason, Transfer
from server.stores.db import metadata

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account_id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Uuid, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    # Null for the accounts that are the outside world and may go as low as they like.
    sa.Column("floor", sa.BigInteger),
    sa.Column("balance", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("kind", "owner_id", name="uq_accounts_kind_owner"),
    sa.CheckConstraint("floor is null or balance >= floor", name="floor_kept"),
    sa.CheckConstraint("unit in ('g', 'fen')", name="unit_known"),
    # Room on each page for the next version of a balance, so that an update touches no index.
    postgresql_with={"fillfactor": 70},
)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("transfer_id", sa.Uuid, primary_key=True),
    # The order in which seals go over the transfers. Not the order of commits: see server/stores/seals.py.
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("debit_account", sa.Uuid, nullable=False),
    sa.Column("credit_account", sa.Uuid, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("player_id", sa.Uuid),
    sa.Column("reverses", sa.Uuid),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("out_biz_no", sa.Text, nullable=False),
    sa.Column("note", JSONB),
    sa.UniqueConstraint("reason", "out_biz_no", name="uq_transfers_business_key"),
    sa.CheckConstraint("amount > 0", name="amount_positive"),
    sa.CheckConstraint("debit_account <> credit_account", name="two_accounts"),
    sa.CheckConstraint("unit in ('g', 'fen')", name="unit_known"),
)
# Rows are appended in the order of seq, or nearly: a block range index serves the seals at no cost for each insert.
sa.Index("ix_transfers_seq", transfers.c.seq, postgresql_using="brin", postgresql_with={"pages_per_range": 32})
sa.Index(
    "ix_transfers_player_id_seq",
    transfers.c.player_id,
    transfers.c.seq,
    postgresql_where=transfers.c.player_id.isnot(None),
)

REFUSE_CHANGE = """
create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end $$
"""


def append_only(table: str) -> str:
    """The trigger that refuses every change of a table of facts, to everybody."""
    return f"""
create or replace trigger {table}_append_only before update or delete or truncate on {table}
    for each statement execute function refuse_change()
"""


def stays(table: str) -> str:
    """The trigger of a table whose rows are never taken away."""
    return f"""
create or replace trigger {table}_stay before delete or truncate on {table}
    for each statement execute function refuse_change()
"""


def keeps(table: str, *columns: str, never: str = "false") -> str:
    """The trigger of a table whose rows change in some columns only, and `never` in these ways."""
    changed = " or ".join(f"new.{column} is distinct from old.{column}" for column in columns)
    return f"""
create or replace trigger {table}_keep before update on {table}
    for each row when ({changed} or {never}) execute function refuse_change()
"""


DDL = (
    REFUSE_CHANGE,
    # The id of an account is a fact of its kind and owner: UUID version 8 (RFC 9562) from SHA-256 of "kind:owner".
    # Python computes the same in account_id(), so that no statement ever has to look an account up.
    """
create or replace function account_id(kind text, owner_id uuid) returns uuid
language sql immutable parallel safe as $$
    select overlay(overlay(encode(substr(sha256(convert_to(kind || ':' || owner_id::text, 'UTF8')), 1, 16), 'hex')
                           placing '8' from 13 for 1) placing '8' from 17 for 1)::uuid
$$
""",
    # Nested loops are forced because the plan is made once and kept: an index look-up per account is right for one
    # transfer and for ten thousand, a scan of all accounts (right when the table was small) would be a disaster
    # later. It runs with its owner's rights, so that the service itself needs no right to change a balance.
    """
create or replace function move_balances() returns trigger language plpgsql security definer
set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    n_expected bigint;
    n_moved bigint;
begin
    perform 1 from accounts a
    where a.account_id in (select debit_account from posted union select credit_account from posted)
    order by a.account_id
    for no key update;

    with legs as (
        select debit_account as account_id, unit, -amount as delta from posted
        union all
        select credit_account, unit, amount from posted
    ), moves as (
        select account_id, unit, sum(delta)::bigint as delta from legs group by account_id, unit
    ), moved as (
        update accounts a set balance = a.balance + m.delta
        from moves m where a.account_id = m.account_id and a.unit = m.unit
        returning 1
    )
    select (select count(*) from moves), (select count(*) from moved) into n_expected, n_moved;

    if n_moved <> n_expected then
        raise exception 'a transfer names an account that does not exist or counts in another unit'
            using errcode = 'foreign_key_violation';
    end if;
    return null;
end $$
""",
    """
create or replace trigger transfers_move_balances after insert on transfers
    referencing new table as posted for each statement execute function move_balances()
""",
    """
create or replace trigger transfers_append_only before update or delete or truncate on transfers
    for each statement execute function refuse_change()
""",
    """
create or replace trigger accounts_moved_by_transfers_only before update on accounts
    for each statement when (pg_trigger_depth() = 0) execute function refuse_change()
""",
    """
create or replace trigger accounts_open_empty before insert on accounts
    for each row when (new.balance <> 0) execute function refuse_change()
""",
    """
create or replace trigger accounts_never_close before delete or truncate on accounts
    for each statement execute function refuse_change()
""",
)


def account_id(account: Account) -> UUID:
    """The id of an account, the same that the SQL function `account_id(kind, owner)` gives."""
    digest = hashlib.sha256(f"{account.kind}:{account.owner}".encode()).hexdigest()
    return UUID(f"{digest[:12]}8{digest[13:16]}8{digest[17:32]}")


async def open_accounts(conn: AsyncConnection, wanted: Sequence[Account]) -> None:
    """Make sure that these accounts exist, with a balance of zero when they are new."""
    by_id = {account_id(account): account for account in wanted}
    ids = sorted(by_id)
    await conn.execute(
        _OPEN,
        {
            "ids": ids,
            "kinds": [by_id[each].kind.value for each in ids],
            "owners": [by_id[each].owner for each in ids],
            "units": [by_id[each].unit.value for each in ids],
            "floors": [by_id[each].floor for each in ids],
        },
    )


_OPEN = sa.text(
    """
insert into accounts (account_id, kind, owner_id, unit, floor)
select * from unnest(:ids, :kinds, :owners, :units, :floors) as t(account_id, kind, owner_id, unit, floor)
where not exists (select 1 from accounts a where a.account_id = t.account_id)
on conflict do nothing
"""
).bindparams(
    sa.bindparam("ids", type_=ARRAY(sa.Uuid)),
    sa.bindparam("kinds", type_=ARRAY(sa.Text)),
    sa.bindparam("owners", type_=ARRAY(sa.Uuid)),
    sa.bindparam("units", type_=ARRAY(sa.Text)),
    sa.bindparam("floors", type_=ARRAY(sa.BigInteger)),
)

_POST = sa.text(
    """
insert into transfers (transfer_id, debit_account, credit_account, amount, at, player_id, reverses, unit, reason,
                       out_biz_no, note)
select * from unnest(:ids, :debits, :credits, :amounts, :moments, :players, :reverses, :units, :reasons, :keys, :notes)
on conflict (reason, out_biz_no) do nothing
returning transfer_id
"""
).bindparams(
    sa.bindparam("ids", type_=ARRAY(sa.Uuid)),
    sa.bindparam("debits", type_=ARRAY(sa.Uuid)),
    sa.bindparam("credits", type_=ARRAY(sa.Uuid)),
    sa.bindparam("amounts", type_=ARRAY(sa.BigInteger)),
    sa.bindparam("moments", type_=ARRAY(sa.DateTime(timezone=True))),
    sa.bindparam("players", type_=ARRAY(sa.Uuid)),
    sa.bindparam("reverses", type_=ARRAY(sa.Uuid)),
    sa.bindparam("units", type_=ARRAY(sa.Text)),
    sa.bindparam("reasons", type_=ARRAY(sa.Text)),
    sa.bindparam("keys", type_=ARRAY(sa.Text)),
    sa.bindparam("notes", type_=ARRAY(JSONB(none_as_null=True))),
)


def player_of(transfer: Transfer) -> UUID | None:
    """The player whose wallet a transfer moves, None where no wallet is touched."""
    for account in (transfer.credit, transfer.debit):
        if account.kind is AccountKind.PLAYER:
            return account.owner
    return None


async def post(
    conn: AsyncConnection,
    posted: Sequence[Transfer],
    *,
    player_id: UUID | None = None,
    note: Mapping[str, Any] | None = None,
) -> list[Posting]:
    """Post transfers, all or none, in one statement; a fact that is on record already is "exists" and moves nothing.

    Accounts are opened as needed. `player_id` names the player of transfers that touch no wallet (a harvest). Does not
    commit; a refusal undoes only what this call did, and the transaction goes on.

    Post what belongs together in one call: the accounts of one call are locked in one order, those of two calls are
    not.

    Raises `BelowFloor` and `ConflictingTransfer`.
    """
    if not posted:
        return []
    rows = sorted(posted, key=lambda each: each.business_key)
    await open_accounts(conn, [account for each in rows for account in (each.debit, each.credit)])
    savepoint = await conn.begin_nested()
    try:
        fresh = set(
            await conn.scalars(
                _POST,
                {
                    "ids": [each.id for each in rows],
                    "debits": [account_id(each.debit) for each in rows],
                    "credits": [account_id(each.credit) for each in rows],
                    "amounts": [each.amount for each in rows],
                    "moments": [each.at for each in rows],
                    "players": [player_of(each) or player_id for each in rows],
                    "reverses": [each.reverses for each in rows],
                    "units": [each.unit.value for each in rows],
                    "reasons": [each.reason.value for each in rows],
                    "keys": [each.out_biz_no for each in rows],
                    "notes": [dict(note) if note is not None else None for _ in rows],
                },
            )
        )
    except IntegrityError as error:
        await savepoint.rollback()
        if "floor_kept" in str(error.orig):
            raise await _below_floor(conn, rows) from error
        if "pk_transfers" in str(error.orig):
            # The id of another fact was used again: nothing says which of several, so the first is named.
            raise ConflictingTransfer(reason=rows[0].reason, out_biz_no=rows[0].out_biz_no) from error
        raise
    if len(fresh) < len(rows):
        await _must_say_the_same(conn, [each for each in rows if each.id not in fresh], savepoint)
    await savepoint.commit()
    return [Posting.NEW if each.id in fresh else Posting.EXISTS for each in posted]


async def _below_floor(conn: AsyncConnection, refused: Sequence[Transfer]) -> BelowFloor:
    """Name the account that a refused statement would have drawn below its floor."""
    deltas: dict[Account, int] = {}
    for each in refused:
        deltas[each.debit] = deltas.get(each.debit, 0) - each.amount
        deltas[each.credit] = deltas.get(each.credit, 0) + each.amount
    there = await balances(conn, list(deltas))
    drawn = [account for account in deltas if account.floor is not None and deltas[account] < 0]
    # Balances may have moved since the refusal, so that none is short any more: name the one that is nearest to it.
    account = min(drawn, key=lambda each: there[each] + deltas[each])
    return BelowFloor(account=account, balance=there[account], amount=-deltas[account], floor=account.floor)


async def _must_say_the_same(conn: AsyncConnection, repeats: Sequence[Transfer], savepoint: Any) -> None:
    found = {
        (row.reason, row.out_biz_no): row
        for row in await conn.execute(
            sa.text(
                """
select t.* from transfers t
join unnest(:reasons, :keys) as k(reason, out_biz_no) on t.reason = k.reason and t.out_biz_no = k.out_biz_no
"""
            ).bindparams(
                sa.bindparam("reasons", [each.reason.value for each in repeats], type_=ARRAY(sa.Text)),
                sa.bindparam("keys", [each.out_biz_no for each in repeats], type_=ARRAY(sa.Text)),
            )
        )
    }
    for each in repeats:
        row = found[each.business_key]
        said = (row.debit_account, row.credit_account, row.amount, row.reverses)
        if said != (account_id(each.debit), account_id(each.credit), each.amount, each.reverses):
            await savepoint.rollback()
            raise ConflictingTransfer(reason=each.reason, out_biz_no=each.out_biz_no)


async def balances(conn: AsyncConnection, wanted: Sequence[Account]) -> dict[Account, int]:
    """The balance of each of these accounts; zero for one that was never used."""
    by_id = {account_id(account): account for account in wanted}
    found = dict.fromkeys(wanted, 0)
    rows = await conn.execute(
        sa.select(accounts.c.account_id, accounts.c.balance).where(
            accounts.c.account_id == sa.any_(sa.bindparam("ids", list(by_id), type_=ARRAY(sa.Uuid)))
        )
    )
    for each, balance in rows:
        found[by_id[each]] = balance
    return found


async def balance(conn: AsyncConnection, account: Account) -> int:
    """The balance of one account; zero when it was never used."""
    return (await balances(conn, [account]))[account]


_A = accounts.alias("debit")
_B = accounts.alias("credit")
_TRANSFER = (
    sa.select(
        transfers,
        _A.c.kind.label("debit_kind"),
        _A.c.owner_id.label("debit_owner"),
        _B.c.kind.label("credit_kind"),
        _B.c.owner_id.label("credit_owner"),
    )
    .join(_A, _A.c.account_id == transfers.c.debit_account)
    .join(_B, _B.c.account_id == transfers.c.credit_account)
)


def _transfer(row: Any) -> Transfer:
    return Transfer(
        id=row.transfer_id,
        reason=Reason(row.reason),
        out_biz_no=row.out_biz_no,
        debit=Account(AccountKind(row.debit_kind), row.debit_owner),
        credit=Account(AccountKind(row.credit_kind), row.credit_owner),
        amount=row.amount,
        at=row.at,
        reverses=row.reverses,
    )


async def find(conn: AsyncConnection, transfer_id: UUID) -> Transfer | None:
    """The transfer of this id, None where there is none."""
    row = (await conn.execute(_TRANSFER.where(transfers.c.transfer_id == transfer_id))).one_or_none()
    return _transfer(row) if row else None


async def find_fact(conn: AsyncConnection, reason: Reason, out_biz_no: str) -> Transfer | None:
    """The transfer of this business fact, None where there is none."""
    row = (
        await conn.execute(_TRANSFER.where(transfers.c.reason == reason.value, transfers.c.out_biz_no == out_biz_no))
    ).one_or_none()
    return _transfer(row) if row else None


@dataclass(frozen=True, slots=True)
class WalletLine:
    """One line of a player's own ledger; `amount_g` is below zero where fertilizer left the wallet."""

    seq: int
    transfer: Transfer
    amount_g: int


async def wallet(conn: AsyncConnection, player_id: UUID, *, before: int | None, limit: int) -> list[WalletLine]:
    """A player's transfers, newest first, from before the line `before` (a `seq`; None: from the newest)."""
    query = _TRANSFER.where(transfers.c.player_id == player_id).order_by(transfers.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(transfers.c.seq < before)
    own = Account(AccountKind.PLAYER, player_id)
    lines = []
    for row in await conn.execute(query):
        each = _transfer(row)
        moved = each.amount if each.credit == own else -each.amount if each.debit == own else 0
        lines.append(WalletLine(row.seq, each, moved))
    return lines


async def totals(conn: AsyncConnection) -> dict[str, int]:
    """The sum of balances of each kind of account: grams or fen, by the kind's name."""
    rows = await conn.execute(sa.select(accounts.c.kind, sa.func.sum(accounts.c.balance)).group_by(accounts.c.kind))
    return {kind: int(total) for kind, total in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Where all grams and all money are at one moment: sums over every account of a kind (g, fen), and counts."""

    issued_g: int
    budgets_g: int
    reserved_g: int
    held_g: int
    wallets_g: int
    trees_g: int
    redeemed_g: int
    expired_g: int
    votes_g: int
    harvests: int
    merchants_fen: int
    escrow_fen: int
    platform_fen: int
    suppliers_fen: int

    @property
    def liability_g(self) -> int:
        """What players hold or are promised and have not redeemed."""
        return self.wallets_g + self.trees_g + self.held_g

    @property
    def given_g(self) -> int:
        """What players were ever given."""
        return self.wallets_g + self.trees_g + self.redeemed_g + self.expired_g


_FIGURES = """
select coalesce(sum(balance) filter (where kind = 'issuance'), 0)::bigint as issuance,
       coalesce(sum(balance) filter (where kind in ('test_budget', 'programme_budget')), 0)::bigint as budgets_g,
       coalesce(sum(balance) filter (where kind = 'reservation'), 0)::bigint as reserved_g,
       coalesce(sum(balance) filter (where kind = 'player'), 0)::bigint as wallets_g,
       coalesce(sum(balance) filter (where kind = 'tree'), 0)::bigint as trees_g,
       coalesce(sum(balance) filter (where kind = 'redeemed'), 0)::bigint as redeemed_g,
       coalesce(sum(balance) filter (where kind = 'expired'), 0)::bigint as expired_g,
       coalesce(sum(balance) filter (where kind = 'merchant'), 0)::bigint as merchants_fen,
       coalesce(sum(balance) filter (where kind = 'test_escrow'), 0)::bigint as escrow_fen,
       coalesce(sum(balance) filter (where kind = 'platform'), 0)::bigint as platform_fen,
       coalesce(sum(balance) filter (where kind = 'suppliers'), 0)::bigint as suppliers_fen,
       (select coalesce(sum(amount_g), 0) from grants where state = 'held')::bigint as held_g,
       (select count(*) from transfers where reason = 'tree_harvested') as harvests,
       (select coalesce(sum(bought_g - returned_g), 0) from budgets where kind = 'test')::bigint as bought_g,
       coalesce(sum(balance) filter (where kind = 'test_budget'), 0)::bigint as test_budgets_g
from accounts
"""


async def figures(conn: AsyncConnection) -> Figures:
    """Where everything is now. It goes over all accounts: for a scrape now and then, not for a request."""
    row = (await conn.execute(sa.text(_FIGURES))).one()
    return Figures(
        issued_g=-row.issuance,
        budgets_g=row.budgets_g,
        reserved_g=row.reserved_g,
        held_g=row.held_g,
        wallets_g=row.wallets_g,
        trees_g=row.trees_g,
        redeemed_g=row.redeemed_g,
        expired_g=row.expired_g,
        # What tests bought and is neither with them nor in a block was paid for votes.
        votes_g=row.bought_g - row.test_budgets_g - row.reserved_g,
        harvests=row.harvests,
        merchants_fen=row.merchants_fen,
        escrow_fen=row.escrow_fen,
        platform_fen=row.platform_fen,
        suppliers_fen=row.suppliers_fen,
    )
