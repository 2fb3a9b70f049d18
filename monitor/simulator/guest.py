"""One simulated emulator: the columns its console shows, how long it takes to boot, and its ADB port.

Only the outside of an instance is simulated: `row` is what list2 prints, `wire` is the port that answers (or not).
The life of an instance follows what was measured on real ones: `launch` and `quit` return at once, Android counts as
started before ADB answers, the VM outlives its window for some seconds, and an instance launched in that time
comes up without a VM.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from monitor.simulator import Sleep
from monitor.simulator.android import Android
from monitor.simulator.wire import Wire

STOPPED: Final = 0
STARTED: Final = 1
BOOTING: Final = 2

_NO_PID: Final = -1
_pids = itertools.count(2001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long an instance takes, in seconds."""

    vm: float = 1.5
    """From the launch to the VM process."""
    android: float = 4.0
    """From the VM process to "Android started"."""
    adb: float = 1.5
    """From "Android started" to an ADB port that answers; ten seconds on real ones."""
    quit: float = 5.0
    """From the end of the window to the end of the VM process."""


class Guest:
    """An instance of the console; powered on, stopped, until `launch` or `settle`."""

    def __init__(
        self,
        index: int,
        title: str,
        *,
        wire: Wire,
        inside: Android | None = None,
        shown: Callable[[], None] = lambda: None,
        sleep: Sleep = asyncio.sleep,
        pace: Pace | None = None,
    ) -> None:
        self.index = index
        self.title = title
        self.wire = wire
        self.inside = inside or Android()
        """What answers behind the ADB port."""
        self.android = STOPPED
        self.pid = _NO_PID
        self.vm_pid = _NO_PID
        self.adb = False
        self._shown = shown
        self._sleep = sleep
        self._pace = pace or Pace()
        self._powered = True
        self._frozen = False
        self._stuck = False
        self._denied = False
        self._life: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether Android has started."""
        return self.android == STARTED

    def row(self) -> str:
        """The line of list2: index, title, two windows, state, two pids, width, height, dpi."""
        if self._denied:
            return f"{self.index},{self.title},0,0,0,-1,-1,1280,720,240"
        windows = "0,0" if self.pid == _NO_PID else f"{65536 + self.pid * 6},{131074 + self.pid * 5}"
        return f"{self.index},{self.title},{windows},{self.android},{self.pid},{self.vm_pid},1280,720,240"

    def claims(self) -> bool:
        """Whether the console says it runs (isrunning, runninglist)."""
        return self.pid != _NO_PID and not self._denied

    def settle(self, *, running: bool) -> None:
        """Be in a final state at once, without the way there."""
        self._end_life()
        self._stuck = False
        self.android = STARTED if running else STOPPED
        self.pid = _pid() if running else _NO_PID
        self.vm_pid = _pid() if running else _NO_PID
        self.adb = running
        self.inside.reboot()
        self._show()

    def launch(self) -> None:
        """Begin to boot; nothing happens to an instance that has a window."""
        if self._powered and self.pid == _NO_PID:
            self._end_life()
            self._life = asyncio.get_running_loop().create_task(self._boot(vm=self.vm_pid == _NO_PID))

    def quit(self) -> None:
        """Close the window; the VM follows later."""
        self._end_life()
        self._stuck = False
        self._unplug()
        if self.vm_pid != _NO_PID:
            self._life = asyncio.get_running_loop().create_task(self._shut_down())

    def stick(self) -> None:
        """Hang in the middle of the next boot, and boot now."""
        self.settle(running=False)
        self._stuck = True
        self.launch()

    def unstick(self) -> None:
        """Boot to the end after all."""
        if self._stuck:
            self.settle(running=False)
            self.launch()

    def deny(self, *, denied: bool) -> None:
        """Let the console say "stopped", whatever is true."""
        self._denied = denied

    def freeze(self, *, frozen: bool) -> None:
        """Let the ADB port be silent while the console sees nothing wrong."""
        self._frozen = frozen
        self._show()

    def power(self, *, on: bool) -> None:
        """Lose the power, or have it again (stopped then, like after any power cut)."""
        if on == self._powered:
            return
        self._powered = on
        self._frozen = self._frozen and on
        self.settle(running=False)

    async def aclose(self) -> None:
        """Give up whatever it was about to do, and its port."""
        life = self._life
        self._end_life()
        if life is not None:
            await asyncio.wait((life,))
        await self.wire.aclose()

    async def _boot(self, *, vm: bool) -> None:
        self.android, self.pid = BOOTING, _pid()
        await self._sleep(self._pace.vm)
        if self._stuck:
            return
        self.vm_pid = _pid() if vm else _NO_PID
        await self._sleep(self._pace.android)
        self.android = STARTED
        await self._sleep(self._pace.adb)
        self.adb = vm
        self.inside.reboot()
        self._show()

    async def _shut_down(self) -> None:
        await self._sleep(self._pace.quit)
        self.vm_pid = _NO_PID

    def _unplug(self) -> None:
        self.android, self.pid, self.adb = STOPPED, _NO_PID, False
        self._show()

    def _show(self) -> None:
        """Let the port, and who listens there, behave as the state says."""
        self.inside.freeze(frozen=self._frozen)
        if not self._powered or self._frozen:
            self.wire.silent()
        elif self.adb:
            self.wire.restore()
        else:
            self.wire.refuse()
        self._shown()

    def _end_life(self) -> None:
        if self._life is not None:
            self._life.cancel()
            self._life = None


def _pid() -> int:
    """A process id nobody had before, divisible by four as on Windows."""
    return 4 * next(_pids)
