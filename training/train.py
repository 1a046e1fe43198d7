"""Trains one network on a patch set: `python -m training.train --name twofold-photo-2x`.

Runs again from its last checkpoint; a finished run goes on as a warm restart with a new schedule.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from training import evaluate, losses, metrics, muon, network, patches, prepare, team, winograd

CROP = patches.SIDE // 2  # low-resolution pixels
CLIP_NORM = 0.5
WARM_UP = 200
LONGEST_STEP_S = 10.0  # what took longer was a pause (SIGSTOP), which the schedule does not count


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run. It ends after `iterations`, or after `minutes` of wall time where that is not 0."""

    features: int = 64
    convolutions: int = 6
    batch: int = 4  # small: on a CPU the number of steps is what is short
    iterations: int = 20_000
    minutes: float = 0.0
    rate: float = 1e-3
    last_rate: float = 2e-6
    others_rate: float = 1e-3  # the highest for what Muon does not move: the two outer layers, biases, slopes
    squares_weight: float = 5.0
    chroma_weight: float = 0.5
    frequency_weight: float = 0.05
    drift_weight: float = 0.1
    recolour_share: float = (
        0.25  # of the samples: channels swapped, some inverted; colour edges are rare in photographs
    )
    chain_share: float = 0.33  # of the samples: two passes from quarter size, trained as one
    first_weight: float = 0.5  # of the first of these two passes' own loss
    enlarged_share: float = 0.015  # of the samples: input is a bicubic enlargement
    box_share: float = 0.12  # of the samples: reduced by plain means, which leave no ringing for the network to undo
    ema: float = 0.999
    seed: int = 1
    checkpoint_s: float = 300.0
    validation_jpeg: int = 0  # quality of the JPEGs that validation enlarges; 0: clean pictures


Data = patches.PatchSet | patches.Mixture
Forward = Callable[[nn.Module, torch.Tensor], torch.Tensor]


def plain(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The network as torch runs it."""
    out: torch.Tensor = model(x)
    return out


@dataclasses.dataclass
class Run:
    """Everything a checkpoint holds. `iteration` counts from the start of the schedule, `before` what came earlier.

    `momenta` belong to the body's convolutions, which Muon moves; `optimiser` moves all other parameters.
    """

    model: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    momenta: list[torch.Tensor]
    rng: np.random.Generator
    forward: Forward = plain
    iteration: int = 0
    before: int = 0
    spent_s: float = 0.0
    finished: bool = False

    @property
    def device(self) -> torch.device:
        return self.momenta[0].device


def start(plan: Plan, forward: Forward = plain, device: str = "cpu") -> Run:
    """A fresh run; `forward` evaluates the network."""
    model, average = (
        network.compact(plan.features, plan.convolutions, plan.seed).to(device, memory_format=torch.channels_last)
        for _ in range(2)
    )
    body = body_weights(model)
    others = [tensor for tensor in model.parameters() if all(tensor is not weight for weight in body)]
    optimiser = torch.optim.Adam(others, lr=plan.others_rate, betas=(0.9, 0.99))
    momenta = [torch.zeros_like(weight) for weight in body]
    return Run(model, average, optimiser, momenta, np.random.default_rng(plan.seed), forward)


def body_weights(model: nn.Module) -> list[torch.Tensor]:
    """The weights of all convolutions but the first and the last."""
    return [layer.weight for layer in model.modules() if isinstance(layer, nn.Conv2d)][1:-1]


def save(run: Run, path: pathlib.Path) -> None:
    """Writes the checkpoint and renames it into place."""
    state = {
        "model": run.model.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "momenta": run.momenta,
        "rng": json.dumps(run.rng.bit_generator.state),
        "iteration": run.iteration,
        "before": run.before,
        "spent_s": run.spent_s,
        "finished": run.finished,
    }
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def restore(run: Run, path: pathlib.Path) -> Run:
    """Goes on from a checkpoint; a finished one starts the schedule again from its weights."""
    state = torch.load(path, weights_only=True)
    run.model.load_state_dict(state["model"])
    run.average.load_state_dict(state["average"])
    run.rng.bit_generator.state = json.loads(state["rng"])
    if state["finished"]:
        run.before = state["before"] + state["iteration"]
        return run
    run.optimiser.load_state_dict(state["optimiser"])
    run.momenta = [tensor.to(run.device) for tensor in state["momenta"]]
    run.iteration, run.before, run.spent_s = state["iteration"], state["before"], state["spent_s"]
    return run


@dataclasses.dataclass(frozen=True)
class Batch:
    """Samples in 0..1, channels last in memory: (N, 3, CROP / 2), (N, 3, CROP), (N, 3, 2 CROP), square.

    Where `chained`, the input of the pass to train is the network's own enlargement of `quarter`.
    """

    quarter: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    chained: torch.Tensor


def sample(data: Data, plan: Plan, run: Run) -> Batch:
    """A batch, turned and flipped.

    Some low sides are a bicubic enlargement: repeating the network must be safe. Some are reduced without the slight
    overshoot of bicubic at edges, as rendered pictures are: else the network takes its absence for a sharper truth.
    """
    rng = run.rng
    picked = data.pick(rng, plan.batch)
    sides = [unit(picked.lr4), unit(picked.lr), unit(picked.hr)]
    dice = rng.random(plan.batch)
    for at in np.flatnonzero(dice > 1 - plan.enlarged_share):
        sides[1][at] = unit(np.asarray(Image.fromarray(picked.lr4[at]).resize((CROP, CROP), Image.Resampling.BICUBIC)))
    boxed = (dice >= plan.chain_share) & (dice < plan.chain_share + plan.box_share)
    sides[1][boxed] = sides[2][boxed].reshape(-1, CROP, 2, CROP, 2, 3).mean(axis=(2, 4))
    for at in range(plan.batch):
        recoloured = rng.random() < plan.recolour_share
        order, inverted = rng.permutation(3), rng.random(3) < 0.5
        turns, flip = int(rng.integers(4)), int(rng.integers(2))
        for side in sides:
            pixels = recolour(side[at], order, inverted) if recoloured else side[at]
            side[at] = np.rot90(pixels, turns)[:, :: 1 - 2 * flip]
    # stacked channels-last, seen as NCHW: no copy
    quarter, low, high = (torch.from_numpy(side).to(run.device).permute(0, 3, 1, 2) for side in sides)
    return Batch(quarter, low, high, torch.from_numpy(dice < plan.chain_share).to(run.device))


def loss_of(batch: Batch, plan: Plan, run: Run) -> torch.Tensor:
    """The loss of one pass, or of two: both passes of a chain learn from its end, the first from its own truth too."""
    weights = losses.Weights(plan.squares_weight, plan.chroma_weight, plan.frequency_weight, plan.drift_weight)
    if not bool(batch.chained.any()):
        return losses.total(run.forward(run.model, batch.low), batch.high, weights)
    first = run.forward(run.model, batch.quarter[batch.chained])
    low = torch.cat([batch.low[~batch.chained], first.clamp(0, 1)]).contiguous(memory_format=torch.channels_last)
    high = torch.cat([batch.high[~batch.chained], batch.high[batch.chained]])
    share = plan.first_weight * float(batch.chained.float().mean())
    return losses.total(run.forward(run.model, low), high, weights) + share * losses.total(
        first, batch.low[batch.chained], weights
    )


def unit(pixels: patches.Pixels) -> NDArray[np.float32]:
    """0..255 to 0..1."""
    return pixels.astype(np.float32) / np.float32(255)


def recolour(pixels: NDArray[np.float32], order: NDArray[np.int64], inverted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Reorders the channels of (h, w, 3) in 0..1 and inverts some: reduction and this may be swapped."""
    mixed = pixels[..., order]
    return np.where(inverted, np.float32(1) - mixed, mixed)


def progress(plan: Plan, run: Run) -> float:
    """How much of the schedule is done, 0 to 1."""
    if plan.minutes:
        return min(1.0, run.spent_s / (60 * plan.minutes))
    return min(1.0, run.iteration / plan.iterations)


def rate(plan: Plan, run: Run) -> float:
    """Cosine from `rate` to `last_rate`, after a short linear warm-up."""
    warm = min(1.0, (run.iteration + 1) / WARM_UP)
    return warm * (plan.last_rate + (plan.rate - plan.last_rate) * (1 + math.cos(math.pi * progress(plan, run))) / 2)


def step(data: Data, plan: Plan, run: Run, clock_s: float = 0.0) -> float:
    """One iteration at `clock_s` of training; returns its loss."""
    now = rate(plan, run)
    for group in run.optimiser.param_groups:
        group["lr"] = now * min(1.0, plan.others_rate / plan.rate)
    loss = loss_of(sample(data, plan, run), plan, run)
    run.model.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch ships it unannotated
    run.spent_s = team.average((tensor.grad for tensor in run.model.parameters()), clock_s)
    nn.utils.clip_grad_norm_([tensor for group in run.optimiser.param_groups for tensor in group["params"]], CLIP_NORM)
    run.optimiser.step()
    muon.step(body_weights(run.model), run.momenta, now)
    run.iteration += 1
    seen = run.before + run.iteration
    keep = min(plan.ema, (1 + seen) / (10 + seen))
    with torch.no_grad():
        for mean, value in zip(run.average.parameters(), run.model.parameters(), strict=True):
            mean.lerp_(value, 1 - keep)
    return float(loss.detach())


def validate(model: nn.Module, folder: pathlib.Path, jpeg_quality: int = 0) -> dict[str, float]:
    """Mean PSNR-Y of the held-out pictures: one pass and a chain of two, or one pass from JPEGs of a quality."""
    model.eval()
    found: dict[str, list[float]] = {}
    for path in sorted(folder.glob("*.png")):
        truth = Image.open(path).convert("RGB")
        for passes in (1,) if jpeg_quality else (1, 2):
            small = metrics.reduce(truth, 2**passes)
            if jpeg_quality:
                small = metrics.as_jpeg(small, jpeg_quality)
            ours = metrics.enlarge(model, small, passes)
            score = metrics.psnr_y(metrics.luma(ours), metrics.luma(np.asarray(truth)), 2**passes)
            found.setdefault(f"x{2**passes}", []).append(score)
    return {name: float(np.mean(values)) for name, values in found.items()}


def start_from(run: Run, weights: pathlib.Path) -> Run:
    """A warm start from a network of the same shape: exported, or another run's checkpoint."""
    state = evaluate.load_weights(weights)
    run.model.load_state_dict(state)
    run.average.load_state_dict(state)
    return run


def train(
    plan: Plan,
    data: Data,
    validation: pathlib.Path,
    checkpoint: pathlib.Path,
    weights: pathlib.Path | None = None,
    forward: Forward = plain,
    device: str = "cpu",
) -> Run:
    """Runs the plan to its end, with a checkpoint and a line of figures every `checkpoint_s`."""
    run = start(plan, forward, device)
    if checkpoint.exists():
        run = restore(run, checkpoint)
    elif weights:
        run = start_from(run, weights)
    if team.RANK:
        run.rng = np.random.default_rng((plan.seed, team.RANK, run.before + run.iteration))
    mark = saved = time.monotonic()
    clock_s = run.spent_s
    recent: list[float] = []
    while progress(plan, run) < 1:
        recent.append(step(data, plan, run, clock_s))
        now = time.monotonic()
        clock_s, mark = clock_s + min(now - mark, LONGEST_STEP_S), now
        run.finished = progress(plan, run) >= 1
        if team.RANK == 0 and (now - saved >= plan.checkpoint_s or run.finished):
            save(run, checkpoint)
            report(
                plan,
                run,
                recent,
                validate(run.average, validation, plan.validation_jpeg),
                checkpoint.with_suffix(".log"),
            )
            saved, recent = time.monotonic(), []
    return run


def report(plan: Plan, run: Run, recent: list[float], scores: dict[str, float], log: pathlib.Path) -> None:
    """Appends one JSON line to the log and says it."""
    line = {
        "iteration": run.before + run.iteration,
        "minutes": round(run.spent_s / 60, 1),
        "rate": f"{rate(plan, run):.2e}",
        "loss": round(float(np.mean(recent)), 5),
        **{name: round(value, 3) for name, value in scores.items()},
    }
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="twofold-photo-2x")
    parser.add_argument("--cache", type=pathlib.Path, default=prepare.DEFAULT_CACHE)
    parser.add_argument(
        "--data", nargs="+", default=["photo:2", "art"], help="patch sets below the cache, with weights"
    )
    parser.add_argument("--validation", default="validation", help="the folder of held-out pictures below the cache")
    parser.add_argument(
        "--weights", type=pathlib.Path, help="where there is no checkpoint, start from this .safetensors or .pt"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--plain", action="store_true", help="torch's convolutions, where Winograd's could be compiled")
    for field in dataclasses.fields(Plan):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    team.join()
    plan = Plan(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Plan)})
    checkpoints = options.cache / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    if team.RANK == 0:
        (checkpoints / f"{options.name}.pid").write_text(f"{os.getpid()}\n")
    data = patches.load_mixture(options.cache, options.data)
    fast = options.device == "cpu" and not options.plain and winograd.available() and not plan.features % winograd.LANES
    forward = winograd.enlarge if fast else plain
    checkpoint = checkpoints / f"{options.name}.pt"
    train(plan, data, options.cache / options.validation, checkpoint, options.weights, forward, options.device)
    team.leave()


if __name__ == "__main__":
    main()
