"""How commands end when something is wrong: a code, a sentence, a hint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.process import CONFIG, environment, twofold, write_config
from twofold.cli.exits import ExitCode, exit_code
from twofold.cli.main import app
from twofold.core.codes import Code


def test_the_exit_codes_are_those_that_scripts_rely_on() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "UNEXPECTED": 1,
        "USAGE": 2,
        "FILES_FAILED": 3,
        "ALREADY_RUNNING": 4,
        "NO_DEVICE": 69,
        "BAD_CONFIG": 78,
        "INTERRUPTED": 130,
    }


def test_every_code_has_an_exit() -> None:
    assert {exit_code(code) for code in Code} == {
        ExitCode.UNEXPECTED,
        ExitCode.USAGE,
        ExitCode.ALREADY_RUNNING,
        ExitCode.NO_DEVICE,
        ExitCode.BAD_CONFIG,
    }


@pytest.mark.parametrize("command", ["run", "once", "retry --all", "config check"])
def test_a_wrong_configuration_ends_every_command_with_78_and_its_line(command: str, tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG.replace("scale: 2", "scale: huge"))
    ended = twofold(*command.split(), cwd=tmp_path)
    assert ended.returncode == 78
    assert "twofold.yaml:5" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_no_configuration_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    ended = twofold("once", cwd=tmp_path)
    assert ended.returncode == 78
    assert str(tmp_path / "twofold.yaml") in ended.stderr
    assert "config init" in ended.stderr


@pytest.mark.parametrize(
    "line",
    [
        "no-such-command",
        "plan",
        "plan x.jpg --recipe double --scale 2",
        "plan x.jpg --recipe nope",
        "plan --inbox nope",
        "plan x.jpg --free much",
        "upscale x.jpg --scale 1",
        "upscale x.jpg --scale large",
        "retry",
        "retry abc --all",
        "jobs --state nope",
    ],
)
def test_wrong_usage_ends_with_2(line: str, tmp_path: Path) -> None:
    command, *rest = line.split()
    ended = CliRunner().invoke(app, [command, "-c", str(write_config(tmp_path)), *rest])
    assert ended.exit_code == 2, ended.output
    assert "Usage: " in ended.stderr


def test_a_file_that_nobody_knows_ends_with_2(tmp_path: Path) -> None:
    write_config(tmp_path)
    ended = twofold("explain", "/nowhere/at/all.jpg", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: /nowhere/at/all.jpg is no job")
    assert "\nhint: " in ended.stderr


def test_a_worker_alone_needs_postgresql(tmp_path: Path) -> None:
    write_config(tmp_path)
    ended = twofold("worker", cwd=tmp_path)
    assert ended.returncode == 78
    assert "(needs_postgresql)" in ended.stderr
    assert "\nhint: " in ended.stderr


def test_a_reader_that_had_enough_gets_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m twofold config init | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    assert ended.stdout == "1\n"


@pytest.mark.parametrize(
    "command", ["", "run", "once", "upscale", "plan", "status", "jobs", "explain", "retry", "doctor", "calibrate"]
)
def test_help_of_every_command_gives_examples(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="twofold")
    assert shown.exit_code == 0
    assert f"twofold {command}".strip() in shown.output
    assert "Example" in shown.output or "Start here" in shown.output
