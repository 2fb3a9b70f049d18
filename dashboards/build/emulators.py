"""Emulators: which run, which hang, which boot slowly, and where console and guest contradict each other."""

from __future__ import annotations

from typing import Final

from dashboards.build import board, limits, looks, queries
from dashboards.build.board import Board, Section
from dashboards.build.looks import EMULATOR
from dashboards.build.panels import (
    HALF,
    HIGH,
    QUARTER,
    THIRD,
    WHOLE,
    bars,
    graph,
    now,
    number,
    query,
    stacked,
    timeline,
)
from dashboards.build.queries import THESE
from dashboards.build.sdk import Builder, models, units
from dashboards.build.tables import Column, listing

_ID: Final = "workstation, emulator"
_BOOT: Final = f"max by ({_ID}) (emuwatch_emulator_last_boot_seconds{{{THESE}}})"
_OF_LIMIT: Final = f"{_BOOT} / on ({_ID}) min by ({_ID}) (emuwatch_emulator_boot_limit_seconds{{{THESE}}})"
"""The part of its limit that each last boot took."""
_READY: Final = (
    f'count(max by ({_ID}) (emuwatch_emulator_state{{{THESE},state="running"}})'
    f" and on ({_ID}) (emuwatch_check_up{{{THESE}}} == 1)"
    f' unless on ({_ID}) emuwatch_check_failure_reason{{{THESE},reason=~"suppressed|local"}})'
    f" or 0 * count(emuwatch_emulator_info{{{THESE}}})"
)
"""How many run with a guest that answered when it was last asked, and can be asked now."""


def _in_state(states: str) -> str:
    """How many are in one of these states; 0 where none is, as long as any emulator is known."""
    some = f'count(max by ({_ID}) (emuwatch_emulator_state{{{THESE},state=~"{states}"}}))'
    return f"{some} or 0 * count(emuwatch_emulator_info{{{THESE}}})"


_FIGURES = (
    number(
        "Ready",
        "They run, and their guests answer when they are asked: what can be worked with. Fewer than run: guests that "
        "are silent, or that no check asks.",
        query(_READY),
    ),
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
    number(
        "Slowest boot",
        "Of the last boot of each, the one nearest to its limit. Beyond it a boot is called stuck; well below it, the "
        "limit could be lower. Slow on one workstation: its disk or memory; everywhere: an update.",
        query(f"max({_OF_LIMIT})"),
    )
    .unit(units.PercentUnit)
    .thresholds(looks.stepped(limits.BOOT)),
)
_NOW = tuple(figure.span(QUARTER) for figure in _FIGURES)


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
    Column(title="Last boot", ask=_BOOT, unit=units.Seconds, width=110),
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
        "Slowest boots",
        "The part of its limit that the last boot took: the ten that came nearest. One alone: that emulator's disk or "
        "game. All of a workstation: its memory, disk or processor.",
        now(f"topk(10, {_OF_LIMIT})", "{{workstation}} {{emulator}}"),
    )
    .unit(units.PercentUnit)
    .max(1)
    .thresholds(looks.stepped(limits.BOOT))
    .span(THIRD),
    graph(
        "Boot times, by workstation",
        "The slowest of the last boots, beside the lowest limit. It rises with the number of emulators: start them in "
        "turn. It rises with time: disks fill, updates come. Only boots seen from beginning to end count.",
        query(f"max by (workstation) ({_BOOT})", "{{workstation}}"),
        query(f"min(emuwatch_emulator_boot_limit_seconds{{{THESE}}})", "limit"),
    )
    .unit(units.Seconds)
    .span(WHOLE),
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
