"""Metrics that cannot be served or written cost a warning each, and nothing else."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from structlog.testing import capture_logs

from tests.jobs.samples import Standing, enqueue, new_job
from twofold.core.settings import MetricsSettings
from twofold.core.states import State
from twofold.service.exporter import Exporter
from twofold.service.pulse import Pulse

LONG_ENOUGH_S = 20


def exporter(state: Standing, settings: MetricsSettings) -> Exporter:
    return Exporter(
        settings, state.ledger, state.path, scans=lambda: {"photos": (0, 0.0)}, workers=lambda: {"cpu": (0, 0)}
    )


def look_once(one: Exporter) -> None:
    """A run that is stopped before its second look."""
    stop = threading.Event()
    looking = threading.Thread(target=one.run, args=(stop, Pulse("test", 60, time.monotonic)))
    looking.start()
    deadline_s = time.monotonic() + LONG_ENOUGH_S
    while not list(one.collect()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    stop.set()
    looking.join(LONG_ENOUGH_S)
    assert not looking.is_alive()


def test_trouble_is_told_once_and_each_time_it_is_another(state: Standing, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "twofold.prom"
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logs:
        port = taken.getsockname()[1]
        one = exporter(state, MetricsSettings(("127.0.0.1", port), str(missing)))
        look_once(one)
        one.close()
        told = [(log["log_level"], log["event"], log["where"]) for log in logs]
        assert told == [
            ("warning", "metrics.withheld", f"127.0.0.1:{port}"),
            ("warning", "metrics.withheld", str(missing)),
        ]
        missing.parent.mkdir()
        one.close()
        assert "twofold_build_info" in missing.read_text()
        missing.unlink()
        missing.mkdir()
        one.close()
    assert [path.name for path in missing.parent.iterdir()] == ["twofold.prom"]  # no temporary file is left
    assert len(logs) == 3


def test_a_host_name_that_is_none_is_trouble_too(state: Standing) -> None:
    with capture_logs() as logs:
        one = exporter(state, MetricsSettings(("not..a.host", 1)))
        look_once(one)
    assert [log["event"] for log in logs] == ["metrics.withheld"]


def test_what_ends_before_the_last_look_is_counted(state: Standing, tmp_path: Path) -> None:
    textfile = tmp_path / "twofold.prom"
    before = new_job(b"before.jpg")
    state.ledger.conclude(enqueue(state, before), State.FAILED, None, time.time())
    one = exporter(state, MetricsSettings(textfile=str(textfile)))
    state.ledger.conclude(enqueue(state, new_job(b"a.jpg")), State.FAILED, None, time.time())
    one.close()
    one.close()
    assert 'twofold_jobs_total{inbox="photos",state="failed"} 1.0' in textfile.read_text()
