"""Laws of the `xuankuan` command: help is quick and complete, a refusal is one sentence and an exit code."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli import COMMANDS, cli, first_line

FILES = sorted(path for path in COMMANDS.glob("*.py") if not path.stem.startswith("_"))
KEYS = {f"XUANKUAN_{name}_KEYS": f"1:{'k' * 40}" for name in ("TICKET", "TOKEN", "VAULT")}


SETTINGS = re.compile(r"XUANKUAN_|DATABASE_URL$|REDIS_URL$")


def xuankuan(*arguments: str, **environment: str) -> Result:
    """The command as a user calls it, with settings that say nothing but what the test says; a bug is raised as it is."""
    unset = {name: None for name in os.environ if SETTINGS.match(name)}
    done = CliRunner().invoke(cli, arguments, prog_name="xuankuan", env=unset | environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def is_one_sentence(text: str) -> bool:
    return "Traceback" not in text and re.search(r"^Error: .+[.?)]\s*$", text, re.MULTILINE) is not None


@pytest.fixture
def here(tmp_path: Path) -> Mapping[str, str]:
    """An environment whose data folder is the test's own."""
    return {"XUANKUAN_DATA_DIR": str(tmp_path / "data")}


def test_help_names_every_command_with_its_files_first_sentence():
    said = " ".join(xuankuan("--help").stdout.split())
    assert FILES
    for path in FILES:
        assert f"{path.stem.replace('_', '-')} {first_line(path)}" in said


def test_a_refusal_leaves_the_process_with_its_exit_code_and_without_a_traceback(tmp_path):
    (tmp_path / "file").write_text("")
    environment = os.environ | {"XUANKUAN_DATA_DIR": str(tmp_path / "file")}
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "-m", "server", "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)
    assert done.stdout == ""


def test_help_imports_nothing_heavy():
    code = "import sys; from server.cli import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "sqlalchemy", "aiohttp", "asyncpg", "pydantic", "rich"}.intersection(modules)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_command_has_help_of_its_own(path):
    done = xuankuan(path.stem.replace("_", "-"), "--help")
    assert done.exit_code == 0, done.stderr
    assert "Usage: xuankuan" in done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_unknown_option_is_a_sentence_and_exit_2(path, capfd):
    done = xuankuan(path.stem.replace("_", "-"), "--no-such-option")
    assert done.exit_code == 2
    # A command may have handed its options to a process of its own.
    assert is_one_sentence(done.stderr + capfd.readouterr().err)


def test_an_unknown_command_is_a_sentence_and_exit_2():
    done = xuankuan("no-such-command")
    assert done.exit_code == 2
    assert is_one_sentence(done.stderr)


def test_migrate_brings_the_embedded_database_to_head_once(here):
    first, second = xuankuan("migrate", **here), xuankuan("migrate", **here)
    assert first.exit_code == second.exit_code == 0, first.stderr + second.stderr
    assert first.stdout.startswith("The schema went from nothing to")
    assert second.stdout.startswith("The schema is up to date")


@pytest.mark.parametrize(
    ("address", "exit_code"),
    [
        ("mysql://somewhere/x", 2),
        ("nonsense", 2),
        ("postgresql://localhost:1/x", 1),
        ("postgresql:///x?host=/nowhere", 1),
    ],
)
def test_a_database_that_cannot_be_is_a_sentence(address, exit_code, here):
    done = xuankuan("migrate", DATABASE_URL=address, **here)
    assert done.exit_code == exit_code
    assert is_one_sentence(done.stderr)


def test_the_doctor_is_content_with_a_migrated_database_and_keys(database, redis_url, here):
    done = xuankuan("doctor", DATABASE_URL=database, REDIS_URL=redis_url, **KEYS, **here)
    assert done.exit_code == 0, done.stdout
    assert "The schema is up to date" in done.stdout
    assert "Redis answers" in done.stdout
    assert "!!" not in done.stdout


def test_looking_makes_no_data_folder(here):
    done = xuankuan("doctor", **KEYS, **here)
    assert done.exit_code == 0, done.stdout
    assert not Path(here["XUANKUAN_DATA_DIR"]).exists()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"XUANKUAN_TICKET_KEYS": ""}, "!! Configuration: XUANKUAN_TICKET_KEYS is not set"),
        ({"XUANKUAN_TICKET_KEYS": "1:sample-ticket-key-for-demo-only"}, "!! Configuration: XUANKUAN_TICKET_KEYS holds"),
        ({"REDIS_URL": "redis://localhost:1"}, "!! Redis at REDIS_URL does not answer"),
        ({"REDIS_URL": "nonsense"}, "!! Redis at REDIS_URL does not answer"),
        ({"DATABASE_URL": "postgresql://localhost:1/x"}, "!! PostgreSQL: The database does not answer"),
        ({"DATABASE_URL": "mysql://localhost/x"}, "!! PostgreSQL: The database must be PostgreSQL"),
        ({"XUANKUAN_DATA_DIR": "/proc/nowhere"}, "!! The data folder /proc/nowhere cannot be written"),
        ({"XUANKUAN_PORT": "eighty"}, "!! Configuration: XUANKUAN_PORT"),
    ],
)
def test_the_doctor_says_what_is_broken_and_exits_1(environment, sentence, database, here):
    done = xuankuan("doctor", **{"DATABASE_URL": database, **KEYS, **here, **environment})
    assert done.exit_code == 1, done.stdout + done.stderr
    assert sentence in done.stdout
    assert "Traceback" not in done.stderr


def test_the_doctor_sees_that_a_schema_is_missing(empty_database, here):
    done = xuankuan("doctor", DATABASE_URL=empty_database, **KEYS, **here)
    assert done.exit_code == 1
    assert "run `xuankuan migrate`" in done.stdout
