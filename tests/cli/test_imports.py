"""Commands that people wait for load nothing heavy: that is most of their time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import environment, write_config

HEAVY = {
    *("torch", "numpy", "sqlalchemy", "dbos", "watchdog", "structlog", "PIL", "pyvips", "prometheus_client"),
    *("rich.live", "rich.progress", "twofold.config.schema"),
}
PROGRAM = """
import sys
from twofold.cli.main import main
sys.argv[0] = "twofold"
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules, sep="\\n", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command", [["--help"], ["status"], ["status", "--json"], ["jobs"], ["explain", "in/notes.txt"], ["config", "-h"]]
)
def test_quick_commands_import_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "in" / "notes.txt").write_text("x")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    # An ignored file is looked up in the whole configuration, which the schema reads.
    allowed = {"twofold.config.schema"} if command[0] == "explain" else set()
    loaded = set(run.stderr.split())
    assert "twofold.cli.main" in loaded
    assert loaded & HEAVY <= allowed
