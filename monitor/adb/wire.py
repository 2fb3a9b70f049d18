"""The framing of the adb server protocol. Pure: bytes in, bytes out.

A request is four hex digits of length and the text; an answer is ``OKAY`` or ``FAIL``, the latter with a text framed
the same way. ``shell,v2`` sends packets: one byte of kind, four of length (little endian), the data.
"""

from __future__ import annotations

import enum
from typing import Final

HEADER: Final = 5
"""Bytes before the data of a packet."""
LONGEST: Final = 0xFFFF
"""Bytes a framed text can have."""


class Packet(enum.IntEnum):
    """What a packet of ``shell,v2`` carries."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    EXIT = 3
    CLOSE_STDIN = 4


def request(service: str) -> bytes:
    """Frame a request.

    Raises:
        ValueError: It is longer than a frame can be.

    """
    text = service.encode()
    if len(text) > LONGEST:
        raise ValueError(f"a request of {len(text)} bytes does not fit into a frame")
    return b"%04x" % len(text) + text


def length(digits: bytes) -> int | None:
    """Read four hex digits; None: these are none."""
    try:
        return int(digits, 16) if len(digits) == 4 and digits.isalnum() else None  # noqa: PLR2004 - four hex digits
    except ValueError:
        return None


def header(data: bytes) -> tuple[int, int]:
    """Read kind and length of a packet."""
    return data[0], int.from_bytes(data[1:HEADER], "little")


def packet(kind: Packet, data: bytes) -> bytes:
    """Make a packet."""
    return bytes((kind,)) + len(data).to_bytes(4, "little") + data


def unraw(data: bytes) -> bytes:
    """Take the CR away that a terminal put before each LF."""
    return data.replace(b"\r\n", b"\n")


def with_exit(command: str) -> str:
    """Have a command print its exit code last, for those who are told none; what it exits is a shell of its own."""
    return f"({command}); echo ::$?"


def split_exit(data: bytes) -> tuple[bytes, int | None]:
    """Take the exit code that `with_exit` had printed off the end; None: it is not there."""
    output, found, code = data.rstrip().rpartition(b"::")
    if not found or not code.isdigit() or len(code) > 3:  # noqa: PLR2004 - 0 to 255
        return data, None
    return output, int(code)
