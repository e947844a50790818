"""What a release says of itself: counts, where its samples come from, and the sha256 of every file.

The manifest carries the hash of its own content, so that a changed byte in it shows like one in any other file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.filtered_coc.policy import load_policy
from coc_assets.training_shards.members import canonical_json
from coc_assets.training_shards.outcome import LABEL_VERSION
from resources.receipts import digest_of
from resources.settings import Settings, SettingsError
from resources.store import sha256_of_file

SCHEMA_VERSION = 1
CONTENT_HASH = "content_sha256"
"""Key of the manifest's hash of all its other content."""
COUNTED = ("longitudinal_decision", "lateral_decision", "labeler", "action", "scenario")

_SECTIONS = ("trajectory", "meta_actions", "keyframes", "videos", "labels", "filtering", "shards", "release")


class ManifestError(ValueError):
    """A manifest cannot be used; the message says what is wrong with it."""


def counts_of(samples: pl.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Samples by split, by what they are counted by, and by its values; `none` where a sample has none."""
    return {
        str(split): {name: _counts(of_split[name]) for name in COUNTED}
        for (split,), of_split in samples.sort("split").group_by("split", maintain_order=True)
    }


def splits_of(samples: pl.DataFrame, shards: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Samples, clips and shards of each split.

    Args:
        shards: facts by name, with `split` among them.
    """
    return {
        str(split): {
            "samples": of_split.height,
            "clips": of_split["clip_id"].n_unique(),
            "shards": sorted(name for name, facts in shards.items() if facts["split"] == split),
        }
        for (split,), of_split in samples.sort("split").group_by("split", maintain_order=True)
    }


def labels_of(samples: pl.DataFrame) -> list[dict[str, Any]]:
    """The versions that the labels come from, and how many samples each made."""
    return samples.group_by(LABEL_VERSION).agg(samples=pl.len()).sort(LABEL_VERSION, nulls_last=False).to_dicts()


def settings_told(settings: Settings) -> dict[str, Any]:
    """The settings that shape a set, and nothing of the machine: a file counts by its content, a policy by its version.

    Raises:
        SettingsError: the policy cannot be used, or a file that the settings name cannot be read.
    """
    told = {name: _plain(getattr(settings, name).model_dump()) for name in _SECTIONS}
    told["filtering"]["policy"] = load_policy(settings.filtering.policy).version
    return {"labeler": settings.labeler, **told}


def package_version() -> str:
    return version("coc-assets")


def sealed(content: Mapping[str, Any]) -> bytes:
    """The manifest's bytes, with the hash of its content."""
    return canonical_json({**content, CONTENT_HASH: _content_hash(content)})


def read_manifest(path: Path) -> dict[str, Any]:
    """A release's manifest, exactly as it was written.

    Raises:
        ManifestError: it cannot be read, is no release's, or is not as it was written.
    """
    try:
        data = path.read_bytes()
        content = json.loads(data)
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot be read ({error})") from None
    if not isinstance(content, dict) or CONTENT_HASH not in content:
        raise ManifestError("is no release's: it has no hash of its own content")
    said = content.pop(CONTENT_HASH)
    if said != _content_hash(content) or data != sealed(content):
        raise ManifestError("was changed since it was written: its content is not what its own hash says")
    return content


def _content_hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content)).hexdigest()


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(sorted(values.fill_null("none").value_counts().iter_rows()))


def _plain(value: Any) -> Any:
    """A value as JSON holds it; of a path what lies there."""
    if isinstance(value, Path):
        return {"sha256": _content_of(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held) for held in value]
    return value


def _content_of(path: Path) -> str:
    try:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            return digest_of({file.relative_to(path).as_posix(): sha256_of_file(file) for file in files})
        return sha256_of_file(path)
    except OSError as error:
        raise SettingsError(
            f"The settings name {path}, which cannot be read ({error.strerror}). Correct them."
        ) from None
