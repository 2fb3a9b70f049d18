"""Whom a silence covers nobody is told of, reminded of, or told the end of; afterwards all of it is as it would be."""

from __future__ import annotations

import pytest

from monitor.model import Status, SubjectKind
from monitor.notices import Telling
from monitor.notify.matching import silenced
from monitor.notify.policy import Policy
from tests.notify.told import World, a_route, an_item

PROBLEM, UPDATE, REMINDER, RESOLVED = Telling.PROBLEM, Telling.UPDATE, Telling.REMINDER, Telling.RESOLVED
UP, DEGRADED, DOWN, UNKNOWN = Status.UP, Status.DEGRADED, Status.DOWN, Status.UNKNOWN
TOP, PANEL, RDP = "ws-01/workstation/", "ws-01/check/panel", "ws-01/check/rdp"


def spend(world: World, seconds: float, step: float = 60) -> None:
    """Let time pass in which everything is seen over and over, as the service does."""
    end = world.now + seconds
    while world.now < end:
        world.now = min(end, world.now + step)
        for name in world.items:
            world.see(name)
        world.look()


def mute(world: World, *identities: str) -> None:
    world.muted = set(identities)
    spend(world, 1)


def test_reminders__pause_while_all_that_was_told_is_silenced() -> None:
    world = World(a_route(remind=3600), emulators=1)
    world.set(DOWN, "ldplayer:0")
    world.set(DEGRADED)
    told = world.kinds()
    mute(world, TOP, "ws-01/emulator/ldplayer:0")
    spend(world, 3 * 3600)
    assert world.kinds() == told
    mute(world, TOP)
    spend(world, 60)
    assert world.kinds()[len(told) :] == [REMINDER]


def test_end__of_what_is_silenced__is_told_when_the_silence_is_over() -> None:
    world = World(a_route(remind=3600))
    world.set(DOWN)
    mute(world, TOP)
    world.set(UP)
    spend(world, 7200)
    assert world.kinds() == [PROBLEM]
    mute(world)
    assert world.kinds() == [PROBLEM, RESOLVED]


def test_fault__in_a_silence_and_over_with_it__is_not_told() -> None:
    world = World(a_route())
    mute(world, TOP)
    world.set(DOWN)
    spend(world, 600)
    world.set(UP)
    spend(world, 600)
    mute(world)
    spend(world, 600)
    assert world.told == []


@pytest.mark.parametrize(
    ("top", "checks", "muted", "silent"),
    [
        (DEGRADED, {"panel": DOWN}, {PANEL}, True),
        (DEGRADED, {"panel": DOWN, "rdp": UP}, {PANEL}, True),
        (DOWN, {"panel": DOWN}, {PANEL}, True),
        (DEGRADED, {"panel": DOWN, "rdp": UNKNOWN}, {PANEL}, False),
        (DEGRADED, {"panel": DOWN, "rdp": DOWN}, {PANEL}, False),
        (DEGRADED, {"panel": UP}, {PANEL}, False),
        (DEGRADED, {}, {PANEL}, False),
        (UP, {"panel": DOWN}, {PANEL}, False),
        (UP, {}, {TOP}, True),
    ],
)
def test_workstation__is_silenced_by_name_or_because_all_its_trouble_is(
    top: Status, checks: dict[str, Status], muted: set[str], *, silent: bool
) -> None:
    witness = an_item(name="adb", status=DOWN, kind=SubjectKind.CHECK, witness=True)
    items = [an_item(status=top), *(an_item(name=name, status=status) for name, status in checks.items()), witness]
    assert (TOP in silenced(items, lambda item: item.id in muted)) is silent


def test_silenced_check__degrades_its_workstation_unheard__until_another_fails() -> None:
    world = World(a_route(remind=3600))
    world.muted = {PANEL}
    world.set(DOWN, "panel")
    world.set(DEGRADED)
    spend(world, 7200)
    assert world.told == [], "nor is the check itself told of, nor reminded of"
    world.set(DOWN, "rdp")
    assert [(n.telling, [cause.name for cause in n.causes]) for n in world.told] == [(PROBLEM, ["rdp"])]


def test_silenced_cause__of_what_was_told__is_neither_news_nor_over() -> None:
    world = World(a_route())
    world.set(DEGRADED)
    world.set(DOWN, "panel", "rdp")
    spend(world, 60)
    told = len(world.told)
    mute(world, PANEL)
    world.set(UP, "panel")
    spend(world, 3600)
    assert len(world.told) == told
    mute(world)
    assert [[item.name for item in notice.recovered] for notice in world.told[told:]] == [["panel"]]


def test_site__counts_reminds_of_and_ends_only_what_is_not_silenced() -> None:
    world = World(a_route(wait=30, remind=3600), workstations=6)
    mute(world, "ws-05/workstation/", "ws-06/workstation/")
    for number in (1, 2, 5):
        world.power_cut(f"ws-{number:02}")
    spend(world, 100)
    assert [(len(n.problems), n.workstations) for n in world.told] == [(2, 4)], "two of four that anybody is told of"
    mute(world, "ws-01/workstation/", "ws-05/workstation/", "ws-06/workstation/")
    spend(world, 3700)
    reminder = world.told[1]
    assert (reminder.telling, [item.workstation for item in reminder.problems]) == (REMINDER, ["ws-02"])
    assert reminder.workstations == 3
    assert [(part.group, part.telling) for part in reminder.parts] == [("ws-01", PROBLEM)], "it goes on by itself"
    world.policy = Policy([world.policy._desks["r"].route], muted=lambda item: item.id in world.muted)
    world.policy.restore(part for notice in world.told for part in (notice, *notice.parts))
    world.power_back("ws-02")
    spend(world, 200)
    assert [(n.telling, n.group) for n in world.told[2:]] == [(RESOLVED, "site:berlin")]
    spend(world, 7200)
    mute(world)
    world.power_back("ws-01")
    world.power_back("ws-05")
    spend(world, 100)
    assert [(n.telling, n.group) for n in world.told[3:]] == [(REMINDER, "ws-01"), (RESOLVED, "ws-01")]


def test_site__all_of_it_silenced__is_neither_reminded_of_nor_over_before_that_ends() -> None:
    world = World(a_route(wait=30, remind=3600), workstations=2)
    for name in world.items:
        world.power_cut(name)
    spend(world, 100)
    mute(world, "ws-01/workstation/", "ws-02/workstation/")
    spend(world, 7200)
    for name in world.items:
        world.power_back(name)
    spend(world, 600)
    assert world.kinds() == [PROBLEM]
    mute(world)
    assert world.kinds() == [PROBLEM, RESOLVED]
