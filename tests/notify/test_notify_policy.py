"""What is told, when, and what is not; the properties are at the end."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Category, Severity, Status, SubjectKind
from monitor.notices import Notice, Quiet, Seen, Telling
from monitor.notify.limits import is_quiet
from monitor.notify.policy import Policy
from monitor.wording import Templates
from tests.notify.told import START, World, a_route

PROBLEM, UPDATE, REMINDER, RESOLVED = Telling.PROBLEM, Telling.UPDATE, Telling.REMINDER, Telling.RESOLVED
TWENTY = [f"ldplayer:{index}" for index in range(20)]


def test_power_cut__of_a_pc_with_20_emulators__is_one_message_and_its_return_one() -> None:
    world = World(a_route(after=60, wait=30, resolve_after=30), emulators=20)
    world.power_cut()
    world.pass_(3600, 5)
    (told,) = world.told
    assert (told.telling, [item.id for item in told.problems]) == (PROBLEM, ["ws-01/workstation/"])
    assert (told.affected, told.emulators) == (20, 20)
    assert told.at - START == 90
    world.power_back()
    world.pass_(3600, 5)
    assert world.kinds() == [PROBLEM, RESOLVED]
    assert [item.status for item in world.told[1].recovered] == [Status.UP]


def test_twenty_emulators__failing_one_after_the_other__are_one_message() -> None:
    world = World(a_route(wait=30), emulators=20)
    for name in TWENTY:
        world.set(Status.DOWN, name)
        world.pass_(1)
    world.pass_(60)
    assert [len(notice.problems) for notice in world.told] == [20]


def test_fault__shorter_than_after__is_not_told() -> None:
    world = World(a_route(after=60))
    world.set(Status.DOWN)
    world.pass_(59)
    world.set(Status.UP)
    world.pass_(600)
    assert world.told == []


def test_down_and_degraded_in_turn__never_up__is_told_after_the_time_since_it_was_up() -> None:
    world = World(a_route(after=300))
    for status in (Status.DEGRADED, Status.DOWN, Status.DEGRADED, Status.DOWN):
        world.set(status)
        world.pass_(100)
    assert world.told[0].at - START == 300


def test_worse__is_told_at_once__better_only_when_it_lasts() -> None:
    world = World(a_route(update=3600))
    world.set(Status.DEGRADED)
    world.pass_(10)
    world.set(Status.DOWN)
    world.pass_(10)
    assert world.kinds() == [PROBLEM, UPDATE]
    world.set(Status.DEGRADED)
    world.pass_(3000)
    assert world.kinds() == [PROBLEM, UPDATE]
    world.pass_(1000)
    assert world.kinds() == [PROBLEM, UPDATE, UPDATE]


def test_check__of_a_degraded_workstation__is_part_of_what_is_told_already() -> None:
    world = World(a_route(wait=5))
    world.set(Status.DOWN, "rdp")
    world.set(Status.DEGRADED)
    world.pass_(60)
    assert [[item.name for item in notice.problems] for notice in world.told] == [[""]]


def test_check__on_a_route_for_its_category_only__is_told_itself_but_not_of_a_dead_workstation() -> None:
    world = World(a_route(kinds=frozenset({SubjectKind.CHECK}), categories=frozenset({Category.NETWORK})))
    world.set(Status.DEGRADED)
    world.set(Status.DOWN, "rdp")
    assert [[item.name for item in notice.problems] for notice in world.told] == [["rdp"]]
    world.set(Status.UP, "rdp")
    world.told.clear()
    world.power_cut()
    world.pass_(3600, 10)
    assert world.told == []


def test_emulator__told_then_hidden_by_a_power_cut__is_not_told_to_be_well() -> None:
    world = World(a_route(), emulators=2)
    world.set(Status.DOWN, "ldplayer:0")
    world.power_cut()
    world.pass_(100)
    assert RESOLVED not in world.kinds()
    world.set(Status.UP)
    world.set(Status.DOWN, "ldplayer:0")
    world.set(Status.UP, "ldplayer:1")
    world.pass_(100)
    assert RESOLVED not in world.kinds()
    world.set(Status.UP, "ldplayer:0")
    world.pass_(700)
    assert world.kinds()[-1] is RESOLVED
    assert world.kinds().count(RESOLVED) == 1


def test_dead_workstation__covers_also_what_is_down_itself__on_a_route_for_emulators_too() -> None:
    for route in (a_route(), a_route(kinds=frozenset({SubjectKind.EMULATOR}))):
        world = World(route, emulators=1)
        world.set(Status.DOWN)
        world.told.clear()
        world.set(Status.DOWN, "ldplayer:0")
        world.pass_(3600, 10)
        assert world.told == []


def test_route_for_what_is_down__told_then_not_to_be_asked__is_not_over() -> None:
    world = World(a_route(statuses=frozenset({Status.DOWN})))
    world.set(Status.DOWN)
    world.set(Status.UNKNOWN)
    world.pass_(3600, 10)
    assert world.kinds() == [PROBLEM]
    world.set(Status.DEGRADED)
    world.pass_(10)
    assert world.kinds() == [PROBLEM, RESOLVED]


def test_shown_as_better_in_an_update_on_something_else__worse_again_is_news() -> None:
    world = World(a_route(), emulators=1)
    world.set(Status.DOWN)
    world.set(Status.DEGRADED)
    world.set(Status.DOWN, "ldplayer:0")
    world.pass_(5)
    assert [item.status for item in world.told[-1].problems if not item.name] == [Status.DEGRADED]
    world.set(Status.DOWN)
    world.pass_(5)
    assert [item.status for item in world.told[-1].problems if not item.name] == [Status.DOWN]
    assert world.kinds() == [PROBLEM, UPDATE, UPDATE]


def test_partial_recovery__is_told_no_more_often_than_updates_are() -> None:
    world = World(a_route(update=300), emulators=3)
    world.set(Status.DOWN, "ldplayer:0", "ldplayer:1", "ldplayer:2")
    world.pass_(10)
    world.set(Status.UP, "ldplayer:0")
    world.pass_(10)
    world.set(Status.UP, "ldplayer:1")
    world.pass_(600)
    assert [(n.telling, len(n.problems), len(n.recovered)) for n in world.told] == [(PROBLEM, 3, 0), (UPDATE, 1, 2)]


def test_reminders__while_it_lasts__come_at_their_interval() -> None:
    world = World(a_route(remind=3600))
    world.set(Status.DOWN)
    world.pass_(3 * 3600 + 10, 10)
    assert world.kinds() == [PROBLEM, REMINDER, REMINDER, REMINDER]


def test_flapping_emulator__every_15_s__is_two_messages_in_ten_minutes() -> None:
    world = World(a_route(resolve_after=30), emulators=1)
    for change in range(40):
        down = change % 2 == 0
        world.set(Status.DOWN if down else Status.UP, "ldplayer:0", flapping=change > 6)
        world.pass_(15)
    assert world.kinds() == [PROBLEM, UPDATE]
    assert world.told[1].problems[0].flapping
    world.set(Status.UP, "ldplayer:0", flapping=False)
    world.pass_(1000)
    assert world.kinds() == [PROBLEM, UPDATE, RESOLVED]


def test_slow_flapping__is_told_to_be_over_only_once_it_is_steady() -> None:
    world = World(a_route(resolve_after=30), emulators=1)
    for change in range(9):
        world.set(Status.DOWN if change % 2 == 0 else Status.UP, "ldplayer:0")
        world.pass_(65)
    assert world.kinds() == [PROBLEM, RESOLVED, PROBLEM]


def test_unknown__by_itself__is_told_after_ten_minutes() -> None:
    world = World(a_route())
    world.set(Status.UNKNOWN)
    world.pass_(599)
    assert world.told == []
    world.pass_(2)
    assert world.kinds() == [PROBLEM]


def test_half_a_site__within_a_minute__is_one_message_and_its_return_one() -> None:
    world = World(a_route(after=60, wait=30, resolve_after=30), emulators=3, workstations=8)
    for number in (1, 2, 3, 4, 5):
        world.power_cut(f"ws-{number:02}")
        world.pass_(5)
    world.pass_(1800, 5)
    assert [(n.telling, n.group, len(n.problems), n.workstations) for n in world.told] == [
        (PROBLEM, "site:berlin", 5, 8)
    ]
    assert world.told[0].affected == 15
    for number in (1, 2, 3, 4, 5):
        world.power_back(f"ws-{number:02}")
        world.pass_(5)
    world.pass_(1800, 5)
    assert world.kinds() == [PROBLEM, RESOLVED]


def test_site_back_but_for_one__names_it_and_tells_its_end_later() -> None:
    world = World(a_route(wait=30), workstations=4)
    for number in (1, 2, 3, 4):
        world.power_cut(f"ws-{number:02}")
    world.pass_(100)
    for number in (1, 2, 3):
        world.power_back(f"ws-{number:02}")
    world.pass_(3600, 10)
    assert world.kinds() == [PROBLEM, RESOLVED]
    assert [item.workstation for item in world.told[1].problems] == ["ws-04"]
    world.power_back("ws-04")
    world.pass_(100)
    assert [(n.telling, n.group) for n in world.told[2:]] == [(RESOLVED, "ws-04")]


def test_site__whose_workstations_are_all_watched_no_more__is_over() -> None:
    world = World(a_route(after=60, wait=30, remind=3600), workstations=2)
    world.power_cut("ws-01")
    world.power_cut("ws-02")
    world.pass_(100)
    world.policy.retain(["ws-09"], world.now)
    world.pass_(7200, 60)
    assert [(n.telling, n.group) for n in world.told] == [(PROBLEM, "site:berlin"), (RESOLVED, "site:berlin")]
    assert sorted(item.workstation for item in world.told[1].recovered) == ["ws-01", "ws-02"]
    assert Templates().compose("k", world.told[1]).title == "[not told any more] site berlin"


def test_site__one_of_its_workstations_watched_no_more__goes_on_without_it() -> None:
    world = World(a_route(wait=30), workstations=4)
    for name in ("ws-01", "ws-02", "ws-03"):
        world.power_cut(name)
    world.pass_(100)
    world.policy.retain(["ws-02", "ws-03", "ws-04"], world.now)
    world.pass_(600)
    told = [(n.telling, [i.workstation for i in n.problems], [i.workstation for i in n.recovered]) for n in world.told]
    assert told[1:] == [(UPDATE, ["ws-02", "ws-03"], ["ws-01"])]
    world.policy = Policy([world.policy._desks["r"].route])
    world.policy.restore(world.told)
    for name in ("ws-02", "ws-03"):
        world.power_back(name)
    world.pass_(100)
    assert [i.workstation for i in world.told[-1].recovered] == ["ws-02", "ws-03"]
    assert world.kinds() == [PROBLEM, UPDATE, RESOLVED]


def test_a_third_of_a_site__is_told_one_by_one() -> None:
    world = World(a_route(wait=30), workstations=6)
    world.power_cut("ws-01")
    world.power_cut("ws-02")
    world.pass_(100)
    assert sorted(n.group for n in world.told) == ["ws-01", "ws-02"]


def test_rate__used_up__makes_one_digest() -> None:
    world = World(a_route(rate=(3, 600.0)), workstations=10)
    for number in range(1, 11, 3):
        world.set(Status.DEGRADED, at=f"ws-{number:02}")
    assert world.kinds() == [PROBLEM] * 3
    for number in (2, 3, 5):
        world.set(Status.DEGRADED, at=f"ws-{number:02}")
    world.pass_(590)
    assert world.kinds() == [PROBLEM] * 3
    world.pass_(700)
    assert [n.telling for n in world.told[3:]] == [PROBLEM, PROBLEM, Telling.DIGEST]
    named = [item.workstation for n in world.told[3:] for item in n.problems]
    assert sorted(named) == ["ws-02", "ws-03", "ws-05", "ws-10"]


def test_rate__many_due_at_once__the_last_one_left_is_a_digest_of_the_rest() -> None:
    world = World(workstations=10)
    for number in range(1, 11):
        world.set(Status.DEGRADED, at=f"ws-{number:02}")
    world.policy.replace([a_route(rate=(3, 600.0))], window=60)
    for name in world.items:
        world.policy.see(name, Seen(items=tuple(world.items[name].values())), world.now)
    world.pass_(2)
    assert world.kinds() == [PROBLEM, PROBLEM, Telling.DIGEST]
    assert len(world.told[2].parts) == 8
    assert world.pass_(3000, 10) == []


def test_quiet_hours__what_lasts_is_told_afterwards_and_what_is_over_never() -> None:
    quiet = Quiet(begins=22 * 60, ends=7 * 60, zone=UTC)  # START is 22:13:20 on a Tuesday
    world = World(a_route(quiet=(quiet,)), workstations=2)
    world.set(Status.DEGRADED, at="ws-01")
    world.set(Status.DEGRADED, at="ws-02")
    world.pass_(3600, 60)
    world.set(Status.UP, at="ws-02")
    assert world.told == []
    world.pass_(9 * 3600, 60)
    assert [n.group for n in world.told] == ["ws-01"]


def test_quiet_hours__by_time_zone_and_day() -> None:
    berlin = Quiet(begins=22 * 60, ends=7 * 60, days=frozenset({1}), zone=ZoneInfo("Europe/Berlin"))
    assert is_quiet([berlin], START), "23:13 on Tuesday there"
    assert is_quiet([berlin], START + 7 * 3600), "06:13 on Wednesday: it began on Tuesday"
    assert not is_quiet([berlin], START + 8 * 3600)
    assert not is_quiet([berlin], START + 24 * 3600)
    assert is_quiet([Quiet(begins=0, ends=1439, zone=UTC)], START)


def test_muted__is_not_told__and_is_when_it_still_lasts_after() -> None:
    world = World(a_route(after=60))
    world.muted.add("ws-01/workstation/")
    world.set(Status.DOWN)
    world.pass_(3600, 10)
    assert world.told == []
    world.muted.clear()
    world.show("ws-01")
    world.pass_(61)
    assert world.kinds() == [PROBLEM]


def test_route__for_others__tells_nothing() -> None:
    for route in (
        a_route(sites=("hanoi",)),
        a_route(workstations=("pc-*",)),
        a_route(labels={"rack": "a*"}),
        a_route(kinds=frozenset({SubjectKind.CHECK})),
        a_route(categories=frozenset({Category.EXTERNAL})),
        a_route(statuses=frozenset({Status.DOWN})),
        a_route(severity=Severity.HIGH),
    ):
        world = World(route)
        world.set(Status.DEGRADED)
        world.pass_(60)
        assert world.told == [], route


def test_workstation__not_watched_any_more__ends_what_was_told() -> None:
    world = World(a_route(), workstations=2)
    world.set(Status.DOWN)
    world.policy.retain(["ws-02"], world.now)
    world.pass_(5)
    assert world.kinds() == [PROBLEM, RESOLVED]
    assert Templates().compose("k", world.told[1]).title.startswith("[not told any more] ws-01")


def test_restart__what_was_told_is_not_told_again_and_its_end_is() -> None:
    world = World(a_route(after=60, resolve_after=30, remind=7200))
    world.set(Status.DOWN)
    world.pass_(100)
    world.policy = Policy([world.policy._desks["r"].route])
    world.policy.restore(world.told)
    world.show("ws-01")
    world.pass_(3600, 10)
    assert world.kinds() == [PROBLEM]
    world.set(Status.UP)
    world.pass_(60)
    assert world.kinds() == [PROBLEM, RESOLVED]


def test_restart__during_a_site_incident__goes_on_with_it() -> None:
    world = World(a_route(wait=30), workstations=4)
    for name in world.items:
        world.power_cut(name)
    world.pass_(100)
    world.policy = Policy([a_route(wait=30)])
    world.policy.restore(world.told)
    world.pass_(10)
    for name in world.items:
        world.show(name)
    world.pass_(600, 10)
    assert world.kinds() == [PROBLEM]
    for name in world.items:
        world.power_back(name)
    world.pass_(100)
    assert world.kinds() == [PROBLEM, RESOLVED]


STATUSES = st.sampled_from([Status.UP, Status.UP, Status.DEGRADED, Status.DOWN, Status.UNKNOWN])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ws-01", "ws-02"]), st.sampled_from(["", "ldplayer:0", "rdp"]), STATUSES, st.integers(1, 200)
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([0, 30, 120]), st.sampled_from([0, 20]), st.booleans())
def test_any_history__chains_and_ends_well(
    steps: list[tuple[str, str, Status, int]],
    after: int,
    wait: int,
    restarts: bool,  # noqa: FBT001 - hypothesis passes it
) -> None:
    """Nothing told twice, an end only after a problem, nothing lost: in the end, all that was told has ended."""
    route = a_route(after=after, wait=wait, resolve_after=10, steady=60)
    world = World(route, workstations=2, emulators=1)
    for at, name, status, seconds in steps:
        world.set(status, name, at=at)
        lasts = world.items[at][""]
        world.pass_(seconds, 5)
        if restarts and seconds % 7 == 0:
            world.policy = Policy([route])
            world.policy.restore(world.told)
            for each in world.items:
                world.show(each)
        if name == "" and status is Status.DOWN and world.now - lasts.since > after + wait + 10:
            assert _told_down(world.told, at)
    for name in world.items:
        world.power_back(name)
    world.pass_(1300, 10)
    groups: dict[str, list[Notice]] = {}
    for notice in world.told:
        for part in (notice, *notice.parts):
            groups.setdefault(part.group, []).append(part)
    for told in groups.values():
        kinds = [n.telling for n in told]
        assert kinds[0] is PROBLEM
        assert kinds[-1] is RESOLVED
        assert all(a is RESOLVED for a, b in pairwise(kinds) if b is PROBLEM)
        assert all(a is not RESOLVED for a, b in pairwise(kinds) if b is not PROBLEM)
        assert [n.at for n in told] == sorted(n.at for n in told)
    assert world.pass_(5000, 50) == []


def _told_down(told: list[Notice], workstation: str) -> bool:
    """Whether the last that was told of a workstation says it is down."""
    saying = [
        (item.status, n.telling)
        for n in told
        for item in (*n.problems, *n.recovered)
        if item.workstation == workstation and item.kind is SubjectKind.WORKSTATION
    ]
    return bool(saying) and saying[-1][0] is Status.DOWN and saying[-1][1] is not RESOLVED
