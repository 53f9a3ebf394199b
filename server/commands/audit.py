"""Recompute every invariant of the books and votes from the facts; exit 1 and the offending rows if any fails."""

import sys

import click
from rich.markup import escape
from rich.table import Table

from server.commands import progress, run, screen, settings_without_keys, the_database
from server.stores.db import engine_from, naming_loss
from server.stores.invariants import Finding, audit, every_law


@click.command("audit")
@click.option("--connections", default=2, show_default=True, type=click.IntRange(1, 16), help="Laws checked at once.")
@click.option("--quiet", is_flag=True, help="Say only what does not hold.")
def command(connections: int, quiet: bool) -> None:
    """Recompute every invariant of the books and votes from the facts.

    Reads one snapshot, so it may run while the service works. Exits 1 if a law is broken, and names the rows.
    """
    out = screen()
    with the_database(settings_without_keys()) as url:
        findings = run(_findings(url, connections))
    for finding in findings:
        if not finding.holds:
            out.print(f"[red]!![/] {finding.code}: {escape(finding.sentence)}")
            out.print(_offenders(finding))
        elif not quiet:
            out.print(f"[green]ok[/] {finding.code}: {escape(finding.sentence)}")
    broken = sum(not finding.holds for finding in findings)
    out.print(f"[red]{broken} of {len(findings)} laws do not hold.[/]" if broken else f"All {len(findings)} laws hold.")
    sys.exit(1 if broken else 0)


async def _findings(url: str, connections: int) -> list[Finding]:
    """The findings in the order of the laws, whatever order they came in."""
    laws = every_law()
    engine = engine_from(url, pool_size=connections)
    found = {}
    try:
        with progress() as bar, naming_loss(connecting=True):
            task = bar.add_task("Auditing", total=len(laws))
            async for finding in audit(engine, laws, connections=connections):
                found[finding.code] = finding
                bar.advance(task)
    finally:
        await engine.dispose()
    return [found[law.code] for law in laws]


def _offenders(finding: Finding) -> Table:
    table = Table(*finding.rows[0], box=None, pad_edge=True)
    for row in finding.rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row.values()))
    if finding.more:
        table.add_row("… and more", *[""] * (len(finding.rows[0]) - 1))
    return table
