"""Patterns of the config on texts of hosts: right, refused when they can't be bounded, and never in the loop's way."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import pattern
from monitor.errors import LocalError
from monitor.pattern import LARGEST, SHORT, aside, check, found


@pytest.mark.parametrize(
    ("searched", "said", "there"),
    [
        ("^ok$", "a\nok\nb", True),
        ("^ok$", "not ok", False),
        (r'"ok": *true', '{"ok":  true}', True),
        ("(?i)ÜBER", "über", True),
        ("万龙", "x万龙", True),
        ("a", "", False),
        ("", "", True),
        (r"^SSH-2\.0-", b"banner\r\nSSH-2.0-x", True),
        (r"\xff\xfb", b"\xff\xfb\x01", True),
        ("ä", "ä".encode(), True),
        ("ok", "\udc80ok", True),
    ],
)
def test_found__pattern__in_text_and_in_bytes(searched: str, said: str | bytes, there: bool) -> None:  # noqa: FBT001 - a table
    assert check(searched) == searched
    assert found(searched, said) is there


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("(a", r"not a regular expression \(of RE2, .*\): missing \): \(a"),
        ("a(?=b)", r"can't look around or refer back\): invalid perl operator: \(\?="),
        (r"(a)\1", r"can't look around or refer back\): invalid escape sequence: \\1"),
        ("(.{0,500}a){2}b", rf"too large .*: it comes to \d+ steps, at most {LARGEST} are allowed"),
        ("a{1001}", "invalid repetition size"),
    ],
)
def test_check__pattern_that_can_not_be_bounded__is_refused_with_the_reason(wrong: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(wrong)


@given(st.text(max_size=30), st.text(max_size=200) | st.binary(max_size=200))
def test_check__any_pattern__is_refused_or_can_be_searched_in_anything(searched: str, said: str | bytes) -> None:
    try:
        check(searched)
    except ValueError:
        return
    assert found(searched, said) in {True, False}


@pytest.mark.parametrize("hopeless", ["(a+)+$x", "(a|aa)+$x", "(.*a){12}=", "(a?){60}a{60}=", "([a-z]+)*!"])
def test_found__pattern_on_which_going_back_would_never_end__takes_well_under_a_second(hopeless: str) -> None:
    check(hopeless)
    began = time.monotonic()
    assert not found(hopeless, "a" * 200_000 + "\n")
    assert time.monotonic() - began < 2.0


async def test_aside__long_text__is_judged_in_a_thread_and_a_short_one_at_once() -> None:
    assert await aside(threading.get_ident, SHORT) == threading.get_ident()
    assert await aside(threading.get_ident, SHORT + 1) != threading.get_ident()


async def test_aside__search_that_takes_too_long__blames_the_pattern_not_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pattern, "SEARCHING", 0.02)
    over = threading.Event()
    with pytest.raises(LocalError, match=r"searching 9999 bytes takes over 0\.02 s; a simpler pattern would do"):
        await aside(over.wait, 9999)
    over.set()
    await asyncio.sleep(0)
