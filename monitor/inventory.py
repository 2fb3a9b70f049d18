"""The emulators of one workstation: what the console listed, what their guests say, what we make of it.

Pure. Identity is ``<driver>:<index>``; titles are information. The verdict comes from `monitor.truth`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from monitor.belief import Belief
from monitor.boots import Boots
from monitor.model import (
    EmulatorRun,
    EmulatorState,
    Entity,
    HostFacts,
    Process,
    ProcessKind,
    Reason,
    Status,
    SubjectKind,
    Transition,
)
from monitor.truth import COMPLAINT, GuestSeen, ProcessSeen, Truth, Witnesses, judge

_SILENCE: Final = frozenset({GuestSeen.SILENT, GuestSeen.REFUSES})
_BY_LIFE: Final = (GuestSeen.ANSWERS, GuestSeen.COMPLAINS, GuestSeen.BOOTS, GuestSeen.SILENT, GuestSeen.REFUSES)
"""Of several witnesses of one guest, the one who saw most life counts."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One witness' word on a guest."""

    seen: GuestSeen
    words: str = ""


@dataclass(slots=True)
class _Emulator:
    entity: Entity
    first_seen: float
    last_seen: float
    console: EmulatorRun | None
    console_since: float
    guests: dict[str, Heard]
    belief: Belief
    truth: Truth
    why: str = ""
    told_at: float | None = None
    """Unix time it was last told to start or stop."""
    boots: Boots = field(default_factory=Boots)

    @property
    def guest(self) -> Heard | None:
        """The word of the witness who saw most life in it; None without witness."""
        return min(self.guests.values(), key=lambda heard: _BY_LIFE.index(heard.seen), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedEmulator:
    """An emulator as the store keeps it over a restart."""

    workstation: str
    entity: Entity
    console: EmulatorRun | None
    """What the console said last; None: it could not be asked."""
    console_since: float
    state: str
    status: Status
    since: float
    reason: Reason | None
    message: str
    guests: Mapping[str, str]
    """What its witnesses said last, by the name of the check."""
    first_seen: float
    last_seen: float
    boot_seconds: float | None = None
    """How long the last boot took that was seen whole."""


class Inventory:
    """The emulators known on one workstation."""

    __slots__ = ("_emulators", "_guests", "_host", "_workstation")

    def __init__(self, workstation: str) -> None:
        self._workstation = workstation
        self._emulators: dict[str, _Emulator] = {}
        self._guests: dict[str, dict[str, Heard]] = {}
        self._host: HostFacts | None = None

    def hear_console(
        self, driver: str, entities: Sequence[Entity], at: float, *, down_after: int
    ) -> Iterator[Transition]:
        """Take a console's listing: instances appear, change, and those it no longer lists vanish."""
        listed = {entity.id: entity for entity in entities}
        for gone in [e for e in self._emulators.values() if e.entity.driver == driver and e.entity.id not in listed]:
            del self._emulators[gone.entity.id]
            if gone.belief.status is not Status.UNKNOWN:
                message = "no longer listed by the console"
                yield self._transition(gone.entity.id, gone.belief.status, Status.UNKNOWN, at, message)
        for identity, entity in listed.items():
            emulator = self._emulators.get(identity) or self._appear(entity, at)
            if emulator.console is not entity.run:
                emulator.console, emulator.console_since = entity.run, at
            emulator.entity, emulator.last_seen, emulator.why = entity, at, ""
            yield from self._judge(emulator, at, down_after)

    def lose_console(self, driver: str, why: str, at: float) -> Iterator[Transition]:
        """Take note that a console could not be asked, and why."""
        for emulator in self._emulators.values():
            if emulator.entity.driver == driver:
                emulator.console, emulator.why = None, why
                _forget_silence(emulator)
                yield from self._judge(emulator, at, 1)

    def hear_host(self, facts: HostFacts | None, at: float) -> Iterator[Transition]:
        """Take what the host lists of processes and ports; None: it could not be asked.

        Where the console can be asked, it is judged with its next listing: a stop between the two is no contradiction.
        """
        self._host = facts
        for emulator in self._emulators.values():
            if emulator.console is None:
                yield from self._judge(emulator, at, 1)

    def told(self, identity: str, at: float) -> bool:
        """Take note that an emulator was told to start or stop: for one boot time nothing of it is DOWN."""
        emulator = self._emulators.get(identity)
        if emulator is not None:
            emulator.told_at = at
        return emulator is not None

    def hear_guest(self, identity: str, witness: str, heard: Heard | None, at: float) -> Iterator[Transition]:
        """Take one witness' word on a guest; None: it could not be asked.

        Silence is not judged until the console is heard after it: the whole workstation may be gone, and then nobody
        knows. For the same reason silence while the console can't be asked is no evidence.
        """
        guests = self._guests.setdefault(identity, {})
        emulator = self._emulators.get(identity)
        unheard = emulator is not None and emulator.console is None and self._host is None
        if heard is None or (unheard and heard.seen in _SILENCE):
            guests.pop(witness, None)
        else:
            guests[witness] = heard
        if emulator is not None and (emulator.console is None or not _is_silent(emulator.guest)):
            yield from self._judge(emulator, at, 1)

    def retain_guests(self, witnesses: Iterable[tuple[str, str]]) -> None:
        """Forget the word of witnesses (emulator, check) that are gone from config."""
        kept = set(witnesses)
        for identity, guests in self._guests.items():
            for witness in [name for name in guests if (identity, name) not in kept]:
                del guests[witness]

    def forget_consoles(self, drivers: set[str]) -> None:
        """Drop the emulators of consoles no check asks any more."""
        self._emulators = {i: e for i, e in self._emulators.items() if e.entity.driver in drivers}

    def states(self, at: float) -> tuple[EmulatorState, ...]:
        """Show all that are known, by driver and index."""
        ordered = sorted(self._emulators.values(), key=lambda e: (e.entity.driver, e.entity.index))
        return tuple(_shown(emulator, at) for emulator in ordered)

    def remember(self) -> Iterator[RememberedEmulator]:
        """What is worth keeping over a restart."""
        for emulator in self._emulators.values():
            belief = emulator.belief
            yield RememberedEmulator(
                workstation=self._workstation,
                entity=emulator.entity,
                console=emulator.console,
                console_since=emulator.console_since,
                state=emulator.truth.state,
                status=belief.status,
                since=belief.since if belief.since is not None else emulator.first_seen,
                reason=emulator.truth.reason,
                message=_words(emulator),
                guests={witness: heard.seen.value for witness, heard in emulator.guests.items()},
                first_seen=emulator.first_seen,
                last_seen=emulator.last_seen,
                boot_seconds=emulator.boots.took,
            )

    def restore(self, past: Iterable[RememberedEmulator]) -> None:
        """Take up what was known before a restart; what was heard since then is newer, and only first seen later."""
        for old in past:
            emulator = self._emulators.get(old.entity.id)
            if emulator is None:
                emulator = self._appear(old.entity, old.last_seen)
                for witness, seen in old.guests.items():
                    emulator.guests.setdefault(witness, Heard(GuestSeen(seen)))
                emulator.console, emulator.console_since = old.console, old.console_since
                emulator.truth = Truth(old.state, old.status, old.reason, old.message)
                emulator.why = old.message if old.console is None else ""
                emulator.belief.restore(old.status, old.since)
            emulator.first_seen = min(emulator.first_seen, old.first_seen)
            if emulator.boots.took is None:
                emulator.boots.took = old.boot_seconds

    def _appear(self, entity: Entity, at: float) -> _Emulator:
        emulator = _Emulator(
            entity=entity,
            first_seen=at,
            last_seen=at,
            console=entity.run,
            console_since=at,
            guests=self._guests.setdefault(entity.id, {}),
            belief=Belief(),
            truth=Truth("unknown", Status.UNKNOWN),
        )
        self._emulators[entity.id] = emulator
        return emulator

    def _judge(self, emulator: _Emulator, at: float, down_after: int) -> Iterator[Transition]:
        entity, belief = emulator.entity, emulator.belief
        truth = judge(self._witnesses(emulator, at))
        heard = emulator.guest
        if heard is not None and heard.seen is GuestSeen.COMPLAINS and heard.words and truth.message == COMPLAINT:
            truth = replace(truth, message=heard.words)
        first = not belief.known
        bad = truth.status in {Status.DOWN, Status.DEGRADED}
        old = belief.see(truth.status, at, after=down_after if bad and not first else 1)
        if belief.status is truth.status:
            emulator.truth = truth
        emulator.boots.see(emulator.truth, emulator.console, heard.seen if heard else None, at)
        if old is not None and old is not belief.status:
            message = _words(emulator)
            yield self._transition(entity.id, old, belief.status, at, message, first=first)

    def _witnesses(self, emulator: _Emulator, at: float) -> Witnesses:
        entity, heard, told = emulator.entity, emulator.guest, emulator.told_at
        return Witnesses(
            console=emulator.console,
            console_for=at - emulator.console_since,
            process=_processes(self._host, entity),
            port=_listened(self._host, entity),
            guest=heard.seen if heard else None,
            expected=entity.expected,
            boot_limit=entity.boot_limit,
            grace=told is not None and at - told < entity.boot_limit,
        )

    def _transition(
        self, identity: str, old: Status, new: Status, at: float, message: str, *, first: bool = False
    ) -> Transition:
        return Transition(
            kind=SubjectKind.EMULATOR,
            workstation=self._workstation,
            name=identity,
            old=old,
            new=new,
            at=at,
            message=message,
            first=first,
        )


def _forget_silence(emulator: _Emulator) -> None:
    for witness in [name for name, heard in emulator.guests.items() if heard.seen in _SILENCE]:
        del emulator.guests[witness]


def _is_silent(heard: Heard | None) -> bool:
    return heard is not None and heard.seen in _SILENCE


def _processes(host: HostFacts | None, entity: Entity) -> ProcessSeen | None:
    """Tell which processes of an emulator a host lists; None where one of the product does not say whose it is."""
    if host is None or host.processes is None:
        return None
    of_driver = [p for p in host.processes if p.driver == entity.driver and p.kind is not ProcessKind.SERVICE]
    kinds = {process.kind for process in of_driver if process.emulator == entity.id}
    if ProcessKind.WHOLE in kinds or {ProcessKind.WINDOW, ProcessKind.VM} <= kinds:
        return ProcessSeen.BOTH
    if any(process.emulator is None for process in of_driver):
        return None
    return ProcessSeen.HALF if kinds else ProcessSeen.NONE


def _listened(host: HostFacts | None, entity: Entity) -> bool | None:
    """Tell whether a host lists the ADB port of an emulator; a port whose owner is known to be another is not its."""
    if host is None or host.listening is None or entity.adb_port is None:
        return None
    others = {process.pid for process in host.processes or () if not _may_be_of(process, entity)}
    return any(each.port == entity.adb_port and each.pid not in others for each in host.listening)


def _may_be_of(process: Process, entity: Entity) -> bool:
    return process.driver == entity.driver and process.emulator in {None, entity.id}


def _words(emulator: _Emulator) -> str:
    if emulator.truth.status is Status.UNKNOWN and emulator.why:
        return emulator.why
    return emulator.truth.message


def _shown(emulator: _Emulator, at: float) -> EmulatorState:
    entity, belief, truth = emulator.entity, emulator.belief, emulator.truth
    return EmulatorState(
        id=entity.id,
        driver=entity.driver,
        index=entity.index,
        title=entity.title,
        state=truth.state,
        status=belief.status,
        since=belief.since if belief.since is not None else emulator.first_seen,
        reason=truth.reason,
        message=_words(emulator),
        expected=entity.expected,
        first_seen=emulator.first_seen,
        last_seen=emulator.last_seen,
        flapping=belief.flapping(at),
        boot_seconds=emulator.boots.took,
        boot_limit=entity.boot_limit,
    )
