"""Judging anew: verdicts of finished partitions decided again from the measurements that they hold.

No label is measured, no model is asked and Dagster runs nothing, so a whole store changes its mind in seconds. What
only the whole set can tell is found here (near-duplicates), and what people decided since is taken up. A partition is
left as `run_stage` under the same policy would leave it, byte for byte; its checks spoke of the earlier verdicts and
count as not evaluated until the next `coc run`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from coc_assets.filtered_coc import duplicates, human_review
from coc_assets.filtered_coc.late import duplicates_of_set, late_rows, read_labels, read_tables
from coc_assets.filtered_coc.policy import BY_SEVERITY, Policy, decide, load_policy, rejected
from coc_assets.filtered_coc.stage import STAGE, count_verdicts, shaped_by_policy
from coc_assets.stage import Made, Stage, StageError, Standing, Unchanged, Work, Workspace, remake, standing
from resources import schemas
from resources.receipts import WHOLE, Fingerprint, Receipt
from resources.settings import settings_hash
from resources.store import REVIEWS, Store

if TYPE_CHECKING:
    import dagster as dg

EXAMPLES = 3
_CHUNKS_AT_ONCE = 128  # bounds memory; more are not faster
WRITERS = 8
_KEY = ("chunk", "label_id")
_OF_LABELS = (*_KEY, "keyframe_id", "clip_id", "labeler", "status", "reason")
_FIGURES = (*_KEY, "instrument", "name", "value")

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
        duplicates: labels of these chunks that say nearly the same as another one of the set.
        reviewed: labels whose reviews were taken up now.
        left_out: by chunk, why it was not judged and what to do.
        failed: by chunk, why it could not be written; its receipt says so, and `coc run` makes it again.
    """

    policy: str
    receipts: Mapping[str, Receipt]
    changed: tuple[str, ...]
    fresh: tuple[str, ...]
    verdicts: Mapping[str, int]
    moved: Mapping[tuple[str, str], int]
    duplicates: int
    reviewed: int
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
    """Chunks whose measurements stand, and why the others do not.

    Attributes:
        known: by chunk, its receipt and what it would be made from now.
        fresh: those of them that follow the policy already, reviews included.
        labels: data version of the labels of every chunk looked at.
    """

    known: dict[str, Standing]
    fresh: frozenset[str]
    labels: dict[str, str]
    left_out: dict[str, str]


@dataclass(frozen=True)
class _Late:
    """Rows of `set_measurements`: as they are to be, and of the chunks where that is not what lies there."""

    rows: pl.DataFrame
    differing: dict[str, pl.DataFrame]
    reviewed: int


@dataclass(frozen=True)
class _Anew:
    """A chunk's tables by name, as far as they are written, and what moved."""

    tables: dict[str, pl.DataFrame]
    moved: Counter[tuple[str, str]]


@dataclass(frozen=True)
class _Renewed:
    """A chunk after it was written, or why it could not be."""

    chunk: str
    receipt: Receipt | None = None
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    problem: str = ""


def judge(
    workspace: Workspace,
    chunks: Sequence[str],
    policy: str,
    *,
    find_duplicates: bool = True,
    progress: Progress | None = None,
) -> Judged:
    """Decides the verdicts of finished partitions anew and writes the partitions that come out otherwise.

    That is those which another policy decided, and those whose near-duplicates or reviews have changed. Nothing else
    may work on the store meanwhile.

    Args:
        policy: as in `filtering.policy`: a packaged policy's name, or a path.
        find_duplicates: looks for near-duplicates over the whole store; else those found earlier stand.
        progress: called with chunks done and chunks in total.

    Raises:
        PolicyError: there is no such policy.
    """
    rules = load_policy(policy)
    survey = _survey(workspace, _rejudging(rules), chunks)
    late = _take_up(workspace, survey, find_duplicates, keep=True)
    due = {chunk: now for chunk, now in survey.known.items() if chunk not in survey.fresh or chunk in late.differing}
    receipts: dict[str, Receipt] = {}
    failed: dict[str, str] = {}
    moved: Counter[tuple[str, str]] = Counter()
    for outcome in _renew(workspace, rules, due, late):
        if outcome.receipt:
            receipts[outcome.chunk] = outcome.receipt
            moved += outcome.moved
        else:
            failed[outcome.chunk] = outcome.problem
        if progress:
            progress(len(receipts) + len(failed), len(due))
    fresh = {chunk: _receipt(now) for chunk, now in survey.known.items() if chunk not in due}
    return Judged(
        policy=rules.version,
        receipts=receipts,
        changed=tuple(chunk for chunk, left in receipts.items() if left.outputs != _receipt(due[chunk]).outputs),
        fresh=tuple(fresh),
        verdicts=_verdicts_in([*fresh.values(), *receipts.values()]),
        moved=dict(sorted(moved.items())),
        duplicates=late.rows.filter(pl.col("instrument") == duplicates.INSTRUMENT).height,
        reviewed=late.reviewed,
        left_out=survey.left_out,
        failed=failed,
    )


def report(instance: dg.DagsterInstance, judged: Judged) -> None:
    """Tells Dagster of each partition with new bytes, without a run: rows, labels by verdict, data version."""
    from coc_assets.materialization import report_without_run

    changed = [judged.receipts[chunk] for chunk in judged.changed]
    report_without_run(instance, STAGE, changed, "judged anew from the measurements at hand", policy=judged.policy)


def diff_policies(
    workspace: Workspace, chunks: Sequence[str], policy_a: str, policy_b: str, *, examples: int = EXAMPLES
) -> PolicyDiff:
    """How the verdicts of one policy and of another differ on the labels at hand; nothing is written.

    Both decide by what judging anew would decide by: near-duplicates and reviews as of now.

    Args:
        policy_a, policy_b: before and after, as in `filtering.policy`.
        examples: labels shown at most of each pair of verdicts.

    Raises:
        PolicyError: there is no such policy.
    """
    before, after = load_policy(policy_a), load_policy(policy_b)
    survey = _survey(workspace, _rejudging(before), chunks)
    late = _take_up(workspace, survey, find_duplicates=True, keep=False).rows
    parts = [_compare(workspace.store, some, before, after, late) for some in _some_at_a_time(list(survey.known))]
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
    """The stage under this policy, whatever the settings name."""
    return replace(STAGE, shaped_by=lambda _: shaped_by_policy(policy.version))


def _survey(workspace: Workspace, stage: Stage, chunks: Sequence[str]) -> _Survey:
    works = {chunk: Work(workspace, stage, chunk) for chunk in sorted(chunks)}
    found = {chunk: standing(work) for chunk, work in works.items()}
    finished = [chunk for chunk, now in found.items() if _finished(works[chunk], now.receipt)]
    judged_by = _policies_in_force(workspace.store, finished)
    known: dict[str, Standing] = {}
    left_out: dict[str, str] = {}
    for chunk, now in found.items():
        problem = _problem(works[chunk], now, judged_by.get(chunk))
        if problem:
            left_out[chunk] = f"{problem}. {_mend(works[chunk])}"
        else:
            known[chunk] = now
    fresh = frozenset(chunk for chunk, now in known.items() if now.is_fresh(works[chunk]))
    return _Survey(known, fresh, {chunk: now.fingerprint.upstream["raw_coc"] for chunk, now in found.items()}, left_out)


def _receipt(now: Standing) -> Receipt:
    """The receipt of a partition that the survey knows, which has one."""
    assert now.receipt is not None
    return now.receipt


def _finished(work: Work, receipt: Receipt | None) -> bool:
    """The partition is whole, whatever it was made from."""
    if receipt is None or receipt.status != "done" or WHOLE not in receipt.fingerprints:
        return False
    return all((work.folder / name).is_file() for name in receipt.outputs)


def _policies_in_force(store: Store, chunks: Sequence[str]) -> dict[str, str]:
    """Version of the policy that decided each chunk's verdicts; chunks without a label have none."""
    versions = read_tables(store, schemas.VERDICTS, chunks, ("chunk", "policy_version"))
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


# ---- taking up what came since -------------------------------------------------------------------------------------


def _take_up(workspace: Workspace, survey: _Survey, find_duplicates: bool, *, keep: bool) -> _Late:
    chunks = list(survey.known)
    found = None
    if find_duplicates:
        found = duplicates_of_set(workspace, survey.labels, keep=keep).filter(pl.col("chunk").is_in(chunks))
    stored = read_tables(workspace.store, schemas.SET_MEASUREMENTS, chunks, schemas.SET_MEASUREMENTS.schema.names())
    rows = late_rows(workspace.store, stored, _newly_reviewed(survey.known), found)
    earlier, present = _by_chunk(stored), _by_chunk(rows)
    none = schemas.empty(schemas.SET_MEASUREMENTS)
    differing = {
        chunk: present.get(chunk, none)
        for chunk in chunks
        if not present.get(chunk, none).equals(earlier.get(chunk, none))
    }
    said = [of.filter(pl.col("instrument") == human_review.INSTRUMENT) for of in (rows, stored)]
    reviewed = said[0].join(said[1], on=said[0].columns, how="anti", nulls_equal=True)
    return _Late(rows, differing, reviewed.select(_KEY).n_unique())


def _newly_reviewed(known: Mapping[str, Standing]) -> list[str]:
    """Chunks about whose labels people decided anything since."""
    part = {chunk: _receipt(now).fingerprints[WHOLE].inputs for chunk, now in known.items()}
    return [chunk for chunk, now in known.items() if part[chunk].get(REVIEWS) != now.fingerprint.inputs.get(REVIEWS)]


# ---- deciding --------------------------------------------------------------------------------------------------------


def _renew(workspace: Workspace, policy: Policy, due: Mapping[str, Standing], late: _Late) -> Iterator[_Renewed]:
    """Each chunk's outcome, in order; while some chunks are written the next ones are decided."""
    with ThreadPoolExecutor(WRITERS) as writers:
        pending = []
        try:
            for some in _some_at_a_time(list(due)):
                pending += [
                    writers.submit(_publish, workspace, policy, due[chunk], anew)
                    for chunk, anew in _decide_anew(workspace.store, some, policy, late).items()
                ]
            for one in pending:
                yield one.result()
        except BaseException:
            writers.shutdown(cancel_futures=True)  # chunks not begun keep their verdicts and their claim
            raise


def _decide_anew(store: Store, chunks: Sequence[str], policy: Policy, late: _Late) -> dict[str, _Anew]:
    """What a policy makes of each chunk's measurements."""
    measurements, labels = _looked_at(store, chunks, late.rows, (*_FIGURES, "detail"))
    verdicts = decide(measurements, labels, policy, key=_KEY)
    tables = [
        (schemas.VERDICTS, _by_chunk(verdicts)),
        (schemas.REJECTS, _by_chunk(rejected(verdicts, measurements, labels, policy, key=_KEY))),
    ]
    moves = _moves(read_tables(store, schemas.VERDICTS, chunks, (*_KEY, "verdict")), verdicts)
    anew = {}
    for chunk in chunks:
        written = {table.name: of[chunk] if chunk in of else schemas.empty(table) for table, of in tables}
        if chunk in late.differing:
            written[schemas.SET_MEASUREMENTS.name] = late.differing[chunk]
        anew[chunk] = _Anew(written, moves.get(chunk, Counter()))
    return anew


def _looked_at(
    store: Store, chunks: Sequence[str], late: pl.DataFrame, columns: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Measurements of some chunks, those of the set last, and their labels."""
    of_set = late.filter(pl.col("chunk").is_in(list(chunks))).select(columns)
    return pl.concat([read_tables(store, schemas.MEASUREMENTS, chunks, columns), of_set]), read_labels(
        store, chunks, _OF_LABELS
    )


def _moves(earlier: pl.DataFrame, present: pl.DataFrame) -> dict[str, Counter[tuple[str, str]]]:
    """By chunk, how many labels went from one verdict to another."""
    both = earlier.join(present.select(*_KEY, after="verdict"), on=_KEY).filter(pl.col("verdict") != pl.col("after"))
    moves: dict[str, Counter[tuple[str, str]]] = {}
    for chunk, before, after, labels in _counted(both, ["chunk", "verdict", "after"]).iter_rows():
        moves.setdefault(chunk, Counter())[before, after] = labels
    return moves


def _publish(workspace: Workspace, policy: Policy, now: Standing, anew: _Anew) -> _Renewed:
    """Writes a chunk's verdicts as the stage does: claim withdrawn first, whole files, receipt last."""
    earlier = _receipt(now)
    stage = replace(_rejudging(policy), make=lambda _: _made(earlier, anew.tables))
    dataset = Path(earlier.dataset) if earlier.dataset else None
    made_of = Workspace(workspace.settings.model_copy(update={"dataset": dataset}))
    try:
        return _Renewed(earlier.chunk, remake(Work(made_of, stage, earlier.chunk), now), anew.moved)
    except StageError as error:
        return _Renewed(earlier.chunk, problem=str(error))


def _made(earlier: Receipt, tables: Mapping[str, pl.DataFrame]) -> Made:
    """The tables beside what stays: other tables, and figures that are no verdicts' (what a judge cost)."""
    stays = [table.name for table in STAGE.tables if table.name not in tables]
    unchanged = {name: Unchanged(earlier.counts[name], earlier.outputs[f"{name}.parquet"]) for name in stays}
    figures = {name: value for name, value in earlier.figures.items() if name not in (*BY_SEVERITY, "rejected")}
    return Made(tables, figures={**count_verdicts(tables[schemas.VERDICTS.name]), **figures}, unchanged=unchanged)


def _verdicts_in(receipts: Sequence[Receipt]) -> dict[str, int]:
    verdicts = ("keep", "review", "reject")
    return {verdict: sum(int(receipt.figures.get(verdict, 0)) for receipt in receipts) for verdict in verdicts}


def _compare(store: Store, chunks: Sequence[str], before: Policy, after: Policy, late: pl.DataFrame) -> pl.DataFrame:
    measurements, labels = _looked_at(store, chunks, late, _FIGURES)
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
    texts = read_labels(store, sorted(examples["chunk"].unique()), (*_KEY, "trace"))
    told = examples.join(texts, on=_KEY, how="left", maintain_order="left")
    return told.select(*_KEY, "keyframe_id", "labeler", "before", "after", "trace", "reasons_before", "reasons_after")


# ---- some chunks of many ---------------------------------------------------------------------------------------------


def _some_at_a_time(chunks: Sequence[str]) -> Iterator[Sequence[str]]:
    return (chunks[start : start + _CHUNKS_AT_ONCE] for start in range(0, len(chunks), _CHUNKS_AT_ONCE))


def _by_chunk(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(chunk): of for (chunk,), of in rows.partition_by("chunk", as_dict=True, maintain_order=True).items()}
