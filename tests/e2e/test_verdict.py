"""The judge of the soak, judged: each way to break a promise is found, and an honest story is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tests.e2e.verdict import Arrival, Fault, Life, Patience, Story, chapters, findings, keys, order, unresolved

WORKSTATION = "ws-01"


def an_item(workstation: str = WORKSTATION, *, since: float, status: str = "down") -> dict[str, Any]:
    return {"kind": "workstation", "workstation": workstation, "status": status, "since": since}


def a_message(
    kind: str,
    at: float,
    *,
    opened: float = 12.0,
    key: str = "",
    group: str = WORKSTATION,
    workstations: Sequence[str] = (WORKSTATION,),
    since: float | None = None,
    arrives: float | None = None,
    taken: bool = True,
) -> Arrival:
    """A message decided at a moment, which arrives half a second later."""
    named = [an_item(name, since=at - 1 if since is None else since) for name in workstations]
    key = key or f"{group} {kind} {at}"
    body = {"key": key, "route": "r", "group": group, "kind": kind, "since": opened, "at": at}
    body |= {"problems": [], "recovered": named} if kind == "resolved" else {"problems": named, "recovered": []}
    return Arrival(at=at + 0.5 if arrives is None else arrives, key=key, body=body, taken=taken)


PROBLEM = a_message("problem", 14.0)
RESOLVED = a_message("resolved", 32.0)
FAULT = Fault(workstation=WORKSTATION, begins=11.0, ends=30.0)


def a_life(begins: float, ends: float) -> Life:
    """One that answers twice a second, from a second after its start on."""
    return Life(begins=begins, answered=[begins + 1 + number / 2 for number in range(int(2 * (ends - begins - 1)) + 1)])


def a_story(*arrivals: Arrival, faults: Iterable[Fault] = (FAULT,), lives: Iterable[Life] = (a_life(0, 50),)) -> Story:
    patience = Patience(see=2.0, tell=2.0)
    return Story(
        arrivals=arrivals,
        faults=tuple(faults),
        lives=tuple(lives),
        fault=patience,
        recovery=patience,
        gap=0.6,
        glance=0.2,
    )


def test_fault_that_is_told_and_resolved__leaves_nothing_to_complain_of() -> None:
    assert findings(a_story(PROBLEM, RESOLVED)) == []


def test_repetition__with_the_same_key_and_body__is_allowed() -> None:
    refused = replace(PROBLEM, at=14.1, taken=False)
    assert findings(a_story(refused, PROBLEM, PROBLEM, RESOLVED, RESOLVED)) == []


# --------------------------------------------------------------------------------------------------------------- lost
def test_fault__never_told__is_found() -> None:
    (found,) = findings(a_story())
    assert found == f"{FAULT} was not told"


def test_fault__told_but_only_refused__is_found() -> None:
    found = findings(a_story(replace(PROBLEM, taken=False)))
    assert f"{FAULT} was not told" in found


def test_fault__shorter_than_what_a_process_needs__need_not_be_told() -> None:
    assert findings(a_story(faults=[replace(FAULT, ends=FAULT.begins + 3.9)])) == []


def test_fault__while_no_process_lived_long_enough_to_see_it__need_not_be_told() -> None:
    short = [a_life(begins, begins + 2.5) for begins in range(0, 50, 3)]
    story = a_story(lives=short)
    assert findings(story) == []
    assert story.running(FAULT.begins, FAULT.ends) > 8, "in all it ran long enough"


def test_fault__over_two_lives__adds_up_what_each_has_left_after_seeing_it() -> None:
    lives = [a_life(0, 14.5), a_life(20, 24.5)]
    assert findings(a_story(lives=lives)) == [f"{FAULT} was not told"]
    assert findings(a_story(lives=[lives[0], a_life(20, 23)])) == []


def test_process__that_was_held_up__is_not_reckoned_to_have_run() -> None:
    life = a_life(0, 50)
    held_up = Life(begins=0, answered=[at for at in life.answered if not 11 < at < 30])
    assert list(held_up.stretches(0.6)) == [(1.0, 11.0), (30.0, 50.0)]
    assert findings(a_story(lives=[held_up])) == []


def test_recovery__never_told__is_found_there_and_at_the_end() -> None:
    assert findings(a_story(PROBLEM)) == [
        f"the end of {FAULT} was not told",
        "r/ws-01: the last is problem",
        "ws-01 is not well by what was told last",
    ]


def test_recovery__too_short_to_be_told__makes_one_problem_of_two_faults() -> None:
    again = Fault(workstation=WORKSTATION, begins=31.0, ends=40.0)
    assert findings(a_story(PROBLEM, a_message("resolved", 43.0), faults=[FAULT, again])) == []


def test_second_fault__after_a_recovery_that_was_told__has_to_be_told_too() -> None:
    again = Fault(workstation=WORKSTATION, begins=35.0, ends=45.0)
    assert findings(a_story(PROBLEM, RESOLVED, faults=[again, FAULT])) == [f"{again} was not told"]


def test_faults__that_overlap__are_one() -> None:
    more = Fault(workstation=WORKSTATION, begins=20.0, ends=31.0)
    (chapter,) = chapters(a_story(PROBLEM, RESOLVED, faults=[more, FAULT]))
    assert (chapter.fault.begins, chapter.fault.ends) == (11.0, 31.0)


def test_incident_of_a_site__tells_of_each_workstation_it_names() -> None:
    both = [replace(FAULT, workstation=name) for name in ("ws-01", "ws-02")]
    named = ("ws-01", "ws-02")
    told = a_message("problem", 14.0, group="site:x", workstations=named)
    ended = a_message("resolved", 32.0, group="site:x", workstations=named)
    assert findings(a_story(told, ended, faults=both)) == []
    assert len(findings(a_story(told, a_message("resolved", 32.0, group="site:x"), faults=both))) == 2


def test_recovery__of_a_workstation_whose_site_has_another_fault__need_not_be_told_before_that_is_over() -> None:
    named = ("ws-01", "ws-02")
    both = [replace(FAULT, workstation=name) for name in named]
    more = [Fault(workstation="ws-02", begins=begins, ends=begins + 3) for begins in (30.5, 34.0, 38.0, 42.0, 46.0)]
    told = a_message("problem", 14.0, group="site:x", workstations=named)
    story = a_story(told, faults=[*both, *more])
    ends = f"the end of {both[0]} was not told"
    assert ends in findings(story)
    assert ends not in findings(replace(story, together=named))
    assert ends in findings(replace(story, together=named, faults=[*both, *more[:2]])), "from 37 on all was well"


# --------------------------------------------------------------------------------------------------------------- keys
def test_repetition__with_another_key__is_found() -> None:
    again = a_message("problem", 14.0, key="other")
    assert list(keys([PROBLEM, again, RESOLVED])) == [
        f"other repeats {PROBLEM.key}: ('r', 'ws-01', 'problem', 12.0, None)",
        "r/ws-01: problem after problem",
    ]


def test_problem__decided_anew_after_a_kill__is_found_though_it_has_another_moment() -> None:
    assert any(found.startswith("ws-01 problem 16.0 repeats") for found in keys([PROBLEM, a_message("problem", 16.0)]))


def test_key__of_two_messages__is_found() -> None:
    other = a_message("resolved", 32.0, key=PROBLEM.key)
    assert f"{PROBLEM.key} stands for several messages" in list(keys([PROBLEM, other]))


def test_key__that_differs_between_header_and_body__is_found() -> None:
    assert list(keys([replace(PROBLEM, key="forged"), RESOLVED])) == [f"forged is {PROBLEM.key} in its body"]


def test_end__of_what_was_never_told__is_found() -> None:
    assert list(keys([RESOLVED])) == ["r/ws-01: resolved after resolved"]


# -------------------------------------------------------------------------------------------------------------- order
def test_older_message__after_a_newer_one__is_found_even_if_it_is_a_repetition() -> None:
    late = replace(PROBLEM, at=33.0)
    contradiction = "problem of 14.0 came after one of 32.0"
    for arrivals in ([RESOLVED, late], [PROBLEM, RESOLVED, late]):
        assert sorted(order(arrivals)) == [f"r/ws-01: {contradiction}", f"ws-01: {contradiction}"]


def test_incident_of_a_site__after_something_newer_of_one_of_its_workstations__is_found() -> None:
    site = a_message("problem", 14.0, group="site:x", workstations=("ws-01", "ws-02"), arrives=33.0)
    assert list(order([RESOLVED, site])) == ["ws-01: problem of 14.0 came after one of 32.0"]
    assert list(order([a_message("resolved", 32.0, workstations=("ws-03",), group="ws-03"), site])) == []


# ---------------------------------------------------------------------------------------------------------- made up
def test_fault__told_from_memory_by_a_process_that_never_saw_it__is_found() -> None:
    fault = replace(FAULT, ends=13.0)
    lives = [a_life(0, 12.5), a_life(20, 50)]
    blind = a_message("problem", 21.1, since=12.0)
    (found,) = findings(a_story(blind, RESOLVED, faults=[fault], lives=lives))
    assert found == f"{fault} was over when a process of 20 told it from memory"
    assert findings(a_story(a_message("problem", 21.5, since=12.0), RESOLVED, faults=[fault], lives=lives)) == []
    assert findings(a_story(blind, RESOLVED, faults=[replace(fault, ends=20.5)], lives=lives)) == [], "it was there"


def test_last_message__that_is_no_end__is_found() -> None:
    assert list(unresolved([PROBLEM, RESOLVED])) == []
    assert list(unresolved([PROBLEM, replace(RESOLVED, taken=False)])) == [
        "r/ws-01: the last is problem",
        "ws-01 is not well by what was told last",
    ]
