"""`coc eval`: a labeler against the scripted truth of a generated dataset, or against another labeler."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coc_assets.commands.common import (
    DONE,
    UsageError,
    counted,
    parse_chunks,
    require_store,
    stderr,
    stdout,
    write_rows,
)
from resources import schemas
from resources.settings import Settings, load_settings

if TYPE_CHECKING:
    import polars as pl

    from coc_assets.evaluation.compare import Comparison
    from resources.store import Store

TRUTH = "truth"
FORMATS = ("table", "json")


def run(options: argparse.Namespace) -> int:
    settings = load_settings(dataset=options.dataset, store=options.store, labeler=options.labeler)
    require_store(settings)
    if options.plant:
        return _plant(settings, options)
    comparison = _compare(settings, options)
    _print(comparison, options.format)
    return DONE


def _plant(settings: Settings, options: argparse.Namespace) -> int:
    from coc_assets.evaluation.plant_report import report_plant
    from resources.store import Store

    chunks = parse_chunks(options.chunks, Store(settings.store).chunks(), settings)
    return report_plant(settings, chunks, half=options.wordings, seed=options.seed, form=options.format)


def _compare(settings: Settings, options: argparse.Namespace) -> Comparison:
    """Raises:
    UsageError: there is nothing to compare, and what would have to be made or named.
    """
    from coc_assets.evaluation.agreement import between_labelers
    from resources.store import Store

    store = Store(settings.store)
    chunks = parse_chunks(options.chunks, store.chunks(), settings)
    labels = _labels(store, chunks, settings.labeler)
    if options.against == TRUTH:
        return _against_truth(settings, store, chunks, labels)
    others = _labels(store, chunks, options.against, beside=f"; or compare with the scripted truth: --against {TRUTH}")
    return between_labelers(labels, others, settings.labeler, options.against)


def _against_truth(settings: Settings, store: Store, chunks: Sequence[str], labels: pl.DataFrame) -> Comparison:
    from coc_assets.evaluation.compare import against_truth
    from coc_assets.evaluation.truth import TruthError, read_truth

    if settings.dataset is None:
        raise UsageError(
            "No dataset named. Pass --dataset DIR or set COC_DATASET; or compare labelers: --against NAME."
        )
    try:
        truth = read_truth(settings.dataset, chunks)
    except TruthError as error:
        raise UsageError(str(error)) from None
    keyframes = _tables(store, chunks, schemas.KEYFRAMES)
    if not set(truth["clip_id"]) & set(keyframes["clip_id"]):
        raise UsageError(
            f"No clip of {settings.store} is in {settings.dataset}: the store was made from another dataset. "
            "Name the one that it was made from (--dataset DIR)."
        )
    return against_truth(labels, truth, keyframes, settings.labeler)


def _labels(store: Store, chunks: Sequence[str], labeler: str, beside: str = "") -> pl.DataFrame:
    """One labeler's labels of those chunks that have any; the others are named.

    Raises:
        UsageError: it labelled none of them.
    """
    with_labels = [chunk for chunk in chunks if labeler in store.labelers(chunk)]
    if not with_labels:
        known = sorted({name for chunk in chunks for name in store.labelers(chunk)})
        there = f"There are labels of: {', '.join(known)}{beside}" if known else "There are none"
        raise UsageError(
            f"No labels of {labeler!r} in {store.root}. {there}. "
            f"Make them: coc run --dataset DIR --store {store.root} --labeler {labeler}"
        )
    if len(with_labels) < len(chunks):
        left_out = counted(len(chunks) - len(with_labels), "chunk")
        stderr().print(f"{left_out} without labels of {labeler}", style="yellow", markup=False)
    return _tables(store, with_labels, schemas.RAW_COC, labeler)


def _tables(store: Store, chunks: Sequence[str], table: schemas.Table, labeler: str | None = None) -> pl.DataFrame:
    import polars as pl

    there = [chunk for chunk in chunks if store.table_path(table, chunk, labeler=labeler).is_file()]
    frames = [store.read_table(table, chunk, labeler=labeler) for chunk in there]
    return pl.concat([schemas.empty(table), *frames])


def _print(comparison: Comparison, form: str) -> None:
    from coc_assets.evaluation import tables
    from coc_assets.evaluation.compare import CHANNELS

    if form == "json":
        print(tables.as_json(comparison))
        return
    say = stdout().print
    say(f"{comparison.labeler} against {comparison.against}")
    for line in (*tables.count_lines(comparison), tables.kappa_line(comparison)):
        if line:
            say(line)
    for frame in (tables.overview(comparison), tables.by_group(comparison)):
        say()
        write_rows(frame, "table")
    for channel in CHANNELS:
        say(f"\n{channel}")
        write_rows(tables.confusion_of(comparison, channel), "table")
