"""Figures of a benchmark for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def figures_table(title: str, figures: Mapping[str, object]) -> Table:
    """A row a figure."""
    from rich.table import Table

    table = Table("figure", "value", title=title)
    for name, value in figures.items():
        table.add_row(name, str(value))
    return table
