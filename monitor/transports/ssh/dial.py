"""Making a connection, once for all who want it, and knowing how far it got."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

import asyncssh

from monitor.errors import LocalError, ProbeError, classify
from monitor.model import Category
from monitor.transports import Mark
from monitor.transports.ssh.errors import ERRORS, LOGGING_IN

ENDING: Final = 1.0
"""Seconds to wait for something cancelled to have cleaned up behind itself."""
_HEAD: Final = 8192
"""Bytes in which a server's greeting is looked for."""


class Link:
    """A connection that stands, and what is known about it."""

    def __init__(self, conn: asyncssh.SSHClientConnection) -> None:
        self.conn = conn
        self.users = 0
        self.proven = False
        """The host opened a channel on it."""
        self.abandoned = False
        """A command was given up on it, which may hold one of the server's sessions until it ends."""
        self.suspect = False
        """Nobody is to use it any more."""


class Dial:
    """A connection being made for all who wait for it; also asyncssh's way to the socket (its `tunnel`)."""

    def __init__(self, connect: Callable[[Dial], Coroutine[Any, Any, Link]], where: str) -> None:
        self._where = where
        self._layer = Category.NETWORK
        self._waiting: list[Mark] = []
        self._wire: _Wire | None = None
        self._prepared = self._given_up = False
        self._task = asyncio.create_task(connect(self))
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def over(self) -> bool:
        """Whether nobody can join it any more."""
        return self._given_up or self._task.done()

    async def wait(self, mark: Mark) -> Link:
        """Wait for the connection; the last one to go away takes the attempt along."""
        mark(self._layer)
        self._waiting.append(mark)
        try:
            await asyncio.wait({self._task})
        finally:
            self._waiting.remove(mark)
            if not self._waiting:
                await self.give_up()
        if self._task.cancelled():
            raise LocalError(f"{self._where}: the transport is closed")
        if (failed := self._task.exception()) is not None:
            raise self._error(failed) from failed
        return self._task.result()

    async def give_up(self) -> None:
        """End the attempt, if it is not over, and what it began."""
        self._given_up = True
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=ENDING)

    async def create_connection(
        self, factory: Callable[[], asyncssh.SSHClientConnection], host: str, port: int
    ) -> tuple[asyncio.BaseTransport, asyncssh.SSHClientConnection]:
        """Connect to the first address that answers; the error is that of the last one."""
        self._prepared = True
        loop = asyncio.get_running_loop()
        failed = OSError("no address")
        for address in await _addresses(host):
            try:
                transport, wire = await loop.create_connection(lambda: _Wire(factory(), self._greeted), address, port)
            except OSError as exc:
                failed = exc
            else:
                self._wire = wire
                return transport, wire.conn
        raise failed

    def _greeted(self) -> None:
        self._layer = Category.WORKSTATION
        for mark in self._waiting:
            mark(self._layer)

    def _error(self, failed: BaseException) -> ProbeError | LocalError:
        if not self._prepared:
            return LocalError(f"{self._where}: cannot prepare the login: {type(failed).__name__}: {failed}")
        if self._wire is None:
            return classify(failed, ERRORS, where=self._where)
        if self._wire.conn.get_server_host_key() is not None:
            return classify(failed, LOGGING_IN, where=self._where)
        if self._wire.garbled:
            failed = asyncssh.ProtocolNotSupported("not an SSH server")
        return classify(failed, ERRORS, where=self._where)


async def _addresses(host: str) -> list[str]:
    """Resolve a name in a thread; an address needs none, so a hanging name server can't delay it."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [str(address[0]) for *_, address in found]
    return [host]


class _Wire(asyncio.Protocol):
    """Stands between the socket and asyncssh until the server has greeted, to know when it did."""

    def __init__(self, conn: asyncssh.SSHClientConnection, greeted: Callable[[], None]) -> None:
        self.conn = conn
        self._told = greeted
        self._head = b""
        self._greeted = False

    @property
    def garbled(self) -> bool:
        """Whether somebody answered who is no SSH server."""
        return bool(self._head) and not self._greeted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.conn.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._head = (self._head + data)[:_HEAD]
        if self._head.startswith(b"SSH-") or b"\nSSH-" in self._head:
            self._greeted = True
            self._transport.set_protocol(self.conn)
            self._told()
        self.conn.data_received(data)

    def eof_received(self) -> None:
        self.conn.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.conn.connection_lost(exc)
