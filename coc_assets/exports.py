"""`coc export`: the interchange forms that other tools read, over the whole store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml

from coc_assets.keyframe_segments.interchange import sampled_segments, segments_json, segments_text
from coc_assets.meta_actions.interchange import final_output_text
from coc_assets.stage import StageError, Workspace
from resources import schemas
from resources.receipts import read_receipt
from resources.schemas import FRAME_US
from resources.store import Store

ExportForm = Literal["meta-actions", "keyframes", "cot-yaml", "jsonl"]
SEGMENTS_ALL = "segments_relative_timestamp_all.json"
SEGMENTS_SAMPLED = "segments_relative_timestamp_sampled.json"
_TRACE_PARTS = ("perception", "prediction", "planning", "justification")


def export(
    form: ExportForm, workspace: Workspace, chunks: Sequence[str], out: Path, progress: Callable[[int], None]
) -> str:
    """Writes one interchange form of every chunk below `out` and says what was written.

    Raises:
        StageError: a chunk lacks the asset that the form is made from; the message names the command that makes it.
    """
    needed = "meta_actions" if form in ("meta-actions", "keyframes") else "filtered_coc"
    for chunk in chunks:
        _require(workspace, needed, chunk)
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
        content = {
            "event_start_frame": label["frame"],
            # This form counts from the clip's first egomotion sample, not on the clip's clock.
            "event_start_timestamp": label["frame"] * FRAME_US,
            "coc_prompt_version": label["prompt_version"],
            "final_content": {"ego_behavior_schema": {"effect_on_ego_behavior": label["trace"]}},
        }
        name = f"cot_{content['event_start_timestamp']}.yaml"
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        out.write_bytes(out.root / label["clip_id"] / name, text.encode())
        written += 1
    return f"{written} files <clip_id>/cot_<event_start_timestamp>.yaml"


def _write_jsonl(workspace: Workspace, chunks: Iterator[str], out: Store) -> str:
    fields = ("clip_id", "t0_us", *_TRACE_PARTS)
    lines = [
        json.dumps({name: label[name] for name in fields}, ensure_ascii=False)
        for label in _kept_labels(workspace, chunks)
    ]
    out.write_bytes(out.root / "labels.jsonl", "".join(f"{line}\n" for line in lines).encode())
    return f"{len(lines)} lines in labels.jsonl"


_WRITERS: dict[ExportForm, Callable[[Workspace, Iterator[str], Store], str]] = {
    "meta-actions": _write_meta_actions,
    "keyframes": _write_keyframes,
    "cot-yaml": _write_cot_yaml,
    "jsonl": _write_jsonl,
}


def _kept_labels(workspace: Workspace, chunks: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Of each keyframe the kept label that comes first by the labelers' preference, in chunk and keyframe order."""
    order = {name: rank for rank, name in enumerate(workspace.settings.preferred_labelers)}
    for chunk in chunks:
        kept = workspace.store.read_table(schemas.VERDICTS, chunk).filter(pl.col("verdict") == "keep")
        labels = workspace.store.read_labels(chunk).join(kept.select("label_id"), on="label_id", how="semi")
        frames = workspace.store.read_table(schemas.KEYFRAMES, chunk).select("keyframe_id", "frame")
        preferred = (
            labels.filter(pl.col("labeler").is_in(list(order)))
            .with_columns(rank=pl.col("labeler").replace_strict(order, return_dtype=pl.Int32))
            .sort("keyframe_id", "rank", "label_id")
            .unique("keyframe_id", keep="first", maintain_order=True)
        )
        yield from preferred.join(frames, on="keyframe_id", maintain_order="left").iter_rows(named=True)


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
