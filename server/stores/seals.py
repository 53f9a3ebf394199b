"""Seals: a chain of hashes over blocks of transfers and of audit lines, so that one changed byte is found with its row.

A seal covers the rows of one table whose sequence number lies in (from_seq, to_seq]. It holds the hash of each of
them, and a hash over all of these and over the seal before it. Whoever changes, removes or slips in a row must
rewrite every seal after it; whoever wrote down the newest digest elsewhere notices even that.

Sequence numbers are drawn before a transaction commits, so the newest ones are not final: see `final_up_to`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE

seals = sa.Table(
    "seals",
    metadata,
    sa.Column("chain", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("from_seq", sa.BigInteger, nullable=False),
    sa.Column("to_seq", sa.BigInteger, nullable=False),
    # Of each row, in order: its sequence number less from_seq, and the first eight bytes of its SHA-256.
    sa.Column("row_offsets", ARRAY(sa.Integer), nullable=False),
    sa.Column("row_digests", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("chain in ('transfers', 'audit_lines')", name="chain_known"),
    sa.CheckConstraint("from_seq < to_seq", name="range_not_empty"),
)

DDL = (
    REFUSE_CHANGE,
    """
create or replace trigger seals_append_only before update or delete or truncate on seals
    for each statement execute function refuse_change()
""",
)


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain of seals: over which table, in the order of which column, and over which of its columns.

    The columns are written out, so that a column added later does not break the seals made before.
    """

    name: str
    order: str
    columns: str


CHAINS = (
    Chain(
        "transfers",
        "seq",
        "t.seq, t.transfer_id, t.debit_account, t.credit_account, t.amount, t.at, t.player_id, t.reverses, t.unit, "
        "t.reason, t.out_biz_no, t.note",
    ),
    Chain(
        "audit_lines",
        "line_id",
        "t.line_id, t.at, t.who, t.what, t.object_id, t.before, t.after, t.why, t.request_id",
    ),
)
GENESIS = bytes(32)
"""What stands for the seal before the first."""


@dataclass(frozen=True, slots=True)
class Seal:
    """One seal: rows with sequence numbers in (from_seq, to_seq]."""

    chain: str
    number: int
    from_seq: int
    to_seq: int
    row_offsets: list[int]
    row_digests: bytes
    digest: bytes
    at: datetime


# record_send gives each column's type, length and binary value: no setting of the session changes it, and no two
# different (runs of) rows give the same bytes. The rows of a seal are hashed in one go, since a hash costs more to
# begin than to go on with; the hashes of single rows are made once, and again only to say which row is not what it
# was.
def _digests_of(chain: Chain, *, with_rows: bool) -> str:
    rows = """
           coalesce(array_agg(each.row_offset), '{}') as row_offsets,
           coalesce(string_agg(substr(sha256(each.line), 1, 8), ''::bytea), ''::bytea) as row_digests,"""
    return f"""
    select {rows if with_rows else ""}
           sha256(cast(:previous as bytea) || int8send(:from_seq) || int8send(:to_seq)
                  || coalesce(string_agg(each.line, ''::bytea), ''::bytea)) as digest
    from (
        select (t.{chain.order} - cast(:from_seq as bigint))::int as row_offset,
               record_send(row({chain.columns})) as line
        from {chain.name} t where t.{chain.order} > :from_seq and t.{chain.order} <= :to_seq
        order by t.{chain.order}
    ) each
    """  # noqa: S608 - made of constants of this file


def _bound(statement: str, *, previous: bytes, from_seq: int, to_seq: int) -> Any:
    return sa.text(statement).bindparams(
        sa.bindparam("previous", previous, type_=BYTEA),
        sa.bindparam("from_seq", from_seq, type_=sa.BigInteger),
        sa.bindparam("to_seq", to_seq, type_=sa.BigInteger),
    )


async def latest(conn: AsyncConnection, chain: Chain) -> Seal | None:
    """The newest seal of a chain."""
    row = (
        await conn.execute(sa.select(seals).where(seals.c.chain == chain.name).order_by(seals.c.number.desc()).limit(1))
    ).one_or_none()
    return Seal(**row._asdict()) if row else None


async def add(conn: AsyncConnection, chain: Chain, *, previous: Seal | None, to_seq: int, now: datetime) -> None:
    """Seal the rows after the previous seal up to `to_seq`, which must be final.

    Of two sealers at once one gets the number; the other fails on the primary key, and has nothing left to do.
    """
    number, from_seq, before = 1, 0, GENESIS
    if previous:
        number, from_seq, before = previous.number + 1, previous.to_seq, previous.digest
    assert from_seq < to_seq
    statement = _digests_of(chain, with_rows=True)
    made = (await conn.execute(_bound(statement, previous=before, from_seq=from_seq, to_seq=to_seq))).one()
    await conn.execute(
        sa.insert(seals).values(
            chain=chain.name,
            number=number,
            from_seq=from_seq,
            to_seq=to_seq,
            row_offsets=made.row_offsets,
            row_digests=made.row_digests,
            digest=made.digest,
            at=now,
        )
    )


async def sealed_up_to(conn: AsyncConnection, chain: Chain) -> tuple[int, datetime | None]:
    """(the last sealed row's number, when): 0 and None where nothing is sealed yet."""
    row = (
        await conn.execute(
            sa.select(seals.c.to_seq, seals.c.at)
            .where(seals.c.chain == chain.name)
            .order_by(seals.c.number.desc())
            .limit(1)
        )
    ).one_or_none()
    return (row.to_seq, row.at) if row else (0, None)


async def last_drawn(conn: AsyncConnection, chain: Chain) -> int:
    """The greatest sequence number that was drawn so far, whether or not its row is committed."""
    return int(
        await conn.scalar(
            sa.text("select coalesce(pg_sequence_last_value(pg_get_serial_sequence(:table, :column)::regclass), 0)"),
            {"table": chain.name, "column": chain.order},
        )
    )


async def writers(conn: AsyncConnection, chain: Chain) -> set[str]:
    """The transactions that are writing to the chain's table at this moment, and may have rows nobody sees yet.

    A writer locks the table before it draws a number and until it ends. So once every writer that was listed after
    `last_drawn` is gone, all rows up to that number are final: committed, or never to come. Nobody waits for a lock.
    """
    return set(
        await conn.scalars(
            sa.text(
                """
select virtualtransaction from pg_locks
where locktype = 'relation' and relation = cast(:table as regclass) and mode = 'RowExclusiveLock' and granted
  and database = (select oid from pg_database where datname = current_database()) and pid <> pg_backend_pid()
"""
            ).bindparams(sa.bindparam("table", chain.name, type_=sa.Text))
        )
    )


@dataclass(frozen=True, slots=True)
class Broken:
    """A row, or a whole seal, that is not what was sealed."""

    chain: str
    number: int
    seq: int | None
    what: str


async def verify(conn: AsyncConnection, chain: Chain) -> AsyncIterator[tuple[int, list[Broken]]]:
    """Go over a chain from its first seal; yields each seal's number and what is wrong in it.

    Rows that are newer than the newest seal are not looked at.
    """
    heads = sa.select(seals.c.number, seals.c.from_seq, seals.c.to_seq, seals.c.digest).order_by(seals.c.number)
    statement = _digests_of(chain, with_rows=False)
    expected_number, expected_from, previous = 1, 0, GENESIS
    for seal in (await conn.execute(heads.where(seals.c.chain == chain.name))).all():
        broken = []
        if (seal.number, seal.from_seq) != (expected_number, expected_from):
            broken.append(Broken(chain.name, expected_number, None, f"the seal before number {seal.number} is missing"))
        bounds = {"previous": previous, "from_seq": seal.from_seq, "to_seq": seal.to_seq}
        if await conn.scalar(_bound(statement, **bounds)) != seal.digest:
            broken += await _differences(conn, chain, seal.number, bounds) or [
                Broken(chain.name, seal.number, None, "the seal itself, or one before it, was changed")
            ]
        yield seal.number, broken
        expected_number, expected_from, previous = seal.number + 1, seal.to_seq, seal.digest


async def count(conn: AsyncConnection, chain: Chain) -> int:
    """How many seals a chain has."""
    return int(await conn.scalar(sa.select(sa.func.count()).where(seals.c.chain == chain.name)) or 0)


async def _differences(conn: AsyncConnection, chain: Chain, number: int, bounds: dict[str, Any]) -> list[Broken]:
    """Which rows of a seal differ between what was sealed and what is there."""
    found = (await conn.execute(_bound(_digests_of(chain, with_rows=True), **bounds))).one()
    seal = (await conn.execute(sa.select(seals).where(seals.c.chain == chain.name, seals.c.number == number))).one()
    sealed = _by_offset(seal.row_offsets, seal.row_digests)
    present = _by_offset(found.row_offsets, found.row_digests)
    broken = []
    for offset in sorted(sealed.keys() | present.keys()):
        if offset not in present:
            what = "was removed after it was sealed"
        elif offset not in sealed:
            what = "was slipped in after its time was sealed"
        elif sealed[offset] != present[offset]:
            what = "was changed after it was sealed"
        else:
            continue
        broken.append(Broken(chain.name, number, seal.from_seq + offset, what))
    return broken


def _by_offset(offsets: list[int], digests: bytes) -> dict[int, bytes]:
    return {offset: digests[8 * place : 8 * place + 8] for place, offset in enumerate(offsets)}
