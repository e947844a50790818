"""How soon `dagster dev` is usable with as many partitions as a whole dataset has, beside an empty Dagster project.

Both are started alike, with the same settings of the instance, and asked in turn what the main pages ask. The empty
project has neither assets nor partitions, so that its figures are what any Dagster takes here and now.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coc_assets.bench.dagster_pages import page_seconds
from coc_assets.bench.tables import figures_table

if TYPE_CHECKING:
    from rich.table import Table

PARTITIONS = 3150
"""Chunks of the dataset."""
_PATIENCE_S = 300.0
_LOOK_EVERY_S = 0.1
_EMPTY_PROJECT = "import dagster as dg\n\ndefs = dg.Definitions()\n"
_READY = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
    __typename ... on PythonError { message } } } } } }"""
_CLIPS = '{path: ["clip_videos"]}'
QUERIES: Mapping[str, str] = {
    "graph": """{ assetNodes { id groupName kinds description dependencyKeys { path } assetKey { path } jobNames
        assetMaterializations(limit: 1) { timestamp runId }
        partitionStats { numMaterialized numMaterializing numPartitions numFailed } } }""",
    "partitions": "{ assetNodeOrError(assetKey: "
    + _CLIPS
    + """) { ... on AssetNode { partitionKeysByDimension { name partitionKeys }
        assetPartitionStatuses { ... on DefaultPartitionStatuses {
            materializedPartitions materializingPartitions failedPartitions } } } } }""",
    "runs": """{ runsFeedOrError(limit: 30, filter: {}, view: ROOTS) { ... on RunsFeedConnection {
        results { id runStatus creationTime startTime endTime jobName tags { key value } } } } }""",
}
"""What the asset graph, an asset's page of partitions and the page of runs ask, less what every page asks alike."""


@dataclass(frozen=True)
class Server:
    """A `dagster dev` that answers: seconds from its start until its code was loaded, and where it listens."""

    ready_s: float
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str) -> dict[str, Any]:
        """The answer's data.

        Raises:
            RuntimeError: GraphQL refuses the query.
        """
        answer = _post(self.port, query)
        if "errors" in answer:
            raise RuntimeError(f"The web server refused a query: {answer['errors']}")
        data: dict[str, Any] = answer["data"]
        return data

    def seconds(self, query: str) -> float:
        started = time.perf_counter()
        self.ask(query)
        return time.perf_counter() - started


def run_server_bench(partitions: int = PARTITIONS, repeat: int = 9, openings: int = 5) -> dict[str, object]:
    """Seconds until ready, and medians of each page and its query, ours beside the empty project's, fit for JSON.

    `usable_s`: until ready, and all the queries once. `ratio` compares these. Pages need a browser.

    Args:
        repeat: times that each query is asked, in turn; once more before that, untimed.
        openings: times that each page is opened in the browser, likewise.
    """
    with tempfile.TemporaryDirectory(prefix="coc-bench-") as folder:
        empty, ours = _empty_project(Path(folder) / "empty"), _our_project(Path(folder) / "ours", partitions)
        with serving(*empty) as baseline, serving(*ours) as server:
            pages = {
                name: [(server.seconds(query), baseline.seconds(query)) for _ in range(repeat + 1)][1:]
                for name, query in QUERIES.items()
            }
            opened = page_seconds(baseline.address, server.address, partitions, openings)
    medians = {name: tuple(map(statistics.median, zip(*asked, strict=True))) for name, asked in pages.items()}
    usable = server.ready_s + sum(mine for mine, _ in medians.values())
    usable_empty = baseline.ready_s + sum(theirs for _, theirs in medians.values())
    return {
        "partitions": partitions,
        "ready_s": round(server.ready_s, 2),
        "empty_ready_s": round(baseline.ready_s, 2),
        **{f"{name}_ms": round(mine * 1e3, 1) for name, (mine, _) in medians.items()},
        **{f"empty_{name}_ms": round(theirs * 1e3, 1) for name, (_, theirs) in medians.items()},
        "usable_s": round(usable, 2),
        "ratio": round(usable / usable_empty, 2),
        **{f"page_{name}_s": round(mine, 2) for name, (mine, _) in opened.items()},
        **{f"page_{name}_ratio": round(mine / theirs, 2) for name, (mine, theirs) in opened.items()},
    }


def server_table(figures: Mapping[str, object]) -> Table:
    """The figures for a terminal, a row each."""
    return figures_table("dagster dev with every chunk registered, and an empty project", figures)


def _empty_project(folder: Path) -> tuple[Path, list[str], dict[str, str]]:
    """Its instance folder, what `dagster dev` is to load, and variables."""
    from resources.instance import prepare_instance

    home = prepare_instance(folder)
    (folder / "definitions.py").write_text(_EMPTY_PROJECT)
    return home, ["-f", str(folder / "definitions.py")], {}


def _our_project(store: Path, partitions: int) -> tuple[Path, list[str], dict[str, str]]:
    from coc_assets.instances import open_instance

    with open_instance(store) as instance:
        instance.add_dynamic_partitions("chunks", [f"{chunk:04d}" for chunk in range(partitions)])
        home = Path(instance.root_directory)
    return home, ["-m", "coc_assets.definitions"], {"COC_STORE": str(store)}


@contextlib.contextmanager
def serving(home: Path, target: Sequence[str], variables: Mapping[str, str]) -> Iterator[Server]:
    """`dagster dev` on a free port, in a session of its own, until the block ends.

    Args:
        home: the instance folder. target: what it loads, as `dagster dev` takes it.
        variables: besides those of this process.

    Raises:
        RuntimeError: its code does not load, or it ends before it is ready.
    """
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", *target, "-h", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, **variables, "DAGSTER_HOME": str(home)}
    with (home / "dev.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True)
        try:
            yield Server(_until_ready(process, port, home / "dev.log"), port)
        finally:
            _end(process)


def _until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> float:
    started = time.perf_counter()
    while (waited := time.perf_counter() - started) < _PATIENCE_S:
        if process.poll() is not None:
            raise RuntimeError(f"dagster dev ended: {log.read_text()[-2000:]}")
        with contextlib.suppress(OSError, KeyError):
            entries = _post(port, _READY)["data"]["workspaceOrError"]["locationEntries"]
            loaded = [entry["locationOrLoadError"] for entry in entries]
            if loaded and all(loaded):
                _require_loaded(loaded)
                return waited
        time.sleep(_LOOK_EVERY_S)
    raise RuntimeError(f"dagster dev was not ready within {_PATIENCE_S:.0f} s: {log.read_text()[-2000:]}")


def _require_loaded(locations: Sequence[Mapping[str, str]]) -> None:
    for location in locations:
        if location["__typename"] == "PythonError":
            raise RuntimeError(f"The code does not load: {location['message']}")


def _post(port: int, query: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
        said: dict[str, Any] = json.load(answer)
    return said


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Has it stop its own processes, and ends its session where it does not."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
