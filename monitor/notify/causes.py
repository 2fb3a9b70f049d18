"""What a workstation's trouble is about: its checks that fail, those told of, and where the two differ. Pure.

A workstation that is DEGRADED stays so when a second check of it fails, and when the first is well again while the
second lasts. Both are news, though its own status says nothing of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from monitor.model import Status, SubjectKind
from monitor.notices import Item, Route
from monitor.notify.matching import is_cause

GONE: Final = 600.0
"""Seconds after which something that is not listed any more counts as well."""


@dataclass(slots=True)
class _Told:
    item: Item
    unsteady: bool


class Causes:
    """Of one workstation, for one route."""

    def __init__(self) -> None:
        self._checks: dict[str, Item] = {}
        self._muted: Collection[str] = ()
        self._failing: dict[str, float] = {}
        self._told: dict[str, _Told] = {}
        self._well_at: dict[str, float] = {}
        self._missed: dict[str, float] = {}

    def see(self, route: Route, items: Iterable[Item], top: Item | None, now: float, muted: Collection[str]) -> None:
        """Take note of how the checks are; `muted`: the ids of what nobody is to be told of."""
        known, self._muted = self._checks, muted
        self._checks = {item.id: item for item in items if item.kind is SubjectKind.CHECK}
        failing = [i for i in self._checks.values() if i.id not in muted and is_cause(route, i, top)]
        self._failing = {
            item.id: self._failing.get(item.id, now if item.id in known else min(item.since, now)) for item in failing
        }
        self._missed = {name: self._missed.get(name, now) for name in self._told if name not in self._checks}

    def due_at(self, after: float) -> float:
        """When one that is not told yet has failed for `after`; infinite: there is none."""
        return min((at + after for name, at in self._failing.items() if name not in self._told), default=float("inf"))

    def eased(self, route: Route, now: float) -> tuple[str, ...]:
        """Those that were told and have been well for long enough, or are not watched any more."""
        return tuple(name for name, told in self._told.items() if self._is_eased(name, told, route, now))

    def _is_eased(self, name: str, told: _Told, route: Route, now: float) -> bool:
        item = self._checks.get(name)
        if item is None:
            return now - self._missed.get(name, now) >= GONE
        well = item.status is Status.UP and not item.flapping and name not in self._muted
        return well and now - item.since >= (route.steady if told.unsteady else route.resolve_after)

    def shown(self) -> tuple[Item, ...]:
        """Those that were told: as they are, or as told where they can't be asked or are well only just now."""
        items = (self._checks[name] if name in self._failing else told.item for name, told in self._told.items())
        return tuple(sorted(items, key=lambda item: (-item.severity, item.name)))

    def tell(self, route: Route, now: float, items: Iterable[Item] | None = None) -> None:
        """Count items as told: by default, all that fail now."""
        for item in (self._checks[name] for name in self._failing) if items is None else items:
            before = self._told.get(item.id)
            again = now - self._well_at.get(item.id, -route.steady) < route.steady
            self._told[item.id] = _Told(item, again or item.flapping or (before is not None and before.unsteady))

    def end(self, now: float, names: Collection[str] | None = None) -> tuple[Item, ...]:
        """Count some as over, by default all; return them as they are."""
        over = {name: told for name, told in self._told.items() if names is None or name in names}
        self._told = {name: told for name, told in self._told.items() if name not in over}
        self.was_well(over, now)
        return tuple(self._checks.get(name) or told.item for name, told in over.items())

    def was_well(self, names: Iterable[str], at: float) -> None:
        """Take note that some were told to be over."""
        self._well_at.update(dict.fromkeys(names, at))
