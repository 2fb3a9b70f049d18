"""What the adb check can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from monitor.checks import CheckParams
from monitor.durations import Duration, between
from monitor.hostfacts.limits import Limit


class Params(CheckParams):
    """How adb is asked, and what of a guest is not well."""

    via: Literal["auto", "tunnel", "direct", "run"] = "auto"
    """Through the workstation's connection (ssh, local), straight to its address, or by running its own adb; ``auto``:
    the first of these where the connection can, else its own adb."""
    server_port: int = Field(default=5037, ge=1, le=65535)
    program: str = Field(default="adb", min_length=1)
    """The workstation's adb, for ``run``; use the one the console brings, or two versions fight for the server."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Where the guest's adb listens on the workstation; None: where the console's rule says."""
    connect: bool = True
    """Ask the server to connect to a guest it does not list."""
    echo_within: Annotated[Duration, between(0.1, 60)] = 5.0
    """How long a shell may take to say a word."""
    package: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,255}$")] | None = None
    """The app that should be there, once the guest has booted."""
    package_is: Literal["running", "focused"] = "running"
    data_free: Limit | None = None
    """The least that must be free on ``/data``."""
    frozen_after: Annotated[Duration, between(1, 86_400)] | None = None
    """How long the screen may show the same picture; None: it is not looked at."""
