"""The one partitions definition: a partition is a clip chunk of the dataset, four digits."""

from __future__ import annotations

import dagster as dg

CHUNKS = dg.DynamicPartitionsDefinition(name="chunks")


def register_chunks(instance: dg.DagsterInstance, chunks: list[str]) -> list[str]:
    """Registers the chunks that the instance does not know yet, sorted, and returns them."""
    known = set(instance.get_dynamic_partitions("chunks"))
    new = sorted(set(chunks) - known)
    if new:
        instance.add_dynamic_partitions("chunks", new)
    return new
