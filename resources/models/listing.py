"""What `coc models` shows: every alias, what would serve it here and now, and what is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from resources.models.aliases import PRESETS, known_aliases, model_of, variable
from resources.models.endpoints import CredentialsMissing, Endpoint, FindSpec, resolve
from resources.models.redaction import redact, secrets_in
from resources.settings.models import ModelsSettings, PriceSettings


@dataclass(frozen=True)
class ModelLine:
    """One alias; no field holds a secret.

    Attributes:
        what: what it is.
        backend: what it resolves to; where nothing does, what the settings ask for.
        model_id: id on the wire. base_url: without userinfo and query. Both None where nothing serves it.
        credentials: names of environment variables, never values.
        price: of a million tokens.
        ready: whether it can be asked, as far as is seen without contacting anything.
        problem: what is wrong and how to mend it; None where it is ready.
    """

    alias: str
    what: str
    backend: str
    model_id: str | None
    base_url: str | None
    credentials: str
    price: str
    ready: bool
    problem: str | None = None


def list_models(
    settings: ModelsSettings, environ: Mapping[str, str], *, find_spec: FindSpec = importlib.util.find_spec
) -> list[ModelLine]:
    """A line an alias, sorted; an alias that cannot be used gets a line that says why."""
    return [_line(alias, settings, environ, find_spec) for alias in known_aliases(settings)]


def _line(alias: str, settings: ModelsSettings, environ: Mapping[str, str], find_spec: FindSpec) -> ModelLine:
    what = PRESETS[alias].what if alias in PRESETS else "of models.aliases"
    backend, price = "auto", "unknown"
    try:
        model = model_of(alias, settings)
        backend, price = model.settings.backend, price_text(model.settings.price)
        endpoint = resolve(model, environ, find_spec=find_spec)
    except (ValueError, OSError) as error:
        problem = redact(str(error), secrets_in(environ))
        return ModelLine(alias, what, backend, None, None, _missing(error), price, ready=False, problem=problem)
    said = credentials(endpoint, environ)
    url = endpoint.shown_url
    return ModelLine(alias, what, endpoint.backend, endpoint.model_id, url, said, price, ready=True)


def credentials(endpoint: Endpoint, environ: Mapping[str, str]) -> str:
    """Which environment variables hold what the endpoint is asked with."""
    if endpoint.backend == "azure":
        return "NVHOST_OAI_CLIENT_ID and NVHOST_OAI_CLIENT_SECRET set"
    if endpoint.key_from:
        return f"{endpoint.key_from} set" if variable(environ, endpoint.key_from) else f"missing: {endpoint.key_from}"
    return "no key" if endpoint.backend == "server" else "none needed"


def price_text(price: PriceSettings | None) -> str:
    """A price of a million tokens in a few words; `free` is what you serve yourself."""
    if price is None:
        return "unknown"
    if not (price.input_usd or price.output_usd or price.cached_input_usd):
        return "free"
    return f"{price.input_usd:g} USD in, {price.output_usd:g} USD out"


def _missing(error: Exception) -> str:
    names = error.names if isinstance(error, CredentialsMissing) else ()
    return f"missing: {', '.join(names)}" if names else "not looked for"
