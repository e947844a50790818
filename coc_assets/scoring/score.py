"""Predictions against the samples of a set: figures of every sample, beside what they can be read against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import polars as pl

from coc_assets.scoring.collisions import Driven, collisions
from coc_assets.scoring.metrics import constant_velocity, displacements, errors, jerk
from coc_assets.scoring.outline import outlines_of
from coc_assets.scoring.predictions import Batch, Unusable
from coc_assets.scoring.truth import ABOUT, Truth
from coc_assets.training_shards.sample import FUTURE_STEPS
from resources import schemas
from resources.dataset import DatasetRoot
from resources.schemas import FRAME_S
from resources.settings.labels import RulesSettings
from resources.store import Store

ScoredPath = Literal["prediction", "constant_velocity", "recorded"]
"""The best guess, what it should be better than, and what was driven: the floor of jerk and collisions."""
PATHS: tuple[ScoredPath, ...] = get_args(ScoredPath)

HORIZONS: dict[str, int | None] = {"": None, "_1s": 10, "_3s": 30}
"""Steps that errors are taken over, by how their names end; None is all that a prediction has."""
ERRORS = ("ade", "fde", "min_ade", "min_fde")
ERROR_COLUMNS = tuple(f"{name}{end}_m" for end in HORIZONS for name in ERRORS)
JERKS = "jerks"
"""Column of every step's jerk, (64,) NaN from where a path ends."""
PER_SAMPLE = pl.Schema(
    [
        *ABOUT.items(),
        ("path", pl.String),
        ("modes", pl.Int64),
        ("horizon_s", pl.Float64),
        *((name, pl.Float64) for name in ERROR_COLUMNS),
        ("missed", pl.Boolean),  # even the nearest end of k modes is too far off
        ("jerk_mps3", pl.Float64),  # mean over the steps
        ("collided", pl.Boolean),  # null where no track is known
        (JERKS, pl.Array(pl.Float64, FUTURE_STEPS)),
    ]
)

_UNKNOWN = -1  # beside 0 and 1, whether a path collided

Progress = Callable[[int, int], None]
_Figures = dict[str, np.ndarray]


@dataclass(frozen=True)
class Surroundings:
    """What collisions are judged by.

    Attributes:
        store: whose tracks are around the ego; None makes every figure of collisions null.
        dataset: whose vehicle dimensions tell the ego's outline, where it has them.
        rules: the outline that is assumed else, and how long a gap tracks are interpolated across.
    """

    store: Store | None
    dataset: DatasetRoot | None
    rules: RulesSettings


@dataclass(frozen=True)
class Score:
    """Predictions held against a set.

    Attributes:
        samples: in the set.
        rows: in the file of predictions. unusable: those that cannot be scored.
        other_splits: rows of samples that are in the set but not asked for.
        per_sample: a row a scored sample and path, `PER_SAMPLE`.
        outlines: clips by whether the dataset tells their vehicle's outline; of clips with tracks only.
    """

    samples: int
    rows: int
    unusable: list[Unusable]
    other_splits: int
    per_sample: pl.DataFrame
    outlines: Counter[bool]

    @property
    def predicted(self) -> pl.DataFrame:
        """A row a scored sample."""
        return self.per_sample.filter(pl.col("path") == PATHS[0])


@dataclass(frozen=True)
class _Guesses:
    """What is kept of M usable predictions.

    Attributes:
        position: (M,) their samples, rows of the truth.
        modes, steps: (M,) how many.
        best: (M, 64, 2) the most probable mode, NaN from where it ends.
        figures: (M,) errors by column.
    """

    position: np.ndarray
    modes: np.ndarray
    steps: np.ndarray
    best: np.ndarray
    figures: _Figures


def score(
    truth: Truth, predictions: Iterable[Batch], around: Surroundings, *, k: int, miss_m: float, progress: Progress
) -> Score:
    """Scores predictions, and beside each of them constant velocity and what was driven, over the same steps.

    Args:
        k: modes that count for the least errors and misses.
        miss_m: a sample is missed if no end of k modes lies as near as this.
        progress: told of chunks whose tracks were looked at.

    Raises:
        PredictionsError: the file of predictions as a whole cannot be used.
    """
    batches, guesses = _taken_in(truth, predictions, k)
    driven = truth.future[guesses.position, :, :2].astype(np.float64)
    lasting = np.where(np.isfinite(guesses.best), 0.0, np.nan)
    history = truth.history[guesses.position, :, :2]
    onward = constant_velocity(history, FUTURE_STEPS) + lasting
    paths = (guesses.best, onward, driven + lasting)
    onward_errors = _errors_of(displacements(onward[:, None], driven), guesses.steps, 1)
    figures: tuple[_Figures, ...] = (guesses.figures, onward_errors, {})
    collided, outlines = _collided(truth, guesses.position, paths, around, progress)
    frames = [
        _rows(truth, guesses, name, figures[number], miss_m, jerk(history, path), collided[:, number])
        for number, (name, path) in enumerate(zip(PATHS, paths, strict=True))
    ]
    return Score(
        samples=len(truth),
        rows=sum(batch.rows for batch in batches),
        unusable=[one for batch in batches for one in batch.unusable],
        other_splits=sum(batch.other_splits for batch in batches),
        per_sample=pl.concat(frames),
        outlines=outlines,
    )


def _taken_in(truth: Truth, predictions: Iterable[Batch], k: int) -> tuple[list[Batch], _Guesses]:
    """What the batches hold besides their modes, and what is kept of those; one batch is in memory at a time."""
    batches: list[Batch] = []
    guesses = [_guesses(truth, np.zeros(0, np.int64), np.zeros((0, 1, 1, 2)), k)]
    for batch in predictions:
        batches.append(Batch(batch.rows, [], batch.unusable, batch.other_splits))
        guesses += [_guesses(truth, modes.position, modes.xy, k) for modes in batch.modes]
    return batches, _Guesses(
        np.concatenate([one.position for one in guesses]),
        np.concatenate([one.modes for one in guesses]),
        np.concatenate([one.steps for one in guesses]),
        np.concatenate([one.best for one in guesses]),
        {name: np.concatenate([one.figures[name] for one in guesses]) for name in ERROR_COLUMNS},
    )


def _guesses(truth: Truth, position: np.ndarray, xy: np.ndarray, k: int) -> _Guesses:
    samples, modes, steps, _ = xy.shape
    best = np.full((samples, FUTURE_STEPS, 2), np.nan)
    best[:, :steps] = xy[:, 0]
    many = np.full(samples, steps)
    figures = _errors_of(displacements(xy, truth.future[position, :, :2]), many, k)
    return _Guesses(position, np.full(samples, modes), many, best, figures)


def _errors_of(distance: np.ndarray, steps: np.ndarray, k: int) -> _Figures:
    """Errors by column over every horizon.

    Args:
        distance: (N, K, T). steps: (N,) that each prediction has.
    """
    found: _Figures = {}
    for end, wanted in HORIZONS.items():
        over = errors(distance, k, steps if wanted is None else np.full(len(steps), wanted))
        found |= {f"{name}{end}_m": getattr(over, name) for name in ERRORS}
    return found


def _rows(
    truth: Truth,
    guesses: _Guesses,
    path: ScoredPath,
    figures: _Figures,
    miss_m: float,
    jerks: np.ndarray,
    collided: np.ndarray,
) -> pl.DataFrame:
    """Rows of `PER_SAMPLE` of one path; `collided` is `_UNKNOWN` where nothing is known."""
    numbers = {name: pl.Series(figures[name], nan_to_null=True) for name in figures}
    rows = truth.about[guesses.position.tolist()].with_columns(
        path=pl.lit(path),
        modes=pl.Series(guesses.modes) if path == PATHS[0] else pl.lit(1),
        horizon_s=pl.Series(guesses.steps * FRAME_S),
        **{name: numbers.get(name, pl.lit(None)) for name in ERROR_COLUMNS},
        jerk_mps3=pl.Series(np.nansum(jerks, axis=1) / guesses.steps),
        collided=pl.Series(collided),
        **{JERKS: pl.Series(jerks)},
    )
    # One at exactly the distance allowed does not miss.
    return rows.with_columns(
        missed=pl.col("min_fde_m") > miss_m,
        collided=pl.when(pl.col("collided") != _UNKNOWN).then(pl.col("collided") > 0),
    ).select(pl.col(name).cast(dtype) for name, dtype in PER_SAMPLE.items())


def _collided(
    truth: Truth, position: np.ndarray, paths: Sequence[np.ndarray], around: Surroundings, progress: Progress
) -> tuple[np.ndarray, Counter[bool]]:
    """(M, P) whether paths meet a tracked box, `_UNKNOWN` where none is known; clips by whether outlines are told."""
    found = np.full((len(position), len(paths)), _UNKNOWN)
    outlines: Counter[bool] = Counter()
    samples = truth.about.select("chunk", "clip_id", "t0_us")[position.tolist()].with_row_index("row")
    chunks = samples.partition_by("chunk", maintain_order=True) if around.store else []
    for done, of_chunk in enumerate(chunks, start=1):
        rows = of_chunk["row"].to_numpy()
        outline = outlines_of(of_chunk["clip_id"].to_list(), around.dataset, of_chunk["chunk"][0], around.rules.body)
        driven = Driven(
            of_chunk["clip_id"].to_list(),
            of_chunk["t0_us"].to_numpy(),
            truth.future[position[rows], :, :2].astype(np.float64),
            truth.future_rot[position[rows]].astype(np.float64),
            outline.select("front_m", "rear_m", "width_m").to_numpy(),
        )
        found[rows] = _collided_in_chunk(driven, [path[rows] for path in paths], of_chunk["chunk"][0], around)
        tracked = outline.filter(pl.Series((found[rows] != _UNKNOWN).any(axis=1), dtype=pl.Boolean))
        outlines.update(tracked.unique("clip_id")["measured"].to_list())
        progress(done, len(chunks))
    return found, outlines


def _collided_in_chunk(driven: Driven, paths: Sequence[np.ndarray], chunk: str, around: Surroundings) -> np.ndarray:
    """(N, P) whether paths meet a tracked box of the chunk, `_UNKNOWN` where none is known."""
    wanted = (schemas.TRAJECTORIES, schemas.TRACKS)
    if around.store is None or not all(around.store.table_path(table, chunk).is_file() for table in wanted):
        return np.full((len(driven.clip_id), len(paths)), _UNKNOWN)
    trajectories, tracks = (around.store.read_table(table, chunk) for table in wanted)
    met, known = collisions(driven, paths, trajectories, tracks, around.rules.tracks)
    return np.where(known, met, _UNKNOWN)
