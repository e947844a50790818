"""The `coc` command: thin over the stages, Dagster and the store.

Exit status: 0 done, 1 a partition failed or a check of ERROR severity did, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coc_assets.commands.common import (
    DONE,
    FAILED,
    FORMATS,
    INTERRUPTED,
    USAGE,
    UsageError,
    add_store,
    counted,
    parse_chunks,
    positive,
    progress_bar,
    require_store,
    stderr,
    stdout,
    write_rows,
)
from resources.dataset import DatasetError
from resources.settings import Settings, SettingsError, load_settings
from resources.sql import QueryError

if TYPE_CHECKING:
    from coc_assets.raw_coc.vlm.estimate import Estimate
    from coc_assets.running import ChunkPlan, ChunkResult
    from coc_assets.stage import Workspace
    from coc_assets.status import ChunkStatus
    from resources.models.aliases import Model

ASSETS = (
    "trajectory_cache",
    "meta_actions",
    "keyframe_segments",
    "clip_videos",
    "raw_coc",
    "filtered_coc",
    "training_shards",
)
OPTIONAL_ASSETS = ("trajdata_cache",)
RETRIED = ("invalid", "error", "refused", "over_budget")
VERDICTS = ("keep", "review", "reject")
COST_BY = ("run", "model", "chunk", "labeler", "step", "day")
SCORED_BY = ("split", "decision", "action", "scenario")
COST_SHOWN = ("answered", "refused", "error", "over_budget", "prompt_tokens", "completion_tokens", "cost_usd")
_LAST_PORT = 65_535
_TOKEN_LENGTH = 16
EXPORTS = ("meta-actions", "keyframes", "cot-yaml", "jsonl", "ood-reasoning")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    from coc_assets.stage import StageError

    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except (UsageError, SettingsError, DatasetError, QueryError, StageError) as error:
        stderr().print(f"[bold red]coc {options.command}:[/] ", end="")
        stderr().print(str(error), markup=False, highlight=False)
        return USAGE
    except OSError as error:
        return _cannot_write(options, error)
    except KeyboardInterrupt:
        stderr().print("Interrupted. What is finished stays; the same command goes on from there.")
        return INTERRUPTED
    except Exception as error:
        if not type(error).__module__.startswith("sqlalchemy"):
            raise
        return _cannot_write(options, error)


def _cannot_write(options: argparse.Namespace, error: Exception) -> int:
    """A path that cannot be read or written, or a full disk under Dagster's instance: said without a traceback."""
    if isinstance(error, BrokenPipeError):
        return DONE
    said = str(error).splitlines()[0]
    mend = (
        "Name another --store or --out, or free space; what is finished stays, and the same command goes on from there."
    )
    stderr().print(f"coc {options.command}: {said}. {mend}", style="red", markup=False, highlight=False)
    return FAILED if type(error).__module__.startswith("sqlalchemy") else USAGE


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, in one place; docs/commands.md is checked against it."""
    parser = argparse.ArgumentParser(prog="coc", description="Driving clips to Chain-of-Causation training data.")
    parser.add_argument("--version", action="version", version=f"coc-assets {version('coc-assets')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    sample = _command(commands, "sample", _sample, "generate a sample dataset in the PhysicalAI-AV layout")
    sample.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    sample.add_argument("--chunks", type=positive, default=3, metavar="N", help="chunks (default 3)")
    sample.add_argument("--clips", type=positive, default=12, metavar="N", help="clips a chunk (default 12)")
    sample.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other scenes (default 0)")
    sample.add_argument("--no-video", action="store_true", help="leave the camera out")
    sample.add_argument("--no-defects", action="store_true", help="no defective clips")
    sample.add_argument("--burn-in", action="store_true", help="burn frame numbers into the picture")
    sample.add_argument(
        "--widen",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="scene parameters from beyond their ranges, as far as this share of each (default 0: from within)",
    )

    run = _command(commands, "run", _run, "materialise the assets through Dagster; what is fresh is skipped")
    run.add_argument("--dataset", type=Path, metavar="DIR", help="dataset root (else COC_DATASET or coc.yaml)")
    add_store(run)
    run.add_argument("--chunks", metavar="0-3,7", help="the dataset's chunks to do (default all)")
    run.add_argument("--select", nargs="+", metavar="ASSET", choices=ASSETS + OPTIONAL_ASSETS, help="only these assets")
    run.add_argument("--labeler", metavar="NAME", help="rules (default), or a model alias: coc models")
    run.add_argument(
        "--judge", metavar="ALIAS", help="have a model judge every usable label (else filtering.judge.model)"
    )
    run.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes, a chunk each (default 1)")
    run.add_argument("--force", action="store_true", help="make again what is fresh; answers of models are kept")
    run.add_argument(
        "--retry",
        type=_statuses,
        metavar="STATUS,…",
        help="ask a model again for labels and judgements in these statuses",
    )
    run.add_argument("--budget", type=_dollars, metavar="USD", help="what models may cost this store in all")
    run.add_argument("--dry-run", action="store_true", help="estimate requests, tokens and cost of models")

    models = _command(
        commands, "models", _models, "list model aliases, what serves them, and whether credentials are set"
    )
    models.add_argument("--json", action="store_true", help="one JSON list")

    cost = _command(commands, "cost", _cost, "what labelling and judging by models took: requests, tokens, USD")
    add_store(cost)
    cost.add_argument("--by", choices=COST_BY, default="model", help="group by (default model)")
    cost.add_argument("--format", choices=FORMATS, default="table", help="default table")

    status = _command(commands, "status", _status, "chunks by stages, from the receipts")
    add_store(status)

    sql = _command(commands, "sql", _sql, "one read-only SELECT over every table")
    add_store(sql)
    sql.add_argument("--format", choices=FORMATS, default="table", help="default table")
    sql.add_argument(
        "query", metavar="SELECT", help='for example "SELECT action, count(*) FROM meta_actions GROUP BY 1"'
    )

    judge = _command(commands, "judge", _judge, "decide verdicts anew from stored measurements; no model is asked")
    add_store(judge)
    judge.add_argument("--policy", metavar="P", help="packaged name or YAML file (else filtering.policy)")
    judge.add_argument("--chunks", metavar="0-3,7", help="only these chunks (default all)")
    judge.add_argument("--no-duplicates", action="store_true", help="leave near-duplicates as they were found last")

    policy = commands.add_parser("policy", help="compare policies", description="Compare policies.")
    kinds = policy.add_subparsers(dest="what", required=True)
    diff = _command(kinds, "diff", _policy_diff, "what policy B would change")
    diff.add_argument("before", metavar="A", help="packaged name or YAML file")
    diff.add_argument("after", metavar="B", help="packaged name or YAML file")
    add_store(diff)
    diff.add_argument("--chunks", metavar="0-3,7", help="only these chunks (default all)")
    diff.add_argument("--examples", type=positive, default=3, metavar="N", help="labels of each move (default 3)")

    profile = _command(commands, "profile", _profile, "what this store's labels are like, to hold later chunks against")
    _add_profile(profile)

    evaluate = _command(commands, "eval", _eval, "how right labels are: against scripted truth, or against each other")
    _add_eval(evaluate)

    review = _command(commands, "review", _review, "look at labels in the browser: keep, reject or edit")
    _add_review(review)

    taken_in = _command(commands, "import", _import, "take in labels made elsewhere, as a labeler of their own")
    _add_import(taken_in)

    export = _command(commands, "export", _export, "write the interchange forms that other tools read")
    export.add_argument("what", choices=EXPORTS)
    add_store(export)
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    export.add_argument("--labeler", metavar="NAME", help="only kept labels of this labeler (else by preference)")

    release = _command(commands, "release", _release, "freeze a training set: balanced, packed anew, with checksums")
    _add_release(release)

    released = _command(commands, "diff", _diff, "what differs between two releases")
    _add_diff(released)

    verify = _command(commands, "verify", _verify, "read a release or a store again: is every byte as it was written?")
    verify.add_argument("folder", type=Path, metavar="DIR", help="a release, a copy of one, or a store")
    verify.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes, a file each (default 1)")

    link = _command(commands, "link", _link, "join a copied release's pai_overlay to a dataset root again")
    link.add_argument("folder", type=Path, metavar="DIR", help="the release")
    link.add_argument("--dataset", type=Path, metavar="ROOT", help="dataset root (else COC_DATASET or coc.yaml)")

    scoring = _command(commands, "score", _score, "how far predicted trajectories are from those of a set")
    _add_score(scoring)

    bench = _command(commands, "bench", _bench, "measure zips to keyframes, labelling, judging or shards, as ratios")
    bench.add_argument("--dataset", type=Path, metavar="DIR", help="dataset root")
    what = bench.add_mutually_exclusive_group()
    what.add_argument("--labels", action="store_true", help="labelling by a model, against a server that is timed too")
    what.add_argument("--judge", action="store_true", help="judging a large label set anew")
    what.add_argument("--shards", action="store_true", help="writing and reading shards, against tar and decoding")
    bench.add_argument("--keyframes", type=positive, default=2000, metavar="N", help="to label (default 2000)")
    bench.add_argument(
        "--latency-ms", type=positive, default=50, metavar="MS", help="of each answer of the server (default 50)"
    )
    bench.add_argument("--in-flight", type=positive, default=16, metavar="N", help="requests at a time (default 16)")
    bench.add_argument(
        "--labels-in-set", type=positive, default=100_000, metavar="N", help="labels to judge (default 100000)"
    )
    bench.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    about: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
    parser.set_defaults(run=run)
    return parser


def _share(text: str) -> float:
    return _number(text, "a share from 0 to 1 such as 0.25", most=1.0)


def _dollars(text: str) -> float:
    return _number(text, "an amount in USD such as 25 or 0.50")


def _metres(text: str) -> float:
    return _number(text, "a distance in metres such as 2.0")


def _number(text: str, wanted: str, most: float = sys.float_info.max) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"takes {wanted}, got {text!r}")
    return number


def _statuses(text: str) -> tuple[str, ...]:
    named = tuple(part.strip() for part in text.split(","))
    unknown = [name for name in named if name not in RETRIED]
    if unknown:
        raise argparse.ArgumentTypeError(f"takes some of {','.join(RETRIED)}; got {','.join(unknown)}")
    return named


# ---- coc sample -----------------------------------------------------------------------------------------------------


def _sample(options: argparse.Namespace) -> int:
    from coc_assets.sample.generate import SampleError, generate

    total = options.chunks * options.clips
    with progress_bar("clips") as (bar, task):
        bar.update(task, total=total)
        try:
            made = generate(
                options.out,
                chunks=options.chunks,
                clips=options.clips,
                seed=options.seed,
                video=not options.no_video,
                defects=not options.no_defects,
                burn_in=options.burn_in,
                widen=options.widen,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
            )
        except SampleError as error:
            raise UsageError(str(error)) from None
    clips, chunks = counted(made.clips, "clip"), counted(made.chunks, "chunk")
    print(f"{clips} in {chunks}, {made.defective} of them defective, in {options.out}")
    return DONE


# ---- coc run --------------------------------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    from coc_assets.stage import Workspace

    models = None if options.budget is None else {"budget_usd": options.budget}
    judge = None if options.judge is None else {"judge": {"model": options.judge}}
    settings = load_settings(
        dataset=options.dataset, store=options.store, labeler=options.labeler, models=models, filtering=judge
    )
    _require_labeler_policy_and_profile(settings)
    workspace = Workspace(settings)
    chunks = parse_chunks(options.chunks, workspace.root.chunks(), settings)
    _require_model_options(settings, options)
    if options.dry_run:
        return _dry_run(workspace, chunks, options)
    if not options.force:
        _refuse_another_dataset(workspace, chunks)
    results = _materialize(workspace, chunks, options)
    return _report_run(workspace, chunks, results)


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


def _materialize(workspace: Workspace, chunks: list[str], options: argparse.Namespace) -> list[ChunkResult]:
    from coc_assets.definitions import build_definitions
    from coc_assets.instances import open_instance
    from coc_assets.partitions import register_chunks
    from coc_assets.running import plan_chunk, plan_retry, required_checks, run_plans

    with open_instance(workspace.settings.store) as instance:
        register_chunks(instance, chunks)
    checks = required_checks(build_definitions(workspace))
    selected = options.select or list(ASSETS)
    if options.retry:
        plans = [plan_retry(workspace, chunk, options.retry, selected) for chunk in chunks]
    else:
        plans = [plan_chunk(workspace, chunk, selected, checks, force=options.force) for chunk in chunks]
    stderr().print(_plan_line(plans))
    _warn_of_stale_inputs(workspace, chunks, selected)
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
    return f"{counted(len(plans), 'chunk')}: {counted(due, 'stage')} to make, {fresh} fresh."


def _report_run(workspace: Workspace, chunks: list[str], results: Sequence[ChunkResult]) -> int:
    from coc_assets.status import store_status

    statuses = store_status(workspace, chunks)
    _print_status(workspace, statuses)
    for result in results:
        for message in (*result.failures, *result.failed_checks):
            stderr().print(f"chunk {result.chunk}: {message}", style="red", markup=False, highlight=False)
    failed = any(not result.ok for result in results) or any(status.failed_checks for status in statuses)
    return FAILED if failed else DONE


# ---- coc status -----------------------------------------------------------------------------------------------------


def _status(options: argparse.Namespace) -> int:
    from coc_assets.stage import Workspace
    from coc_assets.status import as_recorded, store_status

    settings = load_settings(store=options.store)
    require_store(settings)
    workspace = Workspace(as_recorded(settings))
    statuses = store_status(workspace)
    _print_status(workspace, statuses)
    for status in statuses:
        for name, receipt in status.receipts.items():
            if receipt.status == "failed":
                stdout().print(f"chunk {status.chunk} {name} failed: {receipt.error}", style="red", markup=False)
    broken = any(status.failed_checks or "failed" in status.states.values() for status in statuses)
    return FAILED if broken else DONE


_MARKS = {
    "done": "[green]done[/]",
    "failed": "[bold red]failed[/]",
    "stale": "[yellow]stale[/]",
    "missing": "[dim]–[/]",
}
_HEADINGS = {
    "trajectory_cache": "cache",
    "meta_actions": "acts",
    "keyframe_segments": "keyfr.",
    "clip_videos": "videos",
    "raw_coc": "raw",
    "filtered_coc": "filter",
    "training_shards": "shards",
    "trajdata_cache": "trajdata",
}
_CLIP_FIGURES = {"clips": "clips", "rejected": "rej.", "labels": "labels"}
_FULL_TABLE = 40  # more chunks than this are summed up by stage


def _print_status(workspace: Workspace, statuses: Sequence[ChunkStatus]) -> None:
    from coc_assets.status import FIGURES, totals

    console = stdout()
    console.print(_chunk_table(statuses) if len(statuses) <= _FULL_TABLE else _stage_table(statuses))
    summed = totals(statuses)
    console.print("  ".join(f"{summed[name]} {name}" for name in FIGURES))
    left_out = sum((status.left_out for status in statuses), Counter())
    for asset in (*ASSETS, *OPTIONAL_ASSETS):
        of_asset = [f"{count} {reason}" for (stage, reason), count in sorted(left_out.items()) if stage == asset]
        if of_asset:
            console.print(f"left out or degraded by {asset}: " + ", ".join(of_asset))
    for status in statuses:
        for warning in status.warnings:
            console.print(f"chunk {status.chunk} {warning}", style="yellow", markup=False)
    for status in statuses:
        for check in status.failed_checks:
            console.print(f"check failed: chunk {status.chunk} {check}", style="red", markup=False)
    labeler = "" if workspace.settings.labeler == "rules" else f"  labeler: {workspace.settings.labeler}"
    judge = workspace.settings.filtering.judge.model
    judged = f"  judge: {judge}" if judge else ""
    console.print(f"store: {workspace.settings.store}{labeler}{judged}", highlight=False)


def _chunk_table(statuses: Sequence[ChunkStatus]) -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("chunk")
    assets = [asset for asset in _HEADINGS if any(asset in status.states for status in statuses)]
    for asset in assets:
        table.add_column(_HEADINGS[asset])
    for heading in _CLIP_FIGURES.values():
        table.add_column(heading, justify="right")
    for status in statuses:
        marks = [_MARKS[status.states.get(name, "missing")] for name in assets]
        table.add_row(status.chunk, *marks, *(str(status.figures[name]) for name in _CLIP_FIGURES))
    return table


def _stage_table(statuses: Sequence[ChunkStatus]) -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("stage", "done", "failed", "stale", "missing"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for asset in ASSETS:
        states = Counter(status.states[asset] for status in statuses)
        table.add_row(asset, *(str(states[state]) for state in ("done", "failed", "stale", "missing")))
    return table


# ---- coc sql --------------------------------------------------------------------------------------------------------


def _sql(options: argparse.Namespace) -> int:
    from resources.sql import query
    from resources.store import Store

    settings = load_settings(store=options.store)
    require_store(settings)
    write_rows(query(Store(settings.store), options.query), options.format)
    return DONE


# ---- coc models, coc cost --------------------------------------------------------------------------------------------


def _models(options: argparse.Namespace) -> int:
    import os
    from dataclasses import asdict

    from rich.table import Table

    from resources.models.listing import list_models

    lines = list_models(load_settings().models, os.environ)
    if options.json:
        print(json.dumps([asdict(line) for line in lines], ensure_ascii=False))
        return DONE
    table = Table(box=None, pad_edge=False)
    for heading in ("alias", "backend", "model", "at", "credentials", "price of 1M tokens"):
        table.add_column(heading)
    for line in lines:
        at = line.base_url or ""
        table.add_row(line.alias, line.backend, line.model_id or "–", at, line.credentials, line.price)
    stdout().print(table)
    for line in lines:
        if line.problem:
            stdout().print(f"{line.alias}: {line.problem}", markup=False, soft_wrap=True)
    return DONE


def _cost(options: argparse.Namespace) -> int:
    from coc_assets.costs import cost_table, with_total
    from resources.store import Store

    settings = load_settings(store=options.store)
    require_store(settings)
    table = cost_table(Store(settings.store), options.by)
    shown = with_total(table, options.by).select(options.by, *COST_SHOWN) if options.format == "table" else table
    write_rows(shown, options.format)
    return DONE


# ---- coc judge, coc policy ------------------------------------------------------------------------------------------


def _judge(options: argparse.Namespace) -> int:
    from coc_assets.filtered_coc.judging import judge, report
    from coc_assets.instances import open_instance
    from coc_assets.running import only_run_on

    workspace, chunks = _judged_store(options)
    policy = options.policy or workspace.settings.filtering.policy
    with only_run_on(workspace.settings):
        with progress_bar("chunks") as (bar, task):
            judged = judge(
                workspace,
                chunks,
                policy,
                find_duplicates=not options.no_duplicates,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
            )
        with open_instance(workspace.settings.store) as instance:
            report(instance, judged)
    say = stdout().print
    say(f"{judged.policy}: " + ", ".join(f"{count} {verdict}" for verdict, count in judged.verdicts.items()))
    say(f"{counted(len(judged.changed), 'chunk')} changed, {len(judged.fresh)} followed it already")
    for (before, after), count in judged.moved.items():
        say(f"  {before} → {after}: {counted(count, 'label')}")
    say(f"{counted(judged.duplicates, 'near-duplicate')}, reviews of {counted(judged.reviewed, 'label')} taken up")
    _say_left_out({**judged.left_out, **judged.failed})
    return FAILED if judged.failed else DONE


def _policy_diff(options: argparse.Namespace) -> int:
    from coc_assets.filtered_coc.judging import diff_policies

    workspace, chunks = _judged_store(options)
    diff = diff_policies(workspace, chunks, options.before, options.after, examples=options.examples)
    stdout().print(f"{diff.before} → {diff.after}", highlight=False)
    write_rows(diff.verdicts, "table")
    for title, rows in (("rules that decide", diff.rules), ("examples", diff.examples)):
        if rows.height:
            stdout().print(f"\n{title}")
            write_rows(rows, "table")
    _say_left_out(diff.left_out)
    return DONE


def _say_left_out(problems: Mapping[str, str]) -> None:
    for chunk, problem in problems.items():
        stderr().print(f"chunk {chunk}: {problem}", style="yellow", markup=False)


def _judged_store(options: argparse.Namespace) -> tuple[Workspace, list[str]]:
    from coc_assets.stage import Workspace
    from coc_assets.status import with_recorded_judge

    settings = with_recorded_judge(load_settings(store=options.store))
    known = [path.name.removeprefix("chunk=") for path in sorted((settings.store / "filtered_coc").glob("chunk=*"))]
    if not known:
        raise UsageError(
            f"No judged labels in {settings.store}. Make them: coc run --dataset DIR --store {settings.store}"
        )
    return Workspace(settings), parse_chunks(options.chunks, known, settings)


# ---- coc profile -----------------------------------------------------------------------------------------------------


def _add_profile(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="FILE", help="write the profile of this store's labels, JSON")
    what.add_argument("--against", type=Path, metavar="FILE", help="how far this store's labels are from a profile")
    parser.add_argument("--labeler", metavar="NAME", help="only this labeler's labels (default all)")
    parser.add_argument("--chunks", metavar="0-3,7", help="only these chunks (default all)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="with --against (default table)")


def _profile(options: argparse.Namespace) -> int:
    from coc_assets.commands.profile import run

    return run(options)


# ---- coc eval --------------------------------------------------------------------------------------------------------


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="generated dataset, whose causes are scripted")
    add_store(parser)
    parser.add_argument("--labeler", metavar="NAME", help="labels to judge (default rules, or as in coc.yaml)")
    parser.add_argument(
        "--against", default="truth", metavar="truth|NAME", help="scripted truth (default), or another labeler"
    )
    parser.add_argument("--chunks", metavar="0-3,7", help="only these chunks (default all)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default table")
    parser.add_argument("--plant", action="store_true", help="plant faults in labels and see which are caught")
    parser.add_argument(
        "--wordings", choices=("held_out", "tuning"), default="held_out", help="of planted labels (default held_out)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which words meet which keyframe (default 0)")


def _eval(options: argparse.Namespace) -> int:
    from coc_assets.commands.evaluate import run

    return run(options)


# ---- coc review ------------------------------------------------------------------------------------------------------


def _add_review(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="dataset root (else the one the store came from)")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="listen there (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=3001, metavar="N", help="default 3001; 0 takes any free one")
    parser.add_argument("--token", type=_token, metavar="T", help="what the link carries (default: drawn anew)")
    parser.add_argument("--no-open", action="store_true", help="print the link and open no browser")
    parser.add_argument("--reviewer", metavar="NAME", help="who decides (default: the user's name)")
    parser.add_argument("--labels", type=positive, default=100, metavar="N", help="labels to draw (default 100)")
    parser.add_argument(
        "--audit-share", type=_share, default=0.1, metavar="SHARE", help="of them drawn at random (default 0.1)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, another sample (default 0)")
    parser.add_argument("--labeler", metavar="NAME", help="only its labels (default all but what people edited)")
    parser.add_argument("--chunks", metavar="0-3,7", help="only these chunks (default all)")
    parser.add_argument("--verdict", type=_verdicts, metavar="VERDICT,…", help="only labels that have one of these")
    parser.add_argument("--publish", action="store_true", help="make labels of all edits, and serve nothing")
    parser.add_argument("--report", action="store_true", help="who agrees with whom, and instruments with people")
    parser.add_argument("--format", choices=FORMATS[:-1], default="table", help="of the report (default table)")


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"takes a port from 0 to {_LAST_PORT}, got {text!r}")
    return int(text)


def _token(text: str) -> str:
    if len(text) < _TOKEN_LENGTH or not all(letter.isalnum() or letter in "-_" for letter in text):
        raise argparse.ArgumentTypeError(f"takes {_TOKEN_LENGTH} or more letters, digits, - or _; got {text!r}")
    return text


def _verdicts(text: str) -> tuple[str, ...]:
    named = tuple(part.strip() for part in text.split(","))
    unknown = [name for name in named if name not in VERDICTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"takes some of {','.join(VERDICTS)}; got {','.join(unknown)}")
    return named


def _review(options: argparse.Namespace) -> int:
    from coc_assets.commands.review import run

    return run(options)


# ---- coc import ------------------------------------------------------------------------------------------------------


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="folder of cot_*.yaml, ood_reasoning.parquet, or a .jsonl file"
    )
    parser.add_argument("--labeler", required=True, metavar="NAME", help="what the labels are called in the store")
    add_store(parser)
    parser.add_argument("--chunks", metavar="0-3,7", help="only labels of these chunks' clips (default all)")


def _import(options: argparse.Namespace) -> int:
    from coc_assets.commands.imports import run

    return run(options)


# ---- coc export -----------------------------------------------------------------------------------------------------


def _export(options: argparse.Namespace) -> int:
    from coc_assets.exports import OF_MOTION, export
    from coc_assets.stage import Workspace

    if options.labeler and options.what in OF_MOTION:
        raise UsageError(f"{options.what} holds no labels, so --labeler makes no difference. Leave it out.")

    settings = load_settings(store=options.store)
    workspace = Workspace(settings)
    chunks = workspace.store.chunks()
    if not chunks:
        raise UsageError(f"No store at {settings.store}. Make one: coc run --dataset DIR --store {settings.store}")
    with progress_bar("chunks") as (bar, task):
        written = export(
            options.what,
            workspace,
            chunks,
            options.out,
            progress=lambda done: bar.update(task, completed=done, total=len(chunks)),
            labeler=options.labeler,
        )
    print(f"{written} in {options.out}")
    return DONE


# ---- coc release, coc diff, coc verify, coc link ---------------------------------------------------------------------


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what the release is called")
    add_store(parser)
    parser.add_argument("--chunks", metavar="0-3,7", help="only samples of these chunks (default all)")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes, a shard each (default 1)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to make (default STORE/releases/NAME)")
    parser.add_argument("--finished-only", action="store_true", help="leave out chunks that are not finished")


def _add_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="NAME1", help="a release of the store, or a release's folder")
    parser.add_argument("after", metavar="NAME2", help="likewise")
    add_store(parser)
    parser.add_argument("--examples", type=positive, default=3, metavar="N", help="samples of each change (default 3)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default table")


def _release(options: argparse.Namespace) -> int:
    from coc_assets.commands.releases import run_release

    return run_release(options)


def _diff(options: argparse.Namespace) -> int:
    from coc_assets.commands.releases import run_diff

    return run_diff(options)


def _verify(options: argparse.Namespace) -> int:
    from coc_assets.commands.releases import run_verify

    return run_verify(options)


def _link(options: argparse.Namespace) -> int:
    from coc_assets.commands.releases import run_link

    return run_link(options)


# ---- coc score ------------------------------------------------------------------------------------------------------


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="a .parquet, .jsonl or .npz file")
    parser.add_argument("--set", type=Path, metavar="DIR", help="a release, its name, or a store (default the store)")
    add_store(parser)
    parser.add_argument("--split", metavar="NAME", help="only samples of this split (default all)")
    parser.add_argument("--k", type=positive, default=6, metavar="N", help="most probable modes that count (default 6)")
    parser.add_argument(
        "--miss-m", type=_metres, default=2.0, metavar="M", help="an end farther off than this misses, m (default 2.0)"
    )
    parser.add_argument("--by", choices=SCORED_BY, help="figures of groups too")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default table")
    parser.add_argument("--per-sample", type=Path, metavar="FILE", help="write every sample's figures (.parquet, …)")


def _score(options: argparse.Namespace) -> int:
    from coc_assets.commands.score import run

    return run(options)


# ---- coc bench ------------------------------------------------------------------------------------------------------


def _bench(options: argparse.Namespace) -> int:
    if options.judge:
        figures, table = _bench_judge(options)
    elif options.shards:
        figures, table = _bench_shards()
    else:
        figures, table = _bench_labels(options) if options.labels else _bench_motion(options)
    if options.json:
        print(json.dumps(figures))
    else:
        stdout().print(table(figures))
    return DONE


_Bench = tuple[Mapping[str, Any], Callable[[Any], object]]
"""Figures, and what makes a table of them."""


def _bench_judge(options: argparse.Namespace) -> _Bench:
    from coc_assets.bench.judging import LABELS_OF_A_CHUNK, judge_table, run_judge_bench

    return run_judge_bench(options.labels_in_set, -(-options.labels_in_set // LABELS_OF_A_CHUNK)), judge_table


def _bench_shards() -> _Bench:
    from coc_assets.bench.shards import run_shard_bench, shard_table

    return run_shard_bench(), shard_table


def _bench_labels(options: argparse.Namespace) -> _Bench:
    from coc_assets.bench.labels import label_table, run_label_bench

    return run_label_bench(options.keyframes, options.latency_ms / 1e3, options.in_flight), label_table


def _bench_motion(options: argparse.Namespace) -> _Bench:
    from coc_assets.bench.bench import bench_table, run_bench
    from coc_assets.bench.dagster_cost import dagster_seconds_per_chunk

    settings = load_settings(dataset=options.dataset)
    if settings.dataset is None:
        raise UsageError("No dataset named. Pass --dataset DIR or set COC_DATASET.")
    return {**run_bench(settings.dataset), "dagster_s_per_chunk": dagster_seconds_per_chunk(settings)}, bench_table


if __name__ == "__main__":
    sys.exit(main())
