"""Hosts that die at random moments under the whole service: nothing of ours is left behind, every probe ends in time.

EMUWATCH_SOAK sets how often one dies (5 by default, ``make soak``: 100), EMUWATCH_SEED repeats a run that failed.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

from monitor.app import Service
from monitor.config import load_text
from monitor.model import Outcome, Status
from monitor.simulator.farm import Farm
from monitor.simulator.workstation import SimulatedWorkstation
from tests.e2e.conftest import INTERVAL, OPEN_TIME, Recorder

ROUNDS = int(os.environ.get("EMUWATCH_SOAK", "5"))
GRACE = 1.5
"""Seconds a probe may outlast its deadline on a machine that is busy."""


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def workers() -> set[str]:
    """Name the threads but those of the loop's own pool, which grows and stays."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


async def until(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - several things at once, on both sides of a socket
            await asyncio.sleep(0.05)


async def die(host: SimulatedWorkstation, chance: random.Random) -> None:
    """Fail in one way for a moment."""
    fault = chance.choice(["power", "console", "doors"])
    if fault == "power":
        host.power_off()
    elif fault == "console":
        host.hang_console()
    else:
        for wire in host.doors:
            getattr(wire, chance.choice(["silent", "refuse", "reset", "garbage"]))()
    await asyncio.sleep(chance.uniform(0, 4 * INTERVAL))
    host.hang_console(hanging=False)
    host.power_on()


def well(service: Service) -> bool:
    states = service.fleet.snapshot()
    return all(
        state.status is Status.UP and all(check.status is Status.UP and not check.pending for check in state.checks)
        for state in states
    )


async def test_service__whose_hosts_die_at_random_moments__leaks_nothing_and_comes_back() -> None:
    chance = random.Random(seed := int(os.environ.get("EMUWATCH_SEED", str(random.SystemRandom().randrange(10**6)))))
    outside = asyncio.all_tasks()
    threads = workers()
    before = await asyncio.to_thread(descriptors)
    async with Farm(workstations=2) as farm:
        text = farm.config_yaml(interval=INTERVAL, open_time=OPEN_TIME)
        service = Service(await asyncio.to_thread(load_text, text, name="farm"))
        await service.start()
        recorder = Recorder()
        service.fanout.add(recorder)
        await until(lambda: well(service))
        for _ in range(ROUNDS):
            await asyncio.sleep(chance.uniform(0, 2 * INTERVAL))
            await asyncio.gather(*(die(host, chance) for host in farm.workstations))
        await until(lambda: well(service))
        assert not [state.key for state in service.breakers.items() if state.trial_running], seed
        late = {r.target.id: r.duration for r in recorder.results if r.duration > r.target.timeout + GRACE}
        assert late == {}, seed
        ours = [r for r in recorder.results if r.outcome is Outcome.ERROR]
        assert [r.local for r in ours] == [], seed
        await service.stop()
        assert service.scheduler.running == 0
        # Not the adb doors: a simulated sshd that was still connecting there when its SSH died keeps its end.
        doors = [wire for host in farm.workstations for wire in (host.ssh, host.winrm, host.http, host.rdp)]
        await until(lambda: not any(wire.connections for wire in doors))
        await until(lambda: not any(host.shells.shells for host in farm.workstations))
    await until(lambda: asyncio.all_tasks() <= outside)
    await until(lambda: workers() <= threads)
    assert await asyncio.to_thread(descriptors) <= before, seed
