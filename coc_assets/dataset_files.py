"""The external asset `dataset_files`: the dataset as Dagster sees it, one data version a chunk."""

import dagster as dg

from coc_assets.partitions import CHUNKS
from coc_assets.previews import preview_features
from coc_assets.showing.columns import dataset_schema, step_tag
from coc_assets.showing.lineage import DATASET
from coc_assets.stage import Work, Workspace, standing
from coc_assets.trajectory_cache.stage import STAGE as TRAJECTORY_CACHE
from resources.receipts import digest_of

with preview_features():

    @dg.observable_source_asset(
        partitions_def=CHUNKS,
        group_name="dataset",
        description="The dataset's files of each chunk, as they lie on disk: egomotion, obstacles, camera, clip index.",
        metadata={"dagster/column_schema": dataset_schema()},
        tags={"dagster/kind/file": "", **step_tag(DATASET)},
    )
    def dataset_files(
        context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.DataVersionsByPartition:
        """Observes the content versions of the registered chunks that are on disk."""
        known = context.instance.get_dynamic_partitions("chunks")
        present = sorted(set(workspace.root.chunks()) & set(known))
        return dg.DataVersionsByPartition({chunk: dataset_version(workspace, chunk) for chunk in present})


def dataset_version(workspace: Workspace, chunk: str) -> str:
    """Content version of what the chain reads first of a chunk; unchanged files are not read again."""
    return digest_of(standing(Work(workspace, TRAJECTORY_CACHE, chunk)).fingerprint.inputs)
