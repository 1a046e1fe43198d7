"""Shares that should be mounted: what /etc/fstab names above a folder, with nothing mounted there now."""

from __future__ import annotations

import os

from twofold.intake.mounts import Mount, unescape

FSTAB = "/etc/fstab"


def read_fstab(path: str = FSTAB) -> tuple[str, ...]:
    """The mount points that it names, without those of `noauto`; none where there is no such file."""
    try:
        with open(path, "rb") as file:
            lines = [line.split() for line in file if not line.lstrip().startswith(b"#")]
    except OSError:
        return ()
    wanted = (fields for fields in lines if len(fields) >= 4 and b"noauto" not in fields[3].split(b","))
    return tuple(unescape(fields[1]) for fields in wanted if fields[1].startswith(b"/"))


def unmounted_above(folder: bytes, points: tuple[str, ...], mounts: tuple[Mount, ...]) -> str:
    """The deepest of `points` that `folder` lies in and that is no mount now; empty where there is none."""
    path = os.fsdecode(folder)
    mounted = {mount.point for mount in mounts}
    above = [point for point in points if point != "/" and (path == point or path.startswith(point.rstrip("/") + "/"))]
    missing = [point for point in above if point.rstrip("/") not in mounted]
    return max(missing, key=len, default="")
