"""Laws of the mirror: it shows a player's own choices, only where there was a choice, and only from enough of them."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from game.matchup import Choice
from game.style_test import Style, numbered
from game.taste import ENOUGH_CHOICES, ENOUGH_MEETINGS, favourites
from rewards.economy import Economy
from server.flows.launch_test import launch_test
from server.ids import uuid7
from server.stores import sales
from server.stores.db import transaction
from tests.server.builders import Service, a_test, put_on_record

RED, WHITE = {"颜色": "红", "袖长": "短"}, {"颜色": "白", "袖长": "短"}


def test_nothing_is_said_of_few_choices():
    assert favourites([(RED, WHITE)] * (ENOUGH_CHOICES - 1)) == ()
    said = favourites([(RED, WHITE)] * ENOUGH_CHOICES)
    assert [(one.level, one.share_permille, one.n) for one in said] == [("红", 1000, 20), ("白", 0, 20)]


def test_an_attribute_that_both_share_says_nothing():
    assert {one.attribute for one in favourites([(RED, WHITE)] * 30)} == {"颜色"}


@given(
    st.lists(st.tuples(st.sampled_from("红白蓝绿"), st.sampled_from("红白蓝绿")), min_size=ENOUGH_CHOICES, max_size=80)
)
def test_shares_are_of_meetings_and_a_win_of_one_level_is_a_loss_of_another(pairs):
    choices = [({"颜色": won}, {"颜色": lost}) for won, lost in pairs]
    for one in favourites(choices):
        met = [(won, lost) for won, lost in pairs if won != lost and one.level in (won, lost)]
        assert one.n == len(met) >= ENOUGH_MEETINGS
        won = sum(1 for winner, _ in met if winner == one.level)
        assert abs(one.share_permille - 1000 * won / one.n) <= 0.5


async def a_coloured_test(service: Service):
    """A running test of eight styles in two colours, with a check pair's poor picture in a third."""
    draft = a_test(styles=8, decoys=1)
    colours = ["红", "白"] * 4 + ["灰"]
    styles = [
        Style(uuid7(), 0, f"款式{k}", title_en=f"Style {k}", picture=f"{k:064x}", decoy=k == 8,
              attributes=(("颜色", colours[k]),))
        for k in range(9)
    ]  # fmt: skip
    draft = await put_on_record(service.engine, replace(draft, styles=numbered(styles)))
    async with transaction(service.engine) as conn:
        running = await launch_test(
            conn, draft.test_id, merchant_id=draft.merchant_id, economy=Economy(), who="test", now=draft.created_at
        )
    await service.shell.dealer.refresh()
    return running


async def test_the_mirror_over_the_wire(service: Service):
    """Who always takes red reads so, after enough choices; decoys are nobody's taste; another player reads nothing."""
    test = await a_coloured_test(service)
    colour = {str(style.style_id): style.attribute_map["颜色"] for style in test.styles}
    phone, other = await service.phone("甲"), await service.phone("乙")
    assert (await phone.call("GET", "/v1/taste")) == (200, {"choices": 0, "favourites": [], "cards": []})
    made = 0
    for _ in range(2):
        for matchup in (await phone.round(size=20))["matchups"]:
            left, right = (colour[matchup[side]["style_id"]] for side in ("left", "right"))
            await phone.answer((matchup["ticket"], "left" if left == "红" or right == "灰" else "right"))
            made += 1
        service.clock.now += timedelta(days=1)
    _, taste = await phone.call("GET", "/v1/taste")
    assert taste["choices"] == made > ENOUGH_CHOICES
    assert {one["level"]: one["share_permille"] for one in taste["favourites"]} == {"红": 1000, "白": 0}
    assert (await other.call("GET", "/v1/taste"))[1]["choices"] == 0


async def test_a_style_that_was_made_is_a_card_for_those_who_met_it(service: Service):
    test = await a_coloured_test(service)
    phone = await service.phone()
    matchup = (await phone.round(size=1))["matchups"][0]
    await phone.answer((matchup["ticket"], Choice.LEFT.word))
    async with transaction(service.engine) as conn:
        await sales.add_produced(
            conn, test.test_id, [UUID(matchup[side]["style_id"]) for side in ("left", "right")], service.clock.now
        )
    _, taste = await phone.call("GET", "/v1/taste", headers={**phone.headers, "Accept-Language": "en"})
    cards = {card["title"]: card for card in taste["cards"]}
    assert len(cards) == 2
    assert cards[matchup["left"]["title"].replace("款式", "Style ")]["chosen"] is True
    assert cards[matchup["right"]["title"].replace("款式", "Style ")]["chosen"] is False
    assert all(card["image_url"].startswith("/media/") for card in cards.values())
    stranger = await service.phone("乙")
    assert (await stranger.call("GET", "/v1/taste"))[1]["cards"] == []
