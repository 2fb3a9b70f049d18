"""Which checks of a degraded workstation fail is told as well: each that begins to, each that is well again."""

from __future__ import annotations

from dataclasses import replace

from monitor.model import Status, SubjectKind
from monitor.notices import Notice, Telling
from monitor.notify.policy import Policy
from monitor.wording import Templates, as_json
from tests.notify.told import World, a_route, an_item

PROBLEM, UPDATE, REMINDER, RESOLVED = Telling.PROBLEM, Telling.UPDATE, Telling.REMINDER, Telling.RESOLVED
UP, DEGRADED, DOWN, UNKNOWN = Status.UP, Status.DEGRADED, Status.DOWN, Status.UNKNOWN


class Panel(World):
    """A workstation whose status follows from that of its checks, as the fleet believes it."""

    def check(self, status: Status, *names: str, flapping: bool = False) -> None:
        items = self.items["ws-01"]
        for name in names:
            before = items.get(name) or an_item(name=name)
            since = before.since if before.status is status else self.now
            items[name] = replace(before, status=status, since=since, message=f"{name} is {status}", flapping=flapping)
        failing = [item for item in items.values() if item.name and item.status not in {UP, UNKNOWN}]
        words = "; ".join(f"{item.name}: {item.message}" for item in failing)
        self.set(DEGRADED if failing else UP, message=words)

    def spend(self, seconds: float) -> None:
        """Let time pass in which everything is seen over and over, as the service does."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 5)
            self.show("ws-01")

    def __init__(self, **changes: object) -> None:
        super().__init__(a_route(**{"after": 60, "wait": 30, "update": 300, "resolve_after": 30, **changes}))
        self.check(UP, "panel", "rdp", "ssh")
        self.spend(100)


def causes(notice: Notice) -> list[str]:
    return [item.name for item in notice.causes]


def recovered(notice: Notice) -> list[str]:
    return [item.name for item in notice.recovered]


def test_second_fault__is_told_once_it_lasts_and_the_end_of_the_first_as_well() -> None:
    world = Panel()
    world.check(DOWN, "panel")
    world.spend(400)
    world.check(DOWN, "rdp")
    world.spend(85)
    assert world.kinds() == [PROBLEM]
    world.spend(3600)
    assert [(n.telling, causes(n)) for n in world.told] == [(PROBLEM, ["panel"]), (UPDATE, ["panel", "rdp"])]
    world.check(UP, "panel")
    world.spend(3600)
    assert [(n.telling, causes(n), recovered(n)) for n in world.told[2:]] == [(UPDATE, ["rdp"], ["panel"])]
    world.check(UP, "rdp")
    world.spend(3600)
    assert [(n.telling, causes(n), recovered(n)) for n in world.told[3:]] == [(RESOLVED, [], ["", "rdp"])]


def test_faults__that_come_and_go_together__are_one_message_and_one_end() -> None:
    world = Panel()
    world.check(DOWN, "panel")
    world.spend(50)
    world.check(DEGRADED, "rdp")
    world.spend(30)
    world.check(DOWN, "ssh")
    world.spend(3600)
    assert [(n.telling, causes(n)) for n in world.told] == [(PROBLEM, ["panel", "ssh", "rdp"])]
    world.check(UP, "panel", "rdp")
    world.spend(10)
    world.check(UP, "ssh")
    world.spend(3600)
    assert world.kinds() == [PROBLEM, RESOLVED]


def test_one_fault__is_named_once__and_its_updates_come_no_more_often_than_others() -> None:
    world = Panel()
    for name in ("panel", "rdp", "ssh"):
        world.check(DOWN, name)
        world.spend(100)
    assert [(n.telling, causes(n)) for n in world.told] == [(PROBLEM, ["panel"])]
    world.spend(300)
    assert [(n.telling, causes(n)) for n in world.told[1:]] == [(UPDATE, ["panel", "rdp", "ssh"])]
    (line,) = Templates().compose("k", world.told[0]).text.splitlines()[:1]
    assert line == "ws-01: degraded for 1m30s - panel: panel is down"
    assert "panel" not in Templates().compose("k", world.told[0]).text.replace(line, "")


def test_second_fault__that_its_workstation_has_no_words_for__is_named_in_title_and_text() -> None:
    """Where an endpoint is silent, that is all a workstation says."""
    world = Panel()
    world.check(DOWN, "panel", "rdp")
    world.set(DEGRADED, message="tcp:3389 refused; answering: http:80")
    world.spend(100)
    message = Templates().compose("k", world.told[0])
    assert message.title == "[degraded] ws-01 (berlin), and 2 more: tcp:3389 refused; answering: http:80"
    assert "ws-01 check rdp: down for 1m30s - rdp is down" in message.text
    assert [item["name"] for item in as_json(message)["causes"]] == ["panel", "rdp"]


def test_quick_flapping__beside_a_fault_that_lasts__is_told_once_and_its_end_once() -> None:
    world = Panel(after=0, wait=0)
    world.check(DOWN, "panel")
    world.spend(400)
    for change in range(100):
        world.check(DOWN if change % 2 == 0 else UP, "rdp", flapping=change > 6)
        world.spend(15)
    assert [causes(n) for n in world.told] == [["panel"], ["panel", "rdp"]]
    world.check(UP, "rdp", flapping=False)
    world.spend(1000)
    assert [recovered(n) for n in world.told[2:]] == [["rdp"]]


def test_slow_flapping__beside_a_fault_that_lasts__is_told_to_be_over_only_once_it_is_steady() -> None:
    world = Panel()
    world.check(DOWN, "panel")
    world.spend(400)
    for change in range(41):
        world.check(DOWN if change % 2 == 0 else UP, "rdp")
        world.spend(200)
    assert [causes(n) for n in world.told] == [["panel"], ["panel", "rdp"], ["panel"], ["panel", "rdp"]]


def test_all_well__but_some_not_for_long_enough__is_one_end() -> None:
    world = Panel()
    world.check(DOWN, "panel", "rdp")
    world.spend(400)
    world.check(UP, "panel")
    world.spend(45)
    world.check(UP, "rdp")
    world.spend(3600)
    assert world.kinds() == [PROBLEM, RESOLVED]


def test_short_faults__beside_one_that_lasts__are_not_told() -> None:
    world = Panel()
    world.check(DOWN, "panel")
    world.spend(400)
    for _ in range(20):
        world.check(DOWN, "rdp")
        world.spend(40)
        world.check(UP, "rdp")
        world.spend(40)
    assert world.kinds() == [PROBLEM]


def test_power_cut_and_return__of_a_degraded_workstation__takes_no_cause_for_over() -> None:
    world = Panel()
    world.check(DOWN, "panel")
    world.spend(400)
    for name in ("panel", "rdp", "ssh"):
        world.set(UNKNOWN, name)
    world.set(DOWN)
    world.spend(600)
    world.check(UP, "rdp", "ssh")
    world.check(DOWN, "panel")
    world.spend(3600)
    assert [(n.telling, n.problems[0].status, causes(n), recovered(n)) for n in world.told] == [
        (PROBLEM, DEGRADED, ["panel"], []),
        (UPDATE, DOWN, [], []),
        (UPDATE, DEGRADED, ["panel"], []),
    ]


def test_restart__what_was_told_to_fail__is_not_told_again_and_its_end_is() -> None:
    world = Panel()
    world.check(DOWN, "panel", "rdp")
    world.spend(400)
    world.policy = Policy([world.policy._desks["r"].route])
    world.policy.restore(world.told)
    world.show("ws-01")
    world.spend(3600)
    assert world.kinds() == [PROBLEM]
    world.check(UP, "panel")
    world.spend(3600)
    assert [(n.telling, causes(n), recovered(n)) for n in world.told[1:]] == [(UPDATE, ["rdp"], ["panel"])]


def test_restart__a_check_not_asked_yet__is_not_taken_for_well() -> None:
    world = Panel()
    world.check(DOWN, "panel", "rdp")
    world.spend(400)
    world.policy = Policy([world.policy._desks["r"].route])
    world.policy.restore(world.told)
    late = world.items["ws-01"].pop("rdp")
    world.spend(590)
    world.items["ws-01"]["rdp"] = late
    world.spend(3600)
    assert world.kinds() == [PROBLEM]


def test_check_removed_from_the_config__is_a_cause_no_more() -> None:
    world = Panel()
    world.check(DOWN, "panel", "rdp")
    world.spend(400)
    del world.items["ws-01"]["rdp"]
    world.check(DOWN, "panel")
    world.spend(3600)
    assert [(n.telling, causes(n), recovered(n)) for n in world.told[1:]] == [(UPDATE, ["panel"], ["rdp"])]


def test_route_that_tells_of_no_workstations__tells_of_checks_themselves() -> None:
    world = Panel()
    checks = replace(world.policy._desks["r"].route, kinds=frozenset({SubjectKind.CHECK}))
    world.policy.replace([checks], window=60)
    world.check(DOWN, "panel")
    world.spend(400)
    world.check(DOWN, "rdp")
    world.spend(400)
    assert [[item.name for item in notice.problems] for notice in world.told] == [["panel"], ["panel", "rdp"]]
    assert all(not notice.causes for notice in world.told)
