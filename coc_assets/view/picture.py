"""A clip as one picture: what the camera saw and what was around at its keyframes, the plots, and every label."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coc_assets.view.birds_eye import draw_around
from coc_assets.view.colours import DARK, FAINT, INK, PAPER, VERDICTS
from coc_assets.view.footage import Footage, pictures_at
from coc_assets.view.layout import PLOTS_HIGH, WIDTH, Box, fitted, in_columns, spread, time_axis
from coc_assets.view.lettering import Line, Page, about_clip, height_of, label_lines
from coc_assets.view.plots import draw_plots
from coc_assets.view.shown import MICRO, Keyframe, Shown, cited_tracks

SCALE = 1.5
_EDGE, _GAP = 16, 10
_TITLE_HIGH, _CAPTION_HIGH = 36, 22
_ACROSS, _AT_LEAST = 4, 3  # columns of a row
_ASPECT = 16 / 9  # of frames where there is no video
_AROUND_HIGH = 0.72  # of a column's width
_UNNAMED = 4  # frames of a clip without keyframes
_AROUND_MARKED_S = (-2.0, -1.0, 0.0, 3.0)  # frames of a marked keyframe
_TEXT_SIZE = 13


@dataclass(frozen=True)
class Moment:
    """An instant that is shown by a frame and from above.

    Attributes:
        keyframe: the one whose causes are highlighted.
    """

    t_us: int
    caption: str
    keyframe: Keyframe | None


def moments_of(shown: Shown) -> list[Moment]:
    """The keyframes; around the marked one where one is; else instants spread over the clip."""
    marked = shown.marked
    if marked:
        inside = [marked.t0_s + after for after in _AROUND_MARKED_S]
        within = [(t_s, after) for t_s, after in zip(inside, _AROUND_MARKED_S, strict=True)
                  if shown.t_s[0] <= t_s <= shown.t_s[-1] or after == 0]  # fmt: skip
        return [
            Moment(_us(t_s), f"t0 {after:+.0f} s".replace("-", "−") if after else "t0", marked) for t_s, after in within
        ]
    if shown.keyframes:
        return [Moment(_us(one.t0_s), f"{one.number}  {one.t0_s:.2f} s", one) for one in shown.keyframes]
    return [Moment(_us(t_s), f"{t_s:.2f} s", None) for t_s in spread(shown.t_s.tolist(), _UNNAMED)]


def picture(shown: Shown, footage: Footage | None, note: str = "", scale: float = SCALE) -> bytes:
    """The picture, PNG, `WIDTH` wide times the scale.

    Args:
        note: why there is no video; stands below the title.
    """
    moments = moments_of(shown)
    pictures, problem = pictures_at(footage, [one.t_us for one in moments])
    notes = [Line(f"No video: {text}", FAINT, most=2) for text in (note, problem and problem.hint) if text]
    texts = _texts(shown)
    wide = WIDTH - 2 * _EDGE
    columns = in_columns(len(moments), wide, _GAP, _ACROSS, _AT_LEAST)
    strip_top = _TITLE_HIGH + height_of(notes, wide, _TEXT_SIZE) + 6
    aspect = footage.width / footage.height if footage else _ASPECT
    row_high = _row_height(columns, aspect if footage else None)
    plots_top = strip_top + row_high * (1 + max((one.y for one in columns), default=-1))
    text_top = plots_top + PLOTS_HIGH + 8
    text_high = sum(height_of(lines, wide, _TEXT_SIZE) + _GAP for lines in texts)
    page = Page(WIDTH, round(text_top + text_high + 6), PAPER, scale)
    _write_title(page, shown)
    page.write_lines(_EDGE, _TITLE_HIGH, wide, notes, _TEXT_SIZE)
    for moment, image, column in zip(moments, pictures, columns, strict=True):
        place = Box(_EDGE + column.x, round(strip_top + column.y * row_high), column.width, 0)
        _draw_moment(page, shown, moment, image, place, aspect if footage else None)
    page.paste(draw_plots(shown, time_axis(*_ends(shown, footage)), scale), 0, plots_top)
    for lines in texts:
        text_top = page.write_lines(_EDGE, text_top, wide, lines, _TEXT_SIZE) + _GAP
    out = io.BytesIO()
    page.image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _us(t_s: float) -> int:
    return round(t_s / MICRO)


def _ends(shown: Shown, footage: Footage | None) -> tuple[float, float]:
    """The film's first and last instant, s, so that both have the same time axis."""
    times = [*shown.ego.t_us[[0, -1]], *(footage.times_us[[0, -1]] if footage else ())]
    return float(min(times)) * MICRO, float(max(times)) * MICRO


def _row_height(columns: Sequence[Box], aspect: float | None) -> float:
    wide = columns[0].width if columns else 0
    return _CAPTION_HIGH + (wide / aspect + 4 if aspect else 0) + wide * _AROUND_HIGH + _GAP


def _write_title(page: Page, shown: Shown) -> None:
    x = page.write(_EDGE, 9, shown.found.clip_id, size=16, bold=True)
    page.write(x + 14, 11, about_clip(shown), colour=FAINT)


def _draw_moment(
    page: Page, shown: Shown, moment: Moment, image: np.ndarray | None, place: Box, aspect: float | None
) -> None:
    """A caption, the frame where the clip has video, and the view from above."""
    label = moment.keyframe.label if moment.keyframe else None
    colour = VERDICTS.get(label.verdict, INK) if label else INK
    page.write(place.x, place.y + 2, moment.caption, size=_TEXT_SIZE, colour=colour, bold=True)
    top = place.y + _CAPTION_HIGH
    if aspect:
        box = Box(place.x, top, place.width, round(place.width / aspect))
        page.fill(box.x, box.y, box.width, box.height, DARK)
        if image is None:
            page.write(box.x + 10, box.y + 10, "no video here", colour=PAPER)
        else:
            inner = fitted(image.shape[1], image.shape[0], box)
            page.paste(_resized(image, round(inner.width * page.scale), round(inner.height * page.scale)),
                       inner.x, inner.y)  # fmt: skip
        top += box.height + 4
    size = round(place.width * page.scale), round(place.width * _AROUND_HIGH * page.scale)
    cited = cited_tracks([label]) if label else {}
    page.paste(draw_around(shown, moment.t_us, *size, cited, bold=page.scale), place.x, top)


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _texts(shown: Shown) -> list[list[Line]]:
    """What is said of each keyframe; of the marked one alone where one is."""
    keyframes = [shown.marked] if shown.marked else shown.keyframes
    if not keyframes:
        return [[Line("This clip has no keyframes.", FAINT)]]
    return [label_lines(one, len(shown.keyframes)) for one in keyframes]
