from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.doctor.finding import Setup
from resources.settings import Settings


@pytest.fixture
def bare(tmp_path: Path) -> Setup:
    """A set-up with an empty store and no dataset."""
    (tmp_path / "store").mkdir()
    return Setup(Settings(store=tmp_path / "store"), {})
