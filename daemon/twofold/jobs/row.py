"""Between a `Job` and its row; standard library and core only, so that read.py may use it too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, Protocol

from twofold.core.errors import Reason
from twofold.core.job import FileVersion, Intent, Job, Kept, Output, Picture
from twofold.core.passes import Chain
from twofold.core.picture import PictureHeader
from twofold.core.recipe import recipe_from_json
from twofold.core.states import State

_INODE_SPAN: Final = 2**64


class Row(Protocol):
    """A row of `file`, from SQLAlchemy or from sqlite3."""

    def __getitem__(self, column: str, /) -> Any: ...


def row_of(job: Job) -> dict[str, Any]:
    """The column values of a job; `volume`, `current` and `owed` are the ledger's."""
    output = job.output
    return {
        "id": job.id,
        "inbox": job.inbox,
        "path": job.path,
        **version_columns(job.version),
        "state": job.state.value,
        "reason": reason_text(job.reason),
        "recipe": json.dumps(job.recipe.to_json()),
        "recipe_hash": job.recipe_hash,
        "generation": job.generation,
        "attempts": job.attempts,
        "deaths": job.deaths,
        "alone": int(job.alone),
        "priority": job.priority,
        "next_at": job.next_at,
        "boot_id": job.boot_id,
        "sha256": job.sha256,
        "pictures": pictures_text(job.pictures),
        "reserved": job.reserved,
        "intent": None if job.intent is None else intent_text(job.intent),
        "output_path": None if output is None else output.path,
        "output_sha256": None if output is None else output.sha256,
        "output_size": None if output is None else output.size,
        "output_mtime_ns": None if output is None else output.mtime_ns,
        "worker": job.worker,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "seconds": json.dumps(job.seconds),
        "dismissed": int(job.dismissed),
        "after": json.dumps(job.after) if job.after else None,
        "best_effort": int(job.best_effort),
    }


def job_of(row: Row) -> Job:
    """The inverse of `row_of`."""
    output = None
    if row["output_path"] is not None:
        output = Output(row["output_path"], row["output_sha256"], row["output_size"], row["output_mtime_ns"])
    return Job(
        id=row["id"],
        inbox=row["inbox"],
        path=row["path"],
        version=version_of(row),
        state=State(row["state"]),
        reason=None if row["reason"] is None else Reason.from_json(json.loads(row["reason"])),
        recipe=recipe_from_json(json.loads(row["recipe"])),
        recipe_hash=row["recipe_hash"],
        generation=row["generation"],
        attempts=row["attempts"],
        deaths=row["deaths"],
        alone=bool(row["alone"]),
        priority=row["priority"],
        next_at=row["next_at"],
        boot_id=row["boot_id"],
        sha256=row["sha256"],
        pictures=pictures_of(row["pictures"]),
        reserved=row["reserved"],
        intent=None if row["intent"] is None else _intent_of(json.loads(row["intent"])),
        output=output,
        worker=row["worker"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        seconds=json.loads(row["seconds"]),
        dismissed=bool(row["dismissed"]),
        after=json.loads(row["after"]) if row["after"] else {},
        best_effort=bool(row["best_effort"]),
    )


def version_columns(version: FileVersion) -> dict[str, int]:
    """Some network file systems give inodes above 2^63, which SQLite's integers hold as negative ones only."""
    inode = version.inode if version.inode < _INODE_SPAN // 2 else version.inode - _INODE_SPAN
    return {"size": version.size, "mtime_ns": version.mtime_ns, "ctime_ns": version.ctime_ns, "inode": inode}


def version_of(row: Row) -> FileVersion:
    return FileVersion(row["size"], row["mtime_ns"], row["ctime_ns"], inode_of(row["inode"]))


def inode_of(stored: int) -> int:
    """The inode number behind the signed one that SQLite holds."""
    return stored % _INODE_SPAN


def reason_text(reason: Reason | None) -> str | None:
    return None if reason is None else json.dumps(reason.to_json())


def pictures_text(pictures: Iterable[Picture]) -> str:
    return json.dumps(
        [
            {
                "header": picture.header.to_json(),
                "chain": picture.chain.to_json(),
                "passes_done": picture.passes_done,
                "fraction": picture.fraction,
                "plans": list(picture.plans),
                "why": picture.why,
                **_page(picture),
            }
            for picture in pictures
        ]
    )


def _page(picture: Picture) -> dict[str, Any]:
    """What only pages have: of a thousand of them, every word counts."""
    if picture.page is None:
        return {}
    kept = None if picture.kept is None else picture.kept.to_json()
    return {"page": picture.page, "name": picture.name, "kept": kept}


def pictures_of(text: str) -> tuple[Picture, ...]:
    return tuple(
        Picture(
            header=PictureHeader.from_json(data["header"]),
            chain=Chain.from_json(data["chain"]),
            passes_done=data["passes_done"],
            fraction=data["fraction"],
            plans=tuple(data["plans"]),
            why=data.get("why", ""),  # rows of the first versions lack it
            page=data.get("page"),
            name=data.get("name", ""),
            kept=None if data.get("kept") is None else Kept(**data["kept"]),
        )
        for data in json.loads(text)
    )


def intent_text(intent: Intent) -> str:
    return json.dumps(
        {
            "temp": _text(intent.temp),
            "final": _text(intent.final),
            "sha256": intent.sha256,
            "size": intent.size,
        }
    )


def _intent_of(data: dict[str, Any]) -> Intent:
    return Intent(_bytes(data["temp"]), _bytes(data["final"]), data["sha256"], data["size"])


def _text(name: bytes) -> str:
    # JSON escapes the lone surrogates that stand for bytes outside UTF-8, so every name survives.
    return name.decode("utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
