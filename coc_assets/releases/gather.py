"""What a store has to release: its finished chunks, and the samples in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import polars as pl

from coc_assets.stage import StageError, Workspace
from coc_assets.status import ChunkStatus, chunk_status
from coc_assets.training_shards.writer import INDEX, MANIFEST
from resources import schemas
from resources.settings import Settings
from resources.store import LABELER_PREFIX, Store, sha256_of_file

STAGE = schemas.SAMPLES.asset
SAMPLES = pl.Schema(
    {
        "chunk": pl.String,
        "key": pl.String,
        "clip_id": pl.String,
        "t0_us": pl.Int64,
        "split": pl.String,
        "label_id": pl.String,
        "labeler": pl.String,
        "model": pl.String,
        "prompt_version": pl.String,
        "policy_version": pl.String,
        "action": pl.String,
        "scenario": pl.String,
        "longitudinal_decision": pl.String,
        "lateral_decision": pl.String,
        "lateral_direction": pl.String,
        "cot_sha256": pl.String,  # of the trace
        "size": pl.Int64,  # of the group in a shard, bytes; null without wds
        "crc32": pl.Int64,  # of the same bytes
    }
)
"""Columns of a release's `samples.parquet`."""
PLACES = pl.Schema({"shard": pl.String, "offset": pl.Int64})
"""Where a sample lies in its chunk: the shard relative to the store, and its first byte; null without wds."""

_READ: Mapping[str, tuple[str, ...]] = {
    "trajectory_cache": ("clips.parquet", "trajectories.parquet"),
    "keyframe_segments": ("keyframes.parquet",),
    "raw_coc": (f"{LABELER_PREFIX}*.parquet",),
    "filtered_coc": ("filtered_coc.parquet",),
    STAGE: ("samples.parquet", INDEX, MANIFEST),
}
"""Files of a chunk that a release reads whole, by stage."""

Progress = Callable[[int, int], None]


class ReleaseError(StageError):
    """A set cannot be released; the message names what stands in the way and the mend."""


class DamagedSourceError(ReleaseError):
    """A file of a chunk is not as it was written; the message names it, the sample and the command that mends it."""


@dataclass(frozen=True)
class Standing:
    """Chunks of a store by whether they can be released.

    Attributes:
        finished: their status, by chunk. unfinished: why not, by chunk.
    """

    finished: dict[str, ChunkStatus]
    unfinished: dict[str, str]


def standing_of(workspace: Workspace, chunks: Sequence[str], progress: Progress) -> Standing:
    """Which chunks can be released: their shards are made, fresh under the settings, and passed their checks."""
    finished, unfinished = {}, {}
    for done, chunk in enumerate(chunks, start=1):
        status = chunk_status(workspace, chunk)
        why = _why_not(status)
        if why:
            unfinished[chunk] = why
        else:
            finished[chunk] = status
        progress(done, len(chunks))
    return Standing(finished, unfinished)


def mend(settings: Settings, chunks: Sequence[str], again: str | None = None) -> str:
    """The command that finishes chunks, or makes a stage of finished ones again."""
    words = ["coc run", f"--dataset {settings.dataset or 'DIR'}", f"--store {settings.store}"]
    words.append("--chunks " + ",".join(str(int(chunk)) for chunk in chunks))
    words += [f"--labeler {settings.labeler}"] if settings.labeler != "rules" else []
    words += [f"--judge {settings.filtering.judge.model}"] if settings.filtering.judge.model else []
    words += [f"--select {again} --force"] if again else []
    return " ".join(words)


def damaged(settings: Settings, chunk: str, file: str, what: str) -> DamagedSourceError:
    """The error that says what is wrong with a chunk's file, relative to the store, and how to mend it."""
    again = mend(settings, [chunk], again=Path(file).parts[0])
    return DamagedSourceError(f"{settings.store / file} {what}. Nothing was released. Make it again: {again}")


def samples_of(settings: Settings, chunks: Mapping[str, ChunkStatus], progress: Progress) -> pl.DataFrame:
    """Every sample of the chunks, one chunk read at a time: columns of `SAMPLES` and `PLACES`, by chunk and key.

    Raises:
        DamagedSourceError: a table that a release reads is not as its receipt says.
        ReleaseError: a clip lies in two chunks or in two splits.
    """
    frames = [pl.DataFrame(schema=SAMPLES | PLACES)]
    for done, (chunk, status) in enumerate(chunks.items(), start=1):
        _require_as_written(settings, status)
        frames.append(_samples_of_chunk(Store(settings.store), chunk))
        progress(done, len(chunks))
    samples = pl.concat(frames)
    for column, what in (("chunk", "chunks"), ("split", "splits")):
        _require_one(samples, column, what)
    return samples


def _why_not(status: ChunkStatus) -> str | None:
    state = status.states[STAGE]
    receipt = status.receipts.get(STAGE)
    if state == "failed" and receipt:
        return f"{STAGE} failed: {receipt.error}"
    if state != "done":
        first = next(name for name, of_stage in status.states.items() if of_stage != "done")
        return f"{STAGE} is {state}" + (f", because {first} is {status.states[first]}" if first != STAGE else "")
    failed = receipt.failed_checks() if receipt else []
    return f"checks failed: {', '.join(failed)}" if failed else None


def _require_as_written(settings: Settings, status: ChunkStatus) -> None:
    """Damaged tables are not opened: what was sampled from one would be wrong, and it can end the process."""
    store = Store(settings.store)
    for stage, patterns in _READ.items():
        folder = store.partition(stage, status.chunk)
        for name, sha256 in sorted(status.receipts[stage].outputs.items()):
            if any(fnmatch(name, pattern) for pattern in patterns) and sha256_of_file(folder / name) != sha256:
                raise damaged(settings, status.chunk, store.relative(folder / name), "is not as it was written")


def _samples_of_chunk(store: Store, chunk: str) -> pl.DataFrame:
    samples = store.read_table(schemas.SAMPLES, chunk).rename({"keyframe_id": "key"})
    labels = store.read_labels(chunk).select("label_id", "model", "prompt_version", "trace")
    policies = store.read_table(schemas.VERDICTS, chunk).select("label_id", "policy_version")
    text_hash = pl.col("trace").map_elements(_text_hash, return_dtype=pl.String)
    return (
        samples.join(labels, on="label_id", how="left", maintain_order="left")
        .join(policies, on="label_id", how="left", maintain_order="left")
        .join(_checksums(store, chunk), on="key", how="left", maintain_order="left")
        .with_columns(cot_sha256=text_hash)
        .select((SAMPLES | PLACES).names())
        .cast(dict(SAMPLES | PLACES))  # type: ignore[arg-type]
    )


def _text_hash(trace: str) -> str:
    return hashlib.sha256(trace.encode()).hexdigest()


def _checksums(store: Store, chunk: str) -> pl.DataFrame:
    """crc32 of each sample's group; no rows where the chunk has no shards."""
    index = store.partition(STAGE, chunk) / INDEX
    if not index.is_file():
        return pl.DataFrame(schema={"key": pl.String, "crc32": pl.Int64})
    return pl.read_parquet(index, columns=["key", "crc32"], hive_partitioning=False)


def in_several(samples: pl.DataFrame, column: str) -> pl.DataFrame:
    """Clips that have several values of a column: a row a clip and value, sorted."""
    return samples.select("clip_id", column).unique().filter(pl.col("clip_id").is_duplicated()).sort("clip_id", column)


def _require_one(samples: pl.DataFrame, column: str, what: str) -> None:
    """Each clip has one value of a column."""
    twice = in_several(samples, column)
    if twice.height:
        clip_id = twice["clip_id"][0]
        both = twice.filter(pl.col("clip_id") == clip_id)[column].to_list()
        raise ReleaseError(
            f"Clip {clip_id} lies in {what} {' and '.join(both)}, and {twice['clip_id'].n_unique()} "
            f"{'clip does' if twice['clip_id'].n_unique() == 1 else 'clips do'}. A clip belongs to one; release only "
            "one of the chunks (--chunks), or make them again from one dataset and one split file."
        )


def versions_of(statuses: Mapping[str, ChunkStatus]) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """Data versions by chunk and stage, and code versions by stage, as the chunks' receipts tell them."""
    data = {
        chunk: {name: receipt.data_version for name, receipt in sorted(status.receipts.items()) if receipt.data_version}
        for chunk, status in sorted(statuses.items())
    }
    code: dict[str, set[str]] = {}
    for status in statuses.values():
        for name, receipt in status.receipts.items():
            code.setdefault(name, set()).update(made.code_version for made in receipt.fingerprints.values())
    return data, {name: sorted(versions) for name, versions in sorted(code.items())}
