"""Checks of the store's Dagster instance."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from coc_assets.doctor.finding import Finding, Setup, ok, problem, warn
from resources.models.redaction import redact, secrets_in

if TYPE_CHECKING:
    import dagster as dg

_UNSET = re.compile(r'environment variable "(\w+)" which is not set')


def instance(setup: Setup) -> Iterator[Finding]:
    """The Dagster instance opens, its storage answers, and its tables are of this version of Dagster."""
    home = Path(setup.environ.get("DAGSTER_HOME") or setup.store.dagster_home).absolute()
    if not home.is_dir():
        yield ok(f"no Dagster instance at {home} yet; the first run makes it")
    elif not os.access(home, os.W_OK):
        yield problem(f"{home} cannot be written", f"chmod -R u+rwX {home}, or set DAGSTER_HOME to a folder of yours")
    elif not (home / "dagster.yaml").is_file():
        said = f"{home} has no dagster.yaml: Dagster's defaults hold, and not those of this project"
        yield warn(said, f"cp dagster.yaml {home}/, or leave it to the next coc run")
    else:
        yield _opened(setup, home)


def _opened(setup: Setup, home: Path) -> Finding:
    import dagster as dg

    try:
        with _without_warnings(), dg.DagsterInstance.from_config(str(home)) as opened:
            behind = _behind(opened)
            runs = opened.get_runs_count()
    except Exception as error:  # whatever the storage's driver raises
        return _unopened(error, setup, home)
    if behind:
        return problem(
            f"the tables of {', '.join(behind)} in {home} are of another version of Dagster",
            f"Stop Dagster, then DAGSTER_HOME={home} dagster instance migrate",
        )
    return ok(f"the Dagster instance at {home} opens ({runs:,} runs), its tables are of this version")


def _unopened(error: Exception, setup: Setup, home: Path) -> Finding:
    unset = _UNSET.search(str(error))
    if unset:
        return problem(f"{home}/dagster.yaml reads {unset[1]}, which is not set", f"Set {unset[1]}")
    reason = error.__cause__ or error  # Dagster says that it tried, the cause says why it failed
    said = redact(str(reason).strip().split("\n")[0], secrets_in(setup.environ))
    mend = f"Start the database that {home}/dagster.yaml names, or correct its storage section"
    if isinstance(reason, ImportError):
        mend = "pip install 'coc-assets[postgres]'; its driver is named in the URL: postgresql+psycopg2://…"
    return problem(f"the Dagster instance at {home} does not open ({said})", mend)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Attempts that fail are not told one by one: the finding tells."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _behind(instance: dg.DagsterInstance) -> list[str]:
    """Storages whose tables another version of Dagster made; `alembic_version` has their revision and the newest."""
    storages = {
        "runs": instance.run_storage,
        "events": instance.event_log_storage,
        "schedules": instance.schedule_storage,
    }
    revisions = {name: storage.alembic_version() for name, storage in storages.items() if storage}
    return [name for name, found in revisions.items() if found and found[0] != found[1]]
