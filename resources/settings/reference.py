"""docs/settings.md from the settings themselves: `python -m resources.settings.reference > docs/settings.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from resources.settings import Settings

_HEAD = """# Settings

Flags win over `COC_…` environment variables, which win over the file `$COC_CONFIG` or `./coc.yaml`. Unknown keys and
unknown `COC_…` variables are errors. A key below is nested in the file (`keyframes: {lead: 5}`) and joined by two
underscores in the environment (`COC_KEYFRAMES__LEAD=5`), where lists, mappings and whole sections are JSON:

```sh
export COC_SHARDS__LABELERS='["a","b"]'
export COC_SHARDS__SPLITS='{"train":0.8,"val":0.2}'
export COC_KEYFRAMES='{"lead":5}'
```

Sections merge key by key over these sources and the defaults. A list, or a mapping such as `shards.splits`, is taken
whole from the first source that gives it. Changing a key makes only the stages stale that it shapes: `coc status` shows
them, `coc run` makes them again.
"""


def reference() -> str:
    """The whole page."""
    lines = [_HEAD, *_table("Top level", "", Settings, nested=False)]
    for name, field in Settings.model_fields.items():
        if section := _section(field):
            lines += _table(f"`{name}`", f"{name}.", section)
    return "\n".join(lines) + "\n"


def _table(title: str, prefix: str, model: type[BaseModel], *, nested: bool = True) -> Iterator[str]:
    yield from (f"\n## {title}\n", "| key | default | meaning |", "|---|---|---|")
    yield from _rows(prefix, model, nested=nested)


def _rows(prefix: str, model: type[BaseModel], *, nested: bool) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if section := _section(field):
            if nested:
                yield from _rows(f"{prefix}{name}.", section, nested=True)
            continue
        yield f"| `{prefix}{name}` | `{_default(field)}` | {field.description or ''} |"
        if entries := _entries(field):
            yield from _rows(f"{prefix}{name}{entries.key}.", entries.kind, nested=True)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The group of settings that a key holds, also where it may be left out."""
    kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 and _is_section(kinds[0]) else None


class _Entries(NamedTuple):
    """What each entry of a mapping or a list holds, and how the page writes the entry's key."""

    key: str
    kind: type[BaseModel]


def _entries(field: FieldInfo) -> _Entries | None:
    origin, kinds = get_origin(field.annotation), get_args(field.annotation)
    if origin is dict and _is_section(kinds[1]):
        return _Entries(".<name>", kinds[1])
    if origin is tuple and _is_section(kinds[0]):
        return _Entries("[]", kinds[0])
    return None


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return "required" if value is PydanticUndefined else str(value).replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
