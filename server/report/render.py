"""A report in any of its formats, and all of them as files in a folder."""

import json
from pathlib import Path

from server.report.model import Report
from server.report.page import as_html
from server.report.tables import as_csv, as_xlsx

FORMATS = {
    "html": "text/html",
    "json": "application/json",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def render(report: Report, kind: str, *, media_dir: Path | None = None) -> bytes:
    """The report as a file of one of `FORMATS`."""
    if kind == "html":
        return as_html(report, media_dir)
    if kind == "json":
        return json.dumps(report.as_json(), ensure_ascii=False, indent=1).encode() + b"\n"
    return as_csv(report) if kind == "csv" else as_xlsx(report)


def write_reports(report: Report, folder: Path, *, media_dir: Path | None = None) -> list[Path]:
    """All four files in `folder`/reports/<test id>; returns where they are. Raises OSError."""
    place = folder / "reports" / report.test_id
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in FORMATS:
        path = place / f"report.{kind}"
        path.write_bytes(render(report, kind, media_dir=media_dir))
        written.append(path)
    return written
