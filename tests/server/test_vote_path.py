"""The way of one vote: dealt, signed, answered, recorded once, granted once, and the same receipt for ever."""

import asyncio

import sqlalchemy as sa

from game import matchup
from game.matchup import Choice
from server.stores.grants import grants
from server.stores.votes import votes
from tests.server.builders import Service


async def count(service: Service, table: sa.Table) -> int:
    async with service.engine.connect() as conn:
        return int(await conn.scalar(sa.select(sa.func.count()).select_from(table)))


async def test_a_round_shows_two_styles_a_question_and_an_offer(service: Service) -> None:
    """What a player is dealt is complete, and its offer is what the programme pays."""
    test = await service.test(styles=4)
    phone = await service.phone()
    dealt = await phone.round(size=5)
    assert len(dealt["matchups"]) == 5
    first = dealt["matchups"][0]
    assert first["offer_g"] == 10
    assert first["question"] == test.question
    titles = {style.title for style in test.styles}
    assert {first["left"]["title"], first["right"]["title"]} <= titles
    assert first["left"]["style_id"] != first["right"]["style_id"]


async def test_no_pair_is_dealt_twice_to_a_player(service: Service) -> None:
    """Six pairs of four styles are all there is; the seventh is an empty round that says why."""
    await service.test(styles=4)
    phone = await service.phone()
    shown = []
    for _ in range(3):
        shown += (await phone.round(size=3))["matchups"]
    pairs = {frozenset((m["left"]["style_id"], m["right"]["style_id"])) for m in shown}
    assert len(shown) == len(pairs) == 6
    empty = await phone.round()
    assert empty["matchups"] == []
    assert empty["reason"] == "all_pairs_met"


async def test_the_same_answer_again_gets_the_same_receipt(service: Service) -> None:
    """One vote and one grant, however often the answer is sent; another choice is refused by name."""
    await service.test()
    phone = await service.phone()
    ticket = (await phone.round())["matchups"][0]["ticket"]
    first = await phone.answer((ticket, "left"))
    assert first["receipts"][0]["status"] == "counted"
    assert first["receipts"][0]["grant_g"] == 10
    assert first["fertilizer"] == {"available_g": 0, "held_g": 10}
    again = await phone.answer((ticket, "left"))
    assert again["receipts"][0]["status"] == "repeated"
    assert again["receipts"][0]["grant_g"] == 10
    other = await phone.answer((ticket, "right"))
    assert (other["receipts"][0]["status"], other["receipts"][0]["code"]) == ("refused", "answered_differently")
    assert (await count(service, votes), await count(service, grants)) == (1, 1)


async def test_thirty_racing_answers_make_one_vote(service: Service) -> None:
    """Of thirty answers at once one is counted, and all others repeat it."""
    await service.test()
    phone = await service.phone()
    ticket = (await phone.round())["matchups"][0]["ticket"]
    replies = await asyncio.gather(*(phone.answer((ticket, "right")) for _ in range(30)))
    statuses = [reply["receipts"][0]["status"] for reply in replies]
    assert sorted(set(statuses)) == ["counted", "repeated"]
    assert statuses.count("counted") == 1
    assert (await count(service, votes), await count(service, grants)) == (1, 1)


async def test_a_ticket_twice_in_one_batch_counts_once(service: Service) -> None:
    """Also within one request an answer is counted once."""
    await service.test()
    phone = await service.phone()
    ticket = (await phone.round())["matchups"][0]["ticket"]
    reply = await phone.answer((ticket, "left"), (ticket, "left"), (ticket, "neither"))
    assert [receipt["status"] for receipt in reply["receipts"]] == ["counted", "repeated", "refused"]
    assert await count(service, votes) == 1


async def test_an_expired_ticket_is_refused_unless_it_was_answered_in_time(service: Service) -> None:
    """Too late is too late; but what was recorded in time is acknowledged for ever."""
    await service.test()
    phone = await service.phone()
    in_time, too_late = [m["ticket"] for m in (await phone.round(size=2))["matchups"]]
    await phone.answer((in_time, "left"))
    service.clock.forward(hours=2)
    reply = await phone.answer((in_time, "left"), (too_late, "left"), (in_time, "right"))
    assert [(r["status"], r["code"]) for r in reply["receipts"]] == [
        ("repeated", None),
        ("refused", "ticket_expired"),
        ("refused", "answered_differently"),
    ]


async def test_forged_foreign_and_mutilated_tickets_are_refused_by_name(service: Service) -> None:
    """None of them makes a vote, and none of them a 500."""
    await service.test()
    mei, lan = await service.phone("小美"), await service.phone("小兰")
    ticket = (await mei.round())["matchups"][0]["ticket"]
    forged = ticket[:20] + ("A" if ticket[20] != "A" else "B") + ticket[21:]
    reply = await mei.answer((forged, "left"), (ticket[:-8], "left"), ("", "left"), ("ключ", "left"), (ticket, "both"))
    assert [receipt["code"] for receipt in reply["receipts"]] == [
        "ticket_forged",
        "ticket_malformed",
        "ticket_malformed",
        "ticket_malformed",
        "choice_unknown",
    ]
    foreign = await lan.answer((ticket, "left"))
    assert (foreign["receipts"][0]["code"], foreign["receipts"][0]["matchup_id"]) == ("ticket_foreign", None)
    assert await count(service, votes) == 0


async def test_a_ticket_is_bound_to_its_device(service: Service) -> None:
    """The same player on another phone asks for a round of his own."""
    await service.test()
    first = await service.phone("小美", "phone one")
    second = await service.phone("小美", "phone two")
    assert first.player["player_id"] == second.player["player_id"]
    ticket = (await first.round())["matchups"][0]["ticket"]
    reply = await second.answer((ticket, "left"))
    assert reply["receipts"][0]["code"] == "ticket_other_device"
    again = await service.phone("小美", "phone one")
    assert (await again.answer((ticket, "left")))["receipts"][0]["status"] == "counted"


async def test_neither_is_on_record_and_unclear_is_not(service: Service) -> None:
    """Liking none is an answer; not having seen is none."""
    await service.test()
    phone = await service.phone()
    one, two = [m["ticket"] for m in (await phone.round(size=2))["matchups"]]
    reply = await phone.answer((one, "neither"), (two, "unclear"))
    assert [(r["status"], r["code"]) for r in reply["receipts"]] == [("counted", None), ("refused", "picture_unclear")]
    async with service.engine.connect() as conn:
        assert (await conn.scalars(sa.select(votes.c.choice))).all() == [Choice.NEITHER]


async def test_a_day_has_twenty_paid_choices(service: Service) -> None:
    """The cap counts what is answered and what is out, on the sum: at 18 of 20 a round of five has two."""
    await service.test(styles=12)
    phone = await service.phone()
    for size in (10, 8):
        await phone.answer(*[(m["ticket"], "left") for m in (await phone.round(size=size))["matchups"]])
    assert len((await phone.round(size=5))["matchups"]) == 2
    refused = await phone.round(size=5)
    assert (refused["matchups"], refused["reason"]) == ([], "daily_cap_reached")
    service.clock.forward(days=1)
    assert len((await phone.round(size=5))["matchups"]) == 5


async def test_a_ticket_carries_what_was_offered(service: Service) -> None:
    """A ticket reads back to the matchup that was dealt, under any key that is still known."""
    await service.test()
    phone = await service.phone()
    dealt = (await phone.round())["matchups"][0]
    read = matchup.read(dealt["ticket"], service.shell.config.ticket_keys)
    assert str(read.matchup_id) == dealt["matchup_id"]
    assert read.offer_g == dealt["offer_g"]


async def test_a_deleted_player_is_told_so(service: Service) -> None:
    """After deletion the token is void at once; the votes stay without anyone behind them."""
    await service.test()
    phone = await service.phone()
    tickets = [m["ticket"] for m in (await phone.round(size=2))["matchups"]]
    await phone.answer((tickets[0], "left"))
    status, _ = await phone.call("DELETE", "/v1/me")
    assert status == 204
    status, body = await phone.call("POST", "/v1/rounds", {"size": 1})
    assert (status, body["code"]) == (401, "unauthenticated")
    assert await count(service, votes) == 1
