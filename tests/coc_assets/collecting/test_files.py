from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coc_assets.collecting.files import Garbage, find_garbage, remove
from coc_assets.releases.building import building
from resources.store import Store

NOW = datetime.now(UTC)
SETTLED = NOW - timedelta(days=1)
OLD = (NOW - timedelta(days=2)).timestamp()


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Store:
    """A copy that a test may change, in which everything was written two days ago."""
    shutil.copytree(sample_store, tmp_path / "store")
    age(tmp_path / "store")
    return Store(tmp_path / "store")


def age(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        os.utime(path, (OLD, OLD))


def write(path: Path, content: bytes = b"1234", old: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if old:
        age(path.parent)
    return path


def found(store: Store, at_work: tuple[str, ...] = (), logs_before: datetime = SETTLED) -> list[Garbage]:
    return find_garbage(store, settled=SETTLED, logs_before=logs_before, at_work=at_work)


def test_a_finished_store_holds_no_garbage(store: Store) -> None:
    assert found(store) == []


def test_each_kind_is_found_with_its_bytes(store: Store) -> None:
    leftover = write(store.partition("raw_coc", "0000") / ".tmp-77-labeler=rules.parquet")
    release = write(store.root / "releases/.tmp-77-v1/train.tar", b"12345678").parent
    superseded = write(store.partition("raw_coc", "0000") / "media/12ab.mp4")
    (empty := store.partition("meta_actions", "0007") / "within").mkdir(parents=True)
    log = write(store.root / "logs/2020-01-01.jsonl")
    age(store.root)
    assert set(found(store)) == {
        Garbage(leftover, "leftover", 4),
        Garbage(release, "leftover", 8),
        Garbage(superseded, "superseded", 4),
        Garbage(empty, "empty folder", 0),
        Garbage(empty.parent, "empty folder", 0),
        Garbage(log, "old log", 4),
    }
    for garbage in found(store):
        remove(garbage)
    assert not any(path.exists() for path in (leftover, release, superseded, empty.parent, log))
    age(store.root)  # the folder in which the superseded file lay is empty now
    assert [garbage.path for garbage in found(store)] == [superseded.parent]


def test_what_was_paid_for_or_decided_or_released_stays(store: Store) -> None:
    write(store.journal_path("0000", "gpt5"))
    write(store.judge_journal_path("0000", "gpt5"))
    write(store.reviews_path("0000"))
    write(store.partition("raw_coc", "0000") / "labeler=theirs.parquet")
    write(store.root / "releases/v1/extra.bin")
    write(store.root / "filtered_coc/set_duplicates.parquet")
    write(store.root / "raw_coc/budget.json")
    write(store.dagster_home / ".tmp-77-state")
    age(store.root)
    assert found(store) == []


def test_what_a_living_writer_may_hold_stays(store: Store) -> None:
    write(store.partition("raw_coc", "0000") / ".tmp-77-labeler=rules.parquet", old=False)
    write(store.partition("raw_coc", "0001") / "media/12ab.mp4", old=False)
    write(store.partition("trajdata_cache", "0000") / ".tmp-88/scene/part.bin", old=False)
    for folder in (store.root / "trajdata_cache").rglob("*"):
        if folder.is_dir():
            os.utime(folder, (OLD, OLD))  # only the file within is new
    assert found(store) == []


def test_chunks_at_work_are_left_alone(store: Store) -> None:
    write(store.partition("raw_coc", "0000") / ".tmp-77-labeler=rules.parquet")
    superseded = write(store.partition("raw_coc", "0001") / "media/12ab.mp4")
    age(store.root)
    assert [garbage.path for garbage in found(store, at_work=("0000",))] == [superseded]


def test_a_release_that_is_being_filled_stays_however_old(store: Store) -> None:
    with building(store.release("v1")) as folder:
        write(folder / "train.tar")
        age(store.root)
        assert found(store) == []


def test_a_partition_without_a_finished_receipt_keeps_its_files(store: Store) -> None:
    folder = store.partition("meta_actions", "0000")
    write(folder / "extra.bin")
    (folder / "receipt.json").unlink()
    age(store.root)
    assert found(store) == []


def test_logs_stay_as_long_as_runs(store: Store) -> None:
    log = write(store.root / "logs/2020-01-01.jsonl")
    assert found(store, logs_before=NOW - timedelta(days=30)) == []
    assert [garbage.path for garbage in found(store)] == [log]


def test_a_folder_that_was_filled_meanwhile_stays(store: Store) -> None:
    write(store.partition("meta_actions", "0007") / "meta_actions.parquet")
    remove(Garbage(store.partition("meta_actions", "0007"), "empty folder", 0))
    assert (store.partition("meta_actions", "0007") / "meta_actions.parquet").is_file()
