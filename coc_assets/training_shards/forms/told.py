"""What a form is told of each sample, and what it says it wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from coc_assets.training_shards.selection import Row

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sources:
    """What forms get from elsewhere.

    Attributes:
        rarest_first: meta-actions; those it lacks are commoner (`keyframes.rarest_first`).
        question: what the human asks in `vlm_json`.
        clip_index: the rows of the dataset's clip index for these clips, as they stand there, `clip_id` as the index.
        video: puts a sample's video (mp4, up to t0) at a path; False where it has none.
    """

    rarest_first: Sequence[str]
    question: str
    clip_index: Callable[[Collection[str]], pd.DataFrame]
    video: Callable[[Row, Path], bool]


@dataclass(frozen=True)
class Written:
    """What a form wrote.

    Attributes:
        files: relative to the folder that holds the form's own.
        samples: that it holds.
        left_out: samples that it cannot hold, by reason.
    """

    files: list[str]
    samples: int
    left_out: Counter[str] = field(default_factory=Counter)


def told_of(samples: pl.DataFrame, labels: pl.DataFrame, keyframes: pl.DataFrame, clips: pl.DataFrame) -> list[Row]:
    """A row a sample, by split, clip and instant: its label's row of `raw_coc`, and what forms need around it.

    Added are `split`, `frame` and `action` of the keyframe, and `first_us` of the clip.

    Args:
        samples, labels, keyframes, clips: the tables `samples`, `raw_coc`, `keyframes` and `clips` of the same chunks.
    """
    told = (
        samples.select("label_id", "keyframe_id", "clip_id", "t0_us", "split", "action")
        .join(labels.drop("chunk", "keyframe_id", "clip_id", "t0_us", "raw_response", "responses"), on="label_id")
        .join(keyframes.select("keyframe_id", "frame"), on="keyframe_id", how="left")
        .join(clips.select("chunk", "clip_id", "first_us"), on="clip_id", how="left")
    )
    return told.sort("split", "clip_id", "t0_us").to_dicts()


def by_split(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Splits with their rows, in the rows' own order, which is by split."""
    for split, of_split in groupby(rows, key=lambda row: row["split"]):
        yield str(split), list(of_split)
