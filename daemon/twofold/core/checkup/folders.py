"""Verdicts on folders: what they lie on, what is free there, and what their file system refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from twofold.core.checkup.check import Check, Finding, Level, problem, summed, warning
from twofold.core.quantity import about_bytes

LOW_BYTES = 2**30
LOW_INODES = 1000

Role = Literal["inbox", "outbox", "state", "scratch"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found by doing it in the folder: a small file made, written, synced, changed, renamed, removed.

    `trouble` says why not even that went. `refused` names what the file system refuses: `mode`, `times`,
    `folder_sync`, `no_clobber` (renaming without clobbering, by any way). `one_case`: names that differ only in case
    are one.
    """

    trouble: str = ""
    full: bool = False
    refused: tuple[str, ...] = ()
    one_case: bool = False


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """One configured folder. `trouble` says why it cannot be used at all, `hint` what to do; `trial` is None where
    nothing is written.

    `mode` and `synced` (a synchronisation client's marker) matter for inboxes; `unmounted` is the mount point of
    /etc/fstab above the folder that has nothing mounted on it. `unreadable` of `tried` pictures could not be opened.
    """

    role: Role
    inbox: str
    path: str
    trouble: str = ""
    hint: str = ""
    fstype: str = ""
    source: str = ""
    local: bool = True
    mode: str = ""
    synced: str = ""
    unmounted: str = ""
    free_bytes: int = 0
    total_bytes: int = 0
    free_inodes: int | None = None
    tried: int = 0
    unreadable: int = 0
    trial: Trial | None = None
    new: bool = False

    @property
    def name(self) -> str:
        return f"{self.role}.{self.inbox}" if self.inbox else self.role


REFUSALS: Mapping[str, tuple[str, str]] = {
    "mode": ("keeps no permissions", "Results get the share's own permissions; nothing else is lost."),
    "times": ("keeps no modification times", "Libraries that sort by file date will show results as new."),
    "folder_sync": ("cannot put a folder onto the disk", "After a power cut of the server a result may be made again."),
    "no_clobber": (
        "cannot rename without clobbering",
        "Let nobody else write files of the same names; deleting originals is not safe here.",
    ),
}


def judge_folder(folder: FolderFacts) -> Check:
    findings = list(_findings(folder))
    return summed(folder.name, _found(folder), findings, _facts(folder))


def judge_mounts(folders: Sequence[FolderFacts], mounts: int) -> Check:
    """What the configured folders lie on, together."""
    facts = {one.name: {"fstype": one.fstype, "source": one.source} for one in folders}
    if not mounts:
        hint = "Mount /proc: without the mount table every folder is taken for a share."
        return Check("mounts", Level.WARNING, "the mount table cannot be read", hint, facts)
    missing = [one for one in folders if one.unmounted]
    findings = [problem(f"{one.unmounted} is not mounted", f"mount {one.unmounted}") for one in missing]
    shares = sorted({f"{one.fstype} {one.source}" for one in folders if not one.local})
    found = f"shares: {', '.join(shares)}" if shares else "all folders are on local disks"
    return summed("mounts", found, findings, facts)


def _findings(folder: FolderFacts) -> Iterator[Finding]:
    if folder.unmounted:
        yield problem(f"{folder.unmounted} is in /etc/fstab and not mounted", f"mount {folder.unmounted}")
    if folder.trouble:
        yield problem(folder.trouble, folder.hint or _remedy(folder))
        return
    if folder.unreadable:
        text = f"{folder.unreadable} of {folder.tried} files tried cannot be read"
        yield problem(text, "Give the service read permission: chmod -R g+rX, or set the share's user.")
    if folder.trial is not None:
        yield from _of_trial(folder, folder.trial)
    if folder.role != "inbox":
        yield from _of_space(folder)


def _of_trial(folder: FolderFacts, trial: Trial) -> Iterator[Finding]:
    if trial.full:
        yield problem("it is full", f"Free some space on {folder.source or folder.path}.")
    elif trial.trouble:
        yield problem(f"it cannot be written: {trial.trouble}", _remedy(folder))
    if folder.role == "outbox":
        yield from (warning(f"its file system {text}", hint) for text, hint in map(REFUSALS.__getitem__, trial.refused))


def _of_space(folder: FolderFacts) -> Iterator[Finding]:
    full = folder.trial is not None and folder.trial.full
    if folder.total_bytes and folder.free_bytes < LOW_BYTES and not full:
        yield warning(f"only {about_bytes(folder.free_bytes)} are free", f"Free some space on {folder.source}.")
    if folder.free_inodes is not None and folder.free_inodes < LOW_INODES and not full:
        yield warning(f"only {folder.free_inodes} more files fit", "Free some inodes: remove small files.")


def _remedy(folder: FolderFacts) -> str:
    if folder.role == "inbox":
        return "Create or mount the folder, and let the service's user list it."
    return "Create or mount the folder, and let the service's user write to it."


def _found(folder: FolderFacts) -> str:
    parts = [folder.path]
    if folder.fstype:
        source = f" ({folder.source})" if folder.source not in ("", folder.fstype) else ""
        parts.append(f"{folder.fstype}{source}")
    if folder.mode:
        parts.append("watched by events" if folder.mode == "events" else "polled")
    if folder.synced:
        parts.append(f"synchronised ({folder.synced})")
    if folder.role != "inbox" and folder.total_bytes:
        parts.append(f"{about_bytes(folder.free_bytes)} free of {about_bytes(folder.total_bytes)}")
    if folder.new:
        parts.append("not made yet")
    if folder.trial is not None and folder.trial.one_case:
        parts.append("names that differ only in case are one")
    return ", ".join(parts)


def _facts(folder: FolderFacts) -> dict[str, object]:
    facts = {name: getattr(folder, name) for name in FolderFacts.__slots__ if name != "trial"}
    trial = folder.trial
    facts["trial"] = None if trial is None else {name: getattr(trial, name) for name in Trial.__slots__}
    return facts
