"""What a snapshot tells beyond the ranking: audiences, attributes, polarisation, and the votes that are still needed.

All of it costs more than the ranking and changes more slowly, so it is looked at whenever the votes have grown by some
part, in a thread, and kept until the next look. It only describes: no decision is made of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from game.attributes import VOCABULARY
from game.style_test import StyleTest
from ranking import partworths, segments
from ranking._kernel import KernelFit
from ranking.comparisons import NEITHER, Comparisons, Counts
from ranking.partworths import MOST_LEVELS, Attributes
from ranking.scores import Scores
from ranking.segments import SegmentScores, polarisation
from ranking.stopping import Forecast, forecast

GROWTH = 0.15
FUTURES = 24
CELL_FLOOR = 200
"""Exposures below which a cell of the audience heat map is not shown: noise would be read as taste."""
LEAST_VOTES = 60
_SEED = 20_221_101
_CHOICE = np.array([0.0, 0.5, 1.0, NEITHER])


@dataclass(slots=True)
class CloserLook:
    """The last look at one test, and where the next one begins."""

    votes: int = 0
    kernel: KernelFit | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    polarised: tuple[int, ...] = ()

    def is_due(self, votes: int, *, ended: bool) -> bool:
        """Whether the votes have grown enough; at the end the last look is taken at all of them."""
        if votes < LEAST_VOTES:
            return False
        return votes >= (1.0 + GROWTH) * self.votes or (ended and votes > self.votes)


def look(
    test: StyleTest,
    counts: Counts,
    scores: Scores,
    *,
    votes: int,
    price_fen: int,
    before: CloserLook,
    done: bool,
    then_votes: int = 0,
) -> CloserLook:
    """Take the look; takes some tenths of a second, so call it in a thread.

    `then_votes`: what will be asked after the goal's rule has fired (the confirmation of a proven winner).
    """
    attributes = attributes_of(test)
    found = CloserLook(votes=votes)
    parts: dict[str, Any] = {}
    if counts.n_segments > 1:
        fitted = segments.fit(counts, attributes, start=before.kernel, improvements=8)
        found.kernel = fitted.kernel
        parts |= _segment_parts(test, fitted, counts)
    if attributes is not None:
        parts["attributes"] = _attribute_parts(counts, attributes)
    if counts.clusters is not None:
        c = counts.clusters
        pairs = Comparisons.from_arrays(c.left, c.right, _CHOICE[c.outcome], voter=c.row, n_items=counts.n_items)
        spread = polarisation(pairs, scores)
        found.polarised = spread.polarised
        parts["polarisation"] = {
            "spread": [round(float(value), 3) for value in spread.spread],
            "liked_by": [round(float(value), 3) for value in spread.liked_by],
            "polarised": list(spread.polarised),
        }
    if not done:
        rng = np.random.default_rng([_SEED, votes])
        parts["forecast"] = _forecast_part(
            forecast(scores, test.goal, rng, n_votes=votes, price_fen=price_fen, n_draws=FUTURES).then(then_votes)
        )
    found.parts = parts
    return found


def attributes_of(test: StyleTest) -> Attributes | None:
    """The attributes that every ranked style has and that differ between them; None where there is none."""
    maps = [style.attribute_map for style in test.ranked]
    if len(maps) < 3:
        return None
    columns: dict[str, list[str | float]] = {}
    for name in maps[0]:
        values = [each.get(name) for each in maps]
        if any(value is None for value in values):
            continue
        different = set(values)
        numbers = all(isinstance(value, int | float) for value in values)
        # As many levels as styles name the styles again: nothing could be told apart.
        if len(different) > 1 and (numbers or len(different) <= min(MOST_LEVELS, len(maps) - 1)):
            columns[name] = [value if numbers else str(value) for value in values if value is not None]
    return Attributes.from_columns(columns) if columns else None


def _segment_parts(test: StyleTest, fitted: SegmentScores, counts: Counts) -> dict[str, Any]:
    named = {}
    for s, name in enumerate(test.audience.names):
        scores = fitted.of[s]
        low, high = scores.interval(0.95)
        rank_low, rank_high = scores.rank_interval(0.95)
        share_low, share_high = scores.share_interval(0.95)
        chances = scores.chances(test.goal.keep, test.goal.indifference)
        named[name] = {
            "votes": int(counts.votes_by_segment[s]),
            "items": [
                {
                    "style_id": str(style.style_id),
                    "name": style.title,
                    "strength": float(scores.strength[i]),
                    "standard_error": float(scores.standard_error[i]),
                    "low": float(low[i]),
                    "high": float(high[i]),
                    "rank": int(scores.rank[i]),
                    "rank_low": int(rank_low[i]),
                    "rank_high": int(rank_high[i]),
                    "share": float(scores.share[i]),
                    "share_low": float(share_low[i]),
                    "share_high": float(share_high[i]),
                    "p_best": float(chances.best_within[i]),
                    "p_top": float(chances.top[i]),
                    "votes": round(float(scores.shown[i] + scores.neither[i])),
                    "hidden": bool(scores.shown[i] + scores.neither[i] < CELL_FLOOR),
                }
                for i, style in enumerate(test.ranked)
            ],
        }
    differ = fitted.differ
    return {
        "segments": named,
        "segments_differ": {"statistic": differ.statistic, "df": differ.df, "p_value": differ.p_value}
        if differ
        else None,
    }


def _attribute_parts(counts: Counts, attributes: Attributes) -> list[dict[str, Any]]:
    fitted = partworths.fit(counts, attributes)
    found = []
    for one in fitted.worths:
        low, high = one.worth.interval(0.95)
        found.append(
            {
                "attribute": one.attribute,
                "level": one.level,
                "words": _words(one.attribute, one.level),
                "worth": one.worth.estimate,
                "standard_error": one.worth.standard_error,
                "low": low,
                "high": high,
            }
        )
    return found


def _words(attribute: str, level: str | None) -> dict[str, str]:
    """A level in both languages, where the vocabulary knows it."""
    known = next((one for one in VOCABULARY if one.code == attribute), None)
    if known is None or level is None:
        return {"zh": level or "+1", "en": level or "+1"}
    return {language: known.level_label(level, language) for language in ("zh", "en")}


def _forecast_part(seen: Forecast) -> Mapping[str, Any]:
    """Votes and money that the goal still needs, and what another ¥100 would buy; null beyond the horizon."""
    more = 10_000 // seen.price_fen if seen.price_fen else 0
    return {
        "votes_low": seen.low,
        "votes_median": seen.median,
        "votes_high": seen.high,
        "money_low_fen": seen.money_fen(0.1),
        "money_median_fen": seen.money_fen(0.5),
        "money_high_fen": seen.money_fen(0.9),
        "horizon_votes": seen.horizon,
        "chance_with_100_yuan": round(seen.chance_by(more), 3),
    }
