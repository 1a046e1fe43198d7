"""Where the configuration is looked for, and what its paths mean."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

FILE_NAME = "twofold.yaml"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the process was started with; nothing in `config` asks the system for it. Paths are absolute."""

    environ: Mapping[str, str]
    uid: int
    home: str
    cwd: str


def candidates(surroundings: Surroundings) -> tuple[str, ...]:
    """The files that are tried where neither -c nor $TWOFOLD_CONFIG names one; the first that exists is used."""
    return (
        os.path.join(surroundings.cwd, FILE_NAME),
        os.path.join(surroundings.home, ".config", "twofold", FILE_NAME),
        os.path.join("/etc/twofold", FILE_NAME),
    )


def named_file(option: str | None, surroundings: Surroundings) -> str | None:
    """The file that -c or, without it, $TWOFOLD_CONFIG names, made absolute."""
    named = option or surroundings.environ.get("TWOFOLD_CONFIG")
    return absolute(named, surroundings.cwd, surroundings.home) if named else None


def absolute(path: str, folder: str, home: str) -> str:
    """`path` with `~` expanded, relative to `folder`. `..` stays: behind a symlink it is not what it looks like."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    joined = os.path.join(folder, path)
    return joined if ".." in joined.split("/") else os.path.normpath(joined)


def state_dir(configured: str | None, folder: str, surroundings: Surroundings) -> str:
    """The state directory; None stands for auto: $STATE_DIRECTORY, root's, or the user's."""
    if configured is not None:
        return absolute(configured, folder, surroundings.home)
    # systemd separates several directories by colons; the first one is the unit's own.
    given = surroundings.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if os.path.isabs(given):
        return os.path.normpath(given)
    if surroundings.uid == 0:
        return "/var/lib/twofold"
    # The XDG specification says that a relative path is to be ignored.
    xdg = surroundings.environ.get("XDG_STATE_HOME", "")
    parent = xdg if os.path.isabs(xdg) else os.path.join(surroundings.home, ".local", "state")
    return os.path.join(parent, "twofold")
