from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coc_assets.raw_coc.vlm.prompts import STEPS, history_told, load_prompts, signed, whole_told
from resources import schemas
from resources.settings import SettingsError
from tests.coc_assets.raw_coc.vlm.talks import plan, view


def test_a_version_follows_the_content(tmp_path: Path) -> None:
    (tmp_path / "see.yaml").write_text("version: 1\nsystem: Look.\n")
    shipped, own = load_prompts(None), load_prompts(tmp_path)
    assert own["see"].version != shipped["see"].version
    assert own["decide"] == shipped["decide"]
    (tmp_path / "see.yaml").write_text("version: 1\nsystem: Look!\n")
    assert load_prompts(tmp_path)["see"].version != own["see"].version


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sea.yaml", "version: 1\nsystem: Look.\n", "sea.yaml; prompt files are see, decide"),
        ("see.yaml", "system: Look.\n", "needs the keys"),
        ("see.yaml", "version: 1\nsystem: '  '\n", "holds no text"),
        ("see.yaml", "- a\n", "is no prompt"),
    ],
)
def test_prompts_that_cannot_be_used(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match=message):
        load_prompts(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gone, which is no folder"):
        load_prompts(tmp_path / "gone")


def test_every_placeholder_is_filled() -> None:
    assert all("$" not in plan().system(step) for step in STEPS)


@pytest.mark.parametrize("step", ["decide", "single"])
def test_the_prompts_name_every_decision(step: str) -> None:
    system = load_prompts(None)[step].system  # type: ignore[index]
    assert [name for name in (*schemas.LONGITUDINAL_DECISIONS, *schemas.LATERAL_DECISIONS) if name not in system] == []


def test_the_first_pass_is_told_every_category() -> None:
    system = load_prompts(None)["see"].system
    assert [name for name in schemas.COMPONENT_CATEGORIES if name not in system] == []


@pytest.mark.parametrize(("seconds", "said"), [(0.0, "+0.0"), (-0.0, "+0.0"), (-1.5, "-1.5"), (3.5, "+3.5")])
def test_instants_are_signed(seconds: float, said: str) -> None:
    assert signed(seconds) == said


def test_missing_frames_are_named_and_the_future_ones_not_to_the_first_pass() -> None:
    lacking = replace(view(), missing_s=(-2.0, 5.5))
    assert "No frame is available for t = -2.0 s." in history_told(lacking)
    assert "No frame is available for t = -2.0, +5.5 s." in whole_told(lacking)
    assert "No frame" not in whole_told(view())
