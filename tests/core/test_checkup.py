"""What doctor makes of facts: each trouble has its level and says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twofold.core.checkup.check import Check, Level
from twofold.core.checkup.devices import (
    CpuFacts,
    DriverFacts,
    SeenDevice,
    TorchFacts,
    has_kernels,
    judge_choice,
    judge_driver,
    judge_gpus,
    judge_nvml,
    judge_torch,
)
from twofold.core.checkup.folders import FolderFacts, Trial, judge_folder, judge_mounts
from twofold.core.checkup.machine import (
    ClockFacts,
    InotifyFacts,
    InstalledFacts,
    UserFacts,
    judge_clock,
    judge_extras,
    judge_inotify,
    judge_packages,
    judge_user,
)
from twofold.core.checkup.state import (
    LedgerFacts,
    MistakeFacts,
    NetworkFacts,
    judge_configuration,
    judge_ledger,
    judge_network,
)
from twofold.core.codes import Code
from twofold.core.errors import Reason

GIB = 2**30
CARD = SeenDevice("GPU-a", "A card", (8, 9), 8 * GIB, 4 * GIB)
TORCH = TorchFacts("2.14.1+cu130", "13.0", ("sm_75", "sm_80", "sm_90"), (CARD,))
DRIVER = DriverFacts(
    on_bus=True,
    module_version="580.65.06",
    module_devices=(SeenDevice("GPU-a", "A card"),),
    nodes={"/dev/nvidiactl": ""},
    nvml_found=True,
    nvml_devices=(CARD,),
    version="580.65.06",
    cuda=(13, 0),
)
OUTBOX = FolderFacts(
    "outbox",
    "photos",
    "/out",
    fstype="ext4",
    source="/dev/sda1",
    free_bytes=9 * GIB,
    total_bytes=99 * GIB,
    trial=Trial(),
)


def gpu(driver: DriverFacts = DRIVER, torch: TorchFacts = TORCH, chosen: tuple[str, ...] = ("GPU-a",)) -> Check:
    (check,) = judge_gpus(driver, torch, chosen)
    return check


def test_a_gpu_that_all_three_see_is_ok() -> None:
    assert (gpu().name, gpu().level, gpu().hint) == ("device.GPU-a", Level.OK, "")
    for check in (judge_torch(TORCH, gpu_wanted=True), judge_driver(DRIVER, TORCH, gpu_wanted=True)):
        assert (check.level, check.hint) == (Level.OK, "")
    assert judge_nvml(DRIVER, gpu_wanted=True).level is Level.OK


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        (("sm_75", "sm_80"), (8, 6), True),
        (("sm_86",), (8, 0), False),
        (("sm_80",), (9, 0), False),
        (("sm_80", "compute_80"), (9, 0), True),
        (("compute_90",), (8, 9), False),
        (("sm_90a", "sm_120"), (12, 0), True),
        ((), (8, 0), False),
        (("nonsense",), (8, 0), False),
    ],
)
def test_kernels_run_on_their_own_generation_and_portable_code_on_later_ones(
    architectures: tuple[str, ...], capability: tuple[int, int], runs: bool
) -> None:
    assert has_kernels(architectures, capability) is runs


def test_a_card_that_the_torch_build_lacks() -> None:
    old = replace(CARD, capability=(3, 5))
    check = gpu(replace(DRIVER, nvml_devices=(old,)), replace(TORCH, devices=()))
    assert check.level is Level.PROBLEM
    assert "no kernels for compute capability 3.5" in check.text
    assert "sm_3x" in check.hint


def test_a_card_that_nvml_sees_and_torch_does_not() -> None:
    check = gpu(torch=replace(TORCH, devices=(), trouble="it is hidden"))
    assert (check.level, check.facts["torch"]) == (Level.PROBLEM, None)
    assert "torch does not see it: it is hidden" in check.text


def test_a_card_that_torch_sees_and_nvml_does_not() -> None:
    assert "NVML does not see it" in gpu(replace(DRIVER, nvml_devices=())).text


def test_trouble_with_a_card_that_is_not_to_be_used_is_no_problem() -> None:
    assert gpu(torch=replace(TORCH, devices=()), chosen=("cpu",)).level is Level.WARNING


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (replace(DRIVER, cuda=(12, 4)), "CUDA 12.4 at most"),
        (replace(DRIVER, version="575.1"), "upgraded"),
        (replace(DRIVER, module_version="", version=""), "no driver is loaded"),
        (replace(DRIVER, nodes={"/dev/nvidia-uvm": "No such file or directory"}), "/dev/nvidia-uvm"),
    ],
    ids=["too old", "upgraded under us", "none", "closed"],
)
def test_what_can_be_wrong_with_the_driver(driver: DriverFacts, said: str) -> None:
    check = judge_driver(driver, TORCH, gpu_wanted=True)
    assert check.level is Level.PROBLEM
    assert said in f"{check.text} {check.hint}"
    assert judge_driver(driver, TORCH, gpu_wanted=False).level is Level.WARNING


def test_what_can_be_wrong_with_nvml() -> None:
    assert judge_nvml(replace(DRIVER, nvml_found=False), gpu_wanted=True).level is Level.PROBLEM
    check = judge_nvml(replace(DRIVER, nvml_trouble="GPU 0: it is lost.", nvml_hint="Look at it."), gpu_wanted=True)
    assert (check.level, check.text, check.hint) == (
        Level.PROBLEM,
        "GPU 0: it is lost; 1 in sight",
        "Look at it.",
    )
    assert judge_nvml(DriverFacts(), gpu_wanted=False).level is Level.OK


def test_a_device_of_the_list_that_is_missing_is_a_problem_although_others_go_on() -> None:
    cpu = CpuFacts("a processor", 4, GIB, 2 * GIB)
    assert judge_choice(["GPU-a"], cpu, "", "").level is Level.OK
    check = judge_choice(["GPU-a"], cpu, "There is no device GPU-b.", "")
    assert (check.level, check.hint) == (Level.PROBLEM, "Correct devices: in the configuration.")
    assert check.text.startswith("There is no device GPU-b; networks run on GPU-a")
    assert judge_choice(["GPU-a"], cpu, "GPU 1: it is lost.", "Look at it.").hint == "Look at it."


def test_torch_that_is_missing_or_cannot_use_the_gpu() -> None:
    assert judge_torch(TorchFacts(trouble="No module"), gpu_wanted=False).level is Level.PROBLEM
    assert judge_torch(TorchFacts("2.14.1+cpu"), gpu_wanted=True).level is Level.PROBLEM
    assert judge_torch(TorchFacts("2.14.1+cpu"), gpu_wanted=False).level is Level.OK


@pytest.mark.parametrize(
    ("folder", "level", "said"),
    [
        (OUTBOX, Level.OK, "9.0 GiB free of 99.0 GiB"),
        (replace(OUTBOX, trial=Trial(trouble="No space left on device", full=True)), Level.PROBLEM, "it is full"),
        (replace(OUTBOX, trial=Trial(trouble="Read-only file system")), Level.PROBLEM, "Read-only file system"),
        (replace(OUTBOX, trouble="No such file or directory"), Level.PROBLEM, "No such file"),
        (replace(OUTBOX, unmounted="/mnt/nas"), Level.PROBLEM, "/mnt/nas"),
        (replace(OUTBOX, free_bytes=GIB // 2), Level.WARNING, "512 MiB"),
        (replace(OUTBOX, free_inodes=3), Level.WARNING, "3 more files"),
        (replace(OUTBOX, trial=Trial(refused=("no_clobber", "mode"))), Level.WARNING, "without clobbering"),
        (replace(OUTBOX, trial=Trial(one_case=True)), Level.OK, "differ only in case"),
        (replace(OUTBOX, role="state", trial=Trial(refused=("mode",))), Level.OK, ""),
        (replace(OUTBOX, role="inbox", trial=None, tried=9, unreadable=2), Level.PROBLEM, "2 of 9"),
    ],
)
def test_folders(folder: FolderFacts, level: Level, said: str) -> None:
    check = judge_folder(folder)
    assert check.level is level
    assert said in check.text
    assert bool(check.hint) is (level is not Level.OK)


def test_mounts() -> None:
    share = replace(OUTBOX, local=False, fstype="nfs4", source="nas:/photos")
    assert judge_mounts([share], 5).text == "shares: nfs4 nas:/photos"
    assert judge_mounts([replace(share, unmounted="/mnt")], 5).level is Level.PROBLEM
    assert judge_mounts([], 0).level is Level.WARNING


def test_clocks() -> None:
    good = ClockFacts(now=2e9, built=1.9e9, synchronised=True)
    assert judge_clock(good).level is Level.OK
    assert judge_clock(replace(good, synchronised=None)).level is Level.OK
    assert judge_clock(replace(good, synchronised=False)).level is Level.WARNING
    assert judge_clock(replace(good, now=0.0)).level is Level.PROBLEM
    assert judge_clock(replace(good, now=9e9)).level is Level.WARNING


def test_inotify_limits() -> None:
    roomy = InotifyFacts(max_watches=100, max_instances=10, used_watches=60, folders=30, inboxes=1)
    assert judge_inotify(roomy, running=False).level is Level.OK
    tight = replace(roomy, folders=50)
    assert judge_inotify(tight, running=False).level is Level.WARNING
    assert judge_inotify(tight, running=True).level is Level.OK  # those in use are the service's own
    assert "max_user_watches=" in judge_inotify(tight, running=False).hint
    assert judge_inotify(replace(roomy, inboxes=11), running=True).level is Level.WARNING
    assert judge_inotify(replace(roomy, max_watches=None), running=False).level is Level.WARNING


def test_packages_and_extras() -> None:
    installed = InstalledFacts("3.12", "python", "1", {"numpy": "2", "torch": None}, {"heif": {"pillow-heif": None}})
    assert (judge_packages(installed).level, "torch" in judge_packages(installed).text) == (Level.PROBLEM, True)
    assert judge_packages(InstalledFacts("3.12", "python", "1")).level is Level.WARNING
    assert judge_extras(installed).level is Level.OK
    assert "heif not installed" in judge_extras(installed).text
    lacking = judge_extras(installed, waiting=3)
    assert lacking.level is Level.WARNING
    assert "3 files wait" in lacking.text


def test_another_user_s_permissions_mean_little() -> None:
    assert judge_user(UserFacts(0, "root", 990, 12)).level is Level.WARNING
    assert judge_user(UserFacts(990, "twofold", 990, 12)).level is Level.OK
    assert judge_user(UserFacts(990, "twofold", None, None)).level is Level.OK


def test_ledgers() -> None:
    good = LedgerFacts("x", there=True, version=3, known_version=3, journal="wal")
    assert judge_ledger(good).level is Level.OK
    assert judge_ledger(LedgerFacts("x", there=False)).level is Level.OK
    for bad in (replace(good, version=4), replace(good, damage="row 1"), replace(good, trouble="locked")):
        assert judge_ledger(bad).level is Level.PROBLEM
        assert judge_ledger(bad).hint
    for odd in (replace(good, checked=False), replace(good, journal="delete"), replace(good, wal_bytes=GIB)):
        assert judge_ledger(odd).level is Level.WARNING


def test_networks() -> None:
    reason = Reason(Code.MODEL_CHANGED, "other bytes", "put it back")
    assert judge_network(NetworkFacts("n@1", "ab")).level is Level.OK
    assert judge_network(NetworkFacts("n@1", used=True, reason=reason)).level is Level.PROBLEM
    assert judge_network(NetworkFacts("n@1", used=False, reason=reason)).level is Level.WARNING
    assert judge_network(NetworkFacts("n@1", used=True, measured=False, reason=reason)).level is Level.OK


def test_configurations() -> None:
    (check,) = judge_configuration("t.yaml", 2, [])
    assert (check.level, check.text) == (Level.OK, "t.yaml: 2 inboxes")
    assert judge_configuration(None, 0, [])[0].level is Level.WARNING
    checks = judge_configuration(None, 0, [MistakeFacts("t.yaml:3", "a"), MistakeFacts("t.yaml:4", "b", "Did you?")])
    assert [check.level for check in checks] == [Level.PROBLEM, Level.PROBLEM]
    assert checks[1].hint == "Did you?"
