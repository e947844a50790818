"""Stage `meta_actions`: what it reads and writes."""

from __future__ import annotations

from coc_assets.stage import Made, Stage, Work
from resources import schemas


def _make(work: Work) -> Made:
    from coc_assets.meta_actions.spans import build  # compiles kernels

    spans = build(work.read(schemas.TRAJECTORIES), work.settings.meta_actions)
    return Made({"meta_actions": spans, "rejects": schemas.empty(schemas.REJECTS)})


STAGE = Stage(
    name="meta_actions",
    code_version="1",
    upstream=("trajectory_cache",),
    tables=(schemas.META_ACTION_SPANS,),
    sections=("meta_actions",),
    make=_make,
)
