"""The `coc` command: thin over the stages, Dagster and the store.

Exit status: 0 done, 1 a partition failed or a check of ERROR severity did, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coc_assets.commands.common import (
    ASSETS,
    DONE,
    FAILED,
    FORMATS,
    INTERRUPTED,
    OPTIONAL_ASSETS,
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
from coc_assets.review import PORT as REVIEW_PORT
from resources.arriving import PlaceError
from resources.dataset import DatasetError
from resources.settings import Settings, SettingsError, load_settings
from resources.sql import QueryError

if TYPE_CHECKING:
    from coc_assets.stage import Workspace

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
    except (UsageError, SettingsError, DatasetError, PlaceError, QueryError, StageError) as error:
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
    _add_run(run)

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

    report = _command(commands, "report", _report, "one HTML page: what to mend, figures, worst labels, checks, cost")
    add_store(report)
    report.add_argument("--dataset", type=Path, metavar="DIR", help="dataset root (else the one the store came from)")
    report.add_argument("--out", type=Path, metavar="FILE", help="page to write (default STORE/report/index.html)")

    sql = _command(commands, "sql", _sql, "read-only SQL over every table: one SELECT, or a prompt")
    _add_sql(sql)

    notebook = _command(
        commands, "notebook", _notebook, "write a Jupyter notebook with SQL over every table, or open it"
    )
    _add_notebook(notebook)

    shell = _command(commands, "shell", _shell, "open the DuckDB shell with a view for every table")
    _add_shell(shell)

    doctor = _command(commands, "doctor", _doctor, "check the set-up, and say how to mend what is not sound")
    _add_doctor(doctor)

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

    view = _command(commands, "view", _view, "one clip as a film, a picture and a Rerun recording, with its labels")
    _add_view(view)

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

    collecting = _command(commands, "gc", _gc, "remove old runs, leftovers of killed commands and superseded files")
    add_store(collecting)
    collecting.add_argument(
        "--keep-days", type=positive, metavar="N", help="keep runs and logs so long (else operate.keep_runs_days)"
    )
    collecting.add_argument("--dry-run", action="store_true", help="say what would go; remove nothing")

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
    what.add_argument("--dagster", action="store_true", help="what Dagster and the checks add to a chunk")
    what.add_argument("--ui", action="store_true", help="dagster dev with every chunk registered, and an empty one")
    bench.add_argument("--partitions", type=positive, default=3150, metavar="N", help="with --ui (default 3150)")
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


# ---- coc run, coc status --------------------------------------------------------------------------------------------


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="dataset root (else COC_DATASET or coc.yaml)")
    add_store(parser)
    parser.add_argument("--chunks", metavar="0-3,7", help="the dataset's chunks to do (default all)")
    parser.add_argument(
        "--where", metavar="SELECT", help='only the chunks that a query names: "SELECT DISTINCT chunk FROM …"'
    )
    parser.add_argument("--stale", action="store_true", help="only what was made and is out of date; nothing new")
    parser.add_argument(
        "--select", nargs="+", metavar="ASSET", choices=ASSETS + OPTIONAL_ASSETS, help="only these assets"
    )
    parser.add_argument("--labeler", metavar="NAME", help="rules (default), or a model alias: coc models")
    parser.add_argument(
        "--judge", metavar="ALIAS", help="have a model judge every usable label (else filtering.judge.model)"
    )
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes, a chunk each (default 1)")
    parser.add_argument("--force", action="store_true", help="make again what is fresh; answers of models are kept")
    parser.add_argument(
        "--retry",
        type=_statuses,
        metavar="STATUS,…",
        help="ask a model again for labels and judgements in these statuses",
    )
    parser.add_argument("--budget", type=_dollars, metavar="USD", help="what models may cost this store in all")
    parser.add_argument("--yes", action="store_true", help="label or judge anew by a model without being asked")
    parser.add_argument("--dry-run", action="store_true", help="estimate requests, tokens and cost of models")


def _run(options: argparse.Namespace) -> int:
    from coc_assets.commands.run import run

    return run(options)


def _status(options: argparse.Namespace) -> int:
    from coc_assets.commands.status import run

    return run(options)


# ---- coc report -----------------------------------------------------------------------------------------------------


def _report(options: argparse.Namespace) -> int:
    from coc_assets.commands.report import run

    return run(options)


# ---- coc gc ---------------------------------------------------------------------------------------------------------


def _gc(options: argparse.Namespace) -> int:
    from coc_assets.commands.gc import run

    return run(options)


# ---- coc sql, coc notebook, coc shell -------------------------------------------------------------------------------


def _add_sql(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--format", choices=FORMATS, default="table", help="default table")
    parser.add_argument(
        "query",
        nargs="?",
        metavar="SELECT",
        help='for example "SELECT action, count(*) FROM meta_actions GROUP BY 1"; without one, a prompt',
    )


def _sql(options: argparse.Namespace) -> int:
    from coc_assets.commands.sql import run

    return run(options)


def _add_notebook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT.ipynb", help="notebook to make, or one that is there to open")
    add_store(parser)
    parser.add_argument("--open", action="store_true", help="open it in JupyterLab")


def _notebook(options: argparse.Namespace) -> int:
    from coc_assets.commands.tools import run_notebook

    return run_notebook(options)


def _add_shell(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--print", action="store_true", help="only print the CREATE VIEW statements")


def _shell(options: argparse.Namespace) -> int:
    from coc_assets.commands.tools import run_shell

    return run_shell(options)


# ---- coc doctor -----------------------------------------------------------------------------------------------------


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="dataset root (else the one the store came from)")
    add_store(parser)
    parser.add_argument("--thorough", action="store_true", help="look at every archive, not at a sample of them")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def _doctor(options: argparse.Namespace) -> int:
    from coc_assets.commands.doctor import run

    return run(options)


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
    parser.add_argument(
        "--port", type=_port, default=REVIEW_PORT, metavar="N", help=f"default {REVIEW_PORT}; 0 takes any free one"
    )
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


# ---- coc view --------------------------------------------------------------------------------------------------------


def _add_view(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", metavar="CLIP", help="id of a clip, keyframe or label, or the beginning of one")
    add_store(parser)
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="dataset root (else the one the store came from)")
    parser.add_argument("--out", type=Path, default=Path("view"), metavar="DIR", help="folder (default ./view)")
    parser.add_argument("--labeler", metavar="NAME", help="only its labels (default all, the preferred one first)")
    parser.add_argument("--camera", metavar="NAME", help="as the dataset names it (else videos.camera)")
    parser.add_argument("--no-video", action="store_true", help="leave the camera out, as of a clip without video")
    parser.add_argument("--rrd", action="store_true", help="also write a Rerun recording (optional extra: rerun)")


def _view(options: argparse.Namespace) -> int:
    from coc_assets.commands.view import run

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
    elif options.dagster:
        figures, table = _bench_dagster(options)
    elif options.ui:
        figures, table = _bench_ui(options)
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


def _bench_dagster(options: argparse.Namespace) -> _Bench:
    from coc_assets.bench.dagster_cost import dagster_table, run_dagster_bench

    return run_dagster_bench(_of_a_dataset(options)), dagster_table


def _bench_ui(options: argparse.Namespace) -> _Bench:
    from coc_assets.bench.dagster_server import run_server_bench, server_table

    return run_server_bench(options.partitions), server_table


def _bench_labels(options: argparse.Namespace) -> _Bench:
    from coc_assets.bench.labels import label_table, run_label_bench

    return run_label_bench(options.keyframes, options.latency_ms / 1e3, options.in_flight), label_table


def _bench_motion(options: argparse.Namespace) -> _Bench:
    from coc_assets.bench.bench import bench_table, run_bench
    from coc_assets.bench.dagster_cost import dagster_seconds_per_chunk

    settings = _of_a_dataset(options)
    assert settings.dataset is not None
    return {**run_bench(settings.dataset), "dagster_s_per_chunk": dagster_seconds_per_chunk(settings)}, bench_table


def _of_a_dataset(options: argparse.Namespace) -> Settings:
    settings = load_settings(dataset=options.dataset)
    if settings.dataset is None:
        raise UsageError("No dataset named. Pass --dataset DIR or set COC_DATASET.")
    return settings


if __name__ == "__main__":
    sys.exit(main())
