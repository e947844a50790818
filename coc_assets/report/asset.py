"""The Dagster asset `quality_report`: the page that says how the whole store stands, made anew as chunks are made."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from coc_assets.previews import preview_features
from coc_assets.review import PORT
from coc_assets.stage import Workspace

if TYPE_CHECKING:
    from coc_assets.report.report import Report

NAME = "quality_report"
_MADE_OF = ("filtered_coc", "training_shards")
_AT_LEAST = "0 * * * *"  # while runs go on, the page is made anew at the hour
_INTERVAL_S = 60
_LISTED = 10


def _once_quiet() -> dg.AutomationCondition[dg.AssetKey]:
    """Something that it is made of was made since, and no run is at work on that; at the hour also while one is."""
    changed = dg.AutomationCondition.any_deps_updated().since_last_handled()
    quiet = ~dg.AutomationCondition.any_deps_in_progress()
    now = quiet | dg.AutomationCondition.cron_tick_passed(_AT_LEAST)
    return (changed & now & ~dg.AutomationCondition.in_progress()).with_label("labels or shards changed, runs are over")


@dg.asset(
    deps=_MADE_OF,
    group_name="coc",
    kinds={"html"},
    owners=["team:data"],
    automation_condition=_once_quiet(),
)
def quality_report(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """One page over all chunks: what to mend, from clips to samples, agreement, worst labels, checks, time and cost."""
    from coc_assets.report.page import report_path
    from coc_assets.report.report import write_report
    from coc_assets.status import as_recorded

    recorded = Workspace(as_recorded(workspace.settings))
    path = report_path(recorded.store)
    report = write_report(recorded, path)
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.path(str(path.absolute())),
            "link": dg.MetadataValue.url(f"http://127.0.0.1:{PORT}/report"),
            "health": report.health,
            **report.figures,
            "summary": dg.MetadataValue.md(summary(report)),
        }
    )


def keep_report_current() -> dg.SensorDefinition:
    """The sensor that has the report made anew once runs are over."""
    with preview_features():
        return dg.AutomationConditionSensorDefinition(
            "keep_report_current",
            target=dg.AssetSelection.assets(NAME),
            description="Writes the quality report anew once labels or shards changed and no run is at work on them.",
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=_INTERVAL_S,
        )


def summary(report: "Report") -> str:
    """What the page says at its top, as Markdown."""
    figures = report.figures
    lines = [
        f"**{figures['chunks_complete']} of {figures['chunks']} chunks done**, {figures['samples']} samples from "
        f"{figures['clips']} clips, {figures['labels_kept']} of {figures['labels_usable']} labels kept; "
        f"{figures['checks_failed']} failed checks, {figures['checks_warned']} that warn.",
        "",
        *_findings(report),
        "The link opens where `coc review` runs; the page is one file and opens anywhere.",
    ]
    return "\n".join(lines)


def _findings(report: "Report") -> list[str]:
    if not report.findings:
        return ["Nothing to mend.", ""]
    rows = [
        f"| {found.kind} | {found.stage} | {len(found.chunks)} | {_cell(found.reason)} | `{_cell(found.command)}` |"
        for found in report.findings[:_LISTED]
    ]
    more = len(report.findings) - _LISTED
    table = ["| state | asset | chunks | why | command |", "|---|---|--:|---|---|", *rows]
    return [*table, "", *([f"and {more} more on the page", ""] if more > 0 else [])]


def _cell(text: Any) -> str:
    """Text in a cell of a Markdown table, on one line, without what would end the cell or its code."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("`", "'")
