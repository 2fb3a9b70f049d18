"""What all readers of one load share: the environment, the plug-ins, the report, the files seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitor.checks import AnyCheck
from monitor.config.problems import Report
from monitor.transports import AnyTransportKind


@dataclass(frozen=True, kw_only=True)
class Context:
    """One load of a config."""

    base: Path
    """The directory of the config file."""
    environ: Mapping[str, str] = field(repr=False)
    checks: Mapping[str, AnyCheck]
    transports: Mapping[str, AnyTransportKind]
    report: Report
    files: list[Path] = field(default_factory=list)
    """Everything read so far."""
    bases: dict[str, Path] = field(default_factory=dict)
    """Where the relative paths of an inventory start, by its name."""

    def base_of(self, file: str) -> Path:
        """Return the directory relative paths of a file start from: its own."""
        return self.bases.get(file, self.base)
