"""Which stages that were made before would come out differently now, found anew only where something has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coc_assets.arrivals.due import receipts_of, stand_as_read
from coc_assets.arrivals.patience import Patience
from coc_assets.arrivals.watching import ChunkFiles, paths_of
from coc_assets.profile import levels_in_force
from coc_assets.running import RequiredChecks, plan_chunk
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES, STAGES_BY_NAME
from resources.arriving import Folder
from resources.receipts import digest_of
from resources.store import RECEIPT

Version = tuple[object, ...]
"""What a chunk's plan hangs on, by times of files: equal versions give equal plans."""


@dataclass
class Known:
    """What is kept from look to look.

    Attributes:
        plans: by chunk, the version it was planned at and the stages that were stale.
        asked: by chunk, the version at which its stages were asked for: they are not asked for twice at the same one,
            so that a run that dies before it changes anything is not asked for over and over.
    """

    plans: dict[str, tuple[Version, tuple[str, ...]]] = field(default_factory=dict)
    asked: dict[str, Version] = field(default_factory=dict)


def stale_stages(
    workspace: Workspace, required: RequiredChecks, chunks: Sequence[str], known: Known, patience: Patience
) -> dict[str, tuple[str, ...]]:
    """The stages to make anew, by chunk; of at most `arrivals.runs_a_tick` chunks.

    Chunks whose dataset files changed are left out: those are `label_new_chunks`' to ask for, and reading them here
    would take long.

    Args:
        required: checks by asset; one that was evaluated by other levels makes its stage stale.
        chunks: that have no run under way, in the order in which they are asked for.
        known: from the looks before; brought up to date.
        patience: when it ends, no further chunk is planned; the rest follow in the next looks.
    """
    shared, found, planned = _shared_version(workspace), dict[str, tuple[str, ...]](), False
    for chunk in chunks:
        if len(found) == workspace.settings.arrivals.runs_a_tick:
            break
        files = _files(workspace, chunk)
        version = (shared, *_times(workspace, chunk), *files.items())
        if known.plans.get(chunk, (None,))[0] != version:
            if planned and not patience():
                continue
            known.plans[chunk] = (version, _plan(workspace, required, chunk, files))
            planned = True
        stages = known.plans[chunk][1]
        if stages and known.asked.get(chunk) != version:
            known.asked[chunk] = version
            found[chunk] = stages
    return found


def _plan(workspace: Workspace, required: RequiredChecks, chunk: str, files: ChunkFiles) -> tuple[str, ...]:
    receipts = receipts_of(workspace, chunk)
    if not receipts or not stand_as_read(receipts.values(), files):
        return ()
    return plan_chunk(workspace, chunk, tuple(STAGES_BY_NAME), required, stale=True).due


def _shared_version(workspace: Workspace) -> str:
    """What shapes the stages of all chunks: settings, policies, prompts, check levels, and the dataset's lists."""
    settings = workspace.settings
    shared = [settings.shards.split_file]
    if settings.dataset:
        shared += [workspace.root.index_path, workspace.root.presence_path]
    return digest_of(
        [
            settings.labeler,
            [stage.shaping(settings) for stage in STAGES],
            levels_in_force(settings.quality),
            [_time(path) for path in shared if path],
        ]
    )


def _times(workspace: Workspace, chunk: str) -> list[int | None]:
    """Of what decides a chunk's standing in the store: its receipts, and people's reviews."""
    store = workspace.store
    receipts = (store.partition(stage.name, chunk) / RECEIPT for stage in STAGES)
    return [_time(path) for path in (*receipts, store.reviews_path(chunk))]


def _files(workspace: Workspace, chunk: str) -> ChunkFiles:
    """The chunk's dataset files that are on disk; none where no dataset is named."""
    if workspace.settings.dataset is None:
        return {}
    root = workspace.root
    place = Folder(root.path)
    return {path: state for path in paths_of(root, chunk, workspace.settings) if (state := place.state(path))}


def _time(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
