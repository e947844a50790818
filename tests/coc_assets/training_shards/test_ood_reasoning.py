import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coc_assets.training_shards.ood_reasoning import FEATURE, ood_reasoning, why_no_event, write_ood_reasoning

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
    (row,) = ood_reasoning([label()], RAREST).rows
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
    told = ood_reasoning(reversed(labels), RAREST)
    assert starts(told.rows[0]) == [5_000_000, 6_000_000, 4_000_000, 3_000_000, 2_000_000]
    assert (told.events, len(told.rows)) == (5, 1)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"t0_us": 1_600_000}, "outside_training_window"),
        ({"t0_us": 13_600_001}, "outside_training_window"),
        ({"trace": " "}, "no_text"),
        ({"trace": "Stop <|im_end|>"}, "text_has_control_tokens"),
        ({"trace": "Stop <image>"}, "text_has_control_tokens"),
    ],
)
def test_what_trainers_cannot_use_is_left_out_and_counted(wrong: dict[str, Any], reason: str) -> None:
    told = ood_reasoning([label(**wrong), label(7_000_000), label(clip_id="clip-b", **wrong)], RAREST)
    assert [starts(row) for row in told.rows] == [[7_000_000]]
    assert told.left_out == {reason: 2} and told.events == 1


@pytest.mark.parametrize("t0_us", [1_600_001, 13_600_000])
def test_the_window_holds_its_end_but_not_its_start(t0_us: int) -> None:
    assert why_no_event(label(t0_us)) is None


def test_the_clip_is_the_index_even_of_no_rows(tmp_path: Path) -> None:
    for rows in (ood_reasoning([label()], RAREST).rows, []):
        write_ood_reasoning(rows, tmp_path / "ood.parquet")
        read = pd.read_parquet(tmp_path / "ood.parquet")
        assert read.index.name == "clip_id" and list(read.index) == [row["clip_id"] for row in rows]
        assert list(read.columns) == ["split", "feature", "event_cluster", "events"]
