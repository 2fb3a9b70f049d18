"""What all dashboards share: variables, links between them, trip annotations, and how panels are laid out in rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from dashboards.build.panels import SOURCE
from dashboards.build.sdk import Builder, JSONEncoder, dashboard, models

SCHEMA: Final = 41
"""The last version of the classic schema; older Grafanas read it too, newer ones migrate it."""
TAG: Final = "emuwatch"
HIDDEN: Final = ("placement", "inControlsMenu")
"""What the SDK gives every link and annotation, and no builder can change: a place in a menu, out of sight."""
TIMES: Final = "${__url_time_range}"

FLEET: Final = "emuwatch-fleet"
WORKSTATION: Final = "emuwatch-workstation"
BREAKERS: Final = "emuwatch-breakers"
EMULATORS: Final = "emuwatch-emulators"
MONITOR: Final = "emuwatch-itself"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the panels below it."""

    title: str
    panels: Sequence[Builder[models.Panel]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard, in words."""

    uid: str
    """Stable: links and bookmarks hold it."""
    title: str
    says: str
    sections: Sequence[Section]
    variables: Sequence[Builder[models.VariableModel]] = ()
    since: str = "now-6h"
    trips: bool = True
    """Whether trips of breakers are marked in the graphs."""
    tags: Sequence[str] = field(default=(TAG,))


def label(metric: str, name: str) -> str:
    """Ask for the values of a label, as a variable does."""
    return f"label_values({metric}, {name})"


def choice(name: str, title: str, ask: str, *, several: bool = True) -> dashboard.QueryVariable:
    """A variable filled by a query; several may be chosen, all at first, unless exactly one is needed."""
    made = dashboard.QueryVariable(name).label(title).datasource(SOURCE).definition(ask)
    made.query({"qryType": 1, "query": ask, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
    made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.NATURAL_ASC)
    made.multi(several).include_all(several).allow_custom_value(allow_custom_value=False)
    return made.current(models.VariableOption(text=["All"], value=["$__all"])) if several else made


def source() -> dashboard.DatasourceVariable:
    """Which Prometheus."""
    return dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def sites() -> dashboard.QueryVariable:
    """Which sites; all of them are also those workstations for which the config names none."""
    return choice("site", "Site", label("emuwatch_workstation_info", "site")).all_value(".*")


def workstations(*, several: bool = True) -> dashboard.QueryVariable:
    """Which workstations of those sites."""
    ask = label('emuwatch_workstation_info{site=~"$site"}', "workstation")
    return choice("workstation", "Workstation", ask, several=several)


def emulators() -> dashboard.QueryVariable:
    """Which emulators of those workstations."""
    return choice("emulator", "Emulator", label('emuwatch_emulator_info{workstation=~"$workstation"}', "emulator"))


def to_workstation(value: str) -> tuple[str, str]:
    """Link to one workstation; source, site and time are kept."""
    kept = "${datasource:queryparam}&${site:queryparam}"
    return "Show this workstation", f"/d/{WORKSTATION}?{kept}&var-workstation={value}&{TIMES}"


def to_emulators(value: str) -> tuple[str, str]:
    """Link to the emulators of one workstation; source, site and time are kept."""
    kept = "${datasource:queryparam}&${site:queryparam}"
    return "Show its emulators", f"/d/{EMULATORS}?{kept}&var-workstation={value}&{TIMES}"


def data_link(link: tuple[str, str]) -> dashboard.DashboardLink:
    """A link from whatever is drawn in a panel."""
    title, url = link
    return dashboard.DashboardLink(title).url(url)


def build(board: Board) -> models.Dashboard:
    """Put a dashboard together: panels from left to right and top to bottom, numbered."""
    made = dashboard.Dashboard(board.title).uid(board.uid).description(board.says).tags(list(board.tags))
    made.refresh("30s").time(board.since, "now").timezone("browser").tooltip(models.DashboardCursorSync.CROSSHAIR)
    made.variables([source(), *board.variables]).links([_others()]).readonly()
    if board.trips:
        made.annotation(_trips())
    for section in board.sections:
        made.with_row(dashboard.Row(section.title))
        for panel in section.panels:
            made.with_panel(panel)
    whole = made.build()
    whole.schema_version = SCHEMA
    for place, placed in enumerate(whole.panels or (), 1):
        placed.id_val = place
    return whole


def text(board: Board) -> str:
    """Write a dashboard as the JSON that is committed."""
    return json.dumps(plain(build(board)), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def plain(whole: models.Dashboard) -> object:
    """Turn a dashboard into what JSON knows, with links and switches above the panels, in sight."""
    return _in_sight(json.loads(json.dumps(whole, cls=JSONEncoder)))


def _in_sight(node: object) -> object:
    if isinstance(node, list):
        return [_in_sight(item) for item in node]
    if isinstance(node, dict):
        return {key: _in_sight(value) for key, value in node.items() if (key, value) != HIDDEN}
    return node


def _others() -> dashboard.DashboardLink:
    """A menu of the other dashboards; what is chosen here stays chosen there."""
    made = dashboard.DashboardLink("Emuwatch").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.as_dropdown(as_dropdown=True).include_vars(include_vars=True).keep_time(keep_time=True)


def _trips() -> dashboard.AnnotationQuery:
    """Mark when a breaker opened: what follows in the graphs is silence, not recovery."""
    made = dashboard.AnnotationQuery().name("Trips").enable(enable=True).icon_color("red").datasource(SOURCE)
    made.expr('increase(emuwatch_breaker_trips_total{workstation=~"$workstation"}[2m]) > 0').step("60s")
    made.title_format("{{scope}} of {{workstation}} opened").text_format("Breaker {{category}} {{scope}}")
    return made.tag_keys("workstation,category")
