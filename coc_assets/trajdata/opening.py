"""Opening the trajdata caches of a store as one dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from trajdata import UnifiedDataset

from coc_assets.sources.egomotion import FRAME_S
from resources import schemas
from resources.receipts import read_receipt
from resources.store import Store

_ASSET = schemas.TRAJDATA_SCENES.asset


def open_store(
    store: Path | str, chunks: Collection[str] | None = None, split: str | None = None, **options: Any
) -> UnifiedDataset:
    """The store's clips as one trajdata dataset, at 0.1 s unless `desired_dt` says otherwise.

    Another `desired_dt` (a multiple of 0.1 s) makes trajdata keep a resampled copy beside each scene; making the chunk
    again removes it. An index saved with `save_index` does not notice that a chunk was made again: delete
    `data_indexes` then.

    Args:
        store: the store's folder.
        chunks: four-digit chunks; all whose cache is made by default.
        split: `train`, `val`, `test`, or `other` for clips that have none of these; all by default.
        options: further arguments of `trajdata.UnifiedDataset`.

    Raises:
        FileNotFoundError: a chunk has no cache; the message names the command that makes it.
        ValueError: no clip has that split.
    """
    place = Store(Path(store))
    wanted = _made(place) if chunks is None else sorted(chunks)
    _require_made(place, wanted)
    _require_scenes(place, wanted, split)
    folders = [place.partition(_ASSET, chunk) for chunk in wanted]
    return UnifiedDataset(
        desired_data=[f"{folder.name}-{split}" if split else folder.name for folder in folders],
        data_dirs={folder.name: str(place.root) for folder in folders},
        cache_location=str(folders[0].parent),
        **{"desired_dt": FRAME_S, **options},
    )


def data_dirs(store: Path | str) -> dict[str, str]:
    """trajdata's `data_dirs` for every chunk of the store whose cache is made."""
    place = Store(Path(store))
    return {place.partition(_ASSET, chunk).name: str(place.root) for chunk in _made(place)}


def _made(store: Store) -> list[str]:
    return [chunk for chunk in store.chunks() if _is_made(store, chunk)]


def _is_made(store: Store, chunk: str) -> bool:
    receipt = read_receipt(store, _ASSET, chunk)
    return receipt is not None and receipt.status == "done"


def _require_made(store: Store, chunks: Iterable[str]) -> None:
    missing = [chunk for chunk in chunks if not _is_made(store, chunk)]
    if missing or not chunks:
        only = f"--chunks {','.join(str(int(chunk)) for chunk in missing)} " if missing else ""
        raise FileNotFoundError(
            f"{store.root} has no trajdata cache of {'chunk ' + ', '.join(missing) if missing else 'any chunk'}. "
            f"Make it: coc run --store {store.root} {only}--select {_ASSET}"
        )


def _require_scenes(store: Store, chunks: Iterable[str], split: str | None) -> None:
    """trajdata fails without a word about the cause where nothing matches."""
    held: dict[str, int] = {}
    for chunk in chunks:
        for of_scene in store.read_table(schemas.TRAJDATA_SCENES, chunk)["split"]:
            held[of_scene] = held.get(of_scene, 0) + 1
    if not held or (split is not None and split not in held):
        there = ", ".join(f"{count} {name}" for name, count in sorted(held.items())) or "none at all"
        raise ValueError(f"No clip of {store.root} is in {split=}; there are: {there}.")
