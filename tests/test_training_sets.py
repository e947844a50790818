"""Training sets as `coc run` makes them, held against the dataset's own files by means of their own."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from coc_assets.cli import main
from coc_assets.training_shards import CoCShardDataset
from tests.tree import tree

STEP_US = 100_000
HISTORY_US = STEP_US * np.arange(-15, 1)
FUTURE_US = STEP_US * np.arange(1, 65)


def _recorded(dataset: Path, chunk: int, clip_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (N,), positions (N, 3) and quaternions (N, 4), w last, of the rows that are numbers, in order of time."""
    with zipfile.ZipFile(dataset / f"labels/egomotion/egomotion.chunk_{chunk:04d}.zip") as archive:
        table = pq.read_table(io.BytesIO(archive.read(f"{clip_id}.egomotion.parquet")))
    columns = {name: table[name].to_numpy().astype(float) for name in ("x", "y", "z", "qx", "qy", "qz", "qw")}
    values = np.stack(list(columns.values()), axis=1)
    times, first = np.unique(table["timestamp"].to_numpy(), return_index=True)
    values = values[first]
    numbers = np.isfinite(values).all(axis=1)
    return times[numbers], values[numbers, :3], values[numbers, 3:]


def _pose(times: np.ndarray, xyz: np.ndarray, quaternions: np.ndarray, t_us: int) -> tuple[np.ndarray, np.ndarray]:
    """Position and rotation matrix at one instant, by hand: straight lines, and great arcs of unit quaternions."""
    after = max(int(np.searchsorted(times, t_us)), 1)
    share = (t_us - times[after - 1]) / (times[after] - times[after - 1])
    begin, end = (quaternions[at] / np.linalg.norm(quaternions[at]) for at in (after - 1, after))
    if begin @ end < 0:
        end = -end
    angle = np.arctan2(np.linalg.norm(end - (begin @ end) * begin), begin @ end)
    weights = (1 - share, share) if angle < 1e-9 else np.sin([(1 - share) * angle, share * angle]) / np.sin(angle)
    x, y, z, w = weights[0] * begin + weights[1] * end
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return xyz[after - 1] + share * (xyz[after] - xyz[after - 1]), rotation


def _angle(one: np.ndarray, other: np.ndarray) -> float:
    """Radians between two rotations, well-conditioned near zero."""
    between = one.T @ other
    return float(np.arcsin(min(np.linalg.norm(between - between.T) / np.sqrt(8), 1.0)))


def _worst_deviations(dataset: Path, store: Path, chunk: int) -> tuple[int, float, float]:
    """Samples compared, and how far any pose of any of them is from the recorded one, metres and radians."""
    samples = CoCShardDataset(store)
    metres = radians = 0.0
    for sample in (samples[at] for at in range(len(samples))):
        recorded = _recorded(dataset, chunk, sample["clip_id"])
        origin, rotation = _pose(*recorded, sample["t0_us"])
        for part, offsets in (("history", HISTORY_US), ("future", FUTURE_US)):
            told_xyz, told_rot = (sample[f"ego_{part}_{kind}"][0].double().numpy() for kind in ("xyz", "rot"))
            assert told_xyz.shape == (len(offsets), 3)
            for at, offset_us in enumerate(offsets):
                position, turned = _pose(*recorded, sample["t0_us"] + int(offset_us))
                metres = max(metres, float(np.abs(told_xyz[at] - rotation.T @ (position - origin)).max()))
                radians = max(radians, _angle(rotation.T @ turned, told_rot[at]))
        assert sample["ego_history_xyz"][0, -1].tolist() == [0, 0, 0]
        assert sample["ego_history_rot"][0, -1].tolist() == np.eye(3).tolist()
    return len(samples), metres, radians


def test_every_sample_equals_an_interpolation_by_hand(sample: Path, sample_store: Path, tmp_path: Path) -> None:
    only_first = tmp_path / "training_shards" / "chunk=0001"
    only_first.parent.mkdir()
    only_first.symlink_to(sample_store / "training_shards" / "chunk=0001")
    compared, metres, radians = _worst_deviations(sample, tmp_path, 1)
    assert compared > 5
    assert metres <= 1e-5
    assert radians <= 1e-5


@pytest.mark.parametrize("data", ["golden-visible", "real-driving"])
def test_every_sample_of_recorded_drives_equals_an_interpolation_by_hand(
    shared_data: Path, tmp_path: Path, data: str
) -> None:
    dataset = shared_data / data
    if not dataset.is_dir():
        pytest.skip(f"no {data}")
    assert main(["run", "--dataset", str(dataset), "--store", str(tmp_path), "--chunks", "0"]) == 0
    compared, metres, radians = _worst_deviations(dataset, tmp_path, 0)
    assert compared > 5
    assert metres <= 1e-5
    assert radians <= 1e-5


ALL_FORMS = '["wds","pai_overlay","vlm_json","jsonl","cot_yaml"]'


def _run(dataset: Path, store: Path, *options: str) -> dict[str, str]:
    """What the training sets of a store hold after a run, by path."""
    assert main(["run", "--dataset", str(dataset), "--store", str(store), *options]) == 0
    return tree(store / "training_shards")


def _copy(store: Path, target: Path) -> Path:
    shutil.copytree(store, target, ignore=shutil.ignore_patterns(".dagster"))
    return target


def test_every_form_has_the_same_bytes_whatever_the_processes(
    sample: Path, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COC_SHARDS__FORMATS", ALL_FORMS)
    only = ("--select", "training_shards", "--jobs")
    alone, together = (_run(sample, _copy(sample_store, tmp_path / jobs), *only, jobs) for jobs in ("1", "2"))
    assert alone == together
    assert {".tar", ".parquet", ".json", ".jsonl", ".yaml"} <= {Path(name).suffix for name in alone}


def test_every_form_has_the_same_bytes_again(
    filmed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COC_SHARDS__FORMATS", ALL_FORMS)
    monkeypatch.setenv("COC_SHARDS__FRAME_HEIGHT", "64")
    dataset, before_labels = filmed
    store = _copy(before_labels, tmp_path / "store")
    made = _run(dataset, store)
    assert _run(dataset, store, "--select", "training_shards", "--force") == made
    assert {".tar", ".mp4"} <= {Path(name).suffix for name in made}


def test_changing_what_does_not_shape_the_chosen_forms_leaves_them_fresh(
    sample: Path, sample_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def due(key: str, value: str) -> bool:
        with monkeypatch.context() as changed:
            changed.setenv(f"COC_SHARDS__{key}", value)
            assert main(["status", "--store", str(sample_store)]) in (0, 1)
        return "stale" in capsys.readouterr().out

    assert not due("QUESTION", "And now?")
    assert not due("VIDEO_SECONDS", "3")
    assert due("MIN_SPACING_S", "3")
    assert due("FORMATS", '["wds","jsonl"]')


def test_only_the_chunks_whose_clips_a_split_file_moves_are_made_again(
    sample: Path,
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clips = pl.read_parquet(sample_store / "trajectory_cache/*/clips.parquet", hive_partitioning=False).sort("clip_id")
    named = clips.select("chunk", "clip_id", split=pl.lit("train"))
    file = tmp_path / "splits.csv"
    named.select("clip_id", "split").write_csv(file)
    monkeypatch.setenv("COC_SHARDS__SPLIT_BY", "file")
    monkeypatch.setenv("COC_SHARDS__SPLIT_FILE", str(file))
    store = _copy(sample_store, tmp_path / "store")
    arguments = ["run", "--dataset", str(sample), "--store", str(store), "--select", "training_shards"]
    assert main(arguments) == 0
    moved = named.with_columns(split=pl.when(pl.col("chunk") == "0001").then(pl.lit("val")).otherwise("split"))
    moved.select("clip_id", "split").write_csv(file)
    capsys.readouterr()
    assert main(arguments) == 0
    assert "2 chunks: 1 stage to make, 1 fresh." in capsys.readouterr().err
    samples = pl.read_parquet(store / "training_shards/*/samples.parquet", hive_partitioning=False)
    assert set(samples.select("chunk", "split").unique().rows()) == {("0000", "train"), ("0001", "val")}
