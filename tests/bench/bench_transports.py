"""What a command costs the monitor over WinRM and over SSH: ``python tests/bench/bench_transports.py``.

The simulated farm runs in a process of its own, so the CPU time measured is the client's alone. Absolute times are the
machine's; the ratios of one run are ours. A cycle is what one workstation is asked in an interval: its host facts and
the list of its console.
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

from pydantic import SecretStr

from monitor.hostfacts import windows
from monitor.model import Category, Workstation
from monitor.simulator.farm import Farm
from monitor.simulator.workstation import USER
from monitor.transports import Credential, Transport
from monitor.transports.ssh import Params as SshParams
from monitor.transports.ssh import SshTransport
from monitor.transports.winrm import Params as WinRmParams
from monitor.transports.winrm import WinRmTransport

CYCLES = 150
INTERVAL = 30.0
LIST2 = ("ldconsole", "list2")
CYCLE = (windows.COMMAND, LIST2)


async def serve() -> None:
    """Run a farm of one workstation; tell where it is, and on each line read what it has counted."""
    loop = asyncio.get_running_loop()
    async with Farm(1, 6) as farm:
        workstation = farm["ws-01"]
        where = {
            "ssh": workstation.ssh.port,
            "winrm": workstation.winrm.port,
            "key": str(farm.key_file),
            "known_hosts": str(farm.known_hosts),
            "password": await asyncio.to_thread(farm.password_file.read_text),
        }
        print(json.dumps(where), flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(dict(workstation.shells.requests)), flush=True)


def ignore(layer: Category) -> None:
    """Take a mark and forget it."""


async def measure(transport: Transport, commands: Sequence[Sequence[str]], times: int) -> tuple[float, float]:
    """Return CPU milliseconds and elapsed milliseconds of one round of commands."""
    for command in commands:
        assert (await transport.run(command, mark=ignore)).exit_code == 0
    cpu, began = time.process_time(), time.perf_counter()
    for _ in range(times):
        for command in commands:
            await transport.run(command, mark=ignore)
    return (time.process_time() - cpu) / times * 1000, (time.perf_counter() - began) / times * 1000


async def login(make: WinRmTransport | SshTransport) -> float:
    """Return the CPU milliseconds of a login, its first command and the parting."""
    cpu = time.process_time()
    await make.run(LIST2, mark=ignore)
    await make.aclose()
    return (time.process_time() - cpu) * 1000


async def compare(where: dict[str, str], count: subprocess.Popen[str]) -> None:
    """Measure both transports and print the figures."""
    workstation = Workstation(id="ws-01", host="127.0.0.1", code_page="cp936")
    ssh_way = SshParams(port=int(where["ssh"]), known_hosts=Path(where["known_hosts"]))
    winrm_way = WinRmParams(port=int(where["winrm"]), auth="ntlm")
    ssh_who = Credential(user=USER, key_file=Path(where["key"]))
    winrm_who = Credential(user=USER, password=SecretStr(where["password"]))

    def ssh() -> SshTransport:
        return SshTransport(workstation, ssh_way, ssh_who)

    def winrm() -> WinRmTransport:
        return WinRmTransport(workstation, winrm_way, winrm_who)

    print(f"{'':34} {'WinRM/NTLM':>12} {'SSH':>12} {'ratio':>8}")
    row("login, one command, parting: CPU ms", await login(winrm()), await login(ssh()))
    over_winrm, over_ssh = winrm(), ssh()
    try:
        first = second = (0.0, 0.0)
        for name, commands in (("ldconsole list2", [LIST2]), ("host facts", [windows.COMMAND]), ("cycle", CYCLE)):
            first, second = await measure(over_winrm, commands, CYCLES), await measure(over_ssh, commands, CYCLES)
            row(f"{name}: CPU ms", first[0], second[0])
            row(f"{name}: elapsed ms", first[1], second[1])
        row(f"workstations per core at {INTERVAL:g} s", INTERVAL * 1000 / first[0], INTERVAL * 1000 / second[0])
        before = await asyncio.to_thread(counted, count)
        for command in CYCLE:
            await over_winrm.run(command, mark=ignore)
        after = await asyncio.to_thread(counted, count)
        asked = {name: after[name] - before.get(name, 0) for name in after if after[name] > before.get(name, 0)}
        print(f"HTTP requests of a cycle: {sum(asked.values())} {asked}")
    finally:
        await over_winrm.aclose()
        await over_ssh.aclose()


def counted(server: subprocess.Popen[str]) -> dict[str, int]:
    """Ask the farm what HTTP requests it has answered."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    answer: dict[str, int] = json.loads(server.stdout.readline())
    return answer


def row(name: str, first: float, second: float) -> None:
    """Print one line of figures."""
    print(f"{name:34} {first:12.2f} {second:12.2f} {first / second:8.2f}")


def main() -> None:
    """Start the farm, compare, end the farm."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            asyncio.run(compare(json.loads(server.stdout.readline()), server))
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(10)


if __name__ == "__main__":
    if "--serve" in sys.argv:
        asyncio.run(serve())
    else:
        main()
