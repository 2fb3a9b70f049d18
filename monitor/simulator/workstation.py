"""One simulated workstation: its endpoints, its emulators, and everything that can go wrong with it, on command.

It puts `Wire`, `Guest`, `Console` and the services together. Each fault has its opposite; both act at once and
neither waits, so that whoever breaks something can mend it in a ``finally``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import asyncssh

from monitor.simulator import Sleep, adbd
from monitor.simulator.adb import AdbHost
from monitor.simulator.android import Android
from monitor.simulator.console import Console
from monitor.simulator.guest import Guest, Pace
from monitor.simulator.hostfacts import DISK_FREE
from monitor.simulator.services import Panel, SshEndpoint, hold
from monitor.simulator.session import Desktop
from monitor.simulator.wire import HOST, Wire
from monitor.simulator.wsman import WsManEndpoint
from monitor.simulator.wsman.login import Accounts

USER: Final = "operator"
FIRST_ADB: Final = 5555
"""Where the adb of the first emulator listens by the console's rule; the next one two ports above."""


class SimulatedWorkstation:
    """A machine with SSH, WinRM, an adb server, a web panel, an RDP-like port and emulators; an async context manager.

    Args:
        id: Its name.
        key: The key its user logs in with over SSH.
        accounts: Who logs in over WinRM; by NTLM only while they are open.
        titles: The title of each emulator, by index.
        running: The indices that run when it has booted.
        code_page: The ANSI code page its console prints in.
        sleep: How it waits.
        pace: How long its emulators take to boot.

    """

    def __init__(  # noqa: PLR0913 - a machine has many parts
        self,
        id: str,  # noqa: A002 - the word of the model
        *,
        key: asyncssh.SSHKey,
        accounts: Accounts | None = None,
        titles: Sequence[str] = ("LDPlayer", "LDPlayer-1", "LDPlayer-2", "LDPlayer-3", "LDPlayer-4", "LDPlayer-5"),
        running: Sequence[int] = (0, 1, 2, 3),
        code_page: int = 936,
        sleep: Sleep = asyncio.sleep,
        pace: Pace | None = None,
    ) -> None:
        self.id = id
        self.host = HOST
        self.running = frozenset(running)
        self._sleep = sleep
        self._pace = pace
        self._removed: list[Guest] = []
        self.guests = [self._guest(index, title) for index, title in enumerate(titles)]
        self.console = Console(self.guests, name=id, code_page=code_page)
        self.desktop = Desktop(self.console, self.guests, make=self._new_guest, drop=self._removed.append)
        self.endpoint = SshEndpoint(self.console, user=USER, key=key)
        self.shells = WsManEndpoint(self.console, accounts or Accounts(USER, ""), sleep=sleep)
        self.panel = Panel(self._health)
        self.bridge = AdbHost(self._answering)
        self.ssh = Wire(self.endpoint.serve, sleep=sleep)
        self.winrm = Wire(self.shells.serve, sleep=sleep)
        self.http = Wire(self.panel.serve, sleep=sleep)
        self.rdp = Wire(hold, sleep=sleep)
        self.adb = Wire(self.bridge.serve, sleep=sleep)
        self.endpoint.tunnels = lambda port: port in {wire.port for wire in self.wires}

    @property
    def doors(self) -> tuple[Wire, ...]:
        """The endpoints of the machine itself; those of the emulators are their own."""
        return (self.ssh, self.winrm, self.http, self.rdp, self.adb)

    @property
    def wires(self) -> tuple[Wire, ...]:
        """Every endpoint."""
        return (*self.doors, *(guest.wire for guest in self.guests))

    async def start(self) -> None:
        """Open every endpoint; the emulators that should run do."""
        await self.panel.start()
        await self.shells.start()
        for wire in self.wires:
            wire.start()
        for guest in self.guests:
            guest.settle(running=guest.index in self.running)

    async def aclose(self) -> None:
        """Close every endpoint."""
        self.hang_console(hanging=False)
        guests = (*self.guests, *self._removed)
        await asyncio.gather(*(wire.aclose() for wire in self.doors), *(guest.aclose() for guest in guests))
        await self.panel.aclose()
        await self.shells.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def power_off(self) -> None:
        """Fall silent: connects hang, open connections stall, the emulators are gone."""
        for wire in self.doors:
            wire.silent()
        for guest in self.guests:
            guest.power(on=False)

    def power_on(self) -> None:
        """Come back as after a boot: old connections are reset, the emulators that should run boot."""
        for wire in self.wires:
            wire.drop()
        for wire in self.doors:
            wire.restore()
        self.shells.lose_shells()
        self.console.hardware.reboot()
        for guest in self.guests:
            guest.power(on=True)
            if guest.index in self.running:
                guest.launch()

    def slow(self, seconds: float) -> None:
        """Take a while for each answer; 0 ends it. Not its adb server: a probe asks that many times in a row."""
        for wire in (self.ssh, self.winrm, self.http, self.rdp):
            wire.slow(seconds)

    def hang_console(self, *, hanging: bool = True) -> None:
        """Let the emulator console (`Console.hung`) answer nothing; SSH, WinRM and other commands work."""
        self.endpoint.hang(hanging=hanging)
        self.shells.hang(hanging=hanging)

    def refuse_logins(self, *, refused: bool = True) -> None:
        """Let SSH and WinRM turn every login down; who is logged in is thrown out."""
        self.endpoint.refuses_logins = self.shells.refuses_logins = refused
        if refused:
            self.ssh.drop()
            self.winrm.drop()

    def http_status(self, code: int = 200) -> None:
        """What the panel answers."""
        self.panel.status = code

    def fill_disk(self, free: int | None = None) -> None:
        """Leave so many bytes of its disk; None: as many as before."""
        self.console.hardware.disk_free = DISK_FREE if free is None else free

    def stick_boot(self, index: int, *, stuck: bool = True) -> None:
        """Let an emulator hang in its boot; the opposite boots it again."""
        if stuck:
            self.guests[index].stick()
        else:
            self.guests[index].unstick()

    def lie(self, index: int, *, lying: bool = True) -> None:
        """Let the console say "stopped" of an emulator, whose port answers all the same."""
        self.guests[index].deny(denied=lying)

    def freeze(self, index: int, *, frozen: bool = True) -> None:
        """Let the port of an emulator be silent, which the console does not notice."""
        self.guests[index].freeze(frozen=frozen)

    def launch(self, index: int) -> None:
        """Begin to boot an emulator."""
        self.guests[index].launch()

    def quit(self, index: int) -> None:
        """End an emulator."""
        self.guests[index].quit()

    def _guest(self, index: int, title: str) -> Guest:
        inside = Android()
        wire = Wire(functools.partial(adbd.serve, inside), sleep=self._sleep)
        shown = self._tell_adb
        return Guest(index, title, wire=wire, inside=inside, shown=shown, sleep=self._sleep, pace=self._pace)

    def _tell_adb(self) -> None:
        """A guest came or went: the adb server notices, and tells those who track its devices."""
        self.bridge.changed()

    def _answering(self) -> Mapping[int, Android]:
        """The guests whose ADB answers, by the port the console's rule gives them."""
        return {FIRST_ADB + 2 * guest.index: guest.inside for guest in self.guests if guest.adb}

    def _new_guest(self, index: int, title: str) -> Guest:
        """Make one while the workstation runs; it is stopped."""
        guest = self._guest(index, title)
        guest.wire.start()
        guest.settle(running=False)
        return guest

    def _health(self) -> Mapping[str, object]:
        return {
            "workstation": self.id,
            "emulators": len(self.guests),
            "running": sum(guest.running for guest in self.guests),
        }
