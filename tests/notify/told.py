"""A policy under test: a small world of workstations, told by hand, and what was said of it."""

from __future__ import annotations

from dataclasses import replace

from monitor.model import Category, Status, SubjectKind
from monitor.notices import Item, Notice, Route, Seen, Telling
from monitor.notify.policy import Policy

START = 1_700_000_000.0


def a_route(**changes: object) -> Route:
    """Everything at once to one channel, unless changed."""
    quick = Route(name="r", channels=("c",), after=0.0, wait=0.0, update=0.0, resolve_after=0.0, remind=None, rate=None)
    return replace(quick, **changes)  # type: ignore[arg-type] # the test names the fields


def an_item(workstation: str = "ws-01", name: str = "", status: Status = Status.UP, **changes: object) -> Item:
    kind = SubjectKind.WORKSTATION if not name else SubjectKind.EMULATOR if ":" in name else SubjectKind.CHECK
    category = Category.EMULATOR if kind is SubjectKind.EMULATOR else Category.NETWORK
    item = Item(
        kind=kind, workstation=workstation, name=name, site="berlin", category=category, status=status, since=START
    )
    return replace(item, **changes)  # type: ignore[arg-type] # the test names the fields


class World:
    """Workstations whose items change at the moments the test says."""

    def __init__(self, *routes: Route, emulators: int = 0, workstations: int = 1, window: float = 60.0) -> None:
        self.now = START
        self.muted: set[str] = set()
        self.policy = Policy(routes, window=window, muted=lambda item: item.id in self.muted)
        self.items: dict[str, dict[str, Item]] = {}
        self.told: list[Notice] = []
        for number in range(1, workstations + 1):
            name = f"ws-{number:02}"
            made = [an_item(name), *(an_item(name, f"ldplayer:{index}") for index in range(emulators))]
            self.items[name] = {item.name: item for item in made}
            self.show(name)

    def set(self, status: Status, *names: str, at: str = "ws-01", **changes: object) -> None:
        """Let items of a workstation become as said, now."""
        for name in names or ("",):
            before = self.items[at].get(name) or an_item(at, name)
            since = before.since if before.status is status else self.now
            self.items[at][name] = replace(before, status=status, since=since, **changes)  # type: ignore[arg-type] # as above
        self.show(at)

    def power_cut(self, at: str = "ws-01") -> None:
        self.set(Status.DOWN, at=at)
        for name in [name for name in self.items[at] if name]:
            self.set(Status.UNKNOWN, name, at=at)

    def power_back(self, at: str = "ws-01") -> None:
        self.set(Status.UP, *self.items[at], at=at)

    def show(self, at: str) -> None:
        self.see(at)
        self.look()

    def see(self, at: str) -> None:
        items = self.items[at].values()
        hit = sum(item.status is not Status.UP for item in items if item.name)
        self.policy.see(at, Seen(items=tuple(items), affected=hit, emulators=len(self.items[at]) - 1), self.now)

    def look(self) -> list[Notice]:
        found = self.policy.due(self.now)
        self.told += found
        return found

    def pass_(self, seconds: float, step: float = 1.0) -> list[Notice]:
        """Let time pass, looking every `step`; what was told meanwhile."""
        before, end = len(self.told), self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            self.look()
        return self.told[before:]

    def kinds(self) -> list[Telling]:
        return [notice.telling for notice in self.told]
