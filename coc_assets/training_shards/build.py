"""Making the shards of one chunk: choose, assemble clip by clip, plan, write, index.

Frames never pile up in memory: each finished sample goes at once to a scratch file, as the tar bytes it will be. When
the last one is there every size is known, the shards are planned, and the bytes are copied to their places.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.sources.egomotion import ClipRejected, Egomotion, clean
from coc_assets.sources.pai import egomotion_source, iter_egomotion
from coc_assets.training_shards import sample, tar
from coc_assets.training_shards.frames import FramesOf, LostFrames, dataset_frames
from coc_assets.training_shards.members import SCHEMA_VERSION, members_of
from coc_assets.training_shards.plan import plan_chunk
from coc_assets.training_shards.selection import (
    STAGE,
    KeptKeyframe,
    Row,
    Unusable,
    choose,
    kept_by_clip,
    label_problem,
    reject_row,
)
from coc_assets.training_shards.writer import (
    INDEX,
    MANIFEST,
    Group,
    Spool,
    WrittenShard,
    write_index,
    write_manifest,
    write_shards,
)
from resources import schemas
from resources.dataset import DatasetRoot
from resources.settings.shards import ShardSettings
from resources.settings.trajectory import TrajectorySettings
from resources.store import Store

Progress = Callable[[int, int], None]

_PREFERRED = ("rules",)  # where nobody says which labelers
_LABEL_VERSION = ("labeler", "model", "prompt_version", "policy_version")


@dataclass(frozen=True)
class ClipReaders:
    """How a clip's egomotion and frames are got.

    Attributes:
        egomotion_of: cleaned egomotion of a clip; raises `ClipRejected`.
        frames_of: of a clip, the frames of each camera at or before the (4,) asked instants, ordered by camera index,
            and what was lost of the other cameras.
    """

    egomotion_of: Callable[[str], Egomotion]
    frames_of: FramesOf


@dataclass(frozen=True)
class BuildResult:
    """What a chunk's shards came to.

    Attributes:
        tables: `samples` and `rejects`.
        files: names in the output folder that make up the partition, shards first; anything else there is stale.
    """

    tables: dict[str, pl.DataFrame]
    files: list[str]


@dataclass
class Assembly:
    """What the pass over the clips leaves behind: a group and a chosen label a sample, and the rejects."""

    spool: Spool
    groups: list[Group] = field(default_factory=list)
    chosen: dict[str, Row] = field(default_factory=dict)
    rejects: list[Row] = field(default_factory=list)


def build(
    root: DatasetRoot,
    chunk: str,
    clips: pl.DataFrame,
    keyframes: pl.DataFrame,
    labels: pl.DataFrame,
    verdicts: pl.DataFrame,
    settings: ShardSettings,
    trajectory_settings: TrajectorySettings,
    out_dir: Path,
    progress: Progress | None = None,
) -> BuildResult:
    """The shards of a chunk from its tables and the dataset; see `build_chunk`.

    Egomotion is read again at its native rate, through the same cleaning as the cache's.
    """
    kept = verdicts.filter(pl.col("verdict") == "keep")["clip_id"].unique().sort().to_list()
    recorded = dict(iter_egomotion(root, chunk, kept)) if kept else {}

    def egomotion_of(clip_id: str) -> Egomotion:
        source = egomotion_source(root, chunk, clip_id)
        raw = recorded.get(clip_id, ClipRejected("egomotion_missing", f"{source} is gone; fetch it again."))
        if isinstance(raw, ClipRejected):
            raise raw
        return clean(raw, trajectory_settings, source)[0]

    readers = ClipReaders(egomotion_of, dataset_frames(root, chunk, settings))
    return build_chunk(chunk, clips, keyframes, labels, verdicts, settings, readers, out_dir, progress)


def build_chunk(
    chunk: str,
    clips: pl.DataFrame,
    keyframes: pl.DataFrame,
    labels: pl.DataFrame,
    verdicts: pl.DataFrame,
    settings: ShardSettings,
    readers: ClipReaders,
    out_dir: Path,
    progress: Progress | None = None,
) -> BuildResult:
    """The shards, index and manifest of a chunk, written whole into `out_dir`, and its tables.

    Args:
        chunk: clip chunk, four digits.
        clips, keyframes, labels, verdicts: the chunk's tables; `labels` of every labeler.
        settings: the shards section.
        readers: how egomotion and frames are got.
        out_dir: where files go; what an earlier build left there and `files` does not name is the caller's to remove.
        progress: called with clips done and clips in all.

    Raises:
        StaleInputError: the tables do not belong together.
        ShardPlanError: samples do not fit under the ceiling.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out_dir) as scratch:
        assembly = Assembly(Spool(scratch))
        todo = kept_by_clip(clips, keyframes, labels, verdicts, settings.labelers or _PREFERRED, settings.splits)
        for done, (clip_id, kept) in enumerate(todo, start=1):
            _assemble_clip(assembly, clip_id, kept, settings, readers)
            if progress:
                progress(done, len(todo))
        groups = _by_split(assembly.groups)
        sizes = {split: [group.size for group in of_split] for split, of_split in groups.items()}
        written = write_shards(out_dir, plan_chunk(chunk, sizes, settings.max_shard_bytes), groups)
    write_index(out_dir, written)
    write_manifest(out_dir, written, _about(chunk, assembly, settings))
    tables = {
        "samples": schemas.rows_to_frame(_sample_rows(chunk, written, assembly.chosen), schemas.SAMPLES),
        "rejects": _rejects_table(chunk, assembly.rejects),
    }
    return BuildResult(tables, [*(one.shard.name for one in written), INDEX, MANIFEST])


def _assemble_clip(
    assembly: Assembly, clip_id: str, kept: Sequence[KeptKeyframe], settings: ShardSettings, readers: ClipReaders
) -> None:
    try:
        ego = readers.egomotion_of(clip_id)
    except ClipRejected as rejected:
        why = Unusable(rejected.reason, rejected.hint, "egomotion")
        assembly.rejects += [reject_row(label, why) for keyframe in kept for label in keyframe.labels]
        return
    for keyframe in kept:
        _assemble_keyframe(assembly, keyframe, ego, settings, readers.frames_of)


def _assemble_keyframe(
    assembly: Assembly, kept: KeptKeyframe, ego: Egomotion, settings: ShardSettings, frames_of: FramesOf
) -> None:
    """One sample or none of a keyframe; every kept label that is not the sample becomes a reject."""
    outside = _outside_window(kept.t0_us, ego)
    problems = [(label, label_problem(label) or outside) for label in kept.labels]
    chosen, others = choose([label for label, why in problems if why is None], settings.labelers or _PREFERRED)
    assembly.rejects += [reject_row(label, why) for label, why in problems if why] + others
    if chosen is None:
        return
    frames, lost = frames_of(kept.clip_id, sample.asked_frames_us(kept.t0_us))
    if lost and settings.require_video:
        assembly.rejects.append(reject_row(chosen, Unusable("no_video", _hints(lost), "video")))
        return
    if lost:
        assembly.rejects.append(_degraded_row(kept, lost))
    members = members_of(kept, chosen, sample.ego_arrays(ego, kept.t0_us), frames)
    assembly.groups.append(assembly.spool.add(kept.key, kept.split, tar.group_bytes(kept.key, members)))
    assembly.chosen[kept.key] = chosen


def _outside_window(t0_us: int, ego: Egomotion) -> Unusable | None:
    if not sample.is_trainable(t0_us):
        needed = f"{sample.TRAINABLE_AFTER_US} < t0 <= {sample.TRAINABLE_UNTIL_US}"
        return Unusable("outside_training_window", f"t0 is {t0_us} µs and trainers need {needed}")
    if not sample.covers(ego, t0_us):
        first_us, last_us = sample.ego_span_us(t0_us)
        held = f"{ego.t_us[0]} … {ego.t_us[-1]} µs" if len(ego.t_us) else "none"
        hint = f"the sample needs egomotion over {first_us} … {last_us} µs and the clip has {held}"
        return Unusable("outside_training_window", hint, "egomotion")
    return None


def _hints(lost: Sequence[LostFrames]) -> str:
    return "; ".join(f"{one.camera}: {one.hint}" for one in lost)


def _degraded_row(kept: KeptKeyframe, lost: Sequence[LostFrames]) -> Row:
    return {
        "stage": STAGE,
        "clip_id": kept.clip_id,
        "keyframe_id": kept.key,
        "severity": "degraded",
        "feature": "video",
        "reason": lost[0].reason,
        "hint": _hints(lost),
    }


def _by_split(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Samples of each split in order of their key."""
    ordered = sorted(groups, key=lambda group: (group.split, group.key))
    return {split: list(of_split) for split, of_split in groupby(ordered, key=lambda group: group.split)}


def _about(chunk: str, assembly: Assembly, settings: ShardSettings) -> dict[str, Any]:
    versions = Counter(tuple(label[name] for name in _LABEL_VERSION) for label in assembly.chosen.values())
    ordered = sorted(versions.items(), key=lambda item: [part or "" for part in item[0]])
    return {
        "schema_version": SCHEMA_VERSION,
        "chunk": chunk,
        "labels": [dict(zip(_LABEL_VERSION, version, strict=True)) | {"samples": n} for version, n in ordered],
        "frames": settings.model_dump(mode="json", include={"cameras", "frame_height", "jpeg_quality"}),
    }


def _sample_rows(chunk: str, written: Sequence[WrittenShard], chosen: dict[str, Row]) -> list[Row]:
    """Rows of `samples`, ordered by keyframe."""
    folder = Store(Path()).partition(schemas.SAMPLES.asset, chunk)
    rows = [
        {
            "chunk": chunk,
            "keyframe_id": place["key"],
            **{name: chosen[place["key"]][name] for name in ("clip_id", "t0_us", "label_id", "labeler")},
            **{name: place[name] for name in ("split", "member", "offset", "size")},
            "shard": (folder / place["shard"]).as_posix(),
        }
        for one in written
        for place in one.rows
    ]
    return sorted(rows, key=lambda row: row["keyframe_id"])


def _rejects_table(chunk: str, rejects: Sequence[Row]) -> pl.DataFrame:
    ordered = sorted(rejects, key=lambda row: [row[name] or "" for name in ("clip_id", "keyframe_id")])
    return schemas.reject_rows([{**row, "chunk": chunk} for row in ordered])
