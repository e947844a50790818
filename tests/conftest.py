"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with inputs of known answers, `$COC_SHARED_DATA` or beside the checkout; skips where it is absent."""
    root = Path(os.environ.get("COC_SHARED_DATA", _BESIDE))
    if not (root / "golden-visible").is_dir():
        pytest.skip(f"no reference data at {root}")
    return root
