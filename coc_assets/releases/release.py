"""Making a release: choose, order, copy, describe, and put the whole in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.processes import in_processes
from coc_assets.releases.balance import Balanced, balance
from coc_assets.releases.building import FolderExistsError, building
from coc_assets.releases.card import write_card
from coc_assets.releases.gather import (
    SAMPLES,
    STAGE,
    ReleaseError,
    Standing,
    damaged,
    mend,
    samples_of,
    standing_of,
    versions_of,
)
from coc_assets.releases.links import link_overlays
from coc_assets.releases.manifest import (
    SCHEMA_VERSION,
    counts_of,
    labels_of,
    package_version,
    sealed,
    settings_told,
    splits_of,
)
from coc_assets.releases.shards import in_order, write_release_shards
from coc_assets.releases.words import Words, read_words, write_forms
from coc_assets.stage import Workspace
from coc_assets.training_shards.forms.told import Written
from coc_assets.training_shards.writer import MANIFEST, WrittenShard, shard_summary, write_index
from resources.receipts import read_receipt
from resources.settings import Settings
from resources.store import Store, sha256_of_file

SAMPLES_FILE, LEFT_OUT_FILE = "samples.parquet", "left_out.parquet"

_NAMED = 8  # chunks that a refusal names one by one

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and how much there is."""


@dataclass(frozen=True)
class Released:
    """A release in place.

    Attributes:
        folder: that it lies in. manifest: its content. unfinished: chunks left out, and why.
    """

    folder: Path
    manifest: Mapping[str, Any]
    unfinished: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What goes into a release, decided before anything is written.

    Attributes:
        name: of the release. settings: those that shape it, as its manifest tells them.
        standing: of the chunks. samples: those taken, in their order. left_out: by balancing, `balance.LEFT_OUT`.
    """

    name: str
    settings: Mapping[str, Any]
    standing: Standing
    samples: pl.DataFrame
    left_out: pl.DataFrame


def release(
    workspace: Workspace,
    name: str,
    chunks: Sequence[str],
    target: Path,
    progress: Progress,
    *,
    jobs: int = 1,
    finished_only: bool = False,
) -> Released:
    """Freezes the samples of the chunks into a folder; equal input gives equal bytes, however many processes.

    Args:
        target: the folder; it must not be there yet.
        progress: told of each step.
        finished_only: leave chunks out that are not finished, instead of refusing.

    Raises:
        ReleaseError: the chunks cannot be released, or the folder is there already.
        DamagedSourceError: a file of a chunk is not as it was written.
        BalanceError: a rule names a class that there is not.
        ShardPlanError: a sample alone exceeds the ceiling.
    """
    told = settings_told(workspace.settings)
    standing = standing_of(workspace, chunks, _of(progress, "chunks looked at"))
    if standing.unfinished and not (finished_only and standing.finished):
        raise ReleaseError(_unfinished(workspace.settings, standing))
    plan = _plan(workspace.settings, name, told, standing, progress)
    try:
        with building(target) as folder:
            content = _fill(workspace, plan, folder, jobs, progress)
            _require_unchanged(workspace, standing)
    except FolderExistsError as error:
        raise ReleaseError(f"{error} A release never changes: choose another name, or another --out.") from None
    return Released(target, content, standing.unfinished)


def _plan(settings: Settings, name: str, told: Mapping[str, Any], standing: Standing, progress: Progress) -> Plan:
    samples = samples_of(settings, standing.finished, _of(progress, "chunks read"))
    balanced = balance(samples, settings.release)
    if not balanced.kept.height:
        raise ReleaseError(_nothing_left(settings, samples, balanced))
    return Plan(name, told, standing, in_order(balanced.kept), balanced.left_out)


def _fill(workspace: Workspace, plan: Plan, folder: Path, jobs: int, progress: Progress) -> dict[str, Any]:
    """Writes everything into a folder, the manifest last, and gives its content."""
    samples, settings = plan.samples, workspace.settings
    written: list[WrittenShard] = []
    if "wds" in settings.shards.formats:
        written = write_release_shards(samples, settings, folder, jobs, _of(progress, "shards written"))
        write_index(folder, written)
    words = read_words(workspace, samples, _of(progress, "chunks told"))
    forms, expected = write_forms(workspace, words, folder)
    _write_table(folder / SAMPLES_FILE, samples.select(SAMPLES.names()))
    _write_table(folder / LEFT_OUT_FILE, plan.left_out)
    about = _about(plan, written, forms)
    write_card(folder, about, samples, words.motion)
    files = _files_of(folder, {one.shard.name for one in written}, jobs, _of(progress, "files hashed"))
    _require_as_told(settings, words, files, expected)
    content = about | {"files": files}
    Store(folder).write_bytes(folder / MANIFEST, sealed(content))
    if "pai_overlay" in forms and settings.dataset:
        link_overlays(folder, settings.dataset)
    return content


def _about(plan: Plan, written: Sequence[WrittenShard], forms: Mapping[str, Written]) -> dict[str, Any]:
    """The manifest's content but for `files`."""
    shards = {one.shard.name: shard_summary(one) for one in written}
    data, code = versions_of(plan.standing.finished)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": plan.name,
        "formats": sorted(plan.settings["shards"]["formats"]),
        "samples": plan.samples.height,
        "clips": plan.samples["clip_id"].n_unique(),
        "splits": splits_of(plan.samples, shards),
        "counts": counts_of(plan.samples),
        "left_out": _counted(plan.left_out["reason"].to_list()),
        "left_out_of_forms": {form: dict(sorted(one.left_out.items())) for form, one in forms.items()},
        "shards": shards,
        "sources": {
            "chunks": data,
            "code": code,
            "coc_assets": package_version(),
            "labels": labels_of(plan.samples),
        },
        "settings": plan.settings,
    }


def _counted(names: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _write_table(path: Path, frame: pl.DataFrame) -> None:
    with Store(path.parent).publish(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")


def _files_of(
    folder: Path, shards: set[str], jobs: int, progress: Callable[[int, int], None]
) -> dict[str, dict[str, Any]]:
    """sha256 and size of every file but the shards, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in shards)
    hashes = in_processes(sha256_of_file, files, jobs, progress)
    return {
        path.relative_to(folder).as_posix(): {"sha256": sha256, "bytes": path.stat().st_size}
        for path, sha256 in zip(files, hashes, strict=True)
    }


def _require_as_told(
    settings: Settings, words: Words, files: Mapping[str, Mapping[str, Any]], expected: Mapping[str, str]
) -> None:
    """Every video taken over is what its chunk says of it."""
    wrong = next((name for name, sha256 in sorted(expected.items()) if files[name]["sha256"] != sha256), None)
    if wrong is not None:
        key = Path(wrong).stem
        chunk = next(row["chunk"] for row in words.rows if row["keyframe_id"] == key)
        file = Store(Path()).partition(STAGE, chunk) / wrong
        raise damaged(settings, chunk, str(file), "is damaged: it is not what its chunk's manifest says")


def _require_unchanged(workspace: Workspace, standing: Standing) -> None:
    """No chunk was made anew since it was looked at."""
    for chunk, status in standing.finished.items():
        receipt = read_receipt(workspace.store, STAGE, chunk)
        if receipt is None or receipt.data_version != status.receipts[STAGE].data_version:
            raise ReleaseError(
                f"Chunk {chunk} was made anew while it was being released. Nothing was released; do it again when "
                "`coc run` has ended."
            )


def _unfinished(settings: Settings, standing: Standing) -> str:
    named = [f"chunk {chunk}: {why}" for chunk, why in list(standing.unfinished.items())[:_NAMED]]
    more = [f"and {len(standing.unfinished) - _NAMED} more"] if len(standing.unfinished) > _NAMED else []
    others = " Or release only what is finished: --finished-only." if standing.finished else ""
    count = len(standing.unfinished)
    lines = [f"{count} chunk{' is' if count == 1 else 's are'} not ready to be released:", *named, *more]
    return "\n".join([*lines, f"Make them: {mend(settings, list(standing.unfinished))}{others}"])


def _nothing_left(settings: Settings, samples: pl.DataFrame, balanced: Balanced) -> str:
    if not samples.height:
        return f"The chunks of {settings.store} hold no sample. `coc status` tells what became of their labels."
    counts = _counted(balanced.left_out["reason"].to_list())
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return f"release.balance leaves none of {samples.height} samples ({reasons}). Allow more of them."


def _of(progress: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(what, done, total)
