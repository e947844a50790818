from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from rich.console import Console

from coc_assets.bench import bench
from resources import schemas
from resources.dataset import EGOMOTION, DatasetRoot
from resources.settings import Settings
from resources.store import Store


def egomotion_member(seed: int) -> bytes:
    """A clip of 20 s at 50 Hz that speeds up, turns and brakes."""
    random = np.random.default_rng(seed)
    t = np.arange(0, 20, 0.02)
    speed = np.clip(8 + 5 * np.sin(t * random.uniform(0.3, 0.6)) - 4 * random.random(), 0, None)
    yaw = np.cumsum(0.02 * 0.2 * np.sin(t * random.uniform(0.2, 0.5)))
    vx, vy = speed * np.cos(yaw), speed * np.sin(yaw)
    columns = {"timestamp": (t * 1e6).astype(np.int64), "qx": 0 * t, "qy": 0 * t, "qz": np.sin(yaw / 2),
               "qw": np.cos(yaw / 2), "x": np.cumsum(vx) * 0.02, "y": np.cumsum(vy) * 0.02, "z": 0 * t,
               "vx": vx, "vy": vy}  # fmt: skip
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sound clips and a member that is no Parquet file."""
    root = tmp_path_factory.mktemp("dataset")
    archive = DatasetRoot(root).archive_path(EGOMOTION, "0003")
    archive.parent.mkdir(parents=True)
    with ZipFile(archive, "w") as out:
        out.writestr("broken.egomotion.parquet", b"no parquet")
        for seed in range(3):
            out.writestr(f"clip{seed}.egomotion.parquet", egomotion_member(seed))
    return root


@pytest.fixture
def share(dataset: Path, tmp_path: Path) -> bench.Bench:
    chunks = bench.repeat_dataset(dataset, tmp_path / "dataset", chunks=2, chunk_clips=5)
    return bench.Bench(tmp_path / "dataset", tmp_path / "store", chunks, Settings(dataset=None))


def test_repeats_sound_members_into_chunks_of_the_size_asked_for(share):
    root = DatasetRoot(share.dataset)
    assert root.chunks() == ["0000", "0001"] == list(share.chunks)
    for chunk in share.chunks:
        with root.open_archive(EGOMOTION, chunk) as archive:
            contents = [archive.read(name) for name in archive.members]
        assert len(contents) == 5
        assert contents[0] == contents[3] == egomotion_member(0)


def test_a_dataset_without_a_sound_member_is_refused(tmp_path):
    archive = DatasetRoot(tmp_path / "bad").archive_path(EGOMOTION, "0000")
    archive.parent.mkdir(parents=True)
    with ZipFile(archive, "w") as out:
        out.writestr("broken.egomotion.parquet", b"no parquet")
    with pytest.raises(ValueError, match="no readable egomotion member"):
        bench.repeat_dataset(tmp_path / "bad", tmp_path / "made", 1, 1)


def written(share: bench.Bench, table: schemas.Table, leave_out: tuple[str, ...] = ()) -> pl.DataFrame:
    frames = [Store(share.store).read_table(table, chunk) for chunk in share.chunks]
    return pl.concat(frames).drop(leave_out)


def test_baseline_writes_the_same_tables(share):
    # scenes and trainability are described in whole chunks, measures differ in their last bits
    compared = [
        (schemas.TRAJECTORIES, ()),
        (schemas.META_ACTION_SPANS, ("measures",)),
        (schemas.KEYFRAMES, ("mode", "scenario", "trainable")),
    ]
    bench.make_tables(share)
    made = [written(share, table, without) for table, without in compared]
    bench.make_tables_plainly(share)
    plain = [written(share, table, without) for table, without in compared]
    assert all(frame.height for frame in made)
    for one, other in zip(made, plain, strict=True):
        assert_frame_equal(one, other, abs_tol=1e-9, rel_tol=0)


def test_steps_write_the_same_tables_and_time_each_step(share):
    bench.make_tables(share)
    tables = (schemas.TRAJECTORIES, schemas.META_ACTION_SPANS, schemas.KEYFRAMES)
    made = [written(share, table) for table in tables]
    seconds = bench.make_tables_by_step(share)
    assert all(one.equals(written(share, table)) for one, table in zip(made, tables, strict=True))
    assert list(seconds) == ["open", "decode", "clean", "resample", "tables", "meta_actions", "keyframes"]
    assert min(seconds.values()) > 0


def test_bench_reports_every_figure_from_two_processes(dataset):
    report = bench.run_bench(dataset, settings=Settings(dataset=None), repeat=1, clips=4, chunk_clips=2)
    assert (report["clips"], report["processes"]) == (4, 2)
    rates = {key: value for key, value in report.items() if key.endswith("_per_s")}
    assert len(rates) == 6
    assert min(rates.values()) > 0
    assert report["ratio"] == pytest.approx(report["clips_per_s"] / report["open_only_clips_per_s"], abs=0.01)
    assert 0 < report["peak_rss_mib"] < 1536
    shown = io.StringIO()
    Console(file=shown, width=200).print(bench.bench_table(report))
    assert all(name in shown.getvalue() for name in [*rates, "peak_rss_mib", "stages.resample (s)"])


def test_a_failing_process_fails_the_bench(share, tmp_path):
    damaged = bench.Bench(tmp_path / "nowhere", share.store, share.chunks, share.settings)
    with pytest.raises(RuntimeError, match="nowhere"), bench._processes([damaged]):
        pass
