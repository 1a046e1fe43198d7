"""What the owner's hooks are told, and what is recorded and logged of their runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from twofold.core.aftercare import HookName, argv_of, hook_after
from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import Job
from twofold.core.settings import Hooks, InboxSettings
from twofold.jobs import read
from twofold.service.hooks import HookResult, run_hook
from twofold.telemetry.names import json_fields

log = structlog.get_logger()


def tell_of_job(
    job: Job, inbox: InboxSettings, hooks: Hooks, database: str, stop: threading.Event
) -> dict[str, Any] | None:
    """Run the hook of an end; its outcome for the ledger, or None where the service stopped before its end."""
    name = hook_after(job.state)
    payload = {
        "schema": read.JSON_SCHEMA,
        "hook": name,
        **read.find(database, job.id.encode())[0],
        **json_fields("input_path", os.path.join(inbox.path, job.path)),
        "output_path": None,
    }
    if job.output is not None:
        payload |= json_fields("output_path", os.path.join(inbox.outbox, job.output.path))
    result = _run(name, hooks, payload, stop, job.id)
    if result is None:
        return None
    outcome: dict[str, Any] = {
        "result": "failed" if result.trouble else "ran",
        "hook": name,
        "status": result.status,
        "seconds": result.seconds,
    }
    if result.trouble:
        outcome["reason"] = Reason(Code.HOOK_FAILED, result.trouble, Code.HOOK_FAILED.hint).to_json()
    return outcome


def tell_of_idle(ended: Mapping[str, int], since: float, hooks: Hooks, stop: threading.Event) -> bool:
    """Run the hook of an idle service; False where the service stopped before its end.

    `ended` counts the files that ended by state, from `since` (seconds since the epoch) on.
    """
    when = datetime.fromtimestamp(int(since), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    payload = {"schema": read.JSON_SCHEMA, "hook": "on_idle", "counts": dict(ended), "since": when}
    return _run("on_idle", hooks, payload, stop, None) is not None


def _run(
    name: HookName | None, hooks: Hooks, payload: Mapping[str, Any], stop: threading.Event, job_id: str | None
) -> HookResult | None:
    result = run_hook(str(name), argv_of(name, hooks), payload, timeout_s=hooks.timeout_s, stop=stop)
    if result is None:
        return None
    facts = {"hook": name, "job": job_id, "status": result.status, "seconds": result.seconds}
    if result.trouble:
        log.warning("hook.failed", **facts, text=result.trouble, output=result.output)
    else:
        log.info("hook.completed", **facts)
    return result
