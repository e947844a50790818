"""The labels that want a look first, with pictures, and what about each is bad."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.review.blind import policy_of, rules_of_people
from coc_assets.review.payload import page_of
from coc_assets.review.pictures import Pictures, pictures_of
from coc_assets.review.reading import ChunkTables, read_chunk
from coc_assets.sources.video import VideoError
from coc_assets.stage import Workspace
from resources.settings import Settings
from resources.sql import query

Row = dict[str, Any]

MOST_LABELS = 10
_SHOWN_S = (-1.5, 0.0, 2.0, 4.0)
"""Instants, s from the keyframe, whose nearest frames are shown: before, at and after the decision."""
_WORST = """
WITH unseen AS (
  SELECT chunk, label_id, keyframe_id, clip_id, labeler, verdict, reasons, policy_version
  FROM filtered_coc WHERE verdict <> 'keep' AND NOT list_has_any(reasons, {people})
), ranked AS (
  SELECT *, row_number() OVER (
    PARTITION BY labeler, verdict, reasons[1] ORDER BY len(reasons) DESC, label_id) AS turn
  FROM unseen
)
SELECT chunk, label_id, keyframe_id, clip_id, labeler, verdict, reasons, policy_version FROM ranked
ORDER BY turn, verdict = 'reject' DESC, len(reasons) DESC, label_id LIMIT {most}
"""


@dataclass(frozen=True)
class Reason:
    """One rule of the policy that fired on a label.

    Attributes:
        rule: its name. hint: what it says. condition: when it fires. value: what was measured. detail: behind it.
    """

    rule: str
    hint: str
    condition: str
    value: float | None
    detail: str | None


@dataclass(frozen=True)
class Picture:
    """One frame: its instant from the keyframe, s, and its JPEG."""

    at_s: float
    jpeg: bytes


@dataclass(frozen=True)
class WorstLabel:
    """A label that is not kept.

    Attributes:
        label: what it says (`review.payload.LABEL_SHOWN`). action: its keyframe's meta-action.
        t0_s: the keyframe, s on the clip's clock. reasons: why it is not kept, the deciding one first.
        motion: t_s and speed_mps around the keyframe; None where the clip is gone.
        pictures: a few frames; problem: why there are none.
    """

    chunk: str
    label_id: str
    keyframe_id: str
    clip_id: str
    labeler: str
    verdict: str
    label: Row
    action: str | None
    t0_s: float | None
    reasons: tuple[Reason, ...]
    motion: Row | None
    pictures: tuple[Picture, ...]
    problem: str | None


def worst_labels(workspace: Workspace, most: int = MOST_LABELS) -> list[WorstLabel]:
    """Labels that are not kept, rejected ones first: of each deciding reason in turn the label with most reasons.

    Labels that people decided about are left out: who reviews is not to be told first what others said.
    """
    sql = _WORST.format(people=sorted(_rules_of_people(workspace.settings)) or "[]::VARCHAR[]", most=most)
    chosen = query(workspace.store, sql)
    with tempfile.TemporaryDirectory(prefix="coc-report-") as folder:
        pictures = Pictures(workspace, Path(folder))
        told = [
            label
            for (chunk,), rows in chosen.group_by(["chunk"], maintain_order=True)
            for label in _of_chunk(workspace, str(chunk), rows, pictures)
        ]
    return sorted(told, key=lambda one: (one.verdict != "reject", -len(one.reasons), one.label_id))


def _rules_of_people(settings: Settings) -> frozenset[str]:
    from coc_assets.filtered_coc.policy import load_policy, packaged_policies

    names = (settings.filtering.policy, *packaged_policies())
    return frozenset().union(*(rules_of_people(load_policy(name)) for name in names))


def _of_chunk(workspace: Workspace, chunk: str, rows: pl.DataFrame, pictures: Pictures) -> Iterator[WorstLabel]:
    tables = read_chunk(workspace.store, chunk)
    for row in rows.iter_rows(named=True):
        label = next(tables.labels.filter(pl.col("label_id") == row["label_id"]).iter_rows(named=True), None)
        if label is not None:  # replaced while this was read
            yield _told(workspace, row, label, tables, pictures)


def _told(workspace: Workspace, row: Row, label: Row, tables: ChunkTables, pictures: Pictures) -> WorstLabel:
    settings = workspace.settings
    page = page_of(label, tables, policy_of(row["policy_version"], settings), settings, blind=True)
    frames, problem = _pictures(label, row["chunk"], tables, pictures, settings.videos.camera)
    keyframe = page["keyframe"]
    return WorstLabel(
        **{name: row[name] for name in ("chunk", "label_id", "keyframe_id", "clip_id", "labeler", "verdict")},
        label=page["label"],
        action=keyframe["action"],
        t0_s=None if label["t0_us"] is None else label["t0_us"] / 1e6,
        reasons=tuple(_reasons(page)),
        motion=page["motion"],
        pictures=frames,
        problem=problem,
    )


def _reasons(page: Row) -> Iterator[Reason]:
    measured = {rule: figure for figure in page["measurements"] for rule in figure["rules"]}
    for reason in page["verdict"]["reasons"]:
        figure = measured.get(reason["rule"], {})
        yield Reason(
            reason["rule"], reason["hint"], reason["condition"], figure.get("value"), figure.get("detail") or None
        )


def _pictures(
    label: Row, chunk: str, tables: ChunkTables, pictures: Pictures, camera: str
) -> tuple[tuple[Picture, ...], str | None]:
    known = pictures_of(label, tables.segments, camera)
    if known["problem"]:
        return (), known["problem"]
    try:
        frames = pictures.frames(chunk, tables, label["keyframe_id"])
    except VideoError as error:
        return (), error.hint
    except OSError as error:
        return (), f"its video cannot be read ({error})"
    shown = list(zip(known["frames_s"], frames, strict=False))
    return tuple(Picture(at_s, jpeg) for at_s, jpeg in _nearest(shown)), None


def _nearest(frames: Sequence[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """The frames nearest to the instants that are shown, each once, in order."""
    if not frames:
        return []
    chosen = {min(frames, key=lambda frame: abs(frame[0] - at_s))[0] for at_s in _SHOWN_S}
    return [frame for frame in frames if frame[0] in chosen]
