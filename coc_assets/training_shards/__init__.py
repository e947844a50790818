"""Training shards: WebDataset tars of frames, ego trajectory and reasoning text, and the classes that read them.

The readers are resolved on first use, so that the stage does not pay for importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coc_assets.training_shards.dataset import CoCShardDataset
    from coc_assets.training_shards.mirroring import MirroredCoCShardDataset, mirrored
    from coc_assets.training_shards.stream import CoCShardStream

__all__ = ["CoCShardDataset", "CoCShardStream", "MirroredCoCShardDataset", "mirrored"]

_MODULE_OF = {
    "CoCShardDataset": "dataset",
    "CoCShardStream": "stream",
    "MirroredCoCShardDataset": "mirroring",
    "mirrored": "mirroring",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
