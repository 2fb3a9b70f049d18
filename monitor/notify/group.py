"""What one route tells of one workstation: one problem, its updates and reminders, and its end. Pure.

Something is news when it has been wrong for `after`, when it got worse, or when it begins to flap; the first news of a
group waits for others. It is over when it has been well for `resolve_after`, longer for what was unsteady. What can't
be asked, is covered by its workstation's trouble, or muted, is neither news nor over: it stays as it was told. Of a
workstation that stays DEGRADED it is also news which of its checks fail (`Causes`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from monitor.model import Status, SubjectKind, worst
from monitor.notices import Item, Notice, Route, Seen, Telling
from monitor.notify.causes import GONE, Causes
from monitor.notify.matching import covered, wanted

UNKNOWN_AFTER: Final = 600.0
"""Seconds something can't be asked before that is told by itself."""
SETTLE: Final = 60.0
"""Seconds a status must have lasted to be told as an improvement that is no recovery."""


@dataclass(slots=True)
class _Told:
    """What was told of an item."""

    item: Item
    status: Status
    flapping: bool
    unsteady: bool = False


class Group:
    """See the module."""

    def __init__(self, route: Route, name: str) -> None:
        self.route = route
        self.absorbed = False
        """Whether an incident of its site tells for it."""
        self.over = False
        """Whether its workstation is not watched any more."""
        self.affected = self.emulators = 0
        self._name = name
        self._items: dict[str, Item] = {}
        self._bad: dict[str, float] = {}
        self._told: dict[str, _Told] = {}
        self._silent: Collection[str] = ()
        self._causes = Causes()
        self._well_at: dict[str, float] = {}
        self._missed: dict[str, float] = {}
        self._waiting: float | None = None
        self._easing: float | None = None
        self._opened = 0.0
        self._last = 0.0

    @property
    def active(self) -> bool:
        """Whether anything is wrong or told."""
        return bool(self._bad or self._told)

    @property
    def workstation(self) -> Item | None:
        """The workstation itself, if it is known."""
        item = next(iter(self._items.values()), None)
        return item if item is not None and item.kind is SubjectKind.WORKSTATION else None

    @property
    def muted(self) -> bool:
        """Whether nobody is to be told of the workstation itself."""
        item = self.workstation
        return item is not None and item.id in self._silent

    def bad_since(self, item: Item) -> float | None:
        """Since when an item is wrong in a way this route tells of."""
        return self._bad.get(item.id)

    def told_of(self, item: Item) -> bool:
        """Whether an item was told to be as bad as it is."""
        told = self._told.get(item.id)
        return told is not None and told.status is item.status

    def well(self, now: float, seconds: float) -> bool:
        """Whether the workstation has been up for so long."""
        item = self.workstation
        return item is not None and item.status is Status.UP and now - item.since >= seconds

    def standing(self, now: float) -> Notice:
        """What is told, as a notice of its own."""
        problems = sorted((self._still(name) for name in self._told), key=_order)
        return self._notice(Telling.PROBLEM, tuple(problems), (), now)

    # ------------------------------------------------------------------------------------------------- hearing
    def see(self, seen: Seen, now: float, silent: Collection[str]) -> None:
        """Take note of how everything is; `silent`: the ids of what nobody is to be told of."""
        known, self.over = self._items, False
        self._items = {item.id: item for item in seen.items}
        self.affected, self.emulators = seen.affected, seen.emulators
        top = self.workstation
        self._silent = silent
        self._causes.see(self.route, seen.items, top, now, silent)
        for item in seen.items:
            if wanted(self.route, item) and not covered(self.route, item, top) and item.id not in silent:
                self._bad.setdefault(item.id, now if item.id in known else min(item.since, now))
            else:
                self._bad.pop(item.id, None)
        for name in [name for name in self._bad if name not in self._items]:
            del self._bad[name]
        self._missed = {name: self._missed.get(name, now) for name in self._told if name not in self._items}

    def gone(self, now: float) -> None:
        """Take note that the workstation is not watched any more: all that was told of it is over."""
        self._items, self._bad, self._silent, self.over = {}, {}, (), True
        self._missed = dict.fromkeys(self._told, now - GONE)

    def restore(self, notice: Notice) -> None:
        """Take up what was told before a restart."""
        if notice.at < self._last:
            return
        self._last = notice.at
        self._told = {}
        self._causes = Causes()
        over = [item.id for item in notice.recovered]
        self._well_at.update(dict.fromkeys(over, notice.at))
        self._causes.was_well(over, notice.at)
        if notice.telling.standing:
            self.tell(notice.problems, notice.opened, notice.at)
            self._causes.tell(self.route, notice.at, notice.causes)

    def tell(self, items: tuple[Item, ...], opened: float, now: float) -> None:
        """Count items as told."""
        if not self._told:
            self._opened = opened
        self._last, self._waiting = now, None
        for item in items:
            before = self._told.get(item.id)
            unsteady = now - self._well_at.get(item.id, -self.route.steady) < self.route.steady
            unsteady = unsteady or item.flapping or (before is not None and before.unsteady)
            self._told[item.id] = _Told(item, item.status, item.flapping, unsteady)

    def clear(self, now: float) -> None:
        """Count everything that was told as over, and told to be."""
        self._well_at.update(dict.fromkeys(self._told, now))
        self._causes.end(now)
        self._told = {}
        self._waiting, self._last = None, now

    # ------------------------------------------------------------------------------------------------- deciding
    def due(self, now: float) -> Notice | None:
        """Return what is to be told now; it counts as told."""
        news, over = self._news(now), (*self._over(now), *self._causes.eased(self.route, now))
        if not news:
            self._waiting = None
        elif self._waiting is None:
            self._waiting = min(now, *news.values())
        waited = self._waiting is not None and now - self._waiting >= self.route.wait
        self._easing = (now if self._easing is None else self._easing) if over else None
        if not self._told:
            return self._say(Telling.PROBLEM, news, (), now) if waited or self._urgent(news) else None
        if not news and all(name in over for name in self._told):
            return self._end(now)
        if news and (self._urgent(news) or (waited and (self._worse(news) or now - self._last >= self.route.update))):
            return self._say(Telling.UPDATE, news, over, now)
        if self._eases(over, now) and now - self._last >= self.route.update:
            return self._say(Telling.UPDATE, news, over, now)
        if self.route.remind is not None and now - self._last >= self.route.remind and not self._all_silent:
            return self._say(Telling.REMINDER, news, over, now)
        return None

    def over_since(self, name: str, now: float) -> bool:
        """Whether something that was told has been well for long enough."""
        told, item = self._told[name], self._items.get(name)
        if item is None:
            return now - self._missed.get(name, now) >= GONE
        if item.flapping or name in self._silent or (item.status is Status.UNKNOWN and name not in self._bad):
            return False
        well = item.status is Status.UP or not wanted(self.route, item)
        needed = self.route.steady if told.unsteady else self.route.resolve_after
        return well and now - item.since >= needed

    def _over(self, now: float) -> tuple[str, ...]:
        return tuple(name for name in self._told if self.over_since(name, now))

    def _news(self, now: float) -> dict[str, float]:
        """What is not told yet as it is, and since when it could have been."""
        found = {}
        for name, since in self._bad.items():
            at = self._due_at(self._items[name], since, now)
            if at <= now:
                found[name] = at
        return found

    def _due_at(self, item: Item, since: float, now: float) -> float:
        told, after = self._told.get(item.id), self.route.after
        if item.flapping and not (told and told.flapping):
            return now
        if told is None:
            return since + (max(after, UNKNOWN_AFTER) if item.status is Status.UNKNOWN else after)
        if item.status is told.status and item.kind is SubjectKind.WORKSTATION and not item.flapping:
            return self._causes.due_at(after)
        if item.status is told.status or told.flapping:
            return float("inf")
        if worst(item.status, told.status) is item.status:
            return item.since
        return max(item.since, since) + max(after, SETTLE)  # since: it may have been muted until then

    def _eases(self, over: tuple[str, ...], now: float) -> bool:
        """Whether some of it is over, others had time to follow, and more is left than what is about to end as well."""
        left = [self._items.get(name) for name in self._told if name not in over]
        lasts = any(item is None or item.status is not Status.UP for item in left)
        return lasts and self._easing is not None and now - self._easing >= self.route.wait

    def _urgent(self, news: dict[str, float]) -> bool:
        """What flaps is told at once, for it may look well when the wait is over."""
        return any(self._items[name].flapping for name in news)

    def _worse(self, news: dict[str, float]) -> bool:
        told = worst(*(told.status for told in self._told.values()))
        new = worst(*(self._items[name].status for name in news))
        return new is not told and worst(told, new) is new

    def _say(self, telling: Telling, news: dict[str, float], over: tuple[str, ...], now: float) -> Notice:
        recovered = self._leave(over, now)
        opened = self._opened if self._told else min((self._bad[name] for name in news), default=now)
        shown = [name for name in self._told if name in self._bad and name not in news]  # told anew as they are now
        self.tell(tuple(self._items[name] for name in (*news, *shown)), opened, now)
        if self._tells_of_workstation:
            self._causes.tell(self.route, now)
        problems = sorted((self._still(name) for name in self._told), key=_order)
        return self._notice(telling, tuple(problems), recovered, now)

    def _leave(self, over: tuple[str, ...], now: float) -> tuple[Item, ...]:
        """Count some of what was told as over; return it as it is."""
        recovered = [self._ended(name) for name in over if name in self._told]
        self._told = {name: told for name, told in self._told.items() if name not in over}
        self._well_at.update(dict.fromkeys(over, now))
        return (*recovered, *self._causes.end(now, over if self._tells_of_workstation else None))

    def _end(self, now: float) -> Notice:
        recovered = sorted((self._ended(name) for name in self._told), key=_order)
        notice = self._notice(Telling.RESOLVED, (), (*recovered, *self._causes.end(now)), now)
        self.clear(now)
        return notice

    @property
    def _all_silent(self) -> bool:
        return all(name in self._silent for name in self._told)

    @property
    def _tells_of_workstation(self) -> bool:
        return any(told.item.kind is SubjectKind.WORKSTATION for told in self._told.values())

    def _still(self, name: str) -> Item:
        """What is told to be wrong: as it is, or as it was told where it can't be asked or is well only just now."""
        return self._items[name] if name in self._bad else self._told[name].item

    def _ended(self, name: str) -> Item:
        """What is told to be over: as it is, or as it was told if it is not listed any more."""
        return self._items.get(name) or self._told[name].item

    def _notice(self, telling: Telling, problems: tuple[Item, ...], recovered: tuple[Item, ...], now: float) -> Notice:
        return Notice(
            telling=telling,
            route=self.route.name,
            group=self._name,
            at=now,
            opened=self._opened,
            site=next((item.site for item in (*problems, *recovered)), ""),
            problems=problems,
            causes=self._causes.shown() if any(_is_degraded(item) for item in problems) else (),
            recovered=recovered,
            affected=self.affected,
            emulators=self.emulators,
        )


def _order(item: Item) -> tuple[int, bool, str]:
    return (-item.severity, item.kind is not SubjectKind.WORKSTATION, item.name)


def _is_degraded(item: Item) -> bool:
    return item.kind is SubjectKind.WORKSTATION and item.status is Status.DEGRADED
