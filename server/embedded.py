"""The database and the cache that come with the package: started by the first user, stopped by the last.

    with EmbeddedPostgres(data_dir) as postgres:
        engine = engine_from(postgres.url)

Any number of processes may do so with one data folder; they share one server, which a process of its own
(`server.holder`) keeps alive. What is killed comes back: the server by its holder, the holder by whichever user notices
first. Connections that were open are lost, as with any server; `server.stores.db.DatabaseAway` is how callers see it.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Generic, Self, TypeVar

from server.holder import EmbeddedFailure, Postgres, Server, Valkey

__all__ = ["EmbeddedFailure", "EmbeddedPostgres", "EmbeddedValkey"]

START_S = 120.0
WATCH_S = 0.5

Kind = TypeVar("Kind", bound=Server)


class _Embedded(Generic[Kind]):
    """One process's use of an embedded server. All of it is synchronous: a start takes half a second, once."""

    def __init__(self, server: Kind) -> None:
        self._server = server
        self._users: int | None = None
        self._leaving = threading.Event()
        self._watch: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The server's main process, None if it does not run; it changes when the server comes back after a fall."""
        return self._server.main_pid()

    @property
    def holder_pid(self) -> int | None:
        """The process that keeps the server alive."""
        return self._server.holder().get("pid")

    def start(self) -> None:
        """Joins the running server, or starts it. Raises EmbeddedFailure (one sentence) if that cannot be."""
        assert self._users is None, "started twice"
        if os.name != "posix":
            raise EmbeddedFailure("The embedded servers need Linux or macOS; set DATABASE_URL to a server of your own.")
        folder = self._server.data_dir
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._users = os.open(self._server.users_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise EmbeddedFailure(f"The data folder {folder} cannot be used: {problem.strerror}.") from problem
        try:
            self._join(time.monotonic() + START_S)
        except BaseException:
            os.close(self._users)
            self._users = None
            raise
        self._leaving.clear()
        self._watch = threading.Thread(target=self._keep_held, name=f"watch-{self._server.name}", daemon=True)
        self._watch.start()

    def stop(self) -> None:
        """Leaves the server; if nobody else uses it, it is stopped, and has gone when this returns."""
        if self._users is None:
            return
        self._leaving.set()
        if self._watch is not None:
            self._watch.join()
        try:
            # Whoever can lock the users' file for itself alone is the last one, and keeps newcomers waiting meanwhile.
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while self._server.is_held():
                if (pid := self.holder_pid) is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
                time.sleep(0.01)
        except BlockingIOError:
            pass
        finally:
            os.close(self._users)
            self._users = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _join(self, deadline: float) -> None:
        assert self._users is not None
        server = self._server
        # The exclusive lock is held for as long as the server is being stopped by the last one to leave.
        while not _shares(self._users):
            self._pause_before(deadline, "is being stopped by another process")
        while True:
            if not server.is_held():
                self._spawn_holder()
            elif server.answers() and (holder := server.holder()):
                if holder["durable"] != server.durable:
                    how = "with" if holder["durable"] else "without"
                    raise EmbeddedFailure(
                        f"The {server.name} of {server.data_dir} already runs {how} durability for another process; "
                        "use another data folder."
                    )
                return
            self._pause_before(deadline, "does not answer")

    def _pause_before(self, deadline: float, what: str) -> None:
        if time.monotonic() > deadline:
            raise EmbeddedFailure(
                f"The embedded {self._server.name} of {self._server.data_dir} {what} for {START_S:.0f} s; "
                f"{self._server.log_file} may say why."
            )
        time.sleep(0.01)

    def _spawn_holder(self) -> None:
        here = str(Path(__file__).resolve().parents[1])
        paths = os.pathsep.join(path for path in (here, os.environ.get("PYTHONPATH")) if path)
        arguments = [
            self._server.name,
            str(self._server.data_dir),
            *([] if self._server.durable else ["--not-durable"]),
        ]
        done = subprocess.run(  # noqa: S603 - this very program
            [sys.executable, "-m", "server.holder", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            env=os.environ | {"PYTHONPATH": paths},
            start_new_session=True,
            check=False,
        )
        # Nothing is said when another holder was quicker; the caller looks again.
        if done.returncode:
            raise EmbeddedFailure(
                f"The holder of {self._server.name} did not start: {done.stderr.decode().strip()[-300:]}"
            )
        if done.stdout and (failure := json.loads(done.stdout)["failure"]):
            raise EmbeddedFailure(failure)

    def _keep_held(self) -> None:
        while not self._leaving.wait(WATCH_S):
            if not self._server.is_held():
                # A failure now (a full disk, say) may pass: the next look tries again.
                with contextlib.suppress(EmbeddedFailure, OSError):
                    self._spawn_holder()


class EmbeddedPostgres(_Embedded[Postgres]):
    """PostgreSQL 18 in `data_dir`, on a unix socket only. `durable=False` is for tests: no fsync."""

    def __init__(self, data_dir: Path | str, *, durable: bool = True) -> None:
        super().__init__(Postgres(Path(data_dir), durable=durable))

    @property
    def url(self) -> str:
        """`postgresql://…` of the service's database, good for asyncpg and for `engine_from`, also before `start`."""
        return self._server.url

    def url_of(self, database: str) -> str:
        """The same for another database of this server."""
        return self._server.url_of(database)


class EmbeddedValkey(_Embedded[Valkey]):
    """Valkey 9 in `data_dir`, on a unix socket only, keeping nothing on disk."""

    def __init__(self, data_dir: Path | str) -> None:
        super().__init__(Valkey(Path(data_dir)))

    @property
    def url(self) -> str:
        """`unix://…`, good for `redis.asyncio.from_url`, also before `start`."""
        return self._server.url


def _shares(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
