"""The forms of a release besides shards, written anew from the words of the samples that it takes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.raw_coc.imported.keyframes import with_keyframes_of
from coc_assets.releases.balance import place
from coc_assets.releases.gather import STAGE, Progress, ReleaseError, damaged
from coc_assets.releases.motion import Motion
from coc_assets.stage import Workspace
from coc_assets.training_shards.forms import vlm_json
from coc_assets.training_shards.forms.pai_overlay import clip_index_of
from coc_assets.training_shards.forms.registry import WRITERS
from coc_assets.training_shards.forms.told import Sources, Written, told_of
from coc_assets.training_shards.selection import Row
from coc_assets.training_shards.writer import MANIFEST
from resources import schemas
from resources.settings import Settings
from resources.store import Store

PATHS_DRAWN = 300
_MEDIA = f"{vlm_json.FOLDER}/{vlm_json.MEDIA}"


@dataclass
class Words:
    """What one pass over the chunks of the chosen samples tells.

    Attributes:
        rows: as `told_of` gives them, of all chunks; empty where shards are all that is written.
        clips: the chunks' `clips`, of the clips that have samples.
        motion: of all samples.
    """

    rows: list[Row] = field(default_factory=list)
    clips: pl.DataFrame = field(default_factory=lambda: schemas.empty(schemas.CLIPS))
    motion: Motion = field(default_factory=Motion)


def read_words(workspace: Workspace, samples: pl.DataFrame, progress: Progress) -> Words:
    """Reads what forms and card need of the chosen samples, one chunk at a time.

    Args:
        samples: columns of `gather.SAMPLES`.
    """
    words, drawn = Words(), _drawn(samples["key"].to_list())
    wants_rows = other_forms(workspace.settings) != []
    clips, chunks = [words.clips], samples["chunk"].unique().sort().to_list()
    for done, chunk in enumerate(chunks, start=1):
        of_chunk = samples.filter(pl.col("chunk") == chunk)
        words.motion.add(of_chunk, workspace.store.read_table(schemas.TRAJECTORIES, chunk), drawn)
        if wants_rows:
            of_store = workspace.store.read_table(schemas.CLIPS, chunk)
            words.rows += _rows(workspace, chunk, of_chunk, of_store)
            clips.append(of_store.filter(pl.col("clip_id").is_in(of_chunk["clip_id"].to_list())))
        progress(done, len(chunks))
    words.rows.sort(key=lambda row: (row["split"], row["clip_id"], row["t0_us"]))
    words.clips = pl.concat(clips)
    return words


def other_forms(settings: Settings) -> list[str]:
    """Forms besides shards that the settings name, sorted."""
    return sorted(set(settings.shards.formats) & set(WRITERS))


def write_forms(workspace: Workspace, words: Words, folder: Path) -> tuple[dict[str, Written], Mapping[str, str]]:
    """Writes the forms that the settings name.

    Returns:
        What each wrote, by its name; and sha256 that the chunks tell of the videos taken over, by path in `folder`.

    Raises:
        ReleaseError: a form needs the dataset and none is named, or a video is gone from its chunk.
    """
    settings = workspace.settings
    forms = other_forms(settings)
    if "pai_overlay" in forms and settings.dataset is None:
        raise ReleaseError("pai_overlay holds rows of the dataset's clip index. Name its root: COC_DATASET=DIR")
    videos = _Videos(settings)
    index_of = clip_index_of(workspace.root, words.clips) if "pai_overlay" in forms else _no_index
    sources = Sources(settings.keyframes.rarest_first, settings.shards.question, index_of, videos.put)
    written = {name: WRITERS[name](words.rows, folder, sources) for name in forms}  # type: ignore[index]
    return written, {f"{_MEDIA}/{name}": sha256 for name, sha256 in videos.taken.items()}


def _drawn(keys: list[str]) -> set[str]:
    """The samples whose paths the card draws."""
    return set(sorted(keys, key=lambda key: place("order", key))[:PATHS_DRAWN])


def _rows(workspace: Workspace, chunk: str, samples: pl.DataFrame, clips: pl.DataFrame) -> list[Row]:
    store = workspace.store
    labels = store.read_labels(chunk).filter(pl.col("label_id").is_in(samples["label_id"].to_list()))
    own = store.read_table(schemas.KEYFRAMES, chunk)
    keyframes = with_keyframes_of(own, labels, clips, workspace.settings.keyframes)
    return told_of(samples.rename({"key": "keyframe_id"}), labels, keyframes, clips)


def _no_index(_: Collection[str]) -> Any:
    raise AssertionError("only pai_overlay asks for the clip index")


class _Videos:
    """Videos of samples taken over from their chunks; `taken` are those it took, with what the chunk says of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.store)
        self._of_chunk: Callable[[str], Mapping[str, Any]] = cache(self._files_of)
        self.taken: dict[str, str] = {}

    def put(self, row: Row, path: Path) -> bool:
        """Links the sample's video to a path, or copies it where links are not possible; False where it has none."""
        name = f"{row['keyframe_id']}.mp4"
        facts = self._of_chunk(row["chunk"]).get(f"{_MEDIA}/{name}")
        if facts is None:
            return False
        video = self._store.partition(STAGE, row["chunk"]) / _MEDIA / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(video, path)
        except FileNotFoundError:
            raise damaged(self._settings, row["chunk"], self._store.relative(video), "is missing") from None
        except OSError:  # another file system, or one without links
            shutil.copyfile(video, path)
        self.taken[name] = facts["sha256"]
        return True

    def _files_of(self, chunk: str) -> Mapping[str, Any]:
        manifest = json.loads((self._store.partition(STAGE, chunk) / MANIFEST).read_bytes())
        files: Mapping[str, Any] = manifest.get("files", {})
        return files
