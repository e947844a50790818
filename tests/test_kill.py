"""A run killed anywhere, then run again, ends in the same store as an undisturbed one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from coc_assets.cli import ASSETS, main
from resources.receipts import read_receipt
from resources.store import Store
from tests.tree import tree

Moment = Literal["half written", "before rename", "after rename"]
MOMENTS: tuple[Moment, ...] = ("half written", "before rename", "after rename")


def run_killed_at(dataset: Path, store: Path, name: str, moment: Moment) -> None:
    """In a process of its own: `coc run`, killed when it first publishes the named file."""
    publish = Store.publish

    @contextmanager
    def deadly(self: Store, path: Path) -> Iterator[Path]:
        due = path == store / name
        with publish(self, path) as temporary:
            if due and moment == "half written":
                temporary.write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            yield temporary
            if due and moment == "before rename":
                os.kill(os.getpid(), signal.SIGKILL)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)

    Store.publish = deadly  # type: ignore[method-assign]
    raise SystemExit(main(["run", "--dataset", str(dataset), "--store", str(store)]))


def in_process(target: Callable[..., None], *arguments: object) -> int | None:
    """Exit code of a fresh process; the fork server has the imports done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["coc_assets.definitions", "coc_assets.meta_actions.spans", "tests.test_kill"])
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join()
    return process.exitcode


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from coc_assets.sample.generate import generate

    root = tmp_path_factory.mktemp("sample") / "dataset"
    generate(root, chunks=1, clips=1)
    return root


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    assert main(["run", "--dataset", str(dataset), "--store", str(store)]) == 0
    return tree(store)


def resume(dataset: Path, store: Path) -> dict[str, str]:
    assert main(["run", "--dataset", str(dataset), "--store", str(store)]) == 0
    return tree(store)


def published_by(dataset: Path, store: Path) -> list[str]:
    """The files that an undisturbed run publishes, each once, in order."""
    names: list[str] = []
    publish = Store.publish

    def noting(self: Store, path: Path) -> object:
        names.append(path.relative_to(store).as_posix())
        return publish(self, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "publish", noting)
        assert main(["run", "--dataset", str(dataset), "--store", str(store)]) == 0
    return list(dict.fromkeys(names))


def test_a_run_killed_at_each_stage_boundary_continues_to_the_same_store(
    dataset: Path, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    for asset in ASSETS:
        receipt = f"{asset}/chunk=0000/receipt.json"
        assert in_process(run_killed_at, dataset, store, receipt, "after rename") == -signal.SIGKILL
        assert read_receipt(Store(store), asset, "0000") is not None
    assert resume(dataset, store) == undisturbed


@pytest.mark.slow
def test_a_run_killed_inside_any_writer_continues_to_the_same_store(
    dataset: Path, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    names = published_by(dataset, tmp_path / "noting")
    assert {name.split("/")[0] for name in names} == set(ASSETS)
    for number, name in enumerate(names):
        moment = MOMENTS[number % len(MOMENTS)]
        store = tmp_path / f"store-{number}"
        assert in_process(run_killed_at, dataset, store, name, moment) == -signal.SIGKILL, name
        assert resume(dataset, store) == undisturbed, f"killed {moment} of {name}"
