"""What a model would be asked and what that would cost: nothing is sent, no video is decoded.

Talks are played through with stand-in answers, so the requests counted are those that would be sent, with their real
words and as many pictures of their real size. Answers are taken to be as long as those that the model's journals hold,
or else as an assumption says.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.raw_coc.vlm.asking import request_of
from coc_assets.raw_coc.vlm.labelling import journal_of, prepare
from coc_assets.raw_coc.vlm.question import Agenda, Question, Topic, forget
from coc_assets.raw_coc.vlm.view import KeyframeView, Scope, frames_of
from coc_assets.stage import Workspace
from resources import schemas
from resources.journal import Entry, read_journal
from resources.models.dummy import least_instance
from resources.models.pricing import estimate_tokens, worst_cost_usd
from resources.models.request import Image, Part, Text, Video
from resources.receipts import read_receipt

ASSUMED_ANSWER_TOKENS = 350
_ENOUGH_ANSWERS = 20
_UNKNOWN_SIZE = (1920, 1080)


@dataclass(frozen=True)
class Estimate:
    """What is still to be asked.

    Attributes:
        chunks: that have what is asked about. unmade: those that do not have it yet; they are not in the figures.
        topics: keyframes to label, or labels to judge by a stage each. answered: of them, those that are settled.
        requests: to send if no answer has to be asked for again and none repaired.
        repairs: at most so many more, where an answer contradicts the recorded manoeuvres.
        completion_tokens: expected. assumed: by assumption, for want of enough answers.
        cost_usd: expected; most_usd: where every answer takes all it may. None without a price.
    """

    chunks: int = 0
    unmade: tuple[str, ...] = ()
    topics: int = 0
    answered: int = 0
    requests: int = 0
    repairs: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    assumed: bool = False
    cost_usd: float | None = None
    most_usd: float | None = None


@dataclass
class _Count:
    requests: int = 0
    repairs: int = 0
    topics: int = 0
    answered: int = 0
    prompt_tokens: int = 0
    most_completion_tokens: int = 0
    lengths: list[int] = field(default_factory=list)


def estimate(
    workspace: Workspace, chunks: Sequence[str], retry: Sequence[schemas.LabelStatus] = (), *, anew: bool = False
) -> Estimate:
    """What `coc run` with the present labeler would still ask on these chunks; `anew`: if nothing were answered yet."""
    reads = ("keyframe_segments", "clip_videos")
    return estimate_agendas(workspace, chunks, reads, prepare, journal_of, retry, anew=anew)


def estimate_agendas(
    workspace: Workspace,
    chunks: Sequence[str],
    reads: Sequence[str],
    prepare: Callable[[Workspace, str], Agenda],
    journal_of: Callable[[Workspace, str], Path],
    retry: Sequence[schemas.LabelStatus] = (),
    *,
    anew: bool = False,
) -> Estimate:
    """What would still be asked about these chunks.

    Args:
        reads: assets that have to be finished for a chunk to count. prepare, journal_of: what is asked, and where the
            answers are kept.
        anew: count as if nothing were answered; the answers so far only say how long one is.
    """
    made = [chunk for chunk in chunks if _is_made(workspace, chunk, reads)]
    count = _Count()
    agenda: Agenda | None = None
    for chunk in made:
        agenda = prepare(workspace, chunk)
        sizes = _sizes(workspace.store.read_table(schemas.VIDEOS, chunk))
        media = SizedMedia(agenda, workspace.settings.labels.vlm.image_height, sizes)
        entries = dict(read_journal(journal_of(workspace, chunk)).entries)
        count.lengths += [entry.completion_tokens for entry in entries.values() if entry.completion_tokens]
        _count_chunk(agenda, {} if anew else entries, media, retry, count)
    length = _answer_length(count.lengths)
    completion = count.requests * (length or ASSUMED_ANSWER_TOKENS)
    price = agenda.model.settings.price if agenda else None
    share = workspace.settings.models.batch_price_share if workspace.settings.models.batch else 1.0
    return Estimate(
        chunks=len(made),
        unmade=tuple(chunk for chunk in chunks if chunk not in made),
        topics=count.topics,
        answered=count.answered,
        requests=count.requests,
        repairs=count.repairs,
        prompt_tokens=count.prompt_tokens,
        completion_tokens=completion,
        assumed=length is None,
        cost_usd=worst_cost_usd(count.prompt_tokens, completion, price, share) if price else None,
        most_usd=worst_cost_usd(count.prompt_tokens, count.most_completion_tokens, price, share) if price else None,
    )


class SizedMedia:
    """Stands in for a clip's pictures: as many and as large, without their content."""

    def __init__(self, agenda: Agenda, most_high: int, sizes: Mapping[str, tuple[int, int]]) -> None:
        self._media = agenda.media
        self._most_high = most_high
        self._sizes = sizes

    def parts(self, view: KeyframeView, shown: Scope) -> tuple[Part, ...]:
        width, height = self._scaled(*self._sizes.get(view.clip_id, _UNKNOWN_SIZE))
        frames = len(frames_of(view, shown))
        if self._media == "video":
            return (Video(width, height, frames, mp4=b""),)
        return tuple(part for _ in range(frames) for part in (Text("t = -0.0 s"), Image(width, height, jpeg=b"")))

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        high = min(height, self._most_high)
        return round(width * high / height), high


def _is_made(workspace: Workspace, chunk: str, reads: Sequence[str]) -> bool:
    receipts = [read_receipt(workspace.store, name, chunk) for name in reads]
    return all(receipt is not None and receipt.status == "done" for receipt in receipts)


def _count_chunk(
    agenda: Agenda, entries: dict[str, Entry], media: SizedMedia, retry: Sequence[schemas.LabelStatus], count: _Count
) -> None:
    forget(agenda, entries, retry)
    for topic in agenda.topics:
        count.topics += 1
        if isinstance(topic.talk().advance(entries), Question):
            _play(topic, agenda, entries, media, count)
        else:
            count.answered += 1


def _play(topic: Topic, agenda: Agenda, entries: dict[str, Entry], media: SizedMedia, count: _Count) -> None:
    """Counts the requests that one topic still takes; a repair is counted as possible only."""
    known: ChainMap[str, Entry] = ChainMap({}, entries)
    tokens_per_image = agenda.model.settings.tokens_per_image
    talk = topic.talk()
    while isinstance(question := talk.advance(known), Question):
        if question.step == "repair":
            count.repairs += 1
            return
        if question.round > 1:
            return
        count.requests += 1
        count.most_completion_tokens += question.max_tokens
        request = request_of(question, agenda, topic.view, media)  # type: ignore[arg-type]
        count.prompt_tokens += estimate_tokens(request, tokens_per_image)
        known[question.key] = _stand_in(question)


def _stand_in(question: Question) -> Entry:
    """An answer that fits the question, for the next one to be asked."""
    return Entry(
        key=question.key,
        keyframe_id=question.keyframe_id,
        step=question.step,
        outcome="answered",
        text=json.dumps(least_instance(question.schema)) if question.schema else "Keep lane.",
        finish_reason="stop",
    )


def _sizes(videos: pl.DataFrame) -> dict[str, tuple[int, int]]:
    rows: Iterable[Any] = videos.select("clip_id", "width", "height").iter_rows()
    return {clip_id: (width, height) for clip_id, width, height in rows}


def _answer_length(lengths: Sequence[int]) -> int | None:
    """Mean length of the answers so far, tokens; None where there are too few."""
    return round(sum(lengths) / len(lengths)) if len(lengths) >= _ENOUGH_ANSWERS else None
