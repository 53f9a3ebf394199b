"""Measure the programme: its numbers as Prometheus gauges, by the same query that operators' pages use."""

from dataclasses import asdict
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from server.figures import EconomyNow
from server.stores import watch
from server.stores.db import AsyncEngine, reading, transaction
from server.stores.programme import programme_numbers

HELP = {
    "wallets_g": "Grams in players' wallets.",
    "held_g": "Grams promised and under review.",
    "owed_g": "Grams of awards that the programme has not paid yet.",
    "trees_g": "Grams in growing and ripe trees.",
    "liability_fen": "What the fertilizer in players' hands will cost.",
    "redeemed_g": "Grams harvested or donated so far.",
    "expired_g": "Grams expired so far.",
    "issued_g": "Grams issued and not taken back.",
    "given_g": "Grams given to players so far.",
    "valid_votes": "Votes that were paid after review.",
    "cost_per_vote_millifen": "What a valid vote costs, in thousandths of a fen.",
    "earned_fen": "What merchants were charged for valid votes.",
    "harvests": "Boxes harvested for somebody's door.",
    "donations": "Boxes given away.",
    "spent_on_prizes_fen": "What suppliers were paid.",
    "cost_per_harvest_fen": "What a harvest cost on average.",
    "days_to_ripe_p10": "Days to ripe of the quickest tenth of the trees of the last ninety days.",
    "days_to_ripe_p50": "Days to ripe of half of the trees of the last ninety days.",
    "days_to_ripe_p90": "Days to ripe of nine tenths of the trees of the last ninety days.",
    "growing_trees": "Trees with a box still to come.",
    "boxes_promised": "Boxes set aside and not sent yet.",
    "boxes_free": "Boxes in stock that are not set aside.",
    "planned_g": "Grams that open budgets were to have spent by now.",
    "spent_g": "Grams that open budgets have paid or promised.",
    "stock_fen": "What the boxes in stock are worth, those set aside too.",
}
LATELY = timedelta(days=90)
KEPT = timedelta(days=2)


class MeasureProgramme:
    """The job. A number that nothing says yet has no value (NaN), rather than a zero that looks like one."""

    name = "measure_programme"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._economy = economy
        self._gauges = {
            name: Gauge(f"xuankuan_programme_{name}", text, registry=registry) for name, text in HELP.items()
        }

    async def run(self, now: datetime) -> int:
        """Read the numbers, keep them for pages and alarms, and set the gauges; returns 0: there is never more to do."""
        economy = self._economy()
        async with reading(self._engine) as conn:
            numbers = await programme_numbers(conn, economy=economy, now=now, since=now - LATELY)
            boxes = await watch.boxes_in_stock(conn)
        costs = {variety.code: variety.box_cost_fen for variety in economy.varieties}
        dearest = max(costs.values())
        stock_fen = sum(number * costs.get(code, dearest) for code, number in boxes.items())
        figures = {**asdict(numbers), "stock_fen": stock_fen}
        async with transaction(self._engine) as conn:
            await watch.note_measurement(conn, figures, now)
            await watch.forget_measurements(conn, before=now - KEPT)
        for name, value in figures.items():
            self._gauges[name].set(float("nan") if value is None else value)
        return 0
