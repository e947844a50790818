"""Dataset roots in the PhysicalAI-AV layout: where each chunk's files lie. Nothing is parsed here but the listings.

`features.csv` decides names and places; where it is missing, or lacks a feature, the layout of NVIDIA's release does.
"""

from __future__ import annotations

import csv
import json
import re
import string
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from resources.archives import Archive
from resources.faults import may_pass

EGOMOTION = "egomotion"
OBSTACLES = "obstacle.offline"
VIDEO, FRAME_TIMESTAMPS = "video", "frame_timestamps"  # the aliases of a camera's members

SAMPLE_MARK = "sample.json"  # `coc sample` leaves it at the root of what it generated
_INDEX_FILE = "clip_index.parquet"
_PRESENCE_FILES = ("metadata/feature_presence.parquet", "metadata/sensor_presence.parquet")  # present and older name
_INDEX_SCHEMA = pl.Schema({"clip_id": pl.String, "chunk": pl.String, "split": pl.String, "clip_is_valid": pl.Boolean})
_FileState = tuple[int, int] | None  # mtime and size; None where there is no file
_UNNAMED_INDEX = "__index_level_0__"  # pandas' name for an index that has none


class DatasetError(Exception):
    """The dataset as a whole cannot be used; the message names the path and the mend."""


@dataclass(frozen=True)
class FeatureFiles:
    """Where one feature lies.

    Attributes:
        chunk_path: path below the root with `{chunk_id}`, a number, to be formatted in.
        members: in a zip, member names with `{clip_id}`, by alias; empty for features that are no zips.
    """

    chunk_path: str
    members: Mapping[str, str]

    def path(self, chunk: str) -> str:
        return self.chunk_path.format(chunk_id=int(chunk))

    def member(self, alias: str) -> str | None:
        """The name behind an alias; a feature of one member has it under any."""
        only = next(iter(self.members.values())) if len(self.members) == 1 else None
        return self.members.get(alias, only)

    @property
    def folder(self) -> str:
        """The folder of its chunks' files, below the root."""
        return Path(self.chunk_path).parent.as_posix()

    def chunk_of(self, name: str) -> str | None:
        """The chunk, four digits, whose file has that name in the folder; None for a file of another kind."""
        match = self.chunk_pattern().fullmatch(name)
        return f"{int(match['chunk']):04d}" if match else None

    def chunk_pattern(self) -> re.Pattern[str]:
        """Matches the file names that `path` gives, with the chunk's number as the one group that matters."""
        pattern = ""
        for text, variable, _, _ in string.Formatter().parse(Path(self.chunk_path).name):
            pattern += re.escape(text) + ("(?P<chunk>[0-9]+)" if variable and "?P<chunk>" not in pattern else "")
        return re.compile(pattern)


class DatasetRoot:
    """A folder in the PhysicalAI-AV layout, of which any chunks and features can be on disk.

    Making one reads nothing. Listings are read when first asked for, and again when their file changes.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._listings: dict[Path, tuple[_FileState, pl.DataFrame]] = {}
        self._joined: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame] | None = None

    def chunks(self) -> list[str]:
        """Ids of the chunks whose egomotion archive is on disk, four digits, sorted.

        Raises:
            DatasetError: the root is missing or holds no such archive.
        """
        self.require()
        files = self.layout(EGOMOTION)
        folder = self.path / files.folder
        names = (entry.name for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else ()
        found = {chunk for name in names if (chunk := files.chunk_of(name))}
        if not found:
            raise DatasetError(
                f"{self.path} holds no chunk: there is no {files.chunk_path}. "
                "Name the dataset's root (--dataset or COC_DATASET), mirror those files, or generate a sample: "
                "coc sample --out DIR"
            )
        return sorted(found)

    @property
    def is_sample(self) -> bool:
        """Whether this is a dataset that `coc sample` generated."""
        return (self.path / SAMPLE_MARK).is_file()

    @property
    def index_path(self) -> Path:
        """Where the clip index lies, or would."""
        return self.path / _INDEX_FILE

    @property
    def presence_path(self) -> Path:
        """Where the list of each clip's features lies, or would; older datasets have it under another name."""
        files = [self.path / name for name in _PRESENCE_FILES]
        return next((file for file in files if file.is_file()), files[0])

    @property
    def has_index(self) -> bool:
        return self.index_path.is_file()

    def clip_index(self) -> pl.DataFrame:
        """The dataset's clips: clip_id, chunk (four digits), split, clip_is_valid; no rows where it is not on disk.

        Raises:
            DatasetError: the file is there but is no clip index.
        """
        return self._listing(self.index_path, _read_index, _INDEX_SCHEMA)

    def feature_presence(self) -> pl.DataFrame:
        """Which features the dataset says each clip has: clip_id and a bool column a feature; no rows without the file.

        Raises:
            DatasetError: the file is there but cannot be read.
        """
        return self._listing(self.presence_path, _read_presence, pl.Schema({"clip_id": pl.String}))

    def index_rows(self, chunk: str) -> pl.DataFrame:
        """All that the listings say of a chunk's clips, in index order: equal content gives equal frames."""
        index, presence = self.clip_index(), self.feature_presence()
        if self._joined is None or self._joined[0] is not index or self._joined[1] is not presence:
            self._joined = (index, presence, index.join(presence, on="clip_id", how="left", maintain_order="left"))
        return self._joined[2].filter(pl.col("chunk") == chunk)

    def layout(self, feature: str) -> FeatureFiles:
        """Where the files of a feature lie, by `features.csv` or as NVIDIA released them."""
        return self._features.get(feature) or _released_layout(feature)

    def archive_path(self, feature: str, chunk: str) -> Path:
        """Where a chunk's file of a feature lies, or would."""
        return self.path / self.layout(feature).path(chunk)

    def open_archive(self, feature: str, chunk: str) -> Archive:
        """A chunk's archive of a feature.

        Raises:
            FileNotFoundError: it is not on disk.
        """
        return Archive(self.archive_path(feature, chunk))

    def member_name(self, feature: str, alias: str, clip_id: str) -> str:
        """Name of a clip's member in a feature's archive."""
        return self._member_template(feature, alias).replace("{clip_id}", clip_id)

    def clip_ids_of(self, members: Iterable[str], feature: str, alias: str) -> list[str]:
        """Clips that have a member of this kind among the names, in the order of the names."""
        before, _, after = self._member_template(feature, alias).partition("{clip_id}")
        pattern = re.compile(f"{re.escape(before)}([^/]+?){re.escape(after)}")
        return [match[1] for match in map(pattern.fullmatch, members) if match]

    def input_files(self, chunk: str, features: Collection[str]) -> list[Path]:
        """The chunk's files of these features that are on disk, in the order of the features."""
        return [path for path in (self.archive_path(feature, chunk) for feature in features) if path.is_file()]

    def relative(self, path: Path) -> str:
        """A path below the root as tables and receipts have it."""
        return path.relative_to(self.path).as_posix()

    @cached_property
    def _features(self) -> dict[str, FeatureFiles]:
        file = self.path / "features.csv"
        return _read_features(file) if file.is_file() else {}

    def _member_template(self, feature: str, alias: str) -> str:
        template = self.layout(feature).member(alias) or _released_layout(feature).member(alias)
        if template is None:
            raise KeyError(f"Feature {feature!r} has no member {alias!r}; features.csv names {self.layout(feature)}.")
        return template

    def require(self) -> None:
        """Raises:
        DatasetError: the root is no folder.
        """
        if not self.path.is_dir():
            raise DatasetError(
                f"The dataset root {self.path} is not a folder. Correct --dataset or COC_DATASET, "
                f"or generate a sample there: coc sample --out {self.path}"
            )

    def _listing(self, file: Path, read: Callable[[Path], pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
        state = _state(file)
        if file not in self._listings or self._listings[file][0] != state:
            self._listings[file] = (state, read(file) if state else pl.DataFrame(schema=schema))
        return self._listings[file][1]


def _state(file: Path) -> _FileState:
    if not file.is_file():
        return None
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size


def _released_layout(feature: str) -> FeatureFiles:
    if feature.startswith("camera_") and feature != "camera_intrinsics":
        members = {VIDEO: f"{{clip_id}}.{feature}.mp4", FRAME_TIMESTAMPS: f"{{clip_id}}.{feature}.timestamps.parquet"}
        return FeatureFiles(f"camera/{feature}/{feature}.chunk_{{chunk_id:04d}}.zip", members)
    if feature in (EGOMOTION, OBSTACLES):
        members = {feature: f"{{clip_id}}.{feature}.parquet"}
        return FeatureFiles(f"labels/{feature}/{feature}.chunk_{{chunk_id:04d}}.zip", members)
    return FeatureFiles(f"calibration/{feature}/{feature}.chunk_{{chunk_id:04d}}.parquet", {})


def _read_features(file: Path) -> dict[str, FeatureFiles]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return {row["feature"]: _feature_of_row(row, file.parent) for row in csv.DictReader(lines)}
    except (KeyError, ValueError, AttributeError, IndexError, csv.Error) as error:
        raise DatasetError(
            f"{file} lists no features ({type(error).__name__}: {error}). It needs the columns feature, directory, "
            "chunk_path (with {chunk_id}) and clip_files_in_zip (JSON). Fetch it again, or remove it if the files lie "
            "as NVIDIA released them."
        ) from error


def _feature_of_row(row: dict[str, str], root: Path) -> FeatureFiles:
    members = json.loads(row["clip_files_in_zip"]) if row.get("clip_files_in_zip") else {}
    if not isinstance(members, dict):
        raise ValueError(f"clip_files_in_zip of {row['feature']!r} is {members!r}")
    files = FeatureFiles(row["chunk_path"], members)
    files.path("0")  # a broken format string shows here, with its file at hand
    below = Path(row.get("directory") or ".") / row["chunk_path"]
    # The path counts from the root; lists that count it from the directory are told by what is on disk.
    if not (root / row["chunk_path"]).parent.is_dir() and (root / below).parent.is_dir():
        return FeatureFiles(below.as_posix(), members)
    return files


def _read_index(file: Path) -> pl.DataFrame:
    frame = _read_listing(file)
    if missing := {"clip_id", "chunk"} - set(frame.columns):
        raise DatasetError(f"{file} lacks the columns {sorted(missing)}, it has {frame.columns}; fetch it again.")
    optional = [name for name in ("split", "clip_is_valid") if name in frame.columns]
    chunk = pl.col("chunk").cast(pl.Int64).cast(pl.String).str.zfill(4)
    rows = frame.select("clip_id", chunk, *optional).with_columns(
        pl.lit(None).alias(name) for name in ("split", "clip_is_valid") if name not in optional
    )
    whole = rows.select(pl.col(name).cast(dtype) for name, dtype in _INDEX_SCHEMA.items())
    return whole.filter(pl.col("clip_id").is_not_null()).unique(["chunk", "clip_id"], keep="first", maintain_order=True)


def _read_presence(file: Path) -> pl.DataFrame:
    frame = _read_listing(file)
    if "clip_id" not in frame.columns:
        raise DatasetError(f"{file} has no index clip_id, it has {frame.columns}; fetch it again.")
    features = sorted(name for name, dtype in frame.schema.items() if dtype == pl.Boolean)
    rows = frame.select(pl.col("clip_id").cast(pl.String), *features)
    return rows.unique("clip_id", keep="first", maintain_order=True)


def _read_listing(file: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(file, hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        if may_pass(error):
            raise
        raise DatasetError(f"{file} cannot be read as Parquet ({error}); fetch it again.") from error
    return frame.rename({_UNNAMED_INDEX: "clip_id"}) if _UNNAMED_INDEX in frame.columns else frame
