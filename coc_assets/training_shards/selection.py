"""Which labels become samples.

Conservation: a label with one of the verdicts that are used is a sample or a reject, never both and never neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import polars as pl

from coc_assets.training_shards.splits import splits_of
from resources.control_tokens import CONTROL_TOKEN
from resources.settings.shards import ShardSettings

Row = dict[str, Any]
Reason = Literal[
    "not_preferred",
    "not_in_split_file",
    "decision_not_selected",
    "too_close",
    "text_has_control_tokens",
    "no_text",
    "clip_id_not_portable",
    "outside_training_window",
    "no_video",
]

STAGE = "training_shards"
_PORTABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TEXTS = ("trace", "perception", "prediction", "planning", "justification")
_DECISIONS = ("longitudinal_decision", "lateral_decision", "lateral_direction")
_FROM_VERDICT = ("label_id", "verdict", "reasons", "policy_version")


class StaleInputError(ValueError):
    """The tables given do not belong together; the message names the row and what to make again."""


@dataclass(frozen=True)
class Unusable:
    """Why a label or a whole keyframe is no sample; `feature` where a part of the dataset is at fault."""

    reason: Reason | str
    hint: str
    feature: str | None = None


@dataclass(frozen=True)
class KeptKeyframe:
    """A keyframe with at least one label that is used.

    Attributes:
        keyframe: its row of `keyframes`.
        split: the split of its clip; None where a split file leaves it out.
        labels: rows of `raw_coc` joined with their verdict, most preferred first.
    """

    keyframe: Row
    split: str | None
    labels: list[Row]

    @property
    def key(self) -> str:
        """The sample's key, `<clip_id>-<t0_us, 8 digits>`."""
        return str(self.keyframe["keyframe_id"])

    @property
    def clip_id(self) -> str:
        return str(self.keyframe["clip_id"])

    @property
    def t0_us(self) -> int:
        return int(self.keyframe["t0_us"])


@dataclass(frozen=True)
class LabelRule:
    """One reason why a kept label cannot be used; `finds` gives what is wrong in it, or None."""

    reason: Reason
    finds: Callable[[Row], str | None]


def kept_by_clip(
    clips: pl.DataFrame,
    keyframes: pl.DataFrame,
    labels: pl.DataFrame,
    verdicts: pl.DataFrame,
    labelers: Sequence[str],
    settings: ShardSettings,
) -> list[tuple[str, list[KeptKeyframe]]]:
    """Clips with labels that are used, in order of their id, each with its keyframes in order of time.

    Args:
        clips, keyframes, labels, verdicts: the chunk's `clips`, `keyframes`, `raw_coc` and `filtered_coc` tables.
        labelers: names in order of preference; labels of others come last.
        settings: which verdicts are used, and what splits go by.

    Raises:
        StaleInputError: a verdict that is used has no label, or a label no keyframe or clip.
        SplitFileError: the settings name a split file that cannot be used.
    """
    rows = _labels_used(labels, verdicts, settings.verdicts)
    keyframe_of = {row["keyframe_id"]: row for row in keyframes.to_dicts()}
    split = splits_of(clips, settings)
    _require(rows, "keyframe_id", keyframe_of, "keyframe_segments")
    _require(rows, "clip_id", split, "trajectory_cache")
    rank = {name: position for position, name in enumerate(labelers)}

    def order(row: Row) -> tuple[Any, ...]:
        keyframe = keyframe_of[row["keyframe_id"]]
        preference = rank.get(row["labeler"], len(rank))
        return keyframe["clip_id"], keyframe["t0_us"], row["keyframe_id"], preference, row["labeler"], row["label_id"]

    kept = [
        KeptKeyframe(keyframe_of[name], split[keyframe_of[name]["clip_id"]], list(of_keyframe))
        for name, of_keyframe in groupby(sorted(rows, key=order), key=lambda row: row["keyframe_id"])
    ]
    return [(clip_id, list(of_clip)) for clip_id, of_clip in groupby(kept, key=lambda keyframe: keyframe.clip_id)]


def label_problem(label: Row) -> Unusable | None:
    """The first rule that keeps a label out whatever its keyframe, or None."""
    for rule in LABEL_RULES:
        found = rule.finds(label)
        if found is not None:
            return Unusable(rule.reason, found)
    return None


def reject_row(label: Row, why: Unusable) -> Row:
    """The label's row of `rejects`."""
    return {
        "stage": STAGE,
        "clip_id": label["clip_id"],
        "keyframe_id": label["keyframe_id"],
        "label_id": label["label_id"],
        "severity": "rejected",
        "feature": why.feature,
        "reason": why.reason,
        "hint": why.hint,
    }


def choose(usable: Sequence[Row], labelers: Sequence[str]) -> tuple[Row | None, list[Row]]:
    """The label that becomes the sample, None where no preferred labeler has one, and the others as rejects."""
    chosen = usable[0] if usable and usable[0]["labeler"] in labelers else None
    others = usable[1:] if chosen else usable
    return chosen, [reject_row(label, _not_preferred(label, chosen)) for label in others]


def decision_problem(label: Row, decisions: Collection[str]) -> Unusable | None:
    """Why a label's decisions keep it out, where only some are asked for; none are where `decisions` is empty."""
    named = [label[name] for name in ("longitudinal_decision", "lateral_decision") if label[name]]
    if not decisions or not set(decisions).isdisjoint(named):
        return None
    said = " and ".join(named) or "nothing"
    return Unusable("decision_not_selected", f"it decides {said}; shards.decisions asks for {', '.join(decisions)}")


def split_problem(kept: KeptKeyframe) -> Unusable | None:
    """Why a keyframe has no split, or None."""
    if kept.split is not None:
        return None
    return Unusable("not_in_split_file", f"shards.split_file does not name clip {kept.clip_id}")


def thinned(chosen: Sequence[Row], spacing_us: int) -> tuple[list[Row], list[Row]]:
    """Labels of one clip without those that repeat an earlier one, and these as rejects.

    A label repeats one that stays, decides the same in both channels and lies less than the spacing before it.

    Args:
        chosen: in order of time, one a keyframe.
    """
    stay: list[Row] = []
    rejects: list[Row] = []
    last: dict[tuple[Any, ...], Row] = {}
    for label in chosen:
        decided = tuple(label[name] for name in _DECISIONS)
        before = last.get(decided)
        if before is not None and label["t0_us"] - before["t0_us"] < spacing_us:
            rejects.append(reject_row(label, _too_close(label, before)))
        else:
            last[decided] = label
            stay.append(label)
    return stay, rejects


def _too_close(label: Row, before: Row) -> Unusable:
    apart_s = (label["t0_us"] - before["t0_us"]) / 1e6
    return Unusable(
        "too_close",
        f"{apart_s:.1f} s after label {before['label_id']} of the same decisions, closer than shards.min_spacing_s",
    )


def _not_preferred(label: Row, chosen: Row | None) -> Unusable:
    # The hint leaves the list itself out: labelers that a chunk has no labels of must not change its tables.
    if chosen is None:
        hint = f"labeler {label['labeler']!r} is not preferred; put it into shards.labelers to train on it"
    else:
        hint = f"label {chosen['label_id']} of {chosen['labeler']!r} comes first by shards.labelers"
    return Unusable("not_preferred", hint)


def _texts(label: Row) -> Iterator[tuple[str, str]]:
    yield from ((name, label[name]) for name in _TEXTS if label[name])
    for component in label["components"] or []:
        yield "components.phrase", component["phrase"] or ""
        for attribute in component["attributes"] or []:
            yield "components.attributes", f"{attribute['key']}: {attribute['value']}"


def _control_tokens(label: Row) -> str | None:
    for name, text in _texts(label):
        token = CONTROL_TOKEN.search(text)
        if token:
            return f"{name} holds {token[0]!r}, which trainers read as a command; label the keyframe again"
    return None


def _blank_trace(label: Row) -> str | None:
    return None if (label["trace"] or "").strip() else "the label has no trace; label the keyframe again"


def _unportable(label: Row) -> str | None:
    if _PORTABLE.fullmatch(label["clip_id"]):
        return None
    return (
        f"clip id {label['clip_id']!r} cannot name a tar member (1 to 64 of A-Z a-z 0-9 _ -, no dots); rename the clip"
    )


LABEL_RULES: tuple[LabelRule, ...] = (
    LabelRule("clip_id_not_portable", _unportable),
    LabelRule("no_text", _blank_trace),
    LabelRule("text_has_control_tokens", _control_tokens),
)


def _labels_used(labels: pl.DataFrame, verdicts: pl.DataFrame, used: Sequence[str]) -> list[Row]:
    judged = verdicts.filter(pl.col("verdict").is_in(used)).select(_FROM_VERDICT)
    orphans = judged.join(labels, on="label_id", how="anti")["label_id"].sort().to_list()
    if orphans:
        raise StaleInputError(
            f"{len(orphans)} verdicts judge labels that raw_coc does not hold, first {orphans[0]!r}; "
            "make filtered_coc again."
        )
    return labels.drop("raw_response", "responses").join(judged, on="label_id", how="inner").to_dicts()


def _require(rows: Sequence[Row], column: str, known: Mapping[str, object], asset: str) -> None:
    missing = sorted({row[column] for row in rows} - set(known))
    if missing:
        raise StaleInputError(
            f"{len(missing)} {column}s of labels are unknown to {asset}, first {missing[0]!r}; "
            "make raw_coc and filtered_coc again."
        )
