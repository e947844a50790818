"""Stage `clip_videos`: what it reads and writes."""

from __future__ import annotations

from coc_assets.clip_videos.build import build
from coc_assets.stage import DatasetInputs, Made, Stage, Work
from resources import schemas

SEGMENT_FOLDER = "segments"


def cuts_segments(work: Work) -> bool:
    """Whether segments are cut now: as the setting says, else for a generated sample only."""
    return (work.settings.videos.segments or ("always" if work.root.is_sample else "on_demand")) == "always"


def _inputs(work: Work) -> DatasetInputs:
    return DatasetInputs(
        files=work.root.input_files(work.chunk, (work.settings.videos.camera,)),
        rows={"is_sample": work.root.is_sample},  # decides whether segments are cut where no setting does
    )


def _make(work: Work) -> Made:
    files: list[str] = []

    def write(name: str, data: bytes) -> str:
        path = work.folder / SEGMENT_FOLDER / name
        work.store.write_bytes(path, data)
        files.append(f"{SEGMENT_FOLDER}/{name}")
        return work.store.relative(path)

    tables = build(
        work.root,
        work.chunk,
        work.read(schemas.CLIPS),
        work.read(schemas.KEYFRAMES),
        work.settings.videos,
        cut=cuts_segments(work),
        write=write,
        progress=work.report,
    )
    return Made(tables, files, {"cut": len(files)})


STAGE = Stage(
    name="clip_videos",
    code_version="2",
    upstream=("trajectory_cache", "keyframe_segments"),
    tables=(schemas.SEGMENTS, schemas.VIDEOS),
    sections=("videos",),
    inputs=_inputs,
    make=_make,
)
