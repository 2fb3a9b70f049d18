"""Reboots, as the store's memory tells them from one answer to the next."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from monitor.hostfacts.boot import REBOOT, written
from monitor.model import Fact, HostFacts, Observation, Outcome, Result
from monitor.store.boots import Boots
from tests.fakes import a_target, failed

BOOT = 1_800_000_000.0
HOST, GUEST = a_target("host"), a_target("adb:ldplayer:3", emulator="ldplayer:3")


def of_host(boot: float | None, at: float = BOOT + 3600) -> Result:
    seen = Observation(host=HostFacts(boot_time_seconds=boot))
    return Result(target=HOST, outcome=Outcome.SUCCESS, at=at, observation=seen)


def of_guest(boot: str | None, *, name: str = "adb:ldplayer:3", uptime: float | None = None) -> Result:
    facts: dict[str, Fact | None] = {"boot_id": boot, "uptime_seconds": uptime}
    seen = Observation(facts={key: fact for key, fact in facts.items() if fact is not None})
    target = a_target(name, emulator="ldplayer:3")
    return Result(target=target, outcome=Outcome.SUCCESS, at=BOOT + 3600, observation=seen)


def heard(boots: Boots, *results: Result) -> Sequence[tuple[str, str]]:
    return [news for result in results for news in boots.hear(result)]


def restarted(before: Boots) -> Boots:
    after = Boots()
    after.restore(before.remember("ws-01"))
    return after


def test_workstation__first_heard__is_no_reboot() -> None:
    assert heard(Boots(), of_host(BOOT), of_host(BOOT)) == []


def test_workstation__booted_later_than_before__is_told_once() -> None:
    assert heard(Boots(), of_host(BOOT), of_host(BOOT + 900), of_host(BOOT + 900)) == [
        ("", "runs since 2027-01-15 08:15:00 UTC")
    ]


def test_boot_time__that_wavers_goes_back_or_is_missing__is_no_reboot() -> None:
    told = [BOOT, BOOT + REBOOT, None, BOOT + 1, BOOT - 5000]
    assert heard(Boots(), *map(of_host, told), failed(HOST, BOOT)) == []


def test_guest__of_another_boot__is_told_once_whoever_saw_it_first() -> None:
    news = heard(Boots(), of_guest("a"), of_guest("b", uptime=60.0), of_guest("b", name="other"), of_guest(None))
    assert news == [("ldplayer:3", f"runs since {written(BOOT + 3540)}")]


def test_guest__without_uptime__is_told_all_the_same() -> None:
    assert heard(Boots(), of_guest("a"), of_guest("b")) == [("ldplayer:3", "")]


def test_restart__same_boots__are_told_no_second_time_and_later_ones_are() -> None:
    before = Boots()
    heard(before, of_host(BOOT), of_host(BOOT + 900), of_guest("a"))
    assert heard(restarted(before), of_host(BOOT + 900), of_guest("a")) == []
    assert [name for name, _ in heard(restarted(before), of_host(BOOT + 1800), of_guest("b"))] == ["", "ldplayer:3"]


def test_restore__after_the_first_answers__leaves_what_was_heard() -> None:
    before, after = Boots(), Boots()
    heard(before, of_host(BOOT), of_guest("a"))
    heard(after, of_host(BOOT + 900), of_guest("b"))
    after.restore(before.remember("ws-01"))
    assert heard(after, of_host(BOOT + 900), of_guest("b")) == []


def test_forget__emulator_that_is_gone__the_next_of_its_name_is_not_rebooted() -> None:
    boots = Boots()
    heard(boots, of_guest("a"))
    boots.forget("ws-01", "ldplayer:3")
    boots.forget("ws-02", "ldplayer:3")
    assert heard(boots, of_guest("b")) == []


def test_retain__workstation_gone_from_config__is_forgotten() -> None:
    boots = Boots()
    heard(boots, of_host(BOOT), of_guest("a"))
    boots.retain(["ws-02"])
    assert list(boots.remember("ws-01")) == []


@given(st.lists(st.floats(0, 1e12), max_size=20))
def test_reboots__of_any_boot_times__are_as_many_as_the_jumps(told: list[float]) -> None:
    jumps = sum(later - earlier > REBOOT for earlier, later in itertools.pairwise(told))
    assert len(heard(Boots(), *map(of_host, told))) == jumps
