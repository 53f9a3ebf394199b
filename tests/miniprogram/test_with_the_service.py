"""The whole story on the real service: its database, its pictures, its books; from the first visit to the address, and
the bad days on the way.

Trees are small here (400 g), so that eight applications ripen one within the day whose caps they keep.
"""

import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.async_api import Browser, Route, expect

from game.segments import Audience
from game.style_test import StyleTest, TestState
from server.files.test_folder import read_test_folder
from server.flows.end_test import end_test
from server.flows.fund_merchant import fund_merchant
from server.flows.house_merchant import house_merchant
from server.flows.import_test import import_test
from server.flows.launch_test import launch_test
from server.flows.move_test import move_test
from server.flows.tell_sales import tell_produced
from server.jobs.tell_choosers import TellChoosers
from server.revocations import SESSION_LIFE
from server.stores import tests
from server.stores.db import transaction
from tests.miniprogram.phones import LARGE, SMALL, Phone, a_phone
from tests.server.builders import Service, a_service
from tests.server.orchard import SMALL as SMALL_TREES
from tests.server.orchard import broken_laws, give, stock
from tests.server.test_appeals import muted

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "summer-dresses"


class AheadClock:
    """The true time, or as far ahead of it as a story wants the service to be."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def now(self) -> datetime:
        return self()


@pytest.fixture(scope="module")
def sample() -> Any:
    """The sample test as a draft for everyone; its pictures are read once for all stories."""
    draft = read_test_folder(SAMPLE, now=datetime.now(UTC))
    return dataclasses.replace(draft, audience=Audience(), ends_at=None)


@pytest.fixture
async def service(database: str, tmp_path: Path, client_build: Path, sample: Any) -> AsyncIterator[Service]:
    """The players' application with the web build, in real time, and the sample test open to everyone."""
    now = datetime.now(UTC)
    async with a_service(
        database, tmp_path, clock=AheadClock(), economy=SMALL_TREES, client_dir=client_build
    ) as service:
        async with transaction(service.engine) as conn:
            merchant_id = await house_merchant(conn, now=now)
            media_dir = service.shell.config.media_dir
            test = await import_test(conn, sample, merchant_id=merchant_id, media_dir=media_dir, now=now)
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


async def the_test(service: Service) -> StyleTest:
    """The sample test that these players play."""
    async with transaction(service.engine) as conn:
        return (await tests.in_states(conn, list(TestState)))[0]


async def votes(service: Service) -> list[tuple[int, list[str] | None]]:
    """(choice, why) of all votes on record, in the order of their answers."""
    async with service.engine.connect() as conn:
        rows = await conn.execute(sa.text("select choice, why from votes order by answered_at, matchup_id"))
        return [(row.choice, row.why) for row in rows]


async def cut(route: Route) -> None:
    """For the way to the service: nothing arrives."""
    await route.abort("connectionrefused")


CALLS = "**/v1/**"


@pytest.mark.parametrize(
    "look",
    [
        {"viewport": SMALL},
        {"viewport": LARGE, "night": True},
        {"viewport": SMALL, "elder": True},
        {"viewport": LARGE, "elder": True, "theme": "dark"},
    ],
    ids=["small by day", "large by night", "small, elder", "large, elder by night"],
)
async def test_from_the_first_visit_to_the_address(
    browser: Browser, service: Service, player_app_url: str, look: dict[str, Any]
):
    await stock(service, 5)
    async with a_phone(browser, player_app_url, **look) as phone:
        await phone.open()
        await phone.sees("选一棵，种下去")
        await phone.is_accessible()
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
        await phone.is_accessible()
        await phone.tap("收获")
        await phone.sees("送达 90 天后删除")
        await phone.is_accessible()
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


async def test_the_style_that_was_chosen_comes_back_as_a_card_when_it_is_made(
    browser: Browser, service: Service, player_app_url: str
):
    """The merchant says that styles were made; a job thanks who chose them; the orchard tells it once."""
    async with a_phone(browser, player_app_url) as phone:
        await phone.open("play")
        await phone.choose("left")
        await phone.until_all_has_arrived()
        test = await the_test(service)
        async with transaction(service.engine) as conn:
            await end_test(conn, test, "stop", who="story", why="the story goes on", now=service.clock())
        async with transaction(service.engine) as conn:
            ended = await tests.find(conn, test.test_id)
            assert ended is not None
            made = [style.style_id for style in ended.ranked]
            await tell_produced(conn, ended, made, now=service.clock())
        job = TellChoosers(service.engine, lambda: service.shell.economy)
        while await job.run(service.clock()):
            pass
        await phone.open()
        await phone.sees("你选的款，真的做出来了")
        await phone.is_accessible()
        told = 0
        while await phone.button("好的").count():
            told += 1
            await phone.tap("好的")
        assert told == 2, "one that was chosen, one that was met"
        await phone.page.reload()
        await phone.sees("选一棵，种下去")
        await phone.page.wait_for_load_state("networkidle")
        await phone.does_not_see("你选的款，真的做出来了")
        await phone.go("taste")
        await phone.sees("当时你选了它")
        await phone.sees("当时你见过它")


async def test_a_service_that_is_away_at_the_start_is_waited_for(
    browser: Browser, service: Service, player_app_url: str
):
    async with a_phone(browser, player_app_url) as phone:
        await phone.context.route(CALLS, cut)
        await phone.open()
        await phone.sees("连不上果园，请稍后再试")
        await phone.is_accessible()
        await phone.tap("选款", exact=True)
        await phone.sees("正在自动重试")
        await phone.context.unroute(CALLS)
        await phone.sees_a_pair()


async def test_sessions_and_tickets_that_expire_cost_a_player_nothing_but_the_pair(
    browser: Browser, service: Service, player_app_url: str
):
    """The session renews itself; what was dealt too long ago is explained, and new pairs follow."""
    async with a_phone(browser, player_app_url) as phone:
        await phone.open("play")
        await phone.choose()
        await phone.until_all_has_arrived()
        await phone.sees_a_pair()
        service.clock.ahead = SESSION_LIFE + timedelta(minutes=1)
        await phone.choose()
        await phone.until_all_has_arrived()
        await phone.sees("上一题没有计入：这道题已经过期")
        assert len(await votes(service)) == 1
        first = (await player_of(phone)).player["player_id"]
        await phone.close()
        await phone.restart("wallet")
        await phone.sees("选款")
        assert (await player_of(phone)).player["player_id"] == first


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_phone_whose_clock_is_a_day_off_plays_as_any_other(
    browser: Browser, service: Service, player_app_url: str, days: int
):
    async with a_phone(browser, player_app_url) as phone:
        await phone.context.add_init_script(
            f"const off = {days} * 86400000; const True = Date;"
            "globalThis.Date = class extends True {"
            " constructor(...of) { of.length ? super(...of) : super(True.now() + off) }"
            " static now() { return True.now() + off } };"
        )
        await phone.open("play")
        await phone.play_a_round()
        await phone.until_all_has_arrived()
        assert len(await votes(service)) == 5


async def test_a_pair_with_a_picture_that_is_gone_is_left_out_whole(
    browser: Browser, service: Service, player_app_url: str
):
    """The file is deleted under the running service; no half pair is ever shown."""
    gone = {style.picture for style in (await the_test(service)).ranked[:4]}
    media_dir = service.shell.config.media_dir
    for path in media_dir.iterdir():
        if any(path.name.startswith(str(picture)) for picture in gone):
            path.unlink()
    async with a_phone(browser, player_app_url) as phone:
        await phone.open("play")
        for _ in range(3):
            shown = "".join(await phone.choose())
            assert not any(str(picture) in shown for picture in gone)
        await phone.until_all_has_arrived()
        assert len(await votes(service)) == 3


async def test_double_taps_and_the_way_back_leave_one_vote_for_each_pair(
    browser: Browser, service: Service, player_app_url: str
):
    async with a_phone(browser, player_app_url) as phone:
        await phone.open()
        await phone.tap("种苹果")
        await phone.tap("选款", exact=True)
        await phone.sees_a_pair()
        await phone.page.wait_for_timeout(330)
        await phone.pair.locator(".side-tap").first.dblclick()
        await phone.until_all_has_arrived()
        assert len(await votes(service)) == 1
        await phone.sees_a_pair()
        await phone.page.wait_for_timeout(330)
        await phone.tap("因为袖长选右边")
        await phone.tap("返回")
        await phone.sees("还差 400 克成熟")
        await phone.tap("选款", exact=True)
        await expect(phone.page.get_by_role("img", name="本轮 2 / 5")).to_be_visible()
        await phone.until_all_has_arrived()
        assert [why for _, why in await votes(service)] == [None, ["sleeve"]]
    assert await broken_laws(service) == {}


async def test_two_phones_on_one_account_earn_what_one_would(browser: Browser, service: Service, player_app_url: str):
    async with a_phone(browser, player_app_url) as phone, a_phone(browser, player_app_url) as other:
        await phone.open()
        await phone.tap("种苹果")
        guest = (await phone.kept())["guest"]
        await other.context.add_init_script(f"localStorage.setItem('xuankuan.guest', {guest!r})")
        await other.open("play")
        await other.choose()
        await phone.tap("选款", exact=True)
        await phone.choose()
        for one in (phone, other):
            await one.until_all_has_arrived()
        assert len(await votes(service)) == 2
        await phone.open()
        await other.open()
        await other.sees("领今日 30 克")
        await phone.tap("领今日 30 克")
        await phone.sees("今日已领")
        await other.tap("领今日 30 克")
        await other.sees("今天已经领过了")
    assert await broken_laws(service) == {}


async def test_a_muted_player_reads_why_in_words_and_appeals(browser: Browser, service: Service, player_app_url: str):
    async with a_phone(browser, player_app_url) as phone:
        await phone.open()
        await phone.tap("种苹果")
        await phone.sees("还差 400 克成熟")
        await muted(service, await player_of(phone), "one_sided", "too_fast")
        await phone.page.reload()
        await phone.tap("你的选择暂不计入")
        for words in ("你的选择暂时不计入", "你几乎总是点同一边", "快到来不及看清两张图片"):
            await phone.sees(words)
        await phone.page.get_by_label("说说情况").fill("我左手拿手机，一直点左边方便。")
        await phone.tap("提交申诉")
        await phone.sees("收到了。有人会看")
        await phone.sees("待处理")
        await phone.is_accessible()
        await phone.open("play")
        await phone.sees_a_pair()  # play goes on


async def test_where_no_test_is_open_the_farm_offers_what_it_has(
    browser: Browser, service: Service, player_app_url: str
):
    test = await the_test(service)
    async with transaction(service.engine) as conn:
        await move_test(conn, test.test_id, "pause", merchant_id=None, who="story", now=service.clock())
    await service.shell.dealer.refresh()
    async with a_phone(browser, player_app_url) as phone:
        await phone.open("play")
        await phone.sees("先歇一会儿")
        await phone.sees("果园里还可以")
        await phone.sees("领今日 30 克")
        await phone.is_accessible()
        await phone.tap("回果园")
        await phone.sees("选一棵，种下去")


async def test_a_family_and_a_friend_arrive_by_the_links_that_were_shared(
    browser: Browser, service: Service, player_app_url: str
):
    async with a_phone(browser, player_app_url) as phone:
        await phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await phone.open()
        await phone.tap("种苹果")
        await phone.tap("和家人一起种")
        await phone.sees("链接已复制")
        link = (await phone.page.evaluate("navigator.clipboard.readText()")).split()[-1]
        async with a_phone(browser, player_app_url) as mother:
            await mother.page.goto(link)
            await mother.sees("家人邀请你一起种")
            await mother.is_accessible()
            await mother.tap("一起种")
            await mother.sees("2 人一起种，一人一箱")
            await mother.page.wait_for_load_state("networkidle")
        await phone.page.reload()
        await phone.sees("还差 800 克成熟")
    async with service.engine.connect() as conn:
        assert await conn.scalar(sa.text("select count(*) from invitations")) == 1
    assert await broken_laws(service) == {}
