"""`Config`: all that was configured, validated and frozen; what every other part is built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from monitor.breaker.machine import Policy
from monitor.errors import Problem
from monitor.model import Category, Target, Workstation
from monitor.notices import Notifications
from monitor.silences import Silence
from monitor.transports import Credential


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Where memory is kept and for how long."""

    url: str = field(repr=False)
    """For SQLAlchemy; may hold a password."""
    retention: float
    """Seconds."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """A config that was found right. Never mutated; a reload makes a new one."""

    listen_host: str
    listen_port: int
    data_dir: Path
    """Where state is kept: the store, the operator token."""
    store: StoreSettings
    external_url: str | None
    log_format: Literal["console", "json"]
    log_level: Literal["debug", "info", "warning", "error"]
    process_places: int
    """Subprocesses at once."""
    drain: float
    """Seconds running probes may take to end at shutdown."""
    policies: Mapping[Category, Policy]
    credentials: Mapping[str, Credential] = field(repr=False)
    workstations: tuple[Workstation, ...] = field(repr=False)
    targets: tuple[Target, ...] = field(repr=False)
    gateways: tuple[Target, ...] = field(default=(), repr=False)
    """Whom to ask whether we are cut off; their workstation is the gateway itself."""
    notifications: Notifications = field(default_factory=Notifications, repr=False)
    silences: tuple[Silence, ...] = field(default=(), repr=False)
    """Silences and windows of maintenance."""
    files: tuple[Path, ...]
    """Everything that was read: the config, inventories, password files."""
    globs: tuple[str, ...]
    """The patterns of `inventory_files`, as `glob` takes them: a new match is a change."""
    warnings: tuple[Problem, ...]
    """What is doubtful, but no error: a secret every user of this machine may read."""
