"""Makes a Qwen3-VL of random weights, small enough for two processor cores; run it inside the vLLM test environment.

    .venv-vllm/bin/python -m tests.vllm.tiny_model OUT

Its tokenizer is trained on the spot and knows every byte, so what it writes is noise, but noise that a JSON schema can
shape. Nothing is downloaded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

VOCABULARY = 512
PATCH, MERGE = 16, 2
MERGED = PATCH * MERGE
SPREAD = 0.2  # of the weights; with less, what it writes hardly depends on what it is shown
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CORPUS = (
    '{"decision": "stop", "cause": "the light ahead turned red", "confidence": 0.5}',
    "The ego vehicle slows down to keep its distance from the lead vehicle in its lane.",
    "t=-2.0 s longitudinal: maintain speed, lateral: go straight, lane: keep lane",
)
CHAT_TEMPLATE = """
{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' -}}
  {%- if message.content is string -%}
    {{- message.content -}}
  {%- else -%}
    {%- for part in message.content -%}
      {%- if part.type in ('image', 'image_url') -%}
        {{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
      {%- elif part.type in ('video', 'video_url') -%}
        {{- '<|vision_start|><|video_pad|><|vision_end|>' -}}
      {%- else -%}
        {{- part.text -}}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\\n' -}}
  {%- if enable_thinking is defined and not enable_thinking -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}
{%- endif -%}
"""


def tokenizer():
    """Bytes, some merges and Qwen's special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    bytes_first = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    plain.train_from_iterator(CORPUS, bytes_first)
    plain.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=plain,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=32768,
        chat_template=CHAT_TEMPLATE,
    )


def configuration(tokens):
    """Two narrow layers for pictures, two for text; heads as wide as vLLM's CPU attention takes them."""
    from transformers import Qwen3VLConfig

    token_id = tokens.convert_tokens_to_ids
    return Qwen3VLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "max_position_embeddings": 32768,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [6, 5, 5],
                "mrope_interleaved": True,
            },
            "eos_token_id": token_id("<|im_end|>"),
            "pad_token_id": token_id("<|endoftext|>"),
            "initializer_range": SPREAD,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "out_hidden_size": 128,
            "num_position_embeddings": 256,
            "deepstack_visual_indexes": [0, 1],
            "initializer_range": SPREAD,
        },
        image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
        tie_word_embeddings=False,
    )


def processor(tokens):
    """Cuts pictures and videos into patches."""
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    cut = {"patch_size": PATCH, "merge_size": MERGE, "temporal_patch_size": 2}
    pixels = {"shortest_edge": 4 * MERGED**2, "longest_edge": 256 * MERGED**2}
    video_pixels = {"shortest_edge": 4 * MERGED**2, "longest_edge": 16 * 256 * MERGED**2}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=pixels, **cut),
        video_processor=Qwen3VLVideoProcessor(size=video_pixels, fps=2, **cut),
        tokenizer=tokens,
        chat_template=CHAT_TEMPLATE,
    )


def make(folder: Path) -> Path:
    """Writes the model's folder; the same weights every time."""
    import torch
    from transformers import Qwen3VLForConditionalGeneration

    tokens = tokenizer()
    torch.manual_seed(0)
    model = Qwen3VLForConditionalGeneration(configuration(tokens))
    model.to(torch.float32).save_pretrained(folder)
    processor(tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": model.config.text_config.eos_token_id}))
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
