"""`coc score`: how far predicted trajectories are from those of a set."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coc_assets.commands.common import (
    DONE,
    FAILED,
    UsageError,
    counted,
    progress_bar,
    stderr,
    stdout,
    write_rows,
)
from resources.settings import Settings, load_settings

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from coc_assets.scoring.score import Score, Surroundings
    from coc_assets.scoring.truth import Truth
    from resources.store import Store

_NAMED = 5  # rows of each reason that are named
_DECIMALS = 3  # of figures in the table
_IN_TABLE = ("ade_m", "fde_m", "min_ade_m", "min_fde_m", "miss_rate", "jerk_mps3", "jerk_p95_mps3", "tracked",
             "collision_rate")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Scores and prints; 1 where rows of the file could not be used, or none was of the set."""
    from coc_assets.scoring.groups import group_table
    from coc_assets.scoring.predictions import PredictionsError

    write = _writer(options.per_sample)
    settings = load_settings(store=options.store)
    folder = _folder_of(options.set, settings)
    try:
        scored = _scored(folder, settings, options)
    except PredictionsError as error:
        raise UsageError(str(error)) from None
    write(scored.per_sample)
    _print(scored, group_table(scored.per_sample, options.by), folder, options)
    return FAILED if scored.unusable or not scored.predicted.height else DONE


def _scored(folder: Path, settings: Settings, options: argparse.Namespace) -> Score:
    """Raises:
    PredictionsError: the file of predictions cannot be used, which is looked at before the set is read.
    """
    from coc_assets.scoring.predictions import read_predictions, reader_of
    from coc_assets.scoring.score import score

    reader_of(options.predictions)
    with progress_bar("") as (bar, task):

        def progress(what: str, done: int, of: int) -> None:
            bar.update(task, description=what, completed=done, total=of)

        truth = _truth(folder, options.split, partial(progress, "samples read"))
        return score(
            truth,
            read_predictions(options.predictions, truth.positions, truth.other_splits),
            _surroundings(folder, options.store, settings),
            k=options.k,
            miss_m=options.miss_m,
            progress=partial(progress, "chunks' tracks looked at"),
        )


# ---- the set and what is around it ----------------------------------------------------------------------------------


def _folder_of(named: Path | None, settings: Settings) -> Path:
    """The set's folder: the store, the folder that is named, or a release of the store by that name."""
    from resources.store import Store

    if named is None or named.is_dir():
        return named or settings.store
    release = Store(settings.store).release(str(named))
    return release if release.is_dir() else named


def _truth(folder: Path, split: str | None, progress: Callable[[int, int], None]) -> Truth:
    """Raises:
    UsageError: there is no such set, or it has no such sample.
    """
    from coc_assets.scoring.truth import read_truth

    try:
        return read_truth(folder, split, progress)
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from None


def _surroundings(folder: Path, named: Path | None, settings: Settings) -> Surroundings:
    """The store that has the set's tracks and the dataset that the store was made from, as far as they are there."""
    from coc_assets.scoring.score import Surroundings
    from coc_assets.status import with_recorded_dataset
    from resources.dataset import DatasetRoot
    from resources.store import Store

    candidates = [named] if named else [folder, *folder.absolute().parents[:2], settings.store]
    root = next((one for one in candidates if one and _has_tracks(Store(one))), None)
    if root is None:
        return Surroundings(None, None, settings.labels.rules)
    settings = with_recorded_dataset(settings.model_copy(update={"store": root}))
    dataset = DatasetRoot(settings.dataset) if settings.dataset else None
    return Surroundings(Store(root), dataset, settings.labels.rules)


def _has_tracks(store: Store) -> bool:
    from resources import schemas

    return (store.root / schemas.TRACKS.asset).is_dir()


# ---- what is written and printed ------------------------------------------------------------------------------------


def _writer(path: Path | None) -> Callable[[pl.DataFrame], None]:
    """Writes a row a sample and path to a file, the format by its name; nothing where no file is named.

    Raises:
        UsageError: the name tells no format.
    """
    from coc_assets.scoring.score import JERKS
    from resources.store import Store

    if path is None:
        return lambda per_sample: None
    by_suffix = {".parquet": "write_parquet", ".csv": "write_csv", ".jsonl": "write_ndjson"}
    if path.suffix not in by_suffix:
        raise UsageError(f"--per-sample {path} ends in none of {', '.join(by_suffix)}.")

    def write(per_sample: pl.DataFrame) -> None:
        with Store(path.parent).publish(path) as temporary:
            getattr(per_sample.drop(JERKS), by_suffix[path.suffix])(temporary)

    return write


def _print(scored: Score, groups: pl.DataFrame, folder: Path, options: argparse.Namespace) -> None:
    """The counts and the figures; in forms for programs, counts are within the JSON or go to stderr."""
    if options.format == "json":
        print(json.dumps(_as_json(scored, groups, folder, options), ensure_ascii=False))
        return
    _say(scored, folder, options, stdout() if options.format == "table" else stderr())
    if options.format != "table":
        write_rows(groups, options.format)
    elif scored.predicted.height:
        stdout().print()
        write_rows(_told(groups, options.by), "table")


def _say(scored: Score, folder: Path, options: argparse.Namespace, console: Console) -> None:
    predicted = scored.predicted

    def say(text: str, style: str | None = None) -> None:
        console.print(text, markup=False, soft_wrap=True, style=style)

    of_split = f" of {options.split}" if options.split else ""
    share = predicted.height / scored.samples
    say(
        f"{counted(scored.samples, 'sample')}{of_split} in {folder}, {predicted.height} with a prediction ({share:.1%})"
    )
    say(f"{counted(scored.rows, 'row')} in {options.predictions}" + _aside(scored))
    for reason, rows in _unusable(scored).items():
        say(f"not used, {reason}: {len(rows)}", "yellow")
        for one in rows[:_NAMED]:
            say(f"  row {one['row']}" + (f": {one['key']}" if one["key"] else ""))
    if predicted.height:
        for line in (*_coverage(predicted, options.k), _collisions(scored)):
            say(line)


def _aside(scored: Score) -> str:
    return f", {scored.other_splits} of other splits" if scored.other_splits else ""


def _unusable(scored: Score) -> dict[str, list[dict[str, Any]]]:
    """Rows that are not used by their reason, the most frequent first."""
    counts = Counter(one.reason for one in scored.unusable)
    rows = [(one.reason, {"row": one.row, "key": one.key}) for one in scored.unusable]
    return {reason: [row for why, row in rows if why == reason] for reason, _ in counts.most_common()}


def _coverage(predicted: pl.DataFrame, k: int) -> list[str]:
    """How long predictions are, and how many modes they have."""
    horizons = _horizons(predicted)
    lines = ["horizon: " + ", ".join(f"{seconds} s of {counted(n, 'sample')}" for seconds, n in horizons.items())]
    fewer = predicted.filter(predicted["modes"] < k).height
    lines.append(f"modes: the {k} most probable" + (f"; {counted(fewer, 'sample')} with fewer" if fewer else ""))
    return lines


def _horizons(predicted: pl.DataFrame) -> dict[str, int]:
    """Samples by the seconds that their prediction covers, the longest first."""
    counts = predicted["horizon_s"].round(1).value_counts().sort("horizon_s", descending=True)
    return {f"{seconds:g}": count for seconds, count in counts.iter_rows()}


def _collisions(scored: Score) -> str:
    tracked = scored.predicted["collided"].count()
    if not tracked:
        return "collisions: no tracks are known of these samples (--store names the store that has them)"
    where = [(True, "from vehicle_dimensions"), (False, "assumed (labels.rules.body)")]
    clips = [f"{text} in {counted(scored.outlines[told], 'clip')}" for told, text in where if scored.outlines[told]]
    return f"collisions: {counted(tracked, 'sample')} with tracks; the ego's outline is {', '.join(clips)}"


def _told(groups: pl.DataFrame, by: str | None) -> pl.DataFrame:
    """The figures as people read them: of one group a line a figure, of several a line a group and path."""
    import polars as pl
    from polars import selectors

    groups = groups.with_columns(selectors.float().round(_DECIMALS))
    if by is not None:
        return groups.select("group", "path", "n", *_IN_TABLE).rename({"group": by})
    figures = [name for name in groups.columns if name not in ("group", "path", "n")]
    return groups.select(pl.col(figures).cast(pl.Float64)).transpose(
        include_header=True, header_name="figure", column_names=groups["path"].to_list()
    )


def _as_json(scored: Score, groups: pl.DataFrame, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    predicted = scored.predicted
    return {
        "set": str(folder),
        "split": options.split,
        "k": options.k,
        "miss_m": options.miss_m,
        "samples": scored.samples,
        "predicted": predicted.height,
        "rows": scored.rows,
        "other_splits": scored.other_splits,
        "unusable": {reason: len(rows) for reason, rows in _unusable(scored).items()},
        "unusable_rows": {reason: rows[:_NAMED] for reason, rows in _unusable(scored).items()},
        "horizons": _horizons(predicted),
        "by": options.by,
        "figures": groups.to_dicts(),
    }
