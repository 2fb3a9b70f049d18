"""Emulators: which run, which hang, which boot slowly, and where console and guest contradict each other."""

from __future__ import annotations

from typing import Final

from dashboards.build import board, limits, looks, queries
from dashboards.build.board import Board, Section
from dashboards.build.looks import EMULATOR
from dashboards.build.panels import HALF, HIGH, THIRD, bars, graph, now, number, query, stacked, timeline
from dashboards.build.queries import THESE
from dashboards.build.sdk import Builder, models, units
from dashboards.build.tables import Column, listing

_ID: Final = "workstation, emulator"
_STEP: Final = 10
"""Seconds between two looks when time spent booting is counted: whatever is shorter may be missed."""


def _in_state(states: str) -> str:
    """How many are in one of these states; 0 where none is, as long as any emulator is known."""
    some = f'count(max by ({_ID}) (emuwatch_emulator_state{{{THESE},state=~"{states}"}}))'
    return f"{some} or 0 * count(emuwatch_emulator_info{{{THESE}}})"


_NOW = (
    number(
        "Running",
        "By everything that is known of them: what the console lists and what the guest answers.",
        query(_in_state("running")),
    ),
    number("Starting", "Booting within their limit. Many at once make each other slow.", query(_in_state("starting"))),
    number(
        "Stuck or frozen",
        "Booting beyond their limit, or running with a guest that is silent: end them and start them again. Several on "
        "one workstation: look at its memory and disk first.",
        query(_in_state("stuck_boot|frozen|zombie")),
    ).thresholds(looks.stepped(limits.ANY)),
    number(
        "Not as expected",
        "Down while they should run, whatever the way. The table says which.",
        query(f"sum({queries.not_as_expected(THESE)})"),
    ).thresholds(looks.stepped(limits.ANY)),
    number(
        "Witnesses disagree",
        "The console says stopped, or sees half of it, and the guest answers. The emulator probably works: do not "
        "restart it on the console's word. Compare the user and session the console is asked in with those the "
        "emulator was started in.",
        query(f"sum(max by ({_ID}) (emuwatch_emulator_witness_disagreement{{{THESE}}}))"),
    ).thresholds(looks.stepped(limits.SOME)),
    number(
        "Unknown",
        "Their console can't be asked: see the breakers of the workstation.",
        query(_in_state("unknown|adb_off")),
    ).thresholds(looks.stepped(limits.SOME)),
)


def _by_state() -> Builder[models.Panel]:
    panel = stacked(
        "Emulators by state",
        "A step of many at once is one cause: a workstation, a console, an update.",
        query(
            'sum by (state) (max by (workstation, state) (emuwatch_emulators{workstation=~"$workstation"}))',
            "{{state}}",
        ),
    )
    for name, color in EMULATOR.values():
        panel.override_by_name(name, [models.DynamicConfigValue(id_val="color", value=_fixed(color))])
    return panel.span(THIRD)


def _fixed(color: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": color}


_TIMELINE = (
    timeline(
        "State of each emulator",
        "Yellow that turns dark red: a boot that hangs. Red: its processes run and its guest is silent. A click leads "
        "to the workstation.",
        EMULATOR,
        query(queries.states(THESE), "{{workstation}} {{emulator}}"),
    )
    .height(HIGH)
    .data_links([board.data_link(board.to_workstation("${__field.labels.workstation}"))])
)

_LIST = listing(
    "Emulators",
    "What the console calls them, what they are, and what their guests say. Filter by state; a click on the "
    "workstation shows what else happened there.",
    Column(title="Workstation", label="workstation", link=board.to_workstation("${__value.raw}"), width=180),
    Column(title="Emulator", label="emulator", width=160),
    Column(
        title="Title",
        label="title",
        ask=f"max by ({_ID}, title) (emuwatch_emulator_info{{{THESE}}})",
    ),
    Column(title="State", ask=queries.states(THESE), words=EMULATOR, width=130),
    Column(title="As expected", ask=f"min by ({_ID}) (emuwatch_emulator_up{{{THESE}}})", words=looks.NO_YES, width=120),
    Column(title="Guest answers", ask=f"max by ({_ID}) (emuwatch_check_up{{{THESE}}})", words=looks.NO_YES, width=130),
    Column(
        title="Witnesses disagree",
        ask=f"max by ({_ID}) (emuwatch_emulator_witness_disagreement{{{THESE}}})",
        words=looks.YES_NO,
        width=150,
    ),
    worst="State",
).height(HIGH)

_BOOTS = (
    stacked(
        "Booting now, by workstation",
        "Many boots at once on one workstation take longer than one after the other: start them in turn.",
        query(
            f'count by (workstation) (max by ({_ID}) (emuwatch_emulator_state{{{THESE},state="starting"}}))',
            "{{workstation}}",
        ),
    ).span(THIRD),
    bars(
        "Longest in booting",
        f"Time spent starting within the last hour, as seen every {_STEP} s: the ten that took longest. One alone: "
        f"that "
        "emulator's disk or game. All of a workstation: its memory, disk or processor. Again and again: it never gets "
        "through.",
        now(
            f"topk(10, {_STEP} * count_over_time("
            f'(max by ({_ID}) (emuwatch_emulator_state{{{THESE},state="starting"}}))[1h:{_STEP}s]))',
            "{{workstation}} {{emulator}}",
        ),
    )
    .unit(units.Seconds)
    .span(THIRD),
)

_WITNESSES = (
    timeline(
        "Witnesses that disagree",
        "While it is red, console and guest contradict each other; over ten minutes are alerted. Only those of which "
        "it was ever true in the time shown.",
        looks.YES_NO,
        query(
            f"max by ({_ID}) (emuwatch_emulator_witness_disagreement{{{THESE}}}) and on ({_ID}) "
            f"max_over_time(emuwatch_emulator_witness_disagreement{{{THESE}}}[$__range] @ end()) > 0",
            "{{workstation}} {{emulator}}",
        ),
    ).span(HALF),
    graph(
        "Guests: time to answer",
        "How long the check of a guest takes. Rising: the guest is busy or about to freeze; a gap: not asked.",
        query(
            f'max by ({_ID}) (emuwatch_check_last_duration_seconds{{{THESE},emulator!=""}})',
            "{{workstation}} {{emulator}}",
        ),
    ).unit(units.Seconds),
)

BOARD: Final = Board(
    uid=board.EMULATORS,
    title="Emuwatch / Emulators",
    says="Which emulators run, hang, boot slowly or are contradicted. What a dead workstation hides is unknown, not "
    "down.",
    variables=(board.sites(), board.workstations(), board.emulators()),
    sections=(
        Section("Now", _NOW),
        Section("States", (_TIMELINE, _LIST)),
        Section("Boots", (_by_state(), *_BOOTS)),
        Section("Witnesses", _WITNESSES),
    ),
)
