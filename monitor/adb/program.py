"""The workstation's own ``adb``, run over its transport when its server can't be reached otherwise.

Each question is a process there, and a client of another version than the running server ends that server to start its
own: its noise is handed on with the devices, for whoever looks for such a war.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from monitor.adb import Shell, Told, wire
from monitor.adb.fails import refusal
from monitor.errors import ProbeError
from monitor.model import Category, Platform, Reason
from monitor.transports import Completed


class Run(Protocol):
    """Runs a command on the workstation, as part of a layer (see `monitor.checks.Reach.run`)."""

    async def __call__(self, argv: Sequence[str], *, layer: Category = ...) -> Completed:
        """Run it to its end."""


_NOT_STARTED: Final = {Platform.LINUX: {126, 127}, Platform.WINDOWS: {9009, 9009 & 0xFF}}
"""Exit codes by which a shell says that there is no such program (SSH tells the low eight bits)."""


class AdbProgram:
    """One workstation's adb program.

    Args:
        run: How it is run.
        program: Where it is.
        platform: What the workstation runs.
        where: Its name in messages.

    """

    def __init__(self, run: Run, *, program: str, platform: Platform, where: str) -> None:
        self._run = run
        self._program = program
        self._platform = platform
        self._where = where

    async def told(self) -> Told:
        """Return the devices; the program knows no version but its own."""
        return Told(None, await self.devices())

    async def devices(self) -> bytes:
        """Return what ``devices -l`` prints, with the noise of a server that had to be started."""
        completed = await self._ask("devices", "-l")
        return completed.stderr + b"\n" + completed.stdout

    async def connect(self, address: str) -> bytes:
        """Return what ``connect`` prints; some versions print failures on stderr."""
        completed = await self._run((self._program, "connect", address), layer=Category.EMULATOR)
        return completed.stdout.strip() or completed.stderr

    async def shell(self, serial: str, command: str) -> Shell:
        """Run a command line in a guest; the exit code is printed, because old guests tell adb none."""
        completed = await self._ask("-s", serial, "shell", wire.with_exit(command), guest=True)
        stdout, exit_code = wire.split_exit(wire.unraw(completed.stdout))
        return Shell(exit_code=exit_code, stdout=stdout, stderr=wire.unraw(completed.stderr))

    async def _ask(self, *arguments: str, guest: bool = False) -> Completed:
        layer = Category.EMULATOR if guest else Category.EXTERNAL
        completed = await self._run((self._program, *arguments), layer=layer)
        if completed.exit_code == 0:
            return completed
        if not completed.stdout and self._missing(completed):
            raise ProbeError(
                f"{self._where}: {self._program} could not be started (exit code {completed.exit_code})",
                category=Category.EXTERNAL,
                reason=Reason.NOT_INSTALLED,
                recoverable=False,
            )
        said = next((line for line in reversed(completed.stderr.splitlines()) if line.strip()), b"")
        raise refusal(_complaint(completed.stderr) or said, server=Category.EXTERNAL, where=self._where)

    def _missing(self, completed: Completed) -> bool:
        if completed.exit_code in _NOT_STARTED[self._platform]:
            return True
        windows_says_so = self._platform is Platform.WINDOWS and completed.exit_code == 1
        noise = completed.stderr.lstrip().startswith((b"*", b"adb server"))
        return windows_says_so and bool(completed.stderr) and not _complaint(completed.stderr) and not noise


def _complaint(stderr: bytes) -> bytes:
    """Return the line with which the program gives up, without the noise before it."""
    lines = [line.strip() for line in stderr.splitlines()]
    return next((line for line in lines if line.startswith((b"error:", b"adb:", b"adb.exe:"))), b"")
