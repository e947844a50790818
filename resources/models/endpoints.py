"""Where a model is reached, and with which credentials.

    alias                     looked for, in this order (`backend: auto`)
    gpt5, gpt5.5              base_url in the settings > NVIDIA-hosted Azure > NVIDIA inference > OpenAI
    Qwen, alpamayo, yours     base_url > LOCAL_OPENAI_BASE_URL > COC_LABELING_MODEL_SERVER_IP > vLLM in this process

Source: models.md, sections 1.1, 1.2, 2, 5.4 and 6. Any other `backend` forces that one. A provider's key goes to that
provider's URL only: who sets another `base_url` says with `api_key_env` which key it gets.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from resources.models.aliases import AZURE_PAIR, Model, ModelMisconfigured, no_id, provider_of, variable
from resources.models.redaction import NO_KEY
from resources.models.sampling import Taker, is_gpt5, taker_of, thinking_of
from resources.settings import SettingsError

Backend = Literal["server", "openai", "nvidia", "azure", "vllm", "dummy"]
FindSpec = Callable[[str], object]

OPENAI_URL = "https://api.openai.com/v1"
NVIDIA_URL = "https://inference-api.nvidia.com"
AZURE_URL = "https://prod.api.nvidia.com/llm/v1/azure/openai"
_SERVER_IP = "COC_LABELING_MODEL_SERVER_IP"
_SERVER_PORT = 50000

_CACHE_VARIABLES = ("MODEL_CACHE_DIR", "HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "TRANSFORMERS_CACHE")
_MEMORY_VARIABLE = "VLLM_GPU_MEMORY_UTILIZATION"
_ENGINE: Mapping[str, Any] = {
    "max_model_len": 128000,
    "limit_mm_per_prompt": {"image": 16, "video": 1},  # models.md 6.11; the published tool sends no single images
    "seed": 42,
    "safetensors_load_strategy": "eager",
}


class CredentialsMissing(SettingsError):
    """Nothing says where a model is served, or the key for it is missing; the message names every way.

    Attributes:
        names: environment variables that would do; empty where none would.
    """

    def __init__(self, message: str, names: tuple[str, ...]) -> None:
        super().__init__(message)
        self.names = names


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask for a model; its repr shows no secret.

    Attributes:
        model_id: id to put on the wire; in process, the Hugging Face id or folder asked for.
        base_url: without a trailing slash; None in process. It may hold a password: show `shown_url`.
        api_key: bearer key; `EMPTY` for a server that wants none, None where there is no such thing.
        key_from: environment variable that the key, or the secret for Azure, was read from.
        organization, project: of the OpenAI account.
        client_id, client_secret: of NVIDIA-hosted Azure, to fetch a token with.
        engine: arguments of the in-process engine, less `tensor_parallel_size`, which is the number of visible GPUs.
        gpt5_family: told what `sampling` says of it, the limit as max_completion_tokens (models.md, section 1.3).
        thinking: `enable_thinking` of the chat template; None: not sent.
    """

    backend: Backend
    model_id: str
    base_url: str | None = field(default=None, repr=False)
    api_key: SecretStr | None = None
    key_from: str | None = None
    organization: str | None = None
    project: str | None = None
    client_id: SecretStr | None = None
    client_secret: SecretStr | None = None
    engine: dict[str, Any] = field(default_factory=dict, repr=False, hash=False)
    gpt5_family: bool = False
    thinking: bool | None = None

    @property
    def shown_url(self) -> str | None:
        """The base URL for people, without userinfo and query."""
        return shown(self.base_url) if self.base_url else None

    @property
    def taker(self) -> Taker:
        """Which knobs of the sampling it is told."""
        return taker_of(gpt5_family=self.gpt5_family, local=self.backend in ("server", "vllm"))


def resolve(model: Model, environ: Mapping[str, str], *, find_spec: FindSpec = importlib.util.find_spec) -> Endpoint:
    """What serves a model, by the settings and the environment; nothing is contacted.

    Args:
        find_spec: tells whether vLLM is installed.

    Raises:
        CredentialsMissing: nothing says where it is served, or the key is missing.
        ModelMisconfigured: a setting or variable cannot be used.
    """
    backend: Backend = _found(model, environ, find_spec) if model.settings.backend == "auto" else model.settings.backend
    _refuse_unused(model, backend)
    return _RESOLVERS[backend](model, environ, find_spec)


def shown(url: str) -> str:
    """A URL without userinfo, query and fragment; `…` where it cannot be read."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    if not parts.scheme or not parts.netloc:
        return "…" if re.search(r"[@?#]", url) else url
    return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}{parts.path}"


def _found(model: Model, environ: Mapping[str, str], find_spec: FindSpec) -> Backend:
    if model.settings.base_url:
        return "server"
    return _found_cloud(model, environ) if model.preset.kind == "cloud" else _found_local(model, environ, find_spec)


def _found_cloud(model: Model, environ: Mapping[str, str]) -> Backend:
    if model.settings.api_key_env:
        raise ModelMisconfigured(
            f"{model.key('api_key_env')} is set, but not whose key it is. Set {model.key('base_url')}, or "
            f"{model.key('backend')} to openai or nvidia."
        )
    provider = provider_of(environ)
    if provider is not None:
        return provider
    raise CredentialsMissing(
        f"No credentials for {model.alias}. Set OPENAI_API_KEY (OpenAI), NVIDIA_API_KEY (NVIDIA inference), or "
        f"{' and '.join(AZURE_PAIR)} (NVIDIA-hosted Azure); or {model.key('base_url')} for a server of your own.",
        ("OPENAI_API_KEY", "NVIDIA_API_KEY", *AZURE_PAIR),
    )


def _found_local(model: Model, environ: Mapping[str, str], find_spec: FindSpec) -> Backend:
    if variable(environ, "LOCAL_OPENAI_BASE_URL") or variable(environ, _SERVER_IP):
        return "server"
    if find_spec("vllm") is not None:
        return "vllm"
    raise _nowhere(model, "; or install vLLM on a GPU machine to run it in this process")


def _nowhere(model: Model, more: str = "") -> CredentialsMissing:
    return CredentialsMissing(
        f"Nothing says where {model.alias} is served. Set {model.key('base_url')} or the environment variable "
        f"LOCAL_OPENAI_BASE_URL to its OpenAI-compatible URL (http://host:8000/v1), or {_SERVER_IP} to the address of "
        f"a server on port {_SERVER_PORT}{more}.",
        ("LOCAL_OPENAI_BASE_URL", _SERVER_IP),
    )


def _refuse_unused(model: Model, backend: Backend) -> None:
    """A setting that a backend cannot follow is an error: a request must not go where nobody expects it."""
    if backend not in ("azure", "vllm"):
        return
    for name in ("base_url", "api_key_env"):
        if getattr(model.settings, name):
            raise ModelMisconfigured(
                f"{model.key(name)} is set, but backend {backend} makes no use of it. Remove it, or set "
                f"{model.key('backend')} to server."
            )


def _server(model: Model, environ: Mapping[str, str], find_spec: FindSpec) -> Endpoint:
    base_url = _server_url(model, environ)
    key, key_from = _server_key(model, environ)
    own = model.preset.huggingface or model.preset.openai
    served = variable(environ, "LOCAL_OPENAI_MODEL") if model.preset.kind == "local" else None
    model_id = _id(model, "server", served or own)
    return Endpoint(
        "server",
        model_id,
        base_url,
        key,
        key_from,
        gpt5_family=is_gpt5(model_id),
        thinking=thinking_of(model.settings.thinking, model_id),
    )


def _openai(model: Model, environ: Mapping[str, str], find_spec: FindSpec) -> Endpoint:
    key, key_from = _provider_key(model, environ, "OPENAI_API_KEY")
    base_url = _provider_url(model, environ, "OPENAI_BASE_URL", OPENAI_URL)
    model_id = _id(model, "openai", model.preset.openai)
    return Endpoint(
        "openai",
        model_id,
        base_url,
        key,
        key_from,
        organization=variable(environ, "OPENAI_ORG_ID") or variable(environ, "OPENAI_ORGANIZATION"),
        project=variable(environ, "OPENAI_PROJECT"),
        gpt5_family=is_gpt5(model_id),
    )


def _nvidia(model: Model, environ: Mapping[str, str], find_spec: FindSpec) -> Endpoint:
    key, key_from = _provider_key(model, environ, "NVIDIA_API_KEY")
    base_url = _provider_url(model, environ, "NV_INFERENCE_URL", NVIDIA_URL)
    model_id = _id(model, "nvidia", variable(environ, "NV_INFERENCE_MODEL") or model.preset.nvidia)
    return Endpoint("nvidia", model_id, base_url, key, key_from, gpt5_family=is_gpt5(model_id))


def _azure(model: Model, environ: Mapping[str, str], find_spec: FindSpec) -> Endpoint:
    missing = tuple(name for name in AZURE_PAIR if not variable(environ, name))
    if missing:
        raise _unset(model, "azure", missing)
    client_id, client_secret = (_key_in(environ, name) for name in AZURE_PAIR)
    model_id = _id(model, "azure", model.preset.azure)
    return Endpoint(
        "azure",
        model_id,
        AZURE_URL,
        key_from=AZURE_PAIR[1],
        client_id=client_id,
        client_secret=client_secret,
        gpt5_family=is_gpt5(model_id),
    )


def _vllm(model: Model, environ: Mapping[str, str], find_spec: FindSpec) -> Endpoint:
    if find_spec("vllm") is None:
        raise CredentialsMissing(
            f'{model.alias} is to run in this process, but vLLM is not installed. Run pip install "coc-assets[vllm]" '
            f"on a GPU machine, or set {model.key('backend')} to server.",
            (),
        )
    served = variable(environ, "LOCAL_OPENAI_MODEL") if model.preset.kind == "local" else None
    model_id = _id(model, "vllm", served or model.preset.huggingface)
    return Endpoint(
        "vllm",
        model_id,
        engine=engine_args(model, model_id, environ),
        gpt5_family=is_gpt5(model_id),
        thinking=thinking_of(model.settings.thinking, model_id),
    )


def _dummy(model: Model, environ: Mapping[str, str], find_spec: FindSpec) -> Endpoint:
    return Endpoint("dummy", model.settings.model or "dummy")


_RESOLVERS: Mapping[Backend, Callable[[Model, Mapping[str, str], FindSpec], Endpoint]] = {
    "server": _server,
    "openai": _openai,
    "nvidia": _nvidia,
    "azure": _azure,
    "vllm": _vllm,
    "dummy": _dummy,
}


def _id(model: Model, backend: Backend, own: str | None) -> str:
    model_id = model.settings.model or own
    if model_id is None:
        raise no_id(model, backend)
    return model_id


def _server_url(model: Model, environ: Mapping[str, str]) -> str:
    if model.settings.base_url:
        return _checked(model.settings.base_url, model.key("base_url"))
    local = variable(environ, "LOCAL_OPENAI_BASE_URL")
    if local:
        return _checked(local, "LOCAL_OPENAI_BASE_URL")
    address = variable(environ, _SERVER_IP)
    if address:
        return f"http://{_host(address)}:{_SERVER_PORT}/v1"
    raise _nowhere(model)


def _provider_url(model: Model, environ: Mapping[str, str], name: str, default: str) -> str:
    if model.settings.base_url:
        return _checked(model.settings.base_url, model.key("base_url"))
    return _checked(variable(environ, name) or default, name)


def _checked(url: str, source: str) -> str:
    """The URL without trailing slashes; messages show neither its userinfo nor its query."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", url):
        raise ModelMisconfigured(
            f"{source} is no http(s) URL ({shown(url)}). Write it as http://host:8000/v1 or https://host/v1."
        )
    if parts.query or parts.fragment:
        raise ModelMisconfigured(
            f"{source} ({shown(url)}) has a query or fragment, which no request can follow. Remove what comes after "
            "the path; a key belongs into the environment variable that api_key_env names."
        )
    return url.rstrip("/")


def _host(address: str) -> str:
    """A server's address as it stands in a URL."""
    if "," in address:
        raise ModelMisconfigured(f"{_SERVER_IP} holds {address!r}. Set it to one address; several are not supported.")
    try:
        ip = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", address):
            return address
        raise ModelMisconfigured(
            f"{_SERVER_IP} is to hold an address such as 10.0.0.5, without scheme, port or path; the port is "
            f"{_SERVER_PORT}. For any other URL set LOCAL_OPENAI_BASE_URL."
        ) from None
    return f"[{ip}]" if ip.version == 6 else str(ip)


def _server_key(model: Model, environ: Mapping[str, str]) -> tuple[SecretStr, str | None]:
    if model.settings.api_key_env:
        return _named_key(model, environ)
    if variable(environ, "LOCAL_OPENAI_API_KEY"):
        return _key_in(environ, "LOCAL_OPENAI_API_KEY"), "LOCAL_OPENAI_API_KEY"
    return SecretStr(NO_KEY), None


def _provider_key(model: Model, environ: Mapping[str, str], name: str) -> tuple[SecretStr, str]:
    if model.settings.api_key_env:
        return _named_key(model, environ)
    if model.settings.base_url:
        raise ModelMisconfigured(
            f"{model.key('base_url')} is set, and {name} is not sent there unasked. Set {model.key('api_key_env')} to "
            f"the variable that holds the key for it, or {model.key('backend')} to server, or remove base_url."
        )
    if not variable(environ, name):
        raise _unset(model, model.settings.backend, (name,))
    return _key_in(environ, name), name


def _named_key(model: Model, environ: Mapping[str, str]) -> tuple[SecretStr, str]:
    name = model.settings.api_key_env or ""
    if variable(environ, name):
        return _key_in(environ, name), name
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):  # it may be the key itself, put into the wrong place
        raise ModelMisconfigured(
            f"{model.key('api_key_env')} names no environment variable that is set. It holds the name of the variable "
            "with the key, such as MY_SERVER_KEY, and never the key itself."
        )
    raise CredentialsMissing(
        f"{model.key('api_key_env')} names {name}, which is unset. Set it to the key, or remove the setting.",
        (name,),
    )


def _key_in(environ: Mapping[str, str], name: str) -> SecretStr:
    value = variable(environ, name) or ""
    if not re.fullmatch(r"[!-~]+", value):
        raise ModelMisconfigured(f"{name} holds blanks or characters that no key has. Set it to the key and no more.")
    return SecretStr(value)


def _unset(model: Model, backend: str, names: tuple[str, ...]) -> CredentialsMissing:
    return CredentialsMissing(
        f"{model.alias} is to be asked through backend {backend}, but {' and '.join(names)} "
        f"{'is' if len(names) == 1 else 'are'} unset. Set {'it' if len(names) == 1 else 'them'}, or change "
        f"{model.key('backend')}.",
        names,
    )


def engine_args(model: Model, model_id: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of the in-process engine, less the number of GPUs; `engine_args` of the settings goes first."""
    cache = cache_dir(environ)
    preset = model.preset
    weights = {"quantization": preset.quantization, "dtype": preset.dtype}
    return {
        **_ENGINE,
        "model": str(local_snapshot(model_id, cache) or model_id),
        "download_dir": str(cache),
        "gpu_memory_utilization": _memory_share(environ),
        "max_num_seqs": model.settings.max_in_flight,
        **{name: value for name, value in weights.items() if value},
        **preset.engine,
        **model.settings.engine_args,
    }


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Folder of model weights, absolute; it may not exist yet."""
    named = variable(environ, "MODEL_CACHE_DIR") or variable(environ, "HF_HOME") or "models"
    return Path(named).expanduser().absolute()


def cache_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Environment variables to set before the engine is imported, so that everything is kept in one cache folder."""
    cache = str(cache_dir(environ))
    return {name: cache for name in _CACHE_VARIABLES if not variable(environ, name)}


def cache_folder(model_id: str) -> str:
    """Name of a model's folder in the cache."""
    return f"models--{model_id.replace('/', '--')}"


def local_snapshot(model_id: str, cache: Path) -> Path | None:
    """Weights in the cache: the model's folder itself, else its newest complete snapshot; None: to be downloaded."""
    for folder in (cache / cache_folder(model_id), cache / "hub" / cache_folder(model_id)):
        if (folder / "config.json").is_file():
            return folder
        snapshots = [config.parent for config in folder.glob("snapshots/*/config.json") if config.is_file()]
        if snapshots:
            return max(snapshots, key=lambda snapshot: (snapshot.stat().st_mtime, snapshot.name))
    return None


def _memory_share(environ: Mapping[str, str]) -> float:
    text = variable(environ, _MEMORY_VARIABLE) or "0.95"
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ModelMisconfigured(f"{_MEMORY_VARIABLE} holds {text!r}. Set it to a share of GPU memory, such as 0.9.")
    return share
