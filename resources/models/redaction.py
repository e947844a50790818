"""Keeps credentials out of whatever people read or files keep."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, urlsplit

from resources.models.aliases import variable

if TYPE_CHECKING:
    from resources.models.endpoints import Endpoint

MASK = "***"
CREDENTIALS = (
    "OPENAI_API_KEY",
    "NVIDIA_API_KEY",
    "NVHOST_OAI_CLIENT_ID",
    "NVHOST_OAI_CLIENT_SECRET",
    "LOCAL_OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",  # this and the next three are read by the SDK itself
    "OPENAI_WEBHOOK_SECRET",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_AD_TOKEN",
    "HF_TOKEN",  # this and the next are read where weights are fetched
    "HUGGING_FACE_HUB_TOKEN",
)
"""Environment variables that hold secrets."""
URLS = ("LOCAL_OPENAI_BASE_URL", "OPENAI_BASE_URL", "NV_INFERENCE_URL")
"""Environment variables whose URL may hold a password."""
NO_KEY = "EMPTY"
"""What is sent to a server that wants no key; no secret."""
_SHORTEST = 4
_SHORTEST_IN_ANSWERS = 8

_LOOKS_SECRET = (
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=*-]+"), rf"\1{MASK}"),
    (re.compile(r"\b(?:sk|nvapi)-[\w*-]{3,}"), MASK),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), MASK),  # access tokens, which no variable holds
    (re.compile(r"(://)[^/\s@\"']+@"), rf"\1{MASK}@"),
)


def secrets_in(environ: Mapping[str, str], endpoint: Endpoint | None = None) -> tuple[str, ...]:
    """Values that must not be seen, longest first: of the known credential variables, and of the endpoint in use."""
    found = {variable(environ, name) for name in CREDENTIALS}
    found |= {password for name in URLS for password in _passwords(variable(environ, name))}
    if endpoint is not None:
        found |= _secrets_of(endpoint)
        found.add(variable(environ, endpoint.key_from or ""))
    kept = {secret for secret in found if secret and len(secret) >= _SHORTEST and secret != NO_KEY}
    return tuple(sorted(kept, key=lambda secret: (-len(secret), secret)))


def redact(text: str, secrets: Sequence[str]) -> str:
    """The text with every secret, and all that looks like one, as `***`; also where URL-quoted, in JSON or base64."""
    known = _pattern(secrets)
    text = known.sub(MASK, text) if known else text
    for pattern, mask in _LOOKS_SECRET:
        text = pattern.sub(mask, text)
    return text


def answer_redactor(secrets: Sequence[str]) -> Callable[[str], str]:
    """What makes the known secrets `***` in a model's words, and changes nothing else, as they become labels.

    Those of less than 8 characters stay: keys of servers that want none are words such as `local` or `dummy`.
    """
    pattern = _pattern([secret for secret in secrets if len(secret) >= _SHORTEST_IN_ANSWERS])
    return (lambda text: pattern.sub(MASK, text)) if pattern else str


def _pattern(secrets: Sequence[str]) -> re.Pattern[str] | None:
    """Finds secrets in any of their forms; None where there are none."""
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, forms))) if forms else None


def _secrets_of(endpoint: Endpoint) -> set[str | None]:
    held = (endpoint.api_key, endpoint.client_id, endpoint.client_secret)
    return {secret.get_secret_value() for secret in held if secret} | _passwords(endpoint.base_url)


def _passwords(url: str | None) -> set[str | None]:
    try:
        password = urlsplit(url or "").password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()


def _forms(secret: str) -> Iterable[str]:
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in quoted}
    return {secret, json.dumps(secret)[1:-1], *quoted, *lower, *_base64_forms(secret.encode())}


def _base64_forms(secret: bytes) -> set[str]:
    """Whole, and as the characters that it alone decides inside a longer text such as `user:secret`."""
    whole = base64.b64encode(secret).decode()
    forms = {whole, whole.rstrip("=")}
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        forms.add(encoded[math.ceil(before * 8 / 6) : (before + len(secret)) * 8 // 6])
    return forms | {form.translate(str.maketrans("+/", "-_")) for form in forms}
