"""One workstation for scripts and the REPL: blocking calls, guarded; an event loop is neither needed nor in the way."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.breaker.guard import with_circuit_breaker
from monitor.breaker.registry import Breakers
from monitor.emulators.ldplayer import NAME, Instance
from monitor.errors import ProbeError
from monitor.logins import Logins
from monitor.model import Category
from monitor.operations.bridge import Bridge
from monitor.operations.console import Answer, find
from monitor.operations.equipment import Equipment
from monitor.operations.outcome import LEASE, Deadlines, Done
from monitor.operations.way import Way, travels


class Workstation:
    """A workstation and its emulators; a context manager.

    Operations block the calling thread, also one that runs an event loop (there use `LDPlayerManager`). They may be
    called from several threads. Each is refused at once (`CircuitOpen`, with `retry_after`) while a layer of its way
    is open. Work runs on one background thread, from the first operation to `disconnect`.

    Args:
        equipment: The workstation and what reaches it.

    """

    def __init__(self, equipment: Equipment) -> None:
        self.breakers: Breakers = equipment.breakers
        self.workstation = equipment.machine.id
        self._transports = equipment.transports()
        self._lifecycle = equipment.lifecycle(self._transports.reach)
        self._bridge = Bridge(f"emuwatch {self.workstation}")

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
        """Make one for a workstation of a config; see `Equipment.from_config`."""
        equipment = Equipment.from_config(path, workstation, breakers=breakers, logins=logins, deadlines=deadlines)
        return cls(equipment)

    @property
    def way(self) -> Way:
        """Where its operations travel along."""
        return self._lifecycle.way

    # ------------------------------------------------------------------------------------------------- connection
    @travels(Category.WORKSTATION)
    def connect(self) -> Self:
        """Reach the workstation, log in and run a command that changes nothing.

        Raises:
            ProbeError: NETWORK: it is not reached. WORKSTATION: it is, but refuses the login or the command.

        """
        refused = self._reach()
        if refused is not None:
            raise refused
        return self

    @with_circuit_breaker(Category.NETWORK, "connect", scope=lambda self: self.way.endpoint, lease=LEASE)
    def _reach(self) -> ProbeError | None:
        """Return what a layer behind the network says against it: that it says so proves that the network works."""
        try:
            self._bridge.run(self.way.connect)
        except ProbeError as error:
            if error.category is Category.NETWORK:
                raise
            return error
        return None

    def disconnect(self) -> None:
        """End what is under way, the connection and the background thread; the next operation begins anew."""
        self._bridge.close(self._transports.aclose)

    # ------------------------------------------------------------------------------------------------- console
    @travels(Category.WORKSTATION)
    @with_circuit_breaker(Category.EXTERNAL, "run_ldconsole_command", scope=NAME, lease=LEASE)
    def run_ldconsole_command(self, *args: str) -> Answer:
        """Run the emulator console with these arguments, where the transport runs commands; nothing is verified."""
        return self._bridge.run(lambda: self._lifecycle.console.command(*args))

    @travels(Category.WORKSTATION)
    @with_circuit_breaker(Category.EXTERNAL, "get_emulators_list", scope=NAME, lease=LEASE)
    def get_emulators_list(self) -> tuple[Instance, ...]:
        """List the emulators; raises when that can't be done, so an empty tuple never stands for an error."""
        return self._bridge.run(self._lifecycle.console.instances)

    def find_emulator(self, emulator: int | str) -> Instance:
        """Find one by index (3, ``3``, ``ldplayer:3``) or exact title, as every operation does.

        Raises:
            OperationError: There is none, or several have the title.

        """
        return find(self.get_emulators_list(), emulator)

    # ------------------------------------------------------------------------------------------------- emulators
    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "create_emulator", lease=LEASE)
    def create_emulator(self, name: str, *, copy_from: int | str | None = None) -> int:
        """Create an emulator, as a copy of another if asked; return its index."""
        return self._bridge.run(lambda: self._lifecycle.create(name, copy_from=copy_from)).index

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "delete_emulator", lease=LEASE)
    def delete_emulator(self, emulator: int | str, *, stop: bool = False) -> Done:
        """Delete an emulator for good; one that runs only with `stop`."""
        return self._bridge.run(lambda: self._lifecycle.delete(emulator, stop=stop))

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "start_emulator", lease=LEASE)
    def start_emulator(self, emulator: int | str) -> Done:
        """Start an emulator and wait until Android has started."""
        return self._bridge.run(lambda: self._lifecycle.start(emulator))

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "stop_emulator", lease=LEASE)
    def stop_emulator(self, emulator: int | str) -> Done:
        """Stop an emulator and wait until its machine has ended."""
        return self._bridge.run(lambda: self._lifecycle.stop(emulator))

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "restart_emulator", lease=LEASE)
    def restart_emulator(self, emulator: int | str) -> Done:
        """Stop an emulator, wait for its machine to end, start it."""
        return self._bridge.run(lambda: self._lifecycle.restart(emulator))

    @travels(Category.EXTERNAL)
    @with_circuit_breaker(Category.EMULATOR, "rename_emulator", lease=LEASE)
    def rename_emulator(self, emulator: int | str, name: str) -> Done:
        """Give an emulator another title."""
        return self._bridge.run(lambda: self._lifecycle.rename(emulator, name))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()
