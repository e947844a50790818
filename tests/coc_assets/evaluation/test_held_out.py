"""The rules labeler on scenes whose parameters nobody tuned it on, and the command that says how right it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.evaluation.compare import Comparison, against_truth
from coc_assets.evaluation.truth import read_truth
from resources import schemas
from resources.store import Store
from tests.coc_assets.evaluation.scripted import labelled_sample

CHUNK = "0000"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Dataset and store of three clips a script, every parameter outside the range that the rules were tuned on."""
    return labelled_sample(tmp_path_factory.mktemp("held_out"), clips=33, seed=7307, widen=0.4)


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def judged(dataset: Path, store: Path, labels: pl.DataFrame | None = None) -> Comparison:
    kept = Store(store)
    own = kept.read_table(schemas.RAW_COC, CHUNK, labeler="rules")
    return against_truth(
        own if labels is None else labels, read_truth(dataset), kept.read_table(schemas.KEYFRAMES, CHUNK)
    )


def figure(found: Comparison, group: str, name: str) -> tuple[int, int]:
    return found.figures.filter(group=group, figure=name).select("hits", "n").row(0)


def test_the_rules_are_right_on_parameters_that_they_were_not_tuned_on(made):
    found = judged(*made)
    assert found.counts["judged_labels"] >= 40 and found.counts["missed_truths"] <= 2
    for name, least in (("both_decisions", 0.95), ("direction", 0.95), ("first_cause", 0.9)):
        hits, n = figure(found, "trackable", name)
        assert n >= 10 and hits / n >= least, f"{name}: {hits} of {n}"
    for group in ("untrackable", "later"):
        claims, n = figure(found, group, "unsupported_claim")
        assert n >= 3 and claims == 0, f"{group}: {claims} of {n}"


def test_wrong_labels_do_not_pass_for_right_ones(made):
    right = Store(made[1]).read_table(schemas.RAW_COC, CHUNK, labeler="rules")
    swapped = right.with_columns(
        pl.col("longitudinal_decision").replace(
            {"yield": "lead_obstacle_following", "lead_obstacle_following": "yield"}
        ),
        pl.col("lateral_direction").replace({"left": "right", "right": "left"}),
        components=pl.lit([], dtype=right.schema["components"]),
    )
    found = judged(*made, swapped)
    assert figure(found, "all", "direction")[0] == 0
    assert figure(found, "trackable", "first_cause")[0] == 0
    for scene in ("cut_in", "lead_brakes", "lead_stopped"):
        assert figure(found, scene, "longitudinal_decision") == (0, 3)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["eval", *(str(argument) for argument in arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_command_prints_figures_with_counts_and_confusion_tables(made, capsys):
    dataset, store = made
    status, out, _ = run(capsys, "--dataset", dataset, "--store", store)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "rules against truth"
    assert any(line.split()[:5] == ["figure", "all", "trackable", "untrackable", "later"] for line in lines)
    assert any(line.startswith("stop_unobserved") for line in lines)
    assert "truth \\ rules" in out and out.count("lane_change") >= 2


def test_json_holds_the_same_unrounded(made, capsys):
    dataset, store = made
    status, out, _ = run(capsys, "--dataset", dataset, "--store", store, "--format", "json")
    said = json.loads(out)
    found = judged(dataset, store)
    assert status == 0 and said["counts"] == dict(found.counts)
    assert said["figures"] == found.figures.to_dicts()
    assert (said["labeler"], said["against"], said["kappa"]) == ("rules", "truth", {})


def test_two_labelers_are_compared_without_a_dataset(made, capsys, tmp_path):
    store = Store(shutil.copytree(made[1], tmp_path / "store"))
    labels = store.read_table(schemas.RAW_COC, CHUNK, labeler="rules")
    other = labels.with_columns(labeler=pl.lit("other"), lateral_decision=pl.lit("lane_keeping"))
    store.write_table(other, schemas.RAW_COC, store.table_path(schemas.RAW_COC, CHUNK, labeler="other"), CHUNK)
    status, out, _ = run(capsys, "--store", store.root, "--against", "other")
    assert status == 0 and "other \\ rules" in out
    assert "Cohen's kappa: longitudinal 1.000, lateral 0.000" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--labeler", "nobody"), "No labels of 'nobody' in .*There are labels of: rules.*Make them: coc run"),
        (("--against", "nobody"), "No labels of 'nobody'.*or compare with the scripted truth: --against truth"),
        (("--chunks", "5"), "no egomotion for chunk 0005"),
    ],
)
def test_what_is_not_there_is_a_usage_error_with_the_mend(made, capsys, arguments, said):
    dataset, store = made
    status, _, error = run(capsys, "--dataset", dataset, "--store", store, *arguments)
    assert status == 2
    assert pl.Series([" ".join(error.split())]).str.contains(said).item(), error


def test_another_dataset_or_none_is_a_usage_error(made, capsys, tmp_path):
    dataset, store = made
    truth = read_truth(dataset)
    truth.with_columns(clip_id=pl.lit("elsewhere")).write_parquet(tmp_path / "truth.parquet")
    (tmp_path / "recorded").mkdir()
    for arguments, said in (
        (("--dataset", tmp_path), "made from another dataset"),
        (("--dataset", tmp_path / "recorded"), "only datasets that `coc sample` generated"),
        ((), "No dataset named"),
    ):
        status, _, error = run(capsys, "--store", store, *arguments)
        assert status == 2 and said in " ".join(error.split())
    assert run(capsys, "--store", tmp_path / "none")[0] == 2
