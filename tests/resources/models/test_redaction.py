from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest

from resources.models.aliases import model_of
from resources.models.endpoints import resolve
from resources.models.redaction import CREDENTIALS, answer_redactor, redact, secrets_in
from resources.settings.models import ModelsSettings

SECRET = 'p/ss+w"rd~1&é'


def endpoint(environ, **users):
    return resolve(model_of("mine", ModelsSettings(aliases={"mine": {"model": "m", **users}})), environ)


@pytest.mark.parametrize("name", CREDENTIALS)
def test_every_known_variable_is_a_secret(name):
    assert secrets_in({name: " value-of-it\n", "HOME": "/home/me"}) == ("value-of-it",)


def test_secrets_come_longest_first():
    environ = {"OPENAI_API_KEY": "abcd", "NVIDIA_API_KEY": "abcdefgh", "LOCAL_OPENAI_API_KEY": "abcdef"}
    assert secrets_in(environ) == ("abcdefgh", "abcdef", "abcd")


def test_what_is_too_short_or_stands_for_no_key_is_no_secret():
    assert secrets_in({"OPENAI_API_KEY": "abc", "LOCAL_OPENAI_API_KEY": "EMPTY"}) == ()
    assert secrets_in({}, endpoint({}, base_url="http://h/v1")) == ()


def test_a_key_of_ones_own_and_a_password_in_the_url_are_secrets():
    environ = {"MINE": "my-own-key"}
    found = endpoint(environ, base_url="http://me:hunter%2F2@h/v1", api_key_env="MINE")
    assert set(secrets_in(environ, found)) == {"my-own-key", "hunter%2F2", "hunter/2"}
    assert "my-own-key" in secrets_in({}, found)


def test_a_password_in_a_variables_url_is_a_secret():
    assert secrets_in({"LOCAL_OPENAI_BASE_URL": "http://me:hunter2@h/v1"}) == ("hunter2",)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        re.sub("%..", lambda code: code[0].lower(), quote(SECRET, safe="")),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_every_form(form):
    assert redact(f"before {form} after {form}", [SECRET]) == "before *** after ***"


@pytest.mark.parametrize("user", ["", "a", "ab", "abc"])
def test_a_secret_within_longer_base64_is_masked(user):
    encoded = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    left = redact(f"Authorization: Basic {encoded}", [SECRET])
    assert "***" in left
    assert len(left) < len("Authorization: Basic ***") + len(encoded) / 2


def test_a_secret_that_holds_another_is_masked_whole():
    assert redact("key=abcdefgh;key=abcd", ["abcd", "abcdefgh"]) == "key=***;key=***"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it said my-own-key twice: my-own-key", "it said *** twice: ***"),
        ("the local bus, a bearer of sk-signs", None),  # a key of four characters, and what only looks like one
    ],
)
def test_of_answers_only_known_secrets_are_masked_and_no_words(text, expected):
    assert answer_redactor(["my-own-key", "local", "bus"])(text) == (text if expected is None else expected)
    assert answer_redactor([])(text) == text


@pytest.mark.parametrize("form", [SECRET, json.dumps(SECRET)[1:-1], quote(SECRET)])
def test_of_answers_secrets_are_masked_in_every_form(form):
    assert answer_redactor([SECRET])(f'{{"text": "{form}"}}') == '{"text": "***"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.DEF-1_2/3=, next", "Authorization: Bearer ***, next"),
        ("{'authorization': 'bearer abcdef'}", "{'authorization': 'bearer ***'}"),
        ("Incorrect API key provided: sk-proj-ab****yz.", "Incorrect API key provided: ***."),
        ("key nvapi-AbC_1-2 is expired", "key *** is expired"),
        ("token eyJhbGci.eyJzdWI_x.sig-1 expired", "token *** expired"),
        ("GET https://me:hunter2@h/v1 failed", "GET https://***@h/v1 failed"),
        ("a risk-based task-force in disk-cache at 5 m, see http://h/v1", None),
    ],
)
def test_what_looks_like_a_secret_is_masked_unknown_as_it_is(text, expected):
    assert redact(text, ()) == (text if expected is None else expected)
