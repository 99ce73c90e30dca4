"""Which averaged weights of a run are written, and whether more training still pays."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import lightning
from safetensors.torch import save_file
from torch import Tensor, nn

from enhancer_worker.nets.manifest import file_digest
from enhancer_worker.training.adapters import plain_state
from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.config_file import config_header
from enhancer_worker.training.loop import TrainingModule

logger = logging.getLogger(__name__)


class StepSettler(lightning.Callback):
    """Comes before what writes a checkpoint: Lightning asks a module last how its step ended."""

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Update the average."""
        cast(TrainingModule, pl_module).settle_step()


class AverageWriter(lightning.Callback):
    """Writes the averaged weights after a validation, and ends a run that gains nothing.

    Without `stop_on` the file holds the latest average, with it the best by that figure. What it
    knows is part of the checkpoint, so a resumed run neither forgets its best figure nor gets its
    patience back.

    Args:
        path: the `.safetensors` file.
        args: the run's arguments.
        also_write: called after each writing, with the averaged net as it was trained.
    """

    def __init__(
        self, path: Path, args: TrainingArgs, also_write: Callable[[nn.Module], None] | None = None
    ) -> None:
        self.path = path
        self.args = args
        self.also_write = also_write
        # Of what lies there now: a later run may replace the file.
        self.ancestor = file_digest(args.init_from) if args.init_from else ""
        self.best = -math.inf
        self.misses = 0

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write the file if it is worth it, and stop if nothing was for too long."""
        if trainer.sanity_checking or not isinstance(pl_module, TrainingModule):
            return
        if self._gains(trainer.callback_metrics):
            if trainer.is_global_zero:
                write_average(pl_module, self.path, self.ancestor)
                if self.also_write:
                    self.also_write(pl_module.average.module)
        elif 0 < self.args.patience <= self.misses:
            logger.info("%s stays at %.4f: stopping early", self.args.stop_on, self.best)
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"best": self.best, "misses": self.misses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the run stopped."""
        self.best, self.misses = state_dict["best"], state_dict["misses"]

    def _gains(self, figures: Mapping[str, Tensor]) -> bool:
        """Count a validation; whether its average shall be kept."""
        name = self.args.stop_on
        if not name:
            return True
        figure = float(figures[name])
        if figure > self.best + self.args.least_gain:
            self.best, self.misses = figure, 0
            return True
        self.misses += 1
        return False


def write_average(module: TrainingModule, path: Path, ancestor: str = "") -> None:
    """Save the averaged weights in the layout of the net, adapters folded in.

    The header of the file holds the run's config, how many steps it has done, and of what it began.

    Args:
        module: the run.
        path: the `.safetensors` file.
        ancestor: SHA-256 of the file that it was started from; empty where from scratch.
    """
    facts: dict[str, object] = {"steps_done": module.clock.step}
    if ancestor:
        facts["init_from_sha256"] = ancestor
    write_weights(plain_state(module.average.module), path, config_header(module.args, **facts))


def write_weights(state: Mapping[str, Tensor], path: Path, header: dict[str, str]) -> None:
    """Replace a `.safetensors` file in one step, so that no reader sees half of it."""
    partial = path.with_suffix(".partial")
    plain = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    save_file(plain, partial, header)
    partial.chmod(0o644)
    partial.replace(path)
