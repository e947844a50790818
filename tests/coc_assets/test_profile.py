from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.profile import (
    ChunkTally,
    ProfileError,
    counts_of,
    drift,
    drift_table,
    levels_in_force,
    profile_bytes,
    profile_of,
    read_profile,
    read_tallies,
    tally,
)
from resources import schemas
from resources.receipts import read_receipt, write_receipt
from resources.settings.quality import QualitySettings
from resources.store import Store
from tests.coc_assets.filtered_coc.made import label, labels

POLICY = "default@0123456789ab"


def verdicts(*rows: tuple[str, str, list[str]]) -> pl.DataFrame:
    columns = ("labeler", "verdict", "reasons")
    return schemas.rows_to_frame([dict(zip(columns, row, strict=True)) for row in rows], schemas.VERDICTS)


def keyframes(*actions: str) -> pl.DataFrame:
    return schemas.rows_to_frame([{"action": action} for action in actions], schemas.KEYFRAMES)


def chunk(name: str, *actions: str, decisions: tuple[str | None, ...] = (), policy: str = POLICY) -> ChunkTally:
    made = labels(*(label(place, longitudinal_decision=decision) for place, decision in enumerate(decisions)))
    judged = verdicts(*(("rules", "keep", []) for _ in decisions))
    return ChunkTally(name, tally(keyframes(*actions), made, judged), {"rules": [policy]}, {"raw_coc": f"v{name}"})


# ---- counting --------------------------------------------------------------------------------------------------------


def test_what_is_counted() -> None:
    made = labels(
        label(1, lateral_decision="turn", lateral_direction="left", scenario="turn"),
        label(2, longitudinal_decision=None),
        label(3, status="refused", longitudinal_decision=None),
        label(4, labeler="model", longitudinal_decision="yield"),
    )
    judged = verdicts(("rules", "keep", []), ("rules", "reject", ["b", "a"]), ("model", "review", ["a"]))
    found = tally(keyframes("stop", "stop", "reverse"), made, judged)
    assert counts_of(found, "action") == {"reverse": 1, "stop": 2}
    assert counts_of(found, "longitudinal_decision", "rules") == {"none": 1, "set_speed_tracking": 1}
    assert counts_of(found, "lateral_decision", "rules") == {"lane_keeping": 1, "turn": 1}
    assert counts_of(found, "lateral_direction", "rules") == {"left": 1, "none": 1}
    assert counts_of(found, "scenario", "rules") == {"free_driving": 1, "turn": 1}
    assert counts_of(found, "verdict", "rules") == {"keep": 1, "reject": 1}
    assert counts_of(found, "reason", "rules") == {"b": 1, "none": 1}
    assert counts_of(found, "longitudinal_decision", "model") == {"yield": 1}
    assert counts_of(found, "longitudinal_decision", "nobody") == {}


def test_a_profile_adds_its_chunks_up() -> None:
    first, second = (
        chunk("0000", "stop", decisions=("yield", None)),
        chunk("0001", "stop", "reverse", decisions=(None,)),
    )
    profile = profile_of([first, second])
    assert (profile.chunks, profile.keyframes, profile.actions) == (("0000", "0001"), 3, {"reverse": 1, "stop": 2})
    assert (profile.labelers["rules"].labels, profile.labelers["rules"].policies) == (3, (POLICY,))
    assert profile.counts("rules", "longitudinal_decision") == {"none": 2, "yield": 1}
    assert profile.counts("nobody", "scenario") == {}


def test_the_order_of_chunks_makes_no_difference_and_their_data_do() -> None:
    first, second = chunk("0000", "stop", decisions=("yield",)), chunk("0001", "reverse")
    whole = profile_bytes(profile_of([first, second]))
    assert profile_bytes(profile_of([second, first])) == whole
    newer = ChunkTally(second.chunk, second.tally, second.policies, {"raw_coc": "newer"})
    assert profile_bytes(profile_of([first, newer])) != whole


# ---- drift -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "reference", "distance"),
    [
        pytest.param({"a": 5, "b": 5}, {"a": 50, "b": 50}, 0.0, id="the same"),
        pytest.param({"a": 10}, {"a": 50, "b": 50}, 0.5, id="half moved"),
        pytest.param({"c": 10}, {"a": 50, "b": 50}, 1.0, id="all in a category unknown there"),
        pytest.param({"a": 4, "b": 4, "c": 2}, {"a": 50, "b": 50}, 0.2, id="some in a category unknown there"),
    ],
)
def test_distance(counts: dict[str, int], reference: dict[str, int], distance: float) -> None:
    assert drift(counts, reference).distance == pytest.approx(distance)


def test_noise_is_what_samples_of_the_reference_are_off_in_the_mean() -> None:
    import numpy as np

    reference = {"a": 600, "b": 300, "c": 100}
    rng = np.random.default_rng(7)
    drawn = rng.multinomial(40, [0.6, 0.3, 0.1], size=4000)
    distances = 0.5 * np.abs(drawn / 40 - [0.6, 0.3, 0.1]).sum(axis=1)
    noise = drift({"a": 40}, reference).noise
    assert noise == pytest.approx(distances.mean(), rel=0.05)
    assert noise == pytest.approx(0.5 * sum(math.sqrt(2 * p * (1 - p) / math.pi * (1 / 40 + 1 / 1000))
                                            for p in (0.6, 0.3, 0.1)))  # fmt: skip


def test_a_small_reference_explains_more() -> None:
    counts = {"a": 12, "b": 8}
    assert drift(counts, {"a": 6, "b": 14}).excess < drift(counts, {"a": 600, "b": 1400}).excess


def test_nothing_is_no_drift() -> None:
    assert (drift({}, {}).excess, drift({}, {"a": 3}).noise, drift({"a": 3}, {}).noise) == (0.0, 0.0, 0.0)


def test_the_table_has_the_whole_first_and_then_the_farthest() -> None:
    reference = profile_of([chunk("0000", *["stop"] * 50, decisions=("yield",) * 50)])
    near, far = chunk("0001", *["stop"] * 20, decisions=("yield",) * 20), chunk("0002", *["reverse"] * 20)
    table = drift_table([near, far], reference)
    actions = table.filter(pl.col("what") == "action").select("chunk", "labeler", "labels", "drift", "expected")
    assert actions.rows() == [("all", None, 40, 0.5, 0.0), ("0002", None, 20, 1.0, 0.0), ("0001", None, 20, 0.0, 1.0)]
    assert table.filter(pl.col("what") == "verdict")["chunk"].to_list() == ["all", "0001"]


def test_verdicts_of_another_policy_are_left_out_of_the_table() -> None:
    reference = profile_of([chunk("0000", "stop", decisions=("yield",))])
    table = drift_table([chunk("0001", "stop", decisions=("yield",), policy="strict@ba9876543210")], reference)
    assert set(table["what"]) == {
        "action", "longitudinal_decision", "lateral_decision", "lateral_direction", "scenario"
    }  # fmt: skip


# ---- the file, and the levels ----------------------------------------------------------------------------------------


def test_a_profile_is_read_as_it_was_written(tmp_path: Path) -> None:
    profile = profile_of([chunk("0000", "stop", decisions=("yield", None))])
    (tmp_path / "profile.json").write_bytes(profile_bytes(profile))
    assert read_profile(tmp_path / "profile.json") == profile


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"profile\.json cannot be read \(FileNotFoundError\)\. Make it from labels that you trust"),
        ("{", r"profile\.json is no profile \(the file: invalid JSON"),
        ('{"format": 2, "chunks": [], "data": "", "keyframes": 0, "actions": {}}', r"format: should be 1, got 2"),
        (
            '{"format": 1, "chunks": [], "data": "", "keyframes": 0, "actions": {"stop": -1}}',
            r"actions\.stop: .* got -1",
        ),
    ],
)
def test_a_file_that_is_no_profile_is_named_with_the_mend(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "profile.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ProfileError, match=message):
        read_profile(path)


def test_levels_are_told_apart_by_what_they_say_and_by_the_content_of_the_profile(tmp_path: Path) -> None:
    path, moved = tmp_path / "profile.json", tmp_path / "moved.json"
    path.write_text("a")
    moved.write_text("a")
    plain = QualitySettings()
    with_profile = QualitySettings(profile=path)
    assert levels_in_force(plain) == levels_in_force(QualitySettings())
    assert levels_in_force(plain) != levels_in_force(QualitySettings.model_validate({"kept": {"error": 0.1}}))
    assert levels_in_force(plain) != levels_in_force(with_profile)
    assert levels_in_force(with_profile) == levels_in_force(QualitySettings(profile=moved))
    before = levels_in_force(with_profile)
    path.write_text("b")
    assert levels_in_force(with_profile) != before
    path.unlink()
    with pytest.raises(ProfileError, match=r"quality\.profile: .*profile\.json cannot be read"):
        levels_in_force(with_profile)


# ---- coc profile -----------------------------------------------------------------------------------------------------


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(sample_store, tmp_path / "store")
    return tmp_path / "store"


def test_equal_stores_give_equal_bytes(sample_store: Path, store: Path, tmp_path: Path) -> None:
    for of_store, name in ((sample_store, "a"), (store, "b")):
        assert main(["profile", "--store", str(of_store), "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    profile = read_profile(tmp_path / "a")
    labels_ = Store(store).read_labels("0000").height + Store(store).read_labels("0001").height
    assert (profile.chunks, profile.labelers["rules"].labels) == (("0000", "0001"), labels_)
    assert profile.labelers["rules"].policies[0].startswith("default@")


def test_a_store_has_not_drifted_from_its_own_profile(
    sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "profile.json")
    assert main(["profile", "--store", str(sample_store), "--out", path]) == 0
    said = capsys.readouterr()
    assert "keyframes of 2 chunks;" in said.out and f"quality.profile: {path}" in said.err
    assert main(["profile", "--store", str(sample_store), "--against", path, "--format", "json"]) == 0
    whole = [row for row in json.loads(capsys.readouterr().out) if row["chunk"] == "all"]
    assert {row["what"] for row in whole} == {
        "action", "longitudinal_decision", "lateral_decision", "lateral_direction", "scenario", "verdict", "reason"
    }  # fmt: skip
    assert all(row["distance"] == row["drift"] == 0 for row in whole)


def test_what_cannot_be_compared_is_said(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "profile.json"
    main(["profile", "--store", str(store), "--chunks", "0", "--out", str(path)])
    path.write_text(path.read_text().replace("default@", "earlier@"))
    capsys.readouterr()
    assert main(["profile", "--store", str(store), "--against", str(path)]) == 0
    said = capsys.readouterr()
    assert "Verdicts on rules follow default@" in said.err and " verdict " not in said.out
    path.write_text(path.read_text().replace('"rules"', '"model"'))
    assert main(["profile", "--store", str(store), "--against", str(path)]) == 0
    assert "The profile has no labels of rules: not compared." in capsys.readouterr().err


def test_chunks_whose_verdicts_are_of_other_labels_are_left_out(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = read_receipt(Store(store), "raw_coc", "0001")
    write_receipt(Store(store), receipt.model_copy(update={"data_version": "newer"}))
    assert main(["profile", "--store", str(store), "--out", str(tmp_path / "profile.json")]) == 0
    assert "chunk 0001: verdicts older than raw_coc. Make it: coc run" in capsys.readouterr().err
    assert read_profile(tmp_path / "profile.json").chunks == ("0000",)
    (store / "filtered_coc" / "chunk=0000" / "receipt.json").unlink()
    tallies, left_out = read_tallies(Store(store), ["0000"])
    assert tallies == [] and left_out["0000"].startswith("filtered_coc not finished. Make it: coc run")


def test_one_labeler_alone(store: Path, tmp_path: Path) -> None:
    rules = Store(store).read_table(schemas.RAW_COC, "0000", labeler="rules")
    other = rules.with_columns(labeler=pl.lit("model"), label_id=pl.col("label_id").str.reverse())
    Store(store).write_table(other, schemas.RAW_COC, store / "raw_coc" / "chunk=0000" / "labeler=model.parquet", "0000")
    for flags, names in (([], ["model", "rules"]), (["--labeler", "rules"], ["rules"])):
        assert main(["profile", "--store", str(store), "--out", str(tmp_path / "p"), "--chunks", "0", *flags]) == 0
        assert sorted(read_profile(tmp_path / "p").labelers) == names


def test_usage_errors_say_the_mend(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["--out", "p", "--labeler", "model"], "No judged labels of 'model'"),
        (["--out", "p", "--chunks", "7"], "has no chunk 0007. It has: 0000, 0001"),
        (["--against", str(tmp_path / "nowhere.json")], "nowhere.json cannot be read"),
    ):
        assert main(["profile", "--store", str(store), *arguments]) == 2, arguments
        assert message in capsys.readouterr().err.replace("\n", " "), arguments
    with pytest.raises(SystemExit) as caught:
        main(["profile", "--store", str(store)])
    assert caught.value.code == 2


def test_a_missing_profile_is_said_before_anything_is_made(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COC_QUALITY__PROFILE", "nowhere.json")
    assert main(["run", "--dataset", str(sample), "--store", str(tmp_path / "store")]) == 2
    assert "quality.profile: nowhere.json cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "store" / "trajectory_cache").exists()
