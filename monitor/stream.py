"""Bytes both ways between the monitor and one port, whatever carries them. Knows no protocol, sets no deadline."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol


class Stream(Protocol):
    """An open connection; whoever asked for it closes it."""

    async def read(self, limit: int) -> bytes:
        """Return what is there, at most `limit` bytes, waiting for the first; nothing: the other side closed.

        Raises:
            OSError: The connection broke.
            ProbeError: The way it takes broke, and whoever carries it knows where.

        """

    async def exactly(self, count: int) -> bytes:
        """Return `count` bytes.

        Raises:
            EOFError: The other side closed before.
            OSError: The connection broke.
            ProbeError: The way it takes broke.

        """

    def write(self, data: bytes) -> None:
        """Send soon; meant for requests, which are small."""

    def close(self) -> None:
        """Close without waiting; a second time does nothing."""


class TcpStream:
    """A plain TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, limit: int) -> bytes:
        """Return what is there (see `Stream.read`)."""
        return await self._reader.read(limit)

    async def exactly(self, count: int) -> bytes:
        """Return `count` bytes (see `Stream.exactly`)."""
        return await self._reader.readexactly(count)

    def write(self, data: bytes) -> None:
        """Send soon."""
        self._writer.write(data)

    def close(self) -> None:
        """Close without waiting; what was not sent yet is dropped."""
        self._writer.transport.abort()


async def open_tcp(host: str, port: int) -> TcpStream:
    """Connect to the first address that accepts; each error keeps its errno, which asyncio's own loop would lose.

    Raises:
        OSError: Nobody accepts (`socket.gaierror`: there is no such name).
        UnicodeError: The name can't even be asked for.

    """
    error = OSError("no address")
    for address in await _addresses(host):
        try:
            return TcpStream(*await asyncio.open_connection(address, port))
        except OSError as exc:
            error = exc
    raise error


async def _addresses(host: str) -> list[str]:
    """Resolve a name in a thread; an address needs none, so a hanging name server can't delay it."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [str(info[4][0]) for info in infos]
    return [host]
