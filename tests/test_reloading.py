"""A reload is loaded whole or not at all, one at a time, and its end is told with what caused it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.config import Config, load
from monitor.errors import ConfigError, Problem
from monitor.reloading import Cause, Outcome, Reload, Reloading


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "config.yaml").write_text("workstations: [{host: 127.0.0.1, checks: [{kind: tcp, port: 1}]}]\n")
    return load(tmp_path / "config.yaml")


class Rig:
    def __init__(self, load: Callable[[], Config]) -> None:
        self.taken: list[Config] = []
        self.told: list[Reload] = []
        self.reloading = Reloading(
            load=load, take=self.take, files=lambda: ((), ()), told=self.told.append, wall=lambda: 1000.0
        )

    async def take(self, config: Config) -> None:
        self.taken.append(config)


async def test_good__is_taken_and_told_with_cause_and_who(config: Config) -> None:
    rig = Rig(lambda: config)
    await rig.reloading.now(Cause.REQUEST, "alice")
    assert rig.taken == [config]
    assert rig.told == [
        Reload(cause=Cause.REQUEST, who="alice", outcome=Outcome.OK, at=1000.0, message="1 workstations")
    ]


async def test_bad__is_refused_told_and_raised_to_who_waits_for_it() -> None:
    def bad() -> Config:
        raise ConfigError([Problem("a.yaml", 3, "chekcs", "unknown key")])

    rig = Rig(bad)
    with pytest.raises(ConfigError):
        await rig.reloading.now(Cause.REQUEST)
    await rig.reloading.quietly(Cause.SIGNAL)
    assert rig.taken == []
    problem = "a.yaml:3: chekcs: unknown key"
    assert [(r.cause, r.outcome, r.problems, r.message) for r in rig.told] == [
        (Cause.REQUEST, Outcome.REFUSED, (problem,), problem),
        (Cause.SIGNAL, Outcome.REFUSED, (problem,), problem),
    ]


async def test_defect__is_told_as_well__and_the_next_one_works(config: Config) -> None:
    broken = True

    def sometimes() -> Config:
        if broken:
            raise ZeroDivisionError
        return config

    rig = Rig(sometimes)
    with capture_logs() as logs:
        await rig.reloading.quietly(Cause.FILES)
    assert [entry["event"] for entry in logs] == ["reload failed"]
    assert [(r.cause, r.outcome, r.problems) for r in rig.told] == [
        (Cause.FILES, Outcome.FAILED, ("defect: ZeroDivisionError",))
    ]
    broken = False
    await rig.reloading.quietly(Cause.FILES)
    assert rig.reloading.last is not None
    assert rig.reloading.last.outcome is Outcome.OK


async def test_two_at_once__are_taken_one_after_the_other(config: Config) -> None:
    rig = Rig(lambda: config)
    inside, most = 0, 0

    async def take(_: Config) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    rig.reloading._take = take
    await asyncio.gather(rig.reloading.now(Cause.REQUEST), rig.reloading.now(Cause.SIGNAL))
    assert (most, len(rig.told)) == (1, 2)
