from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from coc_assets.plots import Bars, Histogram
from coc_assets.showing.distributions import DISTRIBUTIONS, panels_of
from coc_assets.stage import Work, Workspace
from coc_assets.stages import OPTIONAL_STAGES, STAGES, STAGES_BY_NAME
from resources import schemas
from resources.settings import Settings
from resources.store import Store


def work_of(store: Path, stage: str) -> Work:
    return Work(Workspace(Settings(store=store)), STAGES_BY_NAME[stage], "0000")


def test_every_asset_has_some() -> None:
    assert set(DISTRIBUTIONS) == {stage.name for stage in (*STAGES, *OPTIONAL_STAGES)}


@pytest.mark.parametrize("stage", list(STAGES_BY_NAME))
def test_counts_are_those_of_the_tables(sample_store: Path, stage: str) -> None:
    panels = panels_of(work_of(sample_store, stage))
    assert panels
    main = STAGES_BY_NAME[stage].tables[0]
    labeler = "rules" if stage == "raw_coc" else None
    rows = Store(sample_store).read_table(main, "0000", labeler=labeler)
    whole = {sum(panel.counts.values()) for panel in panels if isinstance(panel, Bars)}
    assert rows.height in whole or stage in ("trajectory_cache", "meta_actions")


def test_speeds_are_those_of_all_frames(sample_store: Path) -> None:
    panel = panels_of(work_of(sample_store, "trajectory_cache"))[0]
    speeds = Store(sample_store).read_table(schemas.TRAJECTORIES, "0000")["speed_mps"]
    assert isinstance(panel, Histogram) and panel.title == "Speed, m/s"
    assert pl.Series(panel.values).equals(speeds.rename(""))


def test_causes_are_counted_one_by_one_and_models_figures_only_where_there_are_any(sample_store: Path) -> None:
    panels = {panel.title: panel for panel in panels_of(work_of(sample_store, "raw_coc"))}
    components = Store(sample_store).read_table(schemas.RAW_COC, "0000", labeler="rules")["components"]
    causes = panels["Causes by category"]
    assert isinstance(causes, Bars) and sum(causes.counts.values()) == components.list.len().sum()
    assert "Time to an answer, s" not in panels


def test_an_empty_partition_is_drawn_too(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for stage in STAGES:
        for table in stage.tables:
            labeler = "rules" if stage.by_labeler else None
            path = store.table_path(table, "0000", asset=stage.name, labeler=labeler)
            store.write_table(schemas.empty(table), table, path, "0000")
    for stage in STAGES:
        assert all(
            not (panel.counts if isinstance(panel, Bars) else len(panel.values))
            for panel in panels_of(work_of(tmp_path, stage.name))
        )
