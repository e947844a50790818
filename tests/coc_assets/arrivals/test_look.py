"""Files that arrive, grow, change and vanish, looked at by a clock that the test sets."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from coc_assets.arrivals.memory import Memory
from coc_assets.arrivals.patience import half_a_minute
from coc_assets.stage import Workspace
from resources.dataset import EGOMOTION, OBSTACLES, DatasetError
from resources.receipts import Receipt, write_receipt
from resources.settings import Settings
from tests.coc_assets.arrivals.scene import KINDS, SETTLE_S, Scene, chunks_of, scene, whole
from tests.resources.pai_files import CAMERA

NOON = 1_700_000_000.0


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return scene(request.param, tmp_path)


@pytest.fixture
def here(tmp_path: Path) -> Scene:
    return scene("folder", tmp_path)


@pytest.fixture
def labelled(sample: Path, sample_store: Path, tmp_path: Path) -> Scene:
    """Two chunks that are labelled and fresh, in a folder."""
    dataset, store = tmp_path / "there", tmp_path / "store"
    shutil.copytree(sample, dataset)
    shutil.copytree(sample_store, store)
    return Scene(f"file://{dataset}", Workspace(Settings(dataset=dataset, store=store)))


def test_a_chunk_is_asked_for_once_when_its_files_have_settled(there: Scene) -> None:
    there.put(EGOMOTION, 3)
    there.put(OBSTACLES, 3)
    assert there.asked(NOON) == []
    assert there.asked(NOON + SETTLE_S - 1) == []
    assert there.asked(NOON + SETTLE_S) == ["0003"]
    assert there.asked(NOON + SETTLE_S + 1) == there.asked(NOON + 10 * SETTLE_S) == []


def test_a_file_that_grows_holds_its_chunk_up_until_it_stands(there: Scene) -> None:
    content = whole(EGOMOTION, 0)
    there.put(EGOMOTION, 0, content[:1000])
    assert there.asked(NOON) == []
    there.put(EGOMOTION, 0, content[:2000])
    assert there.asked(NOON + SETTLE_S) == []
    there.put(EGOMOTION, 0)
    assert there.asked(NOON + 2 * SETTLE_S) == []
    assert there.asked(NOON + 3 * SETTLE_S) == ["0000"]


def test_a_copy_that_broke_off_is_named_and_counts_when_it_is_whole(there: Scene) -> None:
    there.put(EGOMOTION, 0)
    path = there.put(CAMERA, 0, whole(CAMERA, 0)[:-30])
    there.put(EGOMOTION, 1)
    there.look(NOON)
    seen = there.look(NOON + SETTLE_S)
    assert chunks_of(seen) == ["0001"]
    assert path in seen.message and "no readable member directory" in seen.message and "Copy it again" in seen.message
    assert path in there.look(NOON + 2 * SETTLE_S).message
    there.put(CAMERA, 0)
    seen = there.settle(NOON + 3 * SETTLE_S)
    assert chunks_of(seen) == ["0000"] and "cut short" not in seen.message


def test_a_camera_that_comes_later_asks_for_its_chunk_again(there: Scene) -> None:
    there.put(EGOMOTION, 0)
    first = there.settle(NOON).asked
    there.put(CAMERA, 0)
    second = there.settle(NOON + 100).asked
    assert [asked.chunk for asked in (*first, *second)] == ["0000", "0000"]
    assert first[0].key != second[0].key


def test_changed_and_removed_files_ask_for_their_chunk_again(there: Scene) -> None:
    for chunk in (0, 1):
        there.put(EGOMOTION, chunk)
        there.put(OBSTACLES, chunk)
    assert chunks_of(there.settle(NOON)) == ["0000", "0001"]
    there.put(EGOMOTION, 1, whole(EGOMOTION, 1, "and.more.parquet"))
    assert chunks_of(there.settle(NOON + 100)) == ["0001"]
    there.remove(OBSTACLES, 0)
    assert chunks_of(there.settle(NOON + 200)) == ["0000"]


def test_a_file_that_returns_to_what_it_was_is_asked_for_under_another_key(here: Scene) -> None:
    path = Path(here.url.removeprefix("file://")) / here.put(EGOMOTION, 0)
    before, keys = path.stat(), [here.settle(NOON).asked[0].key]
    here.put(EGOMOTION, 0, whole(EGOMOTION, 0, "and.more.parquet"))
    keys.append(here.settle(NOON + 100).asked[0].key)
    here.put(EGOMOTION, 0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    keys.append(here.settle(NOON + 200).asked[0].key)
    assert len(set(keys)) == 3


def test_a_chunk_whose_egomotion_vanished_is_not_asked_for_and_counts_as_new_when_it_returns(there: Scene) -> None:
    there.put(EGOMOTION, 0)
    there.put(EGOMOTION, 1)
    there.put(CAMERA, 1)
    there.settle(NOON)
    there.remove(EGOMOTION, 1)
    assert there.asked(NOON + 100) == there.asked(NOON + 200) == []
    assert list(there.memory.chunks) == ["0000"]
    there.put(EGOMOTION, 1)
    assert chunks_of(there.settle(NOON + 300)) == ["0001"]


def test_other_files_in_the_folders_are_no_chunks(there: Scene) -> None:
    there.put(EGOMOTION, 0)
    there.put(CAMERA, 5)
    path = there.put(EGOMOTION, 0).replace(".zip", ".zip.part")
    with fsspec.open(f"{there.url}/{path}", "wb") as file:
        file.write(b"half")
    assert chunks_of(there.settle(NOON)) == ["0000"]


def test_a_place_without_chunks_says_what_is_missing(there: Scene) -> None:
    there.put(CAMERA, 0)
    with pytest.raises(DatasetError, match="holds no chunk"):
        there.look(NOON)


def test_no_more_runs_than_set_are_asked_for_at_a_time_and_the_rest_follow(tmp_path: Path) -> None:
    many = scene("folder", tmp_path, runs_a_tick=2)
    for chunk in (4, 0, 3, 1, 2):
        many.put(EGOMOTION, chunk)
    seen = many.settle(NOON)
    assert chunks_of(seen) == ["0000", "0001"] and "Left for the next look: 3" in seen.message
    assert many.asked(NOON + 31) == ["0002", "0003"]
    assert many.asked(NOON + 32) == ["0004"]
    assert many.asked(NOON + 33) == []


def test_where_time_runs_out_the_rest_is_weighed_in_the_next_look(labelled: Scene) -> None:
    shutil.rmtree(labelled.workspace.store.partition("raw_coc", "0001"))
    labelled.patience = lambda: False
    seen = labelled.settle(NOON)
    assert not seen.asked and "Left for the next look: 1" in seen.message
    assert labelled.asked(NOON + 31) == ["0001"]


def test_patience_ends_by_the_clock() -> None:
    times = iter([0.0, 29.0, 31.0])
    patience = half_a_minute(lambda: next(times))
    assert [patience(), patience()] == [True, False]


def test_a_chunk_whose_run_is_under_way_is_weighed_when_that_is_over(here: Scene) -> None:
    here.put(EGOMOTION, 0)
    here.busy = frozenset({"0000"})
    seen = here.settle(NOON)
    assert not seen.asked and "waiting for the run they have: 0000" in seen.message
    here.busy = frozenset()
    assert here.asked(NOON + 100) == ["0000"]


def test_without_settling_time_a_file_still_has_to_be_seen_twice(tmp_path: Path) -> None:
    quick = scene("folder", tmp_path)
    arrivals = quick.workspace.settings.arrivals.model_copy(update={"settle_s": 0.0})
    quick.workspace = replace(
        quick.workspace, settings=quick.workspace.settings.model_copy(update={"arrivals": arrivals})
    )
    quick.put(EGOMOTION, 0)
    assert quick.asked(NOON) == []
    assert quick.asked(NOON + 0.001) == ["0000"]


def test_a_look_that_is_made_again_asks_for_the_same_runs_by_the_same_keys(here: Scene) -> None:
    here.put(EGOMOTION, 0)
    here.look(NOON)
    before = here.memory
    first = here.look(NOON + SETTLE_S)
    here.memory = before
    again = here.look(NOON + SETTLE_S + 5)
    assert first.asked == again.asked and first.memory.generation == again.memory.generation


def test_a_quiet_look_changes_nothing(here: Scene) -> None:
    here.put(EGOMOTION, 0)
    here.settle(NOON)
    before = here.memory
    quiet = here.look(NOON + 100)
    assert quiet.memory is before and quiet.message.endswith(": 1, none new or changed.")


def test_labelled_chunks_are_not_asked_for_even_where_nothing_is_remembered(labelled: Scene) -> None:
    assert not labelled.settle(NOON).asked
    labelled.memory = Memory()
    assert not labelled.settle(NOON + 100).asked


def test_a_touched_file_is_left_to_the_run_to_read(labelled: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled.settle(NOON)

    def never(path: Path) -> str:
        raise AssertionError(f"{path} was hashed")

    monkeypatch.setattr("resources.receipts.sha256_of_file", never)
    archive = labelled.workspace.root.archive_path(EGOMOTION, "0001")
    os.utime(archive, ns=(0, 0))
    assert chunks_of(labelled.settle(NOON + 100)) == ["0001"]


def test_unfinished_and_failed_chunks_are_asked_for(labelled: Scene) -> None:
    store = labelled.workspace.store
    shutil.rmtree(store.partition("raw_coc", "0000"))
    write_receipt(store, Receipt(stage="training_shards", chunk="0001", status="failed"))
    assert chunks_of(labelled.settle(NOON)) == ["0000", "0001"]
