"""Fixtures every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# A developer's own settings must not decide what the tests see.
for _name in [name for name in os.environ if name.startswith("COC_") and name != "COC_SHARED_DATA"] + ["DAGSTER_HOME"]:
    os.environ.pop(_name, None)

_BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "data"

_BROWSER_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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


@pytest.fixture(scope="module")
def chromium() -> str:
    """Path of the browser; without one its tests are skipped, with REQUIRE_BROWSER set they fail."""
    from coc_assets.bench.dagster_pages import browser_path

    path = browser_path()
    if path is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("REQUIRE_BROWSER is set and no Chromium is on PATH: apt-get install chromium")
        pytest.skip("no Chromium on PATH: apt-get install chromium")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A browser, open for a module's tests. Its driver keeps an event loop: run `coc` in a process of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=_BROWSER_ARGUMENTS)
        yield opened
        opened.close()
