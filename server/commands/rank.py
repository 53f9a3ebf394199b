"""Ranks a file of votes without any server, with honest intervals."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from ranking import bradley_terry, models, partworths, segments
from ranking.bradley_terry import Ties
from ranking.comparisons import CLUSTER_VOTERS, Comparisons
from ranking.partworths import Attributes, PartWorths
from ranking.scores import Estimate, Flag, Scores, normal_quantile
from ranking.segments import Homogeneity, SegmentScores
from server.commands import BadInput, progress, screen
from server.files.styles_csv import StylesFile, read_styles
from server.files.votes_csv import REQUIRED, VotesFile, read_votes

LEVEL = 0.95
INDIFFERENCE = 0.1
STEPS = 4
MOST_ROWS = 100
PROBABILITIES = {"share": ".1%", "p_best": ".3f", "p_top": ".3f"}


@dataclass(frozen=True, slots=True)
class Wish:
    """How to rank: what the options of the command say."""

    top: int
    prior_sd: float | None
    side: bool
    ties: Ties
    model: str
    by: str | None
    base: dict[str, str]
    mix: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Scores of a set of votes, and its items, the strongest first, as the JSON and the table tell them.

    scores: None where there are too many styles for a strength of each; order (n,): number of each item in `items`.
    """

    scores: Scores | None
    order: NDArray[np.int64]
    items: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """All that is said about a file of votes."""

    all: Standing
    names: tuple[str, ...]
    top: int
    segments: dict[str, Standing] | None
    differ: Homogeneity | None
    worths: PartWorths | None
    base: dict[str, str]
    untested: dict[str, Estimate]
    flags: tuple[tuple[Flag, str | None], ...]
    method: str
    side_effect: Estimate | None
    tie_effect: Estimate | None
    converged: bool
    n_votes: int
    n_neither: int
    n_voters: int


@click.command()
@click.argument("votes_csv", metavar="VOTES.csv", type=click.Path(path_type=Path))
@click.option("--attributes", "styles_csv", metavar="STYLES.csv", type=click.Path(path_type=Path),
              help="A line per style with its attributes: part-worths, and untested styles.")  # fmt: skip
@click.option("--by", metavar="COLUMN", help="Rank each group of this column too (segment, or any other column).")
@click.option("--mix", multiple=True, metavar="GROUP=PART",
              help="With --by: rank for a clientele of these groups, whoever voted most.")  # fmt: skip
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="Probability of being among the K best. [3]")
@click.option(
    "--json", "json_out", metavar="OUT", type=click.Path(path_type=Path), help="All of it as JSON (- is stdout)."
)
@click.option("--chart", metavar="OUT.png|svg", type=click.Path(path_type=Path), help="A picture of the intervals.")
@click.option("--ties", type=click.Choice(["davidson", "half"]), default="davidson", show_default=True,
              help="Ties as data for a tie parameter, or as half a win each (plain sandwich).")  # fmt: skip
@click.option("--prior", "prior_sd", type=float, metavar="SD",
              help="Sd of strengths in logits, 0 for plain maximum likelihood. [from the votes]")  # fmt: skip
@click.option("--side/--no-side", default=True, help="Whether the left place may have an advantage. [fitted]")
@click.option("--model", type=click.Choice(list(models.MODELS)), default="bradley_terry", show_default=True)
@click.option("--base", multiple=True, metavar="ATTRIBUTE=LEVEL", help="Part-worths against this level.")
def command(
    votes_csv: Path,
    styles_csv: Path | None,
    by: str | None,
    mix: tuple[str, ...],
    top: int | None,
    json_out: Path | None,
    chart: Path | None,
    ties: Ties,
    prior_sd: float | None,
    side: bool,
    model: str,
    base: tuple[str, ...],
) -> None:
    """Ranks the styles of VOTES.csv.

    Columns in any order: left, right, choice (left, right, tie or neither), and if you have them voter, segment,
    weight. Where voters are named, the intervals allow for the votes of one voter being alike.
    """
    if prior_sd is not None and not 0.0 <= prior_sd < 1e6:
        raise BadInput(f"--prior is {prior_sd}; it must be a number of logits, 0 or more.")
    if chart is not None and chart.suffix.lower() not in (".png", ".svg"):
        raise BadInput(f"--chart is {str(chart)!r}; it must end in .png or .svg.")
    if base and styles_csv is None:
        raise BadInput("--base needs --attributes STYLES.csv.")
    if mix and (by is None or prior_sd is not None or model != "bradley_terry"):
        raise BadInput("--mix needs --by, and neither --prior nor --model.")
    with progress() as bar:
        task = bar.add_task(f"Reading {votes_csv.name}", total=STEPS + (chart is not None))
        also = ("voter", "segment", "weight") if by is None else ("voter", "segment", "weight", by)
        votes = read_votes(votes_csv, also=also)
        bar.update(task, advance=1, description="Reading attributes" if styles_csv else "Counting")
        styles = None if styles_csv is None else read_styles(styles_csv)
        wish = Wish(
            top=_top(top, len(votes.styles)),
            prior_sd=prior_sd,
            side=side,
            ties=ties,
            model=model,
            by=_column(by, votes),
            mix=_mix(mix, by, votes),
            base=_bases(base),
        )
        bar.update(task, advance=1, description="Fitting")
        ranking = rank(votes, styles, wish)
        bar.update(task, advance=1, description="Writing")
        if json_out is not None:
            _write(json_out, json.dumps(as_json(ranking), ensure_ascii=False, allow_nan=False) + "\n")
        bar.update(task, advance=1)
        if chart is not None:
            bar.update(task, description="Drawing")
            draw(ranking, chart)
            bar.update(task, advance=1)
    if str(json_out) != "-":
        show(ranking)


def rank(votes: VotesFile, styles: StylesFile | None, wish: Wish) -> Ranking:
    """Everything that is to be said; raises what the statistics raise."""
    comparisons = votes.comparisons(by=wish.by)
    attributes, useless = (None, ()) if styles is None else styles.of(votes.styles)
    flags: list[tuple[Flag, str | None]] = []
    if useless:
        sentence = f"Left out, since it is the same for all styles or different for nearly all: {', '.join(useless)}."
        flags.append((Flag("attribute_ignored", sentence), None))
    overall, worths = _fit(comparisons, attributes, wish)
    flags += [(flag, None) for flag in (overall.flags if overall is not None else worths.flags if worths else ())]
    if worths is not None and overall is not None:
        flags += [(flag, None) for flag in worths.flags if flag.code not in {old.code for old in overall.flags}]
    groups, differ, together = _segments(votes, comparisons, attributes, wish)
    if wish.mix is not None and together is not None:
        overall = together.poststratified(wish.mix)
        flags += [(flag, None) for flag in overall.flags if flag.code == "segment_unheard"]
    whole = _standing(votes, np.ones(len(votes), bool), overall, worths, wish.top)
    for name, standing in (groups or {}).items():
        assert standing.scores is not None
        flags += [(flag, name) for flag in standing.scores.flags]
    source = overall if overall is not None else worths
    assert source is not None
    untested: dict[str, Estimate] = {}
    if styles is not None and worths is not None:
        untested = _untested(styles, votes.styles, worths)
    return Ranking(
        all=whole,
        names=votes.styles,
        top=wish.top,
        segments=groups,
        differ=differ,
        worths=worths,
        base=wish.base,
        untested=untested,
        flags=tuple(flags),
        method=source.method,
        side_effect=source.side_effect,
        tie_effect=source.tie_effect,
        converged=source.converged and (worths is None or worths.converged),
        n_votes=source.n_votes,
        n_neither=int((votes.choice < 0.0).sum()),
        n_voters=source.n_voters,
    )


def _fit(
    comparisons: Comparisons, attributes: Attributes | None, wish: Wish
) -> tuple[Scores | None, PartWorths | None]:
    worths = None
    if attributes is not None:
        if wish.prior_sd not in (None, 0.0):
            raise BadInput("--prior with --attributes must be 0 (plain conditional logit) or left out.")
        worths = partworths.fit(comparisons, attributes, prior_sd=wish.prior_sd, side=wish.side, ties=wish.ties)
        if worths.scores is not None or partworths.too_many(comparisons.n_items):
            return worths.scores, worths
    if wish.model != "bradley_terry":
        return models.model(wish.model)(comparisons), worths
    return _plainly(comparisons, wish), worths


def _plainly(comparisons: Comparisons, wish: Wish) -> Scores:
    plain = wish.prior_sd == 0.0 or wish.ties == "half"
    return bradley_terry.fit(
        comparisons,
        prior_sd=wish.prior_sd,
        side=wish.side,
        ties=wish.ties,
        interval="plain" if plain else "honest",
        # The plain sandwich is compared with other packages to many digits: no sample of voters will do.
        clusters=None if plain else CLUSTER_VOTERS,
    )


def _segments(
    votes: VotesFile, comparisons: Comparisons, attributes: Attributes | None, wish: Wish
) -> tuple[dict[str, Standing] | None, Homogeneity | None, SegmentScores | None]:
    if wish.by is None:
        return None, None, None
    column = votes.groups[wish.by]
    together = None
    if wish.prior_sd is None and wish.model == "bradley_terry":
        together = segments.fit(comparisons, attributes, side=wish.side, ties=wish.ties)
        scores, differ = list(together.of), together.differ
    else:
        # A prior of one's own, or none, is for each segment alone: nothing is borrowed from the others.
        scores = [_plainly(comparisons.of_segment(s), wish) for s in range(len(column.names))]
        differ = segments.homogeneity(comparisons, side=wish.side, ties=wish.ties) if len(column.names) > 1 else None
    return {
        name or "(none)": _standing(votes, column.codes == s, scores[s], None, wish.top)
        for s, name in enumerate(column.names)
    }, differ, together  # fmt: skip


def _standing(
    votes: VotesFile, rows: NDArray[np.bool_], scores: Scores | None, worths: PartWorths | None, top: int
) -> Standing:
    n = len(votes.styles)
    left, right, none = votes.left[rows], votes.right[rows], votes.choice[rows] < 0.0
    counts = {
        "votes": np.bincount(left, minlength=n) + np.bincount(right, minlength=n),
        "neither": np.bincount(left[none], minlength=n) + np.bincount(right[none], minlength=n),
    }
    if scores is not None:
        columns = _columns(scores, top)
        order = scores.order
    else:
        assert worths is not None
        columns = _columns_by_attributes(worths)
        order = np.argsort(-np.round(worths.fitted, 9), kind="stable")
    plain = {key: np.asarray(values).tolist() for key, values in (columns | counts).items()}
    items = [{"name": votes.styles[k]} | {key: values[k] for key, values in plain.items()} for k in order.tolist()]
    return Standing(scores, order, items)


def _columns(scores: Scores, top: int) -> dict[str, Any]:
    """Everything about each item, (n,) each."""
    chances = scores.chances(top, INDIFFERENCE)
    low, high = scores.interval(LEVEL)
    rank_low, rank_high = scores.rank_interval(LEVEL)
    share_low, share_high = scores.share_interval(LEVEL)
    return {
        "strength": scores.strength,
        "standard_error": scores.standard_error,
        "standard_error_model": scores.standard_error_model,
        "low": low,
        "high": high,
        "rank": scores.rank,
        "rank_low": rank_low,
        "rank_high": rank_high,
        "share": scores.share,
        "share_low": share_low,
        "share_high": share_high,
        "p_best": chances.best,
        "p_best_within": chances.best_within,
        "p_top": chances.top,
        "expected_loss": chances.expected_loss,
        "design_effect": scores.design_effect,
    }


def _columns_by_attributes(worths: PartWorths) -> dict[str, Any]:
    """Of styles that are too many for a strength of each: what their attributes say, and no probabilities."""
    value = np.round(worths.fitted, 9)
    reach = normal_quantile(LEVEL) * worths.fitted_standard_error
    nothing = np.full(len(value), None)
    return {
        "strength": worths.fitted,
        "standard_error": worths.fitted_standard_error,
        "low": worths.fitted - reach,
        "high": worths.fitted + reach,
        "rank": 1 + len(value) - np.searchsorted(np.sort(value), value, side="right"),
    } | dict.fromkeys(("rank_low", "rank_high", "share", "p_best", "p_top"), nothing)


def _untested(styles: StylesFile, tested: tuple[str, ...], worths: PartWorths) -> dict[str, Estimate]:
    """Styles without votes that have only levels which were tested; of others nothing can be said."""
    known = {attribute.name: attribute for attribute in worths.attributes.attributes}
    found: dict[str, Estimate] = {}
    for name in styles.untested(tested):
        row = {k: v for k, v in styles.values[name].items() if k in known}
        if all(known[k].is_number or v in known[k].levels for k, v in row.items()):
            found[name] = worths.predict([row])[0]
    return found


def _top(top: int | None, n_styles: int) -> int:
    if top is None:
        return min(3, max(1, n_styles - 1))
    if top > n_styles:
        raise BadInput(f"--top is {top}, but the file has {n_styles} styles.")
    return top


def _column(by: str | None, votes: VotesFile) -> str | None:
    if by is None:
        return None
    if by in REQUIRED or by not in votes.groups:
        raise BadInput(f"{votes.path.name}, line 1: there is no column {by!r} to rank by.")
    return by


def _mix(mix: tuple[str, ...], by: str | None, votes: VotesFile) -> tuple[float, ...] | None:
    """The part of each group of the column, in its order; groups that are not named have none."""
    if not mix or by is None:
        return None
    names = [name or "(none)" for name in votes.groups[by].names]
    found = dict.fromkeys(names, 0.0)
    for one in mix:
        name, sign, part = one.rpartition("=")
        try:
            value = float(part)
        except ValueError:
            value = -1.0
        if not sign or not 0.0 <= value < 1e9:
            raise BadInput(f"--mix is {one!r}; it must be GROUP=PART, the part a number that is not negative.")
        if name not in found:
            raise BadInput(f"--mix names {name!r}, but the groups of {by!r} are {', '.join(names[:20])}.")
        found[name] = value
    if not any(found.values()):
        raise BadInput("--mix gives no group any part.")
    return tuple(found.values())


def _bases(base: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in base:
        name, sign, level = one.partition("=")
        if not sign or not name or not level:
            raise BadInput(f"--base is {one!r}; it must be ATTRIBUTE=LEVEL.")
        found[name.strip()] = level.strip()
    return found


def _write(path: Path, text: str) -> None:
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}).") from None


# --- as JSON ---


def as_json(ranking: Ranking) -> dict[str, Any]:
    """The document that docs and contract name; numbers are finite or null."""
    order = ranking.all.order
    scores = ranking.all.scores
    return {
        "items": ranking.all.items,
        "covariance": None if scores is None else scores.covariance[np.ix_(order, order)].tolist(),
        "side_effect": _estimate(ranking.side_effect),
        "tie_effect": _estimate(ranking.tie_effect),
        "attributes": None if ranking.worths is None else _worths(ranking.worths, ranking.base),
        "untested": [{"name": name, **_told(value, "strength")} for name, value in ranking.untested.items()],
        "segments": None if ranking.segments is None
        else {name: {"items": standing.items} for name, standing in ranking.segments.items()},
        "segments_differ": None if ranking.differ is None else {
            "statistic": ranking.differ.statistic,
            "df": ranking.differ.df,
            "p_value": ranking.differ.p_value,
            "design_effect": ranking.differ.design_effect,
        },
        "flags": [
            {"code": flag.code, "sentence": flag.sentence, "items": [ranking.names[k] for k in flag.items],
             "segment": segment}
            for flag, segment in ranking.flags
        ],
        "converged": ranking.converged,
        "votes": ranking.n_votes,
        "neither": ranking.n_neither,
        "voters": ranking.n_voters,
        "method": ranking.method,
        "log_likelihood": _finite(ranking.worths.log_likelihood if scores is None and ranking.worths is not None
                                  else scores.log_likelihood if scores is not None else float("nan")),
        "attributes_log_likelihood": None if ranking.worths is None else _finite(ranking.worths.log_likelihood),
        "prior_sd": None if scores is None else scores.prior_sd,
        "top": ranking.top,
    }  # fmt: skip


def _worths(worths: PartWorths, base: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"attribute": one.attribute, "level": one.level, **_told(one.worth, "worth")} for one in worths.against(base)
    ]


def _told(value: Estimate, name: str) -> dict[str, float]:
    low, high = value.interval(LEVEL)
    return {name: value.estimate, "standard_error": value.standard_error, "low": low, "high": high}


def _estimate(value: Estimate | None) -> dict[str, float] | None:
    return None if value is None else {"estimate": value.estimate, "standard_error": value.standard_error}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


# --- on screen ---


def show(ranking: Ranking) -> None:
    """The tables, and what should be doubted about them."""
    out = screen()
    title = f"{ranking.n_votes:,} votes" + (f" of {ranking.n_voters:,} voters" if ranking.n_voters else "")
    out.print(_table(ranking.all, ranking.top, title))
    for name, standing in (ranking.segments or {}).items():
        out.print(
            _table(standing, ranking.top, f"{name}: {sum(item['votes'] for item in standing.items) // 2:,} votes")
        )
    if ranking.differ is not None:
        d = ranking.differ
        verdict = (
            "The segments differ" if d.p_value < 1.0 - LEVEL else "These votes do not show that the segments differ"
        )
        out.print(f"{verdict} (chi-square {d.statistic:.1f} on {d.df} degrees of freedom, p = {d.p_value:.2g}).")
    if ranking.worths is not None:
        out.print(_worth_table(ranking.worths, ranking.base))
    if ranking.untested:
        table = Table("Not tested", "Strength", "95 % interval", title="Styles without votes, from their attributes")
        for name, value in sorted(ranking.untested.items(), key=lambda one: -one[1].estimate):
            table.add_row(escape(name), f"{value.estimate:+.2f}", _interval(*value.interval(LEVEL)))
        out.print(table)
    if ranking.side_effect is not None:
        s = ranking.side_effect
        out.print(f"Being on the left is worth {s.estimate:+.3f} logits (standard error {s.standard_error:.3f}).")
    if ranking.n_neither:
        out.print(f"{ranking.n_neither:,} answers liked none of the two; they are counted, and not taken for ties.")
    if not ranking.converged:
        out.print("[bold]The fit did not converge: do not use these numbers.[/bold]")
    for flag, segment in ranking.flags:
        names = [ranking.names[k] for k in flag.items]
        listed = f" ({', '.join(names[:8])}{', …' if len(names) > 8 else ''})" if names else ""
        where = f"{segment}: " if segment is not None else ""
        out.print(escape(f"Note: {where}{flag.sentence}{listed}"))
    out.print(escape(f"Method: {ranking.method}. Intervals are 95 %."), style="dim")


def _table(standing: Standing, top: int, title: str) -> Table:
    table = Table(title=escape(title))
    table.add_column("Rank", justify="right")
    table.add_column("Style", overflow="fold")
    for heading in ("Strength", "95 % interval", "Ranks", "Share", "P(best)", f"P(top {top})", "Votes"):
        table.add_column(heading, justify="right")
    for item in standing.items[:MOST_ROWS]:
        ranks = {item["rank_low"], item["rank_high"]} - {None}
        table.add_row(
            str(item["rank"]),
            escape(item["name"]),
            f"{item['strength']:+.2f}",
            _interval(item["low"], item["high"]),
            "-".join(str(one) for one in sorted(ranks)),
            *("" if item[key] is None else format(item[key], how) for key, how in PROBABILITIES.items()),
            f"{item['votes']:,}",
        )
    if len(standing.items) > MOST_ROWS:
        table.caption = f"the first {MOST_ROWS} of {len(standing.items):,}; the others are in --json"
    return table


def _worth_table(worths: PartWorths, base: dict[str, str]) -> Table:
    table = Table("Attribute", "Level", "Worth", "95 % interval", title="Part-worths, logits")
    for one in worths.against(base):
        level = one.level if one.level is not None else "(per unit)"
        how = "+.2f" if one.level is not None else "+.3g"
        low, high = one.worth.interval(LEVEL)
        table.add_row(
            escape(one.attribute), escape(level), f"{one.worth.estimate:{how}}", f"{low:{how}} … {high:{how}}"
        )
    return table


def _interval(low: float, high: float) -> str:
    return f"{low:+.2f} … {high:+.2f}"


# --- as a picture ---

FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "SimHei")


def draw(ranking: Ranking, path: Path) -> None:
    """A forest plot: each style's strength with its interval, the strongest on top."""
    # Imported here, since it takes a second that only a picture needs; Agg, since there may be no screen.
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    settings: Any = {
        "font.family": [font for font in FONTS if font in known] + ["DejaVu Sans"],
        "svg.fonttype": "none",
        "axes.unicode_minus": False,
    }
    items = ranking.all.items[:MOST_ROWS][::-1]
    strength = np.array([item["strength"] for item in items])
    reach = normal_quantile(LEVEL) * np.array([item["standard_error"] for item in items])
    with plt.rc_context(settings):
        figure, axes = plt.subplots(figsize=(8.0, 1.2 + 0.3 * len(items)), layout="constrained")
        places = np.arange(len(items))
        axes.errorbar(strength, places, xerr=reach, fmt="o", color="#1b5e20", ecolor="#66a96b", capsize=3)
        axes.set_yticks(places, [item["name"] for item in items])
        axes.axvline(0.0, color="#999999", linewidth=0.8)
        axes.set_xlabel("strength in logits, 95 % intervals; 0 is the average style")
        axes.set_title(f"{ranking.n_votes:,} votes")
        try:
            # A name in a script that no font here has is drawn as boxes; that is no reason to warn.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                figure.savefig(path, dpi=160)
        except OSError as error:
            raise BadInput(f"{path} cannot be written ({error.strerror}).") from None
        finally:
            plt.close(figure)
