"""The benchmark of reviewing, with a queue of two."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_review__measures_every_decision(tmp_path: Path) -> None:
    # A process of its own: Playwright runs once in each, and other tests may have begun.
    options = ["--pairs", "1", "--look", "0.5", "--results", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks.review", *options]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    figures = json.loads((tmp_path / "review.json").read_text())
    assert figures["pairs"] == 1
    assert 0 < figures["p50_seconds"] < 5
    assert "| 1 |" in (tmp_path / "review.md").read_text()
