from __future__ import annotations

import pytest
from pydantic import ValidationError

from resources.models.aliases import (
    PRESETS,
    ModelMisconfigured,
    UnknownAlias,
    canonical_id,
    known_aliases,
    model_of,
    shaping,
)
from resources.models.chat_completions import request_body
from resources.models.endpoints import resolve
from resources.models.request import ChatRequest, Sampling
from resources.settings import SettingsError
from resources.settings.models import ModelsSettings


def settings(**aliases) -> ModelsSettings:
    return ModelsSettings(aliases={name.replace("__", "-"): value for name, value in aliases.items()})


PLAIN = ModelsSettings()
SPECIFIED = [
    # alias, hugging face, openai, azure, nvidia, quantisation, dtype
    ("dummy", None, None, None, None, None, None),
    ("qwen3_vl_235b_awq", "QuantTrio/Qwen3-VL-235B-A22B-Instruct-AWQ", None, None, None, "awq", "float16"),
    ("qwen3.5_35b", "Qwen/Qwen3.5-35B-A3B", None, None, None, None, None),
    ("qwen3.5_397b_fp8", "Qwen/Qwen3.5-397B-A17B-FP8", None, None, None, "fp8", None),
    ("gpt5", None, "gpt-5", "gpt-5", "us/azure/openai/gpt-5", None, None),
    ("gpt5.5", None, "gpt-5.5", "gpt-5.5", "openai/openai/gpt-5.5", None, None),
    ("alpamayo", None, None, None, None, None, None),
]


@pytest.mark.parametrize(
    ("alias", "huggingface", "openai", "azure", "nvidia", "quantization", "dtype"), SPECIFIED, ids=lambda v: str(v)
)
def test_presets_are_those_of_the_specification(alias, huggingface, openai, azure, nvidia, quantization, dtype):
    preset = model_of(alias, PLAIN).preset
    assert (preset.huggingface, preset.openai, preset.azure, preset.nvidia) == (huggingface, openai, azure, nvidia)
    assert (preset.quantization, preset.dtype) == (quantization, dtype)


def test_there_are_no_other_presets():
    assert sorted(PRESETS) == sorted(row[0] for row in SPECIFIED)
    assert known_aliases(PLAIN) == sorted(PRESETS)


def test_every_model_has_the_general_defaults():
    found = model_of("gpt5", PLAIN).settings
    assert (found.temperature, found.max_tokens, found.timeout_s, found.max_in_flight) == (0.0, 4096, 600.0, 16)
    assert (found.answer, found.media, found.transport, found.backend) == ("json", "images", "base64", "auto")
    assert (found.top_p, found.repetition_penalty, found.seed, found.thinking, found.price) == (None,) * 5


@pytest.mark.parametrize(
    ("alias", "thinking"), [("qwen3.5_35b", False), ("qwen3.5_397b_fp8", False), ("qwen3_vl_235b_awq", None)]
)
def test_qwen35_does_not_think(alias, thinking):
    assert model_of(alias, PLAIN).settings.thinking is thinking


@pytest.mark.parametrize(
    ("alias", "users", "environ", "thinking"),
    [
        ("mine", {"model": "Qwen/Qwen3.5-4B"}, {}, False),
        ("mine", {"model": "Qwen/Qwen3.5-4B", "thinking": True}, {}, True),
        ("alpamayo", {}, {"LOCAL_OPENAI_MODEL": "qwen3.5-0.8b"}, False),
        ("alpamayo", {"thinking": True}, {"LOCAL_OPENAI_MODEL": "qwen3.5-0.8b"}, True),
        ("alpamayo", {}, {"LOCAL_OPENAI_MODEL": "alpamayo-10b"}, None),
        ("qwen3.5_35b", {}, {"LOCAL_OPENAI_MODEL": "served-name"}, False),
    ],
)
def test_qwen35_does_not_think_unless_told_to_by_whatever_name_it_comes(alias, users, environ, thinking):
    model = model_of(alias, settings(**{alias: users}))
    environ = {"LOCAL_OPENAI_BASE_URL": "http://h/v1", **environ}
    assert resolve(model, environ).thinking is thinking
    assert shaping(model, environ)["thinking"] is thinking


def test_alpamayo_is_a_server_that_answers_with_text_about_images():
    found = model_of("alpamayo", PLAIN).settings
    assert (found.backend, found.answer, found.media) == ("server", "text", "images")


@pytest.mark.parametrize(
    ("alias", "users", "free"),
    [
        ("dummy", {}, True),
        ("qwen3.5_35b", {}, True),
        ("qwen3.5_35b", {"backend": "server"}, True),
        ("qwen3.5_35b", {"backend": "nvidia"}, False),  # not the user's own server
        ("gpt5", {}, False),
        ("mine", {"model": "m"}, False),
    ],
)
def test_only_what_the_user_serves_is_free(alias, users, free):
    price = model_of(alias, settings(**{alias: users})).settings.price
    assert (price is not None) is free
    if price:
        assert (price.input_usd, price.output_usd) == (0, 0)


def test_settings_go_before_the_preset_and_the_general_defaults():
    price = {"input_usd": 1, "output_usd": 2}
    mine = settings(alpamayo={"temperature": 0.6, "answer": None, "max_tokens": 256, "price": price})
    found = model_of("alpamayo", mine).settings
    assert (found.temperature, found.max_tokens, found.price.output_usd) == (0.6, 256, 2)
    assert (found.answer, found.timeout_s) == ("text", 600.0)


def test_backend_auto_leaves_the_preset_its_backend():
    assert model_of("dummy", settings(dummy={"backend": "auto"})).settings.backend == "dummy"


@pytest.mark.parametrize(("spelt", "alias"), [("gpt-5", "gpt5"), ("gpt-5.5", "gpt5.5")])
def test_dashed_spellings_mean_the_same_model(spelt, alias):
    assert model_of(spelt, PLAIN) == model_of(alias, PLAIN)


def test_settings_under_the_dashed_spelling_hold_for_both():
    mine = settings(gpt__5={"max_tokens": 7})
    assert model_of("gpt5", mine).settings.max_tokens == model_of("gpt-5", mine).settings.max_tokens == 7
    assert known_aliases(mine) == known_aliases(PLAIN)


def test_one_model_in_two_spellings_is_an_error():
    with pytest.raises(ModelMisconfigured, match="gpt5 and gpt-5"):
        model_of("gpt5", settings(gpt5={}, gpt__5={}))


def test_an_unknown_alias_is_told_the_known_ones_and_how_to_add_more():
    with pytest.raises(UnknownAlias) as caught:
        model_of("gpt4", settings(mine={"model": "m"}))
    assert isinstance(caught.value, SettingsError)
    for word in ("'gpt4'", "models.aliases", "mine", *PRESETS):
        assert word in str(caught.value)


@pytest.mark.parametrize("backend", ["auto", "server", "openai", "nvidia", "azure", "vllm"])
def test_a_users_alias_needs_a_model(backend):
    with pytest.raises(ModelMisconfigured, match=r"models\.aliases\.mine\.model"):
        model_of("mine", settings(mine={"backend": backend}))
    assert model_of("mine", settings(mine={"backend": backend, "model": "m"})).settings.model == "m"


def test_a_users_alias_for_the_dummy_needs_none():
    assert canonical_id(model_of("mine", settings(mine={"backend": "dummy"})), {}) == "dummy"


AZURE = {"NVHOST_OAI_CLIENT_ID": "id", "NVHOST_OAI_CLIENT_SECRET": "secret"}
NVIDIA, OPENAI = {"NVIDIA_API_KEY": "nv"}, {"OPENAI_API_KEY": "oa"}
BOTH = {"LOCAL_OPENAI_MODEL": "local-name", "NV_INFERENCE_MODEL": "nv-name"}


@pytest.mark.parametrize(
    ("alias", "users", "environ", "expected"),
    [
        ("dummy", {}, BOTH, "dummy"),
        ("gpt5", {}, {}, "gpt-5"),
        ("gpt5", {}, BOTH, "gpt-5"),
        ("gpt5", {"backend": "nvidia"}, BOTH, "nv-name"),
        ("gpt5", {"backend": "nvidia"}, {"NV_INFERENCE_MODEL": " "}, "gpt-5"),
        ("qwen3.5_35b", {"backend": "nvidia"}, BOTH, "nv-name"),
        ("gpt5", {"backend": "openai"}, BOTH, "gpt-5"),
        ("gpt5", {"base_url": "http://h/v1"}, BOTH, "gpt-5"),
        ("gpt5", {"backend": "dummy"}, BOTH, "dummy"),
        ("gpt5.5", {"model": "gpt-5.5-2026"}, BOTH, "gpt-5.5-2026"),
        ("qwen3.5_35b", {}, {}, "Qwen/Qwen3.5-35B-A3B"),
        ("qwen3.5_35b", {}, BOTH, "local-name"),
        ("qwen3.5_35b", {"model": "mine"}, BOTH, "mine"),
        ("alpamayo", {}, BOTH, "local-name"),
        ("alpamayo", {"model": "alpamayo-10b"}, {}, "alpamayo-10b"),
    ],
)
def test_labels_name_the_model_whatever_the_credentials(alias, users, environ, expected):
    model = model_of(alias, settings(**{alias: users}))
    keys = {"OPENAI_API_KEY": "k1", "LOCAL_OPENAI_BASE_URL": "http://h/v1", **AZURE}
    assert canonical_id(model, environ) == canonical_id(model, {**environ, **keys}) == expected


@pytest.mark.parametrize(
    ("users", "environ", "expected"),
    [
        ({}, {}, "gpt-5"),
        ({}, OPENAI, "gpt-5"),
        ({}, NVIDIA, "nv-name"),
        ({}, {**NVIDIA, **OPENAI}, "nv-name"),
        ({}, {**NVIDIA, **AZURE}, "gpt-5"),
        ({}, {**NVIDIA, "NVHOST_OAI_CLIENT_ID": "half of the pair"}, "nv-name"),
        ({}, {**NVIDIA, "NVIDIA_API_KEY": " "}, "gpt-5"),
        ({}, {**NVIDIA, "NV_INFERENCE_MODEL": ""}, "gpt-5"),
        ({"backend": "openai"}, NVIDIA, "gpt-5"),
        ({"model": "mine"}, NVIDIA, "mine"),
    ],
)
def test_nvidia_s_variable_names_the_model_only_where_nvidia_serves_it(users, environ, expected):
    model = model_of("gpt5", settings(gpt5=users))
    environ = {"NV_INFERENCE_MODEL": "nv-name", **environ}
    assert canonical_id(model, environ) == expected
    if environ.keys() & {"OPENAI_API_KEY", "NVIDIA_API_KEY"} and environ.get("NVIDIA_API_KEY") != " ":
        asked = resolve(model, {**OPENAI, **environ}).model_id
        assert (asked == "nv-name") == (expected == "nv-name")


def test_alpamayo_without_an_id_names_both_ways_to_give_one():
    with pytest.raises(ModelMisconfigured, match=r"models\.aliases\.alpamayo\.model.*LOCAL_OPENAI_MODEL"):
        canonical_id(model_of("alpamayo", PLAIN), {})


SHAPES = {
    "model": "other",
    "answer": "text",
    "media": "video",
    "temperature": 1,
    "top_p": 0.5,
    "repetition_penalty": 1.1,
    "max_tokens": 5,
    "seed": 3,
    "thinking": True,
    "engine_args": {"quantization": "fp8"},
}
SHAPES_NOT = {
    "backend": "server",
    "base_url": "http://h/v1",
    "api_key_env": "KEY",
    "transport": "file_url",
    "max_in_flight": 2,
    "requests_per_minute": 9,
    "tokens_per_minute": 9,
    "timeout_s": 5,
    "tokens_per_image": 99,
    "price": {"input_usd": 1, "output_usd": 1},
}


@pytest.mark.parametrize("name", [*SHAPES, *SHAPES_NOT])
def test_only_what_shapes_an_answer_makes_labels_stale(name):
    value = {**SHAPES, **SHAPES_NOT}[name]
    changed = shaping(model_of("qwen3.5_35b", settings(**{"qwen3.5_35b": {name: value}})), {})
    assert (changed != shaping(model_of("qwen3.5_35b", PLAIN), {})) is (name in SHAPES)


KNOBS = ("temperature", "top_p", "repetition_penalty", "max_tokens", "seed", "thinking")
ALL = {"top_p": 0.5, "repetition_penalty": 1.1, "max_tokens": 5, "seed": 3, "thinking": True}
URL = {"LOCAL_OPENAI_BASE_URL": "http://h/v1"}


@pytest.mark.parametrize(
    ("alias", "users", "environ", "shape"),
    [
        ("gpt5", {"temperature": 0.5}, OPENAI, (None, None, None, 5, None, None)),
        ("gpt5", {"temperature": 1}, OPENAI, (1, None, None, 5, None, None)),
        ("gpt5", {"temperature": 0.5, "base_url": "http://h/v1"}, {}, (None, None, None, 5, None, None)),
        ("gpt5", {"temperature": 0.5, "backend": "azure"}, AZURE, (None, None, None, 5, None, None)),
        ("gpt5", {"temperature": 0.5, "model": "gpt-4.1"}, OPENAI, (0.5, None, None, 5, 3, None)),
        ("gpt5", {}, {**NVIDIA, "NV_INFERENCE_MODEL": "some/vlm"}, (0, None, None, 5, 3, None)),
        ("gpt5", {"model": "vlm", "base_url": "http://h/v1"}, {}, (0, 0.5, 1.1, 5, 3, True)),
        ("gpt5", {"model": "vlm", "backend": "server"}, URL, (0, 0.5, 1.1, 5, 3, True)),
        ("qwen3.5_35b", {}, URL, (0, 0.5, 1.1, 5, 3, True)),
        ("qwen3.5_35b", {"backend": "openai", "model": "qwen"}, OPENAI, (0, None, None, 5, 3, None)),
        ("mine", {"model": "gpt-5-mini"}, URL, (None, None, None, 5, None, None)),
        ("mine", {"model": "m"}, URL, (0, 0.5, 1.1, 5, 3, True)),
    ],
)
def test_the_shape_is_what_is_sent(alias, users, environ, shape):
    model = model_of(alias, settings(**{alias: {**ALL, **users}}))
    found = shaping(model, environ)
    assert tuple(found[knob] for knob in KNOBS) == shape
    own = model.settings
    sampling = Sampling(own.max_tokens, own.temperature, own.top_p, own.repetition_penalty, own.seed)
    body = request_body(ChatRequest("k", alias, [], sampling), resolve(model, environ))
    sent = {**body, "max_tokens": body.get("max_tokens", body.get("max_completion_tokens"))}
    sent["thinking"] = body.get("chat_template_kwargs", {}).get("enable_thinking")
    assert tuple(sent.get(knob) for knob in KNOBS) == shape


def test_what_is_not_sent_makes_no_label_stale():
    plain = shaping(model_of("gpt5", PLAIN), {})
    for name, value in {"temperature": 0.7, "top_p": 0.5, "seed": 3, "thinking": True}.items():
        assert shaping(model_of("gpt5", settings(gpt5={name: value})), {}) == plain


def test_arguments_of_the_engine_shape_answers_only_where_there_are_any():
    assert "engine_args" not in shaping(model_of("qwen3.5_35b", PLAIN), {})
    mine = settings(**{"qwen3.5_35b": {"engine_args": {"dtype": "float16"}}})
    assert shaping(model_of("qwen3.5_35b", mine), {})["engine_args"] == {"dtype": "float16"}


def test_shaping_names_the_alias_and_both_spellings_alike():
    assert shaping(model_of("gpt-5", PLAIN), {}) == shaping(model_of("gpt5", PLAIN), {})
    assert shaping(model_of("gpt-5", PLAIN), {})["alias"] == "gpt5"


def test_what_the_settings_refuse_stays_refused():
    with pytest.raises(ValidationError):
        settings(gpt5={"temprature": 1})
