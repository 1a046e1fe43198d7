"""What the kernel and NVML say about NVIDIA's driver and devices, for `doctor`."""

from __future__ import annotations

import glob
import os

from twofold.core.checkup.devices import Capability, DriverFacts, SeenDevice
from twofold.core.errors import TwofoldError
from twofold.core.faults import Act, DeviceTrouble
from twofold.device.host import HostProbe
from twofold.device.inventory import nvidia_on_bus
from twofold.device.nvml import NvidiaDevice, NvidiaProbe, ask_driver, list_nvidia

NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm")
MAX_DEVICES = 64


def read_driver(proc: str = "/proc", sys: str = "/sys") -> DriverFacts:
    """Everything but torch's view; opens the device files for reading and writing, as CUDA does, and closes them."""
    module = module_version(proc)
    found = list_nvidia()
    nvml_found, version, cuda = _versions()
    hardware = bool(module or found.devices)
    return DriverFacts(
        on_bus=nvidia_on_bus(sys),
        module_version=module,
        module_devices=_module_devices(proc),
        nodes={path: _refusal(path) for path in (*NODES, *_device_nodes())} if module and hardware else {},
        nvml_found=nvml_found,
        nvml_trouble=found.trouble,
        nvml_hint=found.hint,
        nvml_devices=tuple(map(_seen, found.devices)),
        version=version,
        cuda=cuda,
    )


def _versions() -> tuple[bool, str, Capability | None]:
    """Whether NVML's library is there, the driver's version by it, and the newest CUDA that the driver runs."""
    import pynvml

    def ask() -> tuple[str, int]:
        return str(pynvml.nvmlSystemGetDriverVersion()), pynvml.nvmlSystemGetCudaDriverVersion_v2()

    try:
        version, cuda = ask_driver("NVML", ask)
    except DeviceTrouble as error:
        return error.fault.act is not Act.ABSENT, "", None
    return True, version, (cuda // 1000, cuda % 1000 // 10)


def _seen(device: NvidiaDevice) -> SeenDevice:
    free_bytes, trouble, hint = None, "", ""
    try:
        free_bytes = NvidiaProbe(device.uuid, HostProbe()).read().free_bytes
    except TwofoldError as error:
        trouble, hint = error.reason.text, error.reason.hint
    return SeenDevice(device.uuid, device.name, device.capability, device.total_bytes, free_bytes, trouble, hint)


def module_version(proc: str = "/proc") -> str:
    """The version of NVIDIA's kernel module; empty where there is none.

    `NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  …`: the first word that is a version.
    """
    line = _text(os.path.join(proc, "driver/nvidia/version")).partition("\n")[0]
    return next((word for word in line.split() if "." in word and word.replace(".", "").isdecimal()), "")


def _module_devices(proc: str) -> tuple[SeenDevice, ...]:
    files = sorted(glob.glob(os.path.join(glob.escape(proc), "driver/nvidia/gpus/*/information")))
    found = []
    for path in files[:MAX_DEVICES]:
        pairs = (line.partition(":") for line in _text(path).splitlines())
        facts = {key.strip(): value.strip() for key, _, value in pairs}
        if facts.get("GPU UUID"):
            found.append(SeenDevice(facts["GPU UUID"], facts.get("Model", "")))
    return tuple(found)


def _device_nodes() -> list[str]:
    return sorted(path for path in glob.glob("/dev/nvidia[0-9]*") if path[len("/dev/nvidia") :].isdecimal())


def _refusal(path: str) -> str:
    """Why a device file cannot be opened; empty where it can."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
