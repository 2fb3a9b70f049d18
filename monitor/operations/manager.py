"""The lifecycle operations for callers with an event loop, guarded."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.breaker.guard import with_circuit_breaker
from monitor.breaker.registry import Breakers
from monitor.logins import Logins
from monitor.model import Category
from monitor.operations.equipment import Equipment
from monitor.operations.lifecycle import Lifecycle
from monitor.operations.outcome import LEASE, Deadlines, Done
from monitor.operations.way import Way, travels
from monitor.reach import Transports


class LDPlayerManager:
    """The emulators of one workstation; an async context manager.

    Each operation is refused at once (`CircuitOpen`, with `retry_after`) while a layer of its way is open, and ends
    only when its effect was seen or its deadline struck.

    Args:
        equipment: The workstation and what reaches it.
        transports: Those of a running service; None: its own, which `aclose` closes.

    """

    def __init__(self, equipment: Equipment, *, transports: Transports | None = None) -> None:
        self.breakers: Breakers = equipment.breakers
        self.workstation = equipment.machine.id
        self._own = transports is None
        self._transports = transports or equipment.transports()
        self._lifecycle: Lifecycle = equipment.lifecycle(self._transports.reach)

    @classmethod
    def from_config(
        cls,
        path: str | Path,
        workstation: str,
        *,
        breakers: Breakers | None = None,
        logins: Logins | None = None,
        deadlines: Deadlines | None = None,
    ) -> Self:
        """Make one for a workstation of a config, which is read here and now; see `Equipment.from_config`."""
        equipment = Equipment.from_config(path, workstation, breakers=breakers, logins=logins, deadlines=deadlines)
        return cls(equipment)

    @property
    def way(self) -> Way:
        """Where its operations travel along."""
        return self._lifecycle.way

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "create_emulator", lease=LEASE)
    async def create_emulator(self, name: str, *, copy_from: int | str | None = None) -> int:
        """Create an emulator, as a copy of another if asked; return its index."""
        return (await self._lifecycle.create(name, copy_from=copy_from)).index

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "delete_emulator", lease=LEASE)
    async def delete_emulator(self, emulator: int | str, *, stop: bool = False) -> Done:
        """Delete an emulator for good; one that runs only with `stop`."""
        return await self._lifecycle.delete(emulator, stop=stop)

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "start_emulator", lease=LEASE)
    async def start_emulator(self, emulator: int | str) -> Done:
        """Start an emulator and wait until Android has started."""
        return await self._lifecycle.start(emulator)

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "stop_emulator", lease=LEASE)
    async def stop_emulator(self, emulator: int | str) -> Done:
        """Stop an emulator and wait until its machine has ended."""
        return await self._lifecycle.stop(emulator)

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "restart_emulator", lease=LEASE)
    async def restart_emulator(self, emulator: int | str) -> Done:
        """Stop an emulator, wait for its machine to end, start it."""
        return await self._lifecycle.restart(emulator)

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "rename_emulator", lease=LEASE)
    async def rename_emulator(self, emulator: int | str, name: str) -> Done:
        """Give an emulator another title."""
        return await self._lifecycle.rename(emulator, name)

    async def aclose(self) -> None:
        """Close its connection, unless that is the service's; the next operation makes a new one."""
        if self._own:
            await self._transports.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
