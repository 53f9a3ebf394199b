"""Statistics of comparisons: knows item numbers and weights, nothing of games or SQL."""

from ranking import bradley_terry, connectivity, partworths, segments, trueskill_stream
from ranking.comparisons import NEITHER, Comparisons, RunningCounts
from ranking.models import MODELS
from ranking.partworths import Attributes
from ranking.scores import Estimate, Flag, Interval, Scores

__all__ = [
    "MODELS",
    "NEITHER",
    "Attributes",
    "Comparisons",
    "Estimate",
    "Flag",
    "Interval",
    "RunningCounts",
    "Scores",
    "bradley_terry",
    "connectivity",
    "partworths",
    "segments",
    "trueskill_stream",
]
