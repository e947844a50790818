"""What labelling would ask and cost, from the keyframes alone: nothing is sent, no video is decoded.

The conversation is played through with stand-in answers, so the requests counted are those that would be sent, with
their real words and as many pictures of their real size. Answers are taken to be as long as those that the journals of
this labeler hold, or else as an assumption says.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from coc_assets.raw_coc.vlm.conversation import Finished, Question, advance
from coc_assets.raw_coc.vlm.labelling import Prepared, forget, prepare, request_of
from coc_assets.raw_coc.vlm.view import KeyframeView
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
        chunks: that have keyframes. unmade: chunks whose keyframes are not made yet; they are not in the figures.
        keyframes: in all. answered: of them, those whose label stands.
        requests: to send if no answer has to be asked for again and none repaired.
        repairs: at most so many more, where an answer contradicts the recorded manoeuvres.
        completion_tokens: expected. assumed: by assumption, for want of enough answers.
        cost_usd: expected; most_usd: where every answer takes all it may. None without a price.
    """

    chunks: int = 0
    unmade: tuple[str, ...] = ()
    keyframes: int = 0
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
    keyframes: int = 0
    answered: int = 0
    prompt_tokens: int = 0
    most_completion_tokens: int = 0
    lengths: list[int] = field(default_factory=list)


def estimate(workspace: Workspace, chunks: Sequence[str], retry: Sequence[schemas.LabelStatus] = ()) -> Estimate:
    """What `coc run` with the present labeler would still ask on these chunks."""
    made = [chunk for chunk in chunks if _has_keyframes(workspace, chunk)]
    count = _Count()
    prepared: Prepared | None = None
    for chunk in made:
        prepared = prepare(workspace, chunk)
        _count_chunk(workspace, chunk, prepared, retry, count)
    length = _answer_length(count.lengths)
    completion = count.requests * (length or ASSUMED_ANSWER_TOKENS)
    price = prepared.model.settings.price if prepared else None
    share = workspace.settings.models.batch_price_share if workspace.settings.models.batch else 1.0
    return Estimate(
        chunks=len(made),
        unmade=tuple(chunk for chunk in chunks if chunk not in made),
        keyframes=count.keyframes,
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

    def __init__(self, prepared: Prepared, sizes: Mapping[str, tuple[int, int]]) -> None:
        self._plan = prepared.plan
        self._sizes = sizes

    def parts(self, view: KeyframeView, shown: str) -> tuple[Part, ...]:
        width, height = self._scaled(*self._sizes.get(view.clip_id, _UNKNOWN_SIZE))
        frames = len(view.history) + (len(view.future) if shown == "all" else 0)
        if self._plan.media == "video":
            return (Video(width, height, frames, mp4=b""),)
        return tuple(part for _ in range(frames) for part in (Text("t = -0.0 s"), Image(width, height, jpeg=b"")))

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        high = min(height, self._plan.vlm.image_height)
        return round(width * high / height), high


def _has_keyframes(workspace: Workspace, chunk: str) -> bool:
    receipts = [read_receipt(workspace.store, name, chunk) for name in ("keyframe_segments", "clip_videos")]
    return all(receipt is not None and receipt.status == "done" for receipt in receipts)


def _count_chunk(
    workspace: Workspace, chunk: str, prepared: Prepared, retry: Sequence[schemas.LabelStatus], count: _Count
) -> None:
    journal = read_journal(workspace.store.journal_path(chunk, workspace.settings.labeler))
    entries = dict(journal.entries)
    count.lengths += [entry.completion_tokens for entry in entries.values() if entry.completion_tokens]
    forget(prepared, entries, retry)
    media = SizedMedia(prepared, _sizes(workspace.store.read_table(schemas.VIDEOS, chunk)))
    for view in prepared.views:
        count.keyframes += 1
        if isinstance(advance(view, prepared.plan, entries), Finished):
            count.answered += 1
        else:
            _play(view, prepared, entries, media, count)


def _play(view: KeyframeView, prepared: Prepared, entries: dict[str, Entry], media: SizedMedia, count: _Count) -> None:
    """Counts the requests that one keyframe still takes; a repair is counted as possible only."""
    known: ChainMap[str, Entry] = ChainMap({}, entries)
    tokens_per_image = prepared.model.settings.tokens_per_image
    while isinstance(question := advance(view, prepared.plan, known), Question):
        if question.step == "repair":
            count.repairs += 1
            return
        if question.round > 1:
            return
        count.requests += 1
        count.most_completion_tokens += question.max_tokens
        request = request_of(question, prepared, view, media)  # type: ignore[arg-type]
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
