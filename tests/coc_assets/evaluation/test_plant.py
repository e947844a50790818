"""That planted faults are the faults they are called, that the rest is true, and that both are counted right."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.evaluation.plant import FAULTS, IN_SETS, Planted, contradicts, lightly_edited, plant
from coc_assets.evaluation.plant_moments import PEOPLE, Moment, Spot, course_of, moments, spots, without_people
from coc_assets.evaluation.plant_report import RULES, Judged, as_json, judge, plant_all, rows
from coc_assets.evaluation.plant_wordings import HALVES, Wording, load_wordings
from coc_assets.evaluation.truth import match_truth, read_truth
from coc_assets.filtered_coc.policy import load_policy
from coc_assets.raw_coc.records import LabelRecord, LabelText
from coc_assets.sample.generate import generate
from coc_assets.stage import Workspace, run_stage
from coc_assets.stages import STAGES_BY_NAME
from resources import schemas
from resources.settings import load_settings
from resources.store import Store

CHUNK = "0000"
CLIPS = 33  # three of each scene
SETTINGS = load_settings().filtering
TABLES = (schemas.KEYFRAMES, schemas.TRAJECTORIES, schemas.TRACKS)
DETECTORS = ("filtered_coc", "raw_coc/vlm")
LEAST_WORDINGS = 12
SLOTS = {
    "side": ("left", "right"),
    "opposite": ("left", "right"),
    "from": ("left", "right"),
    "bend": ("left", "right"),
    "vehicle": ("car", "truck"),
    "gap": ("18",),
    "speed": ("40",),
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A generated dataset and a store with its keyframes."""
    folder = tmp_path_factory.mktemp("planted")
    dataset, store = folder / "dataset", folder / "store"
    generate(dataset, chunks=1, clips=CLIPS, seed=5, video=False, defects=False)
    workspace = Workspace(load_settings(dataset=dataset, store=store))
    for name in ("trajectory_cache", "meta_actions", "keyframe_segments"):
        run_stage(STAGES_BY_NAME[name], workspace, CHUNK)
    return dataset, store


@pytest.fixture(scope="module")
def tables(sample):
    store = Store(sample[1])
    return {table.name: store.read_table(table, CHUNK) for table in TABLES}


@pytest.fixture(scope="module")
def scripted(sample):
    return read_truth(sample[0])


@pytest.fixture(scope="module")
def found(tables):
    return spots(*(tables[table.name] for table in TABLES), SETTINGS)[0]


@pytest.fixture(scope="module")
def worded(tables, scripted, found):
    matched = match_truth(scripted, tables["keyframes"])
    return moments(matched, found, tables["trajectories"], tables["tracks"], SETTINGS)[0]


@pytest.fixture(scope="module")
def planted(worded, found):
    return plant(worded, found, load_wordings("held_out"), seed=1, rounds=2)


@pytest.fixture(scope="module")
def answers(tables, scripted):
    matched = match_truth(scripted, tables["keyframes"])
    return {row["keyframe_id"]: row for row in matched.iter_rows(named=True)}


def of(planted: list[Planted], kind: str, form: str) -> list[Planted]:
    chosen = [label for label in planted if label.kind == kind and label.form == form]
    assert chosen, f"no {kind} in the form {form}"
    return chosen


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())


def fillings(wording: Wording) -> list[str]:
    names = sorted(wording.slots)
    return [wording.filled(dict(zip(names, values, strict=True))) for values in product(*(SLOTS[n] for n in names))]


# ---- the words ------------------------------------------------------------------------------------------------------


def test_no_wording_occurs_in_what_is_tested_nor_in_its_tests():
    root = Path(__file__).parents[3]
    folders = [root / top / "coc_assets" / folder for top in ("", "tests") for folder in DETECTORS]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    assert {path.name for path in files} >= {"text_claims.py", "test_text_claims.py", "test_reasoning_text.py"}
    written = {path.name: f" {plain(path.read_text(encoding='utf-8'))} " for path in files}
    copied = {
        (text, name)
        for wording in load_wordings(*HALVES).all
        for text in fillings(wording)
        for name, words in written.items()
        if f" {plain(text)} " in words
    }
    assert not copied


def test_the_halves_share_no_wording_and_none_is_there_twice():
    texts = [plain(wording.text) for wording in load_wordings(*HALVES).all]
    assert not [text for text, count in Counter(texts).items() if count > 1]


@pytest.mark.parametrize("section", ["clean", "deceleration", "invented", "refusal"])
def test_there_are_enough_wordings_of_several_registers_in_both_halves(section):
    groups = Counter(
        wording.name.split("/")[1] if section == "clean" else section for wording in load_wordings(*HALVES).of(section)
    )
    assert min(groups.values()) >= LEAST_WORDINGS
    for half in HALVES:
        assert {wording.register for wording in load_wordings(half).of(section)} == {"terse", "prose", "annotator"}


def test_every_slot_is_known_and_every_invented_person_is_named():
    wordings = load_wordings(*HALVES)
    assert all(wording.slots <= SLOTS.keys() for wording in wordings.all)
    assert all(wording.named for wording in wordings.of("invented"))
    assert not any(set("{}[]") & set(text) for wording in wordings.all for text in fillings(wording))


# ---- keyframes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("speed", "course"),
    [
        ([10.0, 10.5, 12.0], "up"),
        ([10.0, 9.5, 8.0], "down"),
        ([0.0, 0.0, 2.0], "up"),
        ([10.0, 11.0, 11.2], None),
        ([20.0, 21.0, 22.0], None),
        ([10.0, 9.0, 12.0], None),
        ([10.0, 10.8, 8.0], None),
        ([10.0], None),
    ],
)
def test_the_course_is_clear_or_none(speed, course):
    assert course_of(np.array(speed)) == course


def test_keyframes_with_too_little_motion_left_are_counted_and_not_used(tables):
    keyframes = tables["keyframes"]
    late = keyframes.head(1).with_columns(keyframe_id=pl.lit("late"), frame=pl.lit(185, pl.Int32))
    found, left_out = spots(pl.concat([keyframes, late]), tables["trajectories"], tables["tracks"], SETTINGS)
    assert left_out == {"too little motion after the keyframe": 1}
    assert "late" not in {spot.keyframe_id for spot in found}


def test_every_keyframe_is_worded_or_counted(tables, scripted, found, worded):
    matched = match_truth(scripted, tables["keyframes"])
    shortened = matched.with_columns(lag_s=pl.when(pl.int_range(pl.len()) == 0).then(0.9).otherwise("lag_s"))
    some, left_out = moments(shortened, found, tables["trajectories"], tables["tracks"], SETTINGS)
    assert len(some) + left_out.total() == len(found) == tables["keyframes"].height
    assert left_out["keyframe after the scripted onset"] >= 1
    assert len(worded) >= len(some)


def test_a_moments_cause_is_the_scripted_one_seen_in_the_history_window(worded, answers):
    tracked = [moment for moment in worded if answers[moment.spot.keyframe_id]["cause_track_id"]]
    assert len({moment.situation for moment in tracked}) >= 6
    for moment in tracked:
        assert moment.cause is not None
        assert moment.cause.track_id == answers[moment.spot.keyframe_id]["cause_track_id"]
        assert moment.spot.t0_us - moment.spot.history_us <= moment.cause.seen_from_us
        assert moment.cause.seen_to_us <= moment.spot.t0_us


# ---- what is planted ------------------------------------------------------------------------------------------------


def test_the_same_seed_plants_the_same_and_another_one_does_not(worded, found, planted):
    words = load_wordings("held_out")
    assert plant(worded, found, words, seed=1, rounds=2) == planted
    assert plant(worded, found, words, seed=2, rounds=2) != planted
    ids = [label.record.label_id for label in planted]
    assert len(set(ids)) == len(ids)


def test_true_labels_say_what_the_script_says(planted, answers):
    for label in of(planted, "clean", "record"):
        answer = answers[label.record.keyframe_id]
        assert label.record.longitudinal_decision == answer["longitudinal_decision"]
        assert label.record.lateral_decision == answer["lateral_decision"]
        assert label.record.lateral_direction == answer["lateral_direction"]


def test_the_text_form_has_the_words_of_the_record_and_no_more_than_reading_gives(planted):
    words = {form: [label.record.text.trace for label in of(planted, "clean", form)] for form in ("record", "text")}
    assert words["text"] == words["record"]
    for label in of(planted, "clean", "text"):
        assert label.record.origin == "imported"
        assert all(component.track_id is None for component in label.record.components)


def test_in_a_set_of_true_labels_nothing_is_said_twice(planted):
    said = Counter((label.record.labeler, plain(label.record.text.trace)) for label in of(planted, "clean", "record"))
    assert set(said.values()) == {1}
    assert len({labeler for labeler, _ in said}) == 2  # rounds


def test_swapped_labels_are_mirror_images_of_true_ones(planted, answers):
    mirror = {"left": "right", "right": "left"}
    true = {(label.record.keyframe_id, label.wording): label for label in of(planted, "clean", "record")}
    for label in of(planted, "side_swapped", "record"):
        twin = true[label.record.keyframe_id, label.wording].record
        assert label.record.lateral_direction == mirror[answers[label.record.keyframe_id]["lateral_direction"]]
        exchanged = re.sub(r"left|right", lambda side: mirror[side.group()], twin.text.trace)
        assert label.record.text.trace == exchanged != twin.text.trace


def test_deceleration_is_claimed_only_where_the_ego_speeds_up(planted, tables):
    slowing = {"lead_obstacle_following", "stop_for_static_constraint", "speed_adaptation", "yield"}
    frames = dict(tables["keyframes"].select("keyframe_id", "frame").iter_rows())
    for label in of(planted, "deceleration_on_acceleration", "record"):
        record = label.record
        assert record.longitudinal_decision in slowing
        states = tables["trajectories"].filter(pl.col("clip_id") == record.clip_id).sort("frame")
        speed = states.filter(pl.col("frame") >= frames[record.keyframe_id])["speed_mps"].to_numpy()[:61]
        assert speed.max() - speed[0] > 1.5
        assert speed[0] - speed[: int(speed.argmax())].min(initial=speed[0]) < 0.5


def test_invented_people_stand_where_no_person_is_and_something_else_is(planted, tables, answers):
    tracks = without_people(tables["tracks"])
    assert not set(tracks["label_class"]) & set(PEOPLE)
    in_script = {row["clip_id"] for row in answers.values() if row["cause"] == "person_crossing"}
    assert in_script
    for label in of(planted, "invented_pedestrian", "record"):
        record = label.record
        assert record.clip_id not in in_script
        (person,) = record.components
        assert person.track_id is None and person.phrase.lower() in record.text.trace.lower()
        window = pl.col("t_us").is_between(record.t0_us - 2_000_000, record.t0_us)
        assert not tracks.filter(window & (pl.col("clip_id") == record.clip_id)).is_empty()


def test_a_label_in_the_wrong_window_was_seen_at_another_time_or_contradicts_the_motion(planted, found):
    by_id = {spot.keyframe_id: spot for spot in found}
    for label in of(planted, "wrong_window", "record"):
        record, spot = label.record, by_id[label.record.keyframe_id]
        source = by_id[json.loads(record.parameters)["of"]]
        assert source.clip_id == spot.clip_id and source != spot
        outside = [
            seen.seen_to_us < spot.t0_us - 2_000_000 or seen.seen_from_us > spot.t0_us for seen in record.components
        ]
        assert any(outside) or contradicts(label.situation, spot)
    for label in of(planted, "wrong_window", "text"):
        assert contradicts(label.situation, by_id[label.record.keyframe_id])


@pytest.mark.parametrize(
    ("situation", "course", "wrong"),
    [
        ("lead_stopped", "up", True),
        ("set_off", "down", True),
        ("lead_stopped", "down", False),
        ("set_off", None, False),
        ("turn", "up", False),
    ],
)
def test_a_label_contradicts_only_what_the_speed_clearly_does(situation, course, wrong):
    spot = Spot(CHUNK, "k", "c", 0, course=course, vehicles=True, history_us=2_000_000)
    assert contradicts(situation, spot) is wrong


def test_duplicates_repeat_another_clips_label_that_stays_in_their_set(planted):
    for form in ("record", "text"):
        sets: dict[str, list[Planted]] = {}
        for label in planted:
            if label.kind in IN_SETS - {"clean"} and label.form == form:
                sets.setdefault(label.record.labeler, []).append(label)
        clean = of(planted, "clean", form)
        assert sum(len(labels) for labels in sets.values()) == len(clean)
        for label in of(planted, "duplicate", form):
            sources = [
                other
                for other in sets[label.record.labeler]
                if other.kind == "background" and other.wording == label.wording
            ]
            assert [source.situation for source in sources] == [label.situation]
            assert sources[0].record.clip_id != label.record.clip_id
            said, again = (set(plain(one.record.text.trace).split()) for one in (sources[0], label))
            assert len(said ^ again) <= 2


def test_light_edits_change_nothing_or_case_and_punctuation_or_one_word():
    text = "Slow down, the vehicle ahead brakes."
    assert lightly_edited(text, 0) == text
    assert lightly_edited(text, 1) == "slow down the vehicle ahead brakes"
    assert lightly_edited(text, 2) == "Slow down, the car ahead brakes."


def test_refusals_decline_alone_or_after_a_preamble_and_keep_the_true_decisions(planted, answers):
    texts = {wording.name: wording.text for wording in load_wordings("held_out").of("refusal", ["refusal"])}
    alone = 0
    for label in of(planted, "refusal", "record"):
        assert label.record.text.trace.endswith(texts[label.wording])
        alone += label.record.text.trace == texts[label.wording]
        assert label.record.longitudinal_decision == answers[label.record.keyframe_id]["longitudinal_decision"]
    assert 0 < alone < len(of(planted, "refusal", "record"))


# ---- what is counted ------------------------------------------------------------------------------------------------


def judged(kind: str, verdict: str, *reasons: str, wording: str = "w", form: str = "record") -> Judged:
    record = LabelRecord(
        keyframe_id=f"{kind}-{verdict}-{reasons}-{wording}",
        clip_id="c",
        t0_us=0,
        labeler="planted",
        prompt_version="planted",
        parameters="{}",
        text=LabelText(trace="Slow down."),
    )
    return Judged(Planted(kind, form, "curve", wording, CHUNK, record), verdict, reasons, {})


def test_a_fault_is_caught_only_by_a_rule_that_speaks_of_it():
    labels = [
        judged("refusal", "reject", "refused_text", "too_short"),
        judged("refusal", "review", "no_decision", wording="v"),
        judged("refusal", "keep"),
        judged("clean", "review", "no_decision"),
        judged("clean", "keep"),
        judged("generic_duplicate", "review", "near_duplicate"),
    ]
    by_kind = {(row.kind, row.form): row for row in rows(labels)}
    refusal = by_kind["refusal", "record"]
    assert (refusal.n, refusal.wordings, refusal.caught, refusal.not_kept) == (3, 2, 1, 2)
    assert refusal.share == pytest.approx(1 / 3)
    assert refusal.low is not None and refusal.low < 1 / 3 < (refusal.high or 0)
    clean = by_kind["clean", "record"]
    assert (clean.n, clean.caught, clean.not_kept) == (2, 1, 1)
    assert by_kind["all_faults", "both"].n == 3
    assert by_kind["generic_duplicate", "record"].caught == 1
    assert by_kind["duplicate", "text"].share is None


def test_the_json_names_every_miss_and_every_flagged_true_label():
    labels = [judged("refusal", "keep"), judged("refusal", "reject", "refused_text"), judged("clean", "review", "x")]
    told = as_json(labels, {"no scripted answer": 4}, "tuning", 3, "default@1")
    assert [(miss["kind"], miss["trace"], miss["verdict"]) for miss in told["missed"]] == [
        ("refusal", "Slow down.", "keep")
    ]
    assert [(label["kind"], label["reasons"]) for label in told["flagged"]] == [("clean", ["x"])]
    assert told["keyframes_left_out"] == {"no scripted answer": 4}


@pytest.mark.parametrize("policy", ["default", "strict"])
def test_every_rule_that_catches_a_fault_is_a_rule_of_the_policy(policy):
    known = {rule.rule for rule in load_policy(policy).rules}
    assert set(RULES) == {*FAULTS, "generic_duplicate"}
    assert all(rules <= known for rules in RULES.values())


def test_judging_measures_each_label_once_and_people_only_where_they_are(tables, worded, found):
    beside_people = [moment for moment in worded if moment.situation in ("curve", "lead_brakes", "speed_up")]
    some = plant(beside_people, found, load_wordings("tuning"), seed=0, rounds=1)
    policy = load_policy("default")
    results = judge(some, tables, SETTINGS, policy)
    assert [result.planted for result in results] == [label for label in some if label.kind != "background"]
    refused = [result for result in results if result.planted.kind == "refusal"]
    assert refused and all("text_structure.refused" in result.measured for result in refused)

    # as true labels the same words are judged beside the people of the scene, and are not invented there
    invented = [label for label in some if label.kind == "invented_pedestrian" and label.form == "record"]
    as_clean = judge([replace(label, kind="clean") for label in invented], tables, SETTINGS, policy)
    caught = sum("ungrounded_object" in result.reasons for result in judge(invented, tables, SETTINGS, policy))
    assert caught > sum("ungrounded_object" in result.reasons for result in as_clean)


def test_the_command_prints_the_report_in_both_forms(sample, capsys):
    dataset, store = (str(path) for path in sample)
    asked = ["eval", "--dataset", dataset, "--store", store, "--plant", "--wordings", "tuning", "--seed", "4"]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "planted faults: tuning wordings" in shown
    assert all(fault in shown for fault in FAULTS)
    assert main([*asked, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["wordings"] == "tuning" and told["seed"] == 4
    missed = Counter((miss["kind"], miss["form"]) for miss in told["missed"])
    for row in told["rows"]:
        if row["kind"] in FAULTS:
            assert row["n"] - row["caught"] == missed[row["kind"], row["form"]]


def test_a_store_of_another_dataset_and_a_store_without_keyframes_are_one_clear_error(sample, tmp_path, capsys):
    dataset, store = (str(path) for path in sample)
    (tmp_path / "empty").mkdir()
    assert main(["eval", "--dataset", dataset, "--store", str(tmp_path / "empty"), "--plant"]) == 2
    assert "No keyframes in" in capsys.readouterr().err
    generate(tmp_path / "other", chunks=1, clips=1, seed=9, video=False, defects=False)
    assert main(["eval", "--dataset", str(tmp_path / "other"), "--store", store, "--plant"]) == 2
    assert "the dataset that the store was made from" in capsys.readouterr().err


def test_plant_all_leaves_nobody_out_silently(tables, scripted, found, worded):
    labels, left_out = plant_all(tables, scripted, SETTINGS, "held_out", seed=0)
    assert left_out.total() + len(worded) == len(found)
    assert {label.kind for label in labels} >= {"clean", *FAULTS}
    assert all(isinstance(moment, Moment) for moment in worded)
