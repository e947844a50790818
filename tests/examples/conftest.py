"""The example's modules lie beside its script, as they do for whoever runs it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples/tiny_trainer"))
