from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.ranges import MOST, expand


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ws", ["ws"]),
        ("", [""]),
        ("ws-[1-3]", ["ws-1", "ws-2", "ws-3"]),
        ("ws-[01-03]", ["ws-01", "ws-02", "ws-03"]),
        ("ws-[08-11]", ["ws-08", "ws-09", "ws-10", "ws-11"]),
        ("ws-[9-11]", ["ws-9", "ws-10", "ws-11"]),
        ("ws-[1,3,7-9]", ["ws-1", "ws-3", "ws-7", "ws-8", "ws-9"]),
        ("[1-2]0[1, 2]x", ["101x", "102x", "201x", "202x"]),
        ("192.168.[0-1].[254-255]", ["192.168.0.254", "192.168.0.255", "192.168.1.254", "192.168.1.255"]),
        ("[5-5]", ["5"]),
        ("[00-01]", ["00", "01"]),
    ],
)
def test_expand__examples(text: str, names: list[str]) -> None:
    assert list(expand(text)) == names


@given(st.integers(0, 500), st.integers(0, 50), st.integers(0, 4))
def test_expand__padded_range__reads_back_as_the_numbers_all_equally_wide(low: int, more: int, zeros: int) -> None:
    width = len(str(low + more)) + zeros
    names = expand(f"[{low:0{width}}-{low + more:0{width}}]")
    assert [int(name) for name in names] == list(range(low, low + more + 1))
    assert zeros == 0 or {len(name) for name in names} == {width}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_expand__several_ranges__multiply_without_repeats(sizes: list[int]) -> None:
    names = expand("-".join(f"[1-{size}]" for size in sizes))
    product = 1
    for size in sizes:
        product *= size
    assert len(names) == len(set(names)) == product


@given(st.text(alphabet="[]0123456789-, .ab", max_size=30))
def test_expand__any_text__names_without_brackets_or_a_value_error(text: str) -> None:
    try:
        names = expand(text)
    except ValueError:
        return
    assert 1 <= len(names) <= MOST
    assert not any("[" in name or "]" in name for name in names)
