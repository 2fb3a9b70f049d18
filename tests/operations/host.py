"""A workstation without a network: it answers what a real one was measured to answer, as fast as it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from monitor.breaker.registry import Breakers
from monitor.dispatch import LayeredReach
from monitor.errors import ProbeError
from monitor.model import Category, Key, Platform, Reason, Severity, Target, TransportSpec, Workstation
from monitor.operations import Equipment, LDPlayerManager
from monitor.operations import Workstation as Operated
from monitor.transports import Completed, discover
from monitor.transports.ssh import Params
from tests.fakes import FakeClock

KINDS = discover()
MACHINE = Workstation(
    id="ws-01", host="192.0.2.1", platform=Platform.LINUX, transport=TransportSpec("ssh", Params(port=22))
)
KEYS = {
    Category.NETWORK: Key(Category.NETWORK, "ws-01", "ssh:22"),
    Category.WORKSTATION: Key(Category.WORKSTATION, "ws-01", "ssh"),
    Category.EXTERNAL: Key(Category.EXTERNAL, "ws-01", "ldplayer"),
    Category.EMULATOR: Key(Category.EMULATOR, "ws-01", "operation"),
}


class Host:
    """What is asked, and every `Reach` there is to it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.breakers = Breakers(clock=self.clock)
        self.rows = {0: ["one", "running"], 1: ["two", "stopped"]}
        self.asked: list[tuple[str, ...]] = []
        self.broken: Category | None = None
        """The layer that fails; EMULATOR: commands have no effect."""
        self.severity = Severity.HIGH
        self.hanging: asyncio.Event | None = None
        """Set: commands hang until it is set."""
        self.says: dict[str, tuple[bytes, int]] = {}
        """What a command prints and exits with, whatever it does."""
        self.sees_command: Callable[[str], None] = lambda _: None
        self.looks = 0
        self.at_look: Callable[[int], None] = lambda _: None
        """Called at each listing with its number, from 1 on, before it is printed."""
        self.given_up = 0
        """Commands that were cancelled while they hung."""
        self.machine = MACHINE

    def equipment(self, **changes: object) -> Equipment:
        parts = {
            "machine": self.machine,
            "breakers": self.breakers,
            "clock": self.clock,
            "sleep": self.sleep,
            **changes,
        }
        return Equipment(**parts)  # type: ignore[arg-type]  # fields by name

    def workstation(self, **changes: object) -> Operated:
        operated = Operated(self.equipment(**changes))
        operated._lifecycle.way._reach = self.reach
        return operated

    def manager(self, **changes: object) -> LDPlayerManager:
        manager = LDPlayerManager(self.equipment(**changes))
        manager._lifecycle.way._reach = self.reach
        return manager

    def reach(self, target: Target) -> LayeredReach:
        return cast("LayeredReach", _Reach(self))

    async def sleep(self, seconds: float) -> None:
        self.clock.pass_(seconds)
        await asyncio.sleep(0)

    def commands(self) -> list[str]:
        """What the console was told to do, listings left out."""
        return [" ".join(argv[1:]) for argv in self.asked if argv[1:] and argv[1] != "list2"]

    def failures(self) -> dict[Key, int]:
        """How many failures each breaker counted, those with none left out."""
        return {
            state.key: sum(state.failures.values()) for state in self.breakers.items() if any(state.failures.values())
        }

    def listing(self) -> bytes:
        columns = {
            "running": "1,2,1,4,8",
            "stopped": "0,0,0,-1,-1",
            "starting": "0,0,2,4,-1",
            "zombie": "1,2,1,4,-1",
            "ending": "0,0,0,-1,8",
        }
        rows = (f"{index},{title},{columns[run]}" for index, (title, run) in sorted(self.rows.items()))
        return "".join(f"{row}\r\n" for row in rows).encode()

    def answer(self, argv: Sequence[str]) -> tuple[bytes, int]:
        options = dict(zip(argv[2::2], argv[3::2], strict=False))
        index = int(options.get("--index", -1))
        command = argv[1] if len(argv) > 1 else argv[0]
        self.sees_command(command)
        if command == "list2":
            self.looks += 1
            self.at_look(self.looks)
        if command in self.says:
            return self.says[command]
        if command == "list2":
            return self.listing(), 0
        if self.broken is Category.EMULATOR:
            return b"", 0
        match command:
            case "launch":
                self.rows[index][1] = "running"
            case "quit":
                self.rows[index][1] = "stopped"
            case "remove":
                del self.rows[index]
            case "rename":
                self.rows[index][0] = options["--title"]
            case "add" | "copy":
                index = max(self.rows, default=-1) + 1
                self.rows[index] = [options["--name"], "stopped"]
                return b"", index
        return b"", 0


class _Reach:
    def __init__(self, host: Host) -> None:
        self.layer = Category.NETWORK
        self._host = host

    async def code_page(self) -> str:
        return "utf-8"

    async def run(self, argv: Sequence[str], *, layer: Category = Category.WORKSTATION, limit: int = 0) -> Completed:
        host = self._host
        host.asked.append(tuple(argv))
        if host.hanging is not None:
            try:
                await host.hanging.wait()
            except asyncio.CancelledError:
                host.given_up += 1
                raise
        if host.broken in {Category.NETWORK, Category.WORKSTATION} or host.broken is layer:
            assert host.broken is not None
            raise ProbeError("broken", category=host.broken, severity=host.severity, reason=Reason.TIMEOUT)
        stdout, code = host.answer(argv)
        return Completed(argv=tuple(argv), exit_code=code, stdout=stdout, stderr=b"")
