"""The one place where warnings about Dagster features that are still a preview or beta are silenced.

We use two, on purpose, with the version pinned: partitioned asset checks and observable source assets.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def preview_features() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
