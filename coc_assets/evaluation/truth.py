"""The scripted answers of a generated dataset, and the keyframes that mark their onsets.

Only `coc sample` knows why its ego acts. A scripted answer holds from its onset; the keyframe that marks it lies half a
second before the meta-action that the onset begins (label rules, Keyframes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from coc_assets.sample.generate import TRUTH_SCHEMA
from coc_assets.sample.writer import TRUTH

TOLERANCE_S = 1.5
"""A keyframe marks an onset at most this far from it: half the 3 s that keyframes, and scripted onsets, keep apart."""

MATCH_COLUMNS = ("keyframe_id", "clip_id", "t0_us", "lag_s")

_US_PER_S = 1_000_000


class TruthError(Exception):
    """There is no scripted truth to compare with; the message names the file and the mend."""


@dataclass(frozen=True)
class Coverage:
    """How many scripted answers and keyframes found each other, and what became of the others.

    Attributes:
        truths: scripted answers.
        matched_truths: with a keyframe.
        steady_truths: without, as nothing happens in their clip and no keyframe lies in it.
        defective_truths: without, in clips that are damaged on purpose.
        missed_truths: without, for no such reason.
        keyframes: keyframes of the same chunks.
        matched_keyframes: with a scripted answer.
        damaged_keyframes: of these those in clips that are damaged on purpose.
        later_keyframes: without; they lie within a scripted event or at its end.
    """

    truths: int
    matched_truths: int
    steady_truths: int
    defective_truths: int
    missed_truths: int
    keyframes: int
    matched_keyframes: int
    damaged_keyframes: int
    later_keyframes: int


def read_truth(dataset: Path, chunks: Sequence[str] | None = None) -> pl.DataFrame:
    """The scripted answers of a generated dataset: rows of `truth.parquet`.

    Args:
        chunks: only those of these chunks.

    Raises:
        TruthError: the dataset has no `truth.parquet`, or one of another make.
    """
    path = dataset / TRUTH
    if not path.is_file():
        raise TruthError(
            f"{dataset} has no {TRUTH}: only datasets that `coc sample` generated know the answers. "
            "Compare two labelers instead (--against NAME), or name a generated dataset."
        )
    truth = pl.read_parquet(path)
    missing = [name for name in TRUTH_SCHEMA if name not in truth.columns]
    if missing:
        raise TruthError(f"{path} lacks {', '.join(missing)}: generate the dataset anew (coc sample --out DIR).")
    truth = truth.select(*TRUTH_SCHEMA)
    return truth if chunks is None else truth.filter(pl.col("chunk").is_in(list(chunks)))


def match_truth(truth: pl.DataFrame, keyframes: pl.DataFrame) -> pl.DataFrame:
    """The keyframes that mark a scripted onset, each with its scripted answer.

    An onset is marked by the nearest keyframe of its clip within `TOLERANCE_S`, and a keyframe marks one onset. An
    answer without an onset (an ego that drives on as it did) holds at every keyframe of its clip.

    Args:
        truth: rows of `truth.parquet`.
        keyframes: rows of `keyframes`; `keyframe_id`, `clip_id` and `t0_us` are read.

    Returns:
        One row a matched keyframe, by clip and instant: `keyframe_id`, `clip_id`, `t0_us`, `lag_s` (keyframe after
        onset, s; null without an onset) and the truth's columns.
    """
    pairs = _pairs(truth, keyframes)
    marked = (
        pairs.filter(pl.col("lag_s").abs() <= TOLERANCE_S)
        .sort(pl.col("lag_s").abs(), "keyframe_id")
        .unique("row", keep="first", maintain_order=True)
        .unique("keyframe_id", keep="first", maintain_order=True)
    )
    steady = pairs.filter(pl.col("onset_us").is_null()).join(marked, on="keyframe_id", how="anti")
    columns = [*MATCH_COLUMNS, *(name for name in truth.columns if name not in MATCH_COLUMNS)]
    return pl.concat([marked, steady]).sort("clip_id", "t0_us").select(columns)


def coverage(truth: pl.DataFrame, keyframes: pl.DataFrame) -> Coverage:
    """What `match_truth` matches of the same two frames, and why not the rest."""
    matched = match_truth(truth, keyframes)
    answered = matched.select("clip_id", "onset_us").unique()
    left = truth.join(answered, on=["clip_id", "onset_us"], how="anti", nulls_equal=True)
    defective, steady = pl.col("defect").is_not_null(), pl.col("onset_us").is_null()
    return Coverage(
        truths=truth.height,
        matched_truths=truth.height - left.height,
        steady_truths=left.filter(steady & ~defective).height,
        defective_truths=left.filter(defective).height,
        missed_truths=left.filter(~steady & ~defective).height,
        keyframes=keyframes.height,
        matched_keyframes=matched.height,
        damaged_keyframes=matched.filter(defective).height,
        later_keyframes=keyframes.height - matched.height,
    )


def _pairs(truth: pl.DataFrame, keyframes: pl.DataFrame) -> pl.DataFrame:
    """Every scripted answer with every keyframe of its clip."""
    lag = (pl.col("t0_us") - pl.col("onset_us")) / _US_PER_S
    shown = keyframes.select("keyframe_id", "clip_id", "t0_us")
    return truth.with_row_index("row").join(shown, on="clip_id").with_columns(lag_s=lag)
