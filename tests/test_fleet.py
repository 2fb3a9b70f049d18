from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.checks import CheckParams
from monitor.figures import WorkstationFigures
from monitor.fleet import Fleet
from monitor.model import (
    Category,
    CheckState,
    EmulatorRun,
    EmulatorState,
    HostFacts,
    Key,
    Observation,
    Outcome,
    Process,
    ProcessKind,
    Reason,
    Result,
    Status,
    SubjectKind,
    Target,
    Transition,
    Verdict,
    WorkstationState,
)
from tests.fakes import (
    NoParams,
    a_console,
    a_login,
    a_target,
    a_workstation,
    an_emulator,
    answered,
    failed,
    figures,
    network,
    refused_by,
)


def watching(*targets: Target) -> Fleet:
    fleet = Fleet()
    fleet.replace({t.workstation.id: t.workstation for t in targets}.values(), targets)
    return fleet


def shown(fleet: Fleet, identity: str = "ws-01") -> WorkstationState:
    state = fleet.workstation(identity)
    assert state is not None
    return state


def check(fleet: Fleet, name: str) -> CheckState:
    return next(state for state in shown(fleet).checks if state.target.name == name)


def emulator(fleet: Fleet, index: int) -> EmulatorState:
    return next(state for state in shown(fleet).emulators if state.index == index)


def of_workstation(transitions: list[Transition]) -> list[Status]:
    return [t.new for t in transitions if t.kind is SubjectKind.WORKSTATION]


def test_snapshot__nothing_asked_yet__everything_is_unknown() -> None:
    fleet = watching(a_target())
    assert (shown(fleet).status, shown(fleet).since) == (Status.UNKNOWN, None)
    assert (check(fleet, "rdp").status, check(fleet, "rdp").message) == (Status.UNKNOWN, "not asked yet")


def test_apply__first_answer__is_up_at_once() -> None:
    fleet, target = watching(rdp := a_target()), rdp
    changed = fleet.apply(answered(target, 10.0))
    assert [t.new for t in changed] == [Status.UP, Status.UP]
    assert all(t.first for t in changed)
    assert check(fleet, "rdp").since == 10.0


def test_apply__one_failure__is_only_pending() -> None:
    fleet = watching(rdp := a_target())
    fleet.apply(answered(rdp, 10.0))
    assert fleet.apply(failed(rdp, 20.0)) == ()
    state = check(fleet, "rdp")
    assert (state.status, state.since, state.pending) == (Status.UP, 10.0, "network refused")


def test_apply__failures_in_a_row__make_down_and_one_answer_makes_up() -> None:
    fleet = watching(rdp := a_target())
    for result in (answered(rdp, 10.0), failed(rdp, 20.0), failed(rdp, 30.0)):
        fleet.apply(result)
    state = check(fleet, "rdp")
    assert (state.status, state.since, state.reason) == (Status.DOWN, 30.0, Reason.REFUSED)
    fleet.apply(answered(rdp, 40.0))
    assert (
        check(fleet, "rdp").status,
        check(fleet, "rdp").since,
        check(fleet, "rdp").reason,
    ) == (Status.UP, 40.0, None)


def test_apply__an_answer_between_failures__starts_the_count_anew() -> None:
    fleet = watching(rdp := a_target())
    for result in (answered(rdp, 1.0), failed(rdp, 2.0), answered(rdp, 3.0), failed(rdp, 4.0)):
        fleet.apply(result)
    assert check(fleet, "rdp").status is Status.UP


def test_apply__failure_that_trips_its_own_breaker__is_down_at_once() -> None:
    fleet = watching(rdp := a_target(down_after=5))
    fleet.apply(answered(rdp, 1.0))
    fleet.apply(failed(rdp, 2.0, tripped=rdp.path[0]))
    assert check(fleet, "rdp").status is Status.DOWN


def test_apply__failure_below_the_own_layer__is_unknown_never_down() -> None:
    fleet = watching(console := a_console())
    fleet.apply(answered(console, 1.0, entities=(an_emulator(0),)))
    changed = [t for at in (2.0, 3.0) for t in fleet.apply(failed(console, at, Category.NETWORK))]
    assert check(fleet, "ldplayer").status is Status.UNKNOWN
    assert emulator(fleet, 0).status is Status.UNKNOWN
    assert Status.DOWN not in [t.new for t in changed if t.kind is not SubjectKind.WORKSTATION]


def test_apply__failure_of_the_own_layer__is_down() -> None:
    fleet = watching(console := a_console())
    fleet.apply(answered(console, 1.0, entities=()))
    for at in (2.0, 3.0):
        fleet.apply(failed(console, at, Category.EXTERNAL, Reason.TIMEOUT))
    assert check(fleet, "ldplayer").status is Status.DOWN
    assert shown(fleet).status is Status.DEGRADED


def test_apply__check_of_the_transport_itself__is_down_for_a_dead_endpoint() -> None:
    fleet = watching(login := a_login())
    for at in (1.0, 2.0):
        fleet.apply(failed(login, at, Category.NETWORK))
    assert check(fleet, "ssh").status is Status.DOWN


def test_apply__suppressed_by_a_layer_on_the_way__is_unknown_at_once_and_names_it() -> None:
    fleet = watching(console := a_console())
    fleet.apply(answered(console, 1.0, entities=(an_emulator(0), an_emulator(1))))
    fleet.apply(refused_by(console, 2.0, console.path[0]))
    assert (check(fleet, "ldplayer").status, check(fleet, "ldplayer").message) == (Status.UNKNOWN, "ssh:22 open")
    assert [(e.status, e.message) for e in shown(fleet).emulators] == [(Status.UNKNOWN, "ssh:22 open")] * 2


def test_apply__suppressed_by_its_own_breaker__stays_as_it_was_and_is_stale() -> None:
    fleet = watching(rdp := a_target())
    for result in (
        failed(rdp, 1.0),
        failed(rdp, 2.0),
        refused_by(rdp, 3.0, rdp.path[0]),
        refused_by(rdp, 4.0, rdp.path[0]),
    ):
        fleet.apply(result)
    state = check(fleet, "rdp")
    assert (state.status, state.stale_since, state.last_duration) == (Status.DOWN, 3.0, None)
    fleet.apply(answered(rdp, 5.0))
    assert (check(fleet, "rdp").status, check(fleet, "rdp").stale_since) == (Status.UP, None)


def test_apply__the_monitor_could_not_ask__is_unknown_and_no_evidence_against_the_host() -> None:
    fleet = watching(ping := a_target("ping"), rdp := a_target("rdp"))
    fleet.apply(answered(rdp, 1.0))
    for at in (2.0, 3.0):
        fleet.apply(Result(target=ping, outcome=Outcome.ERROR, at=at, local="no permission"))
    assert (check(fleet, "ping").status, check(fleet, "ping").reason) == (Status.UNKNOWN, Reason.LOCAL)
    assert shown(fleet).status is Status.UNKNOWN


def test_apply__skipped_run__changes_no_belief() -> None:
    fleet = watching(rdp := a_target())
    fleet.apply(answered(rdp, 1.0))
    assert fleet.apply(Result(target=rdp, outcome=Outcome.SKIPPED, at=2.0)) == ()
    assert Outcome.SKIPPED is check(fleet, "rdp").last_outcome


def test_apply__target_gone_from_config__is_ignored() -> None:
    fleet = watching(rdp := a_target("rdp"), ssh := a_login())
    fleet.replace([a_workstation()], [ssh])
    assert fleet.apply(answered(rdp, 1.0)) == ()


def test_workstation__some_endpoints_silent__is_degraded_and_names_both_sides() -> None:
    fleet = watching(login := a_login(), ping := a_target("icmp", network("icmp")))
    fleet.apply(answered(ping, 1.0))
    fleet.apply(answered(login, 1.0))
    changed = [t for at in (2.0, 3.0) for t in (*fleet.apply(failed(login, at)), *fleet.apply(answered(ping, at)))]
    assert of_workstation(changed) == [Status.DEGRADED]
    assert shown(fleet).message == "ssh:22 refused; answering: icmp"


def test_workstation__power_cut__is_down_once() -> None:
    login, console = a_login(), a_console()
    fleet = watching(login, console, ping := a_target("icmp", network("icmp")))
    changed: list[Transition] = []
    changed += fleet.apply(answered(login, 1.0))
    changed += fleet.apply(answered(console, 1.0, entities=tuple(map(an_emulator, range(6)))))
    changed += fleet.apply(answered(ping, 1.0))
    changed.clear()
    for at in (30.0, 60.0):
        for target in (login, console, ping):
            changed += fleet.apply(failed(target, at, reason=Reason.TIMEOUT))
    changed += fleet.apply(refused_by(console, 90.0, console.path[0]))
    assert of_workstation(changed) == [Status.DOWN]
    assert {Status.UNKNOWN} == {e.status for e in shown(fleet).emulators}
    assert shown(fleet).message == "ssh:22 timeout, icmp timeout"


def test_workstation__check_that_is_down_for_what_it_answered__misses_one__is_not_down() -> None:
    fleet = watching(panel := a_target("panel", network("http:80")))
    for at in (1.0, 2.0):
        fleet.apply(answered(panel, at, Verdict.DOWN, message="HTTP 500"))
    fleet.apply(failed(panel, 3.0, reason=Reason.TIMEOUT))
    assert shown(fleet).status is Status.DEGRADED
    fleet.apply(failed(panel, 4.0, reason=Reason.TIMEOUT))
    assert shown(fleet).status is Status.DOWN


def test_workstation__the_other_endpoint_was_heard_before_one_fell_silent__is_not_degraded_before_it_is_asked() -> None:
    fleet = watching(login := a_login(), ping := a_target("icmp", network("icmp")))
    fleet.apply(answered(login, 1.0))
    fleet.apply(answered(ping, 1.5))
    changed = [*fleet.apply(failed(login, 2.0)), *fleet.apply(failed(login, 3.0))]
    assert of_workstation(changed) == []
    assert of_workstation([*fleet.apply(answered(ping, 4.0))]) == [Status.DEGRADED]


def test_workstation__power_cut_in_the_middle_of_a_command__its_deadline_is_no_sign_of_life() -> None:
    fleet = watching(login := a_login(), panel := a_target("panel", network("http:80")))
    fleet.apply(answered(login, 1.0))
    fleet.apply(answered(panel, 1.0))
    cut_short = failed(login, 12.0, Category.WORKSTATION, Reason.TIMEOUT)
    changed = [*fleet.apply(failed(panel, 11.0)), *fleet.apply(replace(cut_short, duration=5.0))]
    changed += fleet.apply(failed(panel, 14.0))
    assert of_workstation(changed) == []
    changed = [*fleet.apply(failed(login, 17.0)), *fleet.apply(failed(login, 22.0))]
    assert of_workstation(changed) == [Status.DOWN]


def test_workstation__an_endpoint_not_asked_yet__is_waited_for() -> None:
    fleet = watching(rdp := a_target("rdp"), slow := a_target("slow", interval=300.0))
    for at in (1.0, 2.0, 3.0):
        fleet.apply(failed(rdp, at))
    assert shown(fleet).status is Status.UNKNOWN
    for at in (4.0, 5.0):
        fleet.apply(failed(slow, at))
    assert shown(fleet).status is Status.DOWN


def test_workstation__an_endpoint_we_can_not_ask__is_not_waited_for() -> None:
    fleet = watching(rdp := a_target("rdp"), ping := a_target("icmp", network("icmp")))
    fleet.apply(Result(target=ping, outcome=Outcome.ERROR, at=0.0, local="no permission"))
    for at in (1.0, 2.0):
        fleet.apply(failed(rdp, at))
    assert shown(fleet).status is Status.DOWN


def test_emulator__guest_that_just_missed_one__does_not_contradict_a_console_that_says_stopped() -> None:
    fleet = watching(console := a_console(), port := a_target("adb-0", emulator="ldplayer:0"))
    fleet.apply(answered(console, 1.0, entities=(an_emulator(0),)))
    fleet.apply(answered(port, 1.0))
    fleet.apply(answered(console, 2.0, entities=(an_emulator(0, EmulatorRun.STOPPED),)))
    fleet.apply(answered(port, 2.5))
    assert emulator(fleet, 0).status is Status.DEGRADED
    fleet.apply(failed(port, 3.0))
    assert emulator(fleet, 0).status is Status.UP
    fleet.apply(answered(console, 4.0, entities=(an_emulator(0, EmulatorRun.STOPPED),)))
    assert (emulator(fleet, 0).status, emulator(fleet, 0).state) == (Status.UP, "stopped")


def test_emulator__guest_that_contradicted_the_console_misses_one__is_down_after_two_more_listings() -> None:
    fleet = watching(console := a_console(), port := a_target("adb-0", emulator="ldplayer:0"))
    listed = (an_emulator(0, EmulatorRun.STOPPED, expected=True),)
    for at in (1.0, 2.0):
        fleet.apply(answered(console, at, entities=listed))
        fleet.apply(answered(port, at + 0.5))
    fleet.apply(failed(port, 3.0))
    seen = [emulator(fleet, 0).status]
    for at in (4.0, 5.0):
        fleet.apply(answered(console, at, entities=listed))
        seen.append(emulator(fleet, 0).status)
    assert seen == [Status.DEGRADED, Status.DEGRADED, Status.DOWN]


def test_apply__run_that_began_before_a_reload__counts_for_the_equal_check_after_it() -> None:
    fleet = watching(before := a_target())
    fleet.replace([a_workstation()], [a_target()])
    fleet.apply(answered(before, 1.0))
    assert check(fleet, "rdp").status is Status.UP


def test_workstation__blocked_ping__degrades_and_silences_nothing() -> None:
    fleet = watching(login := a_login(), ping := a_target("icmp", network("icmp")))
    fleet.apply(answered(login, 1.0))
    for at in (2.0, 3.0):
        fleet.apply(failed(ping, at, reason=Reason.TIMEOUT))
    fleet.apply(answered(login, 4.0))
    assert (shown(fleet).status, check(fleet, "ssh").status) == (Status.DEGRADED, Status.UP)


def test_workstation__transport_answers_but_refuses__is_degraded() -> None:
    fleet = watching(console := a_console())
    for at in (1.0, 2.0):
        fleet.apply(failed(console, at, Category.WORKSTATION, Reason.AUTH))
    assert (shown(fleet).status, check(fleet, "ldplayer").status) == (Status.DEGRADED, Status.UNKNOWN)


def test_workstation__critical_check_answers_down__is_down() -> None:
    fleet = watching(panel := a_target("panel", critical=True))
    for at in (1.0, 2.0):
        fleet.apply(answered(panel, at, Verdict.DOWN, message="HTTP 500"))
    assert (shown(fleet).status, shown(fleet).message) == (Status.DOWN, "panel: HTTP 500")


def test_workstation__one_emulators_own_port__has_no_say() -> None:
    fleet = watching(login := a_login(), port := a_target("adb-0", emulator="ldplayer:0"))
    fleet.apply(answered(login, 1.0))
    for at in (2.0, 3.0):
        fleet.apply(failed(port, at))
    assert (shown(fleet).status, check(fleet, "adb-0").status) == (Status.UP, Status.DOWN)


def test_workstation__guest_asked_through_it_finds_the_way_gone__is_down_without_a_second_opinion() -> None:
    console = a_console()
    way = (*console.path[:2], Key(Category.EMULATOR, "ws-01", "ldplayer:0"))
    fleet = watching(console, guest := a_target("adb-0", *way, through=2, emulator="ldplayer:0"))
    fleet.apply(answered(console, 0.0, entities=(an_emulator(0),)))
    fleet.apply(failed(guest, 1.0, tripped=guest.path[0]))
    fleet.apply(refused_by(console, 2.0, console.path[0]))
    assert (shown(fleet).status, shown(fleet).message) == (Status.DOWN, "ssh:22 refused")


def test_emulator__console_says_stopped_but_the_guest_answers__is_degraded_never_down() -> None:
    fleet = watching(console := a_console(), port := a_target("adb-0", emulator="ldplayer:0"))
    fleet.apply(answered(port, 1.0))
    for at in (2.0, 3.0):
        listed = an_emulator(0, EmulatorRun.STOPPED, expected=True)
        fleet.apply(answered(console, at, Verdict.DOWN, entities=(listed,)))
    state = emulator(fleet, 0)
    assert (state.status, state.reason, state.state) == (Status.DEGRADED, Reason.WITNESSES_DISAGREE, "running")


def host_facts(target: Target, at: float, *kinds: ProcessKind, duration: float = 0.1) -> Result:
    """What a host check answers that lists these processes of ldplayer:0."""
    processes = tuple(Process(driver="ldplayer", kind=kind, pid=8, index=0) for kind in kinds)
    seen = Observation(host=HostFacts(processes=processes, listening=()))
    return Result(target=target, outcome=Outcome.SUCCESS, at=at, duration=duration, observation=seen)


def test_emulator__started_between_two_looks_at_its_host__is_not_contradicted_by_the_older_one() -> None:
    fleet = watching(console := a_console(), host := a_target("host"))
    fleet.apply(host_facts(host, 0.0))
    runs = [EmulatorRun.STOPPED, EmulatorRun.STARTING, EmulatorRun.RUNNING, EmulatorRun.RUNNING]
    for at, run in zip((1.0, 30.0, 60.0, 90.0), runs, strict=True):
        fleet.apply(answered(console, at, entities=(an_emulator(0, run, expected=True),)))
        assert emulator(fleet, 0).status is (Status.DOWN if run is EmulatorRun.STOPPED else Status.UP), run
    fleet.apply(host_facts(host, 120.0))
    for at in (121.0, 151.0):
        fleet.apply(answered(console, at, entities=(an_emulator(0, expected=True),)))
    assert emulator(fleet, 0).reason is Reason.WITNESSES_DISAGREE


def test_emulator__crashed_between_two_looks_at_its_guest__is_down_though_it_answered_before() -> None:
    fleet = watching(console := a_console(), guest := a_target("adb-0", emulator="ldplayer:0"))
    fleet.apply(answered(console, 0.0, entities=(an_emulator(0, expected=True),)))
    fleet.apply(answered(guest, 1.0))
    seen = []
    for at in (30.0, 60.0, 270.0):
        fleet.apply(answered(console, at, entities=(an_emulator(0, EmulatorRun.STOPPED, expected=True),)))
        seen.append(emulator(fleet, 0).status)
    assert seen == [Status.UP, Status.DOWN, Status.DOWN]
    fleet.apply(answered(guest, 301.0))
    assert emulator(fleet, 0).reason is Reason.WITNESSES_DISAGREE


def test_to_confirm__console_alone_calls_it_down__asks_its_other_witnesses() -> None:
    console, host = a_console(), a_target("host")
    guests = [a_target(f"adb-{index}", emulator=f"ldplayer:{index}") for index in range(2)]
    fleet = watching(console, host, *guests, rdp := a_target())

    def wanted(at: float, *runs: EmulatorRun) -> set[str]:
        entities = tuple(an_emulator(index, run, expected=True) for index, run in enumerate(runs))
        fleet.apply(result := answered(console, at, entities=entities))
        return {target.name for target in fleet.to_confirm(result)}

    running, stopped = EmulatorRun.RUNNING, EmulatorRun.STOPPED
    for result in (host_facts(host, 0.0), answered(rdp, 0.0), *(answered(guest, 0.0) for guest in guests)):
        fleet.apply(result)
        assert fleet.to_confirm(result) == ()
    assert wanted(1.0, running, running) == set()
    assert wanted(30.0, running, stopped) == {"host", "adb-1"}
    assert wanted(60.0, running, stopped) == set(), "they were asked"
    assert wanted(90.0, stopped, running) == {"host", "adb-0"}
    fleet.told("ws-01", "ldplayer:0", 100.0)
    assert wanted(120.0, running, running) == set()
    assert wanted(150.0, stopped, running) == set(), "it was told to"


def test_to_confirm__nobody_expects_it_to_run__asks_nobody() -> None:
    fleet = watching(console := a_console(), a_target("adb-0", emulator="ldplayer:0"))
    for at, run in ((1.0, EmulatorRun.RUNNING), (30.0, EmulatorRun.STOPPED)):
        fleet.apply(result := answered(console, at, entities=(an_emulator(0, run),)))
        assert fleet.to_confirm(result) == ()


def test_emulator__console_begins_to_lie__is_degraded_never_down_once_its_guest_was_asked() -> None:
    fleet = watching(console := a_console(), guest := a_target("adb-0", emulator="ldplayer:0", interval=300.0))
    fleet.apply(answered(console, 0.0, entities=(an_emulator(0, expected=True),)))
    fleet.apply(answered(guest, 1.0))
    seen = []
    for at in (30.0, 60.0, 90.0):
        fleet.apply(result := answered(console, at, entities=(an_emulator(0, EmulatorRun.STOPPED, expected=True),)))
        seen.append(emulator(fleet, 0).status)
        for target in fleet.to_confirm(result):
            fleet.apply(answered(target, at + 1.0))
            seen.append(emulator(fleet, 0).status)
    assert seen == [Status.UP, Status.DEGRADED, Status.DEGRADED, Status.DEGRADED]


def test_emulator__its_host_was_asked_before_the_change_and_answered_after_it__is_not_contradicted() -> None:
    fleet = watching(console := a_console(), host := a_target("host"))
    fleet.apply(answered(console, 0.0, entities=(an_emulator(0, EmulatorRun.STOPPED),)))
    fleet.apply(answered(console, 30.0, entities=(an_emulator(0),)))
    fleet.apply(host_facts(host, 33.0, duration=8.0))
    for at in (60.0, 90.0):
        fleet.apply(answered(console, at, entities=(an_emulator(0),)))
    assert emulator(fleet, 0).status is Status.UP


@pytest.mark.parametrize(("layer", "state"), [(0, "unknown"), (1, "unknown"), (2, "running")])
def test_emulator__its_console_is_lost__its_processes_tell_only_while_the_way_there_is_open(
    layer: int, state: str
) -> None:
    fleet = watching(console := a_console(), host := a_target("host"))
    fleet.apply(answered(console, 0.0, entities=(an_emulator(0),)))
    fleet.apply(host_facts(host, 1.0, ProcessKind.WHOLE))
    fleet.apply(refused_by(console, 2.0, console.path[layer]))
    assert emulator(fleet, 0).state == state
    fleet.apply(host_facts(host, 3.0, ProcessKind.WHOLE))
    assert emulator(fleet, 0).state == "running"
    for at in (4.0, 5.0):
        fleet.apply(failed(console, at, console.path[layer].category, Reason.TIMEOUT))
    assert emulator(fleet, 0).state == state


def test_emulator__half_started_while_the_console_is_lost__is_a_zombie_only_when_it_stays_so() -> None:
    fleet = watching(console := a_console(), host := a_target("host"))
    fleet.apply(answered(console, 0.0, entities=(an_emulator(0),)))
    fleet.apply(refused_by(console, 1.0, console.path[0]))
    seen = []
    for at in (2.0, 3.0):
        fleet.apply(host_facts(host, at, ProcessKind.WINDOW))
        seen.append(emulator(fleet, 0).status)
    assert seen == [Status.UNKNOWN, Status.DOWN]


def test_emulator__silent_before_the_workstation_is_known_to_live__is_not_frozen() -> None:
    fleet = watching(console := a_console(), port := a_target("adb-0", emulator="ldplayer:0"))
    fleet.apply(answered(console, 1.0, entities=(an_emulator(0),)))
    fleet.apply(answered(port, 1.0))
    for at in (500.0, 501.0):
        fleet.apply(failed(port, at, reason=Reason.TIMEOUT))
    assert emulator(fleet, 0).status is Status.UP
    for at in (502.0, 503.0):
        fleet.apply(answered(console, at, entities=(an_emulator(0),)))
    assert (emulator(fleet, 0).status, emulator(fleet, 0).state) == (Status.DOWN, "frozen")


def test_emulator__back_after_a_power_cut__is_not_called_frozen_by_stale_silence() -> None:
    fleet = watching(console := a_console(), port := a_target("adb-0", emulator="ldplayer:0"))
    fleet.apply(answered(console, 1.0, entities=(an_emulator(0),)))
    fleet.apply(answered(port, 1.0))
    for at in (500.0, 501.0, 502.0):
        fleet.apply(failed(port, at, reason=Reason.TIMEOUT))
        fleet.apply(failed(console, at))
    fleet.apply(refused_by(port, 503.0, port.path[0]))
    for at in (504.0, 505.0):
        fleet.apply(answered(console, at, entities=(an_emulator(0),)))
    assert emulator(fleet, 0).status is Status.UP


def test_emulator__no_longer_listed__vanishes() -> None:
    fleet = watching(console := a_console())
    fleet.apply(answered(console, 1.0, entities=(an_emulator(0), an_emulator(1))))
    changed = fleet.apply(answered(console, 2.0, entities=(an_emulator(1),)))
    assert [t.name for t in changed if t.kind is SubjectKind.EMULATOR] == ["ldplayer:0"]
    assert [e.index for e in shown(fleet).emulators] == [1]


def test_emulator__same_title_twice__stay_two() -> None:
    fleet = watching(console := a_console())
    fleet.apply(answered(console, 1.0, entities=(an_emulator(0, title="x"), an_emulator(1, title="x"))))
    assert [e.id for e in shown(fleet).emulators] == ["ldplayer:0", "ldplayer:1"]


def test_emulator__start_longer_than_the_boot_limit__is_stuck() -> None:
    fleet = watching(console := a_console())
    booting = an_emulator(0, EmulatorRun.STARTING, boot_limit=60.0)
    fleet.apply(answered(console, 0.0, entities=(booting,)))
    assert emulator(fleet, 0).state == "starting"
    for at in (61.0, 62.0):
        fleet.apply(answered(console, at, entities=(booting,)))
    assert (emulator(fleet, 0).status, emulator(fleet, 0).state) == (Status.DOWN, "stuck_boot")


def test_flapping__more_than_six_changes_in_ten_minutes__is_marked_and_fades() -> None:
    fleet = watching(rdp := a_target(down_after=1))
    at = 0.0
    for turn in range(8):
        at = float(turn)
        fleet.apply(failed(rdp, at) if turn % 2 else answered(rdp, at))
    assert check(fleet, "rdp").flapping
    fleet.apply(failed(rdp, at + 601.0))
    assert not check(fleet, "rdp").flapping


def test_replace__equal_target__keeps_its_history() -> None:
    fleet = watching(rdp := a_target())
    fleet.apply(answered(rdp, 1.0))
    fleet.replace([a_workstation()], [again := a_target()])
    assert check(fleet, "rdp").status is Status.UP
    assert fleet.apply(answered(again, 2.0)) == ()


@pytest.mark.parametrize(
    "changed",
    [
        a_target(params=NoParams()),
        a_target(interval=5.0),
        a_target(timeout=1.0),
        a_target(critical=True),
        a_target(labels={"team": "red"}),
        a_target(workstation=replace(a_workstation(), site="hanoi", labels={"rack": "b"}, code_page="cp936")),
    ],
)
def test_replace__target_that_asks_the_same__keeps_its_history_and_is_shown_as_it_is_now(changed: Target) -> None:
    fleet = watching(rdp := a_target(), console := a_console())
    fleet.apply(answered(console, 0.5, entities=(an_emulator(0),)))
    for at in (1.0, 2.0):
        fleet.apply(failed(rdp, at))
    before = shown(fleet)
    fleet.replace([changed.workstation], [changed, a_console(changed.workstation)])
    after = shown(fleet)
    assert (after.status, after.since, after.message) == (before.status, before.since, before.message)
    assert [(c.status, c.since, c.message) for c in after.checks] == [
        (c.status, c.since, c.message) for c in before.checks
    ]
    assert after.emulators == before.emulators
    assert (after.workstation, check(fleet, "rdp").target) == (changed.workstation, changed)
    assert fleet.apply(failed(rdp, 3.0)) == (), "a run that began before it still counts"
    assert check(fleet, "rdp").last_run == 3.0


class OtherParams(CheckParams):
    port: int = 1


@pytest.mark.parametrize(
    "changed",
    [
        a_target(params=OtherParams()),
        a_target("rdp", network("tcp:3390")),
        a_target(adb_port=5555),
        a_target(kind="http"),
        a_target(workstation=replace(a_workstation(), host="127.0.0.2")),
    ],
)
def test_replace__target_that_asks_something_else__starts_anew(changed: Target) -> None:
    fleet = watching(rdp := a_target())
    fleet.apply(answered(rdp, 1.0))
    fleet.replace([changed.workstation], [changed])
    assert check(fleet, "rdp").status is Status.UNKNOWN
    fleet.apply(answered(rdp, 2.0))
    assert check(fleet, "rdp").status is Status.UNKNOWN, "a run that began before it says nothing of it"


def test_replace__workstation_gone__is_forgotten() -> None:
    fleet = watching(a_target())
    fleet.replace([], [])
    assert (fleet.workstation("ws-01"), fleet.snapshot()) == (None, ())


_TARGETS = (
    a_login(),
    a_console(),
    a_target("icmp", network("icmp")),
    a_target("adb-0", emulator="ldplayer:0"),
)


@st.composite
def results(draw: st.DrawFn) -> list[Result]:
    steps = draw(st.lists(st.tuples(st.sampled_from(_TARGETS), st.integers(0, 7)), max_size=60))
    return [_result(target, kind, float(at)) for at, (target, kind) in enumerate(steps)]


def _result(target: Target, kind: int, at: float) -> Result:
    listed = (an_emulator(0, list(EmulatorRun)[int(at) % 4]),) if target.kind == "ldplayer" else None
    choices = [
        lambda: answered(target, at, entities=listed),
        lambda: answered(target, at, Verdict.DOWN, entities=listed),
        lambda: answered(target, at, Verdict.DEGRADED, entities=listed),
        lambda: failed(target, at, Category.NETWORK),
        lambda: failed(target, at, target.path[-1].category),
        lambda: refused_by(target, at, target.path[0]),
        lambda: refused_by(target, at, target.path[-1]),
        lambda: Result(target=target, outcome=Outcome.ERROR, at=at, local="x"),
    ]
    return choices[kind]()


@given(results())
def test_apply__whatever_happens__transitions_chain_and_agree_with_the_snapshot(history: list[Result]) -> None:
    fleet = watching(*_TARGETS)
    believed: dict[tuple[SubjectKind, str], Status] = {}
    for result in history:
        for t in fleet.apply(result):
            assert believed.get((t.kind, t.name), Status.UNKNOWN) is t.old
            assert t.old is not t.new
            believed[t.kind, t.name] = t.new
    state = shown(fleet)
    assert believed.get((SubjectKind.WORKSTATION, ""), Status.UNKNOWN) is state.status
    for c in state.checks:
        assert believed.get((SubjectKind.CHECK, c.target.name), Status.UNKNOWN) is c.status
    for e in state.emulators:
        assert believed.get((SubjectKind.EMULATOR, e.id), Status.UNKNOWN) is e.status


def test_figures__beside_the_states__say_the_same() -> None:
    console, rdp, other = a_console(), a_target("rdp"), a_target("rdp", workstation=a_workstation("ws-02"))
    fleet = watching(console, rdp, other)
    at = 1000.0
    for run in (EmulatorRun.STOPPED, EmulatorRun.STARTING, EmulatorRun.RUNNING):
        fleet.apply(answered(console, at, entities=(an_emulator(0, expected=True), an_emulator(1, run))))
        at += 30.0
    for at in (1000.0, 1030.0):
        fleet.apply(failed(rdp, at))
    fleet.apply(refused_by(rdp, 1060.0, rdp.path[0]))
    measured, made = list(fleet.figures()), [figures(state) for state in fleet.snapshot()]
    assert [each.emulators[1].boot_seconds for each in measured if each.emulators] == [30.0]
    assert [each._replace(emulators=()) for each in measured] == [each._replace(emulators=()) for each in made]
    assert [told(each) for each in measured] == [told(each) for each in made]


def told(measured: WorkstationFigures) -> list[tuple[object, ...]]:
    """Of each emulator, and of its entity what a state says too."""
    return [
        (*each._replace(entity=an_emulator(0)), each.entity.id, each.entity.title, each.entity.boot_limit)
        for each in measured.emulators
    ]
