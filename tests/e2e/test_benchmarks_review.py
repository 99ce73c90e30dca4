"""The benchmark of reviewing, with a queue of two."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import review


def test_review__measures_every_decision(tmp_path: Path) -> None:
    assert review.main(["--pairs", "1", "--look", "0.5", "--results", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "review.json").read_text())
    assert figures["pairs"] == 1
    assert 0 < figures["p50_seconds"] < 5
    assert "| 1 |" in (tmp_path / "review.md").read_text()
