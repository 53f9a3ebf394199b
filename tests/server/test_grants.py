"""Laws of grants: held once with the vote that earned it, ended once, and never anything in between."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from rewards import ledger as books
from rewards.grants import GrantState, VoidReason
from server.flows.void_grants import void_grants
from server.jobs.settle_grants import SettleGrants
from server.stores import grants
from server.stores.db import transaction
from tests.server.books import Bookkeeping, raw


@pytest.fixture
def keeping(engine) -> Bookkeeping:
    return Bookkeeping(engine)


@pytest.fixture
async def scene(keeping):
    """A player with a block to earn from."""
    test_id = await keeping.a_test(votes=1_000)
    player = await keeping.a_player(hold_s=60)
    block = await keeping.a_block(test_id, wanted_g=400)
    return test_id, player, block


async def fertilizer(keeping, *player_ids) -> list[grants.Fertilizer]:
    async with keeping.engine.connect() as conn:
        found = await grants.balances_of(await raw(conn), player_ids)
    return [found[each] for each in player_ids]


async def grants_of(keeping, player_id):
    async with keeping.engine.connect() as conn:
        return await grants.of_player(conn, player_id)


async def void(keeping, **chosen):
    async with transaction(keeping.engine) as conn:
        return await void_grants(conn, reason=VoidReason.ABUSE, now=keeping.clock.now, **chosen)


async def test_a_vote_holds_one_grant_however_often_it_is_sent(keeping, scene):
    test_id, player, block = scene
    vote = keeping.a_vote(player, test_id, block.id)
    new = await asyncio.gather(*(keeping.record([vote, vote]) for _ in range(10)))
    assert sum(map(len, new)) == 1
    (grant,) = await grants_of(keeping, player)
    assert (grant.id, grant.amount_g, grant.state) == (vote.matchup.matchup_id, 10, GrantState.HELD)
    assert await keeping.broken_laws() == {}


async def test_a_held_grant_moves_no_balance_and_a_settled_one_moves_it_once(keeping, scene):
    test_id, player, block = scene
    await keeping.votes(3, test_id=test_id, block_id=block.id, player_ids=[player])
    assert await fertilizer(keeping, player) == [(0, 30)]
    assert await keeping.balance(books.reservation(block.id)) == block.reserved_g
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 0
    keeping.clock.forward(seconds=60)
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 3
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 0
    assert await fertilizer(keeping, player) == [(30, 0)]
    assert await keeping.balance(books.reservation(block.id)) == block.reserved_g - 30


async def test_a_player_unknown_to_the_books_has_nothing(keeping):
    player = await keeping.a_player()
    assert await fertilizer(keeping, player) == [(0, 0)]


async def test_new_players_wait_longer_and_a_changed_standing_counts_from_the_day_of_the_vote(keeping, scene):
    test_id, patient, block = scene
    quick = await keeping.a_player(hold_s=0)
    await keeping.votes(2, test_id=test_id, block_id=block.id, player_ids=[patient, quick])
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 1
    async with transaction(keeping.engine) as conn:
        assert await grants.rehold(conn, patient, hold_s=30) == 1
    keeping.clock.forward(seconds=30)
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 1
    async with transaction(keeping.engine) as conn:
        assert await grants.rehold(conn, patient, hold_s=3_000) == 0


async def test_voiding_ends_what_is_held_of_whom_it_names_and_gives_the_grams_back(keeping, scene):
    test_id, cheat, block = scene
    honest = await keeping.a_player(hold_s=60)
    made = await keeping.votes(6, test_id=test_id, block_id=block.id, player_ids=[cheat, honest])
    one = made[0].matchup.matchup_id
    assert [grant.id for grant in (await void(keeping, matchup_ids=[one])).grants] == [one]
    assert (await void(keeping, player_id=cheat)).amount_g == 20
    assert (await void(keeping, player_id=cheat)).amount_g == 0
    assert await fertilizer(keeping, cheat, honest) == [(0, 0), (0, 30)]
    assert await keeping.balance(books.test_budget(test_id)) == 10_000 - block.reserved_g + 30
    assert {grant.void_reason for grant in await grants_of(keeping, cheat)} == {VoidReason.ABUSE}
    assert await keeping.broken_laws() == {}


async def test_settling_and_voiding_at_once_end_each_grant_once(keeping, scene):
    test_id, _, block = scene
    player_ids = await keeping.players(10)
    await keeping.votes(40, test_id=test_id, block_id=block.id, player_ids=player_ids)
    settling = SettleGrants(keeping.engine, batch=7)
    outcomes = await asyncio.gather(
        *(settling.run(keeping.clock.now) for _ in range(2)), *(void(keeping, player_id=each) for each in player_ids)
    )
    voided_g = sum(outcome.amount_g for outcome in outcomes[2:])
    wallets = await fertilizer(keeping, *player_ids)
    assert sum(wallet.available_g for wallet in wallets) + voided_g == 400
    assert sum(wallet.held_g for wallet in wallets) == 0
    assert await keeping.broken_laws() == {}


@pytest.mark.parametrize(
    "change",
    [
        "update grants set amount_g = amount_g + 10",
        "update grants set player_id = gen_random_uuid()",
        "update grants set block_id = gen_random_uuid()",
        "update grants set state = 'voided', final_at = now()",
        "update grants set state = 'settled'",
        "update grants set state = 'gone'",
        "delete from grants",
        "truncate grants",
    ],
)
async def test_the_database_refuses_every_other_change_of_a_grant(keeping, scene, change):
    test_id, player, block = scene
    await keeping.votes(1, test_id=test_id, block_id=block.id, player_ids=[player])
    with pytest.raises(DBAPIError, match=r"append-only|ck_grants"):
        async with transaction(keeping.engine) as conn:
            await conn.execute(sa.text(change))


async def test_what_has_ended_never_changes_again(keeping, scene):
    test_id, player, block = scene
    await keeping.votes(2, test_id=test_id, block_id=block.id, player_ids=[player])
    await void(keeping, matchup_ids=[(await grants_of(keeping, player))[0].id])
    keeping.clock.forward(seconds=60)
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    before = await grants_of(keeping, player)
    assert {grant.state for grant in before} == {GrantState.SETTLED, GrantState.VOIDED}
    with pytest.raises(DBAPIError, match="append-only"):
        async with transaction(keeping.engine) as conn:
            await conn.execute(sa.text("update grants set state = 'held', final_at = null, void_reason = null"))
    assert (await void(keeping, player_id=player)).grants == ()
    assert await grants_of(keeping, player) == before
