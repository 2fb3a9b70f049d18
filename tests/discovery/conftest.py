"""A simulated farm on a thread of its own, whose workstations have addresses of their own: 127.0.0.11 and on.

The simulator listens on 127.0.0.1 only, at any port; forwarders give each workstation the same ports on an address.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest

from monitor.simulator.farm import Farm
from monitor.simulator.wire import Wire

FIRST = 11
T = TypeVar("T")


class Street:
    """A farm that serves callers who block, with an address for each workstation."""

    def __init__(self, workstations: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated street", daemon=True)
        self._thread.start()
        self.farm = Farm(workstations, 4)
        self.do(self.farm.start)
        self.hosts = [f"127.0.0.{FIRST + at}" for at in range(workstations)]
        self.ssh, self.winrm = _free(self.hosts), _free(self.hosts)
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self.do(self._open)

    async def _open(self) -> None:
        for host, ws in zip(self.hosts, self.farm.workstations, strict=True):
            await self._forward(host, self.ssh, ws.ssh)
            await self._forward(host, self.winrm, ws.winrm)

    async def _forward(self, host: str, port: int, wire: Wire) -> None:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", wire.port)
            self._writers |= {writer, back}
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
            self._writers -= {writer, back}

        self._servers.append(await asyncio.start_server(carry, host, port))

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    def close(self) -> None:
        self.do(self._close)
        self.do(self.farm.aclose)
        self.do(self._loop.shutdown_default_executor)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def do(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine of the street."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    def change(self, change: Callable[[], T]) -> T:
        """Call something on the street's loop."""
        outcome: Future[T] = Future()
        self._loop.call_soon_threadsafe(lambda: outcome.set_result(change()))
        return outcome.result(10)

    def arguments(self, *protocols: str) -> list[str]:
        """Where the services are, and that nothing else is looked for."""
        ports = {"ssh": self.ssh, "winrm": self.winrm}
        given = [word for name in protocols for word in ("--only", name, "--port", f"{name}={ports[name]}")]
        return [f"127.0.0.[{FIRST}-{FIRST + len(self.hosts) - 1}]", "--timeout", "5", *given]

    def by_key(self) -> list[str]:
        return ["--user", "operator", "--key-file", str(self.farm.key_file)]

    def by_password(self) -> list[str]:
        return ["--user", "operator", "--password-file", str(self.farm.password_file)]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


def _free(hosts: list[str]) -> int:
    """A port that is free on all hosts."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(socket.socket())
        first.bind((hosts[0], 0))
        port: int = first.getsockname()[1]
        for host in hosts[1:]:
            stack.enter_context(socket.socket()).bind((host, port))
        return port


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    street = Street(3)
    try:
        yield street
    finally:
        street.close()


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    """A known_hosts file in which nobody is."""
    return tmp_path / "nobody"
