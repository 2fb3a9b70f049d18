"""Breakers: what was given up on, for how long, and what asking would have cost."""

from __future__ import annotations

from typing import Final

from dashboards.build import board, limits, looks, queries
from dashboards.build.board import Board, Section
from dashboards.build.panels import HALF, HIGH, bars, now, number, query, stacked, timeline
from dashboards.build.queries import HERE
from dashboards.build.sdk import common_models, units
from dashboards.build.tables import Column, listing

_KEY: Final = "category, workstation, scope"
_SENT: Final = "success|failure|timeout"

_NOW = (
    number(
        "Open",
        "Nothing is sent through these layers until the next trial. Open for a quarter of an hour while the "
        "workstation answers elsewhere is alerted.",
        query(f"sum({queries.breakers()} == bool 2)"),
    ).thresholds(looks.stepped(limits.ANY)),
    number(
        "Half-open",
        "One trial is on its way.",
        query(f"sum({queries.breakers()} == bool 1)"),
    ).thresholds(looks.stepped(limits.SOME)),
    number(
        "Forced",
        "An operator holds them open or closed, and they stay so until somebody resets them: ask who and why. Alerted "
        "after an hour.",
        query(f"sum(max by ({_KEY}) (emuwatch_breaker_forced{{{HERE}}}))"),
    ).thresholds(looks.stepped(limits.SOME)),
    number(
        "Trips",
        "In the time shown. The same one again and again: an overloaded host, a bad line, or a timeout too short.",
        now(f"sum(increase(emuwatch_breaker_trips_total{{{HERE}}}[$__range]))"),
    ).graph_mode(common_models.BigValueGraphMode.NONE),
    number(
        "Attempts avoided",
        "Checks that were due in the time shown and were not sent, because a layer on their way was known to be dead. "
        "Each would have waited for its timeout and burdened the host.",
        now(queries.runs("suppressed", "$__range")),
    ).graph_mode(common_models.BigValueGraphMode.NONE),
    number(
        "Part avoided",
        "Of all runs that were due in the time shown. High in the long run: something is dead that nobody repairs; "
        "repair it, or take it out of the config.",
        now(f"{queries.runs('suppressed', '$__range')} / {queries.runs(f'suppressed|{_SENT}', '$__range')}"),
    )
    .unit(units.PercentUnit)
    .decimals(1)
    .graph_mode(common_models.BigValueGraphMode.NONE),
)

_STATES = (
    timeline(
        "Breakers that were not closed",
        "Red: given up on; yellow: a trial. Short red bars in a row: it recovers and fails again. Those that were "
        "closed all the time shown are left out. A click leads to the workstation.",
        looks.BREAKER,
        query(
            f"{queries.breakers()} and on ({_KEY}) max_over_time(emuwatch_breaker_state{{{HERE}}}[$__range] @ end()) > "
            f"0",
            "{{workstation}} {{scope}}",
        ),
    )
    .height(HIGH)
    .data_links([board.data_link(board.to_workstation("${__field.labels.workstation}"))]),
)

_ALL = listing(
    "All breakers",
    "Over three trips in half an hour are alerted: first look for overload and a bad line, then at the check's "
    "timeout. A forced breaker tells nothing of its layer.",
    Column(title="Workstation", label="workstation", link=board.to_workstation("${__value.raw}"), width=180),
    Column(title="Category", label="category", width=120),
    Column(title="Scope", label="scope", width=180),
    Column(title="State", ask=queries.breakers(), words=looks.BREAKER, width=110),
    Column(title="Forced", ask=f"max by ({_KEY}) (emuwatch_breaker_forced{{{HERE}}})", words=looks.YES_NO, width=90),
    Column(
        title="Trips in 30 min",
        ask=f"round(sum by ({_KEY}) (increase(emuwatch_breaker_trips_total{{{HERE}}}[30m])))",
        limit=limits.TRIPS,
        unit="none",
    ),
    Column(
        title="Rejected",
        ask=f"sum by ({_KEY}) (increase(emuwatch_breaker_rejections_total{{{HERE}}}[$__range]))",
        unit=units.Short,
    ),
    Column(
        title="Time not closed",
        ask=f"sum by ({_KEY}) (increase(emuwatch_breaker_open_seconds_total{{{HERE}}}[$__range]))",
        unit=units.Seconds,
    ),
    Column(
        title="Last trip",
        ask=f"1000 * max by ({_KEY}) (emuwatch_breaker_last_trip_timestamp_seconds{{{HERE}}})",
        unit=units.DateTimeFromNow,
    ),
    worst="State",
).height(HIGH)

_COUNTS = (
    stacked(
        "Trips, by layer",
        "By the layer that was given up on. network: ports and ping; workstation: login and commands; external: the "
        "emulator console; emulator: a guest, or the lifecycle commands.",
        query(
            f"sum by (category) (increase(emuwatch_breaker_trips_total{{{HERE}}}[$__rate_interval]))", "{{category}}"
        ),
    ),
    stacked(
        "Failures, by severity",
        "What counts against layers. Below the severity a breaker counts from, they never open it.",
        query(f"sum by (severity) (rate(emuwatch_breaker_failures_total{{{HERE}}}[$__rate_interval]))", "{{severity}}"),
    ).unit(units.EventsPerSecond),
    stacked(
        "Rejections",
        "Calls refused at once, by the layer that refused: the load that dead hosts were spared.",
        query(
            f"sum by (category) (rate(emuwatch_breaker_rejections_total{{{HERE}}}[$__rate_interval]))", "{{category}}"
        ),
    ).unit(units.EventsPerSecond),
    stacked(
        "Runs: sent and avoided",
        "What breakers save: suppressed runs cost nothing. Many failures and few suppressed runs: the failures are not "
        "grave enough to trip, or come too far apart.",
        query(
            f"sum by (outcome) (rate(emuwatch_check_runs_total{{{HERE},"
            f'outcome=~"suppressed|{_SENT}"}}[$__rate_interval]))',
            "{{outcome}}",
        ),
    ).unit(units.EventsPerSecond),
    bars(
        "Longest not closed",
        "In the time shown: the ten layers that were away the longest. Repair these first.",
        now(
            f"topk(10, sum by (workstation, scope) "
            f"(increase(emuwatch_breaker_open_seconds_total{{{HERE}}}[$__range])) > 0)",
            "{{workstation}} {{scope}}",
        ),
    )
    .unit(units.Seconds)
    .span(HALF),
    bars(
        "Most trips",
        "In the time shown: the ten that come and go the most. How many are too many depends on that time; the table "
        "above marks those over the limit, which is of half an hour.",
        now(
            f"topk(10, sum by (workstation, scope) (increase(emuwatch_breaker_trips_total{{{HERE}}}[$__range])) > 0)",
            "{{workstation}} {{scope}}",
        ),
    )
    .decimals(0)
    .span(HALF),
)

BOARD: Final = Board(
    uid=board.BREAKERS,
    title="Emuwatch / Breakers",
    says="What was given up on, for how long, and which attempts that saved. A breaker closes by itself when its layer "
    "answers again; what it guards is what needs repair.",
    variables=(board.sites(), board.workstations()),
    sections=(
        Section("Now", _NOW),
        Section("States", (*_STATES, _ALL)),
        Section("Trips, time open and what it saved", _COUNTS),
    ),
)
