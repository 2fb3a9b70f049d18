"""What the overview costs, by size of the farm: ``python tests/bench/bench_pages.py [WORKSTATIONS ...]``.

Over a real socket; printed are the median of `ROUNDS` requests, as time and as CPU of the whole process (client
included), and the size of the page. The page holds 200 workstations at most, so it must not grow with the farm.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from aiohttp.test_utils import TestClient, TestServer

from tests.web.farm import mixed

SIZES = (8, 200, 1_000, 10_000)
ROUNDS = 7


async def measure(size: int) -> None:
    """Ask for the overview of a farm and print one line."""
    async with TestClient(TestServer(mixed(size).app())) as client:
        walls, cpus, length = [], [], 0
        for _ in range(ROUNDS + 1):
            cpu, wall = time.process_time(), time.perf_counter()
            async with client.get("/") as response:
                length = len(await response.read())
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    wall, cpu = statistics.median(walls[1:]), statistics.median(cpus[1:])  # the first compiles the templates
    print(f"{size:12,} {wall * 1e3:10.1f} {cpu * 1e3:10.1f} {length / 1024:10.1f}")


def main() -> None:
    """Print one line for each size."""
    print("workstations    time ms     CPU ms   page KiB")
    for size in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
        asyncio.run(measure(size))


if __name__ == "__main__":
    main()
