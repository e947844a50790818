"""`coc release`, `coc diff`, `coc verify` and `coc link`: training sets frozen, compared, checked and moved."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING

from coc_assets.commands.common import (
    DONE,
    FAILED,
    UsageError,
    counted,
    parse_chunks,
    progress_bar,
    require_store,
    stderr,
    stdout,
    write_rows,
)
from resources.settings import load_settings

if TYPE_CHECKING:
    from coc_assets.releases.diff import Diff
    from coc_assets.releases.release import Released

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MEGABYTE = 1e6


def run_release(options: argparse.Namespace) -> int:
    """Raises:
    UsageError: the name cannot be a folder's, or there is nothing to release.
    """
    from coc_assets.releases.gather import DamagedSourceError
    from coc_assets.releases.release import release
    from coc_assets.stage import Workspace
    from coc_assets.status import as_recorded
    from coc_assets.training_shards.plan import ShardPlanError

    if not _NAME.fullmatch(options.name):
        raise UsageError(f"{options.name!r} cannot name a release: 1 to 64 of A-Z a-z 0-9 . _ -, no dot first.")
    settings = load_settings(store=options.store)
    require_store(settings)
    settings = as_recorded(settings)
    store = Workspace(settings).store
    chunks = parse_chunks(options.chunks, store.chunks(), settings.model_copy(update={"dataset": None}))
    if not chunks:
        raise UsageError(f"{settings.store} has no chunk. Make some: coc run --dataset DIR --store {settings.store}")
    try:
        with progress_bar("") as (bar, task):
            released = release(
                Workspace(settings),
                options.name,
                chunks,
                options.out or store.release(options.name),
                lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
                jobs=options.jobs,
                finished_only=options.finished_only,
            )
    except DamagedSourceError as damage:
        stderr().print(f"coc release: {damage}", style="red", markup=False, highlight=False)
        return FAILED
    except ShardPlanError as error:
        raise UsageError(str(error)) from None
    _say_released(released)
    return DONE


def _say_released(released: Released) -> None:
    about = released.manifest
    say = stdout().print
    for chunk, why in released.unfinished.items():
        stderr().print(f"chunk {chunk} left out: {why}", style="yellow", markup=False, highlight=False)
    splits = ", ".join(f"{one['samples']} {name}" for name, one in about["splits"].items())
    say(f"{counted(about['samples'], 'sample')} of {counted(about['clips'], 'clip')}: {splits}")
    if about["shards"]:
        megabytes = sum(facts["bytes"] for facts in about["shards"].values()) / _MEGABYTE
        say(f"{counted(len(about['shards']), 'shard')}, {megabytes:,.1f} MB")
    if about["left_out"]:
        say("left out: " + ", ".join(f"{count} {reason}" for reason, count in about["left_out"].items()))
    for form, reasons in about["left_out_of_forms"].items():
        if reasons:
            say(f"not in {form}: " + ", ".join(f"{count} {reason}" for reason, count in reasons.items()))
    say(str(released.folder), markup=False, soft_wrap=True)


def run_verify(options: argparse.Namespace) -> int:
    """Raises:
    UsageError: the folder is neither a release nor a store.
    """
    from coc_assets.releases.verify import NothingToVerifyError, verify

    try:
        with progress_bar("files") as (bar, task):
            problems, files = verify(
                options.folder, options.jobs, lambda done, total: bar.update(task, completed=done, total=total)
            )
    except NothingToVerifyError as error:
        raise UsageError(f"{error} Name a release's folder or a store.") from None
    for problem in problems:
        stdout().print(problem, style="red", markup=False, soft_wrap=True)
    read = counted(files, "file")
    stdout().print(f"{read} read, {counted(len(problems), 'problem')}" if problems else f"{read} read, all as written")
    return FAILED if problems else DONE


def run_diff(options: argparse.Namespace) -> int:
    from coc_assets.releases.diff import diff, open_release

    settings = load_settings(store=options.store)
    before, after = open_release(settings, options.before), open_release(settings, options.after)
    found = diff(before, after, options.examples)
    if options.format == "json":
        print(json.dumps(_as_json(found), ensure_ascii=False))
    else:
        _print_diff(found)
    return DONE


def _as_json(found: Diff) -> dict[str, object]:
    return {
        "before": found.before,
        "after": found.after,
        "totals": found.totals,
        "counts": {by: rows.to_dicts() for by, rows in found.counts.items()},
        "settings": found.settings.to_dicts(),
        "versions": found.versions.to_dicts(),
        "examples": found.examples.to_dicts(),
    }


def _print_diff(found: Diff) -> None:
    say = stdout().print
    say(f"{found.before} → {found.after}", markup=False)
    say(", ".join(f"{count} {name}" for name, count in found.totals.items()).replace("_", " "))
    for by, rows in found.counts.items():
        say(f"\nby {by}")
        write_rows(rows, "table")
    for title, rows in (("settings", found.settings), ("versions", found.versions)):
        if rows.height:
            say(f"\n{title}")
            write_rows(rows, "table")
    for example in found.examples.iter_rows(named=True):
        say(f"\n{example['change']} {example['key']}", markup=False)
        for when in ("before", "after"):
            if example[f"split_{when}"] is not None:
                parts = [example[f"{name}_{when}"] for name in ("split", "decision", "labeler")]
                say(f"  {when}: {', '.join(parts)}: {example[f'text_{when}'] or '–'}", markup=False, soft_wrap=True)


def run_link(options: argparse.Namespace) -> int:
    """Raises:
    UsageError: no dataset is named.
    """
    from coc_assets.releases.links import link_overlays

    dataset = load_settings(dataset=options.dataset).dataset
    if dataset is None:
        raise UsageError("No dataset named. Pass --dataset ROOT or set COC_DATASET.")
    linked = link_overlays(options.folder, dataset)
    for split, names in linked.items():
        stdout().print(f"{split}: {counted(len(names), 'link')} to {dataset}", markup=False, soft_wrap=True)
    return DONE
