from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.releases.building import FolderExistsError, building


def test_the_folder_appears_whole(tmp_path: Path) -> None:
    with building(tmp_path / "in" / "v1") as folder:
        (folder / "file").write_text("content")
        assert not (tmp_path / "in" / "v1").exists()
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["v1"]
    assert (tmp_path / "in" / "v1" / "file").read_text() == "content"


def test_nothing_stays_of_what_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with building(tmp_path / "v1") as folder:
            (folder / "file").write_text("content")
            raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("late", [False, True])
def test_what_is_there_stays(late: bool, tmp_path: Path) -> None:
    def put() -> None:
        (tmp_path / "v1").mkdir()
        (tmp_path / "v1" / "theirs").write_text("theirs")

    def build() -> None:
        with building(tmp_path / "v1"):
            put()

    if not late:
        put()
    with pytest.raises(FolderExistsError, match="v1 is there already"):
        build() if late else building(tmp_path / "v1").__enter__()
    assert [path.name for path in tmp_path.rglob("*")] == ["v1", "theirs"]


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path) -> None:
    (tmp_path / ".tmp-1-dead").mkdir()
    with building(tmp_path / "v1") as alive, building(tmp_path / "v2"):
        assert not (tmp_path / ".tmp-1-dead").exists()
        assert alive.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v1", "v2"]
