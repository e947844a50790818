"""Labels that no labeler of ours made, taken into the store: imported from elsewhere, or edited by people.

They are a labeler's file like any other (`labeler=<name>.parquet`), with `origin` saying where they come from; the
chunk's receipt lists them, so what reads raw_coc is stale and measures them at the next `coc run`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from coc_assets.raw_coc.records import LabelRecord, records_frame
from coc_assets.raw_coc.stage import STAGE, labelers
from coc_assets.stage import Made, StageError, Workspace, run_stage
from resources import schemas
from resources.receipts import Receipt
from resources.settings import HUMAN, Settings


def adopt(workspace: Workspace, chunk: str, labeler: str, records: Sequence[LabelRecord]) -> Receipt:
    """Writes a labeler's labels of one chunk, in place of those that it had there; other labelers' stay.

    Args:
        labeler: the name that the records carry; see `require_free_name`.
        records: at most one a keyframe.

    Raises:
        StageError: what raw_coc reads is not finished in the store, or the file cannot be written.
    """
    labels = records_frame(sorted(records, key=lambda record: (record.keyframe_id, record.label_id)))
    tables = {schemas.RAW_COC.name: labels, schemas.REJECTS.name: schemas.empty(schemas.REJECTS)}
    figures = {"ok": sum(record.status == "ok" for record in records)}
    stage = replace(
        STAGE,
        make=lambda _: Made(tables, figures=figures),
        shaped_by=lambda _: {"adopted": sorted(labels["label_id"])},
    )
    return run_stage(stage, _as_labeler(workspace, labeler), chunk).receipt


def require_free_name(labeler: str, settings: Settings) -> None:
    """Refuses names that stand for labelers of ours, and such as make no file name.

    Raises:
        StageError: the name is taken, or holds what a file name cannot.
    """
    if labeler in (*labelers(settings), HUMAN):
        raise StageError(f"Labels of {labeler!r} are made here; give imported ones another name.")
    if not labeler or not all(letter.isalnum() or letter in "._-" for letter in labeler) or labeler.startswith("."):
        raise StageError(f"{labeler!r} cannot name a labeler: use letters, digits, dots, dashes and underscores.")


def _as_labeler(workspace: Workspace, labeler: str) -> Workspace:
    return replace(workspace, settings=workspace.settings.model_copy(update={"labeler": labeler}), companions={})
