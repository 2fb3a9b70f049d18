"""kill -9 of the whole service at random moments, while workstations fail and return and the receiver has moods.

Every fault and every recovery that lasted long enough reaches the receiver, repetitions carry the key of what they
repeat, and nothing older comes after something newer: `tests.e2e.verdict` says what that means.

EMUWATCH_SOAK sets how often it is killed (10 by default, ``make soak``: 200), EMUWATCH_SEED repeats a run that failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import time
from typing import Any, Final

import pytest

from monitor.notify.notifier import TICK
from monitor.simulator.farm import Farm
from monitor.simulator.guest import Pace
from monitor.simulator.workstation import SimulatedWorkstation
from tests.e2e.inbox import Inbox, opened
from tests.e2e.killing import Killer, Process
from tests.e2e.misfortune import POWER, Misfortune
from tests.e2e.verdict import Patience, Story, chapters, findings, said, unresolved

ROUNDS: Final = int(os.environ.get("EMUWATCH_SOAK", "10"))
LIFE: Final = 2.0 if ROUNDS <= 20 else 6.0
"""Seconds a process lives at most, once it is ready."""
INTERVAL: Final = 0.4
"""Seconds between two runs of a check, and those one may take."""
OPEN_TIME: Final = 0.4
AFTER: Final = 1.0
RESOLVE_AFTER: Final = 0.5
SLACK: Final = 0.8
"""Seconds something may take longer on a machine that is busy."""
SETTLE: Final = 60.0
"""Seconds until all is told, at most."""
FAULT: Final = Patience(see=2 * INTERVAL + INTERVAL + SLACK, tell=AFTER + TICK)
"""Two runs in a row must fail, the last of them by its deadline; then it must last, and be decided."""
RECOVERY: Final = Patience(see=OPEN_TIME + 2 * INTERVAL + SLACK, tell=RESOLVE_AFTER + TICK)
"""A breaker must be open no more, one run of each check must succeed; the rest is the same."""
ALIVE: Final = AFTER + 2 * INTERVAL
"""Seconds of running time of all processes together, though none of them may have lived long enough to see it."""
ROUTE: Final = {
    "channels": ["hook"],
    "after": f"{AFTER}s",
    "wait": "0s",
    "update": "0s",
    "remind": "never",
    "resolve_after": f"{RESOLVE_AFTER}s",
    "steady": "1s",
    "rate": None,
}
SITES: Final = {"ws-01": "one", "ws-02": "two", "ws-03": "both", "ws-04": "both"}
"""The last two fail together: one incident of their site, if both are noticed in time."""
DELIVERED: Final = 'emuwatch_notifications_pending{channel="hook"} 0.0'


def a_config(farm: Farm, url: str) -> str:
    config: dict[str, Any] = farm.config(interval=INTERVAL, open_time=OPEN_TIME)
    for entry in config["workstations"]:
        entry["site"] = SITES[entry["id"]]
    channels = {"hook": {"kind": "webhook", "url": url, "timeout": "1s"}}
    return json.dumps(config | {"notifications": {"channels": channels, "routes": [ROUTE]}})


async def test_service__killed_at_random_moments__loses_no_word_and_says_nothing_twice_or_too_late(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("EMUWATCH_SEED", str(random.SystemRandom().randrange(10**6))))
    quick = Pace(vm=0.05, android=0.05, adb=0.05, quit=0.05)
    async with Farm(workstations=len(SITES), emulators=1, pace=quick) as farm, opened(random.Random(seed)) as inbox:
        config = farm.directory / "config.yaml"
        await asyncio.to_thread(config.write_text, a_config(farm, inbox.url))
        killer = Killer(config, inbox, random.Random(seed + 1), most=LIFE, killed=lambda: lose_shells(farm))
        story = await live_through(farm, killer, inbox, seed)
    with capsys.disabled():
        print(f"\nseed {seed}: {summary(story, killer, inbox)}")  # noqa: T201 - the figures of a soak
    assert findings(story) == [], seed
    assert [complaint for process in killer.lives for complaint in process.complaints] == [], seed


async def live_through(farm: Farm, killer: Killer, inbox: Inbox, seed: int) -> Story:
    """Kill the service over and over while things go wrong, then let all end well."""
    misfortune = Misfortune(farm, random.Random(seed + 2), most=LIFE + 6)
    try:
        for _ in range(ROUNDS):
            await killer.once()
    finally:
        await misfortune.stop()
    inbox.fails = False
    last = await killer.start()
    try:
        await ends_well(last, misfortune, inbox, farm.workstations[0])
    finally:
        await last.kill()
    return Story(
        arrivals=inbox.arrivals,
        faults=misfortune.faults,
        lives=[process.life for process in killer.lives],
        fault=FAULT,
        recovery=RECOVERY,
        together=[name for name, site in SITES.items() if site == "both"],
        gap=INTERVAL,
        glance=INTERVAL / 2,
    )


def lose_shells(farm: Farm) -> None:
    """End the shells a dead process left behind, as Windows does when nobody has used them for some time."""
    for host in farm.workstations:
        host.shells.lose_shells()


async def ends_well(last: Process, misfortune: Misfortune, inbox: Inbox, host: SimulatedWorkstation) -> None:
    """Wait until one more fault is told, and then until all is well; what never is told is a finding."""
    begins = time.time()

    def told() -> bool:
        return any(word.bad and word.at >= begins for word in said(inbox.arrivals).get(host.id, ()))

    with contextlib.suppress(TimeoutError), misfortune.broken(POWER, host):
        await last.started()
        await inbox.until(told, SETTLE)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE):
            await settled(last, inbox)


async def settled(last: Process, inbox: Inbox) -> None:
    """Wait until everything is well and told, and stays so for longer than a decision takes."""
    well_since = time.monotonic()
    while time.monotonic() - well_since < 1.2 * TICK:
        states = json.loads(await last.text("api/v1/workstations"))["workstations"]
        well = all(state["status"] == "up" for state in states) and not list(unresolved(inbox.arrivals))
        if not well or DELIVERED not in await last.text("metrics"):
            well_since = time.monotonic()
        await asyncio.sleep(INTERVAL / 4)  # another process: it sets no event here


def summary(story: Story, killer: Killer, inbox: Inbox) -> str:
    """The figures of a run."""
    found = list(chapters(story))
    due = [each for each in found if story.must_be_told(each)]
    over = [each for each in found if story.must_be_ended(each)]
    alive = [each for each in found if story.running(each.fault.begins, each.fault.ends) >= ALIVE]
    lags = sorted(each.told.arrived - each.fault.begins for each in found if each.told is not None)
    ran, whole = story.running(0, time.time()), story.lives[-1].answered[-1] - story.lives[0].begins
    messages = len({arrival.key for arrival in story.arrivals})
    return (
        f"{killer.moments.total()} kills {dict(killer.moments)}, ran {ran:.0f} of {whole:.0f} s\n"
        f"  {len(found)} faults, {sum(each.known for each in found)} told; "
        f"of {len(due)} that had to be {sum(each.known for each in due)}; "
        f"of {len(alive)} that lasted for {ALIVE:g} s of running time in all {sum(each.known for each in alive)}\n"
        f"  {len(over)} recoveries had to be told, {sum(each.ended for each in over)} were\n"
        f"  {messages} messages in {len(story.arrivals)} requests, {len(story.arrivals) - messages} repeated; "
        f"answered {dict(inbox.moods)}\n"
        f"  from a fault to its arrival: median {statistics.median(lags):.1f} s, longest {lags[-1]:.1f} s"
    )
