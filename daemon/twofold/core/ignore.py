"""Which names are never taken for dropped pictures, and by which rule.

Names are bytes (they need not be UTF-8) and are matched one path component at a time, at any depth, without regard to
ASCII case. Only a leading dot is a prefix rule for folders; `@eaDir`, `#recycle` and the like match by their whole
name, so that a folder called `#Chapter 12` lives.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Flag, auto

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.recipe import Recipe

MAX_USER_PATTERNS = 256
MAX_PATTERN_BYTES = 255
"""No name on any file system that Linux mounts is longer."""


class Kind(Flag):
    """What a rule speaks about."""

    FILE = auto()
    FOLDER = auto()


ANY = Kind.FILE | Kind.FOLDER


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to leave a name alone; `name` is stable (`status` counts by it), `patterns` are lower-case globs."""

    name: str
    kind: Kind
    patterns: tuple[bytes, ...]


def _extensions(names: str) -> tuple[bytes, ...]:
    return tuple(b"*." + name.encode() for name in names.split())


PARTIAL_SUFFIXES = (b".part", b".partial", b".crdownload", b".download", b".filepart", b".aria2", b".!sync")
"""A picture is unfinished while its name plus one of these stands beside it."""

HIDDEN = Rule("hidden", ANY, (b".*",))
SYMLINK = Rule("symlink", ANY, ())
SPECIAL_FILE = Rule("special_file", Kind.FILE, ())
"""The last two are about what an entry is, not about its name: the scan applies them."""

ZIP_ARCHIVE = Rule("zip_archive", Kind.FILE, (b"*.zip",))
"""Left alone but where the recipe says pages: all; then what it holds decides (core.pages)."""

DEFAULT_RULES = (
    HIDDEN,
    Rule("synology_eadir", Kind.FOLDER, (b"@eadir",)),
    Rule("synology_thumbnail", Kind.FILE, (b"synofile_thumb_*", b"synophoto_thumb_*")),
    Rule("synology_stream", Kind.FILE, (b"*@synoeastream", b"*@synoresource")),
    Rule("recycle_bin", Kind.FOLDER, (b"#recycle", b"@recycle", b"$recycle.bin", b"recycler")),
    Rule("snapshot", Kind.FOLDER, (b"#snapshot", b"@recently-snapshot")),
    Rule("system_folder", Kind.FOLDER, (b"lost+found", b"system volume information", b"@tmp", b"@sharebin")),
    Rule("mac_folder", Kind.FOLDER, (b"__macosx", b"*.photoslibrary")),
    Rule("unpacking", Kind.FOLDER, (b"_unpack_*",)),
    Rule("system_file", Kind.FILE, (b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"icon\r")),
    Rule("cloud_placeholder", Kind.FILE, (b"*.icloud",)),
    Rule("partial_download", ANY, (*(b"*" + suffix for suffix in PARTIAL_SUFFIXES), b"*.tmp", b"*.temp", b"*.rsls*")),
    Rule("sync_temp", Kind.FILE, (b"~syncthing~*",)),
    Rule(
        "sync_conflict",
        Kind.FILE,
        (
            b"*.sync-conflict-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-*",
            b"*_conflict-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-*",
        ),
    ),
    Rule("editor_temp", Kind.FILE, (b"~$*", b"*~", b"*.~*", b"*.sb-*")),
    ZIP_ARCHIVE,
    Rule(
        "not_a_picture_name",
        Kind.FILE,
        _extensions(
            "txt md rst rtf pdf ps epub doc docx xls xlsx ppt pptx odt ods odp csv tsv "
            "html htm css js xml json yaml yml toml ini cfg conf log nfo url lnk webloc desktop "
            "db sqlite sqlite3 bak rar 7z tar tgz gz bz2 xz zst iso dmg torrent par2 sfv md5 sha1 sha256 "
            "mov mp4 m4v avi mkv webm mpg mpeg wmv flv 3gp mts m2ts insv lrv srt vtt "
            "mp3 m4a aac wav flac ogg opus wma aiff mid "
            "xmp aae thm pp3 dop cos lrcat vcf ics eml msg gpx kml kmz "
            "exe msi dll so sh bat cmd ps1 py ipynb c h cpp rs go java jar class apk deb rpm ttf otf woff woff2 "
            "safetensors pth ckpt onnx"
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class _UserPattern:
    rule: Rule
    matcher: re.Pattern[bytes]
    negated: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """The default rules of one kind, by the shape of their patterns: the cheapest look-up first."""

    exact: dict[bytes, Rule] = field(default_factory=dict)
    extension: dict[bytes, Rule] = field(default_factory=dict)
    glob: re.Pattern[bytes] = field(default_factory=lambda: re.compile(rb"(?!)"))
    glob_rules: tuple[Rule, ...] = ()

    def find(self, lowered: bytes) -> Rule | None:
        if lowered.startswith(b"."):
            return HIDDEN
        if rule := self.exact.get(lowered):
            return rule
        dot = lowered.rfind(b".")
        if dot > 0 and (rule := self.extension.get(lowered[dot:])):
            return rule
        if match := self.glob.match(lowered):
            return self.glob_rules[(match.lastindex or 1) - 1]
        return None


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The defaults with one inbox's own patterns; made by `compile_rules`."""

    files: _Table
    folders: _Table
    user: tuple[_UserPattern, ...] = ()

    def decide_name(self, name: bytes, kind: Kind) -> Rule | None:
        """The rule that ignores one path component, or None. Among the user's patterns the last that matches wins."""
        lowered = name.lower()
        for pattern in reversed(self.user):
            if kind in pattern.rule.kind and pattern.matcher.match(lowered):
                return None if pattern.negated else pattern.rule
        return (self.files if kind is Kind.FILE else self.folders).find(lowered)


def compile_rules(user_patterns: Sequence[str] = (), *, archives: bool = False) -> IgnoreRules:
    """The default rules plus `user_patterns`: globs on one name, `!glob` to let a name live, `glob/` for folders only.

    With `archives`, .zip files are taken too. Raises TwofoldError(BAD_CONFIG) for a pattern that could never match.
    """
    rules = [rule for rule in DEFAULT_RULES if not (archives and rule is ZIP_ARCHIVE)]
    if len(user_patterns) > MAX_USER_PATTERNS:
        raise TwofoldError(Code.BAD_CONFIG, f"more than {MAX_USER_PATTERNS} ignore patterns")
    return IgnoreRules(_table(Kind.FILE, rules), _table(Kind.FOLDER, rules), tuple(map(_user_pattern, user_patterns)))


def rules_of(patterns: Sequence[str], recipe: Recipe) -> IgnoreRules:
    """The rules of an inbox with these patterns of its own, whose recipe decides about .zip files."""
    return compile_rules(patterns, archives=recipe.pages == "all")


def decide(path: bytes, rules: IgnoreRules) -> Rule | None:
    """The rule that ignores a file by its relative path: that of its outermost ignored component, or None."""
    *folders, name = path.split(b"/")
    for folder in folders:
        if rule := rules.decide_name(folder, Kind.FOLDER):
            return rule
    return rules.decide_name(name, Kind.FILE)


def guarded_name(name: bytes) -> bytes | None:
    """The name that a partial-download marker declares unfinished: `X.jpg` for `X.jpg.aria2`; None for other names."""
    lowered = name.lower()
    for suffix in PARTIAL_SUFFIXES:
        if lowered.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return None


def _table(kind: Kind, rules: Sequence[Rule]) -> _Table:
    exact: dict[bytes, Rule] = {}
    extension: dict[bytes, Rule] = {}
    globs: list[tuple[bytes, Rule]] = []
    for rule in rules:
        if kind not in rule.kind or rule is HIDDEN:
            continue
        for pattern in rule.patterns:
            if not _is_glob(pattern):
                exact[pattern] = rule
            elif pattern.startswith(b"*.") and not _is_glob(pattern[1:]) and b"." not in pattern[2:]:
                extension[pattern[1:]] = rule
            else:
                globs.append((pattern, rule))
    matcher = re.compile(b"|".join(b"(" + _translate(pattern) + b")" for pattern, _ in globs), re.DOTALL)
    return _Table(exact, extension, matcher, tuple(rule for _, rule in globs))


def _is_glob(pattern: bytes) -> bool:
    return any(sign in pattern for sign in (b"*", b"?", b"["))


def _translate(pattern: bytes) -> bytes:
    # fnmatch translates str only; latin-1 maps every byte onto one character and back.
    return fnmatch.translate(pattern.decode("latin-1")).encode("latin-1")


def _user_pattern(text: str) -> _UserPattern:
    negated = text.startswith("!")
    glob = os.fsencode(text[1:] if negated else text).lower()
    kind = ANY
    if glob.endswith(b"/"):
        glob, kind = glob[:-1], Kind.FOLDER
    if not glob or b"/" in glob or len(glob) > MAX_PATTERN_BYTES:
        raise TwofoldError(
            Code.BAD_CONFIG,
            f"ignore pattern {text!r} cannot match",
            "Patterns match one name at any depth: '*.bak', 'raw/' for folders, '!*.pdf' to let a name live.",
        )
    return _UserPattern(Rule(f"user:{text}", kind, (glob,)), re.compile(_translate(glob), re.DOTALL), negated)
