"""The inside of a simulated emulator: what its adb daemon offers, and a shell that knows a handful of commands.

An `Android` answers services (``shell:``, ``shell,v2,...:``, ``exec:``); who carries them there, the real protocol of
the daemon (`adbd`) or a simulated adb server (`adb`), is not its business. It keeps nothing on disk and runs nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shlex
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_PIECE: Final = re.compile(r"\s*(?:2?>\s*/dev/null|2>&1)\s*")
_GROUP: Final = re.compile(r"\s*\((.*)\)([^()]*)")
_PICTURE: Final = 64
"""Pixels of the simulated screen."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and how it ended."""

    stdout: bytes = b""
    exit_code: int = 0
    stderr: bytes = b""
    shown: bytes = b""
    """Both outputs, in the order of the commands."""

    def then(self, after: Ran) -> Ran:
        """What two commands leave behind together."""
        shown = self.shown + after.stdout + after.stderr
        return Ran(self.stdout + after.stdout, after.exit_code, self.stderr + after.stderr, shown)


class Android:
    """A guest; change its attributes to change what it answers.

    Args:
        model: What it calls itself; emulators lie, and all alike.
        clock: Monotonic seconds.

    """

    def __init__(self, *, model: str = "SM-S9210", clock: Callable[[], float] = time.monotonic) -> None:
        self.model = model
        self.state = "device"
        """What adb makes of it: ``device``, ``offline``, ``unauthorized``, ``authorizing``, ``no permissions``, ..."""
        self.booted = True
        self.old = False
        """Whether it knows no ``shell,v2``, merges stderr, ends lines with CRLF."""
        self.apps = {"com.android.launcher3"}
        """Packages with a process."""
        self.focus = "com.android.launcher3/com.android.launcher3.Launcher"
        self.anr = False
        self.data_kb, self.data_free_kb = 32_000_000, 20_000_000
        self.still = False
        """Whether the screen shows the same picture all the time."""
        self.commands = 0
        """How many command lines it ran."""
        self._clock = clock
        self._frames = 0
        self._awake = asyncio.Event()
        self._awake.set()
        self.reboot()

    @property
    def features(self) -> str:
        """What its daemon can do."""
        return "cmd" if self.old else "cmd,shell_v2,stat_v2"

    @property
    def product(self) -> str:
        """What ``devices -l`` tells of it."""
        return f"product:{self.model} model:{self.model.replace('-', '_')} device:star2qltechn"

    def reboot(self, *, booted: bool = True) -> None:
        """Start anew: another boot id, uptime from zero."""
        self.boot_id = str(uuid.uuid4())
        self.started = self._clock()
        self.booted = booted

    def freeze(self, *, frozen: bool) -> None:
        """Answer nothing any more, or again; what was asked meanwhile is answered then."""
        if frozen:
            self._awake.clear()
        else:
            self._awake.set()

    async def answer(self, service: str) -> bytes | None:
        """Answer a service with all it says; None: there is no such service."""
        await self._awake.wait()
        kind, _, command = service.partition(":")
        if not command or kind.partition(",")[0] not in {"shell", "exec"} or (self.old and "v2" in kind):
            return None
        ran = self.run(command)
        if kind.startswith("shell,v2"):
            packets = ((1, ran.stdout), (2, ran.stderr), (3, bytes((ran.exit_code,))))
            return b"".join(bytes((k,)) + len(data).to_bytes(4, "little") + data for k, data in packets if data)
        return ran.shown.replace(b"\n", b"\r\n") if self.old and kind == "shell" else ran.shown

    def run(self, line: str) -> Ran:
        """Run a command line; the two outputs are also kept as a terminal would show them."""
        self.commands += 1
        ran, _ = self._lines(line, Ran())
        return ran

    def _lines(self, line: str, before: Ran) -> tuple[Ran, bool]:
        """Run pipelines one after the other, those in parentheses first; tell whether ``exit`` ended it."""
        ran, grouped = before, _GROUP.fullmatch(line)
        if grouped is not None:
            ran, _ = self._lines(grouped[1], before)
            line = grouped[2]
        for pipeline in line.split(";"):
            if not pipeline.strip():
                continue
            ran = ran.then(self._pipeline(pipeline.replace("$?", str(ran.exit_code))))
            if pipeline.split()[0] == "exit":
                return ran, True
        return ran, False

    def _pipeline(self, pipeline: str) -> Ran:
        quiet = "2>" in pipeline
        ran = Ran()
        for piece in pipeline.split("|"):
            words = shlex.split(_PIECE.sub(" ", piece)) or [""]
            ran = self._command(words, ran.stdout)
        return Ran(ran.stdout, ran.exit_code) if quiet else ran

    def _command(self, words: list[str], stdin: bytes) -> Ran:
        program, *rest = words
        commands: dict[str, Callable[[], Ran]] = {
            "echo": lambda: Ran(f"{' '.join(rest)}\n".encode()),
            "exit": lambda: Ran(b"", int(rest[0])),
            "getprop": lambda: Ran(f"{self._property(rest[0])}\n".encode()),
            "cat": lambda: self._cat(rest[0]),
            "df": lambda: Ran(self._df()),
            "pidof": lambda: Ran(b"2314\n") if rest[0] in self.apps else Ran(b"", 1),
            "dumpsys": lambda: Ran(self._window()),
            "screencap": lambda: Ran(self._picture()),
            "grep": lambda: _grep(rest[0], stdin),
            "md5sum": lambda: Ran(hashlib.md5(stdin, usedforsecurity=False).hexdigest().encode() + b"  -\n"),
        }
        missing = Ran(b"", 127, f"/system/bin/sh: {program}: not found\n".encode())
        return commands[program]() if program in commands else missing

    def _cat(self, path: str) -> Ran:
        up = self._clock() - self.started
        files = {"/proc/sys/kernel/random/boot_id": f"{self.boot_id}\n", "/proc/uptime": f"{up:.2f} {up:.2f}\n"}
        if path in files:
            return Ran(files[path].encode())
        return Ran(b"", 1, f"cat: {path}: No such file or directory\n".encode())

    def _property(self, key: str) -> str:
        return {"sys.boot_completed": "1" if self.booted else "", "ro.product.model": self.model}.get(key, "")

    def _df(self) -> bytes:
        if self.old:
            size, free = f"{self.data_kb / 1024**2:.1f}G", f"{self.data_free_kb / 1024**2:.1f}G"
            return (
                f"Filesystem               Size     Used     Free   Blksize\n/data {size} 1.0G {free} 4096\n".encode()
            )
        used = self.data_kb - self.data_free_kb
        row = f"/dev/block/sdb1 {self.data_kb} {used} {self.data_free_kb} {used * 100 // self.data_kb}% /data"
        return f"Filesystem       1K-blocks     Used Available Use% Mounted on\n{row}\n".encode()

    def _window(self) -> bytes:
        title = f"Application Not Responding: {self.focus.partition('/')[0]}" if self.anr else self.focus
        return f"WINDOW MANAGER LAST ANR\n  mCurrentFocus=Window{{bdf5c95 u0 {title}}}\n".encode()

    def _picture(self) -> bytes:
        self._frames += not self.still
        side = _PICTURE.to_bytes(4, "little")
        return side + side + b"\x01\x00\x00\x00" + self._frames.to_bytes(4, "little") * _PICTURE


def _grep(word: str, stdin: bytes) -> Ran:
    found = b"".join(line for line in stdin.splitlines(keepends=True) if word.encode() in line)
    return Ran(found, 0 if found else 1)
