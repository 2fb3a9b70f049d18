from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.durations import LONGEST, parse, show


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1.5s", 1.5),
        ("0s", 0),
        ("1m500ms", 60.5),
    ],
)
def test_parse__examples(text: str, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "30 s", "-5s", "1s1m", "1m1m", "30S", "5sec", "1e3s", "30s ", "\u0663s", "nan", "inf", "367d"],
)
def test_parse__no_duration__says_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 500ms, 30s, 5m, 1h30m or 1d|longer than a year"):
        parse(text)


@pytest.mark.parametrize("value", [30, "30", 1.5, "1.5"], ids=repr)
def test_parse__bare_number__says_to_add_the_unit(value: object) -> None:
    with pytest.raises(ValueError, match=f"^{value} has no unit; write {value}s$"):
        parse(value)


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_parse__no_text__is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 30s"):
        parse(value)


@given(st.integers(0, int(LONGEST) * 1000))
def test_show__any_duration__reads_back(milliseconds: int) -> None:
    assert parse(show(milliseconds / 1000)) == milliseconds / 1000


@given(st.text(alphabet="0123456789.dhms -", max_size=20))
def test_parse__any_text__seconds_or_a_value_error(text: str) -> None:
    try:
        seconds = parse(text)
    except ValueError:
        return
    assert 0 <= seconds <= LONGEST
