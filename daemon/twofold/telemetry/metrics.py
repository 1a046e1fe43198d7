"""Every metric (docs/metrics.md is generated from here), and how figures become samples of it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from twofold.core.job import Job
from twofold.core.states import InboxState, State
from twofold.telemetry.totals import Totals

Kind = Literal["gauge", "counter", "histogram", "summary"]
Labels = tuple[str, ...]


class Spec(NamedTuple):
    """What one metric means. A label's values are words of the configuration or of this program, never file names."""

    kind: Kind
    meaning: str
    labels: Labels = ()


METRICS: dict[str, Spec] = {
    "twofold_build_info": Spec("gauge", "1; the labels say what runs.", ("version", "python")),
    "twofold_collected_timestamp_seconds": Spec(
        "gauge", "When these figures were read from the ledger (seconds since the epoch)."
    ),
    # files
    "twofold_files": Spec("gauge", "Files that stand in each state, newest versions only.", ("inbox", "state")),
    "twofold_oldest_file_seconds": Spec(
        "gauge", "How long ago the oldest file that is waiting or queued was first seen; 0 without any.", ("state",)
    ),
    "twofold_queue_files": Spec("gauge", "Files still to be done."),
    "twofold_queue_pixels": Spec("gauge", "Result pixels of the passes still to be run, as far as they are planned."),
    "twofold_queue_result_bytes": Spec("gauge", "About how many bytes the results to come will take."),
    "twofold_queue_seconds": Spec("gauge", "About how long the queue will take; absent while no speed is known."),
    # inboxes
    "twofold_inbox_state": Spec(
        "gauge", "1 for the state in which an inbox stands, 0 for the others.", ("inbox", "state")
    ),
    "twofold_scan_seconds": Spec("summary", "Scans of an inbox, and the seconds that they took.", ("inbox",)),
    # jobs
    "twofold_jobs_total": Spec("counter", "Jobs that got this final state.", ("inbox", "state")),
    "twofold_stage_seconds": Spec("histogram", "How long each stage of a delivered job took.", ("stage",)),
    "twofold_source_pixels_total": Spec("counter", "Pixels of the sources of delivered jobs.", ("inbox",)),
    "twofold_result_pixels_total": Spec("counter", "Pixels of delivered results.", ("inbox",)),
    "twofold_written_bytes_total": Spec("counter", "Bytes of delivered results.", ("inbox",)),
    # devices
    "twofold_device_total_bytes": Spec("gauge", "Memory of a device.", ("device",)),
    "twofold_device_free_bytes": Spec("gauge", "Memory of a device that nobody uses.", ("device",)),
    "twofold_device_planned_bytes": Spec("gauge", "What the pass in work was planned to take.", ("device",)),
    "twofold_device_busy_seconds_total": Spec(
        "counter", "How long a device ran the passes of jobs that were then delivered.", ("device",)
    ),
    "twofold_device_starved_seconds_total": Spec(
        "counter", "How long a device waited, with such jobs in hand, until one was ready for it.", ("device",)
    ),
    "twofold_oom_steps_total": Spec(
        "counter", "How often a pass ran out of device memory and stepped down, in jobs that have ended.", ("device",)
    ),
    "twofold_device_waiting_seconds": Spec(
        "gauge", "How long nothing has run on a device although there is work (0 while it runs).", ("device",)
    ),
    # workers
    "twofold_workers": Spec("gauge", "Worker processes that live (0 or 1).", ("device",)),
    "twofold_worker_starts_total": Spec("counter", "Workers that were started.", ("device",)),
    "twofold_worker_deaths_total": Spec("counter", "Workers that ended as they should not.", ("device",)),
}

ENDED = (State.DONE, State.SKIPPED, State.FAILED, State.CANCELLED, State.VANISHED)


@dataclass(frozen=True, slots=True)
class Standing:
    """Figures of one moment.

    `status` is the object of `status --json`; `running` are the jobs in that state; `oldest_s` are ages by state;
    `scans` (count, seconds) by inbox; `workers` (starts, deaths) by device; `now` seconds since the epoch.
    """

    version: str
    now: float
    status: Mapping[str, Any]
    running: Sequence[Job]
    oldest_s: Mapping[str, float]
    scans: Mapping[str, tuple[int, float]]
    workers: Mapping[str, tuple[int, int]]


def families(standing: Standing, totals: Totals) -> list[Metric]:
    """One family for each entry of METRICS, in its order."""
    values: dict[str, dict[Labels, float]] = {name: {} for name in METRICS}
    for name, labels, value in (*_gauges(standing), *_devices(standing, totals), *_counters(standing, totals)):
        values[name][labels] = value
    return [_family(name, spec, values[name], standing, totals) for name, spec in METRICS.items()]


Value = tuple[str, Labels, float]


def _gauges(standing: Standing) -> Iterator[Value]:
    queue = standing.status["queue"]
    yield "twofold_build_info", (standing.version, platform.python_version()), 1
    yield "twofold_collected_timestamp_seconds", (), standing.now
    for inbox in standing.status["inboxes"]:
        for state in State:
            yield "twofold_files", (inbox["name"], state.value), inbox["counts"].get(state.value, 0)
        for inbox_state in InboxState:
            yield "twofold_inbox_state", (inbox["name"], inbox_state.value), inbox["state"] == inbox_state
    for state in (State.WAITING, State.QUEUED):
        yield "twofold_oldest_file_seconds", (state.value,), standing.oldest_s.get(state.value, 0.0)
    yield "twofold_queue_files", (), queue["files"]
    yield "twofold_queue_pixels", (), queue["pixels"]
    yield "twofold_queue_result_bytes", (), queue["out_bytes"]
    if queue["eta_s"] is not None:
        yield "twofold_queue_seconds", (), queue["eta_s"]


def _devices(standing: Standing, totals: Totals) -> Iterator[Value]:
    planned_bytes = _planned_bytes(standing.running)
    for device in standing.status["devices"]:
        name = device["id"]
        yield "twofold_device_total_bytes", (name,), device["total_bytes"]
        yield "twofold_device_free_bytes", (name,), device["free_bytes"]
        yield "twofold_device_planned_bytes", (name,), planned_bytes.get(name, 0)
        yield "twofold_workers", (name,), device["worker"] is not None
        yield "twofold_device_busy_seconds_total", (name,), totals.busy_s.get(name, 0.0)
        yield "twofold_device_starved_seconds_total", (name,), totals.starved_s.get(name, 0.0)
        yield "twofold_oom_steps_total", (name,), totals.oom_steps[name]
        yield "twofold_device_waiting_seconds", (name,), _waiting_s(device["waiting"], standing.now)
        starts, deaths = standing.workers.get(name, (0, 0))
        yield "twofold_worker_starts_total", (name,), starts
        yield "twofold_worker_deaths_total", (name,), deaths


def _waiting_s(waiting: Mapping[str, Any] | None, now: float) -> float:
    return 0.0 if waiting is None else max(0.0, now - datetime.fromisoformat(waiting["since"]).timestamp())


def _counters(standing: Standing, totals: Totals) -> Iterator[Value]:
    for name in standing.scans:  # every configured inbox, also before it is scanned: rates start from zero
        for state in ENDED:
            yield "twofold_jobs_total", (name, state.value), totals.jobs[name, state.value]
        yield "twofold_source_pixels_total", (name,), totals.source_px[name]
        yield "twofold_result_pixels_total", (name,), totals.result_px[name]
        yield "twofold_written_bytes_total", (name,), totals.written_bytes[name]


def _planned_bytes(running: Sequence[Job]) -> dict[str, int]:
    """By device: passes take turns, so the largest of the plans in force is what may be taken."""
    planned: dict[str, int] = {}
    for job in running:
        for picture in job.pictures:
            for plan in picture.plans[picture.passes_done : len(picture.chain.passes)]:
                device = plan.get("device", "")
                planned[device] = max(planned.get(device, 0), plan.get("need_bytes", 0))
    return planned


def _family(name: str, spec: Spec, values: Mapping[Labels, float], standing: Standing, totals: Totals) -> Metric:
    if spec.kind == "histogram":
        histogram = HistogramMetricFamily(name, spec.meaning, labels=spec.labels)
        for stage, seconds in totals.stages.items():
            histogram.add_metric((stage,), seconds.cumulative(), seconds.sum_s)
        return histogram
    if spec.kind == "summary":
        summary = SummaryMetricFamily(name, spec.meaning, labels=spec.labels)
        for inbox, (scans, seconds_s) in standing.scans.items():
            summary.add_metric((inbox,), scans, seconds_s)
        return summary
    single = (CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily)(
        name, spec.meaning, labels=spec.labels
    )
    for labels, value in values.items():
        single.add_metric(labels, value)
    return single


def markdown() -> str:
    """The text of docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "<!-- Written by `python -m twofold.telemetry.metrics > docs/metrics.md`; edit the source, not this page. -->",
        "",
        "What Prometheus is told where `metrics.listen` or `metrics.textfile` is set; [operating.md](operating.md) has",
        "the how. No label ever holds a file's name. Counters start at zero with the service.",
        "Histograms have the samples `_bucket`, `_sum` and `_count`, summaries `_sum` and `_count`.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for name, spec in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in spec.labels)
        lines.append(f"| `{name}` | {spec.kind} | {labels} | {spec.meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
