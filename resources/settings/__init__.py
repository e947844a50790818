"""Settings: one validated object, from flags before `COC_…` environment variables before a YAML file.

The file is `$COC_CONFIG`, else `coc.yaml` in the working directory where it exists. Environment variables nest with
`__` (`COC_KEYFRAMES__MODE=span_start`); lists and mappings are JSON there. Sections merge key by key, and a mapping
such as `shards.splits` is taken whole. Unknown keys are errors: a misspelt threshold must not silently keep its
default.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableVariable

from resources.settings.arrivals import ArrivalSettings
from resources.settings.filtering import FilterSettings
from resources.settings.keyframes import KeyframeSettings
from resources.settings.labels import LabelSettings
from resources.settings.meta_actions import MetaActionSettings
from resources.settings.models import SPELLINGS, ModelsSettings
from resources.settings.operate import OperateSettings
from resources.settings.quality import QualitySettings
from resources.settings.release import ReleaseSettings
from resources.settings.shards import ShardSettings
from resources.settings.trajdata import TrajdataSettings
from resources.settings.trajectory import TrajectorySettings
from resources.settings.videos import VideoSettings

HUMAN = "human"
"""Labeler of labels that people edited."""
_PREFIX = "COC_"
_NESTING = "__"
_NOT_SETTINGS = ("COC_CONFIG", "COC_SHARED_DATA", "COC_LABELING_MODEL_SERVER_IP")
"""Variables with the prefix that are read elsewhere."""
_MAPPING_WANTED = ("model_type", "model_attributes_type", "dict_type")


class SettingsError(ValueError):
    """The settings cannot be used; the message names the source, the key and the mend."""


class Settings(BaseSettings):
    """Everything that shapes a run; each section shapes one stage; `quality`, `arrivals` and `operate` shape none."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter=_NESTING,
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
    quality: QualitySettings = QualitySettings()
    shards: ShardSettings = ShardSettings()
    release: ReleaseSettings = ReleaseSettings()
    models: ModelsSettings = ModelsSettings()
    trajdata: TrajdataSettings = TrajdataSettings()
    arrivals: ArrivalSettings = ArrivalSettings()
    operate: OperateSettings = OperateSettings()

    @property
    def preferred_labelers(self) -> tuple[str, ...]:
        """Labelers whose labels become samples, the most preferred first; what people edited goes before the rest."""
        return self.shards.labelers or (HUMAN, self.labeler)

    @field_validator("labeler")
    @classmethod
    def _one_spelling(cls, labeler: str) -> str:
        """A model's files go by one alias, however it is spelt."""
        return SPELLINGS.get(labeler, labeler)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls), _ConfigFile(settings_cls, _read_config_file())


class _Environment(EnvSettingsSource):
    """The variables, with errors that name the one that cannot be read."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            raise SettingsError(_not_json(field_name, value)) from None


class _ConfigFile(InitSettingsSource):
    """The YAML file, less the mappings that a flag or a variable gives: those are not merged key by key."""

    def __call__(self) -> dict[str, Any]:
        return _less_given_mappings(Settings, super().__call__(), self.current_state)


def load_settings(**flags: Any) -> Settings:
    """The settings in force, flags first.

    Args:
        flags: top-level keys from the command line; `None` means not given.

    Raises:
        SettingsError: a key or variable is unknown, a variable is not the JSON that it must be, or a value is out of
            range.
    """
    _refuse_unknown_variables()
    try:
        return Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except UnreadableVariable as error:
        raise SettingsError(str(error.__cause__ or error)) from None


def config_file() -> Path | None:
    """The YAML file in force: `$COC_CONFIG`, else `coc.yaml` in the working directory, else none."""
    named = os.environ.get("COC_CONFIG")
    if named:
        return Path(named)
    return Path("coc.yaml") if Path("coc.yaml").is_file() else None


def settings_hash(shape: Any) -> str:
    """sha256 over the canonical JSON of whatever shapes a stage."""
    return hashlib.sha256(json.dumps(shape, sort_keys=True, default=str).encode()).hexdigest()


def describe(item: ErrorDetails) -> str:
    """What is wrong with one value, and the mend, in a clause that follows its key."""
    if item["type"] == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    if item["type"] == "missing":
        return "missing; add it"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    if item["type"] in _MAPPING_WANTED:
        return f"should hold keys and values, got {item['input']!r}"
    problem = re.sub(r", unable to parse .*", "", item["msg"].removeprefix("Input "))
    return f"{problem[:1].lower()}{problem[1:]}, got {item['input']!r}"


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


def _less_given_mappings(model: type[BaseModel], values: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in values.items():
        over = given.get(key)
        if isinstance(value, dict) and isinstance(over, dict):
            section = _section(model, key)
            if section is None:
                continue
            value = _less_given_mappings(section, value, over)
        kept[key] = value
    return kept


def _section(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    field = model.model_fields.get(key)
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _refuse_unknown_variables() -> None:
    for name in sorted(os.environ):
        if name.upper().startswith(_PREFIX) and name.upper() not in _NOT_SETTINGS:
            _refuse_if_unknown(name)


def _refuse_if_unknown(name: str) -> None:
    key, nested, rest = name[len(_PREFIX) :].partition(_NESTING)
    sections = [field for field in Settings.model_fields if _section(Settings, field)]
    known = sections if nested else list(Settings.model_fields)
    if key.lower() in known:
        return
    lack = f"no settings section; sections: {', '.join(sections)}" if nested else "no setting"
    near = difflib.get_close_matches(key.lower(), known, n=1)
    mend = f"Did you mean {_PREFIX}{near[0].upper()}{nested}{rest}?" if near else "Correct it or unset it."
    raise SettingsError(f"Environment variable {name} names {lack}. {mend} docs/settings.md lists every key.")


def _not_json(key: str, text: str) -> str:
    """Pydantic hands over only the last part of the variable's name, so that and the text find it again."""
    names = [
        name
        for name, value in sorted(os.environ.items())
        if value == text and name.upper().removeprefix(_PREFIX).split(_NESTING)[-1] == key.upper()
    ]
    name = names[0] if names else f"{_PREFIX}…{key.upper()}"
    return (
        f'Environment variable {name} holds {text!r}, which is not JSON. A list is written {name}=\'["a","b"]\', and a '
        f"mapping or a section {name}='{{\"a\":1}}'."
    )


def _explain(error: ValidationError) -> str:
    source = config_file()
    where = (
        f" ({source}, COC_… environment variables or flags)" if source else " (COC_… environment variables or flags)"
    )
    lines = [f"  {'.'.join(map(str, item['loc']))}: {describe(item)}" for item in error.errors()]
    return "\n".join([f"Settings are not usable{where}:", *lines, "docs/settings.md lists every key."])
