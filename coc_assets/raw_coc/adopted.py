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
from resources.receipts import Receipt, digest_of, read_receipt, write_receipt
from resources.settings import HUMAN, Settings
from resources.store import RECEIPT, Store


def adopt(workspace: Workspace, chunk: str, labeler: str, records: Sequence[LabelRecord]) -> Receipt:
    """Writes a labeler's labels of one chunk, in place of those that it had there; other labelers' stay.

    Args:
        labeler: the name that the records carry; see `require_free_name`.
        records: at most one a keyframe.

    Returns:
        The receipt; its rows and figures stay those of the labeler that ran here, where one did.

    Raises:
        StageError: what raw_coc reads is not finished in the store, or the file cannot be written.
    """
    labels = records_frame(sorted(records, key=lambda record: (record.keyframe_id, record.label_id)))
    tables = {schemas.RAW_COC.name: labels, schemas.REJECTS.name: schemas.empty(schemas.REJECTS)}
    figures = {"ok": sum(record.status == "ok" for record in records)}
    stage = replace(
        STAGE,
        make=lambda _: Made(tables, figures=figures),
        shaped_by=lambda _: {"adopted": digest_of(labels.to_dicts())},
    )
    earlier = read_receipt(workspace.store, STAGE.name, chunk)
    outcome = run_stage(stage, _as_labeler(workspace, labeler), chunk)
    if outcome.fresh or earlier is None or not _tells_of_ours(earlier, workspace.settings):
        return outcome.receipt
    of_ours = {name: getattr(earlier, name) for name in ("dataset", "counts", "figures", "rejects")}
    receipt = outcome.receipt.model_copy(update=of_ours)
    write_receipt(workspace.store, receipt)
    return receipt


def withdraw(store: Store, chunk: str, labeler: str) -> Receipt | None:
    """Takes adopted labels of one chunk out of the store; what reads them is stale then.

    Returns:
        The receipt without them; None where nothing else was made here.
    """
    receipt = read_receipt(store, STAGE.name, chunk)
    path = store.table_path(schemas.RAW_COC, chunk, labeler=labeler)
    if receipt is not None:
        # Before the file: a receipt that names a file which is gone would make other labelers' labels unfinished.
        receipt = _without(receipt, labeler, path.name)
        if receipt.fingerprints:
            write_receipt(store, receipt)
        else:
            (path.parent / RECEIPT).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return receipt if receipt and receipt.fingerprints else None


def adopted_chunks(store: Store, labeler: str, chunks: Sequence[str]) -> list[str]:
    """Those of the chunks that hold labels of a labeler from elsewhere, as that labeler's file says.

    Raises:
        StageError: labels under this name were made here.
    """
    having = [chunk for chunk in chunks if labeler in store.labelers(chunk)]
    for chunk in having:
        labels = store.read_table(schemas.RAW_COC, chunk, labeler=labeler)
        if labels["origin"].null_count():
            raise StageError(
                f"Chunk {chunk} holds labels of {labeler!r} that were made here; give others another name."
            )
    return having


def require_free_name(labeler: str, settings: Settings) -> None:
    """Refuses names that stand for labelers of ours, and such as make no file name.

    Raises:
        StageError: the name is taken, or holds what a file name cannot.
    """
    if labeler in (*labelers(settings), HUMAN):
        raise StageError(f"Labels of {labeler!r} are made here; give imported ones another name.")
    if not labeler or not all(letter.isalnum() or letter in "._-" for letter in labeler) or labeler.startswith("."):
        raise StageError(f"{labeler!r} cannot name a labeler: use letters, digits, dots, dashes and underscores.")


def _tells_of_ours(receipt: Receipt, settings: Settings) -> bool:
    return receipt.status == "done" and not set(receipt.fingerprints).isdisjoint(labelers(settings))


def _without(receipt: Receipt, labeler: str, file: str) -> Receipt:
    outputs = {name: digest for name, digest in receipt.outputs.items() if name != file}
    return receipt.model_copy(
        update={
            "fingerprints": {name: print_ for name, print_ in receipt.fingerprints.items() if name != labeler},
            "outputs": outputs,
            "data_version": digest_of(outputs),
            "checks": {},
            "finished_at": "",
        }
    )


def _as_labeler(workspace: Workspace, labeler: str) -> Workspace:
    return replace(workspace, settings=workspace.settings.model_copy(update={"labeler": labeler}), companions={})
