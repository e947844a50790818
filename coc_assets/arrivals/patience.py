"""How long a look may take: Dagster gives a sensor or schedule a minute, and drops what takes longer."""

from __future__ import annotations

import time
from collections.abc import Callable

_LONGEST_S = 30.0

Patience = Callable[[], bool]
"""Says whether there is time for one more chunk."""


def half_a_minute(clock: Callable[[], float] = time.monotonic) -> Patience:
    """Patience that begins now; the rest of the minute is left for what Dagster does around a look."""
    until = clock() + _LONGEST_S
    return lambda: clock() < until
