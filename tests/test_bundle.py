"""What `emuwatch export` writes: from the sources, and from an installed wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml
from typer.testing import CliRunner

from monitor import bundle
from monitor.cli import app
from tests.servers import require_program

ROOT: Final = Path(__file__).parents[1]
BASE: Final = "https://wiki.example/runbooks"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def export(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return result.exit_code, result.output


def urls(folder: Path) -> list[str]:
    return [
        rule["annotations"]["runbook_url"]
        for path in sorted((folder / "rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def test_export_alerts__without_a_base__is_what_the_sources_hold(tmp_path: Path) -> None:
    code, said = export("alerts", tmp_path / "new" / "folder")
    assert (code, files(tmp_path / "new" / "folder")) == (0, files(ROOT / "alerts"))
    assert f"{tmp_path}/new/folder/rules/workstations.yml\n" in said


@pytest.mark.parametrize("base", [BASE, f"{BASE}/"])
def test_export_alerts__with_a_base__every_alert_links_to_a_page_there_that_was_written(
    base: str, tmp_path: Path
) -> None:
    assert export("alerts", tmp_path, "--runbook-base", base)[0] == 0
    found = urls(tmp_path)
    assert found
    for url in found:
        assert url.startswith(f"{BASE}/")
        assert (tmp_path / "runbooks" / url.removeprefix(f"{BASE}/")).is_file()


def test_export_alerts__with_a_base__is_still_accepted_by_promtool(tmp_path: Path) -> None:
    promtool = require_program("promtool", "prometheus")
    export("alerts", tmp_path, "--runbook-base", BASE)
    rules = sorted((tmp_path / "rules").glob("*.yml"))
    ended = subprocess.run([promtool, "check", "rules", *rules], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "base", ["wiki", "file:///etc", "https://", "https://a/ b", "https://a/\nx: y", "https://a/#b"]
)
def test_export_alerts__base_that_is_no_address__exits_2_and_writes_nothing(base: str, tmp_path: Path) -> None:
    assert export("alerts", tmp_path, "--runbook-base", base)[0] == 2
    assert files(tmp_path) == {}


def test_export_dashboards__is_what_grafana_provisions(tmp_path: Path) -> None:
    assert export("dashboards", tmp_path)[0] == 0
    assert files(tmp_path) == files(ROOT / "dashboards" / "provisioning")
    assert not list((ROOT / "dashboards").glob("*.json")), "dashboards outside provisioning/ would not be exported"


def test_export__twice__overwrites_its_own_and_leaves_the_rest(tmp_path: Path) -> None:
    export("alerts", tmp_path)
    (tmp_path / "rules" / "budgets.yml").write_text("old")
    (tmp_path / "rules" / "own.yml").write_text("mine")
    assert export("alerts", tmp_path)[0] == 0
    assert files(tmp_path) == files(ROOT / "alerts") | {"rules/own.yml": b"mine"}


def test_export__into_a_file__exits_2_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, said = export("alerts", tmp_path / "file")
    assert (code, str(tmp_path / "file") in said) == (2, True)


def test_export__files_missing__exits_2_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "HERE", tmp_path / "monitor")
    monkeypatch.setattr(bundle, "PACKAGED", tmp_path / "none")
    code, said = export("alerts", tmp_path / "out")
    assert (code, "installed without its alerts" in said) == (2, True)


def run(*command: str | Path, **environment: str) -> str:
    ended = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, **environment},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_export__from_an_installed_wheel__writes_the_same_files(tmp_path: Path) -> None:
    build = "import os, sys; from hatchling.build import build_wheel; os.chdir(sys.argv[1]); build_wheel(sys.argv[2])"
    run(sys.executable, "-c", build, ROOT, tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-index", "--no-deps", "--target", site, wheel)
    for what, source in (("alerts", ROOT / "alerts"), ("dashboards", ROOT / "dashboards" / "provisioning")):
        said = run(sys.executable, "-m", "monitor", "export", what, tmp_path / what, PYTHONPATH=str(site))
        assert len(said.splitlines()) == len(files(source))
        assert files(tmp_path / what) == files(source)
    where = run(sys.executable, "-c", "import monitor; print(monitor.__file__)", PYTHONPATH=str(site))
    assert where.startswith(str(site)), "it was the wheel that was asked"
