from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.breaker.window import Window


def test_window__before_first_failure__takes_no_room() -> None:
    window = Window(3, 60.0)
    assert window._stamps is None
    assert len(window) == 0


def test_window__third_failure_at_the_very_end_of_the_span__is_within() -> None:
    window = Window(3, 60.0)
    assert [window.add(0.0), window.add(30.0), window.add(60.0)] == [False, False, True]


def test_window__failures_hours_apart__never_fill_it() -> None:
    window = Window(3, 60.0)
    assert not any(window.add(hours * 7200.0) for hours in range(50))
    assert len(window) == 3


def test_window__slides__old_failures_fall_out_one_by_one() -> None:
    window = Window(3, 60.0)
    assert [window.add(at) for at in (0.0, 50.0, 70.0, 109.0)] == [False, False, False, True]


def test_window__cleared__counts_anew() -> None:
    window = Window(2, 60.0)
    window.add(0.0)
    window.clear()
    assert [window.add(1.0), window.add(2.0)] == [False, True]


def test_window__resized__keeps_the_latest_failures() -> None:
    window = Window(3, 10.0)
    window.add(0.0)
    window.add(20.0)
    window.resize(2, 60.0)
    assert window.add(40.0)


@given(
    gaps=st.lists(st.floats(0, 100), max_size=40),
    size=st.integers(1, 6),
    span=st.floats(0.1, 200),
)
def test_window__any_failures__agrees_with_keeping_them_all(gaps: list[float], size: int, span: float) -> None:
    window = Window(size, span)
    stamps: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        stamps.append(now)
        expected = len(stamps) >= size and now - stamps[-size] <= span
        assert expected == window.add(now)
        assert len(window) <= size
