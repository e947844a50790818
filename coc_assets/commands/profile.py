"""`coc profile`: writes what a store's labels are like, or shows how far they are from such a profile."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coc_assets.commands.common import (
    DONE,
    UsageError,
    counted,
    parse_chunks,
    progress_bar,
    require_store,
    stderr,
    stdout,
    write_rows,
)
from resources.settings import Settings, load_settings

if TYPE_CHECKING:
    from coc_assets.profile import ChunkTally, Profile


def run(options: argparse.Namespace) -> int:
    import polars.selectors as cs

    from coc_assets.profile import drift_table, read_profile

    settings = load_settings(store=options.store)
    require_store(settings)
    reference = read_profile(options.against) if options.against else None
    tallies, left_out = _tallies(settings, options)
    if reference:
        table = drift_table(tallies, reference)
        write_rows(table.with_columns(cs.float().round(3)) if options.format == "table" else table, options.format)
        _say_what_is_not_compared(tallies, reference)
    else:
        _write(tallies, options.out)
    for chunk, problem in left_out.items():
        stderr().print(f"chunk {chunk}: {problem}", style="yellow", markup=False)
    return DONE


def _tallies(settings: Settings, options: argparse.Namespace) -> tuple[list[ChunkTally], Mapping[str, str]]:
    """Raises:
    UsageError: no chunk has judged labels, or none of the labeler.
    """
    from coc_assets.profile import read_tallies
    from resources.store import Store

    store = Store(settings.store)
    chunks = parse_chunks(options.chunks, store.chunks(), settings)
    with progress_bar("chunks") as (bar, task):
        tallies, left_out = read_tallies(
            store, chunks, options.labeler, progress=lambda done, of: bar.update(task, completed=done, total=of)
        )
    if not tallies:
        raise UsageError(
            f"No judged labels in {settings.store}. Make them: coc run --dataset DIR --store {settings.store}"
        )
    named = {name for one in tallies for name in one.tally["labeler"].drop_nulls()}
    if options.labeler and options.labeler not in named:
        known = sorted({name for chunk in chunks for name in store.labelers(chunk)})
        raise UsageError(f"No judged labels of {options.labeler!r} in {settings.store}. There are: {', '.join(known)}.")
    return tallies, left_out


def _write(tallies: Sequence[ChunkTally], path: Path) -> None:
    from coc_assets.profile import profile_bytes, profile_of
    from resources.store import Store

    profile = profile_of(tallies)
    Store(path.parent).write_bytes(path, profile_bytes(profile))
    labels = ", ".join(f"{counted(one.labels, 'label')} of {name}" for name, one in profile.labelers.items())
    stdout().print(f"{path}: {counted(profile.keyframes, 'keyframe')} of {counted(len(tallies), 'chunk')}; {labels}")
    stderr().print(f"Hold later chunks against it: quality.profile: {path}")


def _say_what_is_not_compared(tallies: Sequence[ChunkTally], reference: Profile) -> None:
    policies: dict[str, set[str]] = {}
    for one in tallies:
        for name, versions in one.policies.items():
            policies.setdefault(name, set()).update(versions)
    for name, ours in sorted(policies.items()):
        if name not in reference.labelers:
            stderr().print(f"The profile has no labels of {name}: not compared.")
        elif not reference.same_policies(name, sorted(ours)):
            theirs = ", ".join(reference.labelers[name].policies)
            stderr().print(f"Verdicts on {name} follow {', '.join(sorted(ours))}, not {theirs}: not compared.")
