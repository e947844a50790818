"""The Dagster instance of a store, opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resources.instance import prepare_instance

if TYPE_CHECKING:
    import dagster as dg

RUN_TAG = "coc/run"  # the Dagster runs of one `coc run` share its value; the ledger has it too


def open_instance(store: Path) -> dg.DagsterInstance:
    """The instance at `$DAGSTER_HOME`, else at `<store>/.dagster`, which is made where it is missing."""
    import dagster as dg

    return dg.DagsterInstance.from_config(str(prepare_instance(store)))
