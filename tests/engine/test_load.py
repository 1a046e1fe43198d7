"""What becomes of a network's file, whatever is in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import spandrel
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.DnCNN import DnCNN

from tests.engine import networks
from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.engine.halo import APPROXIMATE_HALO_PX, EXACT_LIMIT_PX, measure_halo, seam_error
from twofold.engine.load import Network, load_network, read_verified


def test_half_precision_files_are_cast_up() -> None:
    module = networks.compact()
    halved = load_network(networks.saved(module.half()), "half").module
    assert {weight.dtype for weight in halved.parameters()} == {torch.float32}
    assert not any(weight.requires_grad for weight in halved.parameters())


def test_span_is_fused_once_and_gives_the_same(network_files: dict[str, Path]) -> None:
    network = load_network(network_files["span"].read_bytes(), "span")
    assert not [name for name, child in network.module.named_modules() if type(child).__name__ == "Conv3XC"]
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = networks.span().double()(picture.double())
    torch.testing.assert_close(network.module.double()(picture.double()), expected)


def test_values_are_not_clamped() -> None:
    """Halo and finite checks need what the network says, not what spandrel's own call makes of it."""
    network = load_network(networks.saved(networks.compact()), "compact")
    assert float(network.forward(network.module, torch.ones(1, 3, 16, 16)).max()) > 1


def test_what_an_architecture_does_around_its_module_is_kept() -> None:
    """FDnCNN takes a fourth channel with the noise level, which spandrel's call function adds."""
    module = networks.strengthened(DnCNN(in_nc=4, out_nc=3, nc=4, nb=9, act_mode="R", mode="FDnCNN"), seed=0)
    data = networks.saved(module)
    descriptor = spandrel.ModelLoader("cpu").load_from_state_dict(safetensors.torch.load(data))
    network = load_network(data, "dncnn")
    picture = torch.full((1, 3, 32, 32), 0.5)
    with torch.inference_mode():
        torch.testing.assert_close(network.forward(network.module, picture).clamp(0, 1), descriptor(picture))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a network at all",
        safetensors.torch.save({}),
        safetensors.torch.save({"weight": torch.zeros(3)}),
        safetensors.torch.save({"body.0.weight": torch.zeros(3), "body.1.weight": torch.zeros(3)}),
        networks.saved(Compact(num_in_ch=1, num_out_ch=1, num_feat=4, num_conv=1, upscale=2)),
        networks.saved(networks.compact())[:-100],
    ],
    ids=["empty", "text", "no tensors", "no network", "torn network", "grey", "truncated"],
)
def test_what_is_no_rgb_network_is_refused(data: bytes) -> None:
    with pytest.raises(TwofoldError) as caught:
        load_network(data, "the file")
    assert caught.value.code is Code.BAD_NETWORK
    assert caught.value.reason.text.startswith("the file: ")


def test_a_changed_file_is_told_from_a_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    with pytest.raises(TwofoldError) as caught:
        read_verified(str(path))
    assert caught.value.code is Code.MISSING_MODEL
    path.write_bytes(b"one")
    sha256 = hashlib.sha256(b"one").hexdigest()
    assert read_verified(str(path), sha256) == b"one"
    path.write_bytes(b"two")
    with pytest.raises(TwofoldError) as caught:
        read_verified(str(path), sha256)
    assert caught.value.code is Code.MODEL_CHANGED


@pytest.mark.parametrize(
    ("name", "halo_px", "alignment", "scale"),
    [("compact", 4, 1, 2), ("compact1", 4, 1, 1), ("compact4", 4, 1, 4), ("unshuffle", 38, 4, 2), ("span", 21, 1, 2)],
)
def test_halos_are_measured(name: str, halo_px: int, alignment: int, scale: int, cards: dict[str, NetworkCard]) -> None:
    """The radii that counting convolutions by hand gives."""
    card = cards[name]
    assert (card.halo_px, card.exact, card.alignment, card.scale) == (halo_px, True, alignment, scale)
    assert card.tiling_error == 0


class Everywhere(torch.nn.Module):
    """Looks at every pixel, as networks with global pooling do."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture + picture.mean(dim=(2, 3), keepdim=True)


class Far(torch.nn.Module):
    """Looks `radius_px` to the right, and no pixel elsewhere."""

    def __init__(self, radius_px: int) -> None:
        super().__init__()
        self.radius_px = radius_px

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture + torch.nn.functional.pad(picture, (0, self.radius_px))[..., self.radius_px :]


def bare(module: torch.nn.Module, alignment: int = 1) -> Network:
    return Network(module, lambda own, x: own(x), "test", 1, alignment, 1, half=False, bfloat16=False)


def test_the_seam_error_is_nothing_at_the_full_radius_and_something_below(network_files: dict[str, Path]) -> None:
    network = load_network(network_files["compact"].read_bytes(), "compact")
    assert seam_error(network, 4) < 1e-5
    assert seam_error(network, 1) > 1e-3


def test_global_pooling_is_never_exact() -> None:
    halo = measure_halo(bare(Everywhere(), alignment=8))
    assert not halo.exact
    assert halo.radius_px >= APPROXIMATE_HALO_PX
    assert halo.radius_px % 8 == 0
    assert 0 < halo.error < 1


@pytest.mark.parametrize("radius_px", [0, 1, 12, 13, 40, 41, EXACT_LIMIT_PX])
def test_every_radius_up_to_the_limit_is_found(radius_px: int) -> None:
    halo = measure_halo(bare(Far(radius_px), alignment=2))
    assert (halo.radius_px, halo.exact) == (radius_px, True)


def test_a_radius_beyond_the_limit_is_not_exact() -> None:
    halo = measure_halo(bare(Far(EXACT_LIMIT_PX + 1)))
    assert (halo.radius_px, halo.exact) == (APPROXIMATE_HALO_PX, False)
    assert halo.error > 0
