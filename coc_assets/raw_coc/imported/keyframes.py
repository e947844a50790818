"""Keyframes of labels that were made at instants of their own: imported ones, and edits of such as are gone."""

from __future__ import annotations

from typing import TypeVar

import polars as pl

from coc_assets.keyframe_segments.selection import is_trainable
from resources import schemas
from resources.schemas import FRAME_US
from resources.settings.keyframes import KeyframeSettings

_Us = TypeVar("_Us", int, pl.Expr)


def nearest_frame(t0_us: _Us, first_us: _Us) -> _Us:
    """The frame that lies nearest to an instant, the later one of two; negative before the clip. All in µs."""
    return (t0_us - first_us + FRAME_US // 2) // FRAME_US


def with_keyframes_of(
    keyframes: pl.DataFrame, labels: pl.DataFrame, clips: pl.DataFrame, settings: KeyframeSettings
) -> pl.DataFrame:
    """The keyframes, and those of labels from elsewhere that are not among them.

    Labels that were made here are made of keyframes: one whose keyframe is gone stays without.

    Args:
        keyframes: `keyframes`. labels: `raw_coc`. clips: `clips`.
        settings: what a trainable keyframe is.

    Returns:
        Rows of `keyframes`. Of the added ones `frame` is the nearest, and no action, event end, mode or scenario is
        known. A label of a clip that the store does not have, or outside it, gets none.
    """
    elsewhere = labels.filter(pl.col("origin").is_not_null()).unique("keyframe_id", keep="first", maintain_order=True)
    own = elsewhere.select("chunk", "keyframe_id", "clip_id", "t0_us").join(keyframes, on="keyframe_id", how="anti")
    if own.is_empty():
        return keyframes
    frame = nearest_frame(pl.col("t0_us"), pl.col("first_us"))
    placed = (
        own.join(clips.select("clip_id", "first_us", "frames"), on="clip_id", how="inner", maintain_order="left")
        .with_columns(frame=frame)
        .filter((pl.col("frame") >= 0) & (pl.col("frame") < pl.col("frames")))
        .with_columns(event_start_frame="frame", trainable=is_trainable(settings))
        .drop("first_us", "frames")
        .sort("clip_id", "t0_us")
    )
    return pl.concat([keyframes, schemas.conform(placed, schemas.KEYFRAMES)])
