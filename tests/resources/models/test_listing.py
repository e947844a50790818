from __future__ import annotations

import pytest

from resources.models import listing
from resources.models.aliases import known_aliases
from resources.settings.models import ModelsSettings

SECRETS = {
    "OPENAI_API_KEY": "sk-first-secret",
    "NVIDIA_API_KEY": "nvapi-second-secret",
    "NVHOST_OAI_CLIENT_ID": "third-secret",
    "NVHOST_OAI_CLIENT_SECRET": "fourth-secret",
    "LOCAL_OPENAI_API_KEY": "fifth-secret",
    "LOCAL_OPENAI_BASE_URL": "http://me:sixth-secret@gpu-box:8000/v1",
    "LOCAL_OPENAI_MODEL": "served",
}


def lines(environ, vllm=False, **aliases):
    settings = ModelsSettings(aliases=aliases)
    found = listing.list_models(settings, environ, find_spec=lambda name: object() if vllm else None)
    assert [line.alias for line in found] == known_aliases(settings)
    return {line.alias: line for line in found}


def test_nothing_set_lists_every_alias_with_what_is_missing():
    found = lines({})
    assert [line.alias for line in found.values() if line.ready] == ["dummy"]
    assert found["gpt5"].credentials.startswith("missing: OPENAI_API_KEY, NVIDIA_API_KEY, NVHOST_OAI_CLIENT_ID")
    assert found["qwen3.5_35b"].credentials == "missing: LOCAL_OPENAI_BASE_URL, COC_LABELING_MODEL_SERVER_IP"
    assert "LOCAL_OPENAI_BASE_URL" in found["qwen3.5_35b"].problem
    assert (found["gpt5"].backend, found["alpamayo"].backend) == ("auto", "server")


@pytest.mark.parametrize(
    ("names", "users", "backend", "model_id", "base_url", "credentials"),
    [
        (["OPENAI_API_KEY"], {}, "openai", "gpt-5", "https://api.openai.com/v1", "OPENAI_API_KEY set"),
        (
            ["OPENAI_API_KEY", "NVIDIA_API_KEY"],
            {},
            "nvidia",
            "us/azure/openai/gpt-5",
            "https://inference-api.nvidia.com",
            "NVIDIA_API_KEY set",
        ),
        (
            list(SECRETS),
            {},
            "azure",
            "gpt-5",
            "https://prod.api.nvidia.com/llm/v1/azure/openai",
            "NVHOST_OAI_CLIENT_ID and NVHOST_OAI_CLIENT_SECRET set",
        ),
        ([], {"base_url": "http://me:hunter2@h/v1"}, "server", "gpt-5", "http://h/v1", "no key"),
        (["OPENAI_API_KEY"], {"backend": "dummy"}, "dummy", "dummy", None, "none needed"),
    ],
)
def test_a_line_says_what_would_serve_a_model(names, users, backend, model_id, base_url, credentials):
    line = lines({name: SECRETS[name] for name in names}, gpt5=users)["gpt5"]
    assert (line.backend, line.model_id, line.base_url, line.credentials) == (backend, model_id, base_url, credentials)
    assert (line.ready, line.problem) == (True, None)


def test_vllm_in_this_process_needs_no_credentials():
    line = lines({}, vllm=True)["qwen3.5_35b"]
    assert (line.backend, line.base_url, line.credentials, line.ready) == ("vllm", None, "none needed", True)


def test_a_users_model_is_listed():
    line = lines(SECRETS, mine={"model": "m", "price": {"input_usd": 0.5, "output_usd": 10}})["mine"]
    assert (line.model_id, line.base_url) == ("m", "http://gpu-box:8000/v1")
    assert line.price == "0.5 USD in, 10 USD out"


def test_prices():
    found = lines(SECRETS)
    assert (found["dummy"].price, found["qwen3.5_35b"].price, found["gpt5"].price) == ("free", "free", "unknown")


@pytest.mark.parametrize("vllm", [False, True])
def test_no_line_holds_a_secret(vllm):
    bad = {"base_url": "http://me:seventh-secret@h/v1?key=seventh-secret", "model": "m"}
    pasted = {"base_url": "http://h/v1", "api_key_env": "sk-eighth-secret", "model": "m"}
    environ = {**SECRETS, "NV_INFERENCE_URL": "ftp://me:ninth-secret@h"}
    told = repr(list(lines(environ, vllm, bad=bad, pasted=pasted, gpt5={"backend": "nvidia"}).values()))
    assert "-secret" not in told
    assert told.count("ready=False") == 3


def test_one_bad_alias_spoils_no_other():
    bad = {"nameless": {}, "broken": {"model": "m", "base_url": "gopher://h"}, "gpt-5": {}, "gpt5": {}}
    found = lines(SECRETS, **bad)
    assert {alias for alias, line in found.items() if not line.ready} == {"nameless", "broken", "gpt5"}
    assert "models.aliases.nameless.model" in found["nameless"].problem
    assert "gopher://h" in found["broken"].problem
    assert all(line.credentials == "not looked for" for line in found.values() if not line.ready)


def test_a_cache_that_cannot_be_read_spoils_one_line(monkeypatch):
    def denied(*_):
        raise PermissionError("denied sk-first-secret")

    monkeypatch.setattr("resources.models.endpoints.local_snapshot", denied)
    line = lines({}, vllm=True)["qwen3.5_35b"]
    assert (line.ready, line.problem) == (False, "denied ***")
