"""`coc verify`: whether a release, a store, or a copy of either still is as it was written, wherever it lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.processes import in_processes
from coc_assets.releases.gather import SAMPLES, STAGE, in_several
from coc_assets.releases.manifest import ManifestError, counts_of, read_manifest
from coc_assets.releases.release import SAMPLES_FILE
from coc_assets.training_shards.verify import (
    Claim,
    FileClaim,
    ShardClaim,
    broken,
    chunk_claims,
    read_whole,
    set_claims,
)
from coc_assets.training_shards.writer import INDEX, MANIFEST
from resources.receipts import Receipt
from resources.store import RECEIPT, RELEASES, TEMPORARY, Store

Claims = tuple[list[str], list[Claim]]

_PARTITION = "chunk="
_LEFT = "left by a command that was killed (the next one of its kind removes it), or that is at work just now."


class NothingToVerifyError(Exception):
    """The folder is neither a release nor a store; the message says what to name."""


def verify(folder: Path, jobs: int, progress: Callable[[int, int], None]) -> tuple[list[str], int]:
    """What is wrong with a release or a store, one sentence each, and how many files were read.

    Neither the store nor the dataset that a release came from is needed.

    Args:
        folder: a release; a store, with all its chunks and releases; its `training_shards`; or one chunk of that.
        jobs: processes, a file each.

    Raises:
        NothingToVerifyError: it is none of these.
    """
    problems, claims = _claims(folder)
    found = in_processes(broken, claims, jobs, progress)
    return [*problems, *(problem for of_file in found for problem in of_file)], len(claims)


def _claims(folder: Path) -> Claims:
    if not folder.is_dir():
        raise NothingToVerifyError(f"{folder} is no folder.")
    if folder.name.startswith(_PARTITION):
        return _partition_claims(folder)
    if any((folder / name).exists() for name in (MANIFEST, INDEX, SAMPLES_FILE)):
        return release_claims(folder)
    if any(folder.glob(f"{_PARTITION}*/{MANIFEST}")):
        return _joined(_partition_claims(chunk, f"{chunk.name}/") for chunk in sorted(folder.glob(f"{_PARTITION}*")))
    if Store(folder).chunks() or (folder / RELEASES).is_dir():
        return _store_claims(folder)
    raise NothingToVerifyError(f"{folder} is neither a release nor a store: it has no {MANIFEST} and no chunks.")


# ---- a release -------------------------------------------------------------------------------------------------------


def release_claims(folder: Path, prefix: str = "") -> Claims:
    """What can be said of a release without reading its files in full, and what each of them must be."""
    try:
        manifest = read_manifest(folder / MANIFEST)
    except ManifestError as error:
        return [f"{prefix}{MANIFEST}: {error}. Nothing else can be checked without it."], []
    try:
        problems, claims = set_claims(folder, manifest, prefix, _sha256_of(manifest, INDEX))
    except (OSError, ValueError):  # the index: its own claim says what is wrong with it
        problems, claims = [], _claims_without_index(folder, manifest, prefix)
    problems += [f"{prefix}{problem}" for problem in _sample_problems(folder, manifest)]
    problems += [f"{prefix}{name}: {why}" for name, why in _extra_files(folder, manifest)]
    return list(dict.fromkeys(problems)), claims


def _claims_without_index(folder: Path, manifest: Mapping[str, Any], prefix: str) -> list[Claim]:
    files, shards = manifest["files"].items(), manifest["shards"].items()
    return [
        *(FileClaim(folder / name, prefix + name, facts["sha256"], facts["bytes"]) for name, facts in files),
        *(ShardClaim(folder / name, prefix + name, facts, None) for name, facts in shards),
    ]


def _sample_problems(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Where samples, index and counts disagree, or a clip lies in two splits; none where the files cannot be read."""
    samples, index = _read(folder, manifest, SAMPLES_FILE), _read(folder, manifest, INDEX)
    if samples is None or samples.schema != SAMPLES:
        return []  # its own claim says so
    problems = []
    if samples.height != manifest["samples"] or counts_of(samples) != manifest["counts"]:
        problems.append(f"{SAMPLES_FILE}: its counts are not those of {MANIFEST}.")
    twice = in_several(samples, "split")["clip_id"].unique(maintain_order=True)
    problems += [f"{SAMPLES_FILE}: clip {clip_id} lies in two splits." for clip_id in twice]
    shared = ["key", "split", "size", "crc32"]
    if index is not None and set(shared) <= set(index.columns):
        differ = len(set(index.select(shared).rows()) ^ set(samples.select(shared).rows()))
        problems += [f"{INDEX}: it and {SAMPLES_FILE} disagree in {differ} rows."] if differ else []
    return problems


def _read(folder: Path, manifest: Mapping[str, Any], name: str) -> pl.DataFrame | None:
    try:
        return read_whole(folder / name, _sha256_of(manifest, name))
    except (OSError, ValueError):
        return None


def _sha256_of(manifest: Mapping[str, Any], name: str) -> str:
    """What the manifest says of a file; nothing that any file could have, where it does not name it."""
    return str(manifest["files"].get(name, {}).get("sha256", ""))


def _extra_files(folder: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Files that the manifest does not name; links to a dataset are no part of a release."""
    named = {MANIFEST, *manifest["files"], *manifest["shards"]}
    for path in _files_below(folder):
        name = path.relative_to(folder).as_posix()
        if name not in named and not path.is_symlink():
            yield name, _LEFT if _is_temporary(name) else f"not in {MANIFEST}; it is no part of the release."


def _files_below(folder: Path) -> Iterator[Path]:
    """Files and links, those in linked folders left out, in order of their names."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(files))


def _is_temporary(name: str) -> bool:
    return any(part.startswith(TEMPORARY) for part in Path(name).parts)


# ---- a store ---------------------------------------------------------------------------------------------------------


def _store_claims(root: Path) -> Claims:
    partitions = sorted(path for path in root.glob(f"*/{_PARTITION}*") if path.is_dir())
    releases = sorted(path for path in (root / RELEASES).glob("*") if path.is_dir() and not _is_temporary(path.name))
    temporary = [f"{path.relative_to(root).as_posix()}: {_LEFT}" for path in sorted(root.rglob(f"{TEMPORARY}*"))]
    return _joined(
        [
            (temporary, []),
            *(_partition_claims(path, f"{path.parent.name}/{path.name}/") for path in partitions),
            *(release_claims(path, f"{RELEASES}/{path.name}/") for path in releases),
        ]
    )


def _partition_claims(folder: Path, prefix: str = "") -> Claims:
    """A partition of any stage, by its receipt; one of `training_shards` by its manifest and index too."""
    try:
        receipt = Receipt.model_validate_json((folder / RECEIPT).read_bytes())
    except (OSError, ValueError):
        if not any(folder.glob("*.parquet")):
            return [], []
        return [f"{prefix}{RECEIPT}: missing, or cannot be read; the stage counts as not done. `coc run` does it."], []
    if receipt.status == "failed":
        return [], []  # `coc status` says why
    outputs = receipt.outputs
    problems, claims = chunk_claims(folder, prefix, outputs.get(INDEX)) if receipt.stage == STAGE else ([], [])
    named = {claim.name for claim in claims}
    of_receipt = [FileClaim(folder / name, prefix + name, sha256) for name, sha256 in sorted(outputs.items())]
    return problems, [*claims, *(claim for claim in of_receipt if claim.name not in named)]


def _joined(parts: Iterator[Claims] | list[Claims]) -> Claims:
    problems: list[str] = []
    claims: list[Claim] = []
    for found, more in parts:
        problems += found
        claims += more
    return problems, claims
