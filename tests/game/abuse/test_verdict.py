"""From evidence to standings: who may be muted for what, why in words, and how much anyone may move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.abuse.evidence import WAY, WAYS
from game.abuse.verdict import MUTE_VOTES, PRIOR, REASONS, STANDINGS, Verdicts, bounded, conclude

TRUSTED, WATCHED, MUTED = (STANDINGS.index(name) for name in ("trusted", "watched", "muted"))


def a_verdict(*, votes: int = 100, **said: dict[str, float]) -> Verdicts:
    """Of one player, from nats by signal and way; a signal whose name begins with content_ may not mute."""
    nats = np.zeros((len(said), 1, len(WAYS)))
    for k, ways in enumerate(said.values()):
        for way, value in ways.items():
            nats[k, 0, WAY[way]] = value
    free = tuple(not name.startswith("content_") for name in said)
    return conclude(np.array([0]), np.array([votes]), nats, signals=tuple(said), content_free=free)


def test_nobody_is_suspect_without_evidence() -> None:
    verdict = a_verdict(sides={})
    assert verdict.standing[0] == TRUSTED
    assert verdict.p_abusive[0] < sum(PRIOR.values())
    assert verdict.reasons(0) == ()
    assert verdict.reliability[0] == pytest.approx(1 - verdict.p_abusive[0])


def test_content_free_evidence_mutes_and_says_why() -> None:
    verdict = a_verdict(sides={"one_sided": 15.0})
    assert verdict.standing[0] == MUTED
    assert verdict.reliability[0] == 0.0
    assert verdict.reasons(0) == ("one_sided",)


def test_content_alone_never_mutes_however_strong() -> None:
    verdict = a_verdict(content_agreement={"random": 80.0, "contrary": 90.0})
    assert verdict.standing[0] == WATCHED
    assert verdict.reliability[0] < 1e-9


def test_answering_against_others_never_mutes_even_where_a_signal_calls_it_free() -> None:
    assert a_verdict(gold={"contrary": 60.0}).standing[0] == WATCHED


def test_many_accounts_on_a_telephone_are_watched_and_not_silenced() -> None:
    assert a_verdict(links={"multiplied": 30.0}).standing[0] == WATCHED


def test_whoever_answers_like_people_do_is_not_muted_for_an_odd_rhythm() -> None:
    verdict = a_verdict(shape={"mechanical": 12.0}, content_agreement={"mechanical": -14.0})
    assert verdict.p_free[0] > 0.97
    assert verdict.standing[0] == TRUSTED


def test_few_votes_mute_nobody() -> None:
    assert a_verdict(votes=MUTE_VOTES - 1, sides={"one_sided": 15.0}).standing[0] == WATCHED
    assert a_verdict(votes=MUTE_VOTES, sides={"one_sided": 15.0}).standing[0] == MUTED


def test_the_means_are_named_beside_the_way() -> None:
    verdict = a_verdict(response_time={"random": 4.0}, gold={"random": 6.0}, linked_push={})
    assert verdict.reasons(0) == ("random", "too_fast", "missed_gold")
    linked = a_verdict(push={"pushing": 4.0}, linked_push={"pushing": 6.0})
    assert linked.reasons(0) == ("pushing", "linked")


def test_p_abusive_is_ordered_by_evidence() -> None:
    found = [a_verdict(sides={"one_sided": nats}).log_odds[0] for nats in (-5.0, 0.0, 5.0, 50.0, 500.0)]
    assert found == sorted(found)
    assert len(set(found)) == 5


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    assert set(WAYS) <= set(REASONS)
    for code, reason in REASONS.items():
        assert reason.code == code
        assert reason.zh.endswith("。")
        assert reason.en.endswith(".")


# ---- bounds ----------------------------------------------------------------------------------------------

holders = st.lists(st.integers(-1, 6), min_size=1, max_size=200)


@given(holders, st.floats(1, 30), st.floats(0.01, 0.5), st.integers(0, 9))
def test_no_holder_moves_more_than_the_bound(holder: list[int], votes: float, share: float, seed: int) -> None:
    weight = np.random.default_rng(seed).random(len(holder))
    held_by = np.array(holder)
    found = bounded(weight, held_by, most_votes=votes, most_share=share)
    assert (found <= weight + 1e-12).all()
    assert found[held_by < 0] == pytest.approx(weight[held_by < 0])
    most = max(votes, share * found.sum())
    for who in set(holder) - {-1}:
        mine = held_by == who
        assert found[mine].sum() <= most * (1 + 1e-6)
        if weight[mine].sum() <= votes:
            assert found[mine] == pytest.approx(weight[mine])


def test_a_player_of_a_hundred_votes_counts_as_forty() -> None:
    found = bounded(np.ones(600), np.r_[np.zeros(100, int), np.repeat(np.arange(1, 51), 10)])
    assert found[:100].sum() == pytest.approx(40)
    assert found[100:].tolist() == [1.0] * 500


def test_many_votes_of_many_players_are_not_cut() -> None:
    holder = np.repeat(np.arange(300), 100)
    assert bounded(np.ones(30_000), holder).sum() == pytest.approx(30_000, rel=1e-6)
