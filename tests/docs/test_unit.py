"""The systemd unit and what comes with it, as shipped."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.source import ROOT

SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "twofold.service"
PROGRAM = "/opt/twofold/.venv/bin/twofold"
MAX_EXPOSURE = 15
"""Tenths of a point: `systemd-analyze security` calls 1.5 and less OK."""

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: systemd)"
)


def analyze(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["systemd-analyze", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def runnable(folder: Path, *drop_ins: str) -> str:
    """A copy of the unit whose command exists, with these drop-ins; its path."""
    copy = folder / "twofold.service"
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, sys.executable), encoding="utf-8")
    (folder / "twofold.service.d").mkdir()
    for name in drop_ins:
        shutil.copy(SYSTEMD / "twofold.service.d" / name, folder / "twofold.service.d")
    return str(copy)


@needs_analyze
@pytest.mark.parametrize("drop_ins", [[], ["nas.conf"]], ids=["alone", "with a NAS"])
def test_the_unit_is_valid(tmp_path: Path, drop_ins: list[str]) -> None:
    assert analyze("verify", runnable(tmp_path, *drop_ins)) == (0, "")


@needs_analyze
def test_the_unit_is_hardened(tmp_path: Path) -> None:
    status, said = analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", runnable(tmp_path, "nas.conf"))
    assert status == 0, said


def test_the_unit_does_not_start_again_what_a_restart_cannot_mend() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    wanted = {
        "Type=notify",
        "Restart=on-failure",
        "RestartPreventExitStatus=2 4 78",
        "ExecReload=/bin/kill -HUP $MAINPID",
    }
    assert wanted <= set(lines)
    # These break CUDA or PyTorch.
    assert [line for line in lines if re.match("MemoryDenyWriteExecute|PrivateDevices|ProcSubset=pid", line)] == []


def test_the_budgets_rest_on_the_interval_of_the_unit() -> None:
    from twofold.core.pulse import DEFAULT_INTERVAL_S

    assert f"\nWatchdogSec={DEFAULT_INTERVAL_S:.0f}s\n" in UNIT.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [UNIT, *sorted(SYSTEMD.glob("twofold.service.d/*.conf"))], ids=lambda path: path.name)
def test_every_setting_says_why(path: Path) -> None:
    before = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            assert before.startswith("#"), f"no comment above {line}"
        before = line


def test_the_service_is_installed_and_taken_away_without_root(tmp_path: Path) -> None:
    def make(target: str) -> str:
        command = ["make", "-s", target, f"DESTDIR={tmp_path}", "PREFIX=/usr", "APP=/srv/program"]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    said = make("install-service")
    for wanted in ("systemd-sysusers", "config init", "ReadWritePaths", "enable --now"):
        assert wanted in said
    installed = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert installed == [
        "usr/lib/systemd/system/twofold.service",
        "usr/lib/sysusers.d/twofold.conf",
        "usr/lib/tmpfiles.d/twofold.conf",
        "usr/share/doc/twofold/twofold.service.d/nas.conf",
        "usr/share/doc/twofold/twofold.service.d/notify-reload.conf",
    ]
    unit = (tmp_path / installed[0]).read_text(encoding="utf-8")
    assert "ExecStart=/srv/program/.venv/bin/twofold run" in unit
    assert "/opt/twofold" not in unit

    assert "/var/lib/twofold" in make("uninstall-service")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
