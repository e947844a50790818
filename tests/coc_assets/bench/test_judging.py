from __future__ import annotations

from pathlib import Path

from coc_assets.bench.judging import make_store, run_judge_bench
from coc_assets.filtered_coc.late import duplicates_of_set
from coc_assets.stage import Workspace
from coc_assets.status import chunk_status
from resources import schemas
from resources.settings import Settings


def test_every_figure_is_measured_and_the_store_thrown_away(tmp_path: Path) -> None:
    figures = run_judge_bench(labels=200, chunks=2, folder=tmp_path)
    assert {name for name in figures if name.endswith("_s")} == {
        "plain_s", "duplicates_s", "diff_s", "changed_s", "changed_cpu_s", "reported_s", "unchanged_s", "back_s"
    }  # fmt: skip
    assert min(figures.values()) > 0
    assert (figures["labels"], figures["chunks"], figures["reviewed"]) == (200, 2, 20)
    assert 4 <= figures["near_duplicates"] <= 8
    assert list(tmp_path.iterdir()) == []


def test_texts_are_near_each_other_only_where_asked_for(tmp_path: Path) -> None:
    workspace = Workspace(Settings(dataset=None, store=tmp_path))
    make_store(workspace, labels=1000, chunks=4)
    assert duplicates_of_set(workspace, {}, keep=False).is_empty()


def test_the_store_holds_as_many_labels_as_asked_for_and_every_verdict(tmp_path: Path) -> None:
    workspace = Workspace(Settings(dataset=None, store=tmp_path))
    chunks = make_store(workspace, labels=700, chunks=3)
    labels = [workspace.store.read_labels(chunk) for chunk in chunks]
    assert [frame.height for frame in labels] == [233, 233, 234]
    figures = [chunk_status(workspace, chunk).receipts["filtered_coc"].figures for chunk in chunks]
    assert all(of_chunk.keys() >= set(("keep", "review", "reject", "rejected")) for of_chunk in figures)
    measured = workspace.store.read_table(schemas.MEASUREMENTS, "0000")
    assert measured.height / measured["label_id"].n_unique() > 25
