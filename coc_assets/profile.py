"""Profiles: what the labels of a store are like, in counts, and how far others are from them.

A profile is a reference to hold later chunks against (`quality.profile`). Equal labels give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from resources import schemas
from resources.receipts import WHOLE, Receipt, digest_of, read_receipt
from resources.settings import SettingsError, describe
from resources.settings.quality import QualitySettings
from resources.store import Store

What = Literal[
    "action", "longitudinal_decision", "lateral_decision", "lateral_direction", "scenario", "verdict", "reason"
]
"""Distributions of a profile: of a chunk's keyframes their actions, of a labeler's labels the others."""
OF_LABELS: tuple[What, ...] = ("longitudinal_decision", "lateral_decision", "lateral_direction", "scenario")
OF_VERDICTS: tuple[What, ...] = ("verdict", "reason")
NONE = "none"
"""Category of what is null: no decision, no direction; as a reason, that no rule fired."""
TALLY = {"labeler": pl.String, "what": pl.String, "category": pl.String, "count": pl.Int64}
"""Columns of a tally: `labeler` is null for keyframes."""
MADE_OF = ("keyframe_segments", "raw_coc", "filtered_coc")
"""Assets that a profile is made of."""

_WHOLE = "all"

Counts = Mapping[str, NonNegativeInt]
Progress = Callable[[int, int], None]


class ProfileError(SettingsError):
    """A profile cannot be used; the message names the file and the mend."""


class LabelerProfile(BaseModel):
    """What one labeler's usable labels are like.

    Attributes:
        labels: how many there are. policies: versions of the policies that decided the verdicts.
        counts: labels by distribution and category.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: NonNegativeInt
    policies: tuple[str, ...]
    counts: Mapping[What, Counts]


class Profile(BaseModel):
    """What the labels of some chunks are like.

    Attributes:
        format: of the file. chunks: what it was made of. data: hash of these chunks' data versions.
        keyframes: how many there are. actions: keyframes by action. labelers: by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    chunks: tuple[str, ...]
    data: str
    keyframes: NonNegativeInt
    actions: Counts
    labelers: Mapping[str, LabelerProfile] = Field(default_factory=dict)

    def counts(self, labeler: str | None, what: What) -> Counts:
        """Of keyframes (labeler None) or of a labeler's labels, by category; empty where the profile has none."""
        if labeler is None:
            return self.actions if what == "action" else {}
        return self.labelers[labeler].counts.get(what, {}) if labeler in self.labelers else {}

    def same_policies(self, labeler: str, versions: Sequence[str]) -> bool:
        """Whether its verdicts on the labeler's labels come from the same policy, so that they can be compared."""
        return labeler in self.labelers and set(self.labelers[labeler].policies) == set(versions)


@dataclass(frozen=True)
class ChunkTally:
    """One chunk as a profile counts it.

    Attributes:
        chunk: its id. tally: rows of `TALLY`. policies: by labeler, versions of the policies in force.
        versions: data version by asset.
    """

    chunk: str
    tally: pl.DataFrame
    policies: Mapping[str, Sequence[str]]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Drift:
    """How far a distribution is from a reference's.

    Attributes:
        labels, reference_labels: what was counted on either side.
        distance: total variation distance, the share that would have to move to another category, 0 … 1.
        noise: the distance to expect where both sides are samples of the reference's distribution.
        moved: category, count, share, expected (the reference's share), change; most moved first.
    """

    labels: int
    reference_labels: int
    distance: float
    noise: float
    moved: pl.DataFrame

    @property
    def excess(self) -> float:
        """The distance that sampling does not explain."""
        return max(0.0, self.distance - self.noise)


# ---- counting --------------------------------------------------------------------------------------------------------


def tally(keyframes: pl.DataFrame, labels: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Keyframes by action, usable labels by decision and scenario, and verdicts by verdict and deciding reason.

    Args:
        keyframes: `keyframes`. labels: `raw_coc`, of any labelers. verdicts: `filtered_coc`.

    Returns:
        Rows of `TALLY`, ordered.
    """
    usable = labels.filter(pl.col("status") == "ok")
    decided = verdicts.with_columns(reason=pl.col("reasons").list.first())
    parts = [
        _tally_of(keyframes.with_columns(labeler=pl.lit(None, pl.String)), "action"),
        *(_tally_of(usable, what) for what in OF_LABELS),
        *(_tally_of(decided, what) for what in OF_VERDICTS),
    ]
    return pl.concat(parts).sort(*TALLY)


def _tally_of(rows: pl.DataFrame, what: What) -> pl.DataFrame:
    category = pl.col(what).fill_null(NONE).alias("category")
    counted = rows.group_by("labeler", category).agg(pl.len().cast(pl.Int64).alias("count"))
    return counted.select("labeler", pl.lit(what).alias("what"), "category", "count")


def counts_of(rows: pl.DataFrame, what: What, labeler: str | None = None) -> dict[str, int]:
    """Categories and counts of one distribution in a tally."""
    of_it = rows.filter((pl.col("what") == what) & pl.col("labeler").eq_missing(pl.lit(labeler, pl.String)))
    return dict(of_it.group_by("category").agg(pl.col("count").sum()).sort("category").iter_rows())


def profile_of(chunks: Sequence[ChunkTally]) -> Profile:
    """The profile of some chunks together."""
    rows = pl.concat([pl.DataFrame(schema=TALLY), *(one.tally for one in chunks)])
    names = sorted(rows["labeler"].drop_nulls().unique())
    actions = counts_of(rows, "action")
    return Profile(
        chunks=tuple(sorted(one.chunk for one in chunks)),
        data=digest_of({one.chunk: one.versions for one in chunks}),
        keyframes=sum(actions.values()),
        actions=actions,
        labelers={name: _labeler_profile(name, rows, chunks) for name in names},
    )


def _labeler_profile(name: str, rows: pl.DataFrame, chunks: Sequence[ChunkTally]) -> LabelerProfile:
    counts = {what: counts_of(rows, what, name) for what in (*OF_LABELS, *OF_VERDICTS)}
    policies = {version for one in chunks for version in one.policies.get(name, ())}
    return LabelerProfile(
        labels=sum(counts["longitudinal_decision"].values()), policies=tuple(sorted(policies)), counts=counts
    )


# ---- drift -----------------------------------------------------------------------------------------------------------


def drift(counts: Counts, reference: Counts) -> Drift:
    """How far counts are from a reference's; a category that only one side knows counts like any other.

    A sample of n labels differs from what it was drawn from: with share p in a category, its share there is off by
    sqrt(2 p (1 - p) / (pi n)) in the mean. The reference is a sample too, of m labels, so that 1/n + 1/m stands for
    1/n. Half the sum over the categories is the distance to expect of labels that have not drifted at all. It counts
    labels as drawn one by one; those of one clip are alike, so a little drift is left where there is none.
    """
    here, there = sum(counts.values()), sum(reference.values())
    categories = sorted({*counts, *reference})
    frame = pl.DataFrame(
        {
            "category": categories,
            "count": [counts.get(category, 0) for category in categories],
            "expected": [reference.get(category, 0) / there if there else 0.0 for category in categories],
        },
        schema={"category": pl.String, "count": pl.Int64, "expected": pl.Float64},
    )
    moved = frame.select(
        "category", "count", (pl.col("count") / here if here else pl.lit(0.0)).alias("share"), "expected"
    ).with_columns(change=pl.col("share") - pl.col("expected"))
    variance = moved["expected"] * (1 - moved["expected"])
    noise = 0.5 * float((variance * (2 / math.pi * (1 / here + 1 / there))).sqrt().sum()) if here and there else 0.0
    return Drift(
        labels=here,
        reference_labels=there,
        distance=0.5 * float(moved["change"].abs().sum()),
        noise=noise,
        moved=moved.sort(pl.col("change").abs(), "category", descending=[True, False]),
    )


def drift_table(chunks: Sequence[ChunkTally], reference: Profile) -> pl.DataFrame:
    """How far each chunk, and all of them together (`chunk` is all), are from a profile.

    Returns:
        One row a chunk, labeler and distribution that the profile knows, all chunks together first and then the
        farthest from it: chunk, labeler (null for keyframes), what, labels, drift (what sampling does not explain),
        distance, noise, and what moved most: category, share, expected. Verdicts and reasons of another policy than
        the profile's are left out.
    """
    whole = ChunkTally(
        _WHOLE, pl.concat([pl.DataFrame(schema=TALLY), *(one.tally for one in chunks)]), _all(chunks), {}
    )
    rows = [row for one in (whole, *chunks) for row in _drift_rows(one, reference)]
    schema = {"chunk": pl.String, "labeler": pl.String, "what": pl.String, "labels": pl.Int64}
    figures = {"drift": pl.Float64, "distance": pl.Float64, "noise": pl.Float64}
    most = {"category": pl.String, "share": pl.Float64, "expected": pl.Float64}
    farthest = [pl.col("chunk") != _WHOLE, -pl.col("drift"), pl.col("chunk", "labeler", "what")]
    return pl.DataFrame(rows, schema={**schema, **figures, **most}).sort(farthest)


def _all(chunks: Sequence[ChunkTally]) -> dict[str, list[str]]:
    names = {name for one in chunks for name in one.policies}
    return {name: sorted({v for one in chunks for v in one.policies.get(name, ())}) for name in names}


def _drift_rows(one: ChunkTally, reference: Profile) -> list[dict[str, Any]]:
    rows = []
    for labeler, what in one.tally.select("labeler", "what").unique(maintain_order=True).iter_rows():
        known = reference.counts(labeler, what)
        if not known or (what in OF_VERDICTS and not reference.same_policies(labeler, one.policies.get(labeler, ()))):
            continue
        found = drift(counts_of(one.tally, what, labeler), known)
        rows.append(
            {
                "chunk": one.chunk,
                "labeler": labeler,
                "what": what,
                "labels": found.labels,
                "drift": found.excess,
                "distance": found.distance,
                "noise": found.noise,
                **found.moved.row(0, named=True),
            }
        )
    return rows


# ---- reading and writing ---------------------------------------------------------------------------------------------


def read_tallies(
    store: Store, chunks: Sequence[str], labeler: str | None = None, *, progress: Progress | None = None
) -> tuple[list[ChunkTally], dict[str, str]]:
    """Chunks as a profile counts them, and by chunk why others cannot be counted and what to do.

    Args:
        labeler: counts only this one's labels.
        progress: called with chunks done and chunks in total.
    """
    tallies, left_out = [], {}
    for done, chunk in enumerate(chunks, start=1):
        receipts = [read_receipt(store, asset, chunk) for asset in MADE_OF]
        problem = _problem(receipts)
        if problem:
            left_out[chunk] = f"{problem}. Make it: coc run --store {store.root} --chunks {int(chunk)}"
        else:
            tallies.append(_read_tally(store, chunk, labeler, [one for one in receipts if one]))
        if progress:
            progress(done, len(chunks))
    return tallies, left_out


def _problem(receipts: Sequence[Receipt | None]) -> str | None:
    """Why a chunk's labels and verdicts cannot be counted, None where they can: they must be of each other."""
    unfinished = [name for name, one in zip(MADE_OF, receipts, strict=True) if one is None or one.status != "done"]
    if unfinished:
        return f"{', '.join(unfinished)} not finished"
    done = {one.stage: one for one in receipts if one}
    read = done["filtered_coc"].fingerprints.get(WHOLE)
    stale = [name for name in MADE_OF[:-1] if not read or read.upstream.get(name) != done[name].data_version]
    return f"verdicts older than {', '.join(stale)}" if stale else None


def _read_tally(store: Store, chunk: str, labeler: str | None, receipts: Sequence[Receipt]) -> ChunkTally:
    labels, verdicts = store.read_labels(chunk), store.read_table(schemas.VERDICTS, chunk)
    if labeler is not None:
        labels, verdicts = (rows.filter(pl.col("labeler") == labeler) for rows in (labels, verdicts))
    policies = verdicts.group_by("labeler").agg(pl.col("policy_version").unique().sort()).iter_rows()
    return ChunkTally(
        chunk=chunk,
        tally=tally(store.read_table(schemas.KEYFRAMES, chunk), labels, verdicts),
        policies=dict(policies),
        versions={one.stage: one.data_version for one in receipts},
    )


def profile_bytes(profile: Profile) -> bytes:
    return json.dumps(profile.model_dump(mode="json"), indent=1, sort_keys=True).encode() + b"\n"


def reference_profile(quality: QualitySettings) -> Profile | None:
    """The profile that the checks hold labels against, None where none is set.

    Raises:
        ProfileError: `quality.profile` cannot be read, or is no profile.
    """
    return read_profile(quality.profile, "quality.profile:") if quality.profile else None


def read_profile(path: Path, named: str = "Profile") -> Profile:
    """A profile as `coc profile --out` wrote it.

    Args:
        named: what an error says before the path.

    Raises:
        ProfileError: the file cannot be read, or is no profile.
    """
    data = _read(path, named)
    try:
        return Profile.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ProfileError(f"{named} {path} is no profile ({place}: {describe(first)}). {_mend(path)}") from None


def levels_in_force(quality: QualitySettings) -> str:
    """Names the levels and the profile's content: a check evaluated under others speaks of those.

    Raises:
        ProfileError: the profile cannot be read.
    """
    levels = digest_of(quality.model_dump(mode="json", exclude={"profile"}))
    reference = hashlib.sha256(_read(quality.profile, "quality.profile:")).hexdigest() if quality.profile else None
    return digest_of([levels, reference])


def _read(path: Path, named: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProfileError(f"{named} {path} cannot be read ({error.__class__.__name__}). {_mend(path)}") from None


def _mend(path: Path) -> str:
    return f"Make it from labels that you trust: coc profile --store STORE --out {path}"
