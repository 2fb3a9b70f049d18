"""A reach over real sockets for single probes, targets, and listeners that misbehave in one way each."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

import aiohttp
import pytest
from pydantic import SecretStr

from monitor.checks import CheckParams
from monitor.model import Category, Key, Target, Workstation
from monitor.transports import OUTPUT_LIMIT, Completed

NOW = 1_800_000_000.0
MakeTarget = Callable[..., Target]


class SocketReach:
    """What a probe of a socket touches: a session, a clock that stands still, and no transport."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.marks: list[Category] = []
        self.said: dict[str, bytes] = {}
        self.secrets: list[SecretStr] = []

    def mark(self, layer: Category) -> None:
        self.marks.append(layer)

    async def run(self, argv: Sequence[str], *, limit: int = OUTPUT_LIMIT) -> Completed:
        raise AssertionError(f"a socket check ran {argv}")

    async def code_page(self) -> str:
        raise AssertionError("a socket check asked for a code page")

    async def record(self, what: str, said: Callable[[], bytes], *, secrets: Iterable[SecretStr] = ()) -> None:
        self.said[what] = said()
        self.secrets += secrets

    def now(self) -> float:
        return NOW


@pytest.fixture
async def reach() -> AsyncIterator[SocketReach]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield SocketReach(session)


@pytest.fixture
def target() -> MakeTarget:
    def make(kind: str, params: CheckParams, *, host: str = "127.0.0.1", timeout: float = 5.0) -> Target:
        return Target(
            workstation=Workstation(id="ws-01", host=host),
            name=kind,
            kind=kind,
            params=params,
            path=(Key(Category.NETWORK, "ws-01", kind),),
            interval=30.0,
            timeout=timeout,
        )

    return make


@pytest.fixture
def closed_port() -> int:
    """A port of loopback nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A listener whose backlog is full: further connections get no answer at all."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(2):
            filler = socket.socket()
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        yield int(listener.getsockname()[1])
        for filler in fillers:
            filler.close()
