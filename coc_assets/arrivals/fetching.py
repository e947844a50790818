"""Chunks at a URL: which there are, and copies of their files in the dataset's folder before a stage reads them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from coc_assets.arrivals.watching import ChunkFiles, chunk_files, paths_of
from coc_assets.stage import StageError, Workspace
from resources.arriving import Place, Remote, fetch, listings, place_of, sweep
from resources.dataset import EGOMOTION, DatasetError, DatasetRoot


def place_and_root(workspace: Workspace) -> tuple[Place, DatasetRoot]:
    """Where chunk files come from, and the dataset's own folder with its lists as they are now.

    Raises:
        StageError: no dataset is named.
        PlaceError: the URL cannot be reached.
    """
    place = place_of(_dataset(workspace), workspace.settings.arrivals.url)
    if isinstance(place, Remote):
        _fetch_listings(place, _dataset(workspace))
    return place, DatasetRoot(_dataset(workspace))  # one of its own: what was read before may have changed


def arrived(workspace: Workspace) -> tuple[Place, dict[str, ChunkFiles]]:
    """Where chunk files come from, and the chunks that are there, with their files.

    Raises:
        StageError, DatasetError, PlaceError: there is no such place, or it holds no chunk.
    """
    place, root = place_and_root(workspace)
    found = chunk_files(place, root, workspace.settings)
    if not found and isinstance(place, Remote):
        raise DatasetError(
            f"{place.shown} holds no chunk: there is no {root.layout(EGOMOTION).chunk_path}. "
            "Name the dataset's root there (arrivals.url, COC_ARRIVALS__URL)."
        )
    if not found:
        root.chunks()  # says what is wrong
    return place, found


def known_chunks(workspace: Workspace) -> list[str]:
    """Chunks that a run can be asked for: those in the dataset's folder, and those at the URL where one is named.

    Raises:
        StageError, DatasetError, PlaceError: there is no such place, or it holds no chunk.
    """
    if workspace.settings.arrivals.url is None:
        return workspace.root.chunks()
    return sorted({*arrived(workspace)[1], *_here(workspace)})


def outdated(workspace: Workspace, chunks: Collection[str]) -> frozenset[str]:
    """Of these chunks, those whose files at the URL are not, or not so, in the dataset's folder; none without a URL."""
    if workspace.settings.arrivals.url is None:
        return frozenset()
    dataset, found = _dataset(workspace), arrived(workspace)[1]
    there = {chunk: files for chunk, files in found.items() if chunk in set(chunks)}
    return frozenset(
        chunk for chunk, files in there.items() if not all(state.is_at(dataset / path) for path, state in files.items())
    )


def fetch_chunk(workspace: Workspace, chunk: str) -> list[str]:
    """Copies the chunk's files that are new or changed at the URL into the dataset's folder; none without a URL.

    Returns:
        Paths of what was copied, below the dataset's root.

    Raises:
        PlaceError: the URL cannot be reached, or a file changed meanwhile.
    """
    if workspace.settings.arrivals.url is None:
        return []
    place, root = place_and_root(workspace)
    paths = paths_of(root, chunk, workspace.settings)
    for path in paths:
        sweep(root.path / path)
    return [path for path in paths if fetch(place, path, root.path)]


def _fetch_listings(place: Place, dataset: Path) -> None:
    for path in listings(place):
        fetch(place, path, dataset)


def _here(workspace: Workspace) -> list[str]:
    try:
        return DatasetRoot(_dataset(workspace)).chunks()
    except DatasetError:
        return []  # nothing was fetched yet


def _dataset(workspace: Workspace) -> Path:
    dataset = workspace.settings.dataset
    if dataset is None:
        raise StageError(
            "No dataset named. Pass --dataset DIR, or set COC_DATASET or `dataset:` in coc.yaml; files from a URL are "
            "copied to it."
        )
    return dataset
