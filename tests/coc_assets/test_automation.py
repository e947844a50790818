"""What a changed labeler, prompt, policy or threshold asks for, evaluated as the daemon evaluates it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from checks import ASSET_CHECKS
from coc_assets.arrivals import stale
from coc_assets.definitions import build_definitions
from coc_assets.raw_coc import vlm
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES_BY_NAME
from resources.settings import Settings
from resources.settings.filtering import TextThresholds
from resources.store import RECEIPT

ALL = ("0000", "0001")
FROM = {name: tuple(STAGES_BY_NAME)[at:] for at, name in enumerate(STAGES_BY_NAME)}
"""A stage and all after it: each of them reads the one before it, directly or not."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("chunks", [*ALL, "0002"])
        yield instance


@pytest.fixture
def settings(sample: Path, sample_store: Path, tmp_path: Path) -> Settings:
    """Two chunks that are labelled and fresh, and a third partition that was never made."""
    shutil.copytree(sample_store, tmp_path / "store")
    return Settings(dataset=sample, store=tmp_path / "store")


def changed(settings: Settings, section: str, **values: object) -> Settings:
    known = type(getattr(settings, section)).model_fields
    assert values.keys() <= known.keys()
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=values)})


class Evaluated:
    """The definitions of one process, evaluated as often as asked."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.definitions = build_definitions(Workspace(settings))

    def asked(self) -> dict[str, tuple[str, ...]]:
        """Stages by chunk, in flow order."""
        result = dg.evaluate_automation_conditions(self.definitions, self.instance)
        found: dict[str, list[str]] = {}
        for name in STAGES_BY_NAME:
            for chunk in sorted(result.get_requested_partitions(dg.AssetKey(name))):
                found.setdefault(str(chunk), []).append(name)
        return {chunk: tuple(stages) for chunk, stages in sorted(found.items())}


def test_fresh_chunks_and_such_as_were_never_made_are_not_asked_for(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    assert Evaluated(settings, instance).asked() == {}


@pytest.mark.parametrize(
    "section, values, first",
    [
        ("meta_actions", {"stop_speed": 0.2}, "meta_actions"),
        ("keyframes", {"cooldown": 40}, "keyframe_segments"),
        ("filtering", {"text": TextThresholds(least_words=6)}, "filtered_coc"),
        ("shards", {"min_spacing_s": 1.5}, "training_shards"),
    ],
)
def test_a_threshold_asks_for_its_stage_and_those_after_it_and_no_others(
    settings: Settings, instance: dg.DagsterInstance, section: str, values: dict[str, object], first: str
) -> None:
    asked = Evaluated(changed(settings, section, **values), instance).asked()
    assert asked == dict.fromkeys(ALL, FROM[first])


def test_another_labeler_asks_for_labels_and_what_reads_them(settings: Settings, instance: dg.DagsterInstance) -> None:
    other = settings.model_copy(update={"labeler": "gpt5"})
    assert Evaluated(other, instance).asked() == dict.fromkeys(ALL, FROM["raw_coc"])


def test_a_policy_that_is_edited_asks_for_verdicts_and_shards(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    rule = {"rule": "too_long", "instrument": "structure", "name": "words", "op": ">", "verdict": "reject"}
    policy.write_text(yaml.safe_dump({"name": "mine", "about": "short ones", "rules": [{**rule, "value": 40}]}))
    one = Evaluated(changed(settings, "filtering", policy=str(policy)), instance)
    assert one.asked() == dict.fromkeys(ALL, FROM["filtered_coc"])
    assert one.asked() == {}
    policy.write_text(yaml.safe_dump({"name": "mine", "about": "short ones", "rules": [{**rule, "value": 30}]}))
    assert one.asked() == dict.fromkeys(ALL, FROM["filtered_coc"])


def test_a_prompt_that_is_edited_asks_for_labels_again(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts"
    shutil.copytree(Path(vlm.__file__).parent / "prompts", prompts)
    labels = settings.labels.model_copy(update={"vlm": settings.labels.vlm.model_copy(update={"prompts": prompts})})
    one = Evaluated(settings.model_copy(update={"labeler": "gpt5", "labels": labels}), instance)
    assert one.asked() and not one.asked()
    edited = prompts / "decide.yaml"
    edited.write_text(edited.read_text().replace("You explain", "You tell", 1))
    assert one.asked() == dict.fromkeys(ALL, FROM["raw_coc"])


def test_check_levels_ask_for_the_checks_to_be_evaluated_again(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    asked = Evaluated(changed(settings, "quality", least_labels=3), instance).asked()
    assert asked == dict.fromkeys(ALL, FROM["filtered_coc"])


def test_the_same_state_is_not_asked_for_twice(settings: Settings, instance: dg.DagsterInstance) -> None:
    one = Evaluated(changed(settings, "keyframes", cooldown=40), instance)
    assert one.asked() and not one.asked()


def test_a_chunk_that_came_out_of_step_alone_is_asked_for_alone(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    one = Evaluated(settings, instance)
    assert one.asked() == {}
    table = next((settings.store / "raw_coc/chunk=0001").glob("*.parquet"))
    table.unlink()
    os.utime(settings.store / "raw_coc/chunk=0001" / RECEIPT)
    (settings.store / "raw_coc/chunk=0001/labeler=other.parquet").write_bytes(b"")  # labels of another were there
    assert one.asked() == {"0001": FROM["raw_coc"]}


def test_a_chunk_with_a_run_under_way_is_left_to_it(settings: Settings, instance: dg.DagsterInstance) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def job() -> None:
        nothing()

    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "0000"})
    asked = Evaluated(changed(settings, "keyframes", cooldown=40), instance).asked()
    assert list(asked) == ["0001"]


def test_chunks_whose_files_changed_are_left_to_the_sensor_of_arrivals(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    shutil.copytree(settings.dataset, tmp_path / "dataset")  # type: ignore[arg-type]
    os.utime(tmp_path / "dataset/labels/egomotion/egomotion.chunk_0000.zip", ns=(0, 0))
    moved = changed(settings.model_copy(update={"dataset": tmp_path / "dataset"}), "keyframes", cooldown=40)
    assert list(Evaluated(moved, instance).asked()) == ["0001"]


def test_no_more_chunks_than_set_are_asked_for_at_a_time(settings: Settings, instance: dg.DagsterInstance) -> None:
    bounded = changed(changed(settings, "keyframes", cooldown=40), "arrivals", runs_a_tick=1)
    one = Evaluated(bounded, instance)
    assert [list(one.asked()) for _ in range(3)] == [["0000"], ["0001"], []]


def test_chunks_that_did_not_change_are_planned_once(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[str] = []
    plan = stale._plan

    def counting(workspace: Workspace, required: object, chunk: str, files: object) -> tuple[str, ...]:
        planned.append(chunk)
        return plan(workspace, required, chunk, files)  # type: ignore[arg-type]

    monkeypatch.setattr(stale, "_plan", counting)
    one = Evaluated(settings, instance)
    one.asked()
    one.asked()
    assert planned == [*ALL, "0002"]
    os.utime(settings.store / "raw_coc/chunk=0001" / RECEIPT)
    one.asked()
    assert planned == [*ALL, "0002", "0001"]


def test_one_run_a_chunk_makes_its_stages_with_their_checks(settings: Settings, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions(Workspace(changed(settings, "keyframes", cooldown=40)))
    sensor = definitions.resolve_sensor_def("make_stale_partitions")
    context = dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), sensor_name=sensor.name
    )
    data = sensor.evaluate_tick(context)
    assert [request.partition_key for request in data.run_requests] == list(ALL)
    for request in data.run_requests:
        assert {key.to_user_string() for key in request.asset_selection} == set(FROM["keyframe_segments"])
        assert set(request.asset_check_keys) == {
            key for checks in ASSET_CHECKS for key in checks.check_keys if key.asset_key in request.asset_selection
        }
