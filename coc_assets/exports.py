"""`coc export`: the interchange forms that other tools read, over the whole store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from coc_assets.keyframe_segments.interchange import sampled_segments, segments_json, segments_text
from coc_assets.meta_actions.interchange import final_output_text
from coc_assets.raw_coc.imported.keyframes import with_keyframes_of
from coc_assets.stage import StageError, Workspace
from coc_assets.training_shards.forms import cot_yaml, jsonl
from coc_assets.training_shards.forms.pai_overlay import OOD_REASONING, events_of_clips, write_ood_reasoning
from coc_assets.training_shards.splits import splits_of
from resources import schemas
from resources.receipts import read_receipt
from resources.store import Store

ExportForm = Literal["meta-actions", "keyframes", "cot-yaml", "jsonl", "ood-reasoning"]
OF_MOTION: tuple[ExportForm, ...] = ("meta-actions", "keyframes")
"""Forms without labels."""
SEGMENTS_ALL = "segments_relative_timestamp_all.json"
SEGMENTS_SAMPLED = "segments_relative_timestamp_sampled.json"


def export(
    form: ExportForm,
    workspace: Workspace,
    chunks: Sequence[str],
    out: Path,
    progress: Callable[[int], None],
    labeler: str | None = None,
) -> str:
    """Writes one interchange form of every chunk below `out` and says what was written.

    Args:
        labeler: whose kept labels are meant; None takes of each keyframe those of the most preferred labeler.

    Raises:
        StageError: a chunk lacks the asset that the form is made from, and the message names the command that makes it;
            or no chunk has labels of the labeler.
    """
    needed = "meta_actions" if form in OF_MOTION else "filtered_coc"
    for chunk in chunks:
        _require(workspace, needed, chunk)
    if labeler is not None:
        workspace = _of_labeler(workspace, chunks, labeler)
    counted = _counting(chunks, progress)
    return _WRITERS[form](workspace, counted, Store(out))


def _write_meta_actions(workspace: Workspace, chunks: Iterator[str], out: Store) -> str:
    written = 0
    for chunk in chunks:
        spans = workspace.store.read_table(schemas.META_ACTION_SPANS, chunk)
        for (clip_id,), of_clip in spans.group_by("clip_id", maintain_order=True):
            out.write_bytes(out.root / "final_outputs" / f"{clip_id}.txt", final_output_text(of_clip).encode())
            written += 1
    return f"{written} files final_outputs/<clip_id>.txt"


def _write_keyframes(workspace: Workspace, chunks: Iterator[str], out: Store) -> str:
    spans = pl.concat([workspace.store.read_table(schemas.META_ACTION_SPANS, chunk) for chunk in chunks])
    every = segments_json(spans, workspace.settings.keyframes)
    sampled = sampled_segments(every, workspace.settings.keyframes)
    for name, segments in ((SEGMENTS_ALL, every), (SEGMENTS_SAMPLED, sampled)):
        out.write_bytes(out.root / name, segments_text(segments).encode())
    return f"{sum(map(len, every.values()))} segments in {SEGMENTS_ALL} and {SEGMENTS_SAMPLED}"


def _write_cot_yaml(workspace: Workspace, chunks: Iterator[str], out: Store) -> str:
    written = 0
    for label in _kept_labels(workspace, chunks):
        name, text = cot_yaml.file_of(label)
        out.write_bytes(out.root / name, text.encode())
        written += 1
    return f"{written} files <clip_id>/cot_<event_start_timestamp>.yaml"


def _write_jsonl(workspace: Workspace, chunks: Iterator[str], out: Store) -> str:
    labels = list(_kept_labels(workspace, chunks))
    out.write_bytes(out.root / "labels.jsonl", jsonl.lines(labels).encode())
    return f"{len(labels)} lines in labels.jsonl"


def _write_ood_reasoning(workspace: Workspace, chunks: Iterator[str], out: Store) -> str:
    told = events_of_clips(_kept_labels(workspace, chunks), workspace.settings.keyframes.rarest_first)
    with out.publish(out.root / OOD_REASONING) as temporary:
        write_ood_reasoning(told.rows(), temporary)
    lost = ", ".join(f"{count} {reason}" for reason, count in sorted(told.left_out.items()))
    return f"{told.events} events of {len(told.clips)} clips, {lost or 'none'} left out, in {OOD_REASONING}"


_WRITERS: dict[ExportForm, Callable[[Workspace, Iterator[str], Store], str]] = {
    "meta-actions": _write_meta_actions,
    "keyframes": _write_keyframes,
    "cot-yaml": _write_cot_yaml,
    "jsonl": _write_jsonl,
    "ood-reasoning": _write_ood_reasoning,
}


def _kept_labels(workspace: Workspace, chunks: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Of each keyframe the kept label that comes first by the labelers' preference, in chunk and keyframe order.

    Rows of `raw_coc` with their keyframe's `frame` and `action`, and their clip's `first_us` and `split`,
    which is empty where a split file leaves the clip out.
    """
    store, settings = workspace.store, workspace.settings
    order = {name: rank for rank, name in enumerate(settings.preferred_labelers)}
    for chunk in chunks:
        kept = store.read_table(schemas.VERDICTS, chunk).filter(pl.col("verdict") == "keep")
        labels = store.read_labels(chunk).join(kept.select("label_id"), on="label_id", how="semi")
        clips = store.read_table(schemas.CLIPS, chunk)
        keyframes = with_keyframes_of(store.read_table(schemas.KEYFRAMES, chunk), labels, clips, settings.keyframes)
        preferred = (
            labels.filter(pl.col("labeler").is_in(list(order)))
            .with_columns(rank=pl.col("labeler").replace_strict(order, return_dtype=pl.Int32))
            .sort("keyframe_id", "rank", "label_id")
            .unique("keyframe_id", keep="first", maintain_order=True)
        )
        placed = preferred.join(
            keyframes.select("keyframe_id", "frame", "action"), on="keyframe_id", maintain_order="left"
        ).join(clips.select("clip_id", "first_us"), on="clip_id", maintain_order="left")
        split = splits_of(clips, settings.shards)
        for label in placed.iter_rows(named=True):
            yield label | {"split": split[label["clip_id"]] or ""}


def _of_labeler(workspace: Workspace, chunks: Sequence[str], labeler: str) -> Workspace:
    """The workspace that prefers one labeler and knows no other."""
    known = sorted({name for chunk in chunks for name in workspace.store.labelers(chunk)})
    if labeler not in known:
        raise StageError(f"{workspace.store.root} has no labels of {labeler!r}; it has those of {', '.join(known)}.")
    shards = workspace.settings.shards.model_copy(update={"labelers": (labeler,)})
    return replace(workspace, settings=workspace.settings.model_copy(update={"shards": shards}))


def _require(workspace: Workspace, asset: str, chunk: str) -> None:
    receipt = read_receipt(workspace.store, asset, chunk)
    if receipt is None or receipt.status != "done":
        raise StageError(
            f"Chunk {chunk} has no finished {asset} in {workspace.store.root}. "
            f"Make it: coc run --dataset DIR --store {workspace.store.root} --chunks {int(chunk)}"
        )


def _counting(chunks: Sequence[str], progress: Callable[[int], None]) -> Iterator[str]:
    for done, chunk in enumerate(chunks):
        progress(done)
        yield chunk
    progress(len(chunks))
