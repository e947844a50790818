"""What an asset says to Dagster about a partition that a stage has made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from coc_assets.arrivals.fetching import fetch_chunk
from coc_assets.instances import RUN_TAG
from coc_assets.retries import retry_or_failure
from coc_assets.showing.columns import column_lineage, column_schema, description, sources_in_words, step_tag
from coc_assets.showing.pictures import pictures_of
from coc_assets.showing.tables import as_table
from coc_assets.stage import Outcome, Stage, StageError, Work, Workspace, run_stage
from resources import schemas
from resources.receipts import Receipt, digest_of
from resources.settings import Settings

_DATA_VERSION_TAG = "dagster/data_version"
_MOST_REASONS = 20


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
        if stage.reads_dataset:
            fetch_chunk(workspace, context.partition_key)
        outcome = run_stage(
            stage,
            workspace,
            context.partition_key,
            force=config.force,
            retry=tuple(getattr(config, "retry", ())),
            run=context.run.tags.get(RUN_TAG) or context.run.run_id,
        )
    except (StageError, OSError) as error:
        raise retry_or_failure(error, context.retry_number, workspace.settings.operate.retries) from error
    return dg.MaterializeResult(
        metadata=_metadata(Work(workspace, stage, context.partition_key), outcome),
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
            **_figures(receipt),
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
    """The asset with its stage's code version and step, its tables, their columns and what these are made of."""
    stage = stages[asset.key.to_user_string()]
    facts = {
        "dagster/column_schema": column_schema(stage),
        "dagster/column_lineage": column_lineage(stage),
        "dagster/table_name": stage.tables[0].name,
        "column_sources": dg.MetadataValue.md(sources_in_words(stage)),
    }
    code_version = digest_of([stage.code_version, stage.shaping(settings)])
    return asset.map_asset_specs(
        lambda spec: spec.replace_attributes(
            code_version=code_version[:12],
            description=description(stage, spec.description or ""),
            metadata={**spec.metadata, **facts},
            tags={**spec.tags, **step_tag(stage.name)},
        )
    )


def _metadata(work: Work, outcome: Outcome) -> dict[str, Any]:
    """What the UI shows of a partition: pictures first, then what was left out, then figures, which it plots."""
    receipt, stage, store = outcome.receipt, work.stage, work.store
    rows = receipt.counts[stage.tables[0].name]
    pictures = pictures_of(work) if work.settings.operate.plots else {}
    return {
        **{name: dg.MetadataValue.md(picture) for name, picture in pictures.items()},
        "rejects": _left_out(store.read_table(schemas.REJECTS, work.chunk, asset=stage.name)),
        "dagster/partition_row_count": rows,
        "dagster/uri": store.relative(work.folder),
        "fresh": outcome.fresh,
        "rows_per_s": round(rows / receipt.duration_s, 1) if receipt.duration_s else 0.0,
        **_figures(receipt),
        "fingerprint": _fingerprint(receipt),
    }


def _figures(receipt: Receipt) -> dict[str, int | float]:
    """The receipt's figures; Dagster plots each over the partitions."""
    return {
        "duration_s": receipt.duration_s,
        **receipt.figures,
        **{f"rows_{table}": count for table, count in receipt.counts.items()},
        **{f"rejects_{reason}": count for reason, count in receipt.rejects.items()},
    }


def _left_out(rejects: pl.DataFrame) -> dg.MetadataValue:
    """Rejects by reason, the most frequent first, with an example to begin with; text where there are none."""
    if rejects.is_empty():
        return dg.MetadataValue.text("none")
    by_reason = (
        rejects.group_by(pl.concat_str("severity", "feature", separator=": ", ignore_nulls=True), "reason")
        .agg(rows=pl.len(), clips=pl.col("clip_id").drop_nulls().n_unique(), example=pl.col("hint").sort().first())
        .sort("rows", "severity", "reason", descending=[True, False, False])
    )
    return as_table(by_reason.head(_MOST_REASONS))


def _fingerprint(receipt: Receipt) -> dg.MetadataValue:
    return dg.MetadataValue.json({part: print_.model_dump() for part, print_ in receipt.fingerprints.items()})
