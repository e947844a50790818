"""What an asset says to Dagster about a partition that a stage has made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from coc_assets.instances import RUN_TAG
from coc_assets.stage import Outcome, Stage, StageError, Workspace, run_stage
from resources import schemas
from resources.receipts import Receipt, digest_of
from resources.settings import Settings

_DATA_VERSION_TAG = "dagster/data_version"


class StageConfig(dg.Config):
    """Run configuration every asset takes."""

    force: bool = Field(default=False, description="make the partition again even where its receipt matches")


class LabelConfig(StageConfig):
    """Run configuration of assets that ask models: raw_coc and filtered_coc."""

    retry: list[str] = Field(
        default=[],
        description="ask a model again for what is in these statuses: refused, invalid, error, over_budget",
    )


def materialize_stage(
    context: dg.AssetExecutionContext, stage: Stage, workspace: Workspace, config: StageConfig
) -> dg.MaterializeResult:
    """Runs the stage on the run's chunk and reports rows, figures to plot, rejects, lineage and data version."""
    try:
        outcome = run_stage(
            stage,
            workspace,
            context.partition_key,
            force=config.force,
            retry=tuple(getattr(config, "retry", ())),
            run=context.run.tags.get(RUN_TAG) or context.run.run_id,
        )
    except StageError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        metadata=_metadata(stage, workspace, outcome),
        data_version=dg.DataVersion(outcome.receipt.data_version),
    )


def report_without_run(
    instance: dg.DagsterInstance, stage: Stage, receipts: Iterable[Receipt], about: str, **facts: Any
) -> None:
    """Tells Dagster of partitions that a command changed, without a run: rows, figures, data version.

    Args:
        receipts: of the partitions with other content than before. about: what happened, one phrase.
        facts: metadata besides the receipt's figures.
    """
    for receipt in receipts:
        metadata = {
            "dagster/partition_row_count": receipt.counts[stage.tables[0].name],
            "duration_s": receipt.duration_s,
            **receipt.figures,
            **facts,
        }
        tags = {_DATA_VERSION_TAG: receipt.data_version}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                stage.name, description=about, metadata=metadata, partition=receipt.chunk, tags=tags
            )
        )


def with_stage_facts(
    asset: dg.AssetsDefinition, stages: Mapping[str, Stage], settings: Settings
) -> dg.AssetsDefinition:
    """The asset with its stage's code version, and the columns of its main table and where they come from."""
    stage = stages[asset.key.to_user_string()]
    main = stage.tables[0]
    facts = {
        "dagster/column_schema": column_schema(main),
        "dagster/column_lineage": _column_lineage(main, [stages[name].tables[0] for name in stage.upstream]),
        "dagster/table_name": main.name,
    }
    code_version = digest_of([stage.code_version, stage.shaping(settings)])
    return asset.map_asset_specs(
        lambda spec: spec.replace_attributes(code_version=code_version[:12], metadata={**spec.metadata, **facts})
    )


def column_schema(table: schemas.Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, type=str(column.dtype), description=column.about)
            for name, column in table.columns.items()
        ]
    )


def _column_lineage(main: schemas.Table, upstream: list[schemas.Table]) -> dg.TableColumnLineage:
    """A column comes from the upstream main tables that hold a column of the same name."""
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(dg.AssetKey(table.asset), name) for table in upstream if name in table.columns]
            for name in main.columns
        }
    )


def _metadata(stage: Stage, workspace: Workspace, outcome: Outcome) -> dict[str, Any]:
    receipt = outcome.receipt
    main = stage.tables[0]
    rows = receipt.counts[main.name]
    path = workspace.store.partition(stage.name, receipt.chunk)
    return {
        "dagster/partition_row_count": rows,
        "dagster/uri": workspace.store.relative(path),
        "fresh": outcome.fresh,
        "duration_s": receipt.duration_s,
        "rows_per_s": round(rows / receipt.duration_s, 1) if receipt.duration_s else 0.0,
        "rows": dg.MetadataValue.md(_as_table(receipt.counts, "table", "rows")),
        "rejects": dg.MetadataValue.md(_as_table(receipt.rejects, "reason", "rows")),
        "rejected": int(receipt.figures["rejected"]),
        **{name: value for name, value in receipt.figures.items() if name != "rejected"},
        "fingerprint": _fingerprint(receipt),
    }


def _as_table(counts: Mapping[str, int], name: str, figure: str) -> str:
    if not counts:
        return "none"
    return "\n".join([f"| {name} | {figure} |", "|---|--:|", *(f"| {key} | {n} |" for key, n in counts.items())])


def _fingerprint(receipt: Receipt) -> dg.MetadataValue:
    return dg.MetadataValue.json({part: print_.model_dump() for part, print_ in receipt.fingerprints.items()})
