from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from coc_assets.doctor import storage
from coc_assets.doctor.finding import Disk, Setup
from resources.receipts import Receipt, write_receipt
from resources.settings import Settings
from resources.store import Store
from tests.tree import tree


@pytest.fixture
def made(sample: Path, sample_store: Path, tmp_path: Path) -> Setup:
    """The sample and a store of it that may be changed."""
    shutil.copytree(sample_store, tmp_path / "store")
    return Setup(Settings(dataset=sample, store=tmp_path / "store"), {})


def test_a_store_that_is_not_there_yet_is_ok_and_is_not_made(bare: Setup, tmp_path: Path) -> None:
    setup = replace(bare, settings=Settings(store=tmp_path / "a" / "b"))
    for check in (storage.writable, storage.disk, storage.receipts, storage.stages, storage.leftovers):
        assert all(finding.level == "ok" for finding in check(setup)), check
    assert not (tmp_path / "a").exists()


def test_a_finished_store_is_sound_and_stays_as_it_is(made: Setup) -> None:
    before = tree(made.settings.store)
    for check in (storage.writable, storage.disk, storage.receipts, storage.stages, storage.leftovers):
        assert [finding.level for finding in check(made) if finding.level != "ok"] == [], check
    assert tree(made.settings.store) == before


@pytest.mark.parametrize("step", ["replace", "fsync", "open"])
def test_a_store_that_cannot_be_written_is_a_problem(bare: Setup, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, step, refuse)
    [finding] = storage.writable(bare)
    assert finding.level == "problem"
    assert "cannot be written (Read-only file system)" in finding.said
    assert "COC_STORE" in finding.mend
    assert list(bare.settings.store.iterdir()) == []


@pytest.mark.parametrize(
    ("left", "level", "said"),
    [
        (Disk(10**12, 10**7), "ok", "1,000.0 GB free"),
        (Disk(10**8, 10**7), "problem", "0.1 GB free"),
        (Disk(10**12, 12), "problem", "12 files may be made"),
        (Disk(10**12, None), "ok", "1,000.0 GB free"),
    ],
)
def test_a_full_disk_is_a_problem(bare: Setup, left: Disk, level: str, said: str) -> None:
    findings = [*storage.disk(replace(bare, disk_of=lambda _: left))]
    assert said in [finding.said for finding in findings]
    assert level == max((finding.level for finding in findings), key=("ok", "warn", "problem").index)
    assert all("coc gc" in finding.mend for finding in findings if finding.level != "ok")


def test_room_is_that_of_the_chunks_that_are_not_made_yet(made: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(made.store.partition("training_shards", "0001"))
    monkeypatch.setattr(storage, "_taken", lambda store, chunks: (10e9 * len(chunks), 0))
    for free, level in ((9, "problem"), (12, "warn"), (16, "ok")):
        finding = next(iter(storage.disk(replace(made, disk_of=lambda _, gb=free: Disk(gb * 10**9, None)))))
        assert (finding.level, finding.said) == (
            level,
            f"{free}.0 GB free; the 1 chunks not made yet take about 10.0 GB",
        )


def test_what_a_chunk_takes_is_counted(made: Setup) -> None:
    size, files = storage._taken(made.store, ["0000", "0001"])
    on_disk = [path for path in made.settings.store.glob("*/chunk=*/**/*") if path.is_file()]
    assert files == len(on_disk) / 2
    assert size == sum(path.stat().st_size for path in on_disk) / 2


def test_failed_and_unreadable_partitions_are_told_of(made: Setup) -> None:
    failed = Receipt(stage="raw_coc", chunk="0001", status="failed", error="OSError: disk on fire\nmore")
    write_receipt(made.store, failed)
    (made.store.partition("meta_actions", "0000") / "receipt.json").write_text("{")
    problem, warn, ok = storage.receipts(made)
    assert (problem.level, problem.said) == ("problem", "raw_coc of chunk 0001 failed: OSError: disk on fire")
    assert "coc run --chunks 1 --dataset" in problem.mend
    assert (warn.level, warn.said.split(" have")[0]) == ("warn", "1 partitions")
    assert ok.said.startswith("12 partitions are finished")


def test_stale_partitions_are_told_of_with_the_command(made: Setup) -> None:
    (made.store.partition("training_shards", "0001") / "receipt.json").unlink()
    keyframes = made.settings.keyframes.model_copy(update={"mode": "span_start"})
    changed = replace(made, settings=made.settings.model_copy(update={"keyframes": keyframes}))
    stale = next(iter(storage.stages(changed)))
    assert (stale.level, stale.said) == ("warn", "9 partitions of chunk 0000, 0001 are out of date")
    assert stale.mend.startswith("coc run --stale --dataset")


def test_what_killed_writers_left_is_told_of(made: Setup) -> None:
    left = Store(made.settings.store).partition("raw_coc", "0000") / ".tmp-1-labels"
    left.write_bytes(b"x" * 1_000_000)
    [fresh] = storage.leftovers(made)
    assert fresh.level == "ok"  # its writer may be alive
    os.utime(left, (0, 0))
    [old] = storage.leftovers(made)
    assert (old.level, old.said) == ("warn", "1 leftover files and folders take 1.0 MB")
    assert old.mend == f"coc gc --store {made.settings.store}"
