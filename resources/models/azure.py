"""OpenAI's models on NVIDIA-hosted Azure: chat completions behind a token that runs out.

    the token server says                raised
    nothing, no connection               Unreachable
    408, 429, 5xx                        Transient, with the wait that it asks for
    anything else but a token            BackendDown

Source: models.md, sections 2 and 2.1.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from resources.models.chat_completions import ChatCompletions, Clean, http_client, retry_after_s
from resources.models.endpoints import Endpoint
from resources.models.failures import BackendDown, ModelFailure, Transient, Unreachable

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

TOKEN_URL = "https://prod.api.nvidia.com/oauth/api/v1/ssa/default/token"
API_VERSION = "2025-01-01-preview"
_SCOPE = "azureopenai-readwrite"
_TOKEN_TIMEOUT_S = 30.0
_SPARE_S = 60.0  # a token is renewed so long before it runs out, or a tenth of its life
_SPARE_SHARE = 0.1
_AGAIN = frozenset({408, 429})
_MEND = "Check NVHOST_OAI_CLIENT_ID and NVHOST_OAI_CLIENT_SECRET."


class AccessToken:
    """The token that requests are signed with, fetched when it is first needed and again before it runs out."""

    def __init__(self, endpoint: Endpoint, url: str, clock: Callable[[], float], clean: Clean) -> None:
        self._endpoint, self._url, self._clock, self._clean = endpoint, url, clock, clean
        self._value: str | None = None
        self._good_until = -math.inf
        self._fetching = asyncio.Lock()

    @property
    def known(self) -> tuple[str, ...]:
        return (self._value,) if self._value else ()

    async def value(self) -> str:
        """The token in use; one request fetches it while others wait.

        Raises:
            ModelFailure: as the table above says.
        """
        async with self._fetching:
            if self._value is None or self._clock() >= self._good_until:
                await self._fetch()
            return str(self._value)

    def drop(self, stale: str) -> None:
        """Forgets a token that the server no longer takes, unless another request has renewed it since."""
        if self._value == stale:
            self._good_until = -math.inf

    async def _fetch(self) -> None:
        granted = self._granted(await self._post())
        lifetime_s = _lifetime_s(granted.get("expires_in"))
        self._value = granted["access_token"]
        self._good_until = self._clock() + lifetime_s - min(_SPARE_S, lifetime_s * _SPARE_SHARE)

    async def _post(self) -> httpx2.Response:
        import httpx2

        try:
            async with httpx2.AsyncClient(timeout=_TOKEN_TIMEOUT_S) as client:
                return await client.post(self._url, data=self._form())
        except httpx2.TransportError as error:
            reason = f"{type(error).__name__}: {self._clean(str(error))}"
        raise Unreachable(f"No access token: {self._url} did not answer ({reason}).")  # the error holds the form

    def _form(self) -> dict[str, str]:
        client_id, client_secret = self._endpoint.client_id, self._endpoint.client_secret
        assert client_id and client_secret, "an Azure endpoint has both"
        return {
            "grant_type": "client_credentials",
            "client_id": client_id.get_secret_value(),
            "client_secret": client_secret.get_secret_value(),
            "scope": _SCOPE,
        }

    def _granted(self, response: httpx2.Response) -> Mapping[str, Any]:
        if response.status_code != 200:
            raise self._denied(response)
        try:
            granted = response.json()
        except (ValueError, RecursionError):
            granted = None
        if not isinstance(granted, dict) or not isinstance(granted.get("access_token"), str):
            raise BackendDown(f"No access token: {self._url} answered 200 without one. {_MEND}")
        return granted

    def _denied(self, response: httpx2.Response) -> ModelFailure:
        status = response.status_code
        said = f"No access token: {self._url} answered {status}: {self._clean(response.text)}"
        if status in _AGAIN or status >= 500:
            return Transient(said, retry_after_s(response.headers))
        return BackendDown(f"{said} {_MEND}")


def _lifetime_s(told: Any) -> float:
    """How long a token is good; for ever where that is not said."""
    try:
        seconds = float(told)
    except (TypeError, ValueError, OverflowError):
        return math.inf
    return seconds if seconds > 0 else math.inf


class AzureChatCompletions(ChatCompletions):
    """One model on NVIDIA-hosted Azure."""

    def __init__(
        self,
        endpoint: Endpoint,
        environ: Mapping[str, str],
        *,
        token_url: str = TOKEN_URL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(endpoint, environ)
        self._token = AccessToken(endpoint, token_url, clock, self._clean)

    def _open(self) -> AsyncOpenAI:
        from openai import AsyncAzureOpenAI

        client = AsyncAzureOpenAI(
            api_key="set with each request",
            base_url=f"{self._endpoint.base_url}/deployments/{quote(self._endpoint.model_id, safe='')}",
            api_version=API_VERSION,
            max_retries=0,
            http_client=http_client(),
        )
        client.organization = client.project = None  # of an OpenAI account, from the SDK's own variables
        return client

    async def _send(self, content: bytes, headers: Mapping[str, str], timeout_s: float) -> httpx2.Response:
        """Sends a request; once more where the token has run out, which no one is charged for."""
        import openai

        token = await self._token.value()
        try:
            return await super()._send(content, {**headers, "api-key": token}, timeout_s)
        except openai.AuthenticationError as error:
            if "expired" not in error.response.text.lower():
                raise
        self._token.drop(token)
        return await super()._send(content, {**headers, "api-key": await self._token.value()}, timeout_s)

    def _hidden(self) -> tuple[str, ...]:
        return (*super()._hidden(), *self._token.known)
