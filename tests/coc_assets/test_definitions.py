from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.definitions import build_definitions
from coc_assets.running import required_checks
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES
from resources.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
GRAPH = {
    "trajectory_cache": {"dataset_files"},
    "meta_actions": {"trajectory_cache"},
    "keyframe_segments": {"trajectory_cache", "meta_actions"},
    "clip_videos": {"dataset_files", "trajectory_cache", "keyframe_segments"},
    "raw_coc": {"trajectory_cache", "meta_actions", "keyframe_segments", "clip_videos"},
    "filtered_coc": {"trajectory_cache", "meta_actions", "keyframe_segments", "clip_videos", "raw_coc"},
    "training_shards": {"dataset_files", "trajectory_cache", "keyframe_segments", "raw_coc", "filtered_coc"},
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(Workspace(Settings()))


def names(keys: set[dg.AssetKey]) -> set[str]:
    return {key.to_user_string() for key in keys}


def test_the_asset_graph(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    found = {name: names(graph.get(dg.AssetKey(name)).parent_keys) for name in GRAPH}
    assert found == GRAPH


def test_the_whole_chain_is_one_job_and_nothing_optional_is_in_it(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("label_chunk")
    assert names(set(job.asset_layer.executable_asset_keys)) == set(GRAPH)


def test_the_report_is_over_all_chunks_and_no_part_of_the_chain(definitions: dg.Definitions) -> None:
    node = definitions.resolve_asset_graph().get(dg.AssetKey("quality_report"))
    assert names(node.parent_keys) == {"filtered_coc", "training_shards"} and node.partitions_def is None
    assert node.automation_condition is not None and node.description
    job = definitions.resolve_job_def("refresh_report")
    assert names(set(job.asset_layer.executable_asset_keys)) == {"quality_report"}


def test_every_asset_is_partitioned_and_tells_columns_versions_and_meaning(definitions: dg.Definitions) -> None:
    for stage in STAGES:
        spec = next(spec for spec in definitions.resolve_all_asset_specs() if spec.key == dg.AssetKey(stage.name))
        assert spec.partitions_def is not None and spec.code_version and spec.description and spec.kinds
        schema = spec.metadata["dagster/column_schema"]
        main = list(stage.tables[0].columns)
        assert [column.name for column in schema.columns][: len(main)] == main
        assert all(column.description for column in schema.columns)
        assert spec.metadata["dagster/column_lineage"].deps_by_column["chunk"]
        assert spec.owners and spec.group_name == "coc"


def test_steps_are_numbered_in_flow_order(definitions: dg.Definitions) -> None:
    steps = {spec.key.to_user_string(): spec.tags.get("coc/step") for spec in definitions.resolve_all_asset_specs()}
    assert [steps[name] for name in ("dataset_files", *GRAPH)] == [str(step) for step in range(8)]


@pytest.mark.parametrize(
    ("job", "first"),
    [
        ("label_chunk", "trajectory_cache"),
        ("relabel_chunk", "raw_coc"),
        ("judge_chunk", "filtered_coc"),
        ("pack_shards", "training_shards"),
    ],
)
def test_jobs_make_a_stage_and_what_follows_with_their_checks(
    definitions: dg.Definitions, job: str, first: str
) -> None:
    found = definitions.resolve_job_def(job)
    order = list(GRAPH)
    assert names(set(found.asset_layer.executable_asset_keys)) == set(order[order.index(first) :])
    assert {key.asset_key.to_user_string() for key in found.asset_layer.asset_graph.asset_check_keys} >= {first}
    assert found.description


def test_code_version_follows_the_settings_that_shape_a_stage_and_no_others() -> None:
    def versions(settings: Settings) -> dict[str, str | None]:
        specs = build_definitions(Workspace(settings)).resolve_all_asset_specs()
        return {spec.key.to_user_string(): spec.code_version for spec in specs}

    base = Settings()
    other = base.model_copy(update={"keyframes": base.keyframes.model_copy(update={"lead": 7})})
    before, after = versions(base), versions(other)
    assert {name for name in GRAPH if before[name] != after[name]} == {"keyframe_segments"}


def test_every_asset_is_guarded_by_a_blocking_check(definitions: dg.Definitions) -> None:
    blocking = {
        spec.asset_key.to_user_string()
        for checks in definitions.asset_checks or ()
        for spec in checks.check_specs
        if spec.blocking
    }
    assert blocking == set(GRAPH)
    assert set(required_checks(definitions)) == {*GRAPH, "trajdata_cache"}


def test_loading_the_definitions_imports_nothing_heavy() -> None:
    heavy = ("torch", "trajdata", "great_expectations", "av", "numba", "openai", "matplotlib", "cv2")
    code = f"import sys, coc_assets.definitions; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert "Warning" not in done.stderr
