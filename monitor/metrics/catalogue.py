"""Every metric there is: name, type, help, labels. Nothing is exported that is not listed here.

Help texts are written for whoever reads them in a query editor. Where a metric says one of several things, either all
of them are there and one is 1 (few, and worth a graph), or only the current one is there, as 1 (many,
and mostly absent); the help says which.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "emuwatch_"


class Kind(enum.StrEnum):
    """The types of Prometheus, as in ``# TYPE``."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One family: what a scrape shows under one name."""

    name: str
    """With `PREFIX`; counters end with ``_total``, infos with ``_info``."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    more_labels: bool = False
    """Whether the labels of the config follow those."""
    ad_hoc: str = ""
    """For which questions it is there, if no dashboard and no alert asks for it."""


def _gauge(name: str, text: str, labels: tuple[str, ...] = (), *, ad_hoc: str = "") -> Metric:
    return Metric(PREFIX + name, Kind.GAUGE, text, labels, ad_hoc=ad_hoc)


def _counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Metric:
    return Metric(PREFIX + name, Kind.COUNTER, text, labels)


def _histogram(name: str, text: str, labels: tuple[str, ...] = ()) -> Metric:
    return Metric(PREFIX + name, Kind.HISTOGRAM, text, labels)


def _info(name: str, text: str, labels: tuple[str, ...], *, more_labels: bool = False, ad_hoc: str = "") -> Metric:
    return Metric(PREFIX + name, Kind.INFO, text, labels, more_labels, ad_hoc)


BREAKER: Final = ("category", "workstation", "scope")
CHECK: Final = ("check", "kind", "workstation", "emulator")
WORKSTATION: Final = ("workstation",)
EMULATOR: Final = ("workstation", "emulator")

# Breakers.
BREAKER_STATE = _gauge("breaker_state", "State of the breaker: 0 closed, 1 half-open, 2 open.", BREAKER)
BREAKER_FORCED = _gauge(
    "breaker_forced", "Whether an operator forces the breaker open or closed: 0 no, 1 yes.", BREAKER
)
BREAKER_TRIPS = _counter("breaker_trips_total", "Times the breaker opened after it was closed.", BREAKER)
BREAKER_REJECTIONS = _counter("breaker_rejections_total", "Calls the breaker refused.", BREAKER)
BREAKER_FAILURES = _counter(
    "breaker_failures_total", "Failures of the layer the breaker guards, by severity.", (*BREAKER, "severity")
)
BREAKER_OPEN = _counter("breaker_open_seconds_total", "Seconds the breaker was not closed.", BREAKER)
BREAKER_LAST_TRIP = _gauge(
    "breaker_last_trip_timestamp_seconds", "Unix time of the last trip; absent if it never tripped.", BREAKER
)
BREAKER_LISTENER_ERRORS = _counter("breaker_listener_errors_total", "Listeners to breaker events that raised.")

# Checks.
CHECK_UP = _gauge("check_up", "Last value known for sure: 1 up or degraded, 0 down; absent if never known.", CHECK)
CHECK_STALE = _gauge("check_stale", "Whether its own breaker keeps the check from being asked: 0 no, 1 yes.", CHECK)
CHECK_LAST_DURATION = _gauge(
    "check_last_duration_seconds", "Duration of the last run; absent while the check is not run.", CHECK
)
CHECK_LAST_SUCCESS = _gauge(
    "check_last_success_timestamp_seconds", "Unix time of the last proper answer; absent if there was none.", CHECK
)
CHECK_RUNS = _counter(
    "check_runs_total",
    "Runs by outcome: success (something answered, whatever it said), failure, timeout, suppressed (by a breaker), "
    "skipped (the run before was still going), error (the monitor itself could not ask).",
    (*CHECK, "outcome"),
)
CHECK_REASON = _gauge(
    "check_failure_reason", "1 for the reason the check is not well now; other reasons are absent.", (*CHECK, "reason")
)
CHECK_INFO = _info(
    "check_info",
    "1 with the labels the config gives the check; absent if it gives none.",
    CHECK,
    more_labels=True,
    ad_hoc="to join those labels, which only you know, to the figures of the check",
)
CHECK_DURATION = _histogram("check_duration_seconds", "Duration of runs that asked something, by kind.", ("kind",))
CERTIFICATE_END = _gauge(
    "certificate_end_timestamp_seconds", "Unix time at which the certificate last shown to the check ends.", CHECK
)
ICMP_LOSS = _gauge("icmp_loss_ratio", "Part of the echo requests of the last answered run that were lost.", CHECK)
ICMP_RTT = _gauge("icmp_rtt_seconds", "Median round trip of the last answered run.", CHECK)
HTTP_STATUS = _gauge("http_status_code", "Status code of the last HTTP answer.", CHECK)

FACTS: Final = {
    "certificate_end_timestamp_seconds": CERTIFICATE_END,
    "loss_ratio": ICMP_LOSS,
    "rtt_seconds": ICMP_RTT,
    "http_status": HTTP_STATUS,
}
"""Which figures of a check's last answer are exported, by the fact's name."""

# Workstations and emulators.
WORKSTATION_STATUS = _gauge(
    "workstation_status",
    "1 for the workstation's status now, 0 for the others: up, degraded, down, unknown.",
    (*WORKSTATION, "status"),
)
WORKSTATION_INFO = _info(
    "workstation_info",
    "1 with the site, host, platform, transport and the labels of the config.",
    (*WORKSTATION, "site", "host", "platform", "transport"),
    more_labels=True,
)
WORKSTATION_CPU = _gauge(
    "workstation_cpu_ratio", "Part of the processor that is busy; absent while the host is not asked.", WORKSTATION
)
WORKSTATION_MEMORY = _gauge("workstation_memory_total_bytes", "Memory of the workstation.", WORKSTATION)
WORKSTATION_MEMORY_FREE = _gauge(
    "workstation_memory_available_bytes", "Memory programs can still have without paging.", WORKSTATION
)
WORKSTATION_COMMIT = _gauge(
    "workstation_commit_limit_bytes", "Memory and page file: all that may be promised to programs.", WORKSTATION
)
WORKSTATION_COMMIT_FREE = _gauge(
    "workstation_commit_available_bytes",
    "What may still be promised to programs; below 0 where the host promises more than it has.",
    WORKSTATION,
)
WORKSTATION_BOOT = _gauge("workstation_boot_time_seconds", "Unix time of the workstation's last start.", WORKSTATION)
WORKSTATION_GPU = _gauge(
    "workstation_gpu_ratio", "Part of the graphics card that is busy; absent if the host does not tell.", WORKSTATION
)
WORKSTATION_DISK = _gauge("workstation_disk_size_bytes", "Size of the volume.", (*WORKSTATION, "volume"))
WORKSTATION_DISK_FREE = _gauge("workstation_disk_free_bytes", "What is free on the volume.", (*WORKSTATION, "volume"))
WORKSTATION_MAINTENANCE = _gauge(
    "workstation_maintenance", "Whether a window of maintenance covers the workstation: 0 no, 1 yes.", WORKSTATION
)
EMULATORS = _gauge(
    "emulators", "Known emulators by state; absent while no console listed any.", (*WORKSTATION, "state")
)
EMULATOR_STATE = _gauge(
    "emulator_state",
    "1 for the emulator's state now, the others are absent: running, starting, stuck_boot, stopped, zombie, frozen, "
    "adb_off, unknown.",
    (*EMULATOR, "state"),
)
EMULATOR_UP = _gauge(
    "emulator_up", "Whether the emulator is as expected: 1 up or degraded, 0 down; absent while unknown.", EMULATOR
)
EMULATOR_INFO = _info(
    "emulator_info",
    "1 with what the console calls the emulator; the title is no identity: it repeats and changes.",
    (*EMULATOR, "driver", "index", "title"),
)
EMULATOR_DISAGREEMENT = _gauge(
    "emulator_witness_disagreement", "Whether console and guest contradict each other: 0 no, 1 yes.", EMULATOR
)
EMULATOR_BOOT = _gauge(
    "emulator_last_boot_seconds",
    "How long the last boot took that was seen from beginning to end; absent before.",
    EMULATOR,
)
EMULATOR_BOOT_LIMIT = _gauge(
    "emulator_boot_limit_seconds", "How long a boot may take before it is called stuck.", EMULATOR
)

# The monitor itself.
LATENESS = _histogram("schedule_lateness_seconds", "How much later than planned runs began.")
LOOP_LAG = _gauge("event_loop_lag_seconds", "Longest the event loop kept a timer waiting in the last minute.")
ISOLATED = _gauge(
    "isolated",
    "Whether the monitor itself is cut off, for no gateway answers: 1 yes, 0 no; absent where none is configured.",
)
RELOAD_OK = _gauge(
    "config_last_reload_successful", "Whether the last load of the config succeeded: 1 yes, 0 no (the old one runs on)."
)
RELOAD_AT = _gauge("config_last_reload_success_timestamp_seconds", "Unix time of the last load that succeeded.")
STORE_UP = _gauge("store_up", "Whether the store takes what there is to remember: 1 yes, 0 no; absent without a store.")
STORE_PENDING = _gauge("store_pending", "Events that wait to be written to the store.")
STORE_DROPPED = _counter("store_dropped_total", "Events there was no room for while the store was away.")
SINK_ERRORS = _counter("sink_errors_total", "Results a sink raised at or had no room for.", ("sink",))
NOTIFICATIONS = _counter(
    "notifications_total",
    "Attempts to tell: success, failure (all that failed), of these refused (kept till the channel is right), dropped.",
    ("channel", "outcome"),
)
NOTIFICATIONS_PENDING = _gauge("notifications_pending", "Messages that wait to be delivered.", ("channel",))
CHANNEL_UP = _gauge(
    "notification_channel_up", "Whether the channel's last attempt succeeded: 1 yes, 0 no; absent before.", ("channel",)
)
SILENCES = _gauge(
    "silences",
    "Silences and windows of maintenance that are active.",
    ("purpose",),
    ad_hoc="to see when how much was silenced; whom, by whom and why is on the page",
)
SCRAPES = _counter(
    "scrapes_total",
    "Answers of /metrics by source: rendered, or shared (a rendering begun for another request, up to 1 s before).",
    ("source",),
)
SCRAPE_RENDER = _gauge(
    "scrape_render_seconds", "Seconds of the event loop the last rendering of /metrics took, in slices."
)
SCRAPE_SERIES = _gauge("scrape_series", "Series of the farm in the last rendering of /metrics.")
BUILD_INFO = _info("build_info", "1 with the versions of emuwatch and Python.", ("version", "python_version"))

CATALOGUE: Final[tuple[Metric, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in the order above."""
