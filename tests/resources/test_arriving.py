from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from resources.arriving import FileState, Folder, Place, PlaceError, Remote, fetch, listings, place_of, sweep
from tests.resources.pai_files import zipped

NAME = "labels/egomotion/egomotion.chunk_0000.zip"
ZIP = zipped({"a.egomotion.parquet": b"x" * 5000})


@pytest.fixture(params=["folder", "file://", "memory://"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place's root as a URL, also of the folder; empty."""
    root = f"/{uuid.uuid4().hex}" if request.param == "memory://" else f"{tmp_path}/there"
    scheme = "memory://" if request.param == "memory://" else "file://"
    yield scheme + root
    memory = fsspec.filesystem("memory")
    if memory.exists(root):
        memory.rm(root, recursive=True)


@pytest.fixture
def place(url: str, request: pytest.FixtureRequest) -> Place:
    is_folder = request.node.callspec.params["url"] == "folder"
    return Folder(Path(url.removeprefix("file://"))) if is_folder else Remote(url)


def put(url: str, path: str, content: bytes) -> None:
    with fsspec.open(f"{url}/{path}", "wb", auto_mkdir=True) as file:
        file.write(content)


def test_a_listing_tells_the_size_of_each_file_and_skips_folders(place: Place, url: str) -> None:
    put(url, NAME, ZIP)
    put(url, "labels/egomotion/deeper/note.txt", b"note")
    found = place.files("labels/egomotion")
    assert {name: state.size for name, state in found.items()} == {"egomotion.chunk_0000.zip": len(ZIP)}
    assert all(state.mtime_ns for state in found.values())
    assert place.state(NAME) == found["egomotion.chunk_0000.zip"]


def test_what_is_not_there_is_no_error(place: Place, url: str) -> None:
    put(url, "features.csv", b"feature\n")
    assert place.files("labels/egomotion") == {}
    assert place.state(NAME) is None


def test_a_listing_is_of_now(place: Place, url: str) -> None:
    put(url, NAME, ZIP[:100])
    assert place.files("labels/egomotion")["egomotion.chunk_0000.zip"].size == 100
    put(url, NAME, ZIP)
    assert place.files("labels/egomotion")["egomotion.chunk_0000.zip"].size == len(ZIP)


@pytest.mark.parametrize("cut, damaged", [(len(ZIP), False), (len(ZIP) - 1, True), (1000, True), (0, True)])
def test_a_zip_that_is_cut_short_is_told_by_its_directory(place: Place, url: str, cut: int, damaged: bool) -> None:
    put(url, NAME, ZIP[:cut])
    assert ("no readable member directory" in str(place.damage(NAME))) is damaged


def test_files_that_are_no_zips_have_no_directory(place: Place, url: str) -> None:
    assert place.damage("calibration/camera_intrinsics/camera_intrinsics.chunk_0000.parquet") is None


def test_the_lists_of_a_dataset_are_those_at_its_root_and_in_metadata(place: Place, url: str) -> None:
    for name in ("features.csv", "metadata/feature_presence.parquet", "truth.parquet", NAME):
        put(url, name, b"content")
    assert listings(place) == ["features.csv", "metadata/feature_presence.parquet"]


def test_a_file_is_fetched_once_with_its_time_and_again_when_it_changes(url: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", Remote(url)
    put(url, NAME, ZIP)
    assert fetch(there, NAME, here)
    assert (here / NAME).read_bytes() == ZIP
    assert (here / NAME).stat().st_mtime_ns == there.state(NAME).mtime_ns
    assert not fetch(there, NAME, here)
    put(url, NAME, ZIP + b"\0" * 10)
    assert fetch(there, NAME, here) and (here / NAME).stat().st_size == len(ZIP) + 10
    assert not fetch(there, "labels/egomotion/egomotion.chunk_0007.zip", here)


def test_a_file_that_changes_while_it_is_copied_is_not_kept(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Remote(url)
    put(url, NAME, ZIP)
    monkeypatch.setattr(there, "state", lambda path: FileState(len(ZIP) + 1))
    with pytest.raises(PlaceError, match="changed while it was copied"):
        fetch(there, NAME, tmp_path / "here")
    assert not list((tmp_path / "here").rglob("*.zip"))


def test_leftovers_of_a_killed_copy_are_swept(tmp_path: Path) -> None:
    kept, other, left = tmp_path / "a.zip", tmp_path / "b.zip", tmp_path / ".tmp-1-a.zip"
    for path in (kept, other, left):
        path.write_bytes(b"x")
    sweep(kept)
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "b.zip"]


@pytest.mark.parametrize(
    "url, said",
    [
        ("nosuch://bucket/data", "nosuch://bucket/data cannot be read"),
        ("ftp://someone:secret@127.0.0.1:9/data?token=secret", "ftp://127.0.0.1:9/data cannot be read"),
    ],
)
def test_a_place_that_cannot_be_reached_is_named_without_credentials(url: str, said: str) -> None:
    with pytest.raises(PlaceError) as raised:
        Remote(url).files("labels")
    assert said in str(raised.value) and "secret" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_url_goes_before_the_datasets_own_folder(tmp_path: Path) -> None:
    assert isinstance(place_of(tmp_path, None), Folder)
    assert isinstance(place_of(tmp_path, "memory://data"), Remote)
