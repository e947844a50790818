"""`coc report`: the quality report of a store as one HTML page."""

from __future__ import annotations

import argparse

from coc_assets.commands.common import DONE, UsageError, counted, require_store, stdout
from resources.settings import load_settings


def run(options: argparse.Namespace) -> int:
    """Writes the page and says what is at its top.

    Raises:
        UsageError: there is no store, or the page's place is a folder.
    """
    from coc_assets.report.page import report_path
    from coc_assets.report.report import write_report
    from coc_assets.stage import Workspace
    from coc_assets.status import as_recorded

    settings = load_settings(dataset=options.dataset, store=options.store)
    require_store(settings)
    workspace = Workspace(as_recorded(settings))
    path = options.out or report_path(workspace.store)
    if path.is_dir():
        raise UsageError(f"{path} is a folder. Name the page: --out {path / 'report.html'}")
    report = write_report(workspace, path)
    say = stdout().print
    say(
        f"{report.complete} of {counted(report.chunks, 'chunk')} done, "
        f"{counted(len(report.findings), 'thing')} to mend, {report.figures['checks_failed']} failed checks"
    )
    say(f"{path}  ({path.stat().st_size / 1e6:.1f} MB)", markup=False, soft_wrap=True)
    return DONE
