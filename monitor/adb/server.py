"""A client of the adb server's own protocol. One connection per question, as the protocol wants it.

The server needs no login and obeys whoever connects: it belongs on loopback, reached through a tunnel. What a guest
answers is the guest's (EMULATOR); everything before the server hands over to it is the server's own layer.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from monitor.adb import OUTPUT_LIMIT, Shell, Told, wire
from monitor.adb.fails import refusal
from monitor.errors import NETWORK_ERRORS, Blame, ProbeError, Table, classify
from monitor.model import Category, Reason, Severity
from monitor.stream import Stream
from monitor.transports import Mark

_CHUNK: Final = 65536
_NO_NAME: Final = Blame(Category.NETWORK, Severity.HIGH, Reason.DNS, "the name cannot be resolved")
_ERRORS: Final[Table] = {**NETWORK_ERRORS, socket.gaierror: _NO_NAME, UnicodeError: _NO_NAME}

Open = Callable[[], Awaitable[Stream]]
"""Connects to the server."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """The devices of a server, told anew whenever they change; whoever asked for it closes it, in whatever task."""

    listed: Callable[[], Awaitable[bytes]]
    """Waits for the next list; the first comes at once."""
    close: Callable[[], None]


class AdbServer:
    """One adb server.

    Args:
        open_: Makes a connection to it, each time anew.
        where: Its name in messages: ``ws-01 adb:5037``.
        layer: The layer it is part of, blamed when it does not answer properly.
        mark: Told which layer is dealt with.

    """

    def __init__(self, open_: Open, *, where: str, layer: Category, mark: Mark) -> None:
        self._open = open_
        self._where = where
        self._layer = layer
        self._mark = mark
        self._packeting: dict[str, bool] = {}

    async def told(self) -> Told:
        """Return its version and the list of devices."""
        return Told(await self.version(), await self.devices())

    async def version(self) -> int:
        """Return the protocol version of the server."""
        digits = await self._ask("host:version")
        version = wire.length(digits)
        if version is None:
            raise self._no_adb(digits)
        return version

    async def devices(self) -> bytes:
        """Return the list of devices."""
        return await self._ask("host:devices-l")

    async def track(self) -> Tracking:
        """Have the list of devices told now, and again whenever it changes, until what comes back is closed."""
        stream = await self._granted("host:track-devices-l")

        async def listed() -> bytes:
            with self._blaming(self._layer):
                return await self._text(stream)

        return Tracking(listed, stream.close)

    async def connect(self, address: str) -> bytes:
        """Ask the server to connect to a guest's port; return its words. What takes long then is the guest."""
        return await self._ask(f"host:connect:{address}", about=Category.EMULATOR)

    async def state(self, serial: str) -> bytes:
        """Return the state of a device."""
        return await self._ask(f"host-serial:{serial}:get-state")

    async def features(self, serial: str) -> frozenset[str]:
        """Return what a guest's adb daemon can do."""
        answer = await self._ask(f"host-serial:{serial}:features")
        return frozenset(answer.decode("utf-8", "backslashreplace").split(","))

    async def shell(self, serial: str, command: str, *, limit: int = OUTPUT_LIMIT) -> Shell:
        """Run a command line in a guest; one that speaks no ``shell,v2`` is asked to print the exit code."""
        if serial not in self._packeting:
            self._packeting[serial] = "shell_v2" in await self.features(serial)
        if self._packeting[serial]:
            return await self._packets(serial, command, limit)
        printed = wire.unraw(await self._all(serial, f"shell:{wire.with_exit(command)}", limit))
        stdout, exit_code = wire.split_exit(printed)
        return Shell(exit_code=exit_code, stdout=stdout)

    async def exec_out(self, serial: str, command: str, *, limit: int = OUTPUT_LIMIT) -> bytes:
        """Run a command in a guest without a terminal; return its output to the byte, the exit code is not told."""
        return await self._all(serial, f"exec:{command}", limit)

    async def _packets(self, serial: str, command: str, limit: int) -> Shell:
        output: dict[int, list[bytes]] = {wire.Packet.STDOUT: [], wire.Packet.STDERR: []}
        room = limit
        async with self._transported(serial, f"shell,v2,raw:{command}") as stream:
            with self._blaming(Category.EMULATOR):
                while True:
                    kind, size = wire.header(await stream.exactly(wire.HEADER))
                    room -= size
                    if room < 0:
                        raise self._too_much(command, limit)
                    data = await stream.exactly(size)
                    if kind == wire.Packet.EXIT and data:
                        break
                    output.get(kind, []).append(data)
        return Shell(
            exit_code=data[0],
            stdout=b"".join(output[wire.Packet.STDOUT]),
            stderr=b"".join(output[wire.Packet.STDERR]),
        )

    async def _all(self, serial: str, service: str, limit: int) -> bytes:
        chunks: list[bytes] = []
        room = limit
        async with self._transported(serial, service) as stream:
            with self._blaming(Category.EMULATOR):
                while chunk := await stream.read(_CHUNK):
                    room -= len(chunk)
                    if room < 0:
                        raise self._too_much(service, limit)
                    chunks.append(chunk)
        return b"".join(chunks)

    async def _ask(self, service: str, *, about: Category | None = None) -> bytes:
        async with self._asked(service, about=about) as stream:
            with self._blaming(self._layer):
                return await self._text(stream)

    @contextlib.asynccontextmanager
    async def _transported(self, serial: str, service: str) -> AsyncIterator[Stream]:
        """Have the server hand a connection over to a guest's daemon, and ask that for a service."""
        async with self._asked(f"host:transport:{serial}") as stream:
            self._mark(Category.EMULATOR)
            with self._blaming(Category.EMULATOR):
                await self._request(stream, service, Category.EMULATOR)
            yield stream

    @contextlib.asynccontextmanager
    async def _asked(self, service: str, *, about: Category | None = None) -> AsyncIterator[Stream]:
        """Connect, send a request and see it granted; close whatever happens."""
        stream = await self._granted(service, about=about)
        try:
            yield stream
        finally:
            stream.close()

    async def _granted(self, service: str, *, about: Category | None = None) -> Stream:
        """Connect, send a request and see it granted; from then on the caller closes the stream."""
        self._mark(self._layer)
        with self._blaming(self._layer):
            stream = await self._open()
        if about is not None:
            self._mark(about)
        try:
            with self._blaming(self._layer):
                await self._request(stream, service, self._layer)
        except BaseException:
            stream.close()
            raise
        return stream

    async def _request(self, stream: Stream, service: str, layer: Category) -> None:
        stream.write(wire.request(service))
        answer = await stream.exactly(4)
        if answer == b"FAIL":
            raise refusal(await self._text(stream), server=layer, where=f"{self._where} {service.partition(':')[0]}")
        if answer != b"OKAY":
            raise self._no_adb(answer)

    async def _text(self, stream: Stream) -> bytes:
        digits = await stream.exactly(4)
        size = wire.length(digits)
        if size is None:
            raise self._no_adb(digits)
        return await stream.exactly(size)

    @contextlib.contextmanager
    def _blaming(self, layer: Category) -> Iterator[None]:
        """Blame `layer` for a connection that can't be made or breaks."""
        try:
            yield
        except (OSError, EOFError, UnicodeError) as exc:
            error = classify(exc, _ERRORS, where=self._where)
            if isinstance(error, ProbeError):
                error.category = layer
            raise error from exc

    def _no_adb(self, said: bytes) -> ProbeError:
        return ProbeError(
            f"{self._where}: answered {said!r}, which is not adb's protocol",
            category=self._layer,
            reason=Reason.PROTOCOL,
        )

    def _too_much(self, command: str, limit: int) -> ProbeError:
        return ProbeError(
            f"{self._where}: {command.partition(' ')[0]!r} printed more than {limit} bytes",
            category=Category.EMULATOR,
            reason=Reason.OUTPUT_TOO_LARGE,
        )
