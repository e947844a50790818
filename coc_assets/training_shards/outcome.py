"""What a chunk's part of a training set says of itself: its rows of `samples`, and its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.training_shards.forms.told import Written
from coc_assets.training_shards.members import SCHEMA_VERSION
from coc_assets.training_shards.selection import KeptKeyframe, Row
from coc_assets.training_shards.writer import WrittenShard
from resources import schemas
from resources.store import Store, sha256_of_file

LABEL_VERSION = ("labeler", "model", "prompt_version", "policy_version")
"""What tells the labels of a set apart by where they come from."""
_OF_LABEL = ("label_id", "labeler", "scenario", "longitudinal_decision", "lateral_decision", "lateral_direction")
_PLACE = ("shard", "member", "offset", "size")


@dataclass(frozen=True)
class Chosen:
    """A sample: its keyframe, with the split of its clip, and the label chosen for it."""

    kept: KeptKeyframe
    label: Row


def samples_table(chunk: str, chosen: Mapping[str, Chosen], written: Sequence[WrittenShard]) -> pl.DataFrame:
    """Rows of `samples`, ordered by keyframe; where no shards are written they lie nowhere.

    Args:
        chosen: samples by key.
    """
    folder = Store(Path()).partition(schemas.SAMPLES.asset, chunk)
    places = {row["key"]: row | {"shard": (folder / row["shard"]).as_posix()} for one in written for row in one.rows}
    rows = [
        {
            "chunk": chunk,
            "keyframe_id": key,
            "clip_id": one.kept.clip_id,
            "t0_us": one.kept.t0_us,
            "split": one.kept.split,
            "action": one.kept.keyframe["action"],
            **{name: one.label[name] for name in _OF_LABEL},
            **{name: places.get(key, {}).get(name) for name in _PLACE},
        }
        for key, one in sorted(chosen.items())
    ]
    return schemas.rows_to_frame(rows, schemas.SAMPLES)


def manifest_of(chunk: str, chosen: Mapping[str, Chosen], forms: Mapping[str, Written], folder: Path) -> dict[str, Any]:
    """What the manifest says besides shards: samples by split, versions of the labels, other forms' files.

    Args:
        chosen: samples by key.
        forms: what each form other than `wds` wrote.
        folder: that the forms' files lie in.
    """
    splits = Counter(str(one.kept.split) for one in chosen.values())
    versions = Counter(tuple(one.label[name] for name in LABEL_VERSION) for one in chosen.values())
    ordered = sorted(versions.items(), key=lambda item: [part or "" for part in item[0]])
    return {
        "schema_version": SCHEMA_VERSION,
        "chunk": chunk,
        "samples": len(chosen),
        "samples_by_split": dict(splits),
        "labels": [dict(zip(LABEL_VERSION, version, strict=True)) | {"samples": n} for version, n in ordered],
        "files": {name: _file_facts(folder / name) for form in forms.values() for name in form.files},
        "left_out": {name: dict(form.left_out) for name, form in forms.items()},
    }


def _file_facts(path: Path) -> dict[str, Any]:
    return {"sha256": sha256_of_file(path), "bytes": path.stat().st_size}
