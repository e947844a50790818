from __future__ import annotations

import polars as pl
import pytest

from checks import claims
from resources import schemas
from resources.settings.videos import VideoSettings
from tests.coc_assets.filtered_coc.made import (
    KEYFRAME,
    boxes,
    component,
    drive,
    keyframe_id,
    keyframes,
    label,
    labels,
    ramp,
)
from tests.coc_assets.filtered_coc.reference import reference_spans, reference_trajectories


def clips(*ids: str, frames: int = 201) -> pl.DataFrame:
    return schemas.rows_to_frame([{"clip_id": i, "frames": frames, "first_us": 0} for i in ids], schemas.CLIPS)


def rejects(*rows: dict[str, object]) -> pl.DataFrame:
    return schemas.reject_rows([{"severity": "rejected", "reason": "broken", "hint": "h"} | row for row in rows])


def spans(*rows: tuple[str, str, int, int], clip_id: str = "c") -> pl.DataFrame:
    columns = ("axis", "action", "start_frame", "end_frame")
    return schemas.rows_to_frame([{"clip_id": clip_id} | dict(zip(columns, row, strict=True)) for row in rows],
                                 schemas.META_ACTION_SPANS)  # fmt: skip


def verdicts(**kept: str) -> pl.DataFrame:
    return schemas.rows_to_frame(
        [
            {"label_id": name, "labeler": "rules", "verdict": verdict, "reasons": ["why"]}
            for name, verdict in kept.items()
        ],
        schemas.VERDICTS,
    )


# trajectory_cache


@pytest.mark.parametrize(
    ("usable", "rejected", "offending"),
    [
        pytest.param(["a", "b"], ["d"], [], id="each once"),
        pytest.param(["a", "b"], [], ["d"], id="one lost"),
        pytest.param(["a", "b", "d"], ["d"], ["d"], id="usable and rejected"),
        pytest.param(["a", "b", "b"], ["d"], ["b"], id="twice"),
        pytest.param(["a", "b", "x"], ["d"], ["x"], id="not of this chunk"),
    ],
)
def test_clips_are_conserved(usable: list[str], rejected: list[str], offending: list[str]) -> None:
    degraded = {"clip_id": "a", "severity": "degraded"}
    whole_chunk = {"clip_id": None, "reason": "egomotion_unreadable"}
    claim = claims.clips_are_conserved(
        ["a", "b", "d", "d"], clips(*usable), rejects(degraded, whole_chunk, *({"clip_id": i} for i in rejected))
    )
    assert (claim.passed, claim.severity, claim.figure) == (not offending, "ERROR", len(offending))
    assert claim.worst["clip_id"].to_list() == offending


def test_tracks_are_in_the_rig_frame() -> None:
    fine = claims.tracks_are_in_the_rig_frame(rejects({"clip_id": "a", "reason": "no_tracks"}))
    wrong = claims.tracks_are_in_the_rig_frame(rejects({"clip_id": "a", "reason": "tracks_not_in_rig_frame"}))
    assert (fine.passed, wrong.passed, wrong.severity, wrong.figure) == (True, False, "ERROR", 1)
    assert wrong.worst["clip_id"].to_list() == ["a"]


@pytest.mark.parametrize(("rejected", "passed"), [(0, True), (2, True), (3, False)])
def test_rejects_stay_few(rejected: int, passed: bool) -> None:
    rows = [{"clip_id": f"r{i}", "feature": feature} for i in range(rejected) for feature in (None, "index")]
    claim = claims.rejects_stay_few(clips(*"abcdefgh"), rejects(*rows))
    assert (claim.passed, claim.severity, claim.threshold) == (passed, "WARN", 0.2)
    assert claim.figure == pytest.approx(rejected / (8 + rejected))
    assert claim.worst["clips"].to_list() == ([rejected] if rejected else [])


# meta_actions

WHOLE = (
    ("longitudinal", "maintain_speed", 0, 90),
    ("longitudinal", "stop", 90, 200),
    ("lateral", "go_straight", 0, 90),
)


@pytest.mark.parametrize(
    ("rows", "offending"),
    [
        pytest.param(WHOLE, [], id="whole"),
        pytest.param((*WHOLE[:2], ("lateral", "go_straight", 1, 91)), [], id="a tick off"),
        pytest.param((*WHOLE[:2], ("lateral", "go_straight", 0, 88)), ["lateral and stops"], id="a gap"),
        pytest.param((*WHOLE[:2], ("lateral", "go_straight", 0, 92)), ["lateral and stops"], id="an overlap"),
        pytest.param((*WHOLE[:2], ("lateral", "go_straight", 2, 90)), ["lateral and stops"], id="begins late"),
        pytest.param(
            (WHOLE[0], ("longitudinal", "stop", 90, 198), WHOLE[2]),
            ["lateral and stops", "longitudinal"],
            id="ends early",
        ),
        pytest.param((("longitudinal", "maintain_speed", 0, 200),), ["lateral and stops"], id="no lateral spans"),
        pytest.param((("longitudinal", "stop", 0, 200),), [], id="stands all the time"),
        pytest.param((), ["lateral and stops", "longitudinal"], id="no spans at all"),
        pytest.param((*WHOLE, ("lane", "keep_lane", 0, 3)), [], id="lanes need not cover"),
    ],
)
def test_spans_cover_the_clip(rows: tuple[tuple[str, str, int, int], ...], offending: list[str]) -> None:
    claim = claims.spans_cover_the_clip(spans(*rows), clips("c"))
    assert sorted(claim.worst["cover"]) == offending
    assert (claim.passed, claim.severity, claim.figure) == (not offending, "ERROR", len(offending))


SPEEDING = drive(ramp((0, 5), (50, 10), (100, 10), (150, 0)), ramp((0, 0.0), (20, 0.02), (60, 0.02), (80, -0.02)))
BACKING = drive(ramp((0, 0), (50, -2)), ramp((0, 0.0), (20, 0.05)))


@pytest.mark.parametrize(
    ("action", "start", "end", "trajectories", "agrees"),
    [
        ("gentle_acceleration", 0, 50, SPEEDING, True),
        ("strong_acceleration", 100, 150, SPEEDING, False),
        ("strong_deceleration", 100, 150, SPEEDING, True),
        ("gentle_deceleration", 0, 50, SPEEDING, False),
        ("stop", 150, 200, SPEEDING, True),
        ("stop", 0, 50, SPEEDING, False),
        ("steer_left", 10, 60, SPEEDING, True),
        ("sharp_steer_right", 10, 60, SPEEDING, False),
        ("steer_right", 80, 140, SPEEDING, True),
        ("reverse", 10, 200, BACKING, True),
        ("reverse", 10, 140, SPEEDING, False),
        ("reverse_right", 10, 200, BACKING, True),
        ("reverse_left", 10, 200, BACKING, False),
        ("steer_left", 10, 400, SPEEDING, False),
    ],
)
def test_actions_match_the_motion(action: str, start: int, end: int, trajectories: pl.DataFrame, agrees: bool) -> None:
    claim = claims.actions_match_the_motion(spans(("longitudinal", action, start, end)), trajectories)
    assert (claim.passed, claim.figure, claim.worst.height) == (agrees, float(agrees), int(not agrees))


def test_some_spans_may_not_match() -> None:
    rows = [("longitudinal", "gentle_acceleration", start, start + 10) for start in range(40)]
    wrong = ("longitudinal", "gentle_deceleration", 40, 50)
    ignored = ("longitudinal", "maintain_speed", 0, 200)
    assert claims.actions_match_the_motion(spans(*rows, wrong, ignored), SPEEDING).passed
    claim = claims.actions_match_the_motion(spans(*rows[:10], wrong, ignored), SPEEDING)
    assert (claim.passed, claim.severity, claim.threshold) == (False, "WARN", 0.95)
    assert claim.figure == pytest.approx(10 / 11)


def test_published_spans_hold_both_claims(shared_data) -> None:
    trajectories = reference_trajectories(shared_data)
    given = reference_spans(shared_data).select(
        clip_id="clip_id",
        axis="track",
        action=pl.col("action").str.replace_all(r"([a-z])([A-Z])", "${1}_${2}").str.to_lowercase(),
        start_frame="start",
        end_frame="end",
    )
    lengths = trajectories.group_by("clip_id").agg(frames=pl.len())
    covered = claims.spans_cover_the_clip(given, lengths.join(given, on="clip_id", how="semi"))
    assert covered.passed, covered.worst
    matched = claims.actions_match_the_motion(given.join(lengths, on="clip_id", how="semi"), trajectories)
    assert matched.passed, matched.worst


# keyframe_segments


def changed(table: pl.DataFrame, /, **columns: object) -> pl.DataFrame:
    return table.with_columns(**{name: pl.lit(value, table.schema[name]) for name, value in columns.items()})


@pytest.mark.parametrize(
    ("columns", "inside"),
    [
        ({}, True),
        ({"frame": 201}, False),
        ({"frame": -1}, False),
        ({"event_end_frame": 201}, True),
        ({"event_end_frame": 202}, False),
        ({"event_start_frame": 70}, False),
        ({"clip_id": "gone"}, False),
        ({"frame": None}, False),
    ],
)
def test_keyframes_lie_inside_their_clips(columns: dict[str, object], inside: bool) -> None:
    claim = claims.keyframes_lie_inside_their_clips(changed(keyframes(KEYFRAME), **columns), clips("c"))
    assert (claim.passed, claim.worst.height) == (inside, int(not inside))


@pytest.mark.parametrize(
    ("columns", "right"),
    [
        ({}, True),
        ({"t0_us": 4_000_001}, False),
        ({"frame": KEYFRAME + 1}, False),
        ({"keyframe_id": "c-4000000"}, False),
        ({"clip_id": "gone"}, False),
    ],
)
def test_keyframe_ids_match_their_instants(columns: dict[str, object], right: bool) -> None:
    claim = claims.keyframe_ids_match_their_instants(changed(keyframes(KEYFRAME), **columns), clips("c"))
    assert (claim.passed, claim.severity, claim.figure) == (right, "ERROR", int(not right))


def test_keyframes_are_there_once() -> None:
    claim = claims.keyframe_ids_match_their_instants(keyframes(KEYFRAME, 60, KEYFRAME), clips("c"))
    assert claim.worst["keyframe_id"].to_list() == [keyframe_id(KEYFRAME)] * 2


# clip_videos

CAMERA = "camera_front_wide_120fov"
INTERVAL_US = 33_333
FRAMES_US = list(range(-20_000, 20_000_000, INTERVAL_US))


def at_or_before(instant_us: int) -> int:
    return max((at for at, us in enumerate(FRAMES_US) if us <= instant_us), default=-1)


def segment(frame: int = KEYFRAME, **columns: object) -> pl.DataFrame:
    """A sound segment around the frame's keyframe; any column may be given."""
    t0_us = frame * 100_000
    asked = [t0_us + step * 500_000 for step in range(-4, 12)]
    covered = [us for us in asked if FRAMES_US[0] <= us <= FRAMES_US[-1] + INTERVAL_US]
    shown = [at_or_before(us) for us in covered]
    row = {
        "keyframe_id": keyframe_id(frame),
        "clip_id": "c",
        "camera": CAMERA,
        "first_us": FRAMES_US[max(at_or_before(t0_us - 2_000_000), 0)],
        "last_us": FRAMES_US[at_or_before(t0_us + 6_000_000 - 1)],
        "frame_us": [FRAMES_US[at] for at in shown],
        "source_frame": shown,
        "missing_us": sorted(set(asked) - set(covered)),
        "status": "cut",
    }
    return schemas.rows_to_frame([row | columns], schemas.SEGMENTS)


VIDEO = schemas.rows_to_frame(
    [{"clip_id": "c", "camera": CAMERA, "fps": 1e6 / INTERVAL_US, "first_us": FRAMES_US[0], "last_us": FRAMES_US[-1]}],
    schemas.VIDEOS,
)
SOUND = segment().row(0, named=True)


LATER = [us + INTERVAL_US for us in SOUND["frame_us"]]
EARLIER = [us - 2 * INTERVAL_US for us in SOUND["frame_us"]]
UNACCOUNTED = "asked instants unaccounted for"


@pytest.mark.parametrize(
    ("frame", "columns", "severity", "problem"),
    [
        pytest.param(KEYFRAME, {}, None, None, id="sound"),
        pytest.param(10, {}, None, None, id="at the clip's start"),
        pytest.param(170, {}, None, None, id="at the clip's end"),
        pytest.param(KEYFRAME, {"status": "on_demand"}, None, None, id="not cut yet"),
        pytest.param(KEYFRAME, {"status": "no_video", "frame_us": [], "missing_us": []}, None, None, id="no video"),
        pytest.param(KEYFRAME, {"camera": "another"}, "ERROR", "no keyframe or video", id="unknown camera"),
        pytest.param(KEYFRAME, {"frame_us": SOUND["frame_us"][1:]}, "ERROR", UNACCOUNTED, id="one lost"),
        pytest.param(KEYFRAME, {"missing_us": [1]}, "ERROR", UNACCOUNTED, id="one never asked"),
        pytest.param(KEYFRAME, {"frame_us": LATER}, "ERROR", "frames later than asked", id="a frame late"),
        pytest.param(KEYFRAME, {"frame_us": EARLIER}, "WARN", "frames older than asked", id="frames dropped"),
        pytest.param(
            KEYFRAME,
            {"first_us": SOUND["first_us"] + 100_000},
            "WARN",
            "does not begin with the window",
            id="begins late",
        ),
        pytest.param(
            KEYFRAME, {"last_us": SOUND["last_us"] - 100_000}, "WARN", "does not end with the window", id="ends early"
        ),
    ],
)
def test_segments_span_the_window(
    frame: int, columns: dict[str, object], severity: str | None, problem: str | None
) -> None:
    claim = claims.segments_span_the_window(segment(frame, **columns), keyframes(frame), VIDEO, VideoSettings())
    assert claim.passed == (problem is None)
    assert claim.worst["problem"].to_list() == ([problem] if problem else [])
    if severity:
        assert claim.severity == severity


def test_every_keyframe_has_a_segment() -> None:
    segments = pl.concat([segment(KEYFRAME), segment(60, status="no_video"), segment(90)])
    assert claims.every_keyframe_has_a_segment(keyframes(KEYFRAME, 60, 90), segments).passed
    claim = claims.every_keyframe_has_a_segment(keyframes(KEYFRAME, 60, 100), segments)
    assert claim.worst.rows() == [(keyframe_id(90), "keyframe"), (keyframe_id(100), "segment")]


# raw_coc


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        pytest.param({}, None, id="sound"),
        pytest.param({"components": [component(), component(rank=2)]}, None, id="with causes"),
        pytest.param({"components": None}, None, id="without causes"),
        pytest.param({"status": "refused", "trace": None}, None, id="refused"),
        pytest.param({"longitudinal_decision": None}, None, id="no decision is one"),
        pytest.param({"trace": "  "}, "usable and no trace", id="no trace"),
        pytest.param({"status": "okay"}, "status: okay", id="status"),
        pytest.param({"status": None}, "no status", id="no status"),
        pytest.param({"longitudinal_decision": "stop"}, "longitudinal_decision: stop", id="longitudinal"),
        pytest.param({"lateral_decision": "swerve"}, "lateral_decision: swerve", id="lateral"),
        pytest.param({"lateral_direction": "up"}, "lateral_direction: up", id="direction"),
        pytest.param({"scenario": "rain"}, "scenario: rain", id="scenario"),
        pytest.param({"components": [component(category="sky")]}, "component category: sky", id="category"),
        pytest.param({"components": [component(rank=2)]}, "components are not ranked 1, 2, …", id="ranks"),
    ],
)
def test_labels_are_valid(columns: dict[str, object], problem: str | None) -> None:
    rows = labels(label(**columns), label(labeler="other", status="never looked at"))
    claim = claims.labels_are_valid(rows, keyframes(KEYFRAME), "rules")
    assert claim.worst["problem"].to_list() == ([problem] if problem else [])
    assert (claim.passed, claim.severity) == (problem is None, "ERROR")


def test_each_keyframe_has_one_label() -> None:
    rows = labels(label(20), label(20, label_id="again"), label(60), label(80))
    claim = claims.labels_are_valid(rows, keyframes(20, 40, 60), "rules")
    assert claim.worst.select("keyframe_id", "problem").rows() == [
        (keyframe_id(20), "2 labels, of a keyframe that is known"),
        (keyframe_id(40), "0 labels, of a keyframe that is known"),
        (keyframe_id(80), "1 labels, of a keyframe that is unknown"),
    ]


@pytest.mark.parametrize(("lost", "passed"), [(1, True), (2, False)])
def test_labels_are_usable(lost: int, passed: bool) -> None:
    rows = labels(
        *(label(20 + step, status="ok" if step >= lost else "error", reason="why") for step in range(10)),
        label(90, labeler="other", status="error"),
    )
    claim = claims.labels_are_usable(rows, "rules")
    assert (claim.passed, claim.severity, claim.worst.height) == (passed, "WARN", lost)
    assert f"{lost} error; --retry asks again" in claim.description


T0 = KEYFRAME * 100_000


@pytest.mark.parametrize(
    ("first_us", "last_us", "status", "passed"),
    [
        pytest.param(0, 9_000_000, "ok", True, id="seen"),
        pytest.param(T0, T0, "ok", True, id="seen at the keyframe"),
        pytest.param(T0 - 2_000_000, T0 - 2_000_000, "ok", True, id="seen as the window begins"),
        pytest.param(T0 + 100_000, 9_000_000, "ok", False, id="seen only later"),
        pytest.param(0, T0 - 2_100_000, "ok", False, id="seen only too early"),
        pytest.param(T0 + 100_000, 9_000_000, "invalid", True, id="no usable label"),
    ],
)
def test_cited_tracks_are_in_the_history(first_us: int, last_us: int, status: str, passed: bool) -> None:
    rows = labels(label(components=[component(track_id="7"), component(rank=2)], status=status))
    claim = claims.cited_tracks_are_in_the_history(rows, boxes("7", first_us=first_us, last_us=last_us, x_m=9))
    assert (claim.passed, claim.severity) == (passed, "ERROR")
    assert claim.worst["track_id"].to_list() == ([] if passed else ["7"])


def agreement(*rows: tuple[int, str, float | None]) -> pl.DataFrame:
    return schemas.rows_to_frame(
        [
            {"label_id": label(frame)["label_id"], "instrument": "trajectory_consistency", "name": name, "value": value}
            for frame, name, value in rows
        ],
        schemas.MEASUREMENTS,
    )


def test_decisions_agree_with_the_motion() -> None:
    rows = labels(*(label(frame) for frame in (20, 40, 60, 80)), label(20, labeler="model"))
    figures = agreement(
        (20, "longitudinal", 1), (20, "lateral", 0), (40, "longitudinal", 1), (40, "lateral", None),
        (60, "lateral", None), (80, "longitudinal", 1), (80, "offset_m", 0.0),
    )  # fmt: skip
    claim = claims.decisions_agree_with_the_motion(figures, rows)
    assert (claim.passed, claim.severity) == (False, "WARN")
    assert claim.figure == pytest.approx(2 / 3)  # the label at 60 abstains on both axes
    assert claim.worst.select("keyframe_id", "name").rows() == [(keyframe_id(20), "lateral")]
    assert claims.decisions_agree_with_the_motion(figures, rows, least=0.6).passed
    assert claims.decisions_agree_with_the_motion(figures, rows, labeler="model").passed


# filtered_coc


@pytest.mark.parametrize(
    ("judged", "offending"),
    [
        pytest.param({"a": "keep", "b": "reject"}, [], id="each once"),
        pytest.param({"a": "keep"}, ["b"], id="one not judged"),
        pytest.param({"a": "keep", "b": "maybe"}, ["b"], id="no such verdict"),
        pytest.param({"a": "keep", "b": "keep", "x": "keep"}, ["x"], id="not usable"),
    ],
)
def test_every_ok_label_has_a_verdict(judged: dict[str, str], offending: list[str]) -> None:
    rows = labels(label(20, label_id="a"), label(40, label_id="b"), label(60, label_id="x", status="error"))
    claim = claims.every_ok_label_has_a_verdict(rows, verdicts(**judged))
    assert claim.worst["label_id"].to_list() == offending
    assert (claim.passed, claim.severity) == (not offending, "ERROR")


# training_shards


@pytest.mark.parametrize(
    ("sampled", "left_out", "offending"),
    [
        pytest.param(["a"], ["b"], [], id="each once"),
        pytest.param(["a"], [], ["b"], id="one lost"),
        pytest.param(["a", "b"], ["b"], ["b"], id="sample and reject"),
        pytest.param(["a", "b", "x"], [], ["x"], id="a sample that was not kept"),
    ],
)
def test_kept_labels_become_samples(sampled: list[str], left_out: list[str], offending: list[str]) -> None:
    samples = schemas.rows_to_frame([{"label_id": name} for name in sampled], schemas.SAMPLES)
    out = rejects(*({"label_id": name} for name in left_out), {"label_id": "a", "severity": "degraded"})
    claim = claims.kept_labels_become_samples(verdicts(a="keep", b="keep", x="review"), samples, out)
    assert claim.worst["label_id"].to_list() == offending
    assert (claim.passed, claim.severity) == (not offending, "ERROR")


# all of them


def test_labels_under_review_become_samples_too_where_they_are_used() -> None:
    samples = schemas.rows_to_frame([{"label_id": name} for name in ("a", "x")], schemas.SAMPLES)
    judged, out = verdicts(a="keep", x="review", y="reject"), schemas.rows_to_frame([], schemas.REJECTS)
    assert not claims.kept_labels_become_samples(judged, samples, out).passed
    assert claims.kept_labels_become_samples(judged, samples, out, ("keep", "review")).passed


def test_no_clip_is_in_two_splits() -> None:
    rows = [("a", "train"), ("a", "train"), ("b", "val"), ("c", "train")]
    samples = schemas.rows_to_frame([{"clip_id": clip, "split": split} for clip, split in rows], schemas.SAMPLES)
    assert claims.no_clip_is_in_two_splits(samples).passed
    leaked = samples.vstack(schemas.rows_to_frame([{"clip_id": "c", "split": "test"}], schemas.SAMPLES))
    claim = claims.no_clip_is_in_two_splits(leaked)
    assert (claim.passed, claim.severity, claim.figure) == (False, "ERROR", 1)
    assert claim.worst.to_dicts() == [{"clip_id": "c", "split": ["test", "train"]}]


def test_empty_tables_hold_every_claim() -> None:
    """A chunk may have no usable clip: nothing offends, and no share is divided by zero."""
    e = {table.name: schemas.empty(table) for table in (*schemas.DATA_TABLES, schemas.REJECTS)}
    made = [
        claims.clips_are_conserved([], e["clips"], e["rejects"]),
        claims.tracks_are_in_the_rig_frame(e["rejects"]),
        claims.rejects_stay_few(e["clips"], e["rejects"]),
        claims.spans_cover_the_clip(e["meta_actions"], e["clips"]),
        claims.actions_match_the_motion(e["meta_actions"], e["trajectories"]),
        claims.keyframes_lie_inside_their_clips(e["keyframes"], e["clips"]),
        claims.keyframe_ids_match_their_instants(e["keyframes"], e["clips"]),
        claims.segments_span_the_window(e["segments"], e["keyframes"], e["videos"], VideoSettings()),
        claims.every_keyframe_has_a_segment(e["keyframes"], e["segments"]),
        claims.labels_are_valid(e["raw_coc"], e["keyframes"], "rules"),
        claims.labels_are_usable(e["raw_coc"], "rules"),
        claims.cited_tracks_are_in_the_history(e["raw_coc"], e["tracks"]),
        claims.decisions_agree_with_the_motion(e["measurements"], e["raw_coc"]),
        claims.every_ok_label_has_a_verdict(e["raw_coc"], e["filtered_coc"]),
        claims.kept_labels_become_samples(e["filtered_coc"], e["samples"], e["rejects"]),
        claims.no_clip_is_in_two_splits(e["samples"]),
    ]
    assert [claim.description for claim in made if not claim.passed] == []


def test_worst_rows_are_at_most_ten() -> None:
    claim = claims.clips_are_conserved((f"c{i:02}" for i in range(25)), clips(), rejects())
    assert (claim.figure, claim.worst.height) == (25, 10)
    assert claim.description.startswith("25 of 25 clips are lost, doubled or unheard of. ")
