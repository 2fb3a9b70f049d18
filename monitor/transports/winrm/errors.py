"""What pypsrp and the libraries under it raise, and whom it blames: by type, by OpenSSL's and by Kerberos' numbers.

The libraries wrap what really happened several times over, so a whole chain of causes is looked at, innermost first.
"""

from __future__ import annotations

import binascii
import http.client
import socket
import ssl
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pypsrp.exceptions
import requests
import spnego.exceptions
import urllib3.exceptions

from monitor.errors import NETWORK_ERRORS, Blame, LocalError, ProbeError, Table, blame
from monitor.model import Category, Reason, Severity
from monitor.transports.winrm.faults import (
    FaultError,
    RefusedError,
    StatusError,
    blame_fault,
    blame_refusal,
    blame_status,
)

_NET, _HOST = Category.NETWORK, Category.WORKSTATION
_NO_NAME = Blame(_NET, Severity.HIGH, Reason.DNS, "the name cannot be resolved")
_NO_HTTP = Blame(_NET, Severity.HIGH, Reason.PROTOCOL, "no HTTP server answers there")
_GARBLED = Blame(_HOST, Severity.HIGH, Reason.PROTOCOL, "the answer is no WS-Management answer")
_TLS = Blame(_NET, Severity.HIGH, Reason.TLS, "TLS failed: is it HTTPS that answers there?")
_CERTIFICATE = replace(_TLS, words="the certificate is not valid", recoverable=False)
_NO_LOGIN = Blame(
    _HOST, Severity.CRITICAL, Reason.AUTH, "the login failed before the host judged it", recoverable=False
)
_GONE = Blame(_HOST, Severity.HIGH, Reason.SHELL_LOST, "connection lost while in use")

CERTIFICATES: Final[Mapping[int, str]] = {
    9: "the certificate is not valid yet (or the monitor's clock is wrong)",
    10: "the certificate has expired",
    18: "the certificate is self-signed: name it as `ca_file`, or sign it by an authority",
    19: "the certificate is signed by an authority nobody told us to trust: name that as `ca_file`",
    20: "the certificate is signed by an authority nobody told us to trust: name that as `ca_file`",
    62: "the certificate is for another name: name it as `server_name`",
    64: "the certificate is for another address: name what it is for as `server_name`",
}
"""What OpenSSL's verification says, by its number."""

KERBEROS: Final[Mapping[int, str]] = {
    -1765328347: "the clocks of monitor, host and domain controller differ by more than five minutes",
    -1765328360: "Kerberos: wrong password",
    -1765328366: "Kerberos: the account is disabled, locked or expired",
    -1765328378: "Kerberos: the domain does not know the user",
    -1765328377: "Kerberos: the domain does not know the host by this name; give the host its full name",
    -1765328228: "Kerberos: no domain controller answers",
    -1765328230: "Kerberos: the realm is unknown; check krb5.conf",
}
"""What Kerberos says, by the minor code of GSSAPI (MIT's com_err numbers)."""

OF_THE_ACCOUNT: Final = frozenset({-1765328360, -1765328366, -1765328378})
"""Those by which a domain refuses a login, which brings the account nearer to being locked as any refusal does."""

ERRORS: Final[Table] = {
    **NETWORK_ERRORS,
    socket.gaierror: _NO_NAME,
    UnicodeError: _NO_NAME,  # a name that can't even be asked for: a label of over 63 characters
    ssl.SSLError: _TLS,
    ssl.SSLEOFError: replace(_TLS, words="connection closed in the middle of the TLS handshake"),
    ssl.SSLCertVerificationError: _CERTIFICATE,
    http.client.HTTPException: _NO_HTTP,
    urllib3.exceptions.HTTPError: _NO_HTTP,
    urllib3.exceptions.ReadTimeoutError: NETWORK_ERRORS[TimeoutError],
    urllib3.exceptions.SSLError: _TLS,
    requests.RequestException: _NO_HTTP,
    requests.ConnectionError: Blame(_NET, Severity.HIGH, Reason.RESET, "connection lost"),
    requests.TooManyRedirects: replace(_NO_HTTP, words="the server sends us elsewhere: that is no answer of WinRM"),
    spnego.exceptions.SpnegoError: _NO_LOGIN,
    spnego.exceptions.BadBindingsError: replace(_NO_LOGIN, words="the host rejects the channel binding of the login"),
    pypsrp.exceptions.WinRMError: _GARBLED,
    ET.ParseError: _GARBLED,
    binascii.Error: _GARBLED,
    struct.error: _GARBLED,
    AttributeError: _GARBLED,  # from here on: what pypsrp stumbles over when an answer is not shaped as it expects
    LookupError: _GARBLED,
    TypeError: _GARBLED,
    ValueError: _GARBLED,
}
"""What a call means that fails before the host has answered anything."""

_LOST = (OSError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError, ssl.SSLError, EOFError)
USING: Final[Table] = {
    **ERRORS,
    **dict.fromkeys((*_LOST, ssl.SSLEOFError, requests.ConnectionError, urllib3.exceptions.ReadTimeoutError), _GONE),
    UnicodeError: _GARBLED,
    http.client.HTTPException: _GARBLED,
    urllib3.exceptions.HTTPError: _GARBLED,
    requests.RequestException: _GARBLED,
}
"""The same errors once HTTP has answered in this run."""


def explain(exc: BaseException, where: str, *, answered: bool) -> ProbeError | LocalError:
    """Say what an exception of the libraries means.

    Args:
        exc: What was raised.
        where: The endpoint, for the message.
        answered: Whether HTTP has answered before, in the same run: the network is not to blame any more.

    """
    if isinstance(exc, ProbeError | LocalError):
        return exc
    if isinstance(exc, ImportError):
        return LocalError(f"{where}: the login method needs a library: install emuwatch[kerberos] or emuwatch[credssp]")
    chain = [exc] if isinstance(exc, FaultError | StatusError | RefusedError) else causes(exc)
    known = next(filter(None, (_known(each, USING if answered else ERRORS) for each in chain)), None)
    if known is None:
        return LocalError(f"{where}: {type(exc).__name__}")
    return ProbeError(
        f"{where}: {known.words}",
        category=known.category,
        severity=known.severity,
        reason=known.reason,
        recoverable=known.recoverable,
    )


def is_refusal(exc: BaseException) -> bool:
    """Tell whether somebody judged the login and refused it: it must not be tried again."""
    return any(
        isinstance(each, RefusedError)
        or (isinstance(each, spnego.exceptions.SpnegoError) and _minor_code(each) in OF_THE_ACCOUNT)
        for each in causes(exc)
    )


def causes(exc: BaseException) -> Iterator[BaseException]:
    """Walk from what really happened to what was raised for it in the end."""
    chain: list[BaseException] = []
    while exc not in chain:
        chain.append(exc)
        inner = getattr(exc, "reason", None), *exc.args, exc.__cause__, exc.__context__
        exc = next((each for each in inner if isinstance(each, BaseException)), exc)
    yield from reversed(chain)


def _known(exc: BaseException, table: Table) -> Blame | None:
    match exc:
        case FaultError():
            return blame_fault(exc)
        case StatusError():
            return blame_status(exc)
        case RefusedError():
            return blame_refusal(exc)
        case ssl.SSLCertVerificationError():
            number = getattr(exc, "verify_code", 0)
            words = CERTIFICATES.get(number, f"the certificate is not valid (OpenSSL error {number})")
            return replace(_CERTIFICATE, words=words)
        case spnego.exceptions.SpnegoError():
            told = KERBEROS.get(_minor_code(exc))
            return blame(exc, table) if told is None else replace(_NO_LOGIN, words=told)
    return blame(exc, table)


def _minor_code(exc: spnego.exceptions.SpnegoError) -> int:
    """What GSSAPI calls it; 0: it was not Kerberos."""
    code = getattr(exc.base_error, "min_code", 0)
    return code if isinstance(code, int) else 0
