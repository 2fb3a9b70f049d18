r"""What a simulated workstation's PowerShell answers when asked for the facts of its host: one line of JSON.

It knows that one script, by the classes it asks, the part of it that asks what runs, and the one that looks for
consoles, and runs no other. Processes and
ports follow the guests themselves, whatever the console says of them: they are the witness that contradicts a console
that lies.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.simulator.guest import Guest

GIB: Final = 1024**3
DAY: Final = 86_400.0
DISK_FREE: Final = 96 * GIB
"""Bytes of its disk that are free when all is well."""

_ASKS: Final = ("Win32_OperatingSystem", "Win32_Process", "ConvertTo-Json")
_ASKS_WHAT_RUNS: Final = ("Win32_Process", "Get-NetTCPConnection", "ConvertTo-Json")
_WHAT_RUNS: Final = ("emuwatch", "procs", "listen")
_LOOKS_FOR: Final = ("ldconsole.exe", "MuMuManager.exe")
_CONSOLE: Final = r"C:\LDPlayer\LDPlayer9\ldconsole.exe"
_NO_PID: Final = -1
_SERVICE_PID: Final = 3000
_ADB_PID: Final = 3400
_ADB_SERVER: Final = 5037
_CLIXML: Final = '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04"></Objs>'


@dataclass(slots=True)
class Hardware:
    """The machine: its memory, its disks, and since when it runs."""

    clock: Callable[[], float] = time.time
    memory: int = 32 * GIB
    disk: int = 238 * GIB
    disk_free: int = DISK_FREE
    graphics: str = "NVIDIA GeForce RTX 3060"
    booted: float = 0.0
    """Unix time; 0: a day before it is first asked."""
    scripts: bool = True
    """Whether PowerShell runs any."""
    discreet: bool = False
    """Whether the command lines of processes are hidden from whoever asks, as from one who is no administrator."""

    def reboot(self) -> None:
        """Run since now."""
        self.booted = self.clock()

    def facts(self, guests: Sequence[Guest], code_page: int) -> Mapping[str, object]:
        """What the script finds out."""
        self.booted = self.booted or self.clock() - DAY
        running = sum(guest.vm_pid != _NO_PID for guest in guests)
        used = min(3 * GIB + running * 3 * GIB, self.memory - GIB)
        kib = {"TotalVisibleMemorySize": self.memory, "FreePhysicalMemory": self.memory - used}
        kib |= {"TotalVirtualMemorySize": self.memory * 5 // 4, "FreeVirtualMemory": self.memory * 5 // 4 - used}
        return {
            "listen": list(_listening(guests)),
            "cpu": min(3 + running * 9, 100),
            "acp": str(code_page),
            "disks": [{"DeviceID": "C:", "Size": self.disk, "FreeSpace": self.disk_free}],
            "gpu3d": min(running * 7, 100),
            "os": {name: size // 1024 for name, size in kib.items()},
            "boot": int(self.booted),
            "procs": [{**row, "CommandLine": None} if self.discreet else row for row in _processes(guests)],
            "emuwatch": 1,
            "gpus": [self.graphics],
        }


def script_of(words: Sequence[str]) -> str | None:
    """The script in the arguments of ``powershell``; None: there is none, or it is no text."""
    lower = [word.lower() for word in words]
    at = next((at for at, word in enumerate(lower[:-1]) if word in {"-encodedcommand", "-enc", "-e"}), None)
    if at is None:
        return None
    try:
        return base64.b64decode(words[at + 1], validate=True).decode("utf-16-le")
    except ValueError:
        return None


def powershell(
    words: Sequence[str], guests: Sequence[Guest], hardware: Hardware, code_page: int
) -> tuple[str, int, str]:
    """Run ``powershell``: what it prints, its exit code, and what it prints on stderr."""
    script = script_of(words)
    if script is not None and _asks(script, _LOOKS_FOR):
        return f"ldplayer\t{_CONSOLE}\r\n@@end\r\n", 0, _CLIXML
    facts = hardware.facts(guests, code_page)
    if (
        script is None
        or not hardware.scripts
        or not any(_asks(script, for_all) for for_all in (_ASKS, _ASKS_WHAT_RUNS))
    ):
        return "", 1, "The term is not recognized as the name of a cmdlet, function, script file.\r\n"
    told = facts if _asks(script, _ASKS) else {name: facts[name] for name in _WHAT_RUNS}
    return json.dumps(told, separators=(",", ":")) + "\r\n", 0, _CLIXML


def _asks(script: str, words: Sequence[str]) -> bool:
    return all(word in script for word in words)


def _processes(guests: Sequence[Guest]) -> Iterator[Mapping[str, object]]:
    for guest in guests:
        if guest.pid != _NO_PID:
            line = rf'"C:\LDPlayer\LDPlayer9\dnplayer.exe" index={guest.index}|'
            yield {"Name": "dnplayer.exe", "ProcessId": guest.pid, "CommandLine": line}
        if guest.vm_pid != _NO_PID:
            vm = f"--comment leidian{guest.index} --startvm 20160302-bbbb-bbbb-0e0b-{guest.index:012x} --vrde config"
            line = rf'"C:\Program Files\ldplayer9box\Ld9BoxHeadless.exe" {vm}'
            yield {"Name": "Ld9BoxHeadless.exe", "ProcessId": guest.vm_pid, "CommandLine": line}
    line = r'"C:\Program Files\ldplayer9box\Ld9BoxSVC.exe" -Embedding'
    yield {"Name": "Ld9BoxSVC.exe", "ProcessId": _SERVICE_PID, "CommandLine": line}
    yield {"Name": "adb.exe", "ProcessId": _ADB_PID, "CommandLine": None}


def _listening(guests: Sequence[Guest]) -> Iterator[Mapping[str, object]]:
    yield {"LocalPort": _ADB_SERVER, "OwningProcess": _ADB_PID}
    for guest in guests:
        if guest.adb:
            yield {"LocalPort": 5555 + 2 * guest.index, "OwningProcess": guest.vm_pid}
