"""The fast convolution of training: the same network, the same gradients."""

import pytest
import torch

from training import network, winograd

pytestmark = [
    pytest.mark.slow,  # it is compiled first
    pytest.mark.filterwarnings("ignore"),  # torch's build tools warn of what they do not find
    pytest.mark.skipif(not winograd.available(), reason="no C++ compiler or no ninja"),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("features", "size"), [(16, (8, 12)), (64, (48, 48))])
def test_winograd_is_the_plain_network(features: int, size: tuple[int, int]) -> None:
    model = network.compact(features, 3, seed=1)
    x = torch.rand(2, 3, *size).contiguous(memory_format=torch.channels_last).requires_grad_()
    truth = torch.rand(2, 3, 2 * size[0], 2 * size[1])
    found = []
    for forward in (lambda: model(x), lambda: winograd.enlarge(model, x)):
        out = forward()
        loss = ((out - truth) ** 2).mean()
        found.append((out.detach(), torch.autograd.grad(loss, (x, *model.parameters()))))
    (plain, gradients), (fast, others) = found
    assert (plain - fast).abs().max() < 1e-5
    for one, other in zip(gradients, others, strict=True):
        assert (one - other).abs().max() <= 1e-3 * one.abs().max() + 1e-9
