from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from coc_assets.raw_coc.imported.events import ImportedEvent
from coc_assets.raw_coc.imported.records import Clip, Instant, clips_of, keyframe_of, record_of, records_of
from coc_assets.raw_coc.records import LabelText
from resources import schemas

FIRST_US = -62_941
KEYFRAME = Instant("clip-a-05137059", 5_137_059)
CLIP = Clip(FIRST_US, 201, (Instant("clip-a-02137059", 2_137_059), KEYFRAME))
SENTENCE = "Nudge to the left because a parked truck blocks the lane"


def event(trace: str | None = SENTENCE, at_us: int = KEYFRAME.t0_us, **changes: Any) -> ImportedEvent:
    made = ImportedEvent("here", "jsonl", "clip-a", at_us, "clip", LabelText(trace=trace), returned=trace)
    return replace(made, **changes)


@pytest.mark.parametrize("shift_us", [0, 50_000, -50_000])
def test_an_event_near_a_keyframe_is_that_keyframes(shift_us: int) -> None:
    assert keyframe_of(event(at_us=KEYFRAME.t0_us + shift_us), CLIP) == KEYFRAME


@pytest.mark.parametrize("shift_us", [50_001, -50_001])
def test_any_other_event_has_a_keyframe_of_its_own(shift_us: int) -> None:
    at_us = KEYFRAME.t0_us + shift_us
    assert keyframe_of(event(at_us=at_us), CLIP) == Instant(f"clip-a-{at_us:08d}", at_us)


def test_instants_of_trees_count_from_the_first_sample() -> None:
    assert keyframe_of(event(at_us=5_200_000, clock="first_sample"), CLIP) == KEYFRAME


@pytest.mark.parametrize(
    ("at_us", "first_us"), [(20_200_000, FIRST_US), (0, 50_001), (30_000, -10_000_000 - 10_100_000), (10**9, 10**9)]
)
def test_an_instant_that_the_clip_does_not_have(at_us: int, first_us: int) -> None:
    assert keyframe_of(event(at_us=at_us), Clip(first_us, 201)) is None


def test_decisions_and_causes_are_those_of_the_words() -> None:
    record = record_of(event(model="vision-9", prompt_version="v7"), KEYFRAME, "theirs")
    assert (record.lateral_decision, record.lateral_direction) == ("out_of_lane_nudge", "left")
    assert [component.category for component in record.components] == ["critical_object"]
    assert (record.labeler, record.origin, record.status) == ("theirs", "imported", "ok")
    assert (record.model, record.prompt_version) == ("vision-9", "v7")
    assert record.text.trace == record.raw_response == SENTENCE


@pytest.mark.parametrize(
    "trace",
    [
        "<|cot_start|>Stop because the light is red<|cot_end|>",
        "Yield <image> to the pedestrian",
        "停车，因为红灯 🚦",
        "Stop\x00 \u202e because \ufffd",
        "x " * 50_000,
    ],
)
def test_words_are_kept_as_they_came_whatever_they_hold(trace: str) -> None:
    record = record_of(event(trace), KEYFRAME, "theirs")
    assert record.text.trace == record.raw_response == trace
    assert record.status == "ok"


@pytest.mark.parametrize(
    ("trace", "status", "reason"),
    [
        (None, "invalid", "no_text"),
        ("Responsible AI Policy Violation.", "refused", "refused: Responsible AI"),
        ("I'm sorry, I can't assist with that.", "refused", "refused: I'm sorry"),
    ],
)
def test_labels_without_a_usable_text_are_kept_with_their_reason(trace: str | None, status: str, reason: str) -> None:
    record = record_of(event(trace), KEYFRAME, "theirs")
    assert record.status == status and (record.reason or "").startswith(reason)
    assert record.text.trace == trace
    assert record.longitudinal_decision is record.lateral_decision is None and record.components == ()


def test_other_words_make_another_label_and_the_same_words_the_same() -> None:
    first, again, other = (record_of(event(text), KEYFRAME, "theirs") for text in (SENTENCE, SENTENCE, "Stop"))
    assert first.label_id == again.label_id != other.label_id
    assert (
        record_of(event(text=LabelText(trace=SENTENCE, planning="Nudge.")), KEYFRAME, "theirs").label_id
        != first.label_id
    )
    assert record_of(event(), KEYFRAME, "others").label_id != first.label_id


def test_of_two_events_at_one_keyframe_the_first_is_kept_and_the_other_named() -> None:
    records, left_out = records_of(
        [event("Stop", place="one"), event("Go", place="two", at_us=KEYFRAME.t0_us + 20_000)],
        {"clip-a": CLIP},
        "theirs",
    )
    assert [record.text.trace for record in records] == ["Stop"]
    assert [(one.place, one.reason) for one in left_out] == [("two", "duplicate")]
    assert "one" in left_out[0].detail


def test_an_event_without_a_usable_text_gives_way_to_one_that_has_it() -> None:
    records, left_out = records_of([event(None, place="one"), event("Stop", place="two")], {"clip-a": CLIP}, "theirs")
    assert [record.text.trace for record in records] == ["Stop"]
    assert [one.place for one in left_out] == ["one"]


def test_an_event_outside_its_clip_is_named_with_what_the_clip_has() -> None:
    records, (outside,) = records_of([event(at_us=30_000_000)], {"clip-a": CLIP}, "theirs")
    assert records == [] and outside.reason == "outside_the_clip"
    assert "30000000" in outside.detail and "19937059" in outside.detail


def test_clips_know_their_keyframes_in_order() -> None:
    clips = schemas.rows_to_frame([{"clip_id": "clip-a", "first_us": FIRST_US, "frames": 201}], schemas.CLIPS)
    rows: list[dict[str, object]] = [
        {"clip_id": "clip-a", "keyframe_id": f"clip-a-{t0:08d}", "t0_us": t0} for t0 in (5_137_059, 2_137_059)
    ]
    assert clips_of(clips, schemas.rows_to_frame(rows, schemas.KEYFRAMES)) == {"clip-a": CLIP}
    assert clips_of(clips, pl.DataFrame(schema=schemas.KEYFRAMES.schema)) == {"clip-a": Clip(FIRST_US, 201)}
