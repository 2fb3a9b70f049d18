"""Every fault we know, and every recorded one, is told by its number, in words an operator can act on."""

from __future__ import annotations

import errno
import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import pypsrp.exceptions
import pytest
import requests
import spnego.exceptions
import urllib3.exceptions
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Reason, Severity
from monitor.transports.winrm.errors import CERTIFICATES, KERBEROS, OF_THE_ACCOUNT, explain, is_refusal
from monitor.transports.winrm.faults import (
    FAULTS,
    STATUSES,
    SUBCODES,
    Fault,
    FaultError,
    RefusedError,
    StatusError,
    offered,
    parse_fault,
)

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
RECORDED = sorted(SAMPLES.glob("winrm-fault-*.xml"))
NETWORK, WORKSTATION = Category.NETWORK, Category.WORKSTATION

EXPECTED = {
    2150858793: (Reason.TIMEOUT, Severity.HIGH, True),
    2150858843: (Reason.SHELL_LOST, Severity.HIGH, True),
    2150859173: (Reason.QUOTA, Severity.HIGH, True),
    2150859174: (Reason.QUOTA, Severity.HIGH, True),
    2150858778: (Reason.PROTOCOL, Severity.HIGH, False),
    2150858767: (Reason.PROTOCOL, Severity.HIGH, False),
    2150859113: (Reason.PERMISSION, Severity.HIGH, False),
    2147942402: (Reason.NOT_INSTALLED, Severity.HIGH, False),
    2147942606: (Reason.PROTOCOL, Severity.HIGH, False),
    2147943418: (Reason.SHELL_LOST, Severity.HIGH, True),
    995: (Reason.SHELL_LOST, Severity.HIGH, True),
    2147943395: (Reason.SHELL_LOST, Severity.HIGH, True),
    87: (Reason.PROTOCOL, Severity.HIGH, False),
    2147942487: (Reason.PROTOCOL, Severity.HIGH, False),
    5: (Reason.PERMISSION, Severity.CRITICAL, False),
    2147942405: (Reason.PERMISSION, Severity.CRITICAL, False),
}


def told(exc: BaseException, *, answered: bool = True) -> ProbeError:
    error = explain(exc, "ws-01 winrm:5985", answered=answered)
    assert isinstance(error, ProbeError)
    assert str(error).startswith("ws-01 winrm:5985: ")
    assert len(str(error)) > len("ws-01 winrm:5985: ") + 10
    return error


def expected(sample: Path) -> Any:
    return json.loads(sample.with_name(f"{sample.name}.meta").read_text(encoding="utf-8").split("expected-json:\n")[1])


@pytest.mark.parametrize("sample", RECORDED, ids=lambda path: path.stem)
def test_recorded_fault__is_read_and_known(sample: Path) -> None:
    parse = expected(sample)
    fault = parse_fault(sample.read_text(encoding="utf-8"))
    assert fault == Fault(parse.get("wsman_fault_code") or parse.get("wmi_error_code"), parse["subcode"])
    error = told(FaultError(fault))
    assert fault.number is not None
    assert (error.reason, error.severity, error.recoverable) == EXPECTED[fault.number]


def test_recorded_faults__are_there() -> None:
    assert len(RECORDED) == 4


@pytest.mark.parametrize("number", FAULTS)
def test_fault__by_its_number__has_its_reason_and_a_sentence(number: int) -> None:
    error = told(FaultError(Fault(number, "w:InternalError")))
    assert (error.reason, error.severity, error.recoverable) == EXPECTED[number]
    assert error.category is WORKSTATION


def test_faults__are_all_expected() -> None:
    assert set(EXPECTED) == set(FAULTS)


@pytest.mark.parametrize(("subcode", "number"), SUBCODES.items())
def test_fault__without_a_number__is_told_by_its_subcode(subcode: str, number: int) -> None:
    error = told(FaultError(Fault(None, f"w:{subcode}")))
    assert (error.reason, error.severity, error.recoverable) == EXPECTED[number]


def test_fault__nobody_knows__names_its_number() -> None:
    error = told(FaultError(Fault(2150859999, "w:New")))
    assert error.reason is Reason.PROTOCOL
    assert "2150859999" in str(error)


@pytest.mark.parametrize("status", [*STATUSES, 302, 400, 500, 502])
def test_status__without_a_fault__is_no_answer_of_winrm(status: int) -> None:
    error = told(StatusError(status))
    assert f"HTTP {status}" in str(error)
    assert error.category is (NETWORK if status not in {403, 413, 503} else WORKSTATION)


def test_refusal__is_critical_and_never_recoverable() -> None:
    error = told(RefusedError(("Negotiate", "Kerberos")))
    assert (error.reason, error.severity, error.recoverable) == (Reason.AUTH, Severity.CRITICAL, False)
    assert "Negotiate, Kerberos" in str(error)


@pytest.mark.parametrize(
    ("header", "methods"),
    [
        ("", ()),
        ("Negotiate", ("Negotiate",)),
        ("Negotiate, Kerberos, CredSSP", ("Negotiate", "Kerberos", "CredSSP")),
        ('Negotiate, Basic realm="WSMAN", Kerberos', ("Negotiate", "Basic", "Kerberos")),
        ("Negotiate TlRMTVNTUAAC==, NTLM", ("Negotiate", "NTLM")),
        ("<script>\x1b[0m", ()),
    ],
)
def test_offered__lists_methods_and_nothing_else(header: str, methods: tuple[str, ...]) -> None:
    assert offered(header) == methods


def wrapped(inner: BaseException) -> BaseException:
    """Wrap an error as requests does."""
    middle = urllib3.exceptions.ProtocolError("Connection aborted.", inner)
    return requests.ConnectionError(middle)


def tls(number: int) -> BaseException:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = number
    inner = urllib3.exceptions.MaxRetryError(None, "/wsman", urllib3.exceptions.SSLError(error))  # type: ignore[arg-type]  # no pool
    return requests.exceptions.SSLError(inner)


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), Reason.REFUSED),
        (OSError(errno.EHOSTUNREACH, ""), Reason.UNREACHABLE),
        (wrapped(ConnectionResetError(errno.ECONNRESET, "")), Reason.RESET),
        (wrapped(http.client.RemoteDisconnected("")), Reason.RESET),
        (wrapped(http.client.BadStatusLine("")), Reason.PROTOCOL),
        (requests.ReadTimeout(urllib3.exceptions.ReadTimeoutError(None, "", "")), Reason.TIMEOUT),  # type: ignore[arg-type]  # no pool
        (requests.exceptions.SSLError(ssl.SSLError(1, "")), Reason.TLS),
        (requests.TooManyRedirects(), Reason.PROTOCOL),
    ],
    ids=repr,
)
def test_error__before_http_answered__is_the_networks(exc: BaseException, reason: Reason) -> None:
    error = told(exc, answered=False)
    assert (error.category, error.reason) == (NETWORK, reason)


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (wrapped(ConnectionResetError(errno.ECONNRESET, "")), Reason.SHELL_LOST),
        (wrapped(http.client.RemoteDisconnected("")), Reason.SHELL_LOST),
        (OSError(errno.EHOSTUNREACH, ""), Reason.SHELL_LOST),
        (requests.ReadTimeout(urllib3.exceptions.ReadTimeoutError(None, "", "")), Reason.SHELL_LOST),  # type: ignore[arg-type]  # no pool
        (wrapped(http.client.BadStatusLine("")), Reason.PROTOCOL),
        (pypsrp.exceptions.WinRMError("related id"), Reason.PROTOCOL),
        (IndexError(), Reason.PROTOCOL),
        (AttributeError(), Reason.PROTOCOL),
    ],
    ids=repr,
)
def test_error__once_http_answered__is_the_workstations(exc: BaseException, reason: Reason) -> None:
    error = told(exc)
    assert (error.category, error.reason) == (WORKSTATION, reason)


@pytest.mark.parametrize("number", [*CERTIFICATES, 7])
def test_certificate__that_is_not_trusted__is_told_by_openssls_number(number: int) -> None:
    error = told(tls(number), answered=False)
    assert (error.category, error.reason, error.recoverable) == (NETWORK, Reason.TLS, False)
    assert CERTIFICATES.get(number, "OpenSSL error 7") in str(error)


class GssError(Exception):
    """Shaped as gssapi's own."""

    def __init__(self, minor: int) -> None:
        super().__init__(minor)
        self.min_code = minor
        self.maj_code = 851968


@pytest.mark.parametrize("number", KERBEROS)
def test_kerberos__that_fails__is_told_by_its_minor_code(number: int) -> None:
    exc = spnego.exceptions.SpnegoError(error_code=13, base_error=GssError(number))
    error = told(exc)
    assert (error.reason, error.severity, error.recoverable) == (Reason.AUTH, Severity.CRITICAL, False)
    assert KERBEROS[number] in str(error)


@pytest.mark.parametrize("number", KERBEROS)
def test_kerberos__that_judged_the_account__refused_the_login_as_any_host_does(number: int) -> None:
    exc = spnego.exceptions.SpnegoError(error_code=13, base_error=GssError(number))
    assert is_refusal(exc) == (number in OF_THE_ACCOUNT)


def test_refusal__by_whoever_else__is_none_but_the_hosts() -> None:
    assert is_refusal(RefusedError(("Negotiate",)))
    assert not is_refusal(StatusError(403))
    assert not is_refusal(ConnectionResetError())


def test_kerberos__without_its_library__is_our_own_trouble() -> None:
    assert isinstance(explain(ImportError("gssapi"), "ws-01", answered=False), LocalError)


@given(st.text())
def test_parse_fault__of_any_text__never_raises(text: str) -> None:
    parse_fault(text)


@given(st.text(), st.text())
def test_parse_fault__with_any_number__never_raises(code: str, subcode: str) -> None:
    from xml.sax.saxutils import escape, quoteattr  # noqa: PLC0415 - used here only

    parse_fault(
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Subcode><s:Value>'
        f"{escape(subcode)}</s:Value></s:Subcode></s:Code><s:Detail>"
        f'<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code={quoteattr(code)}/>'
        "</s:Detail></s:Fault></s:Body></s:Envelope>"
    )


def test_parse_fault__of_a_signed_number__is_the_unsigned_one() -> None:
    fault = parse_fault(
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Detail>'
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="-2144108453"/>'
        "</s:Detail></s:Fault></s:Body></s:Envelope>"
    )
    assert fault == Fault(2150858843, "")
