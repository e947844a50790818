"""What makes trajdata 1.4 run here: a name that numpy 2 dropped, and our dataset among those it knows."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import trajdata.data_structures.data_index
import trajdata.parallel.data_preprocessor
from trajdata.dataset_specific import RawDataset
from trajdata.utils import env_utils

OpenDataset = Callable[[str, str], RawDataset]


def give_back_string_type() -> None:
    """The two modules that say `np.string_` get a numpy that has it; every other module keeps numpy as it is."""
    numpy_with_it = SimpleNamespace(**{**vars(np), "string_": np.bytes_})
    trajdata.data_structures.data_index.np = numpy_with_it
    trajdata.parallel.data_preprocessor.np = numpy_with_it


def add_dataset(is_ours: Callable[[str], bool], open_ours: OpenDataset) -> None:
    """trajdata opens the environments that `is_ours` names with `open_ours`, and all others as before."""
    open_others: OpenDataset = env_utils.get_raw_dataset

    def get_raw_dataset(dataset_name: str, data_dir: str) -> RawDataset:
        return (open_ours if is_ours(dataset_name) else open_others)(dataset_name, data_dir)

    env_utils.get_raw_dataset = get_raw_dataset
