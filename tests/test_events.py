from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import LONGEST, Kind, Stamp, since
from tests.fakes import FakeClock

NOW = 1_767_312_000.0


def test_stamp__clock_set_back__ids_still_grow() -> None:
    wall = FakeClock(NOW)
    stamp = Stamp(wall=wall, random=lambda: 0.5)
    ids = [stamp.event(Kind.SERVICE).id]
    for step in (0.0, -3600.0, 0.5, 7200.0, 0.0):
        wall.pass_(step)
        ids.append(stamp.event(Kind.SERVICE).id)
    assert ids == sorted(set(ids))


def test_stamp__long_message__is_cut() -> None:
    stamp = Stamp(wall=FakeClock(NOW), random=lambda: 0.5)
    assert len(stamp.event(Kind.RELOAD, message="x" * 10_000).message) == LONGEST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", NOW - 86_400),
        ("1d12h", NOW - 129_600),
        ("2026-01-01T00:00:00Z", NOW - 86_400),
        ("2026-01-01", NOW - 86_400),
    ],
)
def test_since__span_or_moment__is_unix_time(text: str, expected: float) -> None:
    assert since(text, NOW) == expected


@given(st.text())
def test_since__any_text__raises_nothing_but_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        since(text, NOW)
