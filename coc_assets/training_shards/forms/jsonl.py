"""JSON Lines: one label a line, its trace in four parts (training exports, Also)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from coc_assets.training_shards.forms.told import Sources, Written, by_split
from coc_assets.training_shards.selection import Row
from resources.store import Store

FOLDER = "jsonl"
PARTS = ("perception", "prediction", "planning", "justification")


def write(rows: Sequence[Row], folder: Path, _: Sources) -> Written:
    """`jsonl/<split>.jsonl`; see `registry.WRITERS`."""
    files = []
    for split, of_split in by_split(rows):
        files.append(f"{FOLDER}/{split}.jsonl")
        Store(folder).write_bytes(folder / files[-1], lines(of_split).encode())
    return Written(files, len(rows))


def lines(rows: Iterable[Row]) -> str:
    """A line a label, each closed by a newline.

    Args:
        rows: `clip_id`, `t0_us`, the four parts and `trace`.
    """
    return "".join(f"{json.dumps(_four_parts(row), ensure_ascii=False)}\n" for row in rows)


def _four_parts(row: Row) -> dict[str, Any]:
    """The label's line; one that lacks a part, as most from elsewhere do, brings its trace too."""
    fields = ("clip_id", "t0_us", *PARTS)
    whole = all(row[name] for name in PARTS)
    return {name: row[name] for name in (fields if whole else (*fields, "trace"))}
