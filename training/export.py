"""Turns a checkpoint into the shipped pair: `python -m training.export --benchmarks DIR`.

Writes NAME@VERSION.safetensors (half precision, the averaged weights) and NAME@VERSION.json (the card).
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file

from training import art, evaluate, network, prepare, sources
from twofold.engine.inspect import measure_card

SHIPPED = pathlib.Path(__file__).parent.parent / "daemon" / "twofold" / "models" / "weights"
LICENSE = "Apache-2.0"
USES = {
    "twofold-photo-2x": "Clean photographs, and every later pass of a chain. Faithful: restores, does not invent.",
    "twofold-web-2x": "First pass for compressed, resized or slightly noisy pictures: removes blocks and mosquitoes.",
    "twofold-art-2x": "First pass for drawings, screenshots and text.",
}
DEGRADATION = {
    "twofold-photo-2x": "antialiased bicubic reduction, 8 bit; one sample in three is a chain of two passes",
    "twofold-web-2x": "mixed resampling, mild blur and noise, JPEG of quality 30 to 95, WebP; one in ten is clean",
    "twofold-art-2x": "antialiased bicubic reduction, 8 bit; one sample in six degraded as for the web network",
}


def card(name: str, version: int, weights: pathlib.Path, metrics: dict[str, object]) -> dict[str, object]:
    """What the catalogue needs to know, measured as the daemon measures any network, and what users should."""
    measured = measure_card(str(weights))
    if measured.scale != network.SCALE or not measured.exact:
        raise ValueError(f"{weights.name}: {measured.architecture} x{measured.scale}, exact: {measured.exact}")
    return measured.to_json() | {
        "schema": 1,
        "name": name,
        "version": version,
        "file": weights.name,
        "parameters": network.parameters(network.load(evaluate.load_weights(weights))),
        "license": LICENSE,
        "intended_use": USES[name],
        "degradation": DEGRADATION[name],
        "training_data": [*sources.summary(), *art.summary()],
        "metrics": metrics,
    }


def write_half(state: dict[str, torch.Tensor], path: pathlib.Path) -> None:
    """Writes a state dict as half-precision safetensors, readable by all."""
    save_file({key: tensor.half().contiguous() for key, tensor in state.items()}, path)
    path.chmod(0o644)


def measured(name: str, weights: pathlib.Path, benchmarks: pathlib.Path, drawings: pathlib.Path) -> dict[str, object]:
    """The half-precision file's own figures on what it is for, and the artefact check of an 8x chain."""
    model = evaluate.load_network(weights)
    photo = model if name == "twofold-photo-2x" else evaluate.load_network(evaluate.shipped("twofold-photo-2x"))
    methods = {name: evaluate.chain(model, photo)}
    if name == "twofold-photo-2x":
        scores = evaluate.evaluate_clean(methods, benchmarks)
    elif name == "twofold-web-2x":
        scores = evaluate.evaluate_compressed(methods, benchmarks / "Set14")
    else:
        scores = {name: {"held-out drawings 2x": evaluate.evaluate_set(methods, drawings, 2)[name]}}
    figures: dict[str, object] = {
        key: {metric: round(value, 4 if metric == "ssim_y" else 2) for metric, value in values.items()}
        for key, values in scores[name].items()
    }
    artefacts = evaluate.check_artefacts(model, photo)
    figures["artefacts 8x, 8-bit levels"] = {key: round(value, 3) for key, value in vars(artefacts).items()}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="twofold-photo-2x", choices=sorted(USES))
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--cache", type=pathlib.Path, default=prepare.DEFAULT_CACHE)
    parser.add_argument("--benchmarks", type=pathlib.Path, required=True, help="folder with Set5/ and Set14/")
    parser.add_argument("--out", type=pathlib.Path, default=SHIPPED)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    state = torch.load(options.cache / "checkpoints" / f"{options.name}.pt", weights_only=True)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = f"{options.name}@{options.version}"
    weights = options.out / f"{stem}.safetensors"
    write_half(state["average"], weights)
    figures = measured(options.name, weights, options.benchmarks, options.cache / "validation-art")
    figures["iterations"] = int(state["before"]) + int(state["iteration"])
    text = json.dumps(card(options.name, options.version, weights, figures), indent=1, ensure_ascii=False)
    (options.out / f"{stem}.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
