"""What judging would ask and cost: nothing is sent, no video is decoded."""

from __future__ import annotations

from collections.abc import Sequence

from coc_assets.filtered_coc.model_judge.agenda import journal_of, prepare
from coc_assets.filtered_coc.model_judge.judge import READS
from coc_assets.raw_coc.vlm.estimate import Estimate, estimate_agendas
from coc_assets.stage import Workspace
from resources import schemas


def estimate_judging(
    workspace: Workspace, chunks: Sequence[str], retry: Sequence[schemas.LabelStatus] = (), *, anew: bool = False
) -> Estimate:
    """What `coc run` with the present judge would still ask about the labels there are; `anew`: were none judged."""
    return estimate_agendas(workspace, chunks, READS, prepare, journal_of, retry, anew=anew)


def requests_to_come(workspace: Workspace, chunks: Sequence[str]) -> int:
    """Requests about labels that the present labeler has yet to make, if all of them become usable."""
    store, settings = workspace.store, workspace.settings
    judge, labeler = settings.filtering.judge, settings.labeler
    if judge.labelers is not None and labeler not in judge.labelers:
        return 0
    unlabelled = 0
    for chunk in chunks:
        if not store.table_path(schemas.KEYFRAMES, chunk).is_file():
            continue
        keyframes = store.read_table(schemas.KEYFRAMES, chunk).select("keyframe_id")
        if labeler in store.labelers(chunk):
            labels = store.read_table(schemas.RAW_COC, chunk, labeler=labeler)
            keyframes = keyframes.join(labels, on="keyframe_id", how="anti")
        unlabelled += keyframes.height
    return unlabelled * len(judge.stages)
