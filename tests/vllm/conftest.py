"""Tests against a real vLLM on the processor; `make test-vllm` runs them, nothing else does."""

from __future__ import annotations

import json

import pytest

from tests.vllm import serving


def pytest_collection_modifyitems(config, items):
    """Leaves them out unless they are asked for by their mark, also where the environment happens to be there."""
    if "vllm" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("vllm"):
            item.add_marker(pytest.mark.skip(reason="needs make test-vllm"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a Qwen3-VL with random weights."""
    if not serving.PYTHON.exists():
        pytest.skip(f"no {serving.PYTHON.relative_to(serving.ROOT)}; make test-vllm makes it")
    folder = tmp_path_factory.mktemp("model")
    serving.run(folder.parent / "model.log", "-m", "tests.vllm.tiny_model", folder / "tiny")
    return folder / "tiny"


@pytest.fixture(scope="session")
def outcomes(tiny_model, tmp_path_factory):
    """What came of every question that `engine_run` asks the in-process engine, by name."""
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    printed = serving.run(log, "-m", "tests.vllm.engine_run", tiny_model)
    return json.loads(printed.splitlines()[-1])  # vLLM's own words go before
