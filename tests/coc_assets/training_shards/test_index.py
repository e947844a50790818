from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from coc_assets.training_shards.index import read_index
from coc_assets.training_shards.tar import read_group
from resources.store import Store
from tests.coc_assets.training_shards.made import CHUNK, CLIPS, key_of, stored

TIMES = (3_000_000, 7_100_000)
SPLITS = {CLIPS[0]: "val", CLIPS[1]: "train", CLIPS[2]: "train"}
KEYS = {clip: [key_of(clip, t0_us) for t0_us in TIMES] for clip in CLIPS[:3]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("store"), SPLITS, TIMES)


def test_each_position_reads_its_own_group(store: Path) -> None:
    index = read_index(store)
    assert [key.decode() for key in index.keys] == [*KEYS[CLIPS[1]], *KEYS[CLIPS[2]], *KEYS[CLIPS[0]]]
    for position, key in enumerate(index.keys):
        assert f'"key": "{key.decode()}"' in read_group(index.read(position))["json"].decode()


@pytest.mark.parametrize("split", [None, "train", "val"])
def test_a_key_leads_to_its_position(store: Path, split: str | None) -> None:
    index = read_index(store, split)
    assert [index.position_of(key) for key in index.keys] == list(range(len(index)))
    assert [index.position_of(key.decode()) for key in index.keys] == list(range(len(index)))


@pytest.mark.parametrize("key", ["nobody-03000000", "", "zzzz", KEYS[CLIPS[0]][0], KEYS[CLIPS[1]][0] + "0"])
def test_a_key_that_is_not_there_is_an_error_that_names_it(store: Path, key: str) -> None:
    with pytest.raises(KeyError, match=rf"No sample has the key '{key}', of 4"):
        read_index(store, "train").position_of(key)


def test_an_empty_split_has_no_keys(store: Path) -> None:
    index = read_index(store, "test")
    assert len(index) == 0
    with pytest.raises(KeyError):
        index.position_of(KEYS[CLIPS[0]][0])


def test_it_is_pickled_with_nothing_open(store: Path) -> None:
    index = read_index(store)
    index.position_of(index.keys[0])
    again = pickle.loads(pickle.dumps(index))
    assert again.read(3) == index.read(3)
    assert again.position_of(index.keys[2]) == 2


@pytest.fixture
def releases(store: Path, tmp_path: Path) -> Path:
    for name in ("v1", "v2"):
        shutil.copytree(Store(store).partition("training_shards", CHUNK), tmp_path / name)
    return tmp_path


def test_a_release_is_a_root_and_their_folder_is_an_error_that_lists_them(releases: Path) -> None:
    assert len(read_index(releases / "v1")) == 6
    with pytest.raises(FileNotFoundError, match=r"Name one of its folders: v1, v2\."):
        read_index(releases)


def test_a_shard_missing_from_a_release_is_an_error_that_says_what_to_do(releases: Path) -> None:
    for shard in (releases / "v1").glob("*.tar"):
        shard.unlink()
    with pytest.raises(FileNotFoundError, match=rf"Copy it again.*coc verify {releases / 'v1'}$"):
        read_index(releases / "v1").read(0)


def test_a_relative_root_is_read_and_complained_of_alike(releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(releases / "v2")
    index = read_index(".")
    index.read(0)
    for shard in releases.glob("v2/*.tar"):
        shard.unlink()
    with pytest.raises(FileNotFoundError, match="Copy it again"):
        index.read(0)
