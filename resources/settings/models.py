"""Settings of the models section: which models there are, how they are reached, how fast, and at what price.

Nothing here shapes a label but what `resources.models.aliases.shaping` names; the rest may change and leaves labels
fresh.
Secrets are never settings: `api_key_env` names the environment variable that holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, StringConstraints, field_validator

from resources.settings.section import Section

BackendName = Literal["auto", "server", "openai", "nvidia", "azure", "vllm", "dummy"]
SPELLINGS: Mapping[str, str] = {"gpt-5": "gpt5", "gpt-5.5": "gpt5.5"}
"""Other spellings of aliases."""
Alias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class PriceSettings(Section):
    """What a model's tokens cost."""

    input_usd: NonNegativeFloat = Field(description="a million prompt tokens, USD")
    output_usd: NonNegativeFloat = Field(description="a million generated tokens, reasoning included, USD")
    cached_input_usd: NonNegativeFloat | None = Field(
        None, description="a million prompt tokens read from the provider's cache, USD; unset: as input_usd"
    )


class ModelSettings(Section):
    """One model under its alias. What is unset is taken from the built-in alias of that name, if there is one."""

    backend: BackendName = Field("auto", description="what serves it; auto goes by the credentials that are there")
    model: str | None = Field(None, description="id to ask for; unset: the backend's own for this alias")
    base_url: str | None = Field(None, description="of an OpenAI-compatible server, e.g. http://gpu-box:8000/v1")
    api_key_env: str | None = Field(None, description="environment variable that holds its key")
    answer: Literal["json", "text"] | None = Field(
        None, description="json: schema-constrained record; text: a reasoning sentence that is parsed (alpamayo)"
    )
    media: Literal["images", "video"] | None = Field(None, description="16 images, or one mp4 at 2 frames a second")
    transport: Literal["base64", "file_url"] | None = Field(
        None, description="file_url: the server reads the frames below --allowed-local-media-path; saves upload"
    )
    temperature: float | None = Field(None, ge=0, le=2, description="unset: 0; not sent to GPT-5 unless 1")
    top_p: float | None = Field(None, gt=0, le=1, description="not sent where unset")
    repetition_penalty: float | None = Field(None, gt=0, description="not sent where unset, nor to cloud models")
    max_tokens: PositiveInt | None = Field(None, description="longest answer, tokens (4096)")
    seed: int | None = Field(None, description="not sent where unset")
    thinking: bool | None = Field(None, description="chat-template switch of models that think; unset: left alone")
    max_in_flight: PositiveInt | None = Field(None, description="requests at a time, all processes of a run together")
    requests_per_minute: PositiveFloat | None = Field(None, description="unset: no limit")
    tokens_per_minute: PositiveFloat | None = Field(None, description="prompt and answer together; unset: no limit")
    timeout_s: PositiveFloat | None = Field(None, description="one attempt (600)")
    tokens_per_image: PositiveInt | None = Field(None, description="for estimates; unset: by picture size")
    price: PriceSettings | None = Field(None, description="without one, costs are unknown and budgets refused")
    engine_args: dict[str, Any] = Field({}, description="further arguments of the in-process vLLM engine")


class RetrySettings(Section):
    """What is tried again, and when a backend counts as down."""

    attempts: PositiveInt = Field(6, description="attempts a request, the first included")
    base_s: NonNegativeFloat = Field(2.0, description="wait before the second attempt, on average half of it, s")
    cap_s: NonNegativeFloat = Field(60.0, description="longest wait that we choose, s; Retry-After may be longer")
    longest_retry_after_s: PositiveFloat = Field(
        600.0, description="a server that asks to wait longer counts as down, s"
    )
    down_after: PositiveInt = Field(
        10,
        description="failed requests in a row, or attempts that time out with none served in between, after which the "
        "partition stops",
    )


class ModelsSettings(Section):
    """Models that label (and judge)."""

    aliases: dict[Alias, ModelSettings] = Field(
        {}, description="further models, and changes to built-in ones, by alias; `rules` is taken"
    )
    budget_usd: NonNegativeFloat | None = Field(
        None, description="what all labels and judgements by models may cost this store, USD; never passed"
    )
    batch: bool = Field(False, description="use the OpenAI Batch API: half the price, answers within a day")
    batch_poll_s: PositiveFloat = Field(30.0, description="how often a batch is looked at, s")
    batch_price_share: PositiveFloat = Field(0.5, le=1, description="price of a batched request, as a share")
    forget_batches: bool = Field(
        False, description="give up batches that the provider does not know any more; they are paid for anew"
    )
    pool: str = Field(
        "vlm",
        description="Dagster pool of raw_coc while a model labels, of filtered_coc while one judges; bounds the chunks "
        "at a time",
    )
    retry: RetrySettings = RetrySettings()

    @field_validator("aliases")
    @classmethod
    def _rules_is_no_model(cls, aliases: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        if "rules" in aliases:
            raise ValueError("`rules` is the labeler that needs no model; give the model another alias")
        return aliases
