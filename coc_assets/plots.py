"""Small pictures of counts and values: panels side by side in one SVG. Equal figures give equal bytes.

They are written out by hand. Drawn by matplotlib a picture takes a tenth of a second, as long as some stages do, and
each run of a chunk draws seven; like this it takes a millisecond.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

_WIDE, _HISTOGRAM_HIGH = 320, 170  # of a panel, pixels
_MARGIN, _TITLE = 12, 30
_ROW, _MOST_ROWS = 15, 11
_LABEL_WIDE, _FIGURE_WIDE = 142, 34
_LABEL_CHARACTERS = 26  # that fit beside the bars
_BINS, _TICKS = 24, 4
_AXIS = 18
_STYLE = (
    "text{font:10px sans-serif;fill:#333}.title{font-weight:bold}.end{text-anchor:end}.middle{text-anchor:middle}"
    ".faint{fill:#999}rect{fill:#47a}.ground{fill:#fff}path{stroke:#999}"
)
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)  # round distances of ticks within a power of ten


@dataclass(frozen=True)
class Bars:
    """How often each class is there, in the order given; classes beyond what has room are summed up."""

    title: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Histogram:
    """How values are spread; the title names their unit. Values that are no numbers are left out."""

    title: str
    values: np.ndarray | Sequence[float]


Panel = Bars | Histogram


def svg(panels: Sequence[Panel], columns: int = 3) -> str:
    """One picture of the panels, row by row, on white."""
    wide, high = min(columns, len(panels)) * _WIDE, 0
    placed = []
    for row in (panels[at : at + columns] for at in range(0, len(panels), columns)):
        placed += [
            f"<g transform='translate({at * _WIDE},{high})'>{''.join(_drawn(panel))}</g>"
            for at, panel in enumerate(row)
        ]
        high += max(map(_height, row))
    size = f"width='{wide}' height='{high}' viewBox='0 0 {wide} {high}'"
    ground = f"<style>{_STYLE}</style><rect class='ground' width='100%' height='100%'/>"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {size}>{ground}{''.join(placed)}</svg>"


def data_url(picture: bytes, kind: str) -> str:
    """A picture as an address that holds it; `kind` as in `image/svg+xml`."""
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"


def _height(panel: Panel) -> int:
    if isinstance(panel, Histogram):
        return _HISTOGRAM_HIGH
    return _TITLE + max(len(_within(panel.counts)), 2) * _ROW + _MARGIN


def _drawn(panel: Panel) -> Iterator[str]:
    yield _text(_MARGIN, _MARGIN + 8, panel.title, "title")
    yield from _bars(panel) if isinstance(panel, Bars) else _histogram(panel)


def _bars(panel: Bars) -> Iterator[str]:
    rows = _within(panel.counts)
    most = max(rows.values(), default=0)
    if not most:
        yield _text(_MARGIN, _TITLE + _ROW, "none", "faint")
        return
    room = _WIDE - 2 * _MARGIN - _LABEL_WIDE - _FIGURE_WIDE
    for at, (name, count) in enumerate(rows.items()):
        y, left = _TITLE + at * _ROW, _MARGIN + _LABEL_WIDE
        yield _text(left - 4, y + 11, _shortened(name), "end")
        yield _box(left, y + 2, room * count / most, _ROW - 4)
        yield _text(left + room * count / most + 4, y + 11, f"{count:,}", "faint")


def _within(counts: Mapping[str, int]) -> dict[str, int]:
    """The classes that have room; the last row sums up the others where there are more."""
    if len(counts) <= _MOST_ROWS:
        return dict(counts)
    shown = dict(list(counts.items())[: _MOST_ROWS - 1])
    return {**shown, f"({len(counts) - len(shown)} others)": sum(counts.values()) - sum(shown.values())}


def _histogram(panel: Histogram) -> Iterator[str]:
    values = np.asarray(panel.values, float)
    values = values[np.isfinite(values)]
    if not values.size:
        yield _text(_MARGIN, _TITLE + _ROW, "none", "faint")
        return
    edges = _edges(float(values.min()), float(values.max()))
    counts, _ = np.histogram(values, edges)
    bottom, wide = _HISTOGRAM_HIGH - _MARGIN - _AXIS, _WIDE - 2 * _MARGIN
    step, high = wide / len(counts), bottom - _TITLE - 10
    for at, count in enumerate(counts):
        tall = high * count / counts.max()
        yield _box(_MARGIN + at * step, bottom - tall, step - 1, tall)
    yield f"<path d='M{_MARGIN} {bottom}h{wide}'/>"
    for tick in _ticks(edges[0], edges[-1]):
        x = _MARGIN + wide * (tick - edges[0]) / (edges[-1] - edges[0])
        yield _text(x, bottom + 13, f"{tick:g}", "middle")
    yield _text(_WIDE - _MARGIN, _MARGIN + 8, f"{values.size:,} values", "end faint")


def _edges(least: float, greatest: float) -> np.ndarray:
    """Edges of equal bins from round to round; a single value stands in the middle of one unit's width."""
    if least == greatest:
        least, greatest = least - 0.5, greatest + 0.5
    step = _round_up((greatest - least) / _BINS)
    first, last = math.floor(least / step), math.ceil(greatest / step)
    return np.arange(first, last + 1) * step


def _ticks(least: float, greatest: float) -> np.ndarray:
    step = _round_up((greatest - least) / _TICKS)
    return np.round(np.arange(math.ceil(least / step), math.floor(greatest / step) + 1) * step, 9)


def _round_up(width: float) -> float:
    """The next round number."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in _STEPS if step * power >= width * (1 - 1e-9))


def _shortened(name: str) -> str:
    return name if len(name) <= _LABEL_CHARACTERS else name[: _LABEL_CHARACTERS - 1] + "…"


def _box(x: float, y: float, wide: float, high: float) -> str:
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{wide:.1f}' height='{high:.1f}'/>"


def _text(x: float, y: float, said: str, style: str = "") -> str:
    """A line of text; `style` names classes of the picture's style sheet."""
    printable = "".join(letter if letter.isprintable() else " " for letter in said)
    kind = f" class='{style}'" if style else ""
    return f"<text x='{x:.0f}' y='{y:.0f}'{kind}>{escape(printable)}</text>"
