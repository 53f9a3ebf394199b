"""Operators in a real browser, on a phone and on a desk: who comes in, who judges, who looks, and nothing typed is lost."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from playwright.async_api import Browser, Dialog, Page, async_playwright, expect

from admin.app import admin_app
from admin.flows.sign_in import TOTP_STEP_S, totp
from admin.roles import Role
from game.standing import Suggestion
from rewards import ledger as books
from server.ids import uuid7
from server.jobs.settle_grants import SettleGrants
from server.jobs.sweep_abuse import SweepAbuse
from server.running import listening
from server.stores import cases, ledger, players, staff, standings
from server.stores.db import transaction
from tests.admin.doors import Door, a_door
from tests.journeys.test_merchant_console import CHROMIUM, WAIT_MS, is_fit_for_all
from tests.server.builders import a_running_test
from tests.server.voters import Ballot

PASSWORD = "a long password"
OWN = "一株还没有开花的果树 42"
EVIL = "<img src=x onerror=alert(1)>"
# A machine with much else to do is slow, and no slower for being right.
expect.set_options(timeout=WAIT_MS)
SIZES = {"phone": (390, 844), "desk": (1280, 900)}


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Door]:
    async with a_door(database, tmp_path) as running:
        yield running


class Office:
    """A browser in which several people work, each in a context of their own, and the door's address."""

    def __init__(self, browser: Browser, door: Door, address: str, size: tuple[int, int]) -> None:
        self.door, self.address, self.errors = door, address, list[str]()
        self._browser, self._size = browser, size

    async def page(self) -> Page:
        width, height = self._size
        context = await self._browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._met)
        return page

    async def _met(self, dialog: Dialog) -> None:
        """A question of a page is answered with yes; an alert is a script that somebody wrote into his name."""
        if dialog.type == "alert":
            self.errors.append(f"a script ran: {dialog.message}")
        await dialog.accept()

    async def signed_in(self, login: str, password: str = PASSWORD) -> Page:
        page = await self.page()
        await page.goto(f"{self.address}/sign-in")
        await page.fill("#login", login)
        await page.fill("#password", password)
        await page.keyboard.press("Enter")
        await page.wait_for_url(lambda url: "sign-in" not in url)
        return page

    async def person(self, login: str, *roles: Role) -> Page:
        return await self.signed_in(await self.door.operator(*roles, login=login))


@pytest.fixture(params=list(SIZES))
async def office(request: pytest.FixtureRequest, door: Door) -> AsyncIterator[Office]:
    async with async_playwright() as playwright, listening(admin_app(door.shell), "127.0.0.1", 0) as port:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        office = Office(browser, door, f"http://127.0.0.1:{port}", SIZES[request.param])
        yield office
        await browser.close()
    assert office.errors == []


async def sent(page: Page, form: str, **fields: str) -> None:
    """Fill in a form of the page by the names of its fields, and send it."""
    for name, value in fields.items():
        await page.fill(f'{form} [name="{name}"]', value)
    await page.click(f"{form} button.main, {form} button.danger")


async def test_a_person_comes_in_and_is_shut_out(office: Office):
    """Added with a password shown once, an own one, a second factor by QR code, and out at once by the administrator."""
    boss = await office.person("boss", Role.ADMINISTRATOR)
    await boss.goto(f"{office.address}/ops/staff")
    await is_fit_for_all(boss)
    await boss.click("[data-open=new-person]")
    await sent(boss, "#new-person form", login="XIAOWANG", name=EVIL, reason="新同事入职")
    # Refused: the login is no such word. What was typed is still there, and the dialog, too.
    await expect(boss.locator("#new-person .error")).not_to_be_empty()
    assert await boss.input_value('#new-person [name="name"]') == EVIL
    await boss.check('#new-person [name="roles"][value="reviewer"]')
    await is_fit_for_all(boss)
    await sent(boss, "#new-person form", login="xiaowang")
    password = await boss.locator("#new-person .secret").inner_text()
    await boss.click("#new-person button.main")
    await expect(boss.locator("table a", has_text="xiaowang")).to_be_visible()

    new = await office.signed_in("xiaowang", password)
    await new.wait_for_url(f"{office.address}/ops/me")
    await is_fit_for_all(new)
    await sent(new, "#password", old=password, new=OWN)
    await expect(new.locator("#said")).to_be_visible()
    await sent(new, "#factor", old=OWN)
    await expect(new.locator("#qr")).to_be_visible()
    await is_fit_for_all(new)
    secret = (await new.locator("#secret").inner_text()).strip()
    step = int(office.door.clock.now.timestamp()) // TOTP_STEP_S
    await sent(new, "#proof form", code=totp(base64.b32decode(secret), step))
    await expect(new.locator("#said")).to_contain_text("已启用")
    await new.goto(f"{office.address}/ops/cases")
    await expect(new.locator("h1")).to_have_text("案件")

    await boss.click("table a:has-text('xiaowang')")
    await is_fit_for_all(boss)
    await boss.click("[data-open=disable]")
    await sent(boss, "#disable form", reason="岗位调整")
    await expect(boss.locator(".state.bad")).to_be_visible()
    await new.reload()
    await new.wait_for_url(lambda url: "/sign-in" in url)


async def a_crowd(door: Door) -> tuple[list[UUID], str, str]:
    """Players who tap left, muted and in a case each; (the players, the first one's case, the case of all of them)."""
    now = door.clock.now
    ballot = await Ballot(door.engine, await a_running_test(door.engine, styles=8, decoys=2), now).open()
    await ballot.people(32)
    lefties = await ballot.people(1, how="left", hold_s=0)
    await SettleGrants(door.engine).run(now)
    lefties += await ballot.people(2, how="left", device="one telephone")
    await SweepAbuse(door.engine).run(now)
    async with transaction(door.engine) as conn:
        for player_id in lefties:
            await standings.link_player(conn, player_id, kind="payee", digest=b"payee" * 6, now=now)
        await players.update_facts(conn, lefties[0], {"nickname": EVIL, "region": "浙江"})
        group = uuid7()
        await cases.open_case(
            conn, case_id=group, kind="group", player_ids=[lefties[0], *lefties[1:]], opened_by="review",
            reasons=["one_sided", "linked"], suggestion=Suggestion.LOOK_TOGETHER.value, evidence={}, now=now,
        )  # fmt: skip
        (own,) = [case for case in await cases.of_player(conn, lefties[0]) if case.kind == "player"]
        await cases.add_appeal(
            conn, appeal_id=uuid7(), player_id=lefties[0], case_id=own.case_id, text=f"我真的看了图 {EVIL}", now=now
        )
        both = [case for case in await cases.of_player(conn, lefties[0]) if case.kind == "group"]
    return lefties, str(own.case_id), str(both[0].case_id)


async def test_a_case_is_judged_by_one_and_money_by_two(office: Office):
    """Evidence is drawn; grams are taken back by another person; the second to judge is told who was first."""
    lefties, case_id, group_id = await a_crowd(office.door)
    reviewer = await office.person("shenhe", Role.REVIEWER)
    other = await office.person("erhao", Role.REVIEWER)
    await reviewer.goto(f"{office.address}/ops/cases")
    await is_fit_for_all(reviewer)
    await reviewer.goto(f"{office.address}/ops/cases/{group_id}")
    await expect(reviewer.locator("svg.drawn")).to_have_count(3 * len(lefties) + 1)
    await is_fit_for_all(reviewer)
    await reviewer.goto(f"{office.address}/ops/cases/{case_id}")
    await other.goto(f"{office.address}/ops/cases/{case_id}")
    await reviewer.click("summary:has-text('提出追回')")
    await reviewer.check('[data-all="transfer_ids"]')
    await is_fit_for_all(reviewer)
    await sent(reviewer, "#propose", note="每一题都只点左边")
    await expect(reviewer.locator("p.warn")).to_contain_text("240 g")

    treasurer = await office.person("caiwu", Role.TREASURER)
    await treasurer.goto(f"{office.address}/ops/cases/{case_id}")
    await sent(treasurer, "#approve", note="证据已经核对")
    await treasurer.click("dialog[open] button.main")
    await expect(treasurer.locator("main")).to_contain_text("已追回: 240 g")
    async with office.door.engine.connect() as conn:
        assert await ledger.balance(conn, books.player(lefties[0])) == 0

    await reviewer.check('#judge [value="upheld"]')
    await sent(reviewer, "#judge", note="证据充分,维持")
    await expect(reviewer.locator("#case-state")).to_have_text("已维持")
    await other.check('#judge [value="lifted"]')
    await sent(other, "#judge", note="我觉得不像作弊")
    await expect(other.locator("#judge .error")).to_contain_text("shenhe 已在")
    await expect(other.locator("#judge .error")).to_contain_text("证据充分,维持")
    assert await other.input_value('#judge [name="note"]') == "我觉得不像作弊"

    await reviewer.goto(f"{office.address}/ops/appeals")
    await is_fit_for_all(reviewer)
    form = ".card:has(form.send) form.send"
    await reviewer.check(f'{form} [value="lifted"]')
    await sent(reviewer, form, answer="我们重新看过,已恢复。")
    await expect(reviewer.locator("#said")).to_contain_text("玩家会看到")
    async with office.door.engine.connect() as conn:
        (appeal,) = await cases.appeals_of(conn, lefties[0])
        player = await players.find(conn, lefties[0])
        assert await ledger.balance(conn, books.player(lefties[0])) == 240
    assert (appeal.answer, player.standing if player else "") == ("我们重新看过,已恢复。", "trusted")


@pytest.mark.parametrize("office", ["phone"], indirect=True)
async def test_a_session_that_ends_in_mid_form_costs_nothing(office: Office):
    """What was typed goes through after signing in again in the same page; in another tab a new token is fetched."""
    lefties, case_id, _ = await a_crowd(office.door)
    page = await office.person("shenhe", Role.REVIEWER)
    await page.goto(f"{office.address}/ops/cases/{case_id}")
    await page.check('#judge [value="upheld"]')
    await page.fill('#judge [name="note"]', "写了很久的理由")
    async with transaction(office.door.engine) as conn:
        await conn.execute(sa.update(staff.console_sessions).values(revoked_at=office.door.clock.now))
    await page.click("#judge button.main")
    await expect(page.locator("#sign-in-again")).to_be_visible()
    await is_fit_for_all(page)
    await page.fill("#sign-in-again [name=password]", "not this one")
    await page.keyboard.press("Enter")
    await expect(page.locator("#sign-in-again .error")).to_contain_text("账号或密码不对")
    await page.fill("#sign-in-again [name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#case-state")).to_have_text("已维持")
    await expect(page.locator("main")).to_contain_text("写了很久的理由")

    # Signed in anew in another tab of the same browser: this page's token is of the former session.
    await page.goto(f"{office.address}/ops/players/{lefties[1]}")
    tab = await page.context.new_page()
    await tab.goto(f"{office.address}/sign-in")
    await tab.fill("#login", "shenhe")
    await tab.fill("#password", PASSWORD)
    await tab.keyboard.press("Enter")
    await tab.wait_for_url(lambda url: "sign-in" not in url)
    await page.click("[data-reveal] >> nth=0")
    await page.fill("dialog[open] textarea", "玩家来电核实")
    await page.click("dialog[open] button.main")
    await expect(page.locator("[data-reveal]")).to_have_count(0)


@pytest.mark.parametrize("office", ["desk"], indirect=True)
async def test_a_player_is_looked_at_for_a_reason_and_forgotten(office: Office):
    """Masked until a reason is given; exported to a file; forgotten after the id is typed again."""
    lefties, _, _ = await a_crowd(office.door)
    page = await office.person("boss", Role.ADMINISTRATOR, Role.REVIEWER)
    await page.goto(f"{office.address}/ops/players?standing=muted")
    await expect(page.locator("tbody tr")).to_have_count(3)
    await is_fit_for_all(page)
    await page.fill("[name=text]", str(lefties[0]))
    await page.keyboard.press("Enter")
    await page.click("tbody a")
    await is_fit_for_all(page)
    await expect(page.locator(".masked").first).to_have_text("<** 查看")
    await page.click("[data-reveal] >> nth=0")
    await page.fill("dialog[open] textarea", "玩家来电核实")
    await page.click("dialog[open] button.main")
    await expect(page.locator(".masked").first).to_contain_text(EVIL)
    await page.click("[data-open=export]")
    async with page.expect_download() as download:
        await sent(page, "#export form", reason="本人书面申请")
    assert (await download.value).suggested_filename.endswith(".json")
    await page.click("[data-open=forget]")
    await sent(page, "#forget form", confirm="00000000", reason="本人书面申请")
    await expect(page.locator("#forget .error")).to_contain_text(lefties[0].hex[-8:])
    await sent(page, "#forget form", confirm=lefties[0].hex[-8:])
    await page.wait_for_url(f"{office.address}/ops/players")
    await expect(page.locator("#said")).to_have_text("已注销。")
    reply = await page.goto(f"{office.address}/ops/players/{lefties[0]}")
    assert reply is not None
    assert reply.status == 404


@pytest.mark.parametrize("office", ["phone"], indirect=True)
async def test_a_merchant_is_taken_on_and_gets_keys(office: Office):
    """Merchant, person, key shown once, rotation with grace, one of its people noted; the merchant's person signs in."""
    lefties, _, _ = await a_crowd(office.door)
    page = await office.person("jingli", Role.MERCHANT_MANAGER)
    await page.goto(f"{office.address}/ops/merchants")
    await is_fit_for_all(page)
    await page.click("[data-open=new-merchant]")
    await sent(page, "#new-merchant form", name=EVIL, reason="合同已签")
    await page.wait_for_url(f"{office.address}/ops/merchants/*-*")
    await page.click("[data-open=new-person]")
    await sent(page, "#new-person form", login="lin", name="小林", reason="合同已签")
    password = await page.locator("#new-person .secret").inner_text()
    await page.click("#new-person button.main")
    await page.click("[data-open=new-key]")
    await page.select_option("#new-key [name=scopes]", "read write")
    await sent(page, "#new-key form", name="ERP", reason="对接系统")
    assert (await page.locator("#new-key .secret").inner_text()).startswith("xk_")
    await page.click("#new-key button.main")
    await page.click("button:has-text('轮换') >> nth=0")
    await sent(page, "dialog[open] form", reason="例行轮换")
    await page.click("dialog[open] .main")
    await expect(page.locator(".state.warn", has_text="有效到")).to_be_visible()
    await page.click("[data-open=new-link]")
    await page.select_option("#new-link [name=kind]", "player")
    await sent(page, "#new-link form", value=str(lefties[0]))
    await expect(page.locator("td", has_text="玩家").first).to_be_visible()
    await is_fit_for_all(page)
    person = await office.signed_in("lin", password)
    await person.wait_for_url(f"{office.address}/ops/me")
    await sent(person, "#password", old=password, new=OWN)
    await expect(person.locator("#said")).to_be_visible()
    await person.goto(office.address)
    await expect(person.locator("h1")).to_have_text("测款任务")
    await person.goto(f"{office.address}/settings")
    await person.click("#keys button:has-text('轮换')")
    await expect(person.locator("#made-key")).to_contain_text("xk_")
    await expect(person.locator("#keys .soft", has_text="已轮换")).to_have_count(2)
