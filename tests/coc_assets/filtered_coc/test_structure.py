from __future__ import annotations

import polars as pl
import pytest

from coc_assets.filtered_coc.faulty_text import FUTURE_EVENT, NO_ANSWER, PLACEHOLDER, REFUSAL, Words
from coc_assets.filtered_coc.structure import PARTS, measure
from resources import schemas
from resources.settings.filtering import TextThresholds
from tests.coc_assets.filtered_coc.made import KEYFRAME, component, figures, keyframes, label, labels

FLAGS = (
    "empty", "too_short", "repeated", "templated", "refused", "forbidden_tokens", "no_decision", "direction_missing",
    "keyframe_gone",
)  # fmt: skip
ALONE = dict.fromkeys(("longitudinal_decision", "lateral_decision", *PARTS))
LOOP = "The ego slows down because the lead slows down because the lead slows down because the lead slows down"


def measured(**columns: object) -> dict[str, float | None]:
    return figures(measure(labels(label(**columns)), keyframes(KEYFRAME), TextThresholds()))


@pytest.mark.parametrize(
    ("columns", "raised"),
    [
        pytest.param({}, set(), id="a sound label"),
        pytest.param({"trace": None}, {"empty"}, id="no trace"),
        pytest.param({"trace": " .\n"}, {"empty"}, id="blank trace"),
        pytest.param({"trace": "Turn left"}, {"too_short"}, id="two words"),
        pytest.param({"trace": "Stop at the light"}, set(), id="four words"),
        pytest.param({"trace": LOOP}, {"repeated"}, id="trace in circles"),
        pytest.param({"prediction": LOOP}, {"repeated"}, id="part in circles"),
        pytest.param({"planning": "Same thing.", "prediction": "same thing. "}, {"repeated"}, id="equal parts"),
        pytest.param({"trace": "Slow down because {cause} is ahead"}, {"templated"}, id="placeholder"),
        pytest.param({"trace": "Slow down because [insert cause] is ahead"}, {"templated"}, id="bracketed placeholder"),
        pytest.param({"trace": "Dummy response."}, {"templated", "too_short"}, id="the dummy model"),
        pytest.param({"justification": "n/a"}, {"templated"}, id="filler part"),
        pytest.param({"trace": "I'm sorry, but I can't help with that."}, {"refused"}, id="refusal"),
        pytest.param({"perception": "As an AI I do not see the road."}, {"refused"}, id="refusal in a part"),
        pytest.param({"trace": "Stop for the light now <|im_end|>"}, {"forbidden_tokens"}, id="control token"),
        pytest.param({"planning": "<video> stop"}, {"forbidden_tokens"}, id="media token in a part"),
        pytest.param(
            {"components": [component(phrase="<image>")]}, {"forbidden_tokens"}, id="media token in a component"
        ),
        pytest.param(
            {"components": [component(attributes=[{"key": "type", "value": "<|car|>"}])]},
            {"forbidden_tokens"},
            id="control token in an attribute",
        ),
        pytest.param({"trace": "The ego slows, slows slows slows down"}, {"repeated"}, id="a word again and again"),
        pytest.param({"trace": "The ego stops. It is red. The ego stops."}, {"repeated"}, id="a sentence twice"),
        pytest.param({"trace": "Stop and wait for {{agent}} to pass"}, {"templated"}, id="braces"),
        pytest.param({"trace": "Turn left/right at the junction"}, {"templated"}, id="a choice left open"),
        pytest.param({"trace": "Slow down because ... is ahead"}, {"templated"}, id="a cause left out"),
        pytest.param({"trace": "Insert the reason here, then stop"}, {"templated"}, id="an instruction left in"),
        pytest.param({"trace": "The ego takes a left here"}, set(), id="a place is no slot"),
        pytest.param({"longitudinal_decision": None, "lateral_decision": None}, {"no_decision"}, id="no decision"),
        pytest.param(ALONE | {"trace": "Cuts its speed for the bend"}, set(), id="a trace alone that tells one"),
        pytest.param(ALONE | {"trace": "The view is nice today"}, {"no_decision", "refused"}, id="alone without one"),
        pytest.param(ALONE | {"trace": "Backs out of the parking space"}, {"no_decision"}, id="reversing is none"),
        pytest.param({"longitudinal_decision": None}, set(), id="one decision is enough"),
        pytest.param({"lateral_decision": "turn"}, {"direction_missing"}, id="a turn to where"),
        pytest.param({"lateral_decision": "turn", "lateral_direction": "left"}, set(), id="a turn to the left"),
        pytest.param({"keyframe_id": "c-99999999"}, {"keyframe_gone"}, id="keyframe of another run"),
    ],
)
def test_flags(columns: dict[str, object], raised: set[str]) -> None:
    found = measured(**columns)
    assert {name for name in FLAGS if found[name]} == raised
    assert None not in found.values()


def test_counts() -> None:
    found = measured(
        trace="Slow down: the lead will stop, it is about to.", justification="It will stop.", planning="<|a|> <image>"
    )
    assert (found["words"], found["future_tense"], found["forbidden_tokens"]) == (10, 3, 2)


def test_same_trace_counts_other_labels_of_the_labeler() -> None:
    rows = labels(
        label(20, trace="Stop for the light"),
        label(40, trace="stop for the light "),
        label(60, trace="Go on with care"),
        label(20, trace="Stop for the light", labeler="other"),
    )
    made = measure(rows, keyframes(20, 40, 60), TextThresholds())
    assert [figures(made, label_id)["same_trace"] for label_id in rows["label_id"]] == [1, 1, 0, 0]


def test_details_are_given_where_a_flag_is_raised() -> None:
    made = measure(labels(label(trace="Turn left <|x|>")), keyframes(KEYFRAME), TextThresholds())
    assert made.schema == schemas.MEASUREMENTS.schema
    details = {name: detail for name, detail in made.select("name", "detail").iter_rows() if detail is not None}
    assert details == {"too_short": "Turn left <|x|>", "forbidden_tokens": "<|x|>"}


REFUSALS = (
    "My apologies, the pictures did not load.",
    "I am not able to view the footage.",
    "The frames are too dark to tell what the ego does.",
    "This request goes against the usage guidelines.",
    "It is impossible to say why the vehicle slows down from these frames.",
    "There is not enough visual information to describe the behaviour.",
    "I must decline to provide a label.",
    "Cannot determine the cause of the ego's behaviour.",
    "The reason for the manoeuvre cannot be determined.",
    "As a large language model, I only process text.",
    "I won't speculate about the driver's intent.",
    "Request blocked by the safety filter.",
    "Please upload the recording again.",
    "No footage available.",
    "Insufficient evidence.",
    "Without the video I can only guess.",
    "I have been asked not to talk about people.",
    "Nothing can be said about this clip.",
    "Error: rate limit exceeded",
    "No clue, sorry",
    "Sure, happy to help - but there is nothing I can say about this scene.",
    "Let me have a look... Hmm, I'm not in a position to label driving behaviour.",
    "I'd rather not comment on what the driver intends.",
    "It isn't possible for me to describe this clip.",
    "It would be improper to speculate about the driver's motives.",
    "N/A, clip unusable",
    "This model is not able to judge traffic scenes.",
    "We are not permitted to annotate videos with people.",
    "That is beyond what I can assess.",
    "I'm going to pass on this one.",
    "The material does not support any conclusion.",
    "Any answer would be pure guesswork.",
    "Nothing to go on.",
    "My instructions keep me from describing road users.",
    "Not labelled: view blocked",
    "Whether it brakes or not is impossible to judge from stills.",
    "Better ask a human annotator.",
    "I refuse.",
    "We must leave this blank.",
    "Without seeing the video, describing the turn would be guessing.",
)
DRIVING = (
    "The ego cannot pass because an oncoming truck blocks the lane",
    "The ego slows since it is unable to see past the parked truck",
    "Slow down as the ego cannot complete the lane change before the exit",
    "The ego waits as it is unable to tell whether the pedestrian crosses",
    "I slow down because I cannot see the end of the queue",
    "There is not enough room to pass the bus, so wait",
    "The video shows a pedestrian crossing, so the ego yields",
    "In the clip the ego turns left at the junction",
    "The frames show that the light turns green and the ego starts",
    "The officer tells the ego to stop",
    "The light is not visible behind the truck, so the ego slows",
    "Hold back as it is hard to see what the truck ahead is doing",
    "The ego cannot judge the gap in oncoming traffic and waits",
    "No response from the pedestrian, so the ego stays stopped",
    "Drop from 52 km/h for the twisty stretch",
    "Dabs the anchors",
    "Feathering it down to walking pace",
    "Trundles along, nothing about",
    "Gentle squeeze of the binders",
    "A long climb saps momentum",
    "We can't tell whether the van will pull out so we hang back",
    "I ease off since I can't see round the bend",
    "We'd rather not pass the cyclist here, so we stay behind",
    "We don't have enough room so we hold",
    "The oncoming driver prevents us from turning, so we stand",
    "The driver refuses to let the ego in, so it brakes",
    "Unclear priority, give way",
    "Passing on this side of the island, ego keeps right",
    "The question of priority is settled by the sign, so the ego yields",
)


@pytest.mark.parametrize(
    ("text", "refused"), [*((text, 1) for text in REFUSALS), *((text, 0) for text in DRIVING)], ids=str
)
def test_refusals_are_told_from_what_drivers_cannot_do(text: str, refused: float) -> None:
    assert measured(trace=text)["refused"] == refused


@pytest.mark.parametrize(
    ("trace", "justification", "leaks"),
    [
        ("Stop because the lead vehicle will brake", None, 1),
        ("Slow down since the pedestrian later steps onto the road", None, 1),
        ("Yield as a cyclist who then crosses approaches", None, 1),
        ("The ego slows because at t=+2 s a child runs out", None, 1),
        ("Stop since the light turns red after t0", None, 1),
        ("Because the lead will turn right, the ego slows down", None, 1),
        ("The light will turn red, so the ego slows down", None, 1),
        ("Brake for a pedestrian who will step out", None, 1),
        ("A van subsequently cuts in. The ego brakes.", None, 1),
        ("Slow down behind the van", "The van eventually leaves the lane.", 1),
        ("Slow down because the pedestrian is about to cross", None, 0),
        ("Yield to the cyclist who is signalling left", None, 0),
        ("Stop since the woman is waiting to cross", None, 0),
        ("The ego slows, then stops and later proceeds", None, 0),
        ("Because the ego will turn right, it slows down", None, 0),
        ("Slow down to avoid what would be a collision", None, 0),
        ("After the light turned green, the ego accelerates", None, 0),
        ("Resume the speed after 2.0 s at standstill", "The road ahead is free.", 0),
    ],
)
def test_future_leaks_are_causes_that_come_later(trace: str, justification: str | None, leaks: float) -> None:
    assert measured(trace=trace, justification=justification)["future_leak"] == leaks


@pytest.mark.parametrize(
    ("trace", "hedges"),
    [
        ("Slow down, probably because the lead seems to brake", 2),
        ("The ego may be yielding to what appears to be a pedestrian", 2),
        ("Possibly the light is red, it is unclear", 2),
        ("Slow down as a pedestrian appears from behind the bus", 0),
        ("Slow down because the lead vehicle brakes", 0),
    ],
)
def test_hedges_are_counted(trace: str, hedges: float) -> None:
    assert measured(trace=trace)["hedged"] == hedges


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (REFUSAL, REFUSALS),
        (NO_ANSWER, REFUSALS),
        (
            PLACEHOLDER,
            ("Stop for [insert cause]", "Stop for {cause}", "Turn left/right", "TODO: say why", "your text here"),
        ),
        (FUTURE_EVENT, ("which then stops", "it'll stop", "after the keyframe", "in the next few seconds", "t0+2")),
    ],
    ids=["refusal", "no answer", "placeholder", "future"],
)
def test_whatever_a_pattern_matches_has_one_of_its_stems(words: Words, texts: tuple[str, ...]) -> None:
    """Without its stem a text is not looked at."""
    found = pl.Series(texts).str.extract(f"({words.pattern})")
    assert found.drop_nulls().len() >= len(texts) / 5
    assert words.doubted(found).to_list() == found.is_not_null().to_list()
