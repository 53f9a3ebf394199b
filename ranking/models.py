"""The registry of models by name: each takes Comparisons and returns Scores.

A new model is a file with such a function and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from ranking import bradley_terry, segments, trueskill_stream
from ranking.comparisons import Comparisons
from ranking.errors import UnknownModel
from ranking.scores import Scores


@dataclass(frozen=True, slots=True)
class Model:
    """A way to turn votes into strengths, and what it is good for."""

    name: str
    sentence: str
    fit: Callable[[Comparisons], Scores]

    def __call__(self, votes: Comparisons) -> Scores:
        return self.fit(votes)


def _by_segment(votes: Comparisons) -> Scores:
    return segments.fit(votes).overall


_ALL = (
    Model(
        "bradley_terry",
        "Shrunken strengths with voter-clustered intervals: the one that decides.",
        bradley_terry.fit,
    ),
    Model(
        "plain",
        "Plain maximum likelihood and the plain sandwich, for comparison with other packages.",
        partial(bradley_terry.fit, prior_sd=0.0),
    ),
    Model("segments", "All segments in one hierarchical fit, averaged by their votes.", _by_segment),
    Model("trueskill", "Running ratings, one vote at a time: for matchmaking only.", trueskill_stream.fit),
)

MODELS: Final[Mapping[str, Model]] = MappingProxyType({model.name: model for model in _ALL})


def model(name: str) -> Model:
    """The model of this name. Raises UnknownModel."""
    if name not in MODELS:
        raise UnknownModel(name=name, known=", ".join(MODELS))
    return MODELS[name]
