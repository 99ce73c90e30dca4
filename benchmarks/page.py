"""What every result page has: date, machine, commit, tables, and the files it is written to."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def circumstances() -> dict[str, str]:
    """Return when, where and on what a benchmark runs.

    Call it first: it tells how busy the machine is, and shall not tell the benchmark's own load.
    """
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "hardware": hardware(),
        "commit": commit(),
    }


def hardware() -> str:
    """Describe the machine in a line, and how busy it is."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores {(models or [platform.machine()])[0]}, load {os.getloadavg()[0]:.1f}"


def commit() -> str:
    """Return the revision that is measured; `-dirty` where files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - the one on the PATH
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def versions(*names: str) -> dict[str, str]:
    """Return name -> version of those distributions that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lay rows out as a Markdown table.

    >>> markdown_table(["a", "b"], [["1", "2"]])
    ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    lines = [header, *rows]
    drawn = [f"| {' | '.join(cells)} |" for cells in lines]
    return [drawn[0], "|" + "---|" * len(header), *drawn[1:]]


def preface(figures: Mapping[str, Any], command: str) -> str:
    """Return the line below a page's title."""
    return (
        f"{figures['date']}, {figures['hardware']}, commit {figures['commit']}. "
        f"Made by `{command}`."
    )


def write(name: str, figures: Mapping[str, Any], lines: Sequence[str], folder: Path) -> None:
    """Write `NAME.json` and `NAME.md`, and print the page.

    Args:
        name: of the benchmark.
        figures: everything that was measured.
        lines: the page.
        folder: where to; made when missing.
    """
    page = "\n".join(lines) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    (folder / f"{name}.md").write_text(page)
    print(page)  # noqa: T201 - what a script says
