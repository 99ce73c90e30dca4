"""What a checkpoint holds that is written while a run goes on."""

from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor

from enhancer_worker.training import fit_upscaler
from enhancer_worker.training.checkpoints import TimedCheckpoint
from enhancer_worker.training.data import Pair
from enhancer_worker.training.loop import TrainingModule
from tests.worker.training_data import tiny_run, write_data

# Lightning warns about its own dependencies and about this machine's cores.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_checkpoint__holds_the_average_of_every_step_that_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    write = TimedCheckpoint.write

    def recording(keeper: TimedCheckpoint, trainer: lightning.Trainer) -> None:
        write(keeper, trainer)
        kept = torch.load(keeper.path, weights_only=True)
        written.append((kept["global_step"], int(kept["state_dict"]["average.n_averaged"])))

    monkeypatch.setattr(TimedCheckpoint, "write", recording)
    fit_upscaler.fit(tiny_run(write_data(tmp_path), max_steps=3, checkpoint_minutes=0))
    assert written == [(1, 1), (2, 2), (3, 3), (3, 3)]


def test_checkpoint__goes_on_with_the_random_numbers_that_come_next(tmp_path: Path) -> None:
    class Noisy(TrainingModule):
        def training_step(self, batch: Pair, batch_idx: int) -> Tensor:
            drawn.append(float(torch.rand(())))
            return super().training_step(batch, batch_idx)

    def draw(max_steps: int, out: str, *, resume: bool = False) -> list[float]:
        drawn.clear()
        fit_upscaler.fit(tiny_run(tmp_path, out=tmp_path / out, max_steps=max_steps, resume=resume))
        return list(drawn)

    drawn: list[float] = []
    write_data(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_upscaler, "TrainingModule", Noisy)
        whole = draw(4, "whole")
        assert draw(2, "parts") + draw(4, "parts", resume=True) == whole
    assert len(set(whole)) == 4
