"""Prizes: stock, boxes set aside, orders with every move they made, sealed addresses, and reports of damage.

Races settled here. The last box: stock is taken by a conditional update that finds a free box or nothing, and a check
says that never more are taken than there are. Two moves of one order at once: an order is locked before it is moved,
and the update names the state that it moves from. One box for one share of a tree: unique while it is set aside.

Every box that is taken has its row in `prize_boxes`, and every such row an owner: the grower of a tree, then the order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.prizes import (
    DamageReport,
    DamageState,
    FulfilmentOrder,
    Mover,
    OrderState,
    Stock,
)
from server.stores.db import metadata
from server.stores.invariants import Law
from server.stores.ledger import REFUSE_CHANGE, append_only, keeps, stays

prize_stock = sa.Table(
    "prize_stock",
    metadata,
    sa.Column("variety", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("week", sa.Text, primary_key=True),
    sa.Column("boxes", sa.Integer, nullable=False),
    sa.Column("taken", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("taken between 0 and boxes", name="not_more_than_there_is"),
    sa.CheckConstraint("week ~ '^[0-9]{4}-W[0-9]{2}$'", name="week_is_iso"),
)

prize_boxes = sa.Table(
    "prize_boxes",
    metadata,
    sa.Column("box_id", sa.Uuid, primary_key=True),
    sa.Column("player_id", sa.Uuid, nullable=False),
    sa.Column("tree_id", sa.Uuid, nullable=False),
    sa.Column("variety", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("week", sa.Text, nullable=False),
    sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
    # Back in stock, or out of the house; neither while it is set aside.
    sa.Column("given_back_at", sa.DateTime(timezone=True)),
    sa.Column("gone_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("given_back_at is null or gone_at is null", name="one_end"),
    sa.ForeignKeyConstraint(
        ["variety", "region", "week"], ["prize_stock.variety", "prize_stock.region", "prize_stock.week"]
    ),
)
sa.Index(
    "uq_prize_boxes_set_aside",
    prize_boxes.c.tree_id,
    prize_boxes.c.player_id,
    unique=True,
    postgresql_where=sa.and_(prize_boxes.c.given_back_at.is_(None), prize_boxes.c.gone_at.is_(None)),
)

fulfilment_orders = sa.Table(
    "fulfilment_orders",
    metadata,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("player_id", sa.Uuid, nullable=False),
    sa.Column("tree_id", sa.Uuid, nullable=False),
    sa.Column("variety", sa.Text, nullable=False),
    sa.Column("box_g", sa.Integer, nullable=False),
    sa.Column("box_cost_fen", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("stock_region", sa.Text),
    sa.Column("stock_week", sa.Text),
    sa.Column("carrier", sa.Text),
    sa.Column("tracking_no", sa.Text),
    sa.Column("delivered_at", sa.DateTime(timezone=True)),
    sa.Column("times_ordered", sa.SmallInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("player_id", "tree_id", name="uq_fulfilment_orders_share"),
    sa.CheckConstraint(
        "state in ({})".format(", ".join(f"'{state.value}'" for state in OrderState)), name="state_known"
    ),
)
sa.Index("ix_fulfilment_orders_state", fulfilment_orders.c.state, fulfilment_orders.c.order_id)

order_moves = sa.Table(
    "order_moves",
    metadata,
    sa.Column("move_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("order_id", sa.Uuid, sa.ForeignKey("fulfilment_orders.order_id"), nullable=False, index=True),
    sa.Column("from_state", sa.Text, nullable=False),
    sa.Column("to_state", sa.Text, nullable=False),
    sa.Column("mover", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)

order_addresses = sa.Table(
    "order_addresses",
    metadata,
    sa.Column("order_id", sa.Uuid, sa.ForeignKey("fulfilment_orders.order_id"), primary_key=True),
    # Sealed by server.secrets.Vault: the database alone cannot read it.
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
)

damage_reports = sa.Table(
    "damage_reports",
    metadata,
    sa.Column("report_id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, sa.ForeignKey("fulfilment_orders.order_id"), nullable=False),
    sa.Column("player_id", sa.Uuid, nullable=False, index=True),
    # Of which delivery: a box that was sent again can arrive spoilt again.
    sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("picture_id", sa.Uuid, nullable=False),
    sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("answer", sa.Text),
    sa.Column("answered_at", sa.DateTime(timezone=True)),
    sa.UniqueConstraint("order_id", "delivered_at", name="uq_damage_reports_delivery"),
    sa.CheckConstraint("state in ('open', 'resent', 'compensated', 'declined')", name="state_known"),
)
sa.Index("ix_damage_reports_open", damage_reports.c.reported_at, postgresql_where=damage_reports.c.state == "open")

damage_pictures = sa.Table(
    "damage_pictures",
    metadata,
    sa.Column("picture_id", sa.Uuid, primary_key=True),
    # Sealed like an address: a photo of a doorstep is as personal.
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

DDL = (
    REFUSE_CHANGE,
    append_only("order_moves"),
    *map(stays, ("fulfilment_orders", "prize_stock", "prize_boxes", "damage_reports")),
    keeps(
        "fulfilment_orders",
        "order_id",
        "player_id",
        "tree_id",
        "box_g",
        "made_at",
        never="new.times_ordered < old.times_ordered",
    ),
    keeps(
        "prize_boxes",
        "box_id",
        "player_id",
        "tree_id",
        "variety",
        "region",
        "week",
        "taken_at",
        never="old.given_back_at is not null or old.gone_at is not null",
    ),
    keeps(
        "damage_reports",
        "report_id",
        "order_id",
        "player_id",
        "delivered_at",
        "picture_id",
        "reported_at",
        # Answered once; words go only altogether, with the player whose they are.
        never="old.state <> 'open' and (new.state, new.answer) is distinct from (old.state, old.answer) "
        "or new.text <> old.text and new.text <> ''",
    ),
)

LAWS = (
    Law(
        "stock_counts_its_boxes",
        "As many boxes of a stock are taken as were set aside and not given back.",
        """
        select s.variety, s.region, s.week, s.boxes, s.taken, count(b.box_id) as set_aside
        from prize_stock s
        left join prize_boxes b on b.variety = s.variety and b.region = s.region and b.week = s.week
          and b.given_back_at is null
        group by s.variety, s.region, s.week, s.boxes, s.taken
        having s.taken <> count(b.box_id)
        """,
    ),
    Law(
        "box_has_an_owner",
        "Each box that is set aside belongs to one who grows a tree, or to an order that waits for it.",
        """
        select b.box_id, b.player_id, b.tree_id, o.state
        from prize_boxes b
        left join tree_members m on m.tree_id = b.tree_id and m.player_id = b.player_id
        left join fulfilment_orders o on o.tree_id = b.tree_id and o.player_id = b.player_id
        where b.given_back_at is null and b.gone_at is null
          and (m.player_id is null or m.donated
               or m.harvested_at is not null and coalesce(o.state, '') not in ('address_needed', 'pending'))
        """,
    ),
    Law(
        "harvest_is_an_order_or_a_donation",
        "Each harvested share of a tree is one order or one donation, and has one transfer out of the tree.",
        """
        select m.tree_id, m.player_id, m.donated, o.order_id, t.transfer_id
        from (select * from tree_members where harvested_at is not null) m
        full join fulfilment_orders o on o.tree_id = m.tree_id and o.player_id = m.player_id
        left join transfers t on t.out_biz_no = m.tree_id || ':' || m.player_id
          and t.reason = case when m.donated then 'tree_donated' else 'tree_harvested' end
        where m.player_id is null or t.transfer_id is null or m.donated <> (o.order_id is null)
        """,
    ),
    Law(
        "supplier_is_paid_for_what_was_ordered",
        "Each time that an order was ordered its supplier was paid once.",
        """
        select o.order_id, o.times_ordered, count(t.transfer_id) as paid
        from fulfilment_orders o
        left join transfers t on t.reason = 'prize_paid' and split_part(t.out_biz_no, ':', 1) = o.order_id::text
        group by o.order_id, o.times_ordered having o.times_ordered <> count(t.transfer_id)
        """,
    ),
)


# --- stock ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Box:
    """A box that is set aside."""

    box_id: UUID
    variety: str
    region: str
    week: str


async def set_stock(conn: AsyncConnection, *, variety: str, region: str, week: str, boxes: int) -> bool:
    """Say how many boxes there are; False when more are taken already (nothing is changed then)."""
    statement = insert(prize_stock).values(variety=variety, region=region, week=week, boxes=boxes)
    done = await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["variety", "region", "week"],
            set_={"boxes": statement.excluded.boxes},
            where=prize_stock.c.taken <= statement.excluded.boxes,
        )
    )
    return done.rowcount == 1


async def stock_from(conn: AsyncConnection, week: str, *, variety: str | None = None) -> list[Stock]:
    """All stock of this and later weeks, of one variety or of all."""
    query = sa.select(prize_stock).where(prize_stock.c.week >= week).order_by(prize_stock.c.variety, prize_stock.c.week)
    if variety is not None:
        query = query.where(prize_stock.c.variety == variety)
    return [Stock(**row._asdict()) for row in await conn.execute(query)]


async def take_box(
    conn: AsyncConnection, stock: Stock, *, box_id: UUID, player_id: UUID, tree_id: UUID, now: datetime
) -> Box | None:
    """Set one box of this stock aside; None when the last one was taken meanwhile."""
    done = await conn.execute(
        sa.update(prize_stock)
        .where(
            prize_stock.c.variety == stock.variety,
            prize_stock.c.region == stock.region,
            prize_stock.c.week == stock.week,
            prize_stock.c.taken < prize_stock.c.boxes,
        )
        .values(taken=prize_stock.c.taken + 1)
    )
    if done.rowcount == 0:
        return None
    await conn.execute(
        sa.insert(prize_boxes).values(
            box_id=box_id,
            player_id=player_id,
            tree_id=tree_id,
            variety=stock.variety,
            region=stock.region,
            week=stock.week,
            taken_at=now,
        )
    )
    return Box(box_id, stock.variety, stock.region, stock.week)


async def give_back(conn: AsyncConnection, box: Box, *, now: datetime) -> None:
    """Put a box that was set aside back into stock; one that is back or gone already stays so."""
    done = await conn.execute(
        sa.update(prize_boxes)
        .where(
            prize_boxes.c.box_id == box.box_id, prize_boxes.c.given_back_at.is_(None), prize_boxes.c.gone_at.is_(None)
        )
        .values(given_back_at=now)
    )
    if done.rowcount:
        await conn.execute(
            sa.update(prize_stock)
            .where(
                prize_stock.c.variety == box.variety,
                prize_stock.c.region == box.region,
                prize_stock.c.week == box.week,
            )
            .values(taken=prize_stock.c.taken - 1)
        )


async def send_off(conn: AsyncConnection, box: Box, *, now: datetime) -> None:
    """Write that a box has left the house: it stays taken for ever."""
    await conn.execute(
        sa.update(prize_boxes)
        .where(prize_boxes.c.box_id == box.box_id, prize_boxes.c.given_back_at.is_(None))
        .values(gone_at=now)
    )


async def box_of(conn: AsyncConnection, tree_id: UUID, player_id: UUID) -> Box | None:
    """The box that is set aside for a grower's share of a tree (or for the order that it became)."""
    row = (
        await conn.execute(
            sa.select(prize_boxes).where(
                prize_boxes.c.tree_id == tree_id,
                prize_boxes.c.player_id == player_id,
                prize_boxes.c.given_back_at.is_(None),
                prize_boxes.c.gone_at.is_(None),
            )
        )
    ).one_or_none()
    return Box(row.box_id, row.variety, row.region, row.week) if row else None


# --- orders ---------------------------------------------------------------------------------------


_ORDER_FIELDS = tuple(FulfilmentOrder.__dataclass_fields__)


def order_of(row: sa.Row) -> FulfilmentOrder:  # type: ignore[type-arg]
    """An order from its row."""
    values = row._asdict()
    values["id"], values["state"] = values.pop("order_id"), OrderState(values["state"])
    return FulfilmentOrder(**{name: values[name] for name in _ORDER_FIELDS})


async def add_order(conn: AsyncConnection, order: FulfilmentOrder) -> None:
    """Put an order on record."""
    values = {name: getattr(order, name) for name in _ORDER_FIELDS}
    await conn.execute(
        sa.insert(fulfilment_orders).values(
            **{name: value for name, value in values.items() if name not in ("id", "state")},
            order_id=order.id,
            state=order.state.value,
        )
    )


async def find_order(conn: AsyncConnection, order_id: UUID, *, lock: bool = False) -> FulfilmentOrder | None:
    """An order; `lock` keeps it still until the transaction ends."""
    query = sa.select(fulfilment_orders).where(fulfilment_orders.c.order_id == order_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return order_of(row) if row else None


async def orders_of(conn: AsyncConnection, player_id: UUID) -> list[FulfilmentOrder]:
    """A player's orders, newest first."""
    rows = await conn.execute(
        sa.select(fulfilment_orders)
        .where(fulfilment_orders.c.player_id == player_id)
        .order_by(fulfilment_orders.c.order_id.desc())
    )
    return [order_of(row) for row in rows]


async def orders_in(
    conn: AsyncConnection, states: Sequence[OrderState], *, after: UUID | None = None, limit: int = 100
) -> list[FulfilmentOrder]:
    """Orders in these states, oldest first, from after an order: one page of them."""
    query = (
        sa.select(fulfilment_orders)
        .where(fulfilment_orders.c.state.in_([state.value for state in states]))
        .order_by(fulfilment_orders.c.order_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(fulfilment_orders.c.order_id > after)
    return [order_of(row) for row in await conn.execute(query)]


async def write_order(
    conn: AsyncConnection,
    before: FulfilmentOrder,
    after: FulfilmentOrder,
    *,
    mover: Mover,
    who: str,
    note: str = "",
    now: datetime,
) -> None:
    """Write what an order became, and the move as a line of its history. The caller holds the order's lock."""
    changed = {
        name: getattr(after, name)
        for name in _ORDER_FIELDS
        if name not in ("id", "state") and getattr(after, name) != getattr(before, name)
    }
    done = await conn.execute(
        sa.update(fulfilment_orders)
        .where(fulfilment_orders.c.order_id == before.id, fulfilment_orders.c.state == before.state.value)
        .values(state=after.state.value, **changed)
    )
    assert done.rowcount == 1, "an order is locked before it is moved"
    if after.state is not before.state:
        await conn.execute(
            sa.insert(order_moves).values(
                order_id=before.id,
                from_state=before.state.value,
                to_state=after.state.value,
                mover=mover.value,
                who=who,
                note=note,
                at=now,
            )
        )


async def lock_orders(conn: AsyncConnection, order_ids: Iterable[UUID]) -> dict[UUID, FulfilmentOrder]:
    """Those of these orders that exist, locked in the order of their ids until the transaction ends."""
    rows = await conn.execute(
        sa.select(fulfilment_orders)
        .where(fulfilment_orders.c.order_id == sa.any_(sa.bindparam("ids", list(order_ids), type_=ARRAY(sa.Uuid))))
        .order_by(fulfilment_orders.c.order_id)
        .with_for_update()
    )
    return {row.order_id: order_of(row) for row in rows}


_CARRIED = sa.text("""
update fulfilment_orders o set state = c.state, moved_at = :now, carrier = c.carrier, tracking_no = c.tracking_no,
       delivered_at = c.delivered_at
from unnest(:ids, :befores, :states, :carriers, :numbers, :moments)
     as c(order_id, before, state, carrier, tracking_no, delivered_at)
where o.order_id = c.order_id and o.state = c.before
""").bindparams(
    sa.bindparam("ids", type_=ARRAY(sa.Uuid)),
    *(sa.bindparam(name, type_=ARRAY(sa.Text)) for name in ("befores", "states", "carriers", "numbers")),
    sa.bindparam("moments", type_=ARRAY(sa.DateTime(timezone=True))),
)


async def write_carried(
    conn: AsyncConnection, steps: Sequence[tuple[FulfilmentOrder, FulfilmentOrder, str]], *, who: str, now: datetime
) -> None:
    """Write what a carrier's rows made of orders: (before, after, note), several for one order in their order.

    The caller holds the orders' locks.
    """
    if not steps:
        return
    first: dict[UUID, FulfilmentOrder] = {}
    last: dict[UUID, FulfilmentOrder] = {}
    for before, after, _ in steps:
        first.setdefault(before.id, before)
        last[before.id] = after
    done = await conn.execute(
        _CARRIED,
        {
            "ids": list(last),
            "befores": [first[each].state.value for each in last],
            "states": [after.state.value for after in last.values()],
            "carriers": [after.carrier for after in last.values()],
            "numbers": [after.tracking_no for after in last.values()],
            "moments": [after.delivered_at for after in last.values()],
            "now": now,
        },
    )
    assert done.rowcount == len(last), "an order is locked before it is moved"
    await conn.execute(
        sa.insert(order_moves),
        [
            {
                "order_id": before.id, "from_state": before.state.value, "to_state": after.state.value,
                "mover": Mover.CARRIER.value, "who": who, "note": note, "at": now,
            }
            for before, after, note in steps
        ],
    )  # fmt: skip


async def count_ordered(conn: AsyncConnection, order_id: UUID) -> int:
    """Count one more time that this order was ordered from a supplier; returns which time it is, from 1."""
    times = await conn.scalar(
        sa.update(fulfilment_orders)
        .where(fulfilment_orders.c.order_id == order_id)
        .values(times_ordered=fulfilment_orders.c.times_ordered + 1)
        .returning(fulfilment_orders.c.times_ordered)
    )
    assert times is not None
    return int(times)


async def times_ordered(conn: AsyncConnection, order_id: UUID) -> int:
    """How often this order was ordered from a supplier."""
    return (
        await conn.scalar(sa.select(fulfilment_orders.c.times_ordered).where(fulfilment_orders.c.order_id == order_id))
        or 0
    )


async def moves_of(conn: AsyncConnection, order_id: UUID) -> list[tuple[OrderState, datetime]]:
    """The states that an order came to, and when, in order."""
    rows = await conn.execute(
        sa.select(order_moves.c.to_state, order_moves.c.at)
        .where(order_moves.c.order_id == order_id)
        .order_by(order_moves.c.move_id)
    )
    return [(OrderState(state), at) for state, at in rows]


# --- addresses ------------------------------------------------------------------------------------


async def write_address(conn: AsyncConnection, order_id: UUID, sealed: bytes, *, now: datetime) -> None:
    """Keep the sealed address of an order, in place of an earlier one."""
    statement = insert(order_addresses).values(order_id=order_id, sealed=sealed, given_at=now)
    await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["order_id"],
            set_={"sealed": statement.excluded.sealed, "given_at": statement.excluded.given_at},
        )
    )


async def sealed_address(conn: AsyncConnection, order_id: UUID) -> bytes | None:
    """The sealed address of an order, None where there is none (any more)."""
    return await conn.scalar(sa.select(order_addresses.c.sealed).where(order_addresses.c.order_id == order_id))


async def forget_addresses(conn: AsyncConnection, *, ended_before: datetime) -> int:
    """Delete the addresses (and photos) of orders that were delivered or ended before a moment; returns how many."""
    ended = sa.select(fulfilment_orders.c.order_id).where(
        sa.func.coalesce(
            fulfilment_orders.c.delivered_at,
            sa.case((fulfilment_orders.c.state.in_(["cancelled", "compensated"]), fulfilment_orders.c.moved_at)),
        )
        < ended_before
    )
    answered = sa.select(damage_reports.c.picture_id).where(
        damage_reports.c.state != "open", damage_reports.c.order_id.in_(ended)
    )
    await conn.execute(sa.delete(damage_pictures).where(damage_pictures.c.picture_id.in_(answered)))
    done = await conn.execute(sa.delete(order_addresses).where(order_addresses.c.order_id.in_(ended)))
    return done.rowcount


async def forget_addresses_of(conn: AsyncConnection, player_id: UUID) -> int:
    """Delete the addresses of a player's orders that no box is on its way to; returns how many."""
    done = await conn.execute(
        sa.text(
            "delete from order_addresses where order_id in (select order_id from fulfilment_orders "
            "where player_id = :player and state not in ('ordered', 'shipped'))"
        ),
        {"player": player_id},
    )
    return done.rowcount


async def forget_words_of(conn: AsyncConnection, player_id: UUID) -> None:
    """Delete the photos of a player's reports of damage, and what was written in them; the reports stay."""
    pictures = sa.select(damage_reports.c.picture_id).where(damage_reports.c.player_id == player_id)
    await conn.execute(sa.delete(damage_pictures).where(damage_pictures.c.picture_id.in_(pictures)))
    await conn.execute(sa.update(damage_reports).where(damage_reports.c.player_id == player_id).values(text=""))


async def addresses_after(conn: AsyncConnection, after: UUID | None, *, limit: int) -> list[tuple[UUID, bytes]]:
    """Sealed addresses in the order of their orders, locked, for sealing them anew with a newer key."""
    query = sa.select(order_addresses.c.order_id, order_addresses.c.sealed).order_by(order_addresses.c.order_id)
    if after is not None:
        query = query.where(order_addresses.c.order_id > after)
    return [(row.order_id, row.sealed) for row in await conn.execute(query.limit(limit).with_for_update())]


async def reseal_address(conn: AsyncConnection, order_id: UUID, sealed: bytes) -> None:
    """Put the same address, sealed with a newer key, in the old one's place."""
    await conn.execute(sa.update(order_addresses).where(order_addresses.c.order_id == order_id).values(sealed=sealed))


# --- damage ---------------------------------------------------------------------------------------


def report_of(row: sa.Row) -> DamageReport:  # type: ignore[type-arg]
    """A report of damage from its row."""
    return DamageReport(
        id=row.report_id,
        order_id=row.order_id,
        player_id=row.player_id,
        text=row.text,
        picture_id=row.picture_id,
        reported_at=row.reported_at,
        state=DamageState(row.state),
        answer=row.answer,
        answered_at=row.answered_at,
    )


async def add_report(
    conn: AsyncConnection, report: DamageReport, *, delivered_at: datetime, sealed_picture: bytes
) -> None:
    """Put a report of damage on record, with its sealed photo."""
    await conn.execute(sa.insert(damage_pictures).values(picture_id=report.picture_id, sealed=sealed_picture))
    await conn.execute(
        sa.insert(damage_reports).values(
            report_id=report.id,
            order_id=report.order_id,
            player_id=report.player_id,
            delivered_at=delivered_at,
            text=report.text,
            picture_id=report.picture_id,
            reported_at=report.reported_at,
        )
    )


async def reports_of(conn: AsyncConnection, order_id: UUID) -> list[tuple[DamageReport, datetime]]:
    """An order's reports of damage, each with the delivery that it is about; newest first."""
    rows = await conn.execute(
        sa.select(damage_reports)
        .where(damage_reports.c.order_id == order_id)
        .order_by(damage_reports.c.reported_at.desc())
    )
    return [(report_of(row), row.delivered_at) for row in rows]


async def open_reports(conn: AsyncConnection, *, limit: int = 100) -> list[DamageReport]:
    """Reports that wait for an answer, oldest first."""
    rows = await conn.execute(
        sa.select(damage_reports)
        .where(damage_reports.c.state == "open")
        .order_by(damage_reports.c.reported_at)
        .limit(limit)
    )
    return [report_of(row) for row in rows]


async def find_report(conn: AsyncConnection, report_id: UUID, *, lock: bool = False) -> DamageReport | None:
    """A report of damage."""
    query = sa.select(damage_reports).where(damage_reports.c.report_id == report_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return report_of(row) if row else None


async def write_answer(conn: AsyncConnection, report: DamageReport) -> None:
    """Write what the office answered. The caller holds the report's lock."""
    await conn.execute(
        sa.update(damage_reports)
        .where(damage_reports.c.report_id == report.id, damage_reports.c.state == "open")
        .values(state=report.state.value, answer=report.answer, answered_at=report.answered_at)
    )


async def sealed_picture(conn: AsyncConnection, picture_id: UUID) -> bytes | None:
    """The sealed photo of a report, None where there is none (any more)."""
    return await conn.scalar(sa.select(damage_pictures.c.sealed).where(damage_pictures.c.picture_id == picture_id))
