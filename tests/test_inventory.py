from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence import Heard
from monitor.inventory import CONFIRM, Inventory
from monitor.model import EmulatorRun, EmulatorState, HostFacts, Listening, Process, ProcessKind, Status
from monitor.truth import GuestSeen
from tests.fakes import an_emulator

RUN = EmulatorRun


def listed(inventory: Inventory, at: float, run: RUN = RUN.RUNNING, **changes: object) -> EmulatorState:
    list(inventory.hear_console("ldplayer", [an_emulator(3, run, adb_port=5561, **changes)], at, down_after=1))
    return shown(inventory, at)


def shown(inventory: Inventory, at: float = 0.0) -> EmulatorState:
    (state,) = inventory.states(at)
    return state


def facts(*kinds: ProcessKind, ports: tuple[int, ...] = (), index: int | None = 3) -> HostFacts:
    processes = tuple(Process(driver="ldplayer", kind=kind, pid=8, index=index) for kind in kinds)
    return HostFacts(processes=processes, listening=tuple(Listening(port) for port in ports))


@pytest.mark.parametrize(
    ("host", "state"),
    [
        (facts(ProcessKind.WINDOW, ProcessKind.VM), "running"),
        (facts(ProcessKind.WINDOW), "zombie"),
        (facts(ProcessKind.VM), "zombie"),
        (facts(ProcessKind.WHOLE), "running"),
        (facts(), "stopped"),
        (facts(ProcessKind.SERVICE), "stopped"),
        (facts(ProcessKind.VM, index=None), "unknown"),
        (HostFacts(), "unknown"),
        (None, "unknown"),
    ],
)
def test_hear_host__console_can_not_be_asked__the_processes_tell(host: HostFacts | None, state: str) -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0)
    list(inventory.lose_console("ldplayer", "ldplayer open", 1.0, alone=True))
    list(inventory.hear_host(host, 2.0, asked=2.0, down_after=1))
    assert shown(inventory).state == state


def test_hear_host__console_can_be_asked__is_judged_with_its_next_listing() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0)
    assert list(inventory.hear_host(facts(), 1.0, asked=1.0, down_after=1)) == []
    assert listed(inventory, 2.0).status is Status.DEGRADED


def owned(port: int, *processes: Process) -> HostFacts:
    """What a host lists whose port 5561 is listened on by process 8."""
    return HostFacts(processes=processes, listening=(Listening(port, 8),))


NAMELESS = Process(driver="ldplayer", kind=ProcessKind.VM, pid=8)
OURS = replace(NAMELESS, index=3)
NEIGHBOUR = replace(NAMELESS, index=4)
OTHER_PRODUCT = Process(driver="mumu", kind=ProcessKind.VM, pid=8, index=3)
OF_ANOTHER_PID = replace(NAMELESS, pid=9)


@pytest.mark.parametrize(
    ("processes", "state", "status"),
    [
        ((NAMELESS,), "running", Status.DEGRADED),
        ((OF_ANOTHER_PID,), "running", Status.DEGRADED),
        ((OF_ANOTHER_PID, OTHER_PRODUCT), "stopped", Status.DOWN),
        ((OF_ANOTHER_PID, NEIGHBOUR), "stopped", Status.DOWN),
        ((OURS,), "zombie", Status.DEGRADED),
        ((), "stopped", Status.DOWN),
    ],
)
def test_open_port__console_says_stopped__speaks_for_it_unless_it_is_anothers(
    processes: tuple[Process, ...], state: str, status: Status
) -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0, RUN.STOPPED, expected=True)
    list(inventory.hear_host(owned(5561, *processes), 1.0, asked=1.0, down_after=1))
    told = listed(inventory, 2.0, RUN.STOPPED, expected=True)
    assert (told.state, told.status) == (state, status)


def test_hear_guest__port_nobody_listens_on__is_adb_switched_off_not_frozen() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0, boot_limit=60.0)
    list(inventory.hear_guest("ldplayer:3", "adb", Heard(GuestSeen.SILENT, asked=100.0), 100.0))
    assert listed(inventory, 101.0, boot_limit=60.0).state == "frozen"
    list(
        inventory.hear_host(facts(ProcessKind.WINDOW, ProcessKind.VM, ports=(5555,)), 102.0, asked=102.0, down_after=1)
    )
    assert listed(inventory, 103.0, boot_limit=60.0).state == "adb_off"


def test_hear_guest__two_witnesses__the_one_who_saw_more_life_counts() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0)
    list(inventory.hear_guest("ldplayer:3", "tcp", Heard(GuestSeen.SILENT, asked=300.0), 300.0))
    list(inventory.hear_guest("ldplayer:3", "adb", Heard(GuestSeen.ANSWERS, asked=300.0), 300.0))
    assert listed(inventory, 301.0).state == "running"


def test_hear_guest__complains__its_own_words_are_the_message() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0)
    list(inventory.hear_guest("ldplayer:3", "adb", Heard(GuestSeen.COMPLAINS, "/data is full", asked=1.0), 1.0))
    state = listed(inventory, 2.0)
    assert (state.status, state.message) == (Status.DEGRADED, "/data is full")


def answers(inventory: Inventory, at: float, seen: GuestSeen = GuestSeen.ANSWERS) -> None:
    list(inventory.hear_guest("ldplayer:3", "adb", Heard(seen, asked=at), at))


def test_guest__heard_before_the_first_listing__counts() -> None:
    inventory = Inventory("ws-01")
    answers(inventory, 0.0)
    assert listed(inventory, 1.0, RUN.STOPPED, expected=True).status is Status.DEGRADED


def test_emulator__made_later__is_not_contradicted_by_what_was_seen_before_there_was_one() -> None:
    inventory = Inventory("ws-01")
    list(inventory.hear_console("ldplayer", [an_emulator(0)], 0.0, down_after=1))
    list(inventory.hear_host(facts(index=0), 1.0, asked=1.0, down_after=1))
    list(inventory.hear_console("ldplayer", [an_emulator(0), an_emulator(3)], 2.0, down_after=1))
    assert [(state.id, state.status) for state in inventory.states(2.0)] == [
        ("ldplayer:0", Status.DEGRADED),
        ("ldplayer:3", Status.UP),
    ]


def test_guest__console_lost_and_back_with_the_same_words__still_contradicts_it() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0, RUN.STOPPED, expected=True)
    answers(inventory, 1.0)
    list(inventory.lose_console("ldplayer", "ldplayer open", 2.0, alone=True))
    assert listed(inventory, 3.0, RUN.STOPPED, expected=True).status is Status.DEGRADED


def test_host__console_changed_its_mind_and_was_lost__older_processes_tell_nothing() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0, RUN.STOPPED)
    list(inventory.hear_host(facts(), 1.0, asked=1.0, down_after=1))
    listed(inventory, 2.0, expected=True)
    list(inventory.lose_console("ldplayer", "ldplayer open", 3.0, alone=True))
    assert shown(inventory).state == "unknown"


def test_host__the_way_to_it_is_lost_with_the_console__nothing_listed_before_makes_a_silent_guest_frozen() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0, boot_limit=60.0)
    list(inventory.hear_host(facts(ProcessKind.WHOLE), 1.0, asked=1.0, down_after=1))
    list(inventory.lose_console("ldplayer", "ssh:22 open", 100.0, alone=False))
    list(inventory.hear_guest("ldplayer:3", "adb", Heard(GuestSeen.SILENT, asked=101.0), 101.0))
    assert shown(inventory).state == "unknown"


@pytest.mark.parametrize(("asked", "status"), [(1.0, Status.DOWN), (3.0, Status.DEGRADED)])
def test_restore__what_a_guest_said__counts_as_far_as_it_did_before(asked: float, status: Status) -> None:
    before, after = Inventory("ws-01"), Inventory("ws-01")
    listed(before, 0.0)
    answers(before, asked)
    listed(before, 2.0, RUN.STOPPED, expected=True)
    answers(before, asked)
    after.restore(before.remember())
    assert listed(after, 100.0, RUN.STOPPED, expected=True).status is status


SOMETHING_SEEN = st.one_of(
    st.tuples(st.just("console"), st.sampled_from(RUN)),
    st.tuples(st.just("lost"), st.none()),
    st.tuples(st.just("host"), st.sampled_from([(), (ProcessKind.VM,), (ProcessKind.WHOLE,), None])),
    st.tuples(st.just("guest"), st.sampled_from([*GuestSeen, None])),
)


@given(st.lists(SOMETHING_SEEN, max_size=12), st.sampled_from(RUN), st.sampled_from([True, False, None]))
def test_console__changes_its_mind__nobody_heard_before_has_a_say(
    history: list[tuple[str, object]],
    last: EmulatorRun,
    expected: bool | None,  # noqa: FBT001 - hypothesis fills it in by name
) -> None:
    full, deaf = Inventory("ws-01"), Inventory("ws-01")
    history = [("console", next(run for run in RUN if run is not last)), *history]
    said = [seen for kind, seen in history if kind == "console"]
    history += [] if said[-1] is not last else [("console", said[0])]
    for at, (kind, seen) in enumerate(history):
        tell(full, kind, seen, float(at), expected=expected)
        if kind in {"console", "lost"}:
            tell(deaf, kind, seen, float(at), expected=expected)
    for inventory in (full, deaf):
        listed(inventory, 100.0, last, expected=expected)
    states = [listed(inventory, 100.0 + CONFIRM, last, expected=expected) for inventory in (full, deaf)]
    assert len({(state.state, state.status, state.reason, state.message) for state in states}) == 1


def tell(inventory: Inventory, kind: str, seen: Any, at: float, *, expected: bool | None) -> None:
    if kind == "console":
        listed(inventory, at, seen, expected=expected)
    elif kind == "lost":
        list(inventory.lose_console("ldplayer", "lost", at, alone=True))
    elif kind == "host":
        list(inventory.hear_host(None if seen is None else facts(*seen, ports=(5561,)), at, asked=at, down_after=1))
    else:
        list(inventory.hear_guest("ldplayer:3", "adb", None if seen is None else Heard(seen, asked=at), at))


def test_told__to_stop__is_not_down_for_one_boot_time() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0, expected=True, boot_limit=60.0)
    assert inventory.told("ldplayer:3", 1.0)
    assert listed(inventory, 2.0, RUN.STOPPED, expected=True, boot_limit=60.0).status is Status.UP
    assert listed(inventory, 62.0, RUN.STOPPED, expected=True, boot_limit=60.0).status is Status.DOWN


def test_told__emulator_nobody_knows__says_so() -> None:
    assert not Inventory("ws-01").told("ldplayer:3", 1.0)
