"""Laws of links: boxes that go to one place link accounts by hashes, rings are judged together, families are not guilty."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from server.flows.link_player import link_text
from server.jobs.sweep_abuse import SweepAbuse
from server.stores import farm, players, standings
from server.stores.db import transaction
from tests.server.builders import SteppingClock, a_running_test
from tests.server.orchard import a_harvest, an_orchard, player_id_of, stock
from tests.server.voters import Ballot

ADDRESS = {
    "name": "林小美", "phone": "13800138000", "province": "浙江省", "city": "杭州市", "district": "西湖区",
    "street": "文三路 100 号 2 幢 301",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        ("phone", "138 0013 8000", "+86-13800138000", True),
        ("phone", "13800138000", "13800138001", False),
        ("payee", "浙江省杭州市文三路 100 号", "浙江省 杭州市,文三路１００号", True),
        ("payee", "文三路100号301", "文三路100号302", False),
        ("device", "a b", "ab", False),
    ],
)
def test_the_same_place_written_in_another_way_is_the_same_place(kind: str, one: str, other: str, same: bool) -> None:
    assert (link_text(kind, one) == link_text(kind, other)) == same


async def test_an_address_links_accounts_and_its_text_is_nowhere(database: str, tmp_path: Path) -> None:
    """Two accounts with one address, written differently, have one payee and one phone; deletion forgets the links."""
    async with an_orchard(database, tmp_path) as service:
        await stock(service, 9)
        phones = [await service.phone(name) for name in ("小美", "小美的小号", "别人")]
        written = [
            ADDRESS,
            {**ADDRESS, "name": "林女士", "street": "文三路100号,2幢 301", "phone": "138-0013-8000"},
            {**ADDRESS, "street": "文三路 7 号", "phone": "13900139000"},
        ]
        for phone, address in zip(phones, written, strict=True):
            redemption_id = await a_harvest(service, phone)
            status, body = await phone.call("PUT", f"/v1/redemptions/{redemption_id}/address", address)
            assert status == 200, body
        ids = [player_id_of(phone) for phone in phones]
        async with service.engine.connect() as conn:
            known = await standings.known_of(conn, ids)
            rows = " ".join(await conn.scalars(sa.text("select l::text from player_links l")))
        one, other, stranger = (known[each] for each in ids)
        assert one.payee == other.payee != stranger.payee
        assert one.phone == other.phone != stranger.phone
        assert one.payee is not None
        for text in ("文三路", "13800138000"):
            assert text not in rows
            assert text.encode().hex() not in rows
        assert (await phones[0].call("DELETE", "/v1/me"))[0] == 204
        async with service.engine.connect() as conn:
            left = await conn.scalar(sa.text("select count(*) from player_links where player_id = :id"), {"id": ids[0]})
        assert left == 0


async def linked(ballot: Ballot, ids: list, by: str) -> None:
    """Tie accounts together: by a payee, a phone, or as guests of the first."""
    async with transaction(ballot.engine) as conn:
        for each in ids:
            if by != "invitation":
                await standings.link_player(conn, each, kind=by, digest=b"one place", now=ballot.now)
            elif each != ids[0]:
                await conn.execute(
                    sa.insert(farm.invitations).values(
                        invitee_id=each, inviter_id=ids[0], invited_at=ballot.now, amount_g=300,
                        vetted_votes_wanted=20, vests_until=ballot.now,
                    )
                )  # fmt: skip


@pytest.mark.parametrize("by", ["payee", "phone", "invitation"])
async def test_pushers_who_are_linked_are_judged_by_what_they_do_together(engine, by: str) -> None:
    """Ten accounts with twenty votes each, a suspicion alone, are weighed and some muted together, and are told why."""
    ballot = await Ballot(engine, await a_running_test(engine, styles=8, decoys=2), SteppingClock().now).open()
    honest = await ballot.people(60, each=20)
    ring = await ballot.people(10, how="push", pushed=7, each=20)
    await SweepAbuse(engine).run(ballot.now)
    alone = await standing_of(ballot, ring)
    assert "muted" not in alone, "what one pushes alone is content, and content never mutes"
    await linked(ballot, ring, by)
    await SweepAbuse(engine).run(ballot.now)
    together = await standing_of(ballot, ring)
    assert together.count("muted") >= 2, together
    assert together.count("trusted") <= 1, together
    async with engine.connect() as conn:
        told = [await standings.verdicts_on(conn, each) for each in ring]
    assert sum("linked" in verdicts[0].opinion.reasons for verdicts in told if verdicts) >= 8
    assert "muted" not in await standing_of(ballot, honest)


@pytest.mark.parametrize("by", ["payee", "phone", "invitation"])
async def test_a_family_that_is_linked_is_judged_one_by_one(engine, by: str) -> None:
    """One member who taps one side only is muted; those at the same table are not."""
    ballot = await Ballot(engine, await a_running_test(engine, styles=8, decoys=2), SteppingClock().now).open()
    await ballot.people(50)
    family = await ballot.people(4)
    cheat = await ballot.people(1, how="left")
    await linked(ballot, [*cheat, *family], by)
    await SweepAbuse(engine).run(ballot.now)
    assert await standing_of(ballot, cheat) == ["muted"]
    assert set(await standing_of(ballot, family)) == {"trusted"}


async def standing_of(ballot: Ballot, ids: list) -> list[str]:
    async with ballot.engine.connect() as conn:
        found = [await players.find(conn, each) for each in ids]
    return [player.standing for player in found if player is not None]
