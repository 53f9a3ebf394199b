"""Any order of the farm's flows on the real database, with crashes before their commit and clocks that jump."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rewards.days import day_of
from rewards.errors import RewardsRefusal
from rewards.kinds.restored import RESTORED
from rewards.prizes import EVERYWHERE, Mover, OrderState, week_of
from server.flows.apply_fertilizer import apply_fertilizer
from server.flows.claim_fertilizer import claim_fertilizer
from server.flows.end_order import end_order
from server.flows.give_address import give_address
from server.flows.harvest_tree import harvest_tree
from server.flows.join_family import join_family
from server.flows.move_order import move_order
from server.flows.pay_awards import pay_awards
from server.flows.plant_tree import plant_tree
from server.ids import uuid7
from server.jobs.expire_fertilizer import ExpireFertilizer
from server.jobs.fill_back_orders import FillBackOrders
from server.jobs.pay_owed_awards import PayOwedAwards
from server.secrets import Vault
from server.stores import farm, players, prizes
from server.stores.db import transaction
from server.stores.invariants import all_laws, audit
from tests.rewards.builders import ADDRESS
from tests.server.books import DEEP, in_a_loop_of_its_own
from tests.server.orchard import SMALL

VAULT = Vault({1: b"a key for these tests only"})
WHO = st.integers(0, 2)
CRASH = st.booleans()
OPERATIONS = st.one_of(
    st.tuples(st.just("plant"), WHO, CRASH),
    st.tuples(st.just("join"), WHO, CRASH, WHO),
    st.tuples(st.just("claim"), WHO, CRASH),
    st.tuples(st.just("give"), WHO, CRASH, st.integers(1, 300)),
    st.tuples(st.just("apply"), WHO, CRASH, st.integers(-1, 12)),
    st.tuples(st.just("apply"), WHO, st.just(False), st.just(10)),
    st.tuples(st.just("harvest"), WHO, CRASH, st.booleans()),
    st.tuples(st.just("address"), WHO, CRASH),
    st.tuples(st.just("end"), WHO, CRASH, st.booleans()),
    st.tuples(st.just("move"), WHO, CRASH, st.sampled_from(OrderState)),
    st.tuples(st.just("stock"), st.integers(0, 3)),
    st.tuples(st.just("jobs"), st.just(0)),
    st.tuples(st.just("jump"), st.sampled_from([3_600, 86_400, 20 * 86_400, -3_600])),
)


class Crash(Exception):
    """The process dies before the commit."""


@dataclass
class World:
    """Three players of their own, and a clock."""

    engine: AsyncEngine
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    who: list[UUID] = field(default_factory=lambda: [uuid7() for _ in range(3)])

    async def begin(self) -> None:
        async with transaction(self.engine) as conn:
            await conn.execute(
                sa.insert(players.players), [{"player_id": each, "created_at": self.now} for each in self.who]
            )

    async def run(self, flow: Callable[[AsyncConnection], Awaitable[Any]], *, crash: bool) -> None:
        """A flow in its transaction; a refusal or a crash undoes all of it."""
        try:
            async with transaction(self.engine) as conn:
                await flow(conn)
                if crash:
                    raise Crash
        except (Crash, RewardsRefusal):
            return

    async def do(self, name: str, *arguments: Any) -> None:
        await getattr(self, f"_{name}")(*arguments)

    async def _plant(self, who: int, crash: bool) -> None:
        await self.run(
            lambda conn: plant_tree(conn, player_id=self.who[who], variety="apple", economy=SMALL, now=self.now),
            crash=crash,
        )

    async def _join(self, who: int, crash: bool, other: int) -> None:
        async def flow(conn: AsyncConnection) -> None:
            tree = await farm.growing_tree(conn, self.who[other])
            if tree is not None:
                await join_family(conn, player_id=self.who[who], tree_id=tree.id, now=self.now)

        await self.run(flow, crash=crash)

    async def _claim(self, who: int, crash: bool) -> None:
        await self.run(
            lambda conn: claim_fertilizer(conn, player_id=self.who[who], economy=SMALL, now=self.now), crash=crash
        )

    async def _give(self, who: int, crash: bool, amount_g: int) -> None:
        award = RESTORED.award(player_id=self.who[who], grant_id=uuid7(), amount_g=amount_g)
        await self.run(lambda conn: pay_awards(conn, [award], economy=SMALL, now=self.now), crash=crash)

    async def _apply(self, who: int, crash: bool, times: int) -> None:
        await self.run(
            lambda conn: apply_fertilizer(conn, player_id=self.who[who], times=times, economy=SMALL, now=self.now),
            crash=crash,
        )

    async def _harvest(self, who: int, crash: bool, donate: bool) -> None:
        await self.run(
            lambda conn: harvest_tree(conn, player_id=self.who[who], donate=donate, now=self.now), crash=crash
        )

    async def _order(self, conn: AsyncConnection, who: int) -> UUID | None:
        orders = await prizes.orders_of(conn, self.who[who])
        return orders[0].id if orders else None

    async def _address(self, who: int, crash: bool) -> None:
        async def flow(conn: AsyncConnection) -> None:
            order_id = await self._order(conn, who)
            if order_id is not None:
                await give_address(
                    conn, player_id=self.who[who], order_id=order_id, given=ADDRESS, vault=VAULT, economy=SMALL,
                    now=self.now,
                )  # fmt: skip

        await self.run(flow, crash=crash)

    async def _end(self, who: int, crash: bool, give_away: bool) -> None:
        async def flow(conn: AsyncConnection) -> None:
            order_id = await self._order(conn, who)
            if order_id is not None:
                await end_order(
                    conn, player_id=self.who[who], order_id=order_id, give_away=give_away, economy=SMALL, now=self.now
                )

        await self.run(flow, crash=crash)

    async def _move(self, who: int, crash: bool, target: OrderState) -> None:
        async def flow(conn: AsyncConnection) -> None:
            order_id = await self._order(conn, who)
            order = await prizes.find_order(conn, order_id, lock=True) if order_id is not None else None
            if order is not None:
                await move_order(
                    conn, order, target=target, mover=Mover.FULFILMENT, who="test", economy=SMALL, now=self.now
                )

        await self.run(flow, crash=crash)

    async def _stock(self, boxes: int) -> None:
        async with transaction(self.engine) as conn:
            week = week_of(day_of(self.now))
            await prizes.set_stock(conn, variety="apple", region=EVERYWHERE, week=week, boxes=boxes)

    async def _jobs(self, _: int) -> None:
        await PayOwedAwards(self.engine, lambda: SMALL).run(self.now)
        await ExpireFertilizer(self.engine, lambda: SMALL).run(self.now)
        await FillBackOrders(self.engine, lambda: SMALL).run(self.now)

    async def _jump(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)


def test_any_order_of_the_farms_flows_leaves_every_law_whole(database: str) -> None:
    with in_a_loop_of_its_own(database) as (run, engine):

        @settings(
            max_examples=300 if DEEP else 8,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(OPERATIONS, min_size=10, max_size=60))
        def any_order(operations: list[tuple[Any, ...]]) -> None:
            run(live(engine, operations))

        any_order()


async def live(engine: AsyncEngine, operations: list[tuple[Any, ...]]) -> None:
    """One life of three players, and the audit at its end."""
    world = World(engine)
    await world.begin()
    # Where most lives come to: a tree that is nearly ripe.
    await world.do("plant", 0, False)
    await world.do("give", 0, False, 380)
    await world.do("apply", 0, False, 7)
    for name, *arguments in operations:
        await world.do(name, *arguments)
    broken = [finding async for finding in audit(engine, all_laws(), connections=1) if not finding.holds]
    assert broken == []
