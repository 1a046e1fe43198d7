"""The repository's files, as the tests of documents and of the house rules read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "daemon" / "twofold"


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package: its path relative to the repository, and its syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))
