"""From nothing to shards without a command: only the daemon runs, and files are copied into the dataset's folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coc_assets.stage import Workspace
from coc_assets.status import chunk_status
from resources.instance import prepare_instance
from resources.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
CHUNKS = ("0000", "0001", "0002")
_PATIENCE_S = 480
_LOOK_EVERY_S = 2.0


@contextmanager
def daemon(settings: Settings, home: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster-daemon run` in a session of its own, so that its processes end with it."""
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "COC_DATASET": str(settings.dataset),
        "COC_STORE": str(settings.store),
        "COC_ARRIVALS__SETTLE_S": "1",
    }
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(ROOT / "workspace.yaml")]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                with_suppressed_kill(process.pid)


def with_suppressed_kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def finished(workspace: Workspace) -> bool:
    return all(set(chunk_status(workspace, chunk).states.values()) == {"done"} for chunk in CHUNKS)


@pytest.mark.slow
def test_chunks_copied_into_the_folder_end_in_shards_with_only_the_daemon_running(tmp_path: Path) -> None:
    from coc_assets.sample.generate import generate

    made, dataset = tmp_path / "made", tmp_path / "dataset"
    generate(made, chunks=3, clips=3, video=False, defects=False)
    dataset.mkdir()
    settings = Settings(dataset=dataset, store=tmp_path / "store")
    home = prepare_instance(settings.store)
    with daemon(settings, home, tmp_path / "daemon.log") as process:
        shutil.copytree(made, dataset, dirs_exist_ok=True)
        patient_until = time.monotonic() + _PATIENCE_S
        while not finished(Workspace(settings)):
            said = (tmp_path / "daemon.log").read_text(errors="replace")[-4000:]
            assert process.poll() is None, f"the daemon ended:\n{said}"
            assert time.monotonic() < patient_until, f"no shards within {_PATIENCE_S} s:\n{said}"
            time.sleep(_LOOK_EVERY_S)
    for chunk in CHUNKS:
        assert chunk_status(Workspace(settings), chunk).count("training_shards", "samples") > 0
