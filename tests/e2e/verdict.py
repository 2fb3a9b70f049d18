"""What a receiver was told, held against what happened: what was lost, told twice, contradicted or made up. Pure.

Moments are Unix time, all of one clock. What was told of a workstation is reckoned by the moments at which messages
were decided, which stand in them; when they arrived matters for their order only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

ONGOING: Final = ("update", "reminder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request at the receiver."""

    at: float
    key: str
    """As the header says."""
    body: Mapping[str, Any]
    taken: bool = True
    """Whether it was answered with yes, even if the sender was gone by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that was surely wrong with a workstation, and before and after which it was well."""

    workstation: str
    begins: float
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process of the service."""

    begins: float
    answered: Sequence[float] = ()
    """The moments at which it said that it was ready."""

    def stretches(self, gap: float) -> Iterator[tuple[float, float]]:
        """The times it surely ran: between answers that are no further apart than `gap`."""
        begins = None
        for earlier, later in pairwise((*self.answered, math.inf)):
            begins = earlier if begins is None else begins
            if later - earlier > gap:
                yield begins, earlier
                begins = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much running time something must last to be told for sure."""

    see: float = 0.0
    """Seconds each process needs to find out; evidence too weak for a belief is lost with it."""
    tell: float
    """Seconds beyond that, of all processes together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that happened and all that arrived."""

    arrivals: Sequence[Arrival]
    """In order."""
    faults: Sequence[Fault]
    lives: Sequence[Life]
    fault: Patience
    recovery: Patience
    together: Collection[str] = ()
    """Workstations of one site that may fail in one incident: it ends when all of them are well."""
    gap: float
    """Seconds between two answers of a process that was not held up, at most."""
    glance: float
    """Seconds a process that is ready needs to find out anything, at least."""

    def running(self, begins: float, ends: float, *, see: float = 0.0) -> float:
        """How long the service ran in a span, less what each of its processes needs to find out."""
        return sum(
            max(0.0, min(ends, until) - max(begins, since) - see)
            for life in self.lives
            for since, until in life.stretches(self.gap)
        )

    def peace(self, fault: Fault, until: float) -> Iterator[tuple[float, float]]:
        """The times after a fault in which all is well with its workstation and with those that may fail with it."""
        begins, others = fault.ends, self.together if fault.workstation in self.together else ()
        for other in sorted(self.faults, key=lambda other: other.begins):
            if other.workstation in others and other.ends > begins:
                yield begins, max(begins, min(other.begins, until))
                begins = other.ends
        yield begins, max(begins, until)

    def must_be_told(self, chapter: Chapter) -> bool:
        """Whether a fault lasted long enough."""
        return self._demands(self.fault, chapter.fault.begins, chapter.fault.ends)

    def must_be_ended(self, chapter: Chapter) -> bool:
        """Whether the good time after a fault did."""
        return any(self._demands(self.recovery, *span) for span in self.peace(chapter.fault, chapter.until))

    def _demands(self, patience: Patience, begins: float, ends: float) -> bool:
        return self.running(begins, ends, see=patience.see) >= patience.tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A fault, the time after it, and what was told of its workstation."""

    fault: Fault
    until: float
    """When the next fault begins."""
    over: float
    """When the next fault ends."""
    words: Sequence[Word]
    """All that was told of the workstation, whenever."""

    @property
    def known(self) -> bool:
        """Whether the receiver knew of the fault: it was told of it, or never that what was before it is over."""
        before = [word for word in self.words if word.at < self.fault.begins]
        return bool(before and before[-1].bad) or self.told is not None

    @property
    def told(self) -> Word | None:
        """The first that was told of the fault."""
        return next((word for word in self.words if word.bad and self.fault.begins <= word.at < self.until), None)

    @property
    def ended(self) -> bool:
        """Whether the receiver knew that it was over: before the next was, at the latest."""
        before = [word for word in self.words if word.at < self.until]
        late = any(not word.bad and self.until <= word.at < self.over for word in self.words)
        return not before or not before[-1].bad or late


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What one message says of one workstation."""

    at: float
    """When it was decided."""
    bad: bool
    since: float
    """Since when that is so."""
    arrived: float


def findings(story: Story) -> list[str]:
    """All that is wrong, in words."""
    return [
        *lost(story),
        *keys(story.arrivals),
        *order(story.arrivals),
        *remembered(story),
        *unresolved(story.arrivals),
    ]


def lost(story: Story) -> Iterator[str]:
    """Faults and recoveries that lasted long enough and were not told."""
    for chapter in chapters(story):
        if story.must_be_told(chapter) and not chapter.known:
            yield f"{chapter.fault} was not told"
        if story.must_be_ended(chapter) and not chapter.ended:
            yield f"the end of {chapter.fault} was not told"


def keys(arrivals: Iterable[Arrival]) -> Iterator[str]:
    """Messages with several keys, keys of several messages, and problems told anew that never ended."""
    key_of: dict[tuple[object, ...], str] = {}
    body_of: dict[str, str] = {}
    for arrival in arrivals:
        key, body = arrival.key, arrival.body
        if body["key"] != key:
            yield f"{key} is {body['key']} in its body"
        if key_of.setdefault(_identity(body), key) != key:
            yield f"{key} repeats {key_of[_identity(body)]}: {_identity(body)}"
        if body_of.setdefault(key, json.dumps(body, sort_keys=True)) != json.dumps(body, sort_keys=True):
            yield f"{key} stands for several messages"
    for group, told in _by_group(arrivals).items():
        for before, after in pairwise(["resolved", *(body["kind"] for body in told)]):
            if (after == "problem") is not (before == "resolved"):
                yield f"{group}: {after} after {before}"


def order(arrivals: Iterable[Arrival]) -> Iterator[str]:
    """Messages that arrived after a newer one of the same group, or of the same workstation."""
    newest: dict[str, float] = {}
    for arrival in arrivals:
        body = arrival.body
        items = [*body["problems"], *body["recovered"]]
        for subject in {f"{body['route']}/{body['group']}", *(item["workstation"] for item in items)}:
            if body["at"] < newest.setdefault(subject, body["at"]):
                yield f"{subject}: {body['kind']} of {body['at']} came after one of {newest[subject]}"
            newest[subject] = max(newest[subject], body["at"])


def remembered(story: Story) -> Iterator[str]:
    """Troubles told by a process that was started when they were over, before it had asked anybody."""
    for chapter in chapters(story):
        fault = chapter.fault
        for before, word in pairwise((None, *chapter.words)):
            if word is None or not word.bad or (before is not None and before.bad):
                continue
            life = max((life for life in story.lives if life.begins <= word.at), key=lambda life: life.begins)
            looked = life.answered[0] + story.glance if life.answered else math.inf
            if fault.begins <= word.since < fault.ends < life.begins and word.at < looked:
                yield f"{fault} was over when a process of {life.begins} told it from memory"


def unresolved(arrivals: Sequence[Arrival]) -> Iterator[str]:
    """Groups and workstations that are not well by what arrived last of them."""
    for group, told in _by_group(arrival for arrival in arrivals if arrival.taken).items():
        if told[-1]["kind"] != "resolved":
            yield f"{group}: the last is {told[-1]['kind']}"
    for name, words in said(arrivals).items():
        if words[-1].bad:
            yield f"{name} is not well by what was told last"


def chapters(story: Story) -> Iterator[Chapter]:
    """All faults with what follows them, by workstation and time; those that overlap are one."""
    words = said(story.arrivals)
    faults: dict[str, list[Fault]] = {}
    for fault in sorted(story.faults, key=lambda fault: fault.begins):
        mine = faults.setdefault(fault.workstation, [])
        if mine and fault.begins <= mine[-1].ends:
            mine[-1] = replace(mine[-1], ends=max(mine[-1].ends, fault.ends))
        else:
            mine.append(fault)
    for name, each in faults.items():
        never = Fault(workstation=name, begins=math.inf, ends=math.inf)
        for fault, following in pairwise((*each, never)):
            yield Chapter(fault=fault, until=following.begins, over=following.ends, words=words.get(name, ()))


def said(arrivals: Iterable[Arrival]) -> Mapping[str, Sequence[Word]]:
    """What was told of each workstation, in the order in which it was decided."""
    found: dict[str, dict[tuple[float, bool], Word]] = {}
    for arrival in arrivals:
        if not arrival.taken:
            continue
        for items, bad in ((arrival.body["recovered"], False), (arrival.body["problems"], True)):
            for item in items:
                if item["kind"] == "workstation":
                    word = Word(at=arrival.body["at"], bad=bad, since=item["since"], arrived=arrival.at)
                    found.setdefault(item["workstation"], {}).setdefault((word.at, bad), word)
    return {name: sorted(words.values(), key=lambda word: word.at) for name, words in found.items()}


def _by_group(arrivals: Iterable[Arrival]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The messages of each route and group, once each, in the order in which they were decided."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for arrival in arrivals:
        found.setdefault(f"{arrival.body['route']}/{arrival.body['group']}", {}).setdefault(arrival.key, arrival.body)
    return {group: sorted(told.values(), key=lambda body: body["at"]) for group, told in found.items()}


def _identity(body: Mapping[str, Any]) -> tuple[object, ...]:
    """What makes it that message: a problem begins and ends once, and what is told while it lasts has a moment each."""
    return (
        body["route"],
        body["group"],
        body["kind"],
        body["since"],
        body["at"] if body["kind"] in ONGOING else None,
    )
