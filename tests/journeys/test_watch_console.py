"""The watch's pages in a real browser: an alarm is taken, a test stopped after its reach was shown, the log searched."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect
from prometheus_client import CollectorRegistry

from admin.app import admin_app
from admin.roles import Role
from rewards.economy import Economy
from server.flows.judge_alarms import judge_alarms
from server.jobs.measure_programme import MeasureProgramme
from server.jobs.watch_votes import WINDOW, WatchVotes
from server.running import listening
from server.stores import audit, health
from server.stores.db import transaction
from tests.admin.doors import Door, a_door
from tests.journeys.test_merchant_console import CHROMIUM, PASSWORD, WAIT_MS

SHOTS = os.environ.get("XUANKUAN_SHOTS")


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Door]:
    async with a_door(database, tmp_path) as running:
        yield running


@pytest.fixture(params=[(390, 844, "zh-CN"), (1280, 900, "en-GB")], ids=["phone", "desk"])
async def page(request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """A page in Chromium: a phone in Chinese, a desk in English; an error on its console fails the test."""
    width, height, locale = request.param
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        context = await browser.new_context(viewport={"width": width, "height": height}, locale=locale)
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        await browser.close()
    assert errors == []


async def looked_at(page: Page, name: str) -> None:
    """axe-core finds nothing that keeps anybody out, and nothing is wider than the screen; a picture where wanted."""
    if SHOTS:
        width = page.viewport_size["width"] if page.viewport_size else 0
        await page.screenshot(path=f"{SHOTS}/{name}-{width}.png", full_page=True)
    found = (await Axe().run(page)).response["violations"]
    assert [(each["id"], [node["html"][:160] for node in each["nodes"]]) for each in found] == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")


async def a_busy_hour(door: Door) -> str:
    """Votes of an hour, measured numbers, a late job; returns the id of the running test."""
    merchant = await door.merchant(name="春山 <img src=x onerror=alert(1)>")
    test = await merchant.running(styles=3, title="夏季 <b>连衣裙</b>")
    for _ in range(3):
        await door.vote(test["test_id"], voters=8, each=3)
        door.clock.forward(minutes=7)
        await WatchVotes(door.engine, CollectorRegistry()).run(door.clock.now - timedelta(minutes=6))
    now = door.clock.now
    await MeasureProgramme(door.engine, Economy, CollectorRegistry()).run(now)
    async with transaction(door.engine) as conn:
        await health.job_ended(conn, "settle_grants", now=now - timedelta(minutes=9), every_s=1.0)
        await health.job_ended(conn, "pace_budgets", now=now, every_s=5.0)
        await audit.write(
            conn, who="林 <script>", what="budget.cap", object_id="b1", before={"day_g": 1}, after={"day_g": 2},
            why='"><img src=x onerror=alert(1)>', now=now, request_id="req-12345678",
        )  # fmt: skip
        await judge_alarms(conn, window=WINDOW, now=now)
    return str(test["test_id"])


async def test_an_operator_watches_takes_an_alarm_stops_a_test_and_finds_it_in_the_log(door: Door, page: Page):
    """What merchants and players typed is shown as text, and the dashboard renews itself without a reload."""
    test_id = await a_busy_hour(door)
    await door.operator(Role.ADMINISTRATOR, login="zhiban", password=PASSWORD)
    async with listening(admin_app(door.shell), "127.0.0.1", 0) as port:
        address = f"http://127.0.0.1:{port}"
        await page.goto(f"{address}/sign-in?next=/ops")
        await page.fill("#login", "zhiban")
        await page.fill("#password", PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{address}/ops")
        await expect(page.locator(".alarm", has_text="settle_grants")).to_be_visible()
        await looked_at(page, "dashboard")

        await page.evaluate("window.same = true")
        async with transaction(door.engine) as conn:
            await health.job_ended(conn, "refit_rankings", now=door.clock.now - timedelta(minutes=20), every_s=0.5)
            await judge_alarms(conn, window=WINDOW, now=door.clock.now)
        await expect(page.locator("#live")).to_contain_text("refit_rankings", timeout=WAIT_MS)
        assert await page.evaluate("window.same")

        await page.goto(f"{address}/ops/alarms")
        await looked_at(page, "alarms")
        alarm = page.locator("section[aria-labelledby=h-open] .alarm", has_text="settle_grants")
        await alarm.get_by_role("button").first.click()
        await page.locator("dialog[open] textarea").fill("I restart the worker")
        await looked_at(page, "alarm-dialog")
        await page.locator("dialog[open] button.main").click()
        await expect(page.locator("section[aria-labelledby=h-open] .alarm.taken")).to_contain_text("zhiban")
        await page.locator("section[aria-labelledby=h-open] .alarm.taken a").click()
        await expect(page.locator(".events")).to_contain_text("I restart the worker")
        await looked_at(page, "alarm")

        await page.goto(f"{address}/ops/switches")
        await looked_at(page, "switches")
        await page.fill("#one-test [name=target]", test_id)
        await expect(page.locator("#one-reach li")).to_have_text("夏季 <b>连衣裙</b>")
        await page.locator("#one-test textarea").fill("votes are being bought")
        await page.locator("#one-test button.danger").click()
        await expect(page.locator(".switches .state.bad")).to_be_visible()
        await page.locator(".switches li").first.get_by_role("button").first.click()
        await expect(page.locator("dialog[open] .reach")).to_contain_text(re.compile(r"0 "))
        await looked_at(page, "switch-dialog")
        await page.keyboard.press("Escape")

        await page.goto(f"{address}/ops/audit?what=switch")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody")).to_contain_text("votes are being bought")
        await page.goto(f"{address}/ops/audit")
        await page.locator("tbody details summary").nth(1).click()
        await looked_at(page, "audit")
        await page.fill("[name=request_id]", "req-12345678")
        await page.locator(".filters button").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody")).to_contain_text("林 <script>")
        async with page.expect_download() as started:
            await page.get_by_role("link", name="CSV").click()
        taken_along = Path(await (await started.value).path())
        text = await asyncio.to_thread(taken_along.read_text, "utf-8-sig")
        assert len(text.splitlines()) == 2
        assert "req-12345678" in text
