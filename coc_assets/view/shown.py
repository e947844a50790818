"""What there is to show of a clip: motion, meta-actions, surroundings, keyframes and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from coc_assets.raw_coc.imported.keyframes import with_keyframes_of
from coc_assets.raw_coc.rules.geometry import Boxes, Ego, boxes_of, ego_of
from coc_assets.raw_coc.rules.motion import driven_curvature
from coc_assets.review.reading import ChunkTables
from coc_assets.view.finding import Found
from resources.schemas import FRAME_S
from resources.settings import Settings
from resources.settings.labels import BodySettings, ManoeuvreSettings

Row = dict[str, Any]

MICRO = 1e-6


@dataclass(frozen=True)
class Label:
    """A label and what became of it.

    Attributes:
        row: its row of `raw_coc`.
        verdict: keep, review or reject; None where it is not judged.
        reasons: names of the policy's rules that fired.
    """

    row: Row
    verdict: str | None
    reasons: tuple[str, ...]

    @property
    def causes(self) -> list[Row]:
        """Its components, most important first."""
        return sorted(self.row["components"] or [], key=lambda one: one["rank"])


@dataclass(frozen=True)
class Keyframe:
    """An instant that was labelled, or was to be.

    Attributes:
        number: 1 for the clip's first one.
        t0_s: clip clock, s.
        row: its row of `keyframes`.
        labels: the one that is shown first.
    """

    number: int
    t0_s: float
    row: Row
    labels: tuple[Label, ...]

    @property
    def keyframe_id(self) -> str:
        return str(self.row["keyframe_id"])

    @property
    def label(self) -> Label | None:
        return self.labels[0] if self.labels else None


@dataclass(frozen=True)
class Span:
    """A meta-action from one instant to another, clip clock, s."""

    axis: str
    action: str
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Shown:
    """Everything that is shown of a clip but its video.

    Attributes:
        found: the clip, and the keyframe or label that is marked.
        clip: its row of `clips`.
        trajectory: its rows of `trajectories`, T frames.
        ego: the same, as arrays.
        curvature: (T,) of the driven path, left positive, 1/m; NaN where the clip holds too little around it.
        spans: by axis and time.
        tracks: its rows of `tracks`. boxes: the same in the local frame.
        keyframes: by time.
        window_s: what bears on a keyframe: before and after it, s.
        body: the ego's outline.
    """

    found: Found
    clip: Row
    trajectory: pl.DataFrame
    ego: Ego
    curvature: np.ndarray
    spans: tuple[Span, ...]
    tracks: pl.DataFrame
    boxes: Boxes
    keyframes: tuple[Keyframe, ...]
    window_s: tuple[float, float]
    body: BodySettings

    @property
    def t_s(self) -> np.ndarray:
        """(T,) instants of the frames, clip clock, s."""
        return self.ego.t_us * MICRO

    @property
    def marked(self) -> Keyframe | None:
        return next((one for one in self.keyframes if one.keyframe_id == self.found.keyframe_id), None)

    def at(self, t_s: float) -> int:
        """The frame that an instant belongs to: the last one that has begun, or the first."""
        return max(int(np.searchsorted(self.ego.t_us, round(t_s / MICRO), side="right")) - 1, 0)

    def actions(self, t_s: float) -> dict[str, str]:
        """Meta-action by axis at an instant."""
        return {span.axis: span.action for span in self.spans if span.from_s <= t_s < span.to_s}

    def keyframe_at(self, t_s: float) -> Keyframe | None:
        """The keyframe that an instant bears on: the marked one, else the nearest of those whose window holds it."""
        before, after = self.window_s
        holding = [one for one in self.keyframes if one.t0_s - before <= t_s <= one.t0_s + after]
        marked = next((one for one in holding if one is self.marked), None)
        return marked or min(holding, key=lambda one: abs(one.t0_s - t_s), default=None)


def shown_of(tables: ChunkTables, found: Found, settings: Settings, labeler: str | None = None) -> Shown:
    """What is shown of a clip.

    Args:
        labeler: only its labels; else all, those of the labelers that shards prefer first.
    """
    clip = tables.clips.filter(clip_id=found.clip_id).row(0, named=True)
    of_clip = pl.col("clip_id") == found.clip_id
    trajectory, tracks = tables.trajectories.filter(of_clip).sort("frame"), tables.tracks.filter(of_clip)
    ego = ego_of(trajectory)
    return Shown(
        found=found,
        clip=clip,
        trajectory=trajectory,
        ego=ego,
        curvature=curvature_of(ego, settings.labels.rules.manoeuvre),
        spans=spans_of(tables.spans.filter(of_clip), clip["first_us"]),
        tracks=tracks,
        boxes=boxes_of(tracks, ego),
        keyframes=_keyframes(tables, found, settings, labeler),
        window_s=(settings.videos.history_s, settings.videos.future_s),
        body=settings.labels.rules.body,
    )


def curvature_of(ego: Ego, settings: ManoeuvreSettings) -> np.ndarray:
    """Curvature of the driven path around each frame, (T,) 1/m, left positive; NaN at the clip's ends.

    It is measured as the `rules` labeler does: over `curvature_span_s`, and 0 where the ego hardly moves.
    """
    span = round(settings.curvature_span_s / FRAME_S)
    curvature = np.full(ego.frames, np.nan)
    if ego.frames > span:
        curvature[span // 2 : span // 2 + ego.frames - span] = driven_curvature(ego, 0, ego.frames - 1, settings)
    return curvature


def spans_of(spans: pl.DataFrame, first_us: int) -> tuple[Span, ...]:
    """Meta-actions in seconds on the clip's clock."""
    rows = spans.sort("axis", "start_frame").select("axis", "action", "start_frame", "end_frame").iter_rows()
    return tuple(
        Span(axis, action, *(first_us * MICRO + frame * FRAME_S for frame in ends)) for axis, action, *ends in rows
    )


def cited_tracks(labels: Sequence[Label]) -> dict[str, int]:
    """Rank of the component that cites a track, by track; the most important where several do."""
    ranked = [(one["track_id"], one["rank"]) for label in labels for one in label.causes if one["track_id"]]
    return dict(sorted(ranked, key=lambda pair: -pair[1]))


def _keyframes(tables: ChunkTables, found: Found, settings: Settings, labeler: str | None) -> tuple[Keyframe, ...]:
    of_clip = pl.col("clip_id") == found.clip_id
    rows = tables.labels.filter(of_clip)
    keyframes = with_keyframes_of(tables.keyframes.filter(of_clip), rows, tables.clips, settings.keyframes)
    verdicts = {row["label_id"]: row for row in tables.verdicts.filter(of_clip).iter_rows(named=True)}
    chosen = rows.filter(pl.col("labeler") == labeler) if labeler else rows
    labels = [_label(row, verdicts) for row in chosen.iter_rows(named=True)]
    return tuple(
        Keyframe(
            number,
            row["t0_us"] * MICRO,
            row,
            _of_keyframe(row["keyframe_id"], labels, settings.preferred_labelers, found.label_id),
        )
        for number, row in enumerate(keyframes.sort("t0_us", "keyframe_id").iter_rows(named=True), start=1)
    )


def _label(row: Row, verdicts: Mapping[str, Row]) -> Label:
    verdict = verdicts.get(row["label_id"])
    return Label(row, verdict["verdict"], tuple(verdict["reasons"] or ())) if verdict else Label(row, None, ())


def _of_keyframe(
    keyframe_id: str, labels: Sequence[Label], prefer: Sequence[str], named: str | None
) -> tuple[Label, ...]:
    """A keyframe's labels: the one that was named, then those of preferred labelers, then by name."""
    rank = {name: place for place, name in enumerate(prefer)}

    def order(label: Label) -> tuple[bool, int, str, str]:
        labeler = label.row["labeler"]
        return label.row["label_id"] != named, rank.get(labeler, len(rank)), labeler, label.row["label_id"]

    return tuple(sorted((one for one in labels if one.row["keyframe_id"] == keyframe_id), key=order))
