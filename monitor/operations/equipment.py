"""Putting the parts of one workstation's operations together, by hand or from a config."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from monitor.breaker.registry import Breakers
from monitor.checks import adb, console, ldplayer
from monitor.config import load
from monitor.dispatch import LayeredReach
from monitor.emulators.ldplayer import NAME
from monitor.errors import ConfigError, Problem
from monitor.logins import Logins
from monitor.model import Target, Workstation
from monitor.operations.announce import Announce, ToService, nobody
from monitor.operations.console import Console
from monitor.operations.lifecycle import Lifecycle
from monitor.operations.outcome import Deadlines
from monitor.operations.session import Session
from monitor.operations.way import Way
from monitor.operations.witness import Witnesses
from monitor.reach import Transports
from monitor.transports import AnyTransportKind, Credential, discover

CONSOLE: Final = ldplayer.Params().console


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """What operations on one workstation need to know and to have."""

    machine: Workstation
    breakers: Breakers = field(default_factory=Breakers)
    """Those of a running service share its state; new ones know of nothing."""
    kinds: Mapping[str, AnyTransportKind] = field(default_factory=discover, repr=False)
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    logins: Logins = field(default_factory=Logins, repr=False)
    """What hosts said of logins; those of several workstations should be the same."""
    console: str = CONSOLE
    guests: tuple[Target, ...] = ()
    """The adb checks of the workstation: whoever starts an emulator asks by them whether Android has started."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    direct: bool | None = None
    """Whether commands have a desktop where they run; None: known by platform and transport."""
    announce: Announce = field(default=nobody, repr=False)
    """Told what is done to emulators; it must return at once."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def transports(self) -> Transports:
        """Make what reaches it; nothing is opened."""
        return Transports(kinds=self.kinds, credentials=self.credentials, logins=self.logins)

    def lifecycle(self, reach: Callable[[Target], LayeredReach]) -> Lifecycle:
        """Put the parts together.

        Raises:
            ConfigError: The workstation has no transport.

        """
        way = Way(
            self.machine,
            kind=self._kind(),
            breakers=self.breakers,
            reach=reach,
            console=self.console,
            timeout=self.deadlines.command,
        )
        way.widen(max(self.deadlines.start, self.deadlines.stop))
        console = Console(way)
        session = Session(way, console, login=self._login(), direct=self.direct)
        return Lifecycle(
            way,
            console,
            session,
            Witnesses(way, self.guests),
            deadlines=self.deadlines,
            announce=self.announce,
            clock=self.clock,
            sleep=self.sleep,
        )

    @classmethod
    def from_config(
        cls,
        path: str | Path,
        workstation: str,
        *,
        breakers: Breakers | None = None,
        logins: Logins | None = None,
        deadlines: Deadlines | None = None,
        direct: bool | None = None,
        announce: Announce | None = None,
    ) -> Equipment:
        """Take what a config says of a workstation.

        Args:
            path: The config file.
            workstation: The id of one of its workstations.
            breakers: Shared ones; None: new ones, with the policies of the config.
            logins: Shared ones; None: new ones.
            deadlines: None: the default ones.
            direct: Whether commands have a desktop where they run; None: known by platform and transport.
            announce: Told what is done to emulators; None: the service of the config, if it runs.

        Raises:
            ConfigError: The config is wrong, has no such workstation, or that one has no transport.

        """
        config = load(Path(path))
        machine = next((each for each in config.workstations if each.id == workstation), None)
        if machine is None:
            raise ConfigError([Problem(str(path), None, "workstations", f"there is no workstation {workstation!r}")])
        ours = [target for target in config.targets if target.workstation == machine]
        named = (_console(target.params) for target in ours)
        equipment = cls(
            machine=machine,
            breakers=Breakers(policies=config.policies) if breakers is None else breakers,
            credentials=config.credentials,
            logins=logins or Logins(),
            console=next((each for each in named if each not in {None, CONSOLE}), None) or CONSOLE,
            guests=tuple(target for target in ours if target.kind == adb.CHECK.name),
            deadlines=deadlines or Deadlines(),
            direct=direct,
            announce=announce or ToService(config, workstation),
        )
        equipment._kind()
        return equipment

    def _kind(self) -> AnyTransportKind:
        spec = self.machine.transport
        if spec is None or spec.kind not in self.kinds:
            words = f"{self.machine.id} has no transport to run a command over; add transport: {{kind: ssh}}"
            raise ConfigError([Problem(self.machine.id, None, "transport", words)])
        return self.kinds[spec.kind]

    def _login(self) -> str:
        spec = self.machine.transport
        credential = self.credentials.get(getattr(spec.params, "credential", None) or "") if spec else None
        return credential.user if credential is not None else ""


def _console(params: object) -> str | None:
    """Where the parameters of a check say that LDPlayer's console is; None: they don't."""
    if isinstance(params, ldplayer.Params):
        return params.console
    return params.console if isinstance(params, console.Params) and params.driver == NAME else None
