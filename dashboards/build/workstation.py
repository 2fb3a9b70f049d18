"""Workstation: everything about one machine on one timeline, so that what came first is seen first."""

from __future__ import annotations

from typing import Final

from dashboards.build import board, limits, looks, queries
from dashboards.build.board import Board, Section
from dashboards.build.panels import QUARTER, graph, limited, number, query, timeline
from dashboards.build.queries import HERE
from dashboards.build.sdk import common_models, units
from dashboards.build.tables import Column, listing

_CHECK: Final = "check, kind, emulator"

_NOW = (
    number(
        "Status",
        "Down: no endpoint answers. Degraded: some do, or a check fails; the table of checks says which and why. "
        "Unknown: it could not be asked.",
        query(queries.status()),
    )
    .mappings(looks.mapped(looks.STATUS))
    .color_mode(common_models.BigValueColorMode.BACKGROUND)
    .graph_mode(common_models.BigValueGraphMode.NONE),
    number(
        "Checks not well",
        "Begin with the outermost: a port that refuses explains all that goes through it.",
        query(f"sum(({queries.checks(f'workstation, {_CHECK}')}) > bool 0)"),
    ).thresholds(looks.stepped(limits.ANY)),
    number(
        "Open breakers",
        "Layers given up on for now; each is tried again by itself. A breaker forced by an operator is not.",
        query(f"sum({queries.breakers()} > bool 0)"),
    ).thresholds(looks.stepped(limits.SOME)),
    number(
        "Emulators running",
        "See the states below when it falls.",
        query(f'max(emuwatch_emulators{{{HERE},state="running"}})'),
    ),
    number(
        "Emulators not as expected",
        "They should run and do not. Start them in the console; end what is left of half an emulator first.",
        query(f"sum({queries.not_as_expected()})"),
    ).thresholds(looks.stepped(limits.ANY)),
    number(
        "Booted",
        "An unexpected reboot explains emulators that stopped together: look for updates and power cuts.",
        query(f"1000 * max(emuwatch_workstation_boot_time_seconds{{{HERE}}})"),
    )
    .unit(units.DateTimeFromNow)
    .graph_mode(common_models.BigValueGraphMode.NONE),
)

_TIMELINE = (
    timeline(
        "Checks",
        "Read it from the left: what failed first is the cause, what follows is not asked or fails with it. Grey is "
        "not asked, because a breaker on the way is open: neither up nor down.",
        looks.CHECK,
        query(queries.checks(_CHECK), "{{check}}"),
    ),
    timeline(
        "Breakers",
        "Red: nothing is sent through this layer; yellow: one trial is. If it stays red, ask once past the breaker: "
        "emuwatch probe WORKSTATION.",
        looks.BREAKER,
        query(queries.breakers(), "{{category}} {{scope}}"),
    ),
    timeline(
        "Emulators",
        "Several that change together: look at memory, disk and the console. One alone: look at that emulator.",
        looks.EMULATOR,
        query(queries.states(), "{{emulator}}"),
    ),
)

_CHECKS = listing(
    "Checks and reasons",
    "Why a check is not well, in one word, and when something last answered. suppressed: settle the open "
    "breaker first; auth, permission, host_key: credentials, not the network; threshold: it answers and is beyond a "
    "limit.",
    Column(title="Check", label="check", width=180),
    Column(title="Kind", label="kind", width=110),
    Column(title="Emulator", label="emulator", width=140),
    Column(title="State", ask=queries.checks(_CHECK), words=looks.CHECK, width=120),
    Column(
        title="Reason",
        label="reason",
        ask=f"max by ({_CHECK}, reason) (emuwatch_check_failure_reason{{{HERE}}})",
        width=180,
    ),
    Column(
        title="Duration",
        ask=f"max by ({_CHECK}) (emuwatch_check_last_duration_seconds{{{HERE}}})",
        unit=units.Seconds,
        limit=limits.LATENCY,
    ),
    Column(
        title="Last answer",
        ask=f"1000 * max by ({_CHECK}) (emuwatch_check_last_success_timestamp_seconds{{{HERE}}})",
        unit=units.DateTimeFromNow,
    ),
    Column(title="HTTP status", ask=f"max by ({_CHECK}) (emuwatch_http_status_code{{{HERE}}})", unit="none"),
    Column(
        title="Certificate left",
        ask=f"min by ({_CHECK}) (emuwatch_certificate_end_timestamp_seconds{{{HERE}}}) - time()",
        unit=units.Seconds,
        limit=limits.CERTIFICATE,
    ),
    worst="State",
)

_LATENCY = (
    limited(
        graph(
            "Latency of checks",
            "Rising together: the host or the line is short of something. A gap: not asked. A check that takes over "
            "2 s and three times as long as the day before is alerted; it is about to run into its timeout.",
            query(f"max by (check) (emuwatch_check_last_duration_seconds{{{HERE}}})", "{{check}}"),
        )
        .unit(units.Seconds)
        .thresholds(looks.stepped(limits.LATENCY))
    ),
    graph(
        "Round trip",
        "Of the pings that were answered. Longer with more loss: the line, not the workstation.",
        query(f"max by (check) (emuwatch_icmp_rtt_seconds{{{HERE}}})", "{{check}}"),
    )
    .unit(units.Seconds)
    .span(QUARTER),
    limited(
        graph(
            "Pings lost",
            "Some loss makes every protocol slow, much of it makes them time out: look at cable, switch and Wi-Fi.",
            query(f"max by (check) (emuwatch_icmp_loss_ratio{{{HERE}}})", "{{check}}"),
        )
        .unit(units.PercentUnit)
        .max(1)
        .thresholds(looks.stepped(limits.LOSS))
        .span(QUARTER)
    ),
)

_HOST = (
    limited(
        graph(
            "Processor and graphics",
            "Busy for minutes: emulators boot slowly and time out. Run fewer, or find what else runs there.",
            query(f"max(emuwatch_workstation_cpu_ratio{{{HERE}}})", "processor"),
            query(f"max(emuwatch_workstation_gpu_ratio{{{HERE}}})", "graphics"),
        )
        .unit(units.PercentUnit)
        .max(1)
        .thresholds(looks.stepped(limits.CPU))
    ),
    limited(
        graph(
            "Memory available",
            "Below the line emulators hang at boot or are ended by the system: stop those that are not needed. Little "
            "left to promise with memory free: the page file is too small.",
            query(queries.memory_available(), "available"),
            query(queries.commit_available(), "to promise"),
        )
        .unit(units.PercentUnit)
        .max(1)
        .thresholds(looks.stepped(limits.MEMORY_AVAILABLE))
    ),
    limited(
        graph(
            "Disk free",
            "Emulators' disks only grow. Below a fifth the forecast is watched, below a twentieth it is alerted at "
            "once: remove crash dumps, update caches and emulators nobody uses.",
            query(queries.disk_free("volume"), "{{volume}}"),
        )
        .unit(units.PercentUnit)
        .max(1)
        .thresholds(looks.stepped(limits.DISK_FREE))
    ),
    graph(
        "Disk free in a day",
        "What will be free at the pace of the last six hours. Below zero: full within a day.",
        query(
            f"min by (volume) (predict_linear(emuwatch_workstation_disk_free_bytes{{{HERE}}}[6h], 86400))", "{{volume}}"
        ),
    ).unit(units.BytesIEC),
)

_ABOUT = listing(
    "About",
    "What the config says of this workstation.",
    Column(title="Workstation", label="workstation"),
    Column(title="Site", label="site"),
    Column(title="Host", label="host"),
    Column(title="Platform", label="platform"),
    Column(title="Transport", label="transport"),
    Column(
        title="Known",
        ask=f"max by (workstation, site, host, platform, transport) (emuwatch_workstation_info{{{HERE}}})",
        words=looks.NO_YES,
    ),
    worst="Known",
).height(4)

BOARD: Final = Board(
    uid=board.WORKSTATION,
    title="Emuwatch / Workstation",
    says="One workstation: checks, latencies, host, emulators and breakers on one timeline. First came the cause.",
    variables=(board.sites(), board.workstations(several=False)),
    sections=(
        Section("Now", _NOW),
        Section("One timeline", _TIMELINE),
        Section("Why", (_CHECKS,)),
        Section("Latencies", _LATENCY),
        Section("Host", _HOST),
        Section("Configured", (_ABOUT,)),
    ),
)
