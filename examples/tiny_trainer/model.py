"""A small model that drives and says why: frames and ego history in, reasoning words and a future path out."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from data import NO_CAMERA, Examples
from torch import nn
from torch.nn import functional
from words import BEGIN, END, PAD, UNKNOWN

from coc_assets.training_shards.sample import CAMERA_INDEX, FRAME_OFFSETS_US, FUTURE_STEPS, HISTORY_STEPS
from resources.schemas import FRAME_S

MOST_WORDS = 60  # that are generated of a sample

_CONTEXT, _FRAMES, _HISTORY, _WORD = 128, 96, 64, 48  # widths of what is known of a scene, and of its parts
_CHANNELS = (3 * len(FRAME_OFFSETS_US), 24, 32, 48, 64)
_CHANNELS_A_GROUP = 8
_GRID = (4, 7)  # rows and columns of a picture that are told apart
_BYTE_MIDDLE = 127.5
_HISTORY_SCALE = (1.0, 10.0, 30.0)  # of a step's metres along, metres across and radians: brings each to about 1
_KNOTS = 9  # instants at which acceleration and curvature are chosen, evenly over the future
_ACCELERATION, _CURVATURE = 2.0, 0.05  # m/s², 1/m: what an output of 1 means
_STANDING_MPS = 1e-3


class Output(NamedTuple):
    """What the model makes of B samples.

    Attributes:
        logits: (B, L, words) of each word, given the true ones before it.
        path: (B, 64, 2) x and y at t0 + 0.1 s … t0 + 6.4 s, ego frame at t0, m.
    """

    logits: torch.Tensor
    path: torch.Tensor


class TinyModel(nn.Module):
    """Encoders of frames and history, and on what they give together a text decoder and a trajectory head.

    Args:
        words: size of the vocabulary.
        dropout: share of values that are left out in training, in the encoder and before each word.
    """

    def __init__(self, words: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.frames = FrameEncoder()
        self.history = nn.Sequential(
            nn.Linear((HISTORY_STEPS - 1) * len(_HISTORY_SCALE), _HISTORY),
            nn.GELU(),
            nn.Linear(_HISTORY, _HISTORY),
            nn.GELU(),
        )
        self.fusion = nn.Sequential(
            nn.Linear(_FRAMES + _HISTORY, _CONTEXT),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(_CONTEXT, _CONTEXT),
            nn.GELU(),
        )
        self.text = TextDecoder(words, dropout)
        self.trajectory = TrajectoryHead()

    def forward(self, examples: Examples) -> Output:
        context = self.encode(examples)
        return Output(self.text(context, examples.tokens), self.trajectory(context, examples.history))

    def encode(self, examples: Examples) -> torch.Tensor:
        """(B, 128): what frames and history say; text and future are not looked at."""
        steps = examples.history.diff(dim=1) * torch.tensor(_HISTORY_SCALE)
        seen = self.frames(examples.frames, examples.cameras)
        return self.fusion(torch.cat([seen, self.history(steps.flatten(1))], dim=1))

    def predict(self, examples: Examples) -> torch.Tensor:
        """(B, 64, 2): the paths alone, m."""
        return self.trajectory(self.encode(examples), examples.history)

    def generate(self, examples: Examples) -> list[list[int]]:
        """Numbers of the words that are likeliest one after another, of each sample, without END."""
        return self.text.generate(self.encode(examples))


class FrameEncoder(nn.Module):
    """A convolutional net that all cameras share; what it gives is averaged over those that a sample has."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(_halving(*pair) for pair in pairwise(_CHANNELS)))
        self.view = nn.Linear(_CHANNELS[-1] * _GRID[0] * _GRID[1], _FRAMES)
        self.camera = nn.Embedding(len(CAMERA_INDEX), _FRAMES)
        self.without_video = nn.Parameter(torch.zeros(_FRAMES))

    def forward(self, frames: torch.Tensor, cameras: torch.Tensor) -> torch.Tensor:
        """(B, 96) of (B, C, 12, H, W) uint8 frames and (B, C) camera indices; C may be 0."""
        there = cameras != NO_CAMERA
        if not there.any():
            return self.without_video.expand(len(cameras), -1)
        pixels = frames[there].float() / _BYTE_MIDDLE - 1.0
        grid = functional.adaptive_avg_pool2d(self.layers(pixels), _GRID)
        views = torch.zeros(*cameras.shape, _FRAMES)
        views[there] = functional.gelu(self.view(grid.flatten(1)) + self.camera(cameras[there]))
        count = there.sum(dim=1, keepdim=True)
        return torch.where(count > 0, views.sum(dim=1) / count.clamp(min=1), self.without_video)


class TextDecoder(nn.Module):
    """A GRU that writes word by word and is given the scene at each."""

    def __init__(self, words: int, dropout: float) -> None:
        super().__init__()
        self.word = nn.Embedding(words, _WORD, padding_idx=PAD)
        self.first_state = nn.Linear(_CONTEXT, _CONTEXT)
        self.state = nn.GRU(_WORD + _CONTEXT, _CONTEXT, batch_first=True)
        self.next_word = nn.Sequential(nn.Dropout(dropout), nn.Linear(_CONTEXT, words))

    def forward(self, context: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """(B, L, words): logits of (B, L) tokens, each given the ones before it."""
        before = functional.pad(tokens[:, :-1], (1, 0), value=BEGIN)
        return self._go_on(context, before, self._begin(context))[0]

    def generate(self, context: torch.Tensor) -> list[list[int]]:
        """The likeliest next word again and again, until every text of the batch has ended."""
        word, state = torch.full((len(context), 1), BEGIN), self._begin(context)
        written: list[torch.Tensor] = []
        ended = torch.zeros(len(context), dtype=torch.bool)
        while not ended.all() and len(written) < MOST_WORDS:
            logits, state = self._go_on(context, word, state)
            logits[..., [PAD, BEGIN, UNKNOWN]] = -torch.inf  # are no words
            word = logits.argmax(dim=2)
            written.append(word)
            ended |= word[:, 0] == END
        return [_until_end(row) for row in torch.cat(written, dim=1).tolist()]

    def _begin(self, context: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.first_state(context))[None]

    def _go_on(
        self, context: torch.Tensor, before: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the words that follow `before`, (B, L, words), and the state after them."""
        scene = context[:, None].expand(-1, before.shape[1], -1)
        states, state = self.state(torch.cat([self.word(before), scene], dim=2), state)
        return self.next_word(states), state


class TrajectoryHead(nn.Module):
    """Acceleration and curvature over the future; untrained it gives none, which is constant velocity."""

    def __init__(self) -> None:
        super().__init__()
        self.controls = nn.Linear(_CONTEXT, 2 * _KNOTS)
        nn.init.zeros_(self.controls.weight)
        nn.init.zeros_(self.controls.bias)

    def forward(self, context: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
        """(B, 64, 2): paths that go on from the velocity of the last 0.1 s of (B, 16, 3) history, m."""
        knots = self.controls(context).unflatten(1, (2, _KNOTS))
        steps = functional.interpolate(knots, FUTURE_STEPS, mode="linear", align_corners=True)
        velocity = (history[:, -1, :2] - history[:, -2, :2]) / FRAME_S
        return rolled_out(velocity, _ACCELERATION * steps[:, 0], _CURVATURE * steps[:, 1])


def rolled_out(velocity: torch.Tensor, acceleration: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
    """Where a vehicle gets that speeds up and steers like this, and never changes between forwards and backwards.

    Args:
        velocity: (B, 2) at t0, m/s.
        acceleration, curvature: (B, T) in each step of 0.1 s, m/s² and 1/m, positive to the left.

    Returns:
        (B, T, 2) positions at the steps' ends, m; the origin is where it is at t0.
    """
    speed = velocity.norm(dim=1)
    # The direction of a standing vehicle's last tremble means nothing; it will drive off along x.
    course = torch.where(speed > _STANDING_MPS, torch.atan2(velocity[:, 1], velocity[:, 0]), 0.0)
    speeds = []
    for change in (acceleration * FRAME_S).unbind(dim=1):
        speed = _not_negative(speed + change)
        speeds.append(speed)
    way = torch.stack(speeds, dim=1) * FRAME_S
    courses = course[:, None] + (way * curvature).cumsum(dim=1)
    return torch.stack([way * courses.cos(), way * courses.sin()], dim=2).cumsum(dim=1)


def _not_negative(speed: torch.Tensor) -> torch.Tensor:
    """Clamped at 0 with the slope of what is not, or a path that wrongly stands could never learn to drive off."""
    return speed + (speed.clamp(min=0) - speed).detach()


def _halving(given: int, made: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(given, made, kernel_size=3, stride=2, padding=1),
        nn.GroupNorm(made // _CHANNELS_A_GROUP, made),
        nn.GELU(),
    )


def _until_end(numbers: list[int]) -> list[int]:
    return numbers[: numbers.index(END)] if END in numbers else numbers
