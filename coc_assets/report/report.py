"""The quality report of a store: gathered from receipts, tables and journals, and written as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import polars as pl

from coc_assets.costs import costs_by, request_lines, with_total
from coc_assets.filtered_coc.policy import packaged_policies
from coc_assets.report.counts import (
    Counts,
    Step,
    by_day,
    count_store,
    funnel,
    label_funnel,
    scores_by,
    verdicts_by,
    with_shares,
)
from coc_assets.report.due import Finding, StageStates, findings, states_by_stage
from coc_assets.report.page import MOST_DAYS, MOST_ROWS, render
from coc_assets.report.partitions import (
    CheckOutcomes,
    StageTime,
    SuiteOutcomes,
    check_outcomes,
    days_of,
    newest,
    stage_times,
    suite_outcomes,
)
from coc_assets.report.worst import WorstLabel, worst_labels
from coc_assets.stage import Workspace
from coc_assets.status import ChunkStatus, store_status
from resources.settings import Settings
from resources.store import Store

Health = Literal["bad", "due", "good", "empty"]

SUPPORTING = ("visual_evidence_score", "behavior_match_score", "causal_consistency_score")
"""A judge's scores that are the higher, the better the label; those by which its chunks and days are shown."""
Lines = dict[str, list[tuple[float, float | None]]]
_COSTS: tuple[Literal["labeler", "model", "step", "day"], ...] = ("labeler", "model", "step", "day")
_DISTRIBUTIONS = {
    "longitudinal_decision": "Longitudinal decision",
    "lateral_decision": "Lateral decision",
    "side": "Side of the lateral decision",
    "scenario": "Scenario",
}
_BAD: frozenset[str] = frozenset({"failed", "blocked", "check failed"})


@dataclass(frozen=True)
class LabelerReport:
    """What one labeler's labels are like.

    Attributes:
        steps: keyframes to samples. distributions: by title, rows of `counts.verdicts_by`.
        reasons: rules that fired on labels that are not kept: reason, labels, rejected, hint.
        days: rows of `counts.by_day`. chunks: rows of `Counts.by_chunk` with shares, the worst first.
        agreement: share of measured labels that the motion bears out, by chunk in order (for the strip).
    """

    name: str
    steps: Sequence[Step]
    distributions: dict[str, list[dict[str, Any]]]
    reasons: list[dict[str, Any]]
    days: list[dict[str, Any]]
    chunks: list[dict[str, Any]]
    agreement: list[float | None]

    @property
    def lines(self) -> Lines:
        """Agreement and kept share by day, as `charts.lines` takes them."""
        return {f"s{place}": _along(self.days, name) for place, name in enumerate(("agreement", "kept_share"))}


@dataclass(frozen=True)
class Scores:
    """What judging models said, in the mean: by figure, by day, and by chunk (lowest support first)."""

    figures: list[dict[str, Any]]
    days: list[dict[str, Any]]
    chunks: list[dict[str, Any]]

    @property
    def lines(self) -> Lines:
        """The scores that support a label, by day, as `charts.lines` takes them."""
        return {f"s{place}": _along(self.days, name) for place, name in enumerate(SUPPORTING)}


@dataclass(frozen=True)
class Report:
    """Everything on the page.

    Attributes:
        settings: what the store was looked at with. code: version of this package. newest: last thing made.
        chunks: how many there are; complete: those of which every asset is done.
        findings: what wants a hand. states: chunks by state of each asset.
        costs: by what they are grouped, rows of `costs.costs_by` with a total; empty where no model was asked.
    """

    settings: Settings
    code: str
    newest: str | None
    chunks: int
    complete: int
    findings: Sequence[Finding]
    states: Sequence[StageStates]
    steps: Sequence[Step]
    rejects: list[dict[str, Any]]
    spans: dict[str, list[dict[str, Any]]]
    keyframes: list[dict[str, Any]]
    splits: dict[str, int]
    labelers: Sequence[LabelerReport]
    scores: Scores
    worst: Sequence[WorstLabel]
    checks: Sequence[CheckOutcomes]
    suites: Sequence[SuiteOutcomes]
    times: Sequence[StageTime]
    costs: dict[str, list[dict[str, Any]]]

    @property
    def health(self) -> Health:
        """`bad`: something failed; `due`: something is to be made; `empty`: there is nothing."""
        if not self.chunks:
            return "empty"
        if any(finding.kind in _BAD for finding in self.findings):
            return "bad"
        return "due" if self.findings else "good"

    @property
    def cost_usd(self) -> float | None:
        """What models took in all; None where none was asked."""
        rows = self.costs.get("labeler")
        return float(rows[-1]["cost_usd"]) if rows else None

    @property
    def figures(self) -> dict[str, int | float]:
        """The figures at the top, by name, as Dagster plots them."""
        counts: dict[str, int | float] = {
            "chunks": self.chunks,
            "chunks_complete": self.complete,
            "findings": len(self.findings),
            "clips": self.steps[0].count,
            "clips_usable": self.steps[1].count,
            "keyframes": self.steps[3].count,
            "labels_usable": sum(labeler.steps[1].count for labeler in self.labelers),
            "labels_kept": sum(labeler.steps[2].count for labeler in self.labelers),
            "samples": sum(self.splits.values()),
            "checks_failed": sum(check.failed for check in self.checks),
            "checks_warned": sum(check.warned for check in self.checks),
        }
        return counts if self.cost_usd is None else {**counts, "cost_usd": round(self.cost_usd, 6)}


def write_report(workspace: Workspace, path: Path, made_at: datetime | None = None) -> Report:
    """Gathers the report and publishes its page at a path, whole or not at all.

    Args:
        made_at: the time that the page names; now.
    """
    report = gather(workspace)
    Store(path.parent).write_bytes(path, render(report, made_at or datetime.now(UTC)))
    return report


def gather(workspace: Workspace) -> Report:
    """Looks at the whole store; receipts say how chunks stand, tables and journals what is in them."""
    store = workspace.store
    statuses = store_status(workspace)
    counts = count_store(store)
    days = days_of(statuses)
    return Report(
        settings=workspace.settings,
        code=version("coc-assets"),
        newest=newest(statuses),
        chunks=len(statuses),
        complete=sum(_is_complete(status) for status in statuses),
        findings=findings(workspace, statuses),
        states=states_by_stage(statuses),
        steps=funnel(counts),
        rejects=counts.rejects.to_dicts(),
        spans=_spans(counts),
        keyframes=counts.keyframes.drop_nulls("action").to_dicts(),
        splits=dict(counts.samples.group_by("split", maintain_order=True).agg(pl.col("samples").sum()).iter_rows()),
        labelers=[_labeler(counts, name, days, workspace.settings) for name in counts.labelers],
        scores=_scores(counts, days),
        worst=worst_labels(workspace),
        checks=check_outcomes(statuses),
        suites=suite_outcomes(statuses),
        times=stage_times(statuses),
        costs=_costs(store),
    )


def _is_complete(status: ChunkStatus) -> bool:
    return all(state == "done" for state in status.states.values())


def _spans(counts: Counts) -> dict[str, list[dict[str, Any]]]:
    return {
        axis: counts.spans.filter(pl.col("axis") == axis).to_dicts()
        for axis in ("longitudinal", "lateral", "lane")
        if axis in set(counts.spans["axis"])
    }


def _labeler(counts: Counts, name: str, days: pl.DataFrame, settings: Settings) -> LabelerReport:
    own = pl.col("labeler") == name
    by_chunk = with_shares(counts.by_chunk.filter(own))
    worst_first = by_chunk.sort("agreement", "kept_share", "chunk", nulls_last=True)
    return LabelerReport(
        name=name,
        steps=label_funnel(counts, name),
        distributions={title: verdicts_by(counts, name, what).to_dicts() for what, title in _DISTRIBUTIONS.items()},
        reasons=_reasons(counts.reasons.filter(own), settings),
        days=by_day(counts, days).filter(own).tail(MOST_DAYS).to_dicts(),
        chunks=worst_first.head(MOST_ROWS).to_dicts(),
        agreement=by_chunk["agreement"].to_list(),
    )


def _reasons(reasons: pl.DataFrame, settings: Settings) -> list[dict[str, Any]]:
    """Each with the hint of the policy in force, else of a packaged one that has the rule."""
    hints = _hints(settings)
    return [{**row, "hint": hints.get(row["reason"], "")} for row in reasons.iter_rows(named=True)]


def _hints(settings: Settings) -> dict[str, str]:
    from coc_assets.filtered_coc.policy import load_policy

    names = (*packaged_policies(), settings.filtering.policy)  # the policy in force has the last word
    return {rule.rule: rule.hint for name in names for rule in load_policy(name).rules}


def _scores(counts: Counts, days: pl.DataFrame) -> Scores:
    supporting = replace(counts, judged=counts.judged.filter(pl.col("name").is_in(SUPPORTING)))
    by_chunk, by_name = (_wide(scores_by(supporting, days, [by, "name"]), by) for by in ("chunk", "day"))
    return Scores(
        figures=scores_by(counts, days, ["instrument", "name", "version"]).to_dicts(),
        days=by_name.sort("day").tail(MOST_DAYS).to_dicts(),
        chunks=by_chunk.sort(pl.min_horizontal(SUPPORTING), "chunk").head(MOST_ROWS).to_dicts(),
    )


def _wide(scores: pl.DataFrame, by: str) -> pl.DataFrame:
    """A row a chunk or day, a column a supporting score, and the labels that have the first of them."""
    columns = [pl.col("mean").filter(pl.col("name") == name).first().alias(name) for name in SUPPORTING]
    return scores.drop_nulls(by).group_by(by).agg(pl.col("labels").max(), *columns)


def _along(days: Sequence[dict[str, Any]], name: str) -> list[tuple[float, float | None]]:
    """A figure of each day at its place on an axis from 0 to 1."""
    last = len(days) - 1
    return [(place / last if last else 0.5, day[name]) for place, day in enumerate(days)]


def _costs(store: Store) -> dict[str, list[dict[str, Any]]]:
    lines = request_lines(store)
    if lines.is_empty():
        return {}
    return {by: with_total(costs_by(lines, by), by).tail(MOST_DAYS + 1).to_dicts() for by in _COSTS}
