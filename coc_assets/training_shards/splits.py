"""In which split a clip lies. All events of a clip share it, and it never moves when other clips are added.

Source: training exports, Also.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import polars as pl

from resources.settings import SettingsError
from resources.settings.shards import ShardSettings
from resources.stable_hash import place_of

_NOT_IN_A_SPLIT = re.compile(r"[^a-z0-9_]+")  # shards are named by their split
_COLUMNS = ("clip_id", "split")


class SplitFileError(SettingsError):
    """The file of `shards.split_file` cannot be used; the message names it, what is wrong and the mend."""


def splits_of(clips: pl.DataFrame, settings: ShardSettings) -> dict[str, str | None]:
    """The split of each clip by the settings; None where a split file does not name it.

    Args:
        clips: `clip_id` and `split`, the dataset's own or null.

    Raises:
        SplitFileError: the settings name a file that cannot be used.
    """
    own = dict(clips.select(_COLUMNS).iter_rows())
    if settings.split_by == "file":
        return named_by_file(list(own), settings)
    ratios, by_hash = settings.splits, settings.split_by == "hash"
    return {clip_id: split_of(clip_id, None if by_hash else named, ratios) for clip_id, named in own.items()}


def split_of(clip_id: str, named: str | None, ratios: Mapping[str, float]) -> str:
    """The clip's split: the one that it is given where it is, else by a hash of the clip id alone.

    Args:
        named: what the dataset calls it.
        ratios: shares of the hashed splits.
    """
    if named and (portable := _portable(named)):
        return portable
    place = place_of(clip_id)
    names = sorted(ratios)
    upto = accumulate(ratios[name] for name in names[:-1])
    return next((name for name, edge in zip(names, upto, strict=False) if place < edge), names[-1])


def named_by_file(clip_ids: list[str], settings: ShardSettings) -> dict[str, str | None]:
    """What the settings' split file says of these clips.

    Raises:
        SplitFileError: it cannot be used.
    """
    if settings.split_file is None:
        return {}
    try:
        found = settings.split_file.stat()
    except OSError as error:
        raise SplitFileError(f"{settings.split_file}, named by shards.split_file, cannot be read: {error}.") from error
    named = _read_split_file(settings.split_file, found.st_mtime_ns, found.st_size)
    return {clip_id: named.get(clip_id) for clip_id in clip_ids}


@lru_cache(maxsize=1)
def _read_split_file(path: Path, _mtime_ns: int, _size: int) -> dict[str, str]:
    """Split by clip id; read once while the file stays as it is, for thousands of chunks ask."""
    try:
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
        rows = frame.select(pl.col(_COLUMNS).cast(pl.String)).drop_nulls().unique(maintain_order=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SplitFileError(
            f"{path}, named by shards.split_file, is no CSV or Parquet with columns clip_id and split ({error})."
        ) from error
    splits = rows.with_columns(pl.col("split").map_elements(_portable, return_dtype=pl.String))
    twice = splits.unique().filter(pl.col("clip_id").is_duplicated()).sort(_COLUMNS)
    if twice.height:
        clip_id = twice["clip_id"][0]
        both = twice.filter(pl.col("clip_id") == clip_id)["split"].to_list()
        raise SplitFileError(f"{path} puts clip {clip_id} into {' and '.join(both)}; a clip has one split.")
    nameless = splits.filter(pl.col("split") == "")
    if nameless.height:
        raise SplitFileError(
            f"{path} gives clip {nameless['clip_id'][0]} no split; a split is named by a-z, 0-9 and _."
        )
    return dict(splits.iter_rows())


def _portable(name: str) -> str:
    return _NOT_IN_A_SPLIT.sub("_", name.lower())
