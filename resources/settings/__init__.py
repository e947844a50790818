"""Settings: one validated object, from flags before `COC_…` environment variables before a YAML file.

The file is `$COC_CONFIG`, else `coc.yaml` in the working directory where it exists. Environment variables nest with
`__` (`COC_KEYFRAMES__MODE=span_start`). Unknown keys are errors: a misspelt threshold must not silently keep its
default.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from resources.settings.filtering import FilterSettings
from resources.settings.keyframes import KeyframeSettings
from resources.settings.labels import LabelSettings
from resources.settings.meta_actions import MetaActionSettings
from resources.settings.shards import ShardSettings
from resources.settings.trajdata import TrajdataSettings
from resources.settings.trajectory import TrajectorySettings
from resources.settings.videos import VideoSettings

_PREFIX = "COC_"
_NESTING = "__"


class SettingsError(ValueError):
    """The settings cannot be used; the message names the source, the key and the mend."""


class Settings(BaseSettings):
    """Everything that shapes a run; each section shapes one stage."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter=_NESTING,
        nested_model_default_partial_update=True,
        extra="forbid",
        frozen=True,
    )

    dataset: Path | None = Field(None, description="root of the dataset (PhysicalAI-AV layout)")
    store: Path = Field(Path("store"), description="folder that holds every table, segment and shard")
    labeler: str = Field("rules", description="labeler of raw_coc: rules, or a model alias")
    trajectory: TrajectorySettings = TrajectorySettings()
    meta_actions: MetaActionSettings = MetaActionSettings()
    keyframes: KeyframeSettings = KeyframeSettings()
    videos: VideoSettings = VideoSettings()
    labels: LabelSettings = LabelSettings()
    filtering: FilterSettings = FilterSettings()
    shards: ShardSettings = ShardSettings()
    trajdata: TrajdataSettings = TrajdataSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, _read_config_file())


def load_settings(**flags: Any) -> Settings:
    """The settings in force, flags first.

    Args:
        flags: top-level keys from the command line; `None` means not given.

    Raises:
        SettingsError: a key is unknown or a value is out of range.
    """
    _refuse_unknown_variables()
    try:
        return Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


def config_file() -> Path | None:
    """The YAML file in force: `$COC_CONFIG`, else `coc.yaml` in the working directory, else none."""
    named = os.environ.get("COC_CONFIG")
    if named:
        return Path(named)
    return Path("coc.yaml") if Path("coc.yaml").is_file() else None


def settings_hash(shape: Any) -> str:
    """sha256 over the canonical JSON of whatever shapes a stage."""
    return hashlib.sha256(json.dumps(shape, sort_keys=True, default=str).encode()).hexdigest()


def _read_config_file() -> dict[str, Any]:
    path = config_file()
    if path is None:
        return {}
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        raise SettingsError(f"$COC_CONFIG names {path}, which does not exist. Correct it or unset it.") from None
    except yaml.YAMLError as error:
        raise SettingsError(
            f"{path} is not valid YAML: {error}. Correct it; docs/settings.md lists every key."
        ) from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold keys and values, not {type(values).__name__}.")
    return values


def _refuse_unknown_variables() -> None:
    for name in sorted(os.environ):
        section, nested, _ = name.removeprefix(_PREFIX).partition(_NESTING)
        if name.startswith(_PREFIX) and nested and section.lower() not in Settings.model_fields:
            raise SettingsError(f"Environment variable {name} names no settings section; sections: {_sections()}.")


def _sections() -> str:
    return ", ".join(name for name, field in Settings.model_fields.items() if hasattr(field.annotation, "model_fields"))


def _explain(error: ValidationError) -> str:
    source = config_file()
    where = (
        f" ({source}, COC_… environment variables or flags)" if source else " (COC_… environment variables or flags)"
    )
    lines = [f"  {'.'.join(map(str, item['loc']))}: {_mend(item)}" for item in error.errors()]
    return "\n".join([f"Settings are not usable{where}:", *lines, "docs/settings.md lists every key."])


def _mend(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    return f"{item['msg']}, got {item['input']!r}"
