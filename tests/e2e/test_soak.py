"""Hosts that die at random moments under the whole service: nothing of ours is left behind, every probe ends in time.

Every kind of call is under way: all checks over both transports, and emulators that are started and stopped. Some
deaths are of the host, which boots and has lost its shells; others are of the network only, and then the host keeps
what we do not delete.

EMUWATCH_SOAK sets how often one dies (5 by default, ``make soak``: 100), EMUWATCH_SEED repeats a run that failed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from monitor.app import Service
from monitor.config import load_text
from monitor.errors import EmuwatchError
from monitor.model import Outcome, Status
from monitor.operations import Deadlines, Done, Equipment, LDPlayerManager
from monitor.simulator.farm import Farm
from monitor.simulator.guest import Pace
from monitor.simulator.workstation import SimulatedWorkstation
from monitor.transports.winrm import WinRmTransport
from tests.e2e.conftest import INTERVAL, OPEN_TIME, Recorder

ROUNDS = int(os.environ.get("EMUWATCH_SOAK", "5"))
GRACE = 1.5
"""Seconds a probe may outlast its deadline on a machine that is busy."""
QUICK = Pace(vm=0.1, android=0.1, adb=0.1, quit=0.2)
DEADLINES = Deadlines(command=1, start=2, stop=2)
LONGEST = 12 * DEADLINES.command + DEADLINES.start + DEADLINES.stop
"""Seconds an operation takes at most: no more commands than these before, between and after what it waits for."""
OPERATED = 5
"""An emulator nobody expects to run, or not to."""


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


async def lose_touch(host: SimulatedWorkstation, chance: random.Random) -> None:
    """Be out of reach for a moment, of which the host takes no notice."""
    for wire in host.doors:
        match chance.choice(["silent", "reset", "slow"]):
            case "slow":
                wire.slow(chance.uniform(0, 2 * INTERVAL))
            case broken:
                getattr(wire, broken)()
    await asyncio.sleep(chance.uniform(0, 4 * INTERVAL))
    for wire in host.doors:
        wire.restore()


class Operations:
    """Somebody who starts and stops an emulator over and over, with the service's breakers and connections."""

    def __init__(self, service: Service, name: str) -> None:
        machine = next(each for each in service.config.workstations if each.id == name)
        credentials = service.config.credentials
        equipment = Equipment(machine=machine, breakers=service.breakers, credentials=credentials, deadlines=DEADLINES)
        self.manager = LDPlayerManager(equipment, transports=service.transports)
        self.ended: list[Done | EmuwatchError] = []
        self.longest = 0.0

    async def go_on(self) -> None:
        """Do it until cancelled; what fails is kept."""
        for operation in itertools.cycle((self.manager.start_emulator, self.manager.stop_emulator)):
            began = time.monotonic()
            try:
                self.ended.append(await operation(OPERATED))
            except EmuwatchError as error:
                self.ended.append(error)
            self.longest = max(self.longest, time.monotonic() - began)
            await asyncio.sleep(INTERVAL)


def well(service: Service) -> bool:
    states = service.fleet.snapshot()
    return all(
        state.status is Status.UP and all(check.status is Status.UP and not check.pending for check in state.checks)
        for state in states
    )


def over_winrm(service: Service) -> Iterator[WinRmTransport]:
    lives = (live.transport for live in service.transports._live.values())
    return (transport for transport in lives if isinstance(transport, WinRmTransport))


async def test_service__whose_hosts_die_at_random_moments__leaks_nothing_and_comes_back() -> None:
    chance = random.Random(seed := int(os.environ.get("EMUWATCH_SEED", str(random.SystemRandom().randrange(10**6)))))
    outside = asyncio.all_tasks()
    threads = workers()
    before = await asyncio.to_thread(descriptors)
    async with Farm(workstations=2, pace=QUICK) as farm:
        service = Service(
            await asyncio.to_thread(load_text, farm.config_yaml(interval=INTERVAL, open_time=OPEN_TIME), name="farm")
        )
        await service.start()
        recorder = Recorder()
        service.fanout.add(recorder)
        await until(lambda: well(service))
        operations = [Operations(service, host.id) for host in farm.workstations]
        operators = [asyncio.create_task(each.go_on()) for each in operations]
        (transport,), shells, forgiven = over_winrm(service), farm.workstations[1].shells.shells, 0
        for _ in range(ROUNDS):
            await asyncio.sleep(chance.uniform(0, 2 * INTERVAL))
            dies = chance.choice((die, lose_touch))
            await asyncio.gather(*(dies(host, chance) for host in farm.workstations))
            forgiven = transport.orphans if dies is die else forgiven
        await until(lambda: well(service))
        for each in operations:
            done = len(each.ended)
            await until(lambda: any(isinstance(end, Done) for end in each.ended[done:]))  # noqa: B023 - awaited here
        for operator in operators:
            operator.cancel()
        await asyncio.gather(*operators, return_exceptions=True)
        assert not [state.key for state in service.breakers.items() if state.trial_running], seed
        late = {r.target.id: r.duration for r in recorder.results if r.duration > r.target.timeout + GRACE}
        assert late == {}, seed
        assert max(each.longest for each in operations) < LONGEST + GRACE, seed
        ours = [r for r in recorder.results if r.outcome is Outcome.ERROR]
        assert [r.local for r in ours] == [], seed
        # A reset that hits the answer to Create, or a Delete, leaves a shell nobody can name: those are counted.
        await until(lambda: len(shells) <= transport.shells + transport.orphans - forgiven)
        await service.stop()
        assert service.scheduler.running == 0
        # Not the adb doors: a simulated sshd that was still connecting there when its SSH died keeps its end.
        doors = [wire for host in farm.workstations for wire in (host.ssh, host.winrm, host.http, host.rdp)]
        await until(lambda: not any(wire.connections for wire in doors))
        await until(lambda: len(shells) <= transport.orphans - forgiven)
    await until(lambda: asyncio.all_tasks() <= outside)
    await until(lambda: workers() <= threads)
    assert await asyncio.to_thread(descriptors) <= before, seed
