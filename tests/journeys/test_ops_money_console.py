"""Treasurer, fulfilment and manager at work in a real browser: each page of money and prizes does its job end to end."""

import contextlib
import csv
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Dialog, Page, async_playwright, expect

from admin.app import admin_app
from admin.console.pages import COOKIE
from admin.roles import Role
from rewards.prizes import OrderState
from server.ids import uuid7
from server.jobs.measure_prizes import MeasurePrizes
from server.jobs.record_spending import RecordSpending
from server.running import listening
from tests.admin.doors import Door, a_door
from tests.journeys.test_merchant_console import CHROMIUM, WAIT_MS, is_fit_for_all
from tests.server.builders import Service
from tests.server.orchard import a_harvest, an_orchard, broken_laws, move, stock
from tests.server.test_prizes import ADDRESS, report, send_address

EVIL = "春山<img src=x onerror=alert(1)>"
WHY = "银行流水已核对"


@pytest.fixture
async def orchard(database: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with an_orchard(database, tmp_path) as service:
        yield service


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Door]:
    async with a_door(database, tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def a_browser(door: Door, *, size: tuple[int, int] = (1280, 900), language: str = "zh") -> AsyncIterator:
    """Opens pages as persons: `await open(login)` is a page that this person is signed in on. Errors fail the test."""
    errors: list[str] = []

    async def no_dialog(dialog: Dialog) -> None:
        errors.append(f"the page said {dialog.message}")
        await dialog.dismiss()

    async with listening(admin_app(door.shell), "127.0.0.1", 0) as port, async_playwright() as playwright:
        address = f"http://127.0.0.1:{port}"
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)

        async def open_as(login: str) -> Page:
            operator = await door.signed_in(login)
            context = await browser.new_context(
                viewport={"width": size[0], "height": size[1]}, locale="zh-CN", base_url=address, accept_downloads=True
            )
            await context.add_cookies([{"name": COOKIE, "value": operator.cookie, "url": address}])
            page = await context.new_page()
            page.set_default_timeout(WAIT_MS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("dialog", no_dialog)
            return page

        yield open_as
        await browser.close()
    assert errors == []


async def fill_in(page: Page, dialog: str, **fields: str) -> None:
    """Open a dialog and fill its form."""
    await page.click(f'[data-open="{dialog}"]')
    for name, value in fields.items():
        await page.fill(f'#{dialog} [name="{name}"]', value)


async def test_two_treasurers_book_pay_back_and_approve(door: Door):
    """Money is booked; more than there is is refused and nothing typed is lost; a large sum waits for the second person."""
    await door.merchant(EVIL, fen=0)
    first, second = [await door.operator(Role.TREASURER, login=login) for login in ("qian", "sun")]
    async with a_browser(door) as open_as:
        page = await open_as(first)
        await page.goto("/ops/budgets/merchants")
        await page.click(f"text={EVIL}")
        await fill_in(page, "deposit", amount_fen="300.50", reference="ICBC-1", reason=WHY)
        await is_fit_for_all(page)
        await page.click("#deposit button.main")
        await expect(page.locator("#balance")).to_have_text("¥300.50")
        await fill_in(page, "payout", amount_fen="300.51", reference="OUT-1", reason=WHY)
        await page.click("#payout button.main")
        await expect(page.locator("#payout .error")).to_contain_text("可动用的只有")
        assert await page.input_value('#payout [name="reference"]') == "OUT-1"
        await page.fill('#payout [name="amount_fen"]', "-5")
        await page.click("#payout button.main")
        await expect(page.locator('#payout [name="amount_fen"]')).to_have_attribute("aria-invalid", "true")
        await page.click("#payout [data-close]")
        await fill_in(page, "deposit", amount_fen="8,000", reference="ICBC-2", reason="大额到账,待复核")
        await page.click("#deposit button.main")
        await expect(page.locator(".state.warn")).to_have_text("待复核")
        other = await open_as(second)
        await other.goto("/ops/budgets")
        await other.click("text=复核 >> visible=true >> nth=-1")
        await other.fill('dialog[open] [name="reason"]', "两人核对一致")
        await other.click("dialog[open] button.main")
        await expect(other.locator("#said")).to_be_visible()
        await expect(other.locator("text=没有资金操作。")).to_be_visible()
        await page.reload()
        await expect(page.locator("#balance")).to_have_text("¥8,300.50")


async def test_a_treasurer_tops_up_caps_and_reads_the_curve(door: Door):
    """A test's budget: the curve is drawn and told as a table; top-up, return and cap are done on the page."""
    merchant = await door.merchant(fen=100_000)
    test = await merchant.running(budget_fen=30_000, ends_at=(door.clock.now + timedelta(days=3)).isoformat())
    await RecordSpending(door.engine).run(door.clock.now)
    door.clock.forward(hours=5)
    login = await door.operator(Role.TREASURER, login="qian")
    async with a_browser(door, size=(390, 844)) as open_as:
        page = await open_as(login)
        await page.goto("/ops/budgets/tests")
        await page.click("table a")
        await page.wait_for_url(f"**/ops/budgets/tests/{test['test_id']}")
        assert await page.locator("svg.curve path.plan").get_attribute("d")
        await page.click("summary")
        await is_fit_for_all(page)
        await fill_in(page, "top-up", amount_fen="30", reason="商家追加预算")
        await page.click("#top-up button.main")
        await expect(page.locator("#left")).to_contain_text("110,000 g")
        await fill_in(page, "back", amount_fen="60", reason="商家要求退回")
        await page.click("#back button.main")
        await expect(page.locator("#left")).to_contain_text("90,000 g")
        await page.fill('[name="day_g"]', "20000")
        await page.fill('form.send >> nth=-1 >> [name="reason"]', "先慢一点看看")
        await page.click("text=保存上限")
        await expect(page.locator("#said")).to_contain_text("上限已保存")
        await expect(page.locator("main")).to_contain_text("/ 20,000 g")


async def test_a_figure_is_simulated_and_then_saved(door: Door):
    """No save before the simulation; a figure out of range is named; what is saved stands in the history."""
    login = await door.operator(Role.TREASURER, login="qian")
    async with a_browser(door) as open_as:
        page = await open_as(login)
        await page.goto("/ops/economy")
        await expect(page.locator("#save")).to_be_hidden()
        await page.fill('[name="crowd.players"]', "20")
        await page.fill('[name="choice_g"]', "0")
        await page.click("#simulate")
        await expect(page.locator("#problem")).to_contain_text("choice_g")
        await expect(page.locator('[name="choice_g"]')).to_have_attribute("aria-invalid", "true")
        await page.fill('[name="choice_g"]', "10")
        await page.fill('[name="apple.requirement_g"]', "12000")
        await page.click("#simulate")
        await expect(page.locator("#outlook")).to_be_visible()
        await expect(page.locator("#outlook tbody tr")).to_have_count(9)
        await is_fit_for_all(page)
        await page.fill('#save [name="reason"]', "苹果采购价涨了")
        await page.click("#save-button")
        await expect(page.locator("#said")).to_be_visible()
        assert await page.input_value('[name="apple.requirement_g"]') == "12000"
        await page.goto("/ops/economy/changes")
        await expect(page.locator("table")).to_contain_text("apple 12000 g")
        await is_fit_for_all(page)


async def test_fulfilment_sends_boxes_and_answers_damage(door: Door, orchard: Service, tmp_path: Path):
    """Stock in, an order moved, labels out, a carrier's file in, an address looked at, damage answered; the books hold."""
    login = await door.operator(Role.FULFILMENT, login="bao")
    await stock(orchard, 1)
    phones = [await orchard.phone(name) for name in ("甲", "乙")]
    orders = [await a_harvest(orchard, phone) for phone in phones]
    for phone, order_id in zip(phones, orders, strict=True):
        assert (await send_address(phone, order_id))[0] == 200
    await MeasurePrizes(door.engine).run(door.clock.now)
    async with a_browser(door, size=(390, 844)) as open_as:
        page = await open_as(login)
        await page.goto("/ops/prizes")
        await expect(page.locator(".state.warn")).to_have_text("还差 1 箱")
        await fill_in(page, "change-stock", boxes="-5", reason="供应商少发了")
        await page.click("#change-stock button.main")
        await expect(page.locator("#change-stock .error")).to_contain_text("最多可撤 0 箱")
        await page.fill('#change-stock [name="boxes"]', "5")
        await page.click("#change-stock button.main")
        await expect(page.locator("#said")).to_be_visible()
        await page.goto("/ops/orders?state=pending")
        await page.click("table a")
        await page.wait_for_url(f"**/{orders[0]}")
        assert ADDRESS["street"] not in await page.content()
        await page.click("text=查看")
        await page.fill('dialog[open] [name="reason"]', "玩家来电核对地址")
        await page.click("dialog[open] button.main")
        await expect(page.locator(".masked")).to_contain_text(ADDRESS["street"])
        await page.select_option('[name="to"]', "ordered")
        await page.fill('form.send [name="reason"]', "已向果园下单")
        await page.click("form.send button.main")
        await expect(page.locator("#state")).to_have_text("已下单")
        await is_fit_for_all(page)
        await page.goto("/ops/orders")
        await page.click('[data-open="labels"]')
        await page.fill('#export [name="reason"]', "今日发货贴单")
        async with page.expect_download() as downloading:
            await page.click("#export button.main")
        saved = tmp_path / "labels.csv"
        await (await downloading.value).save_as(saved)
        (label,) = list(csv.DictReader(saved.read_text(encoding="utf-8-sig").splitlines()))
        assert (label["order_id"], label["street"]) == (str(orders[0]), ADDRESS["street"])
        file = tmp_path / "carrier.csv"
        rows = f"{orders[0]},已签收,顺丰,SF1\n{uuid7()},已发货,顺丰,SF2\n<b>x</b>,已发货,,\n"
        file.write_bytes(f"order_id,status,carrier,tracking_no\n{rows}".encode("gb18030"))
        await page.click('[data-open="carrier"]')
        await page.set_input_files('#import [name="file"]', file)
        await page.click("#import button.main")
        await expect(page.locator("#result .big")).to_have_text("更新 1,无变化 0,未处理 2")
        await expect(page.locator("#result tbody")).to_contain_text("没有这个订单")
        await is_fit_for_all(page)
        assert (await report(phones[0], orders[0]))[0] == 201
        await page.goto("/ops/orders/damage")
        await page.click("table a")
        await expect(page.locator("img.photo")).to_be_visible()
        await page.select_option('[name="conclusion"]', "compensated")
        await page.fill('[name="answer"]', "抱歉,肥料已退回")
        await page.click("text=答复")
        await expect(page.locator("#state")).to_have_text("已补偿")
        await is_fit_for_all(page)
    assert await broken_laws(orchard) == {}


async def test_a_manager_names_a_segment_with_its_live_count(door: Door, orchard: Service):
    """The count follows what is typed; a new version and the end of a segment are on record."""
    login = await door.operator(Role.MERCHANT_MANAGER, login="guan")
    phone = await orchard.phone("小美")
    status, _ = await phone.call("PATCH", "/v1/me", {"gender": "female", "birth_year": 2000})
    assert status == 200
    async with a_browser(door) as open_as:
        page = await open_as(login)
        await page.goto("/ops/segments")
        await page.click("text=新建人群")
        await expect(page.locator("#count")).to_have_text("1 位玩家符合")
        await page.select_option('[name="gender"]', "male")
        await expect(page.locator("#count")).to_have_text("0 位玩家符合")
        await page.select_option('[name="gender"]', "female")
        await page.fill('[name="age_min"]', "18")
        await expect(page.locator("#count")).to_have_text("1 位玩家符合")
        await page.fill('[name="name"]', "成年女性")
        await page.fill('#segment [name="reason"]', "商家常问的人群")
        await is_fit_for_all(page)
        await page.click("#segment button.main")
        await page.wait_for_url("**/ops/segments/*-*")
        await page.fill('[name="age_max"]', "29")
        await page.fill('#segment [name="reason"]', "只要年轻的")
        await page.click("#segment button.main")
        await expect(page.locator("table tbody tr")).to_have_count(2)
        await is_fit_for_all(page)
        merchant = await door.merchant()
        own = await open_as(await door.person(merchant))
        await own.goto("/tests/new")
        await own.select_option("#pick-segment", label="成年女性")
        await expect(own.locator('.segment [data-field="age_max"]')).to_have_value("29")
        await is_fit_for_all(own)
        await page.click('[data-open="retire"]')
        await page.fill('#retire [name="reason"]', "没有商家用")
        await page.click("#retire button.danger")
        await expect(page.locator("h1 .state")).to_have_text("已停用")


@pytest.mark.parametrize(("size", "language"), [((390, 844), "zh"), ((1280, 900), "en")], ids=["phone-zh", "desk-en"])
async def test_every_page_is_fit_for_all(door: Door, orchard: Service, size: tuple[int, int], language: str):
    """Full and empty, on a phone in Chinese and on a desk in English: nothing is too wide, nothing keeps anybody out."""
    merchant = await door.merchant(EVIL, fen=700_000)
    test = await merchant.running(budget_fen=30_000, title=EVIL)
    await stock(orchard, 2)
    phone = await orchard.phone("甲")
    order_id = await a_harvest(orchard, phone)
    await send_address(phone, order_id)
    await move(orchard, order_id, OrderState.ORDERED)
    login = await door.operator(Role.TREASURER, Role.FULFILMENT, Role.MERCHANT_MANAGER, login="qian")
    operator = await door.signed_in(login)
    await operator.good(
        "POST", f"/v1/ops/budgets/merchants/{merchant.merchant_id}/payouts",
        {"amount_fen": 600_000, "reference": "OUT-1", "reason": WHY},
    )  # fmt: skip
    segment = await operator.good("POST", "/v1/ops/segments", {"name": EVIL, "gender": "female", "reason": WHY})
    async with a_browser(door, size=size) as open_as:
        page = await open_as(login)
        for path in (
            "budgets", "budgets/merchants", f"budgets/merchants/{merchant.merchant_id}", "budgets/tests",
            f"budgets/tests/{test['test_id']}", "budgets/moves", "budgets/moves?state=declined", "economy",
            "economy/changes", "prizes", "orders", "orders?state=failed", f"orders/{order_id}", "orders/damage",
            "segments", "segments/new", f"segments/{segment['segment_id']}",
        ):  # fmt: skip
            reply = await page.goto(f"/ops/{path}{'&' if '?' in path else '?'}lang={language}")
            assert reply is not None
            assert reply.status == 200, path
            await is_fit_for_all(page)
