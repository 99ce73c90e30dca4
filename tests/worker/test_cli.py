"""The command line of the worker as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from enhancer_worker.__main__ import main


def test_main__lists_all_commands() -> None:
    result = CliRunner().invoke(main, ["--help"])
    commands, _, _ = result.output.partition("Commands:\n")[2].partition("\n\n")
    assert [line.split()[0] for line in commands.splitlines()] == [
        "average",
        "backdrop-sheets",
        "cards",
        "compare",
        "enhance",
        "evaluate",
        "evaluate-backdrops",
        "export",
        "finetune",
        "plan",
        "prepare-backdrops",
        "research",
        "train",
        "weights",
    ]


@pytest.mark.parametrize("command", sorted(main.commands))
def test_main__runs_every_command(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert command in result.output


@pytest.mark.parametrize(
    ("arguments", "blocked", "extra"),
    [
        (["finetune", "--from", "restore_s"], "lightning", "train"),
        (["export", "restore_s"], "lightning", "train"),
        (["enhance", "IN", "OUT.jpg"], "openvino", "worker"),
        (["plan", "64x64"], "openvino", "worker"),
    ],
)
def test_main__names_the_extra_that_is_missing(
    tmp_path: Path, arguments: list[str], blocked: str, extra: str
) -> None:
    """A module that is None in ``sys.modules`` cannot be imported, as if it were not installed."""
    Image.new("RGB", (32, 32), "red").save(tmp_path / "IN.png")
    places = {"IN": str(tmp_path / "IN.png"), "OUT.jpg": str(tmp_path / "OUT.jpg")}
    code = (
        f"import sys\nsys.modules[{blocked!r}] = None\n"
        "from enhancer_worker.__main__ import main\nmain(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *(places.get(word, word) for word in arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "ENHANCER_CACHE_DIR": str(tmp_path / "cache"), "ENHANCER_DEVICE": "cpu"},
    )
    assert done.returncode == 1
    assert f"{blocked}" in done.stderr
    assert f'pip install "shopimg[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr
    assert "runs again by itself" not in done.stderr


def test_command_line__imports_neither_django_nor_training() -> None:
    code = (
        "import sys\n"
        "from enhancer_worker.__main__ import main\n"
        "main(['enhance', '--help'], standalone_mode=False)\n"
        "found = {'django', 'celery', 'torch', 'lightning', 'openvino'} & set(sys.modules)\n"
        "sys.exit(str(sorted(found)) if found else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
