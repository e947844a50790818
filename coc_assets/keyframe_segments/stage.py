"""Stage `keyframe_segments`: what it reads and writes."""

from __future__ import annotations

from coc_assets.keyframe_segments.selection import build
from coc_assets.stage import Made, Stage, Work
from resources import schemas


def _make(work: Work) -> Made:
    keyframes, rejects = build(
        work.read(schemas.CLIPS),
        work.read(schemas.TRAJECTORIES),
        work.read(schemas.META_ACTION_SPANS),
        work.settings.keyframes,
    )
    return Made({"keyframes": keyframes, "rejects": rejects})


STAGE = Stage(
    name="keyframe_segments",
    code_version="1",
    upstream=("trajectory_cache", "meta_actions"),
    tables=(schemas.KEYFRAMES,),
    sections=("keyframes",),
    make=_make,
)
