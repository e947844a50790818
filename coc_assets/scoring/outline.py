"""How much room the ego takes: the outline of its body around the rig origin, clip by clip."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from resources.dataset import DatasetRoot
from resources.settings.labels import BodySettings

VEHICLE_DIMENSIONS = "vehicle_dimensions"
OUTLINE = pl.Schema(
    {
        "clip_id": pl.String,
        "front_m": pl.Float64,  # rig origin (centre of the rear axle) to the front bumper
        "rear_m": pl.Float64,  # to the rear bumper, behind it
        "width_m": pl.Float64,
        "measured": pl.Boolean,  # of this vehicle, not assumed
    }
)

_MEASURES = ("length", "width", "rear_axle_to_bbox_center")


def outlines_of(
    clip_ids: Sequence[str], dataset: DatasetRoot | None, chunk: str, assumed: BodySettings
) -> pl.DataFrame:
    """The outline of each clip's vehicle, `OUTLINE`, in the order of the clips.

    Args:
        dataset: whose `vehicle_dimensions` are taken where they are on disk and tell lengths above 0.
        assumed: for clips that they do not tell.
    """
    front, half = pl.col("rear_axle_to_bbox_center"), pl.col("length") / 2
    measured = _measured(dataset, chunk).select(
        "clip_id", "width", (front + half).alias("front"), (half - front).alias("rear")
    )
    told = pl.DataFrame({"clip_id": clip_ids}, schema={"clip_id": pl.String}).join(
        measured, on="clip_id", how="left", maintain_order="left"
    )
    return told.select(
        "clip_id",
        front_m=pl.col("front").fill_null(assumed.front_m),
        rear_m=pl.col("rear").fill_null(assumed.rear_m),
        width_m=pl.col("width").fill_null(assumed.width_m),
        measured=pl.col("width").is_not_null(),
    ).cast(OUTLINE)


def _measured(dataset: DatasetRoot | None, chunk: str) -> pl.DataFrame:
    """clip_id and `_MEASURES` (m) of a chunk; no rows where the file is not there or lacks one of them."""
    schema = pl.Schema([("clip_id", pl.String), *((name, pl.Float64) for name in _MEASURES)])
    file = dataset.archive_path(VEHICLE_DIMENSIONS, chunk) if dataset else None
    if file is None or not file.is_file():
        return pl.DataFrame(schema=schema)
    rows = pl.read_parquet(file, hive_partitioning=False)
    if not set(schema) <= set(rows.columns):
        return pl.DataFrame(schema=schema)
    sound = (pl.col("length") > 0) & (pl.col("width") > 0) & pl.all_horizontal(pl.col(*_MEASURES).is_finite())
    return rows.select(schema.names()).cast(schema).filter(sound).unique("clip_id", keep="first")
