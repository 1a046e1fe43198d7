"""Measures a network by the papers' protocol: `python -m training.evaluate FILE --benchmarks DIR`.

FILE is a .safetensors file or a training checkpoint (.pt, its averaged weights). DIR holds Set5/ and Set14/. Test
pictures are reduced with antialiased bicubic (8 bit); chains stay in floats; PSNR and SSIM are of BT.601 luma,
`factor` pixels shaved from every border.
"""

import argparse
import dataclasses
import io
import json
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from training import metrics, network

SETS = ("Set5", "Set14")
FACTORS = (2, 4, 8)
Scores = dict[str, dict[str, dict[str, float]]]  # method -> "Set5 x2" -> {"psnr_y": dB, "ssim_y": 0..1}


def load_weights(path: pathlib.Path) -> dict[str, torch.Tensor]:
    """The float32 state dict of a safetensors file or of a checkpoint's averaged network."""
    safe = path.suffix == ".safetensors"
    state = load_file(path) if safe else torch.load(path, weights_only=True)["average"]
    return {name: tensor.float() for name, tensor in state.items()}


def score(ours: np.ndarray, truth: Image.Image, factor: int) -> tuple[float, float]:
    """PSNR-Y and SSIM-Y of (H, W, 3) floats in 0..255."""
    a, b = metrics.luma(ours), metrics.luma(np.asarray(truth))
    return metrics.psnr_y(a, b, factor), metrics.ssim_y(a, b, factor)


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Saved as a 4:2:0 JPEG and read back."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling=2)
    return Image.open(stream).convert("RGB")


def evaluate_set(
    model: nn.Module, folder: pathlib.Path, factor: int, jpeg_quality: int = 0
) -> dict[str, dict[str, float]]:
    """Mean scores of one set at one factor: bicubic, Lanczos and the network; 0 means no JPEG in between."""
    found: dict[str, list[tuple[float, float]]] = {"bicubic": [], "lanczos": [], "network": []}
    for path in sorted(folder.glob("*.png")):
        truth = metrics.crop_to_multiple(Image.open(path).convert("RGB"), factor)
        small = metrics.reduce(truth, factor)
        if jpeg_quality:
            small = as_jpeg(small, jpeg_quality)
        found["bicubic"].append(score(metrics.interpolate(small, factor, Image.Resampling.BICUBIC), truth, factor))
        found["lanczos"].append(score(metrics.interpolate(small, factor, Image.Resampling.LANCZOS), truth, factor))
        found["network"].append(score(metrics.enlarge(model, small, factor.bit_length() - 1), truth, factor))
    if not found["network"]:
        raise FileNotFoundError(f"no pictures in {folder}")
    means = {method: np.mean(values, axis=0) for method, values in found.items()}
    return {method: {"psnr_y": float(mean[0]), "ssim_y": float(mean[1])} for method, mean in means.items()}


def evaluate(
    model: nn.Module, benchmarks: pathlib.Path, factors: tuple[int, ...] = FACTORS, jpeg_quality: int = 0
) -> Scores:
    """Every set at every factor."""
    scores: Scores = {}
    for name in SETS:
        for factor in factors:
            for method, values in evaluate_set(model, benchmarks / name, factor, jpeg_quality).items():
                scores.setdefault(method, {})[f"{name} x{factor}"] = values
    return scores


@dataclasses.dataclass(frozen=True)
class Artefacts:
    """What an 8x chain does to pictures without detail, in 8-bit levels."""

    flat_error: float  # worst difference of any pixel of any flat field
    flat_pattern: float  # worst spread (max - min) within a flat field
    gradient_fall: float  # worst step backwards along a rising gradient
    colour_shift: float  # worst shift of a mean channel, per pass


def check_artefacts(model: nn.Module, passes: int = 3) -> Artefacts:
    """Enlarges flat fields and a gradient by a chain and measures what should not be there."""
    flat_error = flat_pattern = shift = 0.0
    for colour in ((0, 0, 0), (128, 128, 128), (255, 255, 255), (200, 30, 60), (20, 120, 220), (245, 240, 230)):
        out = metrics.enlarge(model, Image.new("RGB", (48, 48), colour), passes)
        flat_error = max(flat_error, float(np.abs(out - np.array(colour, np.float32)).max()))
        flat_pattern = max(flat_pattern, float((out.max(axis=(0, 1)) - out.min(axis=(0, 1))).max()))
        shift = max(shift, float(np.abs(out.mean(axis=(0, 1)) - np.array(colour)).max()) / passes)
    ramp = np.broadcast_to(np.linspace(20, 235, 96).round().astype(np.uint8)[None, :, None], (48, 96, 3))
    out = metrics.enlarge(model, Image.fromarray(np.ascontiguousarray(ramp)), passes)
    middle = out[96:-96, 96:-96]
    fall = float(np.maximum(0, -(np.diff(middle, axis=1))).max())
    shift = max(shift, float(np.abs(out.mean(axis=(0, 1)) - ramp.mean(axis=(0, 1))).max()) / passes)
    return Artefacts(flat_error, flat_pattern, fall, shift)


def table(scores: Scores) -> str:
    """A markdown table, dB / SSIM."""
    columns = list(next(iter(scores.values())))
    lines = ["| method | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    for method, values in scores.items():
        cells = [f"{values[c]['psnr_y']:.2f} / {values[c]['ssim_y']:.4f}" for c in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--benchmarks", type=pathlib.Path, required=True, help="folder with Set5/ and Set14/")
    parser.add_argument("--factors", type=int, nargs="+", default=list(FACTORS))
    parser.add_argument("--jpeg", type=int, default=0, help="save the reduced pictures as 4:2:0 JPEG of this quality")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = network.load(load_weights(options.weights)).to(memory_format=torch.channels_last)
    scores = evaluate(model, options.benchmarks, tuple(options.factors), options.jpeg)
    artefacts = check_artefacts(model)
    if options.json:
        print(json.dumps({"schema": 1, "scores": scores, "artefacts": dataclasses.asdict(artefacts)}, indent=1))
    else:
        print(table(scores))
        print(artefacts)


if __name__ == "__main__":
    main()
