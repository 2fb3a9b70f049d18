"""A TCP connection, made by the event loop, which can give it up at any moment."""

from __future__ import annotations

import asyncio
import socket

Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


async def dial(host: str, port: int) -> socket.socket:
    """Connect to the first address that answers; the error is that of the last one."""
    loop = asyncio.get_running_loop()
    failed = OSError("no address")
    for family, address in await _addresses(host, port):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)  # noqa: FBT003 - its only argument
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
        except OSError as exc:
            sock.close()
            failed = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failed


def hang_up(dialled: asyncio.Future[socket.socket]) -> None:
    """Close a connection that stood just when nobody wanted it any more."""
    if not dialled.cancelled() and dialled.exception() is None:
        dialled.result().close()


async def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
    """Resolve a name in a thread; an address needs none, so a hanging name server can't delay it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, *_, address in found]
