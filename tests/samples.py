"""The recorded samples, and how each kind of them is read: one table from the beginning of a name to a parser of ours.

A reader shows what the parser made of a sample in the words of its description (``NAME.meta``), and adds nothing to it
but what we have no use for, such as the localised text of a fault.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from pypsrp.shell import CommandState

from monitor.adb import wire
from monitor.adb.fails import Trouble, trouble
from monitor.emulators import adb, avd, bluestacks, ldplayer, memu, mumu, nox
from monitor.hostfacts import windows
from monitor.transports.winrm.faults import FaultError, parse_fault
from monitor.transports.winrm.shell import Shell
from monitor.transports.winrm.wire import Wire

FOLDER = Path(__file__).parent / "data" / "samples"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".meta")
SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
ADDRESSING = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"


@dataclass(frozen=True)
class Sample:
    """What was recorded, in which code page it was printed, and what it says."""

    data: bytes
    code_page: str
    expected: Any


def sample(name: str) -> Sample:
    """Read a sample and its description."""
    head, _, expected = (FOLDER / f"{name}.meta").read_text(encoding="utf-8").partition("expected-json:\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    return Sample((FOLDER / name).read_bytes(), fields["encoding"].split()[0], json.loads(expected))


def reader(name: str) -> Callable[[Sample], Any]:
    """The one reader of a sample."""
    (only,) = [read for prefix, read in READERS.items() if name.startswith(prefix)]
    return only


# ------------------------------------------------------------------------------------------------------------ consoles


def _list2(sample: Sample) -> Any:
    listing = ldplayer.parse_list2(sample.data, sample.code_page)
    return {
        "instances": [
            {
                **dataclasses.asdict(instance),
                "state": instance.run.value,
                "adb_port": instance.adb_port,
                "adb_serials": list(instance.adb_serials),
            }
            for instance in listing.instances
        ],
        "rejected_lines": list(listing.rejected),
    }


def _banner(sample: Sample) -> Any:
    found = ldplayer.parse_banner(sample.data)
    return {"is_usage_text": found is not None, "version": found.version if found else None}


def _missing(sample: Sample) -> Any:
    return {"error": "instance-not-found"} if ldplayer.is_missing(sample.data) else {}


def _list3(sample: Sample) -> Any:
    return dataclasses.asdict(ldplayer.parse_list3(sample.data, sample.code_page) or pytest.fail("no screen"))


def _config(sample: Sample) -> Any:
    return dataclasses.asdict(ldplayer.parse_config(sample.data) or pytest.fail("no config"))


def _isrunning(sample: Sample) -> Any:
    return {"running": ldplayer.parse_isrunning(sample.data)}


def _mumu(sample: Sample) -> Any:
    info = mumu.parse_info(sample.data)
    if isinstance(info, mumu.Refusal):
        return {"error": "instance-not-found" if info.code == mumu.NO_SUCH else "other", "errcode": info.code}
    assert info is not None
    assert info.rejected == ()
    keys = ("index", "title", "adb_serial", "pid", "android_version", "disk_bytes")
    return {
        "instances": [{"state": row.run.value, **{key: getattr(row, key) for key in keys}} for row in info.instances]
    }


def _memu(sample: Sample) -> Any:
    instances, rejected = memu.parse_listvms(sample.data, sample.code_page)
    assert rejected == ()
    return {"instances": [dataclasses.asdict(row) for row in instances]}


def _nox(sample: Sample) -> Any:
    instances, rejected = nox.parse_list(sample.data, sample.code_page)
    assert rejected == ()
    rows = [{**dataclasses.asdict(row), "running": row.running} for row in instances]
    return {"instances": [{key: value for key, value in row.items() if key != "index"} for row in rows]}


def _bluestacks(sample: Sample) -> Any:
    conf = bluestacks.parse_conf(sample.data) or pytest.fail("no config")
    return {**dataclasses.asdict(conf), "instances": [dataclasses.asdict(row) for row in conf.instances]}


def _avds(sample: Sample) -> Any:
    avds = avd.parse_list_avds(sample.data.decode())
    return {"avds": list(avds.names), "noise_lines": len(avds.noise)}


# ----------------------------------------------------------------------------------------------------------------- adb


def _devices(sample: Sample) -> Any:
    listed = adb.parse_devices(sample.data)
    assert listed.rejected == ()
    shown: list[dict[str, Any]] = [
        {"serial": device.serial, "state": device.state, **device.properties} for device in listed.devices
    ]
    for device in shown:
        if "transport_id" in device:
            device["transport_id"] = int(device["transport_id"])
    twins = [list(group) for group in listed.twins()]
    return {"devices": shown, "same_machine": twins} if twins else {"devices": shown}


def _connect(sample: Sample) -> Any:
    return dataclasses.asdict(adb.parse_connect(sample.data))


def _focus(sample: Sample) -> Any:
    return dataclasses.asdict(adb.parse_focus(sample.data) or pytest.fail("no focus"))


def _battery(sample: Sample) -> Any:
    return dataclasses.asdict(adb.parse_battery(sample.data) or pytest.fail("no battery"))


def _meminfo(sample: Sample) -> Any:
    return dataclasses.asdict(adb.parse_meminfo(sample.data) or pytest.fail("no memory"))


def _refused(sample: Sample) -> Any:
    return {"error": trouble(sample.data).value}


def _services(sample: Sample) -> Any:
    """The replies of a real server, taken apart with our framing; each request is framed as it was sent."""
    exchanges = [(one["request"].encode(), one["reply"].encode()) for one in json.loads(sample.data)]
    answers = {}
    for request, reply in exchanges:
        service = request[4:].decode()
        assert wire.request(service) == request
        status, size, text = reply[:4], wire.length(reply[4:8]), reply[8:]
        assert (size, status) == (len(text), b"OKAY" if status == b"OKAY" else b"FAIL")
        answers[service] = (status == b"OKAY", text)
    assert trouble(answers["host:bogus"][1]) is Trouble.NO_SERVICE
    assert trouble(answers["host:transport-any"][1]) is Trouble.NOT_FOUND
    assert trouble(answers["host:transport:127.0.0.1:5555"][1]) is Trouble.NOT_FOUND
    assert adb.parse_devices(answers["host:devices-l"][1]).devices == ()
    okay, words = answers["host:connect:127.0.0.1:5990"]
    return {
        "server_protocol": int(answers["host:version"][1], 16),
        "connect_failure_is_okay_status": okay and not adb.parse_connect(words).connected,
    }


# ------------------------------------------------------------------------------------------------------------- Windows


def _memory(sample: Sample) -> Any:
    total, available, *_ = windows.memory_of(json.loads(sample.data))
    assert total is not None
    assert available is not None
    used = round(100 * (1 - available / total), 1)
    return {"total_mb": total // 1024**2, "free_mb": available // 1024**2, "used_pct": used}


def _fault(sample: Sample) -> Any:
    return _told(sample.data.decode(), wmi="wmi_error_code" in sample.expected)


def _told(envelope: str, *, wmi: bool = False) -> dict[str, Any]:
    """A fault as our parser reads it; which of two elements told the number, and the words, are no matter to it."""
    fault = parse_fault(envelope) or pytest.fail("no fault")
    number = {"wsman_fault_code": None, "wmi_error_code": fault.number} if wmi else {"wsman_fault_code": fault.number}
    words = ET.fromstring(envelope).findtext(f"{SOAP}Body/{SOAP}Fault/{SOAP}Reason/{SOAP}Text") or ""
    return {"http_status": 500, "kind": "fault", **number, "subcode": fault.subcode, "reason": words.strip()}


class Tape:
    """A wire that answers as recorded, one answer after the other; only whom it relates to is filled in."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.server, self.endpoint = "h", "https://h:5986/wsman"
        self.answers = iter(answers)
        self.answer: dict[str, Any] = {}

    def send(self, message: bytes, **_: object) -> bytes:
        self.answer = next(self.answers)
        text = cast("str", self.answer["response"])
        if self.answer["http_status"] != 200:
            raise FaultError(parse_fault(text) or pytest.fail("no fault"))
        asked = re.findall(r"<wsa:MessageID>([^<]+)<", message.decode())[0]
        return re.sub(r"<a:RelatesTo>[^<]*<", f"<a:RelatesTo>{asked}<", text).encode()

    @property
    def kind(self) -> str:
        """What the answer calls itself."""
        action = ET.fromstring(self.answer["response"]).findtext(f"{SOAP}Header/{ADDRESSING}Action") or ""
        return action.rpartition("/")[2]


def _exchange(sample: Sample) -> Any:
    """What our shell makes of each answer, in the order in which they were given."""
    answers = [json.loads(line) for line in sample.data.decode().splitlines()]
    tape = Tape(answers)
    shell = Shell(cast("Wire", tape), idle=60, code_page=None)
    steps, command = [], None
    for answer in answers:
        try:
            if answer["action"] == "Command":
                command = shell.command("whatever")
                step = {"kind": "command", "command_id": command}
            else:
                step = _step(answer["action"], shell, command, tape)
        except FaultError:
            step = _told(answer["response"])
        steps.append({"seq": answer["seq"], "action": answer["action"], "http_status": 200, **step})
    return {"exchange": steps}


def _step(action: str, shell: Shell, command: str | None, tape: Tape) -> dict[str, Any]:
    if action == "Create":
        shell.open()
        return {"kind": "create", "shell_id": shell.id}
    if action == "Receive":
        state, exit_code, streams = shell._winrs.receive("stdout stderr", command)
        told = None if state == CommandState.PENDING else state.rpartition("/")[2]
        printed = {"stderr": streams["stderr"].decode(), **_printed(streams["stdout"])}
        return {"kind": "receive", "command_state": told, "exit_code": exit_code, **printed}
    if action == "Signal":
        shell.signal(command or "")
    else:
        shell.delete(None)
    return {"kind": tape.kind}


def _printed(stdout: bytes) -> dict[str, str]:
    """What was printed: as it is, or in base64 where it is not text (the fragments of a runspace)."""
    return {"stdout_base64": base64.b64encode(stdout).decode()} if b"\0" in stdout else {"stdout": stdout.decode()}


READERS: dict[str, Callable[[Sample], Any]] = {
    "adb-connect-": _connect,
    "adb-devices-": _devices,
    "adb-dumpsys-battery": _battery,
    "adb-dumpsys-timeout": _refused,
    "adb-error-": _refused,
    "adb-focus-": _focus,
    "adb-meminfo-": _meminfo,
    "adb-wire-": _services,
    "avd-list-avds-": _avds,
    "bluestacks-conf-": _bluestacks,
    "ld-banner-": _banner,
    "ld-config-": _config,
    "ld-error-player-missing": _missing,
    "ld-isrunning-": _isrunning,
    "ld-list2-": _list2,
    "ld-list3-": _list3,
    "memu-listvms": _memu,
    "mumu-": _mumu,
    "nox-list": _nox,
    "win-cim-memory": _memory,
    "winrm-cmd-": _exchange,
    "winrm-psrp-": _exchange,
    "winrm-fault-": _fault,
}
"""By how a name begins."""
