"""Laws of privacy: what is personal is in the inventory, goes with its player, rotates with the key, is never logged."""

import asyncio
import contextlib
import dataclasses
import io
import json
import re
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from rewards.prizes import OrderState
from server.config import Config
from server.ids import uuid7
from server.jobs.deliver_webhooks import DeliverWebhooks
from server.jobs.forget_old_data import ForgetOldData
from server.jobs.rotate_keys import RotateKeys
from server.running import configure_logging
from server.secrets import Vault, vault_of
from server.stores import every_table, sealed, staff
from server.stores.db import transaction
from server.stores.personal import INVENTORY
from tests.server.books import as_attacker
from tests.server.builders import Phone, Service, a_service
from tests.server.orchard import a_harvest, an_orchard, move, player_id_of, stock

HOUSE = Path(__file__).parents[2]
ADDRESS = {
    "name": "林小美", "phone": "13812345678", "province": "浙江省", "city": "杭州市", "district": "西湖区",
    "street": "文三路八号梧桐公寓",
}  # fmt: skip
SECRETS = (
    "openid-of-xiaomei",
    "device of xiaomei",
    "小美的昵称",
    "13812345678",
    "梧桐公寓",
    "林小美",
    "压坏了三个",
    "我是认真选的",
)
KEYS = {1: b"the first key of these tests, 1111", 2: b"the second key of these tests, 2222"}

# --- the inventory -----------------------------------------------------------------------------------


def columns() -> set[tuple[str, str]]:
    return {(table.name, column.name) for table in every_table().sorted_tables for column in table.columns}


def test_the_inventory_names_columns_that_there_are_each_once():
    named = [(each.table, each.column) for each in INVENTORY]
    assert len(named) == len(set(named))
    assert set(named) <= columns()


def test_a_column_that_looks_personal_is_in_the_inventory():
    """Sealed values, hashes of people's things, and the words for what people are and own."""
    telling = re.compile(
        r"sealed|device|address_block|subject|open_?id|nickname|phone|gender|birth|region$|interests|consent|agent|tracking"
    )
    not_of_people = {("alarms", "subject"), ("cases", "subject"), ("prize_stock", "region"), ("prize_boxes", "region"),
                     ("fulfilment_orders", "stock_region")}  # fmt: skip
    looks = {each for each in columns() if telling.search(each[1])} - not_of_people
    assert looks - {(each.table, each.column) for each in INVENTORY} == set()


def test_the_document_shows_the_inventory_line_by_line():
    """docs/privacy.md is for people; the list in the code is what is true."""
    text = (HOUSE / "docs/privacy.md").read_text(encoding="utf-8")
    for each in INVENTORY:
        said = (each.what, each.purpose, each.kept, each.seen_by, each.on_deletion)
        row = f"| `{each.table}.{each.column}` | {' | '.join(said)} |"
        assert row in text, row


def test_every_sealed_column_rotates():
    rotating = {(each.table, each.column) for each in sealed.COLUMNS} | {("platform_identities", "sealed_subject")}
    assert {each for each in columns() if "sealed" in each[1]} == rotating


# --- a whole life, and its end -----------------------------------------------------------------------


async def a_life(service: Service) -> tuple[Phone, UUID]:
    """A player who says all there is to say: facts, votes, a box with an address, a report, an appeal."""
    await service.test()
    phone = await Phone(service.client, "openid-of-xiaomei", "device of xiaomei").log_in()
    facts = {"nickname": "小美的昵称", "gender": "female", "birth_year": 1998, "interests": [], "region": "浙江"}
    assert (await phone.call("PATCH", "/v1/me", facts))[0] == 200
    dealt = await phone.round(5)
    await phone.answer(*((each["ticket"], "left") for each in dealt["matchups"]))
    await stock(service, 5)
    order = await a_harvest(service, phone)
    status, told = await phone.call("PUT", f"/v1/redemptions/{order}/address", ADDRESS)
    assert status == 200, told
    await as_attacker(service.engine, "update players set standing = 'muted', standing_reasons = '{impossible_speed}'")
    status, told = await phone.call("POST", "/v1/appeals", {"text": "我是认真选的"})
    assert status == 201, told
    await as_attacker(
        service.engine,
        "insert into damage_reports (report_id, order_id, player_id, delivered_at, text, picture_id, reported_at, state)"
        " values (:report, :order, :player, now(), '压坏了三个', :report, now(), 'compensated')",
        report=uuid7(), order=order, player=player_id_of(phone),
    )  # fmt: skip
    return phone, order


async def everything(engine: Any) -> str:
    """The whole database as text: every row of every table, as PostgreSQL prints it."""
    found = []
    async with engine.connect() as conn:
        for table in every_table().sorted_tables:
            found += list(await conn.scalars(sa.text(f"select t::text from {table.name} t")))
    return "\n".join(found)


async def test_after_deletion_nothing_in_the_database_leads_to_the_person(database: str, tmp_path: Path):
    """Words, hashes and seals are gone from every table; votes and books are still there, and the audit is clean."""
    async with an_orchard(database, tmp_path) as service:
        phone, order = await a_life(service)
        vault = vault_of(service.shell.config)
        traces = [
            *SECRETS,
            vault.digest("guest:openid-of-xiaomei").hex(),
            vault.digest("device:device of xiaomei").hex(),
        ]
        async with service.engine.connect() as conn:
            address = await conn.scalar(sa.text("select sealed from order_addresses"))
        traces.append(address.hex())
        before = await everything(service.engine)
        assert "小美的昵称" in before
        assert traces[-3] in before
        assert (await phone.call("DELETE", "/v1/me"))[0] == 204
        after = await everything(service.engine)
        assert [trace for trace in traces if trace in after] == []
        assert after.count(str(player_id_of(phone))) > 10  # votes, grants, transfers: with nobody behind them
        assert str(order) in after


async def test_a_box_on_its_way_keeps_its_address_until_it_has_arrived(database: str, tmp_path: Path):
    async with an_orchard(database, tmp_path) as service:
        phone, order = await a_life(service)
        for state in (OrderState.ORDERED, OrderState.SHIPPED):
            await move(service, order, state)
        assert (await phone.call("DELETE", "/v1/me"))[0] == 204

        async def addresses() -> int:
            async with service.engine.connect() as conn:
                return int(await conn.scalar(sa.text("select count(*) from order_addresses")) or 0)

        await ForgetOldData(service.engine).run(service.clock())
        assert await addresses() == 1
        await move(service, order, OrderState.DELIVERED)
        await ForgetOldData(service.engine).run(service.clock())
        assert await addresses() == 0


async def test_what_is_past_its_time_is_forgotten(service: Service):
    """Hashes of devices and addresses 90 days after a session's end, kept answers after a day."""
    await service.phone()
    await as_attacker(service.engine, "update player_sessions set expires_at = now() - interval '91 days'")
    await as_attacker(
        service.engine,
        "insert into idempotency_keys (owner, key, digest, claimed_at) values ('x', 'y', '', now() - interval '25 hours')",
    )
    await ForgetOldData(service.engine).run(service.clock())
    async with service.engine.connect() as conn:
        assert await conn.scalar(sa.text("select count(*) from player_sessions where device <> ''")) == 0
        assert await conn.scalar(sa.text("select count(*) from idempotency_keys")) == 0


# --- keys --------------------------------------------------------------------------------------------


async def test_a_key_rotates_under_load_and_no_call_fails(database: str, tmp_path: Path):
    """Old players come back, new ones arrive, facts change: while every seal and hash moves from key 1 to key 2."""
    async with a_service(database, tmp_path, vault_keys={1: KEYS[1]}) as service:
        before = {name: (await service.phone(name)).player["player_id"] for name in map(str, range(12))}
    user_id = uuid7()
    vault = Vault({1: KEYS[1]})
    async with a_service(database, tmp_path, vault_keys=KEYS, vault_key_in_use=1) as early:
        async with transaction(early.engine) as conn:
            await staff.add(
                conn, user_id=user_id, login="x", name="x", password_hash="x", roles=[], merchant_id=None,
                now=early.clock(),
            )  # fmt: skip
            await staff.change(conn, user_id, sealed_totp=vault.seal(b"a second factor", about=user_id.bytes))
        async with a_service(database, tmp_path, vault_keys=KEYS) as late:
            done = asyncio.Event()
            seen: dict[str, set[str]] = {}

            async def play(service: Service, name: str) -> None:
                while True:
                    phone = await service.phone(name)  # asserts 201
                    seen.setdefault(name, set()).add(phone.player["player_id"])
                    assert (await phone.call("PATCH", "/v1/me", {"nickname": f"n{name}"}))[0] == 200
                    if done.is_set():
                        return

            players = [play(service, str(n)) for n in range(0, 16, 2) for service in (early, late)]
            running = asyncio.gather(*players)
            rotated = 0
            for _ in range(6):
                rotated += await RotateKeys(late.engine, Vault(KEYS)).run(late.clock())
                await asyncio.sleep(0.05)
            done.set()
            await running
            # Whoever still seals with key 1 has ended; what they left is done now.
            await RotateKeys(late.engine, Vault(KEYS)).run(late.clock())
            async with transaction(late.engine) as conn:
                assert set(await sealed.count_by_key(conn)) == {2}
            assert rotated >= 12
    assert all(len(ids) == 1 for ids in seen.values()), seen
    async with a_service(database, tmp_path, vault_keys={2: KEYS[2]}) as after:
        again = {name: (await after.phone(name)).player["player_id"] for name in before}
        assert again == before
        async with after.engine.connect() as conn:
            totp = await conn.scalar(sa.select(staff.staff.c.sealed_totp).where(staff.staff.c.user_id == user_id))
        assert Vault({2: KEYS[2]}).open(totp, about=user_id.bytes) == b"a second factor"


async def test_a_value_whose_key_is_gone_is_counted_and_left_as_it_is(service: Service):
    await service.phone()
    job = RotateKeys(service.engine, Vault({7: KEYS[2]}))
    assert await job.run(service.clock()) == 0
    assert job.broken == 1


# --- the log -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def the_log() -> Any:
    """What the service would write to stderr, at its most talkative."""
    kept, sys.stderr = sys.stderr, io.StringIO()
    try:
        configure_logging(level="debug")
        structlog.configure(cache_logger_on_first_use=False)
        yield sys.stderr
    finally:
        sys.stderr = kept
        structlog.reset_defaults()


async def test_a_whole_life_leaves_no_personal_data_in_the_log(database: str, tmp_path: Path):
    """Refusals, a bug, jobs that fail, deletion: no openid, device, name, phone, street, token, cookie or address."""
    with the_log() as log:
        async with an_orchard(database, tmp_path) as service:
            phone, order = await a_life(service)
            await phone.call("PUT", f"/v1/redemptions/{order}/address", {**ADDRESS, "phone": "nonsense 13812345678"})
            await phone.call("POST", "/v1/answers", {"answers": [{"ticket": "x" * 60, "choice": "left", "took_ms": 1}]})
            await phone.call("GET", "/v1/wallet?cursor=13812345678")
            await as_attacker(service.engine, "alter table appeals rename to appeals_gone")
            assert (await phone.call("GET", "/v1/me"))[0] == 500  # a bug, with its traceback in the log
            await as_attacker(service.engine, "alter table appeals_gone rename to appeals")
            await RotateKeys(service.engine, Vault({7: KEYS[2]})).run(service.clock())
            await DeliverWebhooks(service.engine, Vault(KEYS), private_too=False).run(service.clock())
            assert (await phone.call("DELETE", "/v1/me"))[0] == 204
        said = log.getvalue()
    assert '"event": "bug"' in said
    telling = [*SECRETS, phone.token, "127.0.0.1", "Bearer"]
    assert [each for each in telling if each in said] == []
    for line in said.splitlines():
        assert json.loads(line)["timestamp"]


def test_a_configuration_prints_none_of_its_secrets():
    config = dataclasses.replace(Config.from_environment({}, mode="demo"), vault_keys=KEYS, wechat_secret="a secret")
    assert "the first key" not in repr(config)
    assert "a secret" not in repr(config)
