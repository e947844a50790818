"""What the store's tables hold, counted by SQL: clips to samples, rejects, distributions, agreement by chunk.

Every table is read once, by DuckDB; what comes back has a row a chunk at most, so a store of thousands of chunks is
summed up within a minute and in little memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from coc_assets.filtered_coc import consistency
from resources.sql import query
from resources.store import Store

NONE = "none"
"""Category of what is null: no decision on an axis."""

_CLIPS = """
SELECT count(*) AS usable, count_if(has_video) AS with_video, count_if(has_tracks) AS with_tracks,
       count_if(len(mended) > 0) AS mended
FROM clips
"""
_REJECTS = """
SELECT stage, severity, reason, feature, count(*) AS rows, count(DISTINCT chunk) AS chunks,
       count(DISTINCT (chunk, clip_id)) FILTER (clip_id IS NOT NULL) AS clips, min(hint) AS hint
FROM rejects GROUP BY ALL ORDER BY rows DESC, stage, reason, severity, feature
"""
_REJECTED_CLIPS = """
SELECT count(DISTINCT (chunk, clip_id)) AS clips FROM rejects
WHERE stage = 'trajectory_cache' AND severity = 'rejected' AND clip_id IS NOT NULL
"""
_SPANS = """
SELECT axis, action, count(*) AS spans, sum(end_frame - start_frame) / 10 AS seconds
FROM meta_actions GROUP BY ALL ORDER BY axis, spans DESC, action
"""
_KEYFRAMES = """
SELECT action, count(*) AS keyframes, count_if(trainable) AS trainable, count(DISTINCT (chunk, clip_id)) AS clips
FROM keyframes GROUP BY GROUPING SETS ((action), ()) ORDER BY keyframes DESC, action
"""
_SEGMENTS = """
SELECT count(DISTINCT (chunk, keyframe_id)) FILTER (status IN ('cut', 'on_demand')) AS filmed FROM segments
"""
_LABELS = f"""
SELECT r.labeler, r.status, coalesce(f.verdict, '{NONE}') AS verdict,
       coalesce(longitudinal_decision, '{NONE}') AS longitudinal_decision,
       coalesce(lateral_decision, '{NONE}') AS lateral_decision, coalesce(lateral_direction, '{NONE}') AS side,
       coalesce(scenario, '{NONE}') AS scenario, count(*) AS labels
FROM raw_coc r LEFT JOIN filtered_coc f USING (chunk, label_id) GROUP BY ALL ORDER BY ALL
"""
_SAMPLES = "SELECT split, labeler, count(*) AS samples FROM samples GROUP BY ALL ORDER BY samples DESC, split, labeler"
_REASONS = """
SELECT labeler, reason, count(*) AS labels, count_if(verdict = 'reject') AS rejected
FROM (SELECT labeler, verdict, unnest(reasons) AS reason FROM filtered_coc WHERE verdict <> 'keep')
GROUP BY ALL ORDER BY labels DESC, reason, labeler
"""
_BY_CHUNK = f"""
WITH axes AS (
  SELECT chunk, label_id, min(value) FILTER (name IN ('longitudinal', 'lateral')) AS agrees
  FROM measurements
  WHERE instrument = '{consistency.INSTRUMENT}' AND version = '{consistency.VERSION}'
  GROUP BY chunk, label_id
)
SELECT chunk, labeler, count(*) AS judged, count_if(verdict = 'keep') AS kept, count_if(verdict = 'review') AS review,
       count_if(verdict = 'reject') AS rejected, count(agrees) AS measured, count_if(agrees >= 1) AS agreeing
FROM filtered_coc LEFT JOIN axes USING (chunk, label_id) GROUP BY ALL ORDER BY chunk, labeler
"""
_JUDGED = """
SELECT chunk, instrument, version, name, count(value) AS labels, fsum(value) AS total
FROM measurements WHERE instrument LIKE 'judged\\_%' ESCAPE '\\' AND value IS NOT NULL
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Counts:
    """A store in figures.

    Attributes:
        clips: one row: usable, with_video, with_tracks, mended, rejected.
        rejects: stage, severity, reason, feature, rows, chunks, clips, hint (one of them), most rows first.
        spans: axis, action, spans, seconds.
        keyframes: action (null: all of them together), keyframes, trainable, clips; most first.
        filmed: keyframes with an evidence segment.
        labels: labeler, status, verdict, longitudinal_decision, lateral_decision, side, scenario, labels.
        reasons: labeler, reason, labels, rejected: rules that fired on labels that are not kept.
        samples: split, labeler, samples.
        by_chunk: chunk, labeler, judged, kept, review, rejected, measured, agreeing: labels whose decisions the motion
            speaks of, and those that it bears out on both axes.
        judged: chunk, instrument, version (judging model and prompt), name, labels, total: a model's scores.
    """

    clips: pl.DataFrame
    rejects: pl.DataFrame
    spans: pl.DataFrame
    keyframes: pl.DataFrame
    filmed: int
    labels: pl.DataFrame
    reasons: pl.DataFrame
    samples: pl.DataFrame
    by_chunk: pl.DataFrame
    judged: pl.DataFrame

    @property
    def labelers(self) -> list[str]:
        return sorted(self.labels["labeler"].unique())


def count_store(store: Store) -> Counts:
    """All figures of a store; a table with no file yet counts as empty."""
    return Counts(
        clips=_rows(store, _CLIPS).with_columns(rejected=_rows(store, _REJECTED_CLIPS)["clips"]),
        rejects=_rows(store, _REJECTS),
        spans=_rows(store, _SPANS),
        keyframes=_rows(store, _KEYFRAMES),
        filmed=int(_rows(store, _SEGMENTS).item()),
        labels=_rows(store, _LABELS),
        reasons=_rows(store, _REASONS),
        samples=_rows(store, _SAMPLES),
        by_chunk=_rows(store, _BY_CHUNK),
        judged=_rows(store, _JUDGED),
    )


def _rows(store: Store, sql: str) -> pl.DataFrame:
    """The rows of a query; DuckDB counts in 128 bits where it sums, which is no type to reckon with."""
    return query(store, sql).with_columns(pl.col(pl.Decimal).cast(pl.Int64))


# ---- clips to samples ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One step of the way from clips to samples.

    Attributes:
        name: what is counted. count: how many. of: how many the step before had, in the same unit; None begins anew.
        unit: clips, keyframes or labels. note: what else there is to say.
    """

    name: str
    count: int
    of: int | None
    unit: str
    note: str = ""

    @property
    def lost(self) -> int:
        return 0 if self.of is None else self.of - self.count


def funnel(counts: Counts) -> list[Step]:
    """Clips to keyframes."""
    clips = counts.clips.row(0, named=True)
    total = clips["usable"] + clips["rejected"]
    of_all = counts.keyframes.filter(pl.col("action").is_null())
    keyframes = of_all.row(0, named=True) if of_all.height else {"keyframes": 0, "trainable": 0, "clips": 0}
    return [
        Step("clips in the dataset", total, None, "clips"),
        Step("usable clips", clips["usable"], total, "clips", f"{clips['mended']} of them mended"),
        Step("clips with a keyframe", keyframes["clips"], clips["usable"], "clips"),
        Step("keyframes", keyframes["keyframes"], None, "keyframes", f"{keyframes['trainable']} of them trainable"),
        Step("keyframes with video", counts.filmed, keyframes["keyframes"], "keyframes"),
    ]


def label_funnel(counts: Counts, labeler: str) -> list[Step]:
    """What became of one labeler's labels; `of` is the step before."""
    rows = counts.labels.filter(pl.col("labeler") == labeler)
    asked, usable = _labels(rows), _labels(rows.filter(pl.col("status") == "ok"))
    kept = _labels(rows.filter(pl.col("verdict") == "keep"))
    review = _labels(rows.filter(pl.col("verdict") == "review"))
    samples = int(counts.samples.filter(pl.col("labeler") == labeler)["samples"].sum())
    return [
        Step("keyframes labelled", asked, None, "labels"),
        Step("usable labels", usable, asked, "labels", _statuses(rows)),
        Step("kept labels", kept, usable, "labels", f"{review} more to review" if review else ""),
        Step("training samples", samples, kept, "labels"),
    ]


def _labels(rows: pl.DataFrame) -> int:
    return int(rows["labels"].sum())


def _statuses(rows: pl.DataFrame) -> str:
    by_status = rows.filter(pl.col("status") != "ok").group_by("status").agg(pl.col("labels").sum()).sort("status")
    return ", ".join(f"{count} {status}" for status, count in by_status.iter_rows())


# ---- distributions ---------------------------------------------------------------------------------------------------


def verdicts_by(counts: Counts, labeler: str, column: str) -> pl.DataFrame:
    """Usable labels of a labeler by a column of `Counts.labels`.

    Returns:
        category, keep, review, reject, other (no verdict yet), labels; most first.
    """
    rows = counts.labels.filter((pl.col("labeler") == labeler) & (pl.col("status") == "ok"))
    of_verdict = [
        pl.col("labels").filter(pl.col("verdict") == verdict).sum().alias(name)
        for name, verdict in (("keep", "keep"), ("review", "review"), ("reject", "reject"), ("other", NONE))
    ]
    grouped = rows.group_by(pl.col(column).alias("category")).agg(*of_verdict, pl.col("labels").sum())
    return grouped.sort("labels", "category", descending=[True, False])


# ---- agreement over time and by chunk --------------------------------------------------------------------------------

_SUMMED = ("judged", "kept", "review", "rejected", "measured", "agreeing")


def by_day(counts: Counts, days: pl.DataFrame) -> pl.DataFrame:
    """Verdicts and agreement by the day that a chunk was judged last, a row a day and labeler.

    Args:
        days: chunk, day.

    Returns:
        day, labeler, chunks, the figures of `Counts.by_chunk` summed up, kept_share, agreement (null: none measured).
    """
    dated = counts.by_chunk.join(days, on="chunk").group_by("day", "labeler")
    summed = dated.agg(pl.len().alias("chunks"), *(pl.col(name).sum() for name in _SUMMED)).sort("day", "labeler")
    return with_shares(summed)


def with_shares(rows: pl.DataFrame) -> pl.DataFrame:
    """With kept_share (of judged labels) and agreement (of measured ones), null where there are none."""
    return rows.with_columns(
        kept_share=_share("kept", "judged"),
        agreement=_share("agreeing", "measured"),
    )


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def scores_by(counts: Counts, days: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Mean scores that a model gave.

    Args:
        days: chunk, day.
        by: of chunk, day, instrument, version and name.

    Returns:
        The columns of `by`, labels, mean; ordered by them.
    """
    dated = counts.judged.join(days, on="chunk", how="left").group_by(by)
    summed = dated.agg(pl.col("labels").sum(), pl.col("total").sum())
    return summed.select(*by, "labels", mean=(pl.col("total") / pl.col("labels")).round(4)).sort(by)
