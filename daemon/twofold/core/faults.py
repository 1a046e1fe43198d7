"""What NVIDIA's library can answer instead of what was asked, and what is done about it.

docs/faults.md is written from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError


class Act(StrEnum):
    """What Twofold does; the values are sentences of docs/faults.md."""

    ABSENT = "Takes the machine for one without NVIDIA devices."
    OTHERWISE = "Asks in another way; where there is none, leaves the device alone until it answers."
    AGAIN = "Leaves the device alone, and looks again; it passes by itself."
    ASIDE = "Leaves the device alone until it answers again; the others go on."
    OWNER = "Leaves the device alone until it answers again, which takes a person."

    @property
    def passing(self) -> bool:
        """True where nobody has to do anything."""
        return self in (Act.ABSENT, Act.OTHERWISE, Act.AGAIN)


@dataclass(frozen=True, slots=True)
class Fault:
    """One answer. `value` is NVML's number, `name` its word, `text` what it means, `hint` what a person does next.

    `cuda_may_work`: it says something of NVML rather than of the device, so that torch may still be asked.
    """

    value: int
    name: str
    text: str
    act: Act
    hint: str
    cuda_may_work: bool = False


_RESET = "Reset it with 'nvidia-smi --gpu-reset -i UUID' while nothing uses it, or start the machine again."
_LOST = "Start the machine again. If it comes back lost: power, heat, seat and riser; 'journalctl -k -g Xid' says more."
_RIGHTS = (
    "Let the service's user into the group that owns /dev/nvidia*; under systemd, keep DeviceAllow=char-nvidia*; in a "
    "container, pass the device in."
)
_RECREATE = (
    "In a container that lost its GPU ('systemctl daemon-reload' on the host does that): recreate the container, a "
    "restart is not enough. Elsewhere run nvidia-smi: it says more."
)
_REBOOT = "The driver was upgraded under what runs: start the machine again, and recreate containers after that."
_UPGRADE = "Upgrade the NVIDIA driver."
_WAIT = "Nothing, unless it lasts: then run nvidia-smi, and 'journalctl -k -g NVRM'."
_DRIVER = "Load the NVIDIA driver ('modprobe nvidia'), or install it; in a container, start it with the NVIDIA runtime."
_LIST = "Compare 'nvidia-smi -L' with devices: in the configuration; MIG instances that are made anew have new UUIDs."

NO_ANSWER = Fault(
    -1,
    "(no answer)",
    "the driver does not answer",
    Act.ASIDE,
    "Run nvidia-smi: if it hangs too, the GPU has crashed ('journalctl -k -g Xid'): start the machine again.",
)
NO_INSTANCE = Fault(
    -2,
    "(no instance)",
    "the GPU is divided (MIG), and has no instance",
    Act.OWNER,
    "Make instances ('nvidia-smi mig -cgi PROFILE -C'), or turn MIG off ('nvidia-smi -mig 0').",
)
UNKNOWN = Fault(999, "UNKNOWN", "the driver failed for a reason it does not know", Act.OWNER, _RECREATE, True)

FAULTS: tuple[Fault, ...] = (
    Fault(1, "UNINITIALIZED", "the driver has lost the session", Act.AGAIN, _WAIT),
    Fault(2, "INVALID_ARGUMENT", "the driver does not know this device", Act.ASIDE, _LIST),
    Fault(3, "NOT_SUPPORTED", "the device does not tell this", Act.OTHERWISE, _UPGRADE, True),
    Fault(4, "NO_PERMISSION", "this user may not ask the device", Act.OWNER, _RIGHTS, True),
    Fault(6, "NOT_FOUND", "the device is not there", Act.ASIDE, _LIST),
    Fault(8, "INSUFFICIENT_POWER", "its power cables are not connected", Act.OWNER, "Connect the GPU's power cables."),
    Fault(9, "DRIVER_NOT_LOADED", "the NVIDIA driver is not loaded", Act.OWNER, _DRIVER),
    Fault(10, "TIMEOUT", "the driver gave up waiting for the device", Act.AGAIN, _WAIT),
    Fault(11, "IRQ_ISSUE", "the kernel has no interrupt for the device", Act.OWNER, _LOST),
    Fault(12, "LIBRARY_NOT_FOUND", "the library libnvidia-ml.so.1 is not there", Act.ABSENT, _DRIVER, True),
    Fault(13, "FUNCTION_NOT_FOUND", "the driver is too old for this question", Act.OTHERWISE, _UPGRADE, True),
    Fault(14, "CORRUPTED_INFOROM", "the GPU's own settings are damaged", Act.OWNER, "Have the GPU replaced."),
    Fault(15, "GPU_IS_LOST", "the GPU is lost: it fell off the bus", Act.OWNER, _LOST),
    Fault(16, "RESET_REQUIRED", "the GPU has to be reset", Act.OWNER, _RESET),
    Fault(17, "OPERATING_SYSTEM", "the operating system or a cgroup blocks the device", Act.OWNER, _RIGHTS),
    Fault(18, "LIB_RM_VERSION_MISMATCH", "driver and library are of two versions", Act.OWNER, _REBOOT, True),
    Fault(19, "IN_USE", "another process has the device for itself", Act.AGAIN, _WAIT),
    Fault(20, "MEMORY", "the driver is out of memory", Act.AGAIN, "Look for what uses up the machine's memory."),
    Fault(23, "INSUFFICIENT_RESOURCES", "the driver is out of resources", Act.AGAIN, _WAIT),
    Fault(25, "ARGUMENT_VERSION_MISMATCH", "the driver is too old for this question", Act.OTHERWISE, _UPGRADE, True),
    Fault(26, "DEPRECATED", "the driver does not answer this any more", Act.OTHERWISE, "Upgrade Twofold.", True),
    Fault(27, "NOT_READY", "the device is not ready yet", Act.AGAIN, _WAIT),
    Fault(28, "GPU_NOT_FOUND", "there is no GPU", Act.ASIDE, _LIST),
    Fault(29, "INVALID_STATE", "the device is in no state to answer", Act.AGAIN, _WAIT),
    UNKNOWN,
    NO_ANSWER,
    NO_INSTANCE,
)
_BY_VALUE = {fault.value: fault for fault in FAULTS}


def fault_of(value: int) -> Fault:
    """The fault behind a return code of NVML; one that is not in the table is as good as unknown."""
    return _BY_VALUE.get(value, UNKNOWN)


class DeviceTrouble(TwofoldError):
    """A device, or all of them, cannot be asked now; `fault` says how that is to be taken."""

    def __init__(self, subject: str, fault: Fault, value: int | None = None) -> None:
        """`value` is what NVML returned, where that is not the fault's own."""
        name = fault.name if value in (None, fault.value) else str(value)
        said = f" (NVML: {name})" if fault.value > 0 else ""
        super().__init__(Code.NO_DEVICE, f"{subject}: {fault.text}{said}.", fault.hint)
        self.fault = fault
