"""Commands on the monitor's own machine, for a workstation that is this one: asyncio subprocesses, no shell.

A command gets a session of its own, so that whatever it started ends with it when the deadline strikes; Windows has no
sessions of that kind, and ``taskkill`` ends what it knows to descend from the command. It is done when its process has
exited and what it printed is read; a descendant that keeps the pipes open is not waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Final, cast

from monitor.errors import NETWORK_ERRORS, Blame, LocalError, ProbeError, Table, classify
from monitor.logins import Logins
from monitor.model import Category, Lane, Reason, Severity, Workstation
from monitor.stream import TcpStream, open_tcp
from monitor.transports import OUTPUT_LIMIT, Completed, Credential, Mark, TransportKind, TransportParams

ENDING: Final = 1.0
"""Seconds to wait for a killed process to be gone; one that hangs in the kernel is reaped whenever it comes back."""

_ERRORS: Final[Table] = {
    FileNotFoundError: Blame(
        Category.WORKSTATION, Severity.HIGH, Reason.NOT_INSTALLED, "program not found", recoverable=False
    ),
    NotADirectoryError: Blame(
        Category.WORKSTATION, Severity.HIGH, Reason.NOT_INSTALLED, "program not found", recoverable=False
    ),
    PermissionError: Blame(
        Category.WORKSTATION, Severity.HIGH, Reason.PERMISSION, "program may not be executed", recoverable=False
    ),
}
"""What starting a program may raise; anything else (no descriptor, no memory) is the monitor's own trouble."""


class Params(TransportParams):
    """Nothing to say: it runs as the user the monitor runs as."""


class LocalTransport:
    """The way to the machine the monitor runs on."""

    def __init__(self, workstation: Workstation) -> None:
        self._where = f"{workstation.id} local"

    async def run(
        self, argv: Sequence[str], *, mark: Mark, layer: Category = Category.WORKSTATION, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        """Run a command in a session of its own (see `monitor.transports.Transport.run`)."""
        mark(Category.WORKSTATION)
        command = await self._start(argv, layer=layer, limit=limit)
        mark(layer)
        try:
            exit_code = await command.ended()
        finally:
            await command.close()
        if command.overflown:
            raise ProbeError(
                f"{self._where}: {argv[0]} printed more than {limit} bytes",
                category=layer,
                reason=Reason.OUTPUT_TOO_LARGE,
            )
        stdout, stderr = command.output
        return Completed(argv=tuple(argv), exit_code=exit_code, stdout=stdout, stderr=stderr)

    async def open_stream(self, host: str, port: int, *, mark: Mark, layer: Category) -> TcpStream:
        """Connect to a port of this machine (see `monitor.transports.Tunnels.open_stream`)."""
        mark(layer)
        try:
            return await open_tcp(host, port)
        except (OSError, UnicodeError) as exc:
            error = classify(exc, NETWORK_ERRORS, where=f"{self._where}: port {port}")
            if isinstance(error, ProbeError):
                error.category = layer
            raise error from exc

    async def aclose(self) -> None:
        """Do nothing: nothing is kept."""

    async def _start(self, argv: Sequence[str], *, layer: Category, limit: int) -> _Command:
        loop = asyncio.get_running_loop()
        starting = asyncio.ensure_future(
            loop.subprocess_exec(
                lambda: _Command(limit), *argv, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        )
        try:
            _, protocol = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await _give_up(starting)
            raise
        except (OSError, ValueError) as exc:
            error = classify(exc, _ERRORS, where=f"{self._where}: {argv[0]}")
            if isinstance(error, ProbeError):
                error.category = layer
            raise error from exc
        return protocol


class _Command(asyncio.SubprocessProtocol):
    """One process: what it prints, up to a limit, and how it ends."""

    def __init__(self, limit: int) -> None:
        self._room = limit
        self._chunks: dict[int, list[bytes]] = {1: [], 2: []}
        self._seen = 0
        self._open = {1, 2}
        loop = asyncio.get_running_loop()
        self._stirred = loop.create_future()
        self._gone = loop.create_future()
        self._process: asyncio.SubprocessTransport | None = None
        self.overflown = False

    @property
    def output(self) -> tuple[bytes, bytes]:
        """What it printed, stdout and stderr."""
        return b"".join(self._chunks[1]), b"".join(self._chunks[2])

    async def ended(self) -> int:
        """Wait until the process exited and its output is read, or it printed too much; return the exit code."""
        await self._stirred
        seen, idle = self._seen, 0
        while self._open and not self.overflown and idle < 2:  # noqa: PLR2004 - the loop polls once in every turn
            await asyncio.sleep(0)
            seen, idle = self._seen, idle + 1 if seen == self._seen else 0
        code = self._transport.get_returncode()
        return 0 if code is None else code

    async def close(self) -> None:
        """End whatever still runs, release the pipes and wait briefly for the end."""
        if self._transport.get_returncode() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                await _kill(self._transport)
        self._transport.close()
        await asyncio.wait({self._gone}, timeout=ENDING)

    @property
    def _transport(self) -> asyncio.SubprocessTransport:
        if self._process is None:
            raise LocalError("the process was never started")
        return self._process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._seen += 1
        self._room -= len(data)
        if self._room < 0:
            self.overflown = True
            self._stir()
        else:
            self._chunks[fd].append(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)

    def process_exited(self) -> None:
        self._stir()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._gone.done():
            self._gone.set_result(None)

    def _stir(self) -> None:
        if not self._stirred.done():
            self._stirred.set_result(None)


async def _give_up(starting: asyncio.Future[tuple[asyncio.SubprocessTransport, _Command]]) -> None:
    """End a command that was being started, and what it started meanwhile.

    A start that is itself cut short ends the process alone, and waits for whoever else holds its pipes.
    """
    with contextlib.suppress(OSError, ValueError):
        _, command = await asyncio.shield(starting)
        await command.close()


async def _kill(process: asyncio.SubprocessTransport) -> None:
    """Kill a process and what it started, as far as the platform can tell."""
    if hasattr(os, "killpg"):
        os.killpg(process.get_pid(), signal.SIGKILL)
        return
    try:  # its descendants first: they are known only while it lives
        async with asyncio.timeout(ENDING):
            await _end_tree(process.get_pid())
    except OSError:  # no such program, or it takes too long
        pass
    finally:
        process.kill()


async def _end_tree(pid: int) -> None:
    nowhere = asyncio.subprocess.DEVNULL
    killer = await asyncio.create_subprocess_exec(
        "taskkill", "/T", "/F", "/PID", str(pid), stdin=nowhere, stdout=nowhere, stderr=nowhere
    )
    await killer.wait()


def _open(workstation: Workstation, params: Params, credential: Credential | None, logins: Logins) -> LocalTransport:
    return LocalTransport(workstation)


TRANSPORT = TransportKind(
    name="local", params=Params, open=_open, endpoint=lambda _: None, lane=Lane.PROCESS, tunnels=True
)
