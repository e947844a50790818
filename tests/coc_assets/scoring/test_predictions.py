from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coc_assets.scoring.predictions import Batch, PredictionsError, read_predictions

KEYS = tuple(f"clip{number}-{2_000_000 + number:08d}" for number in range(9))
POSITIONS = {key: row for row, key in enumerate(KEYS)}
RNG = np.random.default_rng(3)


def path(modes: int = 2, steps: int = 64, coordinates: int = 2) -> np.ndarray:
    return RNG.normal(0, 20, (modes, steps, coordinates))


def read(file: Path, other_splits: Sequence[str] = ()) -> Batch:
    """All batches of a file as one."""
    batches = list(read_predictions(file, POSITIONS, frozenset(other_splits)))
    return Batch(
        sum(one.rows for one in batches),
        [modes for one in batches for modes in one.modes],
        [row for one in batches for row in one.unusable],
        sum(one.other_splits for one in batches),
    )


def by_sample(batch: Batch) -> dict[int, np.ndarray]:
    return {int(at): xy for modes in batch.modes for at, xy in zip(modes.position, modes.xy, strict=True)}


def write(folder: Path, form: str, **columns: Any) -> Path:
    """Columns of equal shapes, as a consumer would write them."""
    file = folder / f"predictions.{form}"
    if form == "npz":
        arrays: dict[str, Any] = {name: np.asarray(values) for name, values in columns.items()}
        np.savez(file, **arrays)
    elif form == "parquet":
        pl.DataFrame({name: np.asarray(values).tolist() for name, values in columns.items()}).write_parquet(file)
    else:
        rows = zip(*(np.asarray(values).tolist() for values in columns.values()), strict=True)
        file.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    return file


@pytest.fixture(params=["npz", "parquet", "jsonl"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("coordinates", [2, 3])
def test_every_form_gives_the_same_paths(tmp_path: Path, form: str, coordinates: int) -> None:
    paths = np.stack([path(3, 20, coordinates) for _ in range(4)])
    batch = read(write(tmp_path, form, key=KEYS[:4], trajectories=paths))
    assert (batch.rows, batch.unusable, batch.other_splits) == (4, [], 0)
    found = by_sample(batch)
    assert sorted(found) == [0, 1, 2, 3]
    assert all(np.array_equal(found[row], paths[row, ..., :2]) for row in found)


def test_one_trajectory_needs_no_dimension_for_modes(tmp_path: Path, form: str) -> None:
    paths = np.stack([path(1)[0] for _ in range(3)])
    found = by_sample(read(write(tmp_path, form, key=KEYS[:3], trajectories=paths)))
    assert np.array_equal(found[2], paths[2][None])


def test_clip_and_instant_name_a_sample_too(tmp_path: Path, form: str) -> None:
    columns = {"clip_id": ["clip1", "clip8"], "t0_us": [2_000_001, 2_000_008]}
    assert sorted(by_sample(read(write(tmp_path, form, **columns, trajectories=[path(), path()])))) == [1, 8]


def test_modes_come_by_falling_probability_and_equal_ones_as_they_stand(tmp_path: Path, form: str) -> None:
    paths = np.stack([path(4), path(4)])
    weights = [[0.1, 0.4, 0.1, 0.4], [-3.0, -1.0, -2.0, -9.0]]
    found = by_sample(read(write(tmp_path, form, key=KEYS[:2], trajectories=paths, probabilities=weights)))
    assert np.array_equal(found[0], paths[0][[1, 3, 0, 2]])
    assert np.array_equal(found[1], paths[1][[1, 2, 0, 3]])


def test_samples_of_other_splits_are_no_faults(tmp_path: Path, form: str) -> None:
    file = write(tmp_path, form, key=[KEYS[0], "elsewhere-02000000"], trajectories=[path(), path()])
    batch = read(file, other_splits=["elsewhere-02000000"])
    assert (len(by_sample(batch)), batch.unusable, batch.other_splits) == (1, [], 1)


def test_each_fault_has_its_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    good, spoilt = path().tolist(), path().tolist()
    spoilt[1][7][0] = None
    ragged, flat = path().tolist(), path(coordinates=1).tolist()
    ragged[0] = ragged[0][:-1]
    lines: list[tuple[str, str | None]] = [
        (json.dumps({"key": KEYS[0], "trajectories": good}), None),
        ('{"key": "clip1-0200', "unreadable"),
        ("[1, 2]", "unreadable"),
        (json.dumps({"trajectories": good}), "no_key"),
        (json.dumps({"clip_id": "clip1", "t0_us": 1.5, "trajectories": good}), "no_key"),
        (json.dumps({"key": "nobody", "trajectories": good}), "unknown_key"),
        (json.dumps({"key": KEYS[1], "trajectories": ragged}), "wrong_shape"),
        (json.dumps({"key": KEYS[1], "trajectories": flat}), "wrong_shape"),
        (json.dumps({"key": KEYS[1], "trajectories": []}), "wrong_shape"),
        (json.dumps({"key": KEYS[1]}), "wrong_shape"),
        (json.dumps({"key": KEYS[1], "trajectories": "far"}), "wrong_shape"),
        (json.dumps({"key": KEYS[1], "trajectories": path(1, 65).tolist()}), "too_long"),
        (json.dumps({"key": KEYS[1], "trajectories": spoilt}), "not_finite"),
        (json.dumps({"key": KEYS[1], "trajectories": (path() * math.inf).tolist()}), "not_finite"),
        (json.dumps({"key": KEYS[1], "trajectories": good, "probabilities": [1.0]}), "bad_probabilities"),
        (json.dumps({"key": KEYS[1], "trajectories": good, "probabilities": [0.5, None]}), "bad_probabilities"),
        (json.dumps({"key": KEYS[1], "trajectories": good, "probabilities": "even"}), "bad_probabilities"),
        (json.dumps({"key": KEYS[1], "trajectories": good, "probabilities": None}), None),
        (json.dumps({"key": KEYS[0], "trajectories": spoilt}), "not_finite"),
        (json.dumps({"key": KEYS[0], "trajectories": path().tolist()}), "duplicate"),
    ]
    file = tmp_path / "predictions.jsonl"
    file.write_text("\n".join(["", *(line for line, _ in lines)]))
    batch = read(file)
    assert [(one.row, one.reason) for one in batch.unusable] == [
        (number, reason) for number, (_, reason) in enumerate(lines, start=2) if reason
    ]
    assert batch.rows == len(lines)
    assert {row: found.tolist() for row, found in by_sample(batch).items()} == {0: good, 1: good}


def test_faults_in_parquet_lists_of_any_kind(tmp_path: Path) -> None:
    good = path().tolist()
    with_null = path().tolist()
    with_null[0][3] = None
    with_nan = path().tolist()
    with_nan[0][3][1] = float("nan")
    rows = [good, None, [], [good[0], good[1][:-1]], with_null, with_nan, path(1, 70).tolist(), path(1, 5).tolist()]
    inner: pa.DataType = pa.float32()
    for kinds in ([pa.list_] * 3, [pa.large_list] * 3):
        nested = inner
        for kind in kinds:
            nested = kind(nested)
        table = pa.table({"key": list(KEYS[: len(rows)]), "trajectories": pa.array(rows, nested)})
        pq.write_table(table, tmp_path / "predictions.parquet", row_group_size=3)
        batch = read(tmp_path / "predictions.parquet")
        reasons = {one.row: one.reason for one in batch.unusable}
        shapes = dict.fromkeys((2, 3, 4, 5), "wrong_shape")
        assert reasons == {**shapes, 6: "not_finite", 7: "too_long"}
        found = by_sample(batch)
        assert {row: xy.shape for row, xy in found.items()} == {0: (2, 64, 2), 7: (1, 5, 2)}
        assert np.array_equal(found[0], np.array(good, np.float32))


def test_fixed_size_lists_of_parquet(tmp_path: Path) -> None:
    paths = np.stack([path(), path()])
    pl.DataFrame({"key": KEYS[:2], "trajectories": pl.Series(paths)}).write_parquet(tmp_path / "predictions.parquet")
    assert np.array_equal(by_sample(read(tmp_path / "predictions.parquet"))[1], paths[1])


def test_files_longer_than_a_batch(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coc_assets.scoring.predictions._ROWS", 4)
    paths = np.stack([path() for _ in KEYS])
    batch = read(write(tmp_path, form, key=[*KEYS, KEYS[0]], trajectories=[*paths, paths[5]]))
    assert all(np.array_equal(xy, paths[row]) for row, xy in by_sample(batch).items())
    assert len(by_sample(batch)) == len(KEYS)
    assert [(one.row, one.key, one.reason) for one in batch.unusable] == [(10, KEYS[0], "duplicate")]


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("p.csv", {}, r"p\.csv ends in none of \.parquet, \.jsonl, \.npz"),
        ("p.npz", {"key": KEYS[:1]}, r"holds key\. It needs trajectories, and key or both clip_id and t0_us"),
        ("p.npz", {"clip_id": ["a"], "trajectories": [path()]}, "It needs trajectories, and key"),
        ("p.npz", {"key": KEYS[:2], "trajectories": [path()]}, r"key has the shape \(2,\), of 1 rows"),
        ("p.npz", {"key": KEYS[:1], "trajectories": [path()[0, 0]]}, r"trajectories has the shape \(1, 2\)"),
        ("p.npz", {"key": KEYS[:1], "trajectories": [[[["a", "b"]]]]}, "trajectories holds <U1, not numbers"),
        ("p.parquet", {"key": KEYS[:1], "trajectories": [path()[0, 0]]}, "not numbers in lists 2 or 3 deep"),
    ],
)
def test_files_that_hold_no_predictions(tmp_path: Path, name: str, columns: dict[str, Any], message: str) -> None:
    file = tmp_path / name
    if file.suffix == ".csv":
        file.touch()
    else:
        write(tmp_path, file.suffix[1:], **columns).rename(file)
    with pytest.raises(PredictionsError, match=message):
        list(read_predictions(file, POSITIONS, frozenset()))


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    for suffix in ("npz", "parquet"):
        (tmp_path / f"torn.{suffix}").write_bytes(b"PK\3\4 torn")
        with pytest.raises(PredictionsError, match=rf"torn\.{suffix} cannot be read"):
            list(read_predictions(tmp_path / f"torn.{suffix}", POSITIONS, frozenset()))
    with pytest.raises(PredictionsError, match="No file"):
        list(read_predictions(tmp_path / "none.jsonl", POSITIONS, frozenset()))
