"""What of a store is not as it should be: where, why, and the command that mends it.

A stage that only waits for another is no finding of its own: it is counted, and the one that it waits for is named.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from coc_assets.stage import Stage, Standing, Work, Workspace, standing_of
from coc_assets.stages import ALL_STAGES_BY_NAME, STAGES, STAGES_BY_NAME
from coc_assets.status import ChunkStatus, State
from resources.receipts import CheckRecord, Fingerprint, Receipt

Kind = Literal["failed", "blocked", "check failed", "stale", "missing"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What is wrong with a partition, gravest first; `blocked` holds back the assets after it."""
STATES: tuple[State, ...] = ("done", "stale", "failed", "missing")

_ORDER = {name: place for place, name in enumerate(ALL_STAGES_BY_NAME)}
_LONGEST_REASON = 600  # characters
_LONGEST_RANGES = 120  # characters of a command that lists chunks


@dataclass(frozen=True)
class Finding:
    """Partitions of one asset that are wrong in one way.

    Attributes:
        kind: what is wrong. stage: the asset. reason: why, in words.
        chunks: where, ascending. command: what mends it.
    """

    kind: Kind
    stage: str
    reason: str
    chunks: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class StageStates:
    """Chunks by state of one asset, and how many of those that are due only wait for an asset before it."""

    stage: str
    states: Mapping[State, int]
    waiting: int


def states_by_stage(statuses: Sequence[ChunkStatus]) -> list[StageStates]:
    """One row an asset, in flow order; optional ones where a chunk has them."""
    rows = []
    for name, stage in ALL_STAGES_BY_NAME.items():
        having = [status for status in statuses if name in status.states]
        if having or stage in STAGES:
            counts = Counter(status.states[name] for status in having)
            waiting = sum(_waits(status, stage) for status in having)
            rows.append(StageStates(name, {state: counts[state] for state in STATES}, waiting))
    return rows


def findings(workspace: Workspace, statuses: Sequence[ChunkStatus]) -> list[Finding]:
    """Everything that wants a hand, gravest first, then in flow order; chunks with the same reason together."""
    told: dict[tuple[Kind, str, str], list[str]] = {}
    for status in statuses:
        for key in _of_chunk(workspace, status):
            told.setdefault(key, []).append(status.chunk)
    found = [
        Finding(kind, stage, reason, tuple(chunks), _mend(workspace, kind, stage, chunks))
        for (kind, stage, reason), chunks in told.items()
    ]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), _ORDER[one.stage], -len(one.chunks), one.reason))


def chunk_ranges(chunks: Iterable[str]) -> str:
    """Chunk ids as `--chunks` takes them: 0-3,7."""
    numbers = sorted(int(chunk) for chunk in chunks)
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _of_chunk(workspace: Workspace, status: ChunkStatus) -> Iterator[tuple[Kind, str, str]]:
    for name, state in status.states.items():
        receipt = status.receipts.get(name)
        if state == "failed" and receipt:
            yield "failed", name, _shortened(receipt.error or "it says no reason", status.chunk)
        elif state != "done" and not _waits(status, ALL_STAGES_BY_NAME[name]):
            yield _due(workspace, status, name, state)
        for check in receipt.failed_checks() if receipt else ():
            assert receipt is not None
            record = receipt.checks[check]
            kind: Kind = "blocked" if record.blocking else "check failed"
            yield kind, name, _said_by(check, record)


def _due(workspace: Workspace, status: ChunkStatus, name: str, state: State) -> tuple[Kind, str, str]:
    receipt = status.receipts.get(name)
    if receipt is None or state == "missing":
        return "missing", name, "not made yet, or stopped while it was made"
    work = Work(workspace, ALL_STAGES_BY_NAME[name], status.chunk)
    return "stale", name, why_stale(work, standing_of(work, receipt))


def why_stale(work: Work, now: Standing) -> str:
    """What changed since the receipt was written; its own checks where nothing did."""
    made_from = now.receipt.fingerprints.get(work.part) if now.receipt else None
    if made_from is None:
        return f"no labels of {work.part} yet" if work.stage.by_labeler else "stopped while it was made"
    changes = list(_changes(work, made_from, now.fingerprint))
    if not changes and not now.is_fresh(work):
        changes = ["files that the receipt names are gone"]
    return "; ".join(changes) or "its checks were not evaluated, or by other levels (section quality)"


def _changes(work: Work, before: Fingerprint, after: Fingerprint) -> Iterator[str]:
    if before.code_version != after.code_version:
        yield f"made by version {before.code_version} of the stage, which is at {after.code_version}"
    if before.settings_hash != after.settings_hash:
        yield f"settings that shape it changed ({', '.join(work.stage.sections) or 'labeler'})"
    inputs = _differing(before.inputs, after.inputs)
    if inputs:
        yield "changed: " + ", ".join(name.replace(work.chunk, "NNNN") for name in inputs)
    upstream = _differing(before.upstream, after.upstream)
    if upstream:
        yield f"made from earlier {', '.join(upstream)}"


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _waits(status: ChunkStatus, stage: Stage) -> bool:
    """Whether it is due, and so, or held back, is an asset that it reads."""
    if status.states[stage.name] in ("done", "failed"):
        return False
    return any(status.states[name] != "done" or _holds_back(status.receipts.get(name)) for name in stage.upstream)


def _holds_back(receipt: Receipt | None) -> bool:
    return receipt is not None and bool(receipt.blocked_by())


def _said_by(check: str, record: CheckRecord) -> str:
    return f"{check}: {record.description}"[:_LONGEST_REASON]


def _shortened(error: str, chunk: str) -> str:
    """An error in the stage's own words, the same for all chunks that it befell."""
    return error.replace(f"chunk {chunk}", "chunk NNNN")[:_LONGEST_REASON]


def _mend(workspace: Workspace, kind: Kind, stage: str, chunks: Sequence[str]) -> str:
    """The `coc run` that makes them again; what a check found has to be mended first, so it names the asset."""
    settings = workspace.settings
    dataset = ["--dataset", str(settings.dataset)] if settings.dataset else []
    command = ["coc", "run", *dataset, "--store", str(settings.store)]
    ranges, of_check = chunk_ranges(chunks), kind in ("blocked", "check failed")
    if of_check or len(ranges) <= _LONGEST_RANGES:  # without, all that is due is made, and these are
        command += ["--chunks", ranges]
    if stage not in STAGES_BY_NAME or of_check:
        command += ["--select", stage]
    if of_check:
        command.append("--force")
    if settings.labeler != "rules":
        command += ["--labeler", settings.labeler]
    if settings.filtering.judge.model:
        command += ["--judge", settings.filtering.judge.model]
    return shlex.join(command)
