from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from coc_assets.training_shards.forms import cot_yaml, jsonl
from coc_assets.training_shards.forms.registry import WRITERS
from tests.coc_assets.training_shards.forms.rows import CLIPS, row, sources
from tests.tree import tree

ROWS = [row(3_000_000), row(5_000_000), row(4_000_000, CLIPS[1], "val")]


def test_a_line_is_a_label_in_four_parts(tmp_path: Path) -> None:
    written = jsonl.write(ROWS, tmp_path, sources())
    assert (written.files, written.samples) == (["jsonl/train.jsonl", "jsonl/val.jsonl"], 3)
    lines = [json.loads(line) for line in (tmp_path / "jsonl/train.jsonl").read_text().splitlines()]
    assert lines[0] == {
        "clip_id": CLIPS[0], "t0_us": 3_000_000, "perception": "A light.", "prediction": "It stays.",
        "planning": "Stop.", "justification": "It is red.",
    }  # fmt: skip
    assert [line["t0_us"] for line in lines] == [3_000_000, 5_000_000]


def test_a_label_that_lacks_a_part_brings_its_trace(tmp_path: Path) -> None:
    jsonl.write([row(prediction=None)], tmp_path, sources())
    (line,) = (json.loads(text) for text in (tmp_path / "jsonl/train.jsonl").read_text().splitlines())
    assert line["prediction"] is None
    assert line["trace"] == row()["trace"]


def test_a_yaml_is_flat_and_counts_from_the_first_egomotion_sample(tmp_path: Path) -> None:
    written = cot_yaml.write(ROWS, tmp_path, sources())
    assert written.files == [
        f"cot_yaml/train/{CLIPS[0]}/cot_3031000.yaml",
        f"cot_yaml/train/{CLIPS[0]}/cot_5031000.yaml",
        f"cot_yaml/val/{CLIPS[1]}/cot_4031000.yaml",
    ]
    text = (tmp_path / written.files[0]).read_text()
    assert yaml.safe_load(text) == {
        "event_start_frame": 30,
        "event_start_timestamp": 3_031_000,
        "coc_prompt_version": "rules-2",
        "final_content": {"ego_behavior_schema": {"effect_on_ego_behavior": ROWS[0]["trace"]}},
    }
    assert "für die Ampel – at" in text


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_names_its_files_lies_in_its_folder_and_repeats_its_bytes(tmp_path: Path, form: str) -> None:
    both = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        written = WRITERS[form](ROWS, folder, sources())
        both.append(tree(folder))
        assert sorted(both[-1]) == sorted(written.files)
        assert {name.split("/")[0] for name in written.files} == {form}
        assert written.samples == 3
    assert both[0] == both[1]


@pytest.mark.parametrize("form", WRITERS)
def test_no_form_makes_anything_of_nothing(tmp_path: Path, form: str) -> None:
    written = WRITERS[form]([], tmp_path, sources())
    assert (written.files, written.samples, list(tmp_path.iterdir())) == ([], 0, [])
