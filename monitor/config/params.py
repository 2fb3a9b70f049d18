"""The keys that belong to one kind of check or transport, validated by its own `Params`.

A file named there is on the monitor's machine and relative to the config file that names it; a credential must exist.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from monitor.config.context import Context
from monitor.config.files import locate
from monitor.config.problems import meant
from monitor.config.source import Section
from monitor.config.words import validated

M = TypeVar("M", bound=BaseModel)

_SWITCHES: Final = frozenset({"true", "false", "yes", "no", "on", "off", "0", "1", "t", "f", "y", "n"})
"""What pydantic takes as a switch, where a file or a switch may stand."""


def read_params(
    model: type[M], section: Section, common: Iterable[str], credentials: Mapping[str, object], context: Context
) -> M | None:
    """Build `model` from the keys of `section` that are not `common`; None: it was wrong, and is reported."""
    shared = frozenset(common)
    own = {key: value for key, value in section.items() if key not in shared}
    for key in _paths(model) & own.keys():
        own[key] = _located(own[key], section, key, context)
    params = validated(model, section, context.report, data=own, known=shared)
    name = getattr(params, "credential", None)
    if isinstance(name, str) and name not in credentials:
        words = f"there is no credential {name[:40]!r}; {meant(name, credentials)}"
        context.report.add(section.place("credential"), words)
    return params


@functools.cache
def _paths(model: type[BaseModel]) -> frozenset[str]:
    """The fields that hold a path on this machine."""
    return frozenset(key for key, field in model.model_fields.items() if _is_path(field.annotation))


def _is_path(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, Path):
        return True
    return any(map(_is_path, typing.get_args(annotation)))


def _located(value: object, section: Section, key: str, context: Context) -> object:
    if not isinstance(value, str) or value.lower() in _SWITCHES:
        return value
    return str(locate(value, context.base_of(section.place(key).file), context.environ))
