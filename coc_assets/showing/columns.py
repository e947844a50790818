"""The columns of all of an asset's tables, with their units and where they come from, as Dagster's UI shows them."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from coc_assets.showing.lineage import DATASET, DATASET_COLUMNS, column_name, column_sources
from coc_assets.stage import Stage
from coc_assets.stages import STAGES_BY_NAME
from resources import schemas
from resources.schemas import Column, Table

_FLOW = (DATASET, *STAGES_BY_NAME)


def step_tag(asset: str) -> dict[str, str]:
    """The tag that numbers the assets in flow order, from the dataset's 0 on; none of those beside the flow."""
    return {"coc/step": str(_FLOW.index(asset))} if asset in _FLOW else {}


def tables_of(stage: Stage) -> tuple[Table, ...]:
    """What the stage writes, its main table first and what it left out last."""
    return (*stage.tables, schemas.REJECTS)


def column_schema(stage: Stage) -> dg.TableSchema:
    """All columns of the stage's tables; those of other tables than the main one have the table's name in front."""
    return dg.TableSchema(
        columns=[
            _column(column_name(table.name, name, stage.tables[0].name), column)
            for table in tables_of(stage)
            for name, column in table.columns.items()
        ]
    )


def column_lineage(stage: Stage) -> dg.TableColumnLineage:
    """What each column that comes from others is made of."""
    return dg.TableColumnLineage(
        {
            column_name(table.name, name, stage.tables[0].name): [
                dg.TableColumnDep(dg.AssetKey(asset), column) for asset, column in sources
            ]
            for table in stage.tables
            for name, sources in column_sources(table).items()
        }
    )


def sources_in_words(stage: Stage) -> str:
    """The same as a table in Markdown: the UI that comes with Dagster shows lineage of columns to tools alone."""
    deps = column_lineage(stage).deps_by_column
    rows = [f"| `{name}` | {_by_asset(sources)} |" for name, sources in deps.items()]
    return "\n".join(["| column | made of |", "|---|---|", *rows])


def description(stage: Stage, about: str) -> str:
    """What the asset is, and a line on each of its tables."""
    lines = [f"- `{table.name}`: {table.about} Unique by {', '.join(table.key)}." for table in tables_of(stage)]
    return "\n".join([about, "", "Tables:", "", *lines])


def dataset_schema() -> dg.TableSchema:
    """What is read of the dataset's files."""
    return dg.TableSchema(columns=[dg.TableColumn(name, description=about) for name, about in DATASET_COLUMNS.items()])


def _by_asset(sources: Sequence[dg.TableColumnDep]) -> str:
    """The columns, after the name of the asset that each lies in."""
    columns: dict[str, list[str]] = {}
    for source in sources:
        columns.setdefault(source.asset_key.to_user_string(), []).append(f"`{source.column_name}`")
    return "; ".join(f"{asset}: {', '.join(names)}" for asset, names in columns.items())


def _column(name: str, column: Column) -> dg.TableColumn:
    unit = {"unit": column.unit} if column.unit else None
    return dg.TableColumn(name, type=str(column.dtype), description=column.about, tags=unit)
