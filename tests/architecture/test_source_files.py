"""What every source file of the two packages has to be."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shopimg", "enhancer_worker")
MAX_LINES = 350
VAGUE_NAMES = {"utils", "helpers", "common", "manager", "misc"}

SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
CONTRACT = sorted((ROOT / "shopimg" / "contract").glob("*.py"))


def _label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=_label)
def test_source_file__can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=_label)
def test_source_file__has_a_telling_name(path: Path) -> None:
    assert path.stem not in VAGUE_NAMES


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if "migrations" not in path.parts], ids=_label
)
def test_source_file__says_what_a_reader_finds_here(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize("name", PACKAGES)
def test_package__has_an_empty_init(name: str) -> None:
    assert (ROOT / name / "__init__.py").read_text() == ""


@pytest.mark.parametrize("path", CONTRACT, ids=_label)
def test_contract__needs_the_standard_library_only(path: Path) -> None:
    imported = {name for node in ast.walk(ast.parse(path.read_text())) for name in _imports(node)}
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("shopimg.contract")} == set()


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [node.module or ""]
    return []
