"""The dataset card of a release: `README.md` with front matter as model hubs read it, pictures, and the datasheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from coc_assets.releases.datasheet import datasheet
from coc_assets.releases.motion import Motion
from coc_assets.releases.plots import card_plots, figures_of
from coc_assets.training_shards.members import canonical_json
from resources.store import Store

CARD, DATASHEET, PLOTS = "README.md", "datasheet.json", "plots"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = "1M<n<10M"
_HUB_SPLITS = {"val": "validation"}  # a hub's viewer knows the usual names only
_KIB = 1024

_LOADING = {
    "wds": """\
```python
from coc_assets.training_shards import CoCShardDataset

samples = CoCShardDataset("PATH/OF/THIS/FOLDER", split="{split}")
samples[0]["image_frames"]      # (cameras, 4, 3, H, W) uint8, t0 − 0.3 s … t0
samples[0]["ego_future_xyz"]    # (1, 64, 3) float32, metres in the ego frame at t0, 10 Hz
samples[0]["cot"]               # the reasoning text
```

Any WebDataset reader opens the shards too: `wds.WebDataset("{pattern}")`, keys `<clip_id>-<t0_us>`.
""",
    "pai_overlay": """\
`pai_overlay/<split>` is a PhysicalAI-AV root with `reasoning/ood_reasoning.parquet`; name it as the recipe's data root.
After copying this folder: `coc link PATH/OF/THIS/FOLDER --dataset ROOT`.
""",
    "vlm_json": """\
`vlm_json/<split>.json` with `vlm_json/dataset_info.json`: name `vlm_json` as LLaMA-Factory's `dataset_dir`.
""",
    "jsonl": "`jsonl/<split>.jsonl`: one label a line, in four parts.\n",
    "cot_yaml": "`cot_yaml/<split>/<clip_id>/cot_<t>.yaml`: one label a file, as the autolabeler writes them.\n",
}
_LIMITS = """\
- Labels come from the sources named above, not from people unless the labeler is `human`; some are wrong. Instruments
  and a policy judged each: they catch what contradicts motion, tracks and the form of a label, and nothing else.
- The texts are English, and say what caused a decision as far as tracks, motion and pictures tell it.
- Samples of one clip overlap in time. All of a clip lie in one split; clips of one drive may lie in several.
- The future in a sample is what was driven, not the only right thing to do.
- Not for controlling a vehicle.
"""
_LICENCE = """\
Frames, videos and motion derive from the source dataset and stay under its licence. PhysicalAI-AV's forbids passing
them on: keep copies of this folder where that licence is accepted, and do not publish it. Texts may carry terms of the
model that wrote them.
"""


def write_card(folder: Path, about: Mapping[str, Any], samples: pl.DataFrame, motion: Motion) -> None:
    """Writes card, pictures and datasheet into a release's folder.

    Args:
        about: the manifest's content.
        samples: columns of `gather.SAMPLES`.
    """
    store = Store(folder)
    plots = card_plots(samples, motion)
    for name, (_, png) in plots.items():
        store.write_bytes(folder / PLOTS / f"{name}.png", png)
    titles = {name: title for name, (title, _) in plots.items()}
    store.write_bytes(folder / CARD, card(about, titles).encode())
    store.write_bytes(folder / DATASHEET, canonical_json(datasheet(about, figures_of(samples, motion))))


def card(about: Mapping[str, Any], plots: Mapping[str, str]) -> str:
    """The card's Markdown.

    Args:
        about: the manifest's content.
        plots: titles by name.
    """
    front = yaml.safe_dump(_front_matter(about), sort_keys=False, allow_unicode=True)
    parts = [f"---\n{front}---\n", f"# {about['name']}\n", _summary(about), "## Splits\n", _splits_table(about)]
    parts += ["## What it looks like\n", *(f"![{title}]({PLOTS}/{name}.png)\n" for name, title in plots.items())]
    parts += ["## Loading\n", *(_loading(form, about) for form in sorted(about["formats"], key=list(_LOADING).index))]
    parts += ["## Where the labels come from\n", _labels_table(about)]
    parts += ["## How it was chosen\n", _chosen(about), "## Limits\n", _LIMITS, "## Licence\n", _LICENCE]
    parts += ["## Checking a copy\n", "`coc verify PATH/OF/THIS/FOLDER` reads every file against `manifest.json`.\n"]
    return "\n".join(parts)


def _front_matter(about: Mapping[str, Any]) -> dict[str, Any]:
    matter: dict[str, Any] = {
        "pretty_name": about["name"],
        "license": "other",
        "license_name": "as-the-source-dataset",
        "language": ["en"],
        "task_categories": ["robotics", "video-text-to-text"],
        "tags": ["autonomous-driving", "chain-of-causation", "trajectory", "webdataset"],
        "size_categories": [next((name for below, name in _SIZES if about["samples"] < below), _LARGER)],
    }
    if "wds" in about["formats"]:
        files = [{"split": _HUB_SPLITS.get(split, split), "path": f"{split}-*.tar"} for split in about["splits"]]
        matter["configs"] = [{"config_name": "default", "data_files": files}]
    return matter


def _summary(about: Mapping[str, Any]) -> str:
    size = sum(facts["bytes"] for facts in about["shards"].values())
    shards = f" in {len(about['shards'])} shards, {size / _KIB**2:,.1f} MiB" if about["shards"] else ""
    return (
        f"{about['samples']} moments of {about['clips']} driving clips{shards}. Each has a reasoning text that says\n"
        "what the ego vehicle decides and what causes it, with the decisions as classes; shards add the camera\n"
        "frames up to the moment, and the path driven before and after.\n\n"
        f"Written by coc-assets {about['sources']['coc_assets']} as {', '.join(about['formats'])}.\n"
    )


def _splits_table(about: Mapping[str, Any]) -> str:
    rows = [(name, one["samples"], one["clips"], len(one["shards"])) for name, one in about["splits"].items()]
    return _table(("split", "samples", "clips", "shards"), rows)


def _labels_table(about: Mapping[str, Any]) -> str:
    columns = ("labeler", "model", "prompt_version", "policy_version", "samples")
    return _table(columns, [[one[name] or "–" for name in columns] for one in about["sources"]["labels"]])


def _loading(form: str, about: Mapping[str, Any]) -> str:
    split = "train" if "train" in about["splits"] else next(iter(about["splits"]))
    last = max(len(about["splits"][split]["shards"]) - 1, 0)
    return (
        _LOADING[form].format(split=split, pattern=f"{split}-{{000000..{last:06d}}}.tar")
        if form == "wds"
        else (_LOADING[form])
    )


def _chosen(about: Mapping[str, Any]) -> str:
    shards, release = about["settings"]["shards"], about["settings"]["release"]
    rules = [f"- by {rule['by']}: {_rule(rule)}" for rule in release["balance"]] or ["- no balancing"]
    target = f"- at most {release['target_count']} samples\n" if release["target_count"] else ""
    out = ", ".join(f"{count} {reason}" for reason, count in about["left_out"].items()) or "none"
    lines = [
        f"Labels with the verdict {' or '.join(shards['verdicts'])}; splits by {shards['split_by']}. "
        f"Left out by balancing: {out} (`left_out.parquet`).",
        "Every setting, and the versions of all data and code: `manifest.json`.\n",
        *rules,
    ]
    return "\n".join(lines) + f"\n{target}"


def _rule(rule: Mapping[str, Any]) -> str:
    said = [f"at most {rule['cap']} of each"] if rule["cap"] is not None else []
    said += [f"at most {cap} of {name}" for name, cap in rule["caps"].items()]
    said += [f"{weight:g} of {name}" for name, weight in rule["weights"].items()]
    return ", ".join(said) + f" ({', '.join(rule['splits']) or 'all splits'})"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
