"""Emuwatch itself: is it on time, is anything lost, what does it cost?"""

from __future__ import annotations

from typing import Final

from dashboards.build import board, limits, looks, queries
from dashboards.build.board import Board, Section
from dashboards.build.panels import QUARTER, THIRD, graph, heat, limited, number, query, stacked
from dashboards.build.sdk import common_models, units
from dashboards.build.tables import Column, listing

_OURS: Final = "and on (job, instance) emuwatch_build_info"
"""What Prometheus itself notes of a scrape, of ours only."""
_LATE: Final = "emuwatch_schedule_lateness_seconds"
_TOOK: Final = "emuwatch_check_duration_seconds"

_NOW = (
    number(
        "Monitors",
        "Processes that are scraped. Fewer than you run: nobody watches their share; see whether they run and whether "
        "Prometheus reaches them.",
        query("count(emuwatch_build_info)"),
    ),
    number(
        "Lateness",
        "One run in twenty begins later than this. Over 5 s for ten minutes is alerted: add processes with --shard, "
        "lengthen intervals, or give the machine more processor time.",
        query(f"max({queries.quantile(0.95, _LATE, ('instance',))})"),
    )
    .unit(units.Seconds)
    .decimals(2)
    .thresholds(looks.stepped(limits.LATENESS)),
    number(
        "Loop lag",
        "The longest anything kept everything else waiting in the last minute. From one second on, timeouts count "
        "against nobody: they are held to be our own fault.",
        query("max(emuwatch_event_loop_lag_seconds)"),
    )
    .unit(units.Seconds)
    .decimals(2)
    .thresholds(looks.stepped(limits.LOOP_LAG)),
    number(
        "Runs skipped",
        "In the last quarter of an hour: a run was due while the one before was still going. Lengthen the interval of "
        "slow checks or shorten their timeout.",
        query('sum(increase(emuwatch_check_runs_total{outcome="skipped"}[15m]))'),
    ).thresholds(looks.stepped(limits.SOME)),
    number(
        "Own errors",
        "In the last quarter of an hour: runs in which Emuwatch itself could not ask. No permission for ping, no file "
        "descriptors, a missing program: see its log.",
        query('sum(increase(emuwatch_check_runs_total{outcome="error"}[15m]))'),
    ).thresholds(looks.stepped(limits.ANY)),
    number(
        "Last load of the config",
        "Refused: the old config runs on and will not survive a restart. emuwatch check-config names file, line and "
        "key.",
        query("min(emuwatch_config_last_reload_successful)"),
    )
    .mappings(looks.mapped({0: ("refused", looks.RED), 1: ("taken", looks.GREEN)}))
    .graph_mode(common_models.BigValueGraphMode.NONE),
)

_ON_TIME = (
    limited(
        graph(
            "Lateness of runs",
            "How much later than planned runs begin: half of them, one in twenty, one in a hundred.",
            *(
                query(queries.quantile(part, _LATE), name)
                for part, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
            ),
        )
        .unit(units.Seconds)
        .thresholds(looks.stepped(limits.LATENESS))
        .span(QUARTER)
    ),
    limited(
        graph(
            "Loop lag of each process",
            "Peaks with late runs: something blocks the event loop; without: the machine is short of processor time.",
            query("emuwatch_event_loop_lag_seconds", "{{instance}}"),
        )
        .unit(units.Seconds)
        .thresholds(looks.stepped(limits.LOOP_LAG))
        .span(QUARTER)
    ),
    heat(
        "Lateness, all runs",
        "A dark band near zero is well; one that rises means that the monitor falls behind.",
        f"sum by (le) (increase({_LATE}_bucket[$__rate_interval]))",
        units.Seconds,
    ).span(QUARTER),
    graph(
        "Cut off from the network",
        "1: no gateway answers, so it is our own network, and what fails meanwhile is unknown, not down. Absent: no "
        "gateways are configured.",
        query("max by (instance) (emuwatch_isolated)", "{{instance}}"),
    )
    .thresholds(looks.stepped(limits.CUT_OFF))
    .max(1)
    .span(QUARTER),
)

_PROBES = (
    stacked(
        "Probe rate, by outcome",
        "success: something answered, whatever it said. suppressed: a breaker saved the attempt. skipped and error are "
        "Emuwatch's own trouble.",
        query("sum by (outcome) (rate(emuwatch_check_runs_total[$__rate_interval]))", "{{outcome}}"),
    ).unit(units.EventsPerSecond),
    heat(
        "Duration of checks, all",
        "Two bands: some hosts are far away or half dead. A band at a timeout: dead ones that no breaker holds yet.",
        f"sum by (le) (increase({_TOOK}_bucket[$__rate_interval]))",
        units.Seconds,
    ),
    graph(
        "Duration of checks, one in twenty takes longer",
        "By kind of check. One that nears its timeout will soon fail: give it more time or ask less often.",
        query(queries.quantile(0.95, _TOOK, ("kind",)), "{{kind}}"),
    ).unit(units.Seconds),
    graph(
        "Duration of checks, mean",
        "By kind: what a run costs on average.",
        query(
            f"sum by (kind) (rate({_TOOK}_sum[$__rate_interval]))"
            f" / sum by (kind) (rate({_TOOK}_count[$__rate_interval]))",
            "{{kind}}",
        ),
    ).unit(units.Seconds),
)

_SCRAPES = (
    graph(
        "Cost of a scrape",
        "What Prometheus waits for /metrics, and what of it the event loop works for. Near the timeout of the scrape "
        "series get lost: split the farm with --shard.",
        query(f"scrape_duration_seconds {_OURS}", "{{instance}} waits"),
        query("emuwatch_scrape_render_seconds", "{{instance}} works"),
    )
    .unit(units.Seconds)
    .span(THIRD),
    graph(
        "Series",
        "Grows with checks and emulators. A steady rise without new ones: names or titles that change all the time.",
        query("emuwatch_scrape_series", "{{instance}}"),
    ).span(THIRD),
    stacked(
        "Answers of /metrics, by source",
        "shared: several scrapers got the same rendering. Many more than your Prometheus asks for: see who else does.",
        query("sum by (source) (rate(emuwatch_scrapes_total[$__rate_interval]))", "{{source}}"),
    )
    .unit(units.EventsPerSecond)
    .span(THIRD),
)

_TOLD = (
    stacked(
        "Notifications, by channel and outcome",
        "failure: an attempt that failed; of these, refused: kept until the channel is put right, dropped: given up. "
        "See the page, or try `emuwatch notify test`.",
        query(
            "sum by (channel, outcome) (rate(emuwatch_notifications_total[$__rate_interval]))",
            "{{channel}} {{outcome}}",
        ),
    )
    .unit(units.EventsPerSecond)
    .span(THIRD),
    graph(
        "Notifications that wait",
        "Messages not delivered yet. A rise: the channel is away, or slower than what there is to tell.",
        query("sum by (channel) (emuwatch_notifications_pending)", "{{channel}}"),
    ).span(THIRD),
    graph(
        "Channels that work",
        "1: the last attempt succeeded. 0: nobody is told by it. Absent: nothing was told yet.",
        query("min by (channel) (emuwatch_notification_channel_up)", "{{channel}}"),
    ).span(THIRD),
)

_STORE = (
    graph(
        "Store works",
        "0: what happens is not remembered, and after a restart nobody knows since when anything is down; probes and "
        "metrics go on. The page says why. Absent: there is no store.",
        query("min by (instance) (emuwatch_store_up)", "{{instance}}"),
    ).span(THIRD),
    limited(
        graph(
            "Events that wait for the store",
            "A rise: it is away or too slow. Over a thousand for five minutes are alerted: look at the disk under "
            "data_dir, or at the database.",
            query("max by (instance) (emuwatch_store_pending)", "{{instance}}"),
        )
        .thresholds(looks.stepped(limits.STORE_PENDING))
        .span(THIRD)
    ),
    graph(
        "Events lost",
        "There was no room for them while the store was away: the history has a gap there. Any at all is alerted.",
        query("sum by (instance) (increase(emuwatch_store_dropped_total[$__rate_interval]))", "{{instance}}"),
    ).span(THIRD),
)

_LOSSES = (
    graph(
        "Errors of sinks",
        "Results that a sink raised at or had no room for: what it tells is incomplete. See the log for the traceback.",
        query("sum by (sink) (rate(emuwatch_sink_errors_total[$__rate_interval]))", "{{sink}}"),
    )
    .unit(units.EventsPerSecond)
    .span(QUARTER),
    graph(
        "Errors of breaker listeners",
        "Always 0, or a defect of ours: please report it with the traceback from the log.",
        query("sum by (instance) (rate(emuwatch_breaker_listener_errors_total[$__rate_interval]))", "{{instance}}"),
    )
    .unit(units.EventsPerSecond)
    .span(QUARTER),
    listing(
        "Versions",
        "Different versions side by side: an update that did not reach every process. A load of the config that is "
        "old: this process was not told of the newest.",
        Column(title="Instance", label="instance"),
        Column(title="Version", label="version", ask="max by (instance, version) (emuwatch_build_info)"),
        Column(title="Python", label="python_version", ask="max by (instance, python_version) (emuwatch_build_info)"),
        Column(
            title="Config loaded",
            ask="1000 * max by (instance) (emuwatch_config_last_reload_success_timestamp_seconds)",
            unit=units.DateTimeFromNow,
        ),
        worst="Config loaded",
    ).span(12),
)

BOARD: Final = Board(
    uid=board.MONITOR,
    title="Emuwatch / Emuwatch itself",
    says="Is the monitor on time, does it lose anything, what does it cost? Look here first when many things look "
    "wrong.",
    sections=(
        Section("Now", _NOW),
        Section("On time, and in touch", _ON_TIME),
        Section("Probes", _PROBES),
        Section("Scrapes", _SCRAPES),
        Section("Notifications", _TOLD),
        Section("Store", _STORE),
        Section("Losses and versions", _LOSSES),
    ),
    trips=False,
)
