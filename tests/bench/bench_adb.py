"""What six guests cost over SSH, their server polled for its devices or watched: ``python tests/bench/bench_adb.py``.

The simulated farm runs in a process of its own, so the CPU time measured is the client's alone. A round is what one
workstation is asked in an interval.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from monitor.adb.watch import DeviceWatch
from monitor.checks import path_of
from monitor.checks.adb import CHECK
from monitor.checks.adb.params import Params
from monitor.model import EmulatorRun, Entity, Target, TransportSpec, Verdict, Workstation
from monitor.reach import Transports
from monitor.roster import for_emulator
from monitor.simulator.farm import Farm
from monitor.simulator.workstation import FIRST_ADB, USER
from monitor.transports import Credential, ssh

GUESTS = 6
ROUNDS = 50
INTERVAL = 30.0


async def serve() -> None:
    """Run a farm of one workstation; tell where it is, and on each line how many requests its adb server has got."""
    loop = asyncio.get_running_loop()
    async with Farm(1, GUESTS) as farm:
        workstation = farm["ws-01"]
        for index in range(GUESTS):
            workstation.guests[index].settle(running=True)
        ports = {"ssh": workstation.ssh.port, "adb": workstation.adb.port}
        print(json.dumps({**ports, "key": str(farm.key_file), "known_hosts": str(farm.known_hosts)}), flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(len(workstation.bridge.requests), flush=True)


def targets(where: dict[str, str], params: Params) -> Sequence[Target]:
    """Make the targets of all guests."""
    way = ssh.Params(port=int(where["ssh"]), known_hosts=Path(where["known_hosts"]), credential="farm")
    workstation = Workstation(id="ws-01", host="127.0.0.1", transport=TransportSpec("ssh", way))
    path = path_of(CHECK, params, workstation, ssh.TRANSPORT)
    pattern = Target(
        workstation=workstation, name="adb", kind="adb", params=params, path=path, interval=30, timeout=5, each=True
    )
    run, first = EmulatorRun.RUNNING, FIRST_ADB
    listed = [Entity(driver="ldplayer", index=i, title="", run=run, adb_port=first + 2 * i) for i in range(GUESTS)]
    return [for_emulator(pattern, entity) for entity in listed]


async def rounds(transports: Transports, asked: Sequence[Target], params: Params, times: int, *, watched: bool) -> None:
    """Ask every guest so many times; a watch that is closed keeps nothing, and so each check asks for itself."""
    for _ in range(times):
        for target in asked:
            reach = transports.reach(target)
            seen = await CHECK.probe(target, params, reach)
            assert seen.verdict is Verdict.UP, seen
            if not watched:
                await reach.shared(DeviceWatch, f"127.0.0.1:{params.server_port}").aclose()


async def compare(where: dict[str, str], farm: subprocess.Popen[str]) -> None:
    """Measure both ways and print the figures."""
    credentials = {"farm": Credential(user=USER, key_file=Path(where["key"]))}
    params = Params(server_port=int(where["adb"]))
    asked = targets(where, params)
    print(f"{'a round of ' + str(GUESTS) + ' guests':24} {'CPU ms':>8} {'elapsed ms':>11} {'requests':>9}")
    for watched in (False, True):
        transports = Transports(kinds={"ssh": ssh.TRANSPORT}, credentials=credentials)
        await rounds(transports, asked, params, 3, watched=watched)
        before = await asyncio.to_thread(count, farm)
        cpu, began = time.process_time(), time.perf_counter()
        await rounds(transports, asked, params, ROUNDS, watched=watched)
        cpu, took = time.process_time() - cpu, time.perf_counter() - began
        requests = await asyncio.to_thread(count, farm) - before
        name = "watched" if watched else "polled"
        print(f"{name:24} {cpu / ROUNDS * 1000:8.1f} {took / ROUNDS * 1000:11.1f} {requests / ROUNDS:9.1f}")
        await transports.aclose()


def count(farm: subprocess.Popen[str]) -> int:
    """Ask the farm how many requests its adb server has got."""
    assert farm.stdin is not None
    assert farm.stdout is not None
    farm.stdin.write("\n")
    farm.stdin.flush()
    return int(farm.stdout.readline())


def main() -> None:
    """Run the farm beside, and measure."""
    pipe = subprocess.PIPE
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as farm:
        assert farm.stdin is not None
        assert farm.stdout is not None
        asyncio.run(compare(json.loads(farm.stdout.readline()), farm))
        farm.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve()) if sys.argv[1:] == ["serve"] else main()
