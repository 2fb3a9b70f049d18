"""Tables: one row per thing, one column per question, each with its own unit, colours and link."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.build.limits import Limit
from dashboards.build.looks import Words, mapped, stepped
from dashboards.build.panels import MIDDLE, SOURCE, WHOLE, lettered, now
from dashboards.build.sdk import common, common_models, dashboard, models, prometheus_models, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: a figure asked for, or a label."""

    title: str
    ask: str = ""
    label: str = ""
    """The label that is shown; with `ask` too, only the question knows it, and its figure is not shown."""
    unit: str = ""
    words: Words | None = None
    limit: Limit | None = None
    link: tuple[str, str] | None = None
    """A title, and where a click on a cell leads."""
    width: int | None = None


def listing(title: str, says: str, *columns: Column, worst: str) -> table.Panel:
    """A table sorted by its column `worst`, highest first; labels no column names are not shown.

    The figures are joined on the labels they share: all must be of the same labels.
    """
    asked = [column for column in columns if column.ask]
    queries = tuple(now(column.ask).format(prometheus_models.PromQueryFormat.TABLE) for column in asked)
    panel = table.Panel().title(title).description(says).targets([*lettered(queries)]).datasource(SOURCE)
    panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(_arranged(columns))
    for column in columns:
        panel.override_by_name(column.title, _overrides(column))
    panel.sort_by([common.TableSortByFieldState().display_name(worst).desc(desc=True)]).filterable(filterable=True)
    panel.cell_options(common_models.TableAutoCellOptions()).cell_height(common_models.TableCellHeight.SM).show_header(
        show_header=True
    )
    return panel.thresholds(stepped(None)).height(MIDDLE).span(WHOLE)


def _arranged(columns: tuple[Column, ...]) -> models.DataTransformerConfig:
    """Show the columns in order, under their titles, and nothing else."""
    asked = [column for column in columns if column.ask]
    letters = {column.title: chr(ord("A") + place) for place, column in enumerate(asked)}
    only = "Value" if len(asked) == 1 else ""
    fields = [column.label or only or f"Value #{letters[column.title]}" for column in columns]
    return models.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {},
            "includeByName": dict.fromkeys(fields, True),
            "indexByName": {field: place for place, field in enumerate(fields)},
            "renameByName": {field: column.title for field, column in zip(fields, columns, strict=True)},
        },
    )


def _overrides(column: Column) -> list[models.DynamicConfigValue]:
    """What sets one column apart."""
    found: list[models.DynamicConfigValue] = []
    if column.unit:
        found.append(models.DynamicConfigValue(id_val="unit", value=column.unit))
    if column.words is not None:
        found.append(models.DynamicConfigValue(id_val="mappings", value=mapped(column.words)))
    if column.limit is not None:
        found.append(models.DynamicConfigValue(id_val="thresholds", value=stepped(column.limit).build()))
    if column.words is not None or column.limit is not None:
        solid = common_models.TableColoredBackgroundCellOptions(mode=common_models.TableCellBackgroundDisplayMode.BASIC)
        text = common_models.TableColorTextCellOptions()
        found.append(models.DynamicConfigValue(id_val="custom.cellOptions", value=solid if column.words else text))
    if column.link is not None:
        title, url = column.link
        found.append(models.DynamicConfigValue(id_val="links", value=[dashboard.DashboardLink(title).url(url).build()]))
    if column.width is not None:
        found.append(models.DynamicConfigValue(id_val="custom.width", value=column.width))
    return found
