"""What comes with emuwatch as files for others to load: alert rules with their runbooks, Grafana's dashboards.

They lie beside the package in a source tree, and inside it (`PACKAGED`) where it was installed from a wheel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PACKAGED: Final = HERE / "_exports"
ALERTS: Final = ("alerts", "alerts")
DASHBOARDS: Final = ("dashboards", "dashboards/provisioning")
"""The name inside `PACKAGED`, and the folder of a source tree; pyproject.toml puts one into the other."""
RUNBOOK: Final = "runbook_url: runbooks/"
"""How a rule refers to its page until somebody says where the pages are."""


class NothingToExportError(Exception):
    """This installation came without the files."""


def write_alerts(folder: Path, *, runbook_base: str | None = None) -> list[Path]:
    """Write the rules, the runbooks and the example for Alertmanager.

    Args:
        folder: Where to; made if it is not there. Files of the same names are overwritten, others left alone.
        runbook_base: The address the pages will have; None: the rules refer to ``runbooks/`` beside themselves.

    Returns:
        What was written, in order.

    Raises:
        NothingToExportError: The files are not there.
        OSError: The folder can't be written.

    """
    base = None if runbook_base is None else runbook_base.rstrip("/")
    written = []
    for name, content in _files(*ALERTS):
        text = content
        if base is not None and name.suffix == ".yml":
            text = content.replace(RUNBOOK.encode(), f"runbook_url: {base}/".encode())
        written.append(_write(folder / name, text))
    return written


def write_dashboards(folder: Path) -> list[Path]:
    """Write what Grafana provisions: mount the folder as ``/etc/grafana/provisioning``, and all is there.

    Args:
        folder: Where to; as for `write_alerts`.

    Returns:
        What was written, in order.

    Raises:
        NothingToExportError: The files are not there.
        OSError: The folder can't be written.

    """
    return [_write(folder / name, content) for name, content in _files(*DASHBOARDS)]


def _files(packaged: str, in_tree: str) -> list[tuple[Path, bytes]]:
    """Read all files of a folder of ours, by their names below it."""
    for source in (PACKAGED / packaged, HERE.parent / in_tree):
        found = sorted(path for path in source.rglob("*") if path.is_file())
        if found:
            return [(path.relative_to(source), path.read_bytes()) for path in found]
    raise NothingToExportError(f"emuwatch was installed without its {packaged}; install it from a wheel or its sources")


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
