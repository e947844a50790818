"""What a model must answer at each step, as JSON schema, and the reading of what it did answer.

Every object is closed and every string and list bounded: a guided model that may write on does so until its tokens are
used up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from coc_assets.raw_coc.vlm.lenient import UnreadableAnswer, clean, forbidden, looks_refused, read_json
from coc_assets.raw_coc.vlm.locality import mentions, unsupported, unsupported_additions
from resources import schemas

MOST_COMPONENTS = 8
MOST_ADDED = 2
SIDED = frozenset({"lane_change", "turn", "in_lane_nudge", "out_of_lane_nudge"})


def _cleaned(text: str) -> str:
    """Text as it goes into labels; trainers read some tokens as commands, so those are refused."""
    cleaned = clean(text)
    token = forbidden(cleaned)  # cleaning takes invisible characters out, and so may put a token together
    if token:
        raise ValueError(f"the text holds {token!r}, which must not be in it")
    return cleaned


def _said(text: str) -> str:
    cleaned = _cleaned(text)
    if not cleaned:
        raise ValueError("the text is empty")
    return cleaned


Words = Annotated[str, AfterValidator(_said)]
_ANSWER = ConfigDict(extra="forbid", frozen=True)


class SeenAttribute(BaseModel):
    model_config = _ANSWER
    key: Words = Field(min_length=1, max_length=24)
    value: Words = Field(min_length=1, max_length=60)


class SeenComponent(BaseModel):
    """One critical component of pass 1; frames are numbered from 1, the oldest of the history."""

    model_config = _ANSWER
    category: schemas.ComponentCategory
    phrase: Words = Field(min_length=3, max_length=160)
    attributes: tuple[SeenAttribute, ...] = Field(max_length=6)
    first_frame: int = Field(ge=1, le=16)
    last_frame: int = Field(ge=1, le=16)


class SeenAnswer(BaseModel):
    """Pass 1: what is there."""

    model_config = _ANSWER
    components: tuple[SeenComponent, ...] = Field(max_length=MOST_COMPONENTS)


class AddedComponent(BaseModel):
    """What pass 2 may add: the route, or a rule of the road; no picture shows these."""

    model_config = _ANSWER
    category: Literal["routing_intent", "yield_stop_control"]
    phrase: Words = Field(min_length=3, max_length=120)


class DecisionAnswer(BaseModel):
    """Pass 2 and repair: which decision, and which of the numbered components cause it."""

    model_config = _ANSWER
    perception: Words = Field(min_length=3, max_length=400)
    prediction: Words = Field(min_length=3, max_length=300)
    longitudinal_decision: schemas.LongitudinalDecision | Literal["none"]
    lateral_decision: schemas.LateralDecision | Literal["none"]
    lateral_direction: schemas.Side | Literal["none"]
    scenario: schemas.Scenario
    causes: tuple[Annotated[int, Field(ge=1, le=MOST_COMPONENTS)], ...] = Field(max_length=MOST_COMPONENTS)
    route_and_rules: tuple[AddedComponent, ...] = Field(max_length=MOST_ADDED)
    planning: Words = Field(min_length=3, max_length=300)
    justification: Words = Field(min_length=3, max_length=400)
    trace: Words = Field(min_length=8, max_length=400)


class SingleAnswer(DecisionAnswer):
    """One pass: components and decision in one."""

    components: tuple[SeenComponent, ...] = Field(max_length=MOST_COMPONENTS)


Answer = TypeVar("Answer", bound=BaseModel)


class Unusable(ValueError):
    """An answer that cannot become a label; the message is what the model is told when it is asked again."""


class Declined(Unusable):
    """The model declines to answer."""


@dataclass(frozen=True)
class Returned:
    """A model's answer, as the readers take it: text, why it ended, and its refusal field."""

    text: str
    finish_reason: str | None
    refusal: str | None


def answer_schema(model: type[BaseModel], most_components: int = MOST_COMPONENTS) -> dict[str, Any]:
    """The JSON schema of an answer: closed objects, all keys required, no references.

    The keys of one-pass answers are ordered causes first, as the model is to think.
    """
    generated = model.model_json_schema()
    schema = _plain(generated, generated.get("$defs", {}))
    properties = schema["properties"]
    if "components" in properties:
        properties["components"]["maxItems"] = most_components
        schema["properties"] = {"components": properties["components"], **properties}
    schema["required"] = list(schema["properties"])
    return schema


def read_answer(returned: Returned, model: type[Answer]) -> Answer:
    """The answer, checked against its model.

    Raises:
        Declined: the model or its provider declines.
        Unusable: it was cut off, is no JSON, or does not fit; the message names the places.
    """
    _refuse_declined(returned)
    if returned.finish_reason == "length":
        raise Unusable("it was cut off because it is too long; be brief")
    try:
        return model.model_validate(read_json(returned.text))
    except UnreadableAnswer as error:
        if looks_refused(returned.text):
            raise Declined(clean(returned.text)[:200]) from None
        raise Unusable(str(error)) from None
    except ValidationError as error:
        raise Unusable(_problems(error)) from None


def read_text(returned: Returned) -> str:
    """A free-text answer, cleaned."""
    _refuse_declined(returned)
    if not returned.text.strip():
        raise Unusable("it is empty")
    if looks_refused(returned.text):
        raise Declined(clean(returned.text)[:200])
    return returned.text


def require_seen(components: Sequence[SeenComponent], history_frames: int) -> None:
    """Every component is visible in the history.

    Raises:
        Unusable: one is first seen after it.
    """
    late = [component.phrase for component in components if component.first_frame > history_frames]
    if late:
        raise Unusable(
            f"{'; '.join(late)}: first seen after history frame {history_frames}, so it cannot be a cause; leave it out"
        )


def require_causes(answer: DecisionAnswer, components: Sequence[SeenComponent]) -> None:
    """The causes are components of pass 1, a sided move has its side, and the words speak of nothing else.

    Raises:
        Unusable: what is wrong, in words for the model.
    """
    unknown = sorted({number for number in answer.causes if number > len(components)})
    if unknown:
        raise Unusable(f"causes name {unknown}, but there are {len(components)} numbered components")
    if answer.lateral_decision in SIDED and answer.lateral_direction == "none":
        raise Unusable(f"{answer.lateral_decision} needs lateral_direction left or right")
    added, seen = [item.phrase for item in answer.route_and_rules], supports_of(components)
    naming = [phrase for phrase in added if mentions(phrase)]  # what names no thing supports none
    strange = unsupported_additions(added, seen) or unsupported(texts_of(answer), [*seen, *naming])
    if strange:
        raise Unusable(
            f"the text speaks of {', '.join(strange)}, which none of the numbered components shows; "
            "use only those as causes"
        )


def texts_of(answer: DecisionAnswer) -> dict[str, str | None]:
    """The label's words by column."""
    return {name: getattr(answer, name) for name in ("trace", "perception", "prediction", "planning", "justification")}


def supports_of(components: Sequence[SeenComponent]) -> list[str]:
    """What the components speak of: category, phrase and attributes of each."""
    return [
        " ".join([component.category.replace("_", " "), component.phrase, *(a.value for a in component.attributes)])
        for component in components
    ]


def _refuse_declined(returned: Returned) -> None:
    if returned.refusal:
        raise Declined(clean(returned.refusal)[:200])
    if returned.finish_reason == "content_filter":
        raise Declined("the provider's content filter stopped the answer")


def _plain(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Without titles, descriptions and references; objects closed, choices of texts as one list."""
    if isinstance(schema, list):
        return [_plain(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in schema:
        return _choice([_plain(item, definitions) for item in schema["anyOf"]])
    plain = {
        key: {name: _plain(item, definitions) for name, item in value.items()}
        if key == "properties"
        else _plain(value, definitions)
        for key, value in schema.items()
        if key not in ("title", "description", "$defs", "default")
    }
    if "const" in plain:
        return {"type": "string", "enum": [plain["const"]]}
    if plain.get("type") == "object":
        plain["additionalProperties"] = False
        plain["required"] = list(plain["properties"])
    return plain


def _choice(options: list[dict[str, Any]]) -> dict[str, Any]:
    """Alternatives that are all closed lists of texts become one list."""
    assert all(set(option) == {"type", "enum"} for option in options), options
    return {"type": "string", "enum": [value for option in options for value in option["enum"]]}


def _problems(error: ValidationError) -> str:
    """The first places that do not fit, in words a model can act upon."""
    problems = [
        f"{'.'.join(map(str, item['loc'])) or 'the answer'}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_url=False, include_input=False)[:5]
    ]
    return "; ".join(problems)
