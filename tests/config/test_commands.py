"""`config check`, `config init` and `config schema` as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from twofold.config.example import example_yaml

RUN = """
import sys
from twofold.cli.config import app
from twofold.core.errors import TwofoldError
try:
    app(prog_name="twofold config")
except TwofoldError as error:
    sys.exit(f"{error.code.value}: {error}")
"""


def twofold_config(home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=home,
        env={"HOME": os.fspath(home), "PATH": "", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_init_then_check(tmp_path: Path) -> None:
    assert twofold_config(tmp_path, "init").stdout == example_yaml()
    assert twofold_config(tmp_path, "init", "twofold.yaml").returncode == 0
    result = twofold_config(tmp_path, "check")
    assert result.returncode == 0
    assert result.stdout.startswith(f"ok: {tmp_path}/twofold.yaml\n")
    assert "inboxes    photos" in result.stdout
    assert "warning: inboxes.photos.path: /srv/photos/in is not there yet." in result.stderr


def test_init_keeps_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("devices: cpu\n")
    refused = twofold_config(tmp_path, "init", "mine.yaml")
    assert refused.returncode != 0
    assert "mine.yaml is there already" in refused.stderr
    assert file.read_text() == "devices: cpu\n"
    assert twofold_config(tmp_path, "init", "mine.yaml", "--force").returncode == 0
    assert file.read_text() == example_yaml()


def test_check_reports_all_mistakes(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("devces: cpu\nrecipes:\n  quad:\n    scale: 0.5\n")
    result = twofold_config(tmp_path, "check", "-c", "c.yaml", TWOFOLD__IDLE_EXIT="soon")
    assert result.returncode == 78
    assert result.stderr.splitlines() == [
        f"{tmp_path}/c.yaml:1: devces: There is no such key. Did you mean 'devices'?",
        f"{tmp_path}/c.yaml:4: recipes.quad.scale: Must be larger than 1 (got 0.5).",
        "$TWOFOLD__IDLE_EXIT: idle_exit: Must be a duration such as 60s, 15min or 3h (got soon).",
        "3 mistakes",
    ]


def test_check_as_json(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("devices: cpu\nstate_dir: state\n")
    answer = json.loads(twofold_config(tmp_path, "check", "--json", TWOFOLD_CONFIG="c.yaml").stdout)
    assert answer == {
        "schema": 1,
        "ok": True,
        "mistakes": [],
        "warnings": ["There is no inbox, so nothing is watched."],
        "source": f"{tmp_path}/c.yaml",
        "state_dir": f"{tmp_path}/state",
        "devices": ["cpu"],
        "recipes": ["default"],
        "inboxes": [],
    }
    (tmp_path / "c.yaml").write_text("idle_exit: -1\n")
    wrong = twofold_config(tmp_path, "check", "--json", "-c", "c.yaml")
    assert wrong.returncode == 78
    (mistake,) = json.loads(wrong.stdout)["mistakes"]
    assert (mistake["code"], mistake["line"], mistake["key"]) == ("bad_config", 1, "idle_exit")


def test_check_without_a_file(tmp_path: Path) -> None:
    result = twofold_config(tmp_path, "check")
    if not os.path.exists("/etc/twofold/twofold.yaml"):
        assert result.returncode == 78
        assert "No configuration was found" in result.stderr


def test_schema(tmp_path: Path) -> None:
    answer = json.loads(twofold_config(tmp_path, "schema").stdout)
    assert answer["additionalProperties"] is False
    assert answer["properties"]["idle_exit"]["default"] == "60s"


def test_neither_help_nor_the_state_dir_imports_pydantic(tmp_path: Path) -> None:
    code = (
        "import sys, twofold.cli.config, twofold.config.loader as loader\n"
        "from twofold.config.locations import Surroundings\n"
        "loader.find_state_dir(None, Surroundings({'TWOFOLD__DEVICES': 'cpu'}, 1, '/h', '/h'))\n"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, timeout=60).returncode == 0
