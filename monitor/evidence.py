"""What the witnesses beside the consoles said of emulators, and when they were asked.

Pure. Each is asked at its own pace, some only every few minutes, so a word may be older than what the console says now.
Whoever wants one says since when it must be from: what was said of the time before is no contradiction, it is as if
that witness had not been asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.model import Entity, HostFacts, Process, ProcessKind
from monitor.truth import GuestSeen, ProcessSeen

SILENCE: Final = frozenset({GuestSeen.SILENT, GuestSeen.REFUSES})
_BY_LIFE: Final = (GuestSeen.ANSWERS, GuestSeen.COMPLAINS, GuestSeen.BOOTS, GuestSeen.SILENT, GuestSeen.REFUSES)
"""Of several witnesses of one guest, the one who saw most life counts."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One witness' word on a guest."""

    seen: GuestSeen
    words: str = ""
    asked: float = field(kw_only=True)
    """Unix time at which the witness began to look: nothing later is sure to be in its word."""

    @property
    def silent(self) -> bool:
        """Whether it saw no life."""
        return self.seen in SILENCE


class Evidence:
    """The last words of the host and of the guests of one workstation."""

    __slots__ = ("_guests", "_host", "_host_asked")

    def __init__(self) -> None:
        self._guests: dict[str, dict[str, Heard]] = {}
        self._host: HostFacts | None = None
        self._host_asked = 0.0

    @property
    def of_host(self) -> bool:
        """Whether the host could be asked."""
        return self._host is not None

    def hear_host(self, facts: HostFacts | None, asked: float) -> None:
        """Take what the host lists; None: it could not be asked."""
        self._host, self._host_asked = facts, asked

    def hear_guest(self, identity: str, witness: str, heard: Heard | None) -> None:
        """Take one witness' word on a guest over its last one; None: it could not be asked."""
        guests = self._guests.setdefault(identity, {})
        if heard is None:
            guests.pop(witness, None)
        else:
            guests[witness] = heard

    def restore_guest(self, identity: str, witness: str, heard: Heard) -> None:
        """Take a word from before a restart, unless the witness was heard since."""
        self._guests.setdefault(identity, {}).setdefault(witness, heard)

    def forget_silence(self, identity: str) -> None:
        """Forget who saw no life in a guest."""
        guests = self._guests.get(identity, {})
        for witness in [name for name, heard in guests.items() if heard.silent]:
            del guests[witness]

    def retain_guests(self, witnesses: Iterable[tuple[str, str]]) -> None:
        """Forget the word of witnesses (emulator, check) that are gone from config."""
        kept = set(witnesses)
        for identity, guests in self._guests.items():
            for witness in [name for name in guests if (identity, name) not in kept]:
                del guests[witness]

    def words(self, identity: str, since: float) -> Mapping[str, Heard]:
        """What each witness of a guest said that was asked since a moment."""
        guests = self._guests.get(identity, {})
        return {witness: heard for witness, heard in guests.items() if heard.asked >= since}

    def witnessed(self, identity: str) -> bool:
        """Whether anybody looks at a guest, however long ago it was."""
        return bool(self._guests.get(identity))

    def guest(self, identity: str, since: float) -> Heard | None:
        """The word of the witness who saw most life in a guest; None without witness."""
        heard = self.words(identity, since).values()
        return min(heard, key=lambda each: _BY_LIFE.index(each.seen), default=None)

    def processes(self, entity: Entity, since: float) -> ProcessSeen | None:
        """Which processes of an emulator its host lists; None where one of the product does not say whose it is."""
        host = self._of_host(since)
        if host is None or host.processes is None:
            return None
        of_driver = [p for p in host.processes if p.driver == entity.driver and p.kind is not ProcessKind.SERVICE]
        kinds = {process.kind for process in of_driver if process.emulator == entity.id}
        if ProcessKind.WHOLE in kinds or {ProcessKind.WINDOW, ProcessKind.VM} <= kinds:
            return ProcessSeen.BOTH
        if any(process.emulator is None for process in of_driver):
            return None
        return ProcessSeen.HALF if kinds else ProcessSeen.NONE

    def port(self, entity: Entity, since: float) -> bool | None:
        """Whether a host lists the ADB port of an emulator; a port whose owner is known to be another is not its."""
        host = self._of_host(since)
        if host is None or host.listening is None or entity.adb_port is None:
            return None
        others = {process.pid for process in host.processes or () if not _may_be_of(process, entity)}
        return any(each.port == entity.adb_port and each.pid not in others for each in host.listening)

    def _of_host(self, since: float) -> HostFacts | None:
        return self._host if self._host_asked >= since else None


def _may_be_of(process: Process, entity: Entity) -> bool:
    return process.driver == entity.driver and process.emulator in {None, entity.id}
