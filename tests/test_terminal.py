"""Nothing a host says steers the terminal it is printed on, whichever command prints it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from monitor.cli import _print_probe
from monitor.commands.events import _json
from monitor.discovery.screen import Shown
from monitor.events import Event, Kind
from monitor.fleet import Fleet
from monitor.terminal import cell, clean, say
from tests.fakes import a_console, a_workstation, an_emulator, answered

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31mname\u202egnp.exe\r\u2028\udc80"
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
WITHOUT_STYLES = re.compile("\x1b\\[[0-9;]*m")
"""The codes rich prints for colours of our own."""


@given(st.text(st.characters(), max_size=60))
def test_clean__any_text__steers_no_terminal_and_keeps_its_length(words: str) -> None:
    assert not STEERS.search(clean(words))
    assert not {"\n", "\t"} & set(clean(words))
    assert len(clean(words)) == len(words)
    assert clean(words, lines=True).count("\n") == words.count("\n")
    assert not STEERS.search(clean(words, lines=True))


@pytest.mark.parametrize("title", ["万龙1号", "farm\u3000三", "👨\u200d💻 Überfarm", "a → b", "[bold]x[/bold]"])
def test_clean__title_of_any_script__stays_as_it_is(title: str) -> None:
    assert clean(title) == title
    assert cell(title).plain == title


def test_say__several_lines__are_printed_where_they_belong(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ntwo \x1b[2J")
    say(ValueError("three"), err=True)
    assert capsys.readouterr() == ("one\ntwo \N{REPLACEMENT CHARACTER}[2J\n", "three\n")


def test_probe__hostile_titles_and_messages__are_printed_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    fleet, console = Fleet(), a_console()
    fleet.replace([a_workstation()], [console])
    entity = an_emulator(0, title=HOSTILE)
    fleet.apply(answered(console, 1.0, message=f"lists {HOSTILE}", entities=(entity,)))
    state = fleet.workstation("ws-01")
    assert state is not None
    _print_probe(state)
    printed = WITHOUT_STYLES.sub("", capsys.readouterr().out)
    assert "owned" in printed
    assert not STEERS.search(printed)


def test_events_as_json__hostile_words__are_escaped_and_read_back_whole() -> None:
    event = Event(id="1", at=1.0, kind=Kind.CHECK, workstation="ws-01", subject="万", message=HOSTILE)
    line = _json(event)
    assert not STEERS.search(line)
    assert (json.loads(line)["message"], json.loads(line)["subject"]) == (HOSTILE, "万")
    assert "万" in line


def test_discovery__hostile_banner__is_printed_harmless(tmp_path: Path) -> None:
    with (tmp_path / "screen").open("w+", encoding="utf-8") as file:
        Shown(Console(file=file), None)._say(f"ws-01: {HOSTILE}")
        file.seek(0)
        assert not STEERS.search(file.read())
