"""Laws of cases: a person judges with the evidence at hand, two move money, what was wrong comes back, all is on record."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer

from admin.api.ops_cases import ROUTES
from admin.app import admin_app
from admin.console.pages import COOKIE
from admin.flows.sign_in import cookie_digest
from admin.roles import PERMITTED, May, Role
from admin.shell import admin_shell
from rewards import ledger as books
from server.flows.file_appeal import file_appeal
from server.ids import uuid7
from server.jobs.settle_grants import SettleGrants
from server.jobs.sweep_abuse import SweepAbuse
from server.stores import cases, ledger, players, staff, standings
from server.stores.db import IntegrityError, transaction
from server.stores.invariants import all_laws, audit
from tests.server.builders import SteppingClock, a_config, a_running_test
from tests.server.voters import Ballot

NOTE = "核对了每一题的用时与检验题。"


@dataclass(slots=True)
class Person:
    """Somebody signed in to the console, who calls."""

    client: TestClient
    user_id: UUID
    cookie: str
    csrf: str

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.client.request(
            method,
            path,
            json=body,
            headers={"Cookie": f"{COOKIE}={self.cookie}", "X-CSRF-Token": self.csrf, "Accept-Language": "en"},
        ) as reply:
            return reply.status, await reply.json()

    async def good(self, method: str, path: str, body: Any = None) -> Any:
        status, data = await self.call(method, path, body)
        assert 200 <= status < 300, (status, data)
        return data


@dataclass(slots=True)
class Office:
    """The door with its people, and a test whose lefties were just muted."""

    client: TestClient
    ballot: Ballot
    lefties: list[UUID]
    honest: list[UUID]

    async def person(self, login: str, *roles: Role) -> Person:
        user_id, cookie, csrf = uuid7(), f"cookie-of-{login}", f"csrf-of-{login}"
        async with transaction(self.ballot.engine) as conn:
            await staff.add(
                conn, user_id=user_id, login=login, name=login, password_hash="-", roles=[role.value for role in roles],
                merchant_id=None, now=self.ballot.now,
            )  # fmt: skip
            await staff.open_session(
                conn, digest=cookie_digest(cookie), session_id=uuid7(), user_id=user_id, csrf=csrf,
                second_factor=True, now=self.ballot.now, expires_at=self.ballot.now + timedelta(days=1),
            )  # fmt: skip
        return Person(self.client, user_id, cookie, csrf)

    async def case_of(self, player_id: UUID) -> str:
        async with self.ballot.engine.connect() as conn:
            own = [case for case in await cases.of_player(conn, player_id) if case.kind == "player"]
        return str(own[0].case_id)

    async def player(self, player_id: UUID) -> players.Player:
        async with self.ballot.engine.connect() as conn:
            found = await players.find(conn, player_id)
        assert found is not None
        return found

    async def wallet_g(self, player_id: UUID) -> int:
        async with self.ballot.engine.connect() as conn:
            return await ledger.balance(conn, books.player(player_id))

    async def broken_laws(self) -> dict[str, Any]:
        found = [finding async for finding in audit(self.ballot.engine, all_laws(), connections=1)]
        return {finding.code: finding.rows for finding in found if not finding.holds}


@contextlib.asynccontextmanager
async def an_office(database: str, data_dir: Path, clock: SteppingClock) -> AsyncIterator[Office]:
    async with admin_shell(a_config(database, data_dir), clock=clock) as shell:
        test = await a_running_test(shell.engine, styles=8, decoys=2)
        ballot = await Ballot(shell.engine, test, clock.now).open()
        honest = await ballot.people(32)
        # The first was paid before he was found out, the others' grants are still held.
        paid = await ballot.people(1, how="left", hold_s=0)
        await SettleGrants(shell.engine).run(ballot.now)
        lefties = paid + await ballot.people(2, how="left")
        await SweepAbuse(shell.engine).run(ballot.now)
        server = TestServer(admin_app(shell))
        async with TestClient(server) as client:
            yield Office(client, ballot, lefties, honest)


@pytest.fixture
async def office(database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(database, tmp_path, SteppingClock()) as running:
        yield running


async def test_a_case_lies_open_with_evidence_that_can_be_checked(office: Office):
    reviewer = await office.person("shen", Role.REVIEWER)
    page = await reviewer.good("GET", "/v1/ops/cases?state=open&limit=100")
    about = {player for case in page["cases"] for player in case["player_ids"]}
    assert {str(player_id) for player_id in office.lefties} <= about
    case = await reviewer.good("GET", f"/v1/ops/cases/{await office.case_of(office.lefties[0])}")
    assert case["suggestion"]["code"] in ("uphold", "look")
    assert {reason["code"] for reason in case["reasons"]} >= {"one_sided"}
    assert all(reason["zh"] and reason["en"] for reason in case["reasons"])
    verdict = case["verdicts"][0]
    assert verdict["standing"] == "muted"
    assert verdict["evidence"]["nats"]["sides"] > 3
    assert sum(one["amount_g"] for one in case["payments"]) == await office.wallet_g(office.lefties[0]) > 0


async def test_lifting_a_case_gives_back_every_voided_gram_once(office: Office):
    """Through the books, with the grant's own key; the sweep does not mute again; a second judgement is refused."""
    reviewer = await office.person("shen", Role.REVIEWER)
    player_id = office.lefties[1]
    async with office.ballot.engine.connect() as conn:
        voided_g = sum(each.amount_g for each in await cases.taken_from(conn, player_id))
    assert voided_g > 0
    path = f"/v1/ops/cases/{await office.case_of(player_id)}/judge"
    judged = await reviewer.good("POST", path, {"outcome": "lifted", "note": NOTE})
    assert (judged["state"], judged["restored_g"]) == ("lifted", voided_g)
    assert await office.wallet_g(player_id) == voided_g
    assert ((await office.player(player_id)).standing, (await office.player(player_id)).weight) == ("trusted", 1)
    status, refused = await reviewer.call("POST", path, {"outcome": "lifted", "note": NOTE})
    assert (status, refused["code"]) == (409, "case_closed")
    await office.ballot.people(1, how="left", each=10, player_ids=[player_id])
    await SweepAbuse(office.ballot.engine).run(office.ballot.now)
    assert (await office.player(player_id)).standing == "trusted", "a person's word binds review"
    assert await office.wallet_g(player_id) == voided_g
    assert await office.broken_laws() == {}
    async with office.ballot.engine.connect() as conn:
        lines = (await conn.execute(sa.text("select who, what, why from audit_lines where who = 'shen'"))).all()
    assert {(line.what, line.why) for line in lines} >= {("case.lifted", NOTE), ("player.trusted", NOTE)}


async def test_operators_who_lift_at_once_give_back_once(office: Office):
    """Two persons at one moment, by the case and by the appeal: every gram comes back once, each act is on record."""
    one, other = await office.person("shen", Role.REVIEWER), await office.person("lu", Role.REVIEWER)
    player_id = office.lefties[1]
    async with office.ballot.engine.connect() as conn:
        voided_g = sum(each.amount_g for each in await cases.taken_from(conn, player_id))
    async with transaction(office.ballot.engine) as conn:
        appeal = await file_appeal(
            conn, player_id, text="是我家孩子点的,请再看看。", case_id=None, now=office.ballot.now
        )
    assert appeal is not None
    case_id = await office.case_of(player_id)
    lift = {"outcome": "lifted", "note": NOTE}
    answer = {"outcome": "lifted", "answer": "抱歉,我们看错了。"}
    told = await asyncio.gather(
        *(person.call("POST", f"/v1/ops/cases/{case_id}/judge", lift) for person in (one, other)),
        *(person.call("POST", f"/v1/ops/appeals/{appeal.appeal_id}/answer", answer) for person in (one, other)),
    )
    done = [body for status, body in told if status == 200]
    refused = [body["code"] for status, body in told if status == 409]
    assert len(done) + len(refused) == 4, told
    assert 1 <= len(done) <= 2
    assert set(refused) <= {"case_closed", "appeal_answered"}
    assert sum(body["restored_g"] for body in done) == voided_g > 0
    assert await office.wallet_g(player_id) == voided_g
    assert (await office.player(player_id)).standing == "trusted"
    assert await office.broken_laws() == {}
    async with office.ballot.engine.connect() as conn:
        acts = list(
            await conn.scalars(sa.text("select what from audit_lines where who in ('shen', 'lu') order by line_id"))
        )
    assert sum(act in ("case.lifted", "appeal.lifted") for act in acts) == len(done)


async def test_upholding_binds_review_and_may_still_be_lifted(office: Office):
    reviewer = await office.person("shen", Role.REVIEWER)
    player_id = office.lefties[2]
    path = f"/v1/ops/cases/{await office.case_of(player_id)}/judge"
    assert (await reviewer.good("POST", path, {"outcome": "upheld", "note": NOTE}))["state"] == "upheld"
    assert (await office.player(player_id)).standing == "muted"
    status, refused = await reviewer.call("POST", path, {"outcome": "upheld", "note": NOTE})
    assert (status, refused["code"]) == (409, "case_closed")
    assert (await reviewer.good("POST", path, {"outcome": "lifted", "note": NOTE}))["state"] == "lifted"
    assert await office.wallet_g(player_id) > 0


async def test_paid_grams_are_taken_back_by_two_persons_only(office: Office):
    """One proposes and moves nothing; the same person may not approve; another may; done is done; lifting gives back."""
    proposer = await office.person("shen", Role.REVIEWER, Role.TREASURER)
    treasurer = await office.person("qian", Role.TREASURER)
    player_id = office.lefties[0]
    paid_g = await office.wallet_g(player_id)
    path = f"/v1/ops/cases/{await office.case_of(player_id)}"
    payments = (await proposer.good("GET", path))["payments"]
    ids = [one["transfer_id"] for one in payments]
    assert (await proposer.good("POST", f"{path}/reversals", {"transfer_ids": ids, "note": NOTE}))["proposed"] == len(
        ids
    )
    assert await office.wallet_g(player_id) == paid_g > 0
    status, refused = await proposer.call("POST", f"{path}/reversals/approve", {"note": NOTE})
    assert (status, refused["code"]) == (403, "four_eyes_needed")
    assert await office.wallet_g(player_id) == paid_g
    done = await treasurer.good("POST", f"{path}/reversals/approve", {"note": NOTE})
    assert done == {"amount_g": paid_g, "payments": len(ids), "short": []}
    assert await office.wallet_g(player_id) == 0
    status, refused = await treasurer.call("POST", f"{path}/reversals/approve", {"note": NOTE})
    assert (status, refused["code"]) == (409, "reversal_done")
    assert await office.broken_laws() == {}
    lifted = await proposer.good("POST", f"{path}/judge", {"outcome": "lifted", "note": NOTE})
    assert lifted["restored_g"] == paid_g == await office.wallet_g(player_id)
    assert await office.broken_laws() == {}


async def test_the_database_itself_refuses_one_pair_of_eyes(office: Office):
    person = uuid7()
    case_id = UUID(await office.case_of(office.lefties[0]))
    async with transaction(office.ballot.engine) as conn:
        payments = await cases.payments_to(conn, [office.lefties[0]], limit=1)
        await cases.propose_reversals(conn, case_id, payments, by=person, now=office.ballot.now)
        write = cases.write_reversal(
            conn, payments[0].transfer_id, approved_by=person, reversal_id=uuid7(), now=office.ballot.now
        )
        with pytest.raises(IntegrityError, match="four_eyes"):
            await write
        await conn.rollback()


async def test_what_fed_a_tree_is_not_taken_back(office: Office):
    """Where the wallet is short, the payment stays, and the answer says which."""
    proposer = await office.person("shen", Role.REVIEWER)
    treasurer = await office.person("qian", Role.TREASURER)
    player_id = office.lefties[0]
    path = f"/v1/ops/cases/{await office.case_of(player_id)}"
    ids = [one["transfer_id"] for one in (await proposer.good("GET", path))["payments"]]
    async with transaction(office.ballot.engine) as conn:
        spent = await feed_a_tree(conn, player_id, 100, office.ballot.now)
    await proposer.good("POST", f"{path}/reversals", {"transfer_ids": ids, "note": NOTE})
    done = await treasurer.good("POST", f"{path}/reversals/approve", {"note": NOTE})
    assert done["amount_g"] == 10 * len(ids) - spent
    assert len(done["short"]) == spent // 10
    assert await office.wallet_g(player_id) == 0


async def feed_a_tree(conn: Any, player_id: UUID, amount_g: int, now: Any) -> int:
    """Some of the wallet goes onto a tree."""
    await ledger.post(
        conn,
        [
            books.Transfer(
                id=uuid7(), reason=books.Reason.FERTILIZER_APPLIED, out_biz_no=str(uuid7()),
                debit=books.player(player_id), credit=books.tree(uuid7()), amount=amount_g, at=now,
            )
        ],
    )  # fmt: skip
    return amount_g


async def test_a_case_can_be_opened_by_hand_and_changes_nobody_until_judged(office: Office):
    reviewer = await office.person("shen", Role.REVIEWER)
    suspect = office.honest[0]
    body = {"player_ids": [str(suspect)], "reasons": ["linked"], "note": "有人举报,先看看。"}
    opened = await reviewer.good("POST", "/v1/ops/cases", body)
    assert (opened["kind"], opened["state"], opened["opened_by"]) == ("manual", "open", "shen")
    assert (await office.player(suspect)).standing != "muted"
    status, refused = await reviewer.call("POST", "/v1/ops/cases", body)
    assert (status, refused["code"]) == (409, "case_exists")
    await reviewer.good("POST", f"/v1/ops/cases/{opened['case_id']}/judge", {"outcome": "upheld", "note": NOTE})
    assert ((await office.player(suspect)).standing, (await office.player(suspect)).standing_reasons) == (
        "muted",
        ("linked",),
    )


async def test_an_appeal_is_answered_from_the_desk(office: Office):
    reviewer = await office.person("shen", Role.REVIEWER)
    player_id = office.lefties[1]
    async with transaction(office.ballot.engine) as conn:
        await cases.add_appeal(
            conn, appeal_id=uuid7(), player_id=player_id, case_id=None, text="我看图了", now=office.ballot.now
        )
    waiting = (await reviewer.good("GET", "/v1/ops/appeals?state=open"))["appeals"]
    assert [one["player_id"] for one in waiting] == [str(player_id)]
    path = f"/v1/ops/appeals/{waiting[0]['appeal_id']}/answer"
    answered = await reviewer.good("POST", path, {"outcome": "lifted", "answer": "抱歉,已恢复。"})
    assert answered["state"] == "lifted"
    assert answered["restored_g"] == await office.wallet_g(player_id) > 0
    status, refused = await reviewer.call("POST", path, {"outcome": "lifted", "answer": "抱歉,已恢复。"})
    assert (status, refused["code"]) == (409, "appeal_answered")
    async with office.ballot.engine.connect() as conn:
        own = [case for case in await cases.of_player(conn, player_id) if case.kind == "player"]
    assert [case.state.value for case in own] == ["lifted"], "the case that was about nobody else is closed with it"


async def test_every_call_asks_for_its_own_permission(office: Office):
    """A role that lacks it is refused whatever it asks for, before anything is looked up."""
    for role in Role:
        person = await office.person(f"one-{role.value}", role)
        for route in ROUTES:
            path = route.path.replace("{case_id}", str(uuid7())).replace("{appeal_id}", str(uuid7()))
            status, data = await person.call(route.method, path, {} if route.method == "POST" else None)
            if May(route.auth) in PERMITTED[role]:
                assert status in (200, 404, 422), (route.name, status, data)
            else:
                assert (status, data["code"]) == (403, "role_lacks_permission"), (role, route.name)


async def test_a_merchants_people_are_noted_by_a_keyed_hash(office: Office):
    manager = await office.person("guan", Role.MERCHANT_MANAGER)
    merchant_id = office.ballot.test.merchant_id
    for kind, value in (("phone", "13800000000"), ("player", str(office.honest[0]))):
        body = {"merchant_id": str(merchant_id), "kind": kind, "value": value}
        assert (await manager.good("POST", "/v1/ops/staff-links", body))["new"] is True
        assert (await manager.good("POST", "/v1/ops/staff-links", body))["new"] is False
    async with office.ballot.engine.connect() as conn:
        assert await standings.barred_merchants(conn, office.honest[0]) == {merchant_id}
        assert await standings.barred_merchants(conn, office.honest[1]) == frozenset()
        stored = list(await conn.scalars(sa.text("select digest from staff_links where kind = 'phone'")))
    assert all(b"13800000000" not in digest for digest in stored)
