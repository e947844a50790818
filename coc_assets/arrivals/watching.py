"""Which chunks have arrived or changed: listings and a clock, without reading a file.

A chunk counts once all its files have stood unchanged for `arrivals.settle_s`, over two looks at least.
"""

from __future__ import annotations

from collections.abc import Mapping

from coc_assets.arrivals.memory import Sight
from coc_assets.training_shards.stage import cameras_read
from resources.arriving import FileState, Place
from resources.dataset import EGOMOTION, OBSTACLES, DatasetRoot
from resources.receipts import digest_of
from resources.settings import Settings

ChunkFiles = dict[str, FileState]
"""A chunk's files by path below the dataset's root."""


def watched_features(settings: Settings) -> tuple[str, ...]:
    """The features whose archives stages read, egomotion first."""
    return tuple(dict.fromkeys((EGOMOTION, OBSTACLES, settings.videos.camera, *cameras_read(settings.shards))))


def paths_of(root: DatasetRoot, chunk: str, settings: Settings) -> list[str]:
    """Where a chunk's archives lie below the root, or would, egomotion first."""
    return [root.layout(feature).path(chunk) for feature in watched_features(settings)]


def chunk_files(place: Place, root: DatasetRoot, settings: Settings) -> dict[str, ChunkFiles]:
    """The files of each chunk whose egomotion is at the place, by chunk; one listing a feature.

    Args:
        root: tells where the features' files lie.

    Raises:
        PlaceError: the place cannot be reached.
        DatasetError: the list of features cannot be read.
    """
    found: dict[str, ChunkFiles] = {}
    for feature in watched_features(settings):
        layout = root.layout(feature)
        for name, state in place.files(layout.folder).items():
            chunk = layout.chunk_of(name)
            if chunk and (feature == EGOMOTION or chunk in found):
                found.setdefault(chunk, {})[f"{layout.folder}/{name}"] = state
    return dict(sorted(found.items()))


def observe(known: Mapping[str, Sight], found: Mapping[str, ChunkFiles], now: float) -> dict[str, Sight]:
    """The chunks as they are seen now; those that are gone are forgotten, so that they count as new if they return."""
    seen = {}
    for chunk, files in found.items():
        before, digest = known.get(chunk), _digest(files)
        if before and before.digest == digest:
            seen[chunk] = before
        else:
            seen[chunk] = Sight(digest, now, before.answered if before else "")
    return seen


def has_settled(sight: Sight, now: float, settle_s: float) -> bool:
    """Whether the chunk's files stand; the look that first saw them so never says it."""
    return sight.since < now and now - sight.since >= settle_s


def is_open(sight: Sight) -> bool:
    """Whether the chunk, as it is now, has not been dealt with."""
    return sight.answered != sight.digest


def _digest(files: ChunkFiles) -> str:
    return digest_of([[path, state.size, state.mtime_ns, state.tag] for path, state in sorted(files.items())])
