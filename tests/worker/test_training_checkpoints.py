"""What a checkpoint holds that is written while a run goes on."""

from pathlib import Path

import lightning
import pytest
import torch

from enhancer_worker.training import fit_upscaler
from enhancer_worker.training.checkpoints import TimedCheckpoint
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
