"""What adb's refusals mean: one table of the texts it is known to answer with.

The only place where words decide, because there is nothing else: the server says ``FAIL`` and a sentence, without a
number, and the program prints the same sentence after ``error:``. The texts are those of adb's sources and of recorded
replies; they are never translated. A text that is not in the table is a refusal all the same, of unknown meaning.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from monitor.errors import ProbeError
from monitor.model import Category, Reason, Severity

SHOWN: Final = 120
"""Characters of a refusal worth a message."""


class Trouble(enum.StrEnum):
    """Why adb refuses."""

    NOT_FOUND = "not-found"
    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"
    AUTHORIZING = "authorizing"
    CONNECTING = "connecting"
    NO_PERMISSIONS = "no-permissions"
    AMBIGUOUS = "ambiguous"
    CLOSED = "closed"
    NO_SERVER = "no-server"
    NO_SERVICE = "no-service"
    DUMPSYS_TIMEOUT = "dumpsys-timeout"
    OTHER = "other"


TEXTS: Final = tuple(
    (re.compile(pattern), trouble)
    for pattern, trouble in (
        (rb"device( '.*')? not found|no devices(/emulators)? found|unknown device|no such device", Trouble.NOT_FOUND),
        (rb"device (is )?offline", Trouble.OFFLINE),
        (rb"device (is )?unauthorized", Trouble.UNAUTHORIZED),
        (rb"device still authorizing", Trouble.AUTHORIZING),
        (rb"device still connecting", Trouble.CONNECTING),
        (
            rb"insufficient permissions for device|(user .* )?no permissions|device has no permissions",
            Trouble.NO_PERMISSIONS,
        ),
        (rb"more than one (device/emulator|device|emulator)", Trouble.AMBIGUOUS),
        (rb"closed", Trouble.CLOSED),
        (rb"(failed|cannot|could not|unable) to (connect to|start) daemon|cannot connect to daemon", Trouble.NO_SERVER),
        (rb"could not read ok from ADB [Ss]erver|failed to start daemon|protocol fault", Trouble.NO_SERVER),
        (rb"unknown host service|unrecognized command|unknown command", Trouble.NO_SERVICE),
        (rb"\*\*\* SERVICE '.*' DUMP TIMEOUT \(.*\) EXPIRED \*\*\*", Trouble.DUMPSYS_TIMEOUT),
    )
)
"""How each known refusal begins."""

_BLAMES: Final[Mapping[Trouble, tuple[Severity, Reason, str]]] = MappingProxyType(
    {
        Trouble.NOT_FOUND: (Severity.HIGH, Reason.OFFLINE, "adb knows no such device"),
        Trouble.OFFLINE: (Severity.HIGH, Reason.OFFLINE, "offline: adb is connected, the guest does not answer it"),
        Trouble.UNAUTHORIZED: (
            Severity.HIGH,
            Reason.UNAUTHORIZED,
            "unauthorized: allow USB debugging of this workstation in the guest, or remove the old key there",
        ),
        Trouble.AUTHORIZING: (Severity.MEDIUM, Reason.UNAUTHORIZED, "authorizing: adb and the guest exchange keys"),
        Trouble.CONNECTING: (Severity.MEDIUM, Reason.OFFLINE, "connecting: adb has not reached the guest yet"),
        Trouble.NO_PERMISSIONS: (
            Severity.HIGH,
            Reason.PERMISSION,
            "no permissions: the adb server may not open the device (its user, udev rules)",
        ),
        Trouble.CLOSED: (Severity.HIGH, Reason.RESET, "the guest closed the connection instead of answering"),
    }
)
"""Refusals that are about a guest; the others are about the server."""
_NOT_RECOVERABLE: Final = frozenset({Trouble.UNAUTHORIZED, Trouble.NO_PERMISSIONS})

STATES: Final[Mapping[str, Trouble]] = MappingProxyType(
    {
        "offline": Trouble.OFFLINE,
        "unauthorized": Trouble.UNAUTHORIZED,
        "authorizing": Trouble.AUTHORIZING,
        "connecting": Trouble.CONNECTING,
        "no permissions": Trouble.NO_PERMISSIONS,
    }
)
"""The device states in which a guest can't be asked (``no permissions`` without the explanation behind it)."""

_PREFIX: Final = re.compile(rb"\s*(error: |adb(\.exe)?: (error: )?)?")


def trouble(text: bytes) -> Trouble:
    """Tell what a refusal means, from the server's sentence or from what the program printed on stderr."""
    rest = text[_match_end(text) :]
    return next((meaning for pattern, meaning in TEXTS if pattern.match(rest)), Trouble.OTHER)


def guest_error(meaning: Trouble, *, where: str) -> ProbeError:
    """Make the error of a guest that can't be asked."""
    severity, reason, words = _BLAMES[meaning]
    return ProbeError(
        f"{where}: {words}",
        category=Category.EMULATOR,
        severity=severity,
        reason=reason,
        recoverable=meaning not in _NOT_RECOVERABLE,
    )


def refusal(text: bytes, *, server: Category, where: str) -> ProbeError:
    """Make the error of a refusal: the guest's when the text is about one, else the server's.

    Args:
        text: What adb said.
        server: The layer of the server.
        where: Who was asked, for the message.

    """
    meaning = trouble(text)
    if meaning in _BLAMES:
        return guest_error(meaning, where=where)
    said = text.decode("utf-8", "backslashreplace").strip().partition("\n")[0].strip()[:SHOWN]
    reason = Reason.REFUSED if meaning is Trouble.NO_SERVER else Reason.PROTOCOL
    return ProbeError(f"{where}: adb says {said!r}", category=server, reason=reason)


def _match_end(text: bytes) -> int:
    found = _PREFIX.match(text)
    return found.end() if found else 0
