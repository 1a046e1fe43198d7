"""Verdicts on the machine and the installation: packages, clock, inotify, who runs this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twofold.core.checkup.check import Check, Finding, Level, problem, summed, warning

MAX_AGE_S = 20 * 366 * 86400
"""A clock that says this program is older than this is set wrong."""

REINSTALL = "Install Twofold again, into a virtual environment of its own."


@dataclass(frozen=True, slots=True)
class InstalledFacts:
    """Packages by name with their version, None where it is missing; `extras` by the extra that asks for them."""

    python: str
    executable: str
    version: str
    required: Mapping[str, str | None] = field(default_factory=dict)
    extras: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """`now` and `built` (the newest file of this program) in seconds of Unix time; `synchronised` None: not known."""

    now: float
    built: float
    synchronised: bool | None


@dataclass(frozen=True, slots=True)
class InotifyFacts:
    """The kernel's limits for this user, what this user's processes hold, and the folders that inboxes would need.

    A limit is None where the kernel does not tell it. `counted` is False where counting folders was cut short.
    """

    max_watches: int | None
    max_instances: int | None
    used_watches: int = 0
    used_instances: int = 0
    folders: int = 0
    inboxes: int = 0
    counted: bool = True


@dataclass(frozen=True, slots=True)
class UserFacts:
    """Who runs this, and who owns the state directory (None: there is none yet)."""

    uid: int
    name: str
    state_owner: int | None
    service_pid: int | None


def judge_python(installed: InstalledFacts) -> Check:
    facts = {"python": installed.python, "executable": installed.executable, "twofold": installed.version}
    return Check("python", Level.OK, f"Python {installed.python}, Twofold {installed.version}", facts=facts)


def judge_packages(installed: InstalledFacts) -> Check:
    """What Twofold cannot do without."""
    missing = [name for name, version in installed.required.items() if version is None]
    findings = [problem(f"missing: {', '.join(missing)}", REINSTALL)] if missing else []
    if not installed.required:
        findings.append(warning("this Twofold was not installed by pip, so its packages are not known", REINSTALL))
    present = len(installed.required) - len(missing)
    return summed("packages", f"{present} of {len(installed.required)} there", findings, dict(installed.required))


def judge_extras(installed: InstalledFacts, waiting: int = 0) -> Check:
    """What Twofold can do with more packages; missing ones are no fault, unless `waiting` files need one."""
    if not installed.extras:
        return Check("extras", Level.OK, "this version has none")
    texts = []
    for extra, packages in installed.extras.items():
        missing = [name for name, version in packages.items() if version is None]
        texts.append(f"{extra} not installed ({', '.join(missing)})" if missing else f"{extra} installed")
    facts = {extra: dict(packages) for extra, packages in installed.extras.items()}
    hint = "An extra is added by: pip install 'twofold[NAME]'"
    if waiting:
        files = "1 file waits" if waiting == 1 else f"{waiting} files wait"
        texts.append(f"{files} for one: see 'twofold jobs --state waiting'")
    return Check("extras", Level.WARNING if waiting else Level.OK, ", ".join(texts), hint, facts | {"waiting": waiting})


def judge_clock(clock: ClockFacts) -> Check:
    """Twofold measures durations by another clock; dates in the log, retries and pauses go by this one."""
    facts = {"now": clock.now, "synchronised": clock.synchronised}
    hint = "Let it be set from the network: timedatectl set-ntp true"
    findings: list[Finding] = []
    if clock.now < clock.built:
        findings.append(problem("the clock is behind: this program is from its future", hint))
    elif clock.now > clock.built + MAX_AGE_S:
        findings.append(warning("the clock is decades ahead of this program", hint))
    if clock.synchronised is False:
        findings.append(warning("the clock is not kept in time by anything", hint))
    found = {True: "kept in time", False: "", None: "whether it is kept in time is not known"}[clock.synchronised]
    return summed("clock", found, findings, facts)


def judge_inotify(inotify: InotifyFacts, *, running: bool) -> Check:
    """Events only make new files be seen sooner. `running`: a service has its watches already."""
    facts = {name: getattr(inotify, name) for name in InotifyFacts.__slots__}
    limit, instances = inotify.max_watches, inotify.max_instances
    if limit is None or instances is None:
        text = "this kernel does not tell its limits; files are found by scanning"
        return Check("inotify", Level.WARNING, text, facts=facts)
    more = 0 if running else inotify.used_watches
    findings: list[Finding] = []
    if inotify.folders + more > limit:
        text = f"the inboxes have {inotify.folders} folders, and the limit is {limit} watches ({more} in use)"
        wanted = 2 * (inotify.folders + more)
        hint = f"Raise it: sysctl fs.inotify.max_user_watches={wanted}. Until then new files are found by scanning."
        findings.append(warning(text, hint))
    more = 0 if running else inotify.used_instances
    if inotify.inboxes + more > instances:
        text = f"{inotify.inboxes} inboxes and {more} instances in use, of {instances}"
        findings.append(warning(text, f"Raise it: sysctl fs.inotify.max_user_instances={2 * instances}"))
    about = "" if inotify.counted else "more than "
    found = f"{about}{inotify.folders} folders to watch, {limit} watches allowed"
    return summed("inotify", found, findings, facts)


def judge_user(user: UserFacts) -> Check:
    """Permissions below are those of whoever runs this command."""
    facts = {"uid": user.uid, "name": user.name, "state_owner": user.state_owner, "service_pid": user.service_pid}
    running = "no service runs" if user.service_pid is None else f"a service runs (process {user.service_pid})"
    findings = []
    if user.state_owner is not None and user.state_owner != user.uid:
        text = f"this is user {user.name}, and the state directory is user {user.state_owner}'s"
        hint = f"Run it with the service's own rights: sudo -u '#{user.state_owner}' twofold doctor"
        findings.append(warning(text, hint))
    return summed("user", f"{user.name} ({user.uid}); {running}", findings, facts)
