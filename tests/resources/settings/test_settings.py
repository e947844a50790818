from __future__ import annotations

import re
from pathlib import Path

import pytest

from resources.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("COC_CONFIG", "COC_DATASET", "COC_STORE"):
        monkeypatch.delenv(name, raising=False)


def test_flags_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "coc.yaml").write_text("store: from-file\ndataset: from-file\nlabeler: from-file\n")
    monkeypatch.setenv("COC_DATASET", "from-env")
    monkeypatch.setenv("COC_STORE", "from-env")
    settings = load_settings(store=Path("from-flag"))
    assert (settings.store, settings.dataset, settings.labeler) == (Path("from-flag"), Path("from-env"), "from-file")


def test_sections_merge_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "coc.yaml").write_text("keyframes:\n  mode: span_start\n")
    monkeypatch.setenv("COC_KEYFRAMES__COOLDOWN", "25")
    settings = load_settings()
    assert (settings.keyframes.mode, settings.keyframes.cooldown) == ("span_start", 25)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("keyframes:\n  mood: decision\n", "keyframes.mood: unknown key"),
        ("keyfames: {}\n", "keyfames: unknown key"),
        ("keyframes:\n  mode: sometimes\n", "keyframes.mode"),
        ("- a\n- b\n", "must hold keys and values"),
        ("a: [\n", "not valid YAML"),
    ],
)
def test_a_bad_file_is_named_with_its_key(tmp_path: Path, yaml: str, message: str) -> None:
    (tmp_path / "coc.yaml").write_text(yaml)
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings()
    assert "coc.yaml" in str(caught.value)


def test_a_missing_named_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COC_CONFIG", "nowhere.yaml")
    with pytest.raises(SettingsError, match=r"nowhere\.yaml, which does not exist"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("COC_KEYFRAME__MODE", "COC_KEYFRAME__MODE names no settings section"),
        ("COC_KEYFRAME__LEAD", "Did you mean COC_KEYFRAMES__LEAD?"),
        ("COC_STROE", "COC_STROE names no setting. Did you mean COC_STORE?"),
        ("coc_stroe", "coc_stroe names no setting. Did you mean COC_STORE?"),
        ("COC_QQQ", "COC_QQQ names no setting. Correct it or unset it."),
        ("COC_DATASET__ROOT", "COC_DATASET__ROOT names no settings section"),
        ("COC_KEYFRAMES__LAED", "keyframes.laed: unknown key"),
    ],
)
def test_a_misspelt_variable_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    monkeypatch.setenv(name, "5")
    with pytest.raises(SettingsError, match=re.escape(message)):
        load_settings()


def test_variables_that_are_read_elsewhere_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_settings()
    monkeypatch.setenv("COC_SHARED_DATA", "somewhere")
    monkeypatch.setenv("COC_LABELING_MODEL_SERVER_IP", "127.0.0.1")
    assert load_settings() == plain


def test_lists_and_sections_are_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COC_SHARDS__LABELERS", '["a","b"]')
    monkeypatch.setenv("COC_KEYFRAMES", '{"lead": 5}')
    monkeypatch.setenv("COC_KEYFRAMES__COOLDOWN", "25")
    settings = load_settings()
    assert settings.shards.labelers == ("a", "b")
    assert (settings.keyframes.lead, settings.keyframes.cooldown) == (5, 25)


@pytest.mark.parametrize("name", ["COC_SHARDS__LABELERS", "COC_SHARDS__SPLITS", "COC_KEYFRAMES", "COC_LABELS__RULES"])
def test_a_variable_that_is_not_json_is_named_with_an_example(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COC_FILTERING__POLICY", "rules")  # the same text where it is in order
    monkeypatch.setenv(name, "rules")
    with pytest.raises(SettingsError, match=f"^Environment variable {name} holds 'rules', which is not JSON") as caught:
        load_settings()
    assert f"""{name}='["a","b"]'""" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "variables", "splits"),
    [
        ("shards: {splits: {train: 0.8, val: 0.2}}", {}, {"train": 0.8, "val": 0.2}),
        ("", {"COC_SHARDS__SPLITS": '{"train": 0.8, "val": 0.2}'}, {"train": 0.8, "val": 0.2}),
        ("", {"COC_SHARDS": '{"splits": {"all": 1}}'}, {"all": 1.0}),
        ("", {"COC_SHARDS__SPLITS__TRAIN": "0.5", "COC_SHARDS__SPLITS__VAL": "0.5"}, {"train": 0.5, "val": 0.5}),
        ("shards: {splits: {a: 0.4, b: 0.6}}", {"COC_SHARDS__SPLITS": '{"b": 1}'}, {"b": 1.0}),
    ],
)
def test_a_mapping_is_taken_whole_from_the_first_source_that_gives_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    variables: dict[str, str],
    splits: dict[str, float],
) -> None:
    (tmp_path / "coc.yaml").write_text(file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load_settings().shards.splits == splits


def test_what_lies_beside_a_mapping_still_merges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "coc.yaml").write_text("shards: {jpeg_quality: 80, splits: {a: 1}}\nlabels: {rules: {curve: {}}}")
    monkeypatch.setenv("COC_SHARDS__SPLITS", '{"b": 1}')
    monkeypatch.setenv("COC_SHARDS__FRAME_HEIGHT", "320")
    shards = load_settings().shards
    assert (shards.jpeg_quality, shards.frame_height, shards.splits) == (80, 320, {"b": 1.0})


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("keyframes: {lead: x}", "  keyframes.lead: should be a valid integer, got 'x'\n"),
        ("trajectory: {max_gap_s: x}", "  trajectory.max_gap_s: should be a valid number, got 'x'\n"),
        ("keyframes: {mode: never}", "  keyframes.mode: should be 'decision' or 'span_start', got 'never'\n"),
        (
            "shards: {cameras: []}",
            "  shards.cameras: tuple should have at least 1 item after validation, not 0, got []",
        ),
        ("shards: {splits: {a: 0.5}}", "  shards.splits: the shares of shards.splits add up to 0.5, not 1\n"),
        ("shards: {splits: 5}", "  shards.splits: should hold keys and values, got 5\n"),
        ("keyframes: 5", "  keyframes: should hold keys and values, got 5\n"),
    ],
)
def test_errors_are_in_plain_words(tmp_path: Path, yaml: str, message: str) -> None:
    (tmp_path / "coc.yaml").write_text(yaml)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert message in str(caught.value)


def test_numbers_from_a_small_choice_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COC_LABELS__VLM__PASSES", "1")
    assert load_settings().labels.vlm.passes == 1
