"""Receipts: what a finished (or failed) partition was made from, and whether it still stands.

A receipt is written last, so its presence means that the partition is whole. It is the source of truth for skipping,
`coc status` and staleness; Dagster's data versions mirror it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from resources.store import RECEIPT, Store, sha256_of_file

WHOLE = "whole"  # the fingerprint's name in stages that have no labelers
EXPECTATIONS, ROWS_JUDGED = "expectations", "rows_judged"
"""Figures of a check that holds tables against suites: expectations asked, and rows that they were asked of."""


class InputFile(BaseModel):
    """A dataset file as it was read; size and mtime only save hashing it again, the content hash decides."""

    sha256: str
    size: int
    mtime_ns: int


class CheckRecord(BaseModel):
    """Outcome of one asset check on the present data version.

    Attributes:
        levels: names the levels that it was held against, where these are settings (`levels_in_force`).
        figures: what was counted or measured, by name.
    """

    passed: bool
    severity: Literal["WARN", "ERROR"]
    blocking: bool
    description: str = ""
    levels: str | None = None
    figures: dict[str, int | float] = Field(default_factory=dict)


class Fingerprint(BaseModel):
    """What decided a partition's content: equal fingerprints give equal bytes."""

    code_version: str
    settings_hash: str
    inputs: dict[str, str] = Field(default_factory=dict, description="dataset path → sha256")
    upstream: dict[str, str] = Field(default_factory=dict, description="asset → data version")


class Receipt(BaseModel):
    """What one partition of one asset holds and came from."""

    stage: str
    chunk: str
    status: Literal["done", "failed"]
    data_version: str = ""
    fingerprints: dict[str, Fingerprint] = Field(default_factory=dict, description="by labeler; `whole` elsewhere")
    dataset: str | None = Field(None, description="root of the dataset it was made from")
    input_files: dict[str, InputFile] = Field(default_factory=dict)
    outputs: dict[str, str] = Field(default_factory=dict, description="file in the partition → sha256")
    counts: dict[str, int] = Field(default_factory=dict, description="rows by table")
    figures: dict[str, int | float] = Field(default_factory=dict, description="other figures, e.g. labels by verdict")
    rejects: dict[str, int] = Field(default_factory=dict, description="rejected and degraded rows by reason")
    checks: dict[str, CheckRecord] = Field(default_factory=dict)
    duration_s: float = 0.0
    finished_at: str = ""
    error: str | None = None

    def evaluated(self, levels: str) -> frozenset[str]:
        """Checks whose outcome stands: evaluated on this partition, and under these levels where they go by levels."""
        return frozenset(name for name, check in self.checks.items() if check.levels in (None, levels))

    def blocked_by(self) -> list[str]:
        """Blocking checks that failed on this partition."""
        return sorted(
            name
            for name, check in self.checks.items()
            if check.blocking and not check.passed and check.severity == "ERROR"
        )

    def failed_checks(self) -> list[str]:
        """Checks of ERROR severity that failed on this partition."""
        return sorted(name for name, check in self.checks.items() if not check.passed and check.severity == "ERROR")


def digest_of(value: object) -> str:
    """sha256 over canonical JSON, hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_receipt(store: Store, stage: str, chunk: str) -> Receipt | None:
    """The partition's receipt; None where there is none or it cannot be read (the stage is then done again)."""
    try:
        return Receipt.model_validate_json((store.partition(stage, chunk) / RECEIPT).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_receipt(store: Store, receipt: Receipt) -> None:
    path = store.partition(receipt.stage, receipt.chunk) / RECEIPT
    stamped = receipt.model_copy(update={"finished_at": receipt.finished_at or _now()})
    store.write_bytes(path, json.dumps(stamped.model_dump(), indent=1, sort_keys=True).encode() + b"\n")


def record_check(store: Store, stage: str, chunk: str, name: str, record: CheckRecord) -> None:
    """Adds a check's outcome to the receipt of the partition it was evaluated on."""
    receipt = read_receipt(store, stage, chunk)
    if receipt is not None:
        write_receipt(store, receipt.model_copy(update={"checks": {**receipt.checks, name: record}}))


def fingerprint_file(path: Path, key: str, known: dict[str, InputFile]) -> InputFile:
    """The file's content hash; an earlier receipt's is taken over when size and mtime are unchanged."""
    stat = path.stat()
    earlier = known.get(key)
    if earlier and (earlier.size, earlier.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return earlier
    return InputFile(sha256=sha256_of_file(path), size=stat.st_size, mtime_ns=stat.st_mtime_ns)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
