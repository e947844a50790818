from __future__ import annotations

import pytest

from coc_assets.filtered_coc.structure import measure
from resources import schemas
from resources.settings.filtering import TextThresholds
from tests.coc_assets.filtered_coc.made import KEYFRAME, component, figures, keyframes, label, labels

FLAGS = (
    "empty", "too_short", "repeated", "templated", "refused", "forbidden_tokens", "no_decision", "direction_missing",
    "keyframe_gone",
)  # fmt: skip
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
        pytest.param({"longitudinal_decision": None, "lateral_decision": None}, {"no_decision"}, id="no decision"),
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
