"""Instrument `track_grounding`: whether the causes that a label cites were there to be seen before the keyframe.

Source: label rules, Causal locality, and the further measurements of Consistency with the trajectory.
"""

from __future__ import annotations

import polars as pl

from coc_assets.filtered_coc.instruments import Figure, measured
from resources.settings.filtering import GroundingThresholds

INSTRUMENT = "track_grounding"
VERSION = "1"

US_PER_S = 1_000_000
KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("rider", r"\b(?:rider|cyclist|bicycl\w*|bike\w*|motorcycl\w*|motorbike|scooter)s?\b", ("rider",)),
    ("stroller", r"\b(?:stroller|pram|pushchair)s?\b", ("stroller", "person")),
    (
        "person",
        r"\b(?:person|people|pedestrian|child|children|adult|man|woman|worker|jaywalker)s?\b",
        ("person", "stroller"),
    ),
    ("animal", r"\b(?:animal|dog|cat|deer|cow|horse)s?\b", ("animal",)),
    (
        "vehicle",
        r"\b(?:vehicle|car|truck|bus|van|lorry|lead|automobile|suv|sedan|pickup|taxi|trailer|tractor|tram)(?:e?s)?\b",
        ("automobile", "other_vehicle", "trailer"),
    ),
)
"""Kind of object, how texts name it (the first that matches counts), and the label classes that are of this kind."""


def measure(labels: pl.DataFrame, tracks: pl.DataFrame, thresholds: GroundingThresholds) -> pl.DataFrame:
    """How many of each label's cited causes the tracks do not bear out.

    Args:
        labels: rows of `raw_coc`.
        tracks: the chunk's `tracks` table; clips without a row abstain in all but `causes_outside_history`.

    Returns:
        Rows of `measurements`, each a count of components:

        cited_tracks: those with a track id.
        unknown_tracks: whose track has no box in the history window (none at all, or before or after it).
        tracks_out_of_range: whose boxes in the history window all lie beyond the range.
        uncited_objects: critical objects without a track id.
        ungrounded_objects: uncited ones of a known kind of which no track is in range in the history window; null where
            no box of any kind is known in it.
        causes_outside_history: whose time of being seen does not meet the history window.
    """
    judged = _judge(_components(labels), tracks, thresholds)
    cited, uncited = pl.col("track_id").is_not_null(), pl.col("track_id").is_null()
    uncited_object = uncited & (pl.col("category") == "critical_object")
    flags = {
        "cited_tracks": cited,
        "unknown_tracks": cited & pl.col("nearest_m").is_null(),
        "tracks_out_of_range": pl.col("nearest_m") > thresholds.range_m,
        "uncited_objects": uncited_object,
        "ungrounded_objects": uncited_object & pl.col("any_box") & ~pl.col("kind_in_range"),
        "causes_outside_history": (pl.col("seen_from_us") > pl.col("t0_us"))
        | (pl.col("seen_to_us") < pl.col("t0_us") - _history_us(thresholds)),
    }
    counted = judged.group_by("label_id", maintain_order=True).agg(
        *(flag.fill_null(False).sum().alias(name) for name, flag in flags.items()),
        *(_phrases(flag).alias(f"{name}_detail") for name, flag in flags.items()),
        (uncited_object & pl.col("any_box").is_null()).any().alias("blind"),
    )
    clips = tracks.select("clip_id", tracked=pl.lit(True)).unique()
    every = (
        labels.select("label_id", "clip_id")
        .join(counted, on="label_id", how="left", maintain_order="left")
        .join(clips, on="clip_id", how="left", maintain_order="left")
    )
    knows: dict[str, pl.Expr] = dict.fromkeys(flags, pl.col("tracked").fill_null(False))
    knows["cited_tracks"] = knows["causes_outside_history"] = pl.lit(True)
    knows["ungrounded_objects"] &= ~pl.col("blind").fill_null(False)
    figures = [
        Figure(name, pl.when(knows[name]).then(pl.col(name).fill_null(0)), pl.col(f"{name}_detail")) for name in flags
    ]
    return measured(every, INSTRUMENT, VERSION, figures)


def _components(labels: pl.DataFrame) -> pl.DataFrame:
    """One row a component, with the kind of object that its words name."""
    components = (
        labels.select("label_id", "clip_id", "t0_us", "components")
        .explode("components", keep_nulls=False)
        .unnest("components")
    )
    values = pl.col("attributes").list.eval(pl.element().struct.field("value")).list.join(" ", ignore_nulls=True)
    words = pl.concat_str(pl.col("phrase"), values, separator=" ", ignore_nulls=True).str.to_lowercase()
    kind = pl.coalesce(pl.when(words.str.contains(pattern)).then(pl.lit(name)) for name, pattern, _ in KINDS)
    return components.with_columns(kind.alias("kind"))


def _judge(components: pl.DataFrame, tracks: pl.DataFrame, thresholds: GroundingThresholds) -> pl.DataFrame:
    """Adds what the history window holds for each component.

    nearest_m: least distance of the cited track, null without a box of it there.
    any_box: true where a box of anything is there, else null.
    kind_in_range: whether something of the component's kind is in range; null for an unknown kind.
    """
    boxes = tracks.select(
        "clip_id", "track_id", "label_class", "t_us", distance_m=pl.col("x_m").pow(2).add(pl.col("y_m").pow(2)).sqrt()
    )
    since = pl.col("t0_us") - _history_us(thresholds)
    in_history = pl.col("t_us").is_between(since, pl.col("t0_us"))
    cited = ["clip_id", "t0_us", "track_id"]
    nearest = (
        components.select(cited).drop_nulls().unique().join(boxes, on=["clip_id", "track_id"])
        .filter(in_history).group_by(cited).agg(nearest_m=pl.col("distance_m").min())
    )  # fmt: skip
    by_class = boxes.group_by("clip_id", "t_us", "label_class").agg(pl.col("distance_m").min())
    present = (
        components.select("clip_id", "t0_us").unique().join(by_class, on="clip_id")
        .filter(in_history).group_by("clip_id", "t0_us", "label_class").agg(pl.col("distance_m").min())
    )  # fmt: skip
    here = present.group_by("clip_id", "t0_us").agg(
        any_box=pl.lit(True),
        classes=pl.col("label_class").filter(pl.col("distance_m") <= thresholds.range_m),
    )
    joined = components.join(nearest, on=cited, how="left", maintain_order="left").join(
        here, on=["clip_id", "t0_us"], how="left", maintain_order="left"
    )
    return joined.with_columns(
        pl.coalesce(
            pl.when(pl.col("kind") == name).then(pl.col("classes").list.set_intersection(list(classes)).list.len() > 0)
            for name, _, classes in KINDS
        ).alias("kind_in_range")
    )


def _phrases(flag: pl.Expr) -> pl.Expr:
    """Which components are meant, as they read in a detail; null for none."""
    words = pl.concat_str(pl.col("phrase").fill_null("?"), pl.format(" [{}]", "track_id"), ignore_nulls=True)
    met = words.filter(flag.fill_null(False))
    return pl.when(met.len() > 0).then(met.str.join("; "))


def _history_us(thresholds: GroundingThresholds) -> int:
    return round(thresholds.history_s * US_PER_S)
