from __future__ import annotations

import importlib
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import coc_assets.training_shards
from coc_assets.training_shards import CoCShardDataset, sample
from coc_assets.training_shards.frames import CameraFrames, Seen, to_jpeg
from resources.settings.shards import ShardSettings
from tests.coc_assets.training_shards.made import (
    CHUNK,
    CLIPS,
    Chunk,
    built,
    driven,
    key_of,
    label,
    no_frames,
    picture,
    stored,
)

TIMES = (3_000_000, 7_100_000)
SPLITS = {CLIPS[0]: "train", CLIPS[1]: "train", CLIPS[2]: "val"}
KEYS = [key_of(clip, t0_us) for clip in CLIPS[:3] for t0_us in TIMES]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("store"), SPLITS, TIMES)


def test_an_item_is_exactly_the_sample(store: Path) -> None:
    item = CoCShardDataset(store)[1]
    described = {
        name: (tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else type(value)
        for name, value in item.items()
    }
    assert described == {
        "ego_history_xyz": ((1, 16, 3), torch.float32),
        "ego_history_rot": ((1, 16, 3, 3), torch.float32),
        "ego_future_xyz": ((1, 64, 3), torch.float32),
        "ego_future_rot": ((1, 64, 3, 3), torch.float32),
        "image_frames": ((1, 4, 3, 18, 32), torch.uint8),
        "camera_indices": ((1,), torch.int64),
        "absolute_timestamps": ((1, 4), torch.int64),
        "relative_timestamps": ((1, 4), torch.float32),
        "t0_us": int,
        "clip_id": str,
        "cot": str,
    }
    assert (item["clip_id"], item["t0_us"]) == (CLIPS[0], 7_100_000)
    assert item["cot"] == "Slow down behind the lead vehicle – rules."
    assert item["camera_indices"].tolist() == [1]
    assert item["absolute_timestamps"].tolist() == [[6_795_000, 6_895_000, 6_995_000, 7_095_000]]
    torch.testing.assert_close(item["relative_timestamps"], torch.tensor([[0.0, 0.1, 0.2, 0.3]]))
    for name, array in sample.ego_arrays(driven(), 7_100_000).items():
        np.testing.assert_array_equal(item[name].numpy(), array)
    for number, frame_us in enumerate(item["absolute_timestamps"][0].tolist()):
        expected = picture(frame_us).transpose(2, 0, 1)
        np.testing.assert_allclose(item["image_frames"][0, number].numpy().astype(int), expected, atol=1)


@pytest.mark.parametrize("below", ["", "training_shards", f"training_shards/chunk={CHUNK}"])
def test_a_store_its_shards_and_one_chunk_are_roots(store: Path, below: str) -> None:
    dataset = CoCShardDataset(str(store / below))
    assert [key.decode() for key in dataset.keys] == KEYS


def test_chunks_of_a_store_follow_one_another(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store / "training_shards", tmp_path / "training_shards")
    other = tmp_path / "training_shards" / "chunk=0009"
    built(other, Chunk([label(CLIPS[5], 2_000_000)], splits={CLIPS[5]: "val"}))
    dataset = CoCShardDataset(tmp_path)
    assert [key.decode() for key in dataset.keys] == [*KEYS, key_of(CLIPS[5], 2_000_000)]
    assert dataset[6]["clip_id"] == CLIPS[5]
    assert len(CoCShardDataset(tmp_path, split="val")) == 3


def test_a_folder_without_an_index_is_an_error_that_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No index\.parquet at .*Name a store"):
        CoCShardDataset(tmp_path)


@pytest.mark.parametrize(("split", "keys"), [("train", KEYS[:4]), ("val", KEYS[4:]), ("test", []), (None, KEYS)])
def test_a_split_selects_its_samples(store: Path, split: str | None, keys: list[str]) -> None:
    dataset = CoCShardDataset(store, split=split)
    assert len(dataset) == len(keys)
    assert [f"{item['clip_id']}-{item['t0_us']:08d}" for item in (dataset[at] for at in range(len(dataset)))] == keys


def test_a_misspelt_split_is_an_error(store: Path) -> None:
    with pytest.raises(ValueError, match=r"split='trian'; there are \['train', 'val'\]"):
        CoCShardDataset(store, split="trian")


def test_an_unknown_keyword_is_an_error_that_names_it(store: Path) -> None:
    with pytest.raises(TypeError, match="shuffle_buffer"):
        CoCShardDataset(root=store, shuffle_buffer=10)


def test_what_recipes_pass_along_is_kept(store: Path) -> None:
    dataset = CoCShardDataset(root=store, split="val", model_config={"a": 1}, vla_preprocess_args={"b": 2})
    assert (dataset.model_config, dataset.vla_preprocess_args) == ({"a": 1}, {"b": 2})


def test_what_is_known_beside_the_tensors_is_at_hand(store: Path) -> None:
    about = CoCShardDataset(store).about(1)
    assert (about["key"], about["split"], about["action"]) == (KEYS[1], "train", "stop")
    assert about["decisions"]["longitudinal"] == "lead_obstacle_following"
    assert about["components"][0]["phrase"] == "lead vehicle 14 m ahead"
    assert about["provenance"]["labeler"] == "rules"
    assert about["quality"] == {"verdict": "keep", "reasons": [], "policy_version": "p1"}
    with pytest.raises(IndexError):
        CoCShardDataset(store).about(6)


def test_a_key_leads_to_its_sample(store: Path) -> None:
    dataset = CoCShardDataset(store, split="val")
    position = dataset.position_of(KEYS[5])
    assert dataset.about(position)["key"] == KEYS[5]
    with pytest.raises(KeyError, match=KEYS[0]):
        dataset.position_of(KEYS[0])


def test_samples_of_another_schema_are_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coc_assets.training_shards.dataset.SCHEMA_VERSION", 2)
    for read in (CoCShardDataset(store).about, CoCShardDataset(store).__getitem__):
        with pytest.raises(ValueError, match=rf"{KEYS[0]} has .*schema_version'\]=1, this class reads 2"):
            read(0)


@pytest.mark.parametrize("name", coc_assets.training_shards.__all__)
def test_every_reader_is_found_by_its_dotted_name(name: str) -> None:
    """As Hydra finds a `_target_`: the module is imported, then the attribute taken."""
    module = importlib.import_module("coc_assets.training_shards")
    assert getattr(module, name).__name__ == name


def test_a_hydra_node_makes_the_dataset(store: Path) -> None:
    node = {"_target_": "coc_assets.training_shards.CoCShardDataset", "root": str(store), "split": "val"}
    module, _, name = node.pop("_target_").rpartition(".")
    dataset = getattr(importlib.import_module(module), name)(**node, model_config=None, vla_preprocess_args=None)
    assert len(dataset) == 2


def test_positions_are_those_of_a_sequence(store: Path) -> None:
    dataset = CoCShardDataset(store)
    assert dataset[-1]["clip_id"] == CLIPS[2]
    for position in (6, -7):
        with pytest.raises(IndexError, match="dataset of 6 samples"):
            dataset[position]


def test_random_access_equals_reading_the_tars_through(store: Path) -> None:
    import tarfile

    dataset = CoCShardDataset(store)
    read = {f"{key.decode()}.{name}": body for at, key in enumerate(dataset.keys)
            for name, body in dataset.read_members(at).items()}  # fmt: skip
    through = {}
    for path in (store / "training_shards" / f"chunk={CHUNK}").glob("*.tar"):
        with tarfile.open(path) as shard:
            through |= {info.name: shard.extractfile(info).read() for info in shard}
    assert read == through


def test_webdataset_reads_the_shards_and_yields_the_same(store: Path) -> None:
    import webdataset as wds

    folder = store / "training_shards" / f"chunk={CHUNK}"
    dataset = CoCShardDataset(store)
    urls = [str(path) for path in sorted(folder.glob("*.tar"))]
    assert len(urls) > 2
    samples = list(wds.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [one["__key__"] for one in samples] == KEYS
    for one, item in zip(samples, (dataset[at] for at in range(len(dataset))), strict=True):
        np.testing.assert_array_equal(one["ego_future_xyz.npy"], item["ego_future_xyz"].numpy())
        np.testing.assert_array_equal(one["cam1_f3.jpg"].transpose(2, 0, 1), item["image_frames"][0, 3].numpy())
        assert one["cot.txt"] == item["cot"]
        assert one["json"]["t0_us"] == item["t0_us"]


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])  # it imports torch anew
def test_two_workers_give_every_sample_once_and_in_order(store: Path, start: str) -> None:
    dataset = CoCShardDataset(store)
    loader = DataLoader(dataset, batch_size=2, num_workers=2, multiprocessing_context=start)
    batches = list(loader)
    assert [clip for batch in batches for clip in batch["clip_id"]] == [key.rpartition("-")[0] for key in KEYS]
    assert batches[0]["image_frames"].shape == (2, 1, 4, 3, 18, 32)
    torch.testing.assert_close(batches[2]["ego_future_xyz"][1], dataset[5]["ego_future_xyz"])


def test_no_file_stays_open(store: Path) -> None:
    dataset = CoCShardDataset(store)
    items = [dataset[position] for position in range(len(dataset))]
    opened = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if _is_open(number)]
    assert items
    assert not [path for path in opened if str(store) in path]


def _is_open(number: str) -> bool:
    """The listing itself was open while it was made."""
    return os.path.lexists(f"/proc/self/fd/{number}")


def test_a_pickled_dataset_reads_on(store: Path) -> None:
    dataset = CoCShardDataset(store, split="val")
    again = pickle.loads(pickle.dumps(dataset))
    assert len(again) == 2
    torch.testing.assert_close(again[0]["ego_history_xyz"], dataset[0]["ego_history_xyz"])


def test_without_video_the_frames_are_empty(tmp_path: Path) -> None:
    built(tmp_path, Chunk([label(CLIPS[0], 3_000_000)], splits=SPLITS), frames=no_frames)
    item = CoCShardDataset(tmp_path)[0]
    assert item["image_frames"].shape == (0, 4, 3, 0, 0)
    assert item["image_frames"].dtype == torch.uint8
    assert item["camera_indices"].shape == (0,)
    assert item["camera_indices"].dtype == torch.int64
    assert item["absolute_timestamps"].shape == item["relative_timestamps"].shape == (0, 4)


def _two_cameras(widths: tuple[int, int]):
    def of_camera(index: int, width: int, shown_us: np.ndarray) -> CameraFrames:
        jpegs = [to_jpeg(picture(int(at), width=width), ShardSettings()) for at in shown_us]
        return CameraFrames(index, shown_us - 7 * index, jpegs)

    def read(_: str, asked_us: np.ndarray) -> list[Seen]:
        cameras = list(zip((1, 6), widths, strict=True))
        return [Seen([of_camera(*camera, shown_us) for camera in cameras], []) for shown_us in asked_us]

    return read


def test_cameras_are_stacked_in_order_of_their_index(tmp_path: Path) -> None:
    built(tmp_path, Chunk([label(CLIPS[0], 3_000_000)], splits=SPLITS), frames=_two_cameras((32, 32)))
    item = CoCShardDataset(tmp_path)[0]
    assert item["camera_indices"].tolist() == [1, 6]
    assert item["image_frames"].shape == (2, 4, 3, 18, 32)
    assert item["absolute_timestamps"][:, 0].tolist() == [2_699_993, 2_699_958]
    assert item["relative_timestamps"][:, 0].tolist() == pytest.approx([35e-6, 0.0])


def test_cameras_of_different_sizes_are_an_error_that_names_the_setting(tmp_path: Path) -> None:
    built(tmp_path, Chunk([label(CLIPS[0], 3_000_000)], splits=SPLITS), frames=_two_cameras((32, 48)))
    with pytest.raises(ValueError, match=r"differ in size.*shards\.frame_height"):
        CoCShardDataset(tmp_path)[0]


def test_a_shard_cut_short_is_an_error_that_names_it(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(store / "training_shards" / f"chunk={CHUNK}", folder)
    shard = folder / "val-000700.tar"
    shard.write_bytes(shard.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"val-000700\.tar ends before byte"):
        CoCShardDataset(folder, split="val")[0]


def test_a_missing_shard_is_an_error_that_says_how_to_make_it_again(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    shard = copy / "training_shards" / f"chunk={CHUNK}" / "val-000700.tar"
    shard.unlink()
    dataset = CoCShardDataset(copy, split="val")
    with pytest.raises(FileNotFoundError) as caught:
        dataset[0]
    assert str(caught.value).startswith(f"Shard {shard} is missing")
    assert str(caught.value).endswith(f"coc run --store {copy}")


def test_the_package_offers_the_class_without_importing_torch() -> None:
    code = (
        "import sys, coc_assets.training_shards as shards, coc_assets.training_shards.build;"
        "assert 'torch' not in sys.modules and 'CoCShardDataset' in shards.__all__"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert CoCShardDataset.__module__ == "coc_assets.training_shards.dataset"
    with pytest.raises(AttributeError, match="no attribute 'CocShards'"):
        coc_assets.training_shards.CocShards  # noqa: B018
