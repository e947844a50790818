"""Makes trajdata able to open the caches of the optional asset `trajdata_cache`; importing it does so.

    import coc_assets.trajdata

    dataset = coc_assets.trajdata.open_store("store", split="train", history_sec=(1.6, 1.6), future_sec=(6.4, 6.4))

is trajdata's `UnifiedDataset` over every chunk of the store whose cache is made. Spelt out, it is

    import trajdata

    import coc_assets.trajdata

    dataset = trajdata.UnifiedDataset(
        desired_data=["pai-train"],  # or "pai", "pai-val", "chunk=0000", "chunk=0000-val"
        data_dirs=coc_assets.trajdata.data_dirs("store"),  # {"chunk=0000": "store", …}
        cache_location="store/trajdata_cache",
        desired_dt=0.1,
    )

It takes three seconds, and everything else of the project does without it.
"""

from coc_assets.trajdata.dataset import ChunkDataset, is_environment
from coc_assets.trajdata.opening import data_dirs, open_store
from coc_assets.trajdata.shim import add_dataset, give_back_string_type

give_back_string_type()
add_dataset(is_environment, ChunkDataset)

__all__ = ["ChunkDataset", "data_dirs", "open_store"]
