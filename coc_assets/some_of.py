"""Some of many, in words, for messages that must not grow with a dataset."""

from __future__ import annotations

from collections.abc import Sequence

MOST = 8


def some_of(names: Sequence[str], most: int = MOST, between: str = ", ") -> str:
    """The first of the names, and how many there are besides."""
    more = len(names) - most
    return between.join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
