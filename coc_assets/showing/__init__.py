"""What Dagster's UI shows of the assets: columns and where they come from, distributions, pictures of the labels.

All of it is read from the finished tables and goes into Dagster's event log alone, so that it can be changed or turned
off (`operate.plots`) without any partition counting as stale.
"""
