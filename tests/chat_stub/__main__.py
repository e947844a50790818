"""The stub as a program."""

from __future__ import annotations

import argparse
import importlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chat_stub import PASSING, Answer, ChatStub, Faults


def _answers_at(place: str) -> Mapping[str, Answer]:
    """The mapping `module:NAME`."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="a stand-in for an OpenAI-compatible server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="of each answer, s")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that go wrong")
    parser.add_argument("--fault-names", default=",".join(PASSING), help="which faults, by commas")
    parser.add_argument("--most-faults", type=int, default=3, help="faults a key")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answers", type=_answers_at, help="module:NAME of a mapping from schema name to answer")
    parser.add_argument("--log", type=Path, help="gets a JSON line a chat request")
    given = parser.parse_args(arguments)
    faults = Faults(given.fault_names.split(","), given.faults, most_per_key=given.most_faults)
    rest = {"answers": given.answers, "keep_bodies": False, "port": given.port, "log": given.log}
    with ChatStub(given.latency, None, faults, given.seed, **rest) as stub:
        print(stub.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
