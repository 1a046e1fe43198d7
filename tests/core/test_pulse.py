"""Who is late, who is away, and that a frozen worker is killed before the manager loses patience."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twofold.core.pulse import Pace, Standing, absent, late


def test_late_is_who_took_longer_than_its_budget() -> None:
    parts = [Standing("quick", 10, 100.0), Standing("slow", 10, 80.0), Standing("patient", 60, 80.0)]
    assert late(parts, 100.0) == ("slow",)
    assert late(parts, 110.0) == ("slow",)
    assert late(parts, 110.1) == ("quick", "slow")
    assert late(parts, 110.1, grace_s=5) == ("slow",)


def test_who_is_away_is_never_late_and_is_told_of_after_a_while() -> None:
    parts = [Standing("inbox nas", 10, 0.0, away_s=50.0), Standing("admission", 10, 0.0)]
    assert late(parts, 1000.0) == ("admission",)
    assert absent(parts, 110.0, over_s=60) == {}
    assert absent(parts, 200.0, over_s=60) == {"inbox nas": 150.0}


@given(st.floats(1, 3600))
def test_a_frozen_worker_is_killed_before_the_managers_patience_ends(interval_s: float) -> None:
    pace = Pace(interval_s)
    last_feeding_s = pace.worker_budget_s - pace.feed_every_s  # the earliest that the last one can have been
    looked_s = 2 * pace.look_every_s  # when the kill comes, at worst
    assert pace.worker_budget_s + pace.grace_s + looked_s < last_feeding_s + interval_s
    assert pace.look_every_s < pace.feed_every_s
