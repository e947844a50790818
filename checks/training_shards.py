"""Claims about `training_shards`."""

from __future__ import annotations

import polars as pl

from checks import claims
from checks.claims import Claim
from checks.reporting import Partition, partition_check
from coc_assets.training_shards.verify import verify_chunk
from resources import schemas

ASSET = "training_shards"


@partition_check(ASSET, blocking=True)
def kept_labels_become_samples(partition: Partition) -> Claim:
    """Each kept label is a training sample or a reject with its reason, and nothing else is a sample."""
    verdicts, samples = partition.read(schemas.VERDICTS), partition.read(schemas.SAMPLES)
    used = partition.workspace.settings.shards.verdicts
    return claims.kept_labels_become_samples(verdicts, samples, partition.rejects(ASSET), used)


@partition_check(ASSET, blocking=True)
def no_clip_is_in_two_splits(partition: Partition) -> Claim:
    """All samples of a clip lie in one split."""
    return claims.no_clip_is_in_two_splits(partition.read(schemas.SAMPLES))


@partition_check(ASSET, blocking=True)
def shards_equal_their_manifest(partition: Partition) -> Claim:
    """Every shard can be read, and is byte for byte what the manifest and the index say."""
    problems = verify_chunk(partition.workspace.store.partition(ASSET, partition.chunk))
    said = f"{len(problems)} differences between shards, index and manifest."
    return Claim(
        not problems, "ERROR", len(problems), 0, said, pl.DataFrame({"problem": problems[: claims.WORST_ROWS]})
    )
