"""Making one chunk's part of a training set: choose, assemble clip by clip, plan, write, index; then the other forms.

Frames never pile up in memory: each finished sample goes at once to a scratch file, as the tar bytes it will be. When
the last one is there every size is known, the shards are planned, and the bytes are copied to their places.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from coc_assets.sources.egomotion import ClipRejected, Egomotion, clean
from coc_assets.sources.pai import egomotion_source, iter_egomotion
from coc_assets.training_shards import sample, tar
from coc_assets.training_shards.earlier import earlier_frames, frames_made_from
from coc_assets.training_shards.forms.pai_overlay import clip_index_of
from coc_assets.training_shards.forms.registry import WRITERS
from coc_assets.training_shards.forms.told import Sources, Written, told_of
from coc_assets.training_shards.frames import FramesOf, LostFrames, Seen, dataset_frames
from coc_assets.training_shards.members import members_of
from coc_assets.training_shards.outcome import Chosen, manifest_of, samples_table
from coc_assets.training_shards.plan import plan_chunk
from coc_assets.training_shards.selection import (
    STAGE,
    KeptKeyframe,
    Row,
    Unusable,
    choose,
    decision_problem,
    kept_by_clip,
    label_problem,
    reject_row,
    split_problem,
    thinned,
)
from coc_assets.training_shards.videos import dataset_videos
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

Progress = Callable[[int, int], None]

_PREFERRED = ("rules",)  # where nobody says which labelers


@dataclass(frozen=True)
class Tables:
    """The chunk's tables that samples are made of; `labels` are those of every labeler."""

    clips: pl.DataFrame
    keyframes: pl.DataFrame
    labels: pl.DataFrame
    verdicts: pl.DataFrame


@dataclass(frozen=True)
class ClipReaders:
    """How a clip's egomotion and frames are got, and what forms get from elsewhere.

    Attributes:
        egomotion_of: cleaned egomotion of a clip; raises `ClipRejected`.
        frames_of: of a clip, what the cameras saw at or before (K, 4) asked instants.
        sources: for the forms other than `wds`.
        frames_made_from: what the frames depend on, for the manifest.
    """

    egomotion_of: Callable[[str], Egomotion]
    frames_of: FramesOf
    sources: Sources
    frames_made_from: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildResult:
    """What a chunk's part of the set came to.

    Attributes:
        tables: `samples` and `rejects`.
        files: names in the output folder that make up the partition, shards first; anything else there is stale.
        figures: counts of shards, and of samples that a form cannot hold.
    """

    tables: dict[str, pl.DataFrame]
    files: list[str]
    figures: dict[str, int]


@dataclass
class Assembly:
    """What the pass over the clips leaves: samples by key, their groups where shards are written, and rejects."""

    spool: Spool
    groups: list[Group] = field(default_factory=list)
    chosen: dict[str, Chosen] = field(default_factory=dict)
    rejects: list[Row] = field(default_factory=list)


def build(
    root: DatasetRoot,
    chunk: str,
    tables: Tables,
    settings: ShardSettings,
    trajectory_settings: TrajectorySettings,
    rarest_first: Sequence[str],
    out_dir: Path,
    progress: Progress | None = None,
    *,
    videos: Mapping[str, str] | None = None,
    reuse: bool = True,
) -> BuildResult:
    """A chunk's part of the set from its tables and the dataset; see `build_chunk`.

    Egomotion is read again at its native rate, through the same cleaning as the cache's.

    Args:
        videos: sha256 of the cameras' archives, by their path below the root.
        reuse: where these are the same, frames that an earlier build left in `out_dir` are taken over, not decoded.
    """
    used = tables.verdicts.filter(pl.col("verdict").is_in(settings.verdicts))["clip_id"].unique().sort().to_list()
    recorded = dict(iter_egomotion(root, chunk, used)) if used else {}

    def egomotion_of(clip_id: str) -> Egomotion:
        source = egomotion_source(root, chunk, clip_id)
        raw = recorded.get(clip_id, ClipRejected("egomotion_missing", f"{source} is gone; fetch it again."))
        if isinstance(raw, ClipRejected):
            raise raw
        return clean(raw, trajectory_settings, source)[0]

    decoded = dataset_frames(root, chunk, settings)
    made_from = frames_made_from(settings, videos or {})
    readers = ClipReaders(
        egomotion_of,
        earlier_frames(out_dir, made_from, settings, decoded) if reuse and videos else decoded,
        Sources(
            rarest_first, settings.question, clip_index_of(root, tables.clips), dataset_videos(root, chunk, settings)
        ),
        made_from,
    )
    return build_chunk(chunk, tables, settings, readers, out_dir, progress)


def build_chunk(
    chunk: str,
    tables: Tables,
    settings: ShardSettings,
    readers: ClipReaders,
    out_dir: Path,
    progress: Progress | None = None,
) -> BuildResult:
    """The forms of a chunk that the settings name, and their manifest, written whole into `out_dir`, and its tables.

    Args:
        chunk: clip chunk, four digits.
        tables: the chunk's.
        settings: the shards section.
        readers: how egomotion and frames are got.
        out_dir: where files go; what an earlier build left there and `files` does not name is the caller's to remove.
        progress: called with clips done and clips in all.

    Raises:
        StaleInputError: the tables do not belong together.
        SplitFileError: the settings name a split file that cannot be used.
        ShardPlanError: samples do not fit under the ceiling.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    labelers = settings.labelers or _PREFERRED
    with tempfile.TemporaryFile(dir=out_dir) as scratch:
        assembly = Assembly(Spool(scratch))
        todo = kept_by_clip(tables.clips, tables.keyframes, tables.labels, tables.verdicts, labelers, settings)
        for done, (clip_id, kept) in enumerate(todo, start=1):
            _assemble_clip(assembly, clip_id, kept, settings, readers)
            if progress:
                progress(done, len(todo))
        written = _write_shards(chunk, assembly, settings, out_dir)
    samples = samples_table(chunk, assembly.chosen, written)
    forms = _write_forms(samples, tables, settings, readers.sources, out_dir)
    about = manifest_of(chunk, assembly.chosen, forms, out_dir) | {"formats": sorted(settings.formats)}
    if shows_frames(settings):
        about["frames"] = dict(readers.frames_made_from)
    write_manifest(out_dir, written, about)
    of_forms = sorted(name for form in forms.values() for name in form.files)
    index = [INDEX] if "wds" in settings.formats else []
    return BuildResult(
        {"samples": samples, "rejects": _rejects_table(chunk, assembly.rejects)},
        [*(one.shard.name for one in written), *index, MANIFEST, *of_forms],
        {"shards": len(written)} | {f"{name}_left_out": form.left_out.total() for name, form in forms.items()},
    )


def _assemble_clip(
    assembly: Assembly, clip_id: str, kept: Sequence[KeptKeyframe], settings: ShardSettings, readers: ClipReaders
) -> None:
    try:
        ego = readers.egomotion_of(clip_id)
    except ClipRejected as rejected:
        why = Unusable(rejected.reason, rejected.hint, "egomotion")
        assembly.rejects += [reject_row(label, why) for keyframe in kept for label in keyframe.labels]
        return
    chosen = _choose(assembly, kept, ego, settings)
    if not chosen:
        return
    if shows_frames(settings):
        asked_us = np.stack([sample.asked_frames_us(one.kept.t0_us) for one in chosen])
        seen = readers.frames_of(clip_id, asked_us)
    else:
        seen = [Seen([], [])] * len(chosen)
    for one, cameras in zip(chosen, seen, strict=True):
        _add_sample(assembly, one, ego, cameras, settings)


def _choose(assembly: Assembly, kept: Sequence[KeptKeyframe], ego: Egomotion, settings: ShardSettings) -> list[Chosen]:
    """One label or none of each of a clip's keyframes; every label that is not chosen becomes a reject."""
    found: list[Chosen] = []
    for keyframe in kept:
        outside = split_problem(keyframe) or _outside_window(keyframe.t0_us, ego)
        problems = [(label, label_problem(label) or outside) for label in keyframe.labels]
        usable = [label for label, why in problems if why is None]
        label, others = choose(usable, settings.labelers or _PREFERRED)
        assembly.rejects += [reject_row(label, why) for label, why in problems if why] + others
        unasked = decision_problem(label, settings.decisions) if label else None
        if label and unasked:
            assembly.rejects.append(reject_row(label, unasked))
        elif label:
            found.append(Chosen(keyframe, label))
    stay, too_close = thinned([one.label for one in found], round(settings.min_spacing_s * 1e6))
    assembly.rejects += too_close
    staying = {label["label_id"] for label in stay}
    return [one for one in found if one.label["label_id"] in staying]


def _add_sample(assembly: Assembly, one: Chosen, ego: Egomotion, seen: Seen, settings: ShardSettings) -> None:
    kept = one.kept
    if seen.lost and settings.require_video:
        assembly.rejects.append(reject_row(one.label, Unusable("no_video", _hints(seen.lost), "video")))
        return
    if seen.lost:
        assembly.rejects.append(_degraded_row(kept, seen.lost))
    if "wds" in settings.formats:
        members = members_of(kept, one.label, sample.ego_arrays(ego, kept.t0_us), seen.frames)
        assembly.groups.append(assembly.spool.add(kept.key, str(kept.split), tar.group_pieces(kept.key, members)))
    assembly.chosen[kept.key] = one


def shows_frames(settings: ShardSettings) -> bool:
    """Whether frames are decoded at all: they are stored, or a sample must have them."""
    return "wds" in settings.formats or settings.require_video


def _write_shards(chunk: str, assembly: Assembly, settings: ShardSettings, out_dir: Path) -> list[WrittenShard]:
    (out_dir / MANIFEST).unlink(missing_ok=True)  # so that a killed build's frames are never taken for another's
    if "wds" not in settings.formats:
        return []
    groups = _by_split(assembly.groups)
    sizes = {split: [group.size for group in of_split] for split, of_split in groups.items()}
    planned = plan_chunk(chunk, sizes, settings.shard_bytes, settings.max_shard_bytes)
    written = write_shards(out_dir, planned, groups)
    write_index(out_dir, written)
    return written


def _write_forms(
    samples: pl.DataFrame, tables: Tables, settings: ShardSettings, sources: Sources, out_dir: Path
) -> dict[str, Written]:
    wanted = [form for form in settings.formats if form != "wds"]
    if not wanted:
        return {}
    told = told_of(samples, tables.labels, tables.keyframes, tables.clips)
    return {form: WRITERS[form](told, out_dir, sources) for form in wanted}


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


def _rejects_table(chunk: str, rejects: Sequence[Row]) -> pl.DataFrame:
    ordered = sorted(rejects, key=lambda row: [row[name] or "" for name in ("clip_id", "keyframe_id")])
    return schemas.reject_rows([{**row, "chunk": chunk} for row in ordered])
