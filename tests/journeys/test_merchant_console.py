"""The merchant's journey in a real browser, on a phone and on a desk: pictures, quote, launch, live, report."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

from admin.app import admin_app
from server.running import listening
from tests.admin.doors import Door, Merchant, a_door, a_picture

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "a long password"
WAIT_MS = 60_000


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Door]:
    async with a_door(database, tmp_path) as running:
        yield running


@pytest.fixture(params=[(390, 844), (1280, 900)], ids=["phone", "desk"])
async def page(request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """A page in Chromium; whatever it says on its console as an error fails the test."""
    width, height = request.param
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        context = await browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        await browser.close()
    assert errors == []


async def is_fit_for_all(page: Page) -> None:
    """axe-core finds nothing that keeps anybody out, and nothing is wider than the screen."""
    found = (await Axe().run(page)).response["violations"]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")


async def signed_in(page: Page, door: Door, merchant: Merchant, address: str) -> None:
    login = await door.person(merchant, password=PASSWORD)
    await page.goto(f"{address}/sign-in")
    await is_fit_for_all(page)
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{address}/")


async def test_a_merchant_goes_from_pictures_to_the_report(door: Door, page: Page):
    """Draft, refusal that keeps what was typed, quote, launch, live ranking without a reload, verdict, report."""
    merchant = await door.merchant()
    async with listening(admin_app(door.shell), "127.0.0.1", 0) as port:
        address = f"http://127.0.0.1:{port}"
        await signed_in(page, door, merchant, address)
        await is_fit_for_all(page)
        await page.goto(f"{address}/tests/new")
        files = [{"name": f"裙{n}.png", "mimeType": "image/png", "buffer": a_picture(n)} for n in range(3)]
        broken = {"name": "坏图.png", "mimeType": "image/png", "buffer": b"not a picture"}
        await page.set_input_files("#pictures", [*files, broken])
        await page.fill("#keep", "1")
        await page.click("form button.main")
        # No title: the field is marked and focused, and the pictures are still there.
        await expect(page.locator("#title")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#title")).to_be_focused()
        await expect(page.locator("#chosen li")).to_have_count(4)
        await is_fit_for_all(page)
        await page.keyboard.type("键盘也能用")
        await page.keyboard.press("Enter")
        await expect(page.locator("#chosen .bad")).to_have_count(1)
        assert await page.input_value("#title") == "键盘也能用"
        await page.locator("#chosen li").last.locator("button").click()
        await page.click("form button.main")
        await page.wait_for_url(f"{address}/tests/*-*")
        await expect(page.locator("#quote .big")).to_be_visible()
        await expect(page.locator("#missing .ok")).to_be_visible()
        await is_fit_for_all(page)
        await page.fill("#keep", "3")
        await page.locator("#edit button.main").click()
        await expect(page.locator("#launch")).to_be_disabled()
        await page.fill("#keep", "1")
        await page.locator("#edit button.main").click()
        await expect(page.locator("#launch")).to_be_enabled()
        await page.locator("#launch").click()
        await expect(page.locator("#state")).to_have_class("state running")
        await expect(page.locator("#status")).not_to_have_text("…")
        test_id = page.url.split("/tests/")[1].split("?")[0]
        await door.vote(test_id, voters=40, each=2, spread=0.1)
        await expect(page.locator("#ranking .style")).to_have_count(3)
        await is_fit_for_all(page)
        await door.vote(test_id, voters=60, each=3, spread=1.5, seed=2)
        await expect(page.locator("#state")).to_have_class("state decided")
        await expect(page.locator(".verdict.hit")).to_have_count(1)
        await is_fit_for_all(page)
        await page.click("text=结案报告")
        await expect(page.locator(".headline")).to_contain_text("建议先做")
        await is_fit_for_all(page)
        for other in ("billing", "afterwards", "settings"):
            await page.goto(f"{address}/{other}")
            await is_fit_for_all(page)


async def test_a_page_of_another_merchant_is_not_there(door: Door, page: Page):
    """The address of somebody else's test leads to the page that says so, with status 404."""
    stranger = await door.merchant("别家")
    test = await stranger.draft(styles=2)
    merchant = await door.merchant()
    async with listening(admin_app(door.shell), "127.0.0.1", 0) as port:
        address = f"http://127.0.0.1:{port}"
        await signed_in(page, door, merchant, address)
        reply = await page.goto(f"{address}/tests/{test['test_id']}")
        assert reply is not None
        assert reply.status == 404
        await is_fit_for_all(page)
