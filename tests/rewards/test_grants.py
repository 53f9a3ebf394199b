"""Laws of grants: a promise is held, then ends once, settled or voided, and either end is one transfer."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import ledger
from rewards.economy import DEFAULT
from rewards.errors import GrantIsFinal, GrantNotDue
from rewards.grants import GrantState, HoldClass, VoidReason, hold, hold_class, hold_duration, rehold, settle, void
from rewards.ledger import Reason
from tests.rewards.builders import MIA, NOON, a_grant, an_id, law

BUDGET = ledger.test_budget(an_id(5))


def held(held_as: HoldClass = HoldClass.TRUSTED):
    return hold(
        grant_id=an_id(), player_id=MIA, kind="per_vote", amount_g=10, block_id=an_id(), held_as=held_as, now=NOON,
        economy=DEFAULT,
    )  # fmt: skip


def test_new_players_grants_are_held_longer_than_trusted_ones():
    waits = [
        hold_duration(one, DEFAULT) for one in (HoldClass.TRUSTED, HoldClass.NEW, HoldClass.WATCHED, HoldClass.MUTED)
    ]
    assert waits == sorted(set(waits))


@law
@given(st.sampled_from(["trusted", "watched", "muted"]), st.integers(0, 200))
def test_a_player_is_new_only_while_nothing_worse_is_concluded(standing, vetted):
    expected = "new" if standing == "trusted" and vetted < DEFAULT.new_until_votes else standing
    assert hold_class(standing, vetted, DEFAULT) is HoldClass(expected)


def test_a_grant_settles_when_it_is_due_and_not_before():
    grant = held(HoldClass.NEW)
    with pytest.raises(GrantNotDue):
        settle(grant, transfer_id=an_id(), now=grant.settle_after - timedelta(microseconds=1))
    settled, transfer = settle(grant, transfer_id=an_id(), now=grant.settle_after)
    assert settled.state is GrantState.SETTLED
    assert (transfer.reason, transfer.out_biz_no, transfer.amount) == (Reason.GRANT_SETTLED, str(grant.id), 10)
    assert (transfer.debit, transfer.credit) == (ledger.reservation(grant.block_id), ledger.player(MIA))


def test_a_voided_grant_gives_its_grams_back_with_its_reason():
    voided, transfer = void(held(), budget=BUDGET, void_reason=VoidReason.ABUSE, transfer_id=an_id(), now=NOON)
    assert (voided.state, voided.void_reason) == (GrantState.VOIDED, VoidReason.ABUSE)
    assert (transfer.credit, transfer.amount) == (BUDGET, 10)


@pytest.mark.parametrize("state", [GrantState.SETTLED, GrantState.VOIDED])
def test_an_end_is_final(state):
    ended = a_grant(state=state)
    for act in (
        lambda: settle(ended, transfer_id=an_id(), now=NOON + timedelta(days=1)),
        lambda: void(ended, budget=BUDGET, void_reason=VoidReason.ABUSE, transfer_id=an_id(), now=NOON),
        lambda: rehold(ended, held_as=HoldClass.WATCHED, economy=DEFAULT),
    ):
        with pytest.raises(GrantIsFinal):
            act()


def test_a_changed_standing_counts_the_wait_anew_from_the_day_it_was_earned():
    grant = rehold(held(), held_as=HoldClass.WATCHED, economy=DEFAULT)
    assert grant.settle_after == NOON + timedelta(days=1)
    assert rehold(grant, held_as=HoldClass.TRUSTED, economy=DEFAULT).settle_after == NOON + timedelta(seconds=5)
