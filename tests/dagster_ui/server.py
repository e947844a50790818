"""Dagster's web server, without a daemon, on a store: started in a session of its own and stopped for good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from coc_assets.bench.dagster_server import free_port

ROOT = Path(__file__).resolve().parents[2]
START_S, STOP_S = 180.0, 20.0


@contextmanager
def dagster_ui(
    dataset: Path,
    store: Path,
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The address of a server over the store and its Dagster instance, up for as long as the context is open.

    Args:
        environment: more variables, e.g. settings as `COC_…`.

    Raises:
        RuntimeError: it ended or did not answer; the message holds what it said.
    """
    port = free_port()
    home = store / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    said = home / f"ui-{port}.log"
    variables = {
        "COC_DATASET": str(dataset),
        "COC_STORE": str(store),
        "DAGSTER_HOME": str(home),
        **(environment or {}),
    }
    arguments = [sys.executable, "-m", "dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    with said.open("w") as log:
        process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(f"{address}/server_info", process, said)
        yield address
    finally:
        _stop(process)


def _wait_until_up(address: str, process: subprocess.Popen[bytes], said: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"Dagster ended with {process.returncode}:\n{said.read_text()[-4000:]}")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"Dagster did not answer at {address} within {START_S:g} s:\n{said.read_text()[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the server and the processes that it started: its whole session, and by force what stays."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait(STOP_S)
