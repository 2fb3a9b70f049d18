"""The promise of the whole: what happens to a workstation is told once, where it happened, and no more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from monitor.breaker.machine import State
from monitor.model import Category, Key, Outcome, Reason, Status, SubjectKind
from monitor.simulator.farm import Farm
from tests.e2e.conftest import OPEN_TIME, Watched, watching

PROMISE = 5.0
"""Seconds after the successful trial of a layer within which all behind it is right again."""


def breaker(watched: Watched, scope: str, category: Category = Category.NETWORK) -> State:
    return watched.service.breakers.get(Key(category, "ws-01", scope)).snapshot().state


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    async with Farm(workstations=1) as farm:
        yield farm


def slowly(farm: Farm) -> str:
    """A config in which only the login is asked often."""
    document: Any = farm.config(interval=2.0, open_time=OPEN_TIME)  # with time for a run on a busy machine
    for check in document["workstations"][0]["checks"]:
        if check["name"] != "ssh":
            check["interval"] = "10m"
    return json.dumps(document)


async def test_power_cut__workstation__is_down_once_and_what_hangs_on_it_is_unknown(watched: Watched) -> None:
    ssh = f"ssh:{watched.host.ssh.port}"
    watched.host.power_off()
    await watched.until(
        lambda: (
            watched.state.status is Status.DOWN
            and breaker(watched, ssh) is State.OPEN
            and Status.DOWN in watched.recorder.of(SubjectKind.WORKSTATION)
            and watched.check("console").blocked is not None
            and {emulator.status for emulator in watched.state.emulators} == {Status.UNKNOWN}
        )
    )
    assert watched.recorder.of(SubjectKind.WORKSTATION) == [Status.DOWN]
    console = watched.check("console")
    assert (console.status, console.reason, console.message) == (Status.UNKNOWN, Reason.SUPPRESSED, f"{ssh} open")
    assert [(e.status, e.message) for e in watched.state.emulators] == [(Status.UNKNOWN, f"{ssh} open")] * 6
    assert Status.DOWN not in watched.recorder.of(SubjectKind.EMULATOR)


async def test_network_back__checks_whose_turn_is_far__are_right_again_within_5_s_of_the_trial(farm: Farm) -> None:
    async with watching(farm, slowly(farm)) as watched:
        ssh = Key(Category.NETWORK, "ws-01", f"ssh:{watched.host.ssh.port}")
        targets = {check.target.name: check.target for check in watched.state.checks}
        for wire in watched.host.wires:
            wire.silent()
        for target in targets.values():  # each fails once; the third one behind ssh trips its breaker, whichever it is
            watched.service.scheduler.run_now(target)
        await watched.until(lambda: watched.service.breakers.get(ssh).snapshot().state is State.OPEN)
        await watched.until(lambda: all(t.id in watched.silent() for t in targets.values()))
        since = len(watched.recorder.results)
        for wire in watched.host.wires:
            wire.restore()
        await watched.until(lambda: watched.well() and not watched.silent())
        answers = [result for result in watched.recorder.results[since:] if result.observation is not None]
        trial = next(result.at for result in answers if ssh in result.target.path)
        back = {result.target.name: result.at - trial for result in reversed(answers)}
        assert back.keys() == targets.keys()
        assert {name: seconds for name, seconds in back.items() if seconds >= PROMISE} == {}
        emulators = [t for t in watched.recorder.transitions if t.kind is SubjectKind.EMULATOR]
        assert Status.DOWN not in {t.new for t in emulators}
        assert all(t.at - trial < PROMISE for t in emulators)
        assert {emulator.status for emulator in watched.state.emulators} == {Status.UP}


async def test_network_back__everything__is_right_again_within_5_s_of_the_successful_trial(watched: Watched) -> None:
    ssh = f"ssh:{watched.host.ssh.port}"
    for wire in watched.host.wires:
        wire.silent()
    await watched.until(lambda: breaker(watched, ssh) is State.OPEN and watched.state.status is Status.DOWN)
    await watched.until(lambda: watched.state.emulators[0].status is Status.UNKNOWN)
    watched.recorder.forget()
    for wire in watched.host.wires:
        wire.restore()
    await watched.until(watched.well)
    behind = [check.target for check in watched.state.checks if check.target.path[0].scope == ssh]
    assert {"ssh", "console"} <= {target.name for target in behind}
    answers = [result for result in watched.recorder.results if result.observation is not None]
    trial = next(result.at for result in answers if result.target in behind)
    back = {result.target.name: result.at for result in reversed(answers)}
    assert {check.target.name for check in watched.state.checks} <= back.keys()
    late = {target.name: back[target.name] - trial for target in behind if back[target.name] - trial >= PROMISE}
    assert late == {}
    emulators = [t for t in watched.recorder.transitions if t.kind is SubjectKind.EMULATOR]
    assert {t.name for t in emulators if t.new is Status.UP} == {emulator.id for emulator in watched.state.emulators}
    assert max(t.at for t in emulators if t.new is Status.UP) - trial < PROMISE
    others = [check for check in watched.state.checks if check.target not in behind]
    for check in others:
        own = next(r.at for r in answers if r.target.path[0] == check.target.path[0])
        assert back[check.target.name] - own < PROMISE, check.target.name
    assert Status.DOWN not in watched.recorder.of(SubjectKind.EMULATOR)


async def test_power_back__in_the_end__everything_is_right_again(watched: Watched) -> None:
    watched.host.power_off()
    await watched.until(lambda: watched.state.status is Status.DOWN and watched.check("console").blocked is not None)
    watched.host.power_on()
    await watched.until(watched.well)
    assert Status.DOWN not in watched.recorder.of(SubjectKind.EMULATOR)
    workstation = watched.recorder.of(SubjectKind.WORKSTATION)
    assert (workstation.count(Status.DOWN), workstation[-1]) == (1, Status.UP)


async def test_power_cut__while_it_lasts__only_trials_are_sent_to_the_dead_endpoint(watched: Watched) -> None:
    ssh = f"ssh:{watched.host.ssh.port}"
    watched.host.power_off()
    await watched.until(lambda: breaker(watched, ssh) is State.OPEN)
    watched.recorder.forget()

    def sent() -> list[float]:
        return [r.at for r in watched.recorder.results if r.target.name in {"ssh", "console"} and r.duration > 0]

    await watched.until(lambda: len(sent()) >= 3)
    assert min(later - sooner for sooner, later in pairwise(sent()[1:])) > OPEN_TIME


async def test_failing_panel__on_a_healthy_workstation__degrades_it_and_silences_nothing(watched: Watched) -> None:
    watched.host.http_status(500)
    await watched.until(lambda: watched.check("panel").status is Status.DOWN)
    assert watched.state.status is Status.DEGRADED
    watched.recorder.forget()
    await watched.until(lambda: {"ssh", "console", "rdp", "adb-0"} <= {r.target.name for r in watched.recorder.results})
    outcomes = {r.target.name: r.outcome for r in watched.recorder.results}
    assert set(outcomes.values()) == {Outcome.SUCCESS}


async def test_blocked_port__on_a_healthy_workstation__degrades_it_and_silences_nothing(watched: Watched) -> None:
    watched.host.rdp.silent()
    rdp = f"tcp:{watched.host.rdp.port}"
    await watched.until(lambda: breaker(watched, rdp) is State.OPEN)
    assert watched.state.status is Status.DEGRADED
    assert watched.state.message.startswith(f"{rdp} timeout; answering: ")
    assert watched.check("ssh").status is Status.UP
    assert watched.check("console").status is Status.UP


async def test_hung_console__trips_its_own_breaker__and_the_guests_are_still_asked(watched: Watched) -> None:
    watched.host.hang_console()
    await watched.until(lambda: breaker(watched, "ldplayer", Category.EXTERNAL) is State.OPEN)
    assert watched.check("console").status is Status.DOWN
    assert watched.check("ssh").status is Status.UP
    watched.recorder.forget()
    await watched.until(lambda: {"ssh", "adb-0", "adb-1"} <= {r.target.name for r in watched.recorder.results})
    assert watched.state.emulators[0].status is Status.UP, "its guest answers"
    watched.host.hang_console(hanging=False)
    await watched.until(watched.well)


async def test_lying_console__is_contradicted_by_the_guest__degraded_never_down(watched: Watched) -> None:
    watched.host.lie(1)
    await watched.until(lambda: watched.state.emulators[1].status is Status.DEGRADED)
    assert watched.state.emulators[1].reason is Reason.WITNESSES_DISAGREE
    assert Status.DOWN not in watched.recorder.of(SubjectKind.EMULATOR)
