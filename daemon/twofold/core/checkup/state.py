"""Verdicts on what Twofold keeps and runs on: configuration, ledger, networks, codecs, sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from twofold.core.checkup.check import Check, Finding, Level, problem, summed, warning
from twofold.core.errors import Reason
from twofold.core.quantity import about_bytes

BIG_WAL_BYTES = 512 * 2**20
"""Eight times what the ledger lets its write-ahead log keep: something holds it open."""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """The database file. `trouble` says why it cannot be read; `damage` what `PRAGMA quick_check` found ("" : nothing).

    `checked` is False where the check took too long. `version` is its schema's, `known_version` this program's.
    """

    path: str
    there: bool
    trouble: str = ""
    version: int = 0
    known_version: int = 0
    journal: str = ""
    damage: str = ""
    checked: bool = True
    bytes: int = 0
    wal_bytes: int = 0


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """One network: `used` by a recipe or not; `reason` is why it cannot be used, `measured` whether it ever was."""

    name: str
    sha256: str = ""
    used: bool = False
    measured: bool = True
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class CodecFacts:
    """Formats that were written and read back by children, each with what went wrong ("": nothing)."""

    formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SandboxFacts:
    """What the kernel offers to shut children in; `landlock` is its ABI version (0: none)."""

    landlock: int
    seccomp: bool


@dataclass(frozen=True, slots=True)
class MistakeFacts:
    """One mistake of the configuration, as `config check` tells it."""

    place: str
    text: str
    suggestion: str = ""


def judge_configuration(source: str | None, inboxes: int, mistakes: Sequence[MistakeFacts]) -> list[Check]:
    """One check for each mistake, or one that says what was read."""
    if mistakes:
        hint = "Correct the line; 'twofold config check' tests it."
        return [
            Check("configuration", Level.PROBLEM, f"{one.place}: {one.text}", one.suggestion or hint, asdict(one))
            for one in mistakes
        ]
    facts = {"source": source, "inboxes": inboxes}
    if source is None:
        hint = "'twofold config init' prints one to start from."
        return [Check("configuration", Level.WARNING, "there is none; defaults are in force", hint, facts)]
    if not inboxes:
        return [
            Check("configuration", Level.WARNING, f"{source}: no inbox, so nothing is watched", "Add an inbox.", facts)
        ]
    number = "1 inbox" if inboxes == 1 else f"{inboxes} inboxes"
    return [Check("configuration", Level.OK, f"{source}: {number}", facts=facts)]


def judge_ledger(ledger: LedgerFacts) -> Check:
    """A newer ledger, or a damaged one, keeps the service from starting."""
    facts = asdict(ledger)
    if not ledger.there:
        return Check("database", Level.OK, "not made yet; the first run makes it", facts=facts)
    findings: list[Finding] = []
    if ledger.trouble:
        findings.append(problem(f"it cannot be read: {ledger.trouble}", "Check the permissions, or restore a backup."))
    if ledger.version > ledger.known_version:
        text = f"schema version {ledger.version} is newer than this Twofold knows ({ledger.known_version})"
        findings.append(problem(text, "Run that version again, or choose another state_dir."))
    if ledger.damage:
        hint = "Stop the service, and restore the state directory from a backup or move it aside; originals are safe."
        findings.append(problem(f"damaged: {ledger.damage}", hint))
    if not ledger.checked:
        findings.append(warning("the check took too long and was left", "Run it by hand: PRAGMA quick_check"))
    if not ledger.trouble and ledger.journal != "wal":
        findings.append(warning(f"its journal mode is {ledger.journal!r}, not WAL", "The next start puts it right."))
    if ledger.wal_bytes > BIG_WAL_BYTES:
        text = f"its write-ahead log has grown to {about_bytes(ledger.wal_bytes)}"
        findings.append(warning(text, "Some process keeps the ledger open: end it, or start the service again."))
    sizes = f"{about_bytes(ledger.bytes)} and {about_bytes(ledger.wal_bytes)} of log"
    found = "" if ledger.trouble else f"schema version {ledger.version}, {sizes}"
    return summed("database", found, findings, facts)


def judge_network(network: NetworkFacts) -> Check:
    facts = {"sha256": network.sha256, "used": network.used}
    name = f"network.{network.name}"
    if not network.measured:
        return Check(name, Level.OK, "never used yet; the first use measures it", "twofold models verify", facts)
    if network.reason is not None:
        level = Level.PROBLEM if network.used else Level.WARNING
        return Check(name, level, network.reason.text, network.reason.hint, facts)
    return Check(name, Level.OK, f"sha256 {network.sha256[:12]}… is right" if network.sha256 else "", facts=facts)


def judge_codecs(codecs: CodecFacts) -> Check:
    """Every format is written and read back in the same children that real pictures go through."""
    hint = "Install Twofold again: a codec's library is broken or missing."
    findings = [problem(f"{name}: {why}", hint) for name, why in codecs.formats.items() if why]
    good = [name for name, why in codecs.formats.items() if not why]
    found = f"written and read back: {', '.join(good)}" if good else ""
    return summed("codecs", found, findings, dict(codecs.formats))


def judge_sandbox(sandbox: SandboxFacts) -> Check:
    """How far children that parse pictures are shut in, and what the kernel would allow beyond that."""
    offers = [f"Landlock (ABI {sandbox.landlock})"] if sandbox.landlock else []
    offers += ["seccomp"] if sandbox.seccomp else []
    offered = f"the kernel offers {' and '.join(offers)}, not used yet" if offers else "the kernel offers no more"
    text = f"pictures are parsed in children with limits on memory, time and files; {offered}"
    return Check("sandbox", Level.OK, text, facts=asdict(sandbox))
