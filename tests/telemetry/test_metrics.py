"""Figures become samples that Prometheus reads, and no file's name is ever among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.jobs.samples import NOW, new_job, picture
from twofold.core.job import Job, Output
from twofold.core.states import State
from twofold.telemetry.metrics import METRICS, Standing, families
from twofold.telemetry.totals import BUCKETS_S, STAGES, Histogram, Totals

GPU = "GPU-5ec5"
PLAN = {"tile": [96, 96], "batch": 2, "device": GPU, "need_bytes": 700, "oom_steps": 0}
SECONDS = {"decode": 0.2, "starved": 0.5, "passes": 3.0, "finish": 0.0, "encode": 1.0, "verify": 0.4, "deliver": 0.01}
STATUS: dict[str, Any] = {
    "inboxes": [{"name": "photos", "state": "offline", "counts": {"queued": 3, "done": 7}}],
    "devices": [{"id": GPU, "total_bytes": 1000, "free_bytes": 600, "worker": {"pid": 1}, "waiting": None}],
    "queue": {"files": 3, "pixels": 4800, "eta_s": None, "out_bytes": 99},
}


def delivered(name: bytes = b"a.jpg", **changes: Any) -> Job:
    done = replace(picture(), passes_done=2, plans=(PLAN, PLAN | {"oom_steps": 3}))
    output = Output(name, "cc" * 32, 5000, 1)
    job = replace(new_job(name), state=State.DONE, pictures=(done,), output=output, seconds=SECONDS)
    return replace(job, **changes)


def scraped(totals: Totals, *, running: tuple[Job, ...] = (), status: dict[str, Any] = STATUS) -> tuple[str, Any]:
    """The text that is served, and a look-up of its values by sample name and label values."""
    standing = Standing("1.2", NOW, status, running, {"queued": 60.0}, {"photos": (4, 0.5)}, {GPU: (3, 1)})
    found = families(standing, totals)

    class Fixed:
        def collect(self) -> Iterable[Metric]:
            return found

    registry = CollectorRegistry()
    registry.register(Fixed())
    text = generate_latest(registry).decode()
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return text, values


def test_every_metric_is_there_before_anything_happened() -> None:
    text, values = scraped(Totals())
    assert [name for name in METRICS if f"\n# TYPE {name} " not in "\n" + text] == []
    without = {name[0].removesuffix("_sum") for name in values}
    assert set(METRICS) - without == {"twofold_queue_seconds"}  # no speed is known
    assert values["twofold_jobs_total", "photos", "failed"] == 0
    assert values["twofold_stage_seconds_count", "passes"] == 0


def test_what_ended_is_added_up() -> None:
    totals = Totals()
    totals.add(delivered())
    totals.add(delivered(b"b.jpg", seconds={"decode": 0.3}, pictures=(picture(),)))  # copied: no pass has run
    totals.add(replace(delivered(b"c.jpg"), state=State.FAILED, output=None))
    _text, values = scraped(totals)
    assert (values["twofold_jobs_total", "photos", "done"], values["twofold_jobs_total", "photos", "failed"]) == (2, 1)
    assert values["twofold_source_pixels_total", "photos"] == 2 * 40 * 30
    assert values["twofold_result_pixels_total", "photos"] == 2 * 160 * 120
    assert values["twofold_written_bytes_total", "photos"] == 10_000
    assert values["twofold_device_busy_seconds_total", GPU] == 3
    assert values["twofold_device_starved_seconds_total", GPU] == 0.5
    assert values["twofold_oom_steps_total", GPU] == 6  # the failed one ran out of memory as well
    assert values["twofold_stage_seconds_count", "decode"] == 2
    assert values["twofold_stage_seconds_sum", "decode"] == pytest.approx(0.5)
    assert values["twofold_stage_seconds_count", "passes"] == 1


def test_figures_of_the_moment() -> None:
    running = replace(new_job(), state=State.RUNNING, pictures=(replace(picture(), plans=(PLAN,)),))
    _text, values = scraped(Totals(), running=(running,))
    assert values["twofold_files", "photos", "queued"] == 3
    assert values["twofold_files", "photos", "held"] == 0
    assert (values["twofold_inbox_state", "photos", "offline"], values["twofold_inbox_state", "photos", "ok"]) == (1, 0)
    assert (values["twofold_oldest_file_seconds", "queued"], values["twofold_oldest_file_seconds", "waiting"]) == (
        60,
        0,
    )
    assert values["twofold_device_planned_bytes", GPU] == 700
    assert values["twofold_workers", GPU] == 1
    assert (values["twofold_worker_starts_total", GPU], values["twofold_worker_deaths_total", GPU]) == (3, 1)
    assert (values["twofold_scan_seconds_count", "photos"], values["twofold_scan_seconds_sum", "photos"]) == (4, 0.5)
    saved = replace(running, pictures=(replace(picture(), passes_done=2, plans=(PLAN, PLAN)),))
    assert scraped(Totals(), running=(saved,))[1]["twofold_device_planned_bytes", GPU] == 0
    known = STATUS | {"queue": STATUS["queue"] | {"eta_s": 90}}
    assert scraped(Totals(), status=known)[1]["twofold_queue_seconds",] == 90


def test_no_name_reaches_a_label_and_files_add_no_series() -> None:
    few, many = Totals(), Totals()
    few.add(delivered(b"secret-0.jpg"))
    for number in range(200):
        many.add(delivered(b"secret-%d.jpg" % number))
        many.add(replace(delivered(b"secret-%d.png" % number), state=State.CANCELLED))
    running = (replace(new_job(b"secret.jpg"), state=State.RUNNING, pictures=(picture(),)),)
    (_, before), (text, after) = scraped(few), scraped(many, running=running)
    assert "secret" not in text
    assert before.keys() == after.keys()


def test_labels_hold_words_of_the_configuration_and_of_the_program_only() -> None:
    """A label more is a decision: its values have to be few, whatever the files are."""
    labels = {label for spec in METRICS.values() for label in spec.labels}
    assert labels == {"version", "python", "inbox", "state", "stage", "device"}


def test_a_histogram_counts_each_duration_in_its_bucket() -> None:
    histogram = Histogram()
    for seconds in (0.0, BUCKETS_S[0], BUCKETS_S[0] * 1.01, 1e9):
        histogram.observe(seconds)
    cumulative = histogram.cumulative()
    assert cumulative[:2] == [(str(BUCKETS_S[0]), 2), (str(BUCKETS_S[1]), 3)]
    assert cumulative[-2:] == [(str(BUCKETS_S[-1]), 3), ("+Inf", 4)]


def test_the_stages_are_those_that_a_delivery_records() -> None:
    assert set(STAGES) == SECONDS.keys() - {"starved"}
