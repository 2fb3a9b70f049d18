"""The README tells the truth: its config loads, its table is the catalogue, its commands and paths exist."""

from __future__ import annotations

import re
from pathlib import Path

import asyncssh
import pytest

from monitor.config import load_text
from monitor.metrics.table import table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def between(start: str) -> str:
    match = re.search(rf"<!-- {re.escape(start)}.*?-->\n(.*?)\n<!-- end -->", README, re.DOTALL)
    assert match is not None, start
    return match[1]


def test_example_config__loads_and_watches_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh").mkdir()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / ".ssh" / "id_ed25519")
    monkeypatch.setenv("HOME", str(tmp_path))
    text = between("example: config.yaml").removeprefix("```yaml\n").removesuffix("```")
    config = load_text(text, name="README.md")
    assert [workstation.id for workstation in config.workstations] == [f"ws-{number:02}" for number in range(1, 9)]
    assert {target.kind for target in config.targets} == {"icmp", "tcp", "ssh", "ldplayer"}


def test_metrics__table__is_the_catalogue() -> None:
    assert between("metrics: made by") == table()


def test_links__every_file_named__is_there() -> None:
    missing = [link for link in re.findall(r"\]\(([\w./-]+)\)", README) if not (ROOT / link).exists()]
    assert missing == []
