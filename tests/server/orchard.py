"""Builders for the tests of farm and prizes: a service with small figures, players with fertilizer, ripe trees."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

from rewards.days import day_of
from rewards.economy import DEFAULT, Economy, changed
from rewards.kinds.restored import RESTORED
from rewards.prizes import EVERYWHERE, Mover, OrderState, week_of
from server.flows.move_order import move_order
from server.flows.pay_awards import pay_awards
from server.ids import uuid7
from server.stores import prizes
from server.stores.db import transaction
from server.stores.invariants import all_laws, audit
from tests.server.builders import Phone, Service, a_service

SMALL = changed(
    DEFAULT,
    {
        "apple.requirement_g": 400,
        "mandarin.requirement_g": 400,
        "pear.requirement_g": 400,
        "stage_award_g": "0,7,0,0,0,0",
    },
)
"""A tree that eight applications ripen: in one day."""


@contextlib.asynccontextmanager
async def an_orchard(database: str, folder: Path, **figures: Any) -> AsyncIterator[Service]:
    """The service under SMALL, with other figures where they matter."""
    async with a_service(database, folder, economy=changed(SMALL, figures)) as service:
        yield service


def player_id_of(phone: Phone) -> UUID:
    return UUID(phone.player["player_id"])


async def give(service: Service, phone: Phone, amount_g: int, *, economy: Economy | None = None) -> None:
    """Grams into the wallet, as an award of the programme."""
    award = RESTORED.award(player_id=player_id_of(phone), grant_id=uuid7(), amount_g=amount_g)
    async with transaction(service.engine) as conn:
        await pay_awards(conn, [award], economy=economy or service.shell.economy, now=service.clock())


async def plant(phone: Phone, variety: str = "apple") -> dict[str, Any]:
    status, body = await phone.call("POST", "/v1/farm/trees", {"variety": variety})
    assert status == 201, body
    return body


async def apply(phone: Phone, times: int = 1) -> dict[str, Any]:
    status, body = await phone.call("POST", "/v1/farm/applications", {"times": times})
    assert status == 200, body
    return body


async def view(phone: Phone) -> dict[str, Any]:
    status, body = await phone.call("GET", "/v1/farm")
    assert status == 200, body
    return body


async def refused(phone: Phone, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """(status, code) of a call that is refused, and nothing of the farm has changed by it."""
    before = await view(phone)
    status, problem = await phone.call(method, path, body)
    assert status >= 400, problem
    assert problem["detail"]
    assert await view(phone) == before
    return status, problem["code"]


async def stock(service: Service, boxes: int, *, variety: str = "apple", region: str = EVERYWHERE) -> None:
    """So many boxes of a fruit, in this week."""
    async with transaction(service.engine) as conn:
        week = week_of(day_of(service.clock()))
        assert await prizes.set_stock(conn, variety=variety, region=region, week=week, boxes=boxes)


async def a_harvest(service: Service, phone: Phone) -> UUID:
    """A tree from seed to harvest in one day; returns the redemption."""
    await plant(phone)
    await give(service, phone, 400)
    await apply(phone, 8)
    status, body = await phone.call("POST", "/v1/farm/harvests", {})
    assert status == 200, body
    return UUID(body["redemption_id"])


async def move(
    service: Service, redemption_id: UUID, target: OrderState, *, mover: Mover = Mover.FULFILMENT
) -> OrderState:
    """The office (or another) moves an order; returns what it is then."""
    async with transaction(service.engine) as conn:
        order = await prizes.find_order(conn, redemption_id, lock=True)
        assert order is not None
        moved = await move_order(
            conn, order, target=target, mover=mover, who="test", economy=service.shell.economy, now=service.clock()
        )
        return moved.state


async def broken_laws(service: Service) -> dict[str, tuple[dict[str, Any], ...]]:
    """What an audit finds, by the law's code; empty when all is well."""
    found = [finding async for finding in audit(service.engine, all_laws(), connections=1)]
    return {finding.code: finding.rows for finding in found if not finding.holds}
