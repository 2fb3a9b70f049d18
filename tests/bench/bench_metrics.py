"""What a scrape costs, by number of series: ``python tests/bench/bench_metrics.py [SERIES ...]``.

For each size, in one run and on the same farm, of which every check was run since the scrape before (so that duration,
time of success and count changed, as they have when scraped at the checks' interval):

- ours: `Scrapes.body`, from reading the beliefs to the body, CPU of the whole process and time; the first scrape, which
  writes the labels, apart; the longest stall of the event loop, as a task sees it that wants to run all the
  time (median of the rounds: on a busy machine others take the processor, which the CPU of its own thread leaves out);
- prometheus_client: `generate_latest` of the same beliefs, once as a collector that reads them (what `/metrics` would
  be without us) and once of families that are there already (its rendering alone, which flatters it);
- gzip, in its thread; bytes per series: written, packed, and kept in memory between scrapes.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, cast

sys.path.insert(0, str(Path(__file__).parents[2]))

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family

from monitor.breaker.registry import Breakers
from monitor.fleet import Fleet
from monitor.metrics import Metrics
from monitor.metrics.rendering import Body, Format
from monitor.model import Category, EmulatorRun, Entity, Key, Observation, Outcome, Result, Target, Workstation
from tests.fakes import FakeClock, a_target, a_workstation

SIZES = (1_000, 10_000, 100_000, 1_000_000)
ROUNDS = 5
EMULATORS = 6


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds."""

    cpu: float
    wall: float


def targets_of(workstation: Workstation) -> list[Target]:
    """Five checks over three breakers more than they are, as a template has them."""
    ssh = Key(Category.NETWORK, workstation.id, "ssh:22"), Key(Category.WORKSTATION, workstation.id, "ssh")
    console = *ssh, Key(Category.EXTERNAL, workstation.id, "ldplayer")
    return [
        replace(a_target("icmp", workstation=workstation), kind="icmp"),
        a_target("rdp", workstation=workstation),
        replace(a_target("http", workstation=workstation), kind="http", labels={"team": "farm"}),
        replace(a_target("ssh", *ssh, workstation=workstation), kind="ssh"),
        replace(a_target("ldplayer", *console, workstation=workstation, through=2), kind="ldplayer"),
    ]


class Farm:
    """Workstations with five checks and six emulators each, about `series` series."""

    def __init__(self, series: int) -> None:
        self.clock = FakeClock()
        self.fleet, self.breakers = Fleet(), Breakers()
        self.metrics = Metrics(registry=CollectorRegistry(), fleet=self.fleet, breakers=self.breakers)
        self.metrics.scrapes._clock = self.clock  # so that no rendering is shared
        self.targets: list[Target] = []
        self.at = 1_800_000_000.0
        self.entities = tuple(
            Entity(driver="ldplayer", index=index, title=f"farm-{index}", run=EmulatorRun.RUNNING)
            for index in range(EMULATORS)
        )
        workstations = [a_workstation(f"ws-{number:05}") for number in range(max(1, series // self._each()))]
        self.targets = [target for workstation in workstations for target in targets_of(workstation)]
        self.breakers.plan(self.targets)
        self.fleet.replace(workstations, self.targets)
        self.metrics.retain(self.targets)
        self.run()

    def run(self) -> None:
        """Run every check once."""
        self.at += 30.0
        self.clock.pass_(30.0)
        for number, target in enumerate(self.targets):
            entities = self.entities if target.kind == "ldplayer" else None
            seen = Observation(entities=entities, facts={"rtt_seconds": 0.001} if target.kind == "icmp" else {})
            at, duration = self.at + number / 7919, 0.01 + number % 997 / 1e5
            result = Result(target=target, outcome=Outcome.SUCCESS, at=at, duration=duration, observation=seen)
            self.metrics.observe(result, self.fleet.apply(result))

    def collect(self) -> Iterator[Family]:
        """Everything, for prometheus_client."""
        return self.metrics.families()

    @staticmethod
    def _each() -> int:
        """Series of one workstation."""
        return 134


class Ready:
    """A collector of families that are there already."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        """Return them."""
        yield from self._families


def timed(work: Callable[[], object]) -> Cost:
    """Time one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


class Stalls:
    """Measures how long the loop keeps a task waiting that always wants to run: as time, and as CPU of its thread."""

    def __init__(self) -> None:
        self.longest = Cost(0.0, 0.0)
        self._last = Cost(0.0, 0.0)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._last = Cost(time.thread_time(), time.perf_counter())
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            self._note()

    async def _watch(self) -> None:
        while True:
            self._note()
            await asyncio.sleep(0)

    def _note(self) -> None:
        now, last = Cost(time.thread_time(), time.perf_counter()), self._last
        self.longest = Cost(max(self.longest.cpu, now.cpu - last.cpu), max(self.longest.wall, now.wall - last.wall))
        self._last = now


async def scrape(farm: Farm, *, packed: bool = False) -> tuple[Cost, Body]:
    """Scrape once, alone."""
    cpu, wall = time.process_time(), time.perf_counter()
    body = await farm.metrics.scrapes.body(Format(packed=packed))
    return Cost(time.process_time() - cpu, time.perf_counter() - wall), body


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each."""
    return Cost(statistics.median(cost.cpu for cost in costs), statistics.median(cost.wall for cost in costs))


async def ours(farm: Farm, rounds: int) -> tuple[Cost, Cost, Cost, Cost, Body, Body]:
    """Scrape: the first, the median of the others, gzip, the longest stall, and the bodies."""
    first, plain = await scrape(farm)
    costs, packings, longest, packed = [], [], [], plain
    for _ in range(rounds):
        farm.run()
        cost, plain = await scrape(farm)
        costs.append(cost)
        packing, packed = await scrape(farm, packed=True)
        packings.append(packing)
        farm.run()
        async with Stalls() as stalls:
            await scrape(farm, packed=True)
        longest.append(stalls.longest)
    return first, median(costs), median(packings), median(longest), plain, packed


def kept(farm: Farm) -> int:
    """Bytes a farm's lines take in memory: what a second rendering of the same, by another, allocates and keeps."""
    other = Metrics(registry=CollectorRegistry(), fleet=farm.fleet, breakers=farm.breakers)
    other.retain(farm.targets)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    async def once() -> None:
        await other.scrapes.body(Format())
        await other.scrapes.aclose()

    asyncio.run(once())
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return size


def measure(size: int) -> None:
    """Print what one size costs."""
    farm = Farm(size)
    gc.collect()
    rounds = ROUNDS if size <= 100_000 else 2
    first, mine, packing, stall, plain, packed = asyncio.run(ours(farm, rounds))
    everything = cast("CollectorRegistry", farm)
    whole = median([timed(lambda: generate_latest(everything)) for _ in range(rounds)])
    families = list(farm.metrics.families())
    series = sum(len(family.samples) for family in families)
    ready = cast("CollectorRegistry", Ready(families))
    alone = median([timed(lambda: generate_latest(ready)) for _ in range(rounds)])
    print(f"{series:,} series of {len(farm.targets) // 5:,} workstations")
    for name, cost in (
        ("ours", mine),
        ("ours, the first", first),
        ("gzip of it", packing),
        ("generate_latest, reading the beliefs", whole),
        ("generate_latest, of ready families", alone),
    ):
        ratio = f"   {cost.cpu / mine.cpu:5.1f} x ours" if name.startswith("generate") else ""
        per = cost.cpu / series * 1e6
        print(f"  {name:37} CPU {cost.cpu * 1e3:9.2f} ms  time {cost.wall * 1e3:9.2f} ms  {per:6.2f} us/series{ratio}")
    memory = kept(farm) / series
    print(
        f"  longest stall of the loop             {stall.wall * 1e3:.2f} ms ({stall.cpu * 1e3:.2f} ms of its own CPU)"
    )
    sizes = f"{plain.size / series:.0f} written, {packed.size / series:.1f} packed, {memory:.0f} kept in memory"
    print(f"  bytes per series                      {sizes}")


def main() -> None:
    """Measure each size."""
    for size in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
        measure(size)


if __name__ == "__main__":
    main()
