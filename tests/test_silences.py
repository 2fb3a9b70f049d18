from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Category, Status, SubjectKind
from monitor.notices import Item
from monitor.silences import Matchers, Phase, Purpose, Repeat, Silence, Silences, Span, ended
from tests.fakes import a_workstation

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def an_item(kind: SubjectKind = SubjectKind.WORKSTATION, name: str = "", **changes: object) -> Item:
    item = Item(
        kind=kind,
        workstation="ws-01",
        name=name,
        site="berlin",
        labels={"rack": "a1"},
        category=Category.WORKSTATION,
        status=Status.DOWN,
        since=0.0,
    )
    return replace(item, **changes) if changes else item  # type: ignore[arg-type]  # fields by name


def a_silence(identity: str = "one", starts_at: float = 100.0, ends_at: float = 200.0, **changes: object) -> Silence:
    silence = Silence(
        id=identity, matchers=Matchers(), when=Span(starts_at, ends_at), who="kim", why="test", created_at=1.0
    )
    return replace(silence, **changes) if changes else silence  # type: ignore[arg-type]  # fields by name


def known(*silences: Silence, now: float = 0.0) -> Silences:
    all_of_them = Silences()
    for silence in silences:
        all_of_them.put(silence)
    all_of_them.tick(now)
    return all_of_them


# ------------------------------------------------------------------------------------------------------------- whom
@pytest.mark.parametrize(
    ("matchers", "covers"),
    [
        (Matchers(), True),
        (Matchers(workstations=("ws-*",)), True),
        (Matchers(workstations=("pc-*", "ws-01")), True),
        (Matchers(workstations=("pc-*",)), False),
        (Matchers(sites=("ber*",)), True),
        (Matchers(sites=("hanoi",)), False),
        (Matchers(labels={"rack": "a?"}), True),
        (Matchers(labels={"rack": "b?"}), False),
        (Matchers(labels={"owner": "*"}), True),
        (Matchers(labels={"owner": "?*"}), False),
        (Matchers(workstations=("ws-*",), sites=("hanoi",)), False),
        (Matchers(subjects=("ldplayer:3",)), False),
    ],
)
def test_cover__workstation__when_all_of_it_fits(matchers: Matchers, *, covers: bool) -> None:
    assert matchers.cover(an_item()) is covers
    workstation = replace(a_workstation("ws-01"), site="berlin", labels={"rack": "a1"})
    assert matchers.cover_workstation(workstation) is covers


def test_cover__some_subjects_only__neither_others_nor_the_workstation() -> None:
    matchers = Matchers(subjects=("ldplayer:3", "rdp*"))
    assert matchers.cover(an_item(SubjectKind.EMULATOR, "ldplayer:3"))
    assert matchers.cover(an_item(SubjectKind.CHECK, "rdp-2"))
    assert not matchers.cover(an_item(SubjectKind.EMULATOR, "ldplayer:30"))
    assert not matchers.cover(an_item())


def test_words__say_whom_it_covers() -> None:
    assert Matchers().words() == "everything"
    matchers = Matchers(workstations=("ws-1", "ws-2"), sites=("b*",), labels={"rack": "a*"}, subjects=("rdp",))
    assert matchers.words() == "ws-1 ws-2, site b*, rack=a*, only rdp"


# ------------------------------------------------------------------------------------------------------------- when
def test_phase__once__from_its_beginning_up_to_its_end() -> None:
    silence = a_silence()
    phases = [silence.phase(now) for now in (99.9, 100.0, 199.9, 200.0)]
    assert phases == [Phase.PENDING, Phase.ACTIVE, Phase.ACTIVE, Phase.ENDED]
    assert [silence.until(now) for now in (0.0, 100.0, 200.0)] == [100.0, 200.0, float("inf")]


def test_phase__ended_by_somebody__is_over() -> None:
    silence = ended(a_silence(), who="lee", at=150.0)
    assert (silence.phase(150.0), silence.until(150.0), silence.ended_by) == (Phase.ENDED, float("inf"), "lee")
    assert silence.span(150.0) == Span(100.0, 150.0)


def test_repeat__sundays_at_three__in_its_time_zone() -> None:
    weekly = Repeat(schedule="0 3 * * sun", duration=7200.0, timezone="Europe/Berlin")
    sunday = Span(at("2026-11-29T03:00"), at("2026-11-29T05:00"))
    assert weekly.span(at("2026-11-26T12:00")) == sunday
    assert weekly.span(at("2026-11-29T03:00")) == sunday, "its first moment is part of it"
    assert weekly.span(at("2026-11-29T03:00:59")) == sunday
    assert weekly.span(at("2026-11-29T04:59:59")) == sunday
    assert weekly.span(at("2026-11-29T05:00")) == Span(at("2026-12-06T03:00"), at("2026-12-06T05:00"))


def test_repeat__weekday_as_a_number__is_cron_s() -> None:
    assert Repeat(schedule="0 3 * * 0", duration=60.0).span(at("2026-11-26T12:00")) == Repeat(
        schedule="0 3 * * sun", duration=60.0
    ).span(at("2026-11-26T12:00"))


def test_repeat__night_the_clocks_change__lasts_as_long_as_ever() -> None:
    nightly = Repeat(schedule="30 1 * * *", duration=4 * 3600.0, timezone="Europe/Berlin")
    spring = nightly.span(at("2026-03-29T01:45"))
    assert spring is not None
    assert spring.ends_at - spring.starts_at == 4 * 3600.0
    assert spring.ends_at == at("2026-03-29T06:30"), "an hour is missing in between"


def test_repeat__longer_than_its_period__is_always_active() -> None:
    silence = a_silence(when=Repeat(schedule="* * * * *", duration=3600.0))
    assert {silence.phase(now) for now in range(0, 100_000, 777)} == {Phase.ACTIVE}


@given(
    now=st.floats(1.0e9, 2.0e9),
    schedule=st.sampled_from(["0 3 * * sun", "*/15 * * * *", "30 1 29 2 *", "0 0 1 1 *", "5 4 * * 1-5"]),
    duration=st.floats(60.0, 2e6),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Ho_Chi_Minh", "America/New_York"]),
)
def test_repeat__any_moment__is_in_its_span_or_before_it_and_the_phase_agrees(
    now: float, schedule: str, duration: float, timezone: str
) -> None:
    silence = a_silence(when=Repeat(schedule=schedule, duration=duration, timezone=timezone))
    span = silence.span(now)
    assert span is not None
    assert now < span.ends_at
    assert silence.phase(now) is (Phase.ACTIVE if now >= span.starts_at else Phase.PENDING)
    assert silence.until(now) > now


# -------------------------------------------------------------------------------------------------------- all of them
def test_muted__only_while_one_that_covers_it_is_active() -> None:
    silences = known(a_silence(matchers=Matchers(workstations=("ws-01",))))
    assert not silences.muted(an_item())
    assert silences.tick(100.0) == ((silences.find("one"),), ())
    assert silences.muted(an_item())
    assert not silences.muted(an_item(workstation="ws-02"))
    assert silences.tick(200.0) == ((), (silences.find("one"),))
    assert not silences.muted(an_item())


def test_tick__nothing_begins_or_ends__tells_nothing() -> None:
    silences = known(a_silence(), now=150.0)
    assert silences.tick(160.0) == ((), ())
    assert silences.muted(an_item())


def test_tick__clock_set_back__is_reckoned_anew() -> None:
    silences = known(a_silence(), now=150.0)
    assert silences.tick(50.0) == ((), (silences.find("one"),))
    assert not silences.muted(an_item())


def test_put__one_that_somebody_ended__stays_ended() -> None:
    silences = known(a_silence(), now=150.0)
    silences.put(ended(a_silence(), who="lee", at=150.0))
    silences.put(a_silence())
    silences.tick(151.0)
    assert not silences.muted(an_item())


def test_configure__other_config__takes_its_place_and_leaves_what_operators_made() -> None:
    silences = known(a_silence("by-hand"), now=150.0)
    silences.configure([a_silence("config-a", configured=True)])
    silences.configure([a_silence("config-b", configured=True)])
    silences.tick(150.0)
    assert {silence.id for silence in silences.active()} == {"by-hand", "config-b"}


def test_over__silence_and_maintenance__are_told_apart() -> None:
    work = a_silence("work", purpose=Purpose.MAINTENANCE, matchers=Matchers(workstations=("ws-01",)))
    silences = known(a_silence("quiet"), work, now=150.0)
    assert silences.over(a_workstation("ws-01"), Purpose.MAINTENANCE) == work
    assert silences.over(a_workstation("ws-02"), Purpose.MAINTENANCE) is None
    assert silences.over(a_workstation("ws-02"), Purpose.SILENCE) == silences.find("quiet")


def test_forget__long_over__but_not_what_comes_again_or_stands_in_the_config() -> None:
    weekly = a_silence("weekly", when=Repeat(schedule="0 3 * * sun", duration=60.0))
    silences = known(
        a_silence("past"),
        a_silence("config", configured=True),
        weekly,
        ended(replace(weekly, id="weekly-ended"), who="lee", at=150.0),
        a_silence("future", 900.0, 1000.0),
    )
    silences.forget(500.0)
    assert {silence.id for silence in silences.each()} == {"config", "weekly", "future"}
