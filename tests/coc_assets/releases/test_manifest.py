from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.releases.manifest import ManifestError, read_manifest, sealed, settings_told
from resources.settings import Settings, SettingsError
from resources.settings.filtering import FilterSettings
from resources.settings.labels import LabelSettings
from resources.settings.shards import ShardSettings


def told(**sections: object) -> dict[str, object]:
    return settings_told(Settings(**sections))  # type: ignore[arg-type]


def test_a_sealed_manifest_is_read_as_it_was() -> None:
    content = {"samples": 3, "name": "Zürich", "settings": {"share": 0.1, "none": None}}
    assert sealed(content) == sealed(dict(reversed(content.items())))


def test_only_what_was_sealed_is_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(sealed({"samples": 3}))
    assert read_manifest(path) == {"samples": 3}
    for content, problem in (
        (path.read_bytes().replace(b"3", b"4"), "was changed since it was written"),
        (path.read_bytes() + b"\n", "was changed since it was written"),
        (b'{"samples": 3}', "it has no hash of its own content"),
        (b"[]", "is no release's"),
        (b"\xff", "cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(ManifestError, match=problem):
            read_manifest(path)


def test_files_count_by_their_content_and_policies_by_their_version(tmp_path: Path) -> None:
    def of(folder: Path, split: str) -> dict[str, object]:
        (folder / "prompts").mkdir(parents=True)
        (folder / "prompts/ask.txt").write_text("Why?")
        (folder / "splits.csv").write_text(f"clip_id,split\na,{split}\n")
        shards = ShardSettings(split_by="file", split_file=folder / "splits.csv")
        labels = LabelSettings.model_validate({"vlm": {"prompts": folder / "prompts"}})
        return told(shards=shards, labels=labels)

    one, same, other = (of(tmp_path / name, split) for name, split in (("1", "val"), ("2", "val"), ("3", "test")))
    assert one == same != other
    assert str(tmp_path) not in str(one)
    assert str(told()["filtering"]["policy"]).startswith("default@")  # type: ignore[index]


def test_what_is_of_the_machine_alone_is_not_told(tmp_path: Path) -> None:
    there = told(dataset=tmp_path / "a", store=tmp_path / "b")
    assert there == told()
    assert set(there) & {"dataset", "store", "models", "quality"} == set()


def test_a_file_or_policy_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.csv, which cannot be read"):
        told(shards=ShardSettings(split_by="file", split_file=tmp_path / "nowhere.csv"))
    with pytest.raises(SettingsError, match="'nowhere' is neither packaged"):
        told(filtering=FilterSettings(policy="nowhere"))
