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

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from training import losses, metrics, network, patches, prepare

CROP = 40  # low-resolution pixels; the patches have 48
CLIP_NORM = 0.5
WARM_UP = 200


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run. It ends after `iterations`, or after `minutes` of wall time where that is not 0."""

    features: int = 48
    convolutions: int = 10
    batch: int = 4  # small: on a CPU the number of steps is what is short
    iterations: int = 20_000
    minutes: float = 0.0
    rate: float = 1e-3
    last_rate: float = 2e-6
    chroma_weight: float = 0.5
    frequency_weight: float = 0.05
    drift_weight: float = 0.1
    recolour_share: float = (
        0.25  # of the samples: channels swapped, some inverted; colour edges are rare in photographs
    )
    chain_share: float = 0.125  # of the samples: input is the network's own output
    chain_after: int = 1500  # iterations before the first such sample
    enlarged_share: float = 0.015  # of the samples: input is a bicubic enlargement
    ema: float = 0.999
    seed: int = 1
    checkpoint_s: float = 300.0


@dataclasses.dataclass
class Run:
    """Everything a checkpoint holds. `iteration` counts from the start of the schedule, `before` what came earlier."""

    model: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    iteration: int = 0
    before: int = 0
    spent_s: float = 0.0
    finished: bool = False


def start(plan: Plan) -> Run:
    """A fresh run."""
    model = network.compact(plan.features, plan.convolutions, plan.seed).to(memory_format=torch.channels_last)
    average = network.compact(plan.features, plan.convolutions, plan.seed).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=plan.rate, betas=(0.9, 0.99))
    return Run(model, average, optimiser, np.random.default_rng(plan.seed))


def save(run: Run, path: pathlib.Path) -> None:
    """Writes the checkpoint and renames it into place."""
    state = {
        "model": run.model.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
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
    run.iteration, run.before, run.spent_s = state["iteration"], state["before"], state["spent_s"]
    return run


def sample(data: patches.PatchSet, plan: Plan, run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch: inputs (N, 3, CROP, CROP) and targets (N, 3, 2 CROP, 2 CROP) in 0..1, turned and flipped.

    Some inputs are the network's own output from quarter size, or a bicubic enlargement: repeating it must be safe.
    """
    rng = run.rng
    lows, highs = [], []
    reach = patches.SIDE // 2 - CROP + 1
    for index in rng.integers(len(data), size=plan.batch):
        low = low_side(data, int(index), plan, run)
        top, left = (int(v) for v in rng.integers(0, reach, 2))
        low = low[top : top + CROP, left : left + CROP]
        high = unit(data.hr[index, 2 * top : 2 * (top + CROP), 2 * left : 2 * (left + CROP)])
        if rng.random() < plan.recolour_share:
            order, inverted = rng.permutation(3), rng.random(3) < 0.5
            low, high = recolour(low, order, inverted), recolour(high, order, inverted)
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        low, high = np.rot90(low, turns), np.rot90(high, turns)
        lows.append(low[:, ::-1] if flip else low)
        highs.append(high[:, ::-1] if flip else high)
    # stacked channels-last, seen as NCHW: no copy
    return torch.from_numpy(np.stack(lows)).permute(0, 3, 1, 2), torch.from_numpy(np.stack(highs)).permute(0, 3, 1, 2)


def unit(pixels: patches.Pixels) -> NDArray[np.float32]:
    """0..255 to 0..1."""
    return pixels.astype(np.float32) / np.float32(255)


def low_side(data: patches.PatchSet, index: int, plan: Plan, run: Run) -> NDArray[np.float32]:
    """The input of one sample, (48, 48, 3) float32 in 0..1: reduced truth, own output, or an enlargement."""
    chain_share = plan.chain_share if run.before + run.iteration >= plan.chain_after else 0.0
    dice = run.rng.random()
    if dice < chain_share:
        return own_output(run.average, data.lr4[index])
    if dice > 1 - plan.enlarged_share:
        side = patches.SIDE // 2
        return unit(np.asarray(Image.fromarray(data.lr4[index]).resize((side, side), Image.Resampling.BICUBIC)))
    return unit(data.lr[index])


def recolour(pixels: NDArray[np.float32], order: NDArray[np.int64], inverted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Reorders the channels of (h, w, 3) in 0..1 and inverts some: reduction and this may be swapped."""
    mixed = pixels[..., order]
    return np.where(inverted, np.float32(1) - mixed, mixed)


def own_output(average: nn.Module, quarter: patches.Pixels) -> NDArray[np.float32]:
    """The averaged network's enlargement of a quarter-size patch; (2h, 2w, 3) float32 in 0..1."""
    with torch.no_grad():
        tensor = torch.from_numpy(unit(quarter)).permute(2, 0, 1)[None]
        out: NDArray[np.float32] = average(tensor).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    return out


def progress(plan: Plan, run: Run) -> float:
    """How much of the schedule is done, 0 to 1."""
    if plan.minutes:
        return min(1.0, run.spent_s / (60 * plan.minutes))
    return min(1.0, run.iteration / plan.iterations)


def rate(plan: Plan, run: Run) -> float:
    """Cosine from `rate` to `last_rate`, after a short linear warm-up."""
    warm = min(1.0, (run.iteration + 1) / WARM_UP)
    return warm * (plan.last_rate + (plan.rate - plan.last_rate) * (1 + math.cos(math.pi * progress(plan, run))) / 2)


def step(data: patches.PatchSet, plan: Plan, run: Run) -> float:
    """One iteration; returns its loss."""
    for group in run.optimiser.param_groups:
        group["lr"] = rate(plan, run)
    low, high = sample(data, plan, run)
    loss = losses.total(run.model(low), high, plan.chroma_weight, plan.frequency_weight, plan.drift_weight)
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch ships it unannotated
    nn.utils.clip_grad_norm_(run.model.parameters(), CLIP_NORM)
    run.optimiser.step()
    run.iteration += 1
    seen = run.before + run.iteration
    keep = min(plan.ema, (1 + seen) / (10 + seen))
    with torch.no_grad():
        for mean, now in zip(run.average.parameters(), run.model.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)
    return float(loss.detach())


def validate(model: nn.Module, folder: pathlib.Path) -> dict[str, float]:
    """Mean PSNR-Y of the held-out pictures, one pass and a chain of two."""
    model.eval()
    found: dict[str, list[float]] = {"x2": [], "x4": []}
    for path in sorted(folder.glob("*.png")):
        truth = Image.open(path).convert("RGB")
        for name, passes in (("x2", 1), ("x4", 2)):
            ours = metrics.enlarge(model, metrics.reduce(truth, 2**passes), passes)
            found[name].append(metrics.psnr_y(metrics.luma(ours), metrics.luma(np.asarray(truth)), 2**passes))
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def start_from(run: Run, weights: pathlib.Path) -> Run:
    """A warm start from an exported network of the same shape, where the checkpoint is gone."""
    state = {name: tensor.float() for name, tensor in load_file(weights).items()}
    run.model.load_state_dict(state)
    run.average.load_state_dict(state)
    return run


def train(
    plan: Plan,
    data: patches.PatchSet,
    validation: pathlib.Path,
    checkpoint: pathlib.Path,
    weights: pathlib.Path | None = None,
) -> Run:
    """Runs the plan to its end, with a checkpoint and a line of figures every `checkpoint_s`."""
    run = start(plan)
    if checkpoint.exists():
        run = restore(run, checkpoint)
    elif weights:
        run = start_from(run, weights)
    mark = saved = time.monotonic()
    recent: list[float] = []
    while progress(plan, run) < 1:
        recent.append(step(data, plan, run))
        now = time.monotonic()
        run.spent_s, mark = run.spent_s + now - mark, now
        run.finished = progress(plan, run) >= 1
        if now - saved >= plan.checkpoint_s or run.finished:
            save(run, checkpoint)
            report(plan, run, recent, validate(run.average, validation), checkpoint.with_suffix(".log"))
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
    parser.add_argument("--data", default="photo", help="the patch set below the cache")
    parser.add_argument("--weights", type=pathlib.Path, help="start from this .safetensors if there is no checkpoint")
    parser.add_argument("--threads", type=int, default=1)
    for field in dataclasses.fields(Plan):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    plan = Plan(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Plan)})
    checkpoints = options.cache / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    (checkpoints / f"{options.name}.pid").write_text(f"{os.getpid()}\n")
    data = patches.load(options.cache / options.data)
    train(plan, data, options.cache / "validation", checkpoints / f"{options.name}.pt", options.weights)


if __name__ == "__main__":
    main()
