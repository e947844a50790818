"""Running one stage on one chunk: fingerprint, skip or make, write tables, leave a receipt.

Everything that all seven stages share is here, and none of it knows Dagster: the assets, the benchmark and the tests
call the same function.
"""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from coc_assets.logs import log_stage
from resources import schemas
from resources.dataset import DatasetRoot
from resources.receipts import (
    WHOLE,
    Fingerprint,
    InputFile,
    Receipt,
    digest_of,
    fingerprint_file,
    read_receipt,
    write_receipt,
)
from resources.settings import Settings, settings_hash
from resources.store import LABELER_PREFIX, RECEIPT, Store, sha256_of_file

Progress = Callable[[int, int], None]
Companion = TypeVar("Companion")


class StageError(Exception):
    """A partition cannot be made; the message names the file or asset and the mend."""


@dataclass(frozen=True)
class Workspace:
    """What every stage reaches: the settings, the store and the dataset.

    Attributes:
        progress: called with chunk, stage, items done, items in total and a note.
        processes: how many work side by side on this run; what is limited for all is shared out among them.
        companions: what stages keep from chunk to chunk.
    """

    settings: Settings
    progress: Callable[[str, str, int, int, str], None] | None = field(default=None, compare=False)
    processes: int = field(default=1, compare=False)
    companions: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def companion(self, name: str, start: Callable[[], Companion]) -> Companion:
        """What a stage keeps from chunk to chunk under a name, started when it is first asked for."""
        if name not in self.companions:
            self.companions[name] = start()
        kept: Companion = self.companions[name]
        return kept

    @property
    def store(self) -> Store:
        return Store(self.settings.store)

    @cached_property
    def root(self) -> DatasetRoot:
        if self.settings.dataset is None:
            raise StageError("No dataset named. Pass --dataset DIR, or set COC_DATASET or `dataset:` in coc.yaml.")
        return DatasetRoot(self.settings.dataset)


@dataclass(frozen=True)
class Work:
    """One stage's view of one chunk.

    Attributes:
        retry: statuses whose labels are asked for again.
        run: names the run in what it leaves behind.
        force: what an earlier run of the stage left is not to be relied on.
        input_files: fingerprints of the dataset files that the stage reads, once they are known.
    """

    workspace: Workspace
    stage: Stage
    chunk: str
    retry: tuple[schemas.LabelStatus, ...] = ()
    run: str | None = None
    force: bool = False
    input_files: Mapping[str, InputFile] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self.workspace.settings

    @property
    def root(self) -> DatasetRoot:
        return self.workspace.root

    @property
    def store(self) -> Store:
        return self.workspace.store

    @property
    def folder(self) -> Path:
        return self.store.partition(self.stage.name, self.chunk)

    @property
    def part(self) -> str:
        """Name of this work's fingerprint in the receipt: the labeler where the stage keeps one file each."""
        return self.settings.labeler if self.stage.by_labeler else WHOLE

    def read(self, table: schemas.Table) -> pl.DataFrame:
        return self.store.read_table(table, self.chunk)

    def report(self, done: int, total: int, note: str = "") -> None:
        """Passes progress within the partition on to whoever watches."""
        if self.workspace.progress:
            self.workspace.progress(self.chunk, self.stage.name, done, total, note)


@dataclass(frozen=True)
class Unchanged:
    """A table's file that stays as it is: rows and content hash, as its receipt said."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Made:
    """What a stage made.

    Attributes:
        tables: frames by table name, `rejects` included.
        files: files it published in its partition itself, relative to it.
        figures: counts worth telling besides the rows of its tables.
        unchanged: by table name, of tables that it did not make: what lies there is neither read nor written.
    """

    tables: Mapping[str, pl.DataFrame]
    files: Sequence[str] = ()
    figures: Mapping[str, int | float] = field(default_factory=dict)
    unchanged: Mapping[str, Unchanged] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetInputs:
    """What a stage reads of the dataset: whole files, and rows of files shared by all chunks."""

    files: Sequence[Path] = ()
    rows: Mapping[str, object] = field(default_factory=dict)


def _reads_nothing(_: Work) -> DatasetInputs:
    return DatasetInputs()


def _gathers_nothing(_: Work) -> Mapping[str, object]:
    return {}


def _shaped_by_nothing_else(_: Work) -> None:
    return None


def _shaped_by_its_sections(_: Settings) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Stage:
    """One of the assets, without Dagster.

    Attributes:
        name: the asset's name.
        code_version: raised by hand when the same input would give other bytes.
        upstream: assets whose tables it reads.
        tables: what it writes besides `rejects`; the first is its main table.
        sections: the settings sections that shape its output, but for the keys named in `unshaped`.
        shaped_by: what of the settings shapes it besides its sections.
        shape: what else shapes it, as anything JSON can hold.
        make: does the work.
        inputs: what it reads of the dataset.
        gathers: what it reads of its own partition that others leave there, by name, as anything JSON can hold.
        by_labeler: it keeps one file a labeler and rewrites only the present one's.
    """

    name: str
    code_version: str
    upstream: tuple[str, ...]
    tables: tuple[schemas.Table, ...]
    sections: tuple[str, ...]
    make: Callable[[Work], Made]
    inputs: Callable[[Work], DatasetInputs] = _reads_nothing
    gathers: Callable[[Work], Mapping[str, object]] = _gathers_nothing
    shaped_by: Callable[[Settings], dict[str, Any]] = _shaped_by_its_sections
    shape: Callable[[Work], Any] = _shaped_by_nothing_else
    unshaped: frozenset[str] = frozenset()
    by_labeler: bool = False

    @property
    def reads_dataset(self) -> bool:
        """Whether it reads files or lists of the dataset itself."""
        return self.inputs is not _reads_nothing

    def shaping(self, settings: Settings) -> dict[str, Any]:
        """The values of the settings that shape this stage, by section."""
        sections = {
            name: getattr(settings, name).model_dump(mode="json", exclude=set(self.unshaped)) for name in self.sections
        }
        return sections | self.shaped_by(settings)


@dataclass(frozen=True)
class Outcome:
    """A partition after its stage: its receipt, and whether it was already fresh."""

    receipt: Receipt
    fresh: bool


@dataclass(frozen=True)
class Standing:
    """What a stage would be made from now, beside what its receipt says it was made from."""

    receipt: Receipt | None
    fingerprint: Fingerprint
    input_files: dict[str, InputFile]

    def is_fresh(self, work: Work) -> bool:
        made_from = self.receipt.fingerprints.get(work.part) if self.receipt else None
        return (
            self.receipt is not None
            and self.receipt.status == "done"
            and made_from == self.fingerprint
            and all((work.folder / name).is_file() for name in self.receipt.outputs)
        )


def standing(work: Work) -> Standing:
    """Fingerprints the stage's present inputs; hashes only dataset files whose size or mtime changed."""
    return standing_of(work, read_receipt(work.store, work.stage.name, work.chunk))


def standing_of(work: Work, receipt: Receipt | None) -> Standing:
    """The same, beside a receipt that was read already."""
    readable = work.settings.dataset is not None or not work.stage.reads_dataset
    contents, files = _read_inputs(work, receipt) if readable else _recorded_inputs(work, receipt)
    gathered = {name: digest_of(content) for name, content in work.stage.gathers(work).items()}
    fingerprint = Fingerprint(
        code_version=work.stage.code_version,
        settings_hash=settings_hash([work.stage.shaping(work.settings), work.stage.shape(work)]),
        inputs=contents | gathered,
        upstream={name: _upstream_version(work, name) for name in work.stage.upstream},
    )
    return Standing(receipt, fingerprint, files)


def _read_inputs(work: Work, receipt: Receipt | None) -> tuple[dict[str, str], dict[str, InputFile]]:
    inputs = work.stage.inputs(work)
    known = receipt.input_files if receipt else {}
    files = {key: fingerprint_file(path, key, known) for path in inputs.files for key in [work.root.relative(path)]}
    return {key: file.sha256 for key, file in files.items()} | {k: digest_of(v) for k, v in inputs.rows.items()}, files


def _recorded_inputs(work: Work, receipt: Receipt | None) -> tuple[dict[str, str], dict[str, InputFile]]:
    """Where no dataset is named (`coc status` of a store alone) the inputs count as unchanged."""
    made_from = receipt.fingerprints.get(work.part) if receipt else None
    return (made_from.inputs, receipt.input_files) if receipt and made_from else ({}, {})


def run_stage(
    stage: Stage,
    workspace: Workspace,
    chunk: str,
    *,
    force: bool = False,
    retry: tuple[schemas.LabelStatus, ...] = (),
    run: str | None = None,
) -> Outcome:
    """Makes one partition, or finds it fresh.

    Raises:
        StageError: an upstream partition is missing, or the stage failed; its receipt then says `failed` and why.
    """
    work = Work(workspace, stage, chunk, retry, run, force)
    _require_upstream(work)
    now = standing(work)
    if now.receipt and not force and not retry and now.is_fresh(work):
        receipt = _as_read_now(work, now.receipt, now)
        log_stage(work, "fresh", receipt)
        return Outcome(receipt, fresh=True)
    return Outcome(remake(work, now), fresh=False)


def _as_read_now(work: Work, receipt: Receipt, now: Standing) -> Receipt:
    """The receipt, with the present times of files that were only touched, so that they are not hashed again."""
    if receipt.input_files == now.input_files:
        return receipt
    touched = receipt.model_copy(update={"input_files": now.input_files})
    write_receipt(work.store, touched)
    return touched


def remake(work: Work, now: Standing) -> Receipt:
    """Makes a partition, fresh or not: its claim is withdrawn first, its receipt written last.

    Raises:
        StageError: the stage failed; its receipt then says `failed` and why.
    """
    earlier = _withdraw(work, now.receipt)
    work.report(0, 1)
    started = time.perf_counter()
    try:
        work.store.sweep(work.folder)
        made = work.stage.make(replace(work, input_files=now.input_files))
        receipt = _write(work, made, now, earlier)
    except Exception as error:
        failed = _record_failure(work, error, earlier, time.perf_counter() - started)
        log_stage(work, "failed", failed)
        raise StageError(f"{work.stage.name} of chunk {work.chunk} failed: {_said(error, work)}") from error
    receipt = receipt.model_copy(update={"duration_s": round(time.perf_counter() - started, 3)})
    write_receipt(work.store, receipt)
    log_stage(work, "made", receipt)
    work.report(1, 1)
    return receipt


def _require_upstream(work: Work) -> None:
    lacking = [name for name in work.stage.upstream if not _is_done(read_receipt(work.store, name, work.chunk))]
    if lacking:
        store = work.store.root
        raise StageError(
            f"{work.stage.name} of chunk {work.chunk} reads {', '.join(lacking)}, not finished in {store}. "
            f"Make it: coc run --store {store} --chunks {int(work.chunk)} --select {' '.join(lacking)}"
        )


def _is_done(receipt: Receipt | None) -> bool:
    return receipt is not None and receipt.status == "done"


def _upstream_version(work: Work, name: str) -> str:
    receipt = read_receipt(work.store, name, work.chunk)
    return receipt.data_version if receipt else ""


def _withdraw(work: Work, receipt: Receipt | None) -> dict[str, Fingerprint]:
    """Takes this part's claim back before its files change, so that a killed run never looks whole."""
    kept = {part: print_ for part, print_ in (receipt.fingerprints if receipt else {}).items() if part != work.part}
    if receipt and kept:
        write_receipt(work.store, receipt.model_copy(update={"fingerprints": kept, "checks": {}}))
    elif receipt:
        (work.folder / RECEIPT).unlink(missing_ok=True)
    return kept


def _write(work: Work, made: Made, now: Standing, earlier: dict[str, Fingerprint]) -> Receipt:
    names = [*made.files, *_write_tables(work, made)]
    names += [f"{LABELER_PREFIX}{part}.parquet" for part in earlier if part != work.part and work.stage.by_labeler]
    unchanged = {f"{name}.parquet": as_it_is for name, as_it_is in made.unchanged.items()}
    if not work.stage.by_labeler:
        work.store.keep_only(work.folder, [*names, *unchanged])
    hashes = {name: sha256_of_file(work.folder / name) for name in set(names)}
    outputs = dict(sorted({**hashes, **{name: as_it_is.sha256 for name, as_it_is in unchanged.items()}}.items()))
    rejects = made.tables[schemas.REJECTS.name]
    rows = {name: frame.height for name, frame in made.tables.items()}
    return Receipt(
        stage=work.stage.name,
        chunk=work.chunk,
        status="done",
        data_version=digest_of(outputs),
        fingerprints={**earlier, work.part: now.fingerprint},
        dataset=str(work.settings.dataset.absolute()) if work.settings.dataset else None,
        input_files=now.input_files,
        outputs=outputs,
        counts={**rows, **{name: as_it_is.rows for name, as_it_is in made.unchanged.items()}},
        figures={**made.figures, "rejected": _named_rejects(rejects)},
        rejects=dict(sorted(Counter(rejects["reason"].to_list()).items())),
    )


def _write_tables(work: Work, made: Made) -> list[str]:
    """Names of the files."""
    names = []
    for table in (*work.stage.tables, schemas.REJECTS):
        if table.name not in made.unchanged:
            labeler = work.part if work.stage.by_labeler else None
            path = work.store.table_path(table, work.chunk, asset=work.stage.name, labeler=labeler)
            work.store.write_table(made.tables[table.name], table, path, work.chunk)
            names.append(path.name)
    return names


def _said(error: Exception, work: Work) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space left under {work.store.root}. Free some; the same command goes on from there."
    return str(error)


def _named_rejects(rejects: pl.DataFrame) -> int:
    """Rejected clips, keyframes and labels; rows about the chunk as a whole do not count."""
    named = pl.any_horizontal(pl.col("clip_id", "keyframe_id", "label_id").is_not_null())
    return rejects.filter((pl.col("severity") == "rejected") & named).height


def _record_failure(work: Work, error: Exception, earlier: dict[str, Fingerprint], seconds: float) -> Receipt:
    receipt = Receipt(
        stage=work.stage.name,
        chunk=work.chunk,
        status="failed",
        fingerprints=earlier,
        duration_s=round(seconds, 3),
        error=f"{type(error).__name__}: {error}",
    )
    write_receipt(work.store, receipt)
    return receipt
