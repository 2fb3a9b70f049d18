"""A host that dies at random moments, over and over: nothing of ours is left behind, and every run ends in time.

Half of the deaths are of the host: it boots, and has no shells any more. The others are of the network only: the host
keeps its shells, and only we can delete them.

EMUWATCH_SOAK sets how often it dies (25 by default), EMUWATCH_SEED repeats a run that failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import threading
import time
from pathlib import Path

from monitor.errors import LocalError, ProbeError
from monitor.transports.winrm import WinRmTransport
from monitor.transports.winrm.line import ENDING
from tests.winrm import Service, a_service, eventually, ignore, opened, tasks, threads

ROUNDS = int(os.environ.get("EMUWATCH_SOAK", "25"))
TIMEOUT = 0.3
BUSY = 1.5
"""Seconds a run may be late on a machine that does other things as well."""
DEATHS = ("silent", "refuse", "reset", "garbage")


async def probe(transport: WinRmTransport, command: list[str]) -> float:
    """Run a command under a deadline, whatever comes of it; return how long that took."""
    began = time.monotonic()
    with contextlib.suppress(ProbeError, LocalError, TimeoutError):
        async with asyncio.timeout(TIMEOUT):
            await transport.run(command, mark=ignore)
    return time.monotonic() - began


async def die(service: Service, chance: random.Random) -> None:
    """Fail in one way for a moment, then come back as after a boot."""
    getattr(service.wire, chance.choice(DEATHS))()
    await asyncio.sleep(chance.uniform(0, TIMEOUT))
    service.endpoint.lose_shells()
    service.wire.drop()
    service.wire.restore()


async def lose_touch(service: Service, chance: random.Random) -> None:
    """Be out of reach for a moment, of which the host takes no notice."""
    match chance.choice(("silent", "reset", "slow")):
        case "slow":
            service.wire.slow(chance.uniform(0, 2 * TIMEOUT))
        case fault:
            getattr(service.wire, fault)()
    await asyncio.sleep(chance.uniform(0, TIMEOUT))
    service.wire.restore()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def workers() -> set[str]:
    """Name the threads but those of the loop's own pool, which grows and stays."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


async def test_host__that_dies_at_random_moments__leaves_nothing_of_ours_behind() -> None:
    seed = int(os.environ.get("EMUWATCH_SEED", str(random.SystemRandom().randrange(10**6))))
    chance, longest, forgiven = random.Random(seed), 0.0, 0
    async with a_service() as service:
        async with opened(service.port, sessions=3, recycle=7) as transport:
            await probe(transport, ["hostname"])
        await eventually(lambda: not service.endpoint.connections)
        before, others = await asyncio.to_thread(descriptors), workers()
        async with opened(service.port, sessions=3, recycle=7) as transport:
            for _ in range(ROUNDS):
                service.endpoint.hang(hanging=chance.random() < 0.3)
                runs = [
                    asyncio.create_task(probe(transport, [chance.choice(["ldconsole", "hostname"]), "list"]))
                    for _ in range(4)
                ]
                await asyncio.sleep(chance.uniform(0, 0.03))
                if chance.random() < 0.5:
                    await die(service, chance)
                    forgiven = transport.orphans
                else:
                    await lose_touch(service, chance)
                longest = max(longest, *await asyncio.gather(*runs))
            service.endpoint.hang(hanging=False)
            await eventually(lambda: not threads() and not tasks(), within=10)
            # A reset that hits the answer to Create, or a Delete, leaves a shell nobody can name: those are counted.
            orphans = transport.orphans - forgiven
            assert len(service.endpoint.shells) <= transport.shells + orphans, seed
            done = await transport.run(["hostname"], mark=ignore)
            assert done.stdout == b"ws-01\r\n", seed
        await eventually(lambda: not service.endpoint.connections)
        assert len(service.endpoint.shells) <= orphans, seed
        assert longest < TIMEOUT + ENDING + BUSY, (seed, longest)
        await eventually(lambda: workers() == others)
        assert await asyncio.to_thread(descriptors) <= before, seed
