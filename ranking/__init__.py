"""Statistics of comparisons: knows item numbers and weights, nothing of games or SQL."""

from ranking import (
    bradley_terry,
    connectivity,
    order_advice,
    pairing,
    partworths,
    segments,
    simulate,
    stopping,
    trueskill_stream,
)
from ranking.comparisons import NEITHER, Comparisons, RunningCounts
from ranking.models import MODELS
from ranking.pairing import Goal, Planner
from ranking.partworths import Attributes
from ranking.scores import Estimate, Flag, Interval, Scores
from ranking.stopping import Decision, decide

__all__ = [
    "MODELS",
    "NEITHER",
    "Attributes",
    "Comparisons",
    "Decision",
    "Estimate",
    "Flag",
    "Goal",
    "Interval",
    "Planner",
    "RunningCounts",
    "Scores",
    "bradley_terry",
    "connectivity",
    "decide",
    "order_advice",
    "pairing",
    "partworths",
    "segments",
    "simulate",
    "stopping",
    "trueskill_stream",
]
