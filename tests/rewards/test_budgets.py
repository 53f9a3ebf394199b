"""Laws of budgets: bought exactly, promised only from what was reserved, and returned to the fen."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import budgets, ledger
from rewards.budgets import Caps, PlayerDay, Purse, Rate, Switches
from rewards.days import day_of
from rewards.economy import DEFAULT
from rewards.errors import BlockLapsed, BudgetExhausted, BudgetTooSmall, RewardsSwitchedOff
from tests.rewards.builders import MIA, NOON, a_block, an_id, law

TEST, MERCHANT = an_id(5), an_id(6)
RATE = Rate(3, 10)


def test_three_fen_buy_a_vote_of_ten_grams():
    purchase = budgets.buy(30_000, DEFAULT)
    assert (purchase.votes, purchase.budget_g) == (10_000, 100_000)


@law
@given(st.integers(3, 10**9), st.integers(1, 500), st.integers(1, 500))
def test_a_purchase_is_whole_votes_and_never_charged_above_its_money(budget_fen, price_fen, choice_g):
    economy = replace(DEFAULT, vote_price_fen=price_fen, choice_g=choice_g)
    try:
        purchase = budgets.buy(budget_fen, economy)
    except BudgetTooSmall:
        assert budget_fen < price_fen
        return
    assert purchase.budget_g == purchase.votes * choice_g
    assert purchase.rate.charge_fen(purchase.budget_g) <= budget_fen
    assert budget_fen - purchase.rate.charge_fen(purchase.budget_g) < price_fen + 1


@pytest.mark.parametrize("budget_fen", [0, 2, -5])
def test_a_budget_pays_for_one_vote_at_least(budget_fen):
    with pytest.raises(BudgetTooSmall):
        budgets.buy(budget_fen, DEFAULT)


@law
@given(st.lists(st.integers(0, 400), max_size=20), st.integers(1, 30), st.integers(1, 30))
def test_charges_sum_to_the_price_however_votes_are_cut_into_batches(batches, fen, grams):
    rate, settled, charged = Rate(fen, grams), 0, 0
    for batch in batches:
        transfer = budgets.charge(
            test_id=TEST,
            settled_before_g=settled,
            settled_after_g=settled + batch,
            rate=rate,
            transfer_id=an_id(),
            now=NOON,
        )
        settled += batch
        charged += transfer.amount if transfer else 0
    assert charged == rate.charge_fen(settled)


@law
@given(
    votes=st.integers(1, 2_000),
    extra_fen=st.integers(0, 2),
    settled=st.integers(0, 2_000),
    promised=st.integers(0, 2_000),
    kept=st.integers(0, 2_000),
)
def test_unspent_money_returns_exactly(votes, extra_fen, settled, promised, kept):
    """At the decision all but the price of live promises returns; when these end, the rest does, to the fen."""
    settled, promised = min(settled, votes), min(promised, max(0, votes - settled))
    kept = min(kept, promised)
    paid_fen = votes * 3 + extra_fen
    escrow_fen = paid_fen - RATE.charge_fen(settled * 10)
    budget_g = (votes - settled - promised) * 10
    returned_fen, returned_g = 0, 0
    for part, (done, live, left_g) in enumerate(
        [(settled, promised, budget_g), (settled + kept, 0, (promised - kept) * 10)]
    ):
        if part:
            escrow_fen -= RATE.charge_fen(done * 10) - RATE.charge_fen(settled * 10)
        transfers = budgets.refund(
            test_id=TEST, merchant_id=MERCHANT, part=part, escrow_fen=escrow_fen, budget_g=left_g, settled_g=done * 10,
            promised_g=live * 10, rate=RATE, fen_transfer_id=an_id(), grams_transfer_id=an_id(), now=NOON,
        )  # fmt: skip
        for transfer in transfers:
            if transfer.unit is ledger.Unit.FEN:
                escrow_fen -= transfer.amount
                returned_fen += transfer.amount
            else:
                returned_g += transfer.amount
    assert escrow_fen == 0
    assert returned_fen == paid_fen - RATE.charge_fen((settled + kept) * 10)
    assert returned_g == (votes - settled - kept) * 10


@law
@given(st.integers(0, 10_000))
def test_a_block_is_whole_offers_and_never_more_than_is_left(left_g):
    size = budgets.block_size_g(left_g, DEFAULT)
    assert size % DEFAULT.choice_g == 0
    assert size <= min(left_g, DEFAULT.block_g)
    assert (size > 0) == (left_g >= DEFAULT.choice_g)


@law
@given(st.integers(0, 100_000), st.integers(1, 1_000), st.integers(10, 5_000))
def test_a_block_is_whole_offers_whatever_the_figures_are(left_g, choice_g, block_g):
    """Also where an operator made a choice dearer than the usual block, or a block no multiple of it."""
    economy = replace(DEFAULT, choice_g=choice_g, block_g=block_g)
    size = budgets.block_size_g(left_g, economy)
    assert size % choice_g == 0
    assert size <= min(left_g, max(block_g, choice_g))
    assert (size > 0) == (left_g >= choice_g)


def test_a_block_is_not_reserved_beyond_the_budget():
    with pytest.raises(BudgetExhausted):
        budgets.reserve(
            block_id=an_id(), budget=ledger.test_budget(TEST), wanted_g=20, left_g=10, transfer_id=an_id(), now=NOON,
            economy=DEFAULT,
        )  # fmt: skip


@law
@given(st.lists(st.integers(1, 60), max_size=60))
def test_a_purse_never_offers_more_than_its_block(offers):
    purse, offered = Purse(block=a_block(reserved_g=500), unoffered_g=500), 0
    for amount_g in offers:
        try:
            purse = purse.offer(amount_g, NOON)
            offered += amount_g
        except BudgetExhausted:
            assert offered + amount_g > 500
    assert offered + purse.unoffered_g == 500


def test_nothing_is_offered_from_a_lapsed_block():
    purse = Purse(block=a_block(), unoffered_g=500)
    with pytest.raises(BlockLapsed):
        purse.offer(10, purse.block.lapses_at)


@law
@given(st.integers(0, 1_000), st.integers(0, 1_000), st.integers(-60, 60))
def test_a_block_gives_back_nothing_that_anyone_can_still_claim(balance_g, held_g, minutes):
    held_g = min(held_g, balance_g)
    block = a_block()
    now = block.releasable_at + timedelta(minutes=minutes)
    given_back = budgets.releasable_g(block, balance_g=balance_g, held_g=held_g, now=now)
    assert given_back == (balance_g - held_g if minutes >= 0 else 0)


def test_a_block_outlives_its_last_ticket():
    block, _ = budgets.reserve(
        block_id=an_id(), budget=ledger.test_budget(TEST), wanted_g=100, left_g=100, transfer_id=an_id(), now=NOON,
        economy=DEFAULT,
    )  # fmt: skip
    assert block.releasable_at > block.lapses_at + DEFAULT.ticket_life


def test_caps_leave_the_least_of_what_each_leaves():
    caps = Caps(day_g=100, total_g=1_000)
    assert budgets.left_under(caps, reserved_today_g=40, reserved_total_g=970) == 30
    assert budgets.left_under(caps, reserved_today_g=140, reserved_total_g=970) == 0
    assert budgets.left_under(Caps(), reserved_today_g=40, reserved_total_g=970) is None


def test_the_soft_alert_sounds_at_eighty_percent():
    assert not budgets.over_alert(used=799, cap=1_000, economy=DEFAULT)
    assert budgets.over_alert(used=800, cap=1_000, economy=DEFAULT)


@pytest.mark.parametrize(
    "switches", [Switches(everything=True), Switches(tests=frozenset({TEST})), Switches(kinds=frozenset({"per_vote"}))]
)
def test_a_kill_switch_stops_new_offers_by_name(switches):
    with pytest.raises(RewardsSwitchedOff):
        budgets.must_be_on(switches, kind="per_vote", test_id=TEST)


def test_a_kill_switch_stops_nothing_else():
    budgets.must_be_on(Switches(tests=frozenset({TEST}), kinds=frozenset({"invite"})), kind="per_vote", test_id=an_id())


@law
@given(st.integers(0, 30), st.integers(0, 12_000), st.integers(0, 12_000))
def test_a_player_is_dealt_no_more_than_the_cap_and_the_wallet_have_room_for(made, wallet_g, held_g):
    left = budgets.paid_choices_left(
        PlayerDay(player_id=MIA, day=day_of(NOON), choices=made),
        wallet_g=wallet_g,
        held_g=held_g,
        cap=20,
        economy=DEFAULT,
    )
    assert 0 <= left <= max(0, 20 - made)
    assert left == 0 or wallet_g + held_g + left * 10 <= DEFAULT.wallet_cap_g
