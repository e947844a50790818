"""Instrument `track_grounding`: whether the causes that a label cites were there to be seen before the keyframe.

Source: label rules, Causal locality, and the further measurements of Consistency with the trajectory.
"""

from __future__ import annotations

import re

import polars as pl

from coc_assets.filtered_coc.instruments import Figure, measured
from coc_assets.filtered_coc.wording import ANIMALS, PEOPLE, RIDERS, STROLLERS, VEHICLES
from coc_assets.raw_coc.vlm.locality import (
    ANIMAL_NOUNS,
    PERSON_NOUNS,
    RIDER_NOUNS,
    STROLLER_NOUNS,
    Mention,
    mentions,
)
from resources.settings.filtering import GroundingThresholds

INSTRUMENT = "track_grounding"
VERSION = "2"

US_PER_S = 1_000_000
KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("stroller", rf"\b(?:{STROLLERS}|{STROLLER_NOUNS}|bugg(?:y|ies))\b", ("stroller", "person")),
    ("scooter", r"\b(?:e ?)?(?:scooter|skateboard(?:er)?)s?\b", ("rider", "person")),
    ("rider", rf"\b(?:{RIDERS}|motorcycl[a-z]*|bicycl[a-z]*|{RIDER_NOUNS})\b", ("rider",)),
    (
        "person",
        rf"\b(?:{PEOPLE}|{PERSON_NOUNS}|[a-z]+ who|chaps?|blokes?|fell(?:a|ow)s?|dudes?|gents?|geezers?|figures?"
        rf"|passengers?|nurses?|soldiers?|marshals?"
        r"|couples?|(?:group|pair|trio)s? (?:[a-z]+ )?(?:cross|walk|on foot)[a-z]*|group|pair|trio)\b",
        ("person", "stroller"),
    ),
    ("animal", rf"\b(?:{ANIMALS}|{ANIMAL_NOUNS}|ducks?|bears?|wildlife|livestock)\b", ("animal",)),
    ("vehicle", rf"\b(?:{VEHICLES}|lead)\b", ("automobile", "other_vehicle", "trailer")),
)
"""Kind of object, how texts name it (the first that matches counts), and the label classes that are of this kind."""
_KIND_PATTERNS = tuple((name, re.compile(words)) for name, words, _ in KINDS)
PLACES = (
    r"\b(?:pedestrian|cyclist|bicycle|bike|motorcycle|scooter|children|child|deer|animal|cattle|horse|truck|bus|tram"
    r"|taxi|vehicle|car|worker|people)s?(?:'s?)? (?:lane|zone|sign|signal|light|bridge|island|refuge|area|street"
    r"|precinct|path|stop|station|bay|rail|gate|park|warning|symbol|walkway|track|route|rack|underpass|button|phase"
    r"|stand|depot|wash"
    r"|dealership)s?\b|\b(?:pedestrian|cyclist|children|child|deer|animal|cattle|horse)(?:'s)? (?:crossing"
    r"|xing)s? (?:sign|area"
    r"|zone|line|light|marking|signal|button)s?\b|\b(?:ped|pedestrian) xings?\b"
    r"|\bpedestrian crossings? (?:is (?:clear|empty|free|marked)|ahead"
    r"(?:\s*(?:$|[.,;:])| (?:is|has|and|so|with|the|at)\b))"
)
"""Places and signs that are called after road users."""
_LETS_CROSS = r"\b(yield[a-z]*|giv[a-z]+ way) to (an?|the) pedestrian crossing\b"
_WHOEVER = re.compile(
    rf"\b(?!(?:{RIDERS}|{PEOPLE}|{ANIMALS}|{VEHICLES}|driver"
    r"|motorist|trucker|operator|motorcyclist|traffic|lead|leader|agent|those|anyone|everyone|nobody|people|ego"
    r"|one)s?\b)"
    r"[a-z]{3,}(?= who\b)|\b(?:construction|road) workers?\b"
)
"""People in words that `mentions` does not know: whoever is told of with "who", and workers of a site."""
_MAYBE_EGO = re.compile(
    r"\bthe (?:car|vehicle|automobile)\b(?! (?:ahead|in front|before (?:it|us)|in (?:the|our|its)"
    r"|on (?:the|our|its)|to the"
    r"|from (?:the|behind)|that|which|parked|coming|opposite|beside|alongside|cutting|pulling out|next))"
)
"""What may be the ego by another name; what is said to be elsewhere is not."""
_ROAD_USERS = frozenset({"traffic controller", "school bus", "emergency vehicle"})
"""Concepts that are road users though no critical objects."""


def measure(labels: pl.DataFrame, tracks: pl.DataFrame, thresholds: GroundingThresholds) -> pl.DataFrame:
    """How many of each label's cited causes the tracks do not bear out.

    Args:
        labels: rows of `raw_coc`.
        tracks: the chunk's `tracks` table; clips without a row abstain in all but `causes_outside_history`.

    Returns:
        Rows of `measurements`, each a count of components, but for the last:

        cited_tracks: those with a track id.
        unknown_tracks: whose track has no box in the history window (none at all, or before or after it).
        tracks_out_of_range: whose boxes in the history window all lie beyond the range.
        uncited_objects: critical objects without a track id.
        ungrounded_objects: uncited ones of a known kind of which no track is in range in the history window; null where
            no box of any kind is known in it.
        causes_outside_history: whose time of being seen does not meet the history window.
        ungrounded_mentions: kinds of road user that trace or justification say are there, of which no track is in range
            in the history window, whether a component cites them or not; null as for `ungrounded_objects`.
    """
    judged = _judge(named_components(labels), tracks, thresholds)
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
        .with_columns(_mentioned(labels, tracks, thresholds))
    )
    knows: dict[str, pl.Expr] = dict.fromkeys(flags, pl.col("tracked").fill_null(False))
    knows["cited_tracks"] = knows["causes_outside_history"] = pl.lit(True)
    knows["ungrounded_objects"] &= ~pl.col("blind").fill_null(False)
    figures = [
        Figure(name, pl.when(knows[name]).then(pl.col(name).fill_null(0)), pl.col(f"{name}_detail")) for name in flags
    ]
    mentioned = pl.col("mentioned")
    words = pl.when(mentioned.list.len() > 0).then(mentioned.list.join("; "))
    figures.append(Figure("ungrounded_mentions", mentioned.list.len(), words))
    return measured(every, INSTRUMENT, VERSION, figures)


def named_components(labels: pl.DataFrame) -> pl.DataFrame:
    """One row a component, with the kind of object that its words name."""
    components = (
        labels.select("label_id", "clip_id", "t0_us", "components")
        .explode("components", keep_nulls=False)
        .unnest("components")
    )
    values = pl.col("attributes").list.eval(pl.element().struct.field("value")).list.join(" ", ignore_nulls=True)
    words = pl.concat_str(pl.col("phrase"), values, separator=" ", ignore_nulls=True)
    plain = _plain(words)
    kind = pl.coalesce(pl.when(plain.str.contains(pattern)).then(pl.lit(name)) for name, pattern, _ in KINDS)
    return components.with_columns(kind.alias("kind"))


def _plain(texts: pl.Expr) -> pl.Expr:
    """Lower-case, hyphens as spaces, without places that are called after road users."""
    spaced = texts.str.to_lowercase().str.replace_all(r"[-_\x{2010}\x{2011}]", " ")
    spaced = spaced.str.replace_all(r"\bped (crossing|xing)", "pedestrian ${1}")
    return spaced.str.replace_all(_LETS_CROSS, "${1} to ${2} pedestrian").str.replace_all(PLACES, "place")


def _mentioned(labels: pl.DataFrame, tracks: pl.DataFrame, thresholds: GroundingThresholds) -> pl.Series:
    """What each label's trace and justification name and no track bears out, in their words; null where none is known.

    Only texts with a word for a kind that is not in range are read closely: what is denied ("no pedestrians"), merely
    possible or a place is no mention.
    """
    text = _plain(pl.concat_str("trace", "justification", separator=" . ", ignore_nulls=True)).fill_null("")
    told = labels.select("clip_id", "t0_us", text.alias("text"))
    seen = told.join(_in_history(told, tracks, thresholds), on=["clip_id", "t0_us"], how="left", maintain_order="left")
    missing = pl.concat_list(
        pl.when(pl.col("text").str.contains(pattern) & _none_of(classes)).then(pl.lit(name))
        for name, pattern, classes in KINDS
    ).list.drop_nulls()
    rows = seen.select("text", missing=missing, known=pl.col("any_box").fill_null(False)).iter_rows()
    named = [(_named_in(text, missing) if missing else []) if known else None for text, missing, known in rows]
    return pl.Series("mentioned", named, pl.List(pl.String))


def _none_of(classes: tuple[str, ...]) -> pl.Expr:
    return pl.col("classes").list.set_intersection(list(classes)).list.len() == 0


def _named_in(text: str, kinds: list[str]) -> list[str]:
    """The first words by which a text says that each of these kinds is there."""
    others = _MAYBE_EGO.sub("ego", text)
    read = _WHOEVER.sub("pedestrian", others)
    words: dict[str, str] = {}
    for mention in mentions(read):
        kind = _kind_of(mention)
        if kind in kinds:
            words.setdefault(kind, mention.words)
    return list(words.values())


def _kind_of(mention: Mention) -> str | None:
    concept = mention.concept
    if concept.category != "critical_object" and concept.name not in _ROAD_USERS:
        return None
    return next((name for name, words in _KIND_PATTERNS if words.search(mention.words)), None)


def _judge(components: pl.DataFrame, tracks: pl.DataFrame, thresholds: GroundingThresholds) -> pl.DataFrame:
    """Adds what the history window holds for each component.

    nearest_m: least distance of the cited track, null without a box of it there.
    any_box: true where a box of anything is there, else null.
    kind_in_range: whether something of the component's kind is in range; null for an unknown kind.
    """
    boxes = tracks.select("clip_id", "track_id", "t_us", _distance_m())
    cited = ["clip_id", "t0_us", "track_id"]
    nearest = (
        components.select(cited).drop_nulls().unique().join(boxes, on=["clip_id", "track_id"])
        .filter(_is_in_history(thresholds)).group_by(cited).agg(nearest_m=pl.col("distance_m").min())
    )  # fmt: skip
    joined = components.join(nearest, on=cited, how="left", maintain_order="left").join(
        _in_history(components, tracks, thresholds), on=["clip_id", "t0_us"], how="left", maintain_order="left"
    )
    return joined.with_columns(
        pl.coalesce(
            pl.when(pl.col("kind") == name).then(pl.col("classes").list.set_intersection(list(classes)).list.len() > 0)
            for name, _, classes in KINDS
        ).alias("kind_in_range")
    )


def _in_history(moments: pl.DataFrame, tracks: pl.DataFrame, thresholds: GroundingThresholds) -> pl.DataFrame:
    """What the history window of each moment holds: `any_box`, and the `classes` that have a box in range.

    Args:
        moments: clip_id, t0_us; a moment may occur more than once.

    Returns:
        One row a moment with a box of anything.
    """
    by_class = tracks.group_by("clip_id", "t_us", "label_class").agg(_distance_m().min())
    present = (
        moments.select("clip_id", "t0_us").unique().join(by_class, on="clip_id")
        .filter(_is_in_history(thresholds)).group_by("clip_id", "t0_us", "label_class").agg(pl.col("distance_m").min())
    )  # fmt: skip
    return present.group_by("clip_id", "t0_us").agg(
        any_box=pl.lit(True),
        classes=pl.col("label_class").filter(pl.col("distance_m") <= thresholds.range_m),
    )


def _distance_m() -> pl.Expr:
    return pl.col("x_m").pow(2).add(pl.col("y_m").pow(2)).sqrt().alias("distance_m")


def _is_in_history(thresholds: GroundingThresholds) -> pl.Expr:
    return pl.col("t_us").is_between(pl.col("t0_us") - _history_us(thresholds), pl.col("t0_us"))


def _phrases(flag: pl.Expr) -> pl.Expr:
    """Which components are meant, as they read in a detail; null for none."""
    words = pl.concat_str(pl.col("phrase").fill_null("?"), pl.format(" [{}]", "track_id"), ignore_nulls=True)
    met = words.filter(flag.fill_null(False))
    return pl.when(met.len() > 0).then(met.str.join("; "))


def _history_us(thresholds: GroundingThresholds) -> int:
    return round(thresholds.history_s * US_PER_S)
