"""What is asked of a shell, step by step, through pypsrp; every step blocks, so a thread is for it."""

from __future__ import annotations

import contextlib
from typing import Final

from pypsrp.shell import CommandState, SignalCode, WinRS
from pypsrp.wsman import NAMESPACES, SelectorSet

from monitor.transports.winrm.faults import TIMED_OUT, FaultError, StatusError
from monitor.transports.winrm.wire import Wire, client

OPERATION_TIMEOUT: Final = 10
"""Seconds after which the service answers a Receive although nothing was printed."""


class Shell:
    """A cmd shell on a workstation, once it is open."""

    def __init__(self, wire: Wire, *, idle: float, code_page: int | None) -> None:
        self._winrs = WinRS(
            client(wire, operation_timeout=OPERATION_TIMEOUT), idle_time_out=int(idle), codepage=code_page
        )

    @property
    def id(self) -> str | None:
        """What the service calls it; None: it is not open, as far as we know."""
        return self._winrs.id if self._winrs.opened else None

    def open(self) -> None:
        """Log in, as far as that is not done, and have one made."""
        self._winrs.open()

    def adopt(self, shell_id: str) -> None:
        """Be one that is open already."""
        selectors = SelectorSet()
        selectors.add_option("ShellId", shell_id)
        self._winrs.id, self._winrs.opened = shell_id, True
        self._winrs._selector_set = selectors  # noqa: SLF001 - pypsrp takes an open shell in no other way

    def forget(self) -> None:
        """Be none any more: the service says that it has gone."""
        self._winrs.opened = False

    def command(self, text: str) -> str:
        """Start a command; return what the service calls it."""
        answer = self._winrs.command(text, None)
        command_id = answer.findtext("rsp:CommandResponse/rsp:CommandId", namespaces=NAMESPACES)
        if command_id is None:
            raise LookupError("the answer to Command names no command")
        return command_id

    def receive(self, command_id: str) -> tuple[bool, int | None, bytes, bytes]:
        """Wait for what a command prints: whether it is done, its exit code, both streams."""
        try:
            state, code, streams = self._winrs.receive("stdout stderr", command_id)
        except FaultError as exc:
            if exc.number != TIMED_OUT:
                raise
            return False, None, b"", b""
        return state == CommandState.DONE, code, streams["stdout"], streams["stderr"]

    def signal(self, command_id: str) -> None:
        """End a command, or let the service forget one that has ended."""
        self._winrs.signal(SignalCode.TERMINATE, command_id)

    def delete(self, command_id: str | None) -> None:
        """Delete it, and end the command that runs in it."""
        if command_id is not None:
            with contextlib.suppress(FaultError, StatusError):  # it ended meanwhile, or never began
                self.signal(command_id)
        self._winrs.close()
