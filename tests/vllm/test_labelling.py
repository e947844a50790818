"""`coc run` with a real vLLM server: every keyframe ends in a state, as images and as video, base64 and by file."""

from __future__ import annotations

import json
import os
import shutil

import polars as pl
import pytest
import yaml

from coc_assets.cli import ASSETS, main
from resources.journal import read_journal
from resources.store import Store
from tests.vllm import serving

pytestmark = pytest.mark.vllm
UPSTREAM = ASSETS[: ASSETS.index("raw_coc")]
STATES = {"ok", "refused", "invalid"}  # of a model with random weights; `error` would be the request's fault


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """A dataset of one chunk and a folder with a store that has everything up to the labels."""
    from coc_assets.sample.generate import generate

    folder = tmp_path_factory.mktemp("filmed")
    generate(folder / "dataset", chunks=1, clips=2, defects=False)
    stores = folder / "stores"
    made = ["--dataset", str(folder / "dataset"), "--store", str(stores / "made")]
    assert main(["run", *made, "--select", *UPSTREAM]) == 0
    return folder / "dataset", stores


@pytest.fixture(scope="module")
def base_url(tiny_model, filmed, tmp_path_factory):
    """A server that may read below the stores."""
    with serving.server(tiny_model, filmed[1], tmp_path_factory.mktemp("server") / "server.log") as url:
        yield url


@pytest.mark.parametrize(
    ("media", "transport"), [("images", "base64"), ("images", "file_url"), ("video", "base64"), ("video", "file_url")]
)
def test_a_chunk_is_labelled_by_a_real_server(base_url, filmed, media, transport, monkeypatch, tmp_path):
    dataset, stores = filmed
    store = Store(stores / f"{media}-{transport}")
    shutil.copytree(stores / "made", store.root)
    tiny = {"backend": "server", "model": serving.MODEL, "base_url": base_url, "media": media, "transport": transport}
    models = {"aliases": {"tiny": {**tiny, "max_tokens": 1200, "max_in_flight": 4}}}
    labels = {"vlm": {"image_height": 90}}
    (tmp_path / "coc.yaml").write_text(yaml.safe_dump({"models": models, "labels": labels}))
    monkeypatch.setenv("COC_CONFIG", str(tmp_path / "coc.yaml"))
    arguments = ["--dataset", str(dataset), "--store", str(store.root), "--labeler", "tiny", "--select", "raw_coc"]
    assert main(["run", *arguments]) == 0
    made = pl.read_parquet(store.partition("raw_coc", "0000") / "labeler=tiny.parquet")
    assert made.height and set(made["status"]) <= STATES, made.select("status", "reason").to_dicts()
    assert (made["prompt_tokens"] > 100).all() and set(made["model"]) == {serving.MODEL}
    entries = read_journal(store.journal_path("0000", "tiny")).entries.values()
    seen = [json.loads(entry.text) for entry in entries if entry.step == "see" and entry.finish_reason == "stop"]
    assert seen and all(set(answer) == {"components"} for answer in seen)
    assert not os.path.exists(store.partition("raw_coc", "0000") / "media")
