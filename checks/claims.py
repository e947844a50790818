"""What the checks claim about the tables, as plain functions: frames in, a `Claim` out.

Each recomputes its claim on its own, from the tables alone, so that it can find a stage wrong. What a claim costs where
it does not hold, and whether it blocks, is decided where the checks are declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from resources import schemas
from resources.schemas import FRAME_US

if TYPE_CHECKING:
    from resources.settings.videos import VideoSettings

Severity = Literal["WARN", "ERROR"]

WORST_ROWS = 10


@dataclass(frozen=True)
class Claim:
    """A claim about tables and what was found.

    Attributes:
        passed: it holds.
        severity: how grave it is where it does not.
        figure: what was measured; threshold: what it was held against, same unit. None where there was nothing to hold.
        description: the claim's outcome in a sentence, with the mend where there is one.
        worst: up to ten offending rows, worst first.
        further: more that Dagster is told, by name: numbers, which it plots, and text.
    """

    passed: bool
    severity: Severity
    figure: float | int | None
    threshold: float | int | None
    description: str
    worst: pl.DataFrame = field(default_factory=pl.DataFrame)
    further: Mapping[str, float | str] = field(default_factory=dict)


_VIEWS = {"label_id": "raw_coc", "keyframe_id": "keyframes", "clip_id": "clips"}
"""Where what a row speaks of can be looked at, the narrowest first."""


def look_at(worst: pl.DataFrame) -> dict[str, str]:
    """The query that shows in full what the offending rows speak of; empty where that has no view of its own."""
    shown = worst.head(WORST_ROWS)
    for name, view in _VIEWS.items():
        ids = shown[name].drop_nulls().unique(maintain_order=True).to_list() if name in shown.columns else []
        if ids:
            listed = ", ".join(f"'{one}'" for one in ids)
            return {"look_at_them": f'coc sql "SELECT * FROM {view} WHERE {name} IN ({listed})"'}
    return {}


def _none_offend(offending: pl.DataFrame, said: str, *, severity: Severity = "ERROR", mend: str = "") -> Claim:
    """Holds where no row offends."""
    count = offending.height
    description = f"{count} {said}." + (f" {mend}" if count and mend else "")
    return Claim(count == 0, severity, count, 0, description, offending.head(WORST_ROWS))


def _share_at_least(
    share: float, least: float, said: str, worst: pl.DataFrame, *, severity: Severity = "WARN"
) -> Claim:
    """Holds where the share reaches the least."""
    description = f"{share:.1%} of {said}; at least {least:.1%} are expected."
    return Claim(share >= least, severity, share, least, description, worst.head(WORST_ROWS))


def _share(part: int, whole: int) -> float:
    """Part of the whole; 1 of nothing."""
    return part / whole if whole else 1.0


def _not_once(asked: pl.Series, places: Mapping[str, pl.Series]) -> pl.DataFrame:
    """What is asked for and not in exactly one of the places, and what is in a place without being asked for.

    One row each: the id (column `asked.name`), `asked`, and how often each place has it.
    """
    key = asked.name
    found = asked.unique().to_frame().with_columns(asked=True)
    for name, ids in places.items():
        counts = ids.alias(key).to_frame().group_by(key).agg(pl.len().alias(name))
        found = found.join(counts, on=key, how="full", coalesce=True)
    counted = found.with_columns(pl.col("asked").fill_null(False), pl.col(*places).fill_null(0))
    return counted.filter(~pl.col("asked") | (pl.sum_horizontal(*places) != 1)).sort(key)


def _rejected_clips(rejects: pl.DataFrame) -> pl.DataFrame:
    return rejects.filter((pl.col("severity") == "rejected") & pl.col("clip_id").is_not_null())


# trajectory_cache


def clips_are_conserved(listed: Iterable[str], clips: pl.DataFrame, rejects: pl.DataFrame) -> Claim:
    """Every clip of the chunk is either usable or rejected, once, and there are no others.

    Args:
        listed: ids of the clip index and of the members of the chunk's egomotion archive.
        clips: `clips`. rejects: the `rejects` of trajectory_cache.
    """
    asked = pl.Series("clip_id", sorted(set(listed)), pl.String)
    offending = _not_once(asked, {"clips": clips["clip_id"], "rejects": _rejected_clips(rejects)["clip_id"]})
    return _none_offend(
        offending,
        f"of {asked.len()} clips are lost, doubled or unheard of",
        mend="trajectory_cache must give each clip a row in clips or one rejected row in rejects.",
    )


def tracks_are_in_the_rig_frame(rejects: pl.DataFrame, reason: str = "tracks_not_in_rig_frame") -> Claim:
    """No clip lost its tracks because they were given in another frame than the rig's.

    The clip goes on without tracks, so this must not stop the chunk.
    """
    offending = rejects.filter(pl.col("reason") == reason).select("clip_id", "reason", "hint").sort("clip_id")
    return _none_offend(
        offending,
        "clips have obstacle tracks in another frame than rig",
        mend="Convert them, or mirror the obstacle archives again; until then these clips go on without tracks.",
    )


def rejects_stay_few(clips: pl.DataFrame, rejects: pl.DataFrame, most: float = 0.20) -> Claim:
    """Most clips of the chunk are usable."""
    rejected = _rejected_clips(rejects)
    count = rejected["clip_id"].n_unique()
    share = count / (count + clips.height) if count else 0.0
    reasons = rejected.group_by("reason").agg(clips=pl.col("clip_id").n_unique(), hint=pl.col("hint").sort().first())
    description = f"{share:.1%} of {count + clips.height} clips are rejected; at most {most:.0%} are expected."
    worst = reasons.sort("clips", "reason", descending=[True, False]).head(WORST_ROWS)
    return Claim(share <= most, "WARN", share, most, description, worst)


# meta_actions


def spans_cover_the_clip(spans: pl.DataFrame, clips: pl.DataFrame, tolerance: int = 1) -> Claim:
    """Longitudinal spans cover `[0, T − 1)` of each clip, and so do lateral spans and stops together.

    Rounding may leave neighbours a tick apart or overlapping (meta-action rules, cleaning).

    Args:
        spans: `meta_actions`. clips: `clips`. tolerance: ticks.
    """
    covers = pl.concat(
        [
            spans.filter(pl.col("axis") == "longitudinal").with_columns(cover=pl.lit("longitudinal")),
            spans.filter((pl.col("axis") == "lateral") | (pl.col("action") == "stop")).with_columns(
                cover=pl.lit("lateral and stops")
            ),
        ]
    )
    names = pl.DataFrame({"cover": ["longitudinal", "lateral and stops"]})
    wanted = clips.select("clip_id", last=pl.col("frames") - 1).join(names, how="cross")
    miss = pl.max_horizontal(
        pl.col("start_frame").first().abs(),
        (pl.col("end_frame").max() - pl.col("last").first()).abs(),
        (pl.col("start_frame") - pl.col("end_frame").shift()).abs().max(),
    )
    found = (
        wanted.join(covers, on=["clip_id", "cover"], how="left")
        .sort("clip_id", "cover", "start_frame", "end_frame")
        .group_by("clip_id", "cover", maintain_order=True)
        .agg(spans=pl.col("action").count(), frames=pl.col("last").first() + 1, ticks_off=miss.fill_null(0))
    )
    off = found.filter((pl.col("spans") == 0) | (pl.col("ticks_off") > tolerance))
    return _none_offend(
        off.sort("ticks_off", "clip_id", "cover", descending=[True, False, False]),
        f"of {clips.height} clips' timelines have gaps or overlaps of more than {tolerance} tick",
    )


@dataclass(frozen=True)
class _Sign:
    """What the recorded motion over a span must be for its name: figure times sign above a bound."""

    figure: Literal["speed_change_mps", "mean_speed_mps", "mean_along_mps", "heading_change_rad"]
    sign: int
    above: float = 0.0


_STOP_AT_MOST_MPS = 0.5
ACTION_SIGNS: Mapping[str, _Sign] = {
    "gentle_acceleration": _Sign("speed_change_mps", +1),
    "strong_acceleration": _Sign("speed_change_mps", +1),
    "gentle_deceleration": _Sign("speed_change_mps", -1),
    "strong_deceleration": _Sign("speed_change_mps", -1),
    "stop": _Sign("mean_speed_mps", -1, above=-_STOP_AT_MOST_MPS),
    "reverse": _Sign("mean_along_mps", -1),
    "reverse_left": _Sign("heading_change_rad", +1),
    "sharp_steer_left": _Sign("heading_change_rad", +1),
    "steer_left": _Sign("heading_change_rad", +1),
    "reverse_right": _Sign("heading_change_rad", -1),
    "sharp_steer_right": _Sign("heading_change_rad", -1),
    "steer_right": _Sign("heading_change_rad", -1),
}
"""Names without a sign (maintain_speed, go_straight, lanes) are not judged."""


def actions_match_the_motion(spans: pl.DataFrame, trajectories: pl.DataFrame, least: float = 0.95) -> Claim:
    """The recorded motion over each span goes the way that its name says.

    Some may not: a short segment of another kind is merged into its neighbour, whose name is not decided anew.

    Args:
        spans: `meta_actions`. trajectories: `trajectories`. least: share of the spans that have a sign.
    """
    signed = spans.filter(pl.col("action").is_in(list(ACTION_SIGNS)))
    measured = signed.join(_motion_over(signed, trajectories), on=_SPAN, how="left", maintain_order="left")
    agrees = pl.lit(None, pl.Boolean)
    for action, rule in ACTION_SIGNS.items():
        holds = pl.col(rule.figure) * rule.sign > rule.above
        agrees = pl.when(pl.col("action") == action).then(holds).otherwise(agrees)
    wrong = measured.filter(~agrees.fill_null(False)).sort(_SPAN)
    share = _share(measured.height - wrong.height, measured.height)
    return _share_at_least(share, least, f"{measured.height} spans go the way their name says", wrong)


_SPAN = ["clip_id", "axis", "start_frame"]


def _motion_over(spans: pl.DataFrame, trajectories: pl.DataFrame) -> pl.DataFrame:
    """Change of speed, mean speeds and heading change over each span, from sums along the trajectories."""
    states = trajectories.sort("clip_id", "frame")
    speed, along, heading = (
        states[name].to_numpy() for name in ("speed_mps", "speed_along_heading_mps", "heading_rad")
    )
    turn = np.remainder(np.diff(heading, prepend=heading[:1]) + np.pi, 2 * np.pi) - np.pi
    sums = states.select(
        "clip_id",
        "frame",
        "speed_mps",
        before_mps=pl.Series(np.cumsum(speed) - speed),
        along_mps=pl.Series(np.cumsum(along) - along),
        turned_rad=pl.Series(np.cumsum(turn)),
    )
    starts, ends = sums.rename({"frame": "start_frame"}), sums.rename({"frame": "end_frame"})
    both = (
        spans.select(*_SPAN, "end_frame")
        .join(starts, on=["clip_id", "start_frame"])
        .join(ends, on=["clip_id", "end_frame"], suffix="_end")
    )
    ticks = pl.col("end_frame") - pl.col("start_frame")
    return both.select(
        *_SPAN,
        speed_change_mps=pl.col("speed_mps_end") - pl.col("speed_mps"),
        mean_speed_mps=(pl.col("before_mps_end") - pl.col("before_mps")) / ticks,
        mean_along_mps=(pl.col("along_mps_end") - pl.col("along_mps")) / ticks,
        heading_change_rad=pl.col("turned_rad_end") - pl.col("turned_rad"),
    )


# keyframe_segments


def keyframes_lie_inside_their_clips(keyframes: pl.DataFrame, clips: pl.DataFrame) -> Claim:
    """Every keyframe and its event lie on frames of a usable clip.

    Args:
        keyframes: `keyframes`. clips: `clips`.
    """
    joined = keyframes.join(clips.select("clip_id", "frames"), on="clip_id", how="left")
    last = pl.col("frames") - 1
    inside = (
        pl.col("frame").is_between(0, last)
        & (pl.col("event_start_frame") >= 0)
        & (pl.col("event_end_frame") > pl.col("event_start_frame"))
        & (pl.col("event_end_frame") <= pl.col("frames"))
    )
    columns = ["keyframe_id", "clip_id", "frame", "event_start_frame", "event_end_frame", "frames"]
    offending = joined.filter(~inside.fill_null(False)).select(columns).sort("keyframe_id")
    return _none_offend(offending, f"of {keyframes.height} keyframes lie outside their clip")


def keyframe_ids_match_their_instants(keyframes: pl.DataFrame, clips: pl.DataFrame) -> Claim:
    """Each keyframe is there once, its instant is its frame's on the clip's clock, and its id is made of both.

    Args:
        keyframes: `keyframes`. clips: `clips`.
    """
    joined = keyframes.join(clips.select("clip_id", "first_us"), on="clip_id", how="left").with_columns(
        instant_us=pl.col("first_us") + pl.col("frame").cast(pl.Int64) * FRAME_US,
        times=pl.len().over("keyframe_id"),
    )
    named = pl.format("{}-{}", "clip_id", pl.col("t0_us").cast(pl.String).str.zfill(8))
    right = (pl.col("t0_us") == pl.col("instant_us")) & (pl.col("keyframe_id") == named) & (pl.col("times") == 1)
    columns = ["keyframe_id", "clip_id", "frame", "t0_us", "instant_us", "times"]
    offending = joined.filter(~right.fill_null(False)).select(columns).sort("keyframe_id")
    return _none_offend(offending, f"of {keyframes.height} keyframes are doubled or misnamed")


# clip_videos

_FRAME_INTERVALS = 1.5
"""A frame may be this many mean intervals older than the asked instant, and a segment's ends this far off."""


def segments_span_the_window(
    segments: pl.DataFrame, keyframes: pl.DataFrame, videos: pl.DataFrame, settings: VideoSettings
) -> Claim:
    """Each segment shows its keyframe's window, as far as the clip's video goes, and its frames are those asked for.

    A frame later than its asked instant, or an instant that is neither shown nor listed as missing, is an ERROR; a
    camera that dropped frames a WARN. Segments without video make no claim.

    Args:
        segments: `segments`. keyframes: `keyframes`. videos: `videos`. settings: what was asked for.
    """
    shown = segments.filter(pl.col("status").is_in(["cut", "on_demand"]))
    video = videos.select("clip_id", "camera", "fps", video_first_us="first_us", video_last_us="last_us")
    joined = shown.join(keyframes.select("keyframe_id", "t0_us"), on="keyframe_id", how="left").join(
        video, on=["clip_id", "camera"], how="left"
    )
    problems = [_segment_problem(row, settings) for row in joined.iter_rows(named=True)]
    found = joined.select(
        "keyframe_id", "camera", "t0_us", "first_us", "last_us", "frame_us", "missing_us"
    ).with_columns(problem=pl.Series(problems, dtype=pl.String))
    offending = found.drop_nulls("problem").sort(~pl.col("problem").is_in(_GRAVE_PROBLEMS), "keyframe_id", "camera")
    grave = offending["problem"].is_in(_GRAVE_PROBLEMS).any()
    said = f"of {shown.height} segments do not show their window"
    return _none_offend(offending, said, severity="ERROR" if grave else "WARN")


_GRAVE_PROBLEMS = ["no keyframe or video", "asked instants unaccounted for", "frames later than asked"]


def _segment_problem(row: Mapping[str, Any], settings: VideoSettings) -> str | None:
    if row["t0_us"] is None or row["fps"] is None:
        return "no keyframe or video"
    history_us, future_us, step_us = (
        round(s * 1e6) for s in (settings.history_s, settings.future_s, settings.sample_step_s)
    )
    begin_us, end_us = row["t0_us"] - history_us, row["t0_us"] + future_us
    slack_us = _FRAME_INTERVALS * 1e6 / row["fps"]
    asked = {row["t0_us"] + k * step_us for k in range(-(history_us // step_us), -(-future_us // step_us))}
    missing, frames = set(row["missing_us"] or ()), list(row["frame_us"] or ())
    covered = sorted(asked - missing)
    if not missing <= asked or not len(covered) == len(frames) == len(row["source_frame"] or ()):
        return "asked instants unaccounted for"
    ages = [instant - frame for instant, frame in zip(covered, frames, strict=True)]
    if min(ages, default=0) < 0:
        return "frames later than asked"
    if max(ages, default=0) >= slack_us:
        return "frames older than asked"
    if row["first_us"] is None or abs(row["first_us"] - max(begin_us, row["video_first_us"])) > slack_us:
        return "does not begin with the window"
    if row["last_us"] is None or abs(row["last_us"] - min(end_us, row["video_last_us"])) > slack_us:
        return "does not end with the window"
    return None


def every_keyframe_has_a_segment(keyframes: pl.DataFrame, segments: pl.DataFrame) -> Claim:
    """Each keyframe has its evidence window, be it that there is no video for it, and no window lacks its keyframe.

    Args:
        keyframes: `keyframes`. segments: `segments`.
    """
    without = keyframes.join(segments, on="keyframe_id", how="anti").select("keyframe_id", missing=pl.lit("segment"))
    orphans = segments.join(keyframes, on="keyframe_id", how="anti").select("keyframe_id", missing=pl.lit("keyframe"))
    offending = pl.concat([without, orphans]).sort("keyframe_id", "missing")
    return _none_offend(offending, f"of {keyframes.height} keyframes and their segments do not belong together")


# raw_coc

_CLOSED_SETS: Mapping[str, Sequence[str]] = {
    "status": get_args(schemas.LabelStatus),
    "longitudinal_decision": schemas.LONGITUDINAL_DECISIONS,
    "lateral_decision": schemas.LATERAL_DECISIONS,
    "lateral_direction": get_args(schemas.Side),
    "scenario": schemas.SCENARIOS,
}


def labels_are_valid(labels: pl.DataFrame, keyframes: pl.DataFrame, labeler: str) -> Claim:
    """The labeler gave each keyframe one label, in the closed vocabularies, with a trace wherever it is usable.

    Args:
        labels: `raw_coc`, of any labelers. keyframes: `keyframes`. labeler: whose labels are meant.
    """
    own = labels.filter(pl.col("labeler") == labeler)
    counted = _not_once(keyframes["keyframe_id"], {"labels": own["keyframe_id"]}).select(
        "keyframe_id",
        label_id=pl.lit(None, pl.String),
        problem=pl.format(
            "{} labels, of a keyframe that is {}",
            "labels",
            pl.when("asked").then(pl.lit("known")).otherwise(pl.lit("unknown")),
        ),
    )
    usable = pl.col("status") == "ok"
    problems = [
        pl.when(~pl.col(name).is_in(list(known))).then(pl.format("{}: {}", pl.lit(name), name))
        for name, known in _CLOSED_SETS.items()
    ]
    problems += [
        pl.when(usable & (pl.col("trace").fill_null("").str.strip_chars() == "")).then(pl.lit("usable and no trace")),
        pl.when(pl.col("status").is_null()).then(pl.lit("no status")),
        pl.when(pl.col("label_id").is_duplicated()).then(pl.lit("label_id twice")),
    ]
    said = own.select("keyframe_id", "label_id", problem=pl.coalesce(problems)).drop_nulls("problem")
    offending = pl.concat([counted, said, _component_problems(own)]).sort("keyframe_id", "label_id", "problem")
    return _none_offend(offending, f"problems in {own.height} labels of {labeler!r} for {keyframes.height} keyframes")


def labels_are_usable(labels: pl.DataFrame, labeler: str, least: float = 0.9) -> Claim:
    """Most keyframes got a label that can be used; the others were refused, invalid, failed or over budget.

    Args:
        labels: `raw_coc`, of any labelers. labeler: whose labels are meant. least: share of them that is expected.
    """
    own = labels.filter(pl.col("labeler") == labeler)
    lost = own.filter(pl.col("status") != "ok").select("keyframe_id", "status", "reason").sort("status", "keyframe_id")
    counts = ", ".join(f"{count} {status}" for status, count in sorted(lost["status"].value_counts().iter_rows()))
    said = f"{own.height} labels of {labeler!r} can be used" + (f" ({counts}; --retry asks again)" if counts else "")
    return _share_at_least(_share(own.height - lost.height, own.height), least, said, lost)


def _component_problems(labels: pl.DataFrame) -> pl.DataFrame:
    components = (
        labels.select("keyframe_id", "label_id", "components", n=pl.int_ranges(1, pl.col("components").list.len() + 1))
        .drop_nulls("components")
        .explode("components", "n")
        .unnest("components")
    )
    category = pl.col("category")
    problem = pl.coalesce(
        pl.when(category.is_null() | ~category.is_in(list(schemas.COMPONENT_CATEGORIES))).then(
            pl.format("component category: {}", category.fill_null("none"))
        ),
        pl.when(pl.col("rank").ne_missing(pl.col("n"))).then(pl.lit("components are not ranked 1, 2, …")),
    )
    return components.select("keyframe_id", "label_id", problem=problem).drop_nulls("problem")


def cited_tracks_are_in_the_history(labels: pl.DataFrame, tracks: pl.DataFrame, history_s: float = 2.0) -> Claim:
    """Every track that a usable label cites has a box in the seconds before its keyframe.

    Args:
        labels: `raw_coc`. tracks: `tracks`. history_s: how far back causes may be seen (label rules, Causal locality).
    """
    cited = (
        labels.filter(pl.col("status") == "ok")
        .select("label_id", "clip_id", "t0_us", "components")
        .explode("components", keep_nulls=False)
        .unnest("components")
        .drop_nulls("track_id")
        .select("label_id", "clip_id", "track_id", "t0_us")
    )
    since = pl.col("t0_us") - round(history_s * 1e6)
    seen = cited.join(tracks.select("clip_id", "track_id", "t_us"), on=["clip_id", "track_id"]).filter(
        pl.col("t_us").is_between(since, pl.col("t0_us"))
    )
    offending = cited.join(seen, on=["label_id", "track_id"], how="anti").sort("label_id", "track_id")
    return _none_offend(
        offending, f"of {cited.height} cited tracks have no box in the {history_s:g} s before the keyframe"
    )


def decisions_agree_with_the_motion(
    measurements: pl.DataFrame, labels: pl.DataFrame, labeler: str = "rules", least: float = 0.90
) -> Claim:
    """Most labels of the labeler agree with the recorded motion on both axes, as far as the instrument says.

    Args:
        measurements: rows of instrument `trajectory_consistency`; others are ignored. labels: `raw_coc`.
    """
    own = labels.filter((pl.col("labeler") == labeler) & (pl.col("status") == "ok")).select(
        "label_id", "keyframe_id", "longitudinal_decision", "lateral_decision", "lateral_direction"
    )
    axes = measurements.filter(
        (pl.col("instrument") == "trajectory_consistency") & pl.col("name").is_in(["longitudinal", "lateral"])
    ).drop_nulls("value")
    judged = own.join(axes.select("label_id", "name", "value", "detail"), on="label_id")
    wrong = judged.filter(pl.col("value") < 1).sort("label_id", "name")
    count = judged["label_id"].n_unique()
    share = _share(count - wrong["label_id"].n_unique(), count)
    return _share_at_least(share, least, f"{count} labels of {labeler!r} agree with the recorded motion", wrong)


# filtered_coc


def every_ok_label_has_a_verdict(labels: pl.DataFrame, verdicts: pl.DataFrame) -> Claim:
    """Each usable label is judged once, with a known verdict, and no other is.

    Args:
        labels: `raw_coc`, of all labelers. verdicts: `filtered_coc`.
    """
    usable = labels.filter(pl.col("status") == "ok")["label_id"]
    known = verdicts.filter(pl.col("verdict").is_in(get_args(schemas.Verdict)))
    offending = _not_once(usable, {"verdicts": known["label_id"]})
    return _none_offend(offending, f"of {usable.len()} usable labels have no verdict, several, or an unknown one")


# training_shards


def kept_labels_become_samples(
    verdicts: pl.DataFrame, samples: pl.DataFrame, rejects: pl.DataFrame, used: Sequence[str] = ("keep",)
) -> Claim:
    """Each label with a verdict that is used is a sample or a reject with its reason, and nothing else is a sample.

    Args:
        verdicts: `filtered_coc`. samples: `samples`. rejects: the `rejects` of training_shards.
        used: verdicts whose labels become samples.
    """
    kept = verdicts.filter(pl.col("verdict").is_in(used))["label_id"]
    left_out = rejects.filter(pl.col("severity") == "rejected")["label_id"].drop_nulls()
    offending = _not_once(kept, {"samples": samples["label_id"], "rejects": left_out})
    return _none_offend(offending, f"of {kept.len()} kept labels are lost, doubled or not kept at all")


def no_clip_is_in_two_splits(samples: pl.DataFrame) -> Claim:
    """All samples of a clip lie in one split, so that nothing of a held-out clip is trained on.

    Args:
        samples: `samples`, of any number of chunks.
    """
    splits = samples.group_by("clip_id").agg(pl.col("split").unique().sort())
    offending = splits.filter(pl.col("split").list.len() > 1).sort("clip_id")
    return _none_offend(offending, f"of {splits.height} clips have samples in several splits")
