"""A JSON Schema of the dashboards, made from grafana-foundation-sdk: its classes are Grafana's own types, in Python.

Names of keys and which of them are always there come from what the classes read and write, types and values from their
hints. Strict: no other keys, of panels only those types that we use, their options and fields as their plugins have
them, and overrides only of fields there are. What the SDK calls ``object`` may be anything; there is a list of those.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from typing import Any, Final

from grafana_foundation_sdk.cog import runtime, variants

from dashboards.build.sdk import models, prometheus_models

Schema = dict[str, Any]
Class = type[Any]

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
ANYTHING: Final[Schema] = {}
NOTHING: Final[Schema] = {"type": "null"}
_PLAIN: Final[dict[object, Schema]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    object: ANYTHING,
    types.NoneType: NOTHING,
}
_PAIR: Final = re.compile(r'"([^"]+)"(?:\] =|:) self\.(\w+)')
_ALWAYS: Final = re.compile(r"payload: dict\[str, object\] = \{(.*?)\n        \}", re.DOTALL)


class Schemas:
    """Schemas of classes, each made once and referred to by name."""

    def __init__(self, *panel_types: str) -> None:
        self.definitions: dict[str, Schema] = {}
        self._panel_types = panel_types

    def dashboard(self) -> Schema:
        """The whole."""
        return {"$schema": DRAFT, **self.of(models.Dashboard), "$defs": self.definitions}

    def of(self, hint: Any) -> Schema:
        """The schema of whatever stands in a type hint."""
        if hint in _PLAIN:
            return _PLAIN[hint]
        if hint is models.Panel:
            return _by("type", {name: self._panel(name) for name in self._panel_types})
        if hint is variants.Dataquery:
            return self.of(prometheus_models.Dataquery)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return {"enum": [member.value for member in hint]}
        return self._built(typing.get_origin(hint), typing.get_args(hint)) or self._refer(_name(hint), hint)

    def _built(self, origin: object, parts: tuple[Any, ...]) -> Schema | None:
        """The schema of a hint made of others; None if it is none."""
        if origin is typing.Literal:
            return {"enum": list(parts)}
        if origin is list:
            return {"type": "array", "items": self.of(parts[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(parts[1])}
        return {"anyOf": [self.of(part) for part in parts]} if origin is typing.Union else None

    def _refer(self, name: str, made: Class, **instead: Schema) -> Schema:
        if name not in self.definitions:
            self.definitions[name] = ANYTHING  # a class may hold itself
            self.definitions[name] = self._object(made, instead)
        return {"$ref": f"#/$defs/{name}"}

    def _object(self, made: Class, instead: dict[str, Schema]) -> Schema:
        properties, always = self.properties(made), _always(made)
        assert instead.keys() <= properties.keys(), made
        return {
            "type": "object",
            "properties": properties | instead,
            "required": sorted(always),
            "additionalProperties": False,
        }

    def properties(self, made: Class) -> dict[str, Schema]:
        """The keys of a class; what is always written may be null if its hint says so, the rest is left out then."""
        keys, always = _keys(made), _always(made)
        hints = typing.get_type_hints(made)
        assert hints.keys() == keys.keys(), made
        return {keys[name]: self.of(hint if keys[name] in always else _there(hint)) for name, hint in hints.items()}

    def _panel(self, name: str) -> Schema:
        """A panel of one type, with the options and the fields of its plugin."""
        config = runtime.panelcfg_config(name)
        assert config is not None, name
        options, custom = _class(config.options_from_json_hook), _class(config.field_config_from_json_hook)
        fields = self.of(custom) if custom else NOTHING
        defaults = self._refer(f"{name} FieldConfig", models.FieldConfig, custom=fields)
        overrides = {"type": "array", "items": self._override(name, custom)}
        source = self._refer(f"{name} fields", models.FieldConfigSource, defaults=defaults, overrides=overrides)
        return self._refer(
            f"{name} Panel",
            models.Panel,
            type={"const": name},
            options=self._refer(f"{name} Options", options) if options else NOTHING,
            fieldConfig=source,
        )

    def _override(self, name: str, custom: Class | None) -> Schema:
        """One override: a matcher, and values of fields there are."""
        fields = self.properties(models.FieldConfig)
        fields |= {f"custom.{key}": field for key, field in (self.properties(custom) if custom else {}).items()}
        del fields["custom"]
        pairs = _by("id", {key: _pair(key, field) for key, field in fields.items()})
        matcher = self.of(models.MatcherConfig)
        self.definitions[f"{name} override"] = {
            "type": "object",
            "properties": {"matcher": matcher, "properties": {"type": "array", "items": pairs}},
            "required": ["matcher", "properties"],
            "additionalProperties": False,
        }
        return {"$ref": f"#/$defs/{name} override"}


def _by(key: str, schemas: dict[str, Schema]) -> Schema:
    """One of several, as the value of a key says: quicker to check than to try all, and it says what is wrong."""
    rules = [{"if": {"properties": {key: {"const": name}}}, "then": then} for name, then in schemas.items()]
    return {"type": "object", "required": [key], "properties": {key: {"enum": [*schemas]}}, "allOf": rules}


def _pair(key: str, value: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"id": {"const": key}, "value": value},
        "required": ["id", "value"],
        "additionalProperties": False,
    }


def _keys(made: Class) -> dict[str, str]:
    """Attribute to key, as the class writes them."""
    return {name: key for key, name in _PAIR.findall(inspect.getsource(made.to_json))}


def _always(made: Class) -> set[str]:
    """The keys that are written whatever their value."""
    found = _ALWAYS.search(inspect.getsource(made.to_json))
    return {key for key, _ in _PAIR.findall(found[1])} if found else set()


def _there(hint: Any) -> Any:
    """What a hint says without None."""
    parts = [part for part in typing.get_args(hint) if part is not types.NoneType]
    return typing.Union[tuple(parts)] if typing.get_origin(hint) is typing.Union else hint  # noqa: UP007 - made of parts


def _name(made: Class) -> str:
    """Unique: plugins have classes of the same names."""
    return f"{made.__module__.rpartition('.')[2]}.{made.__qualname__}"


def _class(read: Any) -> Class | None:
    """The class whose `from_json` it is."""
    return None if read is None else read.__self__
