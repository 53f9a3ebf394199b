"""Laws of the ways of earning: each fact once, each amount known beforehand, each streak as promised."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.days import day_ends_at, day_of
from rewards.economy import DEFAULT
from rewards.errors import AlreadyClaimed, InvitedBefore, OwnInvitation, TooManyInvitations, WalletFull
from rewards.kinds import KINDS, RewardKind
from rewards.kinds.awards import award_transfer
from rewards.kinds.compensation import COMPENSATION
from rewards.kinds.consistency import CONSISTENCY
from rewards.kinds.daily_claim import DAILY_CLAIM
from rewards.kinds.invite import INVITE, Vesting
from rewards.kinds.produced import PRODUCED
from rewards.kinds.restored import RESTORED
from rewards.kinds.stage_award import STAGE_AWARD
from rewards.kinds.streak import STREAK, Streak
from rewards.ledger import programme_budget
from tests.rewards.builders import ANN, MIA, NOON, TOM, a_tree, an_id, law
from tests.rewards.test_farm import apply

TODAY = day_of(NOON)


def test_every_kind_is_registered_under_its_code_and_has_names():
    for code, kind in KINDS.items():
        asked: RewardKind = kind
        assert asked.code == code
        assert asked.name_zh
        assert asked.name_en


def test_every_amount_is_known_beforehand_and_exact():
    for kind in KINDS.values():
        for figure in kind.figures(DEFAULT):
            assert type(figure.value) is int
            assert figure.unit in {"g", "times", "days", "votes"}


# --- daily claim ----------------------------------------------------------------------------------


def claim(now=NOON, claimed_on=None, wallet_g=0):
    return DAILY_CLAIM.award(
        player_id=MIA, amount_g=30, claimed_on=claimed_on, wallet_g=wallet_g, wallet_cap_g=10_000, now=now
    )


def test_a_day_is_claimed_once():
    with pytest.raises(AlreadyClaimed):
        claim(claimed_on=TODAY)


def test_the_day_is_beijings_whatever_the_phone_says():
    late = datetime(2026, 6, 1, 15, 59, 59, tzinfo=UTC)
    assert claim(now=late).fact == f"{MIA}:2026-06-01"
    assert claim(now=late + timedelta(seconds=1), claimed_on=day_of(late)).fact == f"{MIA}:2026-06-02"


def test_a_server_clock_set_back_opens_no_second_claim():
    with pytest.raises(AlreadyClaimed):
        claim(now=NOON - timedelta(days=1), claimed_on=TODAY)


def test_a_full_wallet_is_told_before_and_loses_nothing():
    assert claim(wallet_g=9_970).amount_g == 30
    with pytest.raises(WalletFull):
        claim(wallet_g=9_971)


@law
@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_a_day_ends_where_the_next_begins(now):
    ends = day_ends_at(day_of(now))
    assert now < ends <= now + timedelta(days=1)
    assert day_of(ends) == day_of(now) + timedelta(days=1)


# --- streak ---------------------------------------------------------------------------------------


def run(days, cards=1):
    """Claim on these day numbers; returns the days on which there was a bonus, those on which a card was used."""
    streak, bonuses, used = Streak(), [], []
    for number in days:
        done = STREAK.claim(
            streak, player_id=MIA, today=TODAY + timedelta(days=number), streak_days=7, streak_g=100, cards=cards
        )
        streak = done.streak
        bonuses += [number] if done.award else []
        used += [number] if done.card_used else []
    return bonuses, used, streak


def test_the_seventh_day_in_a_row_brings_the_bonus_every_week():
    assert run(range(21))[0] == [6, 13, 20]


def test_one_missed_day_a_week_is_bridged_by_a_card():
    assert run([0, 1, 2, 4, 5, 6])[:2] == ([6], [4])
    assert run([0, 1, 2, 3, 4, 5, 7])[:2] == ([7], [7])


def test_two_missed_days_or_a_second_gap_begin_anew():
    assert run([0, 1, 2, 5, 6, 7, 8])[0] == []
    assert run([0, 2, 4, 5, 6])[0] == []


def test_without_cards_every_gap_begins_anew():
    assert run([0, 1, 2, 4, 5, 6], cards=0)[:2] == ([], [])


@law
@given(st.lists(st.integers(0, 60), unique=True).map(sorted))
def test_a_bonus_never_comes_for_fewer_than_six_claims_of_seven_days(days):
    bonuses, used, streak = run(days)
    last = -1
    for bonus in bonuses:
        window = [number for number in days if max(last, bonus - 7) < number <= bonus]
        assert len(window) >= 6
        last = bonus
    assert 0 <= streak.days < 7
    assert len(used) <= len(days)


@law
@given(st.lists(st.integers(0, 20), unique=True, min_size=1).map(sorted), st.integers(0, 5))
def test_the_shown_streak_is_what_a_claim_goes_on_from(days, gap):
    _, _, streak = run(days)
    today = TODAY + timedelta(days=days[-1] + gap)
    shown = STREAK.still_running(streak, today=today)
    if gap == 0:
        assert shown == streak.days
        return
    done = STREAK.claim(streak, player_id=MIA, today=today, streak_days=100, streak_g=100, cards=1)
    assert done.streak.days == shown + 1 + (1 if done.card_used else 0)


# --- the others -----------------------------------------------------------------------------------


def test_a_stage_is_awarded_once_to_each_grower():
    awards = STAGE_AWARD.awards(apply(a_tree(MIA, TOM, applied_g=340)).awards)
    assert len({award.fact for award in awards}) == len(awards) == 2


def test_each_full_hundred_of_vetted_votes_is_awarded_once_and_only_in_good_standing():
    def due(vetted, had, trusted=True):
        return CONSISTENCY.awards(
            player_id=MIA, vetted_votes=vetted, trusted=trusted, awarded_hundreds=had, economy=DEFAULT
        )

    assert due(99, 0) == ()
    assert [award.fact for award in due(315, 1)] == [f"{MIA}:2", f"{MIA}:3"]
    assert due(315, 3) == ()
    assert due(315, 0, trusted=False) == ()


def test_a_produced_style_thanks_each_who_chose_it_once():
    awards = PRODUCED.awards(test_id=an_id(5), style_id=an_id(6), chose_it=[MIA, TOM, MIA], economy=DEFAULT)
    assert [award.player_id for award in awards] == [MIA, TOM]


def invited(**fields):
    values = {"inviter_id": MIA, "invitee_id": TOM, "invitee_is_new": True, "rewarded_so_far": 0} | fields
    return INVITE.invitation(**values, now=NOON, economy=DEFAULT)


def test_an_invitation_vests_only_after_the_friends_own_fifty_vetted_votes():
    invitation = invited()
    assert INVITE.vesting(invitation, vetted_in_time=49, now=NOON) is Vesting.WAITING
    assert INVITE.vesting(invitation, vetted_in_time=50, now=NOON) is Vesting.VESTED
    assert INVITE.award(invitation).player_id == MIA


def test_a_slow_review_does_not_lapse_an_invitation():
    invitation = invited()
    day_after = invitation.vests_until + timedelta(days=1)
    assert INVITE.vesting(invitation, vetted_in_time=49, now=day_after) is Vesting.WAITING
    assert INVITE.vesting(invitation, vetted_in_time=49, now=day_after + timedelta(days=7)) is Vesting.LAPSED


def test_nobody_is_invited_by_themselves_twice_or_beyond_the_limit():
    with pytest.raises(OwnInvitation):
        invited(invitee_id=MIA)
    with pytest.raises(InvitedBefore):
        invited(invitee_is_new=False)
    with pytest.raises(TooManyInvitations):
        invited(rewarded_so_far=10)


def test_a_compensation_and_a_restoration_are_made_once_for_their_fact():
    order, grant = an_id(), an_id()
    assert COMPENSATION.award(player_id=ANN, order_id=order, box_g=9_000).out_biz_no == f"compensation:{order}"
    assert RESTORED.award(player_id=ANN, grant_id=grant, amount_g=10).out_biz_no == f"restored:{grant}"


def test_an_award_is_paid_out_of_the_programmes_budget_under_its_own_name():
    transfer = award_transfer(claim(), budget=programme_budget(an_id(9)), transfer_id=an_id(), now=NOON)
    assert transfer.out_biz_no == f"daily_claim:{MIA}:2026-06-01"
    assert transfer.amount == 30
