"""The driver as the kernel and NVML tell of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.device.stub import answering, compiled
from twofold.core.faults import fault_of
from twofold.device.clock import clock_synchronised
from twofold.device.driver import read_driver

ASK = """
import json
from dataclasses import asdict
from twofold.device.driver import read_driver
print(json.dumps(asdict(read_driver())))
"""


def test_the_kernel_s_view(tmp_path: Path) -> None:
    folder = tmp_path / "driver/nvidia/gpus/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t A card\nIRQ:   \t\t 12\nGPU UUID: \t GPU-abc\nBus Type: \t PCIe\n")
    (tmp_path / "driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC version:  gcc 12.2.0\n"
    )
    found = read_driver(proc=str(tmp_path), sys=str(tmp_path))
    assert found.module_version == "580.65.06"
    assert [(one.uuid, one.name) for one in found.module_devices] == [("GPU-abc", "A card")]
    assert "/dev/nvidiactl" in found.nodes
    assert found.hardware


def test_nvml_s_view(tmp_path: Path) -> None:
    environment = {**os.environ, **answering(compiled(tmp_path), total=9, free=4, driver=550, cuda=12040)}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert (found["version"], found["cuda"], found["nvml_found"]) == ("550.65.06", [12, 4], True)
    assert found["nvml_devices"][0]["free_bytes"] == 4


def test_a_gpu_that_fails_is_told_with_what_to_do(tmp_path: Path) -> None:
    state = {"devices": 2, "handle.1": 15, "info2.0": 16, "total": 9, "free": 4}
    environment = {**os.environ, **answering(compiled(tmp_path), **state)}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert found["nvml_trouble"] == (
        "GPU 0: the GPU has to be reset (NVML: RESET_REQUIRED). "
        "GPU 1: the GPU is lost: it fell off the bus (NVML: GPU_IS_LOST)."
    )
    assert found["nvml_hint"] == f"{fault_of(16).hint} {fault_of(15).hint}"
    assert found["nvml_devices"] == []


def test_no_driver_at_all(tmp_path: Path) -> None:
    found = read_driver(proc=str(tmp_path), sys=str(tmp_path))
    assert (found.module_version, found.module_devices, found.nodes) == ("", (), {})


def test_the_clock_is_asked_of_the_kernel() -> None:
    assert clock_synchronised() in (True, False, None)
