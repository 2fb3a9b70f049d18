"""The estimate is what a scrape really has once everything was seen, and never less."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from monitor.app import Service
from monitor.breaker.registry import Breakers
from monitor.config import Config, load_text
from monitor.figures import WorkstationFigures
from monitor.metrics import CATALOGUE, SINKS, Metrics, catalogue, estimate
from monitor.metrics.rendering import Format
from monitor.model import (
    CheckState,
    EmulatorRun,
    EmulatorState,
    Entity,
    HostFacts,
    Reason,
    Severity,
    Status,
    Target,
    Volume,
    WorkstationState,
)
from monitor.notices import Notifications
from monitor.notify import ChannelStatus
from monitor.roster import Roster
from monitor.silencing import Silencing
from monitor.simulator.farm import Farm
from monitor.store import StoreStatus
from tests.fakes import figures
from tests.test_silencing import Shelf

CONFIG = """
templates:
  pc:
    transport: {kind: local}
    checks:
      - {kind: icmp}
      - {kind: tcp, port: 3389, labels: {team: a}}
      - {kind: http, url: "https://panel.example/"}
      - {kind: host}
      - {kind: ldplayer}
      - {kind: adb}
notifications:
  channels: {a: {kind: webhook, url: "http://127.0.0.1:9/a"}, b: {kind: webhook, url: "http://127.0.0.1:9/b"}}
workstations:
  - {id: "ws-[1-3]", host: "10.0.0.[1-3]", template: pc}
  - {id: bare, host: 10.0.0.9, checks: [{kind: icmp}]}
  - id: tls
    host: 10.0.0.8
    transport: {kind: winrm, https: true}
    checks: [{kind: winrm}, {kind: host}, {kind: ldplayer}, {kind: adb, via: run}, {kind: tcp, port: 3389}]
"""
CERTIFICATE = "certificate_end_timestamp_seconds"
FIGURES = {"icmp": ("loss_ratio", "rtt_seconds"), "http": (CERTIFICATE, "http_status")}


class Everything:
    """A fleet of which everything is known: every reason, every figure, every emulator."""

    def __init__(self, config: Config, emulators: int, volumes: int) -> None:
        self.config = config
        roster = Roster()
        roster.replace(config.targets)
        self.entities = [
            Entity(driver="ldplayer", index=index, title="", run=EmulatorRun.RUNNING) for index in range(emulators)
        ]
        consoles = {target.workstation.id for target in config.targets if target.kind == "ldplayer"}
        for workstation in consoles:
            roster.hear(workstation, self.entities)
        self.consoles = consoles
        self.targets = list(roster.targets())
        self.volumes = tuple(Volume(f"{letter}:", 1, 1) for letter in "CDEFGH"[:volumes])

    def figures(self) -> Iterator[WorkstationFigures]:
        return map(figures, self.each())

    def each(self) -> Iterator[WorkstationState]:
        for workstation in self.config.workstations:
            yield WorkstationState(
                workstation=workstation,
                status=Status.UP,
                since=None,
                message="",
                flapping=False,
                checks=tuple(self.check(t) for t in self.targets if t.workstation.id == workstation.id),
                emulators=tuple(map(emulator, self.entities if workstation.id in self.consoles else ())),
            )

    def check(self, target: Target) -> CheckState:
        facts = HostFacts(
            cpu_ratio=0.5, memory_total_bytes=1, memory_available_bytes=1, commit_limit_bytes=1,
            commit_available_bytes=1, boot_time_seconds=1.0, gpu_ratio=0.1, volumes=self.volumes,
        )  # fmt: skip
        spec = target.workstation.transport
        shown = (CERTIFICATE,) if spec and spec.kind == "winrm" and target.kind != "tcp" else ()
        return CheckState(
            target=target,
            status=Status.UP,
            reason=Reason.THRESHOLD,
            last_run=1.0,
            last_success=1.0,
            last_duration=1.0,
            facts=dict.fromkeys((*FIGURES.get(target.kind, ()), *shown), 1.0),
            host=facts if target.kind == "host" else None,
        )


def emulator(entity: Entity) -> EmulatorState:
    return EmulatorState(
        id=entity.id, driver=entity.driver, index=entity.index, title="", state="running", status=Status.UP, since=0.0,
        reason=None, message="", expected=None, first_seen=0.0, last_seen=0.0, boot_seconds=60.0,
    )  # fmt: skip


def series(config: Config, emulators: int, volumes: int) -> int:
    everything, breakers = Everything(config, emulators, volumes), Breakers()
    breakers.plan(everything.targets)
    for key, _ in list(breakers.figures()):
        for _ in range(3):
            breakers.get(key).acquire().failure(Severity.HIGH)
    metrics = Metrics(registry=CollectorRegistry(), fleet=everything, breakers=breakers, sinks=SINKS)
    metrics.silences = Silencing(Shelf(), note=lambda *_, **__: None, retention=1.0)
    metrics.retain(everything.targets)
    metrics.isolated = lambda: False
    metrics.store = lambda: StoreStatus(up=True, since=1.0, problem="", pending=0, dropped=0)
    channels = [
        ChannelStatus(name=name, kind="webhook", well=True, since=1.0, problem="", permanent=False, pending=0)
        for name in config.notifications.channels
    ]
    metrics.channels = lambda: channels
    metrics.loop_lag(0.1)
    metrics.reloaded(ok=True, at=1.0)
    metrics.rendered(seconds=0.1, series=1)
    metrics.isolated = lambda: False
    return sum(len(family.samples) for family in metrics.families())


@pytest.mark.parametrize(("emulators", "volumes"), [(1, 1), (6, 2), (50, 4)])
def test_estimate__is_what_a_scrape_has_once_everything_was_seen(emulators: int, volumes: int) -> None:
    config = load_text(CONFIG, name="test.yaml")
    assert estimate.estimate(config, emulators=emulators, volumes=volumes) == series(config, emulators, volumes)


def test_estimate__of_consoles_without_emulators__is_no_less_than_there_is() -> None:
    config = load_text(CONFIG, name="test.yaml")
    assert estimate.estimate(config, emulators=0, volumes=0) >= series(config, 0, 0)


def test_estimate__in_words__is_round_and_says_what_it_assumes() -> None:
    config = load_text(CONFIG, name="test.yaml")
    assert 1_300 < estimate.estimate(config) < 1_600
    assert re.fullmatch(r"about 1,[345]\d0 series with 6 emulators on each workstation", estimate.words(config))
    few = replace(config, targets=(), workstations=(), notifications=Notifications())
    assert estimate.words(few) == f"about {estimate.MONITOR_SERIES} series"


def test_estimate__of_nothing__is_the_monitor_itself() -> None:
    config = replace(load_text(CONFIG, name="test.yaml"), workstations=(), targets=())
    assert estimate.estimate(config) == series(config, 6, 2)


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    async with Farm(workstations=2) as farm:
        yield farm


async def test_estimate__beside_a_service_with_store_and_channels__counts_all_of_its_own_and_no_less_of_the_farm(
    farm: Farm,
) -> None:
    document = farm.config(interval=0.3, open_time=1.0)
    document["gateways"] = [{"kind": "tcp", "host": "127.0.0.1", "port": farm["ws-02"].rdp.port}]
    channels = {name: {"kind": "webhook", "url": "http://127.0.0.1:9/"} for name in ("a", "b", "c")}
    document["notifications"] = {
        "channels": channels,
        "routes": [{"channels": [*channels], "after": "0s", "wait": "0s"}],
    }
    config = await asyncio.to_thread(load_text, yaml.safe_dump(document), name="farm")
    service = Service(config)
    await service.start()
    try:
        farm["ws-01"].power_off()
        async with asyncio.timeout(20):
            while any(channel.well is None for channel in service.notifier.channels()):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.1)
        await service.metrics.scrapes.body(Format())  # so that the cost of one is known
        families = list(service.metrics.families())
    finally:
        await service.stop()
    own = {family.name for family in service.metrics.describe()}
    there = sum(len(family.samples) for family in families if family.name in own)
    kinds = len({target.kind for target in config.targets})
    assert there == estimate.MONITOR_SERIES + estimate.KIND_SERIES * kinds + estimate.CHANNEL_SERIES * len(channels), (
        "a label of the monitor's own series is not counted"
    )
    assert sum(len(family.samples) for family in families) <= estimate.estimate(config)


def test_figures__are_no_more_than_there_are() -> None:
    assert max(estimate.FIGURES.values()) <= len(catalogue.FACTS)
    assert len(CATALOGUE) > len(catalogue.FACTS)


def test_readme__has_the_formula() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"<!-- series: made by python -m monitor.metrics.estimate -->\n{estimate.formula()}\n<!-- end -->" in readme
