from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import data
import numpy as np
import polars as pl
import pytest
import torch
import train
import words
from data import NO_CAMERA, Examples, examples_of, with_small_frames
from model import TinyModel, rolled_out
from training import figures_of, generated_words, losses_of, training
from words import BEGIN, END, PAD, UNKNOWN, Vocabulary

from coc_assets.cli import main as coc
from coc_assets.training_shards import CoCShardDataset
from coc_assets.training_shards.dataset import Sample
from resources.store import Store
from tests.coc_assets.training_shards.made import CHUNK, CLIPS, Chunk, built, driven, key_of, label, no_frames

SCRIPT = Path(train.__file__)
STEPS_S = 0.1 * torch.arange(1, 65)
BRAKE, GO = "Slow down because the lead vehicle 14.2 m ahead is standing.", "Speed up, the lane is free."


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread, which on a busy machine is the fastest; afterwards torch is as it was, whatever the script chose."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def made_sample(
    text: str = GO, speed: float = 10.0, acceleration: float = 0.0, cameras: tuple[int, ...] = (1,), seed: int = 0
) -> Sample:
    """Straight on along x; noise for pictures, brighter where the ego will speed up."""
    then_s = 0.1 * torch.arange(-15, 1)
    random = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 100, (len(cameras), 4, 3, 36, 64), dtype=torch.uint8, generator=random)
    return {
        "ego_history_xyz": torch.stack([speed * then_s, 0 * then_s, 0 * then_s], dim=1)[None],
        "ego_history_rot": torch.eye(3).expand(1, 16, 3, 3),
        "ego_future_xyz": torch.stack(
            [speed * STEPS_S + acceleration / 2 * STEPS_S**2, 0 * STEPS_S, 0 * STEPS_S], dim=1
        )[None],
        "ego_future_rot": torch.eye(3).expand(1, 64, 3, 3),
        "image_frames": frames + (120 if acceleration > 0 else 0) if cameras else torch.zeros(0, 4, 3, 0, 0).byte(),
        "camera_indices": torch.tensor(cameras, dtype=torch.int64),
        "absolute_timestamps": torch.zeros(len(cameras), 4, dtype=torch.int64),
        "relative_timestamps": torch.zeros(len(cameras), 4),
        "t0_us": 5_000_000,
        "clip_id": CLIPS[0],
        "cot": text,
    }


def stacked(*samples: Sample) -> tuple[Examples, Vocabulary]:
    vocabulary = Vocabulary.of(sample["cot"] for sample in samples)
    return examples_of([with_small_frames(sample) for sample in samples], vocabulary), vocabulary


def model_of(vocabulary: Vocabulary, seed: int = 0, moved: bool = False) -> TinyModel:
    """Not training; `moved` gives the trajectory head, which begins at zero, weights of its own."""
    torch.manual_seed(seed)
    model = TinyModel(len(vocabulary)).eval()
    if moved:
        torch.nn.init.normal_(model.trajectory.controls.weight, std=0.1)
    return model


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Stop, then go.", "Stop, then go."),
        ("at 3.1 m/s: the ego's own path!", "at 3 m/s: the ego's own path!"),
        ("14.2 m ahead, closing at 9.6 m/s.", "15 m ahead, closing at 10 m/s."),
        ("from 12.2 to 0.2 m/s", "from 10 to 0 m/s"),
        ("v1.2 of 80 m …", "v1.2 of 80 m …"),
        ("", ""),
    ],
)
def test_a_text_comes_back_with_its_figures_rounded(text: str, read: str) -> None:
    vocabulary = Vocabulary.of([text])
    numbers = vocabulary.encode(text)
    assert numbers[-1] == END
    assert vocabulary.decode(numbers[:-1]) == read


def test_words_are_numbered_alike_whatever_the_order_of_the_texts() -> None:
    one = Vocabulary.of(["b a", "c."])
    assert one == Vocabulary.of(["c.", "b a"])
    assert one.words == ("<pad>", "<begin>", "<end>", "<unknown>", ".", "a", "b", "c")


def test_a_word_that_no_text_had_is_unknown() -> None:
    assert Vocabulary.of(["the lane"]).encode("the bus lane") == [5, UNKNOWN, 4, END]
    assert words.padded([[5, END], [END], []]) == [[5, END], [END, PAD], [PAD, PAD]]


# ---- data -----------------------------------------------------------------------------------------------------------


def test_samples_with_other_cameras_or_none_are_stacked() -> None:
    examples, _ = stacked(made_sample(cameras=(0, 1, 6)), made_sample(cameras=()), made_sample("Stop.", cameras=(1,)))
    assert examples.frames.shape == (3, 3, 12, *data.FRAME_SIZE)
    assert examples.frames.dtype == torch.uint8
    assert examples.cameras.tolist() == [[0, 1, 6], [NO_CAMERA] * 3, [1, NO_CAMERA, NO_CAMERA]]
    assert not examples.frames[1].any()
    assert examples.history.shape == (3, 16, 3)
    assert examples.future.shape == (3, 64, 2)
    assert examples.tokens[2].tolist()[2:] == [END, *[PAD] * 6]


def test_frames_keep_their_order_and_brightness() -> None:
    sample = made_sample(cameras=(1, 2))
    for camera in range(2):
        for number in range(4):
            sample["image_frames"][camera, number] = 50 * camera + 10 * number + torch.arange(3)[:, None, None]
    examples, _ = stacked(sample)
    expected = [[50 * camera + 10 * number + colour for number in range(4) for colour in range(3)] for camera in (0, 1)]
    assert examples.frames[0, :, :, 7, 11].tolist() == expected


def test_heading_is_read_from_the_rotations() -> None:
    sample = made_sample()
    turned = torch.tensor(0.3)
    rotation = torch.tensor([[turned.cos(), -turned.sin(), 0], [turned.sin(), turned.cos(), 0], [0, 0, 1]])
    sample["ego_history_rot"] = torch.stack([rotation, *[torch.eye(3)] * 15])[None]
    examples, _ = stacked(sample)
    torch.testing.assert_close(examples.history[0, :2, 2], torch.tensor([0.3, 0.0]))


# ---- model ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cameras", [(), (1,), (0, 1, 2)])
def test_shapes_with_and_without_video(cameras: tuple[int, ...]) -> None:
    examples, vocabulary = stacked(made_sample(cameras=cameras), made_sample(BRAKE, cameras=cameras))
    model = model_of(vocabulary)
    logits, path = model(examples)
    assert logits.shape == (2, examples.tokens.shape[1], len(vocabulary))
    assert path.shape == (2, 64, 2)
    assert len(model.generate(examples)) == 2


def test_samples_of_a_batch_do_not_touch_each_other() -> None:
    samples = [made_sample(BRAKE, 5.0, cameras=(0, 4)), made_sample(cameras=(), seed=1), made_sample(seed=2)]
    together, vocabulary = stacked(*samples)
    model = model_of(vocabulary, moved=True)
    context = model.encode(together)
    for row, sample in enumerate(samples):
        alone = examples_of([with_small_frames(sample)], vocabulary)
        torch.testing.assert_close(model.encode(alone)[0], context[row], rtol=1e-4, atol=1e-5)


def test_frames_cameras_and_history_count_and_the_future_and_the_text_do_not() -> None:
    def path(**changed: object) -> torch.Tensor:
        sample: Sample = {**before, **changed}  # type: ignore[typeddict-item]
        return model.predict(examples_of([with_small_frames(sample)], vocabulary))

    before = made_sample(BRAKE)
    vocabulary = Vocabulary.of([BRAKE, GO])
    model = model_of(vocabulary, moved=True)
    assert torch.equal(path(cot=GO, ego_future_xyz=before["ego_future_xyz"] + 7), path())
    for changed in (
        {"image_frames": before["image_frames"].flip(1)},
        {"camera_indices": torch.tensor([6])},
        {"ego_history_xyz": before["ego_history_xyz"] * torch.linspace(1, 1.5, 16).flip(0)[:, None]},
    ):
        assert not torch.allclose(path(**changed), path())


def test_a_word_is_foretold_from_those_before_it_alone() -> None:
    examples, vocabulary = stacked(made_sample(BRAKE))
    model = model_of(vocabulary)
    logits = model(examples).logits
    examples.tokens[0, 5:] = vocabulary.encode(GO)[0]
    changed = model(examples).logits
    assert torch.equal(changed[0, :6], logits[0, :6])
    assert not torch.allclose(changed[0, 6:], logits[0, 6:])


def test_generated_words_are_the_likeliest_given_those_before_them() -> None:
    examples, vocabulary = stacked(*(made_sample(seed=seed) for seed in range(3)))
    model = model_of(vocabulary)
    for row, written in enumerate(model.generate(examples)):
        assert written
        one = examples[slice(row, row + 1)]
        logits = model.text(model.encode(one), torch.tensor([written]))[0]
        logits[:, [PAD, BEGIN, UNKNOWN]] = -torch.inf
        assert logits.argmax(dim=1).tolist() == written


def test_untrained_it_drives_on_at_constant_velocity() -> None:
    turning, standing = made_sample(), made_sample(speed=0.0)
    turning["ego_history_xyz"] = torch.tensor([[[-1.0, -0.5, 0]] * 15 + [[0, 0, 0]]])
    examples, vocabulary = stacked(turning, standing)
    path = model_of(vocabulary).predict(examples)
    torch.testing.assert_close(path[0, [0, 1, 63]], torch.tensor([[1.0, 0.5], [2.0, 1.0], [64.0, 32.0]]))
    assert not path[1].any()


@pytest.mark.parametrize(
    ("speed", "acceleration", "ends_at_s"),
    [(10.0, 2.0, 64 + 0.02 * 64 * 65 / 2), (10.0, -5.0, 9.5), (0.0, -1.0, 0.0), (0.0, 1.0, 0.01 * 64 * 65 / 2)],
)
def test_speeding_up_and_braking(speed: float, acceleration: float, ends_at_s: float) -> None:
    controls = torch.full((1, 64), acceleration)
    path = rolled_out(torch.tensor([[speed, 0.0]]), controls, torch.zeros(1, 64))
    torch.testing.assert_close(path[0, -1], torch.tensor([ends_at_s, 0.0]))
    assert (path[0, :, 0].diff() >= 0).all()


@pytest.mark.parametrize("side", [1, -1])
def test_curvature_leads_round_a_circle_to_its_side(side: int) -> None:
    path = rolled_out(torch.tensor([[5.0, 0.0]]), torch.zeros(1, 64), torch.full((1, 64), side / 20))
    from_centre = (path[0] - torch.tensor([0.0, side * 20.0])).norm(dim=1)
    assert (from_centre - 20).abs().max() < 0.3
    assert side * path[0, -1, 1] > 10


@pytest.mark.parametrize("acceleration", [0.0, -1.0])
def test_who_wrongly_stands_learns_to_drive_off(acceleration: float) -> None:
    controls = torch.full((1, 64), acceleration, requires_grad=True)
    rolled_out(torch.zeros(1, 2), controls, torch.zeros(1, 64))[0, -1, 0].backward()
    assert controls.grad is not None
    assert (controls.grad > 0).all()


# ---- training -------------------------------------------------------------------------------------------------------


def two_kinds() -> tuple[Examples, Vocabulary]:
    """Brakes or speeds up, which the pictures alone tell."""
    return stacked(
        *(made_sample(BRAKE, acceleration=-1.0, seed=seed) for seed in range(4)),
        *(made_sample(GO, acceleration=1.0, seed=seed) for seed in range(4, 8)),
    )


def test_a_few_steps_lower_the_loss_until_words_and_path_are_right() -> None:
    examples, vocabulary = two_kinds()
    torch.manual_seed(0)
    model = TinyModel(len(vocabulary), dropout=0.0)
    losses = list(training(model, examples, epochs=100, seed=0))
    assert losses[-1] < losses[0] / 5
    figures = figures_of(model, examples)
    assert figures.ade_m < figures.constant_ade_m / 3
    expected = [vocabulary.decode(vocabulary.encode(text)[:-1]) for text in [BRAKE] * 4 + [GO] * 4]
    assert [vocabulary.decode(written) for written in generated_words(model, examples)] == expected


def test_equal_seeds_give_equal_losses_and_weights() -> None:
    def trained(seed: int) -> tuple[list[float], torch.Tensor]:
        torch.manual_seed(seed)
        model = TinyModel(len(vocabulary))
        return list(training(model, examples, 3, seed)), model.trajectory.controls.weight

    examples, vocabulary = two_kinds()
    first, again, other = trained(0), trained(0), trained(1)
    assert first[0] == again[0]
    assert torch.equal(first[1], again[1])
    assert first[0] != other[0]


def test_figures_against_numbers_by_hand() -> None:
    # Who speeds up by 2 m/s² is t² ahead of constant velocity, which an untrained model predicts as well.
    examples, vocabulary = stacked(made_sample(acceleration=2.0), made_sample("Go."))
    figures = figures_of(model_of(vocabulary), examples)
    assert figures.samples == 2
    assert figures.constant_ade_m == pytest.approx(0.01 * 65 * 129 / 6 / 2, rel=1e-5)
    assert figures.constant_fde_m == pytest.approx(6.4**2 / 2, rel=1e-5)
    assert (figures.ade_m, figures.fde_m) == pytest.approx((figures.constant_ade_m, figures.constant_fde_m), rel=1e-4)
    assert figures.perplexity == pytest.approx(np.exp(figures.word_loss))


def test_padding_is_no_word_to_be_learnt() -> None:
    examples, vocabulary = stacked(made_sample("Go."), made_sample(BRAKE))
    model = model_of(vocabulary)
    with torch.no_grad():
        alone = [losses_of(model(part), part).words.item() for part in (examples[slice(0, 1)], examples[slice(1, 2)])]
    counts = [3, 13]
    expected = sum(loss * count for loss, count in zip(alone, counts, strict=True)) / sum(counts)
    assert figures_of(model, examples).word_loss == pytest.approx(expected, rel=1e-5)


# ---- from shards alone ----------------------------------------------------------------------------------------------


def _scored(printed: str) -> dict[str, dict[str, float]]:
    """Figures of each path, as `coc score --format json` prints them."""
    return {row["path"]: row for row in json.loads(printed)["figures"]}


def made_store(root: Path, splits: dict[str, str], seen: bool = True) -> Path:
    rows = [label(clip, t0_us) for clip in splits for t0_us in (3_000_000, 7_100_000)]
    folder = Store(root).partition("training_shards", CHUNK)
    built(folder, Chunk(rows, splits=splits), ego=driven(), frames=None if seen else no_frames)
    return root


@pytest.mark.parametrize("seen", [True, False])
def test_the_script_trains_and_writes_what_coc_score_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seen: bool
) -> None:
    splits = dict(zip(CLIPS, ("train", "val", "train", "test"), strict=False))
    store = made_store(tmp_path / "store", splits, seen)
    out = tmp_path / "out"
    assert train.main([str(store), "--epochs", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "8 samples to learn from, 4 held out" in printed
    assert printed.count("\n  model: ") == 4
    predictions = pl.read_parquet(out / train.PREDICTIONS)
    held_out = [key_of(clip, t0_us) for clip in (CLIPS[1], CLIPS[3]) for t0_us in (3_000_000, 7_100_000)]
    assert predictions["key"].to_list() == held_out
    figures = json.loads((out / train.FIGURES).read_text())
    assert coc(["score", str(out / train.PREDICTIONS), "--set", str(store), "--format", "json"]) == 0
    scored = _scored(capsys.readouterr().out)
    assert scored["prediction"]["ade_m"] == pytest.approx(figures["ade_m"], abs=1e-3)
    assert scored["prediction"]["fde_m"] == pytest.approx(figures["fde_m"], abs=1e-3)
    assert scored["constant_velocity"]["ade_m"] == pytest.approx(figures["constant_ade_m"], abs=1e-3)


def test_train_samples_come_in_both_mirrorings_and_held_out_ones_as_they_are(tmp_path: Path) -> None:
    store = made_store(tmp_path, {CLIPS[0]: "train", CLIPS[1]: "test"})
    sets = train.read_sets(store)
    across = sets.train.future[:, -1, 1]
    assert across[:2].tolist() == (-across[2:]).tolist()
    recorded = [CoCShardDataset(store, "test")[position] for position in range(2)]
    assert torch.equal(sets.held_out.future, torch.cat([sample["ego_future_xyz"] for sample in recorded])[..., :2])
    assert sets.texts == [sample["cot"] for sample in recorded]


def test_a_set_without_held_out_samples_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = made_store(tmp_path / "store", {CLIPS[0]: "train"})
    assert train.main([str(store)]) == 2
    assert "2 samples in train and 0 in val and test; both are needed." in capsys.readouterr().err
    assert train.main([str(tmp_path)]) == 2
    assert "No index.parquet" in capsys.readouterr().err


def test_it_stops_after_the_minutes_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = made_store(tmp_path, {CLIPS[0]: "train", CLIPS[1]: "test"})
    assert train.main([str(store), "--epochs", "50", "--minutes", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "|" in line] == ["epoch", "1"]
    assert any(line.startswith("Stopped after") for line in lines)


@pytest.mark.slow
def test_the_sample_can_be_learnt(tmp_path: Path) -> None:
    def run(*command: str) -> str:
        surroundings = {**os.environ, "COC_SHARDS__FRAME_HEIGHT": "96", "COC_VIDEOS__SEGMENTS": "on_demand"}
        done = subprocess.run([sys.executable, *command], env=surroundings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    dataset, store, out = str(tmp_path / "dataset"), str(tmp_path / "store"), str(tmp_path / "out")
    run("-m", "coc_assets.cli", "sample", "--out", dataset, "--chunks", "2", "--clips", "24", "--no-defects")
    run("-m", "coc_assets.cli", "run", "--dataset", dataset, "--store", store, "--jobs", "2")
    printed = run(str(SCRIPT), store, "--out", out)
    losses = [float(line.split()[1]) for line in printed.splitlines() if line[:5].strip().isdigit() and "|" in line]
    assert len(losses) == 40
    assert losses[-1] < losses[0] / 3
    figures = json.loads((Path(out) / train.FIGURES).read_text())
    assert figures["samples"] >= 15
    assert figures["ade_m"] < 0.8 * figures["constant_ade_m"]
    assert figures["fde_m"] < 0.8 * figures["constant_fde_m"]
    assert figures["perplexity"] < 3
    scored = _scored(
        run("-m", "coc_assets.cli", "score", f"{out}/{train.PREDICTIONS}", "--set", store, "--format", "json")
    )
    assert scored["prediction"]["ade_m"] == pytest.approx(figures["ade_m"], abs=1e-3)
