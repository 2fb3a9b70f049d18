"""When the gateways' answers mean that we are cut off, and what then is no news."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.isolation import Isolation
from monitor.model import Category, Severity, Status, SubjectKind
from monitor.notices import Item

START = 1_700_000_000.0
UP, DOWN, UNKNOWN, DEGRADED = Status.UP, Status.DOWN, Status.UNKNOWN, Status.DEGRADED


def watching(*, at: float = START, **down_after: int) -> Isolation:
    made = Isolation()
    made.replace(down_after, at)
    return made


def cut_off(isolation: Isolation) -> bool:
    """What it says now; a type checker takes a property for what it was."""
    return isolation.cut_off


def an_item(status: Status, since: float) -> Item:
    return Item(
        kind=SubjectKind.WORKSTATION, workstation="ws-01", category=Category.WORKSTATION, status=status, since=since
    )


def test_no_gateway__nobody_knows_and_nothing_is_told_or_held_back() -> None:
    isolation = watching()
    assert (isolation.watched, cut_off(isolation), isolation.reached(), isolation.items()) == (False, False, None, ())
    assert not isolation.mutes(an_item(UNKNOWN, START))


def test_one_gateway__silent_as_often_as_it_takes__cuts_us_off__and_one_answer_ends_it() -> None:
    isolation = watching(a=2)
    isolation.answered("a", START)
    isolation.failed("a", "no answer", START + 5)
    assert (cut_off(isolation), isolation.doubted("a"), isolation.cut_off_since) == (False, True, None)
    isolation.failed("a", "no answer", START + 6)
    assert (cut_off(isolation), isolation.doubted("a"), isolation.cut_off_since) == (True, False, START + 6)
    isolation.failed("a", "no answer", START + 11)
    assert isolation.cut_off_since == START + 6
    isolation.answered("a", START + 16)
    assert (cut_off(isolation), isolation.since) == (False, START + 16)


def test_answer_between_failures__starts_the_count_anew() -> None:
    isolation = watching(a=2)
    for at in range(10):
        isolation.failed("a", "no answer", START + at)
        assert not cut_off(isolation)
        isolation.answered("a", START + at)


def test_several_gateways__only_all_of_them_silent__cut_us_off() -> None:
    isolation = watching(a=1, b=2)
    isolation.failed("a", "no answer", START)
    isolation.failed("b", "refused", START)
    assert not cut_off(isolation)
    isolation.failed("b", "refused", START + 1)
    assert cut_off(isolation)
    assert isolation.words() == "gateways a, b do not answer"
    isolation.answered("b", START + 2)
    assert not cut_off(isolation)
    assert isolation.words() == "gateway a does not answer"


def test_gateway_silent_for_long__when_the_last_other_follows__cuts_us_off_by_the_others_failures() -> None:
    isolation = watching(a=2, b=2)
    isolation.answered("b", START)
    for at in range(10):
        isolation.failed("a", "no answer", START + at)
    assert not cut_off(isolation)
    isolation.failed("b", "no answer", START + 11)
    assert not cut_off(isolation)
    isolation.failed("b", "no answer", START + 12)
    assert cut_off(isolation)


def test_gateway_that_can_not_be_asked__tells_nothing__and_the_others_decide() -> None:
    isolation = watching(a=1, b=1)
    isolation.not_asked("a", "not allowed to ping", START)
    assert not cut_off(isolation)
    isolation.failed("b", "no answer", START + 1)
    assert cut_off(isolation)
    reached = isolation.reached()
    assert reached is not None
    assert (reached.silent, reached.unasked) == ((("b", "no answer"),), (("a", "not allowed to ping"),))


def test_gateways_that_all_can_not_be_asked__leave_it_unknown__and_that_is_what_is_told() -> None:
    isolation = watching(a=1)
    isolation.answered("a", START)
    isolation.not_asked("a", "not allowed to ping", START + 5)
    isolation.not_asked("a", "not allowed to ping", START + 10)
    assert (isolation.status, isolation.since, isolation.unasked("a")) == (UNKNOWN, START + 5, "not allowed to ping")
    (item,) = isolation.items()
    assert (item.status, item.severity) == (UNKNOWN, Severity.LOW)
    assert item.message == "not able to tell whether it is cut off: gateway a can't be asked (not allowed to ping)"
    assert not isolation.mutes(an_item(UNKNOWN, START)), "then nothing would ever be told"


def test_gateways_that_can_not_be_asked_while_we_are_cut_off__do_not_end_it() -> None:
    isolation = watching(a=1)
    isolation.failed("a", "no answer", START)
    isolation.not_asked("a", "no descriptors", START + 5)
    assert cut_off(isolation)


def test_reload__keeps_what_is_unchanged__and_what_is_changed_starts_anew() -> None:
    isolation = watching(a=2, b=2)
    isolation.failed("a", "no answer", START)
    isolation.failed("b", "no answer", START)
    isolation.replace({"a": 2, "b": 2}, START + 1, anew=["b"])
    isolation.failed("a", "no answer", START + 2)
    assert not cut_off(isolation), "b failed no more than once since it changed: not at all"
    isolation.failed("b", "no answer", START + 3)
    isolation.failed("b", "no answer", START + 4)
    assert cut_off(isolation)


def test_reload_while_cut_off__ends_nothing_before_a_gateway_answers__but_without_one_it_is_over() -> None:
    isolation = watching(a=1)
    isolation.failed("a", "no answer", START)
    isolation.replace({"b": 1}, START + 1)
    assert cut_off(isolation)
    assert isolation.words() == "no gateway has answered yet"
    isolation.replace({}, START + 2)
    assert not cut_off(isolation)
    isolation.replace({"b": 1}, START + 3)
    assert (isolation.status, isolation.since) == (UNKNOWN, START + 3)


def test_items__are_one_critical_problem_of_no_workstation_site_and_label() -> None:
    isolation = watching(a=1)
    isolation.failed("a", "no answer", START)
    (item,) = isolation.items("2/3")
    assert (item.kind, item.id, item.status, item.since) == (SubjectKind.MONITOR, "/monitor/2/3", DOWN, START)
    assert (item.severity, item.workstation, item.site, dict(item.labels)) == (Severity.CRITICAL, "", "", {})
    assert item.message == "cut off from the network, gateway a does not answer"
    isolation.answered("a", START + 9)
    assert [(item.status, item.since, item.message) for item in isolation.items()] == [(UP, START + 9, "")]


def test_words__of_many__name_some() -> None:
    isolation = watching(**dict.fromkeys("abcdef", 1))
    for name in "abcdef":
        isolation.failed(name, "no answer", START)
    assert isolation.words() == "gateways a, b, c, d and 2 more do not answer"


@pytest.mark.parametrize(
    ("status", "since", "muted"),
    [
        (UNKNOWN, START - 900, True),
        (UNKNOWN, START + 60, True),
        (DOWN, START - 1, False),  # before we were cut off: it was really so
        (DOWN, START + 1, True),  # between the last answer and the moment when we knew
        (DEGRADED, START + 10, True),
        (DOWN, START + 11, False),  # later than that only what was answered is down
        (UP, START + 5, False),
    ],
)
def test_mutes__while_cut_off__what_can_not_be_asked_and_what_failed_before_we_knew(
    status: Status, since: float, *, muted: bool
) -> None:
    isolation = watching(a=2, at=START - 100)
    isolation.answered("a", START)
    isolation.failed("a", "no answer", START + 9)
    isolation.failed("a", "no answer", START + 10)
    assert isolation.mutes(an_item(status, since)) is muted
    isolation.answered("a", START + 100)
    assert not isolation.mutes(an_item(status, since))


def test_mutes__after_a_start__what_can_not_be_asked__until_a_gateway_told_how_it_is() -> None:
    isolation = watching(a=2)
    assert isolation.mutes(an_item(UNKNOWN, START - 900))
    assert not isolation.mutes(an_item(DOWN, START - 900))
    isolation.answered("a", START + 1)
    assert not isolation.mutes(an_item(UNKNOWN, START - 900))


def test_mutes__what_is_told_of_ourselves__only_before_any_gateway_told_how_it_is() -> None:
    isolation = watching(a=1)
    assert [isolation.mutes(item) for item in isolation.items()] == [True]
    isolation.failed("a", "no answer", START)
    (item,) = isolation.items()
    assert not isolation.mutes(item)
    assert not isolation.mutes(replace(item, status=UNKNOWN))


NAMES = ("a", "b", "c")
HISTORY = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(("answered", "failed", "not_asked"))), min_size=1, max_size=60
)


@given(HISTORY, st.integers(1, 3))
def test_any_history__cut_off_needs_every_gateway_silent_or_not_to_be_asked__and_no_answer_since(
    history: list[tuple[str, str]], after: int
) -> None:
    isolation = watching(**dict.fromkeys(NAMES, after))
    runs: dict[str, list[str]] = {name: [] for name in NAMES}
    for second, (name, what) in enumerate(history):
        was = cut_off(isolation)
        runs[name].append(what)
        if what == "answered":
            isolation.answered(name, START + second)
        else:
            getattr(isolation, what)(name, "why", START + second)
        if what == "answered":
            assert not cut_off(isolation)
        if cut_off(isolation) and not was:
            assert what == "failed"
            asked = [
                [run for run in mine if run != "not_asked"] for mine in runs.values() if mine[-1:] != ["not_asked"]
            ]
            assert asked
            assert all(mine[-after:] == ["failed"] * after for mine in asked)
        if was and not cut_off(isolation):
            assert what == "answered"
