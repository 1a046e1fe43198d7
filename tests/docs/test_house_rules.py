"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import re

from tests.docs.source import PACKAGE, ROOT, modules

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
VAGUE_NAMES = re.compile(r"(?:utils?|helpers?|common|base|managers?)", re.IGNORECASE)
FOLDERS = ("daemon", "simulator", "tests", "tools", "benchmarks", "training")


def test_files_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    long = {
        f"{path}:{node.name}": node.end_lineno - node.lineno + 1
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in PACKAGE.rglob("*") if VAGUE_NAMES.fullmatch(path.stem)] == []


def test_every_module_says_what_it_is() -> None:
    assert [path for path, tree in modules() if not ast.get_docstring(tree)] == []


def test_only_the_command_line_prints() -> None:
    printing = [
        f"{path}:{node.lineno}"
        for path, tree in modules()
        if not path.startswith("daemon/twofold/cli/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_classes_inherit_from_errors_protocols_and_library_types_only() -> None:
    """No hierarchy of our own: a class of ours may be subclassed only where it is an error or a Protocol."""
    classes = [node for _path, tree in modules() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = {node.name: {ast.unparse(base).split("[")[0] for base in node.bases} for node in classes}

    def is_open(name: str) -> bool:
        above = bases.get(name)
        if above is None:  # not ours
            return True
        return bool(above & {"Protocol", "Exception", "BaseModel"}) or any(map(is_open, above & bases.keys()))

    closed = {f"{name}({base})" for name, above in bases.items() for base in above if not is_open(base)}
    assert closed == set()
