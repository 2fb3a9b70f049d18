from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from monitor.app import Service
from monitor.config import load_text
from monitor.model import CheckState, Outcome, Result, Status, SubjectKind, Transition, WorkstationState
from monitor.simulator.farm import Farm
from monitor.simulator.workstation import SimulatedWorkstation

INTERVAL = 0.3
OPEN_TIME = 1.5


class Recorder:
    """A sink that keeps every transition and every result, and wakes who waits for one."""

    name = "recorder"

    def __init__(self) -> None:
        self.transitions: list[Transition] = []
        self.results: list[Result] = []
        self.heard = asyncio.Event()

    async def deliver(self, result: Result, transitions: Sequence[Transition]) -> None:
        self.results.append(result)
        self.transitions.extend(transitions)
        self.heard.set()

    def of(self, kind: SubjectKind) -> list[Status]:
        return [t.new for t in self.transitions if t.kind is kind]

    def forget(self) -> None:
        self.transitions.clear()
        self.results.clear()


@dataclass
class Watched:
    """One simulated workstation and the real service that watches it."""

    farm: Farm
    service: Service
    recorder: Recorder = field(default_factory=Recorder)

    @property
    def host(self) -> SimulatedWorkstation:
        return self.farm.workstations[0]

    @property
    def state(self) -> WorkstationState:
        (state,) = self.service.fleet.snapshot()
        return state

    def check(self, name: str) -> CheckState:
        return next(check for check in self.state.checks if check.target.name == name)

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until what the service believes fulfils a condition."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.recorder.heard.clear()
                await self.recorder.heard.wait()

    def silent(self) -> set[str]:
        """The ids of the checks whose last run heard brought no answer."""
        last = {result.target.id: result for result in self.recorder.results if result.outcome is not Outcome.SKIPPED}
        return {name for name, result in last.items() if result.observation is None}

    def well(self) -> bool:
        return (
            self.state.status is Status.UP
            and all(check.status is Status.UP and check.stale_since is None for check in self.state.checks)
            and len(self.state.emulators) == 6
            and all(emulator.status is Status.UP for emulator in self.state.emulators)
        )


@asynccontextmanager
async def watching(farm: Farm, config: str) -> AsyncIterator[Watched]:
    """Watch a farm's only workstation, from the moment on when it is well; every check is asked at once."""
    service = Service(await asyncio.to_thread(load_text, config, name="farm"))
    watched = Watched(farm, service)
    await service.start()
    service.fanout.add(watched.recorder)
    try:
        for check in watched.state.checks:
            service.scheduler.run_now(check.target)
        await watched.until(watched.well)
        watched.recorder.forget()
        yield watched
    finally:
        await service.stop()


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    async with (
        Farm(workstations=1) as farm,
        watching(farm, farm.config_yaml(interval=INTERVAL, open_time=OPEN_TIME)) as watched,
    ):
        yield watched
