"""The emulators of one workstation: what the console listed, what their guests say, what we make of it.

Pure. Identity is ``<driver>:<index>``; titles are information. The verdict comes from `monitor.truth`. What host and
guests said before the console changed its mind (`monitor.evidence`) does not count against what it says now.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from monitor.belief import Belief
from monitor.boots import Boots
from monitor.evidence import Evidence, Heard
from monitor.figures import EmulatorFigures
from monitor.model import (
    EmulatorRun,
    EmulatorState,
    Entity,
    HostFacts,
    Reason,
    Status,
    SubjectKind,
    Transition,
)
from monitor.truth import COMPLAINT, GuestSeen, Truth, Witnesses, judge

CONFIRM: Final = 10.0
"""Seconds those who saw an emulator otherwise have to say so again, before it is DOWN by its console alone."""
_NEVER: Final = sys.maxsize
_BAD: Final = frozenset({Status.DOWN, Status.DEGRADED})


@dataclass(slots=True)
class _Emulator:
    entity: Entity
    first_seen: float
    last_seen: float
    console: EmulatorRun | None
    console_since: float
    changed_at: float
    """Unix time the console was heard to say something else than before; what others saw before that is stale."""
    belief: Belief
    truth: Truth
    why: str = ""
    told_at: float | None = None
    """Unix time it was last told to start or stop."""
    boots: Boots = field(default_factory=Boots)


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
    """What its witnesses said since the console changed its mind, by the name of the check."""
    first_seen: float
    last_seen: float
    boot_seconds: float | None = None
    """How long the last boot took that was seen whole."""


class Inventory:
    """The emulators known on one workstation."""

    __slots__ = ("_consoles", "_emulators", "_evidence", "_workstation", "unconfirmed")

    def __init__(self, workstation: str) -> None:
        self._workstation = workstation
        self._emulators: dict[str, _Emulator] = {}
        self._evidence = Evidence()
        self._consoles: set[str] = set()
        """Those heard before: what they list for the first time is new."""
        self.unconfirmed: frozenset[str] = frozenset()
        """The emulators that are DOWN by the last listing alone: it changed its mind since anybody else was asked."""

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
            if emulator.entity.run is not entity.run:
                emulator.changed_at = at
            emulator.entity, emulator.last_seen, emulator.why = entity, at, ""
            yield from self._judge(emulator, at, down_after)
        self._consoles.add(driver)
        changed = [e for e in self._emulators.values() if e.entity.id in listed and e.changed_at == at]
        down = [e.entity.id for e in changed if judge(self._witnesses(e, at)).status is Status.DOWN]
        self.unconfirmed = frozenset(down)

    def lose_console(self, driver: str, why: str, at: float, *, alone: bool) -> Iterator[Transition]:
        """Take note that a console could not be asked, and why.

        Where it is not alone with that, the way to the workstation is gone: what its host listed before is no evidence.
        """
        if not alone:
            self._evidence.hear_host(None, at)
        for emulator in self._emulators.values():
            if emulator.entity.driver == driver:
                emulator.console, emulator.why = None, why
                self._evidence.forget_silence(emulator.entity.id)
                yield from self._judge(emulator, at, 1)

    def hear_host(self, facts: HostFacts | None, at: float, *, asked: float, down_after: int) -> Iterator[Transition]:
        """Take what the host lists of processes and ports since it was `asked`; None: it could not be asked.

        Where the console can be asked, it is judged with its next listing: a stop between the two is no contradiction.
        """
        self._evidence.hear_host(facts, asked)
        for emulator in self._emulators.values():
            if emulator.console is None:
                yield from self._judge(emulator, at, down_after)

    def told(self, identity: str, at: float) -> bool:
        """Take note that an emulator was told to start or stop: for one boot time nothing of it is DOWN."""
        emulator = self._emulators.get(identity)
        if emulator is not None:
            emulator.told_at = at
        return emulator is not None

    def hear_guest(self, identity: str, witness: str, heard: Heard | None, at: float) -> Iterator[Transition]:
        """Take one witness' word on a guest; None: it could not be asked.

        Silence is not judged until the console is heard after it: the whole workstation may be gone, and then nobody
        knows. For the same reason silence while the console can't be asked is no evidence. That a witness could not be
        asked makes nothing worse before the console's next listing.
        """
        emulator = self._emulators.get(identity)
        unheard = emulator is not None and emulator.console is None and not self._evidence.of_host
        if heard is not None and heard.silent and unheard:
            heard = None
        self._evidence.hear_guest(identity, witness, heard)
        if emulator is None or (emulator.console is not None and self._waits(emulator, heard, at)):
            return
        yield from self._judge(emulator, at, 1)

    def retain_guests(self, witnesses: Iterable[tuple[str, str]]) -> None:
        """Forget the word of witnesses (emulator, check) that are gone from config."""
        self._evidence.retain_guests(witnesses)

    def forget_consoles(self, drivers: set[str]) -> None:
        """Drop the emulators of consoles no check asks any more."""
        self._emulators = {i: e for i, e in self._emulators.items() if e.entity.driver in drivers}
        self._consoles &= drivers

    def states(self, at: float) -> tuple[EmulatorState, ...]:
        """Show all that are known, by driver and index."""
        ordered = sorted(self._emulators.values(), key=lambda e: (e.entity.driver, e.entity.index))
        return tuple(_shown(emulator, at) for emulator in ordered)

    def figures(self) -> list[EmulatorFigures]:
        """What is measured of all that are known."""
        return [
            EmulatorFigures(identity, e.entity, e.truth.state, e.belief.status, e.truth.reason, e.boots.took)
            for identity, e in self._emulators.items()
        ]

    def remember(self) -> Iterator[RememberedEmulator]:
        """What is worth keeping over a restart."""
        for emulator in self._emulators.values():
            belief = emulator.belief
            fresh = self._evidence.words(emulator.entity.id, emulator.changed_at)
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
                guests={witness: heard.seen.value for witness, heard in fresh.items()},
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
                    heard = Heard(GuestSeen(seen), asked=old.console_since)
                    self._evidence.restore_guest(old.entity.id, witness, heard)
                emulator.console = old.console
                emulator.console_since = emulator.changed_at = old.console_since
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
            changed_at=at if entity.driver in self._consoles else -math.inf,
            belief=Belief(),
            truth=Truth("unknown", Status.UNKNOWN),
        )
        self._emulators[entity.id] = emulator
        return emulator

    def _judge(self, emulator: _Emulator, at: float, down_after: int) -> Iterator[Transition]:
        entity, belief = emulator.entity, emulator.belief
        truth = judge(self._witnesses(emulator, at))
        heard = self._evidence.guest(entity.id, emulator.changed_at)
        if heard is not None and heard.seen is GuestSeen.COMPLAINS and heard.words and truth.message == COMPLAINT:
            truth = replace(truth, message=heard.words)
        first = not belief.known
        after = down_after if truth.status in _BAD and not first else 1
        if truth.status is Status.DOWN and self._doubted(emulator, at):
            after = _NEVER
        old = belief.see(truth.status, at, after=after)
        if belief.status is truth.status:
            emulator.truth = truth
        guest, witnessed = heard.seen if heard else None, self._evidence.witnessed(entity.id)
        emulator.boots.see(emulator.truth, emulator.console, guest, at, witnessed=witnessed)
        if old is not None and old is not belief.status:
            message = _words(emulator)
            yield self._transition(entity.id, old, belief.status, at, message, first=first)

    def _doubted(self, emulator: _Emulator, at: float) -> bool:
        """Whether somebody who saw it otherwise before the console changed its mind is about to be asked again."""
        if at - emulator.changed_at >= CONFIRM:
            return False
        return judge(self._witnesses(emulator, at, since=-math.inf)).status is not Status.DOWN

    def _witnesses(self, emulator: _Emulator, at: float, *, since: float | None = None) -> Witnesses:
        entity, told = emulator.entity, emulator.told_at
        since = emulator.changed_at if since is None else since
        heard = self._evidence.guest(entity.id, since)
        return Witnesses(
            console=emulator.console,
            console_for=at - emulator.console_since,
            process=self._evidence.processes(entity, since),
            port=self._evidence.port(entity, since),
            guest=heard.seen if heard else None,
            expected=entity.expected,
            boot_limit=entity.boot_limit,
            grace=told is not None and at - told < entity.boot_limit,
        )

    def _waits(self, emulator: _Emulator, heard: Heard | None, at: float) -> bool:
        """Whether a word on a guest is to be judged with the console's next listing."""
        known = self._evidence.guest(emulator.entity.id, emulator.changed_at)
        if known is not None and known.silent:
            return True
        return heard is None and judge(self._witnesses(emulator, at)).status in _BAD

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
