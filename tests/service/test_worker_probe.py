"""Which of the two a worker asks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from twofold.core.faults import FAULTS, DeviceTrouble, Fault, fault_of
from twofold.core.memory import MemoryReading
from twofold.service.worker_probe import WorkerProbe


@dataclass
class Nvml:
    fault: Fault | None = None

    def read(self) -> MemoryReading:
        if self.fault is not None:
            raise DeviceTrouble("GPU-x", self.fault)
        return MemoryReading(1, 2)


class Cuda:
    def read(self) -> MemoryReading:
        return MemoryReading(3, 4)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_cuda_is_asked_where_only_nvml_is_at_fault(fault: Fault) -> None:
    probe = WorkerProbe("GPU-x", Nvml(fault), Cuda())
    if fault.cuda_may_work:
        assert probe.read() == MemoryReading(3, 4)
    else:
        with pytest.raises(DeviceTrouble):
            probe.read()


def test_it_is_told_once_and_nvml_is_heard_again_when_it_answers() -> None:
    nvml = Nvml(fault_of(18))
    probe = WorkerProbe("GPU-x", nvml, Cuda())
    with capture_logs() as logs:
        assert probe.read() == probe.read() == MemoryReading(3, 4)
        nvml.fault = None
        assert probe.read() == MemoryReading(1, 2)
    assert [(line["event"], line["device"]) for line in logs] == [("nvml.replaced", "GPU-x")]
