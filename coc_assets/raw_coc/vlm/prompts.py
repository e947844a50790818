"""The prompts: files of our own, versioned by their content, and the words in which a keyframe is told.

What is the same for every keyframe comes first (the system text), what differs after it, the frames last: providers
and vLLM keep the common beginning in their caches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal, get_args

import yaml

from coc_assets.raw_coc.vlm.view import KeyframeView, SpeedRow, TimelineRow
from resources.settings import SettingsError

Step = Literal["see", "decide", "repair", "single", "reason"]
STEPS: tuple[Step, ...] = get_args(Step)
_VERSION_DIGITS = 8
_SIGNS = (
    "Speed is along the ego's heading, negative when it reverses. Sideways speed is relative to its heading at t = 0: "
    "positive is to the left, negative to the right."
)


@dataclass(frozen=True)
class Prompt:
    """One prompt file.

    Attributes:
        version: step, number and digest of the content, e.g. `see-1-0a1b2c3d`.
        system: the text, with its placeholders still in it.
    """

    version: str
    system: str

    def rendered(self, **values: object) -> str:
        return Template(self.system).safe_substitute({name: str(value) for name, value in values.items()}).strip()


@dataclass(frozen=True)
class PromptSet:
    """The prompt files that belong together, one a step.

    Attributes:
        shipped: their folder. setting: the one that names a folder of one's own.
    """

    steps: Sequence[str]
    shipped: Path
    setting: str


LABELLING = PromptSet(STEPS, Path(__file__).parent / "prompts", "labels.vlm.prompts")


def load_prompts(folder: Path | None, of: PromptSet = LABELLING) -> dict[str, Prompt]:
    """The prompts of every step; a folder of one's own needs only the files that differ from the shipped ones.

    Raises:
        SettingsError: the folder does not exist, holds a file of another name, or a file is not usable.
    """
    if folder is not None:
        _require_known_files(folder, of)
    return {step: _load(_file_of(step, folder, of), step) for step in of.steps}


def history_told(view: KeyframeView) -> str:
    """What is told beside the history frames: the ego's speed up to t0, and which frames are missing."""
    known = [row for row in view.speeds if row.asked_s <= 0]
    return "\n".join([*_missing(view, until_s=0.0), "Ego speed in m/s.", _SIGNS, *map(_speed_line, known)])


def whole_told(view: KeyframeView) -> str:
    """What is told beside all frames: manoeuvres and speed over the whole window, and which frames are missing."""
    return "\n".join(
        [
            *_missing(view),
            "Recorded manoeuvres of the ego, at instants relative to t = 0 (longitudinal; steering; lane):",
            *map(_timeline_line, view.timeline),
            "Ego speed in m/s.",
            _SIGNS,
            *map(_speed_line, view.speeds),
        ]
    )


def numbered(phrases: Sequence[str]) -> str:
    """The components of pass 1 by number, as pass 2 is told them."""
    if not phrases:
        return "Critical components seen before t = 0: none."
    lines = [f"{number}. {phrase}" for number, phrase in enumerate(phrases, start=1)]
    return "\n".join(["Critical components seen before t = 0:", *lines])


def signed(seconds: float) -> str:
    """An instant relative to the keyframe, always with its sign: `-1.5`, `+0.0`, `+3.5`."""
    return f"{seconds + 0.0:+.1f}"


def _speed_line(row: SpeedRow) -> str:
    return f"t={signed(row.asked_s)}s: speed {row.along_mps:.2f}, sideways {row.left_mps + 0.0:+.2f}"


def _timeline_line(row: TimelineRow) -> str:
    named = (_words(action) for action in (row.longitudinal, row.lateral, row.lane))
    return f"t={signed(row.asked_s)}s: " + "; ".join(named)


def _words(action: str | None) -> str:
    return "not available" if action is None else action.replace("_", " ")


def _missing(view: KeyframeView, until_s: float = float("inf")) -> Iterable[str]:
    """A line that names the instants for which there is no frame."""
    missing = [signed(instant) for instant in view.missing_s if instant <= until_s]
    if missing:
        yield f"No frame is available for t = {', '.join(missing)} s."


def _file_of(step: str, folder: Path | None, of: PromptSet) -> Path:
    own = folder / f"{step}.yaml" if folder else None
    return own if own and own.is_file() else of.shipped / f"{step}.yaml"


def _require_known_files(folder: Path, of: PromptSet) -> None:
    if not folder.is_dir():
        raise SettingsError(f"{of.setting} names {folder}, which is no folder. Correct or unset it.")
    known = {f"{step}.yaml" for step in of.steps}
    strange = sorted(path.name for path in folder.glob("*.y*ml") if path.name not in known)
    if strange:
        raise SettingsError(f"{folder} holds {', '.join(strange)}; prompt files are {', '.join(of.steps)}, each .yaml.")


def _load(path: Path, step: str) -> Prompt:
    content = path.read_bytes()
    try:
        values = yaml.safe_load(content)
        version, system = values["version"], values["system"]
    except (yaml.YAMLError, KeyError, TypeError):
        raise SettingsError(f"{path} is no prompt: it needs the keys `version` and `system`.") from None
    if not isinstance(system, str) or not system.strip():
        raise SettingsError(f"{path}: `system` holds no text. Write the prompt there.")
    digest = hashlib.sha256(system.encode()).hexdigest()[:_VERSION_DIGITS]
    return Prompt(f"{step}-{version}-{digest}", system)
