"""The progress bar of a training run."""

import io
import re
from pathlib import Path

import pytest

from enhancer_worker.nets.srvgg import TIERS
from enhancer_worker.training import fit_upscaler, runs
from enhancer_worker.training.budget_bar import BudgetBar
from tests.worker.training_data import tiny_run, write_data


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_budget_bar__shows_how_much_of_the_run_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TIERS, "s", (16, 1))
    write_data(tmp_path)
    terminal = Terminal()
    monkeypatch.setattr(runs, "BudgetBar", lambda: BudgetBar(terminal))
    fit_upscaler.fit(tiny_run(tmp_path, max_steps=4))
    drawn = terminal.getvalue()
    shares = dict.fromkeys(re.findall(r"(\d+)%", drawn))
    assert list(shares) == ["0", "25", "50", "75", "100"]
    assert "step 4, loss 0." in drawn
    assert drawn.endswith("\n")
    assert "Epoch" not in capsys.readouterr().out
