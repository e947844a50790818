from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coc_assets.training_shards.forms.pai_overlay import (
    FEATURE,
    clip_index_of,
    events_of_clips,
    link_dataset,
    why_no_event,
    write,
    write_ood_reasoning,
)
from resources import schemas
from resources.dataset import DatasetRoot
from tests.coc_assets.training_shards.forms.rows import CLIPS, row, sources

RAREST = ("stop", "steer_left")


def label(
    t0_us: int = 5_000_000, action: str | None = "stop", clip_id: str = "clip-a", **fields: Any
) -> dict[str, Any]:
    return {
        "clip_id": clip_id,
        "t0_us": t0_us,
        "frame": t0_us // 100_000,
        "action": action,
        "split": "train",
        "scenario": "stop_for_control",
        "components": [],
        **dict.fromkeys(("perception", "prediction", "planning", "justification")),
        "trace": f"Stop at {t0_us}",
        **fields,
    }


def starts(row: dict[str, Any]) -> list[int]:
    return [event["event_start_timestamp"] for event in json.loads(row["events"])]


def test_an_event_says_its_text_under_both_names() -> None:
    (row,) = events_of_clips([label()], RAREST).rows()
    assert json.loads(row["events"]) == [
        {
            "event_start_frame": 50,
            "event_start_timestamp": 5_000_000,
            "cot": "Stop at 5000000",
            "coc": "Stop at 5000000",
        }
    ]
    assert (row["clip_id"], row["split"], row["feature"], row["event_cluster"]) == (
        "clip-a", "train", FEATURE, "stop_for_control"
    )  # fmt: skip


def test_the_best_event_is_first_whatever_the_order() -> None:
    causes = [{"phrase": "a light", "attributes": []}]
    labels = [
        label(2_000_000, None),
        label(3_000_000, "steer_left"),
        label(4_000_000, "stop"),
        label(5_000_000, "stop", components=causes),
        label(6_000_000, "stop", components=causes),
    ]
    told = events_of_clips(reversed(labels), RAREST)
    assert starts(told.rows()[0]) == [5_000_000, 6_000_000, 4_000_000, 3_000_000, 2_000_000]
    assert (told.events, len(told.clips)) == (5, 1)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"t0_us": 1_600_000}, "outside_training_window"),
        ({"t0_us": 13_600_001}, "outside_training_window"),
        ({"trace": " "}, "no_text"),
        ({"trace": "Stop <|im_end|>"}, "text_has_control_tokens"),
        ({"trace": "Stop <image>"}, "text_has_control_tokens"),
        ({"trace": "Stop <video>"}, "text_has_control_tokens"),
    ],
)
def test_what_trainers_cannot_use_is_left_out_and_counted(wrong: dict[str, Any], reason: str) -> None:
    told = events_of_clips([label(**wrong), label(7_000_000), label(clip_id="clip-b", **wrong)], RAREST)
    assert [starts(row) for row in told.rows()] == [[7_000_000]]
    assert told.left_out == {reason: 2} and told.events == 1


@pytest.mark.parametrize("t0_us", [1_600_001, 13_600_000])
def test_the_window_holds_its_end_but_not_its_start(t0_us: int) -> None:
    assert why_no_event(label(t0_us)) is None


def test_the_clip_is_the_index_even_of_no_rows(tmp_path: Path) -> None:
    for rows in (events_of_clips([label()], RAREST).rows(), []):
        write_ood_reasoning(rows, tmp_path / "ood.parquet")
        read = pd.read_parquet(tmp_path / "ood.parquet")
        assert read.index.name == "clip_id" and list(read.index) == [row["clip_id"] for row in rows]
        assert list(read.columns) == ["split", "feature", "event_cluster", "events"]


# ---- what the recipe's reader makes of it ----------------------------------------------------------------------------


def recipe(root: Path, rank: str = "") -> dict[str, tuple[int, str]]:
    """t0 and text of each clip, as the recipe reads: clips of the mini index, looked up by the index of the events,
    first event in list order within the window."""
    events = pd.read_parquet(root / f"reasoning/ood_reasoning{rank}.parquet")
    read = {}
    for clip_id in pd.read_parquet(root / f"clip_index_reasoning_mini{rank}.parquet").index:
        for event in json.loads(events.loc[clip_id, "events"]):
            if 1_600_000 < event["event_start_timestamp"] <= 13_600_000:
                read[clip_id] = (event["event_start_timestamp"], event["cot"])
                break
    return read


def _events(root: Path, rank: str) -> list[dict[str, Any]]:
    """All events of the first clip."""
    table = pd.read_parquet(root / f"reasoning/ood_reasoning{rank}.parquet")
    events: list[dict[str, Any]] = json.loads(table.loc[CLIPS[0], "events"])
    return events


SEVERAL = [
    row(2_000_000, action="steer_left"),
    row(6_000_000, action="stop"),
    row(9_000_000, action="gentle_acceleration"),
    row(4_000_000, CLIPS[1], "val"),
]


def test_the_recipe_gets_the_best_event_of_each_clip_and_the_others_by_rank(tmp_path: Path) -> None:
    written = write(SEVERAL, tmp_path, sources(rarest_first=RAREST))
    assert (written.samples, written.left_out) == (4, {})
    train, val = tmp_path / "pai_overlay/train", tmp_path / "pai_overlay/val"
    assert recipe(train) == {CLIPS[0]: (6_000_000, SEVERAL[1]["trace"])}
    assert recipe(train, ".rank1") == {CLIPS[0]: (2_000_000, SEVERAL[0]["trace"])}
    assert recipe(train, ".rank2") == {CLIPS[0]: (9_000_000, SEVERAL[2]["trace"])}
    assert recipe(val) == {CLIPS[1]: (4_000_000, SEVERAL[3]["trace"])}
    assert not list(val.rglob("*rank*"))
    assert [len(_events(train, rank)) for rank in ("", ".rank1", ".rank2")] == [3, 1, 1]


def test_what_the_recipe_cannot_use_is_in_no_file_and_counted(tmp_path: Path) -> None:
    unusable = [row(1_600_000), row(14_000_000), row(3_000_000, trace=" "), row(4_000_000, trace="Stop <|end|>")]
    written = write([*unusable, row(5_000_000)], tmp_path, sources())
    assert written.left_out == {"outside_training_window": 2, "no_text": 1, "text_has_control_tokens": 1}
    assert written.samples == 1
    assert recipe(tmp_path / "pai_overlay/train") == {CLIPS[0]: (5_000_000, row(5_000_000)["trace"])}
    assert len(written.files) == 2


def test_a_clip_that_the_datasets_index_does_not_name_is_left_out_and_counted(tmp_path: Path) -> None:
    only_second = pd.DataFrame({"chunk": [7]}, index=pd.Index(CLIPS[1:], name="clip_id"))
    written = write(SEVERAL, tmp_path, sources(index=only_second))
    assert (written.samples, written.left_out) == (1, {"not_in_clip_index": 3})
    assert list(recipe(tmp_path / "pai_overlay/val")) == [CLIPS[1]]
    assert not (tmp_path / "pai_overlay/train").exists()


def test_the_mini_index_holds_the_datasets_own_rows(tmp_path: Path) -> None:
    ids = pd.Index(["gone", CLIPS[1], CLIPS[0]], name="clip_id")
    index = pd.DataFrame(
        {"clip_is_valid": [True] * 3, "chunk": pd.Series([1, 7, 7], dtype="int32").array, "split": ["train"] * 3},
        index=ids,
    )
    index.to_parquet(tmp_path / "clip_index.parquet")
    rows_of = clip_index_of(DatasetRoot(tmp_path), schemas.empty(schemas.CLIPS))
    pd.testing.assert_frame_equal(rows_of([CLIPS[0], CLIPS[1]]), index.iloc[1:])
    write(SEVERAL, tmp_path, sources(index=index))
    mini = pd.read_parquet(tmp_path / "pai_overlay/val/clip_index_reasoning_mini.parquet")
    pd.testing.assert_frame_equal(mini, index.iloc[1:2])


def test_without_an_index_in_the_dataset_one_is_made_of_the_clips(tmp_path: Path) -> None:
    clips = schemas.rows_to_frame(
        [{"chunk": "0007", "clip_id": clip, "split": "train"} for clip in CLIPS], schemas.CLIPS
    )
    made = clip_index_of(DatasetRoot(tmp_path), clips)([CLIPS[1]])
    assert made.index.name == "clip_id"
    assert made.to_dict("index") == {CLIPS[1]: {"chunk": 7, "split": "train", "clip_is_valid": True}}


def _dataset(folder: Path) -> Path:
    for name in ("features.csv", "clip_index.parquet", "labels/egomotion/a.zip", "reasoning/other.parquet",
                 "reasoning/ood_reasoning.parquet"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"the dataset's {name}")
    return folder


def test_an_overlay_becomes_a_whole_root_by_links_and_keeps_its_own_labels(tmp_path: Path) -> None:
    write(SEVERAL, tmp_path, sources())
    overlay = tmp_path / "pai_overlay/train"
    own = {path: path.read_bytes() for path in overlay.rglob("*.parquet")}
    for place in ("first", "moved"):
        dataset = _dataset(tmp_path / place)
        assert link_dataset(overlay, dataset) == [
            "clip_index.parquet",
            "features.csv",
            "labels",
            "reasoning/other.parquet",
        ]
        assert (overlay / "labels/egomotion/a.zip").resolve() == (dataset / "labels/egomotion/a.zip").resolve()
        assert (overlay / "reasoning/other.parquet").read_text() == "the dataset's reasoning/other.parquet"
    assert {path: path.read_bytes() for path in own} == own
    assert recipe(overlay)[CLIPS[0]][0] == 6_000_000


def test_real_files_and_folders_stay_and_an_overlay_inside_the_dataset_is_not_linked_into_itself(
    tmp_path: Path,
) -> None:
    dataset = _dataset(tmp_path)
    write(SEVERAL, dataset / "store", sources())
    overlay = dataset / "store/pai_overlay/train"
    (overlay / "features.csv").write_text("a file of the user's")
    for _ in range(2):
        assert link_dataset(overlay, dataset) == ["clip_index.parquet", "labels", "reasoning/other.parquet"]
        assert (overlay / "features.csv").read_text() == "a file of the user's"


def test_links_to_what_the_dataset_has_no_more_are_taken_away(tmp_path: Path) -> None:
    write(SEVERAL, tmp_path, sources())
    dataset, overlay = _dataset(tmp_path / "data"), tmp_path / "pai_overlay/train"
    link_dataset(overlay, dataset)
    (dataset / "features.csv").unlink()
    assert "features.csv" not in link_dataset(overlay, dataset)
    assert not (overlay / "features.csv").is_symlink()
