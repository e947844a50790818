"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# A developer's own settings must not decide what the tests see.
for _name in [name for name in os.environ if name.startswith("COC_") and name != "COC_SHARED_DATA"] + ["DAGSTER_HOME"]:
    os.environ.pop(_name, None)

_BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with inputs of known answers, `$COC_SHARED_DATA` or beside the checkout; skips where it is absent."""
    root = Path(os.environ.get("COC_SHARED_DATA", _BESIDE))
    if not (root / "golden-visible").is_dir():
        pytest.skip(f"no reference data at {root}")
    return root


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated dataset of two chunks with six clips each, without pictures and defects. Not to be changed."""
    from coc_assets.sample.generate import generate

    root = tmp_path_factory.mktemp("sample") / "dataset"
    generate(root, chunks=2, clips=6, video=False, defects=False)
    return root


@pytest.fixture(scope="session")
def sample_store(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all assets of `sample`, made by `coc run`. Not to be changed."""
    from coc_assets.cli import main

    store = tmp_path_factory.mktemp("sample_store") / "store"
    assert main(["run", "--dataset", str(sample), "--store", str(store)]) == 0
    return store


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset of one chunk with pictures, and a store that has everything up to the labels. Not to be changed."""
    from coc_assets.cli import ASSETS, main
    from coc_assets.sample.generate import generate

    folder = tmp_path_factory.mktemp("filmed")
    generate(folder / "dataset", chunks=1, clips=3, defects=False)
    arguments = ["--dataset", str(folder / "dataset"), "--store", str(folder / "store")]
    assert main(["run", *arguments, "--select", *ASSETS[: ASSETS.index("raw_coc")]]) == 0
    return folder / "dataset", folder / "store"
