"""Checks of the store: that it can be written, has room, and holds whole partitions."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from coc_assets.doctor.finding import NAMED, Finding, Setup, ok, problem, warn
from coc_assets.some_of import some_of
from coc_assets.stages import ALL_STAGES_BY_NAME, STAGES
from resources.receipts import Receipt, read_receipt
from resources.settings import SettingsError
from resources.store import RECEIPT, TEMPORARY, Store, flush

_MB, _GB = 1_000_000, 1_000_000_000
_LEAST_FREE = 500 * _MB  # for Dagster's databases, logs and one chunk
_LEAST_INODES = 10_000
_MEASURED = 8  # finished chunks whose files are counted, to know what one takes
_FAILURES = 10  # that are told one by one
_AMPLE = 1.5  # times the estimate; chunks differ


def writable(setup: Setup) -> Iterator[Finding]:
    """A file can be made in the store, flushed to disk and renamed, as every table is."""
    folder = setup.standing_folder
    probe = folder / f"{TEMPORARY}{os.getpid()}-doctor"
    try:
        Store(folder).write_bytes(probe, b"probe")
        flush(folder)
    except OSError as error:
        mend = f"chmod u+rwx {folder}, mount it read-write, or name another --store (COC_STORE)"
        yield problem(f"{folder} cannot be written ({error.strerror or error})", mend)
        return
    finally:
        _remove(probe)
    made = "can be written" if folder == setup.settings.store.absolute() else "is not there yet; the first run makes it"
    yield ok(f"{setup.settings.store} {made}")


def _remove(probe: Path) -> None:
    try:
        probe.unlink(missing_ok=True)
    except OSError:
        return


def disk(setup: Setup) -> Iterator[Finding]:
    """There is room for the chunks that are not made yet, by what those that are take."""
    left = setup.disk_of(setup.standing_folder)
    done = [
        chunk for chunk in setup.store.chunks() if (setup.store.partition(STAGES[-1].name, chunk) / RECEIPT).is_file()
    ]
    missing = len(set(setup.chunks) - set(done))
    size, files = _taken(setup.store, done[-_MEASURED:])
    for name, free, needed, least in (
        ("free", left.free / _GB, missing * size / _GB, _LEAST_FREE / _GB),
        ("files may be made", left.inodes, missing * files, _LEAST_INODES),
    ):
        if free is not None:
            yield _room(name, free, needed, least, missing, setup.standing_folder)


def _room(name: str, free: float, needed: float, least: float, missing: int, folder: Path) -> Finding:
    unit = " GB" if name == "free" else ""
    said = f"{free:,.1f}{unit} {name}" if unit else f"{free:,.0f} {name}"
    if missing and needed:
        said += f"; the {missing:,} chunks not made yet take about {needed:,.1f}{unit}"
    mend = f"Free space on the disk of {folder} (coc gc helps), or name a --store on another"
    if free < max(needed, least):
        return problem(said, mend)
    return warn(said, mend) if free < _AMPLE * needed else ok(said)


def _taken(store: Store, chunks: Sequence[str]) -> tuple[float, float]:
    """Bytes and files that one chunk takes, on average over these; zeros where there are none."""
    sizes = [
        path.stat().st_size
        for chunk in chunks
        for stage in ALL_STAGES_BY_NAME
        for path in store.partition(stage, chunk).rglob("*")
        if path.is_file()
    ]
    return (sum(sizes) / len(chunks), len(sizes) / len(chunks)) if chunks else (0.0, 0.0)


def receipts(setup: Setup) -> Iterator[Finding]:
    """Every partition has a receipt that reads, and none says that its stage failed."""
    counted: Counter[str] = Counter()
    failures: list[Receipt] = []
    for stage in ALL_STAGES_BY_NAME:
        for chunk in _partitions(setup.store, stage):
            receipt = read_receipt(setup.store, stage, chunk)
            counted[receipt.status if receipt else "unreadable"] += 1
            failures += [receipt] if receipt and receipt.status == "failed" else []
    yield from (_failed(receipt, setup) for receipt in failures[:_FAILURES])
    if len(failures) > _FAILURES:
        yield problem(
            f"{len(failures) - _FAILURES:,} more partitions failed", f"coc status --store {setup.settings.store}"
        )
    if counted["unreadable"]:
        said = f"{counted['unreadable']:,} partitions have no receipt that reads: a run was killed, or is at work"
        yield warn(said, f"coc run {_at(setup)} makes them anew")
    yield ok(f"{counted['done']:,} partitions are finished, by their receipts")


def _failed(receipt: Receipt, setup: Setup) -> Finding:
    first = (receipt.error or "").splitlines()[:1]
    return problem(
        f"{receipt.stage} of chunk {receipt.chunk} failed: {' '.join(first)}",
        f"Mend what it names, then coc run --chunks {int(receipt.chunk)} {_at(setup)}",
    )


def _partitions(store: Store, stage: str) -> list[str]:
    return sorted(path.name.removeprefix("chunk=") for path in (store.root / stage).glob("chunk=*") if path.is_dir())


def stages(setup: Setup) -> Iterator[Finding]:
    """What was made is up to date with the dataset and the settings, and passed its checks."""
    from coc_assets.stage import Workspace
    from coc_assets.status import as_recorded, store_status

    settings = setup.settings if setup.chunks else setup.settings.model_copy(update={"dataset": None})
    if not setup.store.root.is_dir():
        return
    try:
        statuses = store_status(Workspace(as_recorded(settings)))
    except SettingsError:
        return  # a check of its own tells of it
    states = Counter(state for status in statuses for state in status.states.values())
    stale = [status.chunk for status in statuses if "stale" in status.states.values()]
    if stale:
        said = f"{states['stale']:,} partitions of chunk {some_of(stale, NAMED)} are out of date"
        yield warn(said, f"coc run --stale {_at(setup)}")
    failed = [f"{check} of chunk {status.chunk}" for status in statuses for check in status.failed_checks]
    if failed:
        yield warn(
            f"{len(failed):,} checks failed: {some_of(failed, NAMED)}", f"coc status --store {setup.settings.store}"
        )
    yield ok(f"{states['done']:,} partitions are up to date, {states['missing']:,} not made yet")


def leftovers(setup: Setup) -> Iterator[Finding]:
    """Killed writers left nothing behind."""
    from coc_assets.collecting.files import WRITING, find_garbage

    if not setup.store.root.is_dir():
        return
    now = datetime.now(UTC)
    old = find_garbage(setup.store, settled=now - WRITING, logs_before=datetime.min.replace(tzinfo=UTC), at_work=())
    size = sum(garbage.size for garbage in old)
    if old:
        said = f"{len(old):,} leftover files and folders take {size / _MB:,.1f} MB"
        yield warn(said, f"coc gc --store {setup.settings.store}")
    else:
        yield ok("nothing is left over from killed runs")


def _at(setup: Setup) -> str:
    dataset = f"--dataset {setup.settings.dataset} " if setup.settings.dataset else ""
    return f"{dataset}--store {setup.settings.store}"
