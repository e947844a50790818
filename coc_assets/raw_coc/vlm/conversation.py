"""One keyframe's conversation with a model, as a pure function: what is known so far → the next question, or the label.

`advance` is all there is: whoever asks (a live server, a batch, nobody at all when the table is rebuilt) hands it the
answers in the journal. So a label depends on the journal alone, a killed run goes on where it was, and a changed prompt
asks only the questions that it changes. `Conversation` is the same for one who asks on: it reads each answer once.

Steps: `see` (history frames only) → `decide` (all frames) → `repair`, where the decision contradicts the recorded lane
manoeuvres. In one-pass mode `single` takes the place of the first two; models that answer in free text have `reason`
alone, with the history frames. An unusable answer is asked for once more with what is wrong in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from coc_assets.raw_coc.records import Component, LabelRecord, LabelText, Response, canonical_json
from coc_assets.raw_coc.vlm.answers import (
    AddedComponent,
    Answer,
    DecisionAnswer,
    Declined,
    Returned,
    SeenAnswer,
    SeenComponent,
    SingleAnswer,
    Unusable,
    answer_schema,
    read_answer,
    read_text,
    require_causes,
    require_seen,
    supports_of,
)
from coc_assets.raw_coc.vlm.contradiction import LateralPrior, contradiction, lateral_prior
from coc_assets.raw_coc.vlm.lenient import clean, forbidden
from coc_assets.raw_coc.vlm.prompts import Prompt, Step, history_told, numbered, whole_told
from coc_assets.raw_coc.vlm.reasoning_text import Reading, read_reasoning
from coc_assets.raw_coc.vlm.view import KeyframeView
from resources import schemas
from resources.journal import Entry
from resources.models.request import Role
from resources.settings.labels import VlmSettings

Shown = Literal["history", "all"]
CAPTIONS = 1  # raised when the words between the frames change (media.py)
_QUOTED = 4_000  # of an unusable answer, characters that the model is shown again
_LONGEST = 8_192  # tokens up to which a cut-off answer may grow when asked again
Value = TypeVar("Value")


@dataclass(frozen=True)
class Plan:
    """What is the same for every keyframe that one labeler asks about.

    Attributes:
        labeler: the model's alias.
        asked_model: the id that stands for the model wherever it is served.
        model_shape: what of the model's settings shapes an answer.
        media: how frames are sent.
        free_text: the model answers in one sentence instead of JSON.
    """

    labeler: str
    asked_model: str
    model_shape: Mapping[str, Any]
    vlm: VlmSettings
    prompts: Mapping[Step, Prompt]
    media: Literal["images", "video"]
    max_tokens: int
    free_text: bool = False
    history_s: float = 2.0
    future_s: float = 6.0

    @property
    def passes(self) -> int:
        return 1 if self.free_text else self.vlm.passes

    @cached_property
    def parameters(self) -> str:
        """Canonical JSON of what shapes the labels besides the prompts."""
        shape = {name: value for name, value in self.model_shape.items() if name != "alias"}
        asked = {"passes": self.passes, "repair": self.repairs, "most_components": self.vlm.most_components}
        return canonical_json({**shape, **asked, **self.picture})

    @property
    def repairs(self) -> bool:
        return self.vlm.repair and not self.free_text

    @cached_property
    def picture(self) -> dict[str, Any]:
        """How frames are encoded."""
        quality = {"crf": self.vlm.video_crf} if self.media == "video" else {"jpeg_quality": self.vlm.jpeg_quality}
        return {"media": self.media, "captions": CAPTIONS, "image_height": self.vlm.image_height, **quality}

    @cached_property
    def shape(self) -> dict[str, Any]:
        """All that shapes what is asked, for the stage's fingerprint."""
        steps = self.steps + (("repair",) if self.repairs else ())
        return {"parameters": self.parameters, "prompts": [self.prompts[step].version for step in steps]}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that every keyframe takes."""
        if self.free_text:
            return ("reason",)
        return ("see", "decide") if self.passes == 2 else ("single",)

    def system(self, step: Step) -> str:
        return self._systems[step]

    @cached_property
    def _systems(self) -> dict[Step, str]:
        values = {
            "history_s": f"{self.history_s:g}",
            "future_s": f"{self.future_s:g}",
            "most_components": self.vlm.most_components,
        }
        return {step: prompt.rendered(**values) for step, prompt in self.prompts.items()}

    @cached_property
    def schemas(self) -> dict[Step, dict[str, Any]]:
        decision = answer_schema(DecisionAnswer)
        return {
            "see": answer_schema(SeenAnswer, self.vlm.most_components),
            "decide": decision,
            "repair": decision,
            "single": answer_schema(SingleAnswer, self.vlm.most_components),
        }


@dataclass(frozen=True)
class Turn:
    """One message; `shown` frames follow its words."""

    role: Role
    text: str
    shown: Shown | None = None


@dataclass(frozen=True)
class Question:
    """The next request, its frames not yet filled in.

    Attributes:
        key: names everything that shapes the answer: keyframe, model, prompt version, parameters, and what is shown.
        round: 2 where an unusable answer is asked for again.
    """

    key: str
    keyframe_id: str
    step: Step
    round: int
    prompt_version: str
    turns: tuple[Turn, ...]
    schema: Mapping[str, Any] | None
    max_tokens: int

    @property
    def shown(self) -> Shown:
        return next(turn.shown for turn in self.turns if turn.shown)


@dataclass(frozen=True)
class Finished:
    """The label, and the questions to ask again if its status is to be tried once more."""

    record: LabelRecord
    ended_by: tuple[str, ...] = ()


Asking = Generator[Question, Entry, Value]
"""Asks questions, is sent what became of each, and comes to a value."""


class _Ended(Exception):
    """The conversation is over without a usable answer."""

    def __init__(self, status: schemas.LabelStatus, reason: str, keys: Sequence[str]) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.keys = tuple(keys)


def advance(view: KeyframeView, plan: Plan, entries: Mapping[str, Entry]) -> Question | Finished:
    """The next question about a keyframe, or its label.

    Args:
        entries: the journal, by key; entries of other keyframes do not matter.
    """
    return Conversation(view, plan).advance(entries)


class Conversation:
    """One keyframe's conversation, which remembers how far it has come."""

    def __init__(self, view: KeyframeView, plan: Plan) -> None:
        self._asking = _asking(view, plan)
        self._stands: Question | Finished | None = None

    def advance(self, entries: Mapping[str, Entry]) -> Question | Finished:
        """As the function; an answer that was read is not looked at again, whatever becomes of the journal."""
        stands = self._stands or self._step(None)
        while isinstance(stands, Question) and (entry := entries.get(stands.key)) is not None:
            stands = self._step(entry)
        self._stands = stands
        return stands

    def _step(self, entry: Entry | None) -> Question | Finished:
        try:
            return self._asking.send(entry)  # type: ignore[arg-type]  # None starts it
        except StopIteration as over:
            finished: Finished = over.value
            return finished


def _asking(view: KeyframeView, plan: Plan) -> Asking[Finished]:
    conversation = _Course(view, plan)
    try:
        return Finished((yield from conversation.label()))
    except _Ended as ended:
        return Finished(conversation.unlabelled(ended), ended.keys)


class _Course:
    """The course that a conversation takes; raises `_Ended` where an answer ends it without a label."""

    def __init__(self, view: KeyframeView, plan: Plan) -> None:
        self._view = view
        self._plan = plan
        self._used: list[Entry] = []

    def label(self) -> Asking[LabelRecord]:
        if self._view.problem:
            raise _Ended("error", self._view.problem, ())
        if self._plan.free_text:
            return (yield from self._label_of_text())
        if self._plan.passes == 1:
            single = yield from self._ask("single", whole_told(self._view), "all", SingleAnswer, self._require_single)
            return (yield from self._checked(single, single.components))
        seen = yield from self._ask("see", history_told(self._view), "history", SeenAnswer, self._require_seen)
        told = f"{numbered(supports_of(seen.components))}\n\n{whole_told(self._view)}"
        decision = yield from self._ask(
            "decide", told, "all", DecisionAnswer, lambda answer: require_causes(answer, seen.components)
        )
        return (yield from self._checked(decision, seen.components))

    def unlabelled(self, ended: _Ended) -> LabelRecord:
        return self._record(status=ended.status, reason=ended.reason)

    def _label_of_text(self) -> Asking[LabelRecord]:
        reading = yield from self._ask_text("reason", history_told(self._view))
        return self._record(
            scenario=reading.scenario,
            longitudinal_decision=reading.longitudinal_decision,
            lateral_decision=reading.lateral_decision,
            lateral_direction=reading.lateral_direction,
            components=reading.components,
            text=LabelText(trace=reading.trace),
        )

    def _checked(self, decision: DecisionAnswer, components: Sequence[SeenComponent]) -> Asking[LabelRecord]:
        """The label; of the repaired answer where the first contradicts the recorded manoeuvres and that does not."""
        prior = lateral_prior(self._view.timeline) if self._plan.repairs else None
        reason = _contradicts(prior, decision)
        if prior is None or reason is None:
            return self._decided(decision, components)
        told = (
            f"{numbered(supports_of(components))}\n\n{whole_told(self._view)}\n\n"
            f"The earlier answer: {decision.model_dump_json()}\nWhat is wrong with it: {reason}\n{prior.summary}"
        )
        repaired = yield from self._try(
            "repair", told, "all", DecisionAnswer, lambda answer: require_causes(answer, components)
        )
        if repaired is None or _contradicts(prior, repaired):
            return self._decided(decision, components, repair="unresolved")
        return self._decided(repaired, components, repair="repaired")

    def _decided(
        self,
        decision: DecisionAnswer,
        components: Sequence[SeenComponent],
        repair: Literal["repaired", "unresolved"] | None = None,
    ) -> LabelRecord:
        chosen = [components[number - 1] for number in dict.fromkeys(decision.causes)]
        sided = decision.lateral_decision not in ("none", "lane_keeping")
        return self._record(
            scenario=decision.scenario,
            longitudinal_decision=_or_none(decision.longitudinal_decision),
            lateral_decision=_or_none(decision.lateral_decision),
            lateral_direction=_or_none(decision.lateral_direction) if sided else None,
            components=self._ranked(chosen, decision.route_and_rules),
            text=LabelText(
                trace=decision.trace,
                perception=decision.perception,
                prediction=decision.prediction,
                planning=decision.planning,
                justification=decision.justification,
            ),
            repair=repair,
        )

    def _ranked(self, chosen: Sequence[SeenComponent], added: Sequence[AddedComponent]) -> tuple[Component, ...]:
        seen = [self._seen(component, rank) for rank, component in enumerate(chosen, start=1)]
        more = [
            Component(rank=len(seen) + number, category=component.category, phrase=component.phrase)
            for number, component in enumerate(added, start=1)
        ]
        return (*seen, *more)

    def _seen(self, component: SeenComponent, rank: int) -> Component:
        """With the time at which it was seen, as far as the history goes."""
        last = len(self._view.history) - 1
        first, final = sorted((component.first_frame - 1, min(component.last_frame - 1, last)))
        return Component(
            rank=rank,
            category=component.category,
            phrase=component.phrase,
            attributes=tuple({"key": item.key, "value": item.value} for item in component.attributes),
            seen_from_us=self._view.history[first].frame_us,
            seen_to_us=self._view.history[final].frame_us,
        )

    def _ask(
        self, step: Step, told: str, shown: Shown, model: type[Answer], require: Callable[[Answer], None]
    ) -> Asking[Answer]:
        """A usable answer to a step, asked for at most twice."""

        def read(returned: Returned) -> Answer:
            answer = read_answer(returned, model)
            require(answer)
            return answer

        return (yield from self._answer(step, told, shown, read))

    def _ask_text(self, step: Step, told: str) -> Asking[Reading]:
        def read(returned: Returned) -> Reading:
            reading = read_reasoning(read_text(returned))
            token = forbidden(reading.trace)
            if token:
                raise Unusable(f"the text holds {token!r}")
            if reading.longitudinal_decision is None and reading.lateral_decision is None:
                raise Unusable("it names no driving decision")
            return reading

        return (yield from self._answer(step, told, "history", read))

    def _require_seen(self, answer: SeenAnswer | SingleAnswer) -> None:
        require_seen(answer.components, len(self._view.history))

    def _require_single(self, answer: SingleAnswer) -> None:
        self._require_seen(answer)
        require_causes(answer, answer.components)

    def _try(
        self, step: Step, told: str, shown: Shown, model: type[Answer], require: Callable[[Answer], None]
    ) -> Asking[Answer | None]:
        """As `_ask`, but a step that may fail without ending the label."""
        try:
            return (yield from self._ask(step, told, shown, model, require))
        except _Ended as ended:
            if ended.status in ("error", "over_budget"):
                raise
            return None

    def _answer(self, step: Step, told: str, shown: Shown, read: Callable[[Returned], Value]) -> Asking[Value]:
        turns = (Turn("system", self._plan.system(step)), Turn("user", told, shown))
        first = self._question(step, 1, turns, self._plan.max_tokens)
        returned = yield from self._returned(first, ())
        try:
            return read(returned)
        except Declined as declined:
            raise _Ended("refused", f"refused: {declined}", (first.key,)) from None
        except Unusable as problem:
            again = self._again(step, turns, returned, str(problem))
        try:
            return read((yield from self._returned(again, (first.key,))))
        except Declined as declined:
            raise _Ended("refused", f"refused: {declined}", (first.key, again.key)) from None
        except Unusable as problem:
            raise _Ended("invalid", f"invalid_answer: {step}, asked twice: {problem}", (first.key, again.key)) from None

    def _again(self, step: Step, turns: tuple[Turn, ...], returned: Returned, problem: str) -> Question:
        limit = self._plan.max_tokens
        longer = max(limit, min(2 * limit, _LONGEST)) if returned.finish_reason == "length" else limit
        quoted = clean(returned.text)[:_QUOTED] or "(empty)"
        complaint = f"That answer cannot be used: {problem}. Answer again, completely, in the same form."
        return self._question(step, 2, (*turns, Turn("assistant", quoted), Turn("user", complaint)), longer)

    def _returned(self, question: Question, asked_before: tuple[str, ...]) -> Asking[Returned]:
        """The answer to a question, as it was returned."""
        entry = yield question
        self._used.append(entry)
        if entry.outcome != "answered":
            status: schemas.LabelStatus = entry.outcome
            raise _Ended(status, entry.reason or entry.outcome, (*asked_before, question.key))
        return Returned(entry.text or "", entry.finish_reason, entry.refusal)

    def _question(self, step: Step, round_: int, turns: tuple[Turn, ...], max_tokens: int) -> Question:
        version = self._plan.prompts[step].version
        schema = None if step == "reason" else self._plan.schemas[step]
        shaped_by = {
            "keyframe_id": self._view.keyframe_id,
            "model": dict(self._plan.model_shape),
            "prompt_version": version,
            "schema": schema,
            "turns": [[turn.role, turn.text, self._frames(turn.shown)] for turn in turns],
            "max_tokens": max_tokens,
        }
        key = hashlib.sha256(canonical_json(shaped_by).encode()).hexdigest()[:32]
        return Question(key, self._view.keyframe_id, step, round_, version, turns, schema, max_tokens)

    def _frames(self, shown: Shown | None) -> dict[str, Any] | None:
        """What identifies the frames shown: the video's content, which of its frames, and how they are encoded."""
        if shown is None:
            return None
        frames = self._view.history if shown == "history" else (*self._view.history, *self._view.future)
        return {
            "video": self._view.video,
            "frames": [[frame.asked_s, frame.source_frame] for frame in frames],
            **self._plan.picture,
        }

    def _record(self, **said: Any) -> LabelRecord:
        used = self._used
        last = used[-1] if used else None
        versions = dict.fromkeys(entry.prompt_version for entry in used)
        default = "+".join(self._plan.prompts[step].version for step in self._plan.steps)
        return LabelRecord(
            keyframe_id=self._view.keyframe_id,
            clip_id=self._view.clip_id,
            t0_us=self._view.t0_us,
            labeler=self._plan.labeler,
            model=next((entry.model for entry in reversed(used) if entry.model), self._plan.asked_model),
            prompt_version="+".join(versions) or default,
            parameters=self._plan.parameters,
            passes=self._plan.passes,
            attempts=sum(entry.attempts for entry in used),
            prompt_tokens=_total([entry.prompt_tokens for entry in used]),
            completion_tokens=_total([entry.completion_tokens for entry in used]),
            cached_tokens=_total([entry.cached_tokens for entry in used]),
            reasoning_tokens=_total([entry.reasoning_tokens for entry in used]),
            cost_usd=_total([entry.cost_usd for entry in used]),
            latency_s=_total([entry.latency_s for entry in used]),
            answered_at=max((entry.answered_at for entry in used if entry.answered_at), default=None),
            raw_response=last.text if last else None,
            responses=tuple(_response(entry) for entry in used),
            **said,
        )


def _contradicts(prior: LateralPrior | None, decision: DecisionAnswer) -> str | None:
    if prior is None:
        return None
    return contradiction(
        prior,
        _or_none(decision.longitudinal_decision),
        _or_none(decision.lateral_decision),
        _or_none(decision.lateral_direction),
        decision.trace,
    )


def _response(entry: Entry) -> Response:
    return Response(
        step=entry.step,
        round=entry.round,
        prompt_version=entry.prompt_version,
        finish_reason=entry.finish_reason,
        text=entry.text or entry.refusal or entry.reason,
    )


def _or_none(choice: str) -> Any:
    return None if choice == "none" else choice


def _total(values: Sequence[Any]) -> Any:
    """Sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
