"""A simulated farm with real SSH and WinRM servers, for callers that block."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, TypeVar

from monitor.breaker.registry import Breakers
from monitor.operations import Deadlines, LDPlayerManager, Workstation
from monitor.simulator.farm import Farm
from monitor.simulator.guest import Pace
from monitor.simulator.wire import Wire
from monitor.simulator.workstation import SimulatedWorkstation

T = TypeVar("T")

QUICK = Pace(vm=0.05, android=0.05, adb=0.05, quit=0.1)
DEADLINES = Deadlines(command=5, start=5, stop=5, create=5, delete=5, rename=5)


class World:
    """A simulated farm on a thread of its own, so that callers that block do not wait for themselves."""

    def __init__(self, transport: Literal["ssh", "winrm"] = "ssh") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated world", daemon=True)
        self._thread.start()
        self.farm = Farm(1, 4, pace=QUICK, transports=(transport,))
        self.transport = transport
        self.do(self.farm.start)
        self.config = self.farm.directory / "config.yaml"
        self.config.write_text(json.dumps(self.farm.config()), encoding="utf-8")

    @property
    def ws(self) -> SimulatedWorkstation:
        return self.farm["ws-01"]

    @property
    def door(self) -> Wire:
        """The endpoint its operations come through."""
        return self.ws.winrm if self.transport == "winrm" else self.ws.ssh

    def do(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine of the world."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    def change(self, change: Callable[[], T]) -> T:
        """Call something on the world's loop."""
        outcome: Future[T] = Future()
        self._loop.call_soon_threadsafe(lambda: outcome.set_result(change()))
        return outcome.result(10)

    def workstation(self, *, breakers: Breakers | None = None, deadlines: Deadlines = DEADLINES) -> Workstation:
        return Workstation.from_config(self.config, "ws-01", breakers=breakers, deadlines=deadlines)

    def manager(self, *, breakers: Breakers | None = None, deadlines: Deadlines = DEADLINES) -> LDPlayerManager:
        return LDPlayerManager.from_config(Path(self.config), "ws-01", breakers=breakers, deadlines=deadlines)

    def close(self) -> None:
        self.do(self.farm.aclose)
        self.do(self._loop.shutdown_default_executor)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
