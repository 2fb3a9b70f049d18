"""What is on a network and on its hosts: the words the parts of discovery share.

`targets` says which addresses, `pace` how fast, `scan` which ports are open and what speaks there, `trust` whose host
key it is, `look` what a host says of itself once logged in, `write` what config follows, `screen` what is seen of it.
Nothing is asked of an address that the user did not name.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from monitor.model import Entity, Platform


class Protocol(enum.StrEnum):
    """What is looked for behind a port."""

    SSH = "ssh"
    WINRM = "winrm"
    WINRM_HTTPS = "winrm-https"
    ADB = "adb"
    """An adb server, which obeys whoever reaches it."""
    GUEST = "guest"
    """The adb daemon of one emulator."""


USUAL: Final[Mapping[Protocol, tuple[int, ...]]] = MappingProxyType(
    {Protocol.SSH: (22,), Protocol.WINRM: (5985,), Protocol.WINRM_HTTPS: (5986,), Protocol.ADB: (5037,)}
)
"""The ports that are tried; those of guests only when asked for."""


@dataclass(frozen=True, slots=True, order=True)
class Door:
    """One port of a host, and what is expected behind it."""

    protocol: Protocol
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A door that was open."""

    host: str
    door: Door
    confirmed: bool
    """Whether what answers speaks the protocol."""
    words: str
    """What it said of itself, or why it is not confirmed; printable."""

    def __str__(self) -> str:
        said = f" ({self.words})" if self.words else ""
        return f"{self.door}{said}" if self.confirmed else f"{self.door.port} open, not {self.door.protocol}{said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """An emulator console that is installed on a host."""

    driver: str
    program: str
    instances: tuple[Entity, ...] = ()
    trouble: str = ""
    """Why its instances could not be listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a host said of itself, or why it could not be asked."""

    door: Door | None = None
    """Where the login was tried; None: it was not."""
    platform: Platform | None = None
    """None: the login did not get so far."""
    version: str = ""
    consoles: tuple[Console, ...] = ()
    trouble: str = ""
    """What went wrong, or what the user has to do first."""
    fingerprint: str = ""
    """Of the host key, where there is one."""
    known_hosts: str = ""
    """The file that holds the host key."""


def printable(text: str, limit: int = 100) -> str:
    r"""What a host said, on one line and harmless to terminals and comments; other signs become ``\xNN``."""
    safe = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return safe if len(safe) <= limit else f"{safe[: limit - 1]}…"
