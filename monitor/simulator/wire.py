"""One TCP endpoint on loopback that can fail like a real one, on command.

A `Wire` owns a port for its whole life and carries bytes between its clients and a service that runs in this process
(each connection gets its own socket pair, so a service never listens anywhere). It knows no protocol. A fault
applies at once, to connections that are open and to those that come.

What the kernel does for us on Linux: a socket that is bound but does not listen refuses connections and keeps the
port from others; `listen` may be called again to shrink a backlog; a full backlog drops SYNs, so a connect hangs as it
does on a host without power. Elsewhere (macOS takes a backlog of 0 for its maximum, Windows answers a full backlog
with RST) silence is only likely, and a refused port is not reserved: the simulator is made for Linux.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from monitor.simulator import Sleep

Service = Callable[[socket.socket], Coroutine[Any, Any, None]]
"""Holds one conversation on a connected, non-blocking socket that it owns and closes; returns when it is over."""

HOST: Final = "127.0.0.1"
GARBAGE: Final = b"\x15\x03\x00\xfe\xff\r\n\x00<<<\xf5\xf6 no such thing \x00\x7f\r\n\r\n"
"""Neither an SSH banner nor an HTTP status line, nor anything else."""

_LINUX: Final = sys.platform == "linux"
_BACKLOG: Final = 128
_FULL_BACKLOG: Final = 0 if _LINUX else 1
_FILLERS: Final = 1 if _LINUX else 16
_CHUNK: Final = 65536
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Fault(enum.StrEnum):
    """What is wrong with a wire."""

    NONE = "none"
    SILENT = "silent"
    """Connects hang, open connections stall: no power, or a firewall that drops."""
    REFUSE = "refuse"
    """The port is closed: the host is there, the service is not."""
    RESET = "reset"
    """Accepted and reset."""
    GARBAGE = "garbage"
    """Accepted and answered with something that is no protocol."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One open connection."""

    client: socket.socket
    over: asyncio.Future[None]

    def hang_up(self) -> None:
        """Let its conversation end soon, tidied up."""
        if not self.over.done():
            self.over.set_result(None)


class Wire:
    """A public endpoint in front of a service; `start` it before use, `aclose` it after."""

    def __init__(self, service: Service, *, sleep: Sleep = asyncio.sleep) -> None:
        self.fault = Fault.NONE
        self.delay = 0.0
        """Seconds added to each answer of the service."""
        self.port = 0
        self._service = service
        self._sleep = sleep
        self._reservation: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._fillers: list[socket.socket] = []
        self._conversations: dict[asyncio.Task[None], _Line] = {}
        self._flow = asyncio.Event()
        self._flow.set()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._conversations)

    def start(self) -> None:
        """Take a free port, keep it, and listen; needs a running event loop."""
        self._reservation = _bound(0)
        self.port = self._reservation.getsockname()[1]
        self._become(Fault.NONE)

    def silent(self) -> None:
        """Let connects hang and open connections stall."""
        self._become(Fault.SILENT)

    def refuse(self) -> None:
        """Close the port and reset what is open; the port number stays ours."""
        self._become(Fault.REFUSE)
        self.drop()

    def reset(self) -> None:
        """Reset what is open, and whatever connects."""
        self._become(Fault.RESET)
        self.drop()

    def garbage(self) -> None:
        """Answer garbage and hang up: at once on open connections, on its first bytes to whoever connects."""
        self._become(Fault.GARBAGE)
        for line in self._conversations.values():
            with contextlib.suppress(OSError):
                line.client.send(GARBAGE)
            line.hang_up()

    def slow(self, seconds: float) -> None:
        """Add a delay to each answer of the service; goes on top of another fault."""
        self.delay = seconds

    def restore(self) -> None:
        """Work again; connections that stalled go on where they stopped."""
        self.delay = 0.0
        self._become(Fault.NONE)

    def drop(self) -> None:
        """Reset every open connection, as a host that has rebooted does."""
        for line in self._conversations.values():
            line.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            line.hang_up()

    async def aclose(self) -> None:
        """Close the port and every connection, however stalled."""
        self._stop_filling()
        self._stop_listening()
        if self._reservation is not None:
            self._reservation.close()
            self._reservation = None
        self.drop()
        if self._conversations:
            await asyncio.wait(tuple(self._conversations))

    def _become(self, fault: Fault) -> None:
        if self._reservation is None:  # closed: whoever mends a fault late changes nothing
            return
        self.fault = fault
        mine = self._stop_filling()
        if fault is Fault.REFUSE:
            self._flow.set()
            self._stop_listening()
            return
        listener = self._listener or self._listen()
        loop = asyncio.get_running_loop()
        if fault is Fault.SILENT:
            self._flow.clear()
            loop.remove_reader(listener)
            listener.listen(_FULL_BACKLOG)
            self._fillers = [_connecting(self.port) for _ in range(_FILLERS)]
            return
        self._flow.set()
        listener.listen(_BACKLOG)
        self._accept(listener, mine)
        loop.add_reader(listener, self._accept, listener)

    def _listen(self) -> socket.socket:
        if not _LINUX and self._reservation is not None:
            self._reservation.close()
        self._listener = _bound(self.port)
        return self._listener

    def _stop_listening(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _stop_filling(self) -> frozenset[int]:
        """Close the connections that kept the backlog full; return their ports, to know them when they are accepted."""
        ports = frozenset(filler.getsockname()[1] for filler in self._fillers)
        for filler in self._fillers:
            filler.close()
        self._fillers = []
        return ports

    def _accept(self, listener: socket.socket, mine: frozenset[int] = frozenset()) -> None:
        while True:
            try:
                client, address = listener.accept()
            except OSError:  # nobody waits any more; or we are out of descriptors, and the backlog keeps them
                return
            if address[1] in mine:
                client.close()
            else:
                self._welcome(client)

    def _welcome(self, client: socket.socket) -> None:
        if self.fault is Fault.RESET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            client.close()
            return
        client.settimeout(0)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = _Line(client, asyncio.get_running_loop().create_future())
        talk = self._babble(line) if self.fault is Fault.GARBAGE else self._converse(line)
        task = asyncio.get_running_loop().create_task(talk)
        self._conversations[task] = line
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._conversations.pop(task).client.close()

    async def _converse(self, line: _Line) -> None:
        """Carry bytes between a client and the service until either is through; never cancelled, but hung up."""
        near, far = socket.socketpair()
        near.settimeout(0)
        far.settimeout(0)
        service = asyncio.ensure_future(self._service(far))
        up = asyncio.ensure_future(self._pump(line.client, near))
        down = asyncio.ensure_future(self._pump(near, line.client, answers=True))
        await asyncio.wait((up, down, line.over), return_when=asyncio.FIRST_COMPLETED)
        if up.done() and up.exception() is None:  # the client has said all; the service may still answer
            await asyncio.wait((down, line.over), return_when=asyncio.FIRST_COMPLETED)
        await _end(up, down, service)
        near.close()
        far.close()
        _tell(service)

    async def _babble(self, line: _Line) -> None:
        """Answer the first bytes of a client with garbage."""
        answer = asyncio.ensure_future(_misanswer(line.client))
        await asyncio.wait((answer, line.over), return_when=asyncio.FIRST_COMPLETED)
        await _end(answer)

    async def _pump(self, source: socket.socket, sink: socket.socket, *, answers: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._flow.wait()
            data = await loop.sock_recv(source, _CHUNK)
            await self._flow.wait()
            if answers and self.delay:
                await self._sleep(self.delay)
                await self._flow.wait()
            if not data:
                break
            await loop.sock_sendall(sink, data)
        if not answers:
            sink.shutdown(socket.SHUT_WR)


def _bound(port: int) -> socket.socket:
    """Bind a socket that may share its port with another of ours, as long as only one listens."""
    sock = socket.socket()
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        raise
    return sock


def _connecting(port: int) -> socket.socket:
    """Begin to connect and do not wait: on loopback the kernel has done it, or never will."""
    sock = socket.socket()
    sock.settimeout(0)
    sock.connect_ex((HOST, port))
    return sock


async def _misanswer(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    if await loop.sock_recv(client, _CHUNK):
        await loop.sock_sendall(client, GARBAGE)


async def _end(*tasks: asyncio.Future[None]) -> None:
    """Cancel tasks, wait for them, and look at their errors: a lost peer is no news."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        _ = task.cancelled() or task.exception()


def _tell(service: asyncio.Future[None]) -> None:
    """Make a defect of a service loud; that its client is gone is none."""
    failure = None if service.cancelled() else service.exception()
    if failure is not None and not isinstance(failure, OSError):
        context = {"message": "a simulated service failed", "exception": failure}
        asyncio.get_running_loop().call_exception_handler(context)
