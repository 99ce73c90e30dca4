"""Writes a run's state every few minutes, so that a run that was broken off can go on."""

import time
from pathlib import Path
from typing import Any

import lightning


class TimedCheckpoint(lightning.Callback):
    """Keeps one checkpoint, replaced as a whole.

    Lightning's own `ModelCheckpoint` looks at the clock only where it optimises by itself, which
    adversaries cannot leave to it.

    Args:
        path: the file.
        minutes: between two writings.
    """

    def __init__(self, path: Path, minutes: float) -> None:
        self.path = path
        self.seconds = 60 * minutes
        self.written = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write where it is time; of several processes, the first decides."""
        is_due = time.monotonic() - self.written >= self.seconds
        if trainer.strategy.broadcast(is_due):
            self.write(trainer)

    def write(self, trainer: lightning.Trainer) -> None:
        """Write now."""
        whole = self.path.with_suffix(".part")
        trainer.save_checkpoint(whole)
        if trainer.is_global_zero:
            whole.replace(self.path)
        self.written = time.monotonic()
