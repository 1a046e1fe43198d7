"""The torch back end on the CPU: samples in, samples out, and what becomes of errors."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine import networks
from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import OutOfDeviceMemory, TwofoldError
from twofold.engine.device_errors import fault_of
from twofold.engine.factory import open_upscaler
from twofold.engine.inspect import measure_card
from twofold.engine.load import load_network
from twofold.engine.memory_errors import is_out_of_memory
from twofold.raster import Upscaler

RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def upscaler(cards: dict[str, NetworkCard]) -> Upscaler:
    return open_upscaler(cards["compact"], "cpu", threads=1)


def exact_result(card: NetworkCard, tiles: np.ndarray, depth: int) -> np.ndarray:
    """The same in float64, by numpy at the ends."""
    network = load_network(Path(card.file).read_bytes(), card.name)
    full_in, full_out = np.iinfo(tiles.dtype).max, 2**depth - 1
    batch = torch.from_numpy(tiles.astype(np.float64) / full_in).permute(0, 3, 1, 2)
    with torch.inference_mode():
        result = network.forward(network.module.double(), batch).permute(0, 2, 3, 1).numpy()
    return result.clip(0, 1) * full_out


@pytest.mark.parametrize("samples", [np.uint8, np.uint16])
@pytest.mark.parametrize("depth", [8, 16])
def test_results_are_the_exact_ones_rounded_once(upscaler: Upscaler, samples: type[np.generic], depth: int) -> None:
    tiles = RANDOM.integers(0, np.iinfo(samples).max, (2, 13, 17, 3), samples, endpoint=True)
    result = upscaler.run(tiles, depth)
    assert result.dtype == (np.uint8 if depth == 8 else np.uint16)
    assert result.shape == (2, 26, 34, 3)
    assert np.abs(result - exact_result(upscaler.card, tiles, depth)).max() <= 0.5 + 0.02


def test_grey_stays_grey_and_is_the_mean(upscaler: Upscaler) -> None:
    grey = RANDOM.integers(0, 12000, (1, 12, 12, 1), np.uint16)
    result = upscaler.run(grey, 16)
    assert result.shape == (1, 24, 24, 1)
    colour = exact_result(upscaler.card, grey.repeat(3, axis=3), 16)
    assert 0 < colour.max() < 65535  # nothing clamped, so that the mean of the channels is the mean before clamping
    assert np.abs(result - colour.mean(axis=3, keepdims=True)).max() <= 0.6


def test_the_same_tiles_give_the_same_bytes(cards: dict[str, NetworkCard], upscaler: Upscaler) -> None:
    tiles = RANDOM.integers(0, 255, (2, 40, 40, 3), np.uint8, endpoint=True)
    first = upscaler.run(tiles, 16)
    np.testing.assert_array_equal(first, upscaler.run(tiles, 16))
    np.testing.assert_array_equal(first, open_upscaler(cards["compact"], "cpu", threads=1).run(tiles, 16))


def test_source_tiles_are_left_as_they_were(upscaler: Upscaler) -> None:
    tiles = RANDOM.integers(0, 65535, (1, 16, 16, 3), np.uint16, endpoint=True)
    before = tiles.copy()
    upscaler.run(tiles, 16)
    np.testing.assert_array_equal(tiles, before)


def broken_card(tmp_path: Path, value: float) -> NetworkCard:
    module = networks.compact()
    with torch.no_grad():
        next(module.parameters()).fill_(value)
    path = tmp_path / "broken.safetensors"
    path.write_bytes(networks.saved(module))
    return measure_card(str(path))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_values_that_are_not_numbers_are_refused(tmp_path: Path, value: float) -> None:
    broken = open_upscaler(broken_card(tmp_path, value), "cpu", threads=1)
    with pytest.raises(TwofoldError) as caught:
        broken.run(np.full((1, 16, 16, 3), 200, np.uint8), 8)
    assert caught.value.code is Code.NOT_FINITE
    assert not caught.value.retryable


def test_a_network_that_overflows_half_precision_is_run_in_float32(cards: dict[str, NetworkCard]) -> None:
    """On the CPU, where float16 is slow but there: the path is the one CUDA takes."""
    from twofold.engine.torch_backend import TorchUpscaler

    network = load_network(Path(cards["compact"].file).read_bytes(), "compact")
    cpu = torch.device("cpu")
    bright = TorchUpscaler(cards["compact"], network, cpu, "float16")
    assert bright.dtype == "float16"

    with torch.no_grad():
        network.module.body[0].bias.fill_(1e4)
        network.module.body[2].weight.fill_(10.0)
        network.module.body[4].weight.fill_(1e-6)
    overflowing = TorchUpscaler(cards["compact"], network, cpu, "float16")
    assert overflowing.dtype == "float32"

    tiles = np.full((1, 16, 16, 3), 100, np.uint8)
    bright._network = network  # a batch that overflows after the probe did not
    bright._modules.clear()
    np.testing.assert_array_equal(bright.run(tiles, 16), overflowing.run(tiles, 16))


def test_a_file_that_changed_is_not_loaded(cards: dict[str, NetworkCard]) -> None:
    with pytest.raises(TwofoldError) as caught:
        open_upscaler(replace(cards["compact"], sha256="0" * 64), "cpu")
    assert caught.value.code is Code.MODEL_CHANGED


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_cuda_its_names_are_no_device(cards: dict[str, NetworkCard]) -> None:
    with pytest.raises(TwofoldError) as caught:
        open_upscaler(cards["compact"], "cuda:0")
    assert caught.value.code is Code.NO_DEVICE


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            True,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if ..."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (
            RuntimeError(
                "CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions"
            ),
            True,
        ),
        (MemoryError(), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("CUDA error: unspecified launch failure"), False),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("Expected all tensors to be on the same device"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_only_real_out_of_memory_errors_mean_smaller_tiles(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be"),
            "failed",
        ),
        (torch.AcceleratorError("something that nobody has seen yet"), "failed"),
        (RuntimeError("CUDA error: unspecified launch failure"), "failed"),
        (RuntimeError("CUDA error: device-side assert triggered"), "failed"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "failed"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`"), "failed"),
        (RuntimeError("CUDA driver error: device not ready"), "failed"),
        (torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"), "lost"),
        (RuntimeError("CUDA error: no CUDA-capable device is detected"), "lost"),
        (RuntimeError("CUDA error: unknown error"), "lost"),
        (RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"), "lost"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"), None),
        (torch.AcceleratorError("CUDA error: out of memory"), None),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), None),
        (RuntimeError("Expected all tensors to be on the same device"), None),
        (ValueError("CUDA error: unknown error"), None),
    ],
)
def test_after_some_errors_only_the_end_of_the_process_helps(error: Exception, expected: str | None) -> None:
    fault = fault_of(error)
    assert (fault and fault.code) == (expected and Code(f"device_{expected}"))
    assert fault is None or "\n" not in fault.reason.text


SQUEEZED = """
import resource, sys
import numpy as np
import torch
from twofold.core.errors import OutOfDeviceMemory
from twofold.engine.factory import open_upscaler
from twofold.engine.inspect import measure_card

torch.set_num_threads(1)
upscaler = open_upscaler(measure_card(sys.argv[1]), "cpu", threads=1)
small, large = np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 3000, 3000, 3), np.uint8)
upscaler.run(small, 8)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))
try:
    upscaler.run(large, 8)
except OutOfDeviceMemory as error:
    upscaler.run(small, 8)
    print(error.code, error.__context__, error.__cause__)
"""


def test_a_real_refusal_of_memory_is_told_and_survived(network_files: dict[str, Path]) -> None:
    command = [sys.executable, "-c", SQUEEZED, str(network_files["compact"])]
    done = subprocess.run(command, capture_output=True, timeout=100, text=True)
    # No context: the failed batch's tensors would live as long as the error.
    assert done.stdout == "out_of_memory None None\n", done.stderr


def test_an_error_of_another_kind_is_passed_on(upscaler: Upscaler) -> None:
    with pytest.raises(RuntimeError) as caught:
        upscaler.run(np.zeros((1, 8, 8, 2), np.uint8), 8)
    assert not isinstance(caught.value, OutOfDeviceMemory)
