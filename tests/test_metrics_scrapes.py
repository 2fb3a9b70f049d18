"""What a scraper gets: the same as from prometheus_client's own renderer, rendered once for all, never old."""

from __future__ import annotations

import asyncio
import gzip
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest, parser
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser

from monitor.breaker.registry import Breakers
from monitor.figures import WorkstationFigures
from monitor.fleet import Fleet
from monitor.metrics import Metrics, Scrapes, scrapes
from monitor.metrics.lines import Lines
from monitor.metrics.rendering import PIECE, Format
from monitor.metrics.scrapes import Entity
from monitor.metrics.series import KINDS
from monitor.model import (
    CheckState,
    EmulatorState,
    HostFacts,
    Reason,
    Severity,
    Status,
    Volume,
    Workstation,
    WorkstationState,
)
from tests.fakes import FakeClock, a_target, a_workstation, answered, figures

TEXT, OPEN, PACKED = Format(), Format(openmetrics=True), Format(packed=True)
OWN_COST = {"emuwatch_scrape_render_seconds", "emuwatch_scrape_series", "emuwatch_scrapes", "emuwatch_scrapes_total"}
"""What differs from one to the next: what each cost, and who shared it."""


class Seen(Fleet):
    """A fleet that believes what it is told to."""

    def __init__(self, *states: WorkstationState) -> None:
        super().__init__()
        self.states = list(states)

    def figures(self) -> Iterator[WorkstationFigures]:
        return map(figures, self.states)


class Scene:
    """Metrics of some beliefs, as a collector of everything."""

    def __init__(self, *states: WorkstationState, clock: FakeClock | None = None) -> None:
        self.registry = CollectorRegistry()
        self.fleet = Seen(*states)
        self.breakers = Breakers()
        self.metrics = Metrics(registry=self.registry, fleet=self.fleet, breakers=self.breakers)
        self.metrics.scrapes._clock = clock or FakeClock()
        self.watch()

    def watch(self) -> None:
        targets = [check.target for state in self.fleet.states for check in state.checks]
        self.breakers.plan(targets)
        self.breakers.retain({key for target in targets for key in target.path})
        self.metrics.retain(targets)

    def collect(self) -> Iterator[Family]:
        return self.metrics.families()

    async def text(self, style: Format = TEXT) -> str:
        body = await self.metrics.scrapes.body(style)
        assert body.size == len(b"".join(body.pieces))
        return b"".join(body.pieces).decode()


def expected(scene: Scene, style: Format) -> str:
    registry = cast("CollectorRegistry", scene)
    if style.openmetrics:
        return bytes(openmetrics.generate_latest(registry)).decode()  # type: ignore[no-untyped-call]  # the library's gap
    return generate_latest(registry).decode()


def read(text: str, style: Format) -> dict[str, Family]:
    if style.openmetrics:
        families = openmetrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # the same
    else:
        families = parser.text_string_to_metric_families(text)
    read = list(families)
    found = {family.name: family for family in read if family.name not in OWN_COST}
    assert len(found) == len([family for family in read if family.name not in OWN_COST])
    return found


def heads(text: str) -> set[str]:
    """Lines up to the value: it may be written in two ways (1 and 1.0)."""
    lines = (line if line.startswith("#") else line.rpartition(" ")[0] for line in text.splitlines())
    return {line for line in lines if line.partition("{")[0] not in OWN_COST}


async def compare(scene: Scene) -> None:
    for style in (TEXT, OPEN):
        ours, theirs = await scene.text(style), expected(scene, style)
        assert read(theirs, style) == read(ours, style)
        assert heads(theirs) == heads(ours)


# The same as prometheus_client.

ANY_WORD = st.one_of(
    st.text(st.characters(), max_size=20),
    st.sampled_from(['"', "\\", "\n", "\r\n", '\\"', "\\n", "\x00", "\ud800", "%s", "%", "{}", "# EOF\n", "\u2028"]),
    st.sampled_from(["x" * 10_000, "雷" * 10_000, "x" * 9_999 + "y", '"} 1\nemuwatch_up 0\n#']),
)
NUMBER = st.one_of(
    st.floats(), st.integers(), st.booleans(), st.sampled_from([10**400, math.inf, -math.inf, math.nan, 1e21, 5e-324])
)
FACT = st.one_of(NUMBER, ANY_WORD)
MOMENT = st.one_of(st.none(), st.floats(min_value=0, max_value=1e12))
FACT_NAMES = ["certificate_end_timestamp_seconds", "loss_ratio", "rtt_seconds", "http_status", "greeting"]


@st.composite
def hosts(draw: st.DrawFn) -> HostFacts:
    sizes = st.one_of(st.integers(-1, 2**60), st.just(10**400))
    return HostFacts(
        cpu_ratio=draw(st.one_of(st.none(), st.floats())),
        memory_total_bytes=draw(st.one_of(st.none(), sizes)),
        commit_available_bytes=draw(st.one_of(st.none(), sizes)),
        volumes=tuple(draw(st.lists(st.builds(Volume, ANY_WORD, sizes, sizes), max_size=3))),
    )


@st.composite
def checks(draw: st.DrawFn, workstation: Workstation, name: str) -> CheckState:
    labels = draw(st.dictionaries(st.sampled_from(["rack", "owner"]), ANY_WORD))
    emulator = draw(st.one_of(st.none(), ANY_WORD))
    at = draw(MOMENT)
    return CheckState(
        target=a_target(name, workstation=workstation, labels=labels, emulator=emulator),
        status=draw(st.sampled_from(Status)),
        reason=draw(st.one_of(st.none(), st.sampled_from(Reason))),
        stale_since=draw(MOMENT),
        last_run=at,
        last_duration=draw(MOMENT),
        last_success=at,
        facts=draw(st.dictionaries(st.sampled_from(FACT_NAMES), FACT)),
        host=draw(st.one_of(st.none(), hosts())),
    )


@st.composite
def emulators(draw: st.DrawFn, key: str) -> EmulatorState:
    return EmulatorState(
        id=f"ldplayer:{key}",
        driver="ldplayer",
        index=draw(st.integers(0, 99)),
        title=draw(ANY_WORD),
        state=draw(st.sampled_from(["running", "frozen"])),
        status=draw(st.sampled_from(Status)),
        since=0.0,
        reason=draw(st.sampled_from([None, Reason.WITNESSES_DISAGREE])),
        message="",
        expected=None,
        first_seen=0.0,
        last_seen=0.0,
        boot_seconds=draw(MOMENT),
    )


@st.composite
def workstations(draw: st.DrawFn, name: str) -> WorkstationState:
    labels = draw(st.dictionaries(st.sampled_from(["rack", "owner"]), ANY_WORD))
    workstation = Workstation(id=name, host=draw(ANY_WORD), site=draw(ANY_WORD), labels=labels)
    words = st.lists(ANY_WORD, max_size=3, unique=True)
    return WorkstationState(
        workstation=workstation,
        status=draw(st.sampled_from(Status)),
        since=None,
        message="",
        flapping=False,
        checks=tuple(draw(checks(workstation, name)) for name in draw(words)),
        emulators=tuple(draw(emulators(key)) for key in draw(words)),
    )


@st.composite
def farms(draw: st.DrawFn) -> list[WorkstationState]:
    return [draw(workstations(name)) for name in draw(st.lists(ANY_WORD, max_size=2, unique=True))]


@settings(deadline=None, max_examples=60)
@given(before=farms(), after=farms())
def test_scrape__of_any_farm_and_any_next__is_what_prometheus_client_writes(
    before: list[WorkstationState], after: list[WorkstationState]
) -> None:
    async def scenario() -> None:
        scene = Scene(*before)
        await compare(scene)
        scene.fleet.states = after
        scene.watch()
        await compare(scene)

    asyncio.run(scenario())


@given(values=st.lists(st.tuples(MOMENT, st.sampled_from(Status), st.sampled_from([None, *Reason])), min_size=2))
@settings(deadline=None, max_examples=30)
def test_scrape__of_values_that_come_change_and_go__keeps_no_old_line(
    values: list[tuple[float | None, Status, Reason | None]],
) -> None:
    async def scenario() -> None:
        state = CheckState(target=RDP)
        scene = Scene(a_state(state))
        breaker = scene.breakers.get(RDP.path[0])
        for at, status, reason in values:
            state = replace(state, last_success=at, last_duration=at, status=status, reason=reason)
            scene.fleet.states = [a_state(state)]
            breaker.acquire().failure(Severity.LOW)
            scene.metrics.observe(answered(RDP, 1000.0), ())
            scene.metrics.era += 1
            await compare(scene)

    asyncio.run(scenario())


def test_kinds__name_a_column_for_each_of_their_metrics_in_order() -> None:
    scene = Scene(full_state())
    seen = {}
    for kind, _, shape, values in scene.metrics.entities():
        seen[kind] = [column.metric for column in kind.columns(*shape)]
        assert len(values) == len(kind.metrics)
    assert seen == {kind: list(kind.metrics) for kind in KINDS}


# Who shares what.

RDP = a_target("rdp")


def a_state(*checks: CheckState, workstation: Workstation | None = None) -> WorkstationState:
    where = workstation or a_workstation()
    return WorkstationState(
        workstation=where, status=Status.UP, since=None, message="", flapping=False, checks=checks, emulators=()
    )


def full_state() -> WorkstationState:
    check = CheckState(target=RDP, last_run=1.0, last_success=1.0, last_duration=0.1, host=HostFacts(cpu_ratio=0.5))
    emulator = EmulatorState(
        id="ldplayer:0", driver="ldplayer", index=0, title="", state="running", status=Status.UP, since=0.0,
        reason=None, message="", expected=None, first_seen=0.0, last_seen=0.0,
    )  # fmt: skip
    return replace(a_state(check), emulators=(emulator,))


class Counted:
    """A source that counts how often it is read, and waits in the middle if told to."""

    def __init__(self) -> None:
        self.era = 0
        self.reads = 0
        self.answers: list[bool] = []
        self.trouble: Exception | None = None

    def entities(self) -> Iterator[Entity]:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        yield from Scene(full_state()).metrics.entities()

    def scraped(self, *, shared: bool) -> None:
        self.answers.append(shared)

    def rendered(self, *, seconds: float, series: int) -> None:
        assert seconds > 0
        assert series > 0


@pytest.fixture
def source() -> Counted:
    return Counted()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def answers(source: Counted, clock: FakeClock) -> Scrapes:
    return Scrapes(registry=CollectorRegistry(), source=source, clock=clock)


async def test_scrapers__that_come_together__share_one_rendering_and_its_bodies(
    answers: Scrapes, source: Counted
) -> None:
    styles = [TEXT, OPEN, PACKED, PACKED, TEXT]
    bodies = await asyncio.gather(*(answers.body(style) for style in styles))
    assert source.reads == 1
    assert bodies[2] is bodies[3]
    assert bodies[0] is bodies[4]
    assert sorted(source.answers) == [False, True, True, True, True]
    assert gzip.decompress(b"".join(bodies[2].pieces)) == b"".join(bodies[0].pieces)


async def test_rendering__is_given_away_for_a_second_and_no_longer(
    answers: Scrapes, source: Counted, clock: FakeClock
) -> None:
    await answers.body(TEXT)
    clock.pass_(1.0)
    await answers.body(OPEN)
    assert source.reads == 1
    clock.pass_(0.001)
    await answers.body(TEXT)
    assert source.reads == 2


async def test_config_change__makes_the_rendering_before_it_useless_at_once(answers: Scrapes, source: Counted) -> None:
    await answers.body(TEXT)
    source.era += 1
    await answers.body(TEXT)
    assert source.reads == 2


async def test_target_removed__is_gone_from_the_next_scrape_however_soon() -> None:
    scene = Scene(a_state(CheckState(target=RDP)))
    assert 'check="rdp"' in await scene.text()
    scene.fleet.states = []
    scene.watch()
    assert "rdp" not in await scene.text()


async def test_load_of_the_config__shows_at_the_next_scrape_however_soon() -> None:
    scene = Scene()
    for ok, shown in ((True, "1.0"), (False, "0.0")):
        scene.metrics.reloaded(ok=ok, at=1000.0)
        assert f"\nemuwatch_config_last_reload_successful {shown}\n" in await scene.text()


async def test_scraper__that_comes_during_an_old_rendering__waits_for_the_next_and_shares_it(
    answers: Scrapes, source: Counted, clock: FakeClock
) -> None:
    first = asyncio.create_task(answers.body(TEXT))
    await asyncio.sleep(0)
    clock.pass_(5.0)
    second, third = await asyncio.gather(answers.body(TEXT), answers.body(TEXT))
    assert source.reads == 2
    assert second is third
    assert await first is not second


async def test_scraper_that_goes_away__takes_nobody_along(answers: Scrapes, source: Counted) -> None:
    first = asyncio.create_task(answers.body(TEXT))
    second = asyncio.create_task(answers.body(TEXT))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).size > 0
    assert source.reads == 1


async def test_rendering_that_fails__fails_for_who_waited_and_not_for_the_next(
    answers: Scrapes, source: Counted
) -> None:
    source.trouble = RuntimeError("broken")
    results = await asyncio.gather(answers.body(TEXT), answers.body(TEXT), return_exceptions=True)
    assert [str(result) for result in results] == ["broken", "broken"]
    source.trouble = None
    assert (await answers.body(TEXT)).size > 0


async def test_rendering__is_let_go_of_when_nobody_may_have_it(
    answers: Scrapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrapes, "FRESH", 0.0)
    await answers.body(TEXT)
    async with asyncio.timeout(5):
        while answers._flight is not None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)


async def test_end__cancels_what_is_under_way(answers: Scrapes) -> None:
    waiting = asyncio.create_task(answers.body(TEXT))
    await asyncio.sleep(0)
    await answers.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_loop__runs_between_the_slices_of_a_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapes, "SLICE", 0.0)
    states = [
        a_state(CheckState(target=a_target("rdp", workstation=w)), workstation=w)
        for w in map(a_workstation, "abcdefgh")
    ]
    scene = Scene(*states)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await scene.text()
    counting.cancel()
    assert turns > len(KINDS)


async def test_series__that_goes_while_its_check_stays__is_no_longer_counted() -> None:
    state = CheckState(target=RDP, reason=Reason.TIMEOUT, last_duration=0.1)
    scene = Scene(a_state(state))
    counted = []
    for now in (state, replace(state, reason=None), replace(state, reason=None, last_duration=None), state):
        scene.fleet.states = [a_state(now)]
        scene.metrics.era += 1
        [series] = [line for line in (await scene.text()).splitlines() if line.startswith("emuwatch_scrape_series ")]
        counted.append(float(series.split()[1]))
    assert [count - counted[0] for count in counted] == [0, -1, -2, 0]


async def test_names__restrict_the_answer_to_those_samples(answers: Scrapes) -> None:
    registry = answers._registry
    Counter("emuwatch_extra", "Of the registry.", registry=registry).inc()
    body = await answers.body(OPEN, ["emuwatch_check_stale", "emuwatch_extra_total"])
    families = read(b"".join(body.pieces).decode(), OPEN)
    assert list(families) == ["emuwatch_check_stale", "emuwatch_extra"]
    packed = await answers.body(replace(OPEN, packed=True), ["emuwatch_check_stale", "emuwatch_extra_total"])
    assert gzip.decompress(b"".join(packed.pieces)) == b"".join(body.pieces)


async def test_large_answer__comes_in_pieces(answers: Scrapes) -> None:
    many = [a_workstation(f"ws-{number:04}") for number in range(1500)]
    scene = Scene(*(a_state(CheckState(target=a_target("rdp", workstation=w)), workstation=w) for w in many))
    body = await scene.metrics.scrapes.body(TEXT)
    assert len(body.pieces) > 5
    assert min(map(len, body.pieces[:-1])) > 0
    assert sum(len(piece) < PIECE for piece in body.pieces) <= len(body.pieces) / 2 + 1


def test_lines__forget_what_is_not_named_again() -> None:
    lines = Lines(KINDS[0])
    [(kind, key, shape, values)] = [
        entity for entity in Scene(full_state()).metrics.entities() if entity[0] is KINDS[0]
    ]
    assert kind is lines.kind
    lines.begin()(key, shape, values)
    lines.end()
    assert b"ws-01" in b"".join(block for _, block in lines.blocks())
    lines.begin()
    lines.end()
    assert list(lines.blocks()) == []


async def test_scrape__tells_its_own_cost_and_how_many_series_were_rendered() -> None:
    scene = Scene(full_state(), clock=FakeClock())
    text = await scene.text()
    [cost] = [line for line in text.splitlines() if line.startswith("emuwatch_scrape_render_seconds ")]
    [series] = [line for line in text.splitlines() if line.startswith("emuwatch_scrape_series ")]
    farm = {metric.name for kind in KINDS for metric in kind.metrics}
    lines = [line for line in text.splitlines() if line.partition("{")[0] in farm]
    assert float(cost.split()[1]) > 0
    assert float(series.split()[1]) == len(lines)
    assert 'emuwatch_scrapes_total{source="rendered"} 1.0' in text


@given(farms(), farms())
@settings(deadline=None, max_examples=30)
def test_series__are_counted_as_they_come_and_go(before: list[WorkstationState], after: list[WorkstationState]) -> None:
    async def scenario() -> None:
        scene = Scene(*before)
        for states in (before, after, before):
            scene.fleet.states = states
            scene.watch()
            text = await scene.text()
            farm = {metric.name for kind in KINDS for metric in kind.metrics}
            lines = [line for line in text.split("\n") if line.partition("{")[0] in farm]
            assert f"\nemuwatch_scrape_series {float(len(lines))}\n" in text

    asyncio.run(scenario())
