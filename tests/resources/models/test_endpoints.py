from __future__ import annotations

import os

import pytest

from resources.models.aliases import ModelMisconfigured, model_of
from resources.models.endpoints import (
    CredentialsMissing,
    cache_folder,
    cache_variables,
    local_snapshot,
    resolve,
)
from resources.settings.models import ModelsSettings

AZURE = {"NVHOST_OAI_CLIENT_ID": "azure-id", "NVHOST_OAI_CLIENT_SECRET": "azure-secret"}
NVIDIA = {"NVIDIA_API_KEY": "nvapi-secret"}
OPENAI = {"OPENAI_API_KEY": "sk-secret"}
LOCAL = {"LOCAL_OPENAI_BASE_URL": "http://local:8000/v1"}
SERVER_IP = {"COC_LABELING_MODEL_SERVER_IP": "10.0.0.5"}
CLOUD = {**AZURE, **NVIDIA, **OPENAI}
QWEN = "qwen3.5_35b"
QWEN_ID = "Qwen/Qwen3.5-35B-A3B"


def endpoint(alias, environ, vllm=False, **users):
    model = model_of(alias, ModelsSettings(aliases={alias: users}))
    return resolve(model, environ, find_spec=lambda name: object() if vllm and name == "vllm" else None)


def key_of(found):
    return found.api_key.get_secret_value() if found.api_key else None


@pytest.mark.parametrize(
    ("environ", "users", "backend", "model_id", "base_url", "key"),
    [
        (CLOUD, {}, "azure", "gpt-5", "https://prod.api.nvidia.com/llm/v1/azure/openai", None),
        (
            {**NVIDIA, **OPENAI, "NVHOST_OAI_CLIENT_ID": "x"},  # half of the pair does not do
            {},
            "nvidia",
            "us/azure/openai/gpt-5",
            "https://inference-api.nvidia.com",
            "nvapi-secret",
        ),
        (
            {**NVIDIA, "NV_INFERENCE_URL": "https://nv/v1/", "NV_INFERENCE_MODEL": "their/gpt-5"},
            {},
            "nvidia",
            "their/gpt-5",
            "https://nv/v1",
            "nvapi-secret",
        ),
        (OPENAI, {}, "openai", "gpt-5", "https://api.openai.com/v1", "sk-secret"),
        ({**OPENAI, "NVIDIA_API_KEY": "  "}, {}, "openai", "gpt-5", "https://api.openai.com/v1", "sk-secret"),
        (
            {**OPENAI, "OPENAI_BASE_URL": "https://eu.api/v1//", "NV_INFERENCE_MODEL": "x"},
            {},
            "openai",
            "gpt-5",
            "https://eu.api/v1",
            "sk-secret",
        ),
        (CLOUD, {"backend": "openai"}, "openai", "gpt-5", "https://api.openai.com/v1", "sk-secret"),
        (CLOUD, {"backend": "nvidia", "model": "m"}, "nvidia", "m", "https://inference-api.nvidia.com", "nvapi-secret"),
        (
            {**CLOUD, "MINE": "my-key"},
            {"base_url": "https://proxy/v1/", "api_key_env": "MINE"},
            "server",
            "gpt-5",
            "https://proxy/v1",
            "my-key",
        ),
        ({**CLOUD, **LOCAL}, {"backend": "server"}, "server", "gpt-5", "http://local:8000/v1", "EMPTY"),
        (
            {**OPENAI, "MINE": "my-key"},
            {"backend": "openai", "base_url": "https://eu.api/v1", "api_key_env": "MINE"},
            "openai",
            "gpt-5",
            "https://eu.api/v1",
            "my-key",
        ),
    ],
)
def test_cloud_models_are_found_in_the_order_of_the_specification(environ, users, backend, model_id, base_url, key):
    found = endpoint("gpt5", environ, **users)
    assert (found.backend, found.model_id, found.base_url) == (backend, model_id, base_url)
    assert key_of(found) == key


def test_azure_holds_what_a_token_is_fetched_with():
    found = endpoint("gpt5.5", AZURE)
    assert found.client_id.get_secret_value() == "azure-id"
    assert found.client_secret.get_secret_value() == "azure-secret"
    assert (found.api_key, found.key_from) == (None, "NVHOST_OAI_CLIENT_SECRET")


@pytest.mark.parametrize(
    ("more", "organization", "project"),
    [
        ({}, None, None),
        ({"OPENAI_ORGANIZATION": "o2"}, "o2", None),
        ({"OPENAI_ORGANIZATION": "o2", "OPENAI_ORG_ID": "o1", "OPENAI_PROJECT": "p"}, "o1", "p"),
    ],
)
def test_openai_accounts(more, organization, project):
    found = endpoint("gpt5", {**OPENAI, **more})
    assert (found.organization, found.project) == (organization, project)


@pytest.mark.parametrize(
    ("environ", "users", "vllm", "base_url", "model_id", "key"),
    [
        ({**LOCAL, **SERVER_IP}, {"base_url": "http://mine/v1/"}, True, "http://mine/v1", QWEN_ID, "EMPTY"),
        ({**LOCAL, **SERVER_IP}, {}, True, "http://local:8000/v1", QWEN_ID, "EMPTY"),
        (
            {**LOCAL, "LOCAL_OPENAI_API_KEY": "local-key", "LOCAL_OPENAI_MODEL": "served"},
            {},
            False,
            "http://local:8000/v1",
            "served",
            "local-key",
        ),
        (
            {**LOCAL, "LOCAL_OPENAI_API_KEY": "local-key", "MINE": "my-key\n"},
            {"api_key_env": "MINE", "model": "m"},
            False,
            "http://local:8000/v1",
            "m",
            "my-key",
        ),
        (SERVER_IP, {}, True, "http://10.0.0.5:50000/v1", QWEN_ID, "EMPTY"),
        ({"COC_LABELING_MODEL_SERVER_IP": "fd00::5"}, {}, False, "http://[fd00::5]:50000/v1", QWEN_ID, "EMPTY"),
        ({"COC_LABELING_MODEL_SERVER_IP": "gpu-box"}, {}, False, "http://gpu-box:50000/v1", QWEN_ID, "EMPTY"),
        ({}, {}, True, None, QWEN_ID, None),
        ({"LOCAL_OPENAI_BASE_URL": "", "COC_LABELING_MODEL_SERVER_IP": " "}, {}, True, None, QWEN_ID, None),
        (LOCAL, {"backend": "vllm"}, True, None, QWEN_ID, None),
    ],
)
def test_local_models_are_found_in_the_order_of_the_specification(environ, users, vllm, base_url, model_id, key):
    found = endpoint(QWEN, {**environ, **CLOUD}, vllm, **users)
    assert (found.base_url, found.model_id, key_of(found)) == (base_url, model_id, key)
    assert found.backend == ("server" if base_url else "vllm")
    assert found.thinking is False


def test_a_users_alias_is_found_like_a_local_model():
    assert endpoint("mine", {**LOCAL, **CLOUD}, model="m").base_url == LOCAL["LOCAL_OPENAI_BASE_URL"]


@pytest.mark.parametrize("alias", ["gpt5", QWEN])
@pytest.mark.parametrize("users", [{}, {"base_url": "http://mine/v1"}, {"backend": "server"}])
def test_a_providers_key_never_goes_to_another_server(alias, users):
    if alias == "gpt5" and not users:
        return
    found = endpoint(alias, {**CLOUD, **LOCAL}, **users)
    assert (found.backend, key_of(found), found.key_from) == ("server", "EMPTY", None)
    assert (found.client_id, found.client_secret, found.organization, found.project) == (None,) * 4


@pytest.mark.parametrize("backend", ["openai", "nvidia"])
def test_a_provider_at_another_url_wants_to_be_told_its_key(backend):
    with pytest.raises(ModelMisconfigured, match="api_key_env"):
        endpoint("gpt5", CLOUD, backend=backend, base_url="https://elsewhere/v1")


@pytest.mark.parametrize(
    ("alias", "environ", "users", "names"),
    [
        ("gpt5", {}, {}, ("OPENAI_API_KEY", "NVIDIA_API_KEY", *AZURE)),
        ("gpt5", LOCAL, {}, ("OPENAI_API_KEY", "NVIDIA_API_KEY", *AZURE)),
        ("gpt5", {**AZURE, **NVIDIA}, {"backend": "openai"}, ("OPENAI_API_KEY",)),
        ("gpt5", {**AZURE, **OPENAI}, {"backend": "nvidia"}, ("NVIDIA_API_KEY",)),
        ("gpt5", OPENAI, {"backend": "azure"}, tuple(AZURE)),
        ("gpt5", {"NVHOST_OAI_CLIENT_ID": "x"}, {"backend": "azure"}, ("NVHOST_OAI_CLIENT_SECRET",)),
        ("gpt5", CLOUD, {"base_url": "http://h/v1", "api_key_env": "MINE"}, ("MINE",)),
        (QWEN, CLOUD, {}, ("LOCAL_OPENAI_BASE_URL", "COC_LABELING_MODEL_SERVER_IP")),
        (QWEN, CLOUD, {"backend": "server"}, ("LOCAL_OPENAI_BASE_URL", "COC_LABELING_MODEL_SERVER_IP")),
        (QWEN, {**LOCAL, "MINE": ""}, {"api_key_env": "MINE"}, ("MINE",)),
        ("alpamayo", CLOUD, {}, ("LOCAL_OPENAI_BASE_URL", "COC_LABELING_MODEL_SERVER_IP")),
        (QWEN, LOCAL, {"backend": "vllm"}, ()),
    ],
)
def test_missing_credentials_are_named_and_none_is_shown(alias, environ, users, names):
    with pytest.raises(CredentialsMissing) as caught:
        endpoint(alias, environ, **users)
    assert caught.value.names == names
    for name in names:
        assert name in str(caught.value)
    assert not any(value in str(caught.value) for value in environ.values() if len(value) > 1)


@pytest.mark.parametrize(
    ("environ", "users", "says"),
    [
        ({"LOCAL_OPENAI_BASE_URL": "ftp://h"}, {}, r"LOCAL_OPENAI_BASE_URL.*ftp://h"),
        ({"LOCAL_OPENAI_BASE_URL": "h:8000/v1"}, {}, r"LOCAL_OPENAI_BASE_URL.*http://host"),
        ({}, {"base_url": "http://"}, r"models\.aliases\.qwen3\.5_35b\.base_url"),
        ({}, {"base_url": "http://h:99999/v1"}, "no http"),
        ({}, {"base_url": "http://h/v1?key=1"}, "query"),
        ({"COC_LABELING_MODEL_SERVER_IP": "10.0.0.5,10.0.0.6"}, {}, "one address"),
        ({"COC_LABELING_MODEL_SERVER_IP": "http://10.0.0.5"}, {}, "without scheme"),
        ({"COC_LABELING_MODEL_SERVER_IP": "10.0.0.5:8000"}, {}, "port is 50000.*LOCAL_OPENAI_BASE_URL"),
        ({**LOCAL, "LOCAL_OPENAI_API_KEY": "two words"}, {}, "LOCAL_OPENAI_API_KEY holds blanks"),
        ({}, {"backend": "azure", "base_url": "http://h/v1"}, "base_url is set, but backend azure"),
        ({}, {"backend": "vllm", "api_key_env": "KEY"}, "api_key_env is set, but backend vllm"),
        (OPENAI, {"backend": "openai"}, r"no built-in model id for backend openai. Set models\.aliases\.\S+\.model to"),
        (NVIDIA, {"backend": "nvidia"}, "NV_INFERENCE_MODEL"),
        ({"VLLM_GPU_MEMORY_UTILIZATION": "95"}, {"backend": "vllm"}, "VLLM_GPU_MEMORY_UTILIZATION holds '95'"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_mend(environ, users, says):
    with pytest.raises(ModelMisconfigured, match=says):
        endpoint(QWEN, environ, vllm=True, **users)


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@h/v1?key=hunter2", "ftp://me:hunter2@h", "me:hunter2@h", "http://me:hunter2@h:x"]
)
def test_errors_about_urls_show_no_password(url):
    with pytest.raises(ModelMisconfigured) as caught:
        endpoint(QWEN, {}, base_url=url)
    assert "hunter2" not in str(caught.value)


def test_a_key_put_where_its_variable_belongs_is_not_repeated():
    for pasted in ("sk-proj-123456", "hf_abcDEF123456"):
        with pytest.raises(ModelMisconfigured, match="api_key_env") as caught:
            endpoint(QWEN, LOCAL, api_key_env=pasted)
        assert pasted not in str(caught.value)


def test_a_key_of_a_cloud_model_without_its_owner_is_refused():
    with pytest.raises(ModelMisconfigured, match="whose key"):
        endpoint("gpt5", {**CLOUD, "MINE": "k"}, api_key_env="MINE")


def test_an_alpamayo_server_needs_an_id_from_either_place():
    with pytest.raises(ModelMisconfigured, match=r"models\.aliases\.alpamayo\.model.*LOCAL_OPENAI_MODEL"):
        endpoint("alpamayo", LOCAL)
    assert endpoint("alpamayo", {**LOCAL, "LOCAL_OPENAI_MODEL": "a-10b"}).model_id == "a-10b"
    assert endpoint("alpamayo", {**LOCAL, "LOCAL_OPENAI_MODEL": "a-10b"}, model="mine").model_id == "mine"


def test_the_dummy_needs_nothing():
    found = endpoint("dummy", {})
    assert (found.backend, found.model_id, found.base_url, found.api_key) == ("dummy", "dummy", None, None)


def test_repr_shows_no_secret():
    shown = [
        repr(endpoint("gpt5", environ, **users))
        for environ, users in (
            (AZURE, {}),
            (NVIDIA, {}),
            (OPENAI, {}),
            ({"LOCAL_OPENAI_API_KEY": "local-secret"}, {"base_url": "http://me:url-secret@h/v1"}),
        )
    ]
    assert "secret" not in " ".join(shown).replace("client_secret", "")
    assert "azure-id" not in shown[0]


def test_the_url_for_people_has_no_userinfo():
    found = endpoint(QWEN, {}, base_url="http://me:hunter2@h:81/v1")
    assert (found.shown_url, found.base_url) == ("http://h:81/v1", "http://me:hunter2@h:81/v1")


@pytest.mark.parametrize(("model_id", "expected"), [("us/azure/openai/gpt-5", True), ("gpt-4o", False)])
def test_the_gpt5_family_goes_by_the_id_on_the_wire(model_id, expected):
    assert endpoint("gpt5", OPENAI, model=model_id).gpt5_family is expected


def test_cloud_models_are_not_told_about_thinking():
    assert endpoint("gpt5", OPENAI, thinking=True).thinking is None
    assert endpoint(QWEN, LOCAL, thinking=True).thinking is True


# In process


@pytest.mark.parametrize(
    ("alias", "more"),
    [
        (QWEN, {}),
        ("qwen3.5_397b_fp8", {"quantization": "fp8"}),
        (
            "qwen3_vl_235b_awq",
            {
                "quantization": "awq",
                "dtype": "float16",
                "enable_expert_parallel": True,
                "mm_encoder_tp_mode": "data",
                "mm_processor_cache_gb": 0,
            },
        ),
    ],
)
def test_engine_arguments_are_those_of_the_specification(alias, more, tmp_path):
    found = endpoint(alias, {"MODEL_CACHE_DIR": str(tmp_path)}, vllm=True, max_in_flight=3)
    assert found.engine == {
        "model": found.model_id,
        "gpu_memory_utilization": 0.95,
        "max_model_len": 128000,
        "max_num_seqs": 3,
        "limit_mm_per_prompt": {"image": 16, "video": 1},
        "download_dir": str(tmp_path),
        "seed": 42,
        "safetensors_load_strategy": "eager",
        **more,
    }


def test_engine_arguments_of_the_settings_go_first():
    environ = {"VLLM_GPU_MEMORY_UTILIZATION": "0.5"}
    engine = endpoint(QWEN, environ, vllm=True, engine_args={"seed": 1, "max_num_seqs": 9}).engine
    assert (engine["seed"], engine["max_num_seqs"], engine["gpu_memory_utilization"]) == (1, 9, 0.5)


def test_resolving_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert endpoint(QWEN, {}, vllm=True).engine["download_dir"] == str(tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environ", "cache", "unset"),
    [
        (
            {"MODEL_CACHE_DIR": "/m", "HF_HOME": "/h"},
            "/m",
            ["HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "TRANSFORMERS_CACHE"],
        ),
        (
            {"HF_HOME": "/h", "HF_HUB_CACHE": "/c"},
            "/h",
            ["MODEL_CACHE_DIR", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"],
        ),
    ],
)
def test_unset_cache_variables_follow_the_cache_folder(environ, cache, unset):
    assert cache_variables(environ) == dict.fromkeys(unset, cache)


@pytest.mark.parametrize(
    ("model_id", "folder"),
    [
        ("QuantTrio/Qwen3-VL-235B-A22B-Instruct-AWQ", "models--QuantTrio--Qwen3-VL-235B-A22B-Instruct-AWQ"),
        (QWEN_ID, "models--Qwen--Qwen3.5-35B-A3B"),
        ("Qwen/Qwen3.5-397B-A17B-FP8", "models--Qwen--Qwen3.5-397B-A17B-FP8"),
    ],
)
def test_cache_folders_are_those_of_the_specification(model_id, folder):
    assert cache_folder(model_id) == folder


def snapshot(folder, age_s, config=True):
    folder.mkdir(parents=True)
    if config:
        (folder / "config.json").write_text("{}")
    os.utime(folder, (1e9 - age_s, 1e9 - age_s))
    return folder


def test_no_weights_on_disk_mean_a_download(tmp_path):
    assert local_snapshot(QWEN_ID, tmp_path) is None


def test_the_newest_complete_snapshot_is_used(tmp_path):
    snapshots = tmp_path / cache_folder(QWEN_ID) / "snapshots"
    snapshot(snapshots / "aaa", age_s=20)
    newest = snapshot(snapshots / "bbb", age_s=10)
    snapshot(snapshots / "ccc", age_s=30)
    snapshot(snapshots / "half", age_s=0, config=False)
    assert local_snapshot(QWEN_ID, tmp_path) == newest
    assert endpoint(QWEN, {"HF_HOME": str(tmp_path)}, vllm=True).engine["model"] == str(newest)


def test_a_plain_folder_goes_before_snapshots(tmp_path):
    folder = snapshot(tmp_path / cache_folder(QWEN_ID), age_s=99)
    snapshot(folder / "snapshots" / "aaa", age_s=0)
    assert local_snapshot(QWEN_ID, tmp_path) == folder


def test_weights_below_hub_are_found_too(tmp_path):
    kept = snapshot(tmp_path / "hub" / cache_folder(QWEN_ID) / "snapshots" / "aaa", age_s=0)
    assert local_snapshot(QWEN_ID, tmp_path) == kept
