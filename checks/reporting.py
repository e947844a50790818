"""From a claim about a partition to a Dagster asset check, recorded in the partition's receipt too."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
import polars as pl

from checks.claims import Claim, look_at
from coc_assets.partitions import CHUNKS
from coc_assets.previews import preview_features
from coc_assets.profile import levels_in_force
from coc_assets.showing.tables import as_table
from coc_assets.stage import Workspace
from resources import schemas
from resources.receipts import CheckRecord, record_check


@dataclass(frozen=True)
class Partition:
    """What a check sees: the workspace, and the tables of one chunk."""

    workspace: Workspace
    chunk: str

    def read(self, table: schemas.Table) -> pl.DataFrame:
        return self.workspace.store.read_table(table, self.chunk)

    def rejects(self, asset: str) -> pl.DataFrame:
        return self.workspace.store.read_table(schemas.REJECTS, self.chunk, asset=asset)

    @property
    def labels(self) -> pl.DataFrame:
        """Labels of the labeler of this run."""
        return self.workspace.store.read_table(schemas.RAW_COC, self.chunk, labeler=self.workspace.settings.labeler)

    @property
    def all_labels(self) -> pl.DataFrame:
        """Labels of every labeler."""
        return self.workspace.store.read_labels(self.chunk)


def partition_check(
    asset: str, *, blocking: bool, by_levels: bool = False
) -> Callable[[Callable[[Partition], Claim]], dg.AssetChecksDefinition]:
    """Makes an asset check, one result a partition, of a function that states a claim.

    Args:
        asset: the asset it guards.
        blocking: an ERROR keeps downstream assets of the same run from being made.
        by_levels: it goes by the levels in the settings: under others it counts as not evaluated.
    """

    def decorate(state: Callable[[Partition], Claim]) -> dg.AssetChecksDefinition:
        with preview_features():

            @dg.asset_check(
                asset=asset, name=state.__name__, description=state.__doc__, blocking=blocking, partitions_def=CHUNKS
            )
            def check(
                context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[Workspace]
            ) -> dg.AssetCheckResult:
                levels = levels_in_force(workspace.settings.quality) if by_levels else None
                claim = state(Partition(workspace, context.partition_key))
                record = CheckRecord(
                    passed=claim.passed,
                    severity=claim.severity,
                    blocking=blocking,
                    description=claim.description,
                    levels=levels,
                    figures=_figures(claim),
                )
                record_check(workspace.store, asset, context.partition_key, state.__name__, record)
                return _result(claim)

            return check

    return decorate


def _result(claim: Claim) -> dg.AssetCheckResult:
    told = {
        "figure": claim.figure,
        "threshold": claim.threshold,
        **({} if claim.passed else look_at(claim.worst)),
        **claim.further,
    }
    return dg.AssetCheckResult(
        passed=claim.passed,
        severity=dg.AssetCheckSeverity[claim.severity],
        description=claim.description,
        metadata={
            **{name: _short(value) for name, value in told.items() if value is not None},
            "worst_rows": dg.MetadataValue.text("none") if claim.worst.is_empty() else as_table(claim.worst),
        },
    )


def _figures(claim: Claim) -> dict[str, int | float]:
    """What was measured, what it was held against and what else was counted, as far as they are numbers."""
    told = {"figure": claim.figure, "threshold": claim.threshold, **claim.further}
    return {name: at for name, at in told.items() if isinstance(at, int | float) and math.isfinite(at)}


def _short(value: float | str) -> float | str:
    return round(value, 4) if isinstance(value, float) else value
