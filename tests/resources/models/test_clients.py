"""Every backend has a client."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest
from pydantic import SecretStr

from resources.models import clients
from resources.models.azure import AzureChatCompletions
from resources.models.chat_completions import ChatCompletions
from resources.models.clients import open_client
from resources.models.dummy import Dummy
from resources.models.endpoints import Backend, Endpoint
from resources.settings.models import ModelSettings


@pytest.mark.parametrize(
    ("backend", "kind"),
    [
        ("server", ChatCompletions),
        ("openai", ChatCompletions),
        ("nvidia", ChatCompletions),
        ("azure", AzureChatCompletions),
        ("dummy", Dummy),
    ],
)
def test_a_backend_has_its_client(backend, kind):
    secret = SecretStr("secret")
    endpoint = Endpoint(backend, "m", "http://127.0.0.1:1/v1", secret, client_id=secret, client_secret=secret)
    client = open_client(endpoint, ModelSettings(), {})
    assert type(client) is kind
    asyncio.run(client.close())


def test_no_backend_is_without_one():
    assert set(clients._CLIENTS) == set(get_args(Backend))
