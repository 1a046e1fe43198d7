"""Metrics of a real service, asked for as Prometheus does."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service, parsed
from twofold.telemetry.metrics import METRICS

CONFIG = """\
metrics: {listen: "LISTEN", textfile: textfile/twofold.prom}
recipes:
  main: {scale: 4, models: [identity]}
inboxes:
  photos: {path: in, outbox: out, recipe: main, settle: 0.2s}
"""
DONE_TIMEOUT_S = 60
ASK_TIMEOUT_S = 5
FILES = 3

Values = dict[tuple[str, ...], float]


def test_a_scrape_tells_what_became_of_every_file_and_names_none(service: Callable[[str], Service]) -> None:
    one = service(CONFIG.replace("LISTEN", ":0"))
    inbox, textfile = one.folder("in"), one.folder("textfile") / "twofold.prom"
    one.folder("out")
    for number in range(FILES):
        drop(inbox, f"secret {number}.png", photo("png", 40 + number, 30, number))
    drop(inbox, "secret letter.png", b"Dear Sir or Madam,\n")
    one.start()
    one.wait_for(lambda: one.events("metrics.served"), DONE_TIMEOUT_S)
    (served,) = one.events("metrics.served")
    assert served["address"].startswith("127.0.0.1:")

    one.wait_for(lambda: _done(_ask(served["address"])) == FILES, DONE_TIMEOUT_S)
    text = _ask(served["address"])
    assert "secret" not in text
    values = _values(text)
    assert {name for name in METRICS if f"\n# TYPE {name} " not in "\n" + text} == set()
    assert values["twofold_jobs_total", "photos", "failed"] == 1
    assert values["twofold_files", "photos", "done"] == FILES
    assert values["twofold_source_pixels_total", "photos"] == sum((40 + number) * 30 for number in range(FILES))
    assert values["twofold_result_pixels_total", "photos"] == 16 * values["twofold_source_pixels_total", "photos"]
    assert values["twofold_written_bytes_total", "photos"] == _bytes_in(one.home / "out")
    assert all(values["twofold_stage_seconds_count", stage] == FILES for stage in ("decode", "passes", "verify"))
    assert 0 < values["twofold_device_starved_seconds_total", "cpu"] < DONE_TIMEOUT_S
    assert 0 < values["twofold_device_free_bytes", "cpu"] <= values["twofold_device_total_bytes", "cpu"]
    assert values["twofold_worker_starts_total", "cpu"] == 1
    assert values["twofold_scan_seconds_count", "photos"] >= 2
    assert one.stop() == 0
    _assert_refused(served["address"])
    assert _done(textfile.read_text()) == FILES
    assert [path.name for path in textfile.parent.iterdir()] == ["twofold.prom"]

    # A run of `once` beside somebody who has the address: a warning, pictures all the same, and the file at the end.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        one.configure(CONFIG.replace("LISTEN", address))
        drop(inbox, "secret again.png", photo("png", 20, 30, 9))
        once = one.command("once", "--verbose")
    assert once.returncode == 3, once.stderr  # the letter is still there
    withheld = [event for event in parsed(once.stderr) if event["event"] == "metrics.withheld"]
    assert [event["where"] for event in withheld] == [address]
    assert one.states()["secret again.png"] == ("done", None)
    # Counters began anew with the process.
    assert _done(textfile.read_text()) == 1


def _ask(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=ASK_TIMEOUT_S) as answer:
        return str(answer.read().decode())


def _assert_refused(address: str) -> None:
    host, port = address.split(":")
    with socket.socket() as channel:
        assert channel.connect_ex((host, int(port))) != 0


def _values(text: str) -> Values:
    """Every sample of an exposition by its name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _done(text: str) -> float:
    return _values(text)["twofold_jobs_total", "photos", "done"]


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
