"""Rewrites a .pth checkpoint as .safetensors: `python -m twofold.engine.convert FILE TARGET`.

A .pth is a pickle, which may run code when it is read; torch's restricted reader takes tensors only, and this runs in a
process of its own. What comes out holds tensors and nothing else.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from zipfile import BadZipFile

import safetensors.torch
import spandrel
import torch

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.engine.inspect import measure_card, reply
from twofold.engine.load import load_network, read_verified

UNREADABLE = (
    pickle.UnpicklingError,
    BadZipFile,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
)
"""What torch's restricted reader raises on files that are not checkpoints of tensors."""


def convert(source: str, target: str) -> None:
    """Write the network in `source` to the new file `target`, once it is proved to load and to enlarge.

    Raises TwofoldError: MISSING_MODEL, BAD_NETWORK, OUTPUT_EXISTS where there is such a file, DISK_FULL.
    """
    data = tensors_of(read_verified(source), source)
    load_network(data, source)
    try:
        with open(target, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise TwofoldError(Code.OUTPUT_EXISTS, f"There is a file {target} already.") from error
    except OSError as error:
        if os.path.exists(target):
            os.unlink(target)  # ours, and torn: "x" made it
        raise TwofoldError(Code.DISK_FULL, f"{target} cannot be written: {error.strerror}.") from error


def tensors_of(data: bytes, name: str) -> bytes:
    """The tensors of a checkpoint as the bytes of a .safetensors file. Raises TwofoldError(BAD_NETWORK)."""
    try:
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if not isinstance(found, dict):
            raise TypeError("it holds no state dict")
        state = spandrel.canonicalize_state_dict(found)
        # Clones: safetensors refuses tensors that share memory, and strided views.
        tensors = {key: value.clone().contiguous() for key, value in state.items() if isinstance(value, torch.Tensor)}
        return safetensors.torch.save(tensors)
    except UNREADABLE as error:
        text = str(error).partition("\n")[0] or type(error).__name__
        raise TwofoldError(Code.BAD_NETWORK, f"{name} is no checkpoint of tensors: {text}") from error


def main(arguments: list[str]) -> int:
    """Convert, and print the new file's card."""
    source, target = arguments

    def work() -> NetworkCard:
        convert(source, target)
        return measure_card(target)

    return reply(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
