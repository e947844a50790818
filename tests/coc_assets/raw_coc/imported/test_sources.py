from pathlib import Path

import pytest

from coc_assets.raw_coc.imported.sources import read_labels
from coc_assets.stage import StageError


@pytest.mark.parametrize(
    ("make", "path", "said"),
    [
        ([], "gone", "There is no"),
        (["labels.csv"], "labels.csv", "Cannot tell the form of labels.csv"),
        (["run/config.yaml"], "run", "holds no cot_"),
        (["out/reasoning/ood_reasoning.parquet"], "out", "It holds reasoning/ood_reasoning.parquet: name that file"),
    ],
)
def test_paths_without_labels(tmp_path: Path, make: list[str], path: str, said: str) -> None:
    for name in make:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(StageError, match=said):
        read_labels(tmp_path / path)


@pytest.mark.parametrize("path", ["run", "run/clip-a/cot_1.yaml"])
def test_a_tree_or_one_file_of_it(tmp_path: Path, path: str) -> None:
    (tmp_path / "run" / "clip-a").mkdir(parents=True)
    (tmp_path / "run" / "clip-a" / "cot_1.yaml").write_text("effect_on_ego_behavior: Stop\n")
    assert [getattr(event, "clip_id", None) for event in read_labels(tmp_path / path)] == ["clip-a"]
