"""Identifiers that sort by the moment they were made: UUID version 7 (RFC 9562, section 5.7).

PostgreSQL 15 has no `uuidv7()` and Python 3.11 has no `uuid.uuid7()`, so they are made here. Layout, from the left:
48 bits of milliseconds since 1970, 4 bits of version, 12 + 62 bits of chance around 2 bits of variant. Within one
process every id is greater than the one before (method 2 of section 6.2: within a millisecond, the random part goes
up by a random step).
"""

import os
import threading
import time
import uuid

_CHANCE_BITS = 74
_STEP_BITS = 32


class _Sequence:
    """The last id of one row of ids, and the way to the next."""

    def __init__(self) -> None:
        self.ms = -1
        self.chance = 0

    def next(self, ms: int) -> int:
        if ms == self.ms:
            self.chance += 1 + int.from_bytes(os.urandom(_STEP_BITS // 8))
            if self.chance >> _CHANCE_BITS:
                # 2**41 ids in one millisecond on average: unreachable, and still no reason to repeat one.
                self.ms, self.chance = ms + 1, _fresh_chance()
        else:
            self.ms, self.chance = ms, _fresh_chance()
        return _assemble(self.ms, self.chance)


_lock = threading.Lock()
_by_clock = _Sequence()
_by_caller = _Sequence()


def uuid7(now_ms: int | None = None) -> uuid.UUID:
    """A new id. `now_ms` (milliseconds since 1970) is for those whose time is an argument; otherwise the clock is read.

    By the clock, ids only ever go up, also when the clock is set back. With `now_ms` the id carries exactly that time
    (a simulation may well go back in time), and goes up among successive calls with the same time.
    """
    with _lock:
        if now_ms is None:
            return uuid.UUID(int=_by_clock.next(max(time.time_ns() // 1_000_000, _by_clock.ms)))
        if not 0 <= now_ms < 1 << 48:
            raise ValueError(f"{now_ms} is not a time in milliseconds since 1970")
        return uuid.UUID(int=_by_caller.next(now_ms))


def made_at_ms(identifier: uuid.UUID) -> int:
    """Milliseconds since 1970 at which a version 7 id was made; ValueError for any other version."""
    if identifier.version != 7:
        raise ValueError(f"{identifier} is not a UUID of version 7")
    return identifier.int >> 80


def _fresh_chance() -> int:
    # The top bit starts at zero, so that there is room to go up.
    return int.from_bytes(os.urandom(10)) >> (80 - _CHANCE_BITS + 1)


def _assemble(ms: int, chance: int) -> int:
    return ms << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & ((1 << 62) - 1)


def _start_anew() -> None:
    """A forked process must not go on in its parent's sequence (nor wait for a lock that its parent held)."""
    global _lock, _by_clock, _by_caller
    _lock, _by_clock, _by_caller = threading.Lock(), _Sequence(), _Sequence()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
