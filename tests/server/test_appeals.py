"""Laws of appeals: a sanctioned player reads why, contests it once at a time, and reads the answer."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from game.abuse.verdict import REASONS
from game.standing import Opinion, Outcome
from rewards.economy import Economy
from server.flows.answer_appeal import answer_appeal
from server.flows.conclude_player import conclude_player
from server.ids import uuid7
from server.stores import cases, standings
from server.stores.db import transaction
from tests.server.builders import Phone, Service

WORDS = "我每一对都认真看了,请人工复核。"


async def muted(service: Service, phone: Phone, *reasons: str) -> UUID:
    """The player of this phone muted, with a case; returns the case."""
    player_id = UUID(phone.player["player_id"])
    async with transaction(service.engine) as conn:
        known = (await standings.known_of(conn, [player_id]))[player_id]
        case_id = await cases.open_case(
            conn, case_id=uuid7(), kind="player", player_ids=[player_id], opened_by="review", reasons=reasons,
            suggestion="look", evidence={}, now=service.clock.now,
        )  # fmt: skip
        await conclude_player(
            conn, known, Opinion("muted", reasons, 0.0, 0.99), who="review", case_id=case_id, economy=Economy(),
            now=service.clock.now,
        )  # fmt: skip
    assert case_id is not None
    return case_id


async def test_a_muted_player_reads_the_reasons_in_two_languages(service: Service):
    """Codes and sentences, with the player's own facts and in the orchard; and play goes on, for nothing."""
    await service.test()
    phone = await service.phone()
    assert (await phone.call("GET", "/v1/me"))[1]["standing_words"] == []
    await muted(service, phone, "one_sided", "too_fast")
    _, me = await phone.call("GET", "/v1/me")
    assert (me["standing"], me["standing_reasons"]) == ("muted", ["one_sided", "too_fast"])
    said = {words["code"]: (words["zh"], words["en"]) for words in me["standing_words"]}
    assert said == {code: (REASONS[code].zh, REASONS[code].en) for code in ("one_sided", "too_fast")}
    _, farm = await phone.call("GET", "/v1/farm")
    assert farm["standing"]["words"] == me["standing_words"]
    assert {matchup["offer_g"] for matchup in (await phone.round())["matchups"]} == {0}


async def test_an_appeal_is_filed_once_and_read_by_its_player_alone(service: Service):
    """The same words again are the same appeal; other words wait for the answer; another player sees nothing of it."""
    phone, other = await service.phone("甲"), await service.phone("乙")
    case_id = await muted(service, phone, "random")
    status, appeal = await phone.call("POST", "/v1/appeals", {"text": WORDS})
    assert status == 201, appeal
    assert (appeal["state"], appeal["text"], appeal["case_id"]) == ("open", WORDS, str(case_id))
    again = await phone.call("POST", "/v1/appeals", {"text": WORDS, "case_id": str(case_id)})
    assert again == (201, appeal)
    status, refused = await phone.call("POST", "/v1/appeals", {"text": WORDS + "谢谢"})
    assert (status, refused["code"]) == (409, "appeal_open")
    assert (await phone.call("GET", "/v1/appeals"))[1] == {"appeals": [appeal]}
    assert (await phone.call("GET", "/v1/me"))[1]["appeals"] == [appeal]
    assert (await other.call("GET", "/v1/appeals"))[1] == {"appeals": []}
    status, refused = await other.call("POST", "/v1/appeals", {"text": WORDS, "case_id": str(case_id)})
    assert (status, refused["code"]) == (404, "not_found")


async def test_who_is_trusted_has_nothing_to_contest(service: Service):
    phone = await service.phone()
    status, refused = await phone.call("POST", "/v1/appeals", {"text": WORDS})
    assert (status, refused["code"]) == (409, "nothing_to_appeal")
    assert refused["detail"]


@pytest.mark.parametrize("text", ["", "冤", "      ", "长" * 501])
async def test_an_appeal_without_words_or_with_too_many_is_refused_by_field(service: Service, text: str):
    phone = await service.phone()
    await muted(service, phone, "random")
    status, refused = await phone.call("POST", "/v1/appeals", {"text": text})
    assert (status, refused["code"], refused["field"]) == (422, "field_invalid", "text")


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_the_answer_reaches_the_player_in_words(service: Service, outcome: Outcome):
    """Lifted: the standing is clear and play pays again. Upheld: it stays. Either way a new appeal is possible only then."""
    await service.test()
    phone = await service.phone()
    case_id = await muted(service, phone, "random")
    _, appeal = await phone.call("POST", "/v1/appeals", {"text": WORDS})
    async with transaction(service.engine) as conn:
        done = await answer_appeal(
            conn, UUID(appeal["appeal_id"]), outcome, answer="已复核每一对的用时。", who="小林", economy=Economy(),
            now=service.clock.now,
        )  # fmt: skip
    assert done is not None
    _, me = await phone.call("GET", "/v1/me")
    assert me["standing"] == ("trusted" if outcome is Outcome.LIFTED else "muted")
    assert [(one["state"], one["answer"]) for one in me["appeals"]] == [(outcome.value, "已复核每一对的用时。")]
    assert "小林" not in str(me["appeals"]), "who answered stays inside"
    offers = {matchup["offer_g"] for matchup in (await phone.round())["matchups"]}
    assert offers == ({10} if outcome is Outcome.LIFTED else {0})
    async with service.engine.connect() as conn:
        assert (await cases.find(conn, case_id)).state.value == outcome.value
        acts = set(await conn.scalars(sa.text("select what from audit_lines where what like 'appeal.%'")))
    assert acts == {"appeal.file", f"appeal.{outcome.value}"}


async def test_a_deleted_player_leaves_no_link_behind(service: Service):
    phone = await service.phone()
    player_id = UUID(phone.player["player_id"])
    async with transaction(service.engine) as conn:
        await standings.link_player(conn, player_id, kind="payee", digest=b"somebody", now=service.clock.now)
    status, _ = await phone.call("DELETE", "/v1/me")
    assert status == 204
    async with service.engine.connect() as conn:
        assert await conn.scalar(sa.text("select count(*) from player_links")) == 0
