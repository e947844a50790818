from __future__ import annotations

from pathlib import Path

from resources.settings.reference import reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_page_lists_the_settings_as_they_are() -> None:
    assert PAGE.read_text() == reference(), "run: python -m resources.settings.reference > docs/settings.md"


def test_every_key_says_what_it_means() -> None:
    undocumented = [line for line in reference().splitlines() if line.endswith("|  |")]
    assert undocumented == []
