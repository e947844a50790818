"""Where a store stands, read from its receipts alone: chunks by stages, and what came of the clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coc_assets.profile import levels_in_force
from coc_assets.raw_coc.stage import labelers
from coc_assets.sources.pai import read_clip_list
from coc_assets.stage import Work, Workspace, standing_of
from coc_assets.stages import OPTIONAL_STAGES, STAGES
from resources import schemas
from resources.models.aliases import known_aliases
from resources.receipts import Receipt, read_receipt
from resources.settings import Settings
from resources.store import JUDGE_PREFIX, Store

State = Literal["done", "failed", "stale", "missing"]


@dataclass(frozen=True)
class ChunkStatus:
    """One chunk: the state of each stage, and the counts in its receipts."""

    chunk: str
    states: dict[str, State]
    receipts: dict[str, Receipt]

    def count(self, stage: str, table: str) -> int:
        return self.receipts[stage].counts.get(table, 0) if stage in self.receipts else 0

    def figure(self, stage: str, name: str) -> int:
        return int(self.receipts[stage].figures.get(name, 0)) if stage in self.receipts else 0

    @property
    def figures(self) -> Counter[str]:
        """What became of the chunk's clips, from clips in to shards out."""
        rejected = self.figure("trajectory_cache", "rejected")
        return Counter(
            {
                "clips": self.count("trajectory_cache", "clips") + rejected,
                "rejected": rejected,
                "mended": self.figure("trajectory_cache", "mended"),
                "keyframes": self.count("keyframe_segments", "keyframes"),
                "labels": self.figure("raw_coc", "ok"),
                "kept": self.figure("filtered_coc", "keep"),
                "samples": self.count("training_shards", "samples"),
                "shards": self.figure("training_shards", "shards"),
            }
        )

    @property
    def left_out(self) -> Counter[tuple[str, str]]:
        """Rows of `rejects` by stage and reason."""
        return Counter(
            {
                (name, reason): count
                for name, receipt in self.receipts.items()
                for reason, count in receipt.rejects.items()
            }
        )

    @property
    def failed_checks(self) -> list[str]:
        return [f"{name}.{check}" for name, receipt in self.receipts.items() for check in receipt.failed_checks()]

    @property
    def warnings(self) -> list[str]:
        """Checks of WARN severity that did not pass, with what they found."""
        return [
            f"{name}.{check}: {record.description}"
            for name, receipt in self.receipts.items()
            for check, record in sorted(receipt.checks.items())
            if not record.passed and record.severity == "WARN"
        ]


FIGURES = ("clips", "rejected", "mended", "keyframes", "labels", "kept", "samples", "shards")


def chunk_status(workspace: Workspace, chunk: str) -> ChunkStatus:
    """The chunk's stages; one is stale where its own inputs changed or anything upstream is not done."""
    states: dict[str, State] = {}
    receipts: dict[str, Receipt] = {}
    made_optional = [stage for stage in OPTIONAL_STAGES if workspace.store.partition(stage.name, chunk).is_dir()]
    for stage in (*STAGES, *made_optional):
        work = Work(workspace, stage, chunk)
        receipt = read_receipt(work.store, stage.name, chunk)
        if receipt:
            receipts[stage.name] = receipt
        states[stage.name] = _state(work, receipt, [states[name] for name in stage.upstream])
    return ChunkStatus(chunk, states, receipts)


def as_recorded(settings: Settings) -> Settings:
    """The settings; what they leave open of dataset, labeler and judge is as the store records it."""
    return with_recorded_judge(with_recorded_labeler(with_recorded_dataset(settings)))


def with_recorded_dataset(settings: Settings) -> Settings:
    """The settings; where they name no dataset, with the one that the receipts name, if it is still there."""
    if settings.dataset:
        return settings
    store = Store(settings.store)
    receipts = (read_receipt(store, STAGES[0].name, chunk) for chunk in store.chunks())
    recorded = next((Path(receipt.dataset) for receipt in receipts if receipt and receipt.dataset), None)
    return settings.model_copy(update={"dataset": recorded}) if recorded and recorded.is_dir() else settings


def with_recorded_labeler(settings: Settings) -> Settings:
    """The settings; where the store has no labels of their labeler, with the one that most of its chunks have."""
    store = Store(settings.store)
    receipts = (read_receipt(store, "raw_coc", chunk) for chunk in store.chunks())
    recorded = Counter(labeler for receipt in receipts if receipt for labeler in receipt.fingerprints)
    known = {name: count for name, count in recorded.items() if name in labelers(settings)}
    if settings.labeler in known or not known:
        return settings
    return settings.model_copy(update={"labeler": max(sorted(known), key=lambda name: known[name])})


def with_recorded_judge(settings: Settings) -> Settings:
    """The settings; where they name no judge, with the one that judged most of the store's chunks last."""
    store = Store(settings.store)
    receipts = (read_receipt(store, "filtered_coc", chunk) for chunk in store.chunks())
    prints = [print_ for receipt in receipts if receipt for print_ in receipt.fingerprints.values()]
    named = (name.removeprefix(JUDGE_PREFIX) for print_ in prints for name in print_.inputs if _names_judge(name))
    recorded = Counter(alias for alias in named if alias in known_aliases(settings.models))
    if settings.filtering.judge.model or not recorded:
        return settings
    most = max(sorted(recorded), key=lambda name: recorded[name])
    judge = settings.filtering.judge.model_copy(update={"model": most})
    return settings.model_copy(update={"filtering": settings.filtering.model_copy(update={"judge": judge})})


def _names_judge(name: str) -> bool:
    return name.startswith(JUDGE_PREFIX)


def store_status(workspace: Workspace, chunks: Sequence[str] | None = None) -> list[ChunkStatus]:
    """Every chunk of the store, and of the dataset where one is named, in order."""
    if chunks is None:
        chunks = [*workspace.store.chunks(), *(workspace.root.chunks() if workspace.settings.dataset else ())]
    return [chunk_status(workspace, chunk) for chunk in sorted(set(chunks))]


def chunks_of_another_dataset(workspace: Workspace, chunks: Sequence[str]) -> dict[str, str]:
    """Chunks whose clips in the store are none of the dataset's, by the dataset that they were made from.

    Chunk ids are the same in every dataset. A dataset that has moved keeps its clips, so it is none of these.
    """
    here = str(workspace.root.path.absolute())
    others = {}
    for chunk in chunks:
        receipt = read_receipt(workspace.store, STAGES[0].name, chunk)
        if receipt and receipt.dataset not in (None, here) and receipt.status == "done":
            stored = set(workspace.store.read_table(schemas.CLIPS, chunk)["clip_id"])
            if stored and stored.isdisjoint(read_clip_list(workspace.root, chunk)["clip_id"]):
                others[chunk] = str(receipt.dataset)
    return others


def totals(statuses: Sequence[ChunkStatus]) -> Counter[str]:
    return sum((status.figures for status in statuses), Counter())


def _state(work: Work, receipt: Receipt | None, upstream: list[State]) -> State:
    if receipt is None:
        return "missing"
    if receipt.status == "failed":
        return "failed"
    # Killed before its checks were evaluated, or evaluated by other levels, it would be looked at again: not done yet.
    checked = receipt.checks and set(receipt.checks) == receipt.evaluated(levels_in_force(work.settings.quality))
    stands = checked and standing_of(work, receipt).is_fresh(work) and all(state == "done" for state in upstream)
    return "done" if stands else "stale"
