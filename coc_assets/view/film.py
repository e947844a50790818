"""The mp4 of a clip: its video, what is around it, and a cursor that runs through the plots.

What does not move is drawn once, in the colours that the encoder takes (BT.709, limited range, yuv420p); every frame
lays over it the video's picture, the bird's-eye view, the figures of the instant and the cursor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

import numpy as np

from coc_assets.sources.video import VideoError, exact_scaling
from coc_assets.sources.video_encoding import Encoder, Encoding
from coc_assets.view import layout
from coc_assets.view.birds_eye import draw_around
from coc_assets.view.colours import CURSOR, DARK, FAINT, INK, PAPER, SERIES, of_action, said
from coc_assets.view.footage import Footage
from coc_assets.view.layout import Box, TimeAxis, cursor_column, film_instants, fitted, time_axis
from coc_assets.view.lettering import Line, Page, about_clip, height_of, label_lines, width_of
from coc_assets.view.plots import draw_plots
from coc_assets.view.shown import MICRO, Keyframe, Shown, cited_tracks
from resources import schemas

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Progress = Callable[[int, int], None]
Planes = tuple[np.ndarray, np.ndarray, np.ndarray]

ENCODING = Encoding(crf=23, preset="veryfast", key_frame_every=30)
_BT709 = 1  # FFmpeg's number of its matrix, primaries and transfer
_LABEL_SIZES = (16, 15, 14, 13, 12, 11)  # of the label's letters, the first in which it fits


class Canvas:
    """A frame in yuv420p, on which pictures are laid at even places."""

    def __init__(self, image: np.ndarray) -> None:
        self._planes = planes_of(image)

    def lay(self, planes: Planes, box: Box) -> None:
        """Lays the planes of a picture of the box's size."""
        for mine, theirs in zip(part_of(self._planes, box), planes, strict=True):
            mine[:] = theirs

    def cut(self, box: Box) -> Planes:
        """A copy of the planes of a part."""
        luma, first, second = part_of(self._planes, box)
        return luma.copy(), first.copy(), second.copy()

    def frame(self) -> VideoFrame:
        """The canvas as it is now."""
        return frame_of(self._planes)


def part_of(planes: Planes, box: Box) -> Planes:
    """What of a picture's planes lies in a box with even edges; not a copy."""
    half = Box(box.x // 2, box.y // 2, box.width // 2, box.height // 2)
    luma, first, second = planes
    return luma[box.rows, box.columns], first[half.rows, half.columns], second[half.rows, half.columns]


def planes_of(image: np.ndarray) -> Planes:
    """Planes of an RGB picture, (H, W, 3) uint8 of even size, in the film's colours."""
    import av

    return planes_of_frame(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"), image.shape[1::-1])


def planes_of_frame(frame: VideoFrame, size: tuple[int, int]) -> Planes:
    """Planes of a decoded frame in the film's colours, scaled to an even size."""
    made = frame.reformat(
        *size, format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation=exact_scaling(),
        threads=1,
    )  # fmt: skip
    luma, first, second = (
        np.frombuffer(bytearray(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in made.planes
    )
    return luma, first, second


def frame_of(planes: Planes) -> VideoFrame:
    """A frame of these planes that says what its colours are."""
    import av

    flat = np.concatenate([plane.reshape(-1) for plane in planes])
    frame = av.VideoFrame.from_ndarray(flat.reshape(-1, planes[0].shape[1]), format="yuv420p")
    frame.colorspace = frame.color_primaries = frame.color_trc = _BT709
    return frame


def film(shown: Shown, footage: Footage | None, note: str = "", progress: Progress | None = None) -> bytes:
    """The mp4: a frame for each of the video's, at its own instant; without a video the clip's 10 Hz frames.

    Args:
        note: why there is no video; stands in its place.
        progress: called with frames done and in total.
    """
    times, sources = film_instants(footage.times_us if footage else np.empty(0, np.int64), shown.ego.t_us)
    axis = time_axis(times[0] * MICRO, times[-1] * MICRO)
    maker = _Maker(shown, axis, footage)
    encoder = Encoder(times, maker.canvas.frame(), layout.FILM_SIZE, ENCODING)
    pictures = _pictures(footage, note)
    for done, (t_us, source) in enumerate(zip(times.tolist(), sources.tolist(), strict=True), start=1):
        encoder.add(maker.make(t_us, pictures(source)))
        if progress:
            progress(done, len(times))
    return encoder.bytes()


def _pictures(footage: Footage | None, note: str) -> Callable[[int], VideoFrame | str]:
    """The video's frame of an index, asked for in order; or what to say where there is none."""
    decoded = iter(()) if footage is None else footage.frames(range(footage.times_us.size))
    said_of = [note or ("The video does not cover this instant." if footage else "It was left out.")]

    def picture(index: int) -> VideoFrame | str:
        if index < 0:
            return said_of[0]
        try:
            return next(decoded, (index, said_of[0]))[1]
        except VideoError as error:  # the generator has ended: all later frames say the same
            said_of[0] = str(error)
            return said_of[0]

    return picture


class _Maker:
    """Makes the frames, one after the other, on one canvas."""

    def __init__(self, shown: Shown, axis: TimeAxis, footage: Footage | None) -> None:
        self._shown, self._axis = shown, axis
        self.canvas = Canvas(_background(shown, axis))
        self._plots = self.canvas.cut(layout.PLOTS)
        self._place = fitted(footage.width, footage.height, layout.CAMERA) if footage else layout.CAMERA
        self._labels: dict[str | None, Planes] = {}
        self._on_show: str | None = ""
        self._without: str | None = None
        self._cursor = planes_of(_filled(Box(0, 0, 2, layout.PLOTS_HIGH), CURSOR))
        self._cursor_at = 0

    def make(self, t_us: int, picture: VideoFrame | str) -> VideoFrame:
        """The frame of an instant."""
        t_s = t_us * MICRO
        keyframe = self._shown.keyframe_at(t_s)
        label = keyframe.label if keyframe else None
        cited = cited_tracks([label]) if label else {}
        self._lay_picture(picture)
        around = layout.AROUND
        self.canvas.lay(planes_of(draw_around(self._shown, t_us, around.width, around.height, cited)), around)
        self.canvas.lay(planes_of(_now(self._shown, t_s)), layout.NOW)
        self._move_cursor(t_s)
        self._lay_label(keyframe)
        return self.canvas.frame()

    def _lay_picture(self, picture: VideoFrame | str) -> None:
        if not isinstance(picture, str):
            self.canvas.lay(planes_of_frame(picture, self._place.size), self._place)
            self._without = None
        elif picture != self._without:
            self.canvas.lay(planes_of(_instead(layout.CAMERA, picture)), layout.CAMERA)
            self._without = picture

    def _move_cursor(self, t_s: float) -> None:
        plots, before = layout.PLOTS, self._cursor_at
        under = part_of(self._plots, Box(before, 0, 2, plots.height))
        self.canvas.lay(under, Box(before, plots.y, 2, plots.height))
        self._cursor_at = cursor_column(self._axis, t_s)
        self.canvas.lay(self._cursor, Box(self._cursor_at, plots.y, 2, plots.height))

    def _lay_label(self, keyframe: Keyframe | None) -> None:
        key = keyframe.keyframe_id if keyframe else None
        if key == self._on_show:
            return
        if key not in self._labels:
            self._labels[key] = planes_of(_label(self._shown, keyframe))
        self.canvas.lay(self._labels[key], layout.LABEL)
        self._on_show = key


def _background(shown: Shown, axis: TimeAxis) -> np.ndarray:
    """The whole frame with all that stays."""
    page = Page(*layout.FILM_SIZE)
    box = layout.HEADER
    page.fill(box.x, box.y, box.width, box.height, INK)
    x = page.write(12, 7, shown.found.clip_id, colour=PAPER, bold=True)
    page.write(x + 20, 7, about_clip(shown), colour="#cfd4da")
    box = layout.CAMERA
    page.fill(box.x, box.y, box.width, box.height, DARK)
    page.paste(draw_plots(shown, axis), layout.PLOTS.x, layout.PLOTS.y)
    return page.pixels()


def _filled(box: Box, colour: str) -> np.ndarray:
    return Page(*box.size, colour).pixels()


def _instead(box: Box, text: str) -> np.ndarray:
    """What stands in the place of a video."""
    page = Page(*box.size, DARK)
    page.write_lines(40, box.height * 0.4, box.width - 80, [Line("No video", PAPER, bold=True), Line(text, "#cfd4da")])
    return page.pixels()


def _now(shown: Shown, t_s: float) -> np.ndarray:
    """The figures of an instant: time, motion and the meta-actions in force."""
    page = Page(*layout.NOW.size, "#eef0f3")
    at = shown.at(t_s)
    row = shown.trajectory.row(at, named=True)
    figures = (
        (12, f"{t_s:6.2f} s", INK),
        (100, f"frame {row['frame']}", FAINT),
        (196, f"{shown.ego.along[at]:5.1f} m/s", SERIES["speed"]),
        (290, f"{_signed(row['acceleration_mps2'], 1)} m/s²", SERIES["acceleration"]),
        (394, f"{_signed(shown.curvature[at], 4)} 1/m", SERIES["curvature"]),
    )
    for x, text, colour in figures:
        page.write(x, 10, text, colour=colour, bold=x < 100)
    end = 516.0
    actions = shown.actions(t_s)
    for axis, action in ((name, actions[name]) for name in get_args(schemas.Axis) if name in actions):
        begin = page.write(end, 11, axis, size=12, colour=FAINT) + 6
        words = said(action)
        page.fill(begin, 6, width_of(words) + 16, 24, of_action(action), radius=5)
        end = page.write(begin + 8, 10, words) + 22
    return page.pixels()


def _signed(value: float | None, decimals: int) -> str:
    """A figure with its sign, 0 without one, – where it is not known."""
    if value is None or not np.isfinite(value):
        return "–"
    rounded = round(float(value), decimals)
    return f"{rounded:+.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def _label(shown: Shown, keyframe: Keyframe | None) -> np.ndarray:
    page = Page(*layout.LABEL.size)
    page.fill(12, 0, layout.LABEL.width - 24, 1, "#dddddd")
    if keyframe is None:
        nothing = "no keyframe near this instant" if shown.keyframes else "this clip has no keyframes"
        lines = [Line(nothing, FAINT)]
    else:
        lines = label_lines(keyframe, len(shown.keyframes))
    wide, high = layout.LABEL.width - 24, layout.LABEL.height - 12
    size = next((one for one in _LABEL_SIZES if height_of(lines, wide, one) <= high), _LABEL_SIZES[-1])
    page.write_lines(12, 8, wide, lines, size)
    return page.pixels()
