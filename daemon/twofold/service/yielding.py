"""Looks who else is on a device, where somebody is to be yielded to."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.holding import Yielded
from twofold.core.neighbours import Neighbours, yield_to
from twofold.core.protocols import NeighbourProbe
from twofold.core.settings import YieldAction, YieldSettings

log = structlog.get_logger()

HIDDEN = (
    "Names of other users' processes cannot be seen here: yield_to.processes does nothing about them. Under systemd "
    "set ProtectProc=default ('systemctl edit twofold'); in a container use yield_to.any_other."
)


@dataclass(slots=True)
class Lookout:
    """One device's; for one thread."""

    settings: YieldSettings
    probe: NeighbourProbe
    _before: frozenset[int] | None = None
    _told_hidden: bool = False

    @property
    def action(self) -> YieldAction:
        return self.settings.action

    def look(self, before: Yielded | None, own: Collection[int]) -> Yielded | None:
        """To whom the device is left now, `before` being the answer of the last look.

        None: it is ours, and has been for `come_back_after`. `own` are the process ids of our worker here.
        """
        seen = self.probe.read()
        neighbour = yield_to(self.settings.rule, seen, own=own, before=self._before)
        self._tell_hidden(seen, own)
        if not own and not seen.trouble:
            self._before = seen.pids
        now_s = time.monotonic()
        if neighbour is not None:
            reason = Reason(Code.YIELDED, neighbour.why, Code.YIELDED.hint)
            return Yielded(reason, time.time() if before is None else before.since, now_s)
        if before is not None and now_s - before.seen_s < self.settings.come_back_after_s:
            return before
        return None

    def _tell_hidden(self, seen: Neighbours, own: Collection[int]) -> None:
        """Names that cannot be seen are never yielded to: the owner would wait for it in vain."""
        hidden = [one.pid for one in seen.processes if one.name is None and one.pid not in own]
        if hidden and self.settings.rule.names and not self._told_hidden:
            self._told_hidden = True
            log.warning("neighbours.hidden", processes=len(hidden), hint=HIDDEN)
