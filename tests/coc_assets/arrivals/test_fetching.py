"""Chunks at a URL: known, fetched before they are read, fetched again when they change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from coc_assets.arrivals.fetching import arrived, fetch_chunk, known_chunks, outdated
from coc_assets.cli import main
from coc_assets.stage import StageError, Workspace
from resources.arriving import PlaceError
from resources.faults import may_pass
from resources.settings import Settings
from resources.settings.arrivals import ArrivalSettings
from tests.tree import tree

EGOMOTION_0 = "labels/egomotion/egomotion.chunk_0000.zip"


@pytest.fixture
def url(sample: Path) -> Iterator[str]:
    """The sample, in memory as if it were far away."""
    memory, root = fsspec.filesystem("memory"), "/far/dataset"
    for path in sample.rglob("*"):
        if path.is_file():
            memory.pipe_file(f"{root}/{path.relative_to(sample).as_posix()}", path.read_bytes())
    yield f"memory:/{root}"
    memory.rm("/far", recursive=True)


@pytest.fixture
def workspace(url: str, tmp_path: Path) -> Workspace:
    return Workspace(Settings(dataset=tmp_path / "here", store=tmp_path / "store", arrivals=ArrivalSettings(url=url)))


def test_chunks_at_a_url_are_known_before_anything_is_here(workspace: Workspace) -> None:
    assert known_chunks(workspace) == ["0000", "0001"]
    assert (workspace.settings.dataset / "clip_index.parquet").is_file()  # type: ignore[operator]
    assert not list(workspace.settings.dataset.rglob("*.zip"))  # type: ignore[union-attr]


def test_a_chunks_files_are_fetched_once(workspace: Workspace) -> None:
    assert outdated(workspace, ["0000", "0001"]) == {"0000", "0001"}
    fetched = fetch_chunk(workspace, "0000")
    assert EGOMOTION_0 in fetched and len(fetched) == 2  # the sample has no camera
    assert fetch_chunk(workspace, "0000") == []
    assert outdated(workspace, ["0000", "0001"]) == {"0001"}
    assert workspace.root.chunks() == ["0000"]


def test_a_file_that_changed_there_is_fetched_again(workspace: Workspace, url: str) -> None:
    fetch_chunk(workspace, "0000")
    with fsspec.open(f"{url}/{EGOMOTION_0}", "ab") as file:
        file.write(b"\0")
    assert outdated(workspace, ["0000"]) == {"0000"}
    assert fetch_chunk(workspace, "0000") == [EGOMOTION_0]


def test_files_that_vanish_there_stay_here(workspace: Workspace) -> None:
    fetch_chunk(workspace, "0000")
    fsspec.filesystem("memory").rm(f"/far/dataset/{EGOMOTION_0}")
    assert fetch_chunk(workspace, "0000") == []
    assert known_chunks(workspace) == ["0000", "0001"]
    assert list(arrived(workspace)[1]) == ["0001"]


def test_without_a_url_nothing_is_fetched(sample: Path, tmp_path: Path) -> None:
    workspace = Workspace(Settings(dataset=sample, store=tmp_path))
    assert fetch_chunk(workspace, "0000") == [] and outdated(workspace, ["0000"]) == frozenset()
    assert known_chunks(workspace) == ["0000", "0001"]


def test_a_url_needs_a_folder_to_fetch_to(tmp_path: Path) -> None:
    workspace = Workspace(Settings(store=tmp_path, arrivals=ArrivalSettings(url="memory://far/dataset")))
    with pytest.raises(StageError, match="No dataset named"):
        known_chunks(workspace)


def test_coc_run_of_a_url_ends_in_the_same_store_as_of_a_folder(
    url: str, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COC_ARRIVALS__URL", url)
    arguments = ["run", "--dataset", str(tmp_path / "here"), "--store", str(tmp_path / "store")]
    assert main([*arguments, "--chunks", "1"]) == 0
    expected = {name: digest for name, digest in tree(sample_store).items() if "chunk=0001" in name}
    assert tree(tmp_path / "store") == expected
    assert not (tmp_path / "here" / EGOMOTION_0).exists()


def test_a_url_that_cannot_be_reached_is_a_usage_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COC_ARRIVALS__URL", "nosuch://bucket")
    assert main(["run", "--dataset", str(tmp_path / "here"), "--store", str(tmp_path / "store")]) == 2
    assert "nosuch://bucket" in capsys.readouterr().err


def test_a_stage_whose_files_cannot_be_fetched_may_be_tried_again(workspace: Workspace) -> None:
    settings = workspace.settings.model_copy(update={"arrivals": ArrivalSettings(url="nosuch://bucket")})
    with pytest.raises(PlaceError) as raised:
        fetch_chunk(Workspace(settings), "0000")
    assert may_pass(raised.value)
