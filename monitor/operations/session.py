r"""Commands of the console that need a desktop, run where one is.

A command that comes over SSH or WinRM runs in session 0, which has no desktop: ``launch`` starts nothing there and
``quit`` does nothing, both with exit code 0. So it is handed to the task scheduler, which runs it in the session of
whoever is logged on::

    schtasks /Create /F /TN emuwatch-1f0c... /TR "C:\LDPlayer\LDPlayer9\ldconsole.exe launch --index 3"
             /SC ONCE /ST 00:00 /RL HIGHEST /IT [/RU DESKTOP-1\farm]
    schtasks /Run /TN emuwatch-1f0c...
    schtasks /Delete /F /TN emuwatch-1f0c...

Midnight of today is past, so the task never runs by itself. It is deleted whatever happens; one that could not be is
named in the log. Who is logged on is told by the owners of ``explorer.exe``: ``query user`` is missing from the Home
editions, and its columns are translated.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import logging
import os
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from monitor.emulators import decode
from monitor.errors import CircuitOpen, LocalError, ProbeError
from monitor.model import Category, Platform, Reason, Workstation
from monitor.operations.console import Console
from monitor.operations.outcome import NobodyLoggedOnError, OperationError
from monitor.operations.way import Way
from monitor.transports import Completed

_LONGEST_ACTION: Final = 261
"""Characters the task scheduler takes as a command line."""
_WHO: Final = ("tasklist", "/V", "/FI", "IMAGENAME eq explorer.exe", "/FO", "CSV", "/NH")
_FIELDS: Final = 7
_SESSION, _NUMBER, _USER = 2, 3, 6
_SHOWN: Final = 200

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desktop:
    """A session with a desktop, and who is logged on there."""

    number: int
    name: str
    """Empty when nobody is connected to it; it goes on all the same."""
    user: str
    """With its domain; empty when we may not know it, or can't read it: console programs print in another code page."""


class Session:
    """Where a workstation's lifecycle commands run.

    Args:
        way: How to get to the workstation.
        console: Its console.
        login: The user commands log in as; a task for another user needs to name him.
        direct: Whether commands run where there is a desktop anyway; None: known by platform and transport.

    """

    def __init__(self, way: Way, console: Console, *, login: str = "", direct: bool | None = None) -> None:
        self._way = way
        self._console = console
        self._login = login
        self._direct = is_direct(way.machine) if direct is None else direct

    @asynccontextmanager
    async def begun(self, *args: str) -> AsyncIterator[None]:
        """Begin a command of the console in the interactive session; the block waits for its effect.

        Raises:
            NobodyLoggedOnError: There is no such session.
            ProbeError: EMULATOR: the task scheduler refused.

        """
        if self._direct:
            await self._console.command(*args)
            yield
            return
        desktop = choose(await self._desktops())
        if desktop is None:
            raise NobodyLoggedOnError(
                f"{self._way.machine.id}: no one is logged on, so there is no desktop to {args[0]} an emulator on; "
                "log on there (automatic logon keeps a farm so) and try again"
            )
        name = f"emuwatch-{uuid.uuid4().hex}"
        exists = True  # unless the scheduler says that it made none
        try:
            created = await self._way.run(create(name, action(self._console.program, args), self._other(desktop)))
            exists = created.exit_code == 0
            self._check(created)
            self._check(await self._way.run(["schtasks", "/Run", "/TN", name]))
            yield
        finally:
            if exists:
                await self._delete(name)

    async def _desktops(self) -> tuple[Desktop, ...]:
        completed = await self._way.run(_WHO)
        return parse_desktops(completed.stdout)

    def _other(self, desktop: Desktop) -> str:
        """The user to name to the task scheduler; empty when it is the one who logs in."""
        login, user = (re.split(r"[\\/]", name)[-1].partition("@")[0].lower() for name in (self._login, desktop.user))
        return "" if login == user else desktop.user

    def _check(self, completed: Completed) -> None:
        if completed.exit_code != 0:
            raise ProbeError(
                f"{self._way.machine.id}: the task scheduler refused to {completed.argv[1][1:].lower()} a task in the "
                f"session of the logged-on user (exit code {completed.exit_code}): {_said(completed)!r}",
                category=Category.EMULATOR,
                reason=Reason.COMMAND_FAILED,
            )

    async def _delete(self, name: str) -> None:
        argv = ["schtasks", "/Delete", "/F", "/TN", name]
        with contextlib.suppress(CircuitOpen, ProbeError, LocalError):
            if (await self._way.run(argv)).exit_code == 0:
                return
        # Perhaps it was never created. If it was, it does not run again: its one date is past.
        _log.warning("%s: the task %s could not be deleted, if it exists", self._way.machine.id, name)


def is_direct(machine: Workstation) -> bool:
    """Tell whether a command that is simply run has a desktop: on this very machine, outside of session 0."""
    if machine.platform is not Platform.WINDOWS:
        return True
    local = machine.transport is not None and machine.transport.kind == "local"
    return local and not _in_session_zero()


def choose(desktops: Sequence[Desktop]) -> Desktop | None:
    """Pick the session to use: one somebody is connected to, of those the oldest."""
    return min(desktops, key=lambda desktop: (not desktop.name, desktop.number), default=None)


def parse_desktops(printed: bytes) -> tuple[Desktop, ...]:
    """Read whose ``explorer.exe`` run, from ``tasklist /V /FO CSV /NH``; other lines say that none does."""
    found: list[Desktop] = []
    for fields in _rows(printed.decode("latin-1")):  # ids and sizes; names only if plain
        if len(fields) < _FIELDS or fields[0].lower() != "explorer.exe" or not fields[_NUMBER].isdecimal():
            continue
        known = "\\" in fields[_USER] and fields[_USER].isascii()  # "N/A" in the host's language; a name garbled
        user = fields[_USER] if known else ""
        if int(fields[_NUMBER]) > 0:
            found.append(Desktop(int(fields[_NUMBER]), fields[_SESSION], user))
    return tuple(found)


def _rows(text: str) -> Iterator[list[str]]:
    with contextlib.suppress(csv.Error):  # a field longer than any that means something
        yield from csv.reader(text.splitlines())


def create(name: str, action: str, user: str) -> list[str]:
    """Write the command that creates a task for whoever is logged on."""
    argv = ["schtasks", "/Create", "/F", "/TN", name, "/TR", action, "/SC", "ONCE", "/ST", "00:00", "/RL", "HIGHEST"]
    return [*argv, "/IT", *(["/RU", user] if user else [])]


def action(program: str, args: Sequence[str]) -> str:
    """Write what a task does; a program without a folder is looked for by ``cmd``, the scheduler only knows System32.

    Raises:
        OperationError: The task scheduler takes no command line so long.

    """
    line = subprocess.list2cmdline([program, *args])
    if not re.search(r"[\\/]", program):
        line = f"cmd /d /c {line}"
    if len(line) > _LONGEST_ACTION:
        raise OperationError(f"{line!r} is too long for a scheduled task ({len(line)} of {_LONGEST_ACTION} characters)")
    return line


def _said(completed: Completed) -> str:
    text = completed.stderr.strip() or completed.stdout.strip()
    return decode(text, "ascii").partition("\n")[0].strip()[:_SHOWN]


def _in_session_zero() -> bool:
    if sys.platform == "win32":
        session = ctypes.c_ulong()
        ctypes.windll.kernel32.ProcessIdToSessionId(os.getpid(), ctypes.byref(session))
        return session.value == 0
    return False
