"""The published autolabeler's tree: one flat YAML file a label (training exports, Also)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from coc_assets.training_shards.forms.told import Sources, Written
from coc_assets.training_shards.selection import Row
from resources.store import Store

FOLDER = "cot_yaml"


def write(rows: Sequence[Row], folder: Path, _: Sources) -> Written:
    """`cot_yaml/<split>/<clip_id>/cot_<timestamp>.yaml`; see `registry.WRITERS`."""
    files = []
    for row in rows:
        name, text = file_of(row)
        files.append(f"{FOLDER}/{row['split']}/{name}")
        Store(folder).write_bytes(folder / files[-1], text.encode())
    return Written(files, len(rows))


def file_of(row: Row) -> tuple[str, str]:
    """A label's file below the tree's root, and its text.

    Args:
        row: `clip_id`, `t0_us`, `prompt_version` and `trace`; `frame` of the keyframe, `first_us` of the clip.
    """
    content = {
        "event_start_frame": row["frame"],
        # This form counts from the clip's first egomotion sample, not on the clip's clock.
        "event_start_timestamp": row["t0_us"] - row["first_us"],
        "coc_prompt_version": row["prompt_version"],
        "final_content": {"ego_behavior_schema": {"effect_on_ego_behavior": row["trace"]}},
    }
    name = f"{row['clip_id']}/cot_{content['event_start_timestamp']}.yaml"
    return name, yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
