"""What the fleet believes of a workstation, as items that can be told. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.model import Category, CheckState, EmulatorState, Status, SubjectKind, Workstation, WorkstationState
from monitor.notices import Item, Seen
from monitor.wording import one_line


def seen_of(state: WorkstationState) -> Seen:
    """Tell of whatever is known; what was never asked is left out."""
    down = state.status is Status.DOWN
    hit = [e for e in state.emulators if e.status is not Status.UP or (down and e.expected is not False)]
    return Seen(items=tuple(_items(state)), affected=len(hit), emulators=len(state.emulators))


def _items(state: WorkstationState) -> Iterator[Item]:
    where = state.workstation
    if state.since is not None:
        yield Item(
            kind=SubjectKind.WORKSTATION,
            workstation=where.id,
            site=where.site,
            labels=where.labels,
            category=Category.WORKSTATION,
            critical=True,
            status=state.status,
            since=state.since,
            message=one_line(state.message),
            flapping=state.flapping,
        )
    for check in state.checks:
        if check.since is not None:
            yield _check(where, check, check.since)
    for emulator in state.emulators:
        yield _emulator(where, emulator)


def _check(where: Workstation, check: CheckState, since: float) -> Item:
    target = check.target
    return Item(
        kind=SubjectKind.CHECK,
        workstation=where.id,
        name=target.name,
        site=where.site,
        labels={**where.labels, **target.labels},
        category=target.path[-1].category,
        critical=target.critical,
        status=check.status,
        since=since,
        message=one_line(check.message),
        flapping=check.flapping,
        witness=target.emulator is not None,
    )


def _emulator(where: Workstation, emulator: EmulatorState) -> Item:
    words = f"{emulator.state}: {emulator.message}" if emulator.message else emulator.state
    return Item(
        kind=SubjectKind.EMULATOR,
        workstation=where.id,
        name=emulator.id,
        title=one_line(emulator.title),
        site=where.site,
        labels=where.labels,
        category=Category.EMULATOR,
        status=emulator.status,
        since=emulator.since,
        message=one_line(words),
        flapping=emulator.flapping,
    )
