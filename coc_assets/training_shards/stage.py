"""Stage `training_shards`: what it reads and writes."""

from __future__ import annotations

from coc_assets.raw_coc.imported.keyframes import with_keyframes_of
from coc_assets.stage import DatasetInputs, Made, Stage, Work
from coc_assets.training_shards.build import Tables, build, shows_frames
from coc_assets.training_shards.splits import named_by_file
from resources import schemas
from resources.dataset import EGOMOTION
from resources.settings import Settings
from resources.settings.shards import Camera, ShardSettings


def preferred_labelers(work: Work) -> list[str]:
    """The preference list without labelers that this chunk has no labels of.

    Only this part of the list shapes a chunk's shards: naming a new labeler first leaves chunks fresh until they are
    labelled by it.
    """
    present = work.store.labelers(work.chunk)
    return [name for name in work.settings.preferred_labelers if name in present]


def cameras_read(shards: ShardSettings) -> tuple[Camera, ...]:
    """Cameras whose archives the shards are made from; none where no form of a sample shows video."""
    return shards.cameras if shows_frames(shards) or "vlm_json" in shards.formats else ()


def _inputs(work: Work) -> DatasetInputs:
    shards = work.settings.shards
    features = (EGOMOTION, *cameras_read(shards))
    rows: dict[str, object] = {}
    if "pai_overlay" in shards.formats:
        rows["clip_index"] = work.root.index_rows(work.chunk).to_dicts()
    return DatasetInputs(files=work.root.input_files(work.chunk, features), rows=rows)


def _shape(work: Work) -> object:
    """What shapes the shards besides settings: who is preferred, and what a split file says of this chunk's clips."""
    preferred, shards = preferred_labelers(work), work.settings.shards
    if shards.split_by != "file" or not work.store.table_path(schemas.CLIPS, work.chunk).is_file():
        return preferred
    return [preferred, named_by_file(work.read(schemas.CLIPS)["clip_id"].to_list(), shards)]


def _shaped_by(settings: Settings) -> dict[str, object]:
    """The keys of the section that shape the forms that are written; the others may change without consequence."""
    shards = settings.shards
    keys = {"formats", "verdicts", "decisions", "min_spacing_s", "require_video", "split_by"}
    keys |= {"splits"} if shards.split_by != "file" else set()
    keys |= {"cameras", "frame_height", "jpeg_quality"} if shows_frames(shards) else set()
    keys |= {"shard_bytes", "max_shard_bytes"} if "wds" in shards.formats else set()
    keys |= (
        {"cameras", "frame_height", "video_seconds", "video_fps", "question"} if "vlm_json" in shards.formats else set()
    )
    ranking = {"rarest_first": settings.keyframes.rarest_first} if "pai_overlay" in shards.formats else {}
    return {"shards": shards.model_dump(mode="json", include=keys), **ranking}


def _make(work: Work) -> Made:
    clips, labels = work.read(schemas.CLIPS), work.store.read_labels(work.chunk)
    keyframes = with_keyframes_of(work.read(schemas.KEYFRAMES), labels, clips, work.settings.keyframes)
    result = build(
        work.root,
        work.chunk,
        Tables(clips, keyframes, labels, work.read(schemas.VERDICTS)),
        work.settings.shards.model_copy(update={"labelers": work.settings.preferred_labelers}),
        work.settings.trajectory,
        work.settings.keyframes.rarest_first,
        work.folder,
        work.report,
        videos=_video_hashes(work),
        reuse=not work.force,
    )
    return Made(result.tables, result.files, result.figures)


def _video_hashes(work: Work) -> dict[str, str]:
    """sha256 of the cameras' archives of this chunk, by path, as they were fingerprinted for this run."""
    paths = work.root.input_files(work.chunk, work.settings.shards.cameras)
    names = {work.root.relative(path) for path in paths}
    return {name: file.sha256 for name, file in work.input_files.items() if name in names}


STAGE = Stage(
    name="training_shards",
    code_version="2",
    upstream=("trajectory_cache", "keyframe_segments", "raw_coc", "filtered_coc"),
    tables=(schemas.SAMPLES,),
    sections=("trajectory",),
    shaped_by=_shaped_by,
    shape=_shape,
    inputs=_inputs,
    make=_make,
)
