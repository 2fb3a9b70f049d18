"""Figures as people read them."""

from __future__ import annotations

import math

import pytest

from monitor.model import Fact
from monitor.web import words


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (0.0, "just now"),
        (-0.4, "just now"),
        (-1.0, "1 s ago"),
        (-59.9, "59 s ago"),
        (-60.0, "1 min ago"),
        (-7_300.0, "2 h ago"),
        (-200_000.0, "2 d ago"),
        (42.0, "in 42 s"),
        (61.0, "in 1 min"),
        (math.inf, words.NONE),
        (math.nan, words.NONE),
    ],
)
def test_relative__says_it_as_one_would(gap: float, said: str) -> None:
    assert said == words.relative(1_767_312_000.0 + gap, 1_767_312_000.0)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 ms"),
        (0.0421, "42 ms"),
        (1.5, "1.5 s"),
        (2.0, "2 s"),
        (42.4, "42 s"),
        (60.0, "1 min"),
        (200.0, "3 min 20 s"),
        (3_600.0, "1 h"),
        (7_500.0, "2 h 5 min"),
        (90_000.0, "1 d 1 h"),
        (-200.0, "-3 min 20 s"),
        (math.inf, words.NONE),
    ],
)
def test_span__says_it_as_one_would(seconds: float, said: str) -> None:
    assert said == words.span(seconds)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("loss_ratio", 0.333, "loss 33.3 %"),
        ("rtt_seconds", 0.0011, "RTT 1 ms"),
        ("body_size_bytes", 48_211, "body size 47.1 KiB"),
        ("certificate_end_timestamp_seconds", 1_767_312_000.0, "certificate end 2026-01-02 00:00:00 UTC"),
        ("http_version", "1.1", "http version 1.1"),
        ("redirected", True, "redirected yes"),
        ("status", 200, "status 200"),
        ("load", 0.123456, "load 0.1235"),
        ("free_bytes", 7, "free 7 B"),
    ],
)
def test_fact__shows_the_unit_its_name_tells(name: str, value: Fact, said: str) -> None:
    assert said == f"{words.fact_name(name)} {words.fact_value(name, value)}"


def test_iso__of_a_moment_no_calendar_holds__is_none() -> None:
    assert words.iso(None) is None
    assert words.iso(1e300) is None
    assert words.iso(0.0) == "1970-01-01T00:00:00Z"
