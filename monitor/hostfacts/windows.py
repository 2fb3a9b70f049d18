r"""The facts of a Windows host: one PowerShell script, and the one line of JSON it prints.

The script asks CIM classes, whose names no language of Windows translates (the paths of ``Get-Counter`` it does). It
must fit into one line of cmd.exe when encoded. What it prints::

    {"emuwatch":1,"boot":1795390000,"os":{"TotalVisibleMemorySize":16629244,"FreePhysicalMemory":8327084,...},"cpu":12,
     "disks":[{"DeviceID":"C:","Size":255000000000,"FreeSpace":64000000000}],"gpus":["..."],"gpu3d":31,
     "procs":[{"Name":"dnplayer.exe","ProcessId":5120,"CommandLine":"...\\dnplayer.exe index=0|"}],
     "listen":[{"LocalPort":5555,"OwningProcess":7324}],"acp":"936"}

Not verified on every Windows: an array of one may arrive as its element, any value as null, a date in several forms.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from monitor.hostfacts import PORTS, of_emulators
from monitor.hostfacts.powershell import PREAMBLE, encoded
from monitor.hostfacts.processes import WINDOWS_NAMES, Row, processes_of
from monitor.model import HostFacts, Listening, Process, Volume

_RUNNING: Final = r"""$w=(NAMES|%{"Name LIKE '$_%'"})-join' OR '
$p=@(Get-CimInstance Win32_Process -Filter $w -ErrorVariable x|select Name,ProcessId,CommandLine)
if($x){$p=$null}
$r=PORTS
$t=Get-NetTCPConnection -State Listen -ErrorVariable y
$l=@($t|?{$n=$_.LocalPort;$r|?{$n -ge $_[0] -and $n -le $_[1]}}|select LocalPort,OwningProcess -Unique)
if($y){$l=$null}
"""
"""The processes of emulators, ``$p``, and the ports they use, ``$l``; null where the host does not tell."""

_SCRIPT: Final = r"""$o=Get-CimInstance Win32_OperatingSystem
$b=([DateTimeOffset]$o.LastBootUpTime).ToUnixTimeSeconds()
$c=Get-CimInstance Win32_PerfFormattedData_PerfOS_Processor -Filter "Name='_Total'"
$d=@(Get-CimInstance Win32_LogicalDisk -Filter DriveType=3|select DeviceID,Size,FreeSpace)
$v=@(Get-CimInstance Win32_VideoController|%{$_.Name})
$e=Get-CimInstance Win32_PerfFormattedData_GPUPerformanceCounters_GPUEngine -Filter "Name LIKE '%engtype_3D'"
$g=$e|measure UtilizationPercentage -Sum
RUNNING$a=(Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Control\Nls\CodePage).ACP
$m=$o|select TotalVisibleMemorySize,FreePhysicalMemory,TotalVirtualMemorySize,FreeVirtualMemory
$h=@{emuwatch=1;boot=$b;os=$m;cpu=$c.PercentProcessorTime;disks=$d;gpus=$v;gpu3d=$g.Sum;procs=$p;listen=$l;acp=$a}
ConvertTo-Json -Compress -Depth 4 -InputObject $h
"""


def _filled(script: str) -> str:
    names = ",".join(f"'{name}'" for name in WINDOWS_NAMES)
    ports = ",".join(f"({low},{high})" for low, high in PORTS)
    return PREAMBLE + script.replace("RUNNING", _RUNNING).replace("NAMES", names).replace("PORTS", ports)


SCRIPT: Final = _filled(_SCRIPT)
"""Every statement stands alone: one that fails leaves a null and ends nothing."""

COMMAND: Final = encoded(SCRIPT)
WHAT_RUNS: Final = encoded(
    _filled("RUNNING$h=@{emuwatch=1;procs=$p;listen=$l}\nConvertTo-Json -Compress -Depth 4 -InputObject $h\n")
)
"""Asks for the processes and ports alone: much less work for the host, and `parse` reads it as well."""

_KIB: Final = 1024
_HIGHEST: Final = 2**63
"""Above it no figure of a host makes sense; what claims so is not understood."""
_DATE: Final = re.compile(r"/Date\((-?[0-9]{1,15})")
_UNICODE: Final = {65000: "utf-7", 65001: "utf-8", 54936: "gb18030"}
"""Code pages whose Python codec is not called after their number."""


def parse(data: bytes) -> HostFacts | None:
    """Read what the script printed; None: it is no such answer."""
    answer = _answer(data)
    if answer is None:
        return None
    total, available, limit, left = memory_of(answer.get("os"))
    return HostFacts(
        cpu_ratio=_ratio(answer.get("cpu")),
        memory_total_bytes=total,
        memory_available_bytes=available,
        commit_limit_bytes=limit,
        commit_available_bytes=left,
        boot_time_seconds=_time(answer.get("boot")),
        gpu_ratio=_ratio(answer.get("gpu3d")),
        gpus=tuple(name for name in _items(answer.get("gpus")) if isinstance(name, str)),
        volumes=tuple(_volumes(answer.get("disks"))),
        processes=_processes(answer.get("procs")),
        listening=_listening(answer.get("listen")),
        code_page=_codec(answer.get("acp")),
    )


def memory_of(system: object) -> tuple[int | None, int | None, int | None, int | None]:
    """Memory in all, available, commit limit, commit available, in bytes, of a ``Win32_OperatingSystem`` (in KiB)."""
    row = system if isinstance(system, Mapping) else {}
    names = ("TotalVisibleMemorySize", "FreePhysicalMemory", "TotalVirtualMemorySize", "FreeVirtualMemory")
    total, available, limit, left = (_bytes(row.get(name)) for name in names)
    return total, available, limit, left


def _answer(data: bytes) -> Mapping[str, object] | None:
    """Find the line of JSON; a byte order mark and whatever a profile or a policy prints around it are skipped."""
    text = data.decode("utf-8", "backslashreplace")
    for line in reversed(text.splitlines()):
        start = line.find('{"')
        if start < 0:
            continue
        try:
            value = json.loads(line[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value.get("emuwatch") == 1:
            return value
    return None


def _items(value: object) -> list[object]:
    """An array; ConvertTo-Json may have turned one of one element into the element."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _rows(value: object) -> Iterator[Mapping[str, object]]:
    return (item for item in _items(value) if isinstance(item, dict))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < _HIGHEST else None


def _integer(value: object) -> int | None:
    """A whole number that is not negative."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < _HIGHEST else None
    number = _number(value)
    return int(number) if number is not None and number >= 0 else None


def _bytes(kib: object) -> int | None:
    number = _integer(kib)
    return None if number is None else number * _KIB


def _ratio(percent: object) -> float | None:
    number = _number(percent)
    return None if number is None else min(max(number / 100, 0.0), 1.0)


def _time(value: object) -> float | None:
    """Unix time, of a number, ``/Date(ms)/`` or ISO 8601."""
    if isinstance(value, str):
        found = _DATE.search(value)
        if found is not None:
            return int(found[1]) / 1000
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _number(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return _number(value)


def _volumes(value: object) -> Iterator[Volume]:
    for row in _rows(value):
        name, size, free = row.get("DeviceID"), _integer(row.get("Size")), _integer(row.get("FreeSpace"))
        if isinstance(name, str) and name and size and free is not None:
            yield Volume(name, size, min(free, size))


def _processes(value: object) -> tuple[Process, ...] | None:
    if value is None:
        return None
    return processes_of(
        Row(name, pid, line if isinstance(line := row.get("CommandLine"), str) else None)
        for row in _rows(value)
        if isinstance(name := row.get("Name"), str) and (pid := _integer(row.get("ProcessId"))) is not None
    )


def _listening(value: object) -> tuple[Listening, ...] | None:
    if value is None:
        return None
    found = {
        port: Listening(port, _integer(row.get("OwningProcess")))
        for row in _rows(value)
        if (port := _integer(row.get("LocalPort"))) is not None and of_emulators(port)
    }
    return tuple(found[port] for port in sorted(found))


def _codec(value: object) -> str | None:
    number = _integer(value)
    if number is None:
        return None
    try:
        return codecs.lookup(_UNICODE.get(number, f"cp{number}")).name
    except (LookupError, ValueError):
        return None
