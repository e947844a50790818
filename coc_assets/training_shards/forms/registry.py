"""Every form by its name in the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from coc_assets.training_shards.forms import cot_yaml, jsonl, pai_overlay, vlm_json
from coc_assets.training_shards.forms.told import Sources, Written
from coc_assets.training_shards.selection import Row
from resources.settings.shards import Form

WRITERS: dict[Form, Callable[[Sequence[Row], Path, Sources], Written]] = {
    "pai_overlay": pai_overlay.write,
    "vlm_json": vlm_json.write,
    "jsonl": jsonl.write,
    "cot_yaml": cot_yaml.write,
}
"""Writers of the forms other than `wds`: rows as `told_of` gives them, the folder that gets the form's own."""
