"""A place where chunk files arrive, with a clock that the test sets."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import fsspec

from coc_assets.arrivals.fetching import arrived
from coc_assets.arrivals.look import Look, look
from coc_assets.arrivals.memory import Memory
from coc_assets.arrivals.patience import Patience
from coc_assets.stage import Workspace
from resources.settings import Settings
from resources.settings.arrivals import ArrivalSettings
from tests.resources.pai_files import CAMERA, clip_id, zipped

Kind = Literal["folder", "file://", "memory://"]
KINDS: tuple[Kind, ...] = ("folder", "file://", "memory://")
SETTLE_S = 30.0


@dataclass
class Scene:
    """Files at a URL, the workspace that watches them, and the memory that goes from look to look."""

    url: str
    workspace: Workspace
    memory: Memory = field(default_factory=Memory)
    busy: frozenset[str] = frozenset()
    patience: Patience = lambda: True

    def put(self, feature: str, chunk: int, content: bytes | None = None) -> str:
        """Writes a chunk's archive of a feature, whole unless its content is given; returns its path."""
        path = archive(feature, chunk)
        with fsspec.open(f"{self.url}/{path}", "wb", auto_mkdir=True) as file:
            file.write(whole(feature, chunk) if content is None else content)
        return path

    def remove(self, feature: str, chunk: int) -> None:
        system, root = fsspec.core.url_to_fs(self.url)
        system.rm(f"{root}/{archive(feature, chunk)}")

    def look(self, now: float) -> Look:
        place, found = arrived(self.workspace)
        seen = look(self.workspace, place, found, self.memory, now, lambda: self.busy, self.patience)
        self.memory = seen.memory
        return seen

    def asked(self, now: float) -> list[str]:
        return [asked.chunk for asked in self.look(now).asked]

    def settle(self, now: float) -> Look:
        """Looks twice, the second time when what the first saw has settled."""
        self.look(now)
        return self.look(now + SETTLE_S)


def scene(kind: Kind, folder: Path, *, runs_a_tick: int = 200) -> Scene:
    root = f"/{uuid.uuid4().hex}" if kind == "memory://" else f"{folder}/there"
    url = f"{'memory' if kind == 'memory://' else 'file'}://{root}"
    watched = None if kind == "folder" else url
    arrivals = ArrivalSettings(url=watched, settle_s=SETTLE_S, runs_a_tick=runs_a_tick)
    dataset = Path(root) if kind == "folder" else folder / "here"
    return Scene(url, Workspace(Settings(dataset=dataset, store=folder / "store", arrivals=arrivals)))


def archive(feature: str, chunk: int) -> str:
    group = "camera" if feature == CAMERA else "labels"
    return f"{group}/{feature}/{feature}.chunk_{chunk:04d}.zip"


def whole(feature: str, chunk: int, kind: str = "parquet") -> bytes:
    return zipped({f"{clip_id(chunk)}.{feature}.{kind}": bytes(range(256)) * 20})


def chunks_of(look: Look) -> Sequence[str]:
    return [asked.chunk for asked in look.asked]
