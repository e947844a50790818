"""Ego states at 10 Hz to meta-action spans: the stage's own table in and out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from coc_assets.meta_actions.kernels import label_clips
from coc_assets.meta_actions.rules import AXES, CUTTING_ACTION, LATERAL, LONGITUDINAL, program
from resources import schemas
from resources.settings.meta_actions import MetaActionSettings

_COLUMNS = ("x_m", "y_m", "heading_rad", "speed_mps", "speed_along_heading_mps", "acceleration_mps2")


@dataclass(frozen=True)
class EgoStates:
    """Ego states of C clips, one after the other; resampled egomotion has these arrays too.

    Attributes:
        offsets: (C + 1,) int64, where each clip's frames begin in the arrays below, and their end.
        x, y: (F,) m, local frame.
        heading: (F,) rad.
        speed, speed_along_heading: (F,) m/s.
        acceleration: (F,) unsmoothed, m/s².
    """

    offsets: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    speed: np.ndarray
    speed_along_heading: np.ndarray
    acceleration: np.ndarray


@dataclass(frozen=True)
class Spans:
    """S spans of all clips of a chunk.

    Attributes:
        clip: (S,) position of the clip.
        axis: (S,) position of the axis in `AXES`.
        rule: (S,) row of the axis's rule table.
        start, end: (S,) half-open, frames.
        measures: (S, M) figures in the order of the axis's measure table.
    """

    clip: np.ndarray
    axis: np.ndarray
    rule: np.ndarray
    start: np.ndarray
    end: np.ndarray
    measures: np.ndarray


def build(trajectories: pl.DataFrame, settings: MetaActionSettings) -> pl.DataFrame:
    """The `meta_actions` table of a chunk from its `trajectories` table."""
    clip_ids, states = read_states(trajectories)
    frame = spans_frame(label_spans(states, settings), clip_ids)
    if "chunk" in trajectories.columns and trajectories.height:
        frame = frame.with_columns(chunk=pl.lit(trajectories["chunk"][0]))
    return schemas.conform(frame, schemas.META_ACTION_SPANS)


def read_states(trajectories: pl.DataFrame) -> tuple[pl.Series, EgoStates]:
    """The table's clips, in its order, and its columns as arrays.

    Raises:
        ValueError: a clip's frames do not count up from 0 in consecutive rows.
    """
    runs = trajectories["clip_id"].rle().struct.unnest()
    offsets = np.concatenate([[0], np.cumsum(runs["len"].to_numpy(), dtype=np.int64)])
    _require_counting_frames(trajectories, offsets)
    columns = (trajectories[name].to_numpy() for name in _COLUMNS)
    return runs["value"], EgoStates(offsets, *columns)


def label_spans(states: EgoStates, settings: MetaActionSettings) -> Spans:
    """Longitudinal and lateral spans of every clip, by the meta-action rules; clips of one frame have none."""
    series = (states.x, states.y, states.heading, states.speed, states.speed_along_heading, states.acceleration)
    x, y, heading, speed, along, acceleration = map(_frozen, series)
    spans, measures = label_clips(
        states.offsets,
        x,
        y,
        heading,
        speed,
        along,
        acceleration,
        program(LONGITUDINAL, settings),
        program(LATERAL, settings),
        [rule.action for rule in LONGITUDINAL.rules].index(CUTTING_ACTION),
        settings.hold_ticks,
        settings.smoothing_ticks,
        settings.negligible_distance,
    )
    clip, axis, rule, start, end = spans.T
    return Spans(clip, axis, rule, start, end, measures)


def spans_frame(spans: Spans, clip_ids: pl.Series) -> pl.DataFrame:
    """The `meta_actions` table without its chunk: clips in the order given, longitudinal first, spans by start."""
    order = np.lexsort((spans.end, spans.start, spans.axis, spans.clip))
    code, rule = spans.axis[order], spans.rule[order]
    names = pl.Series([rule.action for axis in AXES for rule in axis.rules])
    return pl.DataFrame(
        {
            "clip_id": clip_ids.gather(spans.clip[order].astype(np.uint32)),
            "axis": pl.Series([axis.axis for axis in AXES]).gather(code.astype(np.uint32)),
            "action": names.gather((rule + code * len(LONGITUDINAL.rules)).astype(np.uint32)),
            "start_frame": spans.start[order].astype(np.int32),
            "end_frame": spans.end[order].astype(np.int32),
            "measures": _named(spans.measures[order], code),
        }
    )


def _frozen(values: np.ndarray) -> np.ndarray:
    """The values as the one kind of array that the kernels are compiled for: contiguous, read-only."""
    view: np.ndarray = np.ascontiguousarray(values, np.float64).view()
    view.flags.writeable = False
    return view


def _named(measures: np.ndarray, code: np.ndarray) -> pl.Series:
    """One list of named values a span, names by its axis; built in Arrow's form, which polars takes as it is."""
    names = pl.Series([measure.name for axis in AXES for measure in axis.measures])
    per_span = measures.shape[1]
    which = code[:, np.newaxis] * per_span + np.arange(per_span)
    values = pl.DataFrame({"name": names.gather(which.ravel().astype(np.uint32)), "value": measures.ravel()})
    offsets = pa.array(np.arange(len(measures) + 1) * per_span)
    series = pl.from_arrow(pa.LargeListArray.from_arrays(offsets, values.to_struct().to_arrow()))
    assert isinstance(series, pl.Series)
    return series


def _require_counting_frames(trajectories: pl.DataFrame, offsets: np.ndarray) -> None:
    frame = trajectories["frame"].to_numpy()
    wrong = np.flatnonzero(frame != np.arange(len(frame)) - np.repeat(offsets[:-1], np.diff(offsets)))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"Trajectories of clip {trajectories['clip_id'][row]}: frame {frame[row]} at row {row} is out of turn; "
            "each clip's frames must count up from 0 in consecutive rows. Make trajectory_cache again."
        )
