"""What `coc export` writes over the store is, label by label, what the training set's forms hold by split."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from coc_assets.cli import main

Contents = Callable[[Path], set[str]]


@pytest.fixture(scope="module")
def with_forms(sample: Path, sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the store whose training set is in every form that `coc export` writes too."""
    store = tmp_path_factory.mktemp("with_forms") / "store"
    shutil.copytree(sample_store, store)
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("COC_SHARDS__FORMATS", '["pai_overlay", "jsonl", "cot_yaml"]')
        assert main(["run", "--dataset", str(sample), "--store", str(store)]) == 0
    return store


def _lines(folder: Path) -> set[str]:
    return {line for file in folder.rglob("*.jsonl") for line in file.read_text().split("\n") if line}


def _files(folder: Path) -> set[str]:
    return {f"{file.parent.name}/{file.name}: {file.read_text()}" for file in folder.rglob("cot_*.yaml")}


def _events(folder: Path) -> set[str]:
    tables = [pd.read_parquet(file) for file in folder.rglob("ood_reasoning.parquet")]
    return {json.dumps(row) for row in pd.concat(tables).reset_index().to_dict("records")}


@pytest.mark.parametrize(
    ("form", "folder", "contents"),
    [("jsonl", "jsonl", _lines), ("cot-yaml", "cot_yaml", _files), ("ood-reasoning", "pai_overlay", _events)],
)
def test_exports_and_forms_say_the_same(
    with_forms: Path, tmp_path: Path, form: str, folder: str, contents: Contents
) -> None:
    assert main(["export", form, "--store", str(with_forms), "--out", str(tmp_path)]) == 0
    exported = contents(tmp_path)
    held = [contents(chunk / folder) for chunk in sorted((with_forms / "training_shards").glob("chunk=*"))]
    assert len(exported) > 5
    assert exported == set().union(*held)
