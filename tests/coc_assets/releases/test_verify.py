from __future__ import annotations

import hashlib
import json
import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.releases.manifest import ManifestError, read_manifest, sealed
from coc_assets.releases.verify import release_claims, verify
from coc_assets.training_shards.verify import broken

SEED = 20


def problems(folder: Path) -> list[str]:
    return verify(folder, 1, lambda done, total: None)[0]


def flip(path: Path, at: int, mask: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)


def test_a_copy_without_store_or_dataset_is_as_written(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for jobs in ("1", "2"):
        assert main(["verify", str(copied), "--jobs", jobs]) == 0
        files = sum(path.is_file() for path in copied.rglob("*")) - 1
        assert capsys.readouterr().out == f"{files} files read, all as written\n"


def test_a_byte_flipped_anywhere_in_any_file_is_named(copied: Path) -> None:
    draw = random.Random(SEED)
    for path in sorted(path for path in copied.rglob("*") if path.is_file()):
        name = path.relative_to(copied).as_posix()
        for at in (0, path.stat().st_size - 1, draw.randrange(path.stat().st_size)):
            mask = draw.randrange(1, 256)
            flip(path, at, mask)
            assert [found for found in problems(copied) if found.startswith(f"{name}: ")], (name, at, mask)
            flip(path, at, mask)
    assert problems(copied) == []


def test_a_byte_flipped_anywhere_in_a_shard_is_named_with_its_sample_and_member(copied: Path) -> None:
    draw = random.Random(SEED)
    shard = sorted(copied.glob("train-*.tar"))[0]
    with tarfile.open(shard) as opened:
        members = [(member.offset, member.name) for member in opened]
    claim = next(claim for claim in release_claims(copied)[1] if claim.path == shard)
    for _ in range(60):
        at, mask = draw.randrange(shard.stat().st_size - 1024), draw.randrange(1, 256)
        member = [name for offset, name in members if offset <= at][-1]
        flip(shard, at, mask)
        key = member.partition(".")[0]
        assert broken(claim) == [f"{shard.name}: sample {key}: byte {at}, in {member}, is not as it was written."]
        flip(shard, at, mask)


def test_a_byte_flipped_anywhere_in_the_manifest_is_seen(copied: Path) -> None:
    path = copied / "manifest.json"
    read_manifest(path)
    for at in range(0, path.stat().st_size, 97):
        flip(path, at, 1 << at % 8)
        with pytest.raises(ManifestError):
            read_manifest(path)
        flip(path, at, 1 << at % 8)


def _reseal(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    """A manifest that whoever changed it gave the right hash."""
    content = read_manifest(folder / "manifest.json")
    change(content)
    (folder / "manifest.json").write_bytes(sealed(content))


def _forget(folder: Path) -> None:
    _reseal(folder, lambda content: content["files"].pop("README.md"))  # type: ignore[attr-defined]


def _miscount(folder: Path) -> None:
    _reseal(folder, lambda content: content.update(samples=1))


def _leave_temporary(folder: Path) -> None:
    (folder / ".tmp-77-train-000009.tar").write_bytes(b"x")


def _clip_in_two_splits(folder: Path) -> None:
    samples = pl.read_parquet(folder / "samples.parquet")
    clip_id = samples.filter(pl.col("clip_id").is_duplicated())["clip_id"][0]
    key = samples.filter(pl.col("clip_id") == clip_id)["key"][0]
    moved = pl.when(pl.col("key") == key).then(pl.lit("elsewhere")).otherwise("split")
    samples.with_columns(split=moved).write_parquet(folder / "samples.parquet")
    data = (folder / "samples.parquet").read_bytes()
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    _reseal(folder, lambda content: content["files"].update({"samples.parquet": facts}))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda folder: (folder / "samples.parquet").unlink(), "samples.parquet: missing."),
        (lambda folder: (folder / "index.parquet").unlink(), "index.parquet: missing."),
        (lambda folder: (folder / "index.parquet").write_bytes(b"x"), "index.parquet: has 1 bytes, and "),
        (lambda folder: (folder / "train-000000.tar").unlink(), "train-000000.tar: missing."),
        (lambda folder: (folder / "notes.txt").write_text("x"), "notes.txt: not in manifest.json"),
        (lambda folder: (folder / "train-000077.tar").write_bytes(b"x"), "train-000077.tar: not in manifest.json"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: cannot be read"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "manifest.json: is no release's"),
        (_leave_temporary, ".tmp-77-train-000009.tar: left by a command that was killed"),
        (_forget, "README.md: not in manifest.json"),
        (_miscount, "samples.parquet: its counts are not those of manifest.json."),
        (_clip_in_two_splits, "lies in two splits."),
        (_clip_in_two_splits, "index.parquet: it and samples.parquet disagree in 2 rows."),
    ],
)
def test_what_is_amiss_is_named(
    change: Callable[[Path], object], found: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(copied)
    assert main(["verify", str(copied)]) == 1
    out = capsys.readouterr().out
    assert any(found in line for line in out.splitlines()), out


def test_links_to_a_dataset_are_no_part_of_a_release(copied: Path) -> None:
    (copied / "pai_overlay/train").mkdir(parents=True)
    (copied / "pai_overlay/train/labels").symlink_to(copied.parent)
    (copied / "pai_overlay/train/clip_index.parquet").symlink_to("nowhere")
    assert problems(copied) == []


def test_a_store_is_verified_with_all_its_chunks_and_releases(
    store: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made, store / "releases/v1")
    shutil.move(store, tmp_path / "moved")
    moved = tmp_path / "moved"
    assert main(["verify", str(moved), "--jobs", "2"]) == 0
    capsys.readouterr()
    shard = next((moved / "training_shards/chunk=0001").glob("*.tar"))
    table = moved / "meta_actions/chunk=0000/meta_actions.parquet"
    released = next((moved / "releases/v1").glob("*.tar"))
    for path in (shard, table, released):
        flip(path, 100)
    (moved / "releases/.tmp-1-v2").mkdir()
    (moved / "keyframe_segments/chunk=0000/receipt.json").write_text("no receipt")
    assert main(["verify", str(moved)]) == 1
    out = capsys.readouterr().out
    assert f"training_shards/chunk=0001/{shard.name}: sample " in out
    assert "meta_actions/chunk=0000/meta_actions.parquet: sha256 is " in out
    assert f"releases/v1/{released.name}: sample " in out
    assert "releases/.tmp-1-v2: left by a command that was killed" in out
    assert "keyframe_segments/chunk=0000/receipt.json: missing, or cannot be read" in out
    assert out.splitlines()[-1].endswith("files read, 5 problems")


@pytest.mark.parametrize("part", ["training_shards", "training_shards/chunk=0001"])
def test_a_part_of_a_store_is_verified_too(part: str, store: Path) -> None:
    assert problems(store / part) == []
    shard = next((store / "training_shards/chunk=0001").glob("*.tar"))
    flip(shard, 100)
    assert len(problems(store / part)) == 1


def test_what_is_neither_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert "is neither a release nor a store" in capsys.readouterr().err.replace("\n", " ")
    assert main(["verify", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "manifest.json").write_text(json.dumps({"chunk": "0000"}))
    assert main(["verify", str(tmp_path)]) == 1


def test_damaged_tables_are_named_and_not_opened(store: Path, copied: Path) -> None:
    """Of the bytes of a table there are some that end the process that reads them."""
    draw = random.Random(SEED)
    for path in (copied / "index.parquet", copied / "samples.parquet",
                 store / "training_shards/chunk=0000/index.parquet"):  # fmt: skip
        for _ in range(40):
            at = draw.randrange(path.stat().st_size)
            flip(path, at)
            assert any(path.name in found for found in problems(path.parent)), (path, at)
            flip(path, at)
