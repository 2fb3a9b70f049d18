"""Who answers at an open port: a few bytes of each protocol, enough to know it by, and never a credential."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from monitor.adb.server import AdbServer
from monitor.discovery import Protocol, printable
from monitor.model import Category
from monitor.stream import Stream
from monitor.transports.winrm.faults import offered

HEAD: Final = 16 * 1024
"""Bytes in which an answer is looked for."""
_CHUNK: Final = 4096
_UNAUTHORIZED: Final = 401
_NOT_ALLOWED: Final = 405
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")
_METHODS: Final = re.compile(r"^www-authenticate:(.*)$", re.IGNORECASE | re.MULTILINE)
_BANNER: Final = re.compile(rb"(?:^|\n)SSH-(?:2\.0|1\.99)-([^\r\n]*)\r?\n")


def _word(text: bytes) -> int:
    return int.from_bytes(text, "little")


_HELLO: Final = b"host::\0"
_CNXN: Final = b"".join(
    number.to_bytes(4, "little")
    for number in (_word(b"CNXN"), 0x01000001, 256 * 1024, len(_HELLO), sum(_HELLO), _word(b"CNXN") ^ 0xFFFFFFFF)
)
_HEADER: Final = 24
_DAEMON_SAYS: Final = (b"CNXN", b"AUTH", b"STLS")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was heard: whether it is the protocol, and what it says of itself or is instead."""

    confirmed: bool
    words: str


Speaker = Callable[[Stream, str], Awaitable[Answer]]
"""Asks over a fresh connection to a host; it may wait for ever, and may raise what streams raise."""


async def ssh(stream: Stream, host: str) -> Answer:
    """Wait for the banner; an SSH server speaks first."""
    head = b""
    while len(head) < HEAD and (found := _BANNER.search(head)) is None and (chunk := await stream.read(_CHUNK)):
        head += chunk
    found = _BANNER.search(head)
    return _not(head) if found is None else Answer(True, _text(found[1]))  # noqa: FBT003 - reads well


async def winrm(stream: Stream, host: str) -> Answer:
    """Ask for ``/wsman`` without a login: WinRM answers 401 with the methods it offers, or 405."""
    named = f"[{host}]" if ":" in host else host
    stream.write(f"POST /wsman HTTP/1.1\r\nHost: {named}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    head = b""
    while len(head) < HEAD and b"\r\n\r\n" not in head and (chunk := await stream.read(_CHUNK)):
        head += chunk
    status = _STATUS.match(head)
    if status is None:
        return _not(head)
    text = head.partition(b"\r\n\r\n")[0].decode("latin-1")
    methods = offered(", ".join(line.strip() for line in _METHODS.findall(text)))
    code = int(status[1])
    if code == _NOT_ALLOWED or (code == _UNAUTHORIZED and methods):
        return Answer(True, printable(", ".join(methods)))  # noqa: FBT003 - reads well
    return Answer(False, f"HTTP {code}")  # noqa: FBT003 - reads well


async def adb(stream: Stream, host: str) -> Answer:
    """Ask an adb server for its version; raises `ProbeError` when it is none."""

    async def opened() -> Stream:
        return stream

    server = AdbServer(opened, where=host, layer=Category.NETWORK, mark=lambda _: None)
    return Answer(True, f"protocol {await server.version()}")  # noqa: FBT003 - reads well


async def guest(stream: Stream, host: str) -> Answer:
    """Greet an adb daemon; it answers that it knows us, or that it wants a key."""
    stream.write(_CNXN + _HELLO)
    header = await stream.exactly(_HEADER)
    magic = int.from_bytes(header[20:], "little")
    if header[:4] not in _DAEMON_SAYS or magic != _word(header[:4]) ^ 0xFFFFFFFF:
        return _not(header)
    return Answer(True, "wants a key" if header[:4] == b"AUTH" else "")  # noqa: FBT003 - reads well


SPEAKERS: Final[Mapping[Protocol, Speaker]] = MappingProxyType(
    {
        Protocol.SSH: ssh,
        Protocol.WINRM: winrm,
        Protocol.WINRM_HTTPS: winrm,
        Protocol.ADB: adb,
        Protocol.GUEST: guest,
    }
)


def _not(said: bytes) -> Answer:
    words = f"said {_text(said[:40])!r}" if said else "closed without a word"
    return Answer(False, words)  # noqa: FBT003 - reads well


def _text(said: bytes) -> str:
    return printable(said.decode("ascii", "backslashreplace").strip())
