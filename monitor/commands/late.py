"""Commands that are imported when they are used, so that the others start without what these need."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "breakers": ("breakers", "app"),
    "discover": ("discover", "discover"),
    "emulators": ("emulators", "app"),
    "events": ("events", "events"),
    "export": ("export", "app"),
    "maintenance": ("silences", "maintenance"),
    "notify": ("notify", "app"),
    "silence": ("silences", "silences"),
    "simulate": ("simulate", "simulate"),
}
"""Where each is: the module of this package, and its name there (a `typer.Typer`, or the function of one command)."""


class LateGroup(TyperGroup):
    """The commands of `PLACES` beside those a `typer.Typer` was given."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name them all; imports nothing."""
        return [*super().list_commands(ctx), *PLACES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None: there is no such."""
        if cmd_name not in PLACES:
            return super().get_command(ctx, cmd_name)
        module, name = PLACES[cmd_name]
        found = getattr(importlib.import_module(f"monitor.commands.{module}"), name)
        if isinstance(found, typer.Typer):
            return get_group(found)
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(cmd_name)(found)
        return get_command(alone)
