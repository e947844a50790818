from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coc_assets.releases import words as of_words
from coc_assets.releases.gather import SAMPLES, DamagedSourceError
from coc_assets.releases.motion import Motion
from coc_assets.releases.words import read_words, write_forms
from coc_assets.stage import Workspace
from coc_assets.training_shards.forms.told import Sources, Written
from coc_assets.training_shards.selection import Row
from resources.settings import Settings
from resources.settings.shards import ShardSettings


def samples_of(made: Path) -> pl.DataFrame:
    return pl.read_parquet(made / "samples.parquet").select(SAMPLES.names())


def workspace(store: Path, *formats: str) -> Workspace:
    return Workspace(Settings(store=store, shards=ShardSettings(formats=formats)))


def with_videos(store: Path, samples: pl.DataFrame) -> None:
    """Puts a video of each of chunk 0000's samples into its partition, and into its manifest."""
    folder = store / "training_shards/chunk=0000"
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "vlm_json/media").mkdir(parents=True)
    for key in samples.filter(pl.col("chunk") == "0000")["key"]:
        (folder / f"vlm_json/media/{key}.mp4").write_bytes(key.encode())
        facts = {"sha256": hashlib.sha256(key.encode()).hexdigest(), "bytes": len(key)}
        manifest["files"][f"vlm_json/media/{key}.mp4"] = facts
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(autouse=True)
def _writer_of_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes nothing but each sample's video."""

    def write(rows: Sequence[Row], folder: Path, sources: Sources) -> Written:
        names = [f"vlm_json/media/{row['keyframe_id']}.mp4" for row in rows]
        put = [name for row, name in zip(rows, names, strict=True) if sources.video(row, folder / name)]
        return Written(put, len(put))

    monkeypatch.setitem(of_words.WRITERS, "vlm_json", write)


def test_rows_are_of_the_chosen_samples_by_split_clip_and_time(store: Path, made: Path) -> None:
    samples = samples_of(made)
    chosen = samples.head(samples.height - 2)
    rows = read_words(workspace(store, "wds", "jsonl"), chosen, lambda done, total: None).rows
    assert sorted(row["label_id"] for row in rows) == sorted(chosen["label_id"])
    order = [(row["split"], row["clip_id"], row["t0_us"]) for row in rows]
    assert order == sorted(order)
    assert {row["chunk"] for row in rows} == {"0000", "0001"}


def test_without_other_forms_no_words_are_read(store: Path, made: Path) -> None:
    words = read_words(workspace(store, "wds"), samples_of(made), lambda done, total: None)
    assert words.rows == []
    assert len(words.motion.speed_mps) == samples_of(made).height


def test_videos_are_links_to_the_chunks_and_a_sample_without_one_has_none(
    store: Path, made: Path, tmp_path: Path
) -> None:
    samples = samples_of(made)
    with_videos(store, samples)
    space = workspace(store, "vlm_json")
    written, expected = write_forms(space, read_words(space, samples, lambda done, total: None), tmp_path / "new")
    filmed = samples.filter(pl.col("chunk") == "0000")["key"].to_list()
    assert written["vlm_json"].samples == len(filmed) < samples.height
    assert set(expected) == {f"vlm_json/media/{key}.mp4" for key in filmed}
    for name, sha256 in expected.items():
        assert hashlib.sha256((tmp_path / "new" / name).read_bytes()).hexdigest() == sha256
        assert (tmp_path / "new" / name).stat().st_nlink == 2


def test_where_links_are_not_possible_videos_are_copied(
    store: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(_: Path, __: Path) -> None:
        raise OSError("no links between file systems")

    monkeypatch.setattr("os.link", no_link)
    samples = samples_of(made)
    with_videos(store, samples)
    space = workspace(store, "vlm_json")
    _, expected = write_forms(space, read_words(space, samples, lambda done, total: None), tmp_path / "new")
    assert all((tmp_path / "new" / name).read_bytes() == Path(name).stem.encode() for name in expected)


def test_a_video_that_is_gone_is_damage(store: Path, made: Path, tmp_path: Path) -> None:
    samples = samples_of(made)
    with_videos(store, samples)
    gone = next((store / "training_shards/chunk=0000/vlm_json/media").iterdir())
    gone.unlink()
    space = workspace(store, "vlm_json")
    words = read_words(space, samples, lambda done, total: None)
    with pytest.raises(DamagedSourceError, match=f"{gone.name} is missing. Nothing was released. Make it again"):
        write_forms(space, words, tmp_path / "new")


def test_paths_are_seen_from_the_ego_at_t0() -> None:
    frames = np.arange(100)
    heading = np.full(100, np.pi / 2)  # northwards, then a step to the west
    trajectories = pl.DataFrame(
        {
            "clip_id": ["a"] * 100, "frame": frames, "t_us": frames * 100_000, "x_m": np.where(frames > 30, 4.0, 5.0),
            "y_m": frames * 1.0, "heading_rad": heading, "speed_mps": frames / 10,
        }
    )  # fmt: skip
    samples = pl.DataFrame(
        {"key": ["a-02000000", "b-02000000"], "clip_id": ["a", "b"], "t0_us": [2_000_000, 2_000_000]}
    )
    motion = Motion()
    motion.add(samples, trajectories, {"a-02000000"})
    assert motion.speed_mps == {"a-02000000": 2.0}
    path = motion.paths["a-02000000"]
    assert path.shape == (65, 2)
    assert path[0].tolist() == [0, 0]
    assert path[-1] == pytest.approx([64, 1])
