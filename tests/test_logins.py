"""Which accounts are held back, where and for how long; the clock is moved by hand."""

from __future__ import annotations

import asyncio
import threading

import pytest

import monitor.logins
from monitor.errors import LocalError, ProbeError
from monitor.logins import HOLD, KNOWN, STRANGER, Attempt, Door, Logins
from monitor.model import Category, Reason, Severity
from tests.fakes import FakeClock


class Farm:
    """Doors to many hosts, and logins whose outcome the test decides."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.logins = Logins(clock=self.clock)
        self.marks: list[Category] = []

    def door(self, host: str, user: str = r"FARM\monitor", secret: str = "wrong") -> Door:
        return self.logins.door(host, where=f"{host} winrm:5985", user=user, secret=secret)

    async def enter(self, host: str, **account: str) -> Attempt:
        return await self.door(host, **account).enter(self.marks.append)

    async def refused_by(self, *hosts: str, **account: str) -> None:
        for host in hosts:
            attempt = await self.enter(host, **account)
            self.door(host, **account).refused()
            attempt.over()

    async def admitted_by(self, *hosts: str, **account: str) -> None:
        for host in hosts:
            (await self.enter(host, **account)).admitted()

    async def held(self, host: str, **account: str) -> str:
        """Say why a login is not tried."""
        with pytest.raises(ProbeError) as caught:
            await self.enter(host, **account)
        error = caught.value
        assert (error.category, error.reason, error.severity) == (Category.WORKSTATION, Reason.AUTH, Severity.CRITICAL)
        assert not error.recoverable
        return str(error)


@pytest.fixture
def farm() -> Farm:
    return Farm()


async def waiting(task: asyncio.Task[Attempt]) -> bool:
    """Whether a login still waits once everybody had a turn."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


# ---------------------------------------------------------------------------------------------------------- one host
async def test_refused__by_a_host__is_not_tried_there_again_for_half_an_hour(farm: Farm) -> None:
    await farm.refused_by("ws-01")

    assert await farm.held("ws-01") == (
        "ws-01 winrm:5985: this login was refused; it is not tried again for another 30 min, or until "
        "the config changes its credential or transport: accounts lock"
    )
    farm.clock.pass_(HOLD - 61)
    assert "for another 1 min" in await farm.held("ws-01")
    farm.clock.pass_(62)
    await farm.refused_by("ws-01")
    assert "for another 30 min" in await farm.held("ws-01")


async def test_refused__by_a_host__with_another_secret_is_tried_at_once(farm: Farm) -> None:
    await farm.refused_by("ws-01")

    await farm.admitted_by("ws-01", secret="right")


async def test_refused__by_a_host_that_is_reached_in_another_way_now__is_tried_at_once(farm: Farm) -> None:
    await farm.refused_by("ws-01", "ws-02")

    farm.logins.forget("ws-01")

    await farm.admitted_by("ws-01")


async def test_logins__to_one_host_at_once__are_one_after_the_other(farm: Farm) -> None:
    await farm.admitted_by("ws-01")
    first = await farm.enter("ws-01")
    second = asyncio.create_task(farm.enter("ws-01"))

    assert await waiting(second)
    first.admitted()
    (await second).over()


async def test_logins__behind_one_that_is_refused__are_refused_with_it(farm: Farm) -> None:
    first = await farm.enter("ws-01")
    behind = [asyncio.create_task(farm.enter("ws-01")) for _ in range(3)]
    assert await waiting(behind[0])

    farm.door("ws-01").refused()
    first.over()

    for each in behind:
        with pytest.raises(ProbeError, match="this login was refused"):
            await each


async def test_login__behind_another__is_told_the_layer_that_one_is_at(farm: Farm) -> None:
    first = await farm.enter("ws-01")
    early = asyncio.create_task(farm.enter("ws-01"))
    assert await waiting(early)
    assert farm.marks == []

    first.heard()
    late = asyncio.create_task(farm.enter("ws-01"))
    assert await waiting(late)

    assert farm.marks == [Category.WORKSTATION, Category.WORKSTATION]
    for each in (early, late):
        each.cancel()
    await asyncio.gather(early, late, return_exceptions=True)
    first.heard()
    assert len(farm.marks) == 2


# ------------------------------------------------------------------------------------------------------- many hosts
async def test_account__refused_by_two_hosts_and_admitted_by_none__is_held_everywhere(farm: Farm) -> None:
    await farm.refused_by("ws-01", "ws-02")

    assert await farm.held("ws-03") == (
        "ws-03 winrm:5985: login not tried: ws-01, ws-02 refused the same one, and no host admitted it "
        "since; not tried anywhere for another 30 min, or until the config changes its credential or transport: "
        "accounts lock"
    )


async def test_account__nobody_has_admitted_yet__is_sent_to_no_more_hosts_at_once_than_may_refuse_it(
    farm: Farm,
) -> None:
    attempts = [await farm.enter(f"ws-{number}") for number in range(STRANGER)]
    third = asyncio.create_task(farm.enter("ws-9"))
    assert await waiting(third)

    for number, attempt in enumerate(attempts):
        farm.door(f"ws-{number}").refused()
        attempt.over()

    with pytest.raises(ProbeError, match="ws-0, ws-1 refused the same one"):
        await third


async def test_account__once_admitted__is_sent_to_any_number_of_hosts_at_once(farm: Farm) -> None:
    await farm.admitted_by("ws-00")

    for number in range(1, 50):
        await farm.enter(f"ws-{number}")


async def test_account__refused_here_and_there__is_cleared_by_a_host_that_admits_it(farm: Farm) -> None:
    await farm.admitted_by("ws-00")
    for number in range(1, 40):
        await farm.refused_by(f"odd-{number}")
        await farm.admitted_by(f"ws-{number}")

    assert "this login was refused" in await farm.held("odd-1")


async def test_hosts__that_refuse_what_others_admit__never_hold_it_back_elsewhere(farm: Farm) -> None:
    odd = [f"odd-{number}" for number in range(KNOWN)]
    await farm.refused_by(odd[0])
    await farm.admitted_by("ws-01")
    for host in odd[1:]:
        await farm.refused_by(host)
        await farm.admitted_by("ws-01")
    for _ in range(3):
        farm.clock.pass_(HOLD + 1)
        await farm.refused_by(*odd)

    await farm.admitted_by("ws-02")


async def test_account__that_was_right__is_held_after_some_more_refusals(farm: Farm) -> None:
    await farm.admitted_by("ws-00")
    await farm.refused_by(*(f"ws-{number:02}" for number in range(KNOWN)))

    assert "not tried anywhere" in await farm.held("ws-99")


async def test_account__in_doubt__counts_logins_under_way_as_refused(farm: Farm) -> None:
    await farm.admitted_by("ws-00")
    await farm.refused_by("ws-01")
    attempts = [await farm.enter(f"ws-1{number}") for number in range(KNOWN - 1)]
    one_more = asyncio.create_task(farm.enter("ws-20"))
    assert await waiting(one_more)

    attempts[0].admitted()

    await one_more


async def test_account__held_everywhere__is_tried_by_one_host_after_half_an_hour(farm: Farm) -> None:
    await farm.refused_by("ws-01", "ws-02")
    farm.clock.pass_(HOLD + 1)
    trial = await farm.enter("ws-03")
    others = [asyncio.create_task(farm.enter(f"ws-1{number}")) for number in range(3)]
    assert await waiting(others[0])

    farm.door("ws-03").refused()
    trial.over()

    for each in others:
        with pytest.raises(ProbeError, match="ws-01, ws-02, ws-03 refused"):
            await each


async def test_account__held_everywhere__goes_on_everywhere_once_one_host_admits_it(farm: Farm) -> None:
    await farm.refused_by("ws-01", "ws-02")
    farm.clock.pass_(HOLD + 1)

    await farm.admitted_by("ws-03")

    for number in range(10):
        await farm.enter(f"ws-{number:02}")


async def test_trial__that_never_reaches_the_login__leaves_it_to_the_next(farm: Farm) -> None:
    await farm.refused_by("ws-01", "ws-02")
    farm.clock.pass_(HOLD + 1)
    (await farm.enter("ws-03")).over()

    await farm.admitted_by("ws-04")


async def test_login__that_waits_for_other_hosts__does_not_wait_for_ever(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor.logins, "PATIENCE", 0.01)
    for number in range(STRANGER):
        await farm.enter(f"silent-{number}")

    with pytest.raises(LocalError, match="ws-01 winrm:5985: waits for what other hosts make of the login"):
        await farm.enter("ws-01")


# -------------------------------------------------------------------------------------------------------- who is who
async def test_account__by_another_spelling_of_its_user__is_the_same(farm: Farm) -> None:
    await farm.refused_by("ws-01", user="Monitor@Farm.example")
    await farm.refused_by("ws-02", user="monitor@farm.EXAMPLE")

    assert "not tried anywhere" in await farm.held("ws-03", user="MONITOR@farm.example")


async def test_account__of_each_host_itself__is_another_one_on_each(farm: Farm) -> None:
    for number in range(20):
        await farm.refused_by(f"ws-{number}", user=r".\monitor")

    assert "this login was refused" in await farm.held("ws-0", user=r".\monitor")


def test_secret__is_nowhere_to_be_found() -> None:
    logins = Logins()
    door = logins.door("ws-01", where="ws-01", user="monitor", secret="Opensesame-1")

    assert "Opensesame" not in repr(logins._accounts) + repr(vars(door)) + repr(vars(logins))
    assert Logins()._salt != logins._salt


async def test_logins__of_several_loops__wait_for_each_other(farm: Farm) -> None:
    first = await farm.enter("ws-01")
    entered: list[Attempt] = []
    other = threading.Thread(target=lambda: entered.append(asyncio.run(farm.enter("ws-01"))))
    other.start()
    while not farm.door("ws-01")._account.waiting:  # noqa: ASYNC110 - another thread's loop is under way
        await asyncio.sleep(0.001)
    first.admitted()

    await asyncio.to_thread(other.join, 5)

    assert [attempt.host for attempt in entered] == ["ws-01"]
