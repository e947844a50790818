"""Stage `trajdata_cache`: what it reads and writes."""

from __future__ import annotations

from coc_assets.stage import Made, Stage, Work
from resources import schemas


def _make(work: Work) -> Made:
    from coc_assets.trajdata.cache import ChunkTables, write_chunk  # imports trajdata and torch: three seconds

    tables = ChunkTables(work.read(schemas.CLIPS), work.read(schemas.TRAJECTORIES), work.read(schemas.TRACKS))
    written = write_chunk(work.store, work.folder, tables, work.settings.trajdata, work.report)
    return Made(
        {"trajdata_scenes": written.scenes, "rejects": schemas.empty(schemas.REJECTS)},
        files=written.files,
        figures={"agents": int(written.scenes["agents"].sum())},
    )


STAGE = Stage(
    name="trajdata_cache",
    code_version="1",
    upstream=("trajectory_cache",),
    tables=(schemas.TRAJDATA_SCENES,),
    sections=("trajdata",),
    make=_make,
)
