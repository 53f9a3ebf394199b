"""Laws of the embedded servers: data survive, the killed come back, a folder is shared, nothing is left behind."""

import asyncio
import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import redis
import sqlalchemy as sa

from server.embedded import EmbeddedFailure, EmbeddedPostgres, EmbeddedValkey
from server.stores.db import DatabaseAway, engine_from, transaction

PATIENCE_S = 60.0


def eventually(what: Callable[[], object]) -> None:
    """Waits until `what` is true; a law about time would depend on the machine, so there is only a generous end."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ask(url: str, sql: str) -> object:
    """One statement on a connection of its own; a server that is away at first is asked again."""

    async def once() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return asyncio.run(once())
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """The name of a data folder that is not there yet."""
    return tmp_path / "data"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as a first start and a stop leave it."""
    data = tmp_path_factory.mktemp("made") / "data"
    with EmbeddedPostgres(data, durable=False):
        pass
    return data


@pytest.fixture
def data(made: Path, empty: Path) -> Path:
    """A copy of it, because making one anew costs a second."""
    subprocess.run(["cp", "-a", str(made), str(empty)], check=True)
    return empty


@pytest.fixture
def running(data: Path) -> Iterator[EmbeddedPostgres]:
    # Careless with the disk, because a killed process loses nothing that it wrote; only a killed machine does.
    with EmbeddedPostgres(data, durable=False) as postgres:
        yield postgres


USER = """
import sys
from server.embedded import EmbeddedPostgres
with EmbeddedPostgres(sys.argv[1], durable=False) as postgres:
    print(postgres.pid, flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def another_process_with(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Another command on the same data folder; yields when it has the database, with the server's pid on its stdout."""
    command = [sys.executable, "-c", USER, str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def leave(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0


def test_data_survive_a_stop_and_the_next_start_goes_on_with_them(empty):
    with EmbeddedPostgres(empty) as postgres:
        ask(postgres.url, "create table kept as select 42 as answer")
        first = postgres.pid
    assert not is_alive(first)
    with EmbeddedPostgres(empty) as postgres:
        assert ask(postgres.url, "select answer from kept") == 42
        assert postgres.pid != first


def test_nothing_is_left_running_and_no_socket_lies_about(data):
    with EmbeddedPostgres(data, durable=False) as postgres, EmbeddedValkey(data) as valkey:
        pids = [postgres.pid, postgres.holder_pid, valkey.pid, valkey.holder_pid]
        folders = [Path(redis.connection.parse_url(valkey.url)["path"]).parent]
        folders.append(Path(ask(postgres.url, "show unix_socket_directories")))
        assert all(folder.is_dir() for folder in folders)
    # The holder's last breath comes after it let go of its lock.
    eventually(lambda: not any(is_alive(pid) for pid in pids))
    assert not any(folder.exists() for folder in folders)


def test_commits_survive_a_killed_machine_and_in_tests_at_least_a_killed_process(running, tmp_path):
    settings = "select string_agg(setting, ' ' order by name) from pg_settings where name in "
    settings += "('fsync', 'full_page_writes', 'synchronous_commit')"
    assert ask(running.url, settings) == "off off on"
    with EmbeddedPostgres(tmp_path / "durable") as durable:
        assert ask(durable.url, settings) == "on on on"


def test_nobody_but_the_owner_can_look_in_and_nothing_listens_on_the_network(running, data):
    socket_folder = Path(ask(running.url, "show unix_socket_directories"))
    for folder in (data, data / "postgres", socket_folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert ask(running.url, "show listen_addresses") == ""


def test_as_root_the_server_is_somebody_else(running):
    server_uid = Path(f"/proc/{running.pid}").stat().st_uid
    assert (server_uid == os.getuid()) == (os.getuid() != 0)


def test_a_killed_server_comes_back_with_everything_that_was_committed(running):
    ask(running.url, "create table kept as select 42 as answer")
    killed = running.pid
    os.kill(killed, signal.SIGKILL)
    assert ask(running.url, "select answer from kept") == 42
    assert running.pid != killed


def test_a_server_killed_again_and_again_comes_back_each_time(running):
    for n in range(3):
        killed = running.pid
        os.kill(killed, signal.SIGKILL)
        eventually(lambda killed=killed: running.pid not in (None, killed) and ask(running.url, "select true"))
        assert ask(running.url, f"select {n}") == n


def test_a_busy_backend_of_a_killed_server_does_not_keep_the_next_one_out(running):
    async def loop() -> None:
        connection = await asyncpg.connect(running.url)
        with contextlib.suppress(asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
            await connection.execute("do $$ begin loop perform 1; end loop; end $$")

    async def kill_meanwhile() -> int:
        busy = asyncio.create_task(loop())
        await asyncio.sleep(0.3)
        killed = running.pid
        os.kill(killed, signal.SIGKILL)
        await busy
        return killed

    killed = asyncio.run(kill_meanwhile())
    assert ask(running.url, "select 1") == 1
    assert running.pid != killed


def test_a_killed_holder_is_replaced_and_the_data_are_as_they_were(running):
    ask(running.url, "create table kept as select 42 as answer")
    killed = running.holder_pid
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: running.holder_pid not in (None, killed))
    assert ask(running.url, "select answer from kept") == 42


def test_an_engine_survives_the_fall_of_its_server(running):
    async def story() -> list[object]:
        engine = engine_from(running.url, pool_size=3)
        seen: list[object] = []
        async with transaction(engine) as connection:
            seen.append(await connection.scalar(sa.text("select 1")))
        killed = running.pid
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: running.pid not in (None, killed))
        while len(seen) < 3:
            try:
                async with transaction(engine) as connection:
                    seen.append(await connection.scalar(sa.text("select 2")))
            except DatabaseAway:
                if "away" not in seen:
                    seen.append("away")
                await asyncio.sleep(0.02)
        await engine.dispose()
        return seen

    assert asyncio.run(story()) == [1, "away", 2]


def test_a_second_process_shares_the_server_and_the_last_to_leave_stops_it(data):
    with EmbeddedPostgres(data, durable=False) as postgres:
        pid = postgres.pid
        with another_process_with(data) as other:
            assert int(other.stdout.readline()) == pid
            postgres.stop()
            assert is_alive(pid)
            assert ask(postgres.url, "select 1") == 1
            leave(other)
    assert not is_alive(pid)


def test_processes_that_start_at_once_in_an_empty_folder_get_one_server(empty):
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(another_process_with(empty)) for _ in range(4)]
        pids = {int(process.stdout.readline()) for process in processes}
        assert len(pids) == 1
        for process in processes:
            leave(process)
    assert not is_alive(pids.pop())


def test_a_server_whose_only_user_was_killed_stops_by_itself(data):
    with another_process_with(data) as user:
        pid = int(user.stdout.readline())
        assert is_alive(pid)
        user.kill()
        user.wait()
        eventually(lambda: not is_alive(pid))


def test_who_comes_while_the_server_is_being_stopped_gets_a_new_one(data):
    for n in range(3):
        first, second = EmbeddedPostgres(data, durable=False), EmbeddedPostgres(data, durable=False)
        first.start()
        leaving = first.pid
        # The holder is asked to stop as the last user does, while a newcomer is already on the way.
        os.kill(first.holder_pid, signal.SIGTERM)
        second.start()
        assert ask(second.url, f"select {n}") == n
        eventually(lambda leaving=leaving, second=second: second.pid not in (None, leaving))
        first.stop()
        assert ask(second.url, "select 1") == 1
        second.stop()


def test_what_a_lost_machine_left_behind_does_not_prevent_a_start(data):
    """After a restart the numbers in pid files belong to anybody: here to this very test."""
    with EmbeddedPostgres(data, durable=False) as postgres:
        ask(postgres.url, "create table kept as select 42 as answer")
    mine = f"{os.getpid()}\n{data}/postgres\n1\n5432\n/tmp\n\n  1 1\nready\n"
    (data / "postgres" / "postmaster.pid").write_text(mine)
    (data / "postgres.holder").write_text(json.dumps({"pid": os.getpid(), "durable": False}))
    (data / "postgres.new").mkdir()
    (data / "postgres.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(data, durable=False) as postgres:
        assert ask(postgres.url, "select answer from kept") == 42


def test_a_data_folder_with_a_very_long_path_works(tmp_path):
    data = tmp_path / ("深" * 40) / ("deep" * 40)
    with EmbeddedPostgres(data, durable=False) as postgres, EmbeddedValkey(data) as valkey:
        assert ask(postgres.url, "select 1") == 1
        with redis.from_url(valkey.url) as client:
            assert client.ping()


def test_a_data_folder_below_one_that_is_closed_to_others_works(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "data", durable=False) as postgres:
        assert ask(postgres.url, "select 1") == 1


def test_data_of_another_version_are_refused_in_a_sentence_and_left_alone(data):
    (data / "postgres" / "PG_VERSION").write_text("13\n")
    with pytest.raises(EmbeddedFailure, match=r"holds data of PostgreSQL 13, and this package brings 18"):
        EmbeddedPostgres(data).start()
    assert (data / "postgres" / "PG_VERSION").read_text() == "13\n"


def test_a_server_that_cannot_start_says_why_in_a_sentence(data):
    (data / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedFailure, match=r"does not start: .*pg_control"):
        EmbeddedPostgres(data).start()


def test_a_data_folder_that_is_a_file_is_refused_in_a_sentence(empty):
    empty.write_text("")
    with pytest.raises(EmbeddedFailure, match=r"data folder .* cannot be used"):
        EmbeddedPostgres(empty).start()


def test_one_folder_is_not_durable_for_one_process_and_careless_for_another(running, data):
    with pytest.raises(EmbeddedFailure, match="already runs without durability"):
        EmbeddedPostgres(data).start()


def test_the_environment_of_the_caller_does_not_reach_the_server(data):
    """PGDATA or PGPORT of somebody's shell must not send the server (or its users) elsewhere."""
    environment = os.environ | {
        "PGDATA": "/nowhere",
        "PGPORT": "1",
        "PGHOST": "nowhere",
        "LC_ALL": "xx_XX",
        "TMPDIR": "/x",
    }
    done = subprocess.run(
        [sys.executable, "-c", USER, str(data)], input="\n", env=environment, text=True, capture_output=True, check=True
    )
    assert int(done.stdout) > 0


def test_a_killed_cache_comes_back_empty(data):
    with EmbeddedValkey(data) as valkey, redis.from_url(valkey.url) as client:
        client.set("seen", "1")
        killed = valkey.pid
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: valkey.pid not in (None, killed))
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                assert client.get("seen") is None
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline
