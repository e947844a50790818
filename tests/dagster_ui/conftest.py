"""A finished store in Dagster's UI, in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dagster_ui.pages import Ui
from tests.dagster_ui.server import ROOT, dagster_ui

CHUNKS, CLIPS = 2, 5
STRICT = {"COC_QUALITY__KEPT": '{"warn": 1.0}', "COC_QUALITY__LEAST_LABELS": "1"}
"""Every label is to be kept, so that a check has rows to show."""


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset whose last chunk has no pictures, and its finished store; made by `coc` in processes of their own."""
    folder = tmp_path_factory.mktemp("shown")
    dataset, store = folder / "dataset", folder / "store"
    _coc("sample", "--out", str(dataset), "--chunks", str(CHUNKS), "--clips", str(CLIPS))
    for archive in (dataset / "camera").rglob(f"*.chunk_{CHUNKS - 1:04d}.zip"):
        archive.unlink()
    _coc("run", "--dataset", str(dataset), "--store", str(store))
    _job("refresh_report", dataset, store)
    return dataset, store


@pytest.fixture(scope="module")
def ui(chromium: str, made: tuple[Path, Path], browser: Any) -> Iterator[Ui]:
    """The web server on the store, and a page on it; pictures go to the folder `UI_PICTURES`, where it is set."""
    dataset, store = made
    pictures = os.environ.get("UI_PICTURES")
    with dagster_ui(dataset, store, environment=STRICT) as address:
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        yield Ui(page, address, Path(pictures) if pictures else None)
        page.close()


def _coc(*arguments: str) -> None:
    _run(["-m", "coc_assets.cli", *arguments], {})


def _job(name: str, dataset: Path, store: Path) -> None:
    home = {"COC_DATASET": str(dataset), "COC_STORE": str(store), "DAGSTER_HOME": str(store / ".dagster")}
    _run(["-m", "dagster", "job", "execute", "-m", "coc_assets.definitions", "-j", name], home)


def _run(arguments: list[str], variables: dict[str, str]) -> None:
    environment = {**os.environ, **STRICT, **variables}
    subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
