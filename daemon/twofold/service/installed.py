"""Which packages this installation has, of those that it asks for."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys

from twofold import __version__
from twofold.core.checkup.machine import ClockFacts, InstalledFacts
from twofold.device.clock import clock_synchronised

NAME = re.compile(r"[A-Za-z0-9._-]+")
EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def read_installed() -> InstalledFacts:
    """From the metadata that pip left; importing any of it would tell no more, and takes seconds."""
    required: dict[str, str | None] = {}
    extras: dict[str, dict[str, str | None]] = {}
    for requirement in _requirements():
        name = NAME.match(requirement)
        if name is None:
            continue
        extra = EXTRA.search(requirement)
        packages = required if extra is None else extras.setdefault(extra[1], {})
        packages[name[0]] = _version(name[0])
    return InstalledFacts(platform.python_version(), sys.executable, __version__, required, extras)


def read_clock(now: float) -> ClockFacts:
    """`now` is Unix time; this program cannot be older than its newest file."""
    package = os.path.dirname(sys.modules["twofold"].__file__ or "")
    files = (os.path.join(folder, name) for folder, _, names in os.walk(package) for name in names)
    built = max((os.stat(path).st_mtime for path in files if path.endswith(".py")), default=0.0)
    return ClockFacts(now, built, clock_synchronised())


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires("twofold") or []
    except importlib.metadata.PackageNotFoundError:
        return []


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
