"""Training shards: WebDataset tars of frames, ego trajectory and reasoning text, and the dataset class that reads them.

`CoCShardDataset` is resolved on first use, so that the stage does not pay for importing torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coc_assets.training_shards.dataset import CoCShardDataset

__all__ = ["CoCShardDataset"]


def __getattr__(name: str) -> object:
    if name != "CoCShardDataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from coc_assets.training_shards.dataset import CoCShardDataset

    return CoCShardDataset
