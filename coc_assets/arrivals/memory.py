"""What is remembered of arriving chunks from one look to the next: a file of a numbered generation, written whole.

A generation is written before the number is committed as the sensor's cursor, so a look that is cut off between the two
is made again from the generation before it, and ends in the same one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from resources.store import Store

_FOLDER = "arrivals"
_KEPT = 2
"""Generations on disk: the one that was read, and the one that was written."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A chunk as it was seen last.

    Attributes:
        digest: names the sizes and times of its files.
        since: when it was first seen so, s since 1970.
        answered: the digest that was dealt with last, by a run or because nothing was due; empty for none.
        damage: by path, what is wrong with zips because of which no run was asked for.
    """

    digest: str
    since: float
    answered: str = ""
    damage: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """All chunks that are there.

    Attributes:
        generation: counts the changes; 0 knows nothing.
        chunks: by chunk id.
    """

    generation: int = 0
    chunks: Mapping[str, Sight] = field(default_factory=dict)


def recall(store: Store, generation: int) -> Memory:
    """The memory of that generation; an empty one, of the same number, where its file is gone or cannot be read."""
    with suppress(FileNotFoundError, ValueError, TypeError, AttributeError):
        rows = json.loads(_path(store, generation).read_bytes())
        return Memory(generation, {chunk: Sight(*row) for chunk, row in rows.items()})
    return Memory(generation)


def remember(store: Store, memory: Memory) -> None:
    """Writes the memory, and removes generations that no look goes on from."""
    rows = {
        chunk: [sight.digest, sight.since, sight.answered, *([dict(sight.damage)] if sight.damage else ())]
        for chunk, sight in memory.chunks.items()
    }
    path = _path(store, memory.generation)
    store.write_bytes(path, json.dumps(rows).encode())
    for other in path.parent.glob("*.json"):
        if not memory.generation - _KEPT < int(other.stem) <= memory.generation:
            other.unlink(missing_ok=True)


def _path(store: Store, generation: int) -> Path:
    return store.dagster_home / _FOLDER / f"{generation}.json"
