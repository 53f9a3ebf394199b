"""Content review in a browser: a merchant waits, a reviewer refuses one piece with a reason and passes the rest."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from admin.app import admin_app
from admin.roles import Role
from server.running import listening
from tests.admin.doors import Door, a_door
from tests.journeys.test_merchant_console import CHROMIUM, PASSWORD, WAIT_MS, is_fit_for_all


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Door]:
    async with a_door(database, tmp_path, content_review="people") as running:
        yield running


async def page_of(browser: Browser, address: str, login: str, *, width: int) -> Page:
    """A signed-in page of this person."""
    context = await browser.new_context(viewport={"width": width, "height": 860}, locale="zh-CN")
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    await page.goto(f"{address}/sign-in")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "sign-in" not in url)
    return page


async def test_what_waits_is_refused_with_a_reason_or_passed_together(door: Door):
    """The merchant's page follows by itself: in review, back as a draft that says why, and running in the end."""
    merchant = await door.merchant()
    login = await door.person(merchant, password=PASSWORD)
    reviewer = await door.operator(Role.MERCHANT_MANAGER, password=PASSWORD)
    draft = await merchant.draft(styles=3)
    async with listening(admin_app(door.shell), "127.0.0.1", 0) as port, async_playwright() as playwright:
        address = f"http://127.0.0.1:{port}"
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        shop = await page_of(browser, address, login, width=390)
        await shop.goto(f"{address}/tests/{draft['test_id']}")
        await shop.click("#launch")
        await expect(shop.locator("#state")).to_have_class("state review")
        await is_fit_for_all(shop)
        office = await page_of(browser, address, reviewer, width=1280)
        await office.goto(f"{address}/ops/content")
        await expect(office.locator("[data-content]")).to_have_count(4)
        await is_fit_for_all(office)
        third = office.locator("[data-content]", has_text="款式3")
        await third.get_by_role("button", name="拒绝").first.click()
        await third.locator("dialog textarea").fill("图上有别家的商标。")
        await third.locator("dialog form button").click()
        await expect(office.locator("[data-content]")).to_have_count(3)
        await expect(shop.locator("#state")).to_have_class("state draft")
        await expect(shop.locator("#missing")).to_contain_text("商标")
        await expect(shop.locator("#launch")).to_be_disabled()
        await office.click("#pass-all")
        await office.locator("dialog[open] button.main").click()
        await expect(office.locator("[data-content]")).to_have_count(0)
        await shop.locator("[data-style]", has=shop.locator("input[value=款式3]")).locator("[data-remove]").click()
        await expect(shop.locator("#launch")).to_be_enabled()
        await shop.click("#launch")
        await expect(shop.locator("#state")).to_have_class("state running")
        await browser.close()
