"""One look at one root: scan, settle, decide. What comes of the decisions is the ledger's matter."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twofold.core.ignore import IgnoreRules
from twofold.core.job import FileVersion
from twofold.core.reconcile import Decision, Known, differences, reconcile
from twofold.core.settle import SettleTracker, Verdict, same_stat
from twofold.intake.original import has_holes, is_open_for_writing, open_original, version_of
from twofold.intake.scan import RootSeen, ScanResult, scan


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one look at a root brought: the scan, the decisions, and the verdict on every file that is not settled."""

    found: ScanResult
    decisions: list[Decision] = field(default_factory=list)
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)


def sweep(
    root: bytes,
    rules: IgnoreRules,
    tracker: SettleTracker,
    known: Mapping[bytes, Known],
    *,
    previous: RootSeen | None,
    clock: Callable[[], float],
) -> Sweep:
    """Scan `root` and draw the decisions for the ledger, which knows `known`. An offline root brings none.

    `tracker` and `previous` (the `found.seen` of the last sweep) belong to this root. `clock` is monotonic, in seconds.
    """
    found = scan(root, rules, previous)
    if found.offline is not None:
        return Sweep(found)
    differing = differences(found.entries, known)
    tracker.keep_only(differing)
    verdicts = {
        path: _judge(root, path, found.entries[path], tracker, clock, partial_sibling=path in found.unfinished)
        for path in differing
    }
    settled = {path for path, verdict in verdicts.items() if verdict is Verdict.SETTLED}
    decisions = reconcile(found.entries, known, differing, settled, trusted=found.trusted)
    waiting = {path: verdict for path, verdict in verdicts.items() if path not in settled}
    return Sweep(found, decisions, waiting)


def _judge(
    root: bytes,
    path: bytes,
    version: FileVersion,
    tracker: SettleTracker,
    clock: Callable[[], float],
    *,
    partial_sibling: bool,
) -> Verdict:
    verdict = tracker.observe(path, version, clock(), partial_sibling=partial_sibling)
    if verdict is not Verdict.STILL:
        return verdict
    try:
        with open_original(root, path) as fd:
            # NFS answers a stat from its cache for up to a minute; one after an open comes from the server.
            fresh = version_of(os.fstat(fd))
            if not same_stat(fresh, version):
                return tracker.observe(path, fresh, clock())
            writer, holes = is_open_for_writing(fd), has_holes(fd, fresh.size)
    except OSError as error:
        # A file that may not be opened will not get better by waiting: reading it gives the reason.
        if error.errno in (errno.EACCES, errno.EPERM):
            return Verdict.SETTLED
        return Verdict.STILL
    return tracker.confirm(path, clock(), open_for_writing=writer, has_holes=holes)
