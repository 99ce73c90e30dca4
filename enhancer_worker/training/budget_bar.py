"""Shows how much of a run's budget is spent, and how much time is left."""

import sys
from typing import Any, TextIO, cast

import click
import lightning
from torch import Tensor

from enhancer_worker.training.loop import TrainingModule

PARTS = 1000
"""Parts of the budget that are told apart."""


class BudgetBar(lightning.Callback):
    """A progress bar over hours or steps; Lightning's own knows no budget of time, so no end.

    It is drawn on terminals only, and by the first of several processes.

    Args:
        file: where it is drawn; standard error if None.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._bar: Any = None

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Draw it empty; a resumed run comes to where it was with its first step."""
        if not trainer.is_global_zero:
            return
        self._bar = click.progressbar(
            length=PARTS,
            label="Training",
            file=self._file or sys.stderr,
            item_show_func=lambda words: words,
        )
        self._bar.render_progress()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Draw it again where another part of the budget is spent."""
        if self._bar is None:
            return
        spent = _spent(pl_module)
        if spent > self._bar.pos:
            # Reading the loss waits for the device: not at each step.
            self._bar.update(spent - self._bar.pos, _words(trainer))

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Leave the last state on a line of its own."""
        if self._bar is not None:
            self._bar.update(_spent(pl_module) - self._bar.pos, _words(trainer))
            self._bar.render_finish()


def _spent(module: lightning.LightningModule) -> int:
    return int(PARTS * cast(TrainingModule, module).clock.progress())


def _words(trainer: lightning.Trainer) -> str:
    loss = trainer.progress_bar_metrics.get("train/loss")
    told = f", loss {float(loss):.4g}" if isinstance(loss, (float, Tensor)) else ""
    return f"step {trainer.global_step}{told}"
