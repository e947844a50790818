"""Which keyframe marks which scripted answer, and that none goes unaccounted for."""

from __future__ import annotations

import polars as pl
import pytest

from coc_assets.evaluation.truth import TOLERANCE_S, TruthError, coverage, match_truth, read_truth
from tests.coc_assets.evaluation.scripted import truth
from tests.coc_assets.filtered_coc.made import keyframe_id, keyframes


def matched(scripted: pl.DataFrame, *frames: int) -> list[tuple[str, int | None]]:
    return list(match_truth(scripted, keyframes(*frames)).select("keyframe_id", "onset_us").iter_rows())


def test_an_onset_is_marked_by_its_nearest_keyframe_alone():
    assert matched(truth({}), 40, 52, 100) == [(keyframe_id(40), 4_500_000)]


@pytest.mark.parametrize(("frame", "found"), [(30, 1), (60, 1), (29, 0), (61, 0)])
def test_a_keyframe_too_far_off_marks_nothing(frame, found):
    assert TOLERANCE_S == 1.5
    assert len(matched(truth({}), frame)) == found


def test_of_two_onsets_beside_one_keyframe_the_nearer_has_it():
    scripted = truth({}, {"onset_us": 5_200_000, "cause": None})
    assert matched(scripted, 51) == [(keyframe_id(51), 5_200_000)]
    assert coverage(scripted, keyframes(51)).missed_truths == 1


def test_a_clip_without_a_script_matches_nothing():
    assert match_truth(truth({}), keyframes(40, clip_id="other")).is_empty()


def test_an_answer_without_onset_holds_at_every_keyframe_of_its_clip():
    steady = truth({"scene": "free_driving", "onset_us": None, "cause": None, "cause_track_id": None})
    rows = match_truth(steady, keyframes(40, 90))
    assert rows["keyframe_id"].to_list() == [keyframe_id(40), keyframe_id(90)]
    assert rows["lag_s"].to_list() == [None, None]
    assert coverage(steady, keyframes(40, 90)).matched_truths == 1


def test_lag_is_the_keyframe_after_the_onset():
    assert match_truth(truth({}), keyframes(40))["lag_s"].item() == pytest.approx(-0.5)


def test_every_answer_and_keyframe_is_counted_once():
    scripted = truth(
        {},
        {"onset_us": 12_000_000, "cause": None},
        {"clip_id": "steady", "onset_us": None},
        {"clip_id": "broken", "defect": "long_gap"},
        {"clip_id": "dark", "defect": "video_missing"},
    )
    shown = pl.concat([keyframes(40, 70), keyframes(42, clip_id="dark")])
    found = coverage(scripted, shown)
    assert (found.truths, found.matched_truths) == (5, 2)
    assert (found.steady_truths, found.defective_truths, found.missed_truths) == (1, 1, 1)
    assert (found.keyframes, found.matched_keyframes, found.damaged_keyframes, found.later_keyframes) == (3, 2, 1, 1)


def test_a_dataset_that_nobody_scripted_is_one_clear_error(tmp_path):
    with pytest.raises(TruthError, match=r"has no truth\.parquet.*--against NAME"):
        read_truth(tmp_path)
    truth({}).drop("trackable").write_parquet(tmp_path / "truth.parquet")
    with pytest.raises(TruthError, match="lacks trackable: generate the dataset anew"):
        read_truth(tmp_path)


def test_only_the_chunks_asked_for_are_read(tmp_path):
    truth({}, {"chunk": "0001", "clip_id": "d"}).write_parquet(tmp_path / "truth.parquet")
    assert read_truth(tmp_path, ["0001"])["clip_id"].to_list() == ["d"]
    assert read_truth(tmp_path).height == 2
