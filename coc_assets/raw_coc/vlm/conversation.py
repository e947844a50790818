"""One keyframe's conversation with a model, as a pure function: what is known so far → the next question, or the label.

`advance` is all there is: whoever asks (a live server, a batch, nobody at all when the table is rebuilt) hands it the
answers in the journal. So a label depends on the journal alone, a killed run goes on where it was, and a changed prompt
asks only the questions that it changes. `Conversation` is the same for one who asks on: it reads each answer once.

Steps: `see` (history frames only) → `decide` (all frames) → `repair`, where the decision contradicts the recorded lane
manoeuvres. In one-pass mode `single` takes the place of the first two; models that answer in free text have `reason`
alone, with the history frames. An unusable answer is asked for once more with what is wrong in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from coc_assets.raw_coc.records import Component, LabelRecord, LabelText, Response, canonical_json
from coc_assets.raw_coc.vlm.answers import (
    AddedComponent,
    Answer,
    DecisionAnswer,
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
from coc_assets.raw_coc.vlm.lenient import forbidden
from coc_assets.raw_coc.vlm.prompts import Prompt, Step, history_told, numbered, whole_told
from coc_assets.raw_coc.vlm.question import Asking, Inquiry, NoAnswer, Question, Talk, Turn, picture_of
from coc_assets.raw_coc.vlm.reasoning_text import Reading, read_reasoning
from coc_assets.raw_coc.vlm.view import KeyframeView, Scope
from resources import schemas
from resources.journal import Entry
from resources.settings.labels import VlmSettings

_SHOWN: Mapping[Step, Scope] = {
    "see": "history",
    "reason": "history",
    "decide": "all",
    "repair": "all",
    "single": "all",
}
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
    prompts: Mapping[str, Prompt]
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
        return picture_of(self.vlm, self.media)

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

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The frames that its steps show; a repair shows all."""
        return tuple(dict.fromkeys(_SHOWN[step] for step in self.steps))

    def system(self, step: Step) -> str:
        return self._systems[step]

    @cached_property
    def _systems(self) -> dict[str, str]:
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
class Finished:
    """The label, and the questions to ask again if its status is to be tried once more."""

    record: LabelRecord
    ended_by: tuple[str, ...] = ()

    @property
    def status(self) -> schemas.LabelStatus:
        return self.record.status


def advance(view: KeyframeView, plan: Plan, entries: Mapping[str, Entry]) -> Question | Finished:
    """The next question about a keyframe, or its label.

    Args:
        entries: the journal, by key; entries of other keyframes do not matter.
    """
    return Conversation(view, plan).advance(entries)


class Conversation(Talk["Finished"]):
    """One keyframe's conversation, which remembers how far it has come."""

    def __init__(self, view: KeyframeView, plan: Plan) -> None:
        super().__init__(_asking(view, plan))


def _asking(view: KeyframeView, plan: Plan) -> Asking[Finished]:
    conversation = _Course(view, plan)
    try:
        return Finished((yield from conversation.label()))
    except NoAnswer as ended:
        return Finished(conversation.unlabelled(ended), ended.keys)


class _Course:
    """The course that a conversation takes; raises `NoAnswer` where an answer ends it without a label."""

    def __init__(self, view: KeyframeView, plan: Plan) -> None:
        self._view = view
        self._plan = plan
        self._inquiry = Inquiry(view, plan)

    def label(self) -> Asking[LabelRecord]:
        if self._view.problem:
            raise NoAnswer("error", self._view.problem, ())
        if self._plan.free_text:
            return (yield from self._label_of_text())
        if self._plan.passes == 1:
            single = yield from self._ask("single", whole_told(self._view), SingleAnswer, self._require_single)
            return (yield from self._checked(single, single.components))
        seen = yield from self._ask("see", history_told(self._view), SeenAnswer, self._require_seen)
        told = f"{numbered(supports_of(seen.components))}\n\n{whole_told(self._view)}"
        decision = yield from self._ask(
            "decide", told, DecisionAnswer, lambda answer: require_causes(answer, seen.components)
        )
        return (yield from self._checked(decision, seen.components))

    def unlabelled(self, ended: NoAnswer) -> LabelRecord:
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
            "repair", told, DecisionAnswer, lambda answer: require_causes(answer, components)
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

    def _ask(self, step: Step, told: str, model: type[Answer], require: Callable[[Answer], None]) -> Asking[Answer]:
        """A usable answer to a step, asked for at most twice."""

        def read(returned: Returned) -> Answer:
            answer = read_answer(returned, model)
            require(answer)
            return answer

        return (yield from self._answer(step, told, read))

    def _ask_text(self, step: Step, told: str) -> Asking[Reading]:
        def read(returned: Returned) -> Reading:
            reading = read_reasoning(read_text(returned))
            token = forbidden(reading.trace)
            if token:
                raise Unusable(f"the text holds {token!r}")
            if reading.longitudinal_decision is None and reading.lateral_decision is None:
                raise Unusable("it names no driving decision")
            return reading

        return (yield from self._answer(step, told, read))

    def _require_seen(self, answer: SeenAnswer | SingleAnswer) -> None:
        require_seen(answer.components, len(self._view.history))

    def _require_single(self, answer: SingleAnswer) -> None:
        self._require_seen(answer)
        require_causes(answer, answer.components)

    def _try(
        self, step: Step, told: str, model: type[Answer], require: Callable[[Answer], None]
    ) -> Asking[Answer | None]:
        """As `_ask`, but a step that may fail without ending the label."""
        try:
            return (yield from self._ask(step, told, model, require))
        except NoAnswer as ended:
            if ended.status in ("error", "over_budget"):
                raise
            return None

    def _answer(self, step: Step, told: str, read: Callable[[Returned], Value]) -> Asking[Value]:
        turns = (Turn("system", self._plan.system(step)), Turn("user", told, _SHOWN[step]))
        schema = None if step == "reason" else self._plan.schemas[step]
        version = self._plan.prompts[step].version
        return (yield from self._inquiry.answer(step, version, turns, schema, read))

    def _record(self, **said: Any) -> LabelRecord:
        used = self._inquiry.used
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
