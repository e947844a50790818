"""Labels and judgements that a model gave before cost anew: `coc run` asks first, or needs --yes or a budget."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from coc_assets.cli import main
from coc_assets.relabelling import asked_anew
from coc_assets.running import ChunkPlan
from coc_assets.stage import Workspace
from resources.settings import load_settings
from resources.store import Store
from tests.chat_stub import ChatStub
from tests.model_answers import ANSWERS
from tests.model_judgements import JUDGEMENTS
from tests.tree import tree

PRICE = {"input_usd": 1.0, "output_usd": 10.0}
FREE = {"input_usd": 0.0, "output_usd": 0.0}
Run = Callable[..., int]


@pytest.fixture
def stub() -> Iterator[ChatStub]:
    with ChatStub(answers={**ANSWERS, **JUDGEMENTS}) as server:
        yield server


@pytest.fixture
def store(filmed: tuple[Path, Path], tmp_path: Path) -> Store:
    shutil.copytree(filmed[1], tmp_path / "store")
    return Store(tmp_path / "store")


@pytest.fixture
def coc(filmed: tuple[Path, Path], store: Store, stub: ChatStub, tmp_path: Path, monkeypatch: Any) -> Run:
    """`coc run` up to the labels on the store, where the stub is two models, with settings of the test's own."""
    monkeypatch.setenv("COC_CONFIG", str(tmp_path / "coc.yaml"))

    def run(*arguments: str, price: dict[str, float] | None = PRICE, upto: str = "raw_coc", **settings: Any) -> int:
        alias = {"backend": "server", "base_url": stub.base_url, "model": "stub-model", "price": price}
        models = {"aliases": {"stub": alias, "other": alias}, "retry": {"base_s": 0.001, "cap_s": 0.01}}
        (tmp_path / "coc.yaml").write_text(yaml.safe_dump({"models": models, "labeler": "stub", **settings}))
        dataset = ["--dataset", str(filmed[0]), "--store", str(store.root)]
        selected = ("raw_coc", "filtered_coc")[: ("raw_coc", "filtered_coc").index(upto) + 1]
        return main(["run", *dataset, "--select", "keyframe_segments", "clip_videos", *selected, *arguments])

    return run


@pytest.fixture
def new_prompt(tmp_path: Path) -> dict[str, Any]:
    """Settings under which the second of a label's two questions is worded otherwise."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "decide.yaml").write_text("version: 2\nsystem: Decide anew.\n")
    return {"labels": {"vlm": {"prompts": str(tmp_path / "prompts")}}}


def test_labelling_anew_needs_consent_and_says_what_it_takes(
    coc: Run, store: Store, stub: ChatStub, new_prompt: dict[str, Any], capsys: Any
) -> None:
    assert coc() == 0, "what this model never labelled needs no consent"
    before, asked = tree(store.root), stub.asked.total()
    capsys.readouterr()
    assert coc(**new_prompt) == 2
    said = capsys.readouterr().err
    assert (tree(store.root), stub.asked.total()) == (before, asked)
    found = re.search(
        r"stub is to label 1 chunk anew \(0000\): (\d+) requests, ([\d,]+) prompt and ([\d,]+) completion tokens, "
        r"about (\d+\.\d\d) USD",
        said,
    )
    assert found and "Add --yes" in said and "--budget USD" in said
    assert coc("--yes", **new_prompt) == 0
    repairs = sum(seen.body["response_format"]["json_schema"]["name"] == "repair" for seen in stub.chats[asked:])
    assert stub.asked.total() - asked - repairs == int(found[1])


def test_a_budget_is_consent(coc: Run, stub: ChatStub, new_prompt: dict[str, Any]) -> None:
    assert coc() == 0
    asked = stub.asked.total()
    assert coc("--budget", "100", **new_prompt) == 0
    assert stub.asked.total() > asked


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 2), ("", 2)])
def test_on_a_terminal_it_asks(
    coc: Run, stub: ChatStub, new_prompt: dict[str, Any], monkeypatch: Any, capsys: Any, answer: str, status: int
) -> None:
    assert coc() == 0
    asked = stub.asked.total()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert coc(**new_prompt) == status
    assert (stub.asked.total() > asked) is (status == 0)
    assert "stub is to label 1 chunk anew" in capsys.readouterr().err


def test_what_costs_nothing_is_not_asked_about(coc: Run, new_prompt: dict[str, Any]) -> None:
    assert coc(price=FREE) == 0
    assert coc(price=FREE, **new_prompt) == 0


def test_an_unknown_cost_is_asked_about(coc: Run, new_prompt: dict[str, Any], capsys: Any) -> None:
    assert coc(price=None) == 0
    assert coc(price=None, **new_prompt) == 2
    assert "a cost that is unknown (set models.aliases.stub.price" in capsys.readouterr().err


def test_answers_that_are_kept_are_not_asked_about(coc: Run, store: Store, stub: ChatStub) -> None:
    assert coc() == 0
    asked = stub.asked.total()
    assert coc("--force") == 0
    (store.partition("raw_coc", "0000") / "labeler=stub.parquet").unlink()
    assert coc() == 0
    assert stub.asked.total() == asked


def test_new_keyframes_count_as_all_to_be_asked(coc: Run, stub: ChatStub, capsys: Any) -> None:
    assert coc() == 0
    asked = stub.asked.total()
    assert coc(keyframes={"cooldown": 31}) == 2
    said = capsys.readouterr().err
    assert "going by what there is to ask about now" in said
    assert stub.asked.total() == asked


def test_a_new_labeler_is_asked_about_only_where_it_replaces_stale_labels(
    coc: Run, stub: ChatStub, capsys: Any
) -> None:
    assert coc("--labeler", "rules") == 0
    assert coc("--stale") == 2
    assert "stub is to label 1 chunk anew (0000)" in capsys.readouterr().err
    assert stub.asked.total() == 0
    assert coc() == 0
    assert stub.asked.total() > 0


def test_judging_anew_needs_consent(
    coc: Run, store: Store, stub: ChatStub, filmed: tuple[Path, Path], capsys: Any
) -> None:
    judged = {"upto": "filtered_coc", "filtering": {"judge": {"model": "other"}}, "labeler": "rules"}
    assert coc(**judged) == 0, "a first judging needs no consent"
    workspace = Workspace(load_settings(dataset=filmed[0], store=store.root))
    plan = ChunkPlan("0000", due=("raw_coc", "filtered_coc"), fresh=())
    assert asked_anew(workspace, [plan]) == [], "its answers are kept"
    asked = stub.asked.total()
    capsys.readouterr()
    new_labels = {"labels": {"rules": {"motion": {"min_change_mps": 1.4}}}}
    assert coc(**judged, **new_labels) == 2
    assert "other is to judge the labels of 1 chunk anew (0000)" in capsys.readouterr().err
    assert stub.asked.total() == asked
