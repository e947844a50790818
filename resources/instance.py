"""The Dagster instance of a store."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from resources.store import Store

POSTGRES_URL = "DAGSTER_POSTGRES_URL"
"""Variable with the URL of the Postgres that holds runs and events; where it is set, new instances go by it."""
_CHECKOUT = Path(__file__).resolve().parents[1]
_MINIMAL = "telemetry:\n  enabled: false\n"  # where the package was installed without the checkout's dagster.yaml
_MINIMAL_POSTGRES = f"{_MINIMAL}storage:\n  postgres:\n    postgres_url:\n      env: {POSTGRES_URL}\n"


def prepare_instance(store: Path) -> Path:
    """The instance folder, absolute: `$DAGSTER_HOME`, else `<store>/.dagster`, with a dagster.yaml in it.

    A dagster.yaml that is there stays as it is; a missing one is made for SQLite, or, where `$DAGSTER_POSTGRES_URL` is
    set, for that Postgres.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or Store(store).dagster_home).absolute()
    home.mkdir(parents=True, exist_ok=True)
    if not os.access(home, os.W_OK):
        raise PermissionError(errno.EACCES, "cannot write the Dagster instance", str(home))
    target = home / "dagster.yaml"
    if not target.exists():
        name, minimal = _variant()
        if (_CHECKOUT / name).is_file():
            shutil.copyfile(_CHECKOUT / name, target)
        else:
            target.write_text(minimal)
    return home


def _variant() -> tuple[str, str]:
    """Name of the checkout's file, and the least that would do in its place."""
    if os.environ.get(POSTGRES_URL):
        return "dagster.postgres.yaml", _MINIMAL_POSTGRES
    return "dagster.yaml", _MINIMAL


def main() -> None:
    """`python -m resources.instance`: prepares the instance of `$COC_STORE` for a web server or a daemon."""
    from resources.settings import load_settings

    print(prepare_instance(load_settings().store))


if __name__ == "__main__":
    main()
