"""The pictures of a dataset card. Equal figures give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from coc_assets.releases.balance import NONE
from coc_assets.releases.motion import Motion
from coc_assets.training_shards.sample import TRAINABLE_AFTER_US, TRAINABLE_UNTIL_US

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

_KNOWN_COLOURS = {"train": "#4477aa", "val": "#ee6677", "test": "#ccbb44"}
_OTHER_COLOURS = ("#228833", "#66ccee", "#aa3377", "#777777")
_WIDTH_IN, _DPI = 7.5, 110
_T0_BINS, _SPEED_BINS = 24, 30
_MOST_CLASSES = 24  # of one picture; the rest is summed up


@dataclass(frozen=True)
class Plot:
    """One picture: its file name without suffix, what it shows, and how it is drawn."""

    name: str
    title: str
    height_in: float
    draw: Callable[[Axes], None]


def card_plots(samples: pl.DataFrame, motion: Motion) -> dict[str, tuple[str, bytes]]:
    """Pictures of a set, in the order of the card: title and PNG by name.

    Args:
        samples: columns of `gather.SAMPLES`.
        motion: of the same samples.
    """
    plots = [
        _bars("splits", "Samples by split", samples, "split"),
        _bars("longitudinal_decisions", "Samples by longitudinal decision", samples, "longitudinal_decision"),
        _bars("lateral_decisions", "Samples by lateral decision", samples, "lateral_decision"),
        _bars("scenes", "Samples by scene", samples, "scenario"),
        _bars("meta_actions", "Samples by meta-action", samples, "action"),
        _histogram("t0", "t0 in the clip, s", samples, dict(samples.select("key", pl.col("t0_us") / 1e6).iter_rows()),
                   np.linspace(TRAINABLE_AFTER_US / 1e6, TRAINABLE_UNTIL_US / 1e6, _T0_BINS + 1)),
        _histogram("speed", "Speed at t0, m/s", samples, motion.speed_mps, _speed_edges(motion)),
        Plot("paths", f"Where the ego drives in the 6.4 s after t0 ({len(motion.paths)} samples)", 4.5,
             lambda axes: _fan(axes, motion)),
    ]  # fmt: skip
    return {plot.name: (plot.title, _png(plot)) for plot in plots}


def _bars(name: str, title: str, samples: pl.DataFrame, column: str) -> Plot:
    values = samples.select("split", value=pl.col(column).fill_null(NONE))
    counts = values["value"].value_counts().sort("count", "value", descending=[True, False])
    shown = counts["value"].to_list()[:_MOST_CLASSES]
    rest = f"({len(counts) - len(shown)} others)"
    rows = [*shown, rest] if len(counts) > len(shown) else shown
    named = values.with_columns(value=pl.when(pl.col("value").is_in(shown)).then("value").otherwise(pl.lit(rest)))
    per = {(split, value): count for split, value, count in named.group_by("split", "value").len().iter_rows()}

    def draw(axes: Axes) -> None:
        left = np.zeros(len(rows))
        for split, colour in _colours(samples).items():
            width = np.array([per.get((split, value), 0) for value in rows], float)
            axes.barh(rows, width, left=left, color=colour, label=split)
            left += width
        for row, total in enumerate(left):
            axes.annotate(f" {total:.0f}", (total, row), va="center", fontsize="small")
        axes.invert_yaxis()
        axes.set_xlabel("samples")
        axes.xaxis.set_major_locator(_whole_numbers())
        axes.margins(x=0.08)
        _legend(axes, len(_colours(samples)))

    return Plot(name, title, 1.1 + 0.28 * len(rows), draw)


def _histogram(name: str, label: str, samples: pl.DataFrame, value_of: Mapping[str, float], edges: np.ndarray) -> Plot:
    by_split = {
        split: [value_of[key] for key in samples.filter(pl.col("split") == split)["key"] if key in value_of]
        for split in _colours(samples)
    }

    def draw(axes: Axes) -> None:
        colours = _colours(samples)
        axes.hist(list(by_split.values()), bins=edges.tolist(), stacked=True, color=list(colours.values()),
                  label=list(colours))  # fmt: skip
        axes.set_xlabel(label)
        axes.set_ylabel("samples")
        axes.yaxis.set_major_locator(_whole_numbers())
        _legend(axes, len(colours))

    return Plot(name, label, 3.0, draw)


def _fan(axes: Axes, motion: Motion) -> None:
    for _, path in sorted(motion.paths.items()):
        axes.plot(path[:, 1], path[:, 0], color="#4477aa", alpha=0.35, linewidth=0.9)
    axes.plot(0, 0, marker="^", color="black", markersize=7)
    axes.set_aspect("equal", adjustable="datalim")
    axes.invert_xaxis()  # left is left
    axes.set_xlabel("to the left, m")
    axes.set_ylabel("ahead, m")
    axes.grid(alpha=0.3)


def _speed_edges(motion: Motion) -> np.ndarray:
    fastest = max((abs(speed) for speed in motion.speed_mps.values()), default=0.0)
    return np.linspace(0.0, max(np.ceil(fastest), 1.0), _SPEED_BINS + 1)


def _colours(samples: pl.DataFrame) -> dict[str, str]:
    """A colour for each split, in the order in which they are drawn."""
    splits = samples["split"].unique().to_list()
    known = [name for name in _KNOWN_COLOURS if name in splits]
    others = sorted(set(splits) - set(known))
    more = {name: _OTHER_COLOURS[at % len(_OTHER_COLOURS)] for at, name in enumerate(others)}
    return {name: _KNOWN_COLOURS[name] for name in known} | more


def _legend(axes: Axes, splits: int) -> None:
    if splits > 1:
        axes.legend(frameon=False, fontsize="small")


def _whole_numbers() -> Locator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def _png(plot: Plot) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, plot.height_in), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    plot.draw(axes)
    axes.set_title(plot.title, fontsize="medium", loc="left")
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Least, quartiles and greatest, to three decimals; empty where there is no value."""
    if not values:
        return {}
    shares = {"min": 0.0, "quarter": 0.25, "median": 0.5, "three_quarters": 0.75, "max": 1.0}
    return {name: round(float(np.quantile(values, share)), 3) for name, share in shares.items()}


def figures_of(samples: pl.DataFrame, motion: Motion) -> dict[str, Any]:
    """What the pictures show, in numbers."""
    return {
        "t0_s": quantiles((samples["t0_us"] / 1e6).to_list()),
        "speed_at_t0_mps": quantiles(list(motion.speed_mps.values())),
    }
