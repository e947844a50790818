"""Trains a tiny model on shards, on the processor, and shows whether the set can be learnt (README.md beside this)."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from data import Examples, examples_of, read_samples
from model import TinyModel
from training import Figures, figures_of, generated_words, predicted_paths, training
from words import Vocabulary

from coc_assets.training_shards import CoCShardDataset, MirroredCoCShardDataset

TRAIN, HELD_OUT = "train", ("val", "test")
PREDICTIONS, FIGURES = "predictions.parquet", "figures.json"
SHOWN = 5  # held-out samples whose text is printed

_S_A_MINUTE = 60.0


@dataclass(frozen=True)
class Sets:
    """What is learnt from and what is held out.

    Attributes:
        keys, texts: of the held-out samples.
    """

    vocabulary: Vocabulary
    train: Examples
    held_out: Examples
    keys: list[str]
    texts: list[str]


class SetError(Exception):
    """The set cannot be trained on; the message says why and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Trains, reports and writes; the exit status says whether that worked, not how much was learnt."""
    arguments = _parser().parse_args(argv)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    try:
        sets = read_sets(arguments.set, arguments.without_frames)
    except (FileNotFoundError, ValueError, SetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(sets.train)} samples to learn from, {len(sets.held_out)} held out, {len(sets.vocabulary)} words")
    torch.manual_seed(arguments.seed)
    model = TinyModel(len(sets.vocabulary))
    figures = _train(model, sets, arguments)
    _show_texts(model, sets)
    if arguments.out:
        write_results(arguments.out, sets.keys, predicted_paths(model, sets.held_out), figures)
        print(f"\n{arguments.out / PREDICTIONS}: coc score {arguments.out / PREDICTIONS} --set {arguments.set}")
    return 0


def read_sets(root: Path, without_frames: bool = False) -> Sets:
    """All samples of a store or a release: those of `train`, each once more in the mirror, and those that are held out.

    Raises:
        FileNotFoundError, ValueError: as of `CoCShardDataset`.
        SetError: one of the two has no samples.
    """
    recorded = read_samples(CoCShardDataset(root, TRAIN))
    others = [CoCShardDataset(root, split) for split in HELD_OUT]
    held_out = [sample for dataset in others for sample in read_samples(dataset)]
    if not recorded or not held_out:
        raise SetError(
            f"{root} has {len(recorded)} samples in {TRAIN} and {len(held_out)} in {' and '.join(HELD_OUT)}; both are "
            "needed. Make more chunks, or choose shares with shards.split_by: hash and shards.splits."
        )
    learnt = [*recorded, *read_samples(MirroredCoCShardDataset(root, TRAIN))]
    vocabulary = Vocabulary.of(sample["cot"] for sample in learnt)
    train, unseen = examples_of(learnt, vocabulary), examples_of(held_out, vocabulary)
    return Sets(
        vocabulary,
        train.without_frames() if without_frames else train,
        unseen.without_frames() if without_frames else unseen,
        [key.decode() for dataset in others for key in dataset.keys],
        [sample["cot"] for sample in held_out],
    )


def write_results(out: Path, keys: Sequence[str], paths: np.ndarray, figures: Figures) -> None:
    """`predictions.parquet` as `coc score` reads it (docs/scoring.md), one mode a sample, and `figures.json`."""
    out.mkdir(parents=True, exist_ok=True)
    predictions = pl.DataFrame({"key": keys, "trajectories": paths[:, None].tolist()})
    predictions.write_parquet(out / PREDICTIONS)
    (out / FIGURES).write_text(json.dumps(asdict(figures), indent=1) + "\n")


def _train(model: TinyModel, sets: Sets, arguments: argparse.Namespace) -> Figures:
    """Trains with a line an epoch and one at the end; the figures after the last."""
    began = time.monotonic()
    print("epoch  train loss | held out: words, nats  perplexity  ADE, m  FDE, m")
    for epoch, loss in enumerate(training(model, sets.train, arguments.epochs, arguments.seed), start=1):
        figures = figures_of(model, sets.held_out)
        print(
            f"{epoch:5}  {loss:10.3f} | {figures.word_loss:21.3f}  {figures.perplexity:10.2f}  {figures.ade_m:6.2f}  "
            f"{figures.fde_m:6.2f}",
            flush=True,
        )
        minutes = (time.monotonic() - began) / _S_A_MINUTE
        if arguments.minutes is not None and minutes >= arguments.minutes:
            print(f"Stopped after {minutes:.1f} minutes, before the last epoch.")
            break
    print(
        f"Constant velocity: ADE {figures.constant_ade_m:.2f} m, FDE {figures.constant_fde_m:.2f} m. The model: "
        f"{figures.ade_m:.2f} m, {figures.fde_m:.2f} m, over {figures.samples} held-out samples."
    )
    return figures


def _show_texts(model: TinyModel, sets: Sets) -> None:
    """A few held-out labels, each above what the model generates."""
    chosen = np.linspace(0, len(sets.keys) - 1, min(SHOWN, len(sets.keys))).round().astype(int)
    written = generated_words(model, sets.held_out[torch.from_numpy(chosen)])
    for position, words in zip(chosen.tolist(), written, strict=True):
        print(f"\n{sets.keys[position]}")
        print(f"  label: {sets.texts[position]}")
        print(f"  model: {sets.vocabulary.decode(words)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", type=Path, metavar="STORE_OR_RELEASE", help="whose shards are read, and nothing else")
    parser.add_argument("--epochs", type=_count, default=40, help="passes over the train split (default 40)")
    parser.add_argument("--minutes", type=float, help="stop after the epoch in which so many are over")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order (default 0)")
    parser.add_argument("--threads", type=_count, default=1, help="processor threads (default 1)")
    parser.add_argument("--without-frames", action="store_true", help="for comparison: look at the history alone")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"write {PREDICTIONS} and {FIGURES} there")
    return parser


def _count(value: str) -> int:
    count = int(value)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return count


if __name__ == "__main__":
    sys.exit(main())
