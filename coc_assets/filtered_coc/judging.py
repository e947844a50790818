"""Judging anew: verdicts of finished partitions decided again from the measurements that they hold.

Nothing is measured, no model is asked and Dagster runs nothing, so a whole store changes its mind in seconds.
A partition is left as `run_stage` under the same policy would leave it, byte for byte; its checks spoke of the earlier
verdicts and count as not evaluated until the next `coc run`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from coc_assets.filtered_coc.policy import Policy, decide, load_policy, rejected
from coc_assets.filtered_coc.stage import STAGE, count_verdicts, shaped_by_policy
from coc_assets.stage import Made, Stage, StageError, Standing, Work, Workspace, run_stage, standing
from resources import schemas
from resources.receipts import WHOLE, Fingerprint, Receipt
from resources.settings import settings_hash
from resources.store import Store

if TYPE_CHECKING:
    import dagster as dg

EXAMPLES = 3
_CHUNKS_AT_ONCE = 128  # bounds memory; more are not faster
_WRITERS = 8
_DATA_VERSION_TAG = "dagster/data_version"
_KEY = ("chunk", "label_id")
_OF_LABELS = (*_KEY, "keyframe_id", "clip_id", "labeler", "status", "reason")
_FIGURES = (*_KEY, "instrument", "version", "name", "value")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Judged:
    """What came of judging anew.

    Attributes:
        policy: version of the policy that the verdicts now follow.
        receipts: by chunk, of the partitions written; where `changed`, with other bytes than before.
        fresh: chunks that followed the policy already.
        verdicts: labels by verdict, over all of these chunks.
        moved: labels by (earlier verdict, present verdict) where the two differ.
        left_out: by chunk, why it was not judged and what to do.
        failed: by chunk, why it could not be written; its receipt says so, and `coc run` makes it again.
    """

    policy: str
    receipts: Mapping[str, Receipt]
    changed: tuple[str, ...]
    fresh: tuple[str, ...]
    verdicts: Mapping[str, int]
    moved: Mapping[tuple[str, str], int]
    left_out: Mapping[str, str]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class PolicyDiff:
    """What another policy would say of the same labels.

    Attributes:
        before, after: versions of the two policies.
        verdicts: one row a pair of verdicts: before, after, labels. Pairs of equal ones are among them.
        rules: where verdicts differ, the rules that decide: before, after, rule_before, rule_after (null where none
            fires), labels; most labels first.
        examples: some labels of each pair that differs: chunk, label_id, keyframe_id, labeler, before, after, trace,
            reasons_before, reasons_after.
        left_out: by chunk, why its labels are not counted and what to do.
    """

    before: str
    after: str
    verdicts: pl.DataFrame
    rules: pl.DataFrame
    examples: pl.DataFrame
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class _Survey:
    """Chunks whose measurements stand, by whether their verdicts follow the policy already, and the other ones."""

    fresh: dict[str, Receipt]
    due: dict[str, Receipt]
    left_out: dict[str, str]


@dataclass(frozen=True)
class _Anew:
    """A chunk's tables by name, of the measurements their rows at least, and what moved."""

    tables: dict[str, pl.DataFrame]
    moved: Counter[tuple[str, str]]


@dataclass(frozen=True)
class _Renewed:
    """A chunk after it was written, or why it could not be."""

    chunk: str
    receipt: Receipt | None = None
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    problem: str = ""


def judge(workspace: Workspace, chunks: Sequence[str], policy: str, *, progress: Progress | None = None) -> Judged:
    """Decides the verdicts of finished partitions anew and writes the partitions that another policy decided.

    Nothing else may work on the store meanwhile.

    Args:
        policy: as in `filtering.policy`: a packaged policy's name, or a path.
        progress: called with chunks done and chunks in total.

    Raises:
        PolicyError: there is no such policy.
    """
    rules = load_policy(policy)
    survey = _survey(workspace, _rejudging(rules), chunks)
    receipts: dict[str, Receipt] = {}
    failed: dict[str, str] = {}
    moved: Counter[tuple[str, str]] = Counter()
    for outcome in _renew(workspace, rules, survey.due):
        if outcome.receipt:
            receipts[outcome.chunk] = outcome.receipt
            moved += outcome.moved
        else:
            failed[outcome.chunk] = outcome.problem
        if progress:
            progress(len(receipts) + len(failed), len(survey.due))
    return Judged(
        policy=rules.version,
        receipts=receipts,
        changed=tuple(chunk for chunk, left in receipts.items() if left.outputs != survey.due[chunk].outputs),
        fresh=tuple(survey.fresh),
        verdicts=_verdicts_in([*survey.fresh.values(), *receipts.values()]),
        moved=dict(sorted(moved.items())),
        left_out=survey.left_out,
        failed=failed,
    )


def report(instance: dg.DagsterInstance, judged: Judged) -> None:
    """Tells Dagster of each partition with new bytes, without a run: rows, labels by verdict, data version."""
    import dagster as dg

    for chunk in judged.changed:
        receipt = judged.receipts[chunk]
        metadata = {
            "dagster/partition_row_count": receipt.counts[schemas.VERDICTS.name],
            "policy": judged.policy,
            "duration_s": receipt.duration_s,
            **receipt.figures,
        }
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                receipt.stage,
                description="judged anew from the measurements at hand",
                metadata=metadata,
                partition=chunk,
                tags={_DATA_VERSION_TAG: receipt.data_version},
            )
        )


def diff_policies(
    workspace: Workspace, chunks: Sequence[str], policy_a: str, policy_b: str, *, examples: int = EXAMPLES
) -> PolicyDiff:
    """How the verdicts of one policy and of another differ on the labels at hand; nothing is written.

    Args:
        policy_a, policy_b: before and after, as in `filtering.policy`.
        examples: labels shown at most of each pair of verdicts.

    Raises:
        PolicyError: there is no such policy.
    """
    before, after = load_policy(policy_a), load_policy(policy_b)
    survey = _survey(workspace, _rejudging(before), chunks)
    known = sorted([*survey.fresh, *survey.due])
    parts = [_compare(workspace.store, some, before, after) for some in _some_at_a_time(known)]
    both = pl.concat(parts) if parts else _compared(schemas.empty(schemas.VERDICTS), schemas.empty(schemas.VERDICTS))
    differing = both.filter(pl.col("before") != pl.col("after"))
    firsts = [pl.col(f"reasons_{side}").list.first().alias(f"rule_{side}") for side in ("before", "after")]
    return PolicyDiff(
        before=before.version,
        after=after.version,
        verdicts=_counted(both, ["before", "after"]).sort("before", "after"),
        rules=_counted(differing.with_columns(firsts), ["before", "after", "rule_before", "rule_after"]).sort(
            "labels", "before", "after", "rule_before", "rule_after", descending=[True, *[False] * 4]
        ),
        examples=_with_traces(workspace.store, _some_of_each(differing, examples)),
        left_out=survey.left_out,
    )


# ---- which partitions ------------------------------------------------------------------------------------------------


def _rejudging(policy: Policy) -> Stage:
    """The stage as far as judging anew goes: under this policy, and without the labels' own measurements."""
    tables = (schemas.VERDICTS, schemas.SET_MEASUREMENTS)
    return replace(STAGE, tables=tables, shaped_by=lambda _: shaped_by_policy(policy.version))


def _survey(workspace: Workspace, stage: Stage, chunks: Sequence[str]) -> _Survey:
    works = {chunk: Work(workspace, stage, chunk) for chunk in sorted(chunks)}
    found = {chunk: standing(work) for chunk, work in works.items()}
    finished = [chunk for chunk, now in found.items() if _finished(works[chunk], now.receipt)]
    judged_by = _policies_in_force(workspace.store, finished)
    survey = _Survey({}, {}, {})
    for chunk, now in found.items():
        problem = _problem(works[chunk], now, judged_by.get(chunk))
        if problem or now.receipt is None:
            survey.left_out[chunk] = f"{problem}. {_mend(works[chunk])}"
        else:
            (survey.fresh if now.is_fresh(works[chunk]) else survey.due)[chunk] = now.receipt
    return survey


def _finished(work: Work, receipt: Receipt | None) -> bool:
    """The partition is whole, whatever it was made from."""
    if receipt is None or receipt.status != "done" or WHOLE not in receipt.fingerprints:
        return False
    return all((work.folder / name).is_file() for name in receipt.outputs)


def _policies_in_force(store: Store, chunks: Sequence[str]) -> dict[str, str]:
    """Version of the policy that decided each chunk's verdicts; chunks without a label have none."""
    versions = _read(store, schemas.VERDICTS, chunks, ("chunk", "policy_version"))
    return dict(versions.unique("chunk").iter_rows())


def _problem(work: Work, now: Standing, judged_by: str | None) -> str | None:
    """Why the measurements of a partition cannot be judged, None where they can."""
    if now.receipt is None or not _finished(work, now.receipt):
        return f"{STAGE.name} is not finished"
    made_from, today = now.receipt.fingerprints[WHOLE], _under(work, now.fingerprint, judged_by)
    if made_from.code_version != today.code_version:
        return "measured by another version of the code"
    changed = sorted(name for name, version in today.upstream.items() if made_from.upstream.get(name) != version)
    if changed:
        return f"{', '.join(changed)} changed after it was measured"
    if judged_by and made_from.settings_hash not in (today.settings_hash, now.fingerprint.settings_hash):
        return "measured with other settings of the filtering section"
    return None


def _under(work: Work, fingerprint: Fingerprint, policy: str | None) -> Fingerprint:
    """The fingerprint as another policy would have it."""
    if policy is None:
        return fingerprint
    stage = replace(work.stage, shaped_by=lambda _: shaped_by_policy(policy))
    shape = [stage.shaping(work.settings), stage.shape(work)]
    return fingerprint.model_copy(update={"settings_hash": settings_hash(shape)})


def _mend(work: Work) -> str:
    return f"Make it: coc run --store {work.store.root} --chunks {int(work.chunk)} --select {STAGE.name}"


# ---- deciding --------------------------------------------------------------------------------------------------------


def _renew(workspace: Workspace, policy: Policy, due: Mapping[str, Receipt]) -> Iterator[_Renewed]:
    """Each chunk's outcome, in order; while some chunks are written the next ones are decided."""
    with ThreadPoolExecutor(_WRITERS) as writers:
        pending = []
        try:
            for some in _some_at_a_time(list(due)):
                pending += [
                    writers.submit(_publish, workspace, policy, due[chunk], verdicts)
                    for chunk, verdicts in _decide_anew(workspace.store, some, policy).items()
                ]
            for one in pending:
                yield one.result()
        except BaseException:
            writers.shutdown(cancel_futures=True)  # chunks not begun keep their verdicts and their claim
            raise


def _decide_anew(store: Store, chunks: Sequence[str], policy: Policy) -> dict[str, _Anew]:
    """What a policy makes of each chunk's measurements."""
    measurements = _read(store, schemas.MEASUREMENTS, chunks, (*_FIGURES, "detail"))
    labels = _read_labels(store, chunks)
    verdicts = decide(measurements, labels, policy, key=_KEY)
    tables = [
        (schemas.VERDICTS, _by_chunk(verdicts)),
        (schemas.REJECTS, _by_chunk(rejected(verdicts, measurements, labels, policy, key=_KEY))),
        (schemas.MEASUREMENTS, _by_chunk(measurements.select("chunk"))),  # for their number
    ]
    moves = _moves(_read(store, schemas.VERDICTS, chunks, (*_KEY, "verdict")), verdicts)
    return {
        chunk: _Anew(
            {table.name: of.get(chunk, schemas.empty(table)) for table, of in tables}, moves.get(chunk, Counter())
        )
        for chunk in chunks
    }


def _moves(earlier: pl.DataFrame, present: pl.DataFrame) -> dict[str, Counter[tuple[str, str]]]:
    """By chunk, how many labels went from one verdict to another."""
    both = earlier.join(present.select(*_KEY, after="verdict"), on=_KEY).filter(pl.col("verdict") != pl.col("after"))
    moves: dict[str, Counter[tuple[str, str]]] = {}
    for chunk, before, after, labels in _counted(both, ["chunk", "verdict", "after"]).iter_rows():
        moves.setdefault(chunk, Counter())[before, after] = labels
    return moves


def _publish(workspace: Workspace, policy: Policy, earlier: Receipt, anew: _Anew) -> _Renewed:
    """Writes a chunk's verdicts as the stage does: claim withdrawn first, whole files, receipt last."""
    measurements = f"{schemas.MEASUREMENTS.name}.parquet"
    figures = count_verdicts(anew.tables[schemas.VERDICTS.name])
    stage = replace(_rejudging(policy), make=lambda _: Made(anew.tables, files=[measurements], figures=figures))
    dataset = Path(earlier.dataset) if earlier.dataset else None
    made_of = Workspace(workspace.settings.model_copy(update={"dataset": dataset}))
    try:
        return _Renewed(earlier.chunk, run_stage(stage, made_of, earlier.chunk).receipt, anew.moved)
    except StageError as error:
        return _Renewed(earlier.chunk, problem=str(error))


def _verdicts_in(receipts: Sequence[Receipt]) -> dict[str, int]:
    verdicts = ("keep", "review", "reject")
    return {verdict: sum(int(receipt.figures.get(verdict, 0)) for receipt in receipts) for verdict in verdicts}


def _compare(store: Store, chunks: Sequence[str], before: Policy, after: Policy) -> pl.DataFrame:
    measurements, labels = _read(store, schemas.MEASUREMENTS, chunks, _FIGURES), _read_labels(store, chunks)
    return _compared(*(decide(measurements, labels, policy, key=_KEY) for policy in (before, after)))


def _compared(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """One row a label with the verdicts and reasons of both; both hold the same labels in the same order."""
    return before.select(*_KEY, "keyframe_id", "labeler", before="verdict", reasons_before="reasons").with_columns(
        after["verdict"].alias("after"), after["reasons"].alias("reasons_after")
    )


def _counted(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return rows.group_by(by).agg(pl.len().cast(pl.Int64).alias("labels"))


def _some_of_each(differing: pl.DataFrame, most: int) -> pl.DataFrame:
    """Label ids are hashes: the first by them are as good as drawn, and the same each time."""
    ordered = differing.sort("before", "after", "label_id", "chunk")
    return ordered.group_by(["before", "after"], maintain_order=True).head(most)


def _with_traces(store: Store, examples: pl.DataFrame) -> pl.DataFrame:
    texts = _read_labels(store, sorted(examples["chunk"].unique()), (*_KEY, "trace"))
    told = examples.join(texts, on=_KEY, how="left", maintain_order="left")
    return told.select(*_KEY, "keyframe_id", "labeler", "before", "after", "trace", "reasons_before", "reasons_after")


# ---- reading many partitions -----------------------------------------------------------------------------------------


def _read(store: Store, table: schemas.Table, chunks: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Columns of one table of many partitions, chunk by chunk as they lie in the files."""
    return _scan([str(store.table_path(table, chunk)) for chunk in chunks], table, columns)


def _read_labels(store: Store, chunks: Sequence[str], columns: Sequence[str] = _OF_LABELS) -> pl.DataFrame:
    paths = [
        str(store.table_path(schemas.RAW_COC, chunk, labeler=labeler))
        for chunk in chunks
        for labeler in store.labelers(chunk)
    ]
    return _scan(paths, schemas.RAW_COC, columns)


def _scan(paths: list[str], table: schemas.Table, columns: Sequence[str]) -> pl.DataFrame:
    if not paths:
        return schemas.empty(table).select(columns)
    rows = pl.scan_parquet(
        paths,
        schema=table.schema,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
    )
    return rows.select(columns).collect()


def _some_at_a_time(chunks: Sequence[str]) -> Iterator[Sequence[str]]:
    return (chunks[start : start + _CHUNKS_AT_ONCE] for start in range(0, len(chunks), _CHUNKS_AT_ONCE))


def _by_chunk(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(chunk): of for (chunk,), of in rows.partition_by("chunk", as_dict=True, maintain_order=True).items()}
