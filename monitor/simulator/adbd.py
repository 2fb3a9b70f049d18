"""The adb daemon of a simulated guest, as its TCP port speaks: enough of the real protocol for a real adb server.

A message is six little-endian words (command, two arguments, length, sum, magic) and data. ``CNXN`` says who one is,
``OPEN`` asks for a service, ``OKAY`` takes it and each ``WRTE``, ``CLSE`` ends it. There are no keys: a guest that is
to be "unauthorized" asks for a signature and is content with none.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from typing import Final

from monitor.simulator.android import Android

_HEADER: Final = struct.Struct("<6I")
_VERSION: Final = 0x01000001
"""From here on nobody checks sums."""
_LONGEST: Final = 256 * 1024
_TOKEN: Final = 1
_PUBLIC_KEY: Final = 3


def _word(name: bytes) -> int:
    return int.from_bytes(name, "little")


CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = map(_word, (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE"))


class Daemon:
    """One connection to a guest's daemon."""

    def __init__(self, android: Android, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._android = android
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._services: dict[int, asyncio.Task[None]] = {}
        self._taken: dict[int, asyncio.Event] = {}

    async def serve(self) -> None:
        """Talk until the other side goes away."""
        try:
            with contextlib.suppress(OSError, EOFError):
                while True:
                    command, arg0, arg1, size, _, _ = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
                    if size > _LONGEST:
                        return
                    self._hear(command, arg0, arg1, await self._reader.readexactly(size))
        finally:
            for service in self._services.values():
                service.cancel()
            await asyncio.gather(*self._services.values(), return_exceptions=True)
            self._writer.transport.abort()

    def _hear(self, command: int, arg0: int, arg1: int, data: bytes) -> None:
        if command in {CNXN, AUTH}:
            self._greet(known=not (command == AUTH and arg0 == _PUBLIC_KEY))
        elif command == OPEN:
            mine = next(self._ids)
            self._taken[mine] = asyncio.Event()
            task = asyncio.get_running_loop().create_task(self._serve(mine, arg0, data.rstrip(b"\0").decode()))
            self._services[mine] = task
            task.add_done_callback(lambda _: self._services.pop(mine, None))
        elif command == WRTE:
            self._send(OKAY, arg1, arg0)
        elif command == OKAY and arg1 in self._taken:
            self._taken[arg1].set()
        elif command == CLSE and arg1 in self._services:
            self._services[arg1].cancel()

    def _greet(self, *, known: bool) -> None:
        """Say who we are; ask for a signature, or say nothing, when adb is to make something else of us."""
        if self._android.state == "unauthorized":
            if known:
                self._send(AUTH, _TOKEN, 0, b"\x5a" * 20)
        elif self._android.state != "offline":
            model = self._android.model
            banner = f"device::ro.product.name={model};ro.product.model={model};ro.product.device=star2qltechn;"
            self._send(CNXN, _VERSION, _LONGEST, f"{banner}features={self._android.features}".encode())

    async def _serve(self, mine: int, theirs: int, service: str) -> None:
        output = await self._android.answer(service)
        if output is not None:
            self._send(OKAY, mine, theirs)
            for at in range(0, len(output), _LONGEST):
                self._taken[mine].clear()
                self._send(WRTE, mine, theirs, output[at : at + _LONGEST])
                await self._taken[mine].wait()
        self._send(CLSE, 0 if output is None else mine, theirs)

    def _send(self, command: int, arg0: int, arg1: int, data: bytes = b"") -> None:
        total = sum(data) & 0xFFFFFFFF
        self._writer.write(_HEADER.pack(command, arg0, arg1, len(data), total, command ^ 0xFFFFFFFF) + data)


async def serve(android: Android, sock: socket.socket) -> None:
    """Hold one conversation on a connected socket (see `wire.Service`)."""
    reader, writer = await asyncio.open_connection(sock=sock)
    await Daemon(android, reader, writer).serve()
