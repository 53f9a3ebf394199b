"""The rules that players can rely on, as a phone sees them: the exact gram, and one's own data."""

from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from rewards.prizes import OrderState
from server.stores import every_table, prizes
from server.stores.db import transaction
from tests.rewards.builders import ADDRESS
from tests.server.orchard import a_harvest, an_orchard, apply, broken_laws, give, move, plant, player_id_of, stock, view
from tests.server.test_prizes import report


def leaves(value: Any) -> list[Any]:
    """Every value in a reply, however deep."""
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


async def test_rule_1_the_last_gram_is_shown_as_one_gram_and_nothing_as_a_share(database: str, tmp_path: Path) -> None:
    """At 999 of 1 000 one gram is missing and the tree is not ripe; no reply holds a fraction or a percentage."""
    async with an_orchard(database, tmp_path, **{"apple.requirement_g": 1_000, "application_g": 37}) as service:
        phone = await service.phone()
        await plant(phone)
        await give(service, phone, 1_000)
        await apply(phone, 10)
        service.clock.forward(days=1)
        await phone.log_in()
        await apply(phone, 10)
        service.clock.forward(days=1)
        await phone.log_in()
        seen = (await apply(phone, 7))["farm"]
        assert (seen["tree"]["applied_g"], seen["tree"]["missing_g"], seen["tree"]["ripe"]) == (999, 1, False)
        assert (await phone.call("POST", "/v1/farm/harvests", {}))[1]["code"] == "not_ripe"
        for path in ("/v1/farm", "/v1/wallet", "/v1/redemptions"):
            found = leaves((await phone.call("GET", path))[1])
            assert [one for one in found if isinstance(one, float) or (isinstance(one, str) and "%" in one)] == []
        seen = (await apply(phone, 1))["farm"]
        assert (seen["tree"]["applied_g"], seen["tree"]["missing_g"], seen["tree"]["ripe"]) == (1_000, 0, True)


async def test_rule_8_ones_own_data_can_be_taken_along_whole(database: str, tmp_path: Path) -> None:
    """Votes, fertilizer, trees, applications, orders with the address, reports and appeals; and nobody else in it."""
    async with an_orchard(database, tmp_path) as service:
        await service.test(styles=6)
        await stock(service, 3)
        phone, other = await service.phone("一"), await service.phone("二")
        matchups = (await phone.round(size=3))["matchups"]
        await phone.answer(*[(one["ticket"], "left") for one in matchups])
        await phone.call("POST", "/v1/farm/claims")
        await phone.call("POST", "/v1/farm/invitations", {"inviter_id": other.player["player_id"]})
        redemption_id = await a_harvest(service, phone)
        await phone.call("PUT", f"/v1/redemptions/{redemption_id}/address", ADDRESS)
        for state in (OrderState.ORDERED, OrderState.SHIPPED, OrderState.DELIVERED):
            await move(service, redemption_id, state)
        assert (await report(phone, redemption_id, text="压坏了"))[0] == 201
        family = await plant(phone)
        await other.call("POST", "/v1/farm/family", {"tree_id": family["tree"]["tree_id"]})
        status, held = await phone.call("GET", "/v1/me/export")
        assert status == 200
        assert [(one["choice"], one["offer_g"]) for one in held["votes"]] == [("left", 10)] * 3
        assert [one["state"] for one in held["promises"]] == ["held"] * 3
        assert [(one["applied_g"], one["growers"], one["harvested_at"] is None) for one in held["trees"]] == [
            (400, 1, False),
            (0, 2, True),
        ]
        assert [one["amount_g"] for one in held["applications"]] == [400]
        assert [one["amount_g"] for one in held["claims"]] == [30]
        assert sum(one["amount_g"] for one in held["wallet"]) == (await view(phone))["available_g"]
        assert len(held["invited_by"]) == 1
        [order] = held["orders"]
        assert (order["state"], order["address"]["name"]) == ("delivered", ADDRESS["name"])
        assert [one["text"] for one in order["damage_reports"]] == ["压坏了"]
        assert [one["platform"] for one in held["log_ins"]] == ["guest"]
        assert other.player["player_id"] not in str(held)


async def test_rule_8_deletion_keeps_votes_and_books_and_nothing_of_the_person(database: str, tmp_path: Path) -> None:
    """What was written, where it was to be sent and who it was is gone from every table; votes count as before."""
    async with an_orchard(database, tmp_path) as service:
        await service.test(styles=6)
        await stock(service, 3)
        phone, other = await service.phone("一"), await service.phone("二")
        await phone.call("PATCH", "/v1/me", {"nickname": "小美", "gender": "female", "region": "浙江"})
        matchups = (await phone.round(size=3))["matchups"]
        await phone.answer(*[(one["ticket"], "left") for one in matchups])
        first = await a_harvest(service, phone)
        await phone.call("PUT", f"/v1/redemptions/{first}/address", ADDRESS)
        for state in (OrderState.ORDERED, OrderState.SHIPPED, OrderState.DELIVERED):
            await move(service, first, state)
        assert (await report(phone, first, text="压坏了"))[0] == 201
        service.clock.forward(days=1)
        await phone.log_in()
        second = await a_harvest(service, phone)
        await phone.call("PUT", f"/v1/redemptions/{second}/address", ADDRESS)
        family = await plant(phone)
        await other.call("POST", "/v1/farm/family", {"tree_id": family["tree"]["tree_id"]})
        assert (await phone.call("DELETE", "/v1/me"))[0] == 204
        player_id = player_id_of(phone)
        async with transaction(service.engine) as conn:
            assert await conn.scalar(sa.text("select count(*) from votes where player_id = :p"), {"p": player_id}) == 3
            assert (await prizes.find_order(conn, second)).state is OrderState.CANCELLED
            stocks = await prizes.stock_from(conn, "2000-W01", variety="apple")
            assert (sum(one.boxes for one in stocks), sum(one.taken for one in stocks)) == (3, 1)
            words = await rows_that_say(conn, "小美", "浙江", "压坏了", ADDRESS["name"], ADDRESS["phone"])
            sealed = await conn.scalar(sa.text("select count(*) from order_addresses"))
            pictures = await conn.scalar(sa.text("select count(*) from damage_pictures"))
            known = await conn.scalar(
                sa.text("select count(*) from platform_identities where player_id = :p"), {"p": player_id}
            )
        assert (words, sealed, pictures, known) == ([], 0, 0, 0)
        # The family goes on without him, and no box waits for nobody.
        for day in range(2):
            await stock(service, 3)
            await give(service, other, 400)
            await apply(other, 10)
            service.clock.forward(days=1 + day)
            await other.log_in()
        assert (await view(other))["tree"]["ripe"]
        async with service.engine.connect() as conn:
            tree_id = UUID(family["tree"]["tree_id"])
            assert await prizes.box_of(conn, tree_id, player_id) is None
            assert await prizes.box_of(conn, tree_id, player_id_of(other)) is not None
        assert await broken_laws(service) == {}


async def rows_that_say(conn: Any, *words: str) -> list[str]:
    """The tables in which any of these words stands, in any column."""
    found = []
    for table in every_table().tables:
        for word in words:
            there = await conn.scalar(
                sa.text(f"select count(*) from {table} t where t::text like '%' || :word || '%'"), {"word": word}
            )
            if there:
                found.append(f"{table}: {word}")
    return found
