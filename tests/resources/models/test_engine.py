"""The in-process engine, with vLLM played by the test; tests/vllm asks a real one."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pictures

from resources.models.endpoints import Endpoint
from resources.models.engine import Engine, conversation, engine_args, media
from resources.models.failures import BackendDown, Rejected, TimedOut, Transient
from resources.models.request import ChatRequest, Image, Message, Sampling, Text, Usage, Video
from tests.vllm.pictures import FRAMES, HEIGHT, WIDTH, mp4

ENDPOINT = Endpoint("vllm", "some/model", engine={"model": "/weights", "max_num_seqs": 3}, thinking=False)
SCHEMA = {"type": "object"}


def jpeg(colour):
    file = io.BytesIO()
    Pictures.new("RGB", (8, 6), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def request(*parts, schema=SCHEMA, **sampling):
    messages = (Message("system", (Text("You label."),)), Message("user", (Text("What?"), *parts)))
    return ChatRequest("the-key", "some/model", messages, Sampling(64, **sampling), schema)


def output(finish_reason="stop"):
    generated = SimpleNamespace(text="{}", finish_reason=finish_reason, token_ids=[5, 6])
    return SimpleNamespace(outputs=[generated], prompt_token_ids=[1, 2, 3], num_cached_tokens=1)


class Vllm:
    """Answers, fails or hangs as told, and remembers what it was asked."""

    model_config = SimpleNamespace(get_diff_sampling_param=lambda: {"top_k": 20, "temperature": 0.7})

    def __init__(self, reply=None):
        self.reply = output() if reply is None else reply
        self.tokenizer = SimpleNamespace(chat_template="a template", apply_chat_template=self.written)
        self.prompts, self.params, self.ids, self.switches, self.abandoned, self.down = [], [], [], [], 0, 0

    def written(self, conversation, **switches):
        self.switches.append(switches)
        return "written by the template"

    async def generate(self, prompt, params, request_id, tokenization_kwargs):
        self.prompts.append(prompt)
        self.params.append(params)
        self.ids.append(request_id)
        if isinstance(self.reply, Exception):
            raise self.reply
        try:
            if self.reply == "hangs":
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.abandoned += 1
            raise
        yield self.reply

    def shutdown(self):
        self.down += 1


@pytest.fixture(autouse=True)
def parameters(monkeypatch):
    """vLLM's parameter classes, as plain records."""
    kinds = SimpleNamespace(RequestOutputKind=SimpleNamespace(FINAL_ONLY="final"), StructuredOutputsParams=dict)
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=dict, sampling_params=kinds))
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", kinds)


def asked(vllm, *requests, timeout_s=60.0, endpoint=ENDPOINT):
    """Answers to requests asked at once, or the failures in their place."""

    async def run():
        engine = Engine(endpoint, {}, start=lambda args: vllm)
        answers = await asyncio.gather(*(engine.ask(each, timeout_s) for each in requests), return_exceptions=True)
        await engine.close()
        return answers

    return asyncio.run(run())


def test_an_answer_and_what_it_took():
    (answer,) = asked(Vllm(), request())
    assert (answer.text, answer.finish_reason, answer.model) == ("{}", "stop", "some/model")
    assert answer.usage == Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=1)


def test_the_model_is_loaded_once_for_questions_asked_at_once():
    loads = []
    vllm = Vllm()

    async def run():
        engine = Engine(ENDPOINT, {}, start=lambda args: loads.append(args) or vllm)
        await asyncio.gather(*(engine.ask(request(), 60.0) for _ in range(5)))
        await engine.close()

    asyncio.run(run())
    assert loads == [engine_args(ENDPOINT.engine)]
    assert len(set(vllm.ids)) == 5
    assert vllm.down == 1


def test_arguments_of_the_settings_go_before_our_own():
    args = engine_args({"model": "/weights", "disable_log_stats": False})
    assert args["model"] == "/weights"
    assert args["disable_log_stats"] is False
    assert args["structured_outputs_config"] == {"backend": "guidance", "disable_any_whitespace": True}


def test_the_prompt_is_as_the_template_writes_it_with_its_pictures():
    vllm = Vllm()
    asked(vllm, request(Image(8, 6, jpeg=jpeg("red"))), request())
    with_picture, without = vllm.prompts
    if "multi_modal_data" not in with_picture:
        with_picture, without = without, with_picture
    assert without == {"prompt": "written by the template"}
    assert [picture.size for picture in with_picture["multi_modal_data"]["image"]] == [(8, 6)]


@pytest.mark.parametrize(
    ("thinking", "switch"), [(None, {}), (False, {"enable_thinking": False}), (True, {"enable_thinking": True})]
)
def test_thinking_is_left_to_the_template_unless_set(thinking, switch):
    vllm = Vllm()
    asked(vllm, request(), endpoint=Endpoint("vllm", "some/model", thinking=thinking))
    assert vllm.switches == [{"tokenize": False, "add_generation_prompt": True, **switch}]


def test_what_a_request_leaves_open_is_as_the_model_recommends():
    vllm = Vllm()
    asked(vllm, request(temperature=0.0, seed=7, schema=None))
    (params,) = vllm.params
    assert params == {
        "top_k": 20,
        "temperature": 0.0,
        "seed": 7,
        "max_tokens": 64,
        "structured_outputs": None,
        "output_kind": "final",
    }


def test_the_schema_guides_the_answer():
    vllm = Vllm()
    asked(vllm, request())
    assert vllm.params[0]["structured_outputs"] == {"json": SCHEMA}


def test_messages_keep_their_order_and_mark_their_pictures():
    user = Message("user", (Image(8, 6, jpeg=b""), Text("between"), Video(8, 6, 16, mp4=b"")))
    assert conversation([user]) == [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "between"}, {"type": "video"}]}
    ]


def test_pictures_are_read_from_bytes_and_from_files(tmp_path):
    (tmp_path / "blue.jpg").write_bytes(jpeg("blue"))
    parts = (Image(8, 6, jpeg=jpeg("red")), Image(8, 6, path=tmp_path / "blue.jpg"))
    red, blue = media([Message("user", parts)])["image"]
    assert red.getpixel((4, 3))[0] > 200 > 100 > blue.getpixel((4, 3))[0]
    assert blue.mode == "RGB"


def test_a_video_comes_whole_and_with_its_true_instants():
    (video,) = media([Message("user", (Video(WIDTH, HEIGHT, FRAMES, mp4=mp4()),))])["video"]
    frames, told = video
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert frames.dtype == np.uint8
    assert (told["fps"], told["duration"], told["total_num_frames"]) == (2.0, 8.0, FRAMES)
    assert told["frames_indices"] == list(range(FRAMES))
    assert told["do_sample_frames"] is False


@pytest.mark.parametrize(
    "part",
    [Image(8, 6, jpeg=b"no picture"), Video(8, 6, 16, mp4=b"no video"), Image(8, 6)],
    ids=["picture", "video", "nothing"],
)
def test_what_cannot_be_read_is_rejected(part):
    (failure,) = asked(Vllm(), request(part))
    assert isinstance(failure, Rejected)
    assert "cannot be read" in str(failure)


def test_a_file_that_is_gone_is_named(tmp_path):
    (failure,) = asked(Vllm(), request(Image(8, 6, path=tmp_path / "gone.jpg")))
    assert isinstance(failure, Rejected)
    assert str(tmp_path / "gone.jpg") in str(failure)


class EngineDeadError(Exception):
    """As vLLM's."""


class VLLMClientError(Exception):
    """As vLLM's."""


class TooLong(VLLMClientError):
    """As one of vLLM's."""


class EngineGenerateError(Exception):
    """As vLLM's: what happened is its cause."""

    def __init__(self, cause):
        super().__init__()
        self.__cause__ = cause


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (EngineDeadError("out of memory"), BackendDown, "out of memory"),
        (TooLong("8193 tokens"), Rejected, "8193 tokens"),
        (ValueError("bad schema"), Rejected, "bad schema"),
        (EngineGenerateError(ValueError("bad picture")), Rejected, "bad picture"),
        (EngineGenerateError(RuntimeError("hiccup")), Transient, "hiccup"),
        (EngineGenerateError(None), Transient, "EngineGenerateError"),
        (RuntimeError("hiccup"), Transient, "hiccup"),
    ],
)
def test_every_error_becomes_a_failure_of_its_kind(error, kind, words):
    (failure,) = asked(Vllm(error), request())
    assert type(failure) is kind
    assert words in str(failure)
    assert "some/model" in str(failure)


@pytest.mark.parametrize("finish_reason", [None, "abort", "error"])
def test_an_aborted_request_may_be_asked_again(finish_reason):
    (failure,) = asked(Vllm(output(finish_reason)), request())
    assert type(failure) is Transient


def test_a_late_answer_is_given_up_and_its_computation_ended():
    vllm = Vllm("hangs")
    (failure,) = asked(vllm, request(), timeout_s=0.05)
    assert isinstance(failure, TimedOut)
    assert vllm.abandoned == 1


def test_a_model_that_cannot_be_loaded_fails_every_question_once_and_shows_no_secret():
    tries = []

    def start(args):
        tries.append(args)
        raise RuntimeError("no room; token hf_verysecret")

    async def run():
        engine = Engine(ENDPOINT, {"HF_TOKEN": "hf_verysecret"}, start=start)
        failures = await asyncio.gather(*(engine.ask(request(), 60.0) for _ in range(3)), return_exceptions=True)
        await engine.close()
        return failures

    failures = asyncio.run(run())
    assert [type(failure) for failure in failures] == [BackendDown] * 3
    assert len(tries) == 1
    assert "no room" in str(failures[0])
    assert "hf_verysecret" not in str(failures[0])


def test_without_vllm_the_mend_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    failure = asyncio.run(_failure(Engine(ENDPOINT, {})))
    assert isinstance(failure, BackendDown)
    assert 'pip install "coc-assets[vllm]"' in str(failure)


async def _failure(engine):
    with pytest.raises(BackendDown) as caught:
        await engine.ask(request(), 60.0)
    return caught.value


def test_an_engine_never_asked_closes_at_once():
    asyncio.run(Engine(ENDPOINT, {}).close())
