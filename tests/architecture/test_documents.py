"""The documents say what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shopimg import contract
from shopimg.api.exceptions import EnhancementProblem

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ERRORS = ROOT / "docs" / "reference" / "errors.md"

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"""(?:\]\(|(?:src|href|srcset)=")([^)\s"]+)""")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
WORKER = re.compile(r"celery -A enhancer_worker worker[^`\n|]* -Q (\S+)[^`\n|]*")
CODE_CELL = re.compile(r"^\| *`([a-z_]+)`", re.MULTILINE)


def _anchors(document: Path) -> set[str]:
    """Return the anchors that a forge makes of a document's headings."""
    headings = HEADING.findall(FENCED.sub("", document.read_text()))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def _is_broken(document: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return False
    name, _, anchor = link.partition("#")
    target = document.parent / name if name else document
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in _anchors(target)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_document__links_to_what_is_there(document: Path) -> None:
    links = LINK.findall(FENCED.sub("", document.read_text()))
    assert [link for link in links if _is_broken(document, link)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_document__gives_each_worker_a_name_of_its_own(document: Path) -> None:
    queues_of: dict[str, str] = {}
    for command in WORKER.finditer(document.read_text()):
        named = re.search(r" -n (\S+)@%h ", command[0])
        assert named, command[0]
        assert queues_of.setdefault(named[1], command[1]) == command[1]


def _contract_errors() -> list[type[contract.EnhancementError]]:
    exported = (getattr(contract, name) for name in contract.__all__)
    return [
        item
        for item in exported
        if isinstance(item, type) and issubclass(item, contract.EnhancementError)
    ]


def test_errors_reference__lists_the_codes_of_the_contract() -> None:
    codes = {error.code for error in _contract_errors()}
    assert sorted(CODE_CELL.findall(ERRORS.read_text())) == sorted(codes)


@pytest.mark.parametrize("error", _contract_errors())
def test_errors_reference__tells_the_answer_of_the_api(
    error: type[contract.EnhancementError],
) -> None:
    status = EnhancementProblem(error()).status_code
    retried = "yes" if error.retryable else "no"
    assert f"\n| `{error.code}` | {status} | {retried} |" in ERRORS.read_text()
