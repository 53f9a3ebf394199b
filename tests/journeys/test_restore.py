"""Backup and restore to a moment, by the very commands of the handbook, with votes before, after, and a disaster."""

import asyncio
import contextlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner

from server.cli import cli
from server.holder import postgres_binary
from server.jobs.seal_books import SealBooks
from server.jobs.settle_grants import SettleGrants
from server.migrations import upgrade
from tests.server.builders import a_service

HANDBOOK = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")


UNTIL_PROMOTED = "\nuntil psql -Atqc 'select not pg_is_in_recovery()' xuankuan | grep -q t; do sleep 0.1; done"


def block(name: str) -> str:
    """The shell block of this name, as it stands in the handbook."""
    found = re.search(rf"^```sh {name}\n(.*?)^```", HANDBOOK, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def as_the_database(script: str, **variables: str) -> None:
    """Run a script as the database's user: root may not run PostgreSQL."""
    environment = {"PATH": f"{Path(postgres_binary('postgres')).parent}:/usr/bin:/bin", "LC_ALL": "C", **variables}
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    done = subprocess.run(
        ["/bin/bash", "-c", script], env=environment, cwd="/", capture_output=True, text=True, timeout=240, check=False,
        **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the database's user, with a name short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="xk-restore-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(made, "nobody", pwd.getpwnam("nobody").pw_gid)
    yield made
    shutil.rmtree(made)


@contextlib.contextmanager
def stopped_in_the_end(data: Path) -> Iterator[None]:
    try:
        yield
    finally:
        if (data / "postmaster.pid").exists():
            as_the_database(f"pg_ctl -D {data} -m immediate -w stop")


async def asked(url: str, question: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_any_moment_can_be_restored_and_the_books_are_whole_then(folder: Path, tmp_path: Path):
    """What was voted until the moment is there, what came after is not, and every law holds, the seals too."""
    data, backups, restored = folder / "data", folder / "backups", folder / "restored"
    options = f"-k {folder} -c listen_addresses=''"
    url = f"postgresql://xuankuan@/xuankuan?host={folder}&port=5432"
    with stopped_in_the_end(data), stopped_in_the_end(restored):
        as_the_database(
            f"""
            set -e
            mkdir -p {backups}/wal
            initdb -D {data} -U xuankuan --auth=trust --encoding=UTF8 --no-sync >/dev/null
            cat >> {data}/postgresql.conf <<END
wal_level = replica
archive_mode = on
archive_command = 'test ! -f {backups}/wal/%f && cp %p {backups}/wal/%f'
archive_timeout = 60
END
            pg_ctl -D {data} -l {folder}/log -o "{options}" -w start >/dev/null
            createdb -h {folder} -U xuankuan xuankuan
            """
        )
        await upgrade(url)
        async with a_service(url, tmp_path) as service:
            test = await service.test()

            async def votes(*names: str) -> None:
                for name in names:
                    phone = await service.phone(name)
                    dealt = await phone.round(5)
                    answered = await phone.answer(*((each["ticket"], "left") for each in dealt["matchups"]))
                    assert [each["status"] for each in answered["receipts"]] == ["counted"] * 5
                await SettleGrants(service.engine).run(service.clock())
                await SealBooks(service.engine).seal_all(service.clock())

            await votes("before the backup")
            as_the_database(block("backup"), BACKUPS=str(backups), PGHOST=str(folder), PGUSER="xuankuan")
            await votes("after it", "and one more")
            when: datetime = await asked(url, "select clock_timestamp()")
            kept = await asked(url, "select count(*) from votes")
            await votes("too late")
        lost = f"alter table votes disable trigger all; delete from votes where test_id = '{test.test_id}'"
        await asked(url, "select 1")
        connection = await asyncpg.connect(url)
        await connection.execute(lost)
        last = await connection.fetchval("select pg_walfile_name(pg_switch_wal())")
        await connection.close()
        deadline = time.monotonic() + 120
        while not (backups / "wal" / last).exists():
            assert time.monotonic() < deadline, "the log was not archived"
            await asyncio.sleep(0.1)
        as_the_database(f"pg_ctl -D {data} -m immediate -w stop >/dev/null")
        as_the_database(
            block("restore") + UNTIL_PROMOTED,
            BACKUPS=str(backups), RESTORED=str(restored), WHEN=when.isoformat(sep=" "), SERVER_OPTIONS=options,
            PGHOST=str(folder), PGUSER="xuankuan",
        )  # fmt: skip
        assert kept == 15
        assert await asked(url, "select count(*) from votes") == kept
        assert await asked(url, "select count(*) from seals") > 0
        audited = await asyncio.to_thread(CliRunner().invoke, cli, ["audit"], env={"DATABASE_URL": url})
        assert audited.exit_code == 0, audited.output
        assert "laws hold" in audited.output
