"""A store whose runs are kept in a real Postgres: commands, and the services of compose.yaml as processes.

Skipped where Postgres is not installed; with REQUIRE_POSTGRES set that is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from coc_assets.bench.dagster_server import free_port
from coc_assets.cli import main
from coc_assets.collecting.collect import collect
from coc_assets.instances import OWNER_TAG, open_instance
from coc_assets.stages import STAGES
from resources.receipts import read_receipt
from resources.settings import Settings
from resources.store import Store

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
WAIT_S = 240.0
GRACE_S = 30.0
USER = {"user": "postgres"} if os.geteuid() == 0 else {}  # Postgres refuses to run as root


def wait_for(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < deadline, f"{what} took longer than {WAIT_S} s"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder of Postgres' programs; Debian keeps them off PATH."""
    on_path = shutil.which("initdb")
    found = [*([Path(on_path).resolve().parent] if on_path else []), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    if not found:
        if os.environ.get("REQUIRE_POSTGRES"):
            pytest.fail("REQUIRE_POSTGRES is set and Postgres is not installed: apt-get install postgresql")
        pytest.skip("no Postgres: apt-get install postgresql")
    return found[-1]


@pytest.fixture(scope="module")
def postgres_url(programs: Path) -> Iterator[str]:
    """A database of this module's own."""
    with tempfile.TemporaryDirectory(prefix="coc-postgres-") as folder:
        if USER:
            shutil.chown(folder, "postgres")
        data, port = f"{folder}/data", free_port()
        make = [programs / "initdb", "-D", data, "-U", "coc", "-A", "trust", "--no-sync"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=folder, **USER)
        command = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "fsync=off"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder, **USER) as server:
            try:
                ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-d", "postgres"]
                wait_for(lambda: subprocess.run(ready).returncode == 0, "Postgres")
                yield f"postgresql+psycopg2://coc@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Path:
    from coc_assets.sample.generate import generate

    root = tmp_path_factory.mktemp("sample") / "dataset"
    generate(root, chunks=2, clips=1, video=False, defects=False)
    return root


@contextmanager
def services(environ: Mapping[str, str], names: Sequence[str], folder: Path) -> Iterator[dict[str, list[str]]]:
    """The services' commands as compose.yaml has them, a process each, at other ports; yields their health checks."""
    ports = {"4000": str(free_port()), "3000": str(free_port())}
    (folder / "workspace.grpc.yaml").write_text(_moved((ROOT / "workspace.grpc.yaml").read_text(), ports))
    checks = {}
    with ExitStack() as running:
        for name in names:
            command = [_moved(word, ports) for word in SERVICES[name]["command"]]
            log = running.enter_context((folder / f"{name}.log").open("wb"))
            process = running.enter_context(
                subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT)
            )
            running.callback(_stop, process)
            _, *check = SERVICES[name]["healthcheck"]["test"]
            checks[name] = [_moved(word, ports) for word in check]
            wait_for(lambda check=checks[name]: _passes(check, environ), f"{name} (see {folder}/{name}.log)")
        yield checks


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As a container is stopped: asked to end, and killed where it has not within its time of grace."""
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _moved(text: str, ports: Mapping[str, str]) -> str:
    for port, other in ports.items():
        text = text.replace(port, other)
    return text.replace("host: code", "host: localhost").replace("0.0.0.0", "127.0.0.1")


def _passes(check: Sequence[str], environ: Mapping[str, str]) -> bool:
    return subprocess.run(check, env=environ, capture_output=True).returncode == 0


def test_commands_and_services_over_postgres(
    dataset: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("DAGSTER_HOME", str(store / ".dagster"))
    assert main(["run", "--dataset", str(dataset), "--store", str(store), "--chunks", "0"]) == 0
    assert not (store / ".dagster/history").exists(), "runs are in Postgres, not in SQLite"
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COC_DATASET": str(dataset),
        "COC_STORE": str(store),
        "COC_ARRIVALS__SETTLE_S": "0",
        "COC_OPERATE__LOG_FILE": "true",
    }
    with services(environ, ["code", "daemon", "web"], tmp_path) as checks:
        # The daemon alone: its sensor registers the other chunk and asks for a run, which the code server executes.
        wait_for(lambda: _is_done(store, "0001"), f"the run of chunk 0001 (see {tmp_path}/daemon.log)")
        server = (
            next(word for word in checks["web"] if "server_info" in word).split("'")[1].removesuffix("/server_info")
        )
        runs = _asked(server, "{ runsOrError { ... on Runs { results { jobName status tags { key value } } } } }")
    by_owner = {any(tag["key"] == OWNER_TAG for tag in run["tags"]): run for run in runs["runsOrError"]["results"]}
    assert by_owner[True]["status"] == "SUCCESS"
    assert by_owner[False]["jobName"] == "label_chunk"
    told = [json.loads(line) for path in (store / "logs").iterdir() for line in path.read_text().splitlines()]
    assert [line["runs"] for line in told if line["event"] == "sensor"] == [1]
    assert {line["stage"] for line in told if line.get("chunk") == "0001"} == {stage.name for stage in STAGES}
    for log in ("code", "daemon", "web"):
        _require_json(tmp_path / f"{log}.log")


def test_old_runs_go_from_postgres_and_partitions_stay_made(
    dataset: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url)
    arguments = ["--dataset", str(dataset), "--store", str(store), "--chunks", "0", "--select", "trajectory_cache"]
    for _ in range(3):
        assert main(["run", *arguments, "--force"]) == 0
    with open_instance(store) as instance:
        before = instance.get_materialized_partitions(_key("trajectory_cache"))
        found = collect(Settings(store=store), instance, now=datetime.now(UTC) + timedelta(days=31))
        assert found.runs >= 2
        assert instance.get_materialized_partitions(_key("trajectory_cache")) == before


def _key(asset: str):
    import dagster as dg

    return dg.AssetKey(asset)


def _is_done(store: Path, chunk: str) -> bool:
    receipt = read_receipt(Store(store), STAGES[-1].name, chunk)
    return receipt is not None and receipt.status == "done" and bool(receipt.checks)


def _asked(server: str, query: str) -> dict:
    request = urllib.request.Request(
        f"{server}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())["data"]


def _require_json(log: Path) -> None:
    """Dagster's own lines are JSON too; uvicorn's start and warnings of libraries are not its lines."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    assert lines or log.stat().st_size == 0, f"{log} holds no JSON line"
    for line in lines:
        json.loads(line)
