"""The whole story on the real service: its database, its pictures, its books; from the first visit to the address.

Trees are small here (400 g), so that eight applications ripen one within the day whose caps they keep.
"""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from game.segments import Audience
from server.files.test_folder import read_test_folder
from server.flows.fund_merchant import fund_merchant
from server.flows.house_merchant import house_merchant
from server.flows.import_test import import_test
from server.flows.launch_test import launch_test
from server.stores.db import transaction
from tests.miniprogram.phones import LARGE, SMALL, Phone, a_phone
from tests.server.builders import Service, a_service
from tests.server.orchard import SMALL as SMALL_TREES
from tests.server.orchard import broken_laws, give, stock

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "summer-dresses"


@pytest.fixture
async def service(database: str, tmp_path: Path, client_build: Path) -> AsyncIterator[Service]:
    """The players' application with the web build, in real time, and the sample test open to everyone."""
    now = datetime.now(UTC)
    draft = await asyncio.to_thread(read_test_folder, SAMPLE, now=now)
    draft = dataclasses.replace(draft, audience=Audience(), ends_at=None)
    async with a_service(
        database, tmp_path, clock=lambda: datetime.now(UTC), economy=SMALL_TREES, client_dir=client_build
    ) as service:
        async with transaction(service.engine) as conn:
            merchant_id = await house_merchant(conn, now=now)
            media_dir = service.shell.config.media_dir
            test = await import_test(conn, draft, merchant_id=merchant_id, media_dir=media_dir, now=now)
            await fund_merchant(conn, merchant_id=merchant_id, amount_fen=test.budget_fen, payment_no="p", now=now)
            await launch_test(conn, test.test_id, merchant_id=merchant_id, economy=SMALL_TREES, who="story", now=now)
        await service.shell.dealer.refresh()
        yield service


@pytest.fixture
def player_app_url(service: Service) -> str:
    return str(service.client.make_url("/play/"))


async def player_of(phone: Phone) -> Any:
    """The player who is logged in on this phone, as the builders of the service's own tests know one."""
    session = json.loads((await phone.kept())["session"])
    return SimpleNamespace(player=session["player"])


@pytest.mark.parametrize(
    "look", [{"viewport": SMALL}, {"viewport": LARGE, "night": True}], ids=["small by day", "large by night"]
)
async def test_from_the_first_visit_to_the_address(
    browser: Browser, service: Service, player_app_url: str, look: dict[str, Any]
):
    await stock(service, 5)
    async with a_phone(browser, player_app_url, **look) as phone:
        await phone.open()
        await phone.tap("种苹果")
        await phone.sees("还差 400 克成熟")
        await phone.tap("领今日 30 克")
        await phone.sees("今日已领")

        await phone.tap("选款", exact=True)
        await phone.play_through_a_lift()
        await phone.is_accessible()

        await give(service, await player_of(phone), 370)
        await phone.tap("去施肥")
        await phone.sees("400 克")
        await phone.sees("另有 50 克待到账")  # a new player's grants are held a while
        await phone.tap("施肥 50 克")
        await phone.sees("长到「树苗」了")
        await phone.sees("+7 克")
        await phone.sees("50 / 400 克")
        await phone.is_accessible()
        await phone.tap("×7")
        await phone.tap("施肥 350 克")
        await phone.sees("果子熟了！")
        await phone.tap("收获")
        await phone.fill_in_the_address()
        await phone.open("prizes")
        await phone.sees("待发货")
        await phone.sees("文三路 1 号")
        await phone.is_accessible()
    assert await broken_laws(service) == {}


async def test_every_page_can_be_read_on_the_real_service(browser: Browser, service: Service, player_app_url: str):
    async with a_phone(browser, player_app_url) as phone:
        await phone.open("play")
        for _ in range(3):
            await phone.choose()
        await phone.until_all_has_arrived()
        seen = {
            "wallet": "待到账", "taste": "你一共选了 3 次", "rules": "10 000 克", "privacy": "年龄段", "appeals": "一切正常",
            "prizes": "果树成熟以后", "settings": "导出我的数据", "me": "果园主人",
        }  # fmt: skip
        for page, words in seen.items():
            await phone.go(page)
            await phone.sees(words)
            await phone.is_accessible()
        await phone.go("privacy")
        await phone.tap("25–29")
        await phone.sees("已同意，随时可以撤回")
        await phone.tap("撤回")
        await phone.sees("已撤回")
        await phone.go("settings")
        await phone.tap("注销账号")
        await phone.tap("我知道，注销")
        await expect(phone.button("种苹果")).to_be_visible()
