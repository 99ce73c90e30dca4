"""The command line of the worker as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from enhancer_worker.__main__ import main


def test_main__lists_all_commands() -> None:
    result = CliRunner().invoke(main, ["--help"])
    commands, _, _ = result.output.partition("Commands:\n")[2].partition("\n\n")
    assert [line.split()[0] for line in commands.splitlines()] == [
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
