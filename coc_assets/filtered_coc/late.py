"""What judging anew takes up besides stored measurements: near-duplicates over the whole set, and people's reviews.

Both are rows of `set_measurements`, a small file beside the large one of `measurements`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from coc_assets.filtered_coc import duplicates, human_review
from coc_assets.filtered_coc.structure import PARTS
from coc_assets.stage import Workspace
from resources import schemas
from resources.receipts import digest_of, read_receipt
from resources.reviews import read_reviews
from resources.store import Store

_FOUND_IN = "found_in"
_ORDER = ("chunk", "label_id", "instrument", "name")
_TEXTS = ("chunk", "label_id", "keyframe_id", "labeler", "status", "components", "trace", *PARTS)


def late_rows(
    store: Store, stored: pl.DataFrame, newly_reviewed: Sequence[str], found: pl.DataFrame | None
) -> pl.DataFrame:
    """Rows of `set_measurements` as they are to be now, of several chunks.

    Args:
        stored: the rows that lie there.
        newly_reviewed: chunks whose reviews are others than those that the rows came from.
        found: duplicates in these chunks; None lets earlier ones stand.

    Returns:
        Rows by chunk; those of a chunk are what its stage would leave (`build.late_measurements`).
    """
    of_people = (pl.col("instrument") == human_review.INSTRUMENT) & pl.col("chunk").is_in(list(newly_reviewed))
    rows = [stored.filter(~of_people), *(_reviewed(store, chunk) for chunk in newly_reviewed)]
    if found is not None:
        rows = [*(some.filter(pl.col("instrument") != duplicates.INSTRUMENT) for some in rows), found]
    return pl.concat(rows).sort(_ORDER)


def _reviewed(store: Store, chunk: str) -> pl.DataFrame:
    usable = read_labels(store, [chunk], ("label_id", "status")).filter(pl.col("status") == "ok")
    return human_review.measure(usable, read_reviews(store.reviews_path(chunk))).with_columns(chunk=pl.lit(chunk))


def duplicates_of_set(workspace: Workspace, versions: Mapping[str, str], *, keep: bool) -> pl.DataFrame:
    """Near-duplicates over all labels of a store; found again only where labels or thresholds changed since.

    Args:
        versions: data version of raw_coc by chunk, as far as they are known; those of other chunks are read.
        keep: writes what was found beside the partitions, for the next time.

    Returns:
        Rows of `set_measurements`, of whatever chunk.
    """
    store, thresholds = workspace.store, workspace.settings.filtering.duplicates
    of_set = _versions_of_set(store, versions)
    found_in = digest_of([duplicates.VERSION, thresholds.model_dump(mode="json"), of_set])
    path = store.root / schemas.SET_MEASUREMENTS.asset / f"{duplicates.INSTRUMENT}.parquet"
    if _digest_in(path) == found_in:
        return pl.read_parquet(path)
    found = duplicates.near_duplicates(read_labels(store, list(of_set), _TEXTS), thresholds)
    if keep:
        with store.publish(path) as temporary:
            found.write_parquet(temporary, compression="zstd", metadata={_FOUND_IN: found_in})
    return found


def _versions_of_set(store: Store, known: Mapping[str, str]) -> dict[str, str]:
    """Data version of the labels of every chunk that has finished ones."""
    names = sorted(path.name.removeprefix("chunk=") for path in (store.root / "raw_coc").glob("chunk=*"))
    versions = {chunk: known[chunk] if chunk in known else _labels_version(store, chunk) for chunk in names}
    return {chunk: version for chunk, version in versions.items() if version}


def _labels_version(store: Store, chunk: str) -> str:
    receipt = read_receipt(store, "raw_coc", chunk)
    return receipt.data_version if receipt and receipt.status == "done" else ""


def _digest_in(path: Path) -> str | None:
    try:
        return pl.read_parquet_metadata(path).get(_FOUND_IN)
    except (FileNotFoundError, pl.exceptions.ComputeError):
        return None


# ---- reading many partitions -----------------------------------------------------------------------------------------


def read_tables(store: Store, table: schemas.Table, chunks: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Columns of one table of many partitions, chunk by chunk as they lie in the files."""
    return _scan([str(store.table_path(table, chunk)) for chunk in chunks], table, columns)


def read_labels(store: Store, chunks: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Columns of the labels of many partitions, of every labeler."""
    paths = [
        str(store.table_path(schemas.RAW_COC, chunk, labeler=labeler))
        for chunk in chunks
        for labeler in store.labelers(chunk)
    ]
    return _scan(paths, schemas.RAW_COC, columns)


def _scan(paths: list[str], table: schemas.Table, columns: Sequence[str]) -> pl.DataFrame:
    if not paths:
        return schemas.empty(table).select(columns)
    rows = pl.scan_parquet(
        paths,
        schema=table.schema,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
    )
    return rows.select(columns).collect()
