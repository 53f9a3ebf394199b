"""Statistics of comparisons: knows item numbers and weights, nothing of games or SQL."""

from ranking import bradley_terry
from ranking.comparisons import NEITHER, Comparisons, RunningCounts
from ranking.scores import Scores

__all__ = ["NEITHER", "Comparisons", "RunningCounts", "Scores", "bradley_terry"]
