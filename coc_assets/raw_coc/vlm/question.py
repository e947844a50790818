"""What models are asked, whatever for: one question, a talk that asks them in turn, and what is asked about a chunk.

A talk is a pure function of the answers so far: whoever asks (a live server, a batch, nobody at all when a table is
rebuilt) hands it the journal, and it gives the next question or what came of it. A question's key names everything that
shapes its answer, so one that changed is asked anew and no other is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from coc_assets.raw_coc.records import canonical_json
from coc_assets.raw_coc.vlm.answers import Declined, Returned, Unusable
from coc_assets.raw_coc.vlm.lenient import clean
from coc_assets.raw_coc.vlm.view import KeyframeView, Scope, frames_of
from resources import schemas
from resources.journal import Entry
from resources.models.aliases import Model
from resources.models.request import Role
from resources.settings.labels import VlmSettings

CAPTIONS = 1  # raised when the words between the frames change (media.py)
_QUOTED = 4_000  # of an unusable answer, characters that the model is shown again
_LONGEST = 8_192  # tokens up to which a cut-off answer may grow when asked again
Value = TypeVar("Value")


@dataclass(frozen=True)
class Turn:
    """One message; `shown` frames follow its words."""

    role: Role
    text: str
    shown: Scope | None = None


@dataclass(frozen=True)
class Question:
    """The next request, its frames not yet filled in.

    Attributes:
        key: names everything that shapes the answer: keyframe, model, prompt version, parameters, and what is shown.
        round: 2 where an unusable answer is asked for again.
        label_id: the label that is judged; None where a label is asked for.
    """

    key: str
    keyframe_id: str
    step: str
    round: int
    prompt_version: str
    turns: tuple[Turn, ...]
    schema: Mapping[str, Any] | None
    max_tokens: int
    label_id: str | None = None

    @property
    def shown(self) -> Scope:
        return next(turn.shown for turn in self.turns if turn.shown)


Asking = Generator[Question, Entry, Value]
"""Asks questions, is sent what became of each, and comes to a value."""


class Ending(Protocol):
    """What came of a talk.

    Attributes:
        ended_by: the questions to ask again if its status is to be tried once more.
    """

    @property
    def status(self) -> schemas.LabelStatus: ...
    @property
    def ended_by(self) -> tuple[str, ...]: ...


Ended = TypeVar("Ended", bound=Ending, covariant=True)


class Talk(Generic[Ended]):
    """Questions about one thing, asked in turn; it remembers how far it has come."""

    def __init__(self, asking: Asking[Ended]) -> None:
        self._asking = asking
        self._stands: Question | Ended | None = None

    def advance(self, entries: Mapping[str, Entry]) -> Question | Ended:
        """The next question, or what came of it; an answer that was read is not looked at again.

        Args:
            entries: the journal, by key; entries about other things do not matter.
        """
        stands = self._stands or self._step(None)
        while isinstance(stands, Question) and (entry := entries.get(stands.key)) is not None:
            stands = self._step(entry)
        self._stands = stands
        return stands

    def _step(self, entry: Entry | None) -> Question | Ended:
        try:
            return self._asking.send(entry)  # type: ignore[arg-type]  # None starts it
        except StopIteration as over:
            ended: Ended = over.value
            return ended


class Topic(Protocol):
    """One thing that is asked about."""

    @property
    def view(self) -> KeyframeView: ...

    def talk(self) -> Talk[Ending]:
        """A talk about it, from its beginning."""
        ...


class Agenda(Protocol):
    """All that one model is asked about one chunk.

    Attributes:
        topics: those of one keyframe, and of one clip, follow each other.
        asked_model: the id that stands for the model wherever it is served.
        media: how frames are sent. scopes: which frames are shown.
        unit: what comes of a topic, in the plural.
    """

    @property
    def topics(self) -> Sequence[Topic]: ...
    @property
    def model(self) -> Model: ...
    @property
    def asked_model(self) -> str: ...
    @property
    def media(self) -> Literal["images", "video"]: ...
    @property
    def scopes(self) -> Collection[Scope]: ...
    @property
    def unit(self) -> str: ...


def is_open(agenda: Agenda, entries: Mapping[str, Entry]) -> bool:
    """Whether the journal lacks an answer to anything on the agenda."""
    return any(isinstance(topic.talk().advance(entries), Question) for topic in agenda.topics)


def forget(agenda: Agenda, entries: MutableMapping[str, Entry], statuses: Collection[str]) -> int:
    """Takes the answers that ended topics in one of the statuses out of `entries`; says how many topics that opens."""
    opened = 0
    for topic in agenda.topics if statuses else ():
        ended = topic.talk().advance(entries)
        if not isinstance(ended, Question) and ended.status in statuses and ended.ended_by:
            opened += 1
            for key in ended.ended_by:
                entries.pop(key, None)
    return opened


class NoAnswer(Exception):
    """The talk is over without a usable answer; `reason` begins with a countable word."""

    def __init__(self, status: schemas.LabelStatus, reason: str, keys: Sequence[str]) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.keys = tuple(keys)


class Shaping(Protocol):
    """What shapes all questions of an agenda.

    Attributes:
        model_shape: what of the model's settings shapes an answer.
        picture: how frames are encoded.
        max_tokens: of an answer.
    """

    @property
    def model_shape(self) -> Mapping[str, Any]: ...
    @property
    def picture(self) -> Mapping[str, Any]: ...
    @property
    def max_tokens(self) -> int: ...


def picture_of(vlm: VlmSettings, media: Literal["images", "video"]) -> dict[str, Any]:
    """How frames are encoded, by the settings."""
    quality = {"crf": vlm.video_crf} if media == "video" else {"jpeg_quality": vlm.jpeg_quality}
    return {"media": media, "captions": CAPTIONS, "image_height": vlm.image_height, **quality}


class Inquiry:
    """Asks about one keyframe, each step at most twice.

    Attributes:
        used: the answers that were read, in the order of asking.
    """

    def __init__(self, view: KeyframeView, shaping: Shaping, label_id: str | None = None) -> None:
        self.used: list[Entry] = []
        self._view = view
        self._shaping = shaping
        self._label_id = label_id

    def answer(
        self,
        step: str,
        prompt_version: str,
        turns: tuple[Turn, ...],
        schema: Mapping[str, Any] | None,
        read: Callable[[Returned], Value],
    ) -> Asking[Value]:
        """A usable answer to a step; one that cannot be used is asked for once more with what is wrong in it.

        Args:
            read: makes a value of what was returned; raises `Unusable`.

        Raises:
            NoAnswer: it was refused, unusable twice, or could not be had.
        """
        first = self._question(step, 1, prompt_version, turns, schema, self._shaping.max_tokens)
        returned = yield from self._returned(first, ())
        try:
            return read(returned)
        except Declined as declined:
            raise NoAnswer("refused", f"refused: {declined}", (first.key,)) from None
        except Unusable as problem:
            turns, limit = self._complaining(turns, returned, str(problem))
            again = self._question(step, 2, prompt_version, turns, schema, limit)
        asked = (first.key, again.key)
        try:
            return read((yield from self._returned(again, (first.key,))))
        except Declined as declined:
            raise NoAnswer("refused", f"refused: {declined}", asked) from None
        except Unusable as problem:
            raise NoAnswer("invalid", f"invalid_answer: {step}, asked twice: {problem}", asked) from None

    def _complaining(self, turns: tuple[Turn, ...], returned: Returned, problem: str) -> tuple[tuple[Turn, ...], int]:
        """The turns that ask again, and how long that answer may be, tokens."""
        limit = self._shaping.max_tokens
        longer = max(limit, min(2 * limit, _LONGEST)) if returned.finish_reason == "length" else limit
        quoted = clean(returned.text)[:_QUOTED] or "(empty)"
        complaint = f"That answer cannot be used: {problem}. Answer again, completely, in the same form."
        return (*turns, Turn("assistant", quoted), Turn("user", complaint)), longer

    def _returned(self, question: Question, asked_before: tuple[str, ...]) -> Asking[Returned]:
        """The answer to a question, as it was returned."""
        entry = yield question
        self.used.append(entry)
        if entry.outcome != "answered":
            status: schemas.LabelStatus = entry.outcome
            raise NoAnswer(status, entry.reason or entry.outcome, (*asked_before, question.key))
        return Returned(entry.text or "", entry.finish_reason, entry.refusal)

    def _question(
        self,
        step: str,
        round_: int,
        version: str,
        turns: tuple[Turn, ...],
        schema: Mapping[str, Any] | None,
        max_tokens: int,
    ) -> Question:
        shaped_by = {
            "keyframe_id": self._view.keyframe_id,
            "model": dict(self._shaping.model_shape),
            "prompt_version": version,
            "schema": schema,
            "turns": [[turn.role, turn.text, self._frames(turn.shown)] for turn in turns],
            "max_tokens": max_tokens,
        }
        key = hashlib.sha256(canonical_json(shaped_by).encode()).hexdigest()[:32]
        return Question(
            key, self._view.keyframe_id, step, round_, version, turns, schema, max_tokens, label_id=self._label_id
        )

    def _frames(self, shown: Scope | None) -> dict[str, Any] | None:
        """What identifies the frames shown: the video's content, which of its frames, and how they are encoded."""
        if shown is None:
            return None
        return {
            "video": self._view.video,
            "frames": [[frame.asked_s, frame.source_frame] for frame in frames_of(self._view, shown)],
            **self._shaping.picture,
        }
