"""Laws of dealing under load: a thousand rounds at once repeat no pair to anybody, keep sides even, and are on record."""

import asyncio
from collections import Counter, defaultdict
from uuid import UUID

import numpy as np
import sqlalchemy as sa

from game.dealing import Seat
from game.judging import Answer
from game.matchup import NO_DEVICE
from game.segments import PlayerFacts
from server.dealer import Dealer
from server.flows.cast_votes import cast_votes
from server.flows.deal_round import DealtMatchup, deal_round
from server.stores import snapshots
from server.stores import votes as votes_store
from server.stores.db import transaction
from server.stores.snapshots import Snapshot
from server.stores.votes import votes
from tests.server.books import TICKET_LIFE
from tests.server.builders import Service

PLAYERS = 100
ROUNDS = 10


# All ask at once; so many of them are in the database together, or the last would wait too long for a connection.
AT_ONCE = asyncio.Semaphore(40)


async def deal(service: Service, player_id: UUID) -> list[DealtMatchup]:
    shell = service.shell
    async with AT_ONCE:
        dealt = await deal_round(
            service.engine, shell.dealer, shell.budget_desk, keys=shell.config.ticket_keys, player_id=player_id,
            device=NO_DEVICE, size=1, economy=shell.economy, ticket_life=TICKET_LIFE, now=service.clock(),
        )  # fmt: skip
    return list(dealt.matchups)


async def answer(service: Service, player_id: UUID, entry: DealtMatchup) -> None:
    shell = service.shell
    answers = [Answer(entry.ticket, "left" if entry.matchup.left % 2 else "right", 900)]
    receipts, _ = await cast_votes(
        shell.desk, answers, keys=shell.config.ticket_keys, player_id=player_id, device=NO_DEVICE, now=service.clock()
    )
    shell.dealer.answered(player_id, [receipt.matchup.matchup_id for receipt in receipts if receipt.matchup])


async def test_a_thousand_deals_at_once_repeat_no_pair_and_keep_sides_even(service: Service) -> None:
    """A hundred players ask ten times at once, answer while they ask again, and meet every pair once at most."""
    await service.test(styles=8, budget_fen=100_000)
    phones = [await service.phone(f"玩家{number}") for number in range(PLAYERS)]
    players = [UUID(phone.player["player_id"]) for phone in phones]
    waves: list[list[DealtMatchup]] = []
    for rounds in (ROUNDS, 3):
        asked = [deal(service, player) for _ in range(rounds) for player in players]
        told = [answer(service, entry.matchup.player_id, entry) for wave in waves for entry in wave]
        dealt, _ = await asyncio.gather(asyncio.gather(*asked), asyncio.gather(*told))
        waves.append([entry for entries in dealt for entry in entries])
    assert [len(wave) for wave in waves] == [PLAYERS * ROUNDS, PLAYERS * 3]
    met: dict[UUID, Counter[frozenset[int]]] = defaultdict(Counter)
    left: Counter[int] = Counter()
    shown: Counter[int] = Counter()
    low_left = 0
    for wave in waves:
        for entry in wave:
            pair = (entry.matchup.left, entry.matchup.right)
            met[entry.matchup.player_id][frozenset(pair)] += 1
            left[pair[0]] += 1
            shown.update(pair)
            low_left += pair[0] < pair[1]
    assert all(times == 1 for pairs in met.values() for times in pairs.values())
    assert abs(low_left / sum(left.values()) - 0.5) <= 0.015
    assert all(abs(left[style] / shown[style] - 0.5) <= 0.015 for style in range(8))
    # What was answered has on record by what chance it was asked, of which ranking, and whether by lot.
    await asyncio.gather(*(answer(service, entry.matchup.player_id, entry) for entry in waves[1]))
    async with service.engine.connect() as conn:
        rows = (await conn.execute(sa.select(votes.c.matchup_id, votes.c.probability, votes.c.flags))).all()
    by_id = {entry.matchup.matchup_id: entry.matchup for wave in waves for entry in wave}
    assert len(rows) == PLAYERS * (ROUNDS + 3)
    for row in rows:
        assert 0.0 < row.probability <= 1.0
        assert abs(row.probability - by_id[row.matchup_id].probability) < 1e-4
        assert bool(row.flags & 1) == by_id[row.matchup_id].explored
    assert 0.02 < sum(row.flags & 1 for row in rows) / len(rows) < 0.09


async def test_two_rounds_of_one_player_at_once_know_of_each_other(service: Service) -> None:
    """Six rounds at once of a test with six pairs: each pair once, whoever was faster, also as the answers come in."""
    await service.test(styles=4)
    player = UUID((await service.phone()).player["player_id"])
    first = await asyncio.gather(*(deal(service, player) for _ in range(3)))
    entries = [entry for entries in first for entry in entries]
    later, *_ = await asyncio.gather(
        asyncio.gather(*(deal(service, player) for _ in range(6))),
        *(answer(service, player, entry) for entry in entries),
    )
    entries += [entry for entries in later for entry in entries]
    pairs = [frozenset((entry.matchup.left, entry.matchup.right)) for entry in entries]
    assert len(pairs) == len(set(pairs)) == 6


async def test_a_confirmation_is_dealt_and_put_on_record_as_one(service: Service) -> None:
    """Once the ranking says so, fresh players meet the leader in eight of ten pairs; their votes are marked, and done."""
    test = await service.test(styles=12)
    n = len(test.ranked)
    state = {"strength": [0.0] * n, "posterior_covariance": np.eye(n).tolist(), "wins": [[0] * n] * n, "probe": [3]}
    async with transaction(service.engine) as conn:
        await snapshots.write(conn, Snapshot(test.test_id, 1, service.clock(), 0, document={}, state=state))
    await service.shell.dealer.refresh()
    player = UUID((await service.phone()).player["player_id"])
    entries = [entry for _ in range(15) for entry in await deal(service, player)]
    pairs = [{entry.matchup.left, entry.matchup.right} for entry in entries]
    assert len(pairs) == len({frozenset(pair) for pair in pairs}) == 10
    assert sum(3 in pair for pair in pairs) == 8
    await asyncio.gather(*(answer(service, player, entry) for entry in entries))
    # Another process knows of the session from the votes alone.
    again = Dealer(service.engine, seed=2)
    await again.refresh()
    async with service.engine.connect() as conn:
        met = await votes_store.met_by(conn, player, [test.test_id])
        flags = set(await conn.scalars(sa.select(votes.c.flags)))
    assert flags == {votes_store.PROBE}
    assert sorted(map(sorted, met.probed[test.test_id])) == sorted(map(sorted, pairs))
    seat = Seat(player, PlayerFacts(), met=met.pairs, probed=met.probed)
    assert again.deal(seat, size=5) == []
