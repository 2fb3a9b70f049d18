"""The SOAP a WinRM service reads and writes: requests taken apart, replies and faults put together."""

from __future__ import annotations

import base64
import re
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

_SHELL: Final = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_NAMES: Final = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": _SHELL,
}
_DECLARED: Final = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        **_NAMES,
        "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
        "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    }.items()
)
_SECONDS: Final = re.compile(r"PT([0-9]+(?:\.[0-9]+)?)S")
_FAULT: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_CIM: Final = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client wants."""

    action: str
    """The last part of its wsa:Action: Create, Command, Receive, Signal, Delete."""
    full_action: str
    message_id: str
    shell_id: str
    command_id: str
    command: str
    """The command line, program and arguments joined."""
    patience: float
    """Seconds the client gives the operation."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault: its number, its SOAP subcode, and whether it comes as newer services tell quota errors."""

    number: int
    subcode: str
    wmi: bool = False


TIMED_OUT: Final = Trouble(2150858793, "w:TimedOut")
NO_SHELL: Final = Trouble(2150858843, "w:InvalidSelectors")
TOO_MANY_SHELLS: Final = Trouble(2150859173, "w:QuotaLimit", wmi=True)
TOO_MANY_OPERATIONS: Final = Trouble(2150859174, "w:QuotaLimit")
ABORTED: Final = Trouble(995, "w:InternalError")
DENIED: Final = Trouble(5, "w:AccessDenied")
MALFORMED: Final = Trouble(87, "w:InvalidParameter")
NO_PROGRAM: Final = Trouble(2147942402, "w:InternalError")
LINE_TOO_LONG: Final = Trouble(2147942606, "w:InternalError")


def read(body: bytes) -> Request | None:
    """Take a request apart; None: it is none."""
    try:
        envelope = ET.fromstring(body)  # noqa: S314 - expat bounds expansion; clients of a simulator
    except ET.ParseError:
        return None
    action = envelope.findtext("s:Header/a:Action", "", _NAMES).strip()
    command = envelope.find("s:Body/rsp:CommandLine", _NAMES)
    words = (
        [] if command is None else [part.text or "" for part in command if part.tag.endswith(("Command", "Arguments"))]
    )
    named = [*envelope.iterfind("s:Body/rsp:Signal", _NAMES), *envelope.iterfind(".//rsp:DesiredStream", _NAMES)]
    told = _SECONDS.fullmatch(envelope.findtext("s:Header/w:OperationTimeout", "", _NAMES).strip())
    return Request(
        action=action.rpartition("/")[2],
        full_action=action,
        message_id=envelope.findtext("s:Header/a:MessageID", "", _NAMES).strip(),
        shell_id=envelope.findtext("s:Header/w:SelectorSet/w:Selector[@Name='ShellId']", "", _NAMES).strip(),
        command_id=next((element.get("CommandId", "") for element in named), ""),
        command=" ".join(words),
        patience=float(told[1]) if told else 60.0,
    )


def created(request: Request, shell_id: str, owner: str) -> bytes:
    """Say that a shell is open."""
    uri = f"{_SHELL}/cmd"
    return _reply(
        request,
        f"<x:ResourceCreated><a:Address>http://localhost/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>{uri}"
        f'</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>'
        f"</a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{shell_id}</rsp:ShellId>"
        f"<rsp:ResourceUri>{uri}</rsp:ResourceUri><rsp:Owner>{escape(owner)}</rsp:Owner>"
        "<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>",
    )


def started(request: Request, command_id: str) -> bytes:
    """Say that a command runs."""
    return _reply(request, f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>")


def printed(request: Request, stdout: bytes, stderr: bytes, exit_code: int | None) -> bytes:
    """Say what a command printed, and how it ended, if it did."""
    name = quoteattr(request.command_id)
    streams = "".join(
        f'<rsp:Stream Name="{stream}" CommandId={name}>{base64.b64encode(data).decode()}</rsp:Stream>'
        for stream, data in (("stdout", stdout), ("stderr", stderr))
        if data
    )
    state = "Running" if exit_code is None else "Done"
    code = "" if exit_code is None else f"<rsp:ExitCode>{exit_code}</rsp:ExitCode>"
    over = "".join(f'<rsp:Stream Name="{stream}" CommandId={name} End="true"/>' for stream in ("stdout", "stderr"))
    return _reply(
        request,
        f"<rsp:ReceiveResponse>{streams}{over if exit_code is not None else ''}"
        f'<rsp:CommandState CommandId={name} State="{_SHELL}/CommandState/{state}">{code}</rsp:CommandState>'
        "</rsp:ReceiveResponse>",
    )


def obeyed(request: Request) -> bytes:
    """Say that a signal was given, or a shell deleted."""
    return _reply(request, "<rsp:SignalResponse/>" if request.action == "Signal" else "")


def fault(request: Request, trouble: Trouble) -> bytes:
    """Say what is wrong."""
    detail = (
        f'<e:MSFT_WmiError xmlns:e="{_CIM}"><e:error_Code>{trouble.number}</e:error_Code></e:MSFT_WmiError>'
        if trouble.wmi
        else '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
        f'Code="{trouble.number}" Machine="localhost"><f:Message>simulated</f:Message></f:WSManFault>'
    )
    return _envelope(
        _FAULT,
        request.message_id,
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{trouble.subcode}</s:Value></s:Subcode>"
        '</s:Code><s:Reason><s:Text xml:lang="de-DE">simuliert</s:Text></s:Reason>'
        f"<s:Detail>{detail}</s:Detail></s:Fault>",
    )


def _reply(request: Request, body: str) -> bytes:
    return _envelope(f"{request.full_action}Response", request.message_id, body)


def _envelope(action: str, relates_to: str, body: str) -> bytes:
    return (
        f'<s:Envelope xml:lang="de-DE" {_DECLARED}><s:Header><a:Action>{escape(action)}</a:Action>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
        f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
