"""Checks of the models in use: known, with credentials, and served by something that answers."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from coc_assets.doctor.finding import NAMED, Finding, Setup, ok, problem, told_by, warn
from coc_assets.some_of import some_of
from resources.models.aliases import model_of
from resources.models.endpoints import Endpoint, resolve
from resources.models.listing import credentials
from resources.models.redaction import NO_KEY, redact, secrets_in
from resources.settings import SettingsError

_PATIENCE_S = 3.0
_LISTS_MODELS = ("server", "openai", "nvidia")
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def model_findings(setup: Setup, alias: str, role: str) -> Iterator[Finding]:
    """Whether a model can be asked, as far as is seen without paying for anything.

    Args:
        role: what it is used as, for messages.
    """
    try:
        endpoint = resolve(model_of(alias, setup.settings.models), setup.environ)
    except SettingsError as error:
        yield told_by(error, "coc models lists every alias and what it lacks")
        return
    yield ok(f"{role} {alias}: {endpoint.model_id} by {endpoint.backend}, {credentials(endpoint, setup.environ)}")
    if endpoint.backend in _LISTS_MODELS:
        finding = _asked(endpoint, alias)
        secrets = secrets_in(setup.environ, endpoint)
        yield Finding(finding.level, redact(finding.said, secrets), redact(finding.mend, secrets))


def _asked(endpoint: Endpoint, alias: str) -> Finding:
    """What comes of asking the server which models it has."""
    shown = endpoint.shown_url
    try:
        status, body = _get(endpoint)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return problem(
            f"{shown} does not answer ({reason})",
            f"Start the server, or correct models.aliases.{alias}.base_url or the variable that names it: coc models",
        )
    if status in _REFUSED:
        return problem(
            f"{shown} refuses the key ({status})", f"Set {endpoint.key_from or 'api_key_env'} to one that is valid"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem(f"{shown} answers {status}", "See the server's log; it may still be loading the model")
    served = _served(body) if status == HTTPStatus.OK else []
    if served and endpoint.model_id not in served:
        return warn(
            f"{shown} does not list {endpoint.model_id}; it has {some_of(served, NAMED)}",
            f"Set models.aliases.{alias}.model to one of these, or serve {endpoint.model_id}",
        )
    return ok(f"{shown} answers")


def _get(endpoint: Endpoint) -> tuple[int, bytes]:
    """Status and body of `GET …/models`; no redirect is followed, as the key is for this server alone."""
    request = urllib.request.Request(
        f"{endpoint.shown_url}/models", headers={"Authorization": _authorization(endpoint)}
    )
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=_PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def _authorization(endpoint: Endpoint) -> str:
    """User and password in the URL go before the key, as the SDK has it."""
    user, _, _ = urlsplit(endpoint.base_url or "").netloc.rpartition("@")
    if user:
        return f"Basic {base64.b64encode(unquote(user).encode()).decode()}"
    return f"Bearer {endpoint.api_key.get_secret_value() if endpoint.api_key else NO_KEY}"


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _served(body: bytes) -> list[str]:
    """Ids in an OpenAI-compatible list of models; none where it is something else."""
    with suppress(ValueError, KeyError, TypeError):
        return [str(model["id"]) for model in json.loads(body)["data"]]
    return []
