"""`coc gc`: removes old runs, what killed commands left, and files that nothing names any more."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from coc_assets.commands.common import DONE, counted, progress_bar, require_store, stderr, stdout
from coc_assets.logs import configure_logging
from resources.settings import Settings, load_settings

if TYPE_CHECKING:
    from coc_assets.collecting.collect import Collected
    from coc_assets.collecting.files import Kind

_SHOWN = 20  # files and folders listed one by one
_NOUNS: Mapping[Kind, str] = {
    "leftover": "leftover",
    "superseded": "superseded file",
    "empty folder": "empty folder",
    "old log": "old log",
}


def run(options: argparse.Namespace) -> int:
    """Removes it, or with --dry-run finds it, and says what and how many bytes."""
    from coc_assets.collecting.collect import collect
    from coc_assets.instances import open_instance

    keep = None if options.keep_days is None else {"keep_runs_days": options.keep_days}
    settings = load_settings(store=options.store, operate=keep)
    require_store(settings)
    configure_logging(settings)
    with open_instance(settings.store) as instance, progress_bar("runs") as (bar, task):
        found = collect(
            settings,
            instance,
            now=datetime.now(UTC),
            dry_run=options.dry_run,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    _say(found, settings, would=options.dry_run)
    return DONE


def _say(found: Collected, settings: Settings, would: bool) -> None:
    say = stdout().print
    for garbage in found.files[:_SHOWN]:
        say(f"{garbage.kind}: {garbage.path.relative_to(settings.store)}  {_bytes(garbage.size)}", markup=False)
    if len(found.files) > _SHOWN:
        say(f"… and {len(found.files) - _SHOWN:,} more")
    say(f"{'would remove' if would else 'removed'}:")
    for words, size in _lines(found, settings.operate.keep_runs_days):
        say(f"  {words}" + (f"  {_bytes(size)}" if size else ""))
    say(f"{_bytes(found.size)} in all")
    for reason in found.left:
        stderr().print(f"not done: {reason}", style="yellow", markup=False)


def _lines(found: Collected, days: int) -> list[tuple[str, int]]:
    """What went, in words, with its bytes; 0 where these are not counted."""
    lines = [
        (f"{counted(found.runs, 'run')} older than {counted(days, 'day')} on which nothing rests", found.run_bytes),
        (f"{counted(found.ticks, 'tick')} of sensors and schedules", 0),
    ]
    if found.orphans:
        lines.append((f"databases of {counted(found.orphans, 'run')} deleted before", 0))
    if found.database_bytes:
        lines.append(("free space of the shared databases", found.database_bytes))
    return lines + [(counted(count, _NOUNS[kind]), size) for kind, (count, size) in found.by_kind.items()]


def _bytes(size: int) -> str:
    """Decimal units, as disks are sold."""
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
