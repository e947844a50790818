"""Whether a run of a chunk would make anything, by the store's receipts and its files' sizes and times.

No dataset file is read: content is hashed in the run, where one of 2 GB may take its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from coc_assets.arrivals.patience import Patience
from coc_assets.arrivals.watching import ChunkFiles
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES
from coc_assets.status import chunk_status
from resources.receipts import Receipt, read_receipt

Need = Literal["none", "due", "failed"]


def need_of(workspace: Workspace, chunk: str, files: ChunkFiles) -> Need:
    """`failed` where a stage failed when it was last made, `due` where one was never made or is out of date."""
    receipts = receipts_of(workspace, chunk)
    if any(receipt.status == "failed" for receipt in receipts.values()):
        return "failed"
    if len(receipts) < len(STAGES) or not stand_as_read(receipts.values(), files):
        return "due"
    states = chunk_status(workspace, chunk).states
    return "none" if all(states[stage.name] == "done" for stage in STAGES) else "due"


def receipts_of(workspace: Workspace, chunk: str) -> dict[str, Receipt]:
    """The receipts that there are, by stage."""
    found = {stage.name: read_receipt(workspace.store, stage.name, chunk) for stage in STAGES}
    return {name: receipt for name, receipt in found.items() if receipt}


def stand_as_read(receipts: Iterable[Receipt], files: ChunkFiles) -> bool:
    """Whether some stage has read each of the files, and all that read it did so at its present size and time."""
    read: set[str] = set()
    for receipt in receipts:
        for path, recorded in receipt.input_files.items():
            if path in files and not files[path].agrees(recorded.size, recorded.mtime_ns):
                return False
            read.add(path)
    return files.keys() <= read


@dataclass(frozen=True)
class InNeed:
    """Chunks that a run would bring further, each list sorted.

    Attributes:
        failed: those of which a stage failed when it was last made; the same may happen again.
        left: how many chunks were not weighed.
    """

    due: Sequence[str]
    failed: Sequence[str]
    left: int


def in_need(
    workspace: Workspace, found: Mapping[str, ChunkFiles], order: Sequence[str], most: int, patience: Patience
) -> InNeed:
    """Weighs chunks in an order until so many are due, or patience ends."""
    chunks: dict[Need, list[str]] = {"none": [], "due": [], "failed": []}
    weighed = 0
    for chunk in order:
        if len(chunks["due"]) == most or (weighed and not patience()):
            break
        chunks[need_of(workspace, chunk, found[chunk])].append(chunk)
        weighed += 1
    return InNeed(sorted(chunks["due"]), sorted(chunks["failed"]), len(order) - weighed)
