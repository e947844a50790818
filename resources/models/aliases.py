"""Model aliases: the names that users give models, and what each stands for.

Source: models.md, sections 1 and 1.1. What `models.aliases` says about an alias goes before the built-in preset, and
that before the general defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue

from resources.models.request import Sampling
from resources.models.sampling import is_gpt5, taker_of, thinking_of, told
from resources.settings import SettingsError
from resources.settings.models import SPELLINGS, ModelSettings, ModelsSettings, PriceSettings

Kind = Literal["none", "local", "cloud"]
Provider = Literal["azure", "nvidia", "openai"]

AZURE_PAIR = ("NVHOST_OAI_CLIENT_ID", "NVHOST_OAI_CLIENT_SECRET")
"""Environment variables that hold the credentials of NVIDIA-hosted Azure."""


class UnknownAlias(SettingsError):
    """No model goes by this name; the message lists those that there are."""


class ModelMisconfigured(SettingsError):
    """What the settings or the environment say about a model cannot be used; the message names the mend."""


@dataclass(frozen=True)
class Preset:
    """What is built in for an alias.

    Attributes:
        what: for people.
        kind: `local` is served by the user, `cloud` by a provider.
        huggingface, openai, azure, nvidia: its id with each of them; None where it has none there.
        quantization, dtype: of the weights, for the in-process engine; None leaves them to it.
        engine: engine arguments beyond those of every model.
        defaults: settings that differ from the general ones.
    """

    what: str
    kind: Kind
    huggingface: str | None = None
    openai: str | None = None
    azure: str | None = None
    nvidia: str | None = None
    quantization: str | None = None
    dtype: str | None = None
    engine: Mapping[str, Any] = field(default_factory=dict, hash=False)
    defaults: Mapping[str, Any] = field(default_factory=dict, hash=False)


FREE = PriceSettings(input_usd=0, output_usd=0, cached_input_usd=None)
"""Price of what the user serves."""
_SERVED_BY_USER = ("auto", "server", "vllm", "dummy")

GENERAL: Mapping[str, Any] = {
    "backend": "auto",
    "answer": "json",
    "media": "images",
    "transport": "base64",
    "temperature": 0.0,
    "max_tokens": 4096,
    "timeout_s": 600.0,
    "max_in_flight": 16,
}
"""Settings of every model, unless its preset or the user says otherwise."""

PRESETS: Mapping[str, Preset] = {
    "dummy": Preset(
        what="no model: always the same answer, to try the pipeline",
        kind="none",
        defaults={"backend": "dummy", "price": FREE},
    ),
    "qwen3_vl_235b_awq": Preset(
        what="Qwen3-VL 235B (22B active), AWQ",
        kind="local",
        huggingface="QuantTrio/Qwen3-VL-235B-A22B-Instruct-AWQ",
        quantization="awq",
        dtype="float16",
        engine={"enable_expert_parallel": True, "mm_encoder_tp_mode": "data", "mm_processor_cache_gb": 0},
        defaults={"price": FREE},
    ),
    "qwen3.5_35b": Preset(
        what="Qwen3.5 35B (3B active)",
        kind="local",
        huggingface="Qwen/Qwen3.5-35B-A3B",
        defaults={"thinking": False, "price": FREE},
    ),
    "qwen3.5_397b_fp8": Preset(
        what="Qwen3.5 397B (17B active), FP8",
        kind="local",
        huggingface="Qwen/Qwen3.5-397B-A17B-FP8",
        quantization="fp8",
        defaults={"thinking": False, "price": FREE},
    ),
    "gpt5": Preset(what="GPT-5", kind="cloud", openai="gpt-5", azure="gpt-5", nvidia="us/azure/openai/gpt-5"),
    "gpt5.5": Preset(what="GPT-5.5", kind="cloud", openai="gpt-5.5", azure="gpt-5.5", nvidia="openai/openai/gpt-5.5"),
    "alpamayo": Preset(
        what="a served Alpamayo model, which answers with a reasoning sentence",
        kind="local",
        defaults={"backend": "server", "answer": "text", "price": FREE},
    ),
}
_YOURS = Preset(what="a model of models.aliases", kind="local")


@dataclass(frozen=True)
class Model:
    """A model under its alias, its settings complete.

    Attributes:
        alias: in the built-in spelling.
        settings: the user's over the preset's over the general ones.
        preset: what is built in; for a user's own alias without any id.
    """

    alias: str
    settings: ModelSettings = field(hash=False)
    preset: Preset

    def key(self, name: str) -> str:
        """Where a setting of this model stands, for messages."""
        return f"models.aliases.{self.alias}.{name}"


def known_aliases(settings: ModelsSettings) -> list[str]:
    """Built-in and user's aliases, sorted."""
    return sorted({*PRESETS, *(SPELLINGS.get(alias, alias) for alias in settings.aliases)})


def model_of(alias: str, settings: ModelsSettings) -> Model:
    """The model that an alias names.

    Raises:
        UnknownAlias: it is neither built in nor in `models.aliases`.
        ModelMisconfigured: a user's own alias without a model id, or one alias in two spellings.
    """
    name = SPELLINGS.get(alias, alias)
    if name not in known_aliases(settings):
        raise UnknownAlias(
            f"No model is called {alias!r}. Known: {', '.join(known_aliases(settings))}. "
            "models.aliases in the settings adds more."
        )
    preset = PRESETS.get(name, _YOURS)
    model = Model(name, _merged(preset, _users(name, settings)), preset)
    if preset is _YOURS and model.settings.backend != "dummy" and not model.settings.model:
        raise ModelMisconfigured(
            f"{model.key('model')} is unset, and {name!r} is no built-in alias, so nothing says what to ask for. "
            f"Set it to the id by which the server knows the model."
        )
    return model


def canonical_id(model: Model, environ: Mapping[str, str]) -> str:
    """The id that names the model in labels: the same whatever the credentials, unless a variable names another.

    Raises:
        ModelMisconfigured: the alias has no id of its own and none is set.
    """
    preset, backend = model.preset, model.settings.backend
    if backend == "dummy":
        return model.settings.model or "dummy"
    named = model.settings.model or renamed(model, environ) or preset.huggingface or preset.openai
    if named is None:
        raise no_id(model, backend)
    return named


def renamed(model: Model, environ: Mapping[str, str]) -> str | None:
    """The id that the environment puts in place of the alias's own, where what it is meant for serves the model."""
    settings, kind = model.settings, model.preset.kind
    hosted = settings.backend == "auto" and kind == "cloud" and not settings.base_url
    if settings.backend == "nvidia" or (hosted and provider_of(environ) == "nvidia"):
        return variable(environ, "NV_INFERENCE_MODEL")
    if kind == "local" and settings.backend in ("auto", "server", "vllm"):
        return variable(environ, "LOCAL_OPENAI_MODEL")
    return None


def provider_of(environ: Mapping[str, str]) -> Provider | None:
    """The provider that serves cloud models, the first whose credentials are set; None where there are none."""
    if all(variable(environ, name) for name in AZURE_PAIR):
        return "azure"
    if variable(environ, "NVIDIA_API_KEY"):
        return "nvidia"
    return "openai" if variable(environ, "OPENAI_API_KEY") else None


def shaping(model: Model, environ: Mapping[str, str]) -> dict[str, JsonValue]:
    """What of a model shapes its answers, null where it is not sent; labels made with other values are stale."""
    settings, named = model.settings, canonical_id(model, environ)
    taker = taker_of(gpt5_family=is_gpt5(named), local=_is_local(model))
    sampling = Sampling(
        max_tokens=settings.max_tokens or GENERAL["max_tokens"],
        temperature=settings.temperature,
        top_p=settings.top_p,
        repetition_penalty=settings.repetition_penalty,
        seed=settings.seed,
    )
    engine_args = settings.model_dump(mode="json", include={"engine_args"}) if settings.engine_args else {}
    return {
        "alias": model.alias,
        "model": named,
        "answer": settings.answer,
        "media": settings.media,
        **told(taker, sampling, thinking_of(settings.thinking, named)),
        **engine_args,
    }


def _is_local(model: Model) -> bool:
    """Whether a server of the user's own or this process serves the model, by settings alone."""
    settings = model.settings
    if settings.backend == "auto":
        return bool(settings.base_url) or model.preset.kind != "cloud"
    return settings.backend in _SERVED_BY_USER


def no_id(model: Model, backend: str) -> ModelMisconfigured:
    """The error of an alias that has no id with a backend."""
    setting = model.key("model")
    mend = {"nvidia": f"{setting} or the environment variable NV_INFERENCE_MODEL"}.get(backend, setting)
    if model.preset.kind == "local" and backend in ("auto", "server", "vllm"):
        mend = f"{setting} or the environment variable LOCAL_OPENAI_MODEL"
    return ModelMisconfigured(
        f"{model.alias} has no built-in model id for backend {backend}. Set {mend} to the id to ask for."
    )


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """An environment variable less surrounding blanks; None where it is unset or empty."""
    return environ.get(name, "").strip() or None


def _users(name: str, settings: ModelsSettings) -> ModelSettings:
    spelt = [alias for alias in settings.aliases if SPELLINGS.get(alias, alias) == name]
    if len(spelt) > 1:
        raise ModelMisconfigured(f"models.aliases holds {' and '.join(spelt)}, which name one model. Keep one of them.")
    return settings.aliases[spelt[0]] if spelt else ModelSettings()


def _merged(preset: Preset, users: ModelSettings) -> ModelSettings:
    given = {name: getattr(users, name) for name in users.model_fields_set}
    said = {name: value for name, value in given.items() if value is not None and (name, value) != ("backend", "auto")}
    values = {**GENERAL, **preset.defaults, **said}
    if values["backend"] not in _SERVED_BY_USER and "price" not in said:
        values["price"] = None
    return ModelSettings(**values)
