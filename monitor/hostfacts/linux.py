"""The facts of a Linux host: one script for sh, and the sections it prints.

It reads ``/proc`` and asks ``df``, ``ps`` and, where there are any, ``ss`` and ``nvidia-smi``. A section whose command
failed is left out, so "none" and "could not look" stay apart. CPU time is counted twice, a moment apart::

    @@emuwatch 1
    @@stat
    cpu  10132153 290696 3084719 46828483 16683 0 25195 0 175628 0
    btime 1795390000
    @@meminfo
    MemTotal:       16384256 kB
    @@end
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from monitor.hostfacts import of_emulators
from monitor.hostfacts.processes import Row, processes_of
from monitor.model import HostFacts, Listening, Process, Volume

SCRIPT: Final = r"""exec 2>/dev/null
s() { printf '@@%s\n' "$1"; }
s 'emuwatch 1'
s charmap; locale charmap
LC_ALL=C; PATH=$PATH:/usr/sbin:/sbin; export LC_ALL PATH
s stat; grep -E '^(cpu |btime )' /proc/stat
s meminfo; grep -E '^(Mem|Commit)' /proc/meminfo
v=$(df -klP) || v=$(df -kP); s df; printf '%s\n' "$v"
v=$(ps -eo pid=,args=) && { s ps; printf '%s\n' "$v" | grep -E '[q]emu-system-|[a]db'; }
v=$(ss -Hltnp) && { s ss; printf '%s\n' "$v"; } || { s tcp; cat /proc/net/tcp /proc/net/tcp6; }
g='nvidia-smi --query-gpu=utilization.gpu,name --format=csv,noheader,nounits'
v=$(timeout 2 $g) && { s gpu; printf '%s\n' "$v"; }
sleep 0.3
s later; grep '^cpu ' /proc/stat
s end
"""

COMMAND: Final = ("sh", "-c", SCRIPT)

_KIB: Final = 1024
_HEAD: Final = "@@emuwatch 1"
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_MEMORY: Final = re.compile(r"([A-Za-z_]+):\s+([0-9]{1,15})")
_LISTENER: Final = re.compile(r"(?:LISTEN\s+)?\d+\s+\d+\s+\S*:([0-9]{1,5})\s+\S+(?:.*?\bpid=([0-9]{1,10}))?")
_TCP: Final = re.compile(r"\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 0A ")
_SEEMING: Final = ("tmpfs", "devtmpfs", "udev", "none", "shm", "efivarfs", "overlay", "/dev/loop", "df:", "Filesystem")
"""What begins the row of a file system that is no disk; an overlay is one when it is all of a container's ``/``."""
_COLUMNS: Final = 6
_IDLE: Final = slice(3, 5)
"""Idle, and waiting for a disk."""
_GUEST: Final = 8
"""From here on the times of guests, which are already counted as user's."""


def parse(data: bytes) -> HostFacts | None:
    """Read what the script printed; None: it is no such answer, or was cut off."""
    sections = _sections(data.decode("utf-8", "backslashreplace"))
    if "end" not in sections:
        return None
    memory = _memory(sections.get("meminfo", ()))
    limit, promised = memory.get("CommitLimit"), memory.get("Committed_AS")
    return HostFacts(
        cpu_ratio=_cpu(_times(sections.get("stat", ())), _times(sections.get("later", ()))),
        memory_total_bytes=memory.get("MemTotal"),
        memory_available_bytes=memory.get("MemAvailable", memory.get("MemFree")),
        commit_limit_bytes=limit,
        commit_available_bytes=None if limit is None or promised is None else limit - promised,
        boot_time_seconds=_boot(sections.get("stat", ())),
        gpu_ratio=_gpu(sections.get("gpu", ())),
        gpus=tuple(line.partition(",")[2].strip() for line in sections.get("gpu", ()) if "," in line),
        volumes=tuple(_volumes(sections.get("df", ()))),
        processes=_processes(sections.get("ps")),
        listening=_listening(sections),
        code_page=_codec(sections.get("charmap", ())),
    )


def _sections(text: str) -> Mapping[str, Sequence[str]]:
    """Split at the marks; nothing before the first one counts."""
    lines = iter(text.split("\n"))
    for line in lines:
        if line.strip() == _HEAD:
            break
    sections: dict[str, list[str]] = {}
    section: list[str] = []
    for line in lines:
        if line.startswith("@@"):
            section = sections.setdefault(line[2:].strip(), [])
        elif line.strip():
            section.append(line.rstrip("\r"))
    return sections


def _memory(lines: Sequence[str]) -> Mapping[str, int]:
    return {found[1]: int(found[2]) * _KIB for line in lines if (found := _MEMORY.match(line))}


def _times(lines: Sequence[str]) -> list[int]:
    """The clock ticks of all processors: user, nice, system, idle, iowait, ..."""
    first = next((line for line in lines if line.startswith("cpu ")), "")
    return [int(word) for word in first.split()[1 : _GUEST + 1] if _DIGITS.fullmatch(word)]


def _cpu(before: list[int], after: list[int]) -> float | None:
    """The share of time that was not idle; None where no tick has passed."""
    spent = [later - sooner for sooner, later in zip(before, after, strict=False)]
    total, idle = sum(spent), sum(spent[_IDLE])
    return min(max((total - idle) / total, 0.0), 1.0) if total > 0 else None


def _boot(lines: Sequence[str]) -> float | None:
    words = next((line.split() for line in lines if line.startswith("btime ")), [])
    return float(words[1]) if len(words) > 1 and _DIGITS.fullmatch(words[1]) else None


def _gpu(lines: Sequence[str]) -> float | None:
    """The busiest card's."""
    busy = [int(word) for line in lines if _DIGITS.fullmatch(word := line.partition(",")[0].strip())]
    return min(max(busy) / 100, 1.0) if busy else None


def _volumes(lines: Sequence[str]) -> Iterator[Volume]:
    seen = set()
    for line in lines:
        words = line.split(None, _COLUMNS - 1)
        if len(words) < _COLUMNS or not _DIGITS.fullmatch(words[1]) or not _DIGITS.fullmatch(words[3]):
            continue
        source, size, free, name = words[0], int(words[1]) * _KIB, int(words[3]) * _KIB, words[5].strip()
        if (source.startswith(_SEEMING) and name != "/") or not size or source in seen or not name.startswith("/"):
            continue
        seen.add(source)  # one disk mounted at several places is one volume, named after the first
        yield Volume(name, size, min(free, size))


def _processes(lines: Sequence[str] | None) -> tuple[Process, ...] | None:
    return None if lines is None else processes_of(_rows(lines))


def _rows(lines: Sequence[str]) -> Iterator[Row]:
    for line in lines:
        pid, _, command = line.strip().partition(" ")
        program = command.strip().partition(" ")[0].rpartition("/")[2]
        if _DIGITS.fullmatch(pid):
            yield Row(program, int(pid), command.strip())


def _listening(sections: Mapping[str, Sequence[str]]) -> tuple[Listening, ...] | None:
    """The ports and, where ``ss`` may tell, whose they are."""
    found: dict[int, Listening] = {}
    if "ss" not in sections and "tcp" not in sections:
        return None
    for line in sections.get("ss", ()):
        if (match := _LISTENER.match(line)) and of_emulators(port := int(match[1])):
            pid = None if match[2] is None else int(match[2])
            known = found.get(port)
            found[port] = Listening(port, pid if known is None or known.pid is None else known.pid)
    for line in sections.get("tcp", ()):
        if (match := _TCP.match(line)) and of_emulators(port := int(match[1], 16)):
            found.setdefault(port, Listening(port))
    return tuple(found[port] for port in sorted(found))


def _codec(lines: Sequence[str]) -> str | None:
    try:
        return codecs.lookup(lines[0].strip()).name if lines else None
    except (LookupError, ValueError):
        return None
