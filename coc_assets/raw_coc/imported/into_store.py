"""Taking labels made elsewhere into a store: which chunk each belongs to, and one labeler's files written anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from coc_assets.raw_coc.adopted import adopt, adopted_chunks, require_free_name, withdraw
from coc_assets.raw_coc.imported.events import Found, ImportedEvent, LeftOut
from coc_assets.raw_coc.imported.records import clips_of, records_of
from coc_assets.raw_coc.records import LabelRecord
from coc_assets.stage import StageError, Workspace
from resources import schemas
from resources.dataset import DatasetRoot
from resources.receipts import Receipt, read_receipt
from resources.schemas import LabelStatus
from resources.store import Store

_CLIPS_OF = "trajectory_cache"

Progress = Callable[[int, int], None]


@dataclass
class Imported:
    """What came of an import.

    Attributes:
        events: labels that the source holds, those that were left out included.
        labels: taken in, by chunk.
        statuses: taken in, by status.
        left_out: what became no label.
        withdrawn: chunks whose earlier labels of this labeler are gone, for the source has none of them any more.
        failed: by chunk, why its labels could not be written.
        changed: receipts of the chunks whose labels are others than before.
    """

    events: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    statuses: Counter[LabelStatus] = field(default_factory=Counter)
    left_out: list[LeftOut] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    changed: list[Receipt] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Something was taken in, and nothing of the source was unreadable."""
        return bool(self.labels) and not self.failed and all(one.reason != "unreadable" for one in self.left_out)


@dataclass(frozen=True)
class _Whereabouts:
    """Where clips are: chunk by clip in the store, and why others are not in it."""

    chunk_of: Mapping[str, str]
    rejected: Mapping[str, str]
    elsewhere: Mapping[str, str]
    store: Path
    dataset: Path | None

    def absent(self, event: ImportedEvent) -> LeftOut:
        clip_id = event.clip_id
        if clip_id in self.rejected:
            return LeftOut(event.place, "clip_rejected", f"clip {clip_id}: {self.rejected[clip_id]}")
        if clip_id in self.elsewhere:
            make = f"coc run --dataset {self.dataset} --store {self.store} --chunks {int(self.elsewhere[clip_id])}"
            return LeftOut(event.place, "not_in_the_store", f"clip {clip_id}: make its chunk first: {make}")
        known = f"neither in {self.store} nor in {self.dataset}" if self.dataset else f"not in {self.store}"
        make = f"coc run --dataset DIR --store {self.store}"
        return LeftOut(
            event.place, "not_in_the_store", f"clip {clip_id} is {known}; name a dataset that has it: {make}"
        )


def import_labels(
    workspace: Workspace, found: Found, labeler: str, chunks: Sequence[str], progress: Progress | None = None
) -> Imported:
    """Makes what a source holds the labels of a labeler, in place of those that it had in these chunks.

    Where nothing can be taken in, the store stays as it is. Nothing else may work on the store meanwhile.

    Args:
        chunks: whose clips are meant; labels of others are left out, and stay as they are in the store.
        progress: called with chunks done and chunks in total.

    Raises:
        StageError: the name is taken.
    """
    require_free_name(labeler, workspace.settings)
    earlier = adopted_chunks(workspace.store, labeler, workspace.store.chunks())
    imported = Imported()
    by_chunk = _by_chunk(workspace, found, chunks, imported)
    for done, (chunk, events) in enumerate(sorted(by_chunk.items())):
        if progress:
            progress(done, len(by_chunk))
        _import_chunk(workspace, chunk, events, labeler, imported)
    if imported.labels:
        gone = set(earlier) & set(chunks) - set(imported.labels) - set(imported.failed)
        imported.withdrawn = sorted(gone)
        left = [withdraw(workspace.store, chunk, labeler) for chunk in imported.withdrawn]
        imported.changed += [receipt for receipt in left if receipt]
    return imported


def _by_chunk(
    workspace: Workspace, found: Found, chunks: Sequence[str], imported: Imported
) -> dict[str, list[ImportedEvent]]:
    where = _whereabouts(workspace)
    by_chunk: dict[str, list[ImportedEvent]] = {}
    for item in found:
        imported.events += 1
        if isinstance(item, LeftOut):
            imported.left_out.append(item)
        elif item.clip_id not in where.chunk_of:
            imported.left_out.append(where.absent(item))
        elif (chunk := where.chunk_of[item.clip_id]) not in chunks:
            imported.left_out.append(LeftOut(item.place, "other_chunk", f"clip {item.clip_id} is in chunk {chunk}"))
        else:
            by_chunk.setdefault(chunk, []).append(item)
    return by_chunk


def _import_chunk(
    workspace: Workspace, chunk: str, events: Sequence[ImportedEvent], labeler: str, imported: Imported
) -> None:
    store = workspace.store
    before = read_receipt(store, schemas.RAW_COC.asset, chunk)
    try:
        clips = clips_of(store.read_table(schemas.CLIPS, chunk), _keyframes(store, chunk))
        records, left_out = records_of(events, clips, labeler)
        imported.left_out += left_out
        if not records:
            return
        receipt = adopt(workspace, chunk, labeler, records)
    except StageError as error:
        imported.failed[chunk] = str(error)
        return
    _count(imported, chunk, records)
    if before is None or before.data_version != receipt.data_version:
        imported.changed.append(receipt)


def _count(imported: Imported, chunk: str, records: Sequence[LabelRecord]) -> None:
    imported.labels[chunk] = len(records)
    imported.statuses.update(record.status for record in records)


def _keyframes(store: Store, chunk: str) -> pl.DataFrame:
    """The chunk's keyframes; none where they are not made yet, which `adopt` says."""
    made = store.table_path(schemas.KEYFRAMES, chunk).is_file()
    return store.read_table(schemas.KEYFRAMES, chunk) if made else schemas.empty(schemas.KEYFRAMES)


def _whereabouts(workspace: Workspace) -> _Whereabouts:
    store, dataset = workspace.store, workspace.settings.dataset
    chunk_of: dict[str, str] = {}
    rejected: dict[str, str] = {}
    for chunk in store.chunks():
        if store.table_path(schemas.CLIPS, chunk).is_file():
            chunk_of |= dict.fromkeys(store.read_table(schemas.CLIPS, chunk)["clip_id"], chunk)
            rejects = store.read_table(schemas.REJECTS, chunk, asset=_CLIPS_OF).filter(pl.col("severity") == "rejected")
            rejected |= dict(rejects.drop_nulls("clip_id").select("clip_id", "reason").iter_rows())
    index = (
        DatasetRoot(dataset).clip_index()
        if dataset
        else pl.DataFrame(schema={"clip_id": pl.String, "chunk": pl.String})
    )
    elsewhere = dict(index.select("clip_id", "chunk").iter_rows())
    return _Whereabouts(chunk_of, rejected, elsewhere, store.root, dataset)
