"""Predicted trajectories as consumers write them: Parquet, JSON Lines or `.npz` (docs/scoring.md).

A file is read in batches. What cannot be used of it is named with its reason and the rest is scored.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from coc_assets.training_shards.sample import FUTURE_STEPS

if TYPE_CHECKING:
    import pyarrow as pa

Reason = Literal[
    "unreadable", "no_key", "unknown_key", "wrong_shape", "too_long", "not_finite", "bad_probabilities", "duplicate"
]
KEY, CLIP, T0, TRAJECTORIES, PROBABILITIES = "key", "clip_id", "t0_us", "trajectories", "probabilities"

_COORDINATES = (2, 3)  # x, y and perhaps z
_WITH_MODES = 3  # dimensions of K×T×2; without the first there is one mode
_ROWS = 4096  # read at a time


class PredictionsError(ValueError):
    """A file holds no predictions that can be read; the message names it and what it should hold."""


@dataclass(frozen=True)
class Unusable:
    """A row that is not scored: where it stands in the file (from 1), its key if it has one, and why."""

    row: int
    key: str | None
    reason: Reason


@dataclass(frozen=True)
class Modes:
    """Usable predictions of one shape.

    Attributes:
        position: (N,) which samples they are of, rows of the truth.
        xy: (N, K, T, 2) m, the most probable mode first.
    """

    position: np.ndarray
    xy: np.ndarray


@dataclass(frozen=True)
class Batch:
    """What came of some rows of a file; `other_splits` counts those of samples that are not asked for."""

    rows: int
    modes: list[Modes]
    unusable: list[Unusable]
    other_splits: int


@dataclass(frozen=True)
class _Ragged:
    """N nested lists of numbers, laid one after another.

    Attributes:
        values: all numbers.
        start: (N + 1,) where each row's begin; row n ends where row n + 1 begins.
        shape: (N, depth) lengths at each level, 0 where lists of one level differ in length or there are none.
    """

    values: np.ndarray
    start: np.ndarray
    shape: np.ndarray

    def finite(self) -> np.ndarray:
        """(N,) whether all numbers of a row are some."""
        strange = np.concatenate([[0], np.cumsum(~np.isfinite(self.values))])
        return np.asarray(strange[self.start[1:]] == strange[self.start[:-1]])

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Rows of one shape, (rows, …)."""
        parts = [self.values[self.start[row] : self.start[row + 1]] for row in rows.tolist()]
        return np.concatenate(parts).reshape(len(rows), *self.shape[rows[0]].tolist())


@dataclass(frozen=True)
class _Rows:
    """N rows as read.

    Attributes:
        number: where each stands in the file.
        keys: None where a row names no sample.
        trajectories: (K, T, 2 or 3) each.
        probabilities: (K,) each; empty where a row has none, and its modes are in order.
        strange: further rows, which could not even be read.
    """

    number: list[int]
    keys: list[str | None]
    trajectories: _Ragged
    probabilities: _Ragged
    strange: list[Unusable]


def read_predictions(path: Path, positions: Mapping[str, int], other_splits: frozenset[str]) -> Iterator[Batch]:
    """The predictions of a file, some at a time. Of several usable rows of one key the first counts.

    Args:
        path: `.parquet`, `.jsonl` or `.npz`.
        positions: row of the truth by key.
        other_splits: keys that the set has, but that are not asked for.

    Raises:
        PredictionsError: the file as a whole cannot be used.
    """
    return _batches(reader_of(path)(path), positions, other_splits)


def reader_of(path: Path) -> Callable[[Path], Iterator[_Rows]]:
    """How a file is read, by the end of its name.

    Raises:
        PredictionsError: that tells nothing, or there is no such file.
    """
    read = _READERS.get(path.suffix)
    if read is None:
        raise PredictionsError(f"{path} ends in none of {', '.join(_READERS)}, so it is not known how to read it.")
    if not path.is_file():
        raise PredictionsError(f"No file {path}.")
    return read


def _batches(parts: Iterable[_Rows], positions: Mapping[str, int], other_splits: frozenset[str]) -> Iterator[Batch]:
    seen: set[int] = set()
    for rows in parts:
        reasons = _reasons(rows, positions, other_splits, seen)
        unusable = [
            Unusable(number, key, reason)
            for number, key, reason in zip(rows.number, rows.keys, reasons, strict=True)
            if reason is not None and reason != "other_split"
        ]
        usable = np.array([row for row, reason in enumerate(reasons) if reason is None], np.int64)
        yield Batch(
            len(rows.keys) + len(rows.strange),
            _by_shape(rows, usable, positions),
            sorted(unusable + rows.strange, key=lambda one: one.row),
            reasons.count("other_split"),
        )


def _reasons(
    rows: _Rows, positions: Mapping[str, int], other_splits: frozenset[str], seen: set[int]
) -> list[Reason | Literal["other_split"] | None]:
    """Why each row is left out; None where it can be scored. `seen` collects the samples of the latter."""
    faults = _faults(rows)
    reasons: list[Reason | Literal["other_split"] | None] = []
    for key, fault in zip(rows.keys, faults, strict=True):
        position = positions.get(key) if key is not None else None
        if key is None:
            reasons.append("no_key")
        elif position is None:
            reasons.append("other_split" if key in other_splits else "unknown_key")
        elif fault is None and position in seen:
            reasons.append("duplicate")
        else:
            reasons.append(fault)
            seen.update([position] if fault is None else [])
    return reasons


def _faults(rows: _Rows) -> list[Reason | None]:
    """What is wrong with each row's numbers, the first of the reasons in this order."""
    paths, weights = rows.trajectories, rows.probabilities
    of_modes = weights.shape[:, 0]
    wrong_shape = (paths.shape == 0).any(axis=1) | ~np.isin(paths.shape[:, -1], _COORDINATES)
    tests: list[tuple[Reason, np.ndarray]] = [
        ("wrong_shape", wrong_shape),
        ("too_long", paths.shape[:, -2] > FUTURE_STEPS),
        ("not_finite", ~paths.finite()),
        ("bad_probabilities", ((of_modes > 0) & (of_modes != paths.shape[:, 0])) | ~weights.finite()),
    ]
    faults: list[Reason | None] = [None] * len(rows.keys)
    for reason, holds in reversed(tests):
        for row in np.flatnonzero(holds).tolist():
            faults[row] = reason
    return faults


def _by_shape(rows: _Rows, usable: np.ndarray, positions: Mapping[str, int]) -> list[Modes]:
    """Usable rows put together by shape, their modes by falling probability and equal ones as they stand."""
    if not len(usable):
        return []
    paths, weights = rows.trajectories, rows.probabilities
    shapes, group = np.unique(np.hstack([paths.shape, weights.shape])[usable], axis=0, return_inverse=True)
    found = []
    for number in range(len(shapes)):
        members = usable[group.ravel() == number]
        xy = paths.of(members)[..., :2]
        if weights.shape[members[0], 0]:
            order = np.argsort(-weights.of(members), axis=1, kind="stable")
            xy = xy[np.arange(len(xy))[:, None], order]
        position = np.array([positions[rows.keys[row] or ""] for row in members.tolist()], np.int64)
        found.append(Modes(position, xy))
    return found


# ---- keys -----------------------------------------------------------------------------------------------------------


def _key(key: Any, clip_id: Any, t0_us: Any) -> str | None:
    """A sample's key, from itself or from clip and instant; None where neither is there."""
    if isinstance(key, str):
        return key
    whole = isinstance(t0_us, (int, float)) and not isinstance(t0_us, bool) and t0_us == t0_us // 1
    return f"{clip_id}-{int(t0_us):08d}" if isinstance(clip_id, str) and whole else None


def _require_columns(path: Path, there: Iterable[str]) -> None:
    names = set(there)
    if TRAJECTORIES not in names or not (KEY in names or {CLIP, T0} <= names):
        raise PredictionsError(
            f"{path} holds {', '.join(sorted(names)) or 'nothing'}. It needs {TRAJECTORIES}, and {KEY} or both {CLIP} "
            f"and {T0}."
        )


# ---- .npz -----------------------------------------------------------------------------------------------------------


def _npz(path: Path) -> Iterator[_Rows]:
    """Arrays of N rows each: keys, `trajectories` (N, K, T, 2 or 3) or (N, T, 2 or 3), `probabilities` (N, K)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (KEY, CLIP, T0, TRAJECTORIES, PROBABILITIES) if name in file}
            names = list(file)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise PredictionsError(f"{path} cannot be read as arrays without pickled objects: {error}") from None
    _require_columns(path, names)
    _require_dimensions(path, arrays)
    columns = [arrays[name].tolist() if name in arrays else None for name in (KEY, CLIP, T0)]
    paths = _with_modes(arrays[TRAJECTORIES])
    weights = arrays.get(PROBABILITIES, np.zeros((len(paths), 0)))
    for first in range(0, len(paths), _ROWS):
        part = slice(first, min(first + _ROWS, len(paths)))
        yield _Rows(
            list(range(part.start + 1, part.stop + 1)),
            [_key(*one) for one in zip(*_filled(columns, part), strict=True)],
            _regular(paths[part]),
            _regular(weights[part]),
            [],
        )


def _require_dimensions(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises:
    PredictionsError: an array has dimensions or a kind that cannot be meant, or not as many rows as the others.
    """
    allowed = {KEY: (1,), CLIP: (1,), T0: (1,), TRAJECTORIES: (3, 4), PROBABILITIES: (2,)}
    rows = len(np.atleast_1d(arrays[TRAJECTORIES]))
    for name, array in arrays.items():
        if array.ndim not in allowed[name] or len(array) != rows:
            raise PredictionsError(
                f"{path}: {name} has the shape {array.shape}, of {rows} rows; docs/scoring.md says what it should be."
            )
        if name in (TRAJECTORIES, PROBABILITIES) and array.dtype.kind not in "fiu":
            raise PredictionsError(f"{path}: {name} holds {array.dtype}, not numbers.")


def _with_modes(paths: np.ndarray) -> np.ndarray:
    return paths[:, None] if paths.ndim == _WITH_MODES else paths


def _filled(columns: Sequence[list[Any] | None], part: slice) -> list[list[Any]]:
    """A part of the columns; None in all rows of one that is not there."""
    return [[None] * (part.stop - part.start) if column is None else column[part] for column in columns]


def _regular(array: np.ndarray) -> _Ragged:
    """Rows of one array, (N, …)."""
    size = int(np.prod(array.shape[1:]))
    return _Ragged(array.reshape(-1), size * np.arange(len(array) + 1), np.tile(array.shape[1:], (len(array), 1)))


# ---- JSON Lines -----------------------------------------------------------------------------------------------------


def _json_lines(path: Path) -> Iterator[_Rows]:
    """One object a line."""
    with path.open("rb") as lines:
        part: list[tuple[int, bytes]] = []
        for number, line in enumerate(lines, start=1):
            part += [(number, line)] if line.strip() else []
            if len(part) == _ROWS:
                yield _rows_of_lines(part)
                part = []
        if part:
            yield _rows_of_lines(part)


def _rows_of_lines(lines: Sequence[tuple[int, bytes]]) -> _Rows:
    rows = [(number, _object(line)) for number, line in lines]
    told = [(number, row) for number, row in rows if row is not None]
    nothing, strange = np.zeros((0, 0, 0)), np.full(1, np.nan)
    paths = [_numbers(row.get(TRAJECTORIES), _WITH_MODES, nothing) for _, row in told]
    weights = [_numbers(row.get(PROBABILITIES) or (), 1, strange) for _, row in told]
    return _Rows(
        [number for number, _ in told],
        [_key(row.get(KEY), row.get(CLIP), row.get(T0)) for _, row in told],
        _ragged(paths, _WITH_MODES),
        _ragged(weights, 1),
        [Unusable(number, None, "unreadable") for number, row in rows if row is None],
    )


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _numbers(value: Any, depth: int, otherwise: np.ndarray) -> np.ndarray:
    """Nested lists as an array of that many dimensions; `otherwise` where they are none of numbers, or ragged."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        return otherwise
    if array.ndim == _WITH_MODES - 1:
        array = array[None]
    return array if array.ndim == depth else otherwise


def _ragged(arrays: Sequence[np.ndarray], depth: int) -> _Ragged:
    sizes = [array.size for array in arrays]
    values = np.concatenate([np.zeros(0), *(array.ravel() for array in arrays)])
    shape = np.array([array.shape for array in arrays], np.int64).reshape(-1, depth)
    return _Ragged(values, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]), shape)


# ---- Parquet --------------------------------------------------------------------------------------------------------


def _parquet(path: Path) -> Iterator[_Rows]:
    """Columns of lists, of any of Arrow's list types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        _require_columns(path, file.schema_arrow.names)
        wanted = [name for name in (KEY, CLIP, T0, TRAJECTORIES, PROBABILITIES) if name in file.schema_arrow.names]
        depth = _depth(path, TRAJECTORIES, file.schema_arrow, (_WITH_MODES - 1, _WITH_MODES))
        if PROBABILITIES in wanted:
            _depth(path, PROBABILITIES, file.schema_arrow, (1,))
        first = 1
        for batch in file.iter_batches(batch_size=_ROWS, columns=wanted):
            yield _rows_of_batch(batch, depth, first)
            first += batch.num_rows
    except pa.ArrowException as error:
        raise PredictionsError(f"{path} cannot be read as Parquet: {error}") from None


def _rows_of_batch(batch: pa.RecordBatch, depth: int, first: int) -> _Rows:
    columns = [batch[name].to_pylist() if name in batch.schema.names else None for name in (KEY, CLIP, T0)]
    paths = _unnested(batch[TRAJECTORIES], depth)
    if depth < _WITH_MODES:
        shape = np.insert(paths.shape, 0, 1, axis=1)  # one mode
        paths = _Ragged(paths.values, paths.start, shape)
    return _Rows(
        list(range(first, first + batch.num_rows)),
        [_key(*one) for one in zip(*_filled(columns, slice(0, batch.num_rows)), strict=True)],
        paths,
        _unnested(batch[PROBABILITIES], 1) if PROBABILITIES in batch.schema.names else _none_of(batch.num_rows),
        [],
    )


def _none_of(rows: int) -> _Ragged:
    return _regular(np.zeros((rows, 0)))


def _depth(path: Path, name: str, schema: pa.Schema, allowed: Sequence[int]) -> int:
    """How deep a column's lists are nested.

    Raises:
        PredictionsError: deeper or less than is allowed, or not around numbers.
    """
    import pyarrow.types as kinds

    held, depth = schema.field(name).type, 0
    while kinds.is_list(held) or kinds.is_large_list(held) or kinds.is_fixed_size_list(held):
        held, depth = held.value_type, depth + 1
    if depth not in allowed or not (kinds.is_floating(held) or kinds.is_integer(held)):
        wanted = " or ".join(str(one) for one in allowed)
        raise PredictionsError(f"{path}: {name} is {schema.field(name).type}, not numbers in lists {wanted} deep.")
    return depth


def _unnested(column: pa.Array, depth: int) -> _Ragged:
    """Arrow's nested lists as numbers and shapes; a list that is null counts as empty, a number as NaN."""
    import pyarrow.compute as pc

    lengths: list[np.ndarray] = []
    for _ in range(depth):
        lengths.append(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64))
        column = pc.list_flatten(column)
    values = column.cast("float64").to_numpy(zero_copy_only=False)
    size, shape = lengths[-1], [lengths[-1]]
    for counts in reversed(lengths[:-1]):
        shape = [counts, *(_shared(one, counts) for one in shape)]
        size = _summed(size, counts)
    return _Ragged(values, np.concatenate([[0], np.cumsum(size)]), np.stack(shape, axis=1))


def _shared(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The value that all children of a row have, 0 where they differ or it has none; row n has the next counts[n]."""
    owner = np.repeat(np.arange(len(counts)), counts)
    shared = np.zeros(len(counts), np.int64)
    shared[owner[::-1]] = values[::-1]  # the last to be set is each row's first
    shared[owner[values != shared[owner]]] = 0
    return shared


def _summed(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    sums = np.concatenate([[0], np.cumsum(values)])
    ends = np.cumsum(counts)
    return np.asarray(sums[ends] - sums[ends - counts])


_READERS: Mapping[str, Callable[[Path], Iterator[_Rows]]] = {".parquet": _parquet, ".jsonl": _json_lines, ".npz": _npz}
