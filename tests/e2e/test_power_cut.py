"""The promise of the whole: what happens to a workstation is told once, where it happened, and no more."""

from __future__ import annotations

from itertools import pairwise

from monitor.breaker.machine import State
from monitor.model import Category, Key, Outcome, Reason, Status, SubjectKind
from tests.e2e.conftest import OPEN_TIME, Watched


def breaker(watched: Watched, scope: str, category: Category = Category.NETWORK) -> State:
    return watched.service.breakers.get(Key(category, "ws-01", scope)).snapshot().state


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


async def test_network_back__console_and_emulators__are_right_again_within_5_s_of_the_trial(watched: Watched) -> None:
    ssh = f"ssh:{watched.host.ssh.port}"
    for wire in watched.host.wires:
        wire.silent()
    await watched.until(lambda: breaker(watched, ssh) is State.OPEN and watched.state.status is Status.DOWN)
    await watched.until(lambda: watched.state.emulators[0].status is Status.UNKNOWN)
    watched.recorder.forget()
    for wire in watched.host.wires:
        wire.restore()
    await watched.until(lambda: breaker(watched, ssh) is State.CLOSED)
    await watched.until(lambda: {e.status for e in watched.state.emulators} == {Status.UP})
    answers = [result for result in watched.recorder.results if result.observation is not None]
    trial = next(result.at for result in answers if result.target.name in {"ssh", "console"})
    back = next(result.at for result in answers if result.target.name == "console")
    assert back - trial < 5.0
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
