"""Frames come out of a shard as Pillow decodes them, whatever the decoder."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coc_assets.training_shards import CoCShardDataset
from coc_assets.training_shards.frames import CameraFrames, FramesOf, Seen, to_jpeg
from resources.settings.shards import ShardSettings
from tests.coc_assets.training_shards.made import CLIPS, FRONT, Chunk, built, label


def _textured(height: int, width: int, seed: int) -> np.ndarray:
    """Colour edges and noise, where decoders that round or upsample otherwise would differ."""
    random = np.random.default_rng(seed)
    picture = np.kron(random.integers(0, 256, (-(-height // 5), -(-width // 7), 3)), np.ones((5, 7, 1)))
    return np.clip(picture[:height, :width] + random.normal(0, 20, (height, width, 3)), 0, 255).astype(np.uint8)


def _showing(jpegs: list[bytes]) -> FramesOf:
    def read(_: str, asked_us: np.ndarray) -> list[Seen]:
        return [Seen([CameraFrames(FRONT, frame_us, jpegs)], []) for frame_us in asked_us]

    return read


def _stored(folder: Path, jpegs: list[bytes]) -> CoCShardDataset:
    built(folder, Chunk([label(CLIPS[0], 3_000_000)]), frames=_showing(jpegs))
    return CoCShardDataset(folder)


@pytest.mark.parametrize("quality", [30, 95, 100])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 17), (90, 161)])
def test_every_pixel_is_what_pillow_decodes(tmp_path: Path, height: int, width: int, quality: int) -> None:
    settings = ShardSettings(jpeg_quality=quality)
    jpegs = [to_jpeg(_textured(height, width, seed), settings) for seed in range(4)]
    frames = _stored(tmp_path, jpegs)[0]["image_frames"].numpy()
    assert frames.flags.c_contiguous
    for jpeg, planes in zip(jpegs, frames[0], strict=True):
        np.testing.assert_array_equal(planes, np.asarray(Image.open(io.BytesIO(jpeg))).transpose(2, 0, 1))


@pytest.mark.parametrize("kept", [0, 10, 400])
def test_a_frame_that_is_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    jpegs = [to_jpeg(_textured(64, 64, seed), ShardSettings()) for seed in range(4)]
    jpegs[2] = jpegs[2][:kept]
    dataset = _stored(tmp_path, jpegs)
    with pytest.raises(ValueError, match=rf"{CLIPS[0]}-03000000\.cam1_f2\.jpg does not decode"):
        dataset[0]
