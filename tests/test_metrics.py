"""What a scrape shows: parsed back by Prometheus's own parsers, from real beliefs and real breakers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest, parser
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser

from monitor.breaker.registry import Breakers
from monitor.figures import WorkstationFigures
from monitor.fleet import Fleet
from monitor.metrics import CATALOGUE, Metrics, catalogue
from monitor.metrics.label import clean, identity
from monitor.model import (
    Category,
    EmulatorState,
    Fact,
    HostFacts,
    Key,
    Observation,
    Outcome,
    Reason,
    Result,
    Severity,
    Status,
    Target,
    TransportSpec,
    Verdict,
    Volume,
    Workstation,
    WorkstationState,
)
from monitor.notify import ChannelStatus
from monitor.silences import Purpose, Silence
from monitor.store import StoreStatus
from tests.fakes import FakeClock, a_target, a_workstation, answered, failed, figures
from tests.servers import require_program
from tests.test_silences import a_silence

Labels = Mapping[str, str]


class Scene:
    """A fleet of some targets, its breakers, and the metrics of both."""

    def __init__(self, *targets: Target, fleet: Fleet | None = None) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.fleet = fleet or Fleet()
        self.breakers = Breakers(clock=self.clock, wall=lambda: 1_800_000_000.0)
        self.metrics = Metrics(registry=self.registry, fleet=self.fleet, breakers=self.breakers, sinks=("store",))
        self.watch(*targets)

    def watch(self, *targets: Target) -> None:
        self.breakers.plan(targets)
        self.breakers.retain({key for target in targets for key in target.path})
        self.fleet.replace({target.workstation.id: target.workstation for target in targets}.values(), targets)
        self.metrics.retain(targets)

    def deliver(self, result: Result) -> None:
        self.metrics.observe(result, self.fleet.apply(result))

    def collect(self) -> Iterator[Family]:
        return self.metrics.families()

    def text(self) -> str:
        return generate_latest(cast("CollectorRegistry", self)).decode()

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """Label values, sorted by label, to value."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in parser.text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == f"emuwatch_{name}"
        }

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample that has all these labels; None: there is none."""
        found = [
            sample.value
            for family in parser.text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == f"emuwatch_{name}" and labels.items() <= sample.labels.items()
        ]
        assert len(found) < 2
        return found[0] if found else None


RDP = a_target("rdp")
"""labels sorted: check, emulator, kind, workstation"""


# The catalogue.


def test_catalogue__has_every_name_of_the_design_that_exists() -> None:
    names = {metric.name.removeprefix("emuwatch_") for metric in CATALOGUE}
    assert names >= {
        "breaker_state", "breaker_forced", "breaker_trips_total", "breaker_rejections_total", "breaker_failures_total",
        "breaker_open_seconds_total", "breaker_last_trip_timestamp_seconds", "check_up", "check_stale",
        "check_last_duration_seconds", "check_last_success_timestamp_seconds", "check_runs_total",
        "check_failure_reason", "check_duration_seconds", "schedule_lateness_seconds", "workstation_status",
        "workstation_info", "emulators", "emulator_state", "emulator_up", "emulator_info",
        "emulator_witness_disagreement",
        "certificate_end_timestamp_seconds", "config_last_reload_successful",
        "config_last_reload_success_timestamp_seconds", "event_loop_lag_seconds", "isolated",
        "sink_errors_total", "build_info",
    }  # fmt: skip


def test_catalogue__names_each_metric_once() -> None:
    names = [metric.name for metric in CATALOGUE]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_metric__is_named_after_its_kind(metric: catalogue.Metric) -> None:
    assert metric.name.startswith("emuwatch_")
    assert metric.name.endswith("_total") == (metric.kind is catalogue.Kind.COUNTER)
    assert metric.name.endswith("_info") == (metric.kind is catalogue.Kind.INFO)
    assert metric.help.endswith(".")


def test_scrape__shows_only_what_the_catalogue_lists_with_its_labels() -> None:
    listed = {metric.name: metric for metric in CATALOGUE}
    for family in eventful().collect():
        for sample in family.samples:
            name = sample.name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            assert set(sample.labels) - {"le", "rack"} == set(listed[name].labels)


# Breakers.


def test_breaker__is_born_closed_with_counters_at_zero() -> None:
    scene = Scene(RDP)
    key = {"category": "network", "workstation": "ws-01", "scope": "tcp:rdp"}
    for name in ("state", "forced", "trips_total", "rejections_total", "open_seconds_total"):
        assert scene.value(f"breaker_{name}", **key) == 0
    assert scene.value("breaker_last_trip_timestamp_seconds", **key) is None
    severities = {severity.label for severity in Severity}
    assert {labels[2] for labels in scene.samples("breaker_failures_total")} == severities
    assert set(scene.samples("breaker_failures_total").values()) == {0}


def test_breaker_that_trips__shows_state_trips_failures_and_time() -> None:
    scene = Scene(RDP)
    breaker = scene.breakers.get(RDP.path[0])
    for _ in range(3):
        breaker.acquire().failure(Severity.HIGH)
    scene.clock.pass_(10)
    with pytest.raises(Exception, match="open"):
        breaker.acquire()
    assert scene.value("breaker_state") == 2
    assert scene.value("breaker_trips_total") == 1
    assert scene.value("breaker_rejections_total") == 1
    assert scene.value("breaker_failures_total", severity="high") == 3
    assert scene.value("breaker_open_seconds_total") == 10
    assert scene.value("breaker_last_trip_timestamp_seconds") == 1_800_000_000


def test_breaker_forced_by_an_operator__says_so() -> None:
    scene = Scene(RDP)
    scene.breakers.get(RDP.path[0]).force_open()
    assert (scene.value("breaker_forced"), scene.value("breaker_state")) == (1, 2)


# Checks.


def test_check_never_run__has_counters_at_zero_and_no_value() -> None:
    scene = Scene(RDP)
    assert scene.samples("check_runs_total") == {("rdp", "", "tcp", outcome.value, "ws-01"): 0 for outcome in Outcome}
    assert scene.value("check_stale") == 0
    for name in ("up", "last_duration_seconds", "last_success_timestamp_seconds", "failure_reason"):
        assert scene.value(f"check_{name}") is None
    assert scene.value("check_duration_seconds_count", kind="tcp") == 0


def test_check_that_answers__is_up_with_its_figures() -> None:
    scene = Scene(RDP)
    scene.deliver(replace(answered(RDP, at=1000.0), duration=0.03))
    assert scene.value("check_up") == 1
    assert scene.value("check_last_duration_seconds") == 0.03
    assert scene.value("check_last_success_timestamp_seconds") == 1000
    assert scene.value("check_runs_total", outcome="success") == 1
    assert scene.value("check_duration_seconds_bucket", kind="tcp", le="0.025") == 0
    assert scene.value("check_duration_seconds_bucket", kind="tcp", le="0.05") == 1


def test_check_that_fails_for_sure__is_down_for_a_reason() -> None:
    scene = Scene(RDP)
    for at in (1000.0, 1030.0):
        scene.deliver(failed(RDP, at))
    assert scene.value("check_up") == 0
    assert scene.samples("check_failure_reason") == {("rdp", "", "tcp", "refused", "ws-01"): 1}
    assert scene.value("check_runs_total", outcome="failure") == 2


def test_check_that_answers_below_par__is_up_for_a_reason() -> None:
    scene = Scene(RDP)
    degraded = Observation(verdict=Verdict.DEGRADED, reason=Reason.THRESHOLD, message="slow")
    for at in (1000.0, 1030.0):
        scene.deliver(replace(answered(RDP, at), observation=degraded))
    assert scene.value("check_up") == 1
    assert scene.value("check_failure_reason", reason="threshold") == 1


def test_run_of_a_check_that_left_the_config__counts_nothing() -> None:
    scene = Scene(RDP)
    scene.watch(a_target("ssh"))
    scene.deliver(answered(RDP, at=1000.0))
    assert "rdp" not in scene.text()


def test_run_that_asked_nothing__is_counted_but_has_no_duration() -> None:
    scene = Scene(RDP)
    scene.deliver(Result(target=RDP, outcome=Outcome.SKIPPED, at=1000.0))
    assert scene.value("check_runs_total", outcome="skipped") == 1
    assert scene.value("check_duration_seconds_count", kind="tcp") == 0


def test_target_that_stays_in_the_config__keeps_its_counts() -> None:
    scene = Scene(RDP)
    scene.deliver(answered(RDP, at=1000.0))
    scene.watch(RDP, a_target("ssh"))
    assert scene.value("check_runs_total", check="rdp", outcome="success") == 1
    assert scene.value("check_runs_total", check="ssh", outcome="success") == 0


def test_target_that_leaves_the_config__takes_all_its_series_along() -> None:
    icmp = a_target("ping", Key(Category.NETWORK, "ws-02", "icmp"), workstation=a_workstation("ws-02"), kind="icmp")
    scene = Scene(RDP, icmp)
    scene.deliver(answered(icmp, at=1000.0))
    scene.watch(RDP)
    assert "ws-02" not in scene.text()
    assert 'icmp"' not in scene.text()


def test_facts_of_the_last_answer__are_exported_by_table() -> None:
    scene = Scene(RDP)
    facts: dict[str, Fact] = {"certificate_end_timestamp_seconds": 1.9e9, "rtt_seconds": 0.001, "loss_ratio": 0.5}
    facts["greeting"] = "SSH-2.0"
    scene.deliver(replace(answered(RDP, at=1000.0), observation=Observation(facts=facts)))
    assert scene.value("certificate_end_timestamp_seconds", check="rdp") == 1.9e9
    assert (scene.value("icmp_rtt_seconds"), scene.value("icmp_loss_ratio")) == (0.001, 0.5)


def test_labels_of_a_check__are_an_info() -> None:
    scene = Scene(replace(RDP, labels={"rack": "b2"}), a_target("ssh"))
    assert scene.samples("check_info") == {("rdp", "", "tcp", "b2", "ws-01"): 1}


class Seen(Fleet):
    """A fleet that believes what it is told to."""

    def __init__(self, *states: WorkstationState) -> None:
        super().__init__()
        self.states = states

    def figures(self) -> Iterator[WorkstationFigures]:
        return map(figures, self.states)


def test_check_unknown_after_it_was_known__keeps_its_last_sure_value() -> None:
    scene = Scene(RDP)
    for at in (1000.0, 1030.0):
        scene.deliver(failed(RDP, at))
    [state] = scene.fleet.snapshot()
    [check] = state.checks
    assert check.status is Status.DOWN
    scene.metrics._fleet = Seen(replace(state, checks=(replace(check, status=Status.UNKNOWN, reason=None),)))
    assert scene.value("check_up") == 0


def test_stale_check__is_flagged() -> None:
    [state] = Scene(RDP).fleet.snapshot()
    stale = replace(state, checks=(replace(state.checks[0], stale_since=1000.0),))
    assert Scene(RDP, fleet=Seen(stale)).value("check_stale") == 1


# Workstations and emulators.


def an_emulator(index: int = 0, title: str = "LDPlayer", **changes: object) -> EmulatorState:
    state = EmulatorState(
        id=f"ldplayer:{index}",
        driver="ldplayer",
        index=index,
        title=title,
        state="running",
        status=Status.UP,
        since=1000.0,
        reason=None,
        message="",
        expected=None,
        first_seen=1000.0,
        last_seen=1000.0,
    )
    return replace(state, **changes)  # type: ignore[arg-type]  # fields by name


def seen(*emulators: EmulatorState, workstation: Workstation | None = None) -> Scene:
    [state] = Scene(RDP).fleet.snapshot()
    return Scene(RDP, fleet=Seen(replace(state, workstation=workstation or state.workstation, emulators=emulators)))


def test_workstation_status__is_one_for_the_current_and_zero_for_the_others() -> None:
    assert seen().samples("workstation_status") == {
        ("up", "ws-01"): 0,
        ("degraded", "ws-01"): 0,
        ("down", "ws-01"): 0,
        ("unknown", "ws-01"): 1,
    }


def test_workstation_info__has_the_labels_of_the_config_beside_its_own() -> None:
    workstation = Workstation(
        id="ws-01", host="10.0.0.1", site="garage", labels={"rack": "b2", "host": "forged"},
        transport=TransportSpec("ssh", None),
    )  # fmt: skip
    # sorted: host, platform, rack, site, transport, workstation
    expected = ("10.0.0.1", "windows", "b2", "garage", "ssh", "ws-01")
    assert seen(workstation=workstation).samples("workstation_info") == {expected: 1}


def test_emulators__are_counted_by_every_state_once_any_is_known() -> None:
    scene = seen(an_emulator(0), an_emulator(1), an_emulator(2, state="frozen"))
    counts = scene.samples("emulators")
    assert (counts["running", "ws-01"], counts["frozen", "ws-01"], counts["zombie", "ws-01"]) == (2, 1, 0)
    assert seen().samples("emulators") == {}


@pytest.mark.parametrize(
    ("status", "shown"), [(Status.UP, 1), (Status.DEGRADED, 1), (Status.DOWN, 0), (Status.UNKNOWN, None)]
)
def test_emulator_up__says_whether_it_is_as_expected__and_nothing_while_unknown(
    status: Status, shown: int | None
) -> None:
    samples = seen(an_emulator(3, status=status)).samples("emulator_up")
    assert samples == ({} if shown is None else {("ldplayer:3", "ws-01"): shown})


def test_emulator__shows_its_state_its_title_and_whether_witnesses_disagree() -> None:
    scene = seen(an_emulator(3, "Farm 3", reason=Reason.WITNESSES_DISAGREE, status=Status.DEGRADED))
    assert scene.samples("emulator_state") == {("ldplayer:3", "running", "ws-01"): 1}
    assert scene.value("emulator_info", emulator="ldplayer:3", driver="ldplayer", index="3", title="Farm 3") == 1
    assert scene.value("emulator_witness_disagreement", emulator="ldplayer:3") == 1


def test_emulator__shows_how_long_its_last_boot_took_beside_its_limit__and_nothing_before_one_was_seen() -> None:
    scene = seen(an_emulator(3, boot_seconds=48.5, boot_limit=120.0))
    assert scene.value("emulator_last_boot_seconds", emulator="ldplayer:3") == 48.5
    assert scene.value("emulator_boot_limit_seconds", emulator="ldplayer:3") == 120.0
    assert seen(an_emulator(3)).samples("emulator_last_boot_seconds") == {}


ANY_TEXT = st.text(st.characters(), max_size=30)
HOSTILE = st.one_of(
    ANY_TEXT,
    st.sampled_from(
        [
            '"} 1\nemuwatch_up 0\n#',
            "\\",
            '\\"',
            "\\n",
            "a\nb",
            "a\r\nb",
            "\x00",
            "\ud800",
            "# EOF\n",
            "x" * 10_000,
            "x" * 9_999 + "y",
            "%s %% %(a)s {0}",
            "\u2028",
        ]
    ),
)


def families_of(scene: Scene) -> Iterator[list[Family]]:
    """A scrape, parsed back from both formats."""
    registry = cast("CollectorRegistry", scene)
    yield list(parser.text_string_to_metric_families(generate_latest(registry).decode()))
    text = openmetrics.generate_latest(registry).decode()  # type: ignore[no-untyped-call]  # the library's gap
    yield list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # the same


@given(titles=st.lists(HOSTILE, min_size=1, max_size=4), site=HOSTILE, rack=HOSTILE)
def test_title_of_any_text__comes_back_and_breaks_nothing(titles: list[str], site: str, rack: str) -> None:
    scene = seen(
        *(an_emulator(index, title) for index, title in enumerate(titles)),
        workstation=Workstation(id="ws-01", host="h", site=site, labels={"rack": rack}),
    )
    listed = {metric.name for metric in CATALOGUE}
    for families in families_of(scene):
        samples = [sample for family in families for sample in family.samples]
        infos = {s.labels["index"]: s.labels["title"] for s in samples if s.name == "emuwatch_emulator_info"}
        assert infos == {str(index): clean(title) for index, title in enumerate(titles)}
        [info] = [s.labels for s in samples if s.name == "emuwatch_workstation_info"]
        assert (info["site"], info["rack"]) == (clean(site), clean(rack))
        suffixes = ("", "_bucket", "_sum", "_count")
        assert {s.name for s in samples} <= {name + suffix for name in listed for suffix in suffixes}


@given(HOSTILE)
def test_cleaned_word__is_short_encodable_and_stable(word: str) -> None:
    cleaned = clean(word)
    assert cleaned.encode().decode() == cleaned
    assert len(cleaned) <= 200
    assert clean(cleaned) == cleaned


@given(HOSTILE, HOSTILE)
def test_identities__that_differ__stay_apart_however_they_are_cut(one: str, other: str) -> None:
    assert (identity(one) == identity(other)) == (one == other)
    assert len(identity(one)) <= 200
    assert identity(one).encode().decode() == clean(identity(one))


@pytest.mark.parametrize("word", ["LDPlayer-3", "雷电模拟器-1", "Фарм № 3", "😀 x", "non\u00a0breaking"])
def test_ordinary_words__are_left_alone(word: str) -> None:
    assert clean(word) == word


# The monitor.


def test_lateness__is_a_histogram_from_its_first_day() -> None:
    scene = Scene()
    assert scene.value("schedule_lateness_seconds_count") == 0
    scene.metrics.lateness(0.02)
    scene.metrics.lateness(-0.001)
    assert scene.value("schedule_lateness_seconds_bucket", le="0.001") == 1
    assert scene.value("schedule_lateness_seconds_count") == 2
    assert scene.value("schedule_lateness_seconds_sum") == pytest.approx(0.02)


def test_loop_lag__is_the_longest_of_the_last_minute() -> None:
    scene = Scene()
    assert scene.value("event_loop_lag_seconds") is None
    for lag in (0.0, 3.0, 0.1):
        scene.metrics.loop_lag(lag)
    assert scene.value("event_loop_lag_seconds") == 3
    for _ in range(120):
        scene.metrics.loop_lag(0.0)
    assert scene.value("event_loop_lag_seconds") == 0


def test_reload_that_fails__keeps_the_time_of_the_last_that_did_not() -> None:
    scene = Scene()
    assert scene.value("config_last_reload_successful") is None
    scene.metrics.reloaded(ok=True, at=1000.0)
    scene.metrics.reloaded(ok=False, at=2000.0)
    assert scene.value("config_last_reload_successful") == 0
    assert scene.value("config_last_reload_success_timestamp_seconds") == 1000


def test_isolated__is_absent_without_a_gateway__and_0_or_1_with_one() -> None:
    scene = Scene()
    assert scene.value("isolated") is None
    scene.metrics.isolated = lambda: False
    assert scene.value("isolated") == 0
    scene.metrics.isolated = lambda: True
    assert scene.value("isolated") == 1


def test_sink_errors__are_counted_from_zero_for_known_sinks() -> None:
    scene = Scene()
    assert scene.samples("sink_errors_total") == {("store",): 0}
    scene.metrics.sink_error("store")
    assert scene.samples("sink_errors_total") == {("store",): 1}


def test_build_info__names_the_version() -> None:
    [(python, version)] = Scene().samples("build_info")
    assert python.startswith("3.")
    assert version == "0.1.0"


# The formats.


FACTS = HostFacts(
    cpu_ratio=0.25,
    memory_total_bytes=2**35,
    memory_available_bytes=2**33,
    commit_limit_bytes=2**36,
    commit_available_bytes=-5,
    boot_time_seconds=1_794_000_000.5,
    gpu_ratio=0.5,
    volumes=(Volume("C:", 2**40, 2**30), Volume("D:", 2**41, 0)),
)


class Silenced:
    """One window of maintenance over everything."""

    def over(self, workstation: Workstation, purpose: Purpose) -> Silence | None:
        return a_silence() if purpose is Purpose.MAINTENANCE else None

    def active(self, purpose: Purpose) -> int:
        return int(purpose is Purpose.MAINTENANCE)


def test_maintenance__is_shown_of_each_workstation_and_counted() -> None:
    shown = eventful()
    assert shown.value("workstation_maintenance", workstation="ws-01") == 1
    assert shown.value("silences", purpose="maintenance") == 1
    assert shown.value("silences", purpose="silence") == 0


def eventful() -> Scene:
    """A scene in which every metric has a sample."""
    workstation = replace(a_workstation(), labels={"rack": "b2"})
    target = replace(a_target("rdp", workstation=workstation), labels={"rack": "b2"})
    real = Scene(target)
    facts = {"certificate_end_timestamp_seconds": 1.9e9, "rtt_seconds": 0.001, "loss_ratio": 0.5, "http_status": 200}
    degraded = Observation(verdict=Verdict.DEGRADED, reason=Reason.THRESHOLD, message="", facts=facts)
    for at in (1000.0, 1030.0):
        real.deliver(replace(answered(target, at), observation=degraded))
    [state] = real.fleet.snapshot()
    state = replace(state, checks=(replace(state.checks[0], host=FACTS),))
    real.metrics._fleet = Seen(replace(state, emulators=(an_emulator(boot_seconds=48.5),)))
    for _ in range(3):
        real.breakers.get(target.path[0]).acquire().failure(Severity.HIGH)
    real.metrics.lateness(0.01)
    real.metrics.loop_lag(0.01)
    real.metrics.reloaded(ok=True, at=1000.0)
    real.metrics.rendered(seconds=0.01, series=100)
    real.metrics.store = lambda: StoreStatus(up=True, since=1000.0, problem="", pending=2, dropped=0)
    channel = ChannelStatus(
        name="ops", kind="webhook", well=False, since=1000.0, problem="answered HTTP 500", permanent=False, pending=1
    )
    real.metrics.channels = lambda: [channel]
    real.metrics.silences = Silenced()
    real.metrics.notified("ops", "dropped")
    real.metrics.isolated = lambda: True
    return real


def test_eventful_scene__has_a_sample_of_every_metric() -> None:
    assert [family.name for family in eventful().collect() if not family.samples] == []


def test_promtool__finds_nothing_to_complain_of() -> None:
    promtool = require_program("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"], check=False, input=eventful().text(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_both_formats__hold_the_same_samples() -> None:
    text, open_text = families_of(eventful())
    assert {(s.name, *sorted(s.labels.items())) for f in text for s in f.samples} == {
        (s.name, *sorted(s.labels.items())) for f in open_text for s in f.samples
    }


def test_scrape_restricted_to_one_name__has_that_one_only() -> None:
    restricted = eventful().registry.restricted_registry(["emuwatch_sink_errors_total"])
    assert [family.name for family in cast("CollectorRegistry", restricted).collect()] == ["emuwatch_sink_errors"]
