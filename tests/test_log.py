from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor import log
from monitor.breaker.machine import EventKind
from monitor.breaker.permit import BreakerEvent
from monitor.cli import logging_by
from monitor.config import load_text
from monitor.model import Status, SubjectKind, Transition
from tests.fakes import a_target, answered, network

RESULT = answered(a_target(), 1.0)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield capsys
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def a_transition(new: Status, *, first: bool = False, message: str = "") -> Transition:
    return Transition(
        kind=SubjectKind.CHECK,
        workstation="ws-01",
        name="rdp",
        old=Status.UNKNOWN if first else Status.UP,
        new=new,
        at=1.0,
        message=message,
        first=first,
    )


def read(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_transitions__an_edge__is_one_line(lines: pytest.CaptureFixture[str]) -> None:
    log.configure(style="json", level="info")
    log.transitions(RESULT, [a_transition(Status.DOWN, message="refused")])
    (line,) = read(lines)
    assert (line["event"], line["level"], line["why"]) == ("check down", "warning", "refused")


def test_transitions__probe_that_changed_nothing__is_silent(lines: pytest.CaptureFixture[str]) -> None:
    log.configure(style="json", level="info")
    log.transitions(RESULT, [])
    assert read(lines) == []


def test_transitions__first_up__is_no_news_but_first_down_is(lines: pytest.CaptureFixture[str]) -> None:
    log.configure(style="json", level="info")
    log.transitions(RESULT, [a_transition(Status.UP, first=True), a_transition(Status.DOWN, first=True)])
    assert [line["event"] for line in read(lines)] == ["check down"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (EventKind.OPENED, ["breaker tripped"]),
        (EventKind.CLOSED, ["breaker recovered"]),
        (EventKind.REOPENED, []),
        (EventKind.HALF_OPENED, []),
    ],
)
def test_breaker__trip_and_recovery__are_lines_and_failed_trials_are_not(
    lines: pytest.CaptureFixture[str], kind: EventKind, words: list[str]
) -> None:
    log.configure(style="json", level="info")
    log.breaker(BreakerEvent(kind=kind, key=network("ssh:22"), retry_after=60.0, at=1.0))
    assert [line["event"] for line in read(lines)] == words


def test_configure__library_logs__come_in_the_same_form(lines: pytest.CaptureFixture[str]) -> None:
    log.configure(style="json", level="info")
    logging.getLogger("some.library").warning("it said %s", "x")
    (line,) = read(lines)
    assert (line["event"], line["logger"]) == ("it said x", "some.library")


@given(st.text(max_size=50))
def test_one_line__any_text_from_a_host__stays_on_one_line(text: str) -> None:
    event = log.one_line(None, "info", {"event": "x", "why": text})
    assert len(event["why"].splitlines() or [""]) == 1
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in event["why"])


@pytest.mark.parametrize(
    ("style", "level", "printed"),
    [(None, None, ["debug", "info"]), (None, "info", ["info"]), ("json", None, ["debug", "info"])],
)
def test_config_loaded_anew__is_logged_by__unless_an_option_says_otherwise(
    lines: pytest.CaptureFixture[str], style: str | None, level: str | None, printed: list[str]
) -> None:
    one = "workstations: [{host: 192.168.0.50, checks: [{kind: tcp, port: 3389}]}]\n"
    relog = logging_by(style, level)
    relog(load_text(one))
    structlog.get_logger("monitor").debug("debug")
    relog(load_text(f"{one}log: {{level: debug, format: json}}\n"))
    structlog.get_logger("monitor").debug("debug")
    structlog.get_logger("monitor").info("info")
    assert [json.loads(line)["event"] for line in lines.readouterr().err.splitlines()] == printed
