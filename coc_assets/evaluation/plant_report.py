"""`coc eval --plant`: how many planted faults are caught, and how many true labels are flagged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from coc_assets.commands.common import DONE, UsageError, counted, stdout
from coc_assets.evaluation.compare import wilson
from coc_assets.evaluation.plant import FAULTS, FORMS, IN_SETS, Form, Kind, Planted, plant
from coc_assets.evaluation.plant_moments import moments, spots, without_people
from coc_assets.evaluation.plant_wordings import Half, load_wordings
from coc_assets.evaluation.truth import TruthError, match_truth, read_truth
from coc_assets.filtered_coc import duplicates
from coc_assets.filtered_coc.build import Found, build
from coc_assets.filtered_coc.policy import Policy, load_policy
from coc_assets.raw_coc.records import records_frame
from resources import schemas
from resources.settings import Settings
from resources.settings.filtering import FilterSettings
from resources.store import Store

if TYPE_CHECKING:
    from rich.table import Table

ROUNDS = 4
"""How often the wordings are dealt out anew; with it every wording meets several keyframes."""

_AGAINST_MOTION = frozenset(
    {
        "longitudinal_disagrees",
        "text_longitudinal_disagrees",
        "stop_without_slowing",
        "red_light_without_slowing",
        "collision_risk_without_slowing",
    }
)
_AGAINST_SIDE = frozenset(
    {"opposite_direction", "lateral_disagrees", "text_opposite_direction", "text_lateral_disagrees"}
)
RULES: Mapping[Kind, frozenset[str]] = {
    "side_swapped": _AGAINST_SIDE,
    "deceleration_on_acceleration": _AGAINST_MOTION,
    "invented_pedestrian": frozenset({"ungrounded_object", "ungrounded_mention", "unknown_track"}),
    "wrong_window": _AGAINST_MOTION | _AGAINST_SIDE | {"cause_not_in_history"},
    "duplicate": frozenset({"near_duplicate"}),
    "generic_duplicate": frozenset({"near_duplicate"}),
    "refusal": frozenset({"refused_text"}),
}
"""By kind the rules of the policy that speak of the fault: only they catch it."""

_CALLED = {"clean": "clean (flagged)", "generic_duplicate": "generic words again (no fault)"}
_TABLES = (schemas.KEYFRAMES, schemas.TRAJECTORIES, schemas.TRACKS)


@dataclass(frozen=True)
class Judged:
    """A planted label and what became of it.

    Attributes:
        reasons: the policy's rules that fired.
        measured: `instrument.name` and figure, of what was measured and did not abstain.
    """

    planted: Planted
    verdict: str
    reasons: tuple[str, ...]
    measured: Mapping[str, float]

    @property
    def kept(self) -> bool:
        return self.verdict == "keep"

    @property
    def caught(self) -> bool:
        """Not kept, for a reason that speaks of the fault; of a true label, not kept."""
        if self.planted.kind == "clean":
            return not self.kept
        return not self.kept and not RULES[self.planted.kind].isdisjoint(self.reasons)


@dataclass(frozen=True)
class Row:
    """One line of the report: a kind of label in one form.

    Attributes:
        n: labels; wordings: different wordings among them.
        caught: faults that a rule which speaks of them caught, or true labels that were flagged.
        low, high: 95 % interval of the caught share.
        not_kept: labels that any rule kept out.
    """

    kind: str
    form: str
    n: int
    wordings: int
    caught: int
    share: float | None
    low: float | None
    high: float | None
    not_kept: int


def report_plant(
    settings: Settings, chunks: Sequence[str], half: Half = "held_out", seed: int = 0, form: str = "table"
) -> int:
    """Plants faults on the store's keyframes, judges all labels by the policy and prints what was caught.

    Args:
        settings: `dataset` is a generated one, `store` holds its keyframes.
        chunks: of the store; those without keyframes are passed over.
        half: of the wordings.
        seed: which wording meets which keyframe.
        form: table or json; json lists every miss with its words.

    Raises:
        UsageError: the dataset is not a generated one, or no keyframe of the store has one of its scripted answers.
    """
    tables, truth = _tables_of(settings, chunks), _truth_of(settings)
    planted, left_out = plant_all(tables, truth, settings.filtering, half, seed)
    if not planted:
        raise UsageError(
            f"No keyframe of {settings.store} has a scripted answer of {settings.dataset}. "
            "Name the dataset that the store was made from (--dataset DIR)."
        )
    policy = load_policy(settings.filtering.policy)
    judged = judge(planted, tables, settings.filtering, policy)
    if form == "json":
        print(json.dumps(as_json(judged, left_out, half, seed, policy.version), ensure_ascii=False))
        return DONE
    console = stdout()
    console.print(_rich(rows(judged), f"planted faults: {half} wordings, policy {policy.version}, seed {seed}"))
    console.print(_flagged_line(judged))
    console.print("keyframes without a planted label: " + _counts(left_out))
    return DONE


def plant_all(
    tables: Mapping[str, pl.DataFrame], truth: pl.DataFrame, settings: FilterSettings, half: Half, seed: int
) -> tuple[list[Planted], Counter[str]]:
    """True and faulty labels of all keyframes, and by reason how many keyframes were left out.

    Args:
        tables: `keyframes`, `trajectories` and `tracks` of any number of chunks.
    """
    keyframes, trajectories, tracks = (tables[table.name] for table in _TABLES)
    found, too_short = spots(keyframes, trajectories, tracks, settings)
    worded, unworded = moments(match_truth(truth, keyframes), found, trajectories, tracks, settings)
    return plant(worded, found, load_wordings(half), seed, ROUNDS), too_short + unworded


def judge(
    planted: Sequence[Planted], tables: Mapping[str, pl.DataFrame], settings: FilterSettings, policy: Policy
) -> list[Judged]:
    """Measures and judges planted labels as `filtered_coc` does, chunk by chunk, and their sets as `coc judge` does."""
    frame = records_frame([label.record for label in planted])
    labels = frame.with_columns(chunk=pl.Series([label.chunk for label in planted], dtype=pl.String))
    in_sets = labels.filter(pl.Series([label.kind in IN_SETS for label in planted]))
    of_the_set = duplicates.near_duplicates(in_sets, settings.duplicates)
    invented = pl.Series([label.kind == "invented_pedestrian" for label in planted], dtype=pl.Boolean)
    emptied = {**tables, schemas.TRACKS.name: without_people(tables[schemas.TRACKS.name])}
    made = [
        build(*_chunk_of(chunk, some, shown), settings, policy, Found(of_the_set=of_the_set))
        for some, shown in ((labels.filter(~invented), tables), (labels.filter(invented), emptied))
        for chunk in some["chunk"].unique().sort()
    ]
    verdicts = pl.concat([tables_of[schemas.VERDICTS.name] for tables_of in made])
    rows_of = pl.concat(
        [tables_of[name] for tables_of in made for name in (schemas.MEASUREMENTS.name, schemas.SET_MEASUREMENTS.name)]
    )
    measured = _figures(rows_of)
    found = {row["label_id"]: row for row in verdicts.iter_rows(named=True)}
    return [
        Judged(label, verdict["verdict"], tuple(verdict["reasons"]), measured.get(label.record.label_id, {}))
        for label in planted
        if label.kind != "background" and (verdict := found[label.record.label_id])
    ]


def rows(judged: Sequence[Judged]) -> list[Row]:
    """A row a kind and form, and one over all faults."""
    kinds: tuple[Kind, ...] = ("clean", *FAULTS)
    made = [_row(kind, form, _some(judged, kind, form)) for kind in kinds for form in FORMS]
    generic = [_row("generic_duplicate", form, _some(judged, "generic_duplicate", form)) for form in FORMS]
    return [*made, _row("all_faults", "both", _faults(judged)), *generic]


def as_json(judged: Sequence[Judged], left_out: Mapping[str, int], half: str, seed: int, policy: str) -> dict[str, Any]:
    """Everything that the report says, with each true label that was flagged and each fault that was missed."""
    return {
        "wordings": half,
        "seed": seed,
        "policy": policy,
        "rules": {fault: sorted(rules) for fault, rules in RULES.items()},
        "rows": [vars(row) for row in rows(judged)],
        "flagged": [_told(label) for label in judged if label.planted.kind == "clean" and label.caught],
        "missed": [_told(label) for label in _faults(judged) if not label.caught],
        "keyframes_left_out": dict(left_out),
    }


def _row(kind: str, form: str, labels: Sequence[Judged]) -> Row:
    caught = sum(label.caught for label in labels)
    low, high = wilson(caught, len(labels))
    return Row(
        kind=kind,
        form=form,
        n=len(labels),
        wordings=len({label.planted.wording for label in labels}),
        caught=caught,
        share=caught / len(labels) if labels else None,
        low=low,
        high=high,
        not_kept=sum(not label.kept for label in labels),
    )


def _faults(judged: Iterable[Judged]) -> list[Judged]:
    return [label for label in judged if label.planted.kind in FAULTS]


def _some(judged: Iterable[Judged], kind: Kind, form: Form) -> list[Judged]:
    return [label for label in judged if label.planted.kind == kind and label.planted.form == form]


def _told(label: Judged) -> dict[str, Any]:
    record = label.planted.record
    return {
        "kind": label.planted.kind,
        "form": label.planted.form,
        "situation": label.planted.situation,
        "wording": label.planted.wording,
        "trace": record.text.trace,
        "longitudinal_decision": record.longitudinal_decision,
        "lateral_decision": record.lateral_decision,
        "lateral_direction": record.lateral_direction,
        "components": [component.model_dump(mode="json") for component in record.components],
        "label_id": record.label_id,
        "keyframe_id": record.keyframe_id,
        "verdict": label.verdict,
        "reasons": list(label.reasons),
        "measured": dict(label.measured),
    }


def _truth_of(settings: Settings) -> pl.DataFrame:
    """Raises:
    UsageError: no dataset is named, or it has no scripted truth.
    """
    if settings.dataset is None:
        raise UsageError("No dataset named. Faults are planted in a generated one: pass --dataset DIR.")
    try:
        return read_truth(settings.dataset)
    except TruthError as error:
        raise UsageError(str(error)) from None


def _tables_of(settings: Settings, chunks: Sequence[str]) -> dict[str, pl.DataFrame]:
    """The tables that the plant stands on.

    Raises:
        UsageError: none of the chunks has keyframes.
    """
    store = Store(settings.store)
    there = [chunk for chunk in chunks if store.table_path(schemas.KEYFRAMES, chunk).is_file()]
    if not there:
        raise UsageError(f"No keyframes in {settings.store}. Make them: coc run --dataset DIR --store {settings.store}")
    return {table.name: pl.concat([store.read_table(table, chunk) for chunk in there]) for table in _TABLES}


def _chunk_of(
    chunk: str, labels: pl.DataFrame, tables: Mapping[str, pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Labels, keyframes, trajectories and tracks of one chunk."""
    whole = (labels, *(tables[table.name] for table in _TABLES))
    labels, keyframes, trajectories, tracks = (frame.filter(pl.col("chunk") == chunk) for frame in whole)
    return labels, keyframes, trajectories, tracks


def _figures(measurements: pl.DataFrame) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    known = measurements.filter(pl.col("value").is_not_null())
    for label_id, instrument, name, value in known.select("label_id", "instrument", "name", "value").iter_rows():
        figures.setdefault(label_id, {})[f"{instrument}.{name}"] = value
    return figures


def _rich(lines: Sequence[Row], title: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for heading in ("planted", "form"):
        table.add_column(heading)
    for heading in ("n", "wordings", "caught", "share", "95 % interval", "not kept"):
        table.add_column(heading, justify="right")
    for line in lines:
        interval = "" if line.low is None else f"{line.low:.1%} – {line.high:.1%}"
        share = "" if line.share is None else f"{line.share:.1%}"
        table.add_row(
            _CALLED.get(line.kind, line.kind),
            line.form,
            *(str(count) for count in (line.n, line.wordings, line.caught)),
            share,
            interval,
            str(line.not_kept),
        )
    return table


def _flagged_line(judged: Sequence[Judged]) -> str:
    flagged = [label for label in judged if label.planted.kind == "clean" and label.caught]
    why = Counter(reason for label in flagged for reason in label.reasons)
    return f"{counted(len(flagged), 'true label')} flagged: " + _counts(why)


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {what}" for what, count in ordered) or "none"
