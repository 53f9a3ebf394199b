"""Fair votes from log-in to restoration: a careless player is muted, told why, appeals, and gets everything back."""

from pathlib import Path
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer

from admin.app import admin_app
from admin.console.pages import COOKIE
from admin.flows.sign_in import cookie_digest
from admin.roles import Role
from admin.shell import admin_shell
from server.ids import uuid7
from server.jobs.refit_rankings import RefitRankings
from server.jobs.settle_grants import SettleGrants
from server.jobs.sweep_abuse import SweepAbuse
from server.stores import players, snapshots, staff
from server.stores.db import transaction
from server.stores.invariants import all_laws, audit
from tests.server.builders import Phone, Service, a_config, a_service

ANSWER = "抱歉,我们看错了,肥料已经补发。"


async def plays(
    service: Service, phone: Phone, places: dict[str, int], rng: np.random.Generator, *, looks: bool
) -> int:
    """Twenty choices, as the phone would make them: by liking, or always left and in a hurry; returns how many counted."""
    counted = 0
    own = np.linspace(1.2, -1.2, 8) + 0.3 * rng.standard_normal(8)
    for matchup in (await phone.round(size=20))["matchups"]:
        left, right = (places[matchup[side]["style_id"]] for side in ("left", "right"))
        gap = (own[left] if left < 8 else -4) - (own[right] if right < 8 else -4)
        choice = "left" if not looks or rng.random() < 1 / (1 + np.exp(-gap)) else "right"
        took_ms = int(np.exp(rng.normal(np.log(2000 if looks else 420), 0.4)))
        service.clock.forward(seconds=took_ms / 1000)
        reply = await phone.answer((matchup["ticket"], choice), took_ms=took_ms)
        counted += reply["receipts"][0]["status"] == "counted"
    return counted


async def test_a_careless_player_is_muted_told_why_and_restored_by_a_person(database: str, tmp_path: Path) -> None:
    """Votes stay, weights fall, held grams are voided with the reason; an appeal brings them back through the books."""
    rng = np.random.default_rng(3)
    async with a_service(database, tmp_path) as service:
        test = await service.test(styles=8, decoys=2)
        places = {str(style.style_id): style.position for style in test.styles}
        sweep, refit, settle = (job(service.engine) for job in (SweepAbuse, RefitRankings, SettleGrants))
        for number in range(18):
            await plays(service, await service.phone(f"玩家{number}"), places, rng, looks=True)
        careless = await service.phone("快手")
        counted = await plays(service, careless, places, rng, looks=False)
        assert counted == 20
        held_g = (await careless.call("GET", "/v1/farm"))[1]["held_g"]
        assert held_g == 10 * counted

        await sweep.run(service.clock.now)
        await refit.run(service.clock.now)
        status, me = await careless.call("GET", "/v1/me")
        assert (status, me["standing"]) == (200, "muted")
        assert {"one_sided"} <= {reason["code"] for reason in me["standing_words"]}
        assert all(reason["zh"] and reason["en"] for reason in me["standing_words"])
        farm = (await careless.call("GET", "/v1/farm"))[1]
        assert (farm["held_g"], farm["available_g"]) == (0, 0)
        async with service.engine.connect() as conn:
            document = (await snapshots.latest(conn, test.test_id)).document
            votes = await conn.scalar(sa.text("select count(*) from votes"))
            muted = await conn.scalar(
                sa.select(sa.func.count()).select_from(players.players).where(players.players.c.standing == "muted")
            )
        assert votes == 19 * 20, "a vote is never taken off the record"
        assert muted == 1, "nobody who looked is muted"
        assert document["weightless_votes"] > 0

        status, appeal = await careless.call("POST", "/v1/appeals", {"text": "我家孩子拿手机点的,请再看看。"})
        assert status == 201, appeal
        answered = await answer_from_the_desk(service, database, tmp_path, appeal["appeal_id"])
        assert answered["restored_g"] == held_g
        me = (await careless.call("GET", "/v1/me"))[1]
        assert (me["standing"], me["standing_words"]) == ("trusted", [])
        assert [(one["state"], one["answer"]) for one in me["appeals"]] == [("lifted", ANSWER)]
        assert (await careless.call("GET", "/v1/farm"))[1]["available_g"] == held_g
        lines = (await careless.call("GET", "/v1/wallet"))[1]["lines"]
        assert sum(line["amount_g"] for line in lines if line["kind"] == "restored") == held_g, lines

        service.clock.forward(hours=1)
        await settle.run(service.clock.now)
        await sweep.run(service.clock.now)
        async with service.engine.connect() as conn:
            assert (await players.find(conn, UUID(me["player_id"]))).standing == "trusted"
            acts = list(await conn.scalars(sa.text("select what from audit_lines order by line_id")))
        assert [act for act in acts if act.startswith(("player.", "appeal."))] == [
            "player.muted", "appeal.file", "player.trusted", "appeal.lifted",
        ]  # fmt: skip
        found = [finding async for finding in audit(service.engine, all_laws(), connections=1)]
        assert [finding.code for finding in found if not finding.holds] == []


async def answer_from_the_desk(service: Service, database: str, tmp_path: Path, appeal_id: str) -> dict:
    """A reviewer, signed in to the console, lifts the sanction."""
    async with admin_shell(a_config(database, tmp_path), clock=service.clock) as shell:
        async with transaction(shell.engine) as conn:
            user_id = uuid7()
            await staff.add(
                conn, user_id=user_id, login="shen", name="沈", password_hash="-", roles=[Role.REVIEWER.value],
                merchant_id=None, now=service.clock.now,
            )  # fmt: skip
            await staff.open_session(
                conn, digest=cookie_digest("a-cookie"), session_id=uuid7(), user_id=user_id, csrf="a-csrf",
                second_factor=True, now=service.clock.now, expires_at=service.clock.now.replace(year=2100),
            )  # fmt: skip
        async with TestClient(TestServer(admin_app(shell))) as client:
            reply = await client.post(
                f"/v1/ops/appeals/{appeal_id}/answer",
                json={"outcome": "lifted", "answer": ANSWER},
                headers={"Cookie": f"{COOKIE}=a-cookie", "X-CSRF-Token": "a-csrf"},
            )
            body = await reply.json()
            assert reply.status == 200, body
            return body
