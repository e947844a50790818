"""`coc notebook` and `coc shell`: SQL over every table in Jupyter and in DuckDB's own shell."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from coc_assets.commands.common import DONE, UsageError, require_store
from resources.settings import load_settings
from resources.sql import views_script
from resources.store import Store

_SHELL = "duckdb"


def run_notebook(options: argparse.Namespace) -> int:
    """Writes a notebook that reads the store, and opens it where asked to."""
    settings = load_settings(store=options.store)
    out: Path = options.out
    if not (options.open and out.exists()):
        require_store(settings)
        write_notebook(settings.store, out)
        print(f"{out} reads {settings.store}. Open it: coc notebook {out} --open")
    return _open_in_jupyter(out) if options.open else DONE


def write_notebook(store: Path, out: Path) -> None:
    """Writes the notebook; the store's path in it counts from the notebook's folder.

    Raises:
        UsageError: there is such a file, or its name does not end in .ipynb.
    """
    from coc_assets.prompt.notebook import notebook

    if out.suffix != ".ipynb":
        raise UsageError(f"A notebook's name ends in .ipynb; got {out}.")
    if out.exists():
        raise UsageError(f"{out} is there already, and may hold your work. Open it with --open, or name another.")
    out.parent.mkdir(parents=True, exist_ok=True)
    path = Path(os.path.relpath(store.absolute(), out.absolute().parent)).as_posix()
    out.write_text(json.dumps(notebook(path), indent=1, ensure_ascii=False) + "\n")


def _open_in_jupyter(out: Path) -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise UsageError(
            f"JupyterLab is not installed beside coc-assets. Install it: {sys.executable} -m pip install jupyterlab"
        )
    return subprocess.run([sys.executable, "-m", "jupyterlab", str(out)], check=False).returncode


def run_shell(options: argparse.Namespace) -> int:
    """Becomes the DuckDB shell, with the views made; or prints the statements that make them."""
    settings = load_settings(store=options.store)
    require_store(settings)
    script = views_script(Store(settings.store))
    if options.print:
        print(script, end="")
        return DONE
    shell = _shell()
    # In place of this process, so that Ctrl-C is the shell's alone.
    return os.execv(shell, [shell, "-cmd", script])


def _shell() -> str:
    """Path of the DuckDB shell: on the PATH, or beside this Python."""
    beside = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    shell = shutil.which(_SHELL, path=beside)
    if shell is None:
        raise UsageError(
            f"The DuckDB shell is not installed. Install it: {sys.executable} -m pip install duckdb-cli. "
            "Or print the views for one elsewhere: coc shell --print > views.sql; duckdb -init views.sql"
        )
    return shell
