"""Conversations about a video, for fine-tuning VLMs: a JSON array a split, and the videos beside it.

Qwen-VL, LLaMA-Factory and Cosmos-Reason read it (training exports, C).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coc_assets.training_shards.forms.told import Sources, Written, by_split
from coc_assets.training_shards.selection import Row
from resources.store import Store

FOLDER = "vlm_json"
MEDIA = "media"
DATASET_INFO = "dataset_info.json"
VIDEO_TOKEN = "<video>"


def write(rows: Sequence[Row], folder: Path, sources: Sources) -> Written:
    """`vlm_json/<split>.json`, `dataset_info.json` and `media/<key>.mp4`; see `registry.WRITERS`.

    A sample without a video is left out: its question would be about nothing.
    """
    store, root = Store(folder), folder / FOLDER
    files: list[str] = []
    told: dict[str, list[dict[str, Any]]] = {}
    left_out: Counter[str] = Counter()
    for split, of_split in by_split(rows):
        for row in of_split:
            video = f"{MEDIA}/{row['keyframe_id']}.mp4"
            if sources.video(row, root / video):
                files.append(f"{FOLDER}/{video}")
                told.setdefault(split, []).append(conversation(row, video, sources.question))
            else:
                left_out["no_video"] += 1
    for split, conversations in told.items():
        files.append(f"{FOLDER}/{split}.json")
        store.write_bytes(root / f"{split}.json", _json(conversations))
    if told:
        files.append(f"{FOLDER}/{DATASET_INFO}")
        store.write_bytes(root / DATASET_INFO, _json({f"coc_{split}": _dataset_info(split) for split in told}))
    return Written(files, sum(map(len, told.values())), left_out)


def conversation(row: Row, video: str, question: str) -> dict[str, Any]:
    """What is asked about a sample's video, and its label as the answer.

    Args:
        row: `keyframe_id` and `trace`.
        video: the video's path from the folder of the JSON file.
    """
    return {
        "id": row["keyframe_id"],
        "video": [video],
        "images": [],  # one consumer fails without it
        "conversations": [
            {"from": "human", "value": f"{VIDEO_TOKEN}\n{question}"},
            {"from": "gpt", "value": row["trace"]},
        ],
    }


def _dataset_info(split: str) -> dict[str, Any]:
    """How LLaMA-Factory is told what a file holds."""
    columns = {"messages": "conversations", "videos": "video"}
    return {"file_name": f"{split}.json", "formatting": "sharegpt", "columns": columns}


def _json(content: object) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
