from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.ignore import DEFAULT_RULES, MAX_USER_PATTERNS, compile_rules, decide, guarded_name

DEFAULTS = compile_rules()
NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: b"/" not in name and b"\0" not in name)


def ruled(path: bytes, *user: str) -> str | None:
    rule = decide(path, compile_rules(user))
    return rule.name if rule else None


@pytest.mark.parametrize(
    "path",
    [
        b"a.jpg",
        b"#Chapter 12/a.jpg",
        b"@home/a.jpg",
        b"album.pdf/a.jpg",  # extensions are about files only
        b"Thumbs.db/a.jpg",
        b"no extension",
        b"a.unknown",
        b"photo.part.jpg",
        b"\xff\xfe.jpg",
        b"two\nlines.jpg",
        b"my_conflict-photos.jpg",
        b"scan~1.jpg",
        b"a.svg",
    ],
)
def test_what_may_be_a_picture_is_looked_at(path: bytes) -> None:
    assert ruled(path) is None


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (b".hidden.jpg", "hidden"),
        (b"a/.stversions/b.jpg", "hidden"),
        (b"._IMG.jpg", "hidden"),
        (b".twofold-17.tmp", "hidden"),
        (b"a/@eaDir/IMG.jpg/SYNOPHOTO_THUMB_XL.jpg", "synology_eadir"),
        (b"@EADIR/x.jpg", "synology_eadir"),
        (b"SYNOFILE_THUMB_M.png", "synology_thumbnail"),
        (b"IMG.jpg@SynoEAStream", "synology_stream"),
        (b"#recycle/a.jpg", "recycle_bin"),
        (b"@Recycle/a.jpg", "recycle_bin"),
        (b"$RECYCLE.BIN/a.jpg", "recycle_bin"),
        (b"#snapshot/a.jpg", "snapshot"),
        (b"lost+found/a.jpg", "system_folder"),
        (b"@tmp/a.jpg", "system_folder"),
        (b"System Volume Information/a.jpg", "system_folder"),
        (b"__MACOSX/a.jpg", "mac_folder"),
        (b"My.photoslibrary/a.jpg", "mac_folder"),
        (b"_UNPACK_holiday/a.jpg", "unpacking"),
        (b"THUMBS.DB", "system_file"),
        (b"Icon\r", "system_file"),
        (b"a.jpg.part", "partial_download"),
        (b"a.JPG.CRDOWNLOAD", "partial_download"),
        (b"a.jpg.download/a.jpg", "partial_download"),
        (b"a.jpg.!sync", "partial_download"),
        (b"a.tmp", "partial_download"),
        (b"a\n.part", "partial_download"),
        (b"~syncthing~a.jpg", "sync_temp"),
        (b"a.sync-conflict-20240102-030405-ABCDEFG.jpg", "sync_conflict"),
        (b"a_conflict-20240102-030405.jpg", "sync_conflict"),
        (b"~$a.jpg", "editor_temp"),
        (b"a.jpg~", "editor_temp"),
        (b"notes.TXT", "not_a_picture_name"),
        (b"IMG_0001.xmp", "not_a_picture_name"),
        (b"clip.mov", "not_a_picture_name"),
    ],
)
def test_each_rule_has_its_name(path: bytes, rule: str) -> None:
    assert ruled(path) == rule


def test_rule_names_are_unique() -> None:
    names = [rule.name for rule in DEFAULT_RULES]
    assert len(names) == len(set(names))


def test_user_patterns_add() -> None:
    assert ruled(b"sub/a.raw.jpg", "*.raw.jpg") == "user:*.raw.jpg"
    assert ruled(b"RAW/a.jpg", "raw/") == "user:raw/"
    assert ruled(b"raw", "raw/") is None
    assert ruled(b"a.jpg", "*.raw.jpg") is None
    assert ruled(b"a.tmp", "*.bak") == "partial_download"


def test_a_user_pattern_can_let_a_name_live_and_the_last_word_counts() -> None:
    assert ruled(b"a.pdf", "!*.pdf") is None
    assert ruled(b".keep/a.jpg", "!.keep") is None
    assert ruled(b".keep/.b.jpg", "!.keep") == "hidden"
    assert ruled(b"a.pdf", "!*.pdf", "a.*") == "user:a.*"
    assert ruled(b"a.pdf", "a.*", "!*.PDF") is None


def test_a_user_pattern_of_odd_bytes_matches_them() -> None:
    assert ruled(b"\xffx.jpg", "\udcffx*") == "user:\udcffx*"
    assert ruled("ü.jpg".encode(), "ü*") == "user:ü*"


@pytest.mark.parametrize("pattern", ["", "!", "/", "a/b", "!a/b/", "x" * 256])
def test_a_pattern_that_cannot_match_is_refused(pattern: str) -> None:
    with pytest.raises(TwofoldError) as caught:
        compile_rules([pattern])
    assert caught.value.code is Code.BAD_CONFIG


def test_the_number_of_patterns_is_bounded() -> None:
    with pytest.raises(TwofoldError):
        compile_rules(["a"] * (MAX_USER_PATTERNS + 1))


@settings(deadline=None, max_examples=200)
@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_a_file_in_an_ignored_folder_is_ignored_at_any_depth(parts: list[bytes], name: bytes) -> None:
    path = b"/".join([*parts, b"@eaDir", name])
    assert decide(path, DEFAULTS) is not None


@settings(deadline=None, max_examples=200)
@given(NAMES)
def test_case_makes_no_difference(name: bytes) -> None:
    assert decide(name.upper(), DEFAULTS) == decide(name.lower(), DEFAULTS)


@settings(deadline=None, max_examples=200)
@given(NAMES)
def test_one_word_of_the_user_overrules_every_default(name: bytes) -> None:
    assert decide(name, compile_rules(["!*"])) is None
    assert decide(name, compile_rules(["*"])) is not None


@pytest.mark.parametrize(
    ("marker", "guarded"),
    [
        (b"a.jpg.part", b"a.jpg"),
        (b"a.jpg.ARIA2", b"a.jpg"),
        (b"a.jpg", None),
        (b"a.tmp", None),
        (b".part", None),
    ],
)
def test_a_partial_download_guards_the_name_beside_it(marker: bytes, guarded: bytes | None) -> None:
    assert guarded_name(marker) == guarded
