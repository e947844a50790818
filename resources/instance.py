"""The Dagster instance of a store."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from resources.store import Store

_TEMPLATE = Path(__file__).resolve().parents[1] / "dagster.yaml"
_MINIMAL = "telemetry:\n  enabled: false\n"  # where the package was installed without the checkout's dagster.yaml


def prepare_instance(store: Path) -> Path:
    """The instance folder, absolute: `$DAGSTER_HOME`, else `<store>/.dagster`, with a dagster.yaml in it."""
    home = Path(os.environ.get("DAGSTER_HOME") or Store(store).dagster_home).absolute()
    home.mkdir(parents=True, exist_ok=True)
    if not os.access(home, os.W_OK):
        raise PermissionError(errno.EACCES, "cannot write the Dagster instance", str(home))
    target = home / "dagster.yaml"
    if not target.exists():
        if _TEMPLATE.is_file():
            shutil.copyfile(_TEMPLATE, target)
        else:
            target.write_text(_MINIMAL)
    return home
