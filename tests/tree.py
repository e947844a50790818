"""What a store promises to be the same: every file but receipts, journals and the Dagster instance."""

from __future__ import annotations

import hashlib
from pathlib import Path


def tree(store: Path) -> dict[str, str]:
    """sha256 of each promised file of a store, by its path."""
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file() and not _is_a_fact(path) and ".dagster" not in path.relative_to(store).parts
    }


def _is_a_fact(path: Path) -> bool:
    """It tells of one run: what it took, what a model answered."""
    return path.name in ("receipt.json", "budget.json") or path.name.endswith(".journal.jsonl")
