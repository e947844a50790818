"""What Alpamayo's recipes read beside a PhysicalAI-AV root: labels as events, and the clips that have some.

One pair of files a split. The recipes take of each clip the first event in list order that lies in the training window,
so the best goes first; further events of a clip are in files of their own, by rank. Source: training exports, A.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from coc_assets.training_shards.forms.told import Sources, Written, by_split
from coc_assets.training_shards.sample import is_trainable
from coc_assets.training_shards.selection import Reason, Row, label_problem
from resources.dataset import DatasetRoot
from resources.store import Store

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "pai_overlay"
REASONING = "reasoning"
OOD_REASONING = f"{REASONING}/ood_reasoning.parquet"
CLIP_INDEX = "clip_index_reasoning_mini.parquet"
COLUMNS = ("split", "feature", "event_cluster", "events")
FEATURE = "reasoning"
"""What every row says it is about; consumers do not read it."""


@dataclass(frozen=True)
class ClipEvents:
    """The labels of each clip that are events, the best first, and how many others there are by reason."""

    clips: list[list[Row]]
    left_out: Counter[str]

    @property
    def events(self) -> int:
        return sum(map(len, self.clips))

    def rows(self) -> list[Row]:
        """A row of `ood_reasoning.parquet` a clip, with all its events."""
        return [_row(labels) for labels in self.clips]

    def rows_of_rank(self, rank: int) -> list[Row]:
        """A row a clip that has so many events and one more, with that one alone; the best has rank 0."""
        return [_row(labels[rank : rank + 1]) for labels in self.clips if len(labels) > rank]


def write(rows: Sequence[Row], folder: Path, sources: Sources) -> Written:
    """Both files of each split and rank below `pai_overlay/<split>`; see `registry.WRITERS`.

    A clip that the dataset's index does not name is left out: readers look its chunk up there.
    """
    files: list[str] = []
    left_out: Counter[str] = Counter()
    held = 0
    for split, of_split in by_split(rows):
        named = sources.clip_index(sorted({row["clip_id"] for row in of_split})).index
        listed = [row for row in of_split if row["clip_id"] in named]
        told = events_of_clips(listed, sources.rarest_first)
        files += _write_split(folder, f"{FOLDER}/{split}", told, sources)
        left_out += told.left_out + Counter(not_in_clip_index=len(of_split) - len(listed))
        held += told.events
    return Written(files, held, left_out)


def events_of_clips(labels: Iterable[Row], rarest_first: Sequence[str]) -> ClipEvents:
    """The events of each clip, the best first: the rarest action, then the most causes, then the earliest.

    Args:
        labels: rows of `raw_coc`, those of a clip together, with `split` of their clip and `frame` and `action` of
            their keyframe.
        rarest_first: actions; those it lacks are commoner.
    """
    ranks = {action: rank for rank, action in enumerate(rarest_first)}

    def worth(label: Row) -> tuple[int, int, int]:
        return ranks.get(label["action"], len(ranks)), -len(label["components"] or []), label["t0_us"]

    clips: list[list[Row]] = []
    left_out: Counter[str] = Counter()
    for _, of_clip in groupby(labels, key=lambda label: label["clip_id"]):
        told = [(label, why_no_event(label)) for label in of_clip]
        left_out.update(why for _, why in told if why)
        usable = sorted((label for label, why in told if why is None), key=worth)
        clips += [usable] if usable else []
    return ClipEvents(clips, left_out)


def why_no_event(label: Row) -> Reason | str | None:
    """Why trainers cannot use a label: its instant, no text, or tokens that they read as commands; None where they can.

    A label without a place in the training window counts as that, whatever else is wrong with it.
    """
    if not is_trainable(label["t0_us"]):
        return "outside_training_window"
    problem = label_problem(label)
    return problem.reason if problem else None


def write_ood_reasoning(rows: Sequence[Row], path: Path) -> None:
    """Writes rows of events with `clip_id` as the index: as a column it silently yields no samples."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=["clip_id", *COLUMNS], dtype="str").set_index("clip_id")
    frame.to_parquet(path)


def clip_index_of(root: DatasetRoot, clips: pl.DataFrame) -> Callable[[Collection[str]], pd.DataFrame]:
    """Gives the rows of the dataset's clip index for some clips, columns and types as they stand there.

    Args:
        clips: `clips`; the rows are made of these where the dataset has no index.
    """

    @cache
    def whole() -> pd.DataFrame:
        import pandas as pd

        if root.has_index:
            index = pd.read_parquet(root.index_path)
            return index.set_index("clip_id") if "clip_id" in index.columns else index.rename_axis("clip_id")
        made = clips.select("clip_id", pl.col("chunk").cast(pl.Int64), "split", clip_is_valid=pl.lit(True))
        return made.to_pandas().set_index("clip_id")

    def rows_of(clip_ids: Collection[str]) -> pd.DataFrame:
        index = whole()
        return index[index.index.isin(list(clip_ids))]

    return rows_of


def link_dataset(overlay: Path, dataset: Path) -> list[str]:
    """Makes a split's folder a whole dataset root: links to the dataset's entries beside the files written here.

    Links of an earlier call are replaced; files are left alone, so the dataset's own labels never hide these.

    Args:
        overlay: `pai_overlay/<split>`.
        dataset: the PhysicalAI-AV root that is linked to.

    Returns:
        Names of the links, relative to the overlay.
    """
    for folder in (overlay, overlay / REASONING):
        for link in [path for path in folder.iterdir() if path.is_symlink()]:
            link.unlink()
    return sorted(_linked(overlay, dataset.resolve(), ""))


def _linked(overlay: Path, dataset: Path, below: str) -> Iterator[str]:
    for entry in sorted((dataset / below).iterdir()):
        name = f"{below}{entry.name}"
        if name == REASONING and entry.is_dir():
            yield from _linked(overlay, dataset, f"{REASONING}/")
        elif not (overlay / name).exists() and not overlay.resolve().is_relative_to(entry):  # no way round in a circle
            (overlay / name).symlink_to(entry)
            yield name


def _write_split(folder: Path, below: str, told: ClipEvents, sources: Sources) -> Iterator[str]:
    """Writes the pair of each rank and gives its names; rank 0 has all events of its clips, the best first."""
    ranks = max(map(len, told.clips), default=0)
    for rank in range(ranks):
        rows = told.rows() if rank == 0 else told.rows_of_rank(rank)
        events, index = (f"{below}/{_of_rank(name, rank)}" for name in (OOD_REASONING, CLIP_INDEX))
        with Store(folder).publish(folder / events) as temporary:
            write_ood_reasoning(rows, temporary)
        with Store(folder).publish(folder / index) as temporary:
            sources.clip_index([row["clip_id"] for row in rows]).to_parquet(temporary)
        yield from (events, index)


def _of_rank(name: str, rank: int) -> str:
    return name if rank == 0 else name.replace(".parquet", f".rank{rank}.parquet")


def _row(labels: Sequence[Row]) -> Row:
    return {
        "clip_id": labels[0]["clip_id"],
        "split": labels[0]["split"],
        "feature": FEATURE,
        "event_cluster": labels[0]["scenario"],
        "events": json.dumps([_event(label) for label in labels], ensure_ascii=False),
    }


def _event(label: Row) -> Row:
    # Readers in use disagree on the name of the text, and the wrong one yields an empty label without an error.
    return {
        "event_start_frame": label["frame"],
        "event_start_timestamp": label["t0_us"],
        "cot": label["trace"],
        "coc": label["trace"],
    }
