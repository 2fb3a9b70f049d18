"""The truth table: examples of what each row is for, and rules that hold in every cell."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from monitor.model import EmulatorRun, Reason, Status
from monitor.truth import TABLE, GuestSeen, ProcessSeen, Witnesses, judge

RUN, GUEST, PROCESS = EmulatorRun, GuestSeen, ProcessSeen
LIMIT = 60.0
CELLS = [
    Witnesses(
        console=console,
        console_for=seconds,
        process=process,
        port=port,
        guest=guest,
        expected=expected,
        boot_limit=LIMIT,
        grace=grace,
    )
    for console, seconds, process, port, guest, expected, grace in itertools.product(
        (*RUN, None),
        (10.0, 100.0),
        (*PROCESS, None),
        (True, False, None),
        (*GUEST, None),
        (True, False, None),
        (True, False),
    )
]
ALIVE = {GUEST.ANSWERS, GUEST.COMPLAINS, GUEST.BOOTS}


def seen(**changes: object) -> Witnesses:
    return Witnesses(**{"console": RUN.RUNNING, "console_for": 100.0, "boot_limit": LIMIT, **changes})  # type: ignore[arg-type]  # fields by name


EXAMPLES = [
    # console, process, port, guest, expected, seconds -> state, status, reason
    (
        "console lies, guest",
        seen(console=RUN.STOPPED, guest=GUEST.ANSWERS),
        "running",
        "degraded",
        "witnesses_disagree",
    ),
    (
        "console lies, booting",
        seen(console=RUN.STOPPED, guest=GUEST.BOOTS),
        "running",
        "degraded",
        "witnesses_disagree",
    ),
    (
        "console lies, processes",
        seen(console=RUN.STOPPED, process=PROCESS.BOTH),
        "running",
        "degraded",
        "witnesses_disagree",
    ),
    (
        "console lies, port alone",
        seen(console=RUN.STOPPED, port=True, expected=True),
        "running",
        "degraded",
        "witnesses_disagree",
    ),
    (
        "crashed, port of another",
        seen(console=RUN.STOPPED, process=PROCESS.NONE, port=True, expected=True),
        "stopped",
        "down",
        "unexpected",
    ),
    ("stopped, port of another", seen(console=RUN.STOPPED, process=PROCESS.NONE, port=True), "stopped", "up", None),
    ("left over", seen(console=RUN.STOPPED, process=PROCESS.HALF), "zombie", "degraded", "witnesses_disagree"),
    ("crashed", seen(console=RUN.STOPPED, process=PROCESS.NONE, expected=True), "stopped", "down", "unexpected"),
    ("stopped", seen(console=RUN.STOPPED, process=PROCESS.NONE), "stopped", "up", None),
    ("stopped as wanted", seen(console=RUN.STOPPED, guest=GUEST.REFUSES, expected=False), "stopped", "up", None),
    ("nobody to ask", seen(console=None), "unknown", "unknown", "suppressed"),
    ("nobody, silent guest", seen(console=None, guest=GUEST.SILENT, expected=True), "unknown", "unknown", "suppressed"),
    ("guest alone", seen(console=None, guest=GUEST.ANSWERS), "running", "up", None),
    ("processes alone", seen(console=None, process=PROCESS.BOTH), "running", "up", None),
    ("processes gone", seen(console=None, process=PROCESS.NONE, expected=True), "stopped", "down", "unexpected"),
    ("processes gone, nobody minds", seen(console=None, process=PROCESS.NONE), "stopped", "up", None),
    ("half, no console", seen(console=None, process=PROCESS.HALF), "zombie", "down", "unexpected"),
    (
        "frozen, no console",
        seen(console=None, process=PROCESS.BOTH, guest=GUEST.SILENT),
        "frozen",
        "down",
        "offline",
    ),
    (
        "unasked, no console",
        seen(console=None, process=PROCESS.BOTH, expected=False),
        "running",
        "degraded",
        "unexpected",
    ),
    ("booting", seen(console=RUN.STARTING, console_for=10.0), "starting", "up", None),
    ("booting too long", seen(console=RUN.STARTING), "stuck_boot", "down", "timeout"),
    ("booting, guest up", seen(console=RUN.STARTING, guest=GUEST.ANSWERS), "running", "up", None),
    (
        "boots unasked",
        seen(console=RUN.STARTING, console_for=10.0, expected=False),
        "running",
        "degraded",
        "unexpected",
    ),
    ("Android boots", seen(guest=GUEST.BOOTS, console_for=10.0), "starting", "up", None),
    ("Android hangs in its boot", seen(guest=GUEST.BOOTS), "stuck_boot", "down", "timeout"),
    ("half", seen(console=RUN.DEGRADED), "zombie", "down", "unexpected"),
    ("half, guest", seen(console=RUN.DEGRADED, guest=GUEST.ANSWERS), "running", "degraded", "witnesses_disagree"),
    ("half, both", seen(console=RUN.DEGRADED, process=PROCESS.BOTH), "running", "degraded", "witnesses_disagree"),
    ("ghost", seen(process=PROCESS.NONE), "running", "degraded", "witnesses_disagree"),
    (
        "ghost that answers",
        seen(process=PROCESS.NONE, guest=GUEST.ANSWERS),
        "running",
        "degraded",
        "witnesses_disagree",
    ),
    ("window without machine", seen(process=PROCESS.HALF), "zombie", "down", "unexpected"),
    ("frozen", seen(guest=GUEST.SILENT), "frozen", "down", "offline"),
    ("frozen, port open", seen(guest=GUEST.REFUSES, port=True), "frozen", "down", "offline"),
    ("ADB off", seen(guest=GUEST.REFUSES), "adb_off", "up", None),
    ("ADB off, by the ports", seen(guest=GUEST.SILENT, port=False), "adb_off", "up", None),
    ("just started", seen(guest=GUEST.SILENT, console_for=10.0), "starting", "up", None),
    ("unasked", seen(expected=False), "running", "degraded", "unexpected"),
    ("unasked, guest", seen(expected=False, guest=GUEST.ANSWERS), "running", "degraded", "unexpected"),
    ("complains", seen(guest=GUEST.COMPLAINS), "running", "degraded", "unexpected"),
    ("well", seen(process=PROCESS.BOTH, port=True, guest=GUEST.ANSWERS, expected=True), "running", "up", None),
    ("well, as far as known", seen(), "running", "up", None),
]


@pytest.mark.parametrize(
    ("witnesses", "state", "status", "reason"), [row[1:] for row in EXAMPLES], ids=[row[0] for row in EXAMPLES]
)
def test_judge__case__tells_state_status_and_reason(
    witnesses: Witnesses, state: str, status: str, reason: str | None
) -> None:
    truth = judge(witnesses)
    assert (truth.state, truth.status, truth.reason) == (state, Status(status), Reason(reason) if reason else None)


def test_table__every_row__wins_in_some_cell_and_in_some_example() -> None:
    def winners(cells: list[Witnesses]) -> set[int]:
        return {next(number for number, row in enumerate(TABLE) if row.fits(cell)) for cell in cells}

    assert winners(CELLS) == set(range(len(TABLE)))
    assert winners([row[1] for row in EXAMPLES]) == set(range(len(TABLE)))


def test_every_cell__console_says_stopped_and_another_sees_life__is_degraded_never_down() -> None:
    for cell in CELLS:
        alone = cell.port is True and cell.process is None
        if cell.console is RUN.STOPPED and (cell.guest in ALIVE or cell.process is PROCESS.BOTH or alone):
            assert (judge(cell).status, judge(cell).reason) == (Status.DEGRADED, Reason.WITNESSES_DISAGREE), cell


def test_every_cell__no_process_of_it__an_open_port_changes_no_verdict() -> None:
    for cell in CELLS:
        if cell.process is PROCESS.NONE and cell.port is True:
            truth, without = judge(cell), judge(replace(cell, port=None))
            assert (truth.state, truth.status, truth.reason) == (without.state, without.status, without.reason), cell


def test_every_cell__the_guest_answers__is_never_down_and_never_unknown() -> None:
    for cell in CELLS:
        if cell.guest in {GUEST.ANSWERS, GUEST.COMPLAINS}:
            assert judge(cell).status in {Status.UP, Status.DEGRADED}, cell


def test_every_cell__nobody_could_be_asked__is_unknown() -> None:
    for cell in CELLS:
        if cell.console is None and cell.process is None and cell.guest not in ALIVE:
            assert judge(cell).status is Status.UNKNOWN, cell


def test_every_cell__within_the_grace_of_a_command__is_never_down() -> None:
    for cell in CELLS:
        if cell.grace:
            assert judge(cell).status is not Status.DOWN, cell


def test_every_cell__a_witness_falls_silent_about_it__makes_no_contradiction() -> None:
    for cell in CELLS:
        if cell.process is None and cell.port is not True and cell.guest is None:
            assert judge(cell).reason is not Reason.WITNESSES_DISAGREE, cell


def test_frozen__processes_not_known__claims_none() -> None:
    for cell in CELLS:
        if cell.process is None and judge(cell).state == "frozen":
            assert "process" not in judge(cell).message, cell


def test_every_cell__not_well__has_a_reason_and_words() -> None:
    for cell in CELLS:
        truth = judge(cell)
        assert (truth.reason is None) is (truth.status is Status.UP), cell
        assert truth.message or truth.status is Status.UP, cell
