"""How fast one may call: the generic cell rate algorithm (GCRA, ITU-T I.371), in memory or shared through Redis."""

import math
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

import redis.asyncio as redis


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate_per_s` calls a second in the long run, and `burst` at once."""

    name: str
    rate_per_s: float
    burst: int


class Limiter(Protocol):
    """Says how many seconds to wait, 0 when the call may go on."""

    def wait_s(self, limit: Limit, key: str, now_s: float, cost: int = 1) -> Awaitable[float]: ...


def gcra(arrival_s: float | None, limit: Limit, now_s: float, cost: int) -> tuple[float, float]:
    """(seconds to wait, theoretical arrival time to keep). Waiting calls change nothing."""
    interval_s = 1.0 / limit.rate_per_s
    due_s = max(arrival_s if arrival_s is not None else now_s, now_s)
    next_s = due_s + interval_s * cost
    wait_s = next_s - interval_s * limit.burst - now_s
    if wait_s > 1e-9:
        return wait_s, due_s
    return 0.0, next_s


class MemoryLimiter:
    """GCRA within one process: a dict of arrival times, swept when it has doubled."""

    def __init__(self, sweep_at: int = 100_000) -> None:
        self._arrivals: dict[tuple[str, str], float] = {}
        self._sweep_at = sweep_at

    async def wait_s(self, limit: Limit, key: str, now_s: float, cost: int = 1) -> float:
        slot = (limit.name, key)
        wait_s, arrival_s = gcra(self._arrivals.get(slot), limit, now_s, cost)
        if wait_s == 0.0:
            self._arrivals[slot] = arrival_s
            if len(self._arrivals) > self._sweep_at:
                self._arrivals = {slot: due for slot, due in self._arrivals.items() if due > now_s}
                self._sweep_at = max(100_000, 2 * len(self._arrivals))
        return wait_s


# The same arithmetic as `gcra`, run by the server so that two processes cannot both take the last place.
_GCRA_LUA = """
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or ARGV[1]), tonumber(ARGV[1]))
local interval, burst, cost = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local next_due = due + interval * cost
local wait = next_due - interval * burst - tonumber(ARGV[1])
if wait > 0.000000001 then return tostring(wait) end
local keep_ms = math.ceil((next_due - tonumber(ARGV[1])) * 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.6f', next_due), 'PX', keep_ms)
return '0'
"""


class RedisLimiter:
    """GCRA shared by all processes. When Redis is away each process limits on its own: limits never stop the game."""

    def __init__(self, client: "redis.Redis") -> None:
        self._script = client.register_script(_GCRA_LUA)
        self._fallback = MemoryLimiter()

    async def wait_s(self, limit: Limit, key: str, now_s: float, cost: int = 1) -> float:
        try:
            wait = await self._script(
                keys=[f"limit:{limit.name}:{{{key}}}"],
                args=[f"{now_s:.6f}", f"{1.0 / limit.rate_per_s:.9f}", limit.burst, cost],
            )
        except redis.RedisError:
            return await self._fallback.wait_s(limit, key, now_s, cost)
        return float(wait)


def retry_after_s(wait_s: float) -> int:
    """Whole seconds for Retry-After, never 0."""
    return max(1, math.ceil(wait_s))
