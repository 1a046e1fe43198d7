"""`doctor` as people run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import CONFIG, environment, write_config
from tests.device.stub import answering, compiled
from twofold.cli.doctor import exit_of
from twofold.cli.exits import ExitCode
from twofold.core.checkup.check import Check, Level

GIB = 2**30


def by_name(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert shown["schema"] == 1
    for check in shown["checks"]:
        assert set(check) == {"name", "level", "text", "hint", "facts"}
        assert check["level"] in ("ok", "warning", "problem")
        assert check["hint"] or check["level"] == "ok", check
    return {check["name"]: check for check in shown["checks"]}


def with_stub(folder: Path, **state: int) -> subprocess.CompletedProcess[str]:
    library = folder / "nvml"
    library.mkdir()
    command = [sys.executable, "-m", "twofold", "doctor", "--json"]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(folder) | answering(compiled(library), **state),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_good_machine_and_configuration(tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "out").mkdir()
    before = sorted(path for path in tmp_path.rglob("*"))
    done = with_stub(tmp_path, total=8 * GIB, free=4 * GIB)
    assert done.returncode == 0, done.stdout
    shown = json.loads(done.stdout)
    checks = by_name(shown)
    assert shown["ok"] is True
    assert {name.partition(".")[0] for name in checks} >= {
        *("python", "packages", "extras", "user", "configuration", "inbox", "outbox", "state", "scratch", "mounts"),
        *("inotify", "clock", "codecs", "sandbox", "database", "network", "torch", "driver", "nvml", "devices"),
    }
    assert checks["network.identity@1"]["facts"]["used"] is True
    assert checks["outbox.photos"]["facts"]["trial"]["refused"] == []
    assert checks["devices"]["facts"]["chosen"] == ["cpu"]
    assert checks["codecs"]["facts"] == dict.fromkeys(("avif", "jpeg", "jxl", "png", "tiff", "webp"), "")
    # A card that NVML sees and torch does not; the configuration says devices: cpu.
    assert (checks["device.GPU-0"]["level"], checks["device.GPU-0"]["facts"]["torch"]) == ("warning", None)
    assert "torch does not see it" in checks["device.GPU-0"]["text"]
    assert sorted(path for path in tmp_path.rglob("*") if "nvml" not in path.parts) == before


def test_mistakes_come_first_and_the_rest_is_looked_at_all_the_same(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG.replace("scale: 2", "scale: huge").replace("devices: cpu", "devices: auto"))
    done = with_stub(tmp_path, total=8 * GIB, free=4 * GIB, major=3, minor=5, cuda=12040, driver=550)
    assert done.returncode == 78, done.stdout
    shown = json.loads(done.stdout)
    checks = by_name(shown)
    assert shown["ok"] is False
    assert "twofold.yaml:5" in checks["configuration"]["text"]
    assert checks["state"]["facts"]["path"] == str(tmp_path / "state")
    # An old card under an old driver, by the real torch of this environment and a library of ours.
    assert "no kernels for compute capability 3.5" in checks["device.GPU-0"]["text"]
    assert checks["driver"]["level"] == "problem"
    assert "CUDA 12.4 at most" in checks["driver"]["text"]


@pytest.mark.slow
def test_a_card_that_torch_cannot_use_ends_with_69(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG.replace("devices: cpu", "devices: auto"))
    (tmp_path / "out").mkdir()
    done = with_stub(tmp_path, total=8 * GIB, free=4 * GIB, cuda=13000)
    assert done.returncode == 69, done.stdout
    checks = by_name(json.loads(done.stdout))
    assert checks["devices"]["facts"]["chosen"] == ["GPU-0"]
    device = checks["device.GPU-0"]
    assert (device["level"], device["facts"]["torch"]) == ("problem", None)
    assert device["facts"]["nvml"]["free_bytes"] == 4 * GIB


def test_the_gravest_area_decides_the_exit() -> None:
    def found(*names: str, level: Level = Level.PROBLEM) -> list[Check]:
        return [Check("clock", Level.OK, ""), *(Check(name, level, "") for name in names)]

    assert exit_of(found()) is ExitCode.OK
    assert exit_of(found("torch", "outbox.a", level=Level.WARNING)) is ExitCode.OK
    assert exit_of(found("outbox.a")) is ExitCode.UNEXPECTED
    assert exit_of(found("outbox.a", "network.x@1")) is ExitCode.NO_DEVICE
    assert exit_of(found("device.GPU-0", "configuration")) is ExitCode.BAD_CONFIG
