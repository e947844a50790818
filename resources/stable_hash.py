"""Choices that never change: a place in [0, 1) that depends on a text alone."""

from __future__ import annotations

import hashlib

_BYTES = 8


def place_of(text: str) -> float:
    """Where a text stands among all that there could be, in [0, 1): evenly spread, and the same for ever."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:_BYTES], "big") / 2 ** (8 * _BYTES)
