"""The adb server, spoken to as its own clients do: asked over a stream (`server`), or by its program (`program`).

Both answer the same four questions (`Adb`), so that whoever asks need not know which way is open. Nothing here sets a
deadline or keeps a connection; each question is one, closed whatever happens. Foreign words become types in `fails`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

OUTPUT_LIMIT: Final = 1024 * 1024
"""Bytes a command in a guest may print before it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """What a command in a guest left behind; line ends are those of the guest (LF)."""

    exit_code: int | None
    """None: it was not told."""
    stdout: bytes = field(repr=False)
    stderr: bytes = field(default=b"", repr=False)
    """Empty where the two are not told apart (old guests)."""


class Adb(Protocol):
    """One workstation's adb, whichever way it is asked.

    Every method raises `ProbeError`: for the server's own layer when it does not answer properly, EMULATOR when a guest
    does not.
    """

    async def version(self) -> int | None:
        """Return the protocol version of the server (41 since 2018); None: this way does not tell."""

    async def devices(self) -> bytes:
        """Return the list of devices, as ``adb devices -l`` prints it."""

    async def connect(self, address: str) -> bytes:
        """Ask the server to connect to a guest's port; return its words (the success is in them)."""

    async def shell(self, serial: str, command: str) -> Shell:
        """Run a command line in a guest."""
