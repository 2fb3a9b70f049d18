"""The schema says what `load` says, as far as one key goes; `fits` reads the keywords the schema uses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from monitor.checks import AnyCheck
from monitor.config import load_text, schema
from monitor.config.schema import DIALECT
from monitor.transports import AnyTransportKind

EXAMPLE = """
listen: 127.0.0.1:9877
log: {format: json}
defaults: {interval: 30s, down_after: "${AFTER}"}
gateways: [{kind: icmp, host: 10.0.0.254, down_after: 3}, {kind: http, name: panel, url: "http://router/"}]
breakers: {failures: 3, network: {open_time: 30s, min_severity: low}}
credentials: {farm: {user: monitor, password: "${PASSWORD}"}}
templates:
  pc:
    transport: {kind: ssh, credential: farm, port: "${PORT}"}
    checks: [{kind: tcp, port: 3389}, {kind: ldplayer, name: console, expect_running: [a], critical: true}]
workstations:
  - {id: "ws-[1-2]", host: "10.0.0.[1-2]", template: pc, code_page: 936, labels: {rack: a}, transport: {port: 23}}
  - {host: 10.0.0.3, checks: [{kind: http, url: "http://{host}/", status: [200], follow: true, interval: 1m}]}
"""
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
KEYWORDS = {
    "$schema", "$defs", "$ref", "title", "description", "default", "examples", "type", "properties", "required",
    "items", "additionalProperties", "anyOf", "allOf", "if", "then", "const", "enum", "pattern", "minimum", "maximum",
    "minLength", "maxLength", "minItems", "format", "writeOnly", "propertyNames",
}  # fmt: skip


def fits(value: Any, node: Any, root: Mapping[str, Any]) -> bool:
    if isinstance(node, bool):
        return node
    assert set(node) <= KEYWORDS
    return all(rule(value, node, root) for rule in (_fits_type, _fits_choice, _fits_parts, _fits_bounds))


def _fits_type(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    names = node.get("type", [])
    kinds = [names] if isinstance(names, str) else names
    if isinstance(value, bool) and kinds and "boolean" not in kinds:
        return False
    if kinds and not any(isinstance(value, TYPES[kind]) for kind in kinds):
        return False
    return value == node.get("const", value) and value in node.get("enum", [value])


def _fits_choice(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if "$ref" in node and not fits(value, root["$defs"][node["$ref"].removeprefix("#/$defs/")], root):
        return False
    if "anyOf" in node and not any(fits(value, part, root) for part in node["anyOf"]):
        return False
    if not all(fits(value, part, root) for part in node.get("allOf", [])):
        return False
    return "if" not in node or not fits(value, node["if"], root) or fits(value, node["then"], root)


def _fits_parts(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if isinstance(value, list):
        return all(fits(part, node.get("items", True), root) for part in value)
    if not isinstance(value, dict):
        return True
    properties, rest = node.get("properties", {}), node.get("additionalProperties", True)
    return set(node.get("required", [])) <= set(value) and all(
        fits(part, properties.get(key, rest), root) for key, part in value.items()
    )


def _fits_bounds(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if isinstance(value, str):
        return re.search(node.get("pattern", ""), value) is not None
    if isinstance(value, (int, float)):
        return bool(node.get("minimum", value) <= value <= node.get("maximum", value))
    return True


@pytest.fixture(scope="session")
def made(checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(json.dumps(schema(checks=checks, transports=transports)))
    return document


def test_schema__example_that_loads__fits(
    made: Mapping[str, Any], checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    environ = {"AFTER": "2", "PORT": "22", "PASSWORD": "x"}
    assert len(load_text(EXAMPLE, environ=environ, checks=checks, transports=transports).targets) == 5
    assert fits(yaml.safe_load(EXAMPLE), made, made)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("listen:", "listn:"),
        ("format: json", "format: xml"),
        ("interval: 30s", "interval: 30"),
        ("failures: 3", "failures: 0"),
        ("min_severity: low", "min_severity: none"),
        ("user: monitor", "usr: monitor"),
        ('"${PASSWORD}"', "hunter2"),
        ("port: 3389", "port: 70000"),
        ("port: 3389", "prt: 3389"),
        (", port: 3389", ""),
        ("kind: tcp", "kind: tpc"),
        ("kind: tcp, ", ""),
        ("kind: ssh", "kind: shh"),
        ("critical: true", "critical: often"),
        ("status: [200]", "status: [ok]"),
        ("template: pc", "templte: pc"),
        ("host: 10.0.0.3, ", ""),
        ("labels: {rack: a}", "labels: {rack: 1}"),
        ("kind: icmp", "kind: ssh"),
        (", host: 10.0.0.254", ""),
        ("down_after: 3", "down_after: 0"),
        ("name: panel", "host: router"),
        ("name: panel", "critical: true"),
    ],
)
def test_schema__example_with_a_mistake__does_not_fit(made: Mapping[str, Any], old: str, new: str) -> None:
    assert old in EXAMPLE
    assert not fits(yaml.safe_load(EXAMPLE.replace(old, new, 1)), made, made)


def test_schema__whole__closed_and_without_loose_ends(made: Mapping[str, Any]) -> None:
    assert made["$schema"] == DIALECT
    text = json.dumps(made)
    for name in re.findall(r'"#/\$defs/([^"]+)"', text):
        assert name in made["$defs"]
    shapes = [made, *made["$defs"].values()]
    assert all(
        shape["additionalProperties"] is False for shape in shapes if "allOf" not in shape and "enum" not in shape
    )


def test_schema__every_kind__has_its_own_shape(
    made: Mapping[str, Any], checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    assert {f"Check-{name}" for name in checks} | {f"TransportKind-{name}" for name in transports} <= set(made["$defs"])
    assert "$ref" in json.dumps(made["properties"]["workstations"])
