"""Messages as the outbox keeps them: JSON, read back with every field checked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from monitor.notices import Message, Notice

_MESSAGE: Final = TypeAdapter(Message)


def dumps(message: Message) -> str:
    """Write a message."""
    return json.dumps(message, ensure_ascii=False, default=_plain)


def loads(text: str) -> Message:
    """Read a message.

    Raises:
        ValueError: It is none of this version.

    """
    try:
        return _MESSAGE.validate_json(text)
    except ValidationError as error:
        raise ValueError(f"no message of this version: {error.error_count()} problems") from None


def named(notice: Notice) -> frozenset[str]:
    """The workstations a notice says something of."""
    return frozenset(item.workstation for item in (*notice.problems, *notice.recovered))


def spoken_of(notice: Notice) -> frozenset[str]:
    """The alerts of the workstations a notice names."""
    return frozenset(f"{notice.route}/{name}" for name in named(notice))


def _plain(value: Any) -> dict[str, Any]:
    """What JSON does not know: our dataclasses, and mappings that are no dict."""
    if isinstance(value, Mapping):
        return dict(value)
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
