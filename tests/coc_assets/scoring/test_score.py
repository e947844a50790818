"""Scores of a generated store's samples, from the command line and by plain loops."""

from __future__ import annotations

import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.training_shards import CoCShardDataset
from coc_assets.training_shards.dataset import Sample

ERRORS = ("ade_m", "fde_m", "min_ade_m", "min_fde_m")


@pytest.fixture(scope="module")
def samples(sample_store: Path) -> dict[str, Sample]:
    dataset = CoCShardDataset(sample_store)
    return {dataset.keys[at].decode(): dataset[at] for at in range(len(dataset))}


def futures(samples: dict[str, Sample]) -> np.ndarray:
    return np.stack([one["ego_future_xyz"][0].numpy() for one in samples.values()])


def write(folder: Path, samples: dict[str, Sample], **arrays: np.ndarray) -> Path:
    np.savez(folder / "predictions.npz", key=np.array(list(samples)), **arrays)  # type: ignore[arg-type]
    return folder / "predictions.npz"


def scored(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["score", *map(str, arguments), "--format", "json"]) == status
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def figures(told: dict[str, Any], path: str, group: str = "all") -> dict[str, Any]:
    return next(row for row in told["figures"] if (row["group"], row["path"]) == (group, path))


def test_what_was_driven_has_no_error_and_the_recorded_floor(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = scored(capsys, write(tmp_path, samples, trajectories=futures(samples)), "--store", sample_store)
    assert told["samples"] == told["predicted"] == told["rows"] == len(samples) > 10
    assert (told["unusable"], told["horizons"]) == ({}, {"6.4": len(samples)})
    own, floor, baseline = (figures(told, path) for path in ("prediction", "recorded", "constant_velocity"))
    assert all(own[name] == 0 for name in (*ERRORS, "ade_1s_m", "fde_3s_m", "miss_rate"))
    assert all(floor[name] is None for name in (*ERRORS, "miss_rate"))
    for name in ("jerk_mps3", "jerk_p95_mps3", "collision_rate", "tracked"):
        assert own[name] == floor[name]
    assert own["tracked"] == len(samples)
    assert own["collision_rate"] == 0  # nothing was run over in a generated scene
    assert baseline["ade_m"] > 1
    assert baseline["collision_rate"] > 0  # but would have been without braking


def test_figures_equal_plain_loops(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    modes = futures(samples)[:, None] * rng.uniform(0.7, 1.3, (len(samples), 5, 1, 1))
    weights = rng.random((len(samples), 5))
    file = write(tmp_path, samples, trajectories=modes, probabilities=weights)
    told = scored(capsys, file, "--store", sample_store, "--k", 3, "--miss-m", 1.5)
    expected: dict[str, list[float]] = {name: [] for name in (*ERRORS, "miss_rate", "jerk_mps3", "fde_3s_m")}
    for sample, paths, order in zip(samples.values(), modes, np.argsort(-weights, axis=1), strict=True):
        truth = sample["ego_future_xyz"][0].double().numpy()
        away = [[math.dist(paths[mode][step][:2], truth[step][:2]) for step in range(64)] for mode in order]
        expected["ade_m"].append(sum(away[0]) / 64)
        expected["fde_m"].append(away[0][-1])
        expected["fde_3s_m"].append(away[0][29])
        expected["min_ade_m"].append(min(sum(one) / 64 for one in away[:3]))
        expected["min_fde_m"].append(min(one[-1] for one in away[:3]))
        expected["miss_rate"].append(float(expected["min_fde_m"][-1] > 1.5))
        history = sample["ego_history_xyz"][0].double().numpy()
        best = [*history[-3:, :2], *paths[order[0]][:, :2]]
        thirds = [best[at + 3] - 3 * best[at + 2] + 3 * best[at + 1] - best[at] for at in range(64)]
        expected["jerk_mps3"].append(sum(math.hypot(*one) / 1e-3 for one in thirds) / 64)
    found = figures(told, "prediction")
    for name, values in expected.items():
        assert found[name] == pytest.approx(sum(values) / len(values), rel=1e-6), name
    assert 0 < found["miss_rate"] < 1


def test_an_end_at_exactly_the_allowed_distance_is_no_miss(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, samples, trajectories=futures(samples) + np.array([0.0, 2.0, 0.0]))
    for miss_m, rate in ((2.0, 0.0), (1.999, 1.0)):
        told = scored(capsys, file, "--store", sample_store, "--miss-m", miss_m)
        assert figures(told, "prediction")["miss_rate"] == rate
    assert figures(told, "prediction")["ade_m"] == pytest.approx(2.0)


def test_short_predictions_are_scored_on_what_they_cover(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "predictions.jsonl"
    lengths = [20 if row % 2 else 64 for row in range(len(samples))]
    paths = [path[:steps] + np.array([0.5, 0.0, 0.0]) for path, steps in zip(futures(samples), lengths, strict=True)]
    rows = zip(samples, paths, strict=True)
    file.write_text("".join(json.dumps({"key": key, "trajectories": path.tolist()}) + "\n" for key, path in rows))
    per_sample = tmp_path / "per_sample.parquet"
    told = scored(capsys, file, "--store", sample_store, "--per-sample", per_sample)
    assert told["horizons"] == {"6.4": lengths.count(64), "2": lengths.count(20)}
    table = pl.read_parquet(per_sample)
    assert table.height == 3 * len(samples)
    short = table.filter(pl.col("horizon_s") == 2.0)
    assert short["fde_3s_m"].is_null().all()
    assert short.filter(path="prediction")["fde_m"].to_list() == pytest.approx([0.5] * lengths.count(20), abs=1e-5)
    key = short["key"][0]
    velocity = (samples[key]["ego_history_xyz"][0, -1] - samples[key]["ego_history_xyz"][0, -2]).double() * 10
    away = math.dist((2 * velocity)[:2], samples[key]["ego_future_xyz"][0, 19, :2])
    assert short.filter(path="constant_velocity", key=key)["fde_m"].item() == pytest.approx(away)


def test_groups_are_those_of_their_own_samples(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scale = np.linspace(0.8, 1.1, len(samples))[:, None, None]
    file = write(tmp_path, samples, trajectories=futures(samples) * scale)
    dataset = CoCShardDataset(sample_store)
    about = [dataset.about(at) for at in range(len(dataset))]
    for by, group_of in (
        ("split", lambda one: one["split"]),
        ("action", lambda one: one["action"]),
        ("scenario", lambda one: one["scenario"]),
        ("decision", lambda one: " + ".join(one["decisions"][name] or "none" for name in ("longitudinal", "lateral"))),
    ):
        told = scored(capsys, file, "--store", sample_store, "--by", by)
        groups = [group_of(one) for one in about]
        named = [row["group"] for row in told["figures"] if row["path"] == "prediction"]
        assert named[0] == "all"
        assert sorted(named[1:]) == sorted(set(groups))
        for group in set(groups):
            assert figures(told, "prediction", group)["n"] == groups.count(group)
        total = sum(
            row["n"] * row["ade_m"] for row in told["figures"] if row["path"] == "prediction" and row["group"] != "all"
        )
        assert total / len(samples) == pytest.approx(figures(told, "prediction")["ade_m"])
    only = scored(capsys, file, "--store", sample_store, "--split", "train")
    count = [one["split"] for one in about].count("train")
    assert (only["samples"], only["predicted"], only["other_splits"]) == (count, count, len(samples) - count)


def test_broken_rows_are_counted_and_named_and_the_rest_is_scored(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, paths = list(samples), futures(samples)
    file = tmp_path / "predictions.jsonl"
    rows = [
        {"key": keys[0], "trajectories": paths[0].tolist()},
        {"clip_id": keys[1][:-9], "t0_us": int(keys[1][-8:]), "trajectories": paths[1].tolist()},
        {"key": "nobody-02000000", "trajectories": paths[0].tolist()},
        {"key": keys[2], "trajectories": [[math.nan, 0.0]]},
        {"key": keys[0], "trajectories": paths[0].tolist()},
        {"key": keys[3], "trajectories": [[1.0]]},
    ]
    file.write_text("\n".join([*(json.dumps(row) for row in rows), "torn"]))
    told = scored(capsys, file, "--store", sample_store, status=1)
    assert (told["rows"], told["predicted"]) == (7, 2)
    reasons = ("unknown_key", "not_finite", "duplicate", "wrong_shape", "unreadable")
    assert told["unusable"] == dict.fromkeys(reasons, 1)
    assert figures(told, "prediction")["ade_m"] == 0
    assert main(["score", str(file), "--store", str(sample_store)]) == 1
    shown = capsys.readouterr().out
    assert f"{len(samples)} samples in {sample_store}, 2 with a prediction" in shown
    assert "not used, unknown_key: 1\n  row 3: nobody-02000000\n" in shown
    assert "not used, unreadable: 1\n  row 7\n" in shown


def test_without_tracks_collisions_are_null_and_never_zero(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, samples, trajectories=futures(samples))
    copy = tmp_path / "copy"
    shutil.copytree(sample_store / "training_shards", copy)
    arguments = (file, "--set", copy, "--store", tmp_path / "nowhere")
    told = scored(capsys, *arguments)
    for path in ("prediction", "constant_velocity", "recorded"):
        assert (figures(told, path)["tracked"], figures(told, path)["collision_rate"]) == (0, None)
    assert main(["score", *map(str, arguments)]) == 0
    assert "no tracks are known of these samples" in capsys.readouterr().out
    with_store = scored(capsys, file, "--set", copy, "--store", sample_store)
    assert figures(with_store, "recorded")["tracked"] == len(samples)


def test_a_release_of_a_store_knows_its_tracks(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "trajectory_cache").symlink_to(sample_store / "trajectory_cache")
    shutil.copytree(sample_store / "training_shards", store / "releases" / "v1")
    file = write(tmp_path, samples, trajectories=futures(samples))
    by_folder = scored(capsys, file, "--set", store / "releases" / "v1")
    by_name = scored(capsys, file, "--set", "v1", "--store", store)
    assert by_folder["figures"] == by_name["figures"]
    assert figures(by_folder, "recorded")["tracked"] == len(samples)


def test_forms_for_programs_hold_the_rows_alone(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = write(tmp_path, samples, trajectories=futures(samples)[:, :10])
    for form, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        assert main(["score", str(file), "--store", str(sample_store), "--format", form]) == 0
        out, err = capfdbinary.readouterr()
        table = read(io.BytesIO(out))
        assert table["path"].to_list() == ["prediction", "constant_velocity", "recorded"]
        assert b"horizon: 1 s" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predictions.txt"], "predictions.txt ends in none of .parquet, .jsonl, .npz"),
        (["none.npz"], "No file none.npz"),
        (["here.npz", "--set", "nowhere"], "No index.parquet at nowhere"),
        (["here.npz", "--split", "practice"], "No sample at"),
        (["here.npz", "--per-sample", "out.xlsx"], "--per-sample out.xlsx ends in none of .parquet, .csv, .jsonl"),
    ],
)
def test_what_cannot_be_scored_is_a_usage_error(
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.npz").touch()
    assert main(["score", *arguments, "--store", str(sample_store)]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_a_clip_without_tracks_says_nothing_about_collisions(
    sample_store: Path, samples: dict[str, Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sample_store / "trajectory_cache", tmp_path / "trajectory_cache")
    bare = next(iter(samples.values()))["clip_id"]
    for file in tmp_path.glob("trajectory_cache/*/tracks.parquet"):
        pl.read_parquet(file, hive_partitioning=False).filter(pl.col("clip_id") != bare).write_parquet(file)
    predictions, table = write(tmp_path, samples, trajectories=futures(samples)), tmp_path / "per_sample.parquet"
    told = scored(capsys, predictions, "--set", sample_store, "--store", tmp_path, "--per-sample", table)
    collided = pl.read_parquet(table).group_by(pl.col("clip_id") == bare).agg(known=pl.col("collided").count())
    known = dict(collided.iter_rows())
    others = sum(one["clip_id"] != bare for one in samples.values())
    assert known == {True: 0, False: 3 * others}
    assert figures(told, "recorded")["tracked"] == others
