"""A load client that costs little: prepared requests over keep-alive connections, latencies of each."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Load:
    """What a run came to."""

    requests: int
    seconds: float
    latencies_ms: np.ndarray
    statuses: dict[int, int]
    bodies: tuple[bytes, ...]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return float(np.percentile(self.latencies_ms, percent))


def post(path: str, body: bytes, token: str = "") -> bytes:
    """The bytes of one POST request."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{bearer}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are not of asyncio's classes
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        request = next(self._run.requests, None)
        if request is None:
            self._transport.close()
            self._run.left()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._run.done(int(head[9:12]), time.perf_counter() - self._sent_at, body)
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._run.failed(error)


class _Run:
    def __init__(self, requests: Iterator[bytes], connections: int) -> None:
        self.requests = requests
        self._open = connections
        self._latencies: list[float] = []
        self._statuses: dict[int, int] = {}
        self._bodies: list[bytes] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(self, status: int, seconds: float, body: bytes) -> None:
        self._latencies.append(seconds)
        self._statuses[status] = self._statuses.get(status, 0) + 1
        if len(self._bodies) < 20:
            self._bodies.append(body)

    def left(self) -> None:
        self._open -= 1
        if self._open == 0 and not self.over.done():
            self.over.set_result(None)

    def failed(self, error: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(error)

    def load(self, seconds: float) -> Load:
        return Load(
            len(self._latencies), seconds, 1000 * np.array(self._latencies), self._statuses, tuple(self._bodies)
        )


async def fire(host: str, port: int, requests: Sequence[bytes], *, connections: int) -> Load:
    """Send all requests over so many connections, as fast as the answers come."""
    run = _Run(iter(requests), connections)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    await asyncio.gather(*(loop.create_connection(lambda: _Connection(run), host, port) for _ in range(connections)))
    await run.over
    return run.load(time.perf_counter() - started)
