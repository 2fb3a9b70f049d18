"""The adb server, spoken to as its own clients do: asked over a stream (`server`), or by its program (`program`).

Both answer the same four questions (`Adb`), so that whoever asks need not know which way is open. Nothing here sets a
deadline; each question is a connection, closed whatever happens, but for the one on which a server tells its devices by
itself (`watch`). Foreign words become types in `fails`.
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


@dataclass(frozen=True, slots=True)
class Told:
    """What a server tells of itself and its devices."""

    version: int | None
    """Of its protocol (41 since 2018); None: this way does not tell."""
    devices: bytes
    """The list, as ``adb devices -l`` prints it."""


class Adb(Protocol):
    """One workstation's adb, whichever way it is asked.

    Every method raises `ProbeError`: for the server's own layer when it does not answer properly, EMULATOR when a guest
    does not.
    """

    async def told(self) -> Told:
        """Return what the server is and lists; where it tells by itself, as it told last."""

    async def devices(self) -> bytes:
        """Return the list of devices as of now."""

    async def connect(self, address: str) -> bytes:
        """Ask the server to connect to a guest's port; return its words (the success is in them)."""

    async def shell(self, serial: str, command: str) -> Shell:
        """Run a command line in a guest."""
