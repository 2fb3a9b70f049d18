"""Which emulators appeared and which vanished, from one listing of a console to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitor.events import Kind
from monitor.inventory import RememberedEmulator
from monitor.model import Result


class Listings:
    """The emulators of each console as it listed them last. What the very first listing holds has not just appeared."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, str]] = {}
        self._restored: dict[tuple[str, str], dict[str, str]] = {}

    def restore(self, past: Iterable[RememberedEmulator]) -> None:
        """Take what was known before a restart."""
        for emulator in past:
            entity = emulator.entity
            self._restored.setdefault((emulator.workstation, entity.driver), {})[entity.id] = entity.title

    def hear(self, result: Result) -> Iterator[tuple[Kind, str, str]]:
        """Compare one listing with the one before: what happened, the emulator's id, its title."""
        seen = result.observation
        if seen is None or seen.entities is None:
            return
        listed = {entity.id: entity.title for entity in seen.entities}
        drivers = {entity.driver for entity in seen.entities} or {result.target.path[-1].scope}
        before = self._seen.get(result.target.id)
        for driver in drivers:
            known = self._restored.pop((result.target.workstation.id, driver), None)
            before = known if before is None else before
        self._seen[result.target.id] = listed
        if before is not None:
            yield from ((Kind.APPEARED, name, title) for name, title in listed.items() if name not in before)
            yield from ((Kind.VANISHED, name, title) for name, title in before.items() if name not in listed)
