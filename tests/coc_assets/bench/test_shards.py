from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coc_assets.bench.shards import (
    SAMPLES_OF_A_FILM,
    Film,
    MadeSample,
    make_films,
    run_shard_bench,
    shard_table,
    write_ours,
    write_plainly,
)
from coc_assets.bench.shards import _sample as made_sample
from coc_assets.sources.video import probe
from coc_assets.training_shards.dataset import CoCShardDataset
from coc_assets.training_shards.frames import CameraFrames

SMALL = Film("small", 96, 54, 20)


def _samples(count: int) -> list[MadeSample]:
    frames = [CameraFrames(1, np.arange(4, dtype=np.int64), [b"jpeg"] * 4)]
    return [made_sample(number, frames) for number in range(count)]


def test_every_figure_is_measured_and_everything_thrown_away(tmp_path: Path) -> None:
    figures = run_shard_bench(samples=5, passes=1, film_passes=1, films=[SMALL], seconds=3, folder=tmp_path)
    of_film = figures["small"]
    assert list(figures) == ["small"]
    assert min(of_film.values()) > 0
    assert {"write_ratio", "read_ratio", "pass_ratio"} < of_film.keys()
    assert (of_film["samples"], of_film["samples_of_a_clip"]) == (5, SAMPLES_OF_A_FILM)
    assert list(tmp_path.iterdir()) == []
    assert json.loads(json.dumps(figures)) == figures
    assert shard_table(figures).row_count == len(of_film)


def test_both_writers_write_the_same_members(tmp_path: Path) -> None:
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    ours.mkdir()
    plain.mkdir()
    samples = _samples(3)
    write_ours(samples, ours)
    write_plainly([one.members() for one in samples], plain)
    written = {}
    for folder in (ours, plain):
        with tarfile.open(next(folder.glob("*.tar"))) as archive:
            written[folder.name] = {info.name: archive.extractfile(info).read() for info in archive}
    assert written["ours"] == written["plain"]
    assert CoCShardDataset(ours).keys.tolist() == [one.kept.key.encode() for one in samples]
    assert pl.read_parquet(ours / "index.parquet").height == len(samples)


@pytest.mark.parametrize("film", [SMALL, Film("other", 64, 36, 45)])
def test_a_film_is_as_asked_for(tmp_path: Path, film: Film) -> None:
    import av

    filmed = make_films(tmp_path, [film], seconds=2)[film]
    with filmed.root.open_archive("camera_front_wide_120fov", "0000") as archive:
        content = archive.open(filmed.member)
        facts = probe(content)
        content.seek(0)
        with av.open(content) as container:
            keys = [index for index, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    assert (facts.frames, facts.width, facts.height) == (60, film.width, film.height)
    assert np.diff(keys).max(initial=0) <= film.keyframe_every
    assert filmed.asked_us.shape == (SAMPLES_OF_A_FILM, 4)
