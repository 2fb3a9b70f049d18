"""Whose host key it is: known already, new, or not the one that is known. Asking for a key logs nobody in."""

from __future__ import annotations

import asyncio
import enum
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

USUAL_FILE: Final = Path("~/.ssh/known_hosts")
_SSH: Final = 22


class Standing(enum.Enum):
    """What we know of a host's key."""

    KNOWN = enum.auto()
    NEW = enum.auto()
    DIFFERENT = enum.auto()
    """Another key is known for the host: it was set up anew, or somebody stands in between."""
    UNTOLD = enum.auto()
    """The host did not tell its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """The key a host showed."""

    standing: Standing
    file: Path | None = None
    """Where it is known from."""
    fingerprint: str = ""
    line: str = ""
    """As a known_hosts file has it."""


class Trust:
    """What is known of host keys, and the file that accepted ones go to.

    Args:
        known: Files in which keys are looked for; one that is not there is empty.
        accepting: The file that new keys are added to, and thereby accepted; None: none is accepted.

    """

    def __init__(self, *known: Path, accepting: Path | None = None) -> None:
        self._files = tuple(dict.fromkeys((*known, accepting) if accepting is not None else known))
        self._accepting = accepting

    async def key_of(self, host: str, port: int) -> HostKey:
        """Ask a host for its key, and accept a new one if that is what the user wants; sets no deadline."""
        for file in self._files:
            keys = await asyncio.to_thread(_known, file, host, port)
            if keys:
                return await self._compared(host, port, file, keys)
        shown = await _shown(host, port, ())
        if shown is None:
            return HostKey(standing=Standing.UNTOLD)
        line = f"{_pattern(host, port)} {shown.export_public_key().decode().strip()}"
        fingerprint = shown.get_fingerprint()
        if self._accepting is None:
            return HostKey(standing=Standing.NEW, fingerprint=fingerprint, line=line)
        await asyncio.to_thread(_add, self._accepting, line)
        return HostKey(standing=Standing.KNOWN, file=self._accepting, fingerprint=fingerprint, line=line)

    async def _compared(self, host: str, port: int, file: Path, keys: list[asyncssh.SSHKey]) -> HostKey:
        """Ask for a key of the kinds that are known, and compare."""
        kinds = tuple(dict.fromkeys(kind.decode() for key in keys for kind in key.sig_algorithms))
        shown = await _shown(host, port, kinds) or await _shown(host, port, ())
        if shown is None:
            return HostKey(standing=Standing.UNTOLD)
        standing = Standing.KNOWN if shown in keys else Standing.DIFFERENT
        return HostKey(standing=standing, file=file, fingerprint=shown.get_fingerprint())


async def _shown(host: str, port: int, kinds: tuple[str, ...]) -> asyncssh.SSHKey | None:
    try:
        return await asyncssh.get_server_host_key(host, port, config=None, server_host_key_algs=kinds)
    except (OSError, asyncssh.Error, UnicodeError):
        return None


def _known(file: Path, host: str, port: int) -> list[asyncssh.SSHKey]:
    """The keys a file knows of a host."""
    try:
        hosts = asyncssh.read_known_hosts(str(file))
    except FileNotFoundError:
        return []
    return list(hosts.match(host, host, None if port == _SSH else port)[0])


def _pattern(host: str, port: int) -> str:
    return host if port == _SSH else f"[{host}]:{port}"


def _add(file: Path, line: str) -> None:
    """Add a line to a file that only its owner may write."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as stream:
        stream.write(f"{line}\n".encode())
