"""Measures a network file's card: `python -m twofold.engine.inspect FILE` prints it as JSON."""

# torch's dispatch modes and weak references carry no types:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from twofold.core.card import NetworkCard
from twofold.core.errors import TwofoldError
from twofold.engine.halo import measure_halo
from twofold.engine.load import RGB, Network, load_network, read_verified

TRACE_SIDE_PX = 128
MEGA = 1_000_000


class LiveBytes(TorchDispatchMode):
    """While entered, counts the bytes of live tensors but `module`'s own.

    `peak` is the most there ever were, `widest` the elements of the largest tensor.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.peak = 0
        self.widest = 0
        self._weights = {tensor.untyped_storage().data_ptr() for tensor in module.state_dict().values()}
        self._live: dict[StorageWeakRef, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # torch's signature
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                if storage.data_ptr() not in self._weights:
                    self._live[StorageWeakRef(storage)] = storage.nbytes()
                    self.widest = max(self.widest, leaf.numel())
        self._live = {ref: size for ref, size in self._live.items() if not ref.expired()}
        self.peak = max(self.peak, sum(self._live.values()))
        return out


def measure_card(path: str) -> NetworkCard:
    """The card of a network file, all of it measured; the name is the file's, without `.safetensors`.

    Raises TwofoldError: MISSING_MODEL, BAD_NETWORK.
    """
    data = read_verified(path)
    network = load_network(data, path)
    halo = measure_halo(network)
    live, flop, pixels = _trace(network)
    return NetworkCard(
        name=os.path.basename(path).removesuffix(".safetensors"),
        version=1,
        sha256=hashlib.sha256(data).hexdigest(),
        scale=network.scale,
        file=path,
        architecture=network.architecture,
        channels_in=RGB,
        channels_out=RGB,
        halo_px=halo.radius_px,
        exact=halo.exact,
        tiling_error=halo.error,
        alignment=network.alignment,
        minimum_px=network.minimum_px,
        half=network.half,
        bfloat16=network.bfloat16,
        live_bytes_per_px=round(live.peak / pixels, 1),
        widest_elements_per_px=round(live.widest / pixels, 1),
        weight_bytes=sum(weight.nbytes for weight in network.module.state_dict().values()),
        mflop_per_px=round(flop / pixels / MEGA, 4),
    )


def _trace(network: Network) -> tuple[LiveBytes, int, int]:
    """What was live (the picture included), FLOP and input pixels of one float32 run on a small picture."""
    side_px = network.whole_px(TRACE_SIDE_PX)
    picture = torch.full((1, RGB, side_px, side_px), 0.5)
    # no_grad, not inference_mode: under the latter the FLOP counter misses composite operations.
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.forward(network.module, picture)
    with torch.no_grad(), LiveBytes(network.module) as live:
        network.forward(network.module, picture)
    live.peak += picture.nbytes
    return live, counter.get_total_flops(), side_px * side_px


def main(arguments: list[str]) -> int:
    """Print the card of the file named."""
    return reply(lambda: measure_card(arguments[0]))


def reply(work: Callable[[], NetworkCard]) -> int:
    """Print the card that `work` gives, or {"error": reason}; the process's exit status."""
    try:
        answer = work().to_json()
        status = 0
    except TwofoldError as error:
        answer = {"error": error.reason.to_json()}
        status = 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
