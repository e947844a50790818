"""Labels with known faults: true labels of a generated dataset, and copies into which one fault each is planted.

True labels are worded from the scripted answers. They and their faulty copies come in two forms: as a record (the
decisions, the cause with its track, and the words) and as text alone, read as an imported sentence is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal, TypeVar, cast, get_args

from coc_assets.evaluation.plant_moments import Moment, Situation, Spot, sides, swapped
from coc_assets.evaluation.plant_wordings import Wording, Wordings
from coc_assets.raw_coc.records import Component, LabelRecord, LabelText, canonical_json
from coc_assets.raw_coc.vlm.reasoning_text import read_reasoning
from resources.schemas import LongitudinalDecision

Form = Literal["record", "text"]
Fault = Literal[
    "side_swapped", "deceleration_on_acceleration", "invented_pedestrian", "wrong_window", "duplicate", "refusal"
]
Kind = Literal["clean", "background", "generic_duplicate"] | Fault
FORMS: tuple[Form, ...] = get_args(Form)
FAULTS: tuple[Fault, ...] = get_args(Fault)
IN_SETS: frozenset[Kind] = frozenset({"clean", "background", "duplicate", "generic_duplicate"})
"""Labels of these stand for whole sets of a labeler, none of whose words occur twice unless planted."""

_CLAIMS_SLOWING: frozenset[Situation] = frozenset(
    {"lead_brakes", "lead_stopped", "cut_in", "person_crossing", "curve", "turn_approach", "stop_line"}
)
_CLAIMS_SPEEDING_UP: frozenset[Situation] = frozenset({"passing", "set_off", "speed_up"})
# situation: wordings of invented people that fit what the ego does there
_INVENTED: Mapping[Situation, str] = {
    **dict.fromkeys(("lead_brakes", "lead_stopped", "cut_in", "curve", "stop_line"), "slowing"),
    **dict.fromkeys(("set_off", "speed_up"), "going"),
    **dict.fromkeys(("passing", "lane_change"), "changing"),
    "parked_blocker": "nudging",
    "turn_approach": "turning",
}
_Item = TypeVar("_Item")

_EDITS = 3
_REWORDED = (("vehicle", "car"), ("the", "this"), ("a", "one"))  # the first that occurs
_FULL_SENTENCES = "prose"  # the register whose words no two labels share by chance
_PUNCTUATION = re.compile(r"[^\w\s'/-]")


@dataclass(frozen=True)
class Planted:
    """One label made for the test.

    Attributes:
        kind: clean, the fault, or one of two that are none: background is a true label that only makes up the set in
            which duplicates stand; generic_duplicate repeats words that fit many moments, as "Accelerate, free road".
        situation: what in truth happens at its keyframe; of a keyframe without scripted answer that of the label.
        wording: name of the wording.
    """

    kind: Kind
    form: Form
    situation: str
    wording: str
    chunk: str
    record: LabelRecord


@dataclass(frozen=True)
class _Said:
    """What one label says, before it has a form."""

    spot: Spot
    moment: Moment
    wording: Wording
    text: str
    components: tuple[Component, ...]
    kind: Kind
    round: int

    def planted(self, form: Form) -> Planted:
        return Planted(self.kind, form, self.moment.situation, self.wording.name, self.spot.chunk, self._record(form))

    def _record(self, form: Form) -> LabelRecord:
        in_set = "set" if self.kind in IN_SETS - {"clean"} else self.kind
        shaped_by = {
            "kind": self.kind, "wording": self.wording.name, "text": self.text, "of": self.moment.spot.keyframe_id
        }  # fmt: skip
        said = self._read() if form == "text" else self._structured()
        return LabelRecord(
            keyframe_id=self.spot.keyframe_id,
            clip_id=self.spot.clip_id,
            t0_us=self.spot.t0_us,
            labeler=f"{in_set}.{form}.{self.round}",
            prompt_version="planted",
            parameters=canonical_json(shaped_by),
            **said,
        )

    def _structured(self) -> dict[str, Any]:
        return {
            "longitudinal_decision": self.moment.longitudinal,
            "lateral_decision": self.moment.lateral,
            "lateral_direction": self.moment.side,
            "components": self.components,
            "text": LabelText(trace=self.text),
        }

    def _read(self) -> dict[str, Any]:
        reading = read_reasoning(self.text)
        return {
            "origin": "imported",
            "scenario": reading.scenario,
            "longitudinal_decision": reading.longitudinal_decision,
            "lateral_decision": reading.lateral_decision,
            "lateral_direction": reading.lateral_direction,
            "components": reading.components,
            "text": LabelText(trace=reading.trace or None),
        }


def plant(moments: Sequence[Moment], spots: Sequence[Spot], words: Wordings, seed: int, rounds: int) -> list[Planted]:
    """True labels and labels of every fault, in both forms where the fault has a meaning there.

    Args:
        spots: all keyframes that can be judged; only they and the moments get labels.
        seed: who gets which wording.
        rounds: how often the wordings are dealt out anew; each round of true labels is a set of its own.
    """
    clean = list(_clean(moments, words, seed, rounds))
    said = [
        *clean,
        *_side_swapped(clean),
        *_deceleration(moments, words, seed, rounds),
        *_invented(moments, words, seed, rounds),
        *_duplicates(clean),
        *_refusals(moments, words, seed, rounds),
    ]
    both = [label.planted(form) for label in said for form in FORMS]
    return both + list(_wrong_window(clean, spots))


def contradicts(situation: Situation, spot: Spot) -> bool:
    """Whether what a label of this situation claims of the speed is clearly not what the ego does at the spot."""
    return (situation in _CLAIMS_SLOWING and spot.course == "up") or (
        situation in _CLAIMS_SPEEDING_UP and spot.course == "down"
    )


def lightly_edited(text: str, number: int) -> str:
    """The words as they are, without case and punctuation, or with one word changed, in turn."""
    if number % _EDITS == 1:
        return _PUNCTUATION.sub("", text).lower()
    if number % _EDITS == 2:
        for word, other in _REWORDED:
            edited = re.sub(rf"\b{word}\b", other, text, count=1)
            if edited != text:
                return edited
    return text


def _clean(moments: Sequence[Moment], words: Wordings, seed: int, rounds: int) -> Iterator[_Said]:
    """True labels; within a round no wording is used twice."""
    for situation, of_situation in _by_situation(moments).items():
        wordings = words.of("clean", [situation])
        for dealt in range(rounds):
            met = dealt * min(len(of_situation), len(wordings))
            shown = _turned(_shuffled(of_situation, seed, situation), met)
            said = _turned(_shuffled(wordings, seed, situation), met + dealt)
            for moment, wording in zip(shown, said, strict=False):
                if wording.slots <= moment.slots.keys():
                    yield _say(moment, wording, "clean", dealt)


def _side_swapped(clean: Iterable[_Said]) -> Iterator[_Said]:
    """True labels of manoeuvres that have a side, with left and right exchanged in words and decision."""
    for label in clean:
        moment = label.moment
        if moment.side is None or "side" not in label.wording.slots:
            continue
        wrong = replace(moment, side=swapped(moment.side), slots={**moment.slots, **sides(swapped(moment.side))})
        yield replace(label, moment=wrong, text=label.wording.filled(wrong.slots), kind="side_swapped")


def _deceleration(moments: Sequence[Moment], words: Wordings, seed: int, rounds: int) -> Iterator[_Said]:
    """Labels that claim slowing, braking, stopping or yielding where the ego speeds up."""
    speeding_up = [moment for moment in moments if moment.spot.course == "up"]
    for dealt, moment, wording in _cycled(speeding_up, words.of("deceleration"), seed, rounds):
        claimed = replace(moment, longitudinal=cast(LongitudinalDecision, wording.family))
        yield replace(_say(claimed, wording, "deceleration_on_acceleration", dealt), components=())


def _invented(moments: Sequence[Moment], words: Wordings, seed: int, rounds: int) -> Iterator[_Said]:
    """Labels that fit the motion and give it a person as cause; they belong to tracks without people.

    Nearly every generated scene has people on its pavements. The plant takes them out of the tracks, and is left out
    of clips whose script has a person in it, and where nothing else is tracked.
    """
    peopled = {moment.spot.clip_id for moment in moments if moment.situation == "person_crossing"}
    alone = [
        moment
        for moment in moments
        if moment.spot.vehicles and moment.spot.clip_id not in peopled and moment.situation in _INVENTED
    ]
    for family in sorted({_INVENTED[moment.situation] for moment in alone}):
        fitting = [moment for moment in alone if _INVENTED[moment.situation] == family]
        for dealt, moment, wording in _cycled(fitting, words.of("invented", [family]), seed, rounds):
            claimed = replace(moment, longitudinal="yield") if family == "slowing" else moment
            label = _say(claimed, wording, "invented_pedestrian", dealt)
            yield replace(label, components=(_person(wording, moment.spot),))


def _person(wording: Wording, spot: Spot) -> Component:
    window = {"seen_from_us": spot.t0_us - spot.history_us, "seen_to_us": spot.t0_us}
    return Component(rank=1, category="critical_object", phrase=wording.named, **window)


def _wrong_window(clean: Iterable[_Said], spots: Sequence[Spot]) -> Iterator[Planted]:
    """True labels of one keyframe put on the others of their clip, seen windows and all.

    A record is faulty there where its cause was seen at another time or its decision contradicts the motion, words
    alone only where they contradict the motion.
    """
    by_clip: dict[str, list[Spot]] = {}
    for spot in spots:
        by_clip.setdefault(spot.clip_id, []).append(spot)
    for label in clean:
        for spot in by_clip.get(label.spot.clip_id, []):
            if spot.keyframe_id == label.spot.keyframe_id:
                continue
            moved = replace(label, spot=spot, kind="wrong_window")
            wrong = contradicts(label.moment.situation, spot)
            if wrong or any(_outside_history(component, spot) for component in label.components):
                yield moved.planted("record")
            if wrong:
                yield moved.planted("text")


def _outside_history(component: Component, spot: Spot) -> bool:
    seen_from, seen_to = component.seen_from_us, component.seen_to_us
    if seen_from is None or seen_to is None:
        return False
    return seen_to < spot.t0_us - spot.history_us or seen_from > spot.t0_us


def _duplicates(clean: Iterable[_Said]) -> Iterator[_Said]:
    """The sets of true labels once more, with the words of some replaced by those of another clip's like label."""
    by_round = sorted(clean, key=lambda label: label.round)
    for _, in_round in groupby(by_round, key=lambda label: label.round):
        yield from _with_duplicates(list(in_round))


def _with_duplicates(labels: Sequence[_Said]) -> Iterator[_Said]:
    taken: set[str] = set()
    alike = sorted(labels, key=_likeness)
    pairs = [pair for _, group in groupby(alike, key=_likeness) for pair in _source_and_victim(list(group))]
    for number, (source, victim) in enumerate(pairs):
        taken.add(victim.spot.keyframe_id)
        text = lightly_edited(source.text, number)
        yield replace(victim, text=text, wording=source.wording, kind=_kind_of_duplicate(source))
    yield from (replace(label, kind="background") for label in labels if label.spot.keyframe_id not in taken)


def _likeness(label: _Said) -> tuple[str, str]:
    return label.moment.situation, label.moment.side or ""


def _source_and_victim(labels: Sequence[_Said]) -> Iterator[tuple[_Said, _Said]]:
    """Pairs of like labels of different clips, none in two pairs; sources are full sentences where there are any."""
    ordered = sorted(labels, key=lambda label: label.wording.register != _FULL_SENTENCES)
    half = len(ordered) // 2
    for source, victim in zip(ordered[:half], reversed(ordered), strict=False):
        if source.spot.clip_id != victim.spot.clip_id:
            yield source, victim


def _kind_of_duplicate(source: _Said) -> Kind:
    telling = source.wording.register == _FULL_SENTENCES and source.moment.cause is not None
    return "duplicate" if telling else "generic_duplicate"


def _refusals(moments: Sequence[Moment], words: Wordings, seed: int, rounds: int) -> Iterator[_Said]:
    """Records whose words decline to answer, every other one after a polite preamble."""
    preambles = words.of("refusal", ["preamble"])
    refusals = words.of("refusal", ["refusal"])
    for number, (dealt, moment, wording) in enumerate(_cycled(moments, refusals, seed, rounds)):
        label = _say(moment, wording, "refusal", dealt)
        polite = preambles[number // 2 % len(preambles)]
        yield label if number % 2 else replace(label, text=f"{polite.text} {label.text}")


def _say(moment: Moment, wording: Wording, kind: Kind, dealt: int) -> _Said:
    components = () if moment.cause is None else (moment.cause,)
    return _Said(moment.spot, moment, wording, wording.filled(moment.slots), components, kind, dealt)


def _by_situation(moments: Iterable[Moment]) -> dict[Situation, list[Moment]]:
    found: dict[Situation, list[Moment]] = {}
    for moment in sorted(moments, key=lambda moment: moment.spot.keyframe_id):
        found.setdefault(moment.situation, []).append(moment)
    return dict(sorted(found.items()))


def _cycled(
    moments: Sequence[Moment], wordings: Sequence[Wording], seed: int, rounds: int
) -> Iterator[tuple[int, Moment, Wording]]:
    """Every moment once a round, wordings in turn and anew where they run out."""
    ordered = sorted(moments, key=lambda moment: moment.spot.keyframe_id)
    said = _shuffled(wordings, seed, "cycled")
    for number in range(rounds * len(ordered)):
        dealt, place = divmod(number, len(ordered))
        yield dealt, ordered[place], said[(number + dealt) % len(said)]


def _shuffled(items: Iterable[_Item], seed: int, what: str) -> list[_Item]:
    shuffled = list(items)
    random.Random(f"{seed}/{what}").shuffle(shuffled)
    return shuffled


def _turned(items: list[_Item], places: int) -> list[_Item]:
    """The list begun at another place."""
    start = places % len(items)
    return items[start:] + items[:start]
