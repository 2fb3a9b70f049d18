"""Which targets there are: those of the config, and one for each emulator seen where the config has a pattern.

Pure. A console lists its instances with every answer; only what changes a target (an instance that appears or vanishes,
another ADB port) changes the roster. Titles are information and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from monitor.model import Entity, Key, Target


class Roster:
    """The targets of a config, patterns filled in with the emulators known."""

    def __init__(self) -> None:
        self._plain: tuple[Target, ...] = ()
        self._patterns: dict[str, list[Target]] = {}
        self._known: dict[str, dict[str, Entity]] = {}

    def replace(self, targets: Iterable[Target]) -> None:
        """Take the targets of a new config; emulators of workstations that stay are remembered."""
        every = tuple(targets)
        self._plain = tuple(target for target in every if not target.each)
        self._patterns = {}
        for target in every:
            if target.each:
                self._patterns.setdefault(target.workstation.id, []).append(target)
        self._known = {name: known for name, known in self._known.items() if name in self._patterns}

    def hear(self, workstation: str, entities: Sequence[Entity], *, driver: str | None = None) -> bool:
        """Take what one console lists; tell whether `targets` changed by it.

        Args:
            workstation: Where.
            entities: All it lists; those of its driver that are missing are gone.
            driver: Which console, for one that lists nothing.

        """
        if workstation not in self._patterns:
            return False
        known = self._known.setdefault(workstation, {})
        drivers: set[str | None] = {entity.driver for entity in entities}
        drivers = drivers or {driver}
        listed = {entity.id: entity for entity in entities}
        kept = {identity: entity for identity, entity in known.items() if entity.driver not in drivers}
        fresh = {**kept, **listed}
        changed = _shape(fresh) != _shape(known)
        self._known[workstation] = fresh
        return changed

    def targets(self) -> Iterator[Target]:
        """All that should run now."""
        yield from self._plain
        for workstation, patterns in self._patterns.items():
            for entity in self._known.get(workstation, {}).values():
                yield from (for_emulator(pattern, entity) for pattern in patterns)


def for_emulator(pattern: Target, entity: Entity) -> Target:
    """Make the target of one emulator from a pattern: its own name, and its own breaker at the end of the path."""
    own = pattern.path[-1]
    return replace(
        pattern,
        name=f"{pattern.name}:{entity.id}",
        path=(*pattern.path[:-1], Key(own.category, own.workstation, entity.id)),
        emulator=entity.id,
        each=False,
        adb_port=entity.adb_port,
    )


def _shape(known: dict[str, Entity]) -> dict[str, int | None]:
    return {identity: entity.adb_port for identity, entity in known.items()}
