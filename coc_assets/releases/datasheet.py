"""`datasheet.json`: the questions of "Datasheets for Datasets" with what a release can answer, and the figures."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources as package_files
from typing import Any

import yaml

_QUESTIONS = package_files.files("coc_assets.releases") / "datasheet.yaml"
_OF_SETTINGS = ("verdicts", "cameras", "require_video", "frame_height", "jpeg_quality", "split_by")
_OF_MANIFEST = ("samples", "clips", "splits", "counts", "left_out", "left_out_of_forms", "formats")
SCHEMA_VERSION = 1


def datasheet(about: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """The datasheet of a release.

    Args:
        about: the manifest's content.
        measured: figures besides, that answer no question alone.
    """
    figures = _figures(about)
    words = figures | {
        "left_out_total": sum(about["left_out"].values()),
        "split_list": ", ".join(f"{name} ({one['samples']} samples)" for name, one in about["splits"].items()),
        **{name: " and ".join(figures[name]) for name in ("verdicts", "formats", "labelers")},
    }
    sections = yaml.safe_load(_QUESTIONS.read_text(encoding="utf-8"))
    return {
        "schema_version": SCHEMA_VERSION,
        "name": about["name"],
        "sections": [
            {"section": name, "questions": [_answered(entry, words, figures) for entry in entries]}
            for name, entries in sections.items()
        ],
        "figures": {**figures, **measured},
    }


def _answered(entry: Mapping[str, Any], words: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    answer = entry["answer"]
    return {
        "question": entry["question"],
        "answer": answer.format_map(words) if answer else None,
        "figures": {name: figures[name] for name in entry.get("figures", ())},
    }


def _figures(about: Mapping[str, Any]) -> dict[str, Any]:
    sources, settings = about["sources"], about["settings"]
    return {
        **{name: about[name] for name in _OF_MANIFEST},
        **{name: settings["shards"][name] for name in _OF_SETTINGS},
        "balance": settings["release"]["balance"],
        "labels": sources["labels"],
        "labelers": sorted({one["labeler"] for one in sources["labels"]}),
        "code": sources["code"],
        "coc_assets": sources["coc_assets"],
    }
