from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from resources.settings.shards import ShardSettings


def test_defaults_are_the_formats() -> None:
    settings = ShardSettings()
    assert settings.labelers == ()
    assert settings.cameras == ("camera_front_wide_120fov",)
    assert (settings.max_shard_bytes, settings.jpeg_quality, settings.frame_height) == (500_000_000, 95, None)
    assert settings.splits == {"train": 0.9, "val": 0.05, "test": 0.05}
    assert settings.require_video is False


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"splits": {"train": 0.9, "val": 0.05}}, "add up to 0.95, not 1"),
        ({"splits": {"train": 1.0, "val": 0.0}}, "splits.val"),
        ({"splits": {"tr/ain": 1.0}}, "splits.tr/ain"),
        ({"cameras": []}, "cameras"),
        ({"labelers": ["rules", "rules"]}, "occurs twice"),
        ({"cameras": ["camera_front"]}, "cameras.0"),
        ({"jpeg_quality": 0}, "jpeg_quality"),
        ({"max_shard_bytes": 10}, "max_shard_bytes"),
        ({"labeller": "rules"}, "labeller"),
        ({"formats": []}, "formats"),
        ({"formats": ["tar"]}, "formats.0"),
        ({"decisions": ["halt"]}, "decisions.0"),
        ({"verdicts": ["reject"]}, "verdicts.0"),
        ({"split_by": "file"}, "split_by: file and split_file belong together"),
        ({"split_file": "splits.csv"}, "split_by: file and split_file belong together"),
        ({"question": "<video> What now?"}, "tokens that trainers read as commands"),
    ],
)
def test_unusable_settings_are_errors(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ShardSettings(**changed)


def test_three_thirds_are_a_whole() -> None:
    assert len(ShardSettings(splits={"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}).splits) == 3
