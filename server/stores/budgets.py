"""Budgets of tests and of the programme, the blocks reserved from them, their caps, and the kill switches.

A budget's grams are an account; this row beside it says what they cost, what may be reserved a day and when it was
closed. A block is a reservation account of one process. Races settled here: two processes that reserve the end of one
budget lock the budget's row first, so the second sees what the first left; a release and a late return of one block
lock the block's row, and their transfers are numbered, so no gram goes back twice. That a budget is never overdrawn
is not settled here: the floor of its account does that, should all of this be wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards import ledger as books
from rewards.budgets import Block, Caps, Rate, Switches, over_alert
from rewards.days import day_of
from rewards.economy import Economy
from rewards.ledger import Account
from rewards.pacing import Pace, Plan, likely_g, planned_g
from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE, append_only, keeps, stays

budgets = sa.Table(
    "budgets",
    metadata,
    # The test's id, or the id of a budget of the programme itself.
    sa.Column("budget_id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("merchant_id", sa.Uuid),
    sa.Column("rate_fen", sa.Integer, nullable=False),
    sa.Column("rate_g", sa.Integer, nullable=False),
    # What was paid and bought so far, refunds not subtracted; how many purchases and refunds that were.
    sa.Column("paid_fen", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("bought_g", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("returned_g", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("charged_g", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("purchases", sa.Integer, nullable=False, server_default="0"),
    sa.Column("refunds", sa.Integer, nullable=False, server_default="0"),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("plan_ends_at", sa.DateTime(timezone=True)),
    sa.Column("closed_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("kind in ('test', 'programme')", name="kind_known"),
    sa.CheckConstraint("(kind = 'test') = (merchant_id is not null)", name="test_has_merchant"),
    sa.CheckConstraint("rate_fen >= 0 and rate_g > 0", name="rate_positive"),
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("block_id", sa.Uuid, primary_key=True),
    sa.Column("budget_id", sa.Uuid, sa.ForeignKey("budgets.budget_id"), nullable=False),
    sa.Column("process_id", sa.Uuid, nullable=False),
    sa.Column("reserved_g", sa.BigInteger, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("releasable_at", sa.DateTime(timezone=True), nullable=False),
    # When to look whether something can be given back: from releasable_at on, later again while grants are held.
    sa.Column("look_at", sa.DateTime(timezone=True), nullable=False),
    # What its process gave back because it never offered it; null until then, so that a retry gives it back once.
    sa.Column("undealt_g", sa.BigInteger),
    # How many times this block gave something back, and when it had nothing left to give.
    sa.Column("releases", sa.Integer, nullable=False, server_default="0"),
    sa.Column("released_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("reserved_g > 0", name="reserved_positive"),
    sa.CheckConstraint("reserved_at <= lapses_at and lapses_at <= releasable_at", name="moments_in_order"),
)
sa.Index("ix_reservations_open_look_at", reservations.c.look_at, postgresql_where=reservations.c.released_at.is_(None))
sa.Index(
    "ix_reservations_open_budget_id", reservations.c.budget_id, postgresql_where=reservations.c.released_at.is_(None)
)

programme_days = sa.Table(
    "programme_days",
    metadata,
    # That the programme's budget was filled up on this day: once, and with nothing where it was full.
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("left_g", sa.BigInteger, nullable=False),
    sa.Column("funded_g", sa.BigInteger, nullable=False),
    sa.CheckConstraint("funded_g >= 0", name="funded_not_negative"),
)

caps = sa.Table(
    "caps",
    metadata,
    # A budget's id, or nobody's (zeros): everything that is reserved from any budget.
    sa.Column("scope_id", sa.Uuid, primary_key=True),
    sa.Column("day_g", sa.BigInteger),
    sa.Column("total_g", sa.BigInteger),
    sa.CheckConstraint("day_g >= 0 and total_g >= 0", name="caps_not_negative"),
)

reserved_days = sa.Table(
    "reserved_days",
    metadata,
    sa.Column("scope_id", sa.Uuid, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    # Reserved on that day, less what was released of it since.
    sa.Column("reserved_g", sa.BigInteger, nullable=False),
    sa.CheckConstraint("reserved_g >= 0", name="reserved_not_negative"),
)

paces = sa.Table(
    "paces",
    metadata,
    sa.Column("budget_id", sa.Uuid, sa.ForeignKey("budgets.budget_id"), primary_key=True),
    # The hour's pace, made at its start.
    sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("promised_at_start_g", sa.BigInteger, nullable=False),
    sa.Column("target_g", sa.BigInteger, nullable=False),
    sa.Column("budget_g", sa.BigInteger, nullable=False),
    # The share of asked-for offers that are made now; everything that was offered is paid.
    sa.Column("deal_permille", sa.Integer, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("deal_permille between 0 and 1000", name="permille"),
)

demands = sa.Table(
    "demands",
    metadata,
    # What each process says of each paced budget, for pacing only: money never depends on it.
    sa.Column("process_id", sa.Uuid, primary_key=True),
    sa.Column("budget_id", sa.Uuid, primary_key=True),
    sa.Column("unoffered_g", sa.BigInteger, nullable=False),
    sa.Column("asked_g_per_minute", sa.BigInteger, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("switch_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False, server_default=""),
    sa.Column("stops", sa.Boolean, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("scope in ('all', 'test', 'kind')", name="scope_known"),
    sa.CheckConstraint("(scope = 'all') = (target = '')", name="target_named"),
)

sa.Index("ix_switches_scope_target", switches.c.scope, switches.c.target, switches.c.switch_id.desc())

DDL = (
    REFUSE_CHANGE,
    *map(append_only, ("switches", "programme_days")),
    *map(stays, ("budgets", "reservations", "reserved_days")),
    # What was agreed at the launch stays, and what was counted of the books never becomes less.
    keeps(
        "budgets",
        "budget_id",
        "kind",
        "merchant_id",
        "rate_fen",
        "rate_g",
        "opened_at",
        never="new.paid_fen < old.paid_fen or new.bought_g < old.bought_g or new.returned_g < old.returned_g "
        "or new.charged_g < old.charged_g or new.purchases < old.purchases or new.refunds < old.refunds "
        "or old.closed_at is not null and new.closed_at is distinct from old.closed_at",
    ),
    keeps(
        "reservations",
        "block_id",
        "budget_id",
        "process_id",
        "reserved_g",
        "day",
        "reserved_at",
        "lapses_at",
        "releasable_at",
        never="new.releases < old.releases or old.undealt_g is not null and new.undealt_g is distinct from old.undealt_g",
    ),
)

EVERYTHING = books.NOBODY
"""The scope of caps over all budgets together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One budget as its row says, and what lies in its account and in its blocks right now (grams)."""

    budget_id: UUID
    kind: str
    merchant_id: UUID | None
    rate: Rate
    paid_fen: int
    bought_g: int
    returned_g: int
    charged_g: int
    purchases: int
    refunds: int
    opened_at: datetime
    plan_ends_at: datetime | None
    closed_at: datetime | None
    left_g: int
    reserved_g: int

    @property
    def account(self) -> Account:
        return _account(self.kind, self.budget_id)

    @property
    def settled_g(self) -> int:
        """What players were paid from it: whatever was bought and is neither here, nor in a block, nor returned."""
        return self.bought_g - self.returned_g - self.left_g - self.reserved_g

    def cost_fen(self) -> int:
        """What the settled grams cost."""
        return self.rate.charge_fen(self.settled_g)


_BUDGET_COLUMNS = """
select b.*,
       coalesce((select a.balance from accounts a where a.account_id = account_id(b.kind || '_budget', b.budget_id)), 0)
           as left_g,
       coalesce((select sum(a.balance) from reservations r
                 join accounts a on a.account_id = account_id('reservation', r.block_id)
                 where r.budget_id = b.budget_id and r.released_at is null), 0)::bigint as blocked_g
"""
_BUDGET = _BUDGET_COLUMNS + "from budgets b\n"


def budget_of(row: Any) -> Budget:
    """A budget from its row, with what lies in its account (`left_g`) and in its blocks (`blocked_g`)."""
    return Budget(
        budget_id=row.budget_id,
        kind=row.kind,
        merchant_id=row.merchant_id,
        rate=Rate(row.rate_fen, row.rate_g),
        paid_fen=row.paid_fen,
        bought_g=row.bought_g,
        returned_g=row.returned_g,
        charged_g=row.charged_g,
        purchases=row.purchases,
        refunds=row.refunds,
        opened_at=row.opened_at,
        plan_ends_at=row.plan_ends_at,
        closed_at=row.closed_at,
        left_g=row.left_g,
        reserved_g=row.blocked_g,
    )


async def find(conn: AsyncConnection, budget_id: UUID) -> Budget | None:
    """A budget, without locking it; None where there is none."""
    row = (await conn.execute(sa.text(_BUDGET + "where b.budget_id = :id"), {"id": budget_id})).one_or_none()
    return budget_of(row) if row else None


async def lock(conn: AsyncConnection, budget_id: UUID) -> Budget | None:
    """A budget, locked until the transaction ends against every other reservation, charge and return of it."""
    # Two statements: one that waits for the lock, and one that then sees what the former holder did.
    await conn.execute(sa.select(budgets.c.budget_id).where(budgets.c.budget_id == budget_id).with_for_update())
    return await find(conn, budget_id)


async def open_budget(
    conn: AsyncConnection,
    *,
    budget_id: UUID,
    kind: str,
    merchant_id: UUID | None,
    rate: Rate,
    plan_ends_at: datetime | None,
    now: datetime,
) -> None:
    """Make the row of a budget; one that exists stays as it is."""
    await conn.execute(
        insert(budgets)
        .values(
            budget_id=budget_id,
            kind=kind,
            merchant_id=merchant_id,
            rate_fen=rate.fen,
            rate_g=rate.grams,
            opened_at=now,
            plan_ends_at=plan_ends_at,
        )
        .on_conflict_do_nothing()
    )


async def programme_day_open(conn: AsyncConnection, day: date) -> bool:
    """Whether the programme's budget was filled up for this day already."""
    return bool(await conn.scalar(sa.select(sa.exists().where(programme_days.c.day == day))))


async def open_programme_day(conn: AsyncConnection, day: date, *, left_g: int, funded_g: int) -> None:
    """Write that it was. The caller holds the budget's lock, and has seen that it had not been."""
    await conn.execute(sa.insert(programme_days).values(day=day, left_g=left_g, funded_g=funded_g))


async def count_purchase(conn: AsyncConnection, budget_id: UUID, *, paid_fen: int, bought_g: int) -> None:
    """Write that a purchase was posted. The caller holds the budget's lock."""
    await conn.execute(
        sa.update(budgets)
        .where(budgets.c.budget_id == budget_id)
        .values(
            paid_fen=budgets.c.paid_fen + paid_fen,
            bought_g=budgets.c.bought_g + bought_g,
            purchases=budgets.c.purchases + 1,
        )
    )


async def count_refund(conn: AsyncConnection, budget_id: UUID, *, returned_g: int) -> None:
    """Write that a refund was posted. The caller holds the budget's lock."""
    await conn.execute(
        sa.update(budgets)
        .where(budgets.c.budget_id == budget_id)
        .values(returned_g=budgets.c.returned_g + returned_g, refunds=budgets.c.refunds + 1)
    )


async def count_charge(conn: AsyncConnection, budget_id: UUID, *, charged_g: int) -> None:
    """Write up to how many settled grams the votes were charged. The caller holds the budget's lock."""
    await conn.execute(sa.update(budgets).where(budgets.c.budget_id == budget_id).values(charged_g=charged_g))


async def close(conn: AsyncConnection, budget_id: UUID, now: datetime) -> None:
    """No more is reserved from this budget."""
    await conn.execute(
        sa.update(budgets).where(budgets.c.budget_id == budget_id, budgets.c.closed_at.is_(None)).values(closed_at=now)
    )


_UNCHARGED = """
select b.budget_id from budgets b
where b.kind = 'test' and b.bought_g - b.returned_g > b.charged_g
  and b.bought_g - b.returned_g > b.charged_g
      + (select coalesce(sum(a.balance), 0) from accounts a where a.account_id = account_id('test_budget', b.budget_id))
      + (select coalesce(sum(a.balance), 0) from reservations r
         join accounts a on a.account_id = account_id('reservation', r.block_id)
         where r.budget_id = b.budget_id and r.released_at is null)
order by b.budget_id
"""

_UNRETURNED = """
select b.budget_id from budgets b
where b.kind = 'test' and b.closed_at is not null
  and exists (select 1 from accounts a
              where a.account_id in (account_id('test_budget', b.budget_id), account_id('test_escrow', b.budget_id))
                and a.balance > 0)
order by b.budget_id
"""


async def uncharged(conn: AsyncConnection) -> list[UUID]:
    """Tests of which grams were settled that their merchant was not charged for yet."""
    return list(await conn.scalars(sa.text(_UNCHARGED)))


async def unreturned(conn: AsyncConnection) -> list[UUID]:
    """Tests that are over and of which grams or money are still here."""
    return list(await conn.scalars(sa.text(_UNRETURNED)))


# --- blocks ------------------------------------------------------------------------------------


async def record_block(conn: AsyncConnection, block: Block, *, process_id: UUID) -> None:
    """Write a block's row, and count it under the caps. The transfer that fills it is posted by the caller."""
    day = day_of(block.reserved_at)
    await conn.execute(
        insert(reservations).values(
            block_id=block.id,
            budget_id=block.budget.owner,
            process_id=process_id,
            reserved_g=block.reserved_g,
            day=day,
            reserved_at=block.reserved_at,
            lapses_at=block.lapses_at,
            releasable_at=block.releasable_at,
            look_at=block.releasable_at,
        )
    )
    # In this order everywhere: the shared row of everything last, so that it is locked for the shortest time.
    for scope_id in (block.budget.owner, EVERYTHING):
        statement = insert(reserved_days).values(scope_id=scope_id, day=day, reserved_g=block.reserved_g)
        await conn.execute(
            statement.on_conflict_do_update(
                index_elements=["scope_id", "day"],
                set_={"reserved_g": reserved_days.c.reserved_g + statement.excluded.reserved_g},
            )
        )


async def _uncount(conn: AsyncConnection, budget_id: UUID, day: date, amount_g: int) -> None:
    """Take what a block gave back out of the counts of the day on which it was reserved."""
    for scope_id in (budget_id, EVERYTHING):
        await conn.execute(
            sa.update(reserved_days)
            .where(reserved_days.c.scope_id == scope_id, reserved_days.c.day == day)
            .values(reserved_g=reserved_days.c.reserved_g - amount_g)
        )


@dataclass(frozen=True, slots=True)
class CapUse:
    """The caps of one scope, and what is counted under them."""

    caps: Caps
    today_g: int
    total_g: int


async def lock_cap_use(conn: AsyncConnection, scope_id: UUID, day: date) -> CapUse:
    """The caps of a budget (or of EVERYTHING) and what was reserved under them.

    Where there are caps their row is locked, so that two reservations under one cap come one after the other.
    """
    await conn.execute(sa.select(caps.c.scope_id).where(caps.c.scope_id == scope_id).with_for_update())
    row = (
        await conn.execute(
            sa.text(
                """
select c.day_g, c.total_g,
       coalesce(sum(d.reserved_g) filter (where d.day = :day), 0)::bigint as today_g,
       coalesce(sum(d.reserved_g), 0)::bigint as reserved_g
from (select cast(:scope as uuid) as scope_id) s
left join caps c using (scope_id) left join reserved_days d using (scope_id)
group by c.day_g, c.total_g
"""
            ),
            {"scope": scope_id, "day": day},
        )
    ).one()
    return CapUse(Caps(day_g=row.day_g, total_g=row.total_g), row.today_g, row.reserved_g)


async def set_caps(conn: AsyncConnection, scope_id: UUID, wanted: Caps) -> None:
    """Set the caps of a budget, or of EVERYTHING. They bind the next reservation; what is reserved stays reserved."""
    await conn.execute(
        insert(caps)
        .values(scope_id=scope_id, day_g=wanted.day_g, total_g=wanted.total_g)
        .on_conflict_do_update(index_elements=["scope_id"], set_={"day_g": wanted.day_g, "total_g": wanted.total_g})
    )


@dataclass(frozen=True, slots=True)
class OpenBlock:
    """A block that may have something to give back: its balance, and what held grants still claim of it (grams)."""

    block: Block
    day: date
    process_id: UUID
    balance_g: int
    held_g: int
    releases: int


_RELEASABLE = """
with due as (
    select r.* from reservations r
    where r.released_at is null and r.look_at <= :now
    order by r.look_at limit 1
    for update skip locked
)
select d.*, b.kind as budget_kind, b.rate_g
from due d join budgets b using (budget_id)
"""

_OWED = """
select t.block_id, coalesce(a.balance, 0) as balance_g, coalesce(h.held_g, 0)::bigint as held_g
from unnest(:blocks) as t(block_id)
left join accounts a on a.account_id = account_id('reservation', t.block_id)
left join (select block_id, sum(amount_g) as held_g from grants where state = 'held' and block_id = any(:blocks)
           group by block_id) h using (block_id)
"""


def _account(kind: str, budget_id: UUID) -> Account:
    return books.test_budget(budget_id) if kind == "test" else books.programme_budget(budget_id)


def _block(row: Any) -> Block:
    return Block(
        id=row.block_id,
        budget=_account(row.budget_kind, row.budget_id),
        offer_g=row.rate_g,
        reserved_g=row.reserved_g,
        reserved_at=row.reserved_at,
        lapses_at=row.lapses_at,
        releasable_at=row.releasable_at,
    )


async def _with_debts(conn: AsyncConnection, rows: Sequence[Any]) -> list[OpenBlock]:
    # One statement, hence one snapshot: a settlement lowers the balance and the debt together.
    owed = {
        row.block_id: row
        for row in await conn.execute(
            sa.text(_OWED).bindparams(sa.bindparam("blocks", [row.block_id for row in rows], type_=ARRAY(sa.Uuid)))
        )
    }
    return [
        OpenBlock(
            _block(row), row.day, row.process_id, owed[row.block_id].balance_g, owed[row.block_id].held_g, row.releases
        )
        for row in rows
    ]


async def lock_releasable(conn: AsyncConnection, *, now: datetime) -> OpenBlock | None:
    """An unreleased block whose last ticket has expired and that is due for a look, locked; None when there is none.

    Blocks that others have locked are left out. One at a time: two blocks in one transaction would be two orders of
    locks on what their budgets share.
    """
    rows = (await conn.execute(sa.text(_RELEASABLE), {"now": now})).all()
    return (await _with_debts(conn, rows))[0] if rows else None


async def lock_own_block(conn: AsyncConnection, block_id: UUID, process_id: UUID) -> OpenBlock | None:
    """One's own block, locked; None when it is not one's own, or gave something back already.

    When anybody else has given back of it, the block had lapsed for good, and what was undealt went back with the rest.
    """
    rows = (
        await conn.execute(
            sa.select(reservations, budgets.c.kind.label("budget_kind"), budgets.c.rate_g)
            .join(budgets, budgets.c.budget_id == reservations.c.budget_id)
            .where(
                reservations.c.block_id == block_id,
                reservations.c.process_id == process_id,
                reservations.c.undealt_g.is_(None),
                reservations.c.releases == 0,
                reservations.c.released_at.is_(None),
            )
            .with_for_update(of=reservations)
        )
    ).all()
    return (await _with_debts(conn, rows))[0] if rows else None


async def record_release(
    conn: AsyncConnection, open_block: OpenBlock, *, given_back_g: int, look_at: datetime, now: datetime
) -> None:
    """Write what a block gave back (perhaps nothing). Once it owes and holds nothing it is closed, for good."""
    closed = open_block.balance_g == given_back_g and now >= open_block.block.releasable_at
    await conn.execute(
        sa.update(reservations)
        .where(reservations.c.block_id == open_block.block.id)
        .values(
            releases=reservations.c.releases + (1 if given_back_g else 0),
            look_at=look_at,
            released_at=now if closed else None,
        )
    )
    if given_back_g:
        await _uncount(conn, open_block.block.budget.owner, open_block.day, given_back_g)


async def record_undealt(conn: AsyncConnection, open_block: OpenBlock, *, undealt_g: int) -> None:
    """Write what a block's own process gave back of it. The caller holds the block's lock."""
    await conn.execute(
        sa.update(reservations)
        .where(reservations.c.block_id == open_block.block.id)
        .values(releases=reservations.c.releases + (1 if undealt_g else 0), undealt_g=undealt_g)
    )
    if undealt_g:
        await _uncount(conn, open_block.block.budget.owner, open_block.day, undealt_g)


async def accounts_of_blocks(conn: AsyncConnection, block_ids: Iterable[UUID]) -> dict[UUID, Account]:
    """The account of the budget that each of these blocks was reserved from."""
    rows = await conn.execute(
        sa.select(reservations.c.block_id, reservations.c.budget_id, budgets.c.kind)
        .join(budgets, budgets.c.budget_id == reservations.c.budget_id)
        .where(reservations.c.block_id == sa.any_(sa.bindparam("blocks", list(block_ids), type_=ARRAY(sa.Uuid))))
    )
    return {row.block_id: _account(row.kind, row.budget_id) for row in rows}


async def reopen_block(conn: AsyncConnection, block_id: UUID, now: datetime) -> None:
    """A reversal gave a block something back: it is looked at again, so that its budget gets it."""
    await conn.execute(
        sa.update(reservations).where(reservations.c.block_id == block_id).values(released_at=None, look_at=now)
    )


# --- pacing ------------------------------------------------------------------------------------


async def paces_now(conn: AsyncConnection) -> dict[UUID, int]:
    """The share of offers to make, in permille, of every budget that is paced."""
    rows = await conn.execute(sa.select(paces.c.budget_id, paces.c.deal_permille))
    return {row.budget_id: row.deal_permille for row in rows}


@dataclass(frozen=True, slots=True)
class Demand:
    """What a process has reserved of a budget and not offered, and how fast players ask for offers."""

    budget_id: UUID
    unoffered_g: int
    asked_g_per_minute: int


async def report_demand(conn: AsyncConnection, process_id: UUID, told: Sequence[Demand], *, now: datetime) -> None:
    """Write what a process says of its paced budgets, over what it said before."""
    statement = insert(demands).values(
        [
            {
                "process_id": process_id,
                "budget_id": each.budget_id,
                "unoffered_g": each.unoffered_g,
                "asked_g_per_minute": each.asked_g_per_minute,
                "at": now,
            }
            for each in told
        ]
    )
    await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["process_id", "budget_id"],
            set_={name: statement.excluded[name] for name in ("unoffered_g", "asked_g_per_minute", "at")},
        )
    )


@dataclass(frozen=True, slots=True)
class Paced:
    """A budget to pace: what of it will be spent of what was offered so far (grams), how much players ask for, and its
    pace until now, if it had one.
    """

    budget: Budget
    promised_g: int
    asked_g_per_minute: int
    current: Pace | None


async def paced(conn: AsyncConnection, *, since: datetime) -> list[Paced]:
    """All open budgets that have a plan, with the demand that processes have reported since a moment."""
    rows = await conn.execute(
        sa.text(
            # Two constants.
            _BUDGET_COLUMNS  # noqa: S608
            + """
       , p.begins_at, p.ends_at, p.promised_at_start_g, p.target_g, p.budget_g,
       coalesce(d.unoffered_g, 0)::bigint as unoffered_g, coalesce(d.asked, 0)::bigint as asked_g_per_minute,
       coalesce(h.held_g, 0)::bigint as held_g, coalesce(w.ran_out_g, 0)::bigint as ran_out_g
from budgets b
left join paces p using (budget_id)
left join (select test_id as budget_id, sum(amount_g) as held_g from grants where state = 'held' group by test_id) h
     using (budget_id)
left join (
    -- What went back although it had been offered: nobody answered in time.
    select r.budget_id, sum(r.reserved_g - coalesce(r.undealt_g, 0))
           - (select sum(n.reserved_g) from reserved_days n where n.scope_id = r.budget_id) as ran_out_g
    from reservations r group by r.budget_id
) w using (budget_id)
left join (select budget_id, sum(unoffered_g) as unoffered_g, sum(asked_g_per_minute) as asked
           from demands where at >= :since group by budget_id) d using (budget_id)
where b.closed_at is null and b.plan_ends_at is not null
order by b.budget_id
"""
        ),
        {"since": since},
    )
    found = []
    for row in rows:
        budget = budget_of(row)
        current = row.begins_at and Pace(
            begins_at=row.begins_at,
            ends_at=row.ends_at,
            promised_at_start_g=row.promised_at_start_g,
            target_g=row.target_g,
            budget_g=row.budget_g,
        )
        # What lies in blocks is promised, but for what the processes say they have not offered.
        live_g = max(0, budget.reserved_g - row.held_g - row.unoffered_g)
        spent_g = budget.settled_g + row.held_g
        expected_g = spent_g + likely_g(live_g, taken_g=spent_g, ran_out_g=max(0, row.ran_out_g))
        found.append(Paced(budget, expected_g, row.asked_g_per_minute, current))
    return found


async def record_pace(
    conn: AsyncConnection, budget_id: UUID, current: Pace, *, deal_permille: int, now: datetime
) -> None:
    """Write the pace of a budget, over the one before."""
    values = {
        "begins_at": current.begins_at,
        "ends_at": current.ends_at,
        "promised_at_start_g": current.promised_at_start_g,
        "target_g": current.target_g,
        "budget_g": current.budget_g,
        "deal_permille": deal_permille,
        "at": now,
    }
    await conn.execute(
        insert(paces)
        .values(budget_id=budget_id, **values)
        .on_conflict_do_update(index_elements=["budget_id"], set_=values)
    )


@dataclass(frozen=True, slots=True)
class Spending:
    """How far an open budget is spent, in grams: settled, promised besides (in blocks), and planned until now."""

    budget: Budget
    planned_g: int

    @property
    def spent_permille(self) -> int:
        """How much of what was bought is settled or promised."""
        bought_g = self.budget.bought_g - self.budget.returned_g
        return (self.budget.settled_g + self.budget.reserved_g) * 1000 // bought_g if bought_g else 0

    def sounds_alert(self, economy: Economy) -> bool:
        """Whether the soft alert sounds (at 80 % by default). Nothing stops because of it."""
        bought_g = self.budget.bought_g - self.budget.returned_g
        return over_alert(used=self.budget.settled_g + self.budget.reserved_g, cap=bought_g, economy=economy)


async def spending(conn: AsyncConnection, *, now: datetime) -> list[Spending]:
    """Every open budget, against its plan; one without a plan is planned to be spent as it goes."""
    rows = await conn.execute(sa.text(_BUDGET + "where b.closed_at is null order by b.budget_id"))
    return [Spending(each, _planned_g(each, now)) for each in map(budget_of, rows)]


def _planned_g(budget: Budget, now: datetime) -> int:
    plan = plan_of(budget)
    return budget.settled_g + budget.reserved_g if plan is None else planned_g(plan, now)


def plan_of(budget: Budget) -> Plan | None:
    """The plan of a budget, None when it is spent as fast as players ask."""
    if budget.plan_ends_at is None or budget.plan_ends_at <= budget.opened_at:
        return None
    return Plan(starts_at=budget.opened_at, ends_at=budget.plan_ends_at, budget_g=budget.bought_g - budget.returned_g)


async def forget_old_paces(conn: AsyncConnection, *, before: datetime) -> None:
    """Drop paces of budgets that are closed, and what processes said that have been silent for long."""
    await conn.execute(
        sa.text("delete from paces p using budgets b where b.budget_id = p.budget_id and b.closed_at is not null")
    )
    await conn.execute(sa.delete(demands).where(demands.c.at < before))


# --- switches ------------------------------------------------------------------------------------


async def switches_now(conn: AsyncConnection) -> Switches:
    """What is switched off at this moment: the latest word on each target counts."""
    rows = (
        await conn.execute(
            sa.text(
                "select scope, target from (select distinct on (scope, target) scope, target, stops from switches "
                "order by scope, target, switch_id desc) latest where stops"
            )
        )
    ).all()
    return Switches(
        everything=any(row.scope == "all" for row in rows),
        tests=frozenset(UUID(row.target) for row in rows if row.scope == "test"),
        kinds=frozenset(row.target for row in rows if row.scope == "kind"),
    )


async def switch(
    conn: AsyncConnection, *, scope: str, target: str, stops: bool, why: str, who: str, now: datetime
) -> None:
    """Switch something off (`stops`) or on again. A new line each time; the table is its own history."""
    await conn.execute(sa.insert(switches).values(scope=scope, target=target, stops=stops, why=why, who=who, at=now))
