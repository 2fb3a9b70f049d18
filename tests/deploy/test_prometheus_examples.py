"""The example configs of Prometheus: accepted by promtool, with the rules and target files they name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from monitor.model import Platform
from tests.servers import require_program

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = sorted((ROOT / "deploy" / "prometheus").glob("*.yml"))


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in yaml.safe_load(path.read_text())["scrape_configs"]}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example__with_all_it_refers_to__is_accepted(path: Path, tmp_path: Path) -> None:
    promtool = require_program("promtool", "prometheus")
    shutil.copytree(path.parent, tmp_path / "prometheus")
    shutil.copytree(ROOT / "alerts" / "rules", tmp_path / "prometheus" / "rules")
    command = [promtool, "check", "config", str(tmp_path / "prometheus" / path.name)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    assert "FAILED" not in said
    assert "WARNING" not in said


def test_example__that_loads_rules__finds_all_of_them(tmp_path: Path) -> None:
    (pattern,) = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["rule_files"]
    assert pattern == "rules/*.yml"
    assert len(list((ROOT / "alerts").glob(pattern))) > 5


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example__scrapes_emuwatch_under_the_name_the_alerts_know(path: Path) -> None:
    rules = (ROOT / "alerts" / "rules" / "monitor.yml").read_text()
    assert 'up{job="emuwatch"}' in rules
    assert "emuwatch" in jobs(path)


def test_file_sd_example__its_files_hold_targets() -> None:
    folder = ROOT / "deploy" / "prometheus"
    ((pattern,),) = [each["files"] for each in jobs(folder / "file_sd.yml")["emuwatch"]["file_sd_configs"]]
    groups = [group for path in folder.glob(pattern) for group in yaml.safe_load(path.read_text())]
    assert groups
    assert all(group["targets"] for group in groups)


def test_http_sd_example__asks_for_what_the_service_answers() -> None:
    configured = jobs(ROOT / "deploy" / "prometheus" / "http_sd.yml")
    asked = [each["url"] for job in configured.values() for each in job.get("http_sd_configs", [])]
    assert asked
    for url in asked:
        parts, query = urlsplit(url), dict(parse_qsl(urlsplit(url).query))
        assert parts.path == "/api/v1/targets/http_sd"
        assert set(query) <= {"platform", "site", "port"}
        assert query["platform"] in set(Platform)
