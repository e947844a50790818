"""Read back as the consumers read: LLaMA-Factory by `dataset_info.json`, Qwen-VL and Cosmos-Reason the array itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coc_assets.training_shards.forms import vlm_json
from tests.coc_assets.training_shards.forms.rows import CLIPS, QUESTION, row, sources

ROWS = [row(3_000_000), row(5_000_000), row(4_000_000, CLIPS[1], "val")]


def _llama_factory(folder: Path, name: str) -> list[dict[str, Any]]:
    """Examples as its sharegpt converter aligns them: roles by their default tags, media by the mapped columns."""
    info = json.loads((folder / "dataset_info.json").read_text())[name]
    assert info["formatting"] == "sharegpt"
    assert "tags" not in info, "the default tags are from, value, human and gpt"
    columns, roles = info["columns"], {"human": "user", "gpt": "assistant"}
    examples = []
    for raw in json.loads((folder / info["file_name"]).read_text()):
        messages = [{"role": roles[turn["from"]], "content": turn["value"]} for turn in raw[columns["messages"]]]
        videos = raw[columns["videos"]]
        assert sum(turn["content"].count("<video>") for turn in messages) == len(videos)
        examples.append({"messages": messages, "videos": [folder / video for video in videos]})
    return examples


def test_a_mapped_loader_finds_question_answer_and_video(tmp_path: Path) -> None:
    written = vlm_json.write(ROWS, tmp_path, sources())
    assert (written.samples, written.left_out) == (3, {})
    info = json.loads((tmp_path / "vlm_json/dataset_info.json").read_text())
    assert {name: told["columns"] for name, told in info.items()} == {
        f"coc_{split}": {"messages": "conversations", "videos": "video"} for split in ("train", "val")
    }
    first, second = _llama_factory(tmp_path / "vlm_json", "coc_train")
    assert first["messages"] == [
        {"role": "user", "content": f"<video>\n{QUESTION}"},
        {"role": "assistant", "content": ROWS[0]["trace"]},
    ]
    assert [video.read_bytes() for video in first["videos"]] == [f"video of {ROWS[0]['keyframe_id']}".encode()]
    assert second["messages"][1]["content"] == ROWS[1]["trace"]
    assert len(_llama_factory(tmp_path / "vlm_json", "coc_val")) == 1


def test_a_file_is_one_array_and_every_entry_has_its_empty_images(tmp_path: Path) -> None:
    vlm_json.write(ROWS, tmp_path, sources())
    entries = json.loads((tmp_path / "vlm_json/train.json").read_text())
    assert isinstance(entries, list)
    assert [list(entry) for entry in entries] == [["id", "video", "images", "conversations"]] * 2
    assert [entry["images"] for entry in entries] == [[], []]
    assert [entry["id"] for entry in entries] == [told["keyframe_id"] for told in ROWS[:2]]


def test_a_sample_without_video_is_left_out_and_counted(tmp_path: Path) -> None:
    written = vlm_json.write(ROWS, tmp_path, sources(without_video=[ROWS[0]["keyframe_id"], ROWS[2]["keyframe_id"]]))
    assert (written.samples, written.left_out) == (1, {"no_video": 2})
    assert sorted(written.files) == [
        "vlm_json/dataset_info.json",
        f"vlm_json/media/{ROWS[1]['keyframe_id']}.mp4",
        "vlm_json/train.json",
    ]
    assert list(json.loads((tmp_path / "vlm_json/dataset_info.json").read_text())) == ["coc_train"]


@pytest.mark.parametrize("rows", [[], ROWS[:1]])
def test_what_is_named_is_what_is_there(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    written = vlm_json.write(rows, tmp_path, sources(without_video=[told["keyframe_id"] for told in rows]))
    assert (written.files, list(tmp_path.rglob("*"))) == ([], [])
