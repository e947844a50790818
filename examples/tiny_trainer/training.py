"""The loop that teaches the model, and the figures that say what it knows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from data import Examples
from model import Output, TinyModel
from torch.nn import functional
from words import PAD

from coc_assets.scoring.metrics import constant_velocity, displacements

BATCH = 32

_LEARNING_RATE, _WEIGHT_DECAY = 2e-3, 0.05
_WARM_UP = 0.1  # share of all steps in which the learning rate rises; then it falls to 0
_LARGEST_GRADIENT = 1.0


class Losses(NamedTuple):
    """What training lowers, the sum of two: a metre of mean displacement weighs as much as a nat a word."""

    words: torch.Tensor  # mean cross-entropy of the true next word, nats
    path: torch.Tensor  # mean distance from the driven path, m

    @property
    def total(self) -> torch.Tensor:
        return self.words + self.path


@dataclass(frozen=True)
class Figures:
    """How good the model is on some samples.

    Attributes:
        word_loss: mean cross-entropy of the true next word, nats; `perplexity` is its exponential.
        ade_m, fde_m: distance from the driven path, mean over 6.4 s and at their end.
        constant_ade_m, constant_fde_m: the same of going on at the velocity of the last 0.1 s.
    """

    samples: int
    word_loss: float
    perplexity: float
    ade_m: float
    fde_m: float
    constant_ade_m: float
    constant_fde_m: float


def losses_of(output: Output, examples: Examples) -> Losses:
    """Both losses of what the model made of these samples."""
    words = functional.cross_entropy(output.logits.flatten(0, 1), examples.tokens.flatten(), ignore_index=PAD)
    # The square root's slope has no bound at 0, where an untrained model is beside one who stands.
    path = (output.path - examples.future).square().sum(dim=2).add(1e-6).sqrt().mean()
    return Losses(words, path)


def training(model: TinyModel, examples: Examples, epochs: int, seed: int) -> Iterator[float]:
    """Trains as far as it is asked for: the mean total loss of each epoch, once it is done.

    Args:
        model: learns in place.
        epochs: the learning rate rises and falls over so many.
        seed: of the order of the samples in each epoch; with `torch.manual_seed` before the model is made, equal seeds
            give equal models.
    """
    order = torch.Generator().manual_seed(seed)
    steps = epochs * math.ceil(len(examples) / BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps, pct_start=_WARM_UP)
    for _ in range(epochs):
        model.train()
        total = 0.0
        for which in torch.randperm(len(examples), generator=order).split(BATCH):
            batch = examples[which]
            loss = losses_of(model(batch), batch).total
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), _LARGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            total += len(batch) * loss.item()
        yield total / len(examples)


@torch.no_grad()
def predicted_paths(model: TinyModel, examples: Examples) -> np.ndarray:
    """(N, 64, 2) x and y at t0 + 0.1 s … t0 + 6.4 s, ego frame at t0, m."""
    model.eval()
    paths = [model.predict(examples[part]) for part in _parts(len(examples))]
    return torch.cat(paths).numpy()


@torch.no_grad()
def generated_words(model: TinyModel, examples: Examples) -> list[list[int]]:
    """Numbers of the words that the model generates of each sample."""
    model.eval()
    return [words for part in _parts(len(examples)) for words in model.generate(examples[part])]


@torch.no_grad()
def figures_of(model: TinyModel, examples: Examples) -> Figures:
    """Figures on these samples, displacements by the rules of `coc score`."""
    model.eval()
    true_words = int((examples.tokens != PAD).sum())
    lost = sum(_lost_nats(model, examples[part]) for part in _parts(len(examples)))
    ade, fde = _errors(predicted_paths(model, examples), examples)
    straight = constant_velocity(examples.history[..., :2].numpy(), examples.future.shape[1])
    constant_ade, constant_fde = _errors(straight, examples)
    loss = lost / true_words
    return Figures(len(examples), loss, math.exp(loss), ade, fde, constant_ade, constant_fde)


def _lost_nats(model: TinyModel, examples: Examples) -> float:
    """Cross-entropy of all true words together."""
    logits = model(examples).logits.flatten(0, 1)
    return functional.cross_entropy(logits, examples.tokens.flatten(), ignore_index=PAD, reduction="sum").item()


def _errors(paths: np.ndarray, examples: Examples) -> tuple[float, float]:
    """ADE and FDE of one path a sample, m."""
    away = displacements(paths[:, None], examples.future.numpy())[:, 0]
    return float(away.mean()), float(away[:, -1].mean())


def _parts(samples: int) -> Iterator[slice]:
    return (slice(first, first + BATCH) for first in range(0, samples, BATCH))
