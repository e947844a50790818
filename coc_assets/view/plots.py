"""Keyframes, meta-actions, speed, acceleration and curvature over time: drawn once, under a cursor that moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from coc_assets.view.colours import CITED, FAINT, GRID, INK, SERIES, VERDICTS, of_action, said
from coc_assets.view.layout import PLOTS_HIGH, WIDTH, TimeAxis, shortened
from coc_assets.view.shown import Keyframe, Shown, Span
from resources import schemas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_SMALL, _TINY = 8.0, 7.0  # points
_LETTER_PX = 0.62 / 72 * _DPI  # mean width of a letter, pixels a point
_TOP, _BOTTOM, _GAP = 4, 24, 6  # pixels above, below (the times), and between plots
_KEYFRAMES_HIGH, _BAND_HIGH = 56, 21
_TIMES = 12  # at most, along the axis
_SHARES = {"speed": 0.42, "acceleration": 0.29, "curvature": 0.29}  # of the height that is left
_LEAST_SPANS = {"speed": 2.0, "acceleration": 2.0, "curvature": 0.02}  # so that noise does not fill a plot
_MARKED = {"linewidth": 1.3, "alpha": 0.9}
_UNMARKED = {"linewidth": 0.8, "alpha": 0.55, "linestyle": (0, (3, 3))}
_UNITS = {"speed": "m/s", "acceleration": "m/s²", "curvature": "1/m"}


@dataclass(frozen=True)
class Lane:
    """One plot of the stack: its name, top and height in pixels, and how it is drawn."""

    name: str
    top: float
    height: float
    draw: Callable[[Axes], None]


def lanes_of(shown: Shown, axis: TimeAxis) -> list[Lane]:
    """The stack from top to bottom: keyframes, a band an axis of meta-actions, then the curves."""
    lanes = [Lane("keyframes", _TOP, _KEYFRAMES_HIGH, lambda axes: _draw_keyframes(axes, shown))]
    top = float(_TOP + _KEYFRAMES_HIGH + _GAP)
    for name in get_args(schemas.Axis):
        spans = [span for span in shown.spans if span.axis == name]
        lanes.append(Lane(name, top, _BAND_HIGH, _band(spans, axis)))
        top += _BAND_HIGH + _GAP / 2
    left = PLOTS_HIGH - _BOTTOM - top - _GAP * len(_SHARES)
    for name, values in curves_of(shown).items():
        top += _GAP
        lanes.append(Lane(name, top, left * _SHARES[name], _curve(name, shown.t_s, values)))
        top += left * _SHARES[name]
    return lanes


def curves_of(shown: Shown) -> dict[str, np.ndarray]:
    """What is drawn as curves, (T,) each: speed along the heading, acceleration, curvature."""
    return {
        "speed": shown.ego.along,
        "acceleration": shown.trajectory["acceleration_mps2"].cast(float).to_numpy(),
        "curvature": shown.curvature,
    }


def draw_plots(shown: Shown, axis: TimeAxis, scale: float = 1.0) -> np.ndarray:
    """The stack of plots, (PLOTS_HIGH, WIDTH, 3) uint8 RGB, times the scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / _DPI, PLOTS_HIGH / _DPI), dpi=_DPI * scale)
    canvas = FigureCanvasAgg(figure)
    lanes = lanes_of(shown, axis)
    for lane in lanes:
        axes = _axes(figure, lane, axis)
        lane.draw(axes)
        _mark_keyframes(axes, shown, behind=lane.name != "keyframes")
        if lane is lanes[-1]:
            axes.tick_params(axis="x", labelbottom=True, length=2, labelsize=_SMALL, colors=INK)
    figure.text((axis.left - 8) / WIDTH, 5 / PLOTS_HIGH, "clip time, s", fontsize=_SMALL, color=INK, ha="right")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _axes(figure: Figure, lane: Lane, axis: TimeAxis) -> Axes:
    from matplotlib.ticker import MaxNLocator

    bottom = 1 - (lane.top + lane.height) / PLOTS_HIGH
    axes = figure.add_axes(
        (axis.left / WIDTH, bottom, (axis.right - axis.left) / WIDTH, lane.height / PLOTS_HIGH), label=lane.name
    )
    axes.set_xlim(axis.first_s, axis.last_s)
    axes.xaxis.set_major_locator(MaxNLocator(_TIMES, integer=True, steps=[1, 2, 5, 10]))
    axes.spines[:].set_color(GRID)
    axes.tick_params(labelbottom=False, length=0, labelsize=_TINY, colors=FAINT)
    unit = f"\n{_UNITS[lane.name]}" if lane.name in _UNITS else ""
    axes.text(-70 / (axis.right - axis.left) if unit else -8 / (axis.right - axis.left), 0.5, lane.name + unit,
              transform=axes.transAxes, ha="center" if unit else "right", va="center", fontsize=_SMALL,
              color=SERIES.get(lane.name, INK))  # fmt: skip
    return axes


def _curve(name: str, t_s: np.ndarray, values: np.ndarray) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        axes.axhline(0, color=GRID, linewidth=1, zorder=0)
        axes.plot(t_s, values, color=SERIES[name], linewidth=1.4)
        axes.set_ylim(*_limits(values, _LEAST_SPANS[name]))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.grid(axis="both", color=GRID, linewidth=0.5)
        axes.set_axisbelow(True)

    return draw


def _limits(values: np.ndarray, least: float) -> tuple[float, float]:
    """Lower and upper end of a plot that shows these values, and 0, with some room."""
    known = values[np.isfinite(values)]
    low, high = float(min(known.min(initial=0.0), 0.0)), float(max(known.max(initial=0.0), 0.0))
    if high - low < least:
        middle = (low + high) / 2
        low, high = (min(middle - least / 2, low), max(middle + least / 2, high)) if low < 0 else (low, least)
    room = 0.08 * (high - low)
    return low - room, high + room


def _band(spans: Sequence[Span], axis: TimeAxis) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        for span in spans:
            axes.barh(0.5, span.to_s - span.from_s, left=span.from_s, height=1.0, color=of_action(span.action),
                      edgecolor="white", linewidth=0.8)  # fmt: skip
            wide = axis.x(span.to_s) - axis.x(span.from_s) - 4
            words = shortened(said(span.action), wide, lambda text: len(text) * _TINY * _LETTER_PX)
            middle = (max(span.from_s, axis.first_s) + min(span.to_s, axis.last_s)) / 2
            axes.text(middle, 0.47, words, ha="center", va="center", fontsize=_TINY, color=INK, clip_on=True)
        if not spans:
            axes.text(0.004, 0.47, "none in the store", transform=axes.transAxes, va="center", fontsize=_TINY,
                      color=FAINT)  # fmt: skip

    return draw


def _draw_keyframes(axes: Axes, shown: Shown) -> None:
    """Above, a number at each keyframe in its verdict's colour; below, when the causes of its label were seen."""
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    for keyframe in shown.keyframes:
        label = keyframe.label
        colour = VERDICTS.get(label.verdict if label else None, FAINT)
        marked = keyframe is shown.marked
        axes.text(keyframe.t0_s, 0.72, str(keyframe.number), ha="center", va="center", fontsize=_SMALL,
                  color="white", fontweight="bold", zorder=4,
                  bbox={"boxstyle": "circle,pad=0.28", "facecolor": colour, "linewidth": 1.5 if marked else 0,
                        "edgecolor": INK})  # fmt: skip
        _draw_seen(axes, keyframe)
    if not shown.keyframes:
        axes.text(0.004, 0.5, "none", transform=axes.transAxes, va="center", fontsize=_TINY, color=FAINT)


def _draw_seen(axes: Axes, keyframe: Keyframe) -> None:
    causes = keyframe.label.causes if keyframe.label else []
    seen = [one for one in causes if one["seen_from_us"] is not None and one["seen_to_us"] is not None]
    for row, one in enumerate(seen):
        from_s, to_s = one["seen_from_us"] * 1e-6, one["seen_to_us"] * 1e-6
        height = 0.36 / len(seen)
        axes.barh(0.04 + height * (len(seen) - row - 0.5), to_s - from_s, left=from_s, height=height * 0.85,
                  color=CITED, alpha=0.75, zorder=3)  # fmt: skip


def _mark_keyframes(axes: Axes, shown: Shown, behind: bool) -> None:
    before, after = shown.window_s
    for keyframe in shown.keyframes:
        style: dict[str, Any] = _MARKED if keyframe is shown.marked else _UNMARKED
        axes.axvline(keyframe.t0_s, color=INK, zorder=2 if behind else 1, **style)
    if shown.marked:
        t0_s = shown.marked.t0_s
        axes.axvspan(t0_s - before, t0_s + after, color=CITED, alpha=0.07, linewidth=0, zorder=0)
