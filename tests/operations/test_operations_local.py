"""Operations on the machine they run on, from a config file: subprocesses, no network, no task scheduler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.breaker.registry import Breakers
from monitor.errors import ConfigError, ProbeError
from monitor.model import Category, EmulatorRun, Reason
from monitor.operations import LDPlayerManager, Workstation

CONSOLE = """\
#!/bin/sh
case "$1" in
  list2) cat "{folder}/rows" ;;
  launch) printf '0,one,1,2,1,4,8\\r\\n' > "{folder}/rows" ;;
  *) echo 'dnplayer Command Line Management Interface'; exit 24 ;;
esac
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    console = tmp_path / "ldconsole"
    console.write_text(CONSOLE.format(folder=tmp_path))
    console.chmod(0o755)
    (tmp_path / "rows").write_bytes(b"0,one,0,0,0,-1,-1\r\n")
    check = {"kind": "ldplayer", "console": str(console)}
    here = {"id": "here", "host": "127.0.0.1", "platform": "linux", "transport": {"kind": "local"}, "checks": [check]}
    bare = {"id": "bare", "host": "127.0.0.1", "checks": [{"kind": "tcp", "port": 1}]}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"data_dir": str(tmp_path), "workstations": [here, bare]}))
    return path


def test_local__console_of_the_config__is_run_directly(config: Path) -> None:
    with Workstation.from_config(config, "here") as ws:
        assert ws.connect() is ws
        assert ws.start_emulator("one").after.run is EmulatorRun.RUNNING


def test_local__console_named_by_a_check_of_any_console__is_run_as_well(config: Path) -> None:
    document = json.loads(config.read_text())
    console = document["workstations"][0]["checks"][0]["console"]
    document["workstations"][0]["checks"] = [
        {"kind": "console", "name": "mumu", "driver": "mumu", "console": "/nowhere/MuMuManager"},
        {"kind": "console", "name": "bare", "driver": "ldplayer"},
        {"kind": "console", "driver": "ldplayer", "console": console},
    ]
    config.write_text(json.dumps(document))

    with Workstation.from_config(config, "here") as ws:
        assert [row.title for row in ws.get_emulators_list()] == ["one"]


def test_local__console_gone__is_told_as_not_installed(config: Path) -> None:
    (config.parent / "ldconsole").unlink()

    with Workstation.from_config(config, "here") as ws, pytest.raises(ProbeError) as caught:
        ws.get_emulators_list()

    assert (caught.value.category, caught.value.reason) == (Category.EXTERNAL, Reason.NOT_INSTALLED)


def test_from_config__breakers__are_shared_when_given_and_follow_the_config_when_not(config: Path) -> None:
    document = json.loads(config.read_text())
    config.write_text(json.dumps({**document, "breakers": {"failures": 1}}))
    shared = Breakers()

    ws = Workstation.from_config(config, "here", breakers=shared)
    manager = LDPlayerManager.from_config(config, "here", breakers=shared)

    assert ws.breakers is manager.breakers is shared
    assert next(iter(Workstation.from_config(config, "here").breakers.items())).policy.failures == 1


@pytest.mark.parametrize(
    ("workstation", "told"),
    [("nowhere", "there is no workstation 'nowhere'"), ("bare", "bare has no transport to run a command over")],
)
def test_from_config__workstation_that_cannot_be_operated__is_a_config_error(
    config: Path, workstation: str, told: str
) -> None:
    for front in (Workstation, LDPlayerManager):
        with pytest.raises(ConfigError, match=told):
            front.from_config(config, workstation)
