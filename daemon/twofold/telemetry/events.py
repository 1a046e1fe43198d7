"""Every event that the log can hold (docs/events.md is generated from here, and a test compares it with the code)."""

from __future__ import annotations

import sys
from typing import Literal, NamedTuple

Level = Literal["debug", "info", "warning", "error"]


class Event(NamedTuple):
    """What one line of the log means; `keys` are those that it always or usually carries."""

    level: Level
    meaning: str
    keys: tuple[str, ...] = ()


JOB = ("job", "inbox", "path")
REASON = ("code", "text", "hint")
PLAN = (
    *("tile", "halo", "alignment", "tiles", "batch", "dtype", "device", "seconds", "why", "oom_steps"),
    *("need_bytes", "budget_bytes", "free_bytes", "reserved_bytes", "allocated_bytes", "keep_free_bytes"),
    *("bytes_per_px", "margin", "cost_origin"),
)

EVENTS: dict[str, Event] = {
    # service
    "config.loaded": Event("info", "The configuration was read and is valid.", ("source", "inboxes", "recipes")),
    "service.started": Event("info", "The service watches its inboxes.", ("version", "inboxes", "state_dir")),
    "service.recovered": Event("info", "Jobs that were running when the last service ended go on.", ("jobs",)),
    "service.stumbled": Event("error", "A part of the service failed, and is started again.", ("thread", "exception")),
    "service.stopped": Event(
        "info", "Everything has stopped; where `why` is reloading, it starts anew at once.", ("why", "seconds")
    ),
    "config.reloaded": Event(
        "info",
        "The configuration was read again; what has changed holds from now on.",
        ("source", "inboxes", "changed"),
    ),
    "config.refused": Event(
        "error", "One mistake in a configuration that was read again; the one before holds.", REASON
    ),
    "watchdog.withheld": Event(
        "error", "These parts make no progress: the service manager is not told that all is well.", ("parts",)
    ),
    "watchdog.resumed": Event("info", "These parts make progress again.", ("parts",)),
    # inboxes
    "inbox.scanned": Event("debug", "A scan of an inbox ended.", ("inbox", "files", "ignored", "seconds")),
    "inbox.touched": Event(
        "warning", "Many finished files changed attributes only, and stay done.", ("inbox", "files")
    ),
    "inbox.lost": Event(
        "warning", "An inbox cannot be listed; its files are not taken for deleted.", ("inbox", "code", "text")
    ),
    "inbox.recovered": Event("info", "An inbox that was offline can be listed again.", ("inbox",)),
    "watcher.started": Event("debug", "File system events of an inbox are listened to (again).", ("inbox",)),
    "backlog.held": Event(
        "warning",
        "What lies in a newly watched inbox waits for a person's word; the figures are from a sample.",
        ("inbox", "files", "nbytes", "sampled", "pixels", "seconds", "out_bytes", "hint"),
    ),
    "recipe.changed": Event(
        "info",
        "An inbox has another recipe than before: for its unread files, and for those made again (on_recipe_change).",
        ("inbox", "recipe", "unread", "again"),
    ),
    "pause.ended": Event("info", "The time of a pause is over; an empty name means all inboxes.", ("inbox",)),
    # files
    "file.observed": Event("debug", "A file was seen for the first time, or has changed.", (*JOB, "size")),
    "file.spooled": Event("debug", "A file was complete, and was copied and hashed.", (*JOB, "sha256", "seconds")),
    # jobs
    "job.queued": Event("info", "A job waits for a worker.", (*JOB, "recipe", "output", "models", "why")),
    "job.postponed": Event("warning", "A file lacks something, and goes on by itself when it can.", (*JOB, *REASON)),
    "job.retried": Event("warning", "A job met passing trouble; it is tried again.", (*JOB, "code", "text", "next_at")),
    "job.assigned": Event(
        "info",
        "A worker passed a job on to another device, which is done with it sooner, or on which alone it fits.",
        (*JOB, "device", "seconds", "instead_s"),
    ),
    "job.delivered": Event(
        "info",
        "The canonical line of a finished job: its result is in the outbox.",
        (
            *JOB,
            *("output", "size", "out_size", "pages", "passes", "tile", "batch", "device", "seconds"),
            *("source_sha256", "output_sha256", "warnings", "best_effort"),
        ),
    ),
    "job.skipped": Event("info", "The canonical line of a job that had nothing to do.", (*JOB, *REASON)),
    "job.failed": Event(
        "error", "The canonical line of a job that somebody has to look at.", (*JOB, *REASON, "attempts")
    ),
    "job.cancelled": Event("info", "The canonical line of a job that somebody cancelled.", (*JOB, *REASON)),
    "job.vanished": Event("info", "The canonical line of a file that was removed before it was read.", JOB),
    # what follows an end
    "original.archived": Event("info", "An original was moved into the archive.", (*JOB, "archive", "name")),
    "original.deleted": Event("info", "An original was deleted; its result stands.", JOB),
    "original.restored": Event(
        "warning", "An original that a kill had left under a hidden name has its own name again.", JOB
    ),
    "file.copied": Event("info", "A skipped picture was copied into the outbox as it is.", (*JOB, "output")),
    "companion.copied": Event("info", "A sidecar was put beside a result.", (*JOB, "output")),
    "note.written": Event("info", "A failure note was written beside the results.", (*JOB, "note")),
    "note.removed": Event("info", "A failure note was removed: the file does not stand as failed any more.", ("note",)),
    "hook.completed": Event("info", "A hook ended well.", ("hook", "job", "seconds")),
    "hook.failed": Event(
        "warning",
        "A hook could not be started, ended with an error, or took too long.",
        ("hook", "job", "status", "seconds", "text", "output"),
    ),
    "aftercare.refused": Event(
        "warning", "Something that was to follow an end is not done, for good.", (*JOB, "what", *REASON)
    ),
    "aftercare.postponed": Event(
        "warning",
        "Something that was to follow an end has to wait; told once for all files of an inbox that wait so.",
        (*JOB, "what", *REASON),
    ),
    # passes
    "picture.waiting": Event(
        "info", "A picture waits for main memory that pictures in hand were promised.", ("job", "ram_bytes", "beside")
    ),
    "pass.planned": Event(
        "info",
        "How a pass will run, with every number and the reason.",
        ("job", "pass", "passes", "model", "resumed_band", *PLAN),
    ),
    "pass.replanned": Event(
        "info",
        "A pass goes on by another plan: memory got short or ran out (`oom_steps`), or became free.",
        ("job", "pass", *PLAN),
    ),
    "pass.waiting": Event(
        "warning", "A pass waits for memory that others took; after a while its worker leaves.", ("job", "pass", "text")
    ),
    "page.completed": Event(
        "info",
        "A page or frame of a file of several is finished, and kept until all are.",
        ("job", "page", "pages", "name", "out_size"),
    ),
    "page.copied": Event(
        "warning",
        "Pages of an archive cannot be enlarged, and stay as they are: one with its reason, or how many of those that "
        "the first look found.",
        ("job", "inbox", "path", "page", "pages", "text"),
    ),
    "pass.completed": Event("debug", "A pass ended.", ("job", "pass", "seconds", "px_per_s")),
    # workers
    "worker.started": Event("info", "A worker process was started for a device.", ("device", "pid", "alone")),
    "worker.exited": Event("info", "A worker ended as it should.", ("device", "pid", "status")),
    "worker.died": Event(
        "warning", "A worker ended as it should not; its jobs go on.", ("device", "pid", "status", "jobs")
    ),
    "worker.left": Event(
        "warning",
        "A worker left because not even the smallest tile fits; another one comes when `need_bytes` more are free.",
        ("device", "pid", "status", *REASON, "need_bytes"),
    ),
    "worker.frozen": Event("error", "A worker gave no sign of life for too long, and was killed.", ("device", "pid")),
    "device.yielded": Event("info", "A device is left to another program (yield_to).", ("device", "action", "text")),
    "device.regained": Event("info", "That program is gone for long enough; work goes on.", ("device", "seconds")),
    "neighbours.hidden": Event(
        "warning", "Programs use a device whose names cannot be seen: yield_to cannot mean them.", ("processes", "hint")
    ),
    "worker.faulted": Event("error", "A worker met an error of its device, and ends at once.", (*REASON, "exception")),
    "device.excluded": Event(
        "error", "A device is lost, or failed too often; other devices take up its jobs.", ("device", *REASON)
    ),
    "device.readmitted": Event("info", "A device that was excluded is used again.", ("device", "seconds")),
    "device.lost": Event("error", "No configured device can be used; jobs stay queued.", ("text", "hint")),
    "device.missed": Event(
        "error", "Some of the configured devices cannot be used; the others go on.", ("text", "hint")
    ),
    "device.failed": Event(
        "error", "A device does not answer; no worker is started on it until it does.", ("device", "text", "hint")
    ),
    "device.taken": Event(
        "warning", "Another Twofold is using a device; it is waited for.", ("device", "text", "hint")
    ),
    "device.recovered": Event("info", "A device that had failed answers again.", ("device",)),
    "nvml.replaced": Event(
        "warning", "NVML does not tell the memory of a worker's device; CUDA is asked.", ("device", "text", "hint")
    ),
    "network.loaded": Event("info", "A worker loaded a network.", ("model", "device", "seconds")),
    # metrics
    "metrics.served": Event("info", "Prometheus can ask for metrics at this address.", ("address",)),
    "metrics.withheld": Event(
        "warning", "Metrics cannot be served or written there; it is tried again.", ("where", "text")
    ),
    # libraries
    "library.warned": Event("warning", "A library that Twofold uses warned of something.", ("logger", "text")),
    "library.failed": Event("error", "A library that Twofold uses reported an error.", ("logger", "text")),
}


def markdown() -> str:
    """The text of docs/events.md."""
    lines = [
        "# Events of the log",
        "",
        "<!-- Written by `python -m twofold.telemetry.events > docs/events.md`; edit the source, not this page. -->",
        "",
        "Each line of the log has `time`, `level` and `event`; the event's name never changes once released.",
        "Under systemd, and wherever the log is not a terminal, a line is one JSON object.",
        "Keys that hold file names are printable text; where that differs from the name, `<key>_b64` holds its bytes.",
        "Units stand in the keys: `_s` seconds, `_bytes`, `_px`; sizes are [width, height]; times are UTC.",
        "",
        "| event | level | meaning | keys |",
        "|---|---|---|---|",
    ]
    for name, event in EVENTS.items():
        keys = ", ".join(f"`{key}`" for key in event.keys)
        lines.append(f"| `{name}` | {event.level} | {event.meaning} | {keys} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
