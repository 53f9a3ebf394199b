"""Laws of the alarms of money: at four fifths of a budget, and when the boxes in stock are worth less than is owed."""

from hypothesis import given
from hypothesis import strategies as st

from rewards.alarms import MoneyThresholds, budget_nearly_spent, liability_above_stock

T = MoneyThresholds()


def test_a_budget_sounds_at_exactly_four_fifths():
    assert not budget_nearly_spent(used_g=7_999, bought_g=10_000, thresholds=T)
    assert budget_nearly_spent(used_g=8_000, bought_g=10_000, thresholds=T)
    assert not budget_nearly_spent(used_g=0, bought_g=0, thresholds=T)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_liability_sounds_exactly_when_it_is_more_than_the_stock(liability_fen, stock_fen):
    sounds = liability_above_stock(liability_fen=liability_fen, stock_fen=stock_fen, thresholds=T)
    assert sounds == (liability_fen > stock_fen)
