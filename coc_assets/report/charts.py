"""The report's drawings: small SVG that take their colours from the page's style, so that they follow light and dark.

They stretch with the page, so they hold no text: figures stand beside them, in the page. No drawing has a style
attribute, which the page's content policy forbids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from markupsafe import Markup

_WIDE, _HIGH = 1000.0, 100.0  # of a drawing's own units; the page scales them
MOST_COLUMNS = 150
"""Of a strip; more chunks share one."""


def stacked(parts: Mapping[str, float], whole: float) -> Markup:
    """A bar of parts beside each other, each of the style class that is its key, as long as its share of the whole."""
    boxes, x = [], 0.0
    for name, count in parts.items():
        wide = _WIDE * count / whole if whole else 0.0
        if wide > 0:
            boxes.append(f'<rect class="{name}" x="{x:.1f}" y="0" width="{wide:.1f}" height="{_HIGH:g}"/>')
        x += wide
    return _svg("bar", boxes)


def strip(values: Sequence[float | None], name: str) -> Markup:
    """Shares (0 … 1) of many chunks in order, a column each; where there are many, a column is the least of several.

    Args:
        values: None leaves its column empty.
        name: what screen readers are told.
    """
    groups = np.array_split(np.array([np.nan if value is None else value for value in values]), _columns(len(values)))
    wide = _WIDE / max(len(groups), 1)
    boxes = []
    for place, group in enumerate(groups):
        known = group[~np.isnan(group)]
        if known.size:
            least = float(known.min())
            high = max(_HIGH * least, 1.0)
            boxes.append(
                f'<rect class="value" x="{place * wide:.1f}" y="{_HIGH - high:.1f}" width="{wide * 0.9:.1f}"'
                f' height="{high:.1f}"/>'
            )
    return _svg("strip", boxes, name)


def lines(series: Mapping[str, Sequence[tuple[float, float | None]]], name: str, top: float = 1.0) -> Markup:
    """Lines over a common axis; a value that is None breaks its line.

    Args:
        series: by style class, points of place (0 … 1) and value (0 … top).
        name: what screen readers are told.
    """
    drawn = [f'<path class="rule" d="M0 {_HIGH * part:g}H{_WIDE:g}"/>' for part in (0.0, 0.5, 1.0)]
    for kind, points in series.items():
        drawn += [_line(kind, run, top) for run in _runs(points)]
    return _svg("lines", drawn, name)


def speed(t_s: Sequence[float], speed_mps: Sequence[float | None], name: str) -> Markup:
    """The speed around a keyframe, with a mark at the keyframe; the top is the next five metres a second."""
    first, last = min(t_s), max(t_s)
    span = (last - first) or 1.0
    top = 5.0 * np.ceil(max([abs(value) for value in speed_mps if value is not None] + [1.0]) / 5.0)
    points = [((t - first) / span, None if v is None else abs(v)) for t, v in zip(t_s, speed_mps, strict=True)]
    keyframe = f'<path class="now" d="M{_WIDE * -first / span:.1f} 0V{_HIGH:g}"/>'
    runs = [_line("value", run, top) for run in _runs(points)]
    return _svg("lines", [keyframe, *runs], f"{name}; the axis ends at {top:g} m/s")


def _columns(count: int) -> int:
    return max(1, min(count, MOST_COLUMNS))


def _line(kind: str, run: Sequence[tuple[float, float | None]], top: float) -> str:
    """A line through points; a point alone is a dot."""
    path = " ".join(_at(place, value, top) for place, value in run)
    return (
        f'<path class="line {kind} dot" d="M{path}h0.01"/>'
        if len(run) == 1
        else f'<path class="line {kind}" d="M{path}"/>'
    )


def _at(place: float, value: float | None, top: float) -> str:
    assert value is not None, "runs hold known values only"
    return f"{_WIDE * place:.1f} {_HIGH * (1 - value / top):.1f}"


def _runs(points: Iterable[tuple[float, float | None]]) -> list[list[tuple[float, float | None]]]:
    """Points between gaps."""
    runs: list[list[tuple[float, float | None]]] = [[]]
    for place, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((place, value))
    return [run for run in runs if run]


def _svg(kind: str, drawn: Sequence[str], name: str = "") -> Markup:
    told = Markup('role="img" aria-label="{}"').format(name) if name else Markup('aria-hidden="true"')
    return Markup('<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" {}>{}</svg>').format(
        kind, f"{_WIDE:g}", f"{_HIGH:g}", told, Markup("".join(drawn))
    )
