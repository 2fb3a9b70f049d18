"""A fleet of which a share is black-holed: do the healthy checks keep their pace, and are dead hosts left in peace?

Run it as ``python tests/bench/bench_fleet.py``; it takes a little over three minutes. 200 workstations with 5 checks
each at an interval of 10 s and a timeout of 5 s, on loopback: healthy ones share a real listener, a dead one is a
listener whose backlog is full, so that connecting to it hangs as to a host without power. Printed are the lateness of
the healthy checks (how long after its due time a run really began) with and without the dead hosts, and the connection
attempts at dead hosts as the kernel counted them.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

from monitor import log
from monitor.app import Service
from monitor.config import load_text
from monitor.model import Target

CHECKS = 5
INTERVAL = 10.0
TIMEOUT = 5.0


@contextmanager
def black_hole(host: str) -> Iterator[int]:
    """Listen with a backlog that is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def config(ports: Sequence[int], data: Path) -> str:
    """Write a config of one workstation per port, each on an address of its own."""
    lines = [
        "listen: 127.0.0.1:0",
        f"data_dir: {data}",
        f"defaults: {{interval: {INTERVAL:g}s, timeout: {TIMEOUT:g}s}}",
        "workstations:",
    ]
    for number, port in enumerate(ports):
        lines += [f"  - id: ws-{number:03}", f"    host: {address(number)}", "    checks:"]
        lines += [f"      - {{kind: tcp, name: c{check}, port: {port}}}" for check in range(CHECKS)]
    return "\n".join(lines)


def address(number: int) -> str:
    """Give every workstation its own address of the loopback network."""
    return f"127.1.{number // 200}.{number % 200 + 1}"


def opens() -> int:
    """Count the connection attempts of this machine so far, as the kernel does."""
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text(encoding="ascii").splitlines() if line[:4] == "Tcp:"
    )
    return int(values[names.index("ActiveOpens")])


async def measure(workstations: int, dead: int, settle: float, seconds: float) -> None:
    """Run the monitor over such a fleet and print what it did in `seconds`, after `settle` seconds."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "0.0.0.0", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    late: list[float] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as holes:
        ports = [holes.enter_context(black_hole(address(n))) if n < dead else port for n in range(workstations)]
        service = Service(load_text(config(ports, Path(folder) / "data"), name="bench"))
        gone = {f"ws-{number:03}" for number in range(dead)}
        runs = {True: 0, False: 0}

        def began(target: Target, seconds: float) -> None:
            if target.workstation.id not in gone:
                late.append(seconds)

        service.scheduler._late = began
        deliver = service.scheduler._deliver

        def count(result: object) -> None:
            deliver(result)  # type: ignore[arg-type]  # handed through
            if getattr(result, "duration", 0.0) > 0.0:
                runs[result.target.workstation.id in gone] += 1  # type: ignore[attr-defined]  # a result

        service.scheduler._deliver = count
        await service.start()
        await asyncio.sleep(settle)
        late.clear()
        runs.update({True: 0, False: 0})
        before = opens()
        await asyncio.sleep(seconds)
        attempts = opens() - before - runs[False]
        await service.stop()
    server.close()
    marks = statistics.quantiles(late, n=100)
    print(
        f"{workstations} workstations, {dead} dead: {len(late)} healthy runs in {seconds:g} s, "
        f"lateness p50 {marks[49] * 1000:.1f} ms, p99 {marks[98] * 1000:.1f} ms, worst {max(late) * 1000:.1f} ms"
    )
    if dead:
        due = dead * CHECKS * seconds / INTERVAL
        print(
            f"connection attempts at {dead} dead hosts: {attempts} by the kernel's count, {runs[True]} by ours; "
            f"{attempts / dead / seconds * 60:.2f} per host and minute; without breakers {due:.0f}"
        )


def main() -> None:
    """Read the options and measure twice: all healthy, then 30 % dead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workstations", type=int, default=200)
    parser.add_argument("--dead", type=float, default=0.3, help="share of the workstations")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    log.configure(style="console", level="critical")
    dead = round(options.workstations * options.dead)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(options.workstations, 0, 5.0, min(30.0, options.seconds)))
        runner.run(measure(options.workstations, dead, 45.0, options.seconds))


if __name__ == "__main__":
    main()
