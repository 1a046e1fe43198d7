"""What follows the end of a job: which acts are due, and whether an original may leave its inbox."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from twofold.core.codes import Code
from twofold.core.errors import Reason
from twofold.core.job import FileVersion
from twofold.core.settings import Hooks, InboxSettings
from twofold.core.states import State

HookName = Literal["on_done", "on_failed", "on_idle"]

COPIED: Final = frozenset({Code.ANIMATED, Code.ALREADY_LARGE, Code.OWN_RESULT})
"""Pictures that were skipped as such. Of the other skips, one is no picture (empty) and the others have a result."""


class Act(StrEnum):
    """One thing that may follow an end, by the name under which its outcome is recorded; in the order of doing."""

    NOTE = "note"
    COPY = "copy"
    COMPANIONS = "companions"
    ORIGINAL = "original"
    HOOK = "hook"


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended. `current` is False where a newer version of the file took its place meanwhile."""

    state: State
    code: Code | None = None
    current: bool = True
    dismissed: bool = False


def due(end: End, inbox: InboxSettings, hooks: Hooks) -> tuple[Act, ...]:
    """The acts that an end asks for; NOTE means that the note has to be made true, whether it is to be there or not.

    Of a version that is no longer the newest, only the hook is left: name, note and original are its successor's. What
    somebody dismissed is owed again, but not told again.
    """
    acts = []
    if end.current and end.state.settled:
        acts.append(Act.NOTE)
        if inbox.unprocessed == "copy" and end.state is State.SKIPPED and end.code in COPIED:
            acts.append(Act.COPY)
        if inbox.companions == "copy" and end.state is State.DONE:
            acts.append(Act.COMPANIONS)
        if inbox.originals.action != "keep" and end.state is State.DONE:
            acts.append(Act.ORIGINAL)
    if argv_of(hook_after(end.state), hooks) and not end.dismissed:
        acts.append(Act.HOOK)
    return tuple(acts)


def wants_note(end: End, inbox: InboxSettings, *, remote_outbox: bool) -> bool:
    """Whether a failure note has to lie in the outbox. `remote_outbox`: it is on a network file system."""
    if end.state is not State.FAILED or end.dismissed or not end.current:
        return False
    return inbox.failure_notes == "always" or (inbox.failure_notes == "auto" and remote_outbox)


def hook_after(state: State) -> HookName | None:
    """The hook of a final state, if there is one."""
    if state is State.DONE:
        return "on_done"
    return "on_failed" if state is State.FAILED else None


def argv_of(name: HookName | None, hooks: Hooks) -> tuple[str, ...]:
    """The hook's argument list; empty where none is configured."""
    match name:
        case "on_done":
            return hooks.on_done
        case "on_failed":
            return hooks.on_failed
        case "on_idle":
            return hooks.on_idle
        case None:
            return ()


class Sameness(StrEnum):
    """How a file that was found compares with the version that the job was made from."""

    SAME = "same"
    TOUCHED = "touched"
    CHANGED = "changed"


def compare(found: FileVersion, version: FileVersion) -> Sameness:
    """TOUCHED where only the ctime differs: a scan will say whether that means anything. Inodes are hints only."""
    if (found.size, found.mtime_ns) != (version.size, version.mtime_ns):
        return Sameness.CHANGED
    return Sameness.SAME if found.ctime_ns == version.ctime_ns else Sameness.TOUCHED


@dataclass(frozen=True, slots=True)
class OriginalFacts:
    """What has to be known before an original leaves its inbox, all of it read at that moment.

    `synced` is the sign that its folder is synchronised, empty where there is none. `result_stands`: its result was
    read again, and has every byte that was delivered.
    """

    end: End
    best_effort: bool
    synced: str
    synced_ok: bool
    sameness: Sameness
    result_stands: bool


def refusal(facts: OriginalFacts) -> Reason | None:
    """Why the original stays where it is for good; None where it may leave, which every single fact has to allow."""
    if facts.end.state is not State.DONE or not facts.end.current or facts.sameness is not Sameness.SAME:
        return _because(Code.CHANGED, "the file is not the one that the result was made from")
    if facts.best_effort:
        return _because(Code.BEST_EFFORT)
    if facts.synced and not facts.synced_ok:
        return _because(Code.SYNCED_FOLDER, f"{facts.synced} says that the folder is synchronised")
    if not facts.result_stands:
        return _because(Code.RESULT_GONE)
    return None


def _because(code: Code, text: str = "") -> Reason:
    return Reason(code, text or code.meaning, code.hint)
