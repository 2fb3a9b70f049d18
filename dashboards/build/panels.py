"""How every panel looks, by type; whoever uses one adds title, queries, unit and limits. Tables are in `tables`.

Each function returns the SDK's own builder, so whatever the SDK can do is one call away. A panel is a third, a half or
the whole of a row of 24 columns, and one of three heights, so that on a screen of 1080 lines text stays legible.
"""

from __future__ import annotations

from typing import Final

from dashboards.build.looks import Words, mapped, plain, stepped
from dashboards.build.sdk import (
    Builder,
    bargauge,
    common,
    common_models,
    dashboard,
    heatmap,
    heatmap_models,
    models,
    prometheus,
    prometheus_models,
    stat,
    statetimeline,
    timeseries,
    units,
)

SOURCE: Final = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS: Final = 24
WHOLE: Final = COLUMNS
HALF: Final = COLUMNS // 2
THIRD: Final = COLUMNS // 3
QUARTER: Final = COLUMNS // 4
SIXTH: Final = COLUMNS // 6
LOW: Final = 4
"""Rows of the grid (30 pixels and a gap each) of a single figure."""
MIDDLE: Final = 8
HIGH: Final = 10


def query(expression: str, legend: str = "") -> prometheus.Dataquery:
    """Ask for a graph: one line per series, named by its labels."""
    asked = prometheus.Dataquery().expr(expression).range().editor_mode(prometheus_models.QueryEditorMode.CODE)
    return asked.legend_format(legend).datasource(SOURCE)


def now(expression: str, legend: str = "") -> prometheus.Dataquery:
    """Ask for the last value only."""
    return query(expression, legend).instant()


def lettered(queries: tuple[prometheus.Dataquery, ...]) -> list[Builder[prometheus_models.Dataquery]]:
    """Name the queries of a panel A, B, C, as Grafana does."""
    return [asked.ref_id(chr(ord("A") + place)) for place, asked in enumerate(queries)]


def number(title: str, says: str, *queries: prometheus.Dataquery) -> stat.Panel:
    """One figure, coloured, with what it was before behind it."""
    panel = stat.Panel().title(title).description(says).targets([*lettered(queries)]).datasource(SOURCE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.graph_mode(common_models.BigValueGraphMode.AREA).color_mode(common_models.BigValueColorMode.VALUE)
    return panel.unit(units.Short).decimals(0).thresholds(stepped(None)).height(LOW).span(SIXTH)


def graph(title: str, says: str, *queries: prometheus.Dataquery) -> timeseries.Panel:
    """Lines over time."""
    panel = timeseries.Panel().title(title).description(says).targets([*lettered(queries)]).datasource(SOURCE)
    panel.legend(_legend()).tooltip(_tooltip())
    panel.line_width(1).fill_opacity(10).show_points(common_models.VisibilityMode.NEVER)
    panel.thresholds(stepped(None)).axis_soft_min(0)
    return panel.unit(units.Short).height(MIDDLE).span(HALF)


def stacked(title: str, says: str, *queries: prometheus.Dataquery) -> timeseries.Panel:
    """Parts of a whole over time, one on top of the other."""
    panel = graph(title, says, *queries).stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    return panel.fill_opacity(60).line_width(0).min(0)


def limited(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw the limit of a graph as a dashed line."""
    style = common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
    return panel.thresholds_style(style)


def timeline(title: str, says: str, words: Words, *queries: prometheus.Dataquery) -> statetimeline.Panel:
    """States over time, a bar each: what was when, and what came first."""
    panel = statetimeline.Panel().title(title).description(says).targets([*lettered(queries)]).datasource(SOURCE)
    panel.mappings(mapped(words)).thresholds(plain("text")).merge_values(merge_values=True)
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    panel.show_value(common_models.VisibilityMode.AUTO).row_height(0.8).fill_opacity(80).line_width(0)
    return panel.legend(_legend(values=False)).tooltip(_tooltip()).per_page(20).height(MIDDLE).span(WHOLE)


def bars(title: str, says: str, *queries: prometheus.Dataquery) -> bargauge.Panel:
    """Figures side by side, a bar each."""
    panel = bargauge.Panel().title(title).description(says).targets([*lettered(queries)]).datasource(SOURCE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.orientation(common_models.VizOrientation.HORIZONTAL).display_mode(common_models.BarGaugeDisplayMode.BASIC)
    panel.name_placement(common_models.BarGaugeNamePlacement.LEFT).value_mode(common_models.BarGaugeValueMode.TEXT)
    return panel.unit(units.Short).min(0).thresholds(stepped(None)).height(MIDDLE).span(THIRD)


def heat(title: str, says: str, buckets: str, unit: str) -> heatmap.Panel:
    """How a histogram moves over time: the darker, the more runs took so long."""
    asked = query(buckets, "{{le}}").format(prometheus_models.PromQueryFormat.HEATMAP)
    panel = heatmap.Panel().title(title).description(says).targets([*lettered((asked,))]).datasource(SOURCE)
    colors = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    panel.calculate(calculate=False).color(colors).y_axis(heatmap.YAxisConfig().unit(unit)).cell_gap(1)
    return (
        panel.tooltip(heatmap.HeatmapTooltip().mode(common_models.TooltipDisplayMode.SINGLE)).height(MIDDLE).span(HALF)
    )


def _legend(*, values: bool = True) -> common.VizLegendOptions:
    """Below the graph; where lines are many, a table to the last and largest value."""
    legend = common.VizLegendOptions().show_legend(show_legend=True).placement(common_models.LegendPlacement.BOTTOM)
    mode = common_models.LegendDisplayMode.TABLE if values else common_models.LegendDisplayMode.LIST
    return legend.display_mode(mode).calcs(["lastNotNull", "max"] if values else [])


def _tooltip() -> common.VizTooltipOptions:
    tooltip = common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI)
    return tooltip.sort(common_models.SortOrder.DESCENDING)
