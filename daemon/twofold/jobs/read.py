"""`status`, `jobs` and `explain` from the ledger: standard library only, since they answer in under half a second."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.states import InboxState, State
from twofold.jobs.migrations import SCHEMA_VERSION, refuse_newer
from twofold.jobs.read_only import open_read_only, schema_version

JSON_SCHEMA: Final = 1
# SQLite reads a name out of a recipe several times faster than json does.
_JOB: Final = (
    "id, inbox, path, state, reason, json_extract(recipe, '$.name') AS recipe_name, pictures, attempts, next_at,"
    " output_path, sha256, created, finished, priority, dismissed, after"
)
_INBOXES: Final = """
    SELECT inbox.*, backlog.forecast,
        max(CASE WHEN pause.until IS NULL THEN 9e99 ELSE pause.until END) AS last, pause.inbox IS NOT NULL AS paused,
        pause.until AS paused_until
    FROM inbox
    LEFT JOIN backlog ON backlog.inbox = inbox.name
    LEFT JOIN pause ON pause.inbox IN ('', inbox.name) AND (pause.until IS NULL OR pause.until > :now)
    GROUP BY inbox.name ORDER BY inbox.name
"""
# SQLite takes the other columns of a group from the row that gave max(): the pause that lasts longest.
LAST_DONE: Final = 200
_UNFINISHED: Final = (State.WAITING, State.QUEUED, State.RUNNING, State.RETRYING)


def status_json(path: str) -> dict[str, Any]:
    """The object of `status --json`; empty lists where there is no ledger yet. Pauses that are over do not count."""
    empty_queue = {"files": 0, "pixels": 0, "eta_s": 0, "out_bytes": 0}
    connection = _open(path)
    if connection is None:
        return {"schema": JSON_SCHEMA, "inboxes": [], "devices": [], "queue": empty_queue}
    with closing(connection):
        return {
            "schema": JSON_SCHEMA,
            "inboxes": _inboxes(connection, time.time()),
            "devices": _devices(connection),
            "queue": _queue(connection),
        }


def jobs_json(path: str, state: State | None = None, *, limit: int = -1) -> dict[str, Any]:
    """The object of `jobs --json`: the newest version of every file, in work first, then the latest.

    At most `limit` of them, where it is not negative.
    """
    connection = _open(path)
    if connection is None:
        return {"schema": JSON_SCHEMA, "jobs": []}
    chosen = "" if state is None else "AND state = ?"
    with closing(connection):
        rows = connection.execute(
            f"SELECT {_JOB} FROM file WHERE current = 1 {chosen}"  # noqa: S608 - a constant of our own
            " ORDER BY finished IS NULL DESC, finished DESC, created LIMIT ?",
            (limit,) if state is None else (state.value, limit),
        )
        return {"schema": JSON_SCHEMA, "jobs": [_job(row) for row in rows]}


def find(path: str, name: bytes) -> list[dict[str, Any]]:
    """The jobs that `name` may mean, as in `jobs --json`: a job id, an absolute path of a source or a result, or a path
    relative to its inbox. Older versions of a file come after the newest.
    """
    connection = _open(path)
    if connection is None:
        return []
    with closing(connection):
        found: list[sqlite3.Row] = list(
            connection.execute(f"SELECT {_JOB} FROM file WHERE id = ?", (name.decode("utf-8", "replace"),))  # noqa: S608
        )
        for inbox, relative, column in _places(connection, name):
            condition = f"{column} = ?" if inbox is None else f"{column} = ? AND inbox = ?"
            found += connection.execute(
                f"SELECT {_JOB} FROM file WHERE {condition} ORDER BY current DESC, created DESC",  # noqa: S608 - our own names
                (relative,) if inbox is None else (relative, inbox),
            )
    return [_job(row) for row in {row["id"]: row for row in found}.values()]


def speeds(path: str) -> dict[tuple[str, str], float]:
    """Source pixels per second by (network, device), as passes and `calibrate` measured them; none where none were.

    Raises TwofoldError(STATE_NEWER | STATE_DAMAGED).
    """
    connection = _open(path)
    if connection is None:
        return {}
    with closing(connection):
        rows = connection.execute("SELECT network, device, px_per_s FROM speed").fetchall()
    return {(network, device): px_per_s for network, device, px_per_s in rows}


def _places(connection: sqlite3.Connection, name: bytes) -> list[tuple[str | None, bytes, str]]:
    """Where to look for a path: inbox (None: any), path relative to it or to its outbox, and the column of that."""
    if not os.path.isabs(name):
        return [(None, name, "path")]
    places: list[tuple[str | None, bytes, str]] = []
    for row in connection.execute("SELECT name, path, outbox FROM inbox"):
        for root, column in ((row["path"], "path"), (row["outbox"], "output_path")):
            prefix = root.rstrip(b"/") + b"/"
            if name.startswith(prefix):
                places.append((row["name"], name[len(prefix) :], column))
    # Outside of inboxes a job's path is absolute.
    return [*places, (None, name, "path")]


def _open(path: str) -> sqlite3.Connection | None:
    """None where there is no ledger yet. Raises TwofoldError(STATE_NEWER | STATE_OLDER | STATE_DAMAGED)."""
    if not os.path.exists(path):
        return None
    try:
        connection = open_read_only(path)
        version = schema_version(connection)
    except sqlite3.DatabaseError as error:
        raise TwofoldError(Code.STATE_DAMAGED, f"the ledger cannot be read: {error}") from error
    if version == SCHEMA_VERSION:
        return connection
    connection.close()
    refuse_newer(version)
    if version:
        text = f"the ledger has schema version {version}, this Twofold knows {SCHEMA_VERSION}"
        raise TwofoldError(Code.STATE_OLDER, text)
    return None


def _inboxes(connection: sqlite3.Connection, now: float) -> list[dict[str, Any]]:
    counts: dict[str, dict[str, int]] = {}
    dismissed: dict[str, int] = {}
    for inbox, state, number, noted in connection.execute(
        "SELECT inbox, state, count(*), sum(dismissed) FROM file WHERE current = 1 GROUP BY inbox, state"
    ):
        # What somebody dismissed is no trouble any more.
        dismissed[inbox] = dismissed.get(inbox, 0) + noted
        if number > noted:
            counts.setdefault(inbox, {})[state] = number - noted
    return [
        {
            "name": row["name"],
            **_standing(row, counts.get(row["name"], {}), now),
            "mode": row["mode"],
            "scan_every_s": row["scan_every_s"],
            "counts": counts.get(row["name"], {}),
            "dismissed": dismissed.get(row["name"], 0),
            "ignored": json.loads(row["ignored"]),
        }
        for row in connection.execute(_INBOXES, {"now": now})
    ]


def _standing(row: sqlite3.Row, counts: dict[str, int], now: float) -> dict[str, Any]:
    """State and reason of an inbox: what a person ordered counts before what the last scan found, but for offline."""
    reason = None if row["reason"] is None else json.loads(row["reason"])
    held = counts.get(State.HELD.value, 0)
    facts = {
        "state": row["state"],
        "reason": reason,
        "paused_until": None,
        "held": {"files": held, "forecast": None if row["forecast"] is None else json.loads(row["forecast"])}
        if held
        else None,
    }
    if row["state"] == InboxState.OFFLINE.value:
        return facts
    if row["paused"]:
        code, state = Code.INBOX_PAUSED, InboxState.PAUSED
        facts["paused_until"] = _time(row["paused_until"])
    elif held:
        code, state = Code.HELD_BACKLOG, InboxState.HELD
    else:
        return facts
    return facts | {"state": state.value, "reason": {"code": code.value, "text": code.meaning, "hint": code.hint}}


def _devices(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    return [
        {
            "id": row["id"],
            "name": row["name"],
            "total_bytes": row["total_bytes"],
            "free_bytes": row["free_bytes"],
            "worker": None if row["worker"] is None else json.loads(row["worker"]),
            "waiting": _waiting(row["waiting"]),
        }
        for row in connection.execute("SELECT * FROM device ORDER BY id")
    ]


def _waiting(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    waiting: dict[str, Any] = json.loads(text)
    return waiting | {"since": _time(waiting["since"])}


def _queue(connection: sqlite3.Connection) -> dict[str, Any]:
    """What is still to come. A backlog that was not read yet counts like the pictures that were: per byte of source."""
    states = [state.value for state in _UNFINISHED]
    marks = ", ".join("?" * len(states))
    files, nbytes = connection.execute(
        f"SELECT count(*), coalesce(sum(CASE WHEN pictures = '[]' THEN size END), 0) FROM file"  # noqa: S608 - marks
        f" WHERE state IN ({marks})",
        states,
    ).fetchone()
    rows = connection.execute(
        f"SELECT size, pictures FROM file WHERE state IN ({marks}) AND pictures != '[]'",  # noqa: S608 - question marks
        states,
    )
    # No more than the look-ahead allows; a backlog has no pictures yet.
    planned = [(size, json.loads(text)) for size, text in rows]
    speeds = dict(connection.execute("SELECT network, max(px_per_s) FROM speed GROUP BY network").fetchall())
    pixels, seconds = _to_do(planned, speeds, left=True)
    out_bytes = sum(_scaled_bytes(size, pictures) for size, pictures in planned)
    if nbytes:
        like = planned or _last_done(connection)
        like_bytes = sum(size for size, _ in like)
        like_pixels, like_seconds = _to_do(like, speeds, left=False)
        if like_bytes:
            share = nbytes / like_bytes
            pixels += round(like_pixels * share)
            out_bytes += round(sum(_scaled_bytes(size, pictures) for size, pictures in like) * share)
            seconds = None if seconds is None or like_seconds is None else seconds + like_seconds * share
        else:
            seconds = None
    return {
        "files": files,
        "pixels": pixels,
        "eta_s": None if seconds is None else round(seconds),
        "out_bytes": out_bytes,
    }


def _last_done(connection: sqlite3.Connection) -> list[tuple[int, list[dict[str, Any]]]]:
    """The pictures delivered last, which those to come may resemble."""
    rows = connection.execute(
        "SELECT size, pictures FROM file WHERE state = ? AND pictures != '[]' ORDER BY finished DESC LIMIT ?",
        (State.DONE.value, LAST_DONE),
    )
    return [(size, json.loads(text)) for size, text in rows]


def _to_do(
    planned: Sequence[tuple[int, list[dict[str, Any]]]], speeds: dict[str, float], *, left: bool
) -> tuple[int, float | None]:
    """Pixels and seconds of all passes, or of those `left`; no seconds where a network's speed is not known yet."""
    steps = [
        step
        for _, pictures in planned
        for picture in pictures
        for step in picture["chain"]["passes"][picture["passes_done"] if left else 0 :]
    ]
    pixels = sum(_pixels(step["result"]) for step in steps)
    if not all(step["model"] in speeds for step in steps):
        return pixels, None
    return pixels, sum(_pixels(step["source"]) / speeds[step["model"]] for step in steps)


def _scaled_bytes(size: int, pictures: Sequence[dict[str, Any]]) -> int:
    before = sum(_pixels(picture["chain"]["source"]) for picture in pictures)
    after = sum(_pixels(picture["chain"]["final"]) for picture in pictures)
    return size * after // max(before, 1)


def _pixels(size: Sequence[int]) -> int:
    return size[0] * size[1]


def _job(row: sqlite3.Row) -> dict[str, Any]:
    path: bytes = row["path"]
    job = {
        "id": row["id"],
        "inbox": row["inbox"],
        "path": _text(path),
        "state": row["state"],
        "reason": None if row["reason"] is None else json.loads(row["reason"]),
        "recipe": row["recipe_name"],
        "pictures": [_picture(picture) for picture in json.loads(row["pictures"])],
        "attempts": row["attempts"],
        "next_at": _time(row["next_at"]),
        "output": None if row["output_path"] is None else _text(row["output_path"]),
        "sha256": row["sha256"],
        "created": _time(row["created"]),
        "finished": _time(row["finished"]),
        "priority": row["priority"],
        "dismissed": bool(row["dismissed"]),
        "after": json.loads(row["after"]) if row["after"] else None,
    }
    if not _is_utf8(path):
        job["path_b64"] = base64.b64encode(path).decode()
    return job


def _picture(data: dict[str, Any]) -> dict[str, Any]:
    chain = data["chain"]
    (width, height), (out_width, out_height) = chain["source"], chain["final"]
    return {
        "width": width,
        "height": height,
        "out_width": out_width,
        "out_height": out_height,
        "passes": list(_passes(chain["passes"], data["plans"])),
        "pass": data["passes_done"],
        "fraction": data["fraction"],
        "why": data.get("why", ""),
        **_page(data),
    }


def _page(data: dict[str, Any]) -> dict[str, Any]:
    """What only the pages of a file have; `copied` tells that one stayed as it was, and is null before its turn."""
    if data.get("page") is None:
        return {}
    kept = data.get("kept")
    return {"page": data["page"], "name": data["name"], "copied": None if kept is None else kept["copied"]}


def _passes(steps: Sequence[dict[str, Any]], plans: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """The chain's passes, each with what its plan chose where it was planned already."""
    for index, step in enumerate(steps):
        plan = plans[index] if index < len(plans) else {}
        yield {
            "model": step["model"],
            "scale": step["scale"],
            "tile": plan.get("tile"),
            "batch": plan.get("batch"),
            "device": plan.get("device"),
        }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None).isoformat() + "Z"


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
