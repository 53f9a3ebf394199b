"""How fast one may call: the same arithmetic in memory and in Redis, and limits that never stop the game."""

import asyncio
import sys
from pathlib import Path

import pytest
import redis.asyncio as redis
from hypothesis import given
from hypothesis import strategies as st

from server.api.sessions import LOG_INS
from server.edge.limits import Limit, MemoryLimiter, RedisLimiter, gcra, retry_after_s
from tests.server.builders import Service

TWO_A_SECOND = Limit("two", rate_per_s=2.0, burst=4)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=80), st.floats(0.5, 20), st.integers(1, 10))
def test_in_any_window_no_more_pass_than_burst_and_rate_allow(gaps_s: list[float], rate: float, burst: int) -> None:
    """GCRA's law: of calls at any moments at most burst + rate x time pass."""
    limit = Limit("any", rate, burst)
    arrival_s, now_s, passed = None, 1000.0, []
    for gap_s in gaps_s:
        now_s += gap_s
        wait_s, arrival_s = gcra(arrival_s, limit, now_s, 1)
        if wait_s == 0:
            passed.append(now_s)
    for first, start_s in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - start_s) + 1e-6


async def test_a_refused_call_says_when_to_come_back() -> None:
    """Waiting as long as was said is enough."""
    limiter = MemoryLimiter()
    waits = [await limiter.wait_s(TWO_A_SECOND, "a", 0.0) for _ in range(5)]
    assert waits[:4] == [0.0] * 4
    assert waits[4] == pytest.approx(0.5)
    assert await limiter.wait_s(TWO_A_SECOND, "b", 0.0) == 0.0
    assert await limiter.wait_s(TWO_A_SECOND, "a", 0.5) == 0.0
    assert retry_after_s(0.01) == 1


async def test_redis_limits_as_memory_does(redis_url: str) -> None:
    """Two processes share one limit; the numbers are those of the pure rule."""
    async with redis.from_url(redis_url) as client:
        one, other, alone = RedisLimiter(client), RedisLimiter(client), MemoryLimiter()
        for number in range(12):
            at_s = 1000 + number * 0.2
            shared = await (one if number % 2 else other).wait_s(TWO_A_SECOND, "a", at_s)
            assert shared == pytest.approx(await alone.wait_s(TWO_A_SECOND, "a", at_s), abs=1e-4)


_CALLER = """
import asyncio, sys
import redis.asyncio as redis
from server.edge.limits import Limit, RedisLimiter

async def main() -> None:
    async with redis.from_url(sys.argv[1]) as client:
        limiter, limit = RedisLimiter(client), Limit("shared", rate_per_s=0.001, burst=100)
        waits = [await limiter.wait_s(limit, "one player", 1000.0) for _ in range(120)]
        print(sum(wait == 0.0 for wait in waits))

asyncio.run(main())
"""


async def test_two_processes_share_one_limit(redis_url: str) -> None:
    """Whoever spreads his calls over two API processes passes as often as with one: never more than the burst."""
    callers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CALLER, redis_url, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        for _ in range(2)
    ]
    passed = [int((await caller.communicate())[0]) for caller in callers]
    assert sum(passed) == 100
    async with redis.from_url(redis_url) as client:
        assert await client.pttl("limit:shared:{one player}") > 0, "what is remembered is forgotten by itself"


async def test_a_carriers_subscribers_are_not_taken_for_one(service: Service) -> None:
    """Hundreds of honest people behind one address log in at one moment, each with a telephone of his own, and play."""
    await service.test()
    for number in range(300):
        await service.phone(f"用户{number}")
    assert LOG_INS.burst >= 1000
    phone = await service.phone("再一个")
    assert (await phone.round())["matchups"]


async def test_losing_redis_stops_nobody() -> None:
    """Without Redis each process limits by itself."""
    async with redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.2) as client:
        limiter = RedisLimiter(client)
        assert await limiter.wait_s(TWO_A_SECOND, "a", 0.0) == 0.0


async def test_too_many_rounds_are_refused_by_name(service: Service) -> None:
    """429 with Retry-After, and after that time the game goes on."""
    await service.test(styles=12)
    phone = await service.phone()
    statuses = [(await phone.call("POST", "/v1/rounds", {"size": 1}))[0] for _ in range(40)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    async with phone.client.post("/v1/rounds", json={"size": 1}, headers=phone.headers) as reply:
        assert reply.status == 429
        wait_s = int(reply.headers["Retry-After"])
        assert (await reply.json())["code"] == "too_many"
    service.clock.forward(seconds=wait_s)
    assert (await phone.call("POST", "/v1/rounds", {"size": 1}))[0] == 200
