"""What a WS-Man service says when it does not obey: numbers, and what each means to an operator.

The texts of faults are in the host's language, so only numbers are looked at: HTTP's own, those of ``f:WSManFault`` and
``p:MSFT_WmiError`` (older and newer services send the same number in one or the other), and the SOAP subcode when a
fault has no number at all. Nothing here asks anybody anything.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from monitor.errors import Blame
from monitor.model import Category, Reason, Severity

TIMED_OUT: Final = 2150858793
NO_SHELL: Final = 2150858843
QUOTA_SHELLS: Final = 2150859173
QUOTA_OPERATIONS: Final = 2150859174
NOT_FOUND: Final = 2147942402
LINE_TOO_LONG: Final = 2147942606

OF_THE_COMMAND: Final = frozenset({NOT_FOUND, LINE_TOO_LONG})
"""Faults that say something of the command, not of the shell it was to run in."""

_HOST = Category.WORKSTATION
_LOST = Blame(
    _HOST, Severity.HIGH, Reason.SHELL_LOST, "the shell is closing: the host shuts down, or its service restarts"
)
_DENIED = Blame(
    _HOST,
    Severity.CRITICAL,
    Reason.PERMISSION,
    "access denied: the account must be an administrator or in Remote Management Users; a local administrator also "
    "needs LocalAccountTokenFilterPolicy=1",
    recoverable=False,
)
_OUR_QUERY = Blame(
    _HOST, Severity.HIGH, Reason.PROTOCOL, "the service rejects what we sent as malformed", recoverable=False
)

FAULTS: Final[Mapping[int, Blame]] = {
    TIMED_OUT: Blame(_HOST, Severity.HIGH, Reason.TIMEOUT, "the service did not get it done in its operation timeout"),
    NO_SHELL: Blame(
        _HOST, Severity.HIGH, Reason.SHELL_LOST, "the shell is gone: it idled too long, or the host rebooted"
    ),
    QUOTA_SHELLS: Blame(
        _HOST,
        Severity.HIGH,
        Reason.QUOTA,
        "too many shells of this account are open: close leftovers (winrm enumerate shell), or raise "
        "MaxShellsPerUser; forgotten ones end by themselves after their idle timeout",
    ),
    QUOTA_OPERATIONS: Blame(
        _HOST,
        Severity.HIGH,
        Reason.QUOTA,
        "too many operations of this account are open: lower `recycle`, or raise MaxConcurrentOperationsPerUser",
    ),
    NOT_FOUND: Blame(_HOST, Severity.HIGH, Reason.NOT_INSTALLED, "program not found", recoverable=False),
    LINE_TOO_LONG: Blame(
        _HOST, Severity.HIGH, Reason.PROTOCOL, "the command line is too long: shorten the command", recoverable=False
    ),
    2147943418: Blame(_HOST, Severity.HIGH, Reason.SHELL_LOST, "the account's profile was unloaded under the shell"),
    995: _LOST,
    2147943395: _LOST,
    5: _DENIED,
    2147942405: _DENIED,
    87: _OUR_QUERY,
    2147942487: _OUR_QUERY,
    2150858767: _OUR_QUERY,
    2150858778: Blame(
        _HOST, Severity.HIGH, Reason.PROTOCOL, "the WMI class or the filter does not exist there", recoverable=False
    ),
    2150859113: Blame(
        _HOST,
        Severity.HIGH,
        Reason.PERMISSION,
        "the firewall exception can't work on a Public network: make the network Private, or enable remoting with "
        "-SkipNetworkProfileCheck",
        recoverable=False,
    ),
}
"""Faults by number: Win32 and HRESULT forms of one error are both listed where both were seen."""

SUBCODES: Final[Mapping[str, int]] = {
    "TimedOut": TIMED_OUT,
    "InvalidSelectors": NO_SHELL,
    "QuotaLimit": QUOTA_OPERATIONS,
    "AccessDenied": 5,
    "InvalidParameter": 87,
}
"""The number a SOAP subcode stands for, where a fault tells none."""

STATUSES: Final[Mapping[int, Blame]] = {
    403: Blame(_HOST, Severity.CRITICAL, Reason.PERMISSION, "HTTP 403: the service forbids it", recoverable=False),
    404: Blame(
        Category.NETWORK,
        Severity.HIGH,
        Reason.PROTOCOL,
        "HTTP 404: a web server answers there, but no WinRM; check the port and the path",
        recoverable=False,
    ),
    413: Blame(_HOST, Severity.HIGH, Reason.PROTOCOL, "HTTP 413: the request is larger than MaxEnvelopeSizekb allows"),
    503: Blame(_HOST, Severity.HIGH, Reason.SHELL_LOST, "HTTP 503: the WinRM service is stopped or still starting"),
}
"""What HTTP itself says; 401 is told apart, because its methods are worth knowing."""

_SOAP: Final = "{http://www.w3.org/2003/05/soap-envelope}"
_WSMAN: Final = "{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}"
_WMI: Final = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError}"
_METHOD: Final = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]{0,15})(?=\s|,|$)")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, read: its number (None: it tells none we can read) and its SOAP subcode."""

    number: int | None
    subcode: str


class FaultError(Exception):
    """The service answered with a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.number, fault.subcode)
        self.fault = fault

    @property
    def number(self) -> int | None:
        """The fault's number, or the one its subcode stands for."""
        subcode = self.fault.subcode.rpartition(":")[2]
        return self.fault.number if self.fault.number is not None else SUBCODES.get(subcode)


class StatusError(Exception):
    """The server answered with an HTTP status and nothing we can read."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RefusedError(Exception):
    """The server wants another login (HTTP 401), and says by which methods."""

    def __init__(self, offered: tuple[str, ...]) -> None:
        super().__init__(offered)
        self.offered = offered


def parse_fault(envelope: str) -> Fault | None:
    """Read the number of a fault out of an envelope; None: it is no SOAP fault at all."""
    try:
        fault = ET.fromstring(envelope).find(f"{_SOAP}Body/{_SOAP}Fault")  # noqa: S314 - expat bounds expansion
    except (ET.ParseError, ValueError):
        return None
    if fault is None:
        return None
    subcode = fault.findtext(f"{_SOAP}Code/{_SOAP}Subcode/{_SOAP}Value") or ""
    detail = fault.find(f"{_SOAP}Detail/{_WSMAN}WSManFault")
    told = detail.get("Code") if detail is not None else None
    return Fault(
        _number(told or fault.findtext(f"{_SOAP}Detail/{_WMI}MSFT_WmiError/{_WMI}error_Code")), subcode.strip()
    )


def _number(told: str | None) -> int | None:
    """Read a number as the service writes it: unsigned, or the same 32 bits signed."""
    return int(told) & 0xFFFFFFFF if told and re.fullmatch(r"\s*-?[0-9]{1,10}\s*", told) else None


def offered(header: str) -> tuple[str, ...]:
    """List the login methods a ``WWW-Authenticate`` header offers."""
    return tuple(dict.fromkeys(_METHOD.findall(header)))[:8]


def blame_fault(error: FaultError) -> Blame:
    """Tell what a fault means."""
    known = None if error.number is None else FAULTS.get(error.number)
    told = error.fault.number if error.fault.number is not None else error.fault.subcode[:40] or "without a number"
    words = f"the service answers with fault {told!r}, which is not known here"
    return known or Blame(_HOST, Severity.HIGH, Reason.PROTOCOL, words)


def blame_status(error: StatusError) -> Blame:
    """Tell what an HTTP status means."""
    words = f"HTTP {error.status}: that is no answer of WinRM"
    return STATUSES.get(error.status) or Blame(Category.NETWORK, Severity.HIGH, Reason.PROTOCOL, words)


def blame_refusal(error: RefusedError) -> Blame:
    """Tell what a refused login means; it may lock the account when repeated, so nobody should on his own."""
    methods = ", ".join(error.offered) or "nothing"
    words = (
        f"login refused (HTTP 401; the host offers {methods}): check user and password, that the host allows the "
        "configured `auth`, and the clocks when it is Kerberos"
    )
    return Blame(_HOST, Severity.CRITICAL, Reason.AUTH, words, recoverable=False)
