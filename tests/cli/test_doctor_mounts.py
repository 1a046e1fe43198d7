"""`doctor` where the outbox cannot take a result: on mounts of the test's own, in a mount namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import environment, write_config
from tests.cli.test_doctor import by_name

CONFIG = """\
state_dir: state
devices: cpu
recipes:
  double: {scale: 2, models: [identity]}
inboxes:
  shut: {path: in, outbox: readonly}
  full: {path: in2, outbox: full}
"""
MOUNTS = """
mount -t tmpfs -o size=1m tmpfs full
dd if=/dev/zero of=full/filler bs=4k 2>/dev/null
mount -t tmpfs -o ro tmpfs readonly
exec "$@"
"""


@pytest.mark.root
def test_outboxes_that_are_full_or_read_only(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG)
    for name in ("in2", "full", "readonly"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", MOUNTS, "sh", sys.executable, "-m", "twofold", "doctor", "--json"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, (done.stdout, done.stderr)
    checks = by_name(json.loads(done.stdout))
    assert {name for name, check in checks.items() if check["level"] == "problem"} == {"outbox.full", "outbox.shut"}
    assert "it is full" in checks["outbox.full"]["text"]
    assert "Read-only file system" in checks["outbox.shut"]["text"]
    assert checks["outbox.full"]["facts"]["fstype"] == "tmpfs"
