"""The closing report of a test as HTML, JSON, CSV or XLSX."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click

from server.commands import BadInput, run, screen, settings_without_keys, the_database
from server.config import ConfigRefused
from server.migrations import upgrade
from server.report.load import report_of
from server.report.model import Report
from server.report.render import FORMATS, render
from server.stores import farm, tests
from server.stores.db import engine_from, reading


@click.command()
@click.argument("test_id")
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), default="html", show_default=True)
@click.option(
    "--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Language of the report."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default=None,
              help="Where to write it; '-' for stdout. Left out: report-TEST_ID.FORMAT here.")  # fmt: skip
def command(test_id: str, kind: str, lang: str, out: Path | None) -> None:
    """The closing report of a test: verdicts with reasons, first order, evidence, and what votes cannot tell."""
    try:
        wanted = UUID(test_id)
    except ValueError:
        raise BadInput(
            f'"{test_id}" is not the id of a test; it looks like 0190a000-0000-7000-8000-000000000001.'
        ) from None
    try:
        config = settings_without_keys()
    except ConfigRefused as refused:
        raise BadInput(str(refused)) from None
    with the_database(config) as url:
        report = run(_load(url, wanted, english=lang == "en"))
    if report is None:
        raise BadInput(f"there is no test {wanted}.")
    data = render(report, kind, media_dir=config.media_dir)
    target = out or Path(f"report-{wanted}.{kind}")
    if str(target) == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        target.write_bytes(data)
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error.strerror}.") from error
    screen().print(f"{report.headline}\n{target}", highlight=False)


async def _load(url: str, test_id: UUID, *, english: bool) -> Report | None:
    await upgrade(url)
    engine = engine_from(url, pool_size=1)
    try:
        async with reading(engine) as conn:
            test = await tests.find(conn, test_id)
            if test is None:
                return None
            return await report_of(
                conn, test, economy=await farm.current_economy(conn), now=datetime.now(UTC), english=english
            )
    finally:
        await engine.dispose()
