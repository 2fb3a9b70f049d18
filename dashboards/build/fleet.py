"""Fleet: is anything wrong, where, and how long has it been so?"""

from __future__ import annotations

from typing import Final

from dashboards.build import board, limits, looks, queries
from dashboards.build.board import Board, Section
from dashboards.build.panels import HIGH, bars, graph, now, number, query, stacked, timeline
from dashboards.build.queries import HERE, at_site, with_status
from dashboards.build.sdk import Builder, common_models, models, units
from dashboards.build.tables import Column, listing

_ALERT: Final = "alertname, severity, workstation, emulator"
_COLORS: Final = {"up": looks.GREEN, "degraded": looks.YELLOW, "down": looks.RED, "unknown": looks.GREY}
_TODO: Final = {
    "up": "Workstations all of whose checks are well. Nothing to do.",
    "degraded": "They answer, but not everywhere or not as they should. Find them below, then see on the workstation's "
    "own dashboard which check fails.",
    "down": "None of their endpoints answers. Several at one site: look at power, uplink and switch first. One: is it "
    "switched on, does it answer a ping?",
    "unknown": "They could not be asked: an open breaker or trouble of Emuwatch's own. Nobody watches them; see the "
    "dashboards of breakers and of Emuwatch itself.",
}


def _counts() -> list[Builder[models.Panel]]:
    """How many workstations have which status."""
    return [
        number(status.capitalize(), _TODO[status], query(f"sum({with_status(status)})", status))
        .thresholds(looks.plain(color))
        .color_mode(common_models.BigValueColorMode.BACKGROUND)
        for status, color in _COLORS.items()
    ]


def _emulators() -> list[Builder[models.Panel]]:
    return [
        number(
            "Emulators running",
            "Running, by everything that is known of them. A sudden fall: see the graph by state on the dashboard of "
            "emulators.",
            query(f'sum(max by (workstation, state) (emuwatch_emulators{{{HERE},state="running"}}))'),
        ),
        number(
            "Emulators not as expected",
            "Down while they should run: stopped, stuck, frozen, or half gone. Those of a dead workstation are unknown "
            "and not counted. See the dashboard of emulators.",
            query(f"sum({queries.not_as_expected()})"),
        ).thresholds(looks.stepped(limits.ANY)),
    ]


_WORST = listing(
    "Workstations, worst first",
    "Begin at the top. A click on a name shows everything about that workstation on one timeline. A low disk or memory "
    "explains emulators that hang; an open breaker means that a layer of the host was given up on and is tried again "
    "by itself.",
    Column(title="Workstation", label="workstation", link=board.to_workstation("${__value.raw}"), width=180),
    Column(title="Site", label="site", width=140),
    Column(title="Status", ask=at_site(f"({queries.status()})"), words=looks.STATUS, width=120),
    Column(title="Emulators running", ask=f'max by (workstation) (emuwatch_emulators{{{HERE},state="running"}})'),
    Column(
        title="Not as expected",
        ask=f"sum by (workstation) ({queries.not_as_expected()})",
        limit=limits.ANY,
        link=board.to_emulators("${__data.fields.Workstation}"),
    ),
    Column(
        title="Open breakers",
        ask=f"sum by (workstation) ({queries.breakers()} > bool 0)",
        limit=limits.SOME,
        unit="none",
    ),
    Column(
        title="CPU",
        ask=f"max by (workstation) (emuwatch_workstation_cpu_ratio{{{HERE}}})",
        unit=units.PercentUnit,
        limit=limits.CPU,
    ),
    Column(
        title="Memory available",
        ask=queries.memory_available(),
        unit=units.PercentUnit,
        limit=limits.MEMORY_AVAILABLE,
    ),
    Column(
        title="Least disk free",
        ask=queries.disk_free("workstation"),
        unit=units.PercentUnit,
        limit=limits.DISK_FREE,
    ),
    worst="Status",
).height(HIGH)

_ALERTS = listing(
    "Alerts",
    "What the alert rules say of these workstations; pending means not for long enough yet. Each alert has a page that "
    "says what to do (alerts/runbooks). Empty: nothing is wrong, or Prometheus does not load the rules.",
    Column(title="Alert", label="alertname", width=220),
    Column(title="Severity", label="severity", width=100),
    Column(title="Workstation", label="workstation", link=board.to_workstation("${__value.raw}"), width=180),
    Column(title="Emulator", label="emulator"),
    Column(
        title="State",
        ask=f'max by ({_ALERT}) (ALERTS{{{HERE},alertstate="firing"}})'
        f' or 0 * max by ({_ALERT}) (ALERTS{{{HERE},alertstate="pending"}})',
        words={0: ("pending", looks.YELLOW), 1: ("firing", looks.RED)},
        width=110,
    ),
    Column(
        title="Since",
        ask=f"1000 * min by ({_ALERT}) (ALERTS_FOR_STATE{{{HERE}}})",
        unit=units.DateTimeFromNow,
    ),
    worst="State",
)

_BY_SITE = listing(
    "By site",
    "Half of a site down at once is one incident, not many: power, uplink, switch, DNS, or the way from Emuwatch to "
    "it. Whoever is under maintenance is watched, but nobody is told of it: the page says who works there and why.",
    Column(title="Site", label="site"),
    *(
        Column(
            title=status.capitalize(),
            ask=f"sum by (site) ({at_site(with_status(status))})",
            limit=limit,
        )
        for status, limit in (("up", None), ("degraded", limits.SOME), ("down", limits.ANY), ("unknown", limits.SOME))
    ),
    Column(
        title="Maintenance",
        ask=f"sum by (site) ({at_site(f'max by (workstation) (emuwatch_workstation_maintenance{{{HERE}}})')})",
    ),
    worst="Down",
).span(16)

_SITE_DOWN = (
    bars(
        "Part of each site that is down",
        "From half on (and three workstations) it is an incident of the site, and its one alert silences the others.",
        now(f"avg by (site) ({at_site(with_status('down'))})", "{{site}}"),
    )
    .unit(units.PercentUnit)
    .max(1)
    .thresholds(looks.stepped(limits.SITE_DOWN))
)

_HISTORY = timeline(
    "Status of each workstation",
    "Who fell first, and who fell together. A click leads to the workstation.",
    looks.STATUS,
    query(queries.status(), "{{workstation}}"),
).data_links([board.data_link(board.to_workstation("${__field.labels.workstation}"))])

_TOGETHER = stacked(
    "Workstations by status",
    "Steps of several at once are one cause: a site, a network, Emuwatch itself.",
    *(query(f"sum({with_status(status)})", status) for status in _COLORS),
)
for _status, _color in _COLORS.items():
    _TOGETHER.override_by_name(
        _status, [models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": _color})]
    )

_AVAILABLE = (
    graph(
        "Available workstations, by site",
        "The part that is up or degraded of all whose status is known; below the line the error budget is being spent. "
        "Made by the recording rules in alerts/rules: empty where Prometheus does not load them.",
        query('emuwatch:site_workstation_available:avg{site=~"$site"}', "{{site}}"),
        query("emuwatch:workstation_objective:ratio", "objective"),
    )
    .unit(units.PercentUnit)
    .max(1)
)

BOARD: Final = Board(
    uid=board.FLEET,
    title="Emuwatch / Fleet",
    says="Is anything wrong, where, and since when? Worst first; every name leads to the workstation's own dashboard.",
    variables=(board.sites(), board.workstations()),
    sections=(
        Section("Now", (*_counts(), *_emulators())),
        Section("What to look at", (_WORST, _ALERTS)),
        Section("Sites", (_BY_SITE, _SITE_DOWN)),
        Section("How it came", (_HISTORY, _TOGETHER, _AVAILABLE)),
    ),
)
