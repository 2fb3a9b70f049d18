"""One command on its way over a line."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.model import Category
from monitor.transports import Mark


class StaleError(Exception):
    """A kept connection or shell can't be used, and no command was sent to it."""


@dataclass(slots=True)
class Command:
    """What it is, whom to tell how far it got, and what it left behind."""

    program: str
    text: str
    mark: Mark
    layer: Category
    limit: int
    id: str | None = None
    """What the service calls it, once it was started."""
    exit_code: int | None = None
    stdout: list[bytes] = field(default_factory=list)
    stderr: list[bytes] = field(default_factory=list)
