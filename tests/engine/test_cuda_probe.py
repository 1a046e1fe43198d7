"""CUDA's own word on memory, from a stand-in for torch.cuda: there is no GPU here."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.memory import MemoryReading
from twofold.engine.cuda_probe import CudaProbe


@dataclass
class Cuda:
    is_integrated: bool = False
    trouble: str = ""

    def get_device_properties(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(is_integrated=self.is_integrated)

    def mem_get_info(self, index: int) -> tuple[int, int]:
        if self.trouble:
            raise RuntimeError(self.trouble)
        return 3, 9


class Host:
    def read(self) -> MemoryReading:
        return MemoryReading(11, 22)


def test_free_and_total_of_a_card_and_the_machine_s_where_memory_is_shared() -> None:
    assert CudaProbe(Host(), Cuda()).read() == MemoryReading(3, 9)
    assert CudaProbe(Host(), Cuda(is_integrated=True)).read() == MemoryReading(11, 22)


def test_what_torch_raises_means_that_there_is_no_device() -> None:
    with pytest.raises(TwofoldError) as caught:
        CudaProbe(Host(), Cuda(trouble="CUDA error: device lost\nlong advice")).read()
    assert caught.value.reason.code is Code.NO_DEVICE
    assert caught.value.reason.text == "CUDA does not work: CUDA error: device lost."


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_torch_without_cuda_is_no_crash() -> None:
    with pytest.raises(TwofoldError):
        CudaProbe(Host()).read()
