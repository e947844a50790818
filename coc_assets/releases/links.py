"""Joining a release's `pai_overlay` to the dataset that it was made from, as links; a copy elsewhere is joined anew."""

from __future__ import annotations

from pathlib import Path

from coc_assets.releases.gather import ReleaseError
from coc_assets.training_shards.forms.pai_overlay import FOLDER, link_dataset


def link_overlays(release: Path, dataset: Path) -> dict[str, list[str]]:
    """Makes each split of a release's overlay a whole dataset root, by links to the entries of the user's.

    Returns:
        What was linked, by split.

    Raises:
        ReleaseError: the release has no overlay, or there is no dataset.
    """
    splits = sorted(path for path in (release / FOLDER).glob("*") if path.is_dir())
    if not splits:
        raise ReleaseError(f"{release} has no {FOLDER}; add it to shards.formats, and release another set.")
    if not dataset.is_dir():
        raise ReleaseError(f"No dataset at {dataset}. Name its root: --dataset ROOT")
    return {split.name: link_dataset(split, dataset) for split in splits}
