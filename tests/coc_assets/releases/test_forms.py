"""Releases with every form, from a store that has them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.releases.manifest import read_manifest
from tests.tree import tree

FORMS = ("wds", "pai_overlay", "vlm_json", "jsonl", "cot_yaml")


@pytest.fixture(scope="module")
def with_forms(filmed: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The dataset, and a store whose chunk has every form."""
    dataset, store = filmed[0], tmp_path_factory.mktemp("with_forms") / "store"
    shutil.copytree(filmed[1], store)
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("COC_SHARDS__FORMATS", json.dumps(FORMS))
        settings.setenv("COC_SHARDS__FRAME_HEIGHT", "64")
        assert main(["run", "--dataset", str(dataset), "--store", str(store)]) == 0
        assert main(["release", "v1", "--store", str(store), "--jobs", "2"]) == 0
    return dataset, store


def test_every_form_holds_the_samples_that_were_chosen(with_forms: tuple[Path, Path]) -> None:
    dataset, store = with_forms
    folder = store / "releases/v1"
    manifest = read_manifest(folder / "manifest.json")
    assert manifest["formats"] == sorted(FORMS)
    samples = pl.read_parquet(folder / "samples.parquet")
    for (split,), of_split in samples.group_by("split"):
        told = json.loads((folder / f"vlm_json/{split}.json").read_bytes())
        assert sorted(one["id"] for one in told) == sorted(of_split["key"])
        for one in told:
            assert (folder / "vlm_json" / one["video"][0]).stat().st_nlink > 1
        lines = (folder / f"jsonl/{split}.jsonl").read_text().splitlines()
        assert sorted((one["clip_id"], one["t0_us"]) for one in map(json.loads, lines)) == sorted(
            of_split.select("clip_id", "t0_us").iter_rows()
        )
        files = list((folder / f"cot_yaml/{split}").glob("*/cot_*.yaml"))
        assert len(files) == of_split.height
        reasoning = pd.read_parquet(folder / f"pai_overlay/{split}/reasoning/ood_reasoning.parquet")
        assert set(reasoning.index) == set(of_split["clip_id"])
        assert (folder / f"pai_overlay/{split}/clip_index.parquet").resolve() == (
            dataset / "clip_index.parquet"
        ).resolve()


def test_a_copy_elsewhere_verifies_and_is_joined_to_another_dataset_root(
    with_forms: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, store = with_forms
    copy = tmp_path / "copy"
    shutil.copytree(store / "releases/v1", copy, symlinks=True)
    elsewhere = tmp_path / "dataset"
    shutil.copytree(dataset, elsewhere)
    assert main(["verify", str(copy)]) == 0
    before = read_manifest(copy / "manifest.json")
    assert main(["link", str(copy), "--dataset", str(elsewhere)]) == 0
    splits = sorted(path.name for path in (copy / "pai_overlay").iterdir())
    linked = copy / "pai_overlay" / splits[0] / "clip_index.parquet"
    assert str(elsewhere) in str(linked.readlink())
    assert main(["verify", str(copy)]) == 0
    assert read_manifest(copy / "manifest.json") == before
    capsys.readouterr()
    assert main(["link", str(copy), "--dataset", str(tmp_path / "nowhere")]) == 2
    assert "No dataset at" in capsys.readouterr().err.replace("\n", " ")
    (copy / "vlm_json/media").rename(copy / "vlm_json/moved")
    assert main(["verify", str(copy)]) == 1


def test_a_release_without_an_overlay_has_nothing_to_link(
    made: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["link", str(made), "--dataset", str(sample)]) == 2
    assert "has no pai_overlay; add it to shards.formats" in capsys.readouterr().err.replace("\n", " ")


def test_repeat_and_processes_change_no_byte_of_any_form(
    with_forms: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store = with_forms
    monkeypatch.setenv("COC_SHARDS__FORMATS", json.dumps(FORMS))
    monkeypatch.setenv("COC_SHARDS__FRAME_HEIGHT", "64")
    assert main(["release", "v1", "--store", str(store), "--out", str(tmp_path / "again")]) == 0
    assert tree(tmp_path / "again") == tree(store / "releases/v1")


def test_a_damaged_video_of_a_chunk_is_named(
    with_forms: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, store = with_forms
    shutil.copytree(store, tmp_path / "store")
    monkeypatch.setenv("COC_SHARDS__FORMATS", json.dumps(FORMS))
    monkeypatch.setenv("COC_SHARDS__FRAME_HEIGHT", "64")
    video = sorted((tmp_path / "store/training_shards/chunk=0000/vlm_json/media").iterdir())[0]
    video.write_bytes(video.read_bytes()[:-1])
    assert main(["release", "v2", "--store", str(tmp_path / "store")]) == 1
    assert f"{video} is damaged: it is not what its chunk's manifest says" in capsys.readouterr().err.replace("\n", " ")
    assert [path.name for path in (tmp_path / "store/releases").iterdir()] == ["v1"]
