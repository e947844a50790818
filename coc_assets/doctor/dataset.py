"""Checks of the dataset's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from coc_assets.arrivals.watching import watched_features
from coc_assets.doctor.finding import NAMED, Finding, Setup, ok, problem, told_by, warn
from coc_assets.some_of import some_of
from resources.arriving import Folder
from resources.dataset import EGOMOTION, OBSTACLES, DatasetError, DatasetRoot

_SAMPLE = 200  # archives that are looked into unless all are
_FETCH = "Fetch it again"
_WITHOUT = {OBSTACLES: "their labels know of no other road users"}
"""What chunks without a feature's file come to."""


def root(setup: Setup) -> Iterator[Finding]:
    """The dataset's root is there, can be read, and holds chunks."""
    if setup.root is None:
        yield problem("no dataset is named", "Pass --dataset DIR, or set COC_DATASET or `dataset:` in coc.yaml")
        return
    try:
        found = setup.root.chunks()
        yield ok(f"{setup.root.path} holds {len(found):,} chunks, {found[0]} to {found[-1]}")
    except DatasetError as error:
        yield told_by(error, "Correct --dataset or COC_DATASET")
    except PermissionError as error:
        yield problem(f"{error.filename} cannot be read", f"chmod -R u+rX {setup.root.path}, or run as its owner")


def listings(setup: Setup) -> Iterator[Finding]:
    """features.csv and the clip index can be read, and the index lists the chunks that are there."""
    if setup.root is None or not setup.chunks:
        return
    try:
        yield from _features(setup.root)
        yield from _index(setup.root, setup.chunks)
    except DatasetError as error:
        yield told_by(error, _FETCH)


def _features(root: DatasetRoot) -> Iterator[Finding]:
    root.layout(EGOMOTION)  # reads the file
    if (root.path / "features.csv").is_file():
        yield ok("features.csv names every feature's files")
    else:
        yield ok("no features.csv: files are looked for where NVIDIA's release has them")


def _index(root: DatasetRoot, chunks: Sequence[str]) -> Iterator[Finding]:
    if not root.has_index:
        yield warn("no clip_index.parquet: no clip has a split", f"Fetch it to {root.index_path}")
        return
    listed = set(root.clip_index()["chunk"])
    unlisted = [chunk for chunk in chunks if chunk not in listed]
    root.feature_presence()  # reads the file
    if unlisted:
        yield warn(
            f"clip_index.parquet lists no clip of chunk {some_of(unlisted, NAMED)}", f"{_FETCH}: {root.index_path}"
        )
    else:
        yield ok(f"clip_index.parquet lists the clips of every chunk ({root.clip_index().height:,} in all)")


def features(setup: Setup) -> Iterator[Finding]:
    """Every chunk has its file of every feature that stages read."""
    if setup.root is None or not setup.chunks:
        return
    for feature in (name for name in watched_features(setup.settings) if name != EGOMOTION):
        lacking = [chunk for chunk in setup.chunks if not setup.root.archive_path(feature, chunk).is_file()]
        if lacking:
            yield warn(
                f"{len(lacking):,} of {len(setup.chunks):,} chunks have no {feature} ({some_of(lacking, NAMED)}): "
                + _WITHOUT.get(feature, "no model can look at them, no shard shows them"),
                f"Fetch {setup.root.archive_path(feature, lacking[0])}",
            )
        else:
            yield ok(f"every chunk has {feature}")


def archives(setup: Setup) -> Iterator[Finding]:
    """The archives' member directories read: all of them when thorough, else of a sample spread over the chunks."""
    if setup.root is None or not setup.chunks:
        return
    there = _archives(setup)
    looked_at = there if setup.thorough else there[:: -(-len(there) // _SAMPLE) or 1]
    damages = {path: said for path in looked_at for said in [_damage(setup.root, path)] if said}
    for path, said in list(damages.items())[:_SAMPLE]:
        yield problem(f"{path} {said}", f"{_FETCH}, or remove it and run without it")
    if not damages:
        rest = "" if looked_at == there else f" of {len(there):,}; --thorough looks at all"
        yield ok(f"{len(looked_at):,} archives have a member directory that reads{rest}")


def _archives(setup: Setup) -> list[Path]:
    features = watched_features(setup.settings)
    return [path for chunk in setup.chunks for path in setup.root.input_files(chunk, features)] if setup.root else []


def _damage(root: DatasetRoot, path: Path) -> str | None:
    try:
        return Folder(root.path).damage(root.relative(path))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
