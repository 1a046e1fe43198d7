"""Commands run as people run them: in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFIG = """\
state_dir: state
scratch_dir: scratch
devices: cpu
recipes:
  double: {scale: 2, models: [identity]}
inboxes:
  photos: {path: in, outbox: out, recipe: double, settle: 1s}
"""


def twofold(*arguments: str | bytes, cwd: Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run `twofold` with a terminal of no kind, and nothing of this machine's configuration."""
    return subprocess.run(
        [sys.executable, "-m", "twofold", *arguments],
        cwd=cwd,
        env=environment(cwd),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=timeout_s,
        check=False,
    )


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "COLUMNS": "200"}


def write_config(folder: Path, text: str = CONFIG) -> Path:
    """A configuration with one inbox that exists, in `folder`."""
    (folder / "in").mkdir(exist_ok=True)
    path = folder / "twofold.yaml"
    path.write_text(text, encoding="utf-8")
    return path
