"""Which failures of a stage are tried again, and after how long; Dagster is told by what is raised.

A retry policy on the assets would try again whatever failed, an interrupted run among it. Here the cause decides.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import dagster as dg

from coc_assets.stage import StageError
from resources.faults import may_pass
from resources.settings.operate import StageRetrySettings


def retry_or_failure(
    error: Exception,
    attempts: int,
    settings: StageRetrySettings,
    *,
    luck: Callable[[], float] = random.random,
) -> dg.RetryRequested | dg.Failure:
    """What to raise for a stage that failed: a request for another attempt, or the failure in its own words.

    Args:
        attempts: that were made before this one.
        luck: gives a number from 0 to 1, the jitter: chunks that failed together are not to come back together.
    """
    if may_pass(root_cause(error)) and attempts < settings.most:
        return dg.RetryRequested(settings.most, seconds_to_wait=wait_s(attempts, settings, luck()))
    return dg.Failure(description=str(error), allow_retries=False)


def wait_s(attempts: int, settings: StageRetrySettings, luck: float) -> float:
    """Seconds until the next attempt: twice as long each time, from half as much to half as much again."""
    return float(settings.wait_s * 2**attempts * (0.5 + luck))


def root_cause(error: BaseException) -> BaseException:
    """What made a stage fail. It goes no further than that: models are asked again by `resources.models` already."""
    cause = error
    while isinstance(cause, StageError) and cause.__cause__ is not None:
        cause = cause.__cause__
    return cause
