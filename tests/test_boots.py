"""How long a boot took, as an inventory sees it: console and guests are heard, boot times come out."""

from __future__ import annotations

import pytest

from monitor.evidence import Heard
from monitor.inventory import Inventory
from monitor.model import EmulatorRun, HostFacts, Process, ProcessKind
from monitor.truth import GuestSeen
from tests.fakes import an_emulator

STOPPED, STARTING, RUNNING = EmulatorRun.STOPPED, EmulatorRun.STARTING, EmulatorRun.RUNNING
HALF = EmulatorRun.DEGRADED
LOST = None
"""The console can't be asked."""


class Scene:
    """One emulator; every look comes half a minute after the one before."""

    def __init__(self, **about: object) -> None:
        self.inventory = Inventory("ws-01")
        self.about = about
        self.at = 0.0

    def looks(self, *seen: EmulatorRun | None, down_after: int = 1) -> None:
        """What the console says, look by look."""
        for run in seen:
            self.at += 30.0
            if run is None:
                list(self.inventory.lose_console("ldplayer", "ldplayer open", self.at, alone=True))
            else:
                entities = [an_emulator(3, run, **self.about)]
                list(self.inventory.hear_console("ldplayer", entities, self.at, down_after=down_after))

    def guest(self, seen: GuestSeen, after: float = 0.0) -> None:
        self.at += after
        list(self.inventory.hear_guest("ldplayer:3", "adb", Heard(seen, asked=self.at), self.at))

    @property
    def state(self) -> str:
        return self.inventory.states(self.at)[0].state

    @property
    def took(self) -> float | None:
        return self.inventory.states(self.at)[0].boot_seconds


def test_boot__seen_from_rest_to_running__took_so_long() -> None:
    scene = Scene()
    scene.looks(STOPPED, STARTING, STARTING, RUNNING)
    assert scene.took == 60.0
    scene.looks(RUNNING, STOPPED)
    assert scene.took == 60.0, "the last one stays known"
    scene.looks(STARTING, RUNNING)
    assert scene.took == 30.0


def test_boot__with_a_guest_that_bears_witness__lasts_until_it_answers() -> None:
    scene = Scene(boot_limit=300.0)
    scene.looks(STOPPED)
    scene.guest(GuestSeen.REFUSES)
    scene.looks(STARTING, RUNNING)
    assert scene.took is None, "the guest was not looked at since"
    scene.guest(GuestSeen.BOOTS, after=10.0)
    scene.guest(GuestSeen.ANSWERS, after=10.0)
    assert scene.took == 50.0


def test_boot__longer_than_its_limit__is_measured_too() -> None:
    scene = Scene(boot_limit=45.0)
    scene.looks(STOPPED, STARTING, STARTING, STARTING)
    assert scene.state == "stuck_boot"
    scene.looks(RUNNING)
    assert scene.took == 90.0


def test_boot__of_what_ran__begins_when_somebody_says_so() -> None:
    """A restart between two looks: nobody saw it stopped."""
    scene = Scene()
    scene.looks(RUNNING, STARTING, RUNNING)
    assert scene.took == 30.0
    scene.guest(GuestSeen.BOOTS, after=5.0)
    scene.guest(GuestSeen.ANSWERS, after=7.0)
    assert scene.took == 7.0


def test_boot__guest_that_falls_silent_for_a_while__is_none() -> None:
    scene = Scene(boot_limit=300.0)
    scene.looks(STOPPED, STARTING, RUNNING)
    scene.guest(GuestSeen.SILENT, after=20.0)
    scene.looks(RUNNING)
    assert scene.state == "starting"
    scene.guest(GuestSeen.ANSWERS, after=20.0)
    assert (scene.state, scene.took) == ("running", 30.0)


@pytest.mark.parametrize(
    ("seen", "took"),
    [
        ((STOPPED, STARTING, STARTING, LOST, RUNNING), None),
        ((STOPPED, STARTING, STARTING, STARTING, LOST, RUNNING), 120.0),
        ((STOPPED, STARTING, LOST, STARTING, LOST, STARTING, RUNNING), 150.0),
        ((STOPPED, STARTING, STARTING, LOST, LOST, LOST, LOST, RUNNING), None),
        ((STOPPED, LOST, STARTING, STARTING, RUNNING), None),
        ((STOPPED, STARTING, STARTING), None),
        ((STARTING, STARTING, RUNNING), None),
        ((STOPPED, STARTING, HALF, STARTING, RUNNING), 90.0),
        ((STOPPED, STARTING, STOPPED, STARTING, RUNNING), 30.0),
        ((STOPPED, RUNNING), None),
    ],
)
def test_boot__console_that_comes_and_goes__is_measured_only_as_far_as_it_was_seen(
    seen: tuple[EmulatorRun | None, ...], took: float | None
) -> None:
    scene = Scene()
    scene.looks(*seen)
    assert scene.took == took


def test_boot__console_that_says_stopped_in_the_middle__is_not_guessed_at() -> None:
    scene = Scene()
    scene.looks(STOPPED, STARTING)
    scene.guest(GuestSeen.BOOTS, after=1.0)
    scene.looks(STOPPED)
    scene.guest(GuestSeen.BOOTS, after=1.0)
    assert (scene.state, scene.took) == ("running", None), "the witnesses disagree"
    scene.looks(RUNNING)
    scene.guest(GuestSeen.ANSWERS, after=1.0)
    assert scene.took is None, "whether it began anew nobody knows"


def test_boot__processes_that_run_while_the_console_is_away__do_not_end_it() -> None:
    scene = Scene()
    scene.looks(STOPPED, STARTING, STARTING, STARTING, LOST)
    both = [Process(driver="ldplayer", kind=kind, pid=8, index=3) for kind in (ProcessKind.WINDOW, ProcessKind.VM)]
    list(scene.inventory.hear_host(HostFacts(processes=tuple(both)), scene.at, asked=scene.at, down_after=1))
    assert (scene.state, scene.took) == ("running", None)
    scene.looks(RUNNING)
    assert scene.took == 120.0


def test_boot__over_a_restart_of_the_monitor__stays_known() -> None:
    scene, later = Scene(), Scene()
    scene.looks(STOPPED, STARTING, RUNNING)
    past = list(scene.inventory.remember())
    later.inventory.restore(past)
    assert later.took == 30.0
    heard_first = Scene()
    heard_first.looks(RUNNING)
    heard_first.inventory.restore(past)
    assert heard_first.took == 30.0
