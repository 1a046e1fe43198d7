"""Who a device is left to, from one look to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from twofold.core.neighbours import Neighbour, Neighbours, YieldRule
from twofold.core.settings import YieldSettings
from twofold.service.yielding import Lookout


@dataclass
class Seen:
    now: Neighbours = field(default_factory=Neighbours)

    def read(self) -> Neighbours:
        return self.now


def test_a_device_stays_left_until_they_have_been_gone_for_long_enough() -> None:
    probe = Seen(Neighbours((Neighbour(7, "Blender"),)))
    patient = Lookout(YieldSettings(YieldRule(frozenset({"blender"})), come_back_after_s=3600), probe)
    hasty = Lookout(YieldSettings(YieldRule(frozenset({"blender"})), come_back_after_s=0), probe)
    left = patient.look(None, ())
    assert left is not None
    assert "Blender (7)" in left.reason.text
    probe.now = Neighbours()
    assert patient.look(left, ()) is left
    assert hasty.look(left, ()) is None
    probe.now = Neighbours((Neighbour(8, "blender"),))
    again = patient.look(left, ())
    assert again is not None
    assert again.since == left.since


def test_our_own_worker_is_nobody_to_yield_to_although_its_number_is_foreign() -> None:
    probe = Seen(Neighbours((Neighbour(50, used_bytes=10),), foreign_pids=True))
    one = Lookout(YieldSettings(YieldRule(used_bytes=1000)), probe)
    assert one.look(None, ()) is None
    probe.now = Neighbours((Neighbour(50, used_bytes=10), Neighbour(60, used_bytes=5000)), foreign_pids=True)
    assert one.look(None, {4}) is None
    probe.now = Neighbours((*probe.now.processes, Neighbour(70, used_bytes=7000)), foreign_pids=True)
    assert one.look(None, {4}) is not None


def test_hidden_names_are_told_once_and_only_where_names_are_meant() -> None:
    probe = Seen(Neighbours((Neighbour(7), Neighbour(8, "known"))))
    with structlog.testing.capture_logs() as logs:
        for rule in (YieldRule(used_bytes=5), YieldRule(frozenset({"blender"}))):
            one = Lookout(YieldSettings(rule), probe)
            one.look(None, ())
            one.look(None, ())
    assert [(entry["event"], entry["processes"]) for entry in logs] == [("neighbours.hidden", 1)]
