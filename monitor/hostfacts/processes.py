r"""Which emulator a process belongs to, by its name and command line. Pure.

Command lines as seen on real hosts (LDPlayer; the others by their vendors' and users' texts only)::

    C:\LDPlayer\LDPlayer9\dnplayer.exe index=3|
    "C:\Program Files\ldplayer9box\Ld9BoxHeadless.exe" --comment leidian3 --startvm 2016...
    "C:\Program Files\BlueStacks_nxt\HD-Player.exe" --instance Pie64
    /opt/android/emulator/qemu/linux-x86_64/qemu-system-x86_64 -avd Pixel_7 -port 5554

Windows hides the command line of processes of another user from anybody but an administrator: such a process is
listed, and belongs to nobody in particular.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monitor.model import Process, ProcessKind


@dataclass(frozen=True, slots=True)
class Row:
    """A process as its host lists it."""

    name: str
    """Of its program, without the folder."""
    pid: int
    command_line: str | None = None
    """None: the host would not tell."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One program of one product."""

    driver: str
    kind: ProcessKind
    name: re.Pattern[str]
    index: re.Pattern[str] | None = None
    """Finds the number in the command line; found without a number, it is 0."""
    key: re.Pattern[str] | None = None
    """Finds the name instead; without one the process is not the product's."""
    bare: int | None = None
    """Which instance a command line without any word of one means."""


def _rule(
    driver: str,
    kind: ProcessKind,
    name: str,
    *,
    index: str | None = None,
    key: str | None = None,
    bare: int | None = None,
) -> _Rule:
    def compiled(pattern: str | None) -> re.Pattern[str] | None:
        return None if pattern is None else re.compile(pattern, re.IGNORECASE)

    return _Rule(driver, kind, re.compile(name, re.IGNORECASE), compiled(index), compiled(key), bare)


_COMMENT: Final = r"--comment[ =]+\"?"
_RULES: Final = (
    _rule("ldplayer", ProcessKind.WINDOW, r"dnplayer\.exe", index=r"\bindex=([0-9]{1,6})\b"),
    _rule("ldplayer", ProcessKind.VM, r"Ld.{0,2}BoxHeadless\.exe", index=_COMMENT + r"leidian([0-9]{0,6})\b"),
    _rule("ldplayer", ProcessKind.SERVICE, r"Ld.{0,2}BoxSVC\.exe"),
    _rule("mumu", ProcessKind.WINDOW, r"MuMu(?:NxDevice|Player)\.exe", index=r"\s-v[ =]+\"?([0-9]{1,6})\b", bare=0),
    _rule(
        "mumu",
        ProcessKind.VM,
        r"(?:MuMuVMM?|Nemu)Headless\.exe",
        index=_COMMENT + r"[^\s\"]*?-([0-9]{1,6})(?=[\s\"]|$)",
    ),
    _rule("mumu", ProcessKind.SERVICE, r"(?:MuMuVMM?|Nemu)SVC\.exe"),
    _rule("memu", ProcessKind.WINDOW, r"MEmu\.exe", index=r"[\s\"]MEmu(?:_([0-9]{1,6}))?(?=[\s\"]|$)", bare=0),
    _rule("memu", ProcessKind.VM, r"MEmuHeadless\.exe", index=_COMMENT + r"MEmu(?:_([0-9]{1,6}))?(?=[\s\"]|$)"),
    _rule("memu", ProcessKind.SERVICE, r"MEmuSVC\.exe"),
    _rule("nox", ProcessKind.WINDOW, r"Nox\.exe", index=r"-clone:\"?Nox(?:_([0-9]{1,6}))?(?=[\s\"]|$)", bare=0),
    _rule("nox", ProcessKind.VM, r"NoxVMHandle\.exe", index=_COMMENT + r"nox(?:_([0-9]{1,6}))?(?=[\s\"]|$)"),
    _rule("nox", ProcessKind.SERVICE, r"NoxVMSVC\.exe"),
    _rule("bluestacks", ProcessKind.WHOLE, r"HD-Player\.exe", key=r"--instance[ =]+\"?([\w.-]{1,80})"),
    _rule("avd", ProcessKind.WHOLE, r"qemu-system-.+", key=r"\s(?:-avd\s+|@)\"?([\w.-]{1,80})"),
    _rule("adb", ProcessKind.SERVICE, r"adb(?:\.exe)?"),
)

WINDOWS_NAMES: Final = ("dnplayer", "Ld%Box", "MuMu", "Nemu", "MEmu", "Nox", "HD-Player", "qemu-system-", "adb.exe")
"""How the names above begin, in the wildcards of WQL."""


def processes_of(rows: Iterable[Row]) -> tuple[Process, ...]:
    """Keep the processes of emulators, by product, instance and pid."""
    found = {process.pid: process for row in rows if (process := _process(row)) is not None}
    return tuple(sorted(found.values(), key=lambda p: (p.driver, p.index or 0, p.key, p.kind, p.pid)))


def _process(row: Row) -> Process | None:
    rule = next((rule for rule in _RULES if rule.name.fullmatch(row.name)), None)
    if rule is None or row.pid <= 0:
        return None
    index, key = None, ""
    if rule.key is not None:
        match = rule.key.search(row.command_line or "")
        if match is None and row.command_line is not None:
            return None
        key = "" if match is None else match[1]
    elif rule.index is not None and row.command_line is not None:
        match = rule.index.search(row.command_line)
        index = rule.bare if match is None else int(match[1] or 0)
    return Process(driver=rule.driver, kind=rule.kind, pid=row.pid, index=index, key=key)
