"""Make a draft test of a folder: test.toml (or styles.csv) and pictures."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click

from server.commands import BadInput, progress, run, settings_without_keys
from server.config import Config
from server.files.test_folder import DraftTest, FolderRefused, read_test_folder
from server.flows.house_merchant import house_merchant
from server.flows.import_test import import_test
from server.pictures import PictureRefused
from server.running import database_of, migrated
from server.stores import tests
from server.stores.db import engine_from, transaction


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--merchant", type=click.UUID, default=None, help="Whose test it is; left out: the house's own merchant.")
def command(folder: Path, merchant: UUID | None) -> None:
    """Make a draft test of FOLDER (or a zip of one). Everything is checked first; nothing is half-imported."""
    now = datetime.now(UTC)
    with progress() as bar:
        task = bar.add_task("Checking pictures", total=None)
        try:
            draft = read_test_folder(
                folder, now=now, on_picture=lambda done, of: bar.update(task, completed=done, total=of)
            )
        except (FolderRefused, PictureRefused) as refused:
            raise BadInput(str(refused)) from None
    with database_of(settings_without_keys()) as config:
        test_id = run(_import(config, draft, merchant, now))
    for note in draft.notes:
        click.echo(f"note: {note.en}", err=True)
    click.echo(f'Draft "{draft.title}" with {len(draft.styles)} styles: {test_id}')


async def _import(config: Config, draft: DraftTest, merchant_id: UUID | None, now: datetime) -> UUID:
    config = await migrated(config)
    assert config.database_url
    engine = engine_from(config.database_url, pool_size=1)
    try:
        async with transaction(engine) as conn:
            if merchant_id is None:
                merchant_id = await house_merchant(conn, now=now)
            elif await tests.merchant_name(conn, merchant_id) is None:
                raise BadInput(f"There is no merchant {merchant_id}; see the merchants page of the operators' console.")
            test = await import_test(conn, draft, merchant_id=merchant_id, media_dir=config.media_dir, now=now)
            return test.test_id
    finally:
        await engine.dispose()
