"""Tables of evidence: what they refuse, how they sort, and that growing tables give the sums of a plain dict."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.abuse.errors import EvidenceInvalid
from game.abuse.evidence import NEITHER, PlayerTable, Rows, Sums, VoteTable, log_sum

keys = st.lists(st.integers(-(2**62), 2**62), max_size=60)


@given(st.lists(keys, max_size=6))
def test_rows_number_keys_as_a_dict_would(batches: list[list[int]]) -> None:
    rows, known = Rows(), {}
    for batch in batches:
        found = rows.of(np.array(batch, dtype=np.int64)).tolist()
        for key in sorted(set(batch) - set(known)):
            known[key] = len(known)
        assert found == [known[key] for key in batch]
    assert rows.keys.tolist() == list(known)
    assert rows.of(np.array([2**62 + 1]), create=False).tolist() == [-1]


def test_many_thousand_keys_keep_their_rows() -> None:
    rows = Rows()
    numbers = np.arange(0, 3_000_000, 37) * (1 << 20)
    first = rows.of(numbers)
    assert rows.of(numbers[::-1])[::-1].tolist() == first.tolist() == list(range(numbers.size))


@given(st.lists(st.lists(st.tuples(st.integers(0, 400), st.integers(-9, 9)), max_size=20), max_size=6))
def test_sums_are_those_of_a_dict(batches: list[list[tuple[int, int]]]) -> None:
    sums, plain = Sums(2), {}
    for batch in batches:
        rows = np.array([row for row, _ in batch], dtype=np.int64)
        values = np.array([[value, 1.0] for _, value in batch]).reshape(len(batch), 2)
        sums.add(rows, values)
        for row, value in batch:
            total, count = plain.get(row, (0, 0))
            plain[row] = (total + value, count + 1)
    for row in (*plain, 5000):
        assert tuple(sums[np.array([row])][0]) == plain.get(row, (0, 0))


def test_log_sum_does_not_overflow() -> None:
    assert log_sum(np.array([[-1000.0, -1000.0], [800.0, 0.0]])) == pytest.approx([-1000 + np.log(2), 800.0])


def test_votes_are_sorted_by_player_and_time() -> None:
    table = VoteTable.of([1, 0, 1], [0, 1, 2], [1, 2, 0], [1.0, 0.0, 0.5], at=[9.0, 5.0, 3.0])
    assert table.player.tolist() == [0, 1, 1]
    assert table.at.tolist() == [5.0, 3.0, 9.0]
    assert table.left.tolist() == [1, 2, 0]
    assert table.decided.tolist() == [True, False, True]


def test_votes_without_times_keep_their_order() -> None:
    table = VoteTable.of([1, 0, 1], [0, 1, 2], [1, 2, 0], [1.0, 0.0, NEITHER])
    assert table.left.tolist() == [1, 0, 2]
    assert table.party_left.tolist() == table.left.tolist()
    assert np.isnan(table.took_ms).all()
    assert (table.device == -1).all()


@pytest.mark.parametrize(
    ("changed", "row", "problem"),
    [
        ({"player": [0, -1]}, 1, "player"),
        ({"left": [0, -3]}, 1, "styles"),
        ({"right": [0, 1]}, 0, "itself"),
        ({"choice": [1.0, 0.7]}, 1, "choice"),
        ({"choice": [1.0, np.nan]}, 1, "choice"),
        ({"device": [1]}, 0, "device"),
        ({"expected": [0.5, 0.5]}, 0, "expected"),
    ],
)
def test_an_impossible_column_is_refused_with_its_row(changed: dict[str, object], row: int, problem: str) -> None:
    columns = {"player": [0, 0], "left": [0, 1], "right": [1, 0], "choice": [1.0, 0.0]} | changed
    with pytest.raises(EvidenceInvalid, match=problem) as refusal:
        VoteTable.of(**columns)
    assert refusal.value.params["row"] == row
    assert refusal.value.code == "evidence_invalid"


def test_a_player_table_must_have_an_entry_for_each() -> None:
    assert len(PlayerTable.of(3)) == 3
    with pytest.raises(EvidenceInvalid, match="payee"):
        PlayerTable.of(3, payee=[1, 2])
