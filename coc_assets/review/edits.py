"""Edits: a label that a person corrected becomes a label of its own, beside the one that it came from.

It carries labeler `human`, origin `edited`, and in its parameters which label it was, who edited it, and a digest of
what it says. A chunk's `human` labels are made from its reviews and from nothing else: of each keyframe the newest edit
in force.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from coc_assets.raw_coc.adopted import adopt
from coc_assets.raw_coc.records import Component, LabelRecord, LabelText, canonical_json
from coc_assets.raw_coc.stage import STAGE
from coc_assets.stage import StageError, Workspace
from resources import schemas
from resources.receipts import Receipt
from resources.reviews import Review, in_force, read_reviews
from resources.settings import HUMAN, describe
from resources.store import Store

EDIT_VERSION = "edit-1"
"""Stands where labels that were made here have the version of their prompt or rules."""
TEXTS = tuple(LabelText.model_fields)
CHOICES = ("scenario", "longitudinal_decision", "lateral_decision", "lateral_direction")
EDITABLE = (*CHOICES, "components", *TEXTS)
_DIGEST_DIGITS = 12
_COMPONENT = tuple(Component.model_fields)

Row = Mapping[str, Any]


class EditError(ValueError):
    """An edit makes no valid label.

    Attributes:
        problems: what is wrong, by the field it is wrong in, e.g. `components.0.phrase`.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems.items()))
        self.problems = dict(problems)


def edited_record(original: Row, content: Mapping[str, Any], reviewer: str) -> LabelRecord:
    """The label that an edit makes.

    Args:
        original: the row of `raw_coc` that was edited.
        content: what of it is now otherwise, by names in `EDITABLE`; components in order of rank.

    Raises:
        EditError: it is no valid label, has no trace, or says what the original says.
    """
    _require_known(content)
    now = _content(original) | {name: _spoken(name, value) for name, value in content.items()}
    try:
        record = LabelRecord(
            keyframe_id=original["keyframe_id"],
            clip_id=original["clip_id"],
            t0_us=original["t0_us"],
            labeler=HUMAN,
            origin="edited",
            prompt_version=EDIT_VERSION,
            parameters="{}",
            text=LabelText(**{name: now[name] for name in TEXTS}),
            components=_ranked(now["components"]),
            **{name: now[name] for name in CHOICES},
        )
    except ValidationError as error:
        raise EditError({_field(item["loc"]): describe(item) for item in error.errors()}) from None
    if not record.text.trace:
        raise EditError({"trace": "say decision and cause in one sentence; a label without it is of no use"})
    said = content_of(record)
    if said == _content(original):
        raise EditError({"trace": "nothing is changed; keep the label instead"})
    named = {"edited_from": original["label_id"], "reviewer": reviewer, "content": _digest(said)}
    return record.model_copy(update={"parameters": canonical_json(named)})


def content_of(record: LabelRecord) -> dict[str, Any]:
    """What a label says, apart from where it comes from."""
    return _content(record.row())


@dataclass(frozen=True)
class Edits:
    """The labels that a chunk's reviews make.

    Attributes:
        records: at most one a keyframe. problems: why lines that hold an edit make none.
    """

    records: Sequence[LabelRecord]
    problems: Sequence[str] = ()


def newest_edits(reviews: Sequence[Review]) -> Edits:
    """The labels that edits in force make; of several edits of a keyframe the newest."""
    newest: dict[str, LabelRecord] = {}
    problems = []
    for review in in_force(reviews):
        if review.edited is None:
            continue
        try:
            newest[review.keyframe_id] = LabelRecord.model_validate_json(review.edited)
        except ValidationError as error:
            told = describe(error.errors()[0])
            problems.append(f"the edit of label {review.label_id} by {review.reviewer} makes no label: {told}")
    return Edits(list(newest.values()), problems)


def unpublished(store: Store, chunk: str, reviews: Sequence[Review]) -> bool:
    """Whether the chunk's `human` labels are not those that its reviews make."""
    wanted = {record.label_id for record in newest_edits(reviews).records}
    return wanted != _published(store, chunk)


def publish_edits(workspace: Workspace, chunk: str) -> Receipt | None:
    """Makes a chunk's `human` labels from its reviews; None where they are so already. Nothing else may run meanwhile.

    What reads labels is stale afterwards; the next `coc run` measures and judges them.

    Raises:
        StageError: raw_coc of the chunk is not finished, or its file cannot be written.
    """
    reviews = read_reviews(workspace.store.reviews_path(chunk))
    if not unpublished(workspace.store, chunk, reviews):
        return None
    return adopt(workspace, chunk, HUMAN, newest_edits(reviews).records)


@dataclass(frozen=True)
class Published:
    """What became of edits.

    Attributes:
        receipts: of raw_coc in the chunks whose `human` labels were written. labels: `human` labels in them.
        problem: why chunks were left, and what to do; None where all is done.
        unusable: lines that hold an edit and make no label.
    """

    receipts: Sequence[Receipt] = ()
    labels: int = 0
    problem: str | None = None
    unusable: Sequence[str] = ()


def publish_where_free(workspace: Workspace, chunks: Sequence[str]) -> Published:
    """As `publish_edits`, of several chunks, and tells Dagster; where a run is at work on the store the lines stay."""
    from coc_assets.instances import open_instance
    from coc_assets.materialization import report_without_run
    from coc_assets.running import only_run_on

    store = workspace.store
    edits = {chunk: newest_edits(read_reviews(store.reviews_path(chunk))) for chunk in chunks}
    receipts: list[Receipt] = []
    problem = None
    try:
        with only_run_on(workspace.settings), open_instance(store.root) as instance:
            for chunk in chunks:
                receipt = publish_edits(workspace, chunk)
                if receipt:
                    receipts.append(receipt)
                    report_without_run(instance, STAGE, [receipt], "labels edited by people", labeler=HUMAN)
    except StageError as error:
        problem = f"{error} Edits are kept; make them labels later: coc review --publish --store {store.root}"
    labels = sum(len(edits[receipt.chunk].records) for receipt in receipts)
    return Published(receipts, labels, problem, [told for of_chunk in edits.values() for told in of_chunk.problems])


def _published(store: Store, chunk: str) -> set[str]:
    if HUMAN not in store.labelers(chunk):
        return set()
    return set(store.read_table(schemas.RAW_COC, chunk, labeler=HUMAN)["label_id"].to_list())


def _content(label: Row) -> dict[str, Any]:
    components = [
        {name: component[name] for name in _COMPONENT} | {"attributes": [dict(one) for one in component["attributes"]]}
        for component in label["components"] or ()
    ]
    return {name: label[name] for name in (*CHOICES, *TEXTS)} | {"components": components}


def _require_known(content: Mapping[str, Any]) -> None:
    unknown = {name: f"cannot be edited; what can: {', '.join(EDITABLE)}" for name in content if name not in EDITABLE}
    if unknown:
        raise EditError(unknown)


def _spoken(name: str, value: Any) -> Any:
    """Texts without space around them; an empty one is none."""
    return (value.strip() or None) if isinstance(value, str) else ([] if name == "components" and not value else value)


def _ranked(components: Any) -> Any:
    """Components numbered in the order given; what is no list of them is left for the record to refuse."""
    if not isinstance(components, list) or not all(isinstance(one, Mapping) for one in components):
        return components
    return [
        {**one, "rank": rank, "phrase": one["phrase"].strip() if isinstance(one.get("phrase"), str) else None}
        for rank, one in enumerate(components, start=1)
    ]


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:_DIGEST_DIGITS]


def _field(location: tuple[int | str, ...]) -> str:
    """The form's name of what pydantic objects to; only the direction is checked over the record as a whole."""
    return ".".join(str(part) for part in location if part != "text") or "lateral_direction"
