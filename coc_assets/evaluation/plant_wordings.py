"""The words that planted labels are made of (`wordings.yaml`), in two halves that share none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources as package_files
from typing import Literal, get_args

import yaml

Half = Literal["tuning", "held_out"]
HALVES: tuple[Half, ...] = get_args(Half)

_FILE = package_files.files("coc_assets.evaluation") / "wordings.yaml"
_SLOT = re.compile(r"{(\w+)}")
_NAMED = re.compile(r"\[(.+?)\]")


@dataclass(frozen=True)
class Wording:
    """One way to say something, with slots for what differs from keyframe to keyframe.

    Attributes:
        name: `<section>/<family>/<half>/<register>/<number>`.
        text: with slots in braces; who is invented stands in square brackets.
    """

    name: str
    text: str

    @property
    def slots(self) -> frozenset[str]:
        return frozenset(_SLOT.findall(self.text))

    @property
    def family(self) -> str:
        return self.name.split("/")[1]

    @property
    def register(self) -> str:
        return self.name.split("/")[3]

    @property
    def named(self) -> str:
        """Who stands in brackets; empty where nobody does."""
        found = _NAMED.search(self.text)
        return found.group(1) if found else ""

    def filled(self, slots: Mapping[str, str]) -> str:
        """The words as a label holds them.

        Raises:
            KeyError: a slot has no filling.
        """
        return _NAMED.sub(r"\1", self.text).format_map(slots)


@dataclass(frozen=True)
class Wordings:
    """All wordings of some halves."""

    all: tuple[Wording, ...]

    def of(self, section: str, families: Iterable[str] | None = None) -> tuple[Wording, ...]:
        """Those of a section, or of some of its families."""
        heads = [f"{section}/"] if families is None else [f"{section}/{family}/" for family in families]
        return tuple(wording for wording in self.all if wording.name.startswith(tuple(heads)))


def load_wordings(*halves: Half) -> Wordings:
    """The wordings of the halves asked for, in the order of the file."""
    sections = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return Wordings(
        tuple(
            Wording(f"{section}/{family}/{half}/{register}/{number}", text)
            for section, families in sections.items()
            for family, by_half in families.items()
            for half, registers in by_half.items()
            if half in halves
            for register, texts in registers.items()
            for number, text in enumerate(texts)
        )
    )
