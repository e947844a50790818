"""One look at the place where chunks arrive: what is new, what to ask runs for, and what to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from coc_assets.arrivals.due import need_of
from coc_assets.arrivals.memory import Memory, Sight
from coc_assets.arrivals.patience import Patience
from coc_assets.arrivals.watching import ChunkFiles, has_settled, is_open, observe
from coc_assets.some_of import some_of
from coc_assets.stage import Workspace
from resources.arriving import Place

_DIGITS = 16


@dataclass(frozen=True)
class Asked:
    """A run that is asked for.

    Attributes:
        key: what Dagster tells runs apart by; asked for again, it makes no second run.
    """

    chunk: str
    key: str


@dataclass
class _Answers:
    """What becomes of the settled chunks of one look."""

    sights: dict[str, Sight]
    asked: list[Asked] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    left: int = 0


@dataclass(frozen=True)
class Look:
    """What a look came to.

    Attributes:
        memory: to go on from.
        asked: runs, by chunk.
        message: what is there, and what holds chunks up.
    """

    memory: Memory
    asked: Sequence[Asked]
    message: str


def look(
    workspace: Workspace,
    place: Place,
    found: Mapping[str, ChunkFiles],
    memory: Memory,
    now: float,
    busy: Callable[[], frozenset[str]],
    patience: Patience,
) -> Look:
    """Weighs the chunks whose files have settled, and asks for a run of each that needs one.

    Args:
        found: the chunks that are there, with their files.
        memory: of the look before.
        now: s since 1970.
        busy: tells which chunks have a run under way; they are weighed when it is over.
        patience: when it ends, the chunks that are left are weighed in the next look.

    Raises:
        PlaceError: the place cannot be reached.
    """
    sights = observe(memory.chunks, found, now)
    settle_s = workspace.settings.arrivals.settle_s
    opened = [chunk for chunk, sight in sights.items() if is_open(sight)]
    settled = [chunk for chunk in opened if has_settled(sights[chunk], now, settle_s)]
    under_way = busy() if settled else frozenset()
    # The number is settled before it is known whether it is needed, so that a look made again gives the same keys.
    generation = memory.generation + 1
    answers = _answer(workspace, place, found, sights, settled, generation, under_way, patience)
    changed = answers.sights != memory.chunks
    kept = Memory(generation, answers.sights) if changed else memory
    arriving = [chunk for chunk in opened if chunk not in set(settled)]
    return Look(kept, answers.asked, _message(place, answers, arriving))


def _answer(
    workspace: Workspace,
    place: Place,
    found: Mapping[str, ChunkFiles],
    sights: dict[str, Sight],
    settled: Sequence[str],
    generation: int,
    busy: frozenset[str],
    patience: Patience,
) -> _Answers:
    most = workspace.settings.arrivals.runs_a_tick
    answers = _Answers(sights, waiting=[chunk for chunk in settled if chunk in busy])
    idle = [chunk for chunk in settled if chunk not in busy]
    for weighed, chunk in enumerate(idle):
        if len(answers.asked) == most or (weighed and not patience()):
            answers.left = len(idle) - weighed
            break
        sight = replace(sights[chunk], answered=sights[chunk].digest, damage={})
        if need_of(workspace, chunk, found[chunk]) != "none":
            sight = replace(sight, damage=_damage(place, found[chunk]))
            if not sight.damage:
                answers.asked.append(Asked(chunk, f"{chunk}:{sight.digest[:_DIGITS]}:{generation}"))
        sights[chunk] = sight
    return answers


def _damage(place: Place, files: ChunkFiles) -> dict[str, str]:
    found = {path: place.damage(path) for path in files}
    return {path: damage for path, damage in found.items() if damage}


def _message(place: Place, answers: _Answers, arriving: Sequence[str]) -> str:
    damaged = [f"{path} {what}" for sight in answers.sights.values() for path, what in sight.damage.items()]
    quiet = not (arriving or damaged or answers.asked or answers.waiting or answers.left)
    said = [f"Chunks at {place.shown}: {len(answers.sights)}{', none new or changed' if quiet else ''}."]
    if arriving:
        said.append(f"Still arriving, or just seen: {some_of(arriving)}.")
    if answers.waiting:
        said.append(f"Changed, and waiting for the run they have: {some_of(answers.waiting)}.")
    if answers.left:
        said.append(f"Left for the next look: {answers.left}.")
    if damaged:
        said.append(
            f"Not labelled, because a file is cut short or damaged: {some_of(damaged, between='; ')}. "
            "Copy it again; as it is, only the nightly run takes its chunk, and rejects what cannot be read."
        )
    return " ".join(said)
