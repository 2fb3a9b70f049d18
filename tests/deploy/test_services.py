"""The systemd unit, by systemd's own tools; the notes for Windows as far as they can be read by a program."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from monitor.cli import app
from tests.servers import require_program

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
UNIT: Final = DEPLOY / "systemd" / "emuwatch.service"
EXPOSED: Final = 20
"""Tenths: `systemd-analyze security` calls up to 2.0 of 10 well confined; a network service can't be 0."""


def test_unit__is_accepted_by_systemd(tmp_path: Path) -> None:
    """Verify it with a program that is there in place of the installed one."""
    program = require_program("systemd-analyze", "systemd")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/emuwatch/bin/emuwatch", sys.executable))
    command = [program, "verify", "--man=no", str(unit)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in ended.stderr.splitlines() if UNIT.name in line]
    assert (ended.returncode, ours) == (0, [])


def test_unit__is_confined() -> None:
    program = require_program("systemd-analyze", "systemd")
    command = [program, "security", "--offline=yes", f"--threshold={EXPOSED}", "--no-pager", str(UNIT)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-200:]


def test_unit__lets_the_host_check_read_what_it_reads() -> None:
    """It reads /proc/stat and /proc/meminfo, which are no process's."""
    assert re.findall(r"^ProcSubset=(.*)$", UNIT.read_text(), re.MULTILINE) == ["all"]


@pytest.mark.parametrize(
    ("where", "command"),
    [
        ("systemd", re.findall(r"^ExecStart=\S+ (.*)$", UNIT.read_text(), re.MULTILINE)[0]),
        ("windows", ET.parse(DEPLOY / "windows" / "emuwatch.xml").getroot().findtext("arguments", "")),
    ],
)
def test_service__its_command_line__has_only_options_there_are(where: str, command: str) -> None:
    name, *options = shlex.split(command, posix=False)
    described = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", described)
    for option in (word for word in options if word.startswith("--")):
        assert option in plain, f"{where}: {option}"


def test_windows_service__has_what_the_wrapper_needs() -> None:
    root = ET.parse(DEPLOY / "windows" / "emuwatch.xml").getroot()
    assert root.tag == "service"
    assert {"id", "name", "executable", "arguments", "onfailure", "stoptimeout", "log"} <= {each.tag for each in root}
