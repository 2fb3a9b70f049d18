from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.inventory import Heard, Inventory
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
    list(inventory.lose_console("ldplayer", "ldplayer open", 1.0))
    list(inventory.hear_host(host, 2.0))
    assert shown(inventory).state == state


def test_hear_host__console_can_be_asked__is_judged_with_its_next_listing() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0)
    assert list(inventory.hear_host(facts(), 1.0)) == []
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
    list(inventory.hear_host(owned(5561, *processes), 1.0))
    told = listed(inventory, 2.0, RUN.STOPPED, expected=True)
    assert (told.state, told.status) == (state, status)


def test_hear_guest__port_nobody_listens_on__is_adb_switched_off_not_frozen() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0, boot_limit=60.0)
    list(inventory.hear_guest("ldplayer:3", "adb", Heard(GuestSeen.SILENT), 100.0))
    assert listed(inventory, 101.0, boot_limit=60.0).state == "frozen"
    list(inventory.hear_host(facts(ProcessKind.WINDOW, ProcessKind.VM, ports=(5555,)), 102.0))
    assert listed(inventory, 103.0, boot_limit=60.0).state == "adb_off"


def test_hear_guest__two_witnesses__the_one_who_saw_more_life_counts() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0)
    list(inventory.hear_guest("ldplayer:3", "tcp", Heard(GuestSeen.SILENT), 300.0))
    list(inventory.hear_guest("ldplayer:3", "adb", Heard(GuestSeen.ANSWERS), 300.0))
    assert listed(inventory, 301.0).state == "running"


def test_hear_guest__complains__its_own_words_are_the_message() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0)
    list(inventory.hear_guest("ldplayer:3", "adb", Heard(GuestSeen.COMPLAINS, "/data is full"), 1.0))
    state = listed(inventory, 2.0)
    assert (state.status, state.message) == (Status.DEGRADED, "/data is full")


def test_told__to_stop__is_not_down_for_one_boot_time() -> None:
    inventory = Inventory("ws-01")
    listed(inventory, 0.0, expected=True, boot_limit=60.0)
    assert inventory.told("ldplayer:3", 1.0)
    assert listed(inventory, 2.0, RUN.STOPPED, expected=True, boot_limit=60.0).status is Status.UP
    assert listed(inventory, 62.0, RUN.STOPPED, expected=True, boot_limit=60.0).status is Status.DOWN


def test_told__emulator_nobody_knows__says_so() -> None:
    assert not Inventory("ws-01").told("ldplayer:3", 1.0)
