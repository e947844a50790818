from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from coc_assets.scoring.outline import outlines_of
from resources.dataset import DatasetRoot
from resources.settings.labels import BodySettings

ASSUMED = BodySettings()
CLIPS = ["b", "a", "b", "c", "d"]


def write_dimensions(root: Path, rows: dict[str, dict[str, float]]) -> None:
    file = root / "calibration/vehicle_dimensions/vehicle_dimensions.chunk_0003.parquet"
    file.parent.mkdir(parents=True)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "clip_id"
    table.to_parquet(file)


def told(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    return [tuple(round(one, 9) if isinstance(one, float) else one for one in row) for row in rows.iter_rows()]


def test_the_dataset_tells_the_outline_and_else_it_is_assumed(tmp_path: Path) -> None:
    sound = {"length": 5.0, "width": 2.1, "height": 1.7, "rear_axle_to_bbox_center": 1.4, "wheelbase": 2.9}
    write_dimensions(tmp_path, {"b": sound, "c": sound | {"length": float("nan")}, "d": sound | {"width": 0.0}})
    assumed = (ASSUMED.front_m, ASSUMED.rear_m, ASSUMED.width_m, False)
    assert told(outlines_of(CLIPS, DatasetRoot(tmp_path), "0003", ASSUMED)) == [
        ("b", 3.9, 1.1, 2.1, True),
        ("a", *assumed),
        ("b", 3.9, 1.1, 2.1, True),
        ("c", *assumed),
        ("d", *assumed),
    ]


@pytest.mark.parametrize("has", ["nothing", "other columns"])
def test_without_dimensions_the_outline_is_assumed(tmp_path: Path, has: str) -> None:
    if has == "other columns":
        write_dimensions(tmp_path, {"b": {"length": 5.0}})
    assert not outlines_of(CLIPS, DatasetRoot(tmp_path), "0003", ASSUMED)["measured"].any()
    assert outlines_of(CLIPS, None, "0003", ASSUMED)["clip_id"].to_list() == CLIPS
