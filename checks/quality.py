"""What the checks claim about the quality of labels: frames and levels in, a `Claim` out.

Levels are settings (section `quality`). Where labelers matter each is held against them by itself, and the worst
decides; one with few labels in the chunk is let be, since its shares say little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from checks.claims import WORST_ROWS, Claim, look_at
from coc_assets.filtered_coc import consistency, text_claims
from coc_assets.profile import NONE, Drift, Profile, What, counts_of, drift, tally
from resources import schemas
from resources.reviews import Review, in_force
from resources.settings.quality import Levels, QualitySettings

CHANNELS: tuple[What, ...] = ("longitudinal_decision", "lateral_decision", "lateral_direction")
JUDGED = ("judged_behavior", "behavior_match_score")
"""Instrument and figure of the model that looked at the video."""
JUDGE_AGREES = 0.5
"""The judge finds the label's behaviour in the video from this score on, of 1."""
_SHOWN_TEXT = 80


@dataclass(frozen=True)
class _Moved:
    """One distribution held against a profile: whose (None for keyframes), which, and how far it is."""

    labeler: str | None
    what: What
    drift: Drift


# ---- verdicts --------------------------------------------------------------------------------------------------------


def enough_labels_are_kept(verdicts: pl.DataFrame, quality: QualitySettings) -> Claim:
    """The policy keeps a fair part of each labeler's labels: a low share means a bad labeler or a policy too strict.

    Args:
        verdicts: `filtered_coc`.
    """
    shares = _shares(verdicts, pl.col("verdict") == "keep", quality.least_labels)
    if shares.is_empty():
        return _too_few("labels", quality)
    labeler, count, share = shares.sort("share", "labeler").row(0)
    lost = _of(verdicts, labeler).filter(pl.col("verdict") != "keep").with_columns(_deciding())
    said = f"{share:.1%} of {count} labels of {labeler!r} are kept" + _mostly(lost["reason"])
    worst = lost.sort(pl.col("verdict") != "reject", "reason", "label_id").select([*_LABEL, "verdict", "reason"])
    return _held(quality.kept, share, said, worst)


def no_reason_rejects_too_many(verdicts: pl.DataFrame, quality: QualitySettings) -> Claim:
    """No single rule of the policy rejects a large part of a labeler's labels; of several rules the deciding counts.

    Args:
        verdicts: `filtered_coc`.
    """
    decided = verdicts.with_columns(_deciding(), rejected=pl.col("verdict") == "reject")
    shares = (
        decided.with_columns(labels=pl.len().over("labeler"))
        .filter(pl.col("labels") >= quality.least_labels)
        .group_by("labeler", "labels", "reason")
        .agg(share=pl.col("rejected").sum() / pl.col("labels").first())
    )
    if shares.is_empty():
        return _too_few("labels", quality)
    worst = shares.sort("share", "labeler", "reason", descending=[True, False, False]).row(0, named=True)
    if not worst["share"]:
        return _held(quality.rejected_for_one_reason, 0.0, "no label is rejected", pl.DataFrame())
    said = f"{worst['share']:.1%} of {worst['labels']} labels of {worst['labeler']!r} are rejected by {worst['reason']}"
    rows = _of(decided, worst["labeler"]).filter(pl.col("rejected") & (pl.col("reason") == worst["reason"]))
    examples = rows.sort("label_id").select([*_LABEL, "verdict", "reason"])
    return _held(quality.rejected_for_one_reason, worst["share"], said, examples)


# ---- drift -----------------------------------------------------------------------------------------------------------


def actions_match_the_profile(keyframes: pl.DataFrame, profile: Profile | None, quality: QualitySettings) -> Claim:
    """The keyframes' actions are spread as in the reference profile.

    Args:
        keyframes: `keyframes`. profile: the reference, None where none is set.
    """
    if profile is None:
        return _no_profile()
    if keyframes.height < quality.least_labels or not profile.actions:
        return _too_few("keyframes", quality)
    counted = tally(keyframes, schemas.empty(schemas.RAW_COC), schemas.empty(schemas.VERDICTS))
    moved = _Moved(None, "action", drift(counts_of(counted, "action"), profile.actions))
    return _drifted(quality.action_drift, moved, keyframes.with_columns(label_id=pl.lit(None, pl.String)))


def decisions_match_the_profile(labels: pl.DataFrame, profile: Profile | None, quality: QualitySettings) -> Claim:
    """Each labeler's decisions on either channel, and the sides of the lateral ones, are spread as in the profile.

    Args:
        labels: `raw_coc`, of any labelers. profile: the reference, None where none is set.
    """
    if profile is None:
        return _no_profile()
    usable = labels.filter(pl.col("status") == "ok")
    counted = tally(schemas.empty(schemas.KEYFRAMES), usable, schemas.empty(schemas.VERDICTS))
    moved = _moved(counted, CHANNELS, _enough(usable, quality.least_labels), profile)
    if not moved:
        return _none_known(usable, profile, quality)
    return _drifted(quality.decision_drift, moved[0], usable)


def verdicts_match_the_profile(verdicts: pl.DataFrame, profile: Profile | None, quality: QualitySettings) -> Claim:
    """The policy says keep, review and reject of each labeler's labels as often as in the profile.

    Args:
        verdicts: `filtered_coc`. profile: the reference, None where none is set; one that another policy decided says
            nothing of these verdicts.
    """
    if profile is None:
        return _no_profile()
    policies = sorted(verdicts["policy_version"].unique())
    names = [name for name in _enough(verdicts, quality.least_labels) if profile.same_policies(name, policies)]
    counted = tally(schemas.empty(schemas.KEYFRAMES), schemas.empty(schemas.RAW_COC), verdicts)
    moved = _moved(counted, ("verdict",), names, profile)
    if moved:
        return _drifted(quality.verdict_drift, moved[0], verdicts)
    others = sorted({version for name in profile.labelers for version in profile.labelers[name].policies})
    if policies and others and policies != others:
        said = f"Verdicts follow {', '.join(policies)} and the profile's {', '.join(others)}: not compared"
        return _nothing_to_hold(f"{said}. Make the profile anew: coc profile --out FILE.")
    return _none_known(verdicts, profile, quality)


def _moved(counted: pl.DataFrame, whats: Sequence[What], labelers: Sequence[str], profile: Profile) -> list[_Moved]:
    """Each labeler's distributions that the profile knows, the farthest from it first."""
    found = [
        _Moved(name, what, drift(counts_of(counted, what, name), profile.counts(name, what)))
        for name in labelers
        for what in whats
        if sum(profile.counts(name, what).values())
    ]
    return sorted(found, key=lambda one: -one.drift.excess)


def _drifted(levels: Levels, moved: _Moved, rows: pl.DataFrame) -> Claim:
    """Args:
    rows: keyframes or labels, of which each category that moved shows an example.
    """
    found, whose = moved.drift, f" of {moved.labeler!r}" if moved.labeler else " of keyframes"
    most = found.moved.row(0, named=True)
    said = (
        f"{moved.what}{whose} is {found.excess:.2f} from the profile beyond sampling ({most['category']} "
        f"{most['share']:.0%} of {found.labels}, {most['expected']:.0%} there)"
    )
    of_it = rows if moved.labeler is None else _of(rows, moved.labeler)
    examples = (
        of_it.with_columns(category=pl.col(moved.what).fill_null(NONE))
        .group_by("category")
        .agg(pl.col("label_id", "keyframe_id").sort_by("keyframe_id").first())
    )
    figures = [pl.col(name).round(3) for name in ("share", "expected", "change")]
    worst = found.moved.join(examples, on="category", how="left", maintain_order="left").select(
        pl.lit(moved.what).alias("what"), "category", *figures, "label_id", "keyframe_id"
    )
    further = {"distance": found.distance, "explained_by_sampling": found.noise}
    return _held(levels, found.excess, said, worst, further, shown="{:.2f}")


# ---- instruments -----------------------------------------------------------------------------------------------------


def judge_agrees_with_the_motion(measurements: pl.DataFrame, labels: pl.DataFrame, quality: QualitySettings) -> Claim:
    """The model that looked at the video and the recorded motion mostly say the same of a label's behaviour.

    The motion agrees where neither axis of `trajectory_consistency` disagrees and one of them speaks. Labels on which
    either abstains are not counted. Where the two often differ one of them cannot be trusted on this labeler.

    Args:
        measurements: rows of any instruments; the last of each figure counts. labels: `raw_coc`.
    """
    judge = _newest(measurements, JUDGED[0], [JUDGED[1]]).select("label_id", score="value")
    if judge.is_empty():
        return _nothing_to_hold("No judging model was asked about these labels.")
    motion = _newest(measurements, consistency.INSTRUMENT, ["longitudinal", "lateral"])
    agrees = motion.group_by("label_id").agg(motion_agrees=pl.col("value").min() >= 1)
    both = labels.join(judge, on="label_id").join(agrees, on="label_id").with_columns(
        differ=(pl.col("score") >= JUDGE_AGREES) != pl.col("motion_agrees")
    )  # fmt: skip
    shares = _shares(both, pl.col("differ"), quality.least_labels)
    if shares.is_empty():
        return _too_few("labels that judge and motion both speak of", quality)
    labeler, count, share = shares.sort("share", "labeler", descending=[True, False]).row(0)
    said = f"judge and recorded motion differ on {share:.1%} of {count} labels of {labeler!r}"
    differing = _of(both, labeler).filter("differ").sort((pl.col("score") - JUDGE_AGREES).abs(), descending=True)
    decisions = ["longitudinal_decision", "lateral_decision", "lateral_direction"]
    worst = differing.select([*_LABEL, "score", "motion_agrees", *decisions])
    return _held(quality.judge_disagrees, share, said, worst)


def text_is_read(measurements: pl.DataFrame, labels: pl.DataFrame, quality: QualitySettings) -> Claim:
    """The text parser reads a claim from most texts: where it does not, that texts agree with the motion says nothing.

    Args:
        measurements: rows of any instruments; the last of each figure counts. labels: `raw_coc`.
    """
    read = _newest(measurements, text_claims.INSTRUMENT, ["claims_read"]).select("label_id", claims="value")
    found = labels.filter(pl.col("status") == "ok").join(read, on="label_id")
    shares = _shares(found, pl.col("claims") > 0, quality.least_labels)
    if shares.is_empty():
        return _too_few("labels with a text", quality)
    labeler, count, share = shares.sort("share", "labeler").row(0)
    said = f"a claim is read from {share:.1%} of {count} texts of {labeler!r}"
    unread = _of(found, labeler).filter(pl.col("claims") <= 0).sort("label_id")
    worst = unread.select([*_LABEL, "claims", pl.col("trace").str.head(_SHOWN_TEXT)])
    return _held(quality.text_read, share, said, worst)


def turned_motion_is_noticed(sensitivity: pl.DataFrame, quality: QualitySettings) -> Claim:
    """Had the ego driven the other way, the text parser would disagree where it agrees: its agreement is not vacuous.

    Not all can be noticed: some words allow either way, as following a lead does.

    Args:
        sensitivity: rows of `self_test.sensitivity`; an axis with few motions to turn round is let be.
    """
    rows = sensitivity.filter(pl.col("n") >= quality.least_labels).sort("sensitivity", "labeler", "axis")
    if rows.is_empty():
        return _too_few("labels whose motion can be turned round", quality)
    least = rows.row(0, named=True)
    said = (
        f"of {least['agree']} texts of {least['labeler']!r} that agree with the {least['axis']} motion "
        f"{least['sensitivity']:.0%} would not, were it turned round"
    )
    return _held(quality.parser_sensitivity, least["sensitivity"], said, rows)


# ---- people ----------------------------------------------------------------------------------------------------------


def reviews_are_of_labels_here(reviews: Sequence[Review], lines: int, labels: pl.DataFrame) -> Claim:
    """What people decided can be read, and speaks of labels that are still there: else it counts for nothing.

    Args:
        reviews: every review of the chunk that can be read. lines: lines in their journal. labels: `raw_coc`.
    """
    known, edited = set(labels["label_id"]), set(labels.filter(pl.col("origin") == "edited")["keyframe_id"])
    standing = in_force(reviews)
    lost = [one for one in standing if one.label_id not in known or (one.edited and one.keyframe_id not in edited)]
    rows = [{name: getattr(one, name) for name in ("label_id", "keyframe_id", "labeler", "reviewer")} for one in lost]
    worst, unread = pl.DataFrame(rows[:WORST_ROWS]), lines - len(reviews)
    said = f"{len(lost)} of {len(standing)} reviews speak of labels that are gone; {unread} lines cannot be read"
    mend = " Labels that were made anew need another look: coc review." if lost else ""
    return Claim(not lost and not unread, "WARN", len(lost) + unread, 0, f"{said}.{mend}", worst)


# ---- what all of them share ------------------------------------------------------------------------------------------

_LABEL = ["labeler", "label_id", "keyframe_id"]


def _held(
    levels: Levels,
    figure: float,
    said: str,
    worst: pl.DataFrame,
    further: Mapping[str, float | str] | None = None,
    *,
    shown: str = "{:.0%}",
) -> Claim:
    """The claim that a figure keeps to its levels; the threshold is the level that it lies beyond, else the nearest."""
    breach = levels.breach(figure)
    nearest = levels.error if breach == "ERROR" or levels.warn is None else levels.warn
    expected = "no level is set" if nearest is None else f"{levels.bound} {shown.format(nearest)} expected"
    told: dict[str, float | str] = {f"{name}_level": at for name, at in levels.model_dump(exclude_none=True).items()}
    told |= {**(further or {}), **_look_at(worst)}
    head = worst.head(WORST_ROWS)
    return Claim(breach is None, breach or "WARN", figure, nearest, f"{said}; {expected}.", head, told)


def _look_at(worst: pl.DataFrame) -> dict[str, str]:
    """How to see the offending labels in full, and others of their kind in the browser."""
    shown = worst.head(WORST_ROWS)
    look = look_at(shown)
    if look and {"labeler", "verdict"} <= set(worst.columns):
        said = ",".join(sorted(shown["verdict"].unique()))
        look["look_at_more"] = f"coc review --labeler {shown['labeler'][0]} --verdict {said}"
    return look


def _nothing_to_hold(description: str) -> Claim:
    return Claim(True, "WARN", None, None, description)


def _too_few(what: str, quality: QualitySettings) -> Claim:
    return _nothing_to_hold(f"Fewer than {quality.least_labels} {what} (quality.least_labels): nothing to judge by.")


def _no_profile() -> Claim:
    return _nothing_to_hold(
        "No reference profile is set. Make one of labels that you trust, coc profile --out FILE, and name it in "
        "quality.profile."
    )


def _none_known(rows: pl.DataFrame, profile: Profile, quality: QualitySettings) -> Claim:
    strange = sorted(set(rows["labeler"].unique()) - set(profile.labelers))
    if strange:
        known = ", ".join(profile.labelers) or "none"
        return _nothing_to_hold(f"The profile has no labels of {', '.join(strange)} (labelers in it: {known}).")
    return _too_few("labels", quality)


def _shares(rows: pl.DataFrame, holds: pl.Expr, least: int) -> pl.DataFrame:
    """Labeler, labels, and the share of them that hold, of the labelers with enough labels."""
    shares = rows.group_by("labeler").agg(pl.len().alias("labels"), holds.mean().alias("share"))
    return shares.filter(pl.col("labels") >= least)


def _enough(rows: pl.DataFrame, least: int) -> list[str]:
    counts = rows.group_by("labeler").len().filter(pl.col("len") >= least)
    return sorted(counts["labeler"])


def _of(rows: pl.DataFrame, labeler: str) -> pl.DataFrame:
    return rows.filter(pl.col("labeler") == labeler)


def _deciding() -> pl.Expr:
    """The rule that decides a verdict is the first of its reasons."""
    return pl.col("reasons").list.first().alias("reason")


def _mostly(reasons: pl.Series) -> str:
    counts = reasons.value_counts().sort("count", "reason", descending=[True, False])
    return "" if counts.is_empty() else f" (most often lost to {counts['reason'][0]}: {counts['count'][0]})"


def _newest(measurements: pl.DataFrame, instrument: str, names: Sequence[str]) -> pl.DataFrame:
    """Of each label and figure the last row, which was measured last; those that abstain are left out."""
    rows = measurements.filter((pl.col("instrument") == instrument) & pl.col("name").is_in(list(names)))
    return rows.unique(["label_id", "name"], keep="last", maintain_order=True).drop_nulls("value")
