"""Which clip of a store a name means: a clip id, a keyframe id or a label id, whole or the beginning of one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from coc_assets.some_of import some_of
from resources.sql import query
from resources.store import Store

_NEAR = 3  # names that are offered
_LISTED = 6  # ids that an ambiguous beginning is listed with
_COMPARED = 2_000  # ids that are looked at for likeness, those next to the name in order


class NotFound(LookupError):
    """No clip is meant, or several are; the message says what there is instead."""


@dataclass(frozen=True)
class Found:
    """A clip, and what of it was named.

    Attributes:
        keyframe_id: the keyframe that is to be marked; None where the clip as a whole is meant.
        label_id: the label that is to be marked.
    """

    chunk: str
    clip_id: str
    keyframe_id: str | None = None
    label_id: str | None = None

    @property
    def name(self) -> str:
        """What files of it are called."""
        return "-".join(part for part in (self.keyframe_id or self.clip_id, self.label_id) if part)


def find(store: Store, name: str) -> Found:
    """The clip that a name means; a whole id goes before beginnings, and a clip before its keyframes.

    Raises:
        NotFound: there is none, or several begin so; or it was rejected, and why.
    """
    clips = query(store, "SELECT chunk, clip_id FROM clips")
    if found := _one(clips, "clip_id", name):
        return found
    keyframes = query(
        store, "SELECT chunk, clip_id, keyframe_id FROM keyframes UNION SELECT chunk, clip_id, keyframe_id FROM raw_coc"
    )
    if found := _one(keyframes, "keyframe_id", name):
        return found
    labels = query(store, "SELECT chunk, clip_id, keyframe_id, label_id FROM raw_coc")
    if found := _one(labels, "label_id", name):
        return found
    rejected = query(
        store,
        "SELECT chunk, clip_id, stage, reason, hint FROM rejects WHERE severity = 'rejected' AND clip_id NOT NULL",
    )
    raise NotFound(_why_rejected(rejected, name) or _unknown(store, name, clips["clip_id"].to_list()))


def near(name: str, known: Sequence[str]) -> list[str]:
    """Known ids that somebody may have meant: those that contain the name, else the most alike."""
    if not name:
        return []
    containing = [one for one in known if name.lower() in one.lower()]
    if containing:
        return sorted(containing)[:_NEAR]
    ordered = sorted(known)
    at = pl.Series(ordered, dtype=pl.String).search_sorted(name) if ordered else 0
    beside = ordered[max(int(at) - _COMPARED // 2, 0) : int(at) + _COMPARED // 2]
    beginnings = {one[: len(name)]: one for one in reversed(beside)}
    return [beginnings[alike] for alike in difflib.get_close_matches(name, beginnings, n=_NEAR)]


def _one(rows: pl.DataFrame, column: str, name: str) -> Found | None:
    """The row whose id is the name, else the one that alone begins so."""
    whole = rows.filter(pl.col(column) == name)
    matching = whole if whole.height else rows.filter(pl.col(column).str.starts_with(name))
    if not matching.height:
        return None
    ids = sorted(matching[column].unique())
    if len(ids) > 1 or matching["chunk"].n_unique() > 1:
        raise NotFound(_ambiguous(name, column, ids, matching))
    return Found(**matching.row(0, named=True))


def _ambiguous(name: str, column: str, ids: list[str], rows: pl.DataFrame) -> str:
    if len(ids) == 1:
        return f"{name} lies in several chunks: {', '.join(sorted(rows['chunk'].unique()))}. Make the store anew."
    return f"{name!r} begins several ids ({column}): {some_of(ids, _LISTED)}. Write more of it."


def _why_rejected(rejected: pl.DataFrame, name: str) -> str | None:
    rows = rejected.filter(pl.col("clip_id").str.starts_with(name)).sort("clip_id", "stage")
    if not rows.height or rows["clip_id"].n_unique() > 1:
        return None
    row = rows.row(0, named=True)
    return (
        f"Clip {row['clip_id']} of chunk {row['chunk']} is not in the store: {row['stage']} left it out "
        f"({row['reason']}). {row['hint']}"
    )


def _unknown(store: Store, name: str, clip_ids: list[str]) -> str:
    meant = near(name, clip_ids)
    looks = f"Did you mean {', '.join(meant)}? " if meant else ""
    listing = f'coc sql --store {store.root} "SELECT clip_id FROM clips"'
    return f"No clip, keyframe or label of {store.root} is or begins with {name!r}. {looks}All clips: {listing}"
