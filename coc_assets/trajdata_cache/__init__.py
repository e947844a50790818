"""The optional asset `trajdata_cache`; what it is made with and opened with is in `coc_assets.trajdata`."""
