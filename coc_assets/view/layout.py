"""Where everything goes, in pixels. Sizes are even, as a video's colours hold one value for two pixels each way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Measure = Callable[[str], float]


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture: left and top edge, width and height, pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def rows(self) -> slice:
        return slice(self.y, self.y + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.x, self.x + self.width)


@dataclass(frozen=True)
class TimeAxis:
    """The time axis that all plots share.

    Attributes:
        first_s, last_s: clip clock, s; at the left and the right edge.
        left, right: pixels.
    """

    first_s: float
    last_s: float
    left: float
    right: float

    def x(self, t_s: float) -> float:
        """Where an instant lies, pixels; what lies outside goes to the nearer edge."""
        share = (t_s - self.first_s) / max(self.last_s - self.first_s, 1e-9)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def scaled(self, scale: float) -> TimeAxis:
        """The same axis of a picture that is so many times larger."""
        return TimeAxis(self.first_s, self.last_s, self.left * scale, self.right * scale)


WIDTH = 1280
PLOTS_HIGH = 400
NAMES_WIDE, MARGIN = 112, 16  # left of the plots stand their names

HEADER = Box(0, 0, WIDTH, 32)
CAMERA = Box(0, 32, 800, 450)
AROUND = Box(800, 32, 480, 450)
NOW = Box(0, 482, WIDTH, 36)
PLOTS = Box(0, 518, WIDTH, PLOTS_HIGH)
LABEL = Box(0, 918, WIDTH, 162)
FILM_SIZE = (WIDTH, 1080)


def time_axis(first_s: float, last_s: float) -> TimeAxis:
    """The axis of plots that are as wide as the film."""
    return TimeAxis(first_s, last_s, NAMES_WIDE, WIDTH - MARGIN)


def cursor_column(axis: TimeAxis, t_s: float) -> int:
    """Left column of the cursor, which is two pixels wide: even, so that its colour is its own."""
    return 2 * round((axis.x(t_s) - 1) / 2)


def fitted(width: int, height: int, into: Box) -> Box:
    """The largest box of a picture's proportions inside another one, centred, even."""
    scale = min(into.width / width, into.height / height)
    wide, high = (max(round(size * scale / 2) * 2, 2) for size in (width, height))
    wide, high = min(wide, into.width), min(high, into.height)
    return Box(into.x + (into.width - wide) // 4 * 2, into.y + (into.height - high) // 4 * 2, wide, high)


def in_columns(count: int, wide: int, gap: int, most: int, least: int) -> list[Box]:
    """Places of equal width in rows of at most `most`, without height.

    Args:
        count: places. wide: of the whole, pixels.
        least: a row is divided as if it had so many, so that few places do not become huge.

    Returns:
        Boxes of height 0 whose y is the number of their row.
    """
    across = min(max(count, least), most)
    each = (wide - gap * (across - 1)) // across // 2 * 2
    return [Box(at % across * (each + gap), at // across, each, 0) for at in range(count)]


def wrapped(text: str, width: float, measure: Measure, most: int | None = None) -> list[str]:
    """A text in lines of at most that width; one word that is wider has its own line.

    Args:
        measure: width of a piece of text.
        most: lines; the last one then ends in an ellipsis.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and measure(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if most is None or len(lines) <= most:
        return lines
    return [*lines[: most - 1], shortened(" ".join(lines[most - 1 :]), width, measure)]


def shortened(text: str, width: float, measure: Measure) -> str:
    """The text where it fits, else its beginning with an ellipsis; empty where not even a few letters fit."""
    if measure(text) <= width:
        return text
    keeps = max((n for n in range(len(text)) if measure(f"{text[:n].rstrip()}…") <= width), default=0)
    return f"{text[:keeps].rstrip()}…" if keeps > 2 else ""


def film_instants(video_us: np.ndarray, clip_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Instants of a film's frames: those of the video, and the clip's own where there is no video.

    Args:
        video_us: (V,) int64 ascending, instants of the video's frames, clip clock, µs; empty without a video.
        clip_us: (T,) int64 ascending, instants of the clip's 10 Hz frames, µs.

    Returns:
        (F,) int64 ascending instants, µs, and (F,) int64 indices of the video's frames, −1 where there is none.
    """
    if not video_us.size:
        return clip_us, np.full(clip_us.shape, -1, dtype=np.int64)
    step = np.median(np.diff(clip_us)) if clip_us.size > 1 else 0
    before, after = clip_us[clip_us < video_us[0]], clip_us[clip_us > video_us[-1] + step]
    index = np.concatenate([np.full(before.shape, -1), np.arange(video_us.size), np.full(after.shape, -1)])
    return np.concatenate([before, video_us, after]), index.astype(np.int64)


def spread(instants: Sequence[float], count: int) -> list[float]:
    """So many of the instants, evenly from the first to the last."""
    if not instants or count < 1:
        return []
    at = np.unique(np.linspace(0, len(instants) - 1, count).round().astype(int))
    return [instants[index] for index in at]
