"""A command starts with what it needs: the libraries of others are not even imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import monitor.commands
from monitor.channels import discover as discover_channels
from monitor.checks import discover as discover_checks
from monitor.cli import app
from monitor.commands.late import PLACES
from monitor.kinds import Kinds, Named
from monitor.transports import TransportKind
from monitor.transports import discover as discover_transports

HEAVY = {
    "aiohttp",
    "apprise",
    "apscheduler",
    "asyncssh",
    "jinja2",
    "monitor.config",
    "prometheus_client",
    "pypsrp",
    "requests",
    "sqlalchemy",
}
RUN = f"""
import json, sys
from monitor.cli import main
try:
    main()
finally:
    print(json.dumps(sorted({HEAVY!r} & sys.modules.keys())))
"""


def imported(*arguments: str | Path) -> set[str]:
    """Run a command in a process of its own; return the heavy ones among what it imported."""
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return set(json.loads(ended.stdout.splitlines()[-1]))


def a_config(folder: Path, more: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(f"workstations: [{{id: ws-01, host: 127.0.0.1, {more}}}]\n")
    return path


def test_version__needs_nothing() -> None:
    assert imported("--version") == set()


def test_probe__over_ssh__needs_its_transport_only(tmp_path: Path) -> None:
    config = a_config(tmp_path, "transport: {kind: ssh, port: 1}, checks: [{kind: ssh}, {kind: ldplayer}]")
    assert imported("probe", "ws-01", "-c", config) == {"asyncssh", "monitor.config"}


def test_probe__of_a_port__needs_no_transport(tmp_path: Path) -> None:
    config = a_config(tmp_path, "checks: [{kind: tcp, port: 1}]")
    assert imported("probe", "ws-01", "-c", config) == {"monitor.config"}


def test_late_commands__are_all_there_under_their_names() -> None:
    from typer.main import get_group  # noqa: PLC0415 - only this test looks inside

    group = get_group(app)
    for name in PLACES:
        command = group.get_command(None, name)  # type: ignore[arg-type]  # no context is needed
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str()
    assert {name for name, _ in PLACES.values()} == {
        path.stem for path in Path(monitor.commands.__path__[0]).glob("*.py")
    } - {"__init__", "late", "service"}


@pytest.mark.parametrize(
    "kinds", [discover_checks(), discover_transports(), discover_channels()], ids=["checks", "transports", "channels"]
)
def test_kinds__of_a_package__each_is_what_its_module_says(kinds: Mapping[str, Named]) -> None:
    assert len(kinds) == len(list(kinds)) == len(dict(kinds)) > 2
    assert all(kind.name == name for name, kind in kinds.items())
    assert "nonsense" not in kinds
    assert kinds.get("nonsense") is None


def test_kinds__module_whose_constant_is_another_or_missing__is_a_defect_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "plugs"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wrong.py").write_text("from monitor.transports.local import TRANSPORT\n")
    (package / "empty.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds = Kinds("plugs", [str(package)], "TRANSPORT", TransportKind)
    assert list(kinds) == ["empty", "wrong"]
    with pytest.raises(TypeError, match=r"plugs\.wrong: TRANSPORT must be a TransportKind named 'wrong', is Transport"):
        kinds["wrong"]
    with pytest.raises(TypeError, match=r"plugs\.empty: TRANSPORT must be a TransportKind named 'empty', is None"):
        kinds["empty"]
