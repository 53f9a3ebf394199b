"""Laws of identifiers: they sort by time, never repeat, and say when they were made."""

import threading
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ids import made_at_ms, uuid7

MOMENTS_MS = st.integers(min_value=0, max_value=(1 << 48) - 1)


@given(MOMENTS_MS)
def test_an_id_is_a_uuid_of_version_7_and_carries_its_moment(now_ms):
    identifier = uuid7(now_ms)
    assert identifier.version == 7
    assert identifier.variant == uuid.RFC_4122
    assert made_at_ms(identifier) == now_ms


@given(MOMENTS_MS)
def test_ids_of_one_moment_go_up(now_ms):
    ids = [uuid7(now_ms) for _ in range(50)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 50


@given(MOMENTS_MS, MOMENTS_MS)
def test_a_later_moment_sorts_later_whatever_the_chance(first_ms, second_ms):
    first, second = uuid7(first_ms), uuid7(second_ms)
    assert (first_ms < second_ms) <= (first < second)


def test_ids_by_the_clock_only_go_up_and_tell_the_time():
    before_ms = time.time_ns() // 1_000_000
    ids = [uuid7() for _ in range(20_000)]
    after_ms = time.time_ns() // 1_000_000
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert before_ms <= made_at_ms(ids[0]) <= made_at_ms(ids[-1]) <= after_ms


def test_text_sorts_as_the_ids_do():
    ids = [uuid7() for _ in range(1_000)]
    assert [str(one) for one in ids] == sorted(str(one) for one in ids)


def test_threads_never_share_an_id():
    made: list[list[uuid.UUID]] = [[] for _ in range(8)]

    def make(into: list[uuid.UUID]) -> None:
        into.extend(uuid7() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({identifier for into in made for identifier in into}) == 16_000
    assert all(into == sorted(into) for into in made)


@pytest.mark.parametrize("now_ms", [-1, 1 << 48])
def test_a_moment_outside_of_48_bits_is_refused(now_ms):
    with pytest.raises(ValueError, match="milliseconds since 1970"):
        uuid7(now_ms)


def test_other_versions_have_no_moment():
    with pytest.raises(ValueError, match="version 7"):
        made_at_ms(uuid.uuid4())
