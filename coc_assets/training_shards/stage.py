"""Stage `training_shards`: what it reads and writes."""

from __future__ import annotations

from coc_assets.raw_coc.imported.keyframes import with_keyframes_of
from coc_assets.stage import DatasetInputs, Made, Stage, Work
from coc_assets.training_shards.build import build
from resources import schemas
from resources.dataset import EGOMOTION


def preferred_labelers(work: Work) -> list[str]:
    """The preference list without labelers that this chunk has no labels of.

    Only this part of the list shapes a chunk's shards: naming a new labeler first leaves chunks fresh until they are
    labelled by it.
    """
    present = work.store.labelers(work.chunk)
    return [name for name in work.settings.preferred_labelers if name in present]


def _inputs(work: Work) -> DatasetInputs:
    return DatasetInputs(files=work.root.input_files(work.chunk, (EGOMOTION, *work.settings.shards.cameras)))


def _make(work: Work) -> Made:
    clips, labels = work.read(schemas.CLIPS), work.store.read_labels(work.chunk)
    result = build(
        work.root,
        work.chunk,
        clips,
        with_keyframes_of(work.read(schemas.KEYFRAMES), labels, clips, work.settings.keyframes),
        labels,
        work.read(schemas.VERDICTS),
        work.settings.shards.model_copy(update={"labelers": work.settings.preferred_labelers}),
        work.settings.trajectory,
        work.folder,
        work.report,
    )
    shards = sum(name.endswith(".tar") for name in result.files)
    return Made(result.tables, result.files, {"shards": shards})


STAGE = Stage(
    name="training_shards",
    code_version="1",
    upstream=("trajectory_cache", "keyframe_segments", "raw_coc", "filtered_coc"),
    tables=(schemas.SAMPLES,),
    sections=("shards", "trajectory"),
    unshaped=frozenset({"labelers"}),
    shape=preferred_labelers,
    inputs=_inputs,
    make=_make,
)
