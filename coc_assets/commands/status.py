"""`coc status`: chunks by stages, from the receipts."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coc_assets.commands.common import ASSETS, DONE, FAILED, OPTIONAL_ASSETS, require_store, stdout
from resources.settings import load_settings

if TYPE_CHECKING:
    from coc_assets.stage import Workspace
    from coc_assets.status import ChunkStatus

_MARKS = {
    "done": "[green]done[/]",
    "failed": "[bold red]failed[/]",
    "stale": "[yellow]stale[/]",
    "missing": "[dim]–[/]",
}
_HEADINGS = {
    "trajectory_cache": "cache",
    "meta_actions": "acts",
    "keyframe_segments": "keyfr.",
    "clip_videos": "videos",
    "raw_coc": "raw",
    "filtered_coc": "filter",
    "training_shards": "shards",
    "trajdata_cache": "trajdata",
}
_CLIP_FIGURES = {"clips": "clips", "rejected": "rej.", "labels": "labels"}
_FULL_TABLE = 40  # more chunks than this are summed up by stage


def run(options: argparse.Namespace) -> int:
    """Prints chunks by stages; 1 where something failed."""
    from coc_assets.stage import Workspace
    from coc_assets.status import as_recorded, store_status

    settings = load_settings(store=options.store)
    require_store(settings)
    workspace = Workspace(as_recorded(settings))
    statuses = store_status(workspace)
    print_status(workspace, statuses)
    for status in statuses:
        for name, receipt in status.receipts.items():
            if receipt.status == "failed":
                stdout().print(f"chunk {status.chunk} {name} failed: {receipt.error}", style="red", markup=False)
    broken = any(status.failed_checks or "failed" in status.states.values() for status in statuses)
    return FAILED if broken else DONE


def print_status(workspace: Workspace, statuses: Sequence[ChunkStatus]) -> None:
    """Prints chunks by stages, totals, what was left out, warnings and failed checks."""
    from coc_assets.status import FIGURES, totals

    console = stdout()
    console.print(_chunk_table(statuses) if len(statuses) <= _FULL_TABLE else _stage_table(statuses))
    summed = totals(statuses)
    console.print("  ".join(f"{summed[name]} {name}" for name in FIGURES))
    left_out = sum((status.left_out for status in statuses), Counter())
    for asset in (*ASSETS, *OPTIONAL_ASSETS):
        of_asset = [f"{count} {reason}" for (stage, reason), count in sorted(left_out.items()) if stage == asset]
        if of_asset:
            console.print(f"left out or degraded by {asset}: " + ", ".join(of_asset))
    for status in statuses:
        for warning in status.warnings:
            console.print(f"chunk {status.chunk} {warning}", style="yellow", markup=False)
    for status in statuses:
        for check in status.failed_checks:
            console.print(f"check failed: chunk {status.chunk} {check}", style="red", markup=False)
    labeler = "" if workspace.settings.labeler == "rules" else f"  labeler: {workspace.settings.labeler}"
    judge = workspace.settings.filtering.judge.model
    judged = f"  judge: {judge}" if judge else ""
    console.print(f"store: {workspace.settings.store}{labeler}{judged}", highlight=False)


def _chunk_table(statuses: Sequence[ChunkStatus]) -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("chunk")
    assets = [asset for asset in _HEADINGS if any(asset in status.states for status in statuses)]
    for asset in assets:
        table.add_column(_HEADINGS[asset])
    for heading in _CLIP_FIGURES.values():
        table.add_column(heading, justify="right")
    for status in statuses:
        marks = [_MARKS[status.states.get(name, "missing")] for name in assets]
        table.add_row(status.chunk, *marks, *(str(status.figures[name]) for name in _CLIP_FIGURES))
    return table


def _stage_table(statuses: Sequence[ChunkStatus]) -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("stage", "done", "failed", "stale", "missing"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for asset in ASSETS:
        states = Counter(status.states[asset] for status in statuses)
        table.add_row(asset, *(str(states[state]) for state in ("done", "failed", "stale", "missing")))
    return table
