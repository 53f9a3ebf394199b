"""When money looks wrong: a budget nearly spent, more owed to players than there is in stock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyThresholds:
    """From where on somebody is told, in permille; operators change them as data."""

    budget_spent_permille: int = 800
    liability_permille: int = 1000


def budget_nearly_spent(*, used_g: int, bought_g: int, thresholds: MoneyThresholds) -> bool:
    """Whether so much of a budget is settled or promised that somebody should know; nothing stops because of it."""
    return bought_g > 0 and used_g * 1000 >= bought_g * thresholds.budget_spent_permille


def liability_above_stock(*, liability_fen: int, stock_fen: int, thresholds: MoneyThresholds) -> bool:
    """Whether what the players' fertilizer will cost is more than the boxes in stock are worth."""
    return liability_fen > 0 and liability_fen * 1000 > stock_fen * thresholds.liability_permille
