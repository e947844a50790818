"""Samples as forms are told of them, and sources that have what the test gives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from coc_assets.training_shards.forms.told import Sources

CLIPS = ("0a0a0a0a-aaaa-4bbb-8ccc-0123456789ab", "0b0b0b0b-aaaa-4bbb-8ccc-0123456789ab")
QUESTION = "What does the ego decide, and why?"


def row(t0_us: int = 5_000_000, clip_id: str = CLIPS[0], split: str = "train", **changed: Any) -> dict[str, Any]:
    """A sample's row as `told_of` gives it."""
    return {
        "chunk": "0007",
        "keyframe_id": f"{clip_id}-{t0_us:08d}",
        "label_id": f"label of {t0_us}",
        "clip_id": clip_id,
        "t0_us": t0_us,
        "split": split,
        "action": "stop",
        "frame": (t0_us + 31_000) // 100_000,
        "first_us": -31_000,
        "labeler": "rules",
        "prompt_version": "rules-2",
        "scenario": "stop_for_control",
        "components": [],
        "trace": f"Stop – für die Ampel – at {t0_us}.",
        "perception": "A light.",
        "prediction": "It stays.",
        "planning": "Stop.",
        "justification": "It is red.",
        **changed,
    }


def sources(
    *, index: pd.DataFrame | None = None, rarest_first: Sequence[str] = ("stop",), without_video: Collection[str] = ()
) -> Sources:
    """A clip index of `CLIPS`, and a video that names its sample for all but some keys."""
    whole = pd.DataFrame({"chunk": [7] * len(CLIPS)}, index=pd.Index(CLIPS, name="clip_id")) if index is None else index

    def video(told: dict[str, Any], path: Path) -> bool:
        if told["keyframe_id"] in without_video:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"video of {told['keyframe_id']}".encode())
        return True

    return Sources(rarest_first, QUESTION, lambda clip_ids: whole[whole.index.isin(list(clip_ids))], video)
