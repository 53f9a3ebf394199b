"""Stories of players on good days and bad ones, played in Chromium on the web build of the client.

Told against the stand-in, which fails on wish; what the real service can be brought to do is in test_with_the_service.py.
"""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.miniprogram.phones import LARGE, SMALL, Phone, a_phone

PICTURE = Path(__file__).resolve().parents[2] / "samples" / "summer-dresses" / "red-short-maxi.webp"


async def plant_and_play(phone: Phone) -> None:
    await phone.open()
    await phone.tap("种苹果")
    await phone.sees("苹果树 · 种子")
    await phone.tap("选款", exact=True)


async def test_from_the_first_visit_to_the_box_at_the_door(browser: Browser, world: Any):
    """First visit, five pairs, offline in the middle, grams, stage award, ripe tree, address: each page clean."""
    async with a_phone(browser, world.url, viewport=LARGE) as phone:
        await phone.open()
        await phone.sees("选一棵，种下去")
        await phone.is_accessible()
        await phone.tap("种苹果")
        await phone.sees("还差 9 000 克成熟")
        await phone.tap("领今日 30 克")
        await phone.sees("30 克")

        await phone.tap("选款", exact=True)
        await phone.sees_a_pair()
        await phone.is_accessible()
        await phone.play_through_a_lift()
        await phone.is_accessible()

        player = world.only_player()
        assert len(player.choices) == 5
        assert player.available_g == 80
        player.applied_g = 130
        await phone.tap("去施肥")
        await phone.sees("130 / 9 000 克")
        await phone.tap("施肥 50 克")
        await phone.sees("长到「发芽」了")
        await phone.sees("成长奖励 +20 克")
        await phone.sees("180 / 9 000 克")
        await phone.is_accessible()

        player.applied_g = 9_000
        world.produced(player, "red-short-maxi")
        await phone.page.reload()
        await phone.sees("你选的款，真的做出来了")
        await phone.is_accessible()
        await phone.tap("好的")
        await phone.sees("果子熟了！")
        await phone.tap("收获")
        await phone.sees("送达 90 天后删除")
        await phone.tap("保存")
        await phone.sees("请填写收件人")
        await phone.is_accessible()
        await phone.fill_in_the_address()
        assert player.orders[0]["address"]["street"] == "文三路 1 号"
        await phone.open("prizes")
        await phone.sees("待发货")
        await phone.is_accessible()


@pytest.mark.parametrize(
    ("language", "look"),
    [("zh-CN", {"viewport": LARGE, "elder": True}), ("en-US", {"viewport": SMALL, "night": True})],
    ids=["Chinese, elder", "English by night"],
)
async def test_every_page_is_accessible_in_both_languages(
    browser: Browser, world: Any, language: str, look: dict[str, Any]
):
    async with a_phone(browser, world.url, language=language, **look) as phone:
        await phone.open("me")
        titles = {"zh-CN": "我的", "en-US": "Me"}
        await expect(phone.page.get_by_role("heading", name=titles[language], exact=True)).to_be_visible()
        player = world.only_player()
        world.mute(player, "one_sided", "too_fast")
        player.likes["颜色", "红色"], player.met["颜色", "红色"] = 5, 7
        player.choices["m"] = "left"
        world.produced(player, "blue-long-mini")
        for page in ("me", "taste", "wallet", "prizes", "appeals", "rules", "privacy", "settings", "address"):
            await phone.go(page)
            await phone.page.wait_for_load_state("networkidle")
            await phone.is_accessible()
            assert await phone.page.evaluate("document.documentElement.lang") == language.replace("-US", "")
            assert not await phone.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), page


async def test_the_first_pair_is_two_taps_away_and_nothing_is_asked(phone: Phone, world: Any):
    await phone.open()
    await phone.tap("种苹果")
    await phone.tap("选款", exact=True)
    await phone.sees_a_pair()
    facts = world.only_player().facts
    assert facts == {}
    assert await phone.page.locator("input, textarea").count() == 0


async def test_one_tap_is_enough_for_who_would_rather_plant_later(phone: Phone):
    await phone.open()
    await phone.tap("选款", exact=True)
    await phone.sees_a_pair()


async def test_the_next_pair_is_drawn_before_the_tap_and_ten_are_at_hand(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.sees_a_pair()
    await phone.page.wait_for_function("() => document.querySelectorAll('.pair.behind img').length === 2")
    behind = (
        "() => [...document.querySelectorAll('.pair.behind img')].map((one) => one.complete && one.naturalWidth > 0)"
    )
    await phone.page.wait_for_function(f"() => ({behind})().every(Boolean)")
    dealt = len(world.tickets)
    assert dealt >= 10
    await phone.page.wait_for_load_state("networkidle")
    world.is_down = True  # from here on nothing can be fetched
    next_pair = await phone.page.evaluate(
        "() => [...document.querySelectorAll('.pair.behind img')].map((one) => one.getAttribute('src'))"
    )
    await phone.choose()
    assert list(await phone.sees_a_pair()) == next_pair
    for _ in range(3):
        await phone.choose()


async def test_agreement_is_shown_after_the_answer_and_never_before(phone: Phone):
    await plant_and_play(phone)
    await phone.sees_a_pair()
    await phone.does_not_see("和你相似的玩家")
    await phone.choose()
    await phone.sees("和你相似的玩家")
    await phone.is_accessible()
    await phone.context.set_offline(True)
    await phone.choose()
    await phone.sees("已存好，联网后送达")
    await phone.is_accessible()


async def test_neither_unclear_and_a_reason_are_said_to_the_service(phone: Phone, world: Any):
    await plant_and_play(phone)
    for name in ("都不喜欢", "看不清"):
        await phone.sees_a_pair()
        await phone.page.wait_for_timeout(330)
        await phone.tap(name)
    await phone.sees("看不清的题不计入，也不会再出现")
    await phone.sees_a_pair()
    await phone.page.wait_for_timeout(330)
    await phone.tap("因为袖长选右边")
    await phone.until_all_has_arrived()
    said = [(one["choice"], one.get("why")) for one in world.answers_seen]
    assert said == [("neither", None), ("unclear", None), ("right", ["sleeve"])]
    assert all(330 <= one["took_ms"] < 60_000 for one in world.answers_seen)
    assert world.only_player().available_g == 20


async def test_a_picture_can_be_looked_at_large_and_chosen_there(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.sees_a_pair()
    await phone.page.locator(".pair:not(.behind) .zoom-tap").nth(1).click()
    await expect(phone.page.get_by_role("dialog")).to_be_visible()
    await phone.is_accessible()
    await phone.page.wait_for_timeout(330)
    await phone.tap("选这一款")
    await phone.until_all_has_arrived()
    assert [one["choice"] for one in world.answers_seen] == ["right"]


async def test_a_killed_app_loses_no_answer(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.choose()
    await phone.until_all_has_arrived()
    await phone.context.set_offline(True)
    for _ in range(3):
        await phone.choose()
    assert await phone.waiting() == 3
    await phone.close()
    await phone.context.set_offline(False)
    await phone.restart()
    await phone.until_all_has_arrived()
    await phone.sees("40 克")
    player = world.only_player()
    assert len(player.choices) == 4
    assert player.available_g == 40
    assert len({one["ticket"] for one in world.answers_seen}) == len(world.answers_seen)


async def test_receipts_that_are_lost_are_asked_for_again_and_count_once(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.sees_a_pair()
    world.lose_next_answers = 2
    await phone.choose()
    await phone.choose()
    await phone.until_all_has_arrived()
    player = world.only_player()
    assert len(player.choices) == 2
    assert player.available_g == 20
    assert len(world.answers_seen) > 2


async def test_a_tap_on_a_pair_that_has_just_come_is_not_taken_for_a_choice(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.sees_a_pair()
    await phone.page.evaluate("() => document.querySelector('.pair:not(.behind) .side-tap').click()")
    assert await phone.waiting() == 0
    assert world.answers_seen == []


async def test_leaving_in_the_middle_of_a_round_keeps_what_was_chosen(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.choose()
    await phone.choose()
    await phone.tap("返回")
    await phone.sees("20 克")
    await phone.tap("选款", exact=True)
    await expect(phone.page.get_by_role("img", name="本轮 2 / 5")).to_be_visible()
    for _ in range(3):
        await phone.choose()
    await phone.sees("这一轮完成了")
    assert len(world.only_player().choices) == 5


async def test_a_service_that_is_down_at_the_start_is_waited_for(phone: Phone, world: Any):
    world.is_down = True
    await phone.open("play")
    await phone.sees("暂时连不上果园")
    await phone.is_accessible()
    world.is_down = False
    await phone.sees_a_pair()


async def test_the_orchard_of_last_time_is_shown_while_the_service_is_down(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.choose()
    await phone.until_all_has_arrived()
    await phone.tap("返回")
    await phone.sees("10 克")
    await phone.close()
    world.is_down = True
    await phone.restart()
    await phone.sees("苹果树 · 种子")
    await phone.sees("暂时连不上果园")


async def test_a_session_that_expires_in_the_middle_renews_itself(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.choose()
    await phone.until_all_has_arrived()
    world.let_every_token_expire()
    await phone.choose()
    await phone.until_all_has_arrived()
    assert len(world.only_player().choices) == 2


async def test_an_expired_ticket_is_explained(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.sees_a_pair()
    world.let_every_ticket_expire()
    await phone.choose()
    await phone.sees("上一题没有计入：这道题已经过期")
    assert world.only_player().available_g == 0


async def test_a_tap_that_got_no_answer_counts_once_when_it_is_repeated(phone: Phone, world: Any):
    await phone.open()
    await phone.tap("种苹果")
    await phone.sees("领今日 30 克")
    world.fail_next["/v1/farm/claims"] = [503]
    await phone.tap("领今日 30 克")
    await phone.sees("服务正在恢复")
    await phone.tap("领今日 30 克")
    await phone.sees("今日已领")
    assert world.only_player().available_g == 30


@pytest.mark.parametrize(
    ("reason", "words"), [("no_test_open", "现在没有适合你的选款"), ("daily_cap_reached", "今天有肥料的选款做满了")]
)
async def test_who_has_nothing_to_choose_is_told_why_and_what_else_there_is(
    phone: Phone, world: Any, reason: str, words: str
):
    world.closed_reason = reason
    await phone.open("play")
    await phone.sees(words)
    await phone.sees("果园里还可以")
    await phone.sees("领今日 30 克")
    await phone.is_accessible()
    await phone.tap("回果园")
    await phone.sees("选一棵，种下去")
    assert world.calls["POST /v1/rounds"] <= 2  # and is not asked for again and again


async def test_a_box_can_be_given_to_those_who_need_it(phone: Phone, world: Any):
    await phone.open()
    await phone.tap("种苹果")
    player = world.only_player()
    player.applied_g = 9_000
    await phone.page.reload()
    await phone.tap("送给需要的人")
    await phone.sees("送出后不能收回")
    await phone.is_accessible()
    await phone.page.keyboard.press("Escape")
    await phone.does_not_see("送出后不能收回")
    await phone.tap("送给需要的人")
    await phone.tap("送出这一箱")
    await phone.sees("送出去了，谢谢你")
    assert player.orders == []
    assert player.variety is None


async def test_spoilt_fruit_is_reported_with_a_picture(phone: Phone, world: Any):
    await phone.open()
    await phone.tap("种苹果")
    player = world.only_player()
    player.applied_g = 9_000
    await phone.page.reload()
    await phone.tap("收获")
    await phone.sees("送达 90 天后删除")
    player.orders[0] |= {"state": "delivered", "damage_until": "2099-12-05T04:00:00Z", "address_editable": False}
    await phone.open("prizes")
    await phone.tap("水果坏了？")
    await phone.sees("12-05 前可以报告")
    await phone.is_accessible()
    await phone.tap("提交")
    await phone.sees("请先选一张照片")
    async with phone.page.expect_file_chooser() as chooser:
        await phone.tap("拍照或选照片")
    await (await chooser.value).set_files(PICTURE)
    await phone.page.get_by_label("坏成什么样").fill("压坏了 6 个")
    await phone.tap("提交", exact=True)
    await phone.sees("坏果正在核实")
    assert player.orders[0]["damage"][0]["text"] == "压坏了 6 个"


async def test_fertilizer_that_will_expire_is_announced_with_its_day(phone: Phone, world: Any):
    await phone.open()
    await phone.tap("种苹果")
    await phone.sees("苹果树 · 种子")
    world.only_player().expiring = [{"expires_on": "2026-12-05", "amount_g": 120}]
    await phone.page.reload()
    await phone.sees("120 克肥料 12-05 过期，施到树上就不会过期")


async def test_consent_is_given_tag_by_tag_and_withdrawn(phone: Phone, world: Any):
    await phone.open("privacy")
    await phone.tap("25–29")
    await phone.sees("已保存")
    await phone.tap("连衣裙")
    await phone.page.wait_for_function("() => document.querySelectorAll('.option.chosen').length === 2")
    player = world.only_player()
    assert player.facts["interests"] == ["dresses"]
    assert "gender" not in player.facts
    await phone.page.wait_for_load_state("networkidle")
    await phone.tap("撤回")
    await phone.sees("已撤回")
    await phone.page.wait_for_function("() => document.querySelectorAll('.option.chosen').length === 1")
    assert "birth_year" not in player.facts


async def test_own_data_are_taken_along_and_the_account_deleted(phone: Phone, world: Any):
    await plant_and_play(phone)
    await phone.choose()
    await phone.until_all_has_arrived()
    first = world.only_player().player_id
    await phone.go("settings")
    async with phone.page.expect_download() as download:
        await phone.tap("导出我的数据")
    assert (await download.value).suggested_filename == "my-xuankuan.json"
    await phone.tap("注销账号")
    await phone.sees("真的要注销吗？")
    await phone.is_accessible()
    await phone.tap("我知道，注销")
    await phone.sees("选一棵，种下去")
    assert world.only_player().player_id != first
    assert not [key for key in await phone.kept() if first in key]


async def test_settings_hold_over_a_restart(phone: Phone):
    await phone.open("settings")
    await phone.tap("深色")
    await phone.page.get_by_role("switch", name="大字版").click()
    await phone.tap("English")
    await phone.sees("Appearance")
    await phone.close()
    await phone.restart()
    await phone.sees("Pick a tree to plant")
    await expect(phone.page.locator(".app")).to_have_class("app night elder still")


async def test_without_the_wish_for_motion_nothing_moves(browser: Browser, world: Any):
    moving = "() => document.getAnimations().filter((one) => one.playState === 'running').length"
    async with a_phone(browser, world.url, still=False) as phone:
        await phone.open()
        await phone.sees("选一棵，种下去")
        assert await phone.page.evaluate(moving) > 0
    async with a_phone(browser, world.url, still=True) as phone:
        await phone.open()
        await phone.sees("选一棵，种下去")
        assert await phone.page.evaluate(moving) == 0


async def test_the_keyboard_alone_is_enough(phone: Phone, world: Any):
    await phone.open("play")
    await phone.sees_a_pair()
    await phone.page.wait_for_timeout(330)
    for _ in range(12):
        await phone.page.keyboard.press("Tab")
        label = await phone.page.evaluate("() => document.activeElement.getAttribute('aria-label') ?? ''")
        if label.startswith("选右边"):
            break
    await phone.page.keyboard.press("Enter")
    await phone.until_all_has_arrived()
    assert [one["choice"] for one in world.answers_seen] == ["right"]
