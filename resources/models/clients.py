"""Which client speaks to which backend: a new provider is one class and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from resources.models.endpoints import Backend, Endpoint
from resources.models.request import ModelClient
from resources.settings.models import ModelSettings

_Open = Callable[[Endpoint, ModelSettings, Mapping[str, str]], ModelClient]


def open_client(endpoint: Endpoint, settings: ModelSettings, environ: Mapping[str, str]) -> ModelClient:
    """The client of an endpoint; it connects when it is first asked.

    Args:
        environ: where secrets lie that no message may show.
    """
    return _CLIENTS[endpoint.backend](endpoint, settings, environ)


def _chat_completions(endpoint: Endpoint, settings: ModelSettings, environ: Mapping[str, str]) -> ModelClient:
    from resources.models.chat_completions import ChatCompletions

    return ChatCompletions(endpoint, environ)


def _azure(endpoint: Endpoint, settings: ModelSettings, environ: Mapping[str, str]) -> ModelClient:
    from resources.models.azure import AzureChatCompletions

    return AzureChatCompletions(endpoint, environ)


def _engine(endpoint: Endpoint, settings: ModelSettings, environ: Mapping[str, str]) -> ModelClient:
    from resources.models.engine import Engine

    return Engine(endpoint, environ)


def _dummy(endpoint: Endpoint, settings: ModelSettings, environ: Mapping[str, str]) -> ModelClient:
    from resources.models.dummy import Dummy

    return Dummy()


_CLIENTS: Mapping[Backend, _Open] = {
    "server": _chat_completions,
    "openai": _chat_completions,
    "nvidia": _chat_completions,
    "azure": _azure,
    "vllm": _engine,
    "dummy": _dummy,
}
