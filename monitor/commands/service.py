"""What the commands share that talk to the running service: where its config is, and how trouble ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from monitor.client import Client, ServiceError
from monitor.config import load
from monitor.errors import ConfigError
from monitor.terminal import say

USAGE: Final = 2
UNREACHED: Final = 3
DEFAULT_CONFIG: Final = Path("config.yaml")

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The config file of the service.")]


@contextmanager
def service(config: Path) -> Iterator[Client]:
    """Talk to the service, and turn what goes wrong into a sentence and an exit code."""
    try:
        yield Client(load(config))
    except ConfigError as error:
        say(error, err=True)
        raise typer.Exit(USAGE) from None
    except ServiceError as error:
        say(error, err=True)
        raise typer.Exit(UNREACHED if error.__cause__ is not None else USAGE) from None
