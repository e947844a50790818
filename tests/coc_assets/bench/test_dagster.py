from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.bench.dagster_cost import run_dagster_bench
from coc_assets.bench.dagster_server import QUERIES, run_server_bench, serving
from resources.instance import prepare_instance
from resources.settings import Settings


@pytest.mark.slow
def test_dagsters_part_of_a_chunk_is_measured(sample: Path) -> None:
    figures = run_dagster_bench(Settings(dataset=sample), repeat=1)
    assert set(figures) == {"dagster_s_per_chunk", "checks_s_per_chunk", "stages_s", "ratio", "passes"}
    assert figures["dagster_s_per_chunk"] > 0 and figures["checks_s_per_chunk"] > 0 and figures["ratio"] > 1


@pytest.mark.slow
def test_the_web_server_is_measured_beside_an_empty_project() -> None:
    figures = run_server_bench(partitions=20, repeat=1)
    assert figures["partitions"] == 20
    assert all(figures[f"{name}_ms"] > 0 and figures[f"empty_{name}_ms"] > 0 for name in QUERIES)
    assert figures["ratio"] > 0


@pytest.mark.slow
def test_code_that_does_not_load_is_said(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError('no such thing')\n")
    home = prepare_instance(tmp_path / "store")
    with (
        pytest.raises(RuntimeError, match="The code does not load"),
        serving(home, ["-f", str(tmp_path / "broken.py")], {}),
    ):
        pass
