"""The report as one HTML page that stands alone: styles and pictures are inside it, it runs no script, and prints on A4."""

import base64
from pathlib import Path

import jinja2

from game.conclusions import Verdict, shown_percent
from server.report.model import Report

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def yuan(fen: int) -> str:
    """Money as merchants read it."""
    return f"¥{fen / 100:,.2f}"


def percent(share: float) -> str:
    """A share with one decimal."""
    return f"{100 * share:.1f}%"


def as_html(report: Report, media_dir: Path | None = None) -> bytes:
    """The page; with `media_dir` the pictures stand in it."""

    def t(zh: str, en: str) -> str:
        return en if report.english else zh

    reach = max([0.2, *(max(abs(line.low), abs(line.high)) for line in report.styles)])

    def x(value: float) -> str:
        """Where a strength stands on the chart, 0 to 200."""
        return f"{100 + 96 * value / reach:.1f}"

    counts = report.head_to_head
    order = [line.position for line in report.styles]
    html = _TEMPLATES.get_template("report.html").render(
        r=report,
        t=t,
        x=x,
        yuan=yuan,
        percent=percent,
        chance=shown_percent,
        pictures={line.picture: _picture(media_dir, line.picture) for line in report.styles},
        picked={line.style_id for line in report.with_verdict(Verdict.HIT) or report.styles[: report.keep]},
        matrix=[[(counts[a][b], counts[a][b] + counts[b][a]) for b in order] for a in order] if counts else [],
    )
    return html.encode()


def _picture(media_dir: Path | None, key: str | None) -> str:
    if media_dir is None or key is None:
        return ""
    path = media_dir / f"{key}-small.webp"
    try:
        return "data:image/webp;base64," + base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return ""
