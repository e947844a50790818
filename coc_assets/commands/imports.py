"""`coc import`: labels made elsewhere become a labeler of the store."""

from __future__ import annotations

import argparse
from collections import Counter
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
)
from resources.settings import load_settings

if TYPE_CHECKING:
    from coc_assets.raw_coc.imported.into_store import Imported

_EXAMPLES = 5


def run(options: argparse.Namespace) -> int:
    """Imports and says what came of it; 1 where nothing could be imported or something was unreadable."""
    from coc_assets.instances import open_instance
    from coc_assets.materialization import report_without_run
    from coc_assets.raw_coc.imported.into_store import import_labels
    from coc_assets.raw_coc.imported.sources import read_labels
    from coc_assets.raw_coc.stage import STAGE
    from coc_assets.running import only_run_on
    from coc_assets.stage import Workspace
    from coc_assets.status import with_recorded_dataset

    settings = load_settings(store=options.store)
    require_store(settings)
    workspace = Workspace(with_recorded_dataset(settings))
    known = workspace.store.chunks()
    if not known:
        raise UsageError(f"No clips in {settings.store}. Make them: coc run --dataset DIR --store {settings.store}")
    chunks = parse_chunks(options.chunks, known, settings)
    found = read_labels(options.path)
    with only_run_on(settings):
        with progress_bar("chunks") as (bar, task):
            imported = import_labels(
                workspace, found, options.labeler, chunks, lambda done, of: bar.update(task, completed=done, total=of)
            )
        with open_instance(settings.store) as instance:
            about = f"labels of {options.labeler} taken in from elsewhere"
            report_without_run(instance, STAGE, imported.changed, about, imported_labeler=options.labeler)
    _say(imported, options.labeler)
    return DONE if imported.whole else FAILED


def _say(imported: Imported, labeler: str) -> None:
    say = stdout().print
    labels = sum(imported.labels.values())
    say(f"{counted(imported.events, 'event')} read, {counted(labels, 'label')} of {labeler} taken in", markup=False)
    for chunk, count in imported.labels.items():
        say(f"  chunk {chunk}: {counted(count, 'label')}")
    if imported.statuses:
        say("  " + ", ".join(f"{count} {status}" for status, count in sorted(imported.statuses.items())))
    if imported.withdrawn:
        say(f"taken out of chunk {', '.join(imported.withdrawn)}: the import has no labels of their clips any more")
    _say_left_out(imported)
    for chunk, problem in imported.failed.items():
        stderr().print(f"chunk {chunk}: {problem}", style="red", markup=False)
    if imported.changed:
        say("They are measured and judged by the next `coc run` of these chunks.", markup=False)


def _say_left_out(imported: Imported) -> None:
    for reason, count in Counter(one.reason for one in imported.left_out).most_common():
        stdout().print(f"left out, {reason}: {count}")
        for one in [one for one in imported.left_out if one.reason == reason][:_EXAMPLES]:
            stdout().print(f"  {one.place}: {one.detail}", markup=False, soft_wrap=True)
