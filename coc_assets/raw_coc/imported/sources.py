"""Which form of labels made elsewhere a path holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from coc_assets.raw_coc.imported import cot_yaml, jsonl, ood_reasoning
from coc_assets.raw_coc.imported.events import Found
from coc_assets.stage import StageError

_READERS: Mapping[str, Callable[[Path], Found]] = {
    ".yaml": lambda path: cot_yaml.read_file(path, path.name),
    ".parquet": ood_reasoning.read_file,
    ".jsonl": jsonl.read_file,
}
_FILES = ("reasoning/ood_reasoning.parquet", "ood_reasoning.parquet", "labels.jsonl")


def read_labels(path: Path) -> Found:
    """What a folder of `cot_*.yaml`, an `ood_reasoning.parquet` or a JSON Lines file holds, in file order.

    Raises:
        StageError: there is no such path, or it is in none of these forms.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise StageError(f"There is no {path} to import.")
    if path.suffix not in _READERS:
        raise StageError(f"Cannot tell the form of {path.name}: name a folder of {cot_yaml.PATTERN}, or {_known()}.")
    return _READERS[path.suffix](path)


def _read_folder(folder: Path) -> Found:
    if next(folder.rglob(cot_yaml.PATTERN), None) is not None:
        return cot_yaml.read_tree(folder)
    beside = next((name for name in _FILES if (folder / name).is_file()), None)
    mend = f"It holds {beside}: name that file." if beside else f"Name a folder that does, or {_known()}."
    raise StageError(f"{folder} holds no {cot_yaml.PATTERN}. {mend}")


def _known() -> str:
    return f"a file that ends in {', '.join(_READERS)}"
