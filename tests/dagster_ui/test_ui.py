"""What an engineer sees in Dagster's UI of a finished store: the flow, partitions, checks, what was left out, pictures.

Skipped where there is no Chromium; with REQUIRE_BROWSER set that is a failure. `UI_PICTURES=docs/images` saves what is
seen.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.stages import STAGES_BY_NAME
from resources.sql import query
from resources.store import Store
from tests.dagster_ui.pages import LOCATION, WAIT_MS, Ui

pytestmark = pytest.mark.slow


def test_the_graph_shows_all_seven_from_left_to_right(ui: Ui) -> None:
    ui.page.set_viewport_size({"width": 2400, "height": 1400})
    ui.open(f"/locations/{LOCATION}/asset-groups/coc", shows="training_shards")
    left = []
    for name in STAGES_BY_NAME:
        box = ui.page.get_by_text(name, exact=True).first.bounding_box()
        assert box is not None, name
        left.append(box["x"])
    assert left == sorted(left)
    ui.picture("asset-graph")
    ui.page.set_viewport_size({"width": 1920, "height": 1080})


def test_an_asset_tells_its_tables_columns_and_units(ui: Ui) -> None:
    page = ui.asset("trajectory_cache", "overview", shows="trajectories.acceleration_mps2")
    ui.wait_for("unit: m/s²")
    assert page.get_by_text("Obstacle boxes at their native instants, rig frame.").count()
    ui.picture("dagster-columns")


def test_a_column_tells_what_it_is_made_of(ui: Ui) -> None:
    page = ui.asset("meta_actions", "overview", shows="column_sources")
    page.locator("tr", has=page.get_by_text("column_sources", exact=True)).get_by_text("[Show Markdown]").click()
    ui.wait_for("trajectories.acceleration_mps2")
    ui.picture("dagster-column-sources")
    page.get_by_role("button", name="Close").click()


def test_numbers_are_plotted_over_the_chunks(ui: Ui) -> None:
    page = ui.asset("keyframe_segments", "overview", shows="rows_keyframes")
    page.get_by_role("button", name="Plots").click()
    page.locator("canvas").first.wait_for(timeout=WAIT_MS)
    ui.picture("dagster-plots")


def test_a_partition_tells_its_figures_and_shows_its_distributions(ui: Ui) -> None:
    page = ui.asset("keyframe_segments", "partitions", partition="0001", shows="rows_keyframes")
    assert page.get_by_text("0000", exact=True).count() and page.get_by_text("0001", exact=True).count()
    ui.picture("dagster-partition")
    drawn = ui.open_markdown("distributions")
    assert drawn.get_attribute("src").startswith("data:image/svg+xml;base64,")
    assert drawn.evaluate("one => one.naturalWidth") == 960
    ui.picture("dagster-distributions")
    ui.close_dialog()


def test_labels_are_shown_over_frames(ui: Ui) -> None:
    ui.asset("raw_coc", "partitions", partition="0000", shows="contact_sheet")
    drawn = ui.open_markdown("contact_sheet")
    assert drawn.get_attribute("src").startswith("data:image/jpeg;base64,")
    assert drawn.evaluate("one => one.naturalHeight") > 400, "two rows of frames"
    ui.picture("dagster-labels")
    ui.close_dialog()


def test_what_was_left_out_is_told_by_reason(ui: Ui, made: tuple[Path, Path]) -> None:
    rejects = query(Store(made[1]), "SELECT stage, chunk, reason FROM rejects ORDER BY ALL").rows()
    assert ("clip_videos", "0001", "video_missing") in rejects
    page = ui.asset("clip_videos", "partitions", partition="0001", shows="rejects_video_missing")
    ui.wait_for("video_missing")
    assert page.get_by_text("mirror it if this chunk's samples should have video").count()
    ui.picture("dagster-rejects")


def test_a_chunk_without_video_says_so_in_place_of_pictures(ui: Ui) -> None:
    ui.asset("raw_coc", "partitions", partition="0001", shows="contact_sheet")
    said = "Chunk 0001 has no video of camera_front_wide_120fov; the rejects of clip_videos say why."
    ui.wait_for(said)


def test_a_check_shows_its_partition_its_figure_and_the_rows_that_offend(ui: Ui, made: tuple[Path, Path]) -> None:
    lost = query(Store(made[1]), "SELECT chunk, keyframe_id FROM filtered_coc WHERE verdict <> 'keep' ORDER BY ALL")
    assert lost.height, "the policy does not keep all labels of the sample"
    page = ui.asset("filtered_coc", "checks", checkDetail="enough_labels_are_kept", shows="worst_rows")
    ui.wait_for("Partitions")
    last = lost.filter(lost["chunk"] == lost["chunk"].max())
    for keyframe_id in last["keyframe_id"].head(3):
        assert page.get_by_text(keyframe_id, exact=True).count(), keyframe_id
    ui.picture("dagster-checks")
    page.get_by_text("Partitions", exact=True).last.click()
    for chunk in ("0000", "0001"):
        ui.wait_for(chunk)
    assert page.get_by_text("Failed (1)").count() and page.get_by_text("Passed (1)").count()
    ui.picture("dagster-check-partitions")


def test_jobs_are_named_for_what_people_do(ui: Ui) -> None:
    ui.open("/jobs", shows="label_chunk")
    for name in ("relabel_chunk", "judge_chunk", "pack_shards"):
        ui.wait_for(name)
    ui.picture("dagster-jobs")


def test_the_quality_report_is_an_asset_with_its_figures_and_a_page_that_loads_nothing(
    ui: Ui, made: tuple[Path, Path]
) -> None:
    _, store = made
    samples = query(Store(store), "SELECT count(*) AS n FROM samples").item()
    ui.asset("quality_report", "overview", shows="chunks_complete")
    ui.wait_for("http://127.0.0.1:3001/report")
    ui.picture("dagster-report")
    asked: list[str] = []
    ui.page.on("request", lambda request: asked.append(request.url))
    page = ui.page
    page.goto((store / "report" / "index.html").as_uri())
    ui.wait_for("From clips to samples")
    assert page.get_by_text(f"{samples}", exact=True).count(), "the funnel ends in the samples of the store"
    assert page.evaluate("() => document.querySelectorAll('svg').length") > 5, "distributions and series are drawn"
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    ui.picture("report-page")
