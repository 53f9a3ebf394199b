"""The farm over HTTP and on the real database: exact grams, frozen terms, one winner of each race, clean books."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from rewards import ledger as books
from rewards.days import day_ends_at, day_of
from rewards.economy import DEFAULT, changed
from rewards.errors import RewardsRefusal
from rewards.kinds import Award
from server.edge.words import CATALOGUE
from server.flows.award_produced import award_produced
from server.flows.claim_fertilizer import claim_fertilizer
from server.flows.pay_awards import PROGRAMME, pay_awards
from server.ids import uuid7
from server.jobs.expire_fertilizer import ExpireFertilizer
from server.jobs.pay_owed_awards import PayOwedAwards
from server.jobs.settle_grants import SettleGrants
from server.jobs.vest_invitations import VestInvitations
from server.stores import budgets, farm, ledger
from server.stores.db import transaction
from tests.server.books import as_attacker
from tests.server.builders import Service, a_service
from tests.server.orchard import an_orchard, apply, broken_laws, give, plant, player_id_of, refused, view


@pytest.fixture
async def orchard(database: str, tmp_path: Path) -> AsyncIterator[Service]:
    """The service with trees that eight applications ripen."""
    async with an_orchard(database, tmp_path) as service:
        yield service


def every_refusal(kind: type[RewardsRefusal] = RewardsRefusal) -> list[type[RewardsRefusal]]:
    return [each for one in kind.__subclasses__() for each in (one, *every_refusal(one))]


def test_every_refusal_of_the_rewards_has_a_status_and_a_chinese_sentence() -> None:
    for refusal in every_refusal():
        words = CATALOGUE[refusal.code]
        assert 400 <= words.status < 500
        assert words.zh


# --- planting -------------------------------------------------------------------------------------


async def test_a_new_player_sees_an_empty_orchard_with_its_rules(service: Service) -> None:
    seen = await view(await service.phone())
    assert seen["tree"] is None
    assert (seen["available_g"], seen["held_g"], seen["forecast"]) == (0, 0, None)
    assert seen["today"]["claim"] == {
        "claimed": False, "amount_g": 30, "next_at": seen["today"]["ends_at"],
    }  # fmt: skip
    assert seen["today"]["applications"] == {"made": 0, "cap": 10, "left": 10, "each_g": 50}
    assert seen["today"]["choices"] == {"made": 0, "cap": 20, "left": 20, "each_g": 10}
    assert [one["code"] for one in seen["varieties"]] == ["apple", "mandarin", "pear"]
    assert {one["code"] for one in seen["rules"]["kinds"]} >= {"per_vote", "daily_claim", "streak", "stage_award"}
    assert seen["rules"]["terms"]["frozen"] is False


async def test_a_planted_tree_shows_exact_grams(service: Service) -> None:
    phone = await service.phone()
    tree = (await plant(phone))["tree"]
    assert (tree["stage"], tree["applied_g"], tree["requirement_g"], tree["missing_g"]) == ("seed", 0, 9_000, 9_000)
    assert (tree["next_stage"], tree["next_stage_at_g"], tree["next_stage_award_g"]) == ("sprout", 180, 50)
    assert [stage["at_g"] for stage in tree["stages"]] == [0, 180, 900, 2_700, 5_400, 9_000]
    await give(service, phone, 50)
    tree = (await apply(phone))["farm"]["tree"]
    assert (tree["applied_g"], tree["missing_g"], tree["next_stage_missing_g"]) == (50, 8_950, 130)


async def test_bad_plantings_are_named_and_change_nothing(service: Service) -> None:
    phone = await service.phone()
    assert await refused(phone, "POST", "/v1/farm/trees", {"variety": "durian"}) == (422, "unknown_variety")
    assert await refused(phone, "POST", "/v1/farm/trees", {}) == (422, "field_invalid")
    await plant(phone)
    assert await refused(phone, "POST", "/v1/farm/trees", {"variety": "apple"}) == (409, "second_tree")


async def test_thirty_racing_plantings_make_one_tree(service: Service) -> None:
    phone = await service.phone()
    replies = await asyncio.gather(*(phone.call("POST", "/v1/farm/trees", {"variety": "apple"}) for _ in range(30)))
    assert sorted(status for status, _ in replies) == [201] + [409] * 29
    assert await broken_laws(service) == {}


async def test_terms_stay_as_they_were_when_the_tree_was_planted(database: str, tmp_path: Path) -> None:
    async with an_orchard(database, tmp_path) as service:
        phone = await service.phone()
        await plant(phone)
    async with an_orchard(
        database, tmp_path, **{"apple.requirement_g": 9_999, "applications_per_day": 1, "daily_claim_g": 1}
    ) as service:
        old, new = await service.phone(), await service.phone("新朋友")
        async with service.engine.connect() as conn:
            assert await farm.paid_choices_cap(conn, player_id_of(old)) == 20
            assert await farm.paid_choices_cap(conn, player_id_of(new)) is None
        seen = await view(old)
        assert seen["tree"]["requirement_g"] == 400
        assert seen["rules"]["terms"]["frozen"] is True
        assert seen["today"]["applications"]["cap"] == 10
        assert (await old.call("POST", "/v1/farm/claims"))[1]["awards"][0]["amount_g"] == 30
        assert (await plant(new))["tree"]["requirement_g"] == 9_999


# --- claims ---------------------------------------------------------------------------------------


async def test_a_claim_brings_its_grams_once_a_day(service: Service) -> None:
    phone = await service.phone()
    status, body = await phone.call("POST", "/v1/farm/claims")
    assert (status, body["awards"][0]["amount_g"], body["farm"]["available_g"]) == (200, 30, 30)
    assert await refused(phone, "POST", "/v1/farm/claims") == (409, "already_claimed")
    service.clock.now = day_ends_at(day_of(service.clock()))
    await phone.log_in()
    assert (await phone.call("POST", "/v1/farm/claims"))[1]["farm"]["streak"]["days"] == 2


async def test_thirty_racing_claims_pay_once(service: Service) -> None:
    phone = await service.phone()
    replies = await asyncio.gather(*(phone.call("POST", "/v1/farm/claims") for _ in range(30)))
    assert sorted(status for status, _ in replies) == [200] + [409] * 29
    assert (await view(phone))["available_g"] == 30
    assert await broken_laws(service) == {}


async def test_seven_days_in_a_row_bring_the_bonus_and_a_card_bridges_a_day(service: Service) -> None:
    player = player_id_of(await service.phone())
    brought = []
    for day in (0, 1, 2, 4, 5, 6):
        async with transaction(service.engine) as conn:
            claimed = await claim_fertilizer(
                conn, player_id=player, economy=DEFAULT, now=service.clock() + timedelta(days=day)
            )
        brought.append((claimed.card_used, [award.kind for award in claimed.awards]))
    assert [used for used, _ in brought] == [False, False, False, True, False, False]
    assert brought[-1][1] == ["daily_claim", "streak"]
    assert await broken_laws(service) == {}


async def test_a_full_wallet_is_told_so(database: str, tmp_path: Path) -> None:
    async with an_orchard(database, tmp_path, wallet_cap_g=100) as service:
        phone = await service.phone()
        await give(service, phone, 71)
        assert await refused(phone, "POST", "/v1/farm/claims") == (409, "wallet_full")


async def test_a_switched_off_kind_is_refused_by_name_and_promises_stay(orchard: Service) -> None:
    phone = await orchard.phone()
    await plant(phone)
    await give(orchard, phone, 50)
    async with transaction(orchard.engine) as conn:
        await budgets.switch(
            conn, scope="kind", target="daily_claim", stops=True, why="test", who="test", now=orchard.clock()
        )
    assert await refused(phone, "POST", "/v1/farm/claims") == (409, "rewards_switched_off")
    assert (await apply(phone))["awards"] == [
        {"kind": "stage_award", "name": {"zh": "成长奖励", "en": "Growth award"}, "amount_g": 7}
    ]


# --- applications ---------------------------------------------------------------------------------


async def test_bad_applications_are_named_and_change_nothing(orchard: Service) -> None:
    phone = await orchard.phone()
    path = "/v1/farm/applications"
    assert await refused(phone, "POST", path, {"times": 1}) == (404, "no_tree")
    await plant(phone)
    assert await refused(phone, "POST", path, {"times": 1}) == (409, "not_enough_fertilizer")
    await give(orchard, phone, 1_000)
    for times in (0, -3, 11, 1_000):
        assert await refused(phone, "POST", path, {"times": times}) == (422, "not_so_many_times")
    for body in ({"times": 1.5}, {"times": "many"}, {"times": 10**30}, {"time": 1}, [], None):
        assert await refused(phone, "POST", path, body) == (422, "field_invalid")


async def test_the_cap_of_the_day_is_checked_on_the_sum(service: Service) -> None:
    phone = await service.phone()
    await plant(phone)
    await give(service, phone, 1_000)
    assert (await apply(phone, 9))["times"] == 9
    assert (await apply(phone, 5))["times"] == 1
    assert await refused(phone, "POST", "/v1/farm/applications", {"times": 1}) == (409, "daily_cap_reached")


async def test_racing_applications_of_two_phones_keep_the_cap_and_the_wallet(service: Service) -> None:
    one, other = await service.phone(), await service.phone(device="another phone")
    await plant(one)
    await give(service, one, 1_000)
    await asyncio.gather(
        *(phone.call("POST", "/v1/farm/applications", {"times": 3}) for phone in (one, other) for _ in range(10))
    )
    seen = await view(one)
    assert (seen["tree"]["applied_g"], seen["today"]["applications"]["left"]) == (500, 0)
    assert seen["available_g"] == 1_000 - 500 + 50  # a stage was reached on the way
    assert await broken_laws(service) == {}


async def test_an_application_whose_reply_was_lost_is_made_once_under_its_key(service: Service) -> None:
    phone = await service.phone()
    await plant(phone)
    await give(service, phone, 500)
    headers = phone.headers | {"Idempotency-Key": "application-0001"}
    replies = [await phone.call("POST", "/v1/farm/applications", {"times": 2}, headers=headers) for _ in range(3)]
    assert [status for status, _ in replies] == [200] * 3
    assert replies[0][1] == replies[1][1] == replies[2][1]
    assert (await view(phone))["tree"]["applied_g"] == 100


async def test_the_last_application_takes_what_is_missing(orchard: Service) -> None:
    phone = await orchard.phone()
    await plant(phone)
    await give(orchard, phone, 430)
    await apply(phone, 7)
    done = await apply(phone, 3)
    assert (done["times"], done["amount_g"], done["stages"]) == (1, 50, ["ripe"])
    assert done["farm"]["available_g"] == 37  # 430 + 7 - 400
    assert done["farm"]["forecast"]["sentence"]["zh"] == "成熟了,可以收获。"
    assert await refused(phone, "POST", "/v1/farm/applications", {"times": 1}) == (409, "tree_is_ripe")


async def test_the_forecast_is_made_of_the_players_own_week(service: Service) -> None:
    phone = await service.phone()
    await plant(phone)
    await give(service, phone, 300)
    await apply(phone, 6)
    said = (await view(phone))["forecast"]
    # 300 g and a stage award of 50 g in one day: (8 700 - 50) / 350 days, rounded up.
    assert (said["missing_g"], said["days"]) == (8_700, 25)
    assert said["sentence"]["zh"] == "还差 8 700 克,按你的节奏 25 天"


# --- awards ---------------------------------------------------------------------------------------


async def test_a_kind_that_is_switched_off_is_earned_and_paid_when_it_is_on_again(service: Service) -> None:
    """A streak that was begun is a promise: switched off in between, its bonus waits, and nothing else does."""
    phone = await service.phone()
    words = {"scope": "kind", "target": "streak", "why": "a leak", "who": "operator"}
    job = PayOwedAwards(service.engine, lambda: service.shell.economy)
    for day in range(7):
        if day == 6:
            async with transaction(service.engine) as conn:
                await budgets.switch(conn, **words, stops=True, now=service.clock())
        assert (await phone.call("POST", "/v1/farm/claims"))[0] == 200
        seen = await view(phone)
        service.clock.forward(days=1)
        await phone.log_in()
    assert (seen["available_g"], seen["fertilizer"]["owed_g"]) == (7 * 30, 100)
    assert await job.run(service.clock()) == 0
    async with transaction(service.engine) as conn:
        await budgets.switch(conn, **words, stops=False, now=service.clock())
    assert await job.run(service.clock()) == 1
    seen = await view(phone)
    assert (seen["available_g"], seen["fertilizer"]["owed_g"]) == (7 * 30 + 100, 0)
    assert await broken_laws(service) == {}


async def test_what_the_programme_cannot_pay_today_is_owed_and_paid_later(database: str, tmp_path: Path) -> None:
    async with an_orchard(database, tmp_path, programme_day_g=40) as service:
        phone, late = await service.phone(), await service.phone("晚到")
        assert (await phone.call("POST", "/v1/farm/claims"))[1]["farm"]["available_g"] == 30
        seen = (await late.call("POST", "/v1/farm/claims"))[1]["farm"]
        assert (seen["available_g"], seen["fertilizer"]["owed_g"]) == (0, 30)
        job = PayOwedAwards(service.engine, lambda: service.shell.economy)
        assert await job.run(service.clock()) == 0
        service.clock.forward(days=1)
        assert await job.run(service.clock()) == 1
        await late.log_in()
        seen = await view(late)
        assert (seen["available_g"], seen["fertilizer"]["owed_g"]) == (30, 0)
        assert await broken_laws(service) == {}


async def test_a_day_gives_its_figure_and_not_what_was_left_of_yesterday_besides(database: str, tmp_path: Path) -> None:
    """Yesterday's 40 g were not spent (45 g were owed, and that is more); today 40 g are given, and not 70."""
    async with an_orchard(database, tmp_path, programme_day_g=40) as service:
        rich, *others = [await service.phone(name) for name in ("一", "二", "三")]
        await give(service, rich, 45)
        assert (await view(rich))["fertilizer"]["owed_g"] == 45
        service.clock.forward(days=1)
        for phone in others:
            await phone.log_in()
            assert (await phone.call("POST", "/v1/farm/claims"))[0] == 200
        assert [(await view(phone))["available_g"] for phone in others] == [30, 0]
        assert await broken_laws(service) == {}


async def test_thirty_friends_at_once_are_ten_invitations(service: Service) -> None:
    """The limit is kept on the sum, whoever comes at the same moment."""
    inviter = await service.phone("邀请人")
    friends = [await service.phone(f"朋友{number}") for number in range(30)]
    body = {"inviter_id": inviter.player["player_id"]}
    replies = await asyncio.gather(*(phone.call("POST", "/v1/farm/invitations", body) for phone in friends))
    assert sorted(status for status, _ in replies) == [201] * 10 + [409] * 20
    assert (await view(inviter))["tasks"][-1]["progress"] == 10


async def test_racing_payments_of_one_fact_pay_it_once(service: Service) -> None:
    player = player_id_of(await service.phone())
    award = Award(kind="restored", player_id=player, amount_g=10, fact=str(uuid7()))

    async def pay() -> None:
        async with transaction(service.engine) as conn:
            await pay_awards(conn, [award], economy=DEFAULT, now=service.clock())

    await asyncio.gather(*(pay() for _ in range(8)))
    async with service.engine.connect() as conn:
        assert await ledger.balance(conn, books.player(player)) == 10
        assert await ledger.balance(conn, books.programme_budget(PROGRAMME)) == DEFAULT.programme_day_g - 10


async def test_a_produced_style_thanks_each_chooser_once(service: Service) -> None:
    one, other = player_id_of(await service.phone()), player_id_of(await service.phone("小红"))
    test_id, style_id = uuid7(), uuid7()
    for chosen in ([one], [one, other], [other]):
        async with transaction(service.engine) as conn:
            await award_produced(
                conn, test_id=test_id, style_id=style_id, chose_it=chosen, economy=DEFAULT, now=service.clock()
            )
    async with service.engine.connect() as conn:
        assert await ledger.balances(conn, [books.player(one), books.player(other)]) == {
            books.player(one): 20,
            books.player(other): 20,
        }


async def test_an_invitation_vests_with_the_friends_own_vetted_votes(database: str, tmp_path: Path) -> None:
    economy = changed(DEFAULT, {"invite_vetted_votes": 2, "hold_new_s": 0})
    async with a_service(database, tmp_path, economy=economy) as service:
        await service.test()
        inviter, friend = await service.phone("介绍人"), await service.phone("朋友")
        path, body = "/v1/farm/invitations", {"inviter_id": inviter.player["player_id"]}
        assert await refused(inviter, "POST", path, body) == (422, "own_invitation")
        assert (await friend.call("POST", path, body))[0] == 201
        assert await refused(friend, "POST", path, body) == (409, "invited_before")
        assert await refused(friend, "POST", path, {"inviter_id": str(uuid7())}) == (404, "not_found")
        job = VestInvitations(service.engine, lambda: economy)
        for vested in (0, 0, 1):
            assert await job.run(service.clock()) == vested
            matchup = (await friend.round(size=1))["matchups"][0]
            await friend.answer((matchup["ticket"], "left"))
            service.clock.forward(seconds=1)
            await SettleGrants(service.engine).run(service.clock())
        assert (await view(inviter))["available_g"] == 300
        assert await job.run(service.clock()) == 0
        assert await broken_laws(service) == {}


# --- family ---------------------------------------------------------------------------------------


async def test_a_family_grows_one_tree_and_each_harvests_a_box(orchard: Service) -> None:
    mother, father, stranger = [await orchard.phone(name) for name in ("妈妈", "爸爸", "路人")]
    tree_id = (await plant(mother))["tree"]["tree_id"]
    status, seen = await father.call("POST", "/v1/farm/family", {"tree_id": tree_id})
    assert (status, seen["tree"]["requirement_g"], seen["tree"]["boxes"]) == (201, 800, 2)
    assert await refused(father, "POST", "/v1/farm/family", {"tree_id": tree_id}) == (409, "in_family_already")
    for phone in (mother, father):
        await give(orchard, phone, 400)
        await apply(phone, 8)
    assert await refused(stranger, "POST", "/v1/farm/family", {"tree_id": tree_id}) == (409, "too_late_to_join")
    assert await refused(stranger, "POST", "/v1/farm/family", {"tree_id": str(uuid7())}) == (404, "no_tree")
    redemptions = []
    for phone in (mother, father):
        redemptions.append((await phone.call("POST", "/v1/farm/harvests", {}))[1]["redemption_id"])
        assert await refused(phone, "POST", "/v1/farm/harvests", {}) == (404, "no_tree")
    assert len(set(redemptions)) == 2
    assert await broken_laws(orchard) == {}


# --- wallet ---------------------------------------------------------------------------------------


async def test_the_wallet_says_every_gram_with_its_reason(orchard: Service) -> None:
    phone = await orchard.phone()
    await plant(phone)
    await phone.call("POST", "/v1/farm/claims")
    await give(orchard, phone, 20)
    await apply(phone)
    status, body = await phone.call("GET", "/v1/wallet")
    assert status == 200
    assert sum(line["amount_g"] for line in body["lines"]) == body["available_g"] == 7
    assert {(line["reason"], line["kind"], line["amount_g"]) for line in body["lines"]} == {
        ("programme_awarded", "daily_claim", 30),
        ("programme_awarded", "restored", 20),
        ("fertilizer_applied", None, -50),
        ("programme_awarded", "stage_award", 7),
    }
    assert all(line["text"]["zh"] and line["text"]["en"] for line in body["lines"])


async def test_the_wallet_turns_its_pages_without_losing_a_line(orchard: Service) -> None:
    phone = await orchard.phone()
    for _ in range(60):
        await give(orchard, phone, 1)
    seen, cursor = [], None
    while True:
        _, body = await phone.call("GET", "/v1/wallet" + (f"?cursor={cursor}" if cursor else ""))
        seen += [line["transfer_id"] for line in body["lines"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 60
    assert (await phone.call("GET", "/v1/wallet?cursor=x"))[0] == 422


# --- expiry ---------------------------------------------------------------------------------------


async def test_unused_fertilizer_expires_after_two_notices(orchard: Service) -> None:
    phone = await orchard.phone()
    await give(orchard, phone, 70)
    job = ExpireFertilizer(orchard.engine, lambda: orchard.shell.economy)
    first = day_of(orchard.clock())
    seen = []
    for day in (165, 166, 170, 177, 180, 181, 182):
        orchard.clock.now = day_ends_at(first + timedelta(days=day - 1)) + timedelta(hours=3)
        await job.run(orchard.clock())
        await phone.log_in()
        farm_seen = await view(phone)
        seen.append((day, farm_seen["available_g"], [one["amount_g"] for one in farm_seen["expiring"]]))
    assert [available for day, available, _ in seen if day <= 180] == [70] * 5
    assert [available for day, available, _ in seen if day >= 181] == [0] * 2
    assert {day: notices for day, _, notices in seen}[166] == [70]
    assert {day: notices for day, _, notices in seen}[165] == []
    async with orchard.engine.connect() as conn:
        sent = await farm.notices_of(conn, player_id_of(phone), from_day=first)
    assert [notice.days_before for notice, _ in sent] == [3, 14]
    assert await broken_laws(orchard) == {}


async def test_an_announced_expiry_shows_what_is_still_unused_to_the_gram(orchard: Service) -> None:
    """70 g were announced; 50 g are applied: 20 g are shown, and after the rest was used nothing is."""
    phone, first = await orchard.phone(), day_of(orchard.clock())
    await plant(phone)
    await give(orchard, phone, 70)
    orchard.clock.now = day_ends_at(first + timedelta(days=165)) + timedelta(hours=3)
    await ExpireFertilizer(orchard.engine, lambda: orchard.shell.economy).run(orchard.clock())
    await phone.log_in()
    assert [one["amount_g"] for one in (await view(phone))["expiring"]] == [70]
    assert [one["amount_g"] for one in (await apply(phone, 1))["farm"]["expiring"]] == [20]
    await give(orchard, phone, 100)
    assert (await apply(phone, 1))["farm"]["expiring"] == []


async def test_a_clock_that_is_an_hour_wrong_expires_nothing_early(orchard: Service) -> None:
    phone = await orchard.phone()
    await give(orchard, phone, 70)
    job = ExpireFertilizer(orchard.engine, lambda: orchard.shell.economy)
    ends = day_ends_at(day_of(orchard.clock()) + timedelta(days=180))
    for before in (timedelta(days=14), timedelta(days=3, hours=12)):
        await job.run(ends - before)
    await job.run(ends - timedelta(minutes=1) + timedelta(hours=1))
    async with orchard.engine.connect() as conn:
        assert await ledger.balance(conn, books.player(player_id_of(phone))) == 70
    await job.run(ends + timedelta(hours=2))
    async with orchard.engine.connect() as conn:
        assert await ledger.balance(conn, books.player(player_id_of(phone))) == 0


# --- the law in the database ----------------------------------------------------------------------


UNLAWFUL = (
    "update trees set applied_g = applied_g - 1",
    "update trees set terms = terms || '{\"box_g\": 500}'",
    "delete from trees",
    "update applications set amount_g = 1",
    "delete from applications",
    "update claims set amount_g = 1",
    "update awards set amount_g = amount_g + 1",
    "delete from awards",
    "truncate tree_stages",
    "update farm_days set applications = cap + 1",
    "insert into tree_members (player_id, tree_id, place, joined_at) "
    "select player_id, gen_random_uuid(), 0, now() from tree_members",
)

DRIFTS = {
    "update trees set applied_g = applied_g + 1": "tree_holds_its_grams",
    "update applications set amount_g = amount_g + 1": "application_has_one_transfer",
    "update farm_days set applications = applications + 1": "day_counts_its_applications",
    "update awards set amount_g = amount_g + 1 where kind = 'daily_claim'": "award_is_paid_once_or_owed",
    "update claims set amount_g = amount_g + 2": "claim_has_its_award",
    "delete from awards where kind = 'stage_award'": "stage_is_awarded_as_promised",
}


async def test_the_database_refuses_to_break_the_farms_laws_and_the_audit_names_a_drift_of_one_gram(
    orchard: Service,
) -> None:
    phone = await orchard.phone()
    await plant(phone)
    await phone.call("POST", "/v1/farm/claims")
    await give(orchard, phone, 50)
    await apply(phone)
    assert await broken_laws(orchard) == {}
    for statement in UNLAWFUL:
        with pytest.raises(DBAPIError):
            async with transaction(orchard.engine) as conn:
                await conn.execute(sa.text(statement))
    assert await broken_laws(orchard) == {}
    for statement in DRIFTS:
        assert await as_attacker(orchard.engine, statement) == 1
    assert set(await broken_laws(orchard)) >= set(DRIFTS.values())


async def test_a_deleted_player_has_no_farm(service: Service) -> None:
    phone = await service.phone()
    await plant(phone)
    assert (await phone.call("DELETE", "/v1/me"))[0] == 204
    for method, path in (
        ("GET", "/v1/farm"),
        ("POST", "/v1/farm/claims"),
        ("GET", "/v1/wallet"),
        ("GET", "/v1/redemptions"),
    ):
        assert (await phone.call(method, path))[0] == 401


async def test_saved_economies_are_read_again(service: Service) -> None:
    async with transaction(service.engine) as conn:
        assert await farm.current_economy(conn) == DEFAULT
        saved = changed(DEFAULT, {"choice_g": 12, "apple.requirement_g": 8_000})
        await farm.save_economy(conn, saved, who="test", why="dearer choices", now=service.clock())
        assert await farm.current_economy(conn) == saved
