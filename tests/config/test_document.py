"""YAML as it is written: types, lines, and every way a file can be wrong before the schema sees it."""

from __future__ import annotations

import pytest

from twofold.config.document import MAX_DOCUMENT_BYTES, MAX_NODES, parse_document


def mistakes(content: bytes) -> list[str]:
    return [str(mistake) for mistake in parse_document(content, "f.yaml").mistakes]


def test_values_stay_what_was_written() -> None:
    data = parse_document(
        b"a: no\nb: 1:30\nc: 2026-01-01\nd: 010\ne: '5'\nf: 1.5\ng: TRUE\nh: [cuda:0, -3]\n2024: x\n", "f.yaml"
    ).data
    assert data == {
        "a": "no",
        "b": "1:30",
        "c": "2026-01-01",
        "d": 10,
        "e": "5",
        "f": 1.5,
        "g": True,
        "h": ["cuda:0", -3],
        "2024": "x",
    }


def test_every_key_and_item_has_its_line() -> None:
    document = parse_document(b"# head\na:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "f.yaml")
    assert document.lines[("a",)] == 2
    assert document.lines[("a", "b")] == 3
    assert document.lines[("a", "c", 1, "d")] == 6


def test_aliases_work_where_they_end() -> None:
    assert parse_document(b"a: &x {b: 1}\nc: *x\n", "f.yaml").data == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "f.yaml:1: The file is empty."),
        (b"# only a comment\n", "f.yaml:1: The file is empty."),
        (b"- a\n- b\n", "f.yaml:1: The file must hold keys"),
        (b"a: 1\nb: \xff\n", "f.yaml:2: The file is not UTF-8 text."),
        (b"a: 1\nb: 2\na: 3\n", "f.yaml:3: a: This key stands here twice; first in line 1."),
        (b"a:\n  b: 1\n  b: 2\n", "f.yaml:3: a.b: This key stands here twice; first in line 2."),
        (b"a: 1\nb:\n", "f.yaml:2: b: This key has no value."),
        (b"a: 1\n\tb: 2\n", "f.yaml:2: This is not YAML"),
        (b"a: b: c\n", "f.yaml:1: This is not YAML"),
        (b"a: [1,\n", "f.yaml:2: This is not YAML"),
        (b"a: *nowhere\n", "f.yaml:1: This is not YAML"),
        (b"a: 1\n---\nb: 2\n", "f.yaml:2: This is not YAML"),
        (b"a: 1\nb: \x01\n", "f.yaml:2: This is not YAML: the character U+0001"),
        (b"a: !!python/object/apply:os.getcwd []\n", "f.yaml:1: a: The tag"),
        (b"? [a]\n: 1\n", "f.yaml:1: A key must be a word."),
        (b'a: "\\0"\n', "f.yaml:1: a: The text holds characters"),
        (b'"a\\ud800": 1\n', "f.yaml:1: The key"),
        (b'a: "\\UFFFFFFFF"\n', "f.yaml: This is not YAML"),
        (b"%YAML " + b"9" * 5000 + b".1\n---\na: 1\n", "f.yaml: This is not YAML"),
        (b"a: &x [*x]\n", "f.yaml:1: a[0]"),
        (b"[" * 20_000, "f.yaml: The file is nested too deeply."),
        (b"#" * (MAX_DOCUMENT_BYTES + 1), "f.yaml: The file is larger"),
    ],
)
def test_forms_refused(content: bytes, expected: str) -> None:
    found = mistakes(content)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_an_exponential_file_ends_soon() -> None:
    lines = [b"a0: &a0 [x, x]"]
    lines += [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)]
    document = parse_document(b"\n".join(lines), "f.yaml")
    assert len(document.mistakes) == 1
    assert document.nodes < MAX_NODES + 2000


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse_document(b"\xef\xbb\xbfdevices: cpu\n", "f.yaml").data == {"devices": "cpu"}
