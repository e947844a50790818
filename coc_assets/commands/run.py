"""`coc run`: materialises what is due through Dagster, or estimates what models would cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coc_assets.commands.common import (
    ASSETS,
    DONE,
    FAILED,
    OPTIONAL_ASSETS,
    UsageError,
    counted,
    parse_chunks,
    progress_bar,
    require_store,
    stderr,
    stdout,
)
from coc_assets.commands.status import print_status
from coc_assets.some_of import some_of
from resources.settings import Settings, load_settings

if TYPE_CHECKING:
    from coc_assets.raw_coc.vlm.estimate import Estimate
    from coc_assets.relabelling import AskedAnew
    from coc_assets.running import ChunkPlan, ChunkResult
    from coc_assets.stage import Workspace
    from resources.models.aliases import Model


def run(options: argparse.Namespace) -> int:
    """Makes what is due and prints how the chunks stand then; 1 where something failed."""
    from coc_assets.arrivals.fetching import known_chunks
    from coc_assets.stage import Workspace

    _refuse_contradictions(options)
    settings = _settings(options)
    _require_labeler_policy_and_profile(settings)
    workspace = Workspace(settings)
    known = known_chunks(workspace)
    chunks = parse_chunks(options.chunks, known, settings)
    if options.where is not None:
        chunks = _chunks_where(workspace, options.where, chunks, known)
        if not chunks:
            stdout().print("The query names none of these chunks; there is nothing to make.")
            return DONE
    _require_model_options(settings, options)
    if options.dry_run:
        return _dry_run(workspace, _asking(workspace, chunks, options) if options.stale else chunks, options)
    if not options.force:
        _refuse_another_dataset(workspace, chunks)
    plans = _plans(workspace, chunks, options)
    _require_consent(workspace, plans, options)
    results = _materialize(workspace, plans, options)
    return _report_run(workspace, chunks, results)


def _refuse_contradictions(options: argparse.Namespace) -> None:
    for given, name in ((options.force, "--force"), (options.retry, "--retry")):
        if options.stale and given:
            raise UsageError(f"--stale makes what is out of date, {name} what is not. Leave one of them out.")


def _settings(options: argparse.Namespace) -> Settings:
    """As given; --stale and --where speak of a store that is there, so it says what is left open."""
    models = None if options.budget is None else {"budget_usd": options.budget}
    judge = None if options.judge is None else {"judge": {"model": options.judge}}
    settings = load_settings(
        dataset=options.dataset, store=options.store, labeler=options.labeler, models=models, filtering=judge
    )
    if not options.stale and options.where is None:
        return settings
    require_store(settings)
    return _left_open_as_recorded(settings)


def _left_open_as_recorded(settings: Settings) -> Settings:
    """With the dataset, labeler and judge that the store came from, where the settings name none."""
    from coc_assets.status import with_recorded_dataset, with_recorded_judge, with_recorded_labeler

    named = "labeler" in settings.model_fields_set  # one that is new to the store is to relabel it
    return with_recorded_judge(with_recorded_dataset(settings if named else with_recorded_labeler(settings)))


def _chunks_where(workspace: Workspace, sql: str, chunks: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of the chunks that the query's rows name.

    Args:
        known: all that there are; a row that names another is told.

    Raises:
        UsageError: its rows do not name chunks.
    """
    import polars as pl

    from resources.sql import query

    rows = query(workspace.store, sql)
    if rows.schema.get("chunk") != pl.String:
        has = ", ".join(f"{name} ({dtype})" for name, dtype in rows.schema.items())
        raise UsageError(
            f"--where needs a column chunk of chunk ids such as '0003'; this query gives {has}. "
            'Write it as "SELECT DISTINCT chunk FROM … WHERE …".'
        )
    named = set(rows["chunk"].drop_nulls())
    if gone := sorted(named - set(known)):
        stderr().print(f"Left out, as {workspace.settings.dataset} has no egomotion for them: {some_of(gone)}.")
    return [chunk for chunk in chunks if chunk in named]


def _require_labeler_policy_and_profile(settings: Settings) -> None:
    from coc_assets.filtered_coc.policy import load_policy
    from coc_assets.profile import reference_profile
    from coc_assets.raw_coc.stage import labelers

    known = labelers(settings)
    if settings.labeler not in known:
        raise UsageError(f"No labeler {settings.labeler!r}. There are: {', '.join(known)}.")
    load_policy(settings.filtering.policy)
    reference_profile(settings.quality)


def _require_model_options(settings: Settings, options: argparse.Namespace) -> None:
    """Models that cannot be asked are said before anything is made; options for models need one."""
    from coc_assets.filtered_coc.model_judge.agenda import judge_of, rubric_of
    from coc_assets.filtered_coc.model_judge.judge import judges
    from coc_assets.raw_coc.stage import uses_model
    from coc_assets.raw_coc.vlm.labelling import plan_of
    from resources.models.aliases import model_of

    asked: dict[str, Model] = {}
    if uses_model(settings):
        plan_of(settings)
        asked["raw_coc"] = model_of(settings.labeler, settings.models)
    if judges(settings):
        rubric_of(settings)
        asked["filtered_coc"] = judge_of(settings)
    if not asked and (options.retry or options.dry_run):
        raise UsageError(
            "--retry and --dry-run are for model labelers and judges. Name one: --labeler ALIAS or --judge ALIAS "
            "(coc models)."
        )
    for model in asked.values():
        _require_price(model, settings)
    if not options.dry_run:
        _require_servable(
            [model for stage, model in asked.items() if stage in (options.select or ASSETS)], options.jobs
        )


def _require_price(model: Model, settings: Settings) -> None:
    if settings.models.budget_usd is not None and model.settings.price is None:
        raise UsageError(
            f"A budget is set, but {model.alias} has no price, so its cost is unknown. Set "
            f"models.aliases.{model.alias}.price (input_usd and output_usd a million tokens), or leave --budget out."
        )


def _require_servable(models: Sequence[Model], jobs: int) -> None:
    """Their credentials are there; one that runs in this process has the GPUs to itself."""
    import os

    from resources.models.endpoints import resolve

    inside = sorted({model.alias for model in models if resolve(model, os.environ).backend == "vllm"})
    if inside and jobs > 1:
        raise UsageError(
            f"{inside[0]} runs in this process and takes the GPUs as a whole, so --jobs {jobs} cannot work. "
            "Leave --jobs out: the engine serves many requests at a time by itself."
        )
    if len(inside) > 1:
        raise UsageError(
            f"{' and '.join(inside)} would both run in this process, and each takes the GPUs as a whole. Label first "
            "(--select raw_coc, without --judge), then judge with --select filtered_coc; or serve one of them."
        )


def _asking(workspace: Workspace, chunks: Sequence[str], options: argparse.Namespace) -> list[str]:
    """The chunks of which labels or verdicts are due."""
    plans = _plans(workspace, chunks, options)
    return [plan.chunk for plan in plans if {"raw_coc", "filtered_coc"} & set(plan.due)]


def _dry_run(workspace: Workspace, chunks: Sequence[str], options: argparse.Namespace) -> int:
    from coc_assets.filtered_coc.model_judge.judge import judges
    from coc_assets.raw_coc.stage import uses_model
    from coc_assets.raw_coc.vlm.estimate import estimate

    if uses_model(workspace.settings):
        found = estimate(workspace, chunks, options.retry or ())
        alias = workspace.settings.labeler
        _say_estimate(
            f"labeler {alias}: {counted(found.topics, 'keyframe')}, {found.answered} answered", found, alias, "raw_coc"
        )
    if judges(workspace.settings):
        _dry_run_judging(workspace, chunks, options)
    return DONE


def _dry_run_judging(workspace: Workspace, chunks: Sequence[str], options: argparse.Namespace) -> None:
    from coc_assets.filtered_coc.model_judge.estimate import estimate_judging, requests_to_come

    judge = workspace.settings.filtering.judge
    found = estimate_judging(workspace, chunks, options.retry or ())
    asked = f"{counted(found.topics, 'judgement')} of labels that are there ({', '.join(judge.stages)})"
    _say_estimate(f"judge {judge.model}: {asked}, {found.answered} answered", found, str(judge.model), "filtered_coc")
    to_come = requests_to_come(workspace, chunks)
    if to_come:
        stdout().print(
            f"and at most {to_come:,} requests about labels of {workspace.settings.labeler} still to be made"
        )


def _say_estimate(title: str, found: Estimate, alias: str, stage: str) -> None:
    say = stdout().print
    say(title)
    assumed = " (assumed; no answers to go by yet)" if found.assumed else " (as long as the answers so far)"
    repairs = f"   and at most {found.repairs:,} repairs" if stage == "raw_coc" else ""
    say(f"requests           {found.requests:>12,}{repairs}")
    say(f"prompt tokens      {found.prompt_tokens:>12,}   by picture size and words, rather too many than too few")
    say(f"completion tokens  {found.completion_tokens:>12,}  {assumed}")
    if found.cost_usd is None or found.most_usd is None:
        say(f"cost                    unknown   set models.aliases.{alias}.price to know it")
    else:
        say(f"cost               {found.cost_usd:>12,.2f}   USD; {found.most_usd:,.2f} if every answer took all it may")
    if found.unmade:
        lacking = "keyframes" if stage == "raw_coc" else "labels"
        select = " ".join(ASSETS[: ASSETS.index(stage)])
        free = ", no model is asked" if stage == "raw_coc" else ""
        say(
            f"{counted(len(found.unmade), 'chunk')} without {lacking} left out. Make them first{free}: "
            f"coc run --select {select}"
        )


def _refuse_another_dataset(workspace: Workspace, chunks: Sequence[str]) -> None:
    from coc_assets.status import chunks_of_another_dataset

    others = chunks_of_another_dataset(workspace, chunks)
    if others:
        chunk, dataset = next(iter(others.items()))
        raise UsageError(
            f"Chunk {chunk} in {workspace.settings.store} holds clips of {dataset}, "
            f"and none of {workspace.settings.dataset}. Name another --store, or replace the chunk with --force."
        )


def _plans(workspace: Workspace, chunks: Sequence[str], options: argparse.Namespace) -> list[ChunkPlan]:
    """What is due of each chunk; said on stderr."""
    from coc_assets.arrivals.fetching import outdated
    from coc_assets.definitions import build_definitions
    from coc_assets.running import plan_chunk, plan_retry, required_checks

    checks = required_checks(build_definitions(workspace))
    selected = _selected(workspace, options)
    if options.retry:
        plans = [plan_retry(workspace, chunk, options.retry, selected) for chunk in chunks]
    else:
        to_fetch = outdated(workspace, chunks)
        plans = [
            plan_chunk(
                workspace,
                chunk,
                selected,
                checks,
                force=options.force or chunk in to_fetch,  # what its files are, the run finds out
                stale=options.stale,
            )
            for chunk in chunks
        ]
    stderr().print(_plan_line(plans))
    _warn_of_stale_inputs(workspace, chunks, selected)
    return plans


def _selected(workspace: Workspace, options: argparse.Namespace) -> list[str]:
    """All seven assets unless some are named; what is out of date may be optional ones, too."""
    made = [name for name in OPTIONAL_ASSETS if options.stale and (workspace.store.root / name).is_dir()]
    return options.select or [*ASSETS, *made]


def _require_consent(workspace: Workspace, plans: Sequence[ChunkPlan], options: argparse.Namespace) -> None:
    """Asks before a model is asked again and may be paid again; --yes, a budget and --retry are consent already.

    Raises:
        UsageError: it is not given.
    """
    from coc_assets.relabelling import asked_anew

    if options.yes or options.retry or workspace.settings.models.budget_usd is not None:
        return
    found = asked_anew(workspace, plans, stale=options.stale)
    if not found:
        return
    said = "\n".join(_cost_anew(one) for one in found)
    if not sys.stdin.isatty():
        raise UsageError(f"{said}\nAdd --yes to have that, or --budget USD to bound what this store may cost in all.")
    stderr().print(said, markup=False)
    if input("Go ahead? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was made and nobody was asked.")


def _cost_anew(asked: AskedAnew) -> str:
    what = "label" if asked.stage == "raw_coc" else "judge the labels of"
    cost = (
        f"at a cost that is unknown (set models.aliases.{asked.alias}.price to know it)"
        if asked.cost_usd is None
        else f"about {asked.cost_usd:,.2f} USD"
    )
    by = ", going by what there is to ask about now" if asked.by_present_rows else ""
    return (
        f"{asked.alias} is to {what} {counted(len(asked.chunks), 'chunk')} anew ({some_of(asked.chunks)}): "
        f"{counted(asked.requests, 'request')}, {asked.prompt_tokens:,} prompt and {asked.completion_tokens:,} "
        f"completion tokens, {cost}{by}."
    )


def _materialize(workspace: Workspace, plans: Sequence[ChunkPlan], options: argparse.Namespace) -> list[ChunkResult]:
    from coc_assets.instances import open_instance
    from coc_assets.partitions import register_chunks
    from coc_assets.running import run_plans

    with open_instance(workspace.settings.store) as instance:
        register_chunks(instance, [plan.chunk for plan in plans])
    results: list[ChunkResult] = []
    with progress_bar("stages") as (bar, task):
        due = {plan.chunk: plan.due for plan in plans}
        done: set[tuple[str, str]] = set()
        bar.update(task, total=sum(map(len, due.values())))

        def finished(result: ChunkResult) -> None:
            results.append(result)
            done.update((result.chunk, stage) for stage in due[result.chunk])
            bar.update(task, completed=len(done), description=f"chunk {result.chunk}")

        def within(chunk: str, stage: str, items: int, of: int, note: str) -> None:
            if items == of:
                done.add((chunk, stage))
            bar.update(task, completed=len(done), description=f"chunk {chunk} {stage} {items}/{of} {note}".rstrip())

        run_plans(
            workspace.settings, plans, jobs=options.jobs, force=options.force, on_result=finished, on_progress=within
        )
    return results


def _warn_of_stale_inputs(workspace: Workspace, chunks: Sequence[str], selected: Sequence[str]) -> None:
    """With --select, what is read may itself be out of date; that is allowed, but said."""
    from coc_assets.status import store_status

    stale = {
        asset
        for status in (store_status(workspace, chunks) if set(selected) < set(ASSETS) else ())
        for asset, state in status.states.items()
        if state == "stale" and asset not in selected
    }
    last = max((ASSETS.index(asset) for asset in selected if asset in ASSETS), default=0)
    before = [asset for asset in ASSETS[:last] if asset in stale]
    if before:
        stderr().print(f"Not selected, but stale: {' '.join(before)}. Add them to --select to bring them up to date.")


def _plan_line(plans: Sequence[ChunkPlan]) -> str:
    due = sum(len(plan.due) for plan in plans)
    fresh = sum(len(plan.fresh) for plan in plans)
    left_out = sum(len(plan.left_out) for plan in plans)
    never_made = f", {left_out} never made and left so" if left_out else ""
    return f"{counted(len(plans), 'chunk')}: {counted(due, 'stage')} to make, {fresh} fresh{never_made}."


def _report_run(workspace: Workspace, chunks: list[str], results: Sequence[ChunkResult]) -> int:
    from coc_assets.status import store_status

    statuses = store_status(workspace, chunks)
    print_status(workspace, statuses)
    for result in results:
        for message in (*result.failures, *result.failed_checks):
            stderr().print(f"chunk {result.chunk}: {message}", style="red", markup=False, highlight=False)
    failed = any(not result.ok for result in results) or any(status.failed_checks for status in statuses)
    return FAILED if failed else DONE
