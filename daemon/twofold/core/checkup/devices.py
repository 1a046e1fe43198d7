"""Verdicts on torch, the NVIDIA driver, NVML, and every device as each of the three sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from twofold.core.checkup.check import Check, Finding, Level, problem, summed, warning
from twofold.core.errors import Reason
from twofold.core.quantity import about_bytes

Capability = tuple[int, int]

ARCHITECTURE = re.compile(r"(sm|compute)_(\d+)(\d)[a-z]*", re.ASCII)
CHECK_NAMES = "Correct devices: in the configuration."
CPU_INSTEAD = "Set devices: cpu to use the processor meanwhile."
NEEDS_DRIVER = "Install the NVIDIA driver and start the machine again; in a container, the NVIDIA Container Toolkit."


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """A GPU or MIG instance, as one of the three sees it; what it does not tell is empty.

    `trouble` is why it fails, and `hint` what to do, where that is known.
    """

    uuid: str
    name: str = ""
    capability: Capability | None = None
    total_bytes: int = 0
    free_bytes: int | None = None
    trouble: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TorchFacts:
    """What a fresh process that imported torch says; `cuda` is the CUDA it was built with, empty for a CPU build.

    `architectures` are those it has kernels for (`sm_90`, `compute_90`). `trouble` says why it was not imported, or
    why it cannot use CUDA.
    """

    version: str = ""
    cuda: str = ""
    architectures: tuple[str, ...] = ()
    devices: tuple[SeenDevice, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """What the kernel and NVML say.

    `module_version` is the loaded kernel module's (empty: none). `nodes` are the files in /dev that CUDA opens, each
    with why it cannot be opened (empty: it can). `nvml_found` is False where the library is not there.
    `cuda` is the newest CUDA that the driver runs.
    """

    on_bus: bool = False
    module_version: str = ""
    module_devices: tuple[SeenDevice, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    nvml_found: bool = False
    nvml_trouble: str = ""
    nvml_hint: str = ""
    nvml_devices: tuple[SeenDevice, ...] = ()
    version: str = ""
    cuda: Capability | None = None

    @property
    def hardware(self) -> bool:
        """True where there is any sign of an NVIDIA device."""
        return self.on_bus or bool(self.module_devices or self.nvml_devices)


def judge_torch(torch: TorchFacts, *, gpu_wanted: bool) -> Check:
    """`gpu_wanted`: the machine has a GPU, and the configuration does not say `devices: cpu`."""
    facts = {"version": torch.version, "cuda": torch.cuda, "architectures": list(torch.architectures)}
    if not torch.version:
        hint = "Install Twofold again, into a fresh virtual environment."
        return Check("torch", Level.PROBLEM, f"torch cannot be imported: {torch.trouble}", hint, facts)
    findings: list[Finding] = []
    if gpu_wanted and not torch.cuda:
        text = "this torch is built without CUDA, and there is a GPU"
        findings.append(problem(text, f"Install the CUDA build of torch. {CPU_INSTEAD}"))
    built = f"CUDA {torch.cuda}, kernels for {', '.join(torch.architectures) or 'none'}" if torch.cuda else "CPU build"
    return summed("torch", f"{torch.version}, {built}", findings, facts)


def judge_driver(driver: DriverFacts, torch: TorchFacts, *, gpu_wanted: bool) -> Check:
    """The kernel's driver: there, one version throughout, new enough for torch, and its device files open to us."""
    grave = problem if gpu_wanted else warning
    facts = {
        "on_bus": driver.on_bus,
        "module": driver.module_version,
        "version": driver.version,
        "cuda": _version(driver.cuda),
        "nodes": dict(driver.nodes),
    }
    if not driver.hardware:
        return Check("driver", Level.OK, "there is no NVIDIA device in this machine", facts=facts)
    findings: list[Finding] = []
    if not (driver.module_version or driver.version):
        findings.append(grave("there is an NVIDIA device, and no driver is loaded", f"{NEEDS_DRIVER} {CPU_INSTEAD}"))
    if driver.module_version and driver.version and driver.module_version != driver.version:
        text = f"the kernel runs driver {driver.module_version}, and its libraries are {driver.version}"
        findings.append(grave(text, "The driver was upgraded: start the machine again."))
    if driver.cuda and torch.cuda and driver.cuda[0] < int(torch.cuda.partition(".")[0]):
        text = f"the driver runs CUDA {_version(driver.cuda)} at most, and torch needs {torch.cuda}"
        findings.append(grave(text, f"Upgrade the NVIDIA driver, or install a torch for CUDA {driver.cuda[0]}."))
    shut = [f"{path} ({why})" for path, why in driver.nodes.items() if why]
    if shut:
        hint = "Load nvidia_uvm (nvidia-modprobe -u -c 0), and let this user into the group that owns these files."
        findings.append(grave(f"cannot open {', '.join(shut)}", hint))
    found = driver.version or driver.module_version
    cuda = f", up to CUDA {_version(driver.cuda)}" if driver.cuda else ""
    return summed("driver", f"version {found}{cuda}" if found else "", findings, facts)


def judge_nvml(driver: DriverFacts, *, gpu_wanted: bool) -> Check:
    """NVML is how free memory is read without taking any."""
    grave = problem if gpu_wanted else warning
    facts = {"found": driver.nvml_found, "devices": len(driver.nvml_devices), "trouble": driver.nvml_trouble}
    findings: list[Finding] = []
    if not driver.hardware:
        return Check("nvml", Level.OK, "not needed: there is no NVIDIA device", facts=facts)
    if not driver.nvml_found:
        findings.append(grave("the library libnvidia-ml.so.1 is not there", NEEDS_DRIVER))
    elif driver.nvml_trouble:
        findings.append(grave(driver.nvml_trouble.rstrip("."), driver.nvml_hint))
    return summed("nvml", f"{len(driver.nvml_devices)} in sight", findings, facts)


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """The processor: how many of its cores this process may use, and the memory it may still take."""

    name: str
    cpus: int
    free_bytes: int
    total_bytes: int


def judge_choice(chosen: Sequence[str], cpu: CpuFacts, missing: str, hint: str) -> Check:
    """What networks run on, as the configuration has it; `missing` says what of that is not there."""
    memory = f"{about_bytes(cpu.free_bytes)} memory free of {about_bytes(cpu.total_bytes)}"
    found = f"networks run on {', '.join(chosen)}; {cpu.name}, {cpu.cpus} cores, {memory}"
    facts = {"chosen": list(chosen), "cpu": asdict(cpu), "missing": missing}
    return summed("devices", found, [problem(missing.rstrip("."), hint or CHECK_NAMES)] if missing else [], facts)


def judge_no_device(reason: Reason, driver: DriverFacts) -> Check:
    """None of the devices that the configuration wants is there."""
    hint = CPU_INSTEAD if driver.hardware else f"{CHECK_NAMES} {CPU_INSTEAD}"
    return Check("devices", Level.PROBLEM, reason.text, hint, {"chosen": []})


def judge_gpus(driver: DriverFacts, torch: TorchFacts, chosen: Sequence[str]) -> Iterator[Check]:
    """One check for every device that any of the three sees. One that is not `chosen` (UUIDs) is never a problem."""
    by_way = {
        "driver": {one.uuid: one for one in driver.module_devices},
        "nvml": {one.uuid: one for one in driver.nvml_devices},
        "torch": {one.uuid: one for one in torch.devices},
    }
    for uuid in dict.fromkeys(uuid for seen in by_way.values() for uuid in seen):
        seen = {way: devices[uuid] for way, devices in by_way.items() if uuid in devices}
        # A MIG instance is no device of its own to the kernel's driver, and some containers do not show any.
        hidden = bool(by_way["driver"]) and "driver" not in seen and not uuid.startswith("MIG-")
        yield _judge_gpu(uuid, seen, torch, wanted=uuid in chosen, hidden=hidden)


def _judge_gpu(uuid: str, seen: Mapping[str, SeenDevice], torch: TorchFacts, *, wanted: bool, hidden: bool) -> Check:
    grave = problem if wanted else warning
    name = next((one.name for one in seen.values() if one.name), "NVIDIA device")
    capability = next((one.capability for one in seen.values() if one.capability), None)
    total_bytes = max(one.total_bytes for one in seen.values())
    free_bytes = seen["nvml"].free_bytes if "nvml" in seen else None
    findings: list[Finding] = []
    lacks = bool(torch.cuda and capability) and not has_kernels(torch.architectures, capability or (0, 0))
    if lacks:
        text = f"torch {torch.version} has no kernels for compute capability {_version(capability)}"
        findings.append(grave(text, f"Install a torch that has sm_{(capability or (0, 0))[0]}x kernels. {CPU_INSTEAD}"))
    if hidden:
        findings.append(warning("the kernel's driver does not list it", "Start the machine again."))
    if "nvml" not in seen:
        findings.append(grave("NVML does not see it, so its free memory is not known", NEEDS_DRIVER))
    if "torch" not in seen and torch.cuda and not lacks:
        why = f": {torch.trouble}" if torch.trouble else ""
        findings.append(grave(f"torch does not see it{why}", "Compare 'nvidia-smi -L' with CUDA_VISIBLE_DEVICES."))
    findings += [
        grave(f"{way}: {one.trouble.rstrip('.')}", one.hint) for way, one in seen.items() if one.trouble and not lacks
    ]
    memory = f", {about_bytes(free_bytes)} free of {about_bytes(total_bytes)}" if free_bytes is not None else ""
    facts = {
        "id": uuid,
        "name": name,
        "capability": _version(capability),
        "wanted": wanted,
        "total_bytes": total_bytes,
        "free_bytes": free_bytes,
        **{way: asdict(one) for way, one in seen.items()},
        **{way: None for way in ("driver", "nvml", "torch") if way not in seen},
    }
    version = f", compute capability {_version(capability)}" if capability else ""
    return summed(f"device.{uuid}", f"{name}{version}{memory}", findings, facts)


def has_kernels(architectures: Sequence[str], capability: Capability) -> bool:
    """True where a build runs on such a device: machine code of its major version and no newer minor, or code (PTX)
    that the driver translates for anything newer.
    """
    for match in filter(None, map(ARCHITECTURE.fullmatch, architectures)):
        built = int(match[2]), int(match[3])
        if match[1] == "compute" and built <= capability:
            return True
        if match[1] == "sm" and built[0] == capability[0] and built[1] <= capability[1]:
            return True
    return False


def _version(version: Capability | None) -> str:
    return "" if version is None else f"{version[0]}.{version[1]}"
