from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coc_assets.prompt.notebook import notebook


def test_the_notebook_is_valid_nbformat_4() -> None:
    made = notebook("../store")
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    for cell in made["cells"]:
        code = {"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {}
        assert set(cell) == {"id", "cell_type", "metadata", "source", *code}
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    assert json.loads(json.dumps(made)) == made


def test_its_cells_run_where_it_lies(sample_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(sample_store.parent)
    values = run(notebook(sample_store.name))
    frames = [value for value in values if isinstance(value, pl.DataFrame)]
    assert len(frames) == 5
    views, verdicts, labels = frames[:3]
    assert "clips" in views["name"].to_list()
    assert verdicts["labels"].sum() > 0
    assert labels["trace"].null_count() == 0


def test_a_store_that_has_moved_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="No store at "):
        run(notebook("gone"))


def run(made: dict[str, Any]) -> list[object]:
    """Values of the cells that are one expression; runs all, in one namespace."""
    namespace: dict[str, object] = {}
    values = []
    for cell in made["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and source.startswith("sql("):
            values.append(eval(source, namespace))
        elif cell["cell_type"] == "code":
            exec(source, namespace)
    return values
