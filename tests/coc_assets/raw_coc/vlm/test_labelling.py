"""The driver, with a caller and a journal of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from coc_assets.raw_coc.vlm.asking import ask_chunk
from coc_assets.raw_coc.vlm.labelling import Prepared, labels_of
from coc_assets.raw_coc.vlm.question import forget
from coc_assets.raw_coc.vlm.view import KeyframeView
from coc_assets.sources.video import VideoError
from resources.journal import Entry
from resources.models.aliases import model_of
from resources.models.failures import BackendDown, GaveUp, OverBudget, Refused, Rejected
from resources.models.request import Answered, ChatAnswer, ChatRequest, Text, Usage
from resources.settings.models import ModelSettings, ModelsSettings
from tests.coc_assets.raw_coc.vlm.talks import decided, plan, seen, view

ALIASES = {"stub": ModelSettings(backend="server", model="stub-vlm", base_url="http://127.0.0.1:1/v1")}


def prepared(count: int = 4) -> Prepared:
    views = [view(keyframe_id=f"clip-{n // 2}-{n}", clip_id=f"clip-{n // 2}") for n in range(count)]
    return Prepared(views, plan(), model_of("stub", ModelsSettings(aliases=ALIASES)))


def usual(request: ChatRequest) -> str:
    return seen() if request.schema_name == "see" else decided()


class Caller:
    """Answers at once; what the test's function raises is raised."""

    def __init__(self, answer: Callable[[ChatRequest], str] = usual) -> None:
        self.asked: list[str] = []
        self._answer = answer

    async def ask(self, request: ChatRequest) -> Answered:
        self.asked.append(request.key)
        await asyncio.sleep(0)
        return Answered(ChatAnswer(self._answer(request), "stop", "stub-vlm", Usage(100, 10)), 1, 0.5, 0.25)


class Journal:
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def append(self, entry: Entry) -> None:
        await asyncio.sleep(0)
        self.entries.append(entry)


class Media:
    """Stands in for the pictures of a clip."""

    def __init__(self, problem: Callable[[str], Exception | None] = lambda clip_id: None) -> None:
        self._problem = problem

    def clip(self, views: Sequence[KeyframeView]) -> Media:
        problem = self._problem(views[0].clip_id)
        if problem:
            raise problem
        return self

    def parts(self, view_: KeyframeView, shown: str) -> tuple[Text, ...]:
        return (Text(f"{shown} of {view_.keyframe_id}"),)


def label(
    chunk: Prepared, caller: Caller, media: Media | None = None, entries: dict[str, Entry] | None = None
) -> tuple[dict[str, Entry], Journal, list[Any]]:
    known, journal, told = {} if entries is None else entries, Journal(), []
    asyncio.run(
        ask_chunk(
            chunk,
            known,
            media or Media(),  # type: ignore[arg-type]
            caller,
            journal,
            in_flight=2,
            backend="server",
            run="run-1",
            report=lambda *said: told.append(said),
        )
    )
    return known, journal, told


def test_every_answer_is_in_the_journal_before_the_label_is_built() -> None:
    chunk = prepared()
    entries, journal, told = label(chunk, Caller())
    assert {entry.key: entry for entry in journal.entries} == entries
    assert [record.status for record in labels_of(chunk, entries)] == ["ok"] * 4
    assert {entry.run for entry in journal.entries} == {"run-1"}
    assert told[0][:2] == (0, 4) and told[-1][:2] == (4, 4)
    assert "labels/s" in told[-1][2] and "$2.00" in told[-1][2]


def test_what_the_journal_answers_is_not_asked() -> None:
    chunk = prepared()
    entries, _, _ = label(chunk, Caller())
    again = Caller()
    label(chunk, again, entries=entries)
    assert again.asked == []


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Refused("policy"), "refused"), (OverBudget("no more"), "over_budget"), (Rejected("bad"), "error")],
)
def test_a_request_that_fails_for_good_ends_its_own_label(failure: Exception, status: str) -> None:
    chunk = prepared()
    first = chunk.views[0].keyframe_id

    def answer(request: ChatRequest) -> str:
        if any(part.text.endswith(first) for turn in request.messages for part in turn.parts):  # type: ignore[union-attr]
            raise failure
        return usual(request)

    entries, _, _ = label(chunk, Caller(answer))
    assert [record.status for record in labels_of(chunk, entries)] == [status, "ok", "ok", "ok"]


@pytest.mark.parametrize("failure", [Rejected("no images here"), GaveUp("HTTP 500")])
def test_where_every_request_fails_none_is_recorded(failure: Exception) -> None:
    def answer(_: ChatRequest) -> str:
        raise failure

    journal = Journal()
    with pytest.raises(BackendDown, match="All 4 requests failed, so none is recorded"):
        asyncio.run(
            ask_chunk(
                prepared(),
                {},
                Media(),  # type: ignore[arg-type]
                Caller(answer),
                journal,
                in_flight=2,
                backend="server",
                run=None,
                report=lambda *said: None,
            )
        )
    assert journal.entries == []


def test_failures_before_the_backend_counts_as_down_are_not_recorded() -> None:
    kept: dict[str, Entry] = {}
    answers = iter([usual, usual, Rejected("a"), Rejected("b"), BackendDown("two in a row")])

    def answer(request: ChatRequest) -> str:
        said = next(answers, BackendDown("two in a row"))
        if isinstance(said, Exception):
            raise said
        return said(request)

    with pytest.raises(BackendDown, match="two in a row"):
        label(prepared(), Caller(answer), entries=kept)
    assert {entry.outcome for entry in kept.values()} == {"answered"}


def test_a_damaged_video_ends_the_labels_of_its_clip() -> None:
    media = Media(lambda clip_id: VideoError("video_undecodable", "x.mp4: cut short.") if clip_id == "clip-1" else None)
    chunk = prepared()
    entries, _, _ = label(chunk, Caller(), media)
    records = labels_of(chunk, entries)
    assert [record.status for record in records] == ["ok", "ok", "error", "error"]
    assert records[3].reason == "video_undecodable: x.mp4: cut short."


def test_a_disk_that_fails_loses_no_answer_that_is_under_way() -> None:
    kept: dict[str, Entry] = {}
    media = Media(lambda clip_id: OSError(5, "Input/output error") if clip_id == "clip-2" else None)
    caller = Caller()
    with pytest.raises(OSError, match="Input/output error"):
        label(prepared(6), caller, media, kept)
    assert set(kept) == set(caller.asked)


def test_only_labels_in_a_status_are_opened_again() -> None:
    chunk = prepared()

    def answer(request: ChatRequest) -> str:
        return "no JSON" if request.schema_name == "decide" else usual(request)

    entries, _, _ = label(chunk, Caller(answer))
    assert forget(chunk, dict(entries), ("error", "refused")) == 0
    opened = dict(entries)
    assert forget(chunk, opened, ("invalid",)) == 4
    caller = Caller()
    label(chunk, caller, entries=opened)
    assert len(caller.asked) == 4  # the decision of each; what was seen stands
    assert [record.status for record in labels_of(chunk, opened)] == ["ok"] * 4


def test_a_journal_that_lacks_an_answer_makes_no_table() -> None:
    with pytest.raises(ValueError, match="clip-0-0 has no answer to see"):
        labels_of(prepared(), {})


def test_a_keyframe_without_pictures_is_not_asked_about() -> None:
    chunk = prepared(2)
    blind = replace(chunk, views=[replace(v, history=(), future=(), problem="no_video: none") for v in chunk.views])
    caller = Caller()
    entries, _, _ = label(blind, caller)
    assert caller.asked == []
    assert [record.reason for record in labels_of(blind, entries)] == ["no_video: none"] * 2
