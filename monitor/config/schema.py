"""The config as a JSON Schema, for editors: `emuwatch schema > emuwatch.schema.json`.

Says which keys there are and of which type; what takes two keys to judge is left to `load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

import monitor.channels
import monitor.checks
import monitor.transports
from monitor.checks import AnyCheck
from monitor.config.gateways import keys_of, offered
from monitor.config.notifications import secret_files
from monitor.config.routes import ChannelKeys, NotificationKeys, RouteKeys
from monitor.config.shapes import CheckKeys, CredentialKeys, EntryKeys, RootKeys, TemplateKeys
from monitor.config.silences import SilenceKeys
from monitor.durations import show
from monitor.transports import AnyTransportKind

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_VARIABLE: Final = {"type": "string", "pattern": r"\$\{"}
"""A number or switch may also come from the environment."""

_DATA: Final = frozenset({"const", "default", "enum", "examples", "type"})
"""Keywords whose values are data, not schemas."""

Schema = dict[str, Any]


def schema(
    *, checks: Mapping[str, AnyCheck] | None = None, transports: Mapping[str, AnyTransportKind] | None = None
) -> Schema:
    """Build the schema for the checks and transports there are."""
    checks = monitor.checks.discover() if checks is None else checks
    transports = monitor.transports.discover() if transports is None else transports
    definitions: Schema = {}
    root = _object(RootKeys, definitions)
    definitions["check"] = _choice(checks, definitions, common=_object(CheckKeys, definitions))
    definitions["check"]["required"] = ["kind"]
    for name, check in checks.items():
        if check.timeout is not None:
            words = f"default: {show(check.timeout)}, or that of defaults if it is longer"
            keys = definitions[f"{check.__class__.__name__}-{name}"]["properties"]
            keys["timeout"] = {**keys["timeout"], "description": words}
    definitions["transport"] = _choice(transports, definitions, common=None)
    definitions["credential"] = _object(CredentialKeys, definitions)
    for name, model in (("template", TemplateKeys), ("workstation", EntryKeys)):
        definitions[name] = _object(model, definitions)
        definitions[name]["properties"]["checks"]["items"] = {"$ref": "#/$defs/check"}
        definitions[name]["properties"]["transport"] = {"$ref": "#/$defs/transport"}
    definitions["workstation"]["anyOf"] = [{"required": ["id"]}, {"required": ["host"]}]
    root["properties"]["workstations"]["items"] = {"$ref": "#/$defs/workstation"}
    root["properties"]["templates"]["additionalProperties"] = {"$ref": "#/$defs/template"}
    root["properties"]["credentials"]["additionalProperties"] = {"$ref": "#/$defs/credential"}
    definitions["silence"] = _object(SilenceKeys, definitions)
    for key in ("silences", "maintenance"):
        root["properties"][key]["items"] = {"$ref": "#/$defs/silence"}
    definitions["gateway"] = _gateway(checks, definitions)
    root["properties"]["gateways"]["items"] = {"$ref": "#/$defs/gateway"}
    root["properties"]["notifications"] = _notifications(definitions)
    return {"$schema": DIALECT, "title": "Emuwatch config", **root, "$defs": definitions}


def _gateway(checks: Mapping[str, AnyCheck], definitions: Schema) -> Schema:
    """Build the schema of one of ``gateways:``; what is beside the parameters depends on the kind."""
    kinds = offered(checks)
    choice = _choice(kinds, definitions, common=None, prefix="Gateway")
    for name in kinds:
        own, made = _object(keys_of(name), definitions), definitions[f"Gateway-{name}"]
        made["properties"] = {**own["properties"], **made["properties"]}
        made["required"] = sorted({*own["required"], *made["required"]})
    return {**choice, "required": ["kind"]}


def _notifications(definitions: Schema) -> Schema:
    """Build the schema of ``notifications:``; a secret may be in a file of its own."""
    section = _object(NotificationKeys, definitions)
    kinds = monitor.channels.discover()
    channel = _choice(kinds, definitions, common=_object(ChannelKeys, definitions))
    channel["required"] = ["kind"]
    for name, kind in kinds.items():
        made = definitions[f"{kind.__class__.__name__}-{name}"]
        made["properties"].update(secret_files(kind))
        made["required"] = [key for key in made["required"] if key not in kind.secrets]
    definitions["channel"] = channel
    definitions["route"] = _object(RouteKeys, definitions)
    section["properties"]["channels"]["additionalProperties"] = {"$ref": "#/$defs/channel"}
    section["properties"]["routes"]["items"] = {"$ref": "#/$defs/route"}
    return section


def _object(model: type[BaseModel], definitions: Schema, prefix: str = "") -> Schema:
    """One model's schema, what it refers to moved into `definitions`, under names that begin with `prefix`."""
    made = model.model_json_schema(ref_template="#/$defs/" + prefix + "{model}")
    for name, part in made.pop("$defs", {}).items():
        definitions[prefix + name] = _open_to_variables(part)
    made.setdefault("properties", {})
    made.pop("title", None)
    made.pop("description", None)
    opened: Schema = _open_to_variables(made)
    opened["additionalProperties"] = False
    return opened


def _choice(kinds: Mapping[str, Any], definitions: Schema, *, common: Schema | None, prefix: str = "") -> Schema:
    """One of several shapes, told apart by `kind`; without one it adds to that of a template.

    Args:
        kinds: What there is, by name.
        definitions: Takes the shapes, under names that begin with `prefix`, or with what the kinds are called.
        common: The keys all of them have.
        prefix: See there.

    """
    cases: list[Schema] = []
    for name, kind in sorted(kinds.items()):
        key = f"{prefix or kind.__class__.__name__}-{name}"
        own = _object(kind.params, definitions, prefix=f"{key}-")
        shared = common or {"properties": {}}
        own["properties"] = {**shared["properties"], **own["properties"], "kind": {"const": name}}
        own["required"] = sorted({"kind", *own.get("required", [])})
        definitions[key] = own
        this = {"properties": {"kind": {"const": name}}, "required": ["kind"]}
        cases.append({"if": this, "then": {"$ref": f"#/$defs/{key}"}})
    return {"type": "object", "properties": {"kind": {"enum": sorted(kinds)}}, "allOf": cases}


def _open_to_variables(node: Any) -> Any:
    """Let ``${NAME}`` stand for whatever is no text, and drop pydantic's generated titles."""
    if isinstance(node, list):
        return [_open_to_variables(part) for part in node]
    if not isinstance(node, dict):
        return node
    opened: Schema = {}
    for key, part in node.items():
        if key == "properties":
            opened[key] = {name: _open_to_variables(field) for name, field in part.items()}
        elif key in _DATA:
            opened[key] = part
        elif key != "title":
            opened[key] = _open_to_variables(part)
    if node.get("type") in ("integer", "number", "boolean"):
        described = {key: opened.pop(key) for key in ("description", "default") if key in opened}
        return {**described, "anyOf": [opened, _VARIABLE]}
    return opened
