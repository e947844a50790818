"""Asks the in-process engine a few questions and prints what came of them; run inside the vLLM test environment.

.venv-vllm/bin/python -m tests.vllm.engine_run MODEL_FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

from resources.models.aliases import model_of
from resources.models.endpoints import resolve
from resources.models.engine import Engine
from resources.models.failures import ModelFailure
from resources.models.request import ChatRequest, Image, Message, Sampling, Text, Video
from resources.settings.models import ModelsSettings
from tests.vllm.pictures import FRAMES, HEIGHT, WIDTH, jpegs, mp4
from tests.vllm.schemas import SCHEMAS

SHORT_FOR_CPU = {"max_model_len": 8192, "enforce_eager": True, "dtype": "float32"}


def engine(folder):
    """The engine as settings describe it."""
    alias = {"backend": "vllm", "model": folder, "engine_args": SHORT_FOR_CPU, "max_in_flight": 4, "thinking": False}
    settings = ModelsSettings.model_validate({"aliases": {"tiny": alias}})
    return Engine(resolve(model_of("tiny", settings), {}), {})


def question(folder, parts, schema=None, max_tokens=300):
    messages = (Message("system", (Text("You label."),)), Message("user", (Text("What does the ego do?"), *parts)))
    return ChatRequest("one-key", folder, messages, Sampling(max_tokens), schema)


def pictures(seed=0):
    return [Image(WIDTH, HEIGHT, jpeg=jpeg) for jpeg in jpegs(seed)]


def film():
    return [Video(WIDTH, HEIGHT, FRAMES, mp4=mp4())]


async def outcome(model, request, timeout_s=300.0):
    """The answer or the failure, as JSON takes it."""
    try:
        return asdict(await model.ask(request, timeout_s))
    except ModelFailure as failure:
        return {"failure": type(failure).__name__, "message": str(failure)}


async def main(folder):
    model = engine(folder)
    together = await asyncio.gather(
        *(outcome(model, question(folder, pictures(), schema)) for schema in SCHEMAS.values()),
        outcome(model, question(folder, pictures(seed=1), SCHEMAS["flat"])),
    )
    outcomes = dict(zip([*SCHEMAS, "other pictures"], together, strict=True)) | {
        "video": await outcome(model, question(folder, film(), SCHEMAS["nested"])),
        "cut off": await outcome(model, question(folder, [], max_tokens=8)),
        "too many": await outcome(model, question(folder, [*pictures(), *pictures()[:1]])),
        "too long": await outcome(model, question(folder, [Text("no " * 20000)])),
        "no schema": await outcome(model, question(folder, [], {"type": "nonsense"})),
        "too slow": await outcome(model, question(folder, pictures(seed=2)), timeout_s=0.001),
        "again": await outcome(model, question(folder, pictures(), SCHEMAS["flat"])),
    }
    await model.close()
    return outcomes


if __name__ == "__main__":
    print("\n" + json.dumps(asyncio.run(main(sys.argv[1]))))
