"""Moves of money by hand, and the hourly points of what budgets had spent: what operators' pages of money read and write.

Races settled here. Two treasurers with one payment: a reference is unique among the deposits (and the payouts) that were
not declined. Two who decide one move: it is locked before it is decided. That nobody approves his own: a check.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.budgets import Caps
from rewards.errors import PaymentKnown
from rewards.moves import MoneyMove, MoveKind, MoveState
from server.stores.budgets import Budget, budget_of, budgets, reserved_days
from server.stores.budgets import caps as caps_table
from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE, accounts
from server.stores.tests import merchants

money_moves = sa.Table(
    "money_moves",
    metadata,
    sa.Column("move_id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("merchant_id", sa.Uuid),
    sa.Column("test_id", sa.Uuid),
    sa.Column("to_test_id", sa.Uuid),
    # Fen, or grams for the programme: as asked for, and as it was moved in the end (whole votes only).
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("moved", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reference", sa.Text, nullable=False, server_default=""),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("alone", sa.Boolean, nullable=False),
    # Null where a key asked: it is no person, and so nobody's second pair of eyes.
    sa.Column("proposed_by", sa.Uuid),
    sa.Column("proposed_who", sa.Text, nullable=False),
    sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("decided_by", sa.Uuid),
    sa.Column("decided_who", sa.Text, nullable=False, server_default=""),
    sa.Column("decided_at", sa.DateTime(timezone=True)),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.CheckConstraint("amount > 0", name="amount_positive"),
    sa.CheckConstraint("state in ('waiting', 'done', 'declined')", name="state_known"),
    sa.CheckConstraint(
        "state <> 'done' or alone or (proposed_by is not null and decided_by is not null and decided_by <> proposed_by)",
        name="four_eyes",
    ),
    sa.CheckConstraint("(state = 'waiting') = (decided_at is null)", name="decided_has_moment"),
)
sa.Index("ix_money_moves_state", money_moves.c.state, money_moves.c.move_id)
sa.Index("ix_money_moves_merchant_id", money_moves.c.merchant_id, money_moves.c.move_id)
sa.Index("ix_money_moves_test_id", money_moves.c.test_id, money_moves.c.move_id)
sa.Index(
    "uq_money_moves_reference",
    money_moves.c.kind,
    money_moves.c.reference,
    unique=True,
    postgresql_where=sa.and_(money_moves.c.reference != "", money_moves.c.state != "declined"),
)

spend_points = sa.Table(
    "spend_points",
    metadata,
    sa.Column("budget_id", sa.Uuid, sa.ForeignKey("budgets.budget_id"), primary_key=True),
    sa.Column("hour", sa.DateTime(timezone=True), primary_key=True),
    # The last that was seen within the hour.
    sa.Column("settled_g", sa.BigInteger, nullable=False),
    sa.Column("promised_g", sa.BigInteger, nullable=False),
)

# Pages of budgets go by the moment at which they were opened, those of merchants by their names' beginnings.
sa.Index("ix_budgets_opened_at", budgets.c.opened_at, budgets.c.budget_id)
sa.Index("ix_budgets_open", budgets.c.opened_at, budgets.c.budget_id, postgresql_where=budgets.c.closed_at.is_(None))
sa.Index("ix_merchants_name", merchants.c.name, merchants.c.merchant_id, postgresql_ops={"name": "text_pattern_ops"})

DDL = (
    REFUSE_CHANGE,
    """
create or replace function decided_move_stays() returns trigger language plpgsql as $$
begin
    if old.state <> 'waiting' or new.move_id <> old.move_id or new.kind <> old.kind or new.amount <> old.amount
       or new.merchant_id is distinct from old.merchant_id or new.test_id is distinct from old.test_id
       or new.to_test_id is distinct from old.to_test_id or new.reference <> old.reference or new.alone <> old.alone
       or new.proposed_by is distinct from old.proposed_by then
        raise exception 'a move of money is decided once, as it was asked for' using errcode = 'restrict_violation';
    end if;
    return new;
end $$
""",
    """
create or replace trigger money_moves_decided_once before update on money_moves
    for each row execute function decided_move_stays()
""",
    """
create or replace trigger money_moves_stay before delete or truncate on money_moves
    for each statement execute function refuse_change()
""",
)

_FIELDS = tuple(MoneyMove.__dataclass_fields__)


def _move(row: Any) -> MoneyMove:
    values = row._asdict()
    values["id"] = values.pop("move_id")
    values["kind"], values["state"] = MoveKind(values["kind"]), MoveState(values["state"])
    return MoneyMove(**{name: values[name] for name in _FIELDS})


async def add(conn: AsyncConnection, move: MoneyMove) -> None:
    """Put a move on record. Raises `PaymentKnown` when its reference stands for another one of its kind."""
    values = {name: getattr(move, name) for name in _FIELDS if name != "id"}
    savepoint = await conn.begin_nested()
    try:
        await conn.execute(
            sa.insert(money_moves).values(
                **{**values, "kind": move.kind.value, "state": move.state.value}, move_id=move.id
            )
        )
    except IntegrityError as error:
        await savepoint.rollback()
        if "uq_money_moves_reference" in str(error.orig):
            raise PaymentKnown(reference=move.reference) from error
        raise
    await savepoint.commit()


async def find(conn: AsyncConnection, move_id: UUID, *, lock: bool = False) -> MoneyMove | None:
    """A move; `lock` keeps others from deciding it."""
    query = sa.select(money_moves).where(money_moves.c.move_id == move_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return _move(row) if row else None


async def write_decision(conn: AsyncConnection, move: MoneyMove) -> None:
    """Write what became of a move. The caller holds its lock."""
    await conn.execute(
        sa.update(money_moves)
        .where(money_moves.c.move_id == move.id)
        .values(
            state=move.state.value,
            moved=move.moved,
            decided_by=move.decided_by,
            decided_who=move.decided_who,
            decided_at=move.decided_at,
            note=move.note,
        )
    )


async def page(
    conn: AsyncConnection,
    *,
    state: MoveState | None = None,
    merchant_id: UUID | None = None,
    test_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[MoneyMove]:
    """Moves, newest first (their ids are in the order of time), from before the move `before`."""
    query = sa.select(money_moves).order_by(money_moves.c.move_id.desc()).limit(limit)
    if state is not None:
        query = query.where(money_moves.c.state == state.value)
    if merchant_id is not None:
        query = query.where(money_moves.c.merchant_id == merchant_id)
    if test_id is not None:
        query = query.where(money_moves.c.test_id == test_id)
    if before is not None:
        query = query.where(money_moves.c.move_id < before)
    return [_move(row) for row in await conn.execute(query)]


# --- merchants' balances ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MerchantBalance:
    """A merchant and what they have paid in and not given to a test (fen); what lies in their tests' escrows."""

    merchant_id: UUID
    name: str
    created_at: datetime
    balance_fen: int
    at_work_fen: int
    open_tests: int


_MERCHANTS = """
with page as (
    select m.merchant_id, m.name, m.created_at from merchants m
    where {where} order by m.merchant_id desc limit :limit
)
select p.*,
       coalesce((select a.balance from accounts a where a.account_id = account_id('merchant', p.merchant_id)), 0)
           as balance_fen,
       coalesce(t.at_work_fen, 0)::bigint as at_work_fen, coalesce(t.open_tests, 0) as open_tests
from page p left join lateral (
    select sum(a.balance) as at_work_fen, count(*) filter (where s.state in ('running', 'paused')) as open_tests
    from style_tests s join accounts a on a.account_id = account_id('test_escrow', s.test_id)
    where s.merchant_id = p.merchant_id
) t on true
order by p.merchant_id desc
"""


async def merchants_page(
    conn: AsyncConnection, *, name: str = "", before: UUID | None = None, limit: int = 50
) -> list[MerchantBalance]:
    """Merchants with their money, newest first; `name` is how the name begins."""
    where = ["true"]
    values: dict[str, object] = {"limit": limit}
    if name:
        where.append("m.name like :name escape '!'")
        values["name"] = _like(name) + "%"
    if before is not None:
        where.append("m.merchant_id < :before")
        values["before"] = before
    rows = await conn.execute(sa.text(_MERCHANTS.format(where=" and ".join(where))), values)
    return [MerchantBalance(**row._asdict()) for row in rows]


def _like(text: str) -> str:
    """A text that stands for itself in a pattern."""
    for sign in "!%_":
        text = text.replace(sign, "!" + sign)
    return text


async def merchant(conn: AsyncConnection, merchant_id: UUID) -> MerchantBalance | None:
    """One merchant with their money."""
    rows = await conn.execute(
        sa.text(_MERCHANTS.format(where="m.merchant_id = :merchant_id")), {"merchant_id": merchant_id, "limit": 1}
    )
    row = rows.one_or_none()
    return MerchantBalance(**row._asdict()) if row else None


# --- tests' budgets --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedBudget:
    """A test's budget with the names that people know it by."""

    budget: Budget
    title: str
    merchant_name: str
    state: str


_BUDGETS = """
with page as (
    select b.* from budgets b
    where b.kind = 'test' {where} order by b.opened_at desc, b.budget_id desc limit :limit
)
select b.*, t.title, t.state, m.name as merchant_name,
       coalesce((select a.balance from accounts a where a.account_id = account_id('test_budget', b.budget_id)), 0)
           as left_g,
       coalesce((select sum(a.balance) from reservations r
                 join accounts a on a.account_id = account_id('reservation', r.block_id)
                 where r.budget_id = b.budget_id and r.released_at is null), 0)::bigint as blocked_g
from page b
left join style_tests t on t.test_id = b.budget_id
left join merchants m on m.merchant_id = b.merchant_id
order by b.opened_at desc, b.budget_id desc
"""


_USED = """ and b.bought_g > b.returned_g and 1000 * (b.bought_g - b.returned_g - coalesce(
    (select a.balance from accounts a where a.account_id = account_id('test_budget', b.budget_id)), 0))
    >= (b.bought_g - b.returned_g) * :permille"""


async def budgets_page(
    conn: AsyncConnection,
    *,
    open_only: bool,
    used_permille: int | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[NamedBudget]:
    """Budgets of tests, newest first, from after the key `before` (opened_at, budget_id).

    With `used_permille` only those of which so much is paid or promised: all that is not left.
    """
    where, values = "", dict[str, object](limit=limit)
    if open_only:
        where += " and b.closed_at is null"
    if used_permille is not None:
        where += _USED
        values["permille"] = used_permille
    if before is not None:
        where += " and (b.opened_at, b.budget_id) < (:opened_at, :budget_id)"
        values |= {"opened_at": before[0], "budget_id": before[1]}
    rows = await conn.execute(sa.text(_BUDGETS.format(where=where)), values)
    return [_named(row) for row in rows]


async def budget_named(conn: AsyncConnection, test_id: UUID) -> NamedBudget | None:
    """The budget of one test."""
    rows = await conn.execute(
        sa.text(_BUDGETS.format(where=" and b.budget_id = :test_id")), {"test_id": test_id, "limit": 1}
    )
    row = rows.one_or_none()
    return _named(row) if row else None


def _named(row: Any) -> NamedBudget:
    return NamedBudget(budget_of(row), row.title or "", row.merchant_name or "", row.state or "")


async def caps_of(conn: AsyncConnection, scope_id: UUID, *, lock: bool = False) -> Caps:
    """The caps of a budget or of everything; none where none were set."""
    query = sa.select(caps_table.c.day_g, caps_table.c.total_g).where(caps_table.c.scope_id == scope_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return Caps(day_g=row.day_g, total_g=row.total_g) if row else Caps()


async def reserved_under(conn: AsyncConnection, scope_id: UUID, day: date) -> tuple[int, int]:
    """What of a scope is counted under its caps: on this day, and in all (grams)."""
    row = (
        await conn.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(reserved_days.c.reserved_g).filter(reserved_days.c.day == day), 0),
                sa.func.coalesce(sa.func.sum(reserved_days.c.reserved_g), 0),
            ).where(reserved_days.c.scope_id == scope_id)
        )
    ).one()
    return int(row[0]), int(row[1])


async def merchants_total_fen(conn: AsyncConnection) -> int:
    """What lies on all merchants' accounts together."""
    total = await conn.scalar(sa.select(sa.func.sum(accounts.c.balance)).where(accounts.c.kind == "merchant"))
    return int(total or 0)


async def lock_scope(conn: AsyncConnection, scope_id: UUID) -> None:
    """Keep others from setting the same caps until the transaction ends; there may be no row yet that could be locked."""
    await conn.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended('caps:' || :scope, 0))"), {"scope": str(scope_id)}
    )


# --- what was spent ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpendPoint:
    """What a budget had paid, and promised besides, when it was last looked at within an hour."""

    hour: datetime
    settled_g: int
    promised_g: int


async def record_spending(conn: AsyncConnection, points: Sequence[tuple[UUID, SpendPoint]]) -> None:
    """Write the hour's point of each budget, over the one before within that hour."""
    if not points:
        return
    await conn.execute(
        sa.text(
            "insert into spend_points (budget_id, hour, settled_g, promised_g) "
            "values (:budget_id, :hour, :settled_g, :promised_g) on conflict (budget_id, hour) "
            "do update set settled_g = excluded.settled_g, promised_g = excluded.promised_g"
        ),
        [
            {"budget_id": budget_id, "hour": one.hour, "settled_g": one.settled_g, "promised_g": one.promised_g}
            for budget_id, one in points
        ],
    )


async def spending_of(conn: AsyncConnection, budget_id: UUID, *, limit: int = 1500) -> list[SpendPoint]:
    """The points of a budget, oldest first; the newest 1 500 hours at most."""
    rows = (
        await conn.execute(
            sa.select(spend_points.c.hour, spend_points.c.settled_g, spend_points.c.promised_g)
            .where(spend_points.c.budget_id == budget_id)
            .order_by(spend_points.c.hour.desc())
            .limit(limit)
        )
    ).all()
    return [SpendPoint(*row) for row in reversed(rows)]
