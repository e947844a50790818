"""The vLLM test environment: where it is, what it is told, and a server in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
MODEL = "tiny"
_PATH = (ROOT, ROOT / "tests" / "vllm" / "cpu_path")
_OWN = {
    "PYTHONPATH": os.pathsep.join(map(str, _PATH)),
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG")
_FLAGS = {
    "--max-model-len": "8192",
    "--max-num-seqs": "4",
    "--limit-mm-per-prompt": json.dumps({"image": 16, "video": 1}),
    "--media-io-kwargs": json.dumps({"video": {"fps": 2, "num_frames": -1}}),
    "--structured-outputs-config": json.dumps({"backend": "guidance", "disable_any_whitespace": True}),
}
_READY_S, _LEAVE_S = 600, 60


def environment():
    """Of a process in the test environment: nothing of the user's settings or keys, and no model hub."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | _OWN


def run(log, *arguments):
    """The standard output of a Python in the test environment, its complaints in a file."""
    with log.open("w") as complaints:
        done = subprocess.run(
            [PYTHON, *arguments], env=environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=complaints, text=True
        )
    assert done.returncode == 0, f"{arguments}:\n{tail(log)}"
    return done.stdout


@contextlib.contextmanager
def server(model_folder, media_folder, log):
    """A vLLM server that may read the files of one folder; its base URL.

    Raises:
        AssertionError: it does not come up; with the end of its log.
    """
    port = _free_port()
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", model_folder, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--served-model-name", MODEL, "--allowed-local-media-path", media_folder]
    command += ["--enable-prompt-tokens-details", "--enforce-eager", "--dtype", "float32"]
    command += [word for flag in _FLAGS.items() for word in flag]
    with log.open("w") as written:
        process = subprocess.Popen(
            command, env=environment(), cwd=ROOT, stdout=written, stderr=written, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _end(process)


def tail(log):
    return log.read_text(errors="replace")[-4000:]


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait(url, process, log):
    deadline = time.monotonic() + _READY_S
    while not _answers(url):
        assert process.poll() is None, f"the server ended with {process.returncode}:\n{tail(log)}"
        assert time.monotonic() < deadline, f"no server at {url} after {_READY_S} s:\n{tail(log)}"
        time.sleep(0.5)


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _end(process):
    """Ends the server and the processes that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LEAVE_S)
