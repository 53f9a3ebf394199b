"""Laws of the facts: the database refuses to rewrite or to lose them, to its owner by triggers, to the service by rights."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from rewards.kinds.invite import Vesting
from server.commands import BadInput
from server.ids import uuid7
from server.jobs.all import jobs_of
from server.migrations import state, upgrade
from server.running import migrated
from server.stores import budgets, every_table, farm, prizes
from server.stores.db import engine_from, transaction
from server.stores.rights import FACTS, MOVED_BY_TRIGGER, NEVER_DELETED, as_service, may_rewrite_books
from tests.rewards.builders import ADDRESS
from tests.server.builders import a_config
from tests.server.orchard import a_harvest, an_orchard, apply, broken_laws, give, plant, player_id_of, stock

MAY_GO = ("caps", "paces", "demands", "order_addresses", "damage_pictures")
"""Tables of the rewards whose rows may be deleted: settings, measurements, and what privacy asks to be forgotten."""


@pytest.fixture
async def service_url(database: str, engine: AsyncEngine) -> AsyncIterator[str]:
    """The test's database, as the service's own role; a role of this test, since roles belong to the whole server."""
    role = f"service_{uuid7().hex}"
    yield await as_service(database, role=role)
    async with transaction(engine) as conn:
        await conn.execute(sa.text(f'drop owned by "{role}"'))
        await conn.execute(sa.text(f'drop role "{role}"'))


async def refuses(engine: AsyncEngine, statement: str, why: str) -> None:
    with pytest.raises(DBAPIError, match=why):
        async with transaction(engine) as conn:
            await conn.execute(sa.text(statement))


def rewritings(table: str) -> Iterator[str]:
    column = next(each.name for each in every_table().tables[table].columns if each.identity is None)
    yield f"update {table} set {column} = {column} where false"
    yield from losses(table)


def losses(table: str) -> Iterator[str]:
    yield f"delete from {table} where false"
    yield f"truncate {table} cascade"


def test_every_table_of_the_rewards_is_a_fact_is_kept_or_may_go() -> None:
    known = {*FACTS, *MOVED_BY_TRIGGER, *NEVER_DELETED, *MAY_GO}
    own = {
        name
        for store in (budgets, farm, prizes)
        for name, value in vars(store).items()
        if isinstance(value, sa.Table) and value.name == name
    }
    assert {"budgets", "trees", "prize_stock"} <= own
    assert own - known == set()
    assert known - set(every_table().tables) == set()


@pytest.mark.parametrize("table", FACTS)
async def test_facts_are_rewritten_by_nobody(module_engine: AsyncEngine, table: str) -> None:
    """To the owner, too: a trigger refuses the statement itself, whether or not there is a row for it."""
    for statement in rewritings(table):
        await refuses(module_engine, statement, "append-only")


@pytest.mark.parametrize("table", [*MOVED_BY_TRIGGER, *NEVER_DELETED])
async def test_what_changes_only_as_agreed_is_lost_by_nobody(module_engine: AsyncEngine, table: str) -> None:
    for statement in losses(table):
        await refuses(module_engine, statement, "append-only")


async def test_the_service_has_not_even_the_right(service_url: str) -> None:
    engine = engine_from(service_url, pool_size=1)
    try:
        for table in (*FACTS, *MOVED_BY_TRIGGER):
            for statement in (*rewritings(table), f"alter table {table} disable trigger all"):
                await refuses(engine, statement, r"permission denied|must be owner")
        for table in NEVER_DELETED:
            for statement in losses(table):
                await refuses(engine, statement, r"permission denied")
        await refuses(engine, "set session_replication_role = replica", "permission denied")
        assert await may_rewrite_books(service_url) is False
    finally:
        await engine.dispose()


UNLAWFUL = (
    ("tree_members", "harvested_at = null, donated = false", "harvested_at is not null"),
    ("tree_members", "tree_id = gen_random_uuid()", "harvested_at is null"),
    ("farm_days", "applications = applications - 1", "true"),
    ("farm_days", "day = day + 1", "true"),
    ("invitations", "amount_g = amount_g + 1", "state = 'waiting'"),
    ("invitations", "state = 'waiting'", "state = 'vested'"),
    ("budgets", "rate_fen = rate_fen + 1", "true"),
    ("budgets", "paid_fen = paid_fen - 1", "true"),
    ("budgets", "returned_g = -1", "true"),
    ("reservations", "reserved_g = reserved_g + 10", "true"),
    ("reservations", "releasable_at = releasable_at - interval '1 hour'", "true"),
    ("fulfilment_orders", "box_g = box_g + 1", "true"),
    ("fulfilment_orders", "player_id = gen_random_uuid()", "true"),
    ("fulfilment_orders", "times_ordered = -1", "true"),
    ("prize_boxes", "week = '2020-W01'", "given_back_at is null"),
    ("prize_boxes", "given_back_at = null", "given_back_at is not null"),
    ("trees", "applied_g = applied_g - 1", "applied_g > 0"),
    ("trees", "terms = terms || '{\"box_g\": 1}'", "true"),
    ("awards", "amount_g = amount_g + 1", "true"),
)


async def test_what_may_change_changes_in_no_other_way(database: str, tmp_path: Path) -> None:
    """Each of these is a row that exists, and none of them is changed."""
    async with an_orchard(database, tmp_path) as service:
        await service.test()
        await stock(service, 5)
        one, other, friend, late = [await service.phone(name) for name in ("一", "二", "三", "四")]
        for each in (friend, late):
            await each.call("POST", "/v1/farm/invitations", {"inviter_id": one.player["player_id"]})
        assert (await one.round())["matchups"]
        redemption_id = await a_harvest(service, one)
        await one.call("PUT", f"/v1/redemptions/{redemption_id}/address", ADDRESS)
        await one.call("POST", f"/v1/redemptions/{redemption_id}/end", {"how": "give_away"})
        await plant(one)
        await plant(other)
        await give(service, other, 400)
        await apply(other, 7)  # from 80 % on a box is set aside
        async with transaction(service.engine) as conn:
            await farm.record_vesting(conn, player_id_of(friend), Vesting.VESTED)
        for table, change, where in UNLAWFUL:
            async with service.engine.connect() as conn:
                there = await conn.scalar(sa.text(f"select count(*) from {table} where {where}"))
            assert there, f"there is no row of {table} where {where}"
            await refuses(service.engine, f"update {table} set {change} where {where}", "append-only")


async def test_the_whole_service_runs_as_the_role_that_cannot_rewrite_the_books(
    database: str, service_url: str, tmp_path: Path
) -> None:
    """Rounds, answers, farm, prizes and every job, and a start on a schema that is new: none needs more rights."""
    config = a_config(service_url, tmp_path)
    assert await migrated(config) == config
    assert (await upgrade(service_url)).is_at_head
    assert await may_rewrite_books(database) is True
    async with an_orchard(service_url, tmp_path) as service:
        await service.test(styles=4)
        await stock(service, 5)
        phone = await service.phone()
        matchups = (await phone.round(size=5))["matchups"]
        reply = await phone.answer(*[(one["ticket"], "left") for one in matchups])
        assert [one["status"] for one in reply["receipts"]] == ["counted"] * 5
        assert (await phone.call("POST", "/v1/farm/claims"))[0] == 200
        redemption_id = await a_harvest(service, phone)
        assert (await phone.call("PUT", f"/v1/redemptions/{redemption_id}/address", ADDRESS))[0] == 200
        jobs = jobs_of(service.shell)
        for days in (0, 1, 200):
            service.clock.forward(days=days)
            for job in jobs:
                await job.run(service.clock())
        assert await broken_laws(service) == {}
        assert (await (await service.phone()).call("DELETE", "/v1/me"))[0] == 204
    assert (await state(service_url)).is_at_head


async def test_on_its_own_database_the_service_gives_up_its_ownership_by_itself(
    empty_database: str, tmp_path: Path
) -> None:
    config = dataclasses.replace(a_config(empty_database, tmp_path), embedded=True)
    settled = await migrated(config)
    assert settled.database_url is not None
    assert await may_rewrite_books(settled.database_url) is False
    assert await migrated(config) == settled


async def test_a_role_that_may_not_migrate_says_who_must(
    database: str, engine: AsyncEngine, service_url: str, tmp_path: Path
) -> None:
    async with transaction(engine) as conn:
        await conn.execute(sa.text("update alembic_version set version_num = 'an_older_one'"))
    with pytest.raises(BadInput, match="xuankuan migrate"):
        await migrated(a_config(service_url, tmp_path))
