"""The pictures of a finished partition, as Markdown that Dagster's UI shows."""

from __future__ import annotations

from coc_assets.plots import data_url, svg
from coc_assets.showing.contact_sheet import frames_at, moments, sheet
from coc_assets.showing.distributions import panels_of
from coc_assets.stage import Work
from resources import schemas

LABELS = schemas.RAW_COC.asset
"""The asset whose pictures show frames with labels."""


def pictures_of(work: Work) -> dict[str, str]:
    """Markdown by name: the distributions, and of labels the contact sheet.

    A picture that cannot be had is replaced by why not: none may fail a partition that is made.
    """
    drawn = {"distributions": _distributions} | ({"contact_sheet": _contact_sheet} if work.stage.name == LABELS else {})
    said = {}
    for name, draw in drawn.items():
        try:
            said[name] = draw(work)
        except Exception as error:
            said[name] = f"Not drawn: {type(error).__name__}: {error}"
    return said


def _distributions(work: Work) -> str:
    picture = svg(panels_of(work)).encode()
    return _image(f"{work.stage.name} of chunk {work.chunk}", picture, "image/svg+xml")


def _contact_sheet(work: Work) -> str:
    camera = work.settings.videos.camera
    keyframes, segments = work.read(schemas.KEYFRAMES), work.read(schemas.SEGMENTS)
    if keyframes.is_empty():
        return f"Chunk {work.chunk} has no keyframes."
    chosen = moments(keyframes, segments, work.store.read_table(schemas.RAW_COC, work.chunk, labeler=work.part))
    if not chosen:
        return f"Chunk {work.chunk} has no video of {camera}; the rejects of clip_videos say why."
    if not work.root.archive_path(camera, work.chunk).is_file():
        return f"The dataset no longer has video of {camera} for chunk {work.chunk}."
    tiles = list(frames_at(work.root, work.chunk, camera, chosen))
    if not tiles:
        return f"No video of chunk {work.chunk} decodes at its keyframes; the rejects of clip_videos say why."
    note = f"{len(tiles)} of {keyframes.height} keyframes. All of them: `coc review --labeler {work.part}`"
    return f"{_image(f'labels of chunk {work.chunk}', sheet(tiles), 'image/jpeg')}\n\n{note}"


def _image(about: str, picture: bytes, kind: str) -> str:
    return f"![{about}]({data_url(picture, kind)})"
