"""vLLM inside this process: the same questions as to a server, without a server.

    vLLM says                                becomes
    not installed, cannot start, died        BackendDown
    EngineDeadError                          BackendDown
    VLLMClientError, ValueError, TypeError   Rejected: prompt too long, too many pictures, a schema it cannot follow
    anything else, an aborted request        Transient
    no answer in time                        TimedOut

vLLM is heavy and needs a GPU, so it is imported when the first question is asked; loading a model takes minutes.
Source: models.md, sections 1.1, 1.3 and 6.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from resources.models.endpoints import Endpoint, cache_variables
from resources.models.failures import BackendDown, ModelFailure, Rejected, TimedOut, Transient
from resources.models.redaction import redact, secrets_in
from resources.models.request import ChatAnswer, ChatRequest, Image, Message, ModelClient, Part, Text, Usage, Video
from resources.models.sampling import told

Start = Callable[[Mapping[str, Any]], Any]

_GUIDED = {"backend": "guidance", "disable_any_whitespace": True}
"""Structured outputs as in models.md 6.11; with free whitespace, a small model writes blanks up to its limit."""
_FAILURES: Mapping[str, type[ModelFailure]] = {
    "EngineDeadError": BackendDown,
    "VLLMClientError": Rejected,
    "ValueError": Rejected,
    "TypeError": Rejected,
}
"""By class name, so that vLLM need not be there; the most special class of an error that is listed counts."""


class Engine(ModelClient):
    """One model in this process, within one event loop; questions asked at once are computed together."""

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str], *, start: Start | None = None) -> None:
        """Loads nothing yet.

        Args:
            environ: where secrets lie that no message may show.
            start: makes vLLM's asynchronous engine from its arguments.
        """
        self._endpoint = endpoint
        self._secrets = secrets_in(environ, endpoint)
        self._start = start or start_vllm
        self._loading: asyncio.Task[Any] | None = None
        self._numbers = itertools.count()

    async def ask(self, request: ChatRequest, timeout_s: float) -> ChatAnswer:
        """One answer; the time for loading the model does not count towards `timeout_s`.

        Raises:
            ModelFailure: as the table above says.
        """
        vllm = await self._loaded()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer(vllm, request)
        except TimeoutError as late:
            raise TimedOut(f"{self._endpoint.model_id} in this process gave no answer in {timeout_s:g} s.") from late
        except ModelFailure:
            raise
        except Exception as error:
            raise self._failure(error) from error

    async def close(self) -> None:
        """Frees the GPU; questions under way fail."""
        if self._loading is None:
            return
        await asyncio.wait([self._loading])
        if not self._loading.cancelled() and self._loading.exception() is None:
            await asyncio.to_thread(self._loading.result().shutdown)
        self._loading = None

    async def _loaded(self) -> Any:
        """vLLM's engine, loaded once; a failure to load is every question's failure."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        return await asyncio.shield(self._loading)

    async def _load(self) -> Any:
        try:
            return await asyncio.to_thread(self._start, engine_args(self._endpoint.engine))
        except ModelFailure:
            raise
        except Exception as error:
            raise BackendDown(
                f"vLLM cannot load {self._endpoint.model_id} in this process: {self._shown(error)}. Its log above says "
                "more. The model needs GPUs with room for its weights; engine_args of its alias under models.aliases "
                "change how it is loaded, and a running server is used with LOCAL_OPENAI_BASE_URL."
            ) from error

    async def _answer(self, vllm: Any, request: ChatRequest) -> ChatAnswer:
        knobs = told(self._endpoint.taker, request.sampling, self._endpoint.thinking)
        prompt = await asyncio.to_thread(self._prompt, vllm, request.messages, knobs.pop("thinking"))
        output = None
        async for part in vllm.generate(
            prompt,
            _sampling(vllm, request, knobs),
            f"{request.key}-{next(self._numbers)}",
            tokenization_kwargs={"add_special_tokens": False},  # the chat template wrote them
        ):
            output = part
        return _read(output, self._endpoint.model_id)

    def _prompt(self, vllm: Any, messages: Iterable[Message], thinking: float | None) -> dict[str, Any]:
        """The conversation as the model's chat template writes it, with its pictures."""
        messages = list(messages)
        switches = {} if thinking is None else {"enable_thinking": thinking}
        text = _template_of(vllm).apply_chat_template(
            conversation(messages), tokenize=False, add_generation_prompt=True, **switches
        )
        shown = media(messages)
        return {"prompt": text, "multi_modal_data": shown} if shown else {"prompt": text}

    def _failure(self, error: Exception) -> ModelFailure:
        cause = error.__cause__ if type(error).__name__ == "EngineGenerateError" else None
        reason = cause if isinstance(cause, Exception) else error
        known = (_FAILURES[each.__name__] for each in type(reason).__mro__ if each.__name__ in _FAILURES)
        kind = next(known, Transient)
        return kind(f"{self._endpoint.model_id} in this process: {self._shown(reason)}.")

    def _shown(self, error: Exception) -> str:
        words = f"{type(error).__name__}: {error}".rstrip(".")
        return redact(words, self._secrets)


def start_vllm(args: Mapping[str, Any]) -> Any:
    """Loads a model; blocks for minutes.

    Raises:
        BackendDown: vLLM is not installed.
    """
    if importlib.util.find_spec("vllm") is None:
        raise BackendDown(
            'vLLM is not installed. Run pip install "coc-assets[vllm]" on a machine with a GPU, or set '
            "LOCAL_OPENAI_BASE_URL to a server that has the model."
        )
    os.environ.update(cache_variables(os.environ))  # read while vLLM is imported
    os.environ.setdefault("VLLM_WORKER_MULTIPROCESSING_METHOD", "spawn")  # a fork would take locks of our threads along
    import torch
    from vllm import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    gpus = max(1, torch.cuda.device_count())
    return AsyncLLM.from_engine_args(AsyncEngineArgs(**{"tensor_parallel_size": gpus, **args}))


def engine_args(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the engine: the endpoint's, and what every engine of ours has unless they say otherwise."""
    return {"structured_outputs_config": dict(_GUIDED), "disable_log_stats": True, **given}


def conversation(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages as chat templates read them; pictures only leave their mark."""
    return [{"role": message.role, "content": [_mark(part) for part in message.parts]} for message in messages]


def media(messages: Iterable[Message]) -> dict[str, list[Any]]:
    """Pictures (RGB) and videos (frames with their instants) in the order in which the template marks them.

    Raises:
        Rejected: one cannot be read.
    """
    parts = [part for message in messages for part in message.parts]
    images = [_readable(part, _picture) for part in parts if isinstance(part, Image)]
    videos = [_readable(part, _frames) for part in parts if isinstance(part, Video)]
    return {name: shown for name, shown in (("image", images), ("video", videos)) if shown}


def _mark(part: Part) -> dict[str, str]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": "image" if isinstance(part, Image) else "video"}


def _readable(part: Image | Video, read: Callable[[io.BytesIO], Any]) -> Any:
    encoded = part.jpeg if isinstance(part, Image) else part.mp4
    name = str(part.path) if part.path else f"a {type(part).__name__.lower()} of {len(encoded or b'')} bytes"
    try:
        return read(io.BytesIO(part.path.read_bytes() if part.path else encoded or b""))
    except Exception as error:  # PyAV's and Pillow's have no common base
        raise Rejected(f"{name} cannot be read: {error}. Make the frames anew and ask again.") from error


def _picture(file: io.BytesIO) -> Any:
    from PIL import Image as Pictures

    return Pictures.open(file).convert("RGB")


def _frames(file: io.BytesIO) -> tuple[Any, dict[str, Any]]:
    """All frames, uint8 of shape (frames, height, width, 3), and what says when they were taken."""
    import av
    import numpy as np

    with av.open(file, "r") as video:
        fps = float(video.streams.video[0].average_rate or 2)
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
    count = len(frames)
    return frames, {
        "fps": fps,
        "duration": count / fps,
        "total_num_frames": count,
        "frames_indices": list(range(count)),
        "video_backend": "pyav",
        "do_sample_frames": False,  # they are chosen already
    }


def _template_of(vllm: Any) -> Any:
    """What holds the chat template; some models keep it beside the tokenizer."""
    if vllm.tokenizer.chat_template:
        return vllm.tokenizer
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(vllm.model_config.model)


def _sampling(vllm: Any, request: ChatRequest, knobs: Mapping[str, float | None]) -> Any:
    """vLLM's sampling parameters; what the request leaves open is as the model's makers recommend, as on a server."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    given = {name: value for name, value in knobs.items() if value is not None}
    return SamplingParams(
        **{**vllm.model_config.get_diff_sampling_param(), **given},
        structured_outputs=StructuredOutputsParams(json=dict(request.schema)) if request.schema else None,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _read(output: Any, model_id: str) -> ChatAnswer:
    """vLLM's output as an answer.

    Raises:
        Transient: the request was aborted.
    """
    if output is None or output.outputs[0].finish_reason in (None, "abort", "error"):
        raise Transient(f"{model_id} in this process stopped without an answer.")
    generated = output.outputs[0]
    usage = Usage(len(output.prompt_token_ids), len(generated.token_ids), output.num_cached_tokens or 0)
    return ChatAnswer(generated.text, generated.finish_reason, model_id, usage)
