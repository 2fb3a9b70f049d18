"""The config with the checks, transports and the simulated farm there are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import yaml

import monitor.checks
import monitor.transports
from monitor.config import load, load_text, schema
from monitor.config.checks import COMMON
from monitor.config.gateways import keys_of, offered
from monitor.simulator.farm import Farm

GOOD = Path(__file__).parents[1] / "data" / "config" / "good.yaml"
ENVIRON = {"FARM_PASSWORD": "hunter2", "TOKEN": "hunter3"}


def test_params_of_every_check__leave_the_common_keys_alone() -> None:
    taken = {name: COMMON & check.params.model_fields.keys() for name, check in monitor.checks.discover().items()}
    assert {name: keys for name, keys in taken.items() if keys} == {}


def test_params_of_every_check_a_gateway_is_asked_by__leave_its_keys_alone() -> None:
    kinds = offered(monitor.checks.discover())
    assert sorted(kinds) == ["http", "icmp", "tcp"]
    assert [
        name for name, check in kinds.items() if keys_of(name).model_fields.keys() & check.params.model_fields
    ] == []


def test_load__good_file__its_gateways_by_the_host_they_ask() -> None:
    config = load(GOOD, environ=ENVIRON)
    assert [(g.kind, g.name, g.workstation.host) for g in config.gateways] == [
        ("icmp", "router", "192.168.0.1"),
        ("tcp", "ns.example", "ns.example"),
        ("http", "panel.example", "panel.example"),
    ]
    assert {(g.interval, g.timeout, g.down_after) for g in config.gateways} == {(5.0, 2.0, 2)}
    assert "hunter" not in repr(config.gateways)


def test_load__good_file__every_workstation_with_its_checks() -> None:
    config = load(GOOD, environ=ENVIRON)
    checks: dict[str, list[str]] = {workstation.id: [] for workstation in config.workstations}
    for target in config.targets:
        checks[target.workstation.id].append(target.name)
    whole = ["rdp", "icmp", "login", "ldplayer", "panel", "adb-0"]
    assert checks == {
        **{f"ws-0{number}": whole for number in range(1, 9)},
        "192.168.1.10": ["rdp", "login", "ldplayer"],
        "here": ["tcp"],
    }
    assert [path.name for path in config.files] == ["good.yaml", "admin", "good.yaml"]


def test_load__good_file__shows_no_secret() -> None:
    config = load(GOOD, environ=ENVIRON)
    assert "hunter" not in repr(config) + repr(config.targets) + repr(config.workstations) + repr(config.credentials)


def test_load__good_file__every_window_can_trip() -> None:
    config = load(GOOD, environ=ENVIRON)
    for target in config.targets:
        for key in target.path:
            policy = config.policies[key.category].widened(target.interval, target.timeout)
            assert policy.can_trip(target.interval, target.timeout, target.jitter)


def test_schema__of_the_real_kinds__is_json_and_names_them() -> None:
    made = schema()
    json.dumps(made)
    assert {f"Check-{name}" for name in monitor.checks.discover()} <= set(made["$defs"])
    assert {f"TransportKind-{name}" for name in monitor.transports.discover()} <= set(made["$defs"])


async def test_load_text__config_of_the_simulated_farm__loads() -> None:
    async with Farm(workstations=2, emulators=2) as farm:
        config = await asyncio.to_thread(load_text, json.dumps(farm.config()), name="<demo>")
        same = await asyncio.to_thread(load_text, yaml.safe_dump(farm.config()), name="<demo>")
    assert [workstation.id for workstation in config.workstations] == ["ws-01", "ws-02"]
    assert config.targets == same.targets
    assert config.warnings == ()
