"""`coc diff`: what differs between two releases, told from their manifests and tables alone."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl

from coc_assets.releases.balance import NONE, classes, place
from coc_assets.releases.gather import ReleaseError
from coc_assets.releases.manifest import ManifestError, read_manifest
from coc_assets.releases.release import SAMPLES_FILE
from coc_assets.training_shards.index import ShardIndex, read_index
from coc_assets.training_shards.members import TEXT
from coc_assets.training_shards.outcome import LABEL_VERSION
from coc_assets.training_shards.tar import read_group
from coc_assets.training_shards.verify import read_whole
from coc_assets.training_shards.writer import INDEX, MANIFEST
from resources.settings import Settings
from resources.store import RELEASES, Store

Change = Literal["added", "removed", "moved", "relabelled", "other_bytes"]
CHANGES: tuple[Change, ...] = ("added", "removed", "moved", "relabelled", "other_bytes")
"""A sample that only one has; one of another split; of another label or text; of the same, and yet other bytes."""
COUNTED_BY = ("split", "decision", "labeler")

_COMPARED = ("split", "label_id", "cot_sha256", "size", "crc32")
_ABSENT = "–"


@dataclass(frozen=True)
class Side:
    """One of the two releases: its folder, the manifest's content and its samples, with `decision` added."""

    folder: Path
    manifest: Mapping[str, Any]
    samples: pl.DataFrame

    @cached_property
    def index(self) -> ShardIndex | None:
        """Where its texts lie; None where its index is not there or cannot be read."""
        if not (self.folder / INDEX).is_file():
            return None
        try:
            return read_index(self.folder)
        except (OSError, ValueError):
            return None


@dataclass(frozen=True)
class Diff:
    """What differs.

    Attributes:
        before, after: names.
        totals: samples of each, and how many changed in which way.
        counts: by what they are counted by: a row a value, a column a change, and samples of each.
        settings: dotted keys that differ: key, before, after.
        versions: of labels, code and package that differ: what, before, after.
        examples: change, key, and split, decision, labeler and text on both sides.
    """

    before: str
    after: str
    totals: dict[str, int]
    counts: dict[str, pl.DataFrame]
    settings: pl.DataFrame
    versions: pl.DataFrame
    examples: pl.DataFrame


def open_release(settings: Settings, name: str) -> Side:
    """A release of the store by its name, or any by its folder.

    Raises:
        ReleaseError: there is none, or it cannot be read.
    """
    of_store = Store(settings.store).release(name)
    folder = of_store if of_store.is_dir() else Path(name)
    if not folder.is_dir():
        there = sorted(path.parent.name for path in (settings.store / RELEASES).glob(f"[!.]*/{MANIFEST}"))
        raise ReleaseError(
            f"No release {name!r}: neither in {settings.store / RELEASES} nor a folder. The store has: "
            f"{', '.join(there) or 'none'}."
        )
    try:
        manifest = read_manifest(folder / MANIFEST)
        samples = read_whole(folder / SAMPLES_FILE, manifest["files"][SAMPLES_FILE]["sha256"])
    except (ManifestError, OSError, ValueError, KeyError) as error:
        raise ReleaseError(f"{folder} cannot be compared: {error}. What is amiss: coc verify {folder}") from None
    return Side(folder, manifest, samples.with_columns(classes(samples, "decision").alias("decision")))


def diff(before: Side, after: Side, examples: int) -> Diff:
    """What differs between two releases.

    Args:
        examples: samples that are shown of each change, those of the lowest hash.
    """
    changes = _changes(before.samples, after.samples)
    kinds = dict(changes.group_by("change").len().iter_rows())
    return Diff(
        before=str(before.manifest["name"]),
        after=str(after.manifest["name"]),
        totals={
            "samples_before": before.samples.height,
            "samples_after": after.samples.height,
            **{change: kinds.get(change, 0) for change in CHANGES},
        },
        counts={by: _counts(before.samples, after.samples, changes, by) for by in COUNTED_BY},
        settings=_differences(before.manifest["settings"], after.manifest["settings"], "key"),
        versions=_differences(_versions(before.manifest), _versions(after.manifest), "what"),
        examples=_examples(before, after, changes, examples),
    )


def _changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """A row a sample and change: `change`, `key`, and what it is counted by, as it is after, or was if it is gone.

    A sample can both move and be relabelled, and is then two rows; other bytes count where neither explains them.
    """
    compared = before.select("key", *_COMPARED).join(after.select("key", *_COMPARED), on="key", suffix="_after")
    moved = pl.col("split") != pl.col("split_after")
    relabelled = pl.col("label_id").ne_missing(pl.col("label_id_after")) | (
        pl.col("cot_sha256").ne_missing(pl.col("cot_sha256_after"))
    )
    both_packed = pl.col("crc32").is_not_null() & pl.col("crc32_after").is_not_null()
    differ = (pl.col("crc32") != pl.col("crc32_after")) | (pl.col("size") != pl.col("size_after"))
    of_change: dict[Change, pl.DataFrame] = {
        "added": after.join(before, on="key", how="anti"),
        "removed": before.join(after, on="key", how="anti"),
        "moved": _rows(after, compared.filter(moved)),
        "relabelled": _rows(after, compared.filter(relabelled)),
        "other_bytes": _rows(after, compared.filter(both_packed & differ & ~moved & ~relabelled)),
    }
    return pl.concat(
        rows.select(pl.lit(change).alias("change"), "key", *COUNTED_BY) for change, rows in of_change.items()
    )


def _rows(samples: pl.DataFrame, of: pl.DataFrame) -> pl.DataFrame:
    return samples.join(of.select("key"), on="key", how="semi")


def _counts(before: pl.DataFrame, after: pl.DataFrame, changes: pl.DataFrame, by: str) -> pl.DataFrame:
    columns = {"before": before, "after": after} | {name: changes.filter(pl.col("change") == name) for name in CHANGES}
    counts = pl.DataFrame({by: sorted({*before[by], *after[by]})}, schema={by: pl.String})
    for name, rows in columns.items():
        counts = counts.join(rows.group_by(by).agg(pl.len().cast(pl.Int64).alias(name)), on=by, how="left")
    return counts.fill_null(0).sort(by)


# ---- settings and versions -------------------------------------------------------------------------------------------


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], what: str) -> pl.DataFrame:
    was, now = dict(_dotted(before)), dict(_dotted(after))
    rows = [
        (key, was.get(key, _ABSENT), now.get(key, _ABSENT))
        for key in sorted({*was, *now})
        if was.get(key, _ABSENT) != now.get(key, _ABSENT)
    ]
    return pl.DataFrame(rows, schema={what: pl.String, "before": pl.String, "after": pl.String}, orient="row")


def _dotted(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _versions(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the labels and the data were made by: of labels the samples of each version, of code its versions."""
    sources = manifest["sources"]
    labels = {
        " ".join(f"{name.removesuffix('_version')}={one[name] or NONE}" for name in LABEL_VERSION): one["samples"]
        for one in sources["labels"]
    }
    code = {name: ", ".join(versions) for name, versions in sources["code"].items()}
    return {"coc_assets": sources["coc_assets"], "code": code, "labels": labels}


# ---- examples --------------------------------------------------------------------------------------------------------


def _examples(before: Side, after: Side, changes: pl.DataFrame, count: int) -> pl.DataFrame:
    rows = []
    for change in CHANGES:
        keys = changes.filter(pl.col("change") == change)["key"].to_list()
        for key in sorted(keys, key=lambda key: place("order", key))[:count]:
            was, now = _told(before, key), _told(after, key)
            rows.append({"change": change, "key": key, **{f"{name}_before": text for name, text in was.items()},
                         **{f"{name}_after": text for name, text in now.items()}})  # fmt: skip
    columns = [f"{name}_{when}" for name in (*COUNTED_BY, "text") for when in ("before", "after")]
    return pl.DataFrame(rows, schema=dict.fromkeys(["change", "key", *columns], pl.String))


def _told(side: Side, key: str) -> dict[str, str | None]:
    """What a release says of a sample, its text where its shards are there; empty where it has no such sample."""
    row = next(side.samples.filter(pl.col("key") == key).select(COUNTED_BY).iter_rows(named=True), None)
    return {} if row is None else {**row, "text": _text(side, key)}


def _text(side: Side, key: str) -> str | None:
    if side.index is None:
        return None
    try:
        return read_group(side.index.read(side.index.position_of(key)))[TEXT].decode()
    except (OSError, KeyError, ValueError, tarfile.TarError):
        return None
