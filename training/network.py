"""The networks: spandrel's Compact at 2x, initialised so that it leaves the nearest-neighbour plateau at once."""

import torch
from spandrel import ModelLoader
from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
from torch import nn

SCALE = 2


def compact(features: int, convolutions: int, seed: int) -> SRVGGNetCompact:
    """A Compact network; `convolutions` counts those between the first and the last one.

    First convolution: zero mean, so that it sees detail only. Body: identity plus a little noise. Last: near
    zero, so that training starts at nearest-neighbour enlargement with gradients that reach every layer.
    """
    torch.manual_seed(seed)
    network = SRVGGNetCompact(
        num_in_ch=3, num_out_ch=3, num_feat=features, num_conv=convolutions, upscale=SCALE, act_type="prelu"
    )
    layers = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for number, layer in enumerate(layers):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            nn.init.kaiming_normal_(layer.weight, a=0.25)
            if number == 0:
                layer.weight -= layer.weight.mean(dim=(2, 3), keepdim=True)
                layer.weight *= 2
            elif number == len(layers) - 1:
                layer.weight *= 0.1
            else:
                layer.weight *= 0.3
                layer.weight[:, :, 1, 1] += torch.eye(features)
    return network


def load(state: dict[str, torch.Tensor]) -> nn.Module:
    """The network of a state dict, its shape read from the tensors as spandrel does."""
    model: nn.Module = ModelLoader(device="cpu").load_from_state_dict(dict(state)).model
    return model.eval()


def parameters(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def mflop_per_px(network: nn.Module) -> float:
    """Cost per input pixel in 10^6: 2 x multiply-adds of the convolutions, all at input resolution."""
    return sum(2 * layer.weight.numel() for layer in network.modules() if isinstance(layer, nn.Conv2d)) / 1e6


def live_bytes_per_px(network: nn.Module) -> float:
    """Float32 bytes alive per input pixel at the widest moment: one activation's input and output, and the picture."""
    widest = max(layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d))
    return 4.0 * (2 * widest + 3)


def radius_px(network: nn.Module) -> int:
    """How far, in input pixels, an output pixel looks: one for each 3x3 convolution."""
    return sum(layer.kernel_size[0] // 2 for layer in network.modules() if isinstance(layer, nn.Conv2d))
